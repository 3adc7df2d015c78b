//! Which commands are open, as the log tells it up to a position: so that the next start reads it
//! from the oldest of them, however long it is.

use super::{Checkpoint, checkpoint, save_checkpoint};
use crate::journal::{Journal, JournalError};
use chargebook_store::{Position, RecordedEvent};
use std::collections::BTreeMap;

/// Its checkpoint says where the oldest open command begins.
const NAME: &str = "commands";
/// A checkpoint is written no more often than once for so many events of the log.
const CHECKPOINT_AFTER_EVENTS: u64 = 10_000;

/// The open commands up to a position of the log.
#[derive(Debug, Default)]
pub(crate) struct OpenCommands {
    checkpoint: Checkpoint,
    position: Position,
    /// The position before its first event, by the name of its stream.
    begins_after: BTreeMap<String, Position>,
}

impl OpenCommands {
    /// As the last checkpoint has it.
    pub(crate) async fn resume(journal: &Journal) -> Result<Self, JournalError> {
        let checkpoint = checkpoint(journal, NAME).await?;
        Ok(Self { checkpoint, position: checkpoint.position, begins_after: BTreeMap::new() })
    }

    /// Up to where it has followed the log.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Takes in a page of the log; what it has seen before is passed over.
    pub(crate) fn take(&mut self, page: &[RecordedEvent]) {
        let seen = self.position;
        for recorded in page.iter().filter(|recorded| recorded.position > seen) {
            let before = std::mem::replace(&mut self.position, recorded.position);
            match &*recorded.event_type {
                "command.requested" => {
                    self.begins_after.insert(recorded.stream.as_str().to_owned(), before);
                }
                "command.answered" | "command.failed" => {
                    self.begins_after.remove(recorded.stream.as_str());
                }
                _ => {}
            }
        }
    }

    /// Writes a checkpoint, where that spares the next start much.
    pub(crate) async fn save(&mut self, journal: &Journal) -> Result<(), JournalError> {
        let oldest = self.begins_after.values().min();
        let safe = oldest.map_or(self.position, |oldest| *oldest);
        let spared = safe.as_u64().saturating_sub(self.checkpoint.position.as_u64());
        if spared < CHECKPOINT_AFTER_EVENTS {
            return Ok(());
        }
        save_checkpoint(journal, NAME, &mut self.checkpoint, safe).await
    }
}

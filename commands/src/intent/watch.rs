//! The end of commands that nobody answers: what has expired, what an earlier process had sent;
//! and the board's first reading.

use super::CommandStage;
use super::board::CommandBoard;
use crate::Chargebook;
use crate::journal::{Draft, Journal, JournalError, read_event};
use crate::policy::OpenCommands;
use crate::registry::DECISION_RETRIES_MAX;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{CommandFailed, CommandFailure};
use chargebook_domain::ids::{CommandId, StationId};
use chargebook_store::port::PAGE_EVENTS_MAX;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use std::time::Duration;

/// How often what has expired is looked for.
const EXPIRY_TICK: Duration = Duration::from_millis(500);

impl Chargebook {
    /// Takes in a step that was just made durable.
    pub(crate) fn note_command(&self, id: CommandId, event: &Event) {
        let due = self.board().note(id, event);
        self.board().dispatch(due);
    }

    /// Ends a command that nobody will answer.
    pub(crate) async fn fail_command(
        &self,
        id: CommandId,
        while_at: CommandStage,
        failure: CommandFailure,
        detail: &str,
    ) -> Result<(), JournalError> {
        let stream = StreamName::of("command", id.0);
        for _ in 0..DECISION_RETRIES_MAX {
            let Some((view, version)) = self.command_state(&stream).await? else { return Ok(()) };
            if view.stage != while_at {
                return Ok(());
            }
            let fact = CommandFailed { failure, detail: detail.to_owned(), exchange: None };
            let station_id = view.requested.station_id;
            let draft = Draft::new(self.journal().fresh_id(), fact).about(station_id);
            let event = draft.event().clone();
            match self.journal().append(&stream, ExpectedVersion::Exact(version), &[draft]).await {
                // The station has reported on it, or somebody else has ended it: look again.
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    appended?;
                    self.note_command(id, &event);
                    return Ok(());
                }
            }
        }
        // It is written to again and again: not ours to end.
        Ok(())
    }

    /// Ends what waits for no station and was asked of this one, unless it is connected.
    pub(crate) async fn withdraw_unless_present(
        &self,
        station_id: StationId,
    ) -> Result<(), JournalError> {
        for id in self.board().withdraw_unless_present(station_id) {
            self.end_withdrawn(id).await?;
        }
        Ok(())
    }

    async fn end_withdrawn(&self, id: CommandId) -> Result<(), JournalError> {
        let detail = "the station left before it was sent; this kind of command does not wait";
        let failure = CommandFailure::StationOffline;
        self.fail_command(id, CommandStage::Requested, failure, detail).await
    }

    /// Ends what has expired, and what waits for no station and whose station left, for ever; and
    /// once, what an earlier process had sent and got no answer to.
    pub(crate) async fn watch_commands(&self, after_restart: Vec<CommandId>) {
        for id in after_restart {
            let detail = "the server restarted before an answer came";
            let failure = CommandFailure::OutcomeUnknown;
            if let Err(error) = self.fail_command(id, CommandStage::Sent, failure, detail).await {
                tracing::error!(%error, command = %id, "could not end a command");
            }
        }
        loop {
            for id in self.board().withdrawn() {
                if let Err(error) = self.end_withdrawn(id).await {
                    tracing::error!(%error, command = %id, "could not end a command");
                }
            }
            tokio::time::sleep(EXPIRY_TICK).await;
            for id in self.board().overdue(self.journal().now()) {
                let detail = "its time passed before it could be sent";
                let failure = CommandFailure::Expired;
                if let Err(error) =
                    self.fail_command(id, CommandStage::Requested, failure, detail).await
                {
                    tracing::error!(%error, command = %id, "could not end a command");
                }
            }
        }
    }

    /// What the board knew when the log had been read: commands sent, with no answer.
    pub(crate) fn commands_left_sent(&self) -> Vec<CommandId> {
        self.board().sent()
    }
}

/// Reads the board from the log: every command event since the oldest command that was open at
/// the last checkpoint. What does not wait for its station is withdrawn.
pub(crate) async fn read_board(
    journal: &Journal,
    board: &CommandBoard,
) -> Result<OpenCommands, JournalError> {
    let mut commands = OpenCommands::resume(journal).await?;
    loop {
        let page = journal.store().read_all(commands.position(), PAGE_EVENTS_MAX).await?;
        if page.is_empty() {
            board.withdraw_all();
            return Ok(commands);
        }
        commands.take(&page);
        for recorded in &page {
            if !recorded.event_type.starts_with("command.") {
                continue;
            }
            let id = recorded.stream.as_str().strip_prefix("command-");
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                // Nothing is dispatched: stations that connect ask for what is due.
                board.note(id, &read_event(recorded)?);
            }
        }
    }
}

//! The register of those who are to be forgotten: one stream, read whole. There are few.

use crate::journal::{Draft, Journal, JournalError, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{ErasureRequested, TextErased};
use chargebook_domain::ids::{ErasureId, StationIdentity, SubjectId, TokenId};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, Position, StreamName};
use std::collections::BTreeSet;

/// How often an append is tried again because another came first.
const CONTENTION_RETRIES_MAX: u32 = 32;

/// A wish that somebody be forgotten, as the register tells it.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// The wish.
    pub requested: ErasureRequested,
    /// When it came.
    pub requested_at: Timestamp,
    /// That all of what is to be destroyed is known, so that keys may be.
    pub is_decided: bool,
    /// What is to be destroyed, so far.
    pub(crate) subjects: BTreeSet<SubjectId>,
    pub(crate) tokens: BTreeSet<TokenId>,
    pub(crate) texts: Vec<TextErased>,
    /// Stations whose list of tokens for offline use may still hold one of theirs.
    pub stations_not_told: Vec<StationIdentity>,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
    /// Where the log stands with the last word on it.
    pub position: Position,
}

impl Erasure {
    /// How many texts of others named them; known once it is decided.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    fn requested(requested: ErasureRequested, at: Timestamp, position: Position) -> Self {
        Self {
            requested,
            requested_at: at,
            is_decided: false,
            subjects: BTreeSet::new(),
            tokens: BTreeSet::new(),
            texts: Vec::new(),
            stations_not_told: Vec::new(),
            completed_at: None,
            position,
        }
    }
}

fn stream() -> Result<StreamName, JournalError> {
    StreamName::new("erasures-register").map_err(|e| JournalError::Unwritable(e.to_string()))
}

/// Every wish, oldest first.
pub(super) async fn read(journal: &Journal) -> Result<Vec<Erasure>, JournalError> {
    let mut erasures: Vec<Erasure> = Vec::new();
    journal
        .replay(&stream()?, 0, |recorded| {
            let at = Timestamp::new(recorded.recorded_at);
            let event = read_event(recorded)?;
            let id = match &event {
                Event::ErasureRequested(fact) => {
                    erasures.push(Erasure::requested((**fact).clone(), at, recorded.position));
                    return Ok(());
                }
                Event::ErasureDecided(fact) => fact.erasure_id,
                Event::ErasureCompleted(fact) => fact.erasure_id,
                _ => return Ok(()),
            };
            let told = erasures.iter_mut().find(|told| told.requested.erasure_id == id);
            let Some(erasure) = told else { return Ok(()) };
            erasure.position = recorded.position;
            match event {
                Event::ErasureDecided(fact) => {
                    erasure.subjects.extend(fact.subjects);
                    erasure.tokens.extend(fact.tokens);
                    erasure.texts.extend(fact.texts);
                    erasure.stations_not_told.extend(fact.stations_not_told);
                    erasure.is_decided |= !fact.more_follow;
                }
                Event::ErasureCompleted(_) => erasure.completed_at = Some(at),
                _ => {}
            }
            Ok(())
        })
        .await?;
    Ok(erasures)
}

/// One wish.
pub(super) async fn find(
    journal: &Journal,
    id: ErasureId,
) -> Result<Option<Erasure>, JournalError> {
    let erasures = read(journal).await?;
    Ok(erasures.into_iter().find(|erasure| erasure.requested.erasure_id == id))
}

/// Adds a word to it.
pub(super) async fn append(journal: &Journal, draft: Draft) -> Result<Position, JournalError> {
    let stream = stream()?;
    let mut version = None;
    for _ in 0..CONTENTION_RETRIES_MAX {
        let from = version.map_or(0, |version| version + 1);
        journal
            .replay(&stream, from, |recorded| {
                version = Some(recorded.version);
                Ok(())
            })
            .await?;
        let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        match journal.append(&stream, expected, std::slice::from_ref(&draft)).await {
            Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
            appended => return Ok(appended?.position),
        }
    }
    Err(JournalError::Append(AppendError::Overloaded))
}

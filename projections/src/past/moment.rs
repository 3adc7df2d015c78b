//! Which moment is meant: a position of the log or a time, of what happened or of what was known.

use chargebook_domain::units::Timestamp;
use chargebook_store::{EventStore, Position, StoreError};
use std::fmt;
use std::str::FromStr;

/// A place in the log, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the event of this position.
    Position(Position),
    /// With what lies at or before this time.
    Time(Timestamp),
}

/// A text that names no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a position of the log, or a time as 2026-11-01T12:00:00Z")]
pub struct WhenError;

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(Position::from_u64(position)));
        }
        text.parse().map(Self::Time).map_err(|_| WhenError)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => position.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// An earlier moment, in both times that there are: when things happened, and when they were
/// known here. A session that was charged offline happened in the morning and is known since noon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What had happened by then, by the stations' own times where they can be believed. A
    /// position is a place in what was known, and means the same as in `known_at`.
    pub as_of: Option<When>,
    /// What was in the log by then; all of it if absent.
    pub known_at: Option<When>,
}

impl Moment {
    /// Up to when things had to happen.
    pub(super) fn happened_by(&self) -> Option<Timestamp> {
        match self.as_of {
            Some(When::Time(time)) => Some(time),
            Some(When::Position(_)) | None => None,
        }
    }

    /// Up to where the log counts, not beyond where it stands.
    pub(super) async fn position(&self, log: &dyn EventStore) -> Result<Position, StoreError> {
        let mut until = *log.head().borrow();
        if let Some(When::Position(position)) = self.as_of {
            until = until.min(position);
        }
        match self.known_at {
            Some(When::Position(position)) => Ok(until.min(position)),
            Some(When::Time(time)) => last_by(log, time, until).await,
            None => Ok(until),
        }
    }
}

/// The last position at or before `until` that was recorded by a time. Where the server's clock was
/// set back, one of those that it could be.
async fn last_by(
    log: &dyn EventStore,
    time: Timestamp,
    until: Position,
) -> Result<Position, StoreError> {
    let (mut recorded_by, mut rest) = (Position::START, until);
    // Halves what is left, at most 64 times.
    while recorded_by < rest {
        let (low, high) = (recorded_by.as_u64(), rest.as_u64());
        let middle = Position::from_u64(low + (high - low) / 2);
        // Positions may have holes: it is the next event's time that counts.
        match log.read_all(middle, 1).await?.first() {
            Some(event) if event.position <= rest && Timestamp::new(event.recorded_at) <= time => {
                recorded_by = event.position;
            }
            _ => rest = middle,
        }
    }
    Ok(recorded_by)
}

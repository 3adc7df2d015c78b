//! What can go wrong with read models. None of it loses anything: the log is the truth.

use chargebook_store::{Position, StoreError};

/// A projector, a rebuild or a query that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database of the read models failed.
    #[error("the read models' database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else moved the checkpoint: two projectors write to one generation.
    #[error("another projector writes to these read models (the checkpoint is not at {expected})")]
    AnotherOwner {
        /// Where this projector had left the checkpoint.
        expected: Position,
    },
    /// Another process projects into this folder.
    #[error("another process projects into `{directory}`")]
    Locked {
        /// The folder.
        directory: String,
    },
    /// Another rebuild is under way in this folder.
    #[error("a rebuild is already under way in `{directory}`")]
    RebuildUnderWay {
        /// The folder.
        directory: String,
    },
    /// The folder of the read models could not be used.
    #[error("`{path}`: {source}")]
    Folder {
        /// What was being worked on.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The generation was written by a release with other tables or folds.
    #[error("the read models are of another release (schema {found}, not {own})")]
    OtherRelease {
        /// Its schema version.
        found: i64,
        /// This release's.
        own: i64,
    },
    /// A row does not hold what was written there: delete the folder, it is rebuilt.
    #[error("the read models are damaged ({0}); they can be deleted and are rebuilt from the log")]
    Damaged(String),
}

/// A query that has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// `next` is not one that a page of this list gave.
    #[error("`next` is not from a page of this list")]
    BadNext,
    /// The span asked for is empty, or longer than one answer may cover.
    #[error("the span must be longer than nothing and at most {days_max} days")]
    BadSpan {
        /// The longest.
        days_max: u32,
    },
    /// The read models failed.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

impl From<sqlx::Error> for QueryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Projection(error.into())
    }
}

/// Why waiting for a position ended without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time was up.
    #[error("the read models stand at {reached} and did not reach the position in time")]
    Timeout {
        /// Where they stand.
        reached: Position,
    },
    /// The projector has ended.
    #[error("the projector has ended; the read models stay at {reached}")]
    Ended {
        /// Where they stand.
        reached: Position,
    },
}

//! Where tests make a commit fail, in both of the ways it can: the events are in, or they are
//! not, and the caller hears neither.

use async_trait::async_trait;

/// What goes wrong at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// The connection is lost before the commit: nothing is written.
    LostBefore,
    /// The commit succeeds, and its answer is lost.
    LostAfter,
}

/// Asked at every commit.
#[async_trait]
pub trait CommitFaults: Send + Sync + 'static {
    /// The fault of this commit, if any; may take its time, which is how a slow disk looks.
    async fn at_commit(&self) -> Option<CommitFault>;
}

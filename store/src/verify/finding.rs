//! What the full check of a log may find, in words.

use crate::port::{LookupKey, Position};
use chargebook_proof::merkle::NodeHash;
use std::path::PathBuf;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An event cannot be read, or does not hash to its leaf.
    #[error("the event at position {position} is damaged: {reason}")]
    Damaged {
        /// Where.
        position: Position,
        /// What does not fit.
        reason: String,
    },
    /// A checkpoint covers more events than there are.
    #[error("a checkpoint covers {size} events, the log has {events}: events are missing")]
    Missing {
        /// Events under the checkpoint.
        size: u64,
        /// Events in the log.
        events: u64,
    },
    /// A checkpoint has another root than the log.
    #[error(
        "the checkpoint over the first {size} events has the root {published}, the events give \
         {found}: at least one of them was changed, removed, added or moved"
    )]
    Root {
        /// Events under the checkpoint.
        size: u64,
        /// Its root.
        published: NodeHash,
        /// The log's root at that size.
        found: NodeHash,
    },
    /// The first event that is not the one that was sealed in its place.
    #[error(
        "the event at position {position} is not the one that was sealed as leaf {index}: it, or \
         one before it, was changed, removed, added or moved"
    )]
    Changed {
        /// The leaf's place, from 0.
        index: u64,
        /// Where the other event stands.
        position: Position,
    },
    /// The engine gives no events from somewhere on.
    #[error("nothing can be read after position {after}: {reason}")]
    Unreadable {
        /// The last event that was read.
        after: Position,
        /// What the engine says.
        reason: String,
    },
    /// The engine's own check of what it has stored.
    #[error("the engine's own check: {0}")]
    Engine(String),
    /// A key leads to another stream than the events say, or to none.
    #[error("{key:?} does not lead to the stream of the last event that carries it")]
    Key {
        /// The key.
        key: LookupKey,
    },
    /// A tile says something else than the events and the checkpoints, which fit each other.
    #[error(
        "the tile {} is damaged: remove it and start a server, which makes it again",
        path.display()
    )]
    Tile {
        /// The file, in the data folder.
        path: PathBuf,
    },
    /// A checkpoint's note cannot be read at all.
    #[error("a remembered checkpoint is damaged")]
    Note,
}

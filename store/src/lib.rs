//! The event log: an append-only store with optimistic concurrency, lookup keys and
//! subscriptions, behind one port with one contract suite; and beside it the key vault
//! (`keys.db`) and the sealer that grows the proof tree.
//!
//! This room knows nothing of what an event means: it moves envelopes.

#[doc(hidden)]
pub mod backup;
pub mod contract;
pub mod copy;
pub mod engine;
pub mod export;
mod file;
mod group_commit;
mod head;
#[cfg(feature = "kurrentdb")]
pub mod kurrentdb;
mod lock;
mod lru;
pub mod memory;
pub mod port;
pub mod postgres;
mod prepare;
mod ring;
pub mod sealer;
pub mod sqlite;
mod tail;
pub mod vault;
pub mod verify;

pub use chargebook_proof::{CanonicalError, CanonicalJson, Envelope, LeafHash};
pub use engine::{LogAddress, OpenedLog};
pub use file::OpenError;
#[cfg(feature = "kurrentdb")]
pub use kurrentdb::{KurrentDbStore, KurrentDbUrl};
pub use memory::MemoryStore;
pub use port::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, LookupKey, NewEvent, OpenMode,
    Position, RecordedEvent, StoreError, StreamName, Subscription,
};
pub use postgres::{PostgresStore, PostgresUrl};
pub use sealer::{Sealer, SealerError, SealerOptions, SignedCheckpoint, Tree, TreeAt, TreeError};
pub use sqlite::SqliteStore;
pub use vault::{KeyVault, Opened, Sealed, Unsealable, VaultError};
pub use verify::{Finding, LogReport, verify_log, verify_opened};

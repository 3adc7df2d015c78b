//! The event log: an append-only store with optimistic concurrency, lookup keys and
//! subscriptions, behind one port with one contract suite; and beside it the key vault
//! (`keys.db`) and the sealer that grows the proof tree.
//!
//! This room knows nothing of what an event means: it moves envelopes.

pub mod port;

pub use port::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, LookupKey, NewEvent, Position,
    RecordedEvent, StoreError, StreamName, Subscription,
};

//! A disk beneath SQLite that loses what was not synced: for tests of the log.
//!
//! It stands between SQLite and the file system, for every connection of the process whose files
//! lie in a watched folder. It lets the calls through, writes them down in their order
//! ([`History`]), and can make some of them fail ([`Fault`]). From a history and a seed follows
//! what a crash leaves ([`History::crash`]): what was synced, and of the rest whatever chance will
//! have. Nothing here knows what SQLite writes.

mod crash;
mod disk;
mod history;
mod random;
mod vfs;

pub use crash::Survivors;
pub use disk::{Fault, FaultKind, SimulatedDisk};
pub use history::{FileId, HandleId, History, Operation};
pub use random::Random;

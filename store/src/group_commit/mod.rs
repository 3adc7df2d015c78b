//! What the engines share that write the log through one task: the queue to it, the decision of
//! a whole batch, and where tests make its commit fail.
//!
//! Nothing here knows a database: what the log holds already comes through
//! [`plan::StoredLog`].

mod faults;
pub(crate) mod plan;
pub(crate) mod queue;

pub use faults::{CommitFault, CommitFaults};

//! What an auditor must trust: the bytes of an event, the tree over them, the signed
//! checkpoint and the bundle that carries a proof.
//!
//! This room knows no clock, no disk, no network, no SQL and no meaning of any event. It is
//! small on purpose: whoever doubts a bill reads this room and `audit`, nothing else.

pub mod bundle;
mod canonical;
pub mod checkpoint;
pub mod disclosure;
mod envelope;
pub mod merkle;
pub mod multiproof;
pub mod proof_file;
pub mod tile;

pub use canonical::{CanonicalError, CanonicalJson, NESTING_DEPTH_MAX};
pub use envelope::{Envelope, EnvelopeError, EnvelopeParts, LeafHash};

//! OCPP-J without a socket and without an OCPP version's payloads: texts, frames, error codes,
//! and the check of a payload against a message's shape.
//!
//! Sans I/O: text goes in, values come out. It knows nothing of stations, desks or sockets.

pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod shape;
pub(crate) mod typed;

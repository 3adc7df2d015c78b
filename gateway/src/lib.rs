//! The OCPP gateway: charge points connect here over WebSockets.
//!
//! It upgrades connections, speaks OCPP-J, translates between each OCPP version and the
//! domain's words, and answers a station only after its desk (`chargebook-commands`) has made
//! the message durable. It must not know what follows from a message, how events are stored, or
//! that read models, HTTP APIs and pages exist.
//!
//! The way of a frame: [`serve`] accepts and hands the socket to a session; the session reads a
//! text, has it read and judged (`v16` or `v2`, on the sans-I/O parts in `rpc`), gives it to the
//! desk, and sends what the desk returns.

mod accept;
mod call;
mod charging;
mod connections;
mod downward;
#[doc(hidden)]
pub mod fuzz;
mod limits;
#[doc(hidden)]
pub mod measure;
mod message;
mod meter;
mod metrics;
mod outbox;
mod pace;
mod payload;
mod protocol;
mod rpc;
mod session;
mod socket;
mod stream;
mod tariff;
mod time;
mod v16;
mod v2;

pub use accept::{CertificatePlace, Doors, Tls, TlsCertificate, TlsError, TlsMaterial, serve};
pub use downward::OcppVersions;
pub use limits::{Limits, MESSAGE_BYTES_MAX, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};

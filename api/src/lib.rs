//! The HTTP API: JSON over HTTP for operators, their programs and auditors, described by an
//! OpenAPI document, with live changes over server-sent events.
//!
//! It reads requests, has the commands decide and the read models answer, and writes answers.
//! It knows no charger's protocol (intents are in the domain's words), no SQL, and no rule of
//! its own about what may be registered or billed.
//!
//! - Everything under `/v1` needs `Authorization: Bearer TOKEN`.
//! - Every write answers `Chargebook-Position`; every read takes `?wait_for=POSITION`.
//! - Reads of things that change take `?as_of=` and `?known_at=`: any moment of the past.
//! - A parameter that a route does not take is refused by name.
//! - What cannot be done is answered with a problem (RFC 9457).

mod answer;
mod auth;
mod document;
mod observe;
mod parameters;
mod past;
mod problem;
mod request;
mod routes;
mod serve;
mod state;

pub use answer::POSITION_HEADER;
pub use auth::Authenticator;
pub use document::openapi;
pub use observe::describe_metrics;
pub use past::{PAST_WAIT_MAX, read_past};
pub use request::BODY_BYTES_MAX;
pub use routes::router;
pub use serve::{CONNECTIONS_MAX, DRAIN_MAX, HEAD_READ_MAX, serve};
pub use state::{ApiState, BundleFailure, BundleSource, WAIT_FOR_MAX};

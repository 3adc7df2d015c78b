//! The offline verifier: from one bundle it proves one invoice, without trusting the operator.
//!
//! [`verify`] checks the signature and that the log's tree commits to every event, and then
//! derives the bill again, from the bottom up:
//! the charger's own frames -> the session's facts -> what it was settled on -> the rating, by
//! the tariff's version and the released rules -> the invoice's lines and totals -> the ledger's
//! posting. What it derives must be what was recorded, to the byte.
//!
//! A bundle for an invoice holds exactly: the `invoice.issued` event; the session's stream, from
//! version 0 to the rating or on; the `tariff.version_published` event; the exchanges outside
//! the session's stream that its facts cite ([`cited_exchanges`]); and, if wanted, the
//! `ledger.posted` events about the invoice. For a credit note also the invoice that it takes
//! back, with that one's tariff and postings. An event without a part in the bill is refused.
//!
//! This room reads one text and returns one report. It does no I/O, and knows no SQL, no store
//! and no async. The pure functions of `domain` that rate and settle for the server do so here;
//! the frames are read here anew, apart from the gateway.

mod bill;
mod chain;
mod connector;
mod error;
mod frame;
mod neighbours;
mod number;
mod report;
mod sampled;
mod session;
mod summary;
mod verify;

pub use bill::LocalTimeCheck;
pub use error::AuditError;
pub use frame::FrameError;
pub use report::{Proven, ProvenFrame, ReadOtherwise, Report};
pub use session::cited_exchanges;
pub use summary::not_proven;
pub use verify::verify;

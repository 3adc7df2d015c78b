//! Why a bundle does not prove its bill.

use crate::frame::FrameError;
use chargebook_domain::events::EventError;
use chargebook_domain::ids::EventId;
use chargebook_domain::rating::RatingError;
use chargebook_domain::session::Doubt;
use chargebook_proof::bundle::BundleError;
use chargebook_proof::checkpoint::KeyError;

/// What is wrong, and with which event.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AuditError {
    /// The trusted key that was given is none.
    #[error("the key given: {0}")]
    Key(KeyError),
    /// The bundle itself: its form, signature, proof or disclosures.
    #[error("{0}")]
    Bundle(BundleError),
    /// An event of a type that this release does not know, or with data that does not fit it.
    #[error("event {id}: {source}")]
    Event {
        /// The event.
        id: EventId,
        /// What does not fit.
        source: EventError,
    },
    /// Two events have one id.
    #[error("two events have the id {0}")]
    IdTwice(EventId),
    /// A refused message is read again once.
    #[error("the exchange {0} was read again twice")]
    RereadTwice(EventId),
    /// An event's time of recording is no instant.
    #[error("event {0}: its time of recording is no instant")]
    RecordedAt(EventId),
    /// A bundle proves one invoice, or one credit note with the invoice that it takes back.
    #[error("the bundle holds {0} invoices: it must be one, or a credit note and what it corrects")]
    Invoices(usize),
    /// Something that the bill rests on is not there.
    #[error("{what} ({id}) is not in the bundle")]
    Missing {
        /// What it would have been.
        what: &'static str,
        /// Its id.
        id: EventId,
    },
    /// A reference leads to an event of another type.
    #[error("event {id} is a {found}, where a {expected} is referred to")]
    WrongType {
        /// The event.
        id: EventId,
        /// The type referred to.
        expected: &'static str,
        /// Its type.
        found: &'static str,
    },
    /// An event of a stream is not there.
    #[error("version {version} of the stream {stream} is not in the bundle")]
    StreamHole {
        /// The stream.
        stream: String,
        /// The version.
        version: u64,
    },
    /// An event lies in another place than it must.
    #[error("event {id} lies in {found}; it belongs in {expected}")]
    Elsewhere {
        /// The event.
        id: EventId,
        /// Where it must lie.
        expected: String,
        /// Where it lies.
        found: String,
    },
    /// An effect stands in the log before its cause.
    #[error("event {effect} stands in the log before {cause}, which it rests on")]
    OutOfOrder {
        /// The cause.
        cause: EventId,
        /// The effect.
        effect: EventId,
    },
    /// Nothing in the bill rests on an event of the bundle.
    #[error("event {id} ({event_type}) has no part in the bill and no place in the bundle")]
    Unneeded {
        /// The event.
        id: EventId,
        /// Its type.
        event_type: String,
    },
    /// A fact is not what the charger's frame says.
    #[error("event {id}: {source}")]
    Frame {
        /// The fact.
        id: EventId,
        /// What does not fit.
        source: FrameError,
    },
    /// The charger said something in the session's stream that is not among its facts.
    #[error("event {id}: the frame's {what} is not among the session's facts")]
    LeftOut {
        /// The exchange.
        id: EventId,
        /// What it says.
        what: String,
    },
    /// What an event says is not what follows from the others.
    #[error("event {id}: {what} is {recorded}, but {derived} follows")]
    Differs {
        /// The event.
        id: EventId,
        /// Which of its members.
        what: String,
        /// What it says.
        recorded: String,
        /// What was computed.
        derived: String,
    },
    /// The session's facts give no basis for a bill.
    #[error("the session's facts give no basis for a bill: {0:?}")]
    Doubt(Doubt),
    /// The tariff cannot be read.
    #[error("event {id}: the tariff cannot be read: {reason}")]
    Tariff {
        /// The tariff's event.
        id: EventId,
        /// Why not.
        reason: String,
    },
    /// The session cannot be rated again.
    #[error("the session cannot be rated again: {0}")]
    Rating(RatingError),
    /// A sum is larger than any money.
    #[error("event {id}: a sum overflows")]
    Overflow {
        /// The event.
        id: EventId,
    },
}

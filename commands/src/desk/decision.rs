//! What a decision about a message is: which stream it is written to, what is answered, and the
//! facts. How it comes about is told in `decide` and the rooms beside it, how it is written in the
//! desk.

use crate::message::{Answer, Judged, Receipt};
use chargebook_domain::events::Event;
use chargebook_domain::ids::{EventId, SessionId, TransactionNumber};
use chargebook_store::{LookupKey, StreamName};

/// Which stream a decision is written to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Station,
    /// A command that is reported on.
    Command(StreamName),
    /// A session that is known.
    Session(StreamName),
    /// A session that begins now, unless it turns out to exist.
    NewSession(StreamName),
}

/// What follows from a message.
pub(super) struct Decision {
    pub(super) target: Target,
    pub(super) answer: Option<Answer>,
    pub(super) facts: Vec<Event>,
    pub(super) keys: Vec<LookupKey>,
    pub(super) duplicate_of: Option<EventId>,
}

impl Decision {
    pub(super) fn station(answer: Answer, facts: Vec<Event>) -> Self {
        Self {
            target: Target::Station,
            answer: Some(answer),
            facts,
            keys: Vec::new(),
            duplicate_of: None,
        }
    }

    pub(super) fn session(stream: StreamName, answer: Answer, facts: Vec<Event>) -> Self {
        Self { target: Target::Session(stream), ..Self::station(answer, facts) }
    }

    /// What a station reports is written to the command that asked for it, where one did.
    pub(super) fn report(command: Option<StreamName>, answer: Answer, facts: Vec<Event>) -> Self {
        let target = command.map_or(Target::Station, Target::Command);
        Self { target, ..Self::station(answer, facts) }
    }

    pub(super) fn repeating(mut self, exchange: Option<EventId>) -> Self {
        self.duplicate_of = exchange;
        self
    }
}

/// What stays the same over the tries to decide one message.
pub(super) struct Case<'a> {
    /// The exchange that its facts come from.
    pub(super) receipt_id: EventId,
    /// The event that its facts follow: the exchange, unless that is read again.
    pub(super) cause: EventId,
    pub(super) receipt: &'a Receipt,
    pub(super) judged: &'a Judged,
    /// A transaction id, once one was taken for this message.
    pub(super) transaction_id: Option<TransactionNumber>,
    /// A session that turned out to exist when it was to be begun.
    pub(super) met: Option<SessionId>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        receipt_id: EventId,
        cause: EventId,
        receipt: &'a Receipt,
        judged: &'a Judged,
    ) -> Self {
        Self { receipt_id, cause, receipt, judged, transaction_id: None, met: None }
    }
}

//! What passes between a session and the translation of its OCPP version: words that no version
//! owns.

use crate::rpc::error::{ErrorCode, call_result};
use chargebook_commands::message::{Judged, Personal, PersonalPlace, Receipt, RenderedReply};
use chargebook_commands::{CommandResult, StationEffect};
use chargebook_domain::events::v1::{Dialect, Direction, FollowUp, Undelivered, Verdict};
use chargebook_domain::units::Timestamp;

/// Stands for an action that is none of the standard's, wherever a bounded set of words is
/// needed (metrics, log lines).
pub(crate) const UNKNOWN_ACTION: &str = "unknown";

/// A text that came in.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// To be judged by the desk: a CALL, or what gets no answer.
    ForDesk(Box<ForDesk>),
    /// An answer to a CALL of ours, if there is one with this id.
    Reply(Reply),
}

/// What the desk gets.
#[derive(Debug)]
pub(crate) struct ForDesk {
    /// The message as it came.
    pub(crate) receipt: Receipt,
    /// What it says, or why it is refused.
    pub(crate) judged: Judged,
    /// The action, or [`UNKNOWN_ACTION`].
    pub(crate) action: &'static str,
    /// Why it is refused or ignored: the standard's words only, nothing of the station's.
    pub(crate) complaint: Option<String>,
    /// Times that were read as meant rather than as written.
    pub(crate) repaired_times: u32,
    /// The payload that declines it, where its action can be declined.
    pub(crate) declined: Option<Written>,
}

/// A payload of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// JSON.
    pub(crate) json: String,
    /// What is personal in it.
    pub(crate) personal: Vec<PersonalPlace>,
}

impl Written {
    /// The CALLRESULT that it is the payload of.
    pub(crate) fn result(self, message_id: &str) -> RenderedReply {
        let Self { json, mut personal } = self;
        let frame = call_result(message_id, &json);
        // The payload is followed by one bracket.
        let before = frame.len() - json.len() - 1;
        for place in &mut personal {
            place.range = place.range.start + before..place.range.end + before;
        }
        RenderedReply { frame, personal }
    }
}

/// An answer that came in.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The whole text.
    pub(crate) text: String,
    /// The id of the CALL it answers.
    pub(crate) message_id: String,
}

/// An answer, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReplyReading {
    /// What is personal in it.
    pub(crate) personal: Personal,
    /// What it says.
    pub(crate) result: CommandResult,
    /// Whether it says, without a status, that nothing will be reported.
    pub(crate) nothing_follows: bool,
    /// What it changes on our side.
    pub(crate) effects: Vec<StationEffect>,
    /// Why it could not be used, where it could not.
    pub(crate) unusable: Option<ErrorCode>,
}

/// A CALL of ours.
#[derive(Debug)]
pub(crate) struct Downward {
    /// Its message id.
    pub(crate) message_id: String,
    /// Its action.
    pub(crate) action: &'static str,
    /// The whole frame, and what is personal in it.
    pub(crate) frame: RenderedReply,
    /// What the station will report on it.
    pub(crate) follow_up: Option<FollowUp>,
    /// What changes on our side though the station has not answered yet.
    pub(crate) effects: Vec<StationEffect>,
}

/// An intent cannot be sent over this connection. Repeats nothing of what was to be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    /// The connection's OCPP version has no such request.
    #[error("the station's OCPP version has no such request")]
    NoSuchRequest,
    /// The connection's OCPP version does not allow it.
    #[error("{pointer}: {rule}")]
    Invalid {
        /// JSON pointer into the payload.
        pointer: String,
        /// The kind of rule.
        rule: &'static str,
    },
    /// It is more than the station takes in one request, and cannot be cut into several.
    #[error("it is more than the station takes in one request: ask for less at a time")]
    TooLarge,
    /// A number is larger than the standard allows.
    #[error("the connector is out of range")]
    Connector,
    /// A connector of 0 where one connector is meant.
    #[error("connector 0 is the station itself")]
    ConnectorZero,
    /// Not a message that can be asked for.
    #[error("the station's OCPP version cannot trigger that message")]
    UnknownTrigger,
    /// The personal data in it was erased since it was asked for.
    #[error("its personal data has been erased")]
    Erased,
}

impl ForDesk {
    /// Something that gets no answer, and why.
    pub(crate) fn unanswered(verdict: Verdict, why: &str, received_at: Timestamp) -> Self {
        Self {
            receipt: receipt(received_at),
            judged: Judged::Unanswered(verdict),
            action: UNKNOWN_ACTION,
            complaint: Some(why.to_owned()),
            repaired_times: 0,
            declined: None,
        }
    }

    /// An answer to nothing: recorded, and changes nothing.
    pub(crate) fn unexpected_reply(reply: Reply, received_at: Timestamp) -> Self {
        let why = "an answer to no outstanding call";
        let mut message = Self::unanswered(Verdict::Ignored, why, received_at);
        message.receipt.message_id = Some(reply.message_id);
        message.receipt.text = Some(reply.text);
        message
    }

    /// What the transport could not deliver: recorded as size and reason.
    pub(crate) fn undelivered(
        size_bytes: u64,
        reason: &'static str,
        received_at: Timestamp,
    ) -> Self {
        let mut message = Self::unanswered(Verdict::Unreadable, reason, received_at);
        message.receipt.undelivered = Some(Undelivered { size_bytes, reason: reason.to_owned() });
        message
    }
}

/// A receipt of which nothing is known yet but when it came.
pub(crate) fn receipt(received_at: Timestamp) -> Receipt {
    Receipt {
        direction: Direction::FromStation,
        text: None,
        personal: Personal::Anywhere,
        message_id: None,
        action: None,
        received_at,
        station_time: None,
        extra_members: 0,
        undelivered: None,
        dialect: Dialect::STANDARD,
        noticed: Dialect::STANDARD,
    }
}

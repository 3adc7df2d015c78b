//! OCPP 1.6J (Edition 2 with its errata, and the security white paper) to and from the
//! domain's words.
//!
//! Pure: texts and values in, values out. It decides what a message says and which CALLERROR a
//! bad one gets; it does not decide what follows from a message. It knows no sockets and no
//! streams, and keeps nothing between two messages.

mod downward;
mod meter;
mod render;
mod reply;
mod schema;
mod translate;

#[cfg(test)]
mod tests;

pub(crate) use downward::downward;
pub(crate) use render::render;
pub(crate) use reply::read_reply;

use crate::message::{ForDesk, Inbound, Reply, UNKNOWN_ACTION, receipt};
use crate::rpc::error::{ErrorCode, call_error};
use crate::rpc::frame::{Call, Frame, MESSAGE_ID_CHARACTERS_MAX};
use crate::rpc::json::{Document, JsonError};
use crate::rpc::shape::{self, Findings, Violation};
use chargebook_commands::message::{
    CallErrorReply, Judged, PERSONAL_PLACES_MAX, Personal, StationMessage,
};
use chargebook_domain::events::v1::Verdict;
use chargebook_domain::units::Timestamp;
use ocpp_kit::v1_6::Action;

/// Longest action that is kept as such with an exchange, in bytes.
const ACTION_BYTES_MAX: usize = 64;

/// Whether an action looks like one. Anything else is kept in the verbatim text only, which is
/// sealed where it could not be understood.
fn is_a_name(action: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    action.len() <= ACTION_BYTES_MAX && action.bytes().all(is_plain)
}

/// Reads a text that a station sent.
pub(crate) fn read(text: String, received_at: Timestamp) -> Inbound {
    let (document, outcome) = Document::read(&text);
    let mut message = match Frame::read(&document) {
        Frame::Call(call) => judge_call(&document, &call, outcome, received_at),
        Frame::Result { id, .. } | Frame::Error { id, .. } => {
            let message_id = id.into_owned();
            return Inbound::Reply(Reply { text, message_id });
        }
        Frame::UnknownType => ForDesk::unanswered(
            Verdict::Ignored,
            "a message type that 1.6 does not know",
            received_at,
        ),
        Frame::Unreadable => {
            let why = outcome.err().map_or("no OCPP-J frame", JsonError::words);
            ForDesk::unanswered(Verdict::Unreadable, why, received_at)
        }
    };
    message.receipt.text = Some(text);
    Inbound::ForDesk(Box::new(message))
}

/// A refusal in the standard's words.
struct Refusal {
    code: ErrorCode,
    description: String,
}

impl Refusal {
    fn new(code: ErrorCode, description: &str) -> Self {
        Self { code, description: description.to_owned() }
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        let Violation { code, pointer, rule } = violation;
        let description =
            if pointer.is_empty() { rule.to_owned() } else { format!("{pointer}: {rule}") };
        Self { code, description }
    }
}

fn judge_call(
    document: &Document<'_>,
    call: &Call<'_>,
    outcome: Result<(), JsonError>,
    received_at: Timestamp,
) -> ForDesk {
    let known = call.action.as_deref().and_then(Action::from_wire);
    let mut receipt = receipt(received_at);
    receipt.message_id = Some(call.id.clone().into_owned());
    let action = call.action.as_deref().filter(|action| is_a_name(action));
    receipt.action = action.map(str::to_owned);
    let mut message = ForDesk {
        receipt,
        judged: Judged::Unanswered(Verdict::Unreadable),
        action: known.map_or(UNKNOWN_ACTION, Action::as_str),
        complaint: None,
        repaired_times: 0,
    };
    match understand(document, call, known, outcome) {
        Ok(understood) => {
            message.receipt.personal = places(&understood.findings);
            message.receipt.extra_members = understood.findings.extra_members;
            message.receipt.station_time = understood.station_time;
            message.repaired_times = understood.findings.repaired_times;
            message.judged = Judged::Message(understood.message);
        }
        Err(Refusal { code, description }) => {
            let code = code.v16();
            let frame = call_error(&call.id, code, &description);
            message.judged = Judged::Refused(CallErrorReply { code, frame });
            message.complaint = Some(format!("{code}: {description}"));
        }
    }
    message
}

fn places(findings: &Findings) -> Personal {
    if findings.personal.len() > PERSONAL_PLACES_MAX {
        return Personal::Anywhere;
    }
    Personal::Places(findings.personal.clone())
}

/// A CALL that is well-formed.
struct Understood {
    message: StationMessage,
    station_time: Option<String>,
    findings: Findings,
}

/// The first thing that is wrong decides: the frame, the action, the payload's text, its shape.
fn understand(
    document: &Document<'_>,
    call: &Call<'_>,
    known: Option<Action>,
    outcome: Result<(), JsonError>,
) -> Result<Understood, Refusal> {
    use ErrorCode::*;
    if call.id.chars().count() > MESSAGE_ID_CHARACTERS_MAX {
        return Err(Refusal::new(GenericError, "the message id is longer than 36 characters"));
    }
    if call.action.is_none() {
        return Err(Refusal::new(GenericError, "the action is missing or no string"));
    }
    let action = known.ok_or_else(|| Refusal::new(NotImplemented, "the action is not known"))?;
    let shape = schema::request(action)
        .ok_or_else(|| Refusal::new(NotSupported, "a station does not send this action"))?;
    if let Err(error) = outcome {
        return Err(Refusal::new(FormatViolation, error.words()));
    }
    if !call.has_payload {
        return Err(Refusal::new(ProtocolError, "the payload is missing"));
    }
    let payload =
        call.payload.ok_or_else(|| Refusal::new(FormatViolation, "the payload is broken off"))?;
    let mut findings = shape::check(document, payload, shape)?;
    for further in &call.further {
        findings.extra_members = findings.extra_members.saturating_add(1);
        shape::seal_strings(document, *further, &mut findings.personal);
    }
    let (message, station_time) = translate::message(document, payload, action)
        .ok_or_else(|| Refusal::new(ProtocolError, "the payload does not fit its action"))?;
    Ok(Understood { message, station_time, findings })
}

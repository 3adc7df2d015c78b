//! Judging a CALL (or a SEND, which is one without an answer): the same steps in every OCPP
//! version, in this order; the first thing that is wrong decides.
//!
//! What an action is, which shape it has and what it says is the [`Edition`]'s to know. What
//! follows from a message is the desk's.

use crate::message::{ForDesk, UNKNOWN_ACTION, Written, receipt};
use crate::rpc::error::{ErrorCode, call_error};
use crate::rpc::frame::{Call, MESSAGE_ID_CHARACTERS_MAX};
use crate::rpc::json::{Document, JsonError, NodeId};
use crate::rpc::shape::{self, Findings, Violation};
use chargebook_commands::message::{
    CallErrorReply, Judged, PERSONAL_PLACES_MAX, Personal, StationMessage,
};
use chargebook_domain::events::v1::{Dialect, Quirk, Verdict};
use chargebook_domain::units::Timestamp;

/// What an OCPP version knows of the messages a station sends.
pub(crate) trait Edition: Copy {
    /// Its actions, in both directions.
    type Action: Copy;
    /// The shape of a payload.
    type Shape: Copy;

    /// The action of that name, which is case-sensitive.
    fn action(self, name: &str) -> Option<Self::Action>;

    /// The name of an action.
    fn name(self, action: Self::Action) -> &'static str;

    /// The shape of an action's payload; `None` where no station sends it as this kind of
    /// message.
    fn shape(self, action: Self::Action, kind: CallKind) -> Option<Self::Shape>;

    /// Checks a payload against a shape.
    fn check(
        self,
        document: &Document<'_>,
        payload: NodeId,
        shape: Self::Shape,
    ) -> Result<Findings, Violation>;

    /// What a payload that fits its shape says, and its own time as the station wrote it.
    fn translate(
        self,
        document: &Document<'_>,
        payload: NodeId,
        action: Self::Action,
    ) -> Option<(StationMessage, Option<String>)>;

    /// The answer that declines what a payload asks for; `None` where there is nothing to
    /// decline.
    fn declined(
        self,
        document: &Document<'_>,
        payload: NodeId,
        action: Self::Action,
    ) -> Option<Written>;

    /// How a code is spelt.
    fn spell(self, code: ErrorCode) -> &'static str;

    /// The message id for a CALLERROR about a CALL whose id is too long to be repeated.
    fn id_for_too_long(self, id: &str) -> &str;
}

/// What begins an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// To be answered.
    Call,
    /// Not to be answered.
    Send,
}

/// Longest action that is kept as such with an exchange, in bytes.
const ACTION_BYTES_MAX: usize = 64;

/// Judges a CALL or a SEND that came in. `outcome` is what reading the whole text gave.
pub(crate) fn judge<E: Edition>(
    edition: E,
    kind: CallKind,
    document: &Document<'_>,
    call: &Call<'_>,
    outcome: Result<(), JsonError>,
    dialect: Dialect,
    received_at: Timestamp,
) -> ForDesk {
    let known = call.action.as_deref().and_then(|name| edition.action(name));
    let mut receipt = receipt(received_at);
    receipt.message_id = Some(call.id.clone().into_owned());
    let action = call.action.as_deref().filter(|action| is_a_name(action));
    receipt.action = action.map(str::to_owned);
    let mut message = ForDesk {
        receipt,
        judged: Judged::Unanswered(Verdict::Ignored),
        action: known.map_or(UNKNOWN_ACTION, |action| edition.name(action)),
        complaint: None,
        repaired_times: 0,
        declined: None,
    };
    let understood = || understand(edition, kind, document, call, known, outcome);
    let Reading { outcome, in_any_dialect, noticed } = in_dialect(document, dialect, understood);
    message.receipt.dialect = dialect;
    message.receipt.noticed = noticed;
    if let Some(meant) = in_any_dialect {
        // What is refused is kept like what is understood: it may be read again.
        message.receipt.personal = places(&meant.findings);
        message.receipt.station_time = meant.station_time;
    }
    match (outcome, kind) {
        (Ok(understood), kind) => {
            message.receipt.personal = places(&understood.findings);
            message.receipt.extra_members = understood.findings.extra_members;
            message.receipt.station_time = understood.station_time;
            message.repaired_times = understood.findings.repaired_times;
            message.declined = understood.declined;
            message.judged = match kind {
                CallKind::Call => Judged::Message(understood.message),
                CallKind::Send => Judged::Told(understood.message),
            };
        }
        (Err(Refusal { code, description }), CallKind::Call) => {
            let id = match is_too_long(&call.id) {
                true => edition.id_for_too_long(&call.id),
                false => &call.id,
            };
            message.refuse(id, edition.spell(code), &description);
        }
        (Err(Refusal { code, description }), CallKind::Send) => {
            message.complaint = Some(format!("{}: {description}", edition.spell(code)));
        }
    }
    message
}

/// What reading a message in a dialect gives.
struct Reading<T, R> {
    outcome: Result<T, R>,
    /// Of what cannot be understood in the dialect: what it means in another.
    in_any_dialect: Option<T>,
    /// What else the dialect would have to be.
    noticed: Dialect,
}

/// Reads in the station's dialect, and tells what else it would have to be: of what can be
/// understood the quirks that lost something, of what cannot those that would have helped.
fn in_dialect<T, R>(
    document: &Document<'_>,
    dialect: Dialect,
    read: impl Fn() -> Result<T, R>,
) -> Reading<T, R> {
    document.understand_in(dialect);
    let outcome = read();
    let mut in_any_dialect = None;
    let noticed = match &outcome {
        Ok(_) => Dialect::from_iter(LOSING.iter().copied().filter(|q| document.met().has(*q))),
        Err(_) => {
            document.understand_in(Dialect::every());
            in_any_dialect = read().ok();
            in_any_dialect.as_ref().map_or(Dialect::STANDARD, |_| document.met())
        }
    };
    Reading { outcome, in_any_dialect, noticed: noticed.without(dialect) }
}

/// Quirks that do not break a message, but lose something of it.
const LOSING: &[Quirk] = &[Quirk::DecimalComma, Quirk::MeasurandMissing, Quirk::PlugAndChargeData];

impl ForDesk {
    /// Refuses it with a CALLERROR.
    pub(crate) fn refuse(&mut self, message_id: &str, code: &'static str, description: &str) {
        let frame = call_error(message_id, code, description);
        self.judged = Judged::Refused(CallErrorReply { code, frame });
        self.complaint = Some(format!("{code}: {description}"));
    }
}

/// A CALL or SEND that is well-formed.
struct Understood {
    message: StationMessage,
    station_time: Option<String>,
    findings: Findings,
    declined: Option<Written>,
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

fn understand<E: Edition>(
    edition: E,
    kind: CallKind,
    document: &Document<'_>,
    call: &Call<'_>,
    known: Option<E::Action>,
    outcome: Result<(), JsonError>,
) -> Result<Understood, Refusal> {
    use ErrorCode::*;
    if is_too_long(&call.id) {
        let why = "the message id is longer than 36 characters";
        return Err(Refusal::new(RpcFrameworkError, why));
    }
    if call.action.is_none() {
        return Err(Refusal::new(RpcFrameworkError, "the action is missing or no string"));
    }
    if call.has_too_many {
        return Err(Refusal::new(RpcFrameworkError, "no message has so many elements"));
    }
    let action = known.ok_or_else(|| Refusal::new(NotImplemented, "the action is not known"))?;
    let shape = edition
        .shape(action, kind)
        .ok_or_else(|| Refusal::new(NotSupported, "a station does not send this action"))?;
    if let Err(error) = outcome {
        return Err(Refusal::new(FormatViolation, error.words()));
    }
    if !call.has_payload {
        return Err(Refusal::new(ProtocolError, "the payload is missing"));
    }
    let payload =
        call.payload.ok_or_else(|| Refusal::new(FormatViolation, "the payload is broken off"))?;
    let mut findings = edition.check(document, payload, shape)?;
    for further in &call.further {
        findings.extra_members = findings.extra_members.saturating_add(1);
        shape::seal_strings(document, *further, &mut findings.personal);
    }
    // The schema allows it, and it is a value that nothing has: a negative number of an EVSE, or
    // an empty id.
    let (message, station_time) =
        edition.translate(document, payload, action).ok_or_else(|| {
            Refusal::new(PropertyConstraintViolation, "a value is not one that the action has")
        })?;
    let declined = edition.declined(document, payload, action);
    Ok(Understood { message, station_time, findings, declined })
}

fn is_too_long(message_id: &str) -> bool {
    message_id.chars().count() > MESSAGE_ID_CHARACTERS_MAX
}

/// Whether an action looks like one. Anything else is kept in the verbatim text only, which is
/// sealed where it could not be understood.
fn is_a_name(action: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    action.len() <= ACTION_BYTES_MAX && action.bytes().all(is_plain)
}

fn places(findings: &Findings) -> Personal {
    if findings.personal.len() > PERSONAL_PLACES_MAX {
        return Personal::Anywhere;
    }
    Personal::Places(findings.personal.clone())
}

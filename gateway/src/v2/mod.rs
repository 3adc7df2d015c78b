//! OCPP 2.0.1 and 2.1 to and from the domain's words.
//!
//! The two are nearly one: what a member is called and what it means is the same in both, and
//! 2.1 adds members, actions and two kinds of messages. So there is one translation, by names,
//! and each edition brings its own schemas, as wire types.
//!
//! Pure: texts and values in, values out. It decides what a message says and which CALLERROR a
//! bad one gets; it does not decide what follows from a message. It knows no sockets and no
//! streams, and keeps nothing between two messages.

mod certificates;
mod declined;
mod device_model;
mod energy;
mod events;
mod meter;
mod monitoring;
mod personal;
mod render;
mod schema;
mod translate;

#[cfg(test)]
mod tests;

pub(crate) use device_model::{component, variable_name};
pub(crate) use monitoring::{monitor, rate, stream};
pub(crate) use render::{payload, render};

use crate::call::{CallKind, Edition, judge};
use crate::message::{ForDesk, Inbound, Reply, Written};
use crate::payload::Payload;
use crate::rpc::error::{ErrorCode, UNREADABLE_MESSAGE_ID};
use crate::rpc::frame::{Call, Frame, MESSAGE_ID_CHARACTERS_MAX};
use crate::rpc::json::{Document, JsonError, NodeId};
use crate::rpc::shape::{Findings, Violation};
use chargebook_commands::message::{Judged, StationMessage};
use chargebook_domain::events::v1::{Dialect, Verdict};
use chargebook_domain::units::Timestamp;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum V2 {
    /// OCPP 2.0.1 (Edition 2 with its errata; the schemas are the "FINAL" ones).
    V201,
    /// OCPP 2.1 (Edition 1).
    V21,
}

impl V2 {
    /// Reads a text that a station sent.
    pub(crate) fn read(self, text: String, dialect: Dialect, received_at: Timestamp) -> Inbound {
        let (document, outcome) = Document::read(&text);
        let mut message = match Frame::read(&document) {
            Frame::Call(call) => {
                judge(self, CallKind::Call, &document, &call, outcome, dialect, received_at)
            }
            Frame::Send(call) if self.knows_send() => {
                judge(self, CallKind::Send, &document, &call, outcome, dialect, received_at)
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                let message_id = id.into_owned();
                return Inbound::Reply(Reply { text, message_id });
            }
            Frame::ResultError { id } if self.knows_send() => {
                let why = "the station could not use an answer of ours";
                let mut message = ForDesk::unanswered(Verdict::Ignored, why, received_at);
                message.receipt.message_id = Some(id.into_owned());
                message
            }
            Frame::UnknownType { id } => wrong_type(id.as_deref(), received_at),
            Frame::ResultError { id } | Frame::Send(Call { id, .. }) => {
                wrong_type(Some(&id), received_at)
            }
            Frame::Unreadable { is_no_call: true } => {
                let why = outcome.err().map_or("no OCPP-J frame", JsonError::words);
                ForDesk::unanswered(Verdict::Unreadable, why, received_at)
            }
            Frame::Unreadable { is_no_call: false } => {
                let why = outcome.err().map_or("no OCPP-J frame", JsonError::words);
                refused(UNREADABLE_MESSAGE_ID, ErrorCode::RpcFrameworkError, why, received_at)
            }
        };
        message.receipt.text = Some(text);
        Inbound::ForDesk(Box::new(message))
    }

    /// Whether it has SEND and CALLRESULTERROR.
    fn knows_send(self) -> bool {
        self == Self::V21
    }
}

/// Refuses a CALL, whatever else is wrong with its action or payload; what is no CALL that can be
/// answered stays as it was judged.
pub(crate) fn refuse_unaccepted(message: &mut ForDesk) {
    let no_calls = [ErrorCode::RpcFrameworkError, ErrorCode::MessageTypeNotSupported];
    let is_call = match &message.judged {
        Judged::Message(_) => true,
        Judged::Refused(refused) => no_calls.iter().all(|code| refused.code != code.v2()),
        Judged::Told(_) | Judged::Unanswered(_) => false,
    };
    let Some(id) = message.receipt.message_id.clone().filter(|_| is_call) else { return };
    let why = "the station is not accepted: only BootNotification, and what it was asked for";
    message.refuse(&id, ErrorCode::SecurityError.v2(), why);
}

/// A message of a type that the edition does not know.
fn wrong_type(id: Option<&str>, received_at: Timestamp) -> ForDesk {
    let fits = |id: &&str| id.chars().count() <= MESSAGE_ID_CHARACTERS_MAX;
    let readable = id.filter(fits);
    let why = "the message type is not known";
    let answered = readable.unwrap_or(UNREADABLE_MESSAGE_ID);
    let mut message = refused(answered, ErrorCode::MessageTypeNotSupported, why, received_at);
    message.receipt.message_id = readable.map(str::to_owned);
    message
}

/// A CALLERROR about what is no CALL.
fn refused(message_id: &str, code: ErrorCode, why: &str, received_at: Timestamp) -> ForDesk {
    let mut message = ForDesk::unanswered(Verdict::Unreadable, why, received_at);
    message.refuse(message_id, code.v2(), why);
    message
}

impl Edition for V2 {
    type Action = &'static str;
    type Shape = schema::Check;

    fn action(self, name: &str) -> Option<&'static str> {
        schema::action(self, name)
    }

    fn name(self, action: &'static str) -> &'static str {
        action
    }

    fn shape(self, action: &'static str, kind: CallKind) -> Option<schema::Check> {
        schema::request(self, action, kind)
    }

    fn check(
        self,
        document: &Document<'_>,
        payload: NodeId,
        shape: schema::Check,
    ) -> Result<Findings, Violation> {
        shape(document, payload, personal::members)
    }

    fn translate(
        self,
        document: &Document<'_>,
        payload: NodeId,
        action: &'static str,
    ) -> Option<(StationMessage, Option<String>)> {
        let payload = Payload { document, node: payload };
        let message = translate::message(self, &payload, action)?;
        Some((message, translate::station_time(&payload)))
    }

    fn declined(
        self,
        document: &Document<'_>,
        payload: NodeId,
        action: &'static str,
    ) -> Option<Written> {
        declined::declined(self, action, &Payload { document, node: payload })
    }

    fn spell(self, code: ErrorCode) -> &'static str {
        code.v2()
    }

    /// A CALLERROR has room for 36 characters: a longer id counts as unreadable.
    fn id_for_too_long(self, _id: &str) -> &str {
        UNREADABLE_MESSAGE_ID
    }
}

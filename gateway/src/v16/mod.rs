//! OCPP 1.6J (Edition 2 with its errata, and the security white paper) to and from the
//! domain's words.
//!
//! Pure: texts and values in, values out. It decides what a message says and which CALLERROR a
//! bad one gets; it does not decide what follows from a message. It knows no sockets and no
//! streams, and keeps nothing between two messages.

mod meter;
mod plug_and_charge;
mod render;
mod schema;
mod translate;
mod unplugged;

#[cfg(test)]
mod tests;

pub(crate) use plug_and_charge::VENDOR as PLUG_AND_CHARGE_VENDOR;
pub(crate) use render::render;

use crate::call::{CallKind, Edition, judge};
use crate::message::{ForDesk, Inbound, Reply, Written};
use crate::payload::Payload;
use crate::rpc::error::ErrorCode;
use crate::rpc::frame::Frame;
use crate::rpc::json::{Document, JsonError, NodeId};
use crate::rpc::shape::{self, Findings, Shape, Violation};
use chargebook_commands::message::{PersonalPlace, StationMessage};
use chargebook_domain::events::v1::{Dialect, Verdict};
use chargebook_domain::units::Timestamp;
use ocpp_kit::v1_6::Action;

/// Reads a text that a station sent.
pub(crate) fn read(text: String, dialect: Dialect, received_at: Timestamp) -> Inbound {
    let (document, outcome) = Document::read(&text);
    let mut message = match Frame::read(&document) {
        Frame::Call(call) => {
            judge(V16, CallKind::Call, &document, &call, outcome, dialect, received_at)
        }
        Frame::Result { id, .. } | Frame::Error { id, .. } => {
            let message_id = id.into_owned();
            return Inbound::Reply(Reply { text, message_id });
        }
        Frame::ResultError { .. } | Frame::Send(_) | Frame::UnknownType { .. }
            if outcome.is_ok() =>
        {
            ForDesk::unanswered(
                Verdict::Ignored,
                "a message type that 1.6 does not know",
                received_at,
            )
        }
        _ => {
            let why = outcome.err().map_or("no OCPP-J frame", JsonError::words);
            ForDesk::unanswered(Verdict::Unreadable, why, received_at)
        }
    };
    message.receipt.text = Some(text);
    Inbound::ForDesk(Box::new(message))
}

/// The edition with its errata, and the security white paper.
#[derive(Clone, Copy)]
struct V16;

impl Edition for V16 {
    type Action = Action;
    type Shape = &'static Shape;

    fn action(self, name: &str) -> Option<Action> {
        Action::from_wire(name)
    }

    fn name(self, action: Action) -> &'static str {
        action.as_str()
    }

    fn shape(self, action: Action, kind: CallKind) -> Option<&'static Shape> {
        schema::request(action).filter(|_| kind == CallKind::Call)
    }

    fn check(
        self,
        document: &Document<'_>,
        payload: NodeId,
        shape: &'static Shape,
    ) -> Result<Findings, Violation> {
        let mut findings = shape::check(document, payload, shape)?;
        let said = Payload { document, node: payload };
        if let Some(data) = said.member("data")
            && let Some(places) = unplugged::personal_places(&said)
        {
            let data = document.range(data);
            let before = |place: &PersonalPlace| place.range.start < data.start;
            let from = findings.personal.partition_point(before);
            let is_within = |place: &&PersonalPlace| place.range.end <= data.end;
            let within = findings.personal[from..].iter().take_while(is_within).count();
            findings.personal.splice(from..from + within, places);
        }
        Ok(findings)
    }

    fn translate(
        self,
        document: &Document<'_>,
        payload: NodeId,
        action: Action,
    ) -> Option<(StationMessage, Option<String>)> {
        translate::message(document, payload, action)
    }

    /// Where 1.6 can say no, the desk has an answer of its own for it, but for what is carried.
    fn declined(self, document: &Document<'_>, node: NodeId, action: Action) -> Option<Written> {
        let payload = Payload { document, node };
        let is_carried = action == Action::DataTransfer && plug_and_charge::is_meant(&payload);
        is_carried.then(|| plug_and_charge::declined(&payload)).flatten()
    }

    fn spell(self, code: ErrorCode) -> &'static str {
        code.v16()
    }

    /// 1.6 has no id for what cannot be read: it is repeated all the same.
    fn id_for_too_long(self, id: &str) -> &str {
        id
    }
}

//! The frame around a payload (OCPP-J 1.6 section 4.2): what kind of message, its id, its action.

use super::json::{Document, Kind, NodeId};
use std::borrow::Cow;

/// Longest message id, in characters (OCPP-J 1.6 section 4.1.4).
pub(crate) const MESSAGE_ID_CHARACTERS_MAX: usize = 36;

/// Longest message id that is still repeated in a CALLERROR about its length, in characters;
/// above it the id counts as unreadable.
pub(crate) const MESSAGE_ID_ECHO_CHARACTERS_MAX: usize = 255;

/// A message by its frame; payloads are nodes of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// `[2, id, action, payload]`.
    Call(Call<'a>),
    /// `[3, id, payload]`.
    Result {
        /// The id of the CALL it answers.
        id: Cow<'a, str>,
        /// The payload, where there is one.
        payload: Option<NodeId>,
    },
    /// `[4, id, code, description, details]`; the last two may be left out.
    Error {
        /// The id of the CALL it answers.
        id: Cow<'a, str>,
        /// The error code; empty where it is no string.
        code: Cow<'a, str>,
        /// The description, where there is one.
        description: Option<NodeId>,
    },
    /// An array that begins with another number: to be ignored (OCPP-J 1.6 section 4.1.3).
    UnknownType,
    /// Anything else. Without an id, 1.6 knows no answer.
    Unreadable,
}

/// A CALL with a readable message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    /// The message id.
    pub(crate) id: Cow<'a, str>,
    /// The action; `None` where it is missing or no string.
    pub(crate) action: Option<Cow<'a, str>>,
    /// The payload, where it is there and was read to its end.
    pub(crate) payload: Option<NodeId>,
    /// Whether there is anything at all in the payload's place.
    pub(crate) has_payload: bool,
    /// Elements after the payload.
    pub(crate) further: Vec<NodeId>,
}

/// Most elements after the payload that are looked at; a frame with more is unreadable.
pub(crate) const FURTHER_ELEMENTS_MAX: usize = 16;

impl<'a> Frame<'a> {
    /// Reads the frame. The document may be broken off after the id.
    pub(crate) fn read(document: &Document<'a>) -> Self {
        Self::read_parts(document).unwrap_or(Self::Unreadable)
    }

    fn read_parts(document: &Document<'a>) -> Option<Self> {
        let root = document.root()?;
        if document.kind(root) != Kind::Array {
            return None;
        }
        let mut parts = document.children(root);
        let number = parts.next().filter(|part| document.kind(*part) == Kind::Number)?;
        if !document.is_finished(number) {
            return None;
        }
        match document.raw(number) {
            "2" => Self::read_call(document, parts),
            "3" if document.is_finished(root) => Some(Self::Result {
                id: message_id(document, parts.next()?)?,
                payload: parts.next(),
            }),
            "4" if document.is_finished(root) => Some(Self::Error {
                id: message_id(document, parts.next()?)?,
                code: parts.next().and_then(|code| document.string(code)).unwrap_or_default(),
                description: parts.next(),
            }),
            _ => document.is_finished(root).then_some(Self::UnknownType),
        }
    }

    fn read_call(document: &Document<'a>, mut parts: impl Iterator<Item = NodeId>) -> Option<Self> {
        let id = message_id(document, parts.next()?)?;
        let action = parts.next().and_then(|action| document.string(action));
        let payload = parts.next();
        let further: Vec<_> = parts.take(FURTHER_ELEMENTS_MAX + 1).collect();
        if further.len() > FURTHER_ELEMENTS_MAX {
            return None;
        }
        Some(Self::Call(Call {
            id,
            action,
            payload: payload.filter(|payload| document.is_finished(*payload)),
            has_payload: payload.is_some(),
            further,
        }))
    }
}

fn message_id<'a>(document: &Document<'a>, node: NodeId) -> Option<Cow<'a, str>> {
    let id = document.string(node)?;
    let length = id.chars().take(MESSAGE_ID_ECHO_CHARACTERS_MAX + 1).count();
    (1..=MESSAGE_ID_ECHO_CHARACTERS_MAX).contains(&length).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> &'static str {
        match Frame::read(&Document::read(text).0) {
            Frame::Call(_) => "call",
            Frame::Result { .. } => "result",
            Frame::Error { .. } => "error",
            Frame::UnknownType => "unknown type",
            Frame::Unreadable => "unreadable",
        }
    }

    #[test]
    fn a_message_is_known_by_its_frame() {
        let long = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "x".repeat(255));
        let longer = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "x".repeat(256));
        let many = format!(r#"[2,"1","Heartbeat",{{}}{}]"#, ",1".repeat(17));
        for (text, kind) in [
            (r#"[2,"1","Heartbeat",{}]"#, "call"),
            (r#" [ 2 , "1" , "Heartbeat" , { } ] "#, "call"),
            (r#"[2,"1","Heartbeat"]"#, "call"),
            (r#"[2,"1",7,{}]"#, "call"),
            (r#"[2,"1"]"#, "call"),
            (r#"[2,"1","Heartbeat",{"#, "call"),
            (r#"[2,"1","Hea"#, "call"),
            (r#"[2,"1"#, "unreadable"),
            (long.as_str(), "call"),
            (longer.as_str(), "unreadable"),
            (many.as_str(), "unreadable"),
            (r#"[2,"","Heartbeat",{}]"#, "unreadable"),
            (r#"[2,1,"Heartbeat",{}]"#, "unreadable"),
            (r#"[2,null,"Heartbeat",{}]"#, "unreadable"),
            (r#"["2","1","Heartbeat",{}]"#, "unreadable"),
            (r#"[2]"#, "unreadable"),
            (r#"[]"#, "unreadable"),
            (r#"{"2":"1"}"#, "unreadable"),
            ("", "unreadable"),
            ("hello", "unreadable"),
            (r#"[3,"1",{}]"#, "result"),
            (r#"[3,"1"]"#, "result"),
            (r#"[3,"1",{"#, "unreadable"),
            (r#"[4,"1","GenericError","",{}]"#, "error"),
            (r#"[4,"1","GenericError"]"#, "error"),
            (r#"[4,"1"]"#, "error"),
            (r#"[4]"#, "unreadable"),
            (r#"[5,"1","a","b",{}]"#, "unknown type"),
            (r#"[6,"1","a",{}]"#, "unknown type"),
            (r#"[2.0,"1","Heartbeat",{}]"#, "unknown type"),
            (r#"[300]"#, "unknown type"),
            (r#"[-1,{"#, "unreadable"),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_call() {
        let (document, _) = Document::read(r#"[2,"\u0041-1","Heartbeat",{"a":1},5]"#);
        let Frame::Call(call) = Frame::read(&document) else { panic!("a call") };
        assert_eq!(call.id, "A-1");
        assert_eq!(call.action.as_deref(), Some("Heartbeat"));
        assert_eq!(document.raw(call.payload.expect("a payload")), r#"{"a":1}"#);
        assert_eq!(call.further.len(), 1);
    }
}

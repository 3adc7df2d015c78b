//! The frame around a payload (OCPP-J 1.6 section 4.2, OCPP 2.1 Part 4 section 4.2): what kind of
//! message, its id, its action. Which kinds a version knows is the version's to say.

use super::json::{Children, Document, Kind, NodeId};
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
    /// `[5, id, code, description, details]`, 2.1 only: what is wrong with an answer of ours.
    ResultError {
        /// The id of the CALLRESULT it is about.
        id: Cow<'a, str>,
    },
    /// `[6, id, action, payload]`, 2.1 only: like a CALL, and never answered.
    Send(Call<'a>),
    /// An array that begins with another number (OCPP-J 1.6 section 4.1.3).
    UnknownType {
        /// Its id, if that is where the others have it.
        id: Option<Cow<'a, str>>,
    },
    /// Anything else.
    Unreadable {
        /// Whether it begins like a message that is not a CALL, and so never gets an answer.
        is_no_call: bool,
    },
}

/// A CALL or a SEND with a readable message id.
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
    /// Elements after the payload, as many as are looked at.
    pub(crate) further: Vec<NodeId>,
    /// Whether there are more of them, which no message has.
    pub(crate) has_too_many: bool,
}

/// Most elements after the payload that are looked at; a CALL with more is refused.
pub(crate) const FURTHER_ELEMENTS_MAX: usize = 16;

impl<'a> Frame<'a> {
    /// Reads the frame. The document may be broken off after the id.
    pub(crate) fn read(document: &Document<'a>) -> Self {
        let Some((number, parts)) = Self::begin(document) else {
            return Self::Unreadable { is_no_call: false };
        };
        let is_no_call = matches!(number, "3" | "4" | "5" | "6");
        Self::read_parts(document, number, parts).unwrap_or(Self::Unreadable { is_no_call })
    }

    /// The message type number, and what follows it.
    fn begin<'d>(document: &'d Document<'a>) -> Option<(&'a str, Children<'d>)> {
        let root = document.root().filter(|root| document.kind(*root) == Kind::Array)?;
        let mut parts = document.children(root);
        let number = parts.next().filter(|part| document.kind(*part) == Kind::Number)?;
        document.is_finished(number).then(|| (document.raw(number), parts))
    }

    fn read_parts(document: &Document<'a>, number: &str, mut parts: Children<'_>) -> Option<Self> {
        let is_finished = document.root().is_some_and(|root| document.is_finished(root));
        let mut id = || message_id(document, parts.next()?);
        match number {
            "2" => Some(Self::Call(Call::read(document, id()?, parts))),
            "6" => Some(Self::Send(Call::read(document, id()?, parts))),
            _ if !is_finished => None,
            "3" => Some(Self::Result { id: id()?, payload: parts.next() }),
            "4" => Some(Self::Error {
                id: id()?,
                code: parts.next().and_then(|code| document.string(code)).unwrap_or_default(),
                description: parts.next(),
            }),
            "5" => Some(Self::ResultError { id: id()? }),
            _ => Some(Self::UnknownType { id: id() }),
        }
    }
}

impl<'a> Call<'a> {
    fn read(document: &Document<'a>, id: Cow<'a, str>, mut parts: Children<'_>) -> Self {
        let action = parts.next().and_then(|action| document.string(action));
        let payload = parts.next();
        let further = parts.by_ref().take(FURTHER_ELEMENTS_MAX).collect();
        Self {
            id,
            action,
            payload: payload.filter(|payload| document.is_finished(*payload)),
            has_payload: payload.is_some(),
            further,
            has_too_many: parts.next().is_some(),
        }
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
            Frame::ResultError { .. } => "result error",
            Frame::Send(_) => "send",
            Frame::UnknownType { id: None } => "unknown type",
            Frame::UnknownType { id: Some(_) } => "unknown type with an id",
            Frame::Unreadable { is_no_call: false } => "unreadable",
            Frame::Unreadable { is_no_call: true } => "unreadable, and no call",
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
            (many.as_str(), "call"),
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
            (r#"[3,"1",{"#, "unreadable, and no call"),
            (r#"[4,"1","GenericError","",{}]"#, "error"),
            (r#"[4,"1","GenericError"]"#, "error"),
            (r#"[4,"1"]"#, "error"),
            (r#"[4]"#, "unreadable, and no call"),
            (r#"[5,"1","a","b",{}]"#, "result error"),
            (r#"[5]"#, "unreadable, and no call"),
            (r#"[6,"1","a",{}]"#, "send"),
            (r#"[6,"1","a",{"#, "send"),
            (r#"[6,1,"a",{}]"#, "unreadable, and no call"),
            (r#"[7,"1","a",{}]"#, "unknown type with an id"),
            (r#"[2.0,"1","Heartbeat",{}]"#, "unknown type with an id"),
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

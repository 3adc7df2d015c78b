//! What must hold of anything a station sends, whatever it is: the readers of this room behind
//! doors that a fuzzer can open. `fuzz/` calls them with inputs that grow into the code, and this
//! crate's own tests with random and damaged ones.
//!
//! A door panics where its promise is broken, and does nothing else. It must not know sockets,
//! desks, or what any message means.

use crate::accept::handshake::{identity, identity_in_other_path};
use crate::message::Inbound;
use crate::protocol::Protocol;
use crate::rpc::error::{DESCRIPTION_CHARACTERS_MAX, UNREADABLE_MESSAGE_ID};
use crate::rpc::frame::MESSAGE_ID_CHARACTERS_MAX;
use crate::socket::deflate::{InflateError, inflate};
use chargebook_commands::message::{Judged, Personal, RenderedReply};
use chargebook_domain::events::v1::Dialect;
use chargebook_domain::units::Timestamp;
use chrono::DateTime;
use hyper::Uri;
use serde_json::Value;

/// Most bytes of an inflated message, for the door of compressed ones.
const INFLATED_BYTES_MAX: usize = 1 << 16;

/// What a station sends without an answer (2.1 Part 4, section 4.1.3), and would be refused as a
/// CALL before its payload is looked at.
const SENDS: &[&str] = &["NotifyPeriodicEventStream"];

/// Any text, in every OCPP version, in the standard's words and in every dialect: it gets a
/// verdict, the same one again, keeps its text, and personal places lie within it; a refusal is a
/// CALLERROR that a station can read.
pub fn text(text: &str) {
    for protocol in Protocol::ALL {
        for dialect in [Dialect::STANDARD, Dialect::every()] {
            let read = protocol.read(text.to_owned(), dialect, received_at());
            let Inbound::ForDesk(message) = &read else { continue };
            assert_eq!(message.receipt.text.as_deref(), Some(text), "the text is kept");
            assert_places(&message.receipt.personal, text);
            match &message.judged {
                Judged::Refused(refusal) => {
                    let id = message.receipt.message_id.as_deref();
                    assert_call_error(&refusal.frame, refusal.code, id);
                }
                Judged::Message(_) => {
                    let id = message.receipt.message_id.as_deref().unwrap_or_default();
                    let characters = id.chars().count();
                    assert!(characters <= MESSAGE_ID_CHARACTERS_MAX, "an id that can be repeated");
                }
                Judged::Told(_) | Judged::Unanswered(_) => {}
            }
            let again = protocol.read(text.to_owned(), dialect, received_at());
            assert_eq!(
                format!("{read:?}"),
                format!("{again:?}"),
                "the same text, the same verdict"
            );
        }
    }
}

/// Any payload, as the CALL of every action that a station may be told or may tell, and as the SEND
/// of those that are no CALL.
pub fn payload(payload: &str) {
    // An action that two versions share is told twice: that costs little, and hides nothing.
    for action in Protocol::ALL.iter().flat_map(|protocol| protocol.actions()) {
        text(&format!("[2,\"1\",\"{action}\",{payload}]"));
        if SENDS.contains(&action) {
            text(&format!("[6,\"1\",\"{action}\",{payload}]"));
        }
    }
}

/// Any text, as the answer to a CALL of ours of every action with any payload: what an answer
/// changes on our side, many of them say together with what they were asked.
pub fn answer(request: &str, text: &str) {
    for protocol in Protocol::ALL {
        for action in protocol.actions() {
            let frame = format!("[2,\"1\",\"{action}\",{request}]");
            let request = RenderedReply { frame, personal: Vec::new() };
            let reading = protocol.read_reply(text, action, &request);
            assert_places(&reading.personal, text);
        }
    }
}

/// Any bytes, as a compressed message: nothing grows beyond its bound.
pub fn compressed(bytes: &[u8]) {
    match inflate(bytes, INFLATED_BYTES_MAX) {
        Ok(text) => assert!(text.len() <= INFLATED_BYTES_MAX),
        Err(InflateError::Oversized { inflated_bytes }) => {
            assert_eq!(inflated_bytes, INFLATED_BYTES_MAX + 1, "inflating stops at the bound");
        }
        Err(InflateError::NotDeflate) => {}
    }
}

/// Any path of a handshake: the station that it names in the standard's way is the one that it
/// names in any other.
pub fn path(path: &str) {
    let Ok(uri) = path.parse::<Uri>() else { return };
    if let Ok(station) = identity(&uri) {
        assert_eq!(identity_in_other_path(&uri), Some(station));
    }
}

fn received_at() -> Timestamp {
    Timestamp::new(DateTime::UNIX_EPOCH)
}

fn assert_places(personal: &Personal, text: &str) {
    let Personal::Places(places) = personal else { return };
    let mut end = 0;
    for place in places {
        let range = place.range.clone();
        assert!(range.start >= end, "places do not overlap: {range:?}");
        assert!(text.get(range.clone()).is_some(), "{range:?} lies within the text");
        end = range.end;
    }
}

/// OCPP-J 1.6 section 4.2.3 and 2.0.1 Part 4 section 4.2.3: five elements, the id of the CALL (or
/// `-1`, where a 2.x station could not have read it back), a description of at most 255
/// characters, details that are an object.
fn assert_call_error(frame: &str, code: &str, message_id: Option<&str>) {
    let parsed: Result<(u8, String, String, String, Value), _> = serde_json::from_str(frame);
    let Ok((kind, id, told, description, details)) = parsed else {
        panic!("no CALLERROR: {frame}");
    };
    assert_eq!((kind, told.as_str()), (4, code));
    assert!(Some(id.as_str()) == message_id || id == UNREADABLE_MESSAGE_ID, "{frame}");
    assert!(description.chars().count() <= DESCRIPTION_CHARACTERS_MAX, "{frame}");
    assert!(details.is_object(), "{frame}");
}

//! When the cable was out, as the Open Charge Alliance has a 1.6 station tell it after a
//! transaction ("OCPP & California Pricing Requirements", ConnectorUnplugged): JSON as a text in the
//! `data` of a DataTransfer.

use crate::payload::Payload;
use crate::rpc::json::{Document, Kind, NodeId, unescape_one};
use crate::time;
use chargebook_commands::message::{DataRefused, PersonalKind, PersonalPlace, UnpluggedReport};
use chargebook_domain::ids::TransactionNumber;
use std::ops::Range;

/// Who names the message.
const VENDOR: &str = "org.openchargealliance.costmsg";
/// The message; the vendor's others go to stations.
const MESSAGE: &str = "ConnectorUnplugged";
/// Longest name of a further member that is taken for one, in bytes.
const NAME_BYTES_MAX: usize = 50;
/// Most texts in a message that are sealed each by itself.
const TEXTS_MAX: usize = 32;

/// Whether a DataTransfer is the vendor's.
pub(super) fn is_meant(payload: &Payload<'_, '_>) -> bool {
    payload.string("vendorId").is_some_and(|vendor| vendor.eq_ignore_ascii_case(VENDOR))
}

/// What a DataTransfer of the vendor says. What could not be sealed without the time and the
/// transaction is not read: a bill that rested on it could not be proven.
pub(super) fn report(payload: &Payload<'_, '_>) -> Result<UnpluggedReport, DataRefused> {
    if payload.string("messageId").as_deref() != Some(MESSAGE) {
        return Err(DataRefused::UnknownMessage);
    }
    let data = payload.string("data").unwrap_or_default();
    let (document, outcome) = Document::read(&data);
    let node = document.root().filter(|_| outcome.is_ok()).ok_or(DataRefused::Unreadable)?;
    let said = Payload { document: &document, node };
    let transaction_id = said.integer("transactionId").map(TransactionNumber);
    match (transaction_id, said.time("timestamp"), places_within(payload)) {
        (Some(transaction_id), Some(at), Some(_)) => Ok(UnpluggedReport { transaction_id, at }),
        _ => Err(DataRefused::Unreadable),
    }
}

/// The places that may name a person within the data of such a message; `None` where the data is
/// not one. Numbers, truths and times are as plain as in any status, for a bill may rest on them.
pub(super) fn personal_places(payload: &Payload<'_, '_>) -> Option<Vec<PersonalPlace>> {
    if !is_meant(payload) || report(payload).is_err() {
        return None;
    }
    places_within(payload)
}

/// The same of any data; `None` where the texts in it cannot be told apart in the frame.
fn places_within(payload: &Payload<'_, '_>) -> Option<Vec<PersonalPlace>> {
    let node = payload.member("data")?;
    let inside = payload.document.inside(node)?;
    let written = payload.document.raw(node).get(1..=inside.len())?;
    let data = payload.string("data")?;
    let (document, _) = Document::read(&data);
    let mut texts = Vec::new();
    add_texts(&document, document.root()?, &mut texts);
    if texts.len() > TEXTS_MAX {
        return None;
    }
    let place = |range: Range<usize>| PersonalPlace {
        range: inside.start + range.start..inside.start + range.end,
        kind: PersonalKind::FreeText,
    };
    Some(as_written(written, &texts)?.into_iter().map(place).collect())
}

/// Adds the places of texts that are no times and of names that are no words, in their order.
fn add_texts(document: &Document<'_>, node: NodeId, texts: &mut Vec<Range<usize>>) {
    match document.kind(node) {
        Kind::Object => {
            for (name, value) in document.members(node) {
                let is_named = document.string(name).is_some_and(|name| is_word(&name));
                texts.extend(document.inside(name).filter(|_| !is_named));
                add_texts(document, value, texts);
            }
        }
        Kind::Array => {
            for element in document.children(node) {
                add_texts(document, element, texts);
            }
        }
        Kind::String | Kind::EscapedString => {
            let is_time = document.string(node).is_some_and(|text| time::read(&text).is_some());
            texts.extend(document.inside(node).filter(|inside| !is_time && !inside.is_empty()));
        }
        Kind::Number | Kind::Boolean | Kind::Null => {}
    }
}

/// The places of texts within a JSON text, where that is written inside the quotes of another
/// one. `None` where a text does not begin behind a plainly escaped quote: what stands for a sealed
/// one would then not be JSON.
fn as_written(written: &str, texts: &[Range<usize>]) -> Option<Vec<Range<usize>>> {
    let (mut at, mut meant) = (0, 0);
    let mut find = |offset: usize| {
        while meant < offset {
            let rest = written.get(at..)?;
            let (character, length) = match rest.strip_prefix('\\') {
                Some(escape) => {
                    let (character, length) = unescape_one(escape.as_bytes());
                    (character, length + 1)
                }
                None => rest.chars().next().map(|character| (character, character.len_utf8()))?,
            };
            at += length;
            meant += character.len_utf8();
        }
        (meant == offset).then_some(at)
    };
    let mut places = Vec::with_capacity(texts.len());
    for text in texts {
        let place = find(text.start)?..find(text.end)?;
        if !written.get(..place.start)?.ends_with("\\\"") {
            return None;
        }
        places.push(place);
    }
    Some(places)
}

/// Whether a member's name is short and one word, as names of members are.
fn is_word(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sealed of data that is written so inside its quotes.
    fn sealed(data: &str) -> Option<Vec<String>> {
        let frame = format!(r#"{{"vendorId":"{VENDOR}","messageId":"{MESSAGE}","data":"{data}"}}"#);
        let (document, _) = Document::read(&frame);
        let payload = Payload { document: &document, node: document.root().expect("a frame") };
        let places = personal_places(&payload)?;
        Some(places.into_iter().map(|place| frame[place.range].to_owned()).collect())
    }

    #[test]
    fn only_texts_and_odd_names_are_sealed() {
        let told = r#"{\"transactionId\":17,\"timestamp\":\"2026-11-22T10:42:00Z\""#;
        for (further, expected) in [
            ("", Some(vec![])),
            (r#",\"connectorId\":1,\"at\":\"2026-11-22T10:42:00Z\",\"empty\":\"\""#, Some(vec![])),
            (r#",\"of\":\"Bob\""#, Some(vec!["Bob"])),
            (r#",\"Bob's car\":1"#, Some(vec!["Bob's car"])),
            (r#",\"of\":[\"Bob\",{\"and\":\"Eve\",\"n\":1}]"#, Some(vec!["Bob", "Eve"])),
            (r#",\"é\":\"\\\"B\u00f6b\\\\\""#, Some(vec!["é", r#"\\\"B\u00f6b\\\\"#])),
            (r#",\"of\":\u0022Bob\u0022"#, None),
        ] {
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect());
            assert_eq!(sealed(&format!("{told}{further}}}")), expected, "{further}");
        }
        let many =
            |count: usize| format!("{told},\\\"of\\\":[{}]}}", vec![r#"\"x\""#; count].join(","));
        assert_eq!(sealed(&many(TEXTS_MAX)).map(|texts| texts.len()), Some(TEXTS_MAX));
        assert_eq!(sealed(&many(TEXTS_MAX + 1)), None);
        assert_eq!(sealed(r#"{\"of\":\"Bob\"}"#), None, "it is no such message");
    }
}

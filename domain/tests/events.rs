//! Holds every event type to its golden files: bytes that this and every later release must read
//! and write alike.
//!
//! `golden/v1/{type}.json` is the data of one event, fully populated, in the canonical form that
//! the log keeps (RFC 8785); `{type}.{case}.json` are further cases of the same type. The first
//! is also the example in `docs/events.md`. `golden/words.json` holds the words of every
//! enumeration.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chargebook_domain::events::{EVENT_TYPES, Event, EventError, v1};
use chargebook_domain::rating::{LimitKind, LineDimension, Unit};
use chargebook_proof::CanonicalJson;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The schema version that `golden/v1` holds.
const VERSION: u32 = 1;

struct Golden {
    file: String,
    event_type: String,
    text: String,
}

impl Golden {
    fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// All golden files, by name.
fn golden() -> Vec<Golden> {
    let mut files: Vec<Golden> = std::fs::read_dir(folder().join("v1"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let event_type = file.split('.').take(2).collect::<Vec<_>>().join(".");
            Golden { event_type, text: std::fs::read_to_string(&path).unwrap(), file }
        })
        .collect();
    files.sort_by(|a, b| a.file.cmp(&b.file));
    files
}

fn read(event_type: &str, data: &Value) -> Result<Event, EventError> {
    Event::read(event_type, VERSION, &data.to_string())
}

/// The bytes that an event has in the log.
fn written(event: &Event) -> String {
    canonical(&serde_json::to_value(event.data()).unwrap())
}

fn canonical(data: &Value) -> String {
    CanonicalJson::from_value(data).unwrap().into_string()
}

#[test]
fn every_type_has_a_golden_file_and_every_golden_file_a_type() {
    let types: BTreeSet<String> = EVENT_TYPES
        .iter()
        .map(|(event_type, version)| {
            assert_eq!(*version, VERSION, "{event_type} needs golden files of its version");
            (*event_type).to_owned()
        })
        .collect();
    let main: BTreeSet<String> = golden()
        .iter()
        .filter(|golden| golden.file == format!("{}.json", golden.event_type))
        .map(|golden| golden.event_type.clone())
        .collect();
    assert_eq!(main, types);
    for golden in golden() {
        assert!(types.contains(&golden.event_type), "{} is of no type", golden.file);
        assert!(golden.file.ends_with(".json"), "{}", golden.file);
    }
}

#[test]
fn reading_and_writing_gives_the_same_bytes() {
    for golden in golden() {
        let file = &golden.file;
        assert!(CanonicalJson::parse(&golden.text).is_ok(), "{file} is not canonical");
        let event = Event::read(&golden.event_type, VERSION, &golden.text)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(event.event_type(), golden.event_type, "{file}");
        assert_eq!(event.schema_version(), VERSION, "{file}");
        assert_eq!(written(&event), golden.text, "{file}");
    }
}

/// The law above notices a member that a release has dropped or renamed: reading does not fail
/// at it, but the bytes do.
#[test]
fn a_member_that_a_type_does_not_know_changes_the_bytes() {
    for golden in golden() {
        let mut data = golden.value();
        data["dropped_by_a_release"] = json!("example");
        let text = canonical(&data);
        let event = Event::read(&golden.event_type, VERSION, &text).unwrap();
        assert_ne!(written(&event), text, "{}", golden.file);
    }
}

#[test]
fn an_unknown_type_or_version_is_refused_by_name() {
    let unknown = |event_type: &str, schema_version: u32| EventError::Unknown {
        event_type: event_type.to_owned(),
        schema_version,
    };
    for golden in golden() {
        let event_type = golden.event_type.as_str();
        for version in [0, VERSION + 1, u32::MAX] {
            let refused = Event::read(event_type, version, &golden.text);
            assert_eq!(refused, Err(unknown(event_type, version)));
        }
        let misspelt = event_type.replace('.', "_");
        assert_eq!(Event::read(&misspelt, VERSION, &golden.text), Err(unknown(&misspelt, VERSION)));
    }
    assert_eq!(Event::read("", VERSION, "{}"), Err(unknown("", VERSION)));
}

/// A member is either required, and then its absence is an error that names it; or optional, and
/// then its absence is read as what it is written as: null, which golden files show too, or
/// nothing at all.
#[test]
fn a_required_member_is_missed_and_an_optional_one_is_shown_set_and_null() {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for golden in golden() {
        let data = golden.value();
        for pointer in members(&data) {
            let member = data.pointer(&pointer).unwrap();
            let seen = seen.entry(place(&golden.event_type, &data, &pointer)).or_default();
            seen.null |= member.is_null();
            seen.set |= !member.is_null();
            let absent = without(&data, &pointer);
            match read(&golden.event_type, &absent) {
                Ok(event) if written(&event) == canonical(&absent) => seen.left_out = true,
                Ok(event) => {
                    let mut null = data.clone();
                    *null.pointer_mut(&pointer).unwrap() = Value::Null;
                    assert_eq!(written(&event), canonical(&null), "{pointer}");
                    assert_eq!(read(&golden.event_type, &null), Ok(event), "{pointer}");
                    seen.optional = true;
                }
                Err(error) => {
                    assert_missed(&error, &golden, &pointer);
                    seen.required = true;
                }
            }
        }
    }
    let complaints: Vec<String> = seen
        .iter()
        .filter_map(|(place, seen)| Some(format!("{place}: {}", seen.wrong()?)))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[derive(Default)]
struct Seen {
    set: bool,
    null: bool,
    optional: bool,
    left_out: bool,
    required: bool,
}

impl Seen {
    fn wrong(&self) -> Option<&'static str> {
        let ways = [self.optional, self.left_out, self.required];
        match self {
            _ if ways.iter().filter(|way| **way).count() != 1 => {
                Some("required here, optional there")
            }
            Self { set: false, .. } => Some("set in no golden file"),
            Self { optional: true, null: false, .. } => Some("null in no golden file"),
            Self { optional: false, null: true, .. } => Some("not optional, and yet null"),
            _ => None,
        }
    }
}

fn assert_missed(error: &EventError, golden: &Golden, pointer: &str) {
    let EventError::Data { event_type, schema_version, reason } = error else {
        panic!("{}: {pointer}: {error}", golden.file);
    };
    assert_eq!((event_type.as_str(), *schema_version), (golden.event_type.as_str(), VERSION));
    let name = pointer.rsplit('/').next().unwrap();
    // A text of plain and sealed parts says only that none of its forms fits.
    let named = reason.contains(&format!("missing field `{name}`"));
    let formless = reason.contains("did not match any variant");
    assert!(named || formless, "{}: without {pointer}: {reason}", golden.file);
}

#[test]
fn data_of_another_form_is_refused() {
    for (event_type, _) in EVENT_TYPES {
        for data in [json!(null), json!([]), json!("text"), json!(true), json!(1)] {
            let refused = read(event_type, &data);
            assert!(matches!(refused, Err(EventError::Data { .. })), "{event_type}: {data}");
        }
        let cut = Event::read(event_type, VERSION, "{");
        assert!(matches!(cut, Err(EventError::Data { .. })), "{event_type}");
    }
}

/// JSON pointers to all members of all objects in `value`.
fn members(value: &Value) -> Vec<String> {
    let (names, is_object): (Vec<String>, bool) = match value {
        Value::Object(object) => (object.keys().cloned().collect(), true),
        Value::Array(items) => ((0..items.len()).map(|index| index.to_string()).collect(), false),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for name in names {
        let inside = value.pointer(&format!("/{name}")).unwrap();
        found.extend(members(inside).into_iter().map(|rest| format!("/{name}{rest}")));
        if is_object {
            found.push(format!("/{name}"));
        }
    }
    found
}

fn without(data: &Value, pointer: &str) -> Value {
    let mut data = data.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    data.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    data
}

/// Where a member belongs, whatever its event: the type, the pointer without places in arrays,
/// and the verb of the object, where it has one, since each verb has members of its own.
fn place(event_type: &str, data: &Value, pointer: &str) -> String {
    let is_index = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let steps = pointer.split('/').map(|step| if is_index(step) { "*" } else { step });
    let (parent, _) = pointer.rsplit_once('/').unwrap();
    let verb = data.pointer(&format!("{parent}/verb")).and_then(Value::as_str).unwrap_or_default();
    format!("{event_type}{} {verb}", steps.collect::<Vec<_>>().join("/"))
}

/// Words are frozen like members. The list is what the reader itself accepts, so it is complete.
#[test]
fn the_words_of_every_enumeration_are_frozen() {
    let mut words: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut add = |name, accepted| assert!(words.insert(name, accepted).is_none(), "{name}");
    add("AccountKind", accepted::<v1::AccountKind>());
    add("Anomaly", accepted::<v1::Anomaly>());
    add("Authorization", accepted::<v1::Authorization>());
    add("CertificateDeclined", accepted::<v1::CertificateDeclined>());
    add("ClockTrust", accepted::<v1::ClockTrust>());
    add("CommandFailure", accepted::<v1::CommandFailure>());
    add("Condition", accepted::<v1::Condition>());
    add("Direction", accepted::<v1::Direction>());
    add("Intent", accepted_by::<v1::Intent>(&json!({"verb": "no such word"})));
    add("InvoiceKind", accepted::<v1::InvoiceKind>());
    add("Job", accepted::<v1::Job>());
    add("LimitKind", accepted::<LimitKind>());
    add("LimitUnit", accepted::<v1::LimitUnit>());
    add("LineDimension", accepted::<LineDimension>());
    add("LogKind", accepted::<v1::LogKind>());
    add("MessagePriority", accepted::<v1::MessagePriority>());
    add("Outcome", accepted::<v1::Outcome>());
    add("Quantity", accepted::<v1::Quantity>());
    add("Quirk", accepted::<v1::Quirk>());
    add("Registration", accepted::<v1::Registration>());
    add("ReportTopic", accepted::<v1::ReportTopic>());
    add("ReservationEnd", accepted::<v1::ReservationEnd>());
    add("ReviewDecision", accepted_by::<v1::ReviewDecision>(&json!({"kind": "no such word"})));
    add("SeenBy", accepted::<v1::SeenBy>());
    add("SettledBecause", accepted::<v1::SettledBecause>());
    add("StopMatch", accepted::<v1::StopMatch>());
    add("TokenStatus", accepted::<v1::TokenStatus>());
    add("TransactionEventKind", accepted::<v1::TransactionEventKind>());
    add("TrustPurpose", accepted::<v1::TrustPurpose>());
    add("Unit", accepted::<Unit>());
    add("Verdict", accepted::<v1::Verdict>());
    let golden = std::fs::read_to_string(folder().join("words.json")).unwrap();
    assert_eq!(serde_json::to_string_pretty(&words).unwrap() + "\n", golden);
}

/// Every word that `T` is read from, and that it writes again just so.
fn accepted<T: DeserializeOwned + Serialize>() -> Vec<String> {
    let words = accepted_by::<T>(&json!("no such word"));
    for word in &words {
        let value: T = serde_json::from_value(json!(word)).unwrap();
        assert_eq!(serde_json::to_value(&value).unwrap(), json!(word));
    }
    words
}

/// The words that the reader lists when it is given none of them.
fn accepted_by<T: DeserializeOwned>(wrong: &Value) -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(wrong.clone()) else {
        panic!("{wrong} was accepted");
    };
    let text = error.to_string();
    let (_, listed) = text.split_once("expected ").unwrap();
    let words: Vec<String> = listed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!words.is_empty(), "{text}");
    words
}

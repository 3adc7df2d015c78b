//! What a 2.x station's text is taken for: data in, verdicts out.

use super::*;
use chargebook_commands::message::{
    Judged, Notice, NoticePart, NoticeSubject, Personal, PersonalKind, PresentedToken,
    TransactionEventKind,
};
use chargebook_domain::ids::EvseNumber;
use proptest::prelude::*;
use serde_json::{Value, json};

const EDITIONS: [V2; 2] = [V2::V201, V2::V21];

fn at() -> Timestamp {
    Timestamp::from_millis(1_763_812_800_000).expect("an instant")
}

fn read_text(edition: V2, text: &str) -> ForDesk {
    match edition.read(text.to_owned(), Dialect::STANDARD, at()) {
        Inbound::ForDesk(message) => *message,
        Inbound::Reply(_) => panic!("a reply: {text}"),
    }
}

/// What became of a text: `ok`, a CALLERROR's id, code and description, or why no answer.
fn verdict(edition: V2, text: &str) -> String {
    let message = read_text(edition, text);
    assert_eq!(message.receipt.text.as_deref(), Some(text));
    match message.judged {
        Judged::Message(_) => "ok".to_owned(),
        Judged::Refused(refused) => {
            let frame: Value = serde_json::from_str(&refused.frame).expect("a CALLERROR is JSON");
            assert_eq!((&frame[0], &frame[4]), (&json!(4), &json!({})));
            assert_eq!(frame[2], refused.code);
            // It is sealed as a whole, unless some dialect can tell what is personal in it.
            let is_sealed_whole = message.receipt.personal == Personal::Anywhere;
            assert_eq!(is_sealed_whole, message.receipt.noticed.is_standard(), "{edition:?}");
            let text = |index: usize| frame[index].as_str().expect("text").to_owned();
            format!("{} {}: {}", text(1), text(2), text(3))
        }
        Judged::Told(message) => format!("told {message:?}"),
        Judged::Unanswered(verdict) => format!("{verdict:?}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    for edition in EDITIONS {
        assert_eq!(verdict(edition, text), expected, "{edition:?} {text}");
    }
}

fn call(action: &str, payload: &str) -> String {
    format!(r#"[2,"1","{action}",{payload}]"#)
}

/// A payload with one member set, or taken out.
fn with(payload: &str, pointer: &str, value: &str) -> String {
    let mut payload: Value = serde_json::from_str(payload).expect("JSON");
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = payload.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match value {
        "" => parent.remove(name),
        value => parent.insert(name.to_owned(), serde_json::from_str(value).expect("JSON")),
    };
    payload.to_string()
}

const EVENT: &str = r#"{"eventType":"Updated","timestamp":"2026-11-22T12:00:00Z",
    "triggerReason":"MeterValuePeriodic","seqNo":3,"offline":true,"numberOfPhasesUsed":3,
    "reservationId":9,"transactionInfo":{"transactionId":"T-1","chargingState":"Charging",
    "timeSpentCharging":60,"remoteStartId":17},"evse":{"id":1,"connectorId":2},
    "idToken":{"idToken":"04A1","type":"ISO14443"},
    "meterValue":[{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{"value":1.5,
    "unitOfMeasure":{"unit":"kWh"}}]}]}"#;

const STATUS: &str = r#"{"timestamp":"2026-11-22T12:00:00Z","connectorStatus":"Available",
    "evseId":1,"connectorId":1}"#;

#[test]
fn what_is_wrong_around_a_payload() {
    let long = "x".repeat(37);
    let fitting = "x".repeat(36);
    check(&format!(r#"[2,"{fitting}","Heartbeat",{{}}]"#), "ok");
    check(
        &format!(r#"[2,"{long}","Heartbeat",{{}}]"#),
        "-1 RpcFrameworkError: the message id is longer than 36 characters",
    );
    for no_frame in ["", "hello", "{}", "[]", "[2]", r#"["2","1","Heartbeat",{}]"#] {
        let verdict = verdict(V2::V201, no_frame);
        assert!(verdict.starts_with("-1 RpcFrameworkError: "), "{no_frame}: {verdict}");
    }
    check(r#"[2,"","Heartbeat",{}]"#, "-1 RpcFrameworkError: no OCPP-J frame");
    check(r#"[2,7,"Heartbeat",{}]"#, "-1 RpcFrameworkError: no OCPP-J frame");
    check(r#"[2,"1"]"#, "1 RpcFrameworkError: the action is missing or no string");
    check(r#"[2,"1",7,{}]"#, "1 RpcFrameworkError: the action is missing or no string");
    check(r#"[2,"1","Heartbeat"]"#, "1 ProtocolError: the payload is missing");
    let many = ",1".repeat(10_000);
    check(
        &format!(r#"[2,"1","Heartbeat",{{}}{many}]"#),
        "1 RpcFrameworkError: no message has so many elements",
    );
    check(r#"[2,"1","Heartbeat",{"#, "1 FormatViolation: not JSON");
    check(&call("Heartbeat", "[]"), "1 FormatViolation: the payload is no object");
    // "No payload" may be written `null`; required members decide.
    check(&call("Heartbeat", "null"), "ok");
    check(
        &call("Authorize", "null"),
        "1 OccurrenceConstraintViolation: /idToken: a required member is missing",
    );
    check(&call("heartbeat", "{}"), "1 NotImplemented: the action is not known");
    check(&call("StartTransaction", "{}"), "1 NotImplemented: the action is not known");
    check(&call("Reset", "{}"), "1 NotSupported: a station does not send this action");
}

/// Values that the schemas of 2.0.1 allow, and that nothing has; those of 2.1 allow fewer of them.
#[test]
fn what_no_thing_has_is_an_invalid_value() {
    let invalid = "1 PropertyConstraintViolation: a value is not one that the action has";
    for (action, sample, pointer, value) in [
        ("StatusNotification", STATUS, "/evseId", "-1"),
        ("StatusNotification", STATUS, "/connectorId", "-1"),
        ("TransactionEvent", EVENT, "/seqNo", "-1"),
        ("TransactionEvent", EVENT, "/transactionInfo/transactionId", r#""""#),
    ] {
        let text = call(action, &with(sample, pointer, value));
        assert_eq!(verdict(V2::V201, &text), invalid, "{pointer}");
    }
}

#[test]
fn message_types_of_2_1_are_unknown_to_2_0_1() {
    let unknown = "1 MessageTypeNotSupported: the message type is not known";
    check(r#"[7,"1","Heartbeat",{}]"#, unknown);
    check(r#"[7,1]"#, "-1 MessageTypeNotSupported: the message type is not known");
    for text in [r#"[5,"1","GenericError","",{}]"#, r#"[6,"1","Heartbeat",{}]"#] {
        assert_eq!(verdict(V2::V201, text), unknown);
    }
    // An answer is never answered, however it is broken.
    for broken in ["[3]", r#"[4,7,"GenericError","",{}]"#, r#"[3,"1",{"#, "[5]", "[6]"] {
        check(broken, "Unreadable");
    }
    assert_eq!(verdict(V2::V21, r#"[5,"1","GenericError","",{}]"#), "Ignored");
}

#[test]
fn a_send_is_never_answered() {
    let stream = r#"{"id":1,"pending":0,"basetime":"2026-11-22T12:00:00Z",
        "data":[{"t":0.5,"v":"230"}]}"#;
    let complaint = |text: &str| {
        let message = read_text(V2::V21, text);
        let is_answered = matches!(message.judged, Judged::Message(_) | Judged::Refused(_));
        assert!(!is_answered, "{text}");
        message.complaint.unwrap_or_default()
    };
    let send = |action: &str, payload: &str| format!(r#"[6,"1","{action}",{payload}]"#);
    assert_eq!(complaint(&send("NotifyPeriodicEventStream", stream)), "");
    assert_eq!(
        complaint(&send("NotifyPeriodicEventStream", &with(stream, "/id", ""))),
        "OccurrenceConstraintViolation: /id: a required member is missing"
    );
    assert_eq!(
        complaint(&send("Heartbeat", "{}")),
        "NotSupported: a station does not send this action"
    );
    assert_eq!(complaint(&send("Nonsense", "{}")), "NotImplemented: the action is not known");
    let as_call = call("NotifyPeriodicEventStream", stream);
    assert!(verdict(V2::V21, &as_call).starts_with("1 NotSupported"));
    assert!(verdict(V2::V201, &as_call).starts_with("1 NotImplemented"));
}

#[test]
fn what_is_wrong_in_a_payload() {
    let long = format!("\"{}\"", "x".repeat(37));
    for (pointer, value, expected) in [
        ("/seqNo", "3", "ok"),
        ("/seqNo", "3.0", "ok"),
        ("/offline", "", "ok"),
        ("/customData", r#"{"vendorId":"v","anything":[{"deep":null}]}"#, "ok"),
        ("/unknown", r#"[{"deep":null}]"#, "ok"),
        ("/timestamp", r#""2026-11-22 12:00:00""#, "ok"),
        ("/seqNo", "", "OccurrenceConstraintViolation: /seqNo: a required member is missing"),
        (
            "/transactionInfo/transactionId",
            "",
            "OccurrenceConstraintViolation: /transactionInfo/transactionId: \
             a required member is missing",
        ),
        (
            "/customData",
            r#"{"v":1}"#,
            "OccurrenceConstraintViolation: /customData/vendorId: a required member is missing",
        ),
        (
            "/meterValue",
            "[]",
            "OccurrenceConstraintViolation: /meterValue: the list is too short or too long",
        ),
        ("/seqNo", "null", "TypeConstraintViolation: /seqNo: not an integer"),
        ("/seqNo", "\"3\"", "TypeConstraintViolation: /seqNo: not an integer"),
        ("/seqNo", "3.5", "TypeConstraintViolation: /seqNo: not an integer"),
        ("/offline", "null", "TypeConstraintViolation: /offline: not true or false"),
        ("/evse", "[]", "TypeConstraintViolation: /evse: not an object"),
        ("/evse", "null", "TypeConstraintViolation: /evse: not an object"),
        ("/meterValue", "{}", "TypeConstraintViolation: /meterValue: not a list"),
        ("/meterValue", "[7]", "TypeConstraintViolation: /meterValue/0: not an object"),
        ("/timestamp", "7", "TypeConstraintViolation: /timestamp: not a string"),
        (
            "/meterValue",
            r#"[{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{"value":"1"}]}]"#,
            "TypeConstraintViolation: /meterValue/0/sampledValue/0/value: of a wrong type",
        ),
        (
            "/timestamp",
            "\"yesterday\"",
            "PropertyConstraintViolation: /timestamp: not a value of the standard",
        ),
        ("/seqNo", "9999999999", "PropertyConstraintViolation: /seqNo: out of range"),
        (
            "/eventType",
            "\"Begun\"",
            "PropertyConstraintViolation: /eventType: not a word of the standard",
        ),
        (
            "/transactionInfo/transactionId",
            &long,
            "PropertyConstraintViolation: /transactionInfo/transactionId: \
             too long or out of range",
        ),
    ] {
        let text = call("TransactionEvent", &with(EVENT, pointer, value));
        let expected = if expected == "ok" { expected.to_owned() } else { format!("1 {expected}") };
        check(&text, &expected);
    }
    let twice = STATUS.replacen("\"evseId\":1", "\"evseId\":1,\"evseId\":2", 1);
    check(&call("StatusNotification", &twice), "1 FormatViolation: /evseId: given twice");
}

fn places(edition: V2, text: &str) -> Vec<String> {
    let message = read_text(edition, text);
    assert!(matches!(message.judged, Judged::Message(_)), "{text}: {:?}", message.complaint);
    let Personal::Places(places) = message.receipt.personal else { panic!("anywhere: {text}") };
    let mut end = 0;
    let mut found = Vec::new();
    for place in places {
        assert!(place.range.start >= end, "in the order of the text: {text}");
        end = place.range.end;
        let inside = &text[place.range];
        found.push(match place.kind {
            PersonalKind::IdTag(uid) => format!("{uid}: {inside}"),
            PersonalKind::FreeText => inside.to_owned(),
        });
    }
    found
}

#[test]
fn personal_data_is_found_where_it_stands() {
    for edition in EDITIONS {
        let check = |action: &str, payload: &str, expected: &[&str]| {
            assert_eq!(places(edition, &call(action, payload)), expected, "{payload}");
        };
        check("TransactionEvent", EVENT, &["04A1: 04A1"]);
        check(
            "Authorize",
            r#"{"idToken":{"additionalInfo":[{"additionalIdToken":"DE-1","type":"x"}],
                "idToken":"04A1","type":"ISO14443","customData":{"vendorId":"v","name":"Eve"}},
                "certificate":"PEM","iso15118CertificateHashData":[{"hashAlgorithm":"SHA256",
                "issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"c",
                "responderURL":"u"}]}"#,
            &["04A1: DE-1", "04A1: x", "04A1: 04A1", "04A1: Eve", "PEM", "c"],
        );
        check(
            "Authorize",
            r#"{"idToken":{"idToken":"","type":"NoAuthorization"},"name":{"a":["Eve"]}}"#,
            &["Eve"],
        );
        check("DataTransfer", r#"{"vendorId":"v","data":{"a":["Eve",1]}}"#, &["Eve"]);
        check("DataTransfer", r#"{"vendorId":"v","data":"Eve"}"#, &["Eve"]);
        check("DataTransfer", r#"{"vendorId":"v","data":null}"#, &[]);
        check(
            "SecurityEventNotification",
            r#"{"type":"t","timestamp":"2026-11-22T12:00:00Z","techInfo":"Eve"}"#,
            &["Eve"],
        );
        check(
            "NotifyCustomerInformation",
            r#"{"data":"Eve","seqNo":0,"generatedAt":"2026-11-22T12:00:00Z","requestId":1}"#,
            &["Eve"],
        );
        let report = |component: &str| {
            format!(
                r#"{{"requestId":1,"generatedAt":"2026-11-22T12:00:00Z","seqNo":0,"reportData":[
                {{"component":{{"name":"{component}"}},"variable":{{"name":"n"}},
                "variableAttribute":[{{"value":"v"}}]}}]}}"#
            )
        };
        check("NotifyReport", &report("Controller"), &["v"]);
        check("NotifyReport", &report("ConnectedEV"), &["v"]);
    }
    let vat = call("VatNumberValidation", r#"{"vatNumber":"DE123"}"#);
    assert_eq!(places(V2::V21, &vat), ["DE123"]);
}

fn message(edition: V2, action: &str, payload: &str) -> StationMessage {
    let read = read_text(edition, &call(action, payload));
    match read.judged {
        Judged::Message(message) => message,
        _ => panic!("{action} {payload}: {:?}", read.complaint),
    }
}

#[test]
fn a_transaction_event_is_understood() {
    for edition in EDITIONS {
        let read = read_text(edition, &call("TransactionEvent", EVENT));
        assert_eq!(read.receipt.station_time.as_deref(), Some("2026-11-22T12:00:00Z"));
        let StationMessage::Transaction(report) = message(edition, "TransactionEvent", EVENT)
        else {
            panic!("a transaction")
        };
        assert_eq!(report.kind, TransactionEventKind::Updated);
        assert_eq!((report.transaction_id.as_str(), report.sequence), ("T-1", 3));
        assert!(report.is_offline);
        assert_eq!(report.evse.map(|evse| evse.0), Some(1));
        assert_eq!(report.connector.map(|connector| connector.0), Some(2));
        let token = PresentedToken { uid: "04A1".into(), kind: Some("ISO14443".into()) };
        assert_eq!(report.token, Some(token));
        assert_eq!((report.reservation_id, report.remote_start_id), (Some(9), Some(17)));
        assert_eq!(report.charging_state.as_deref(), Some("Charging"));
        assert_eq!((report.phases, report.time_spent_charging_seconds), (Some(3), Some(60)));
        assert_eq!(report.samples.len(), 1);
        assert_eq!(report.samples[0].sample.value.to_string(), "1500");
        assert_eq!(report.is_priced_on_the_way, edition == V2::V21);
    }
}

/// Signed messages are optional (part 4, chapter 7) and are not read here: their action is one that
/// is not known.
#[test]
fn a_signed_message_is_not_implemented() {
    let signed = r#"{"payload":"e30","protected":"e30","signature":"AA"}"#;
    check(&call("Heartbeat-Signed", signed), "1 NotImplemented: the action is not known");
}

#[test]
fn other_messages_are_understood() {
    for edition in EDITIONS {
        let boot = r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V",
            "serialNumber":"S","firmwareVersion":"F","modem":{"iccid":"I"}}}"#;
        let StationMessage::Boot(report) = message(edition, "BootNotification", boot) else {
            panic!("a boot")
        };
        let boot = report.boot;
        assert_eq!((boot.vendor.as_str(), boot.model.as_str()), ("V", "M"));
        assert_eq!((boot.iccid.as_deref(), boot.reason.as_deref()), (Some("I"), Some("PowerUp")));
        let StationMessage::Status(status) = message(edition, "StatusNotification", STATUS) else {
            panic!("a status")
        };
        assert_eq!((status.evse, status.connector.0), (Some(EvseNumber(1)), 1));
        let values = r#"{"evseId":0,"meterValue":[{"timestamp":"2026-11-22T12:00:00Z",
            "sampledValue":[{"value":1}]}]}"#;
        let StationMessage::Meter(meter) = message(edition, "MeterValues", values) else {
            panic!("values")
        };
        assert_eq!((meter.evse, meter.samples.len()), (Some(EvseNumber(0)), 1));
        let customer = r#"{"data":"x","seqNo":2,"tbc":true,"requestId":7,
            "generatedAt":"2026-11-22T12:00:00Z"}"#;
        let StationMessage::Notice(notice) =
            message(edition, "NotifyCustomerInformation", customer)
        else {
            panic!("a notice")
        };
        let expected = Notice {
            request_id: Some(7),
            part: Some(NoticePart { sequence: Some(2), to_be_continued: true }),
            at: notice.at,
            ..Notice::about(NoticeSubject::NotifyCustomerInformation)
        };
        assert_eq!(notice, expected);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in any::<String>()) {
        for edition in EDITIONS {
            let _ = edition.read(text.clone(), Dialect::STANDARD, at());
        }
    }

    #[test]
    fn a_damaged_event_is_judged_without_harm(at_byte in 0..EVENT.len(), with in any::<char>()) {
        let mut text = call("TransactionEvent", EVENT);
        let at_byte = at_byte.min(text.len() - 1);
        if text.is_char_boundary(at_byte) && text.is_char_boundary(at_byte + 1) {
            text.replace_range(at_byte..=at_byte, &with.to_string());
        }
        for edition in EDITIONS {
            if let Inbound::ForDesk(message) = edition.read(text.clone(), Dialect::STANDARD, at())
                && let Personal::Places(places) = &message.receipt.personal
            {
                prop_assert!(places.iter().all(|place| text.get(place.range.clone()).is_some()));
            }
        }
    }
}

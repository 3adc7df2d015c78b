//! What a station's text is taken for: data in, verdicts out.

mod judged_twice;

use super::*;
use crate::message::UNKNOWN_ACTION;
use crate::rpc::error::ErrorCode;
use chargebook_commands::message::{Judged, PERSONAL_PLACES_MAX, Personal, PersonalKind};
use chargebook_domain::units::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn at() -> Timestamp {
    Timestamp::from_millis(1_763_812_800_000).expect("an instant")
}

fn read_text(text: &str) -> ForDesk {
    match read(text.to_owned(), Dialect::STANDARD, at()) {
        Inbound::ForDesk(message) => *message,
        Inbound::Reply(_) => panic!("a reply: {text}"),
    }
}

/// What became of a text: `ok`, a CALLERROR code with the place, or why there is no answer.
fn verdict(text: &str) -> String {
    let message = read_text(text);
    match message.judged {
        Judged::Message(_) => "ok".to_owned(),
        Judged::Refused(refused) => {
            let frame: Value = serde_json::from_str(&refused.frame).expect("a CALLERROR is JSON");
            assert_eq!(frame[0], 4);
            assert_eq!(frame[1].as_str(), message.receipt.message_id.as_deref());
            assert_eq!(frame[2], refused.code);
            assert_eq!(frame[4], json!({}));
            // It is sealed as a whole, unless some dialect can tell what is personal in it.
            let is_sealed_whole = message.receipt.personal == Personal::Anywhere;
            assert_eq!(is_sealed_whole, message.receipt.noticed.is_standard(), "{text}");
            format!("{} {}", refused.code, frame[3].as_str().expect("a description"))
        }
        Judged::Told(_) => panic!("1.6 has no SEND"),
        Judged::Unanswered(verdict) => {
            assert_eq!(message.receipt.personal, Personal::Anywhere);
            format!("{verdict:?}")
        }
    }
}

fn call(action: &str, payload: &str) -> String {
    format!(r#"[2,"id-1","{action}",{payload}]"#)
}

const START: &str =
    r#"{"connectorId":1,"idTag":"04A1","meterStart":100,"timestamp":"2026-11-22T12:00:00Z"}"#;

#[test]
fn every_reason_for_a_call_error() {
    let long_id = "x".repeat(37);
    let fitting_id = "x".repeat(36);
    let deep = format!("{}{}", "[".repeat(20), "]".repeat(20));
    for (text, expected) in [
        // The frame.
        (format!(r#"[2,"{fitting_id}","Heartbeat",{{}}]"#), "ok"),
        (
            format!(r#"[2,"{long_id}","Heartbeat",{{}}]"#),
            "GenericError the message id is longer than 36 characters",
        ),
        (r#"[2,"1"]"#.into(), "GenericError the action is missing or no string"),
        (r#"[2,"1",{},{}]"#.into(), "GenericError the action is missing or no string"),
        (r#"[2,"1","Heartbeat"]"#.into(), "ProtocolError the payload is missing"),
        (
            format!(r#"[2,"1","Heartbeat",{{}}{}]"#, ",1".repeat(17)),
            "GenericError no message has so many elements",
        ),
        // The action.
        (call("Nonsense", "{}"), "NotImplemented the action is not known"),
        (call("heartbeat", "{}"), "NotImplemented the action is not known"),
        (call("HeartbeatRequest", "{}"), "NotImplemented the action is not known"),
        (call("TransactionEvent", "{}"), "NotImplemented the action is not known"),
        (call("Reset", "{}"), "NotSupported a station does not send this action"),
        (call("GetLog", "{}"), "NotSupported a station does not send this action"),
        (call("Reset", "null"), "NotSupported a station does not send this action"),
        // The payload.
        (call("Heartbeat", "{}"), "ok"),
        (call("Heartbeat", "null"), "ok"),
        (
            call("Authorize", "null"),
            "OccurenceConstraintViolation /idTag: a required member is missing",
        ),
        (call("Heartbeat", "[]"), "FormationViolation the payload is no object"),
        (call("Heartbeat", "\"{}\""), "FormationViolation the payload is no object"),
        (r#"[2,"1","Heartbeat",{]"#.into(), "FormationViolation not JSON"),
        (r#"[2,"1","Heartbeat",{"#.into(), "FormationViolation not JSON"),
        (r#"[2,"1","Heartbeat","#.into(), "FormationViolation not JSON"),
        (r#"[2,"1","Heartbeat",{}"#.into(), "FormationViolation not JSON"),
        (r#"[2,"1","Heartbeat",{}]]"#.into(), "FormationViolation not JSON"),
        (call("Heartbeat", &format!(r#"{{"a":{deep}}}"#)), "FormationViolation nested too deep"),
        // Cardinality.
        (
            call("Authorize", "{}"),
            "OccurenceConstraintViolation /idTag: a required member is missing",
        ),
        (
            call("MeterValues", r#"{"connectorId":1,"meterValue":[]}"#),
            "OccurenceConstraintViolation /meterValue: the list is too short",
        ),
        (
            call(
                "MeterValues",
                r#"{"connectorId":1,"meterValue":[{"timestamp":"2026-11-22T12:00:00Z"}]}"#,
            ),
            "OccurenceConstraintViolation /meterValue/0/sampledValue: a required member is missing",
        ),
        (
            call("Authorize", r#"{"idTag":"a","idTag":"b"}"#),
            "FormationViolation /idTag: given twice",
        ),
        // Types.
        (call("Authorize", r#"{"idTag":7}"#), "TypeConstraintViolation /idTag: not a string"),
        (call("Authorize", r#"{"idTag":null}"#), "TypeConstraintViolation /idTag: not a string"),
        (
            call("StatusNotification", &with(STATUS, "info", "null")),
            "TypeConstraintViolation /info: not a string",
        ),
        (
            call("StartTransaction", &with(START, "meterStart", "\"100\"")),
            "TypeConstraintViolation /meterStart: not an integer",
        ),
        (
            call("StartTransaction", &with(START, "meterStart", "100.5")),
            "TypeConstraintViolation /meterStart: not an integer",
        ),
        (
            call("StartTransaction", &with(START, "meterStart", "1e2")),
            "TypeConstraintViolation /meterStart: not an integer",
        ),
        (
            call("StartTransaction", &with(START, "timestamp", "1763812800")),
            "TypeConstraintViolation /timestamp: not a string",
        ),
        (
            call("StartTransaction", &with(START, "reservationId", "null")),
            "TypeConstraintViolation /reservationId: not an integer",
        ),
        (
            call("MeterValues", r#"{"connectorId":1,"meterValue":{}}"#),
            "TypeConstraintViolation /meterValue: not a list",
        ),
        (
            call("MeterValues", r#"{"connectorId":1,"meterValue":[7]}"#),
            "TypeConstraintViolation /meterValue/0: not an object",
        ),
        // Values.
        (
            call("Authorize", r#"{"idTag":"123456789012345678901"}"#),
            "PropertyConstraintViolation /idTag: too long",
        ),
        (call("Authorize", r#"{"idTag":"éééééééééééééééééééé"}"#), "ok"),
        (
            call("StatusNotification", &with(STATUS, "status", "\"Sleeping\"")),
            "PropertyConstraintViolation /status: not a word of the standard",
        ),
        (
            call("StartTransaction", &with(START, "timestamp", "\"yesterday\"")),
            "PropertyConstraintViolation /timestamp: not an RFC 3339 time",
        ),
        (
            call("StartTransaction", &with(START, "connectorId", "-1")),
            "PropertyConstraintViolation /connectorId: out of range",
        ),
        (
            call("StopTransaction", &with(STOP, "transactionId", "2147483648")),
            "PropertyConstraintViolation /transactionId: out of range",
        ),
        (
            call("StartTransaction", &with(START, "meterStart", "99999999999999999999")),
            "PropertyConstraintViolation /meterStart: out of range",
        ),
        // What is accepted.
        (call("StartTransaction", START), "ok"),
        (call("StartTransaction", &with(START, "meterStart", "5000000000")), "ok"),
        (call("StartTransaction", &with(START, "vendorThing", "null")), "ok"),
        (call("StartTransaction", &with(START, "timestamp", "\"2026-11-22T12:00:00\"")), "ok"),
        (r#"[2,"1","Heartbeat",{},"and more"]"#.into(), "ok"),
        // What cannot be answered.
        ("".into(), "Unreadable"),
        ("hello".into(), "Unreadable"),
        ("{}".into(), "Unreadable"),
        ("[]".into(), "Unreadable"),
        (r#"[2,7,"Heartbeat",{}]"#.into(), "Unreadable"),
        (r#"[2,"","Heartbeat",{}]"#.into(), "Unreadable"),
        (format!(r#"[2,"{}","Heartbeat",{{}}]"#, "x".repeat(256)), "Unreadable"),
        (deep, "Unreadable"),
        (r#"[5,"1","a","b",{}]"#.into(), "Ignored"),
        (r#"[6,"1","Heartbeat",{}]"#.into(), "Ignored"),
        (r#"[99]"#.into(), "Ignored"),
    ] {
        assert_eq!(verdict(&text), expected, "{text}");
    }
}

const STATUS: &str = r#"{"connectorId":1,"errorCode":"NoError","status":"Available"}"#;
const STOP: &str =
    r#"{"meterStop":200,"timestamp":"2026-11-22T13:00:00Z","transactionId":7,"idTag":"04A1"}"#;

/// A payload with one member set.
fn with(payload: &str, name: &str, value: &str) -> String {
    let mut payload: Map<String, Value> = serde_json::from_str(payload).expect("an object");
    payload.insert(name.to_owned(), Value::Null);
    let text = Value::Object(payload).to_string();
    text.replacen(&format!("\"{name}\":null"), &format!("\"{name}\":{value}"), 1)
}

#[test]
fn a_call_error_repeats_nothing_of_the_stations_values() {
    for secret in ["04A1B2C3D4E5F6A7B8C9D0", "Bob's charger"] {
        for (action, payload) in [
            ("Authorize", format!(r#"{{"idTag":"{secret}{secret}"}}"#)),
            ("StatusNotification", with(STATUS, "status", &format!("\"{secret}\""))),
            ("StartTransaction", with(START, "timestamp", &format!("\"{secret}\""))),
            ("StartTransaction", with(START, "connectorId", &format!("\"{secret}\""))),
            (secret, "{}".to_owned()),
        ] {
            let message = read_text(&call(action, &payload));
            let Judged::Refused(refused) = message.judged else { panic!("refused: {payload}") };
            assert!(!refused.frame.contains(secret), "{}", refused.frame);
            assert!(!message.complaint.expect("a complaint").contains(secret));
        }
    }
}

/// The texts of the personal places, each with its kind.
fn holes(text: &str) -> Vec<(String, PersonalKind)> {
    let message = read_text(text);
    assert!(matches!(message.judged, Judged::Message(_)), "{text}: {:?}", message.complaint);
    match message.receipt.personal {
        Personal::Anywhere => panic!("anywhere: {text}"),
        Personal::Places(places) => {
            let mut end = 0;
            places
                .into_iter()
                .map(|place| {
                    assert!(place.range.start >= end, "in order and apart");
                    end = place.range.end;
                    (text[place.range].to_owned(), place.kind)
                })
                .collect()
        }
    }
}

#[test]
fn personal_data_is_found_where_it_stands() {
    use PersonalKind::FreeText;
    let tag = |raw: &str, plain: &str| (raw.to_owned(), PersonalKind::IdTag(plain.to_owned()));
    let free = |raw: &str| (raw.to_owned(), FreeText);
    let check = |action: &str, payload: &str, expected: &[(String, PersonalKind)]| {
        assert_eq!(holes(&call(action, payload)), expected, "{payload}");
    };
    check("Heartbeat", "{}", &[]);
    check("Authorize", r#"{"idTag":"04A1"}"#, &[tag("04A1", "04A1")]);
    check("Authorize", r#"{"idTag":"\u0030\"1"}"#, &[tag(r#"\u0030\"1"#, "0\"1")]);
    check("Authorize", r#"{"idTag":""}"#, &[]);
    check("StartTransaction", START, &[tag("04A1", "04A1")]);
    check("StopTransaction", STOP, &[tag("04A1", "04A1")]);
    check("StatusNotification", &with(STATUS, "info", "\"Bob\""), &[free("Bob")]);
    check("StatusNotification", &with(STATUS, "vendorErrorCode", "\"E1\""), &[]);
    check("DataTransfer", r#"{"vendorId":"V","messageId":"m","data":"Bob"}"#, &[free("Bob")]);
    check(
        "SecurityEventNotification",
        r#"{"type":"T","timestamp":"2026-11-22T12:00:00Z","techInfo":"Bob"}"#,
        &[free("Bob")],
    );
    check(
        "Authorize",
        r#"{"driver":{"name":"Bob","tags":["a","b"],"n":1},"idTag":"04A1"}"#,
        &[free("Bob"), free("a"), free("b"), tag("04A1", "04A1")],
    );
    let sample = |value: &str| {
        format!(
            r#"{{"connectorId":1,"meterValue":[
                {{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{value}]}}]}}"#
        )
    };
    check("MeterValues", &sample(r#"{"value":"1"}"#), &[]);
    check("MeterValues", &sample(r#"{"value":"OCMF|x","format":"SignedData"}"#), &[free("OCMF|x")]);
    assert_eq!(holes(r#"[2,"1","Heartbeat",{},"Bob"]"#), [free("Bob")]);
}

#[test]
fn too_many_personal_places_seal_the_whole_frame() {
    let members: Vec<_> = (0..=PERSONAL_PLACES_MAX).map(|n| format!("\"x{n}\":\"y\"")).collect();
    let message = read_text(&call("Heartbeat", &format!("{{{}}}", members.join(","))));
    assert!(matches!(message.judged, Judged::Message(_)));
    assert_eq!(message.receipt.personal, Personal::Anywhere);
    assert_eq!(message.receipt.extra_members, 65);
}

#[test]
fn what_the_receipt_says() {
    let text = call("StartTransaction", &with(START, "vendorThing", "{\"a\":1}"));
    let receipt = read_text(&text).receipt;
    assert_eq!(receipt.text.as_deref(), Some(text.as_str()));
    assert_eq!(receipt.message_id.as_deref(), Some("id-1"));
    assert_eq!(receipt.action.as_deref(), Some("StartTransaction"));
    assert_eq!(receipt.station_time.as_deref(), Some("2026-11-22T12:00:00Z"));
    assert_eq!(receipt.extra_members, 1);
    assert_eq!(receipt.received_at, at());
    let repaired = with(START, "timestamp", "\"2026-11-22T12:00:00\"");
    let message = read_text(&call("StartTransaction", &repaired));
    assert_eq!(message.repaired_times, 1);
    assert_eq!(message.receipt.station_time.as_deref(), Some("2026-11-22T12:00:00"));
    let endless = read_text(&call(&"A".repeat(100), "{}"));
    assert_eq!(endless.receipt.action, None);
    assert_eq!(endless.action, UNKNOWN_ACTION);
    assert_eq!(read_text(&call("Bob's own", "{}")).receipt.action, None);
    let vendors = read_text(&call("Vendor.Thing-2_x", "{}")).receipt.action;
    assert_eq!(vendors.as_deref(), Some("Vendor.Thing-2_x"));
}

/// Every action a station sends, with everything in it.
const FULL: &[(&str, &str)] = &[
    ("Authorize", r#"{"idTag":"04A1"}"#),
    (
        "BootNotification",
        r#"{"chargePointVendor":"V","chargePointModel":"M","chargePointSerialNumber":"S",
            "chargeBoxSerialNumber":"B","firmwareVersion":"1","iccid":"I","imsi":"J",
            "meterType":"T","meterSerialNumber":"N"}"#,
    ),
    ("DataTransfer", r#"{"vendorId":"V","messageId":"m","data":"d"}"#),
    ("DiagnosticsStatusNotification", r#"{"status":"Uploading"}"#),
    ("FirmwareStatusNotification", r#"{"status":"Installed"}"#),
    ("Heartbeat", "{}"),
    ("LogStatusNotification", r#"{"status":"Uploaded","requestId":3}"#),
    (
        "MeterValues",
        r#"{"connectorId":1,"transactionId":7,"meterValue":[
            {"timestamp":"2026-11-22T12:00:00Z","sampledValue":[
                {"value":"12.5","context":"Sample.Clock","format":"Raw",
                 "measurand":"Energy.Active.Import.Register","phase":"L1","location":"Outlet",
                 "unit":"kWh"}]}]}"#,
    ),
    (
        "SecurityEventNotification",
        r#"{"type":"T","timestamp":"2026-11-22T12:00:00Z","techInfo":"i"}"#,
    ),
    ("SignCertificate", r#"{"csr":"PEM"}"#),
    ("SignedFirmwareStatusNotification", r#"{"status":"Installed","requestId":3}"#),
    (
        "StartTransaction",
        r#"{"connectorId":1,"idTag":"04A1","meterStart":100,"reservationId":5,
            "timestamp":"2026-11-22T12:00:00Z"}"#,
    ),
    (
        "StatusNotification",
        r#"{"connectorId":0,"errorCode":"OtherError","info":"i","status":"Faulted",
            "timestamp":"2026-11-22T12:00:00Z","vendorId":"V","vendorErrorCode":"E"}"#,
    ),
    (
        "StopTransaction",
        r#"{"idTag":"04A1","meterStop":200,"timestamp":"2026-11-22T13:00:00Z","transactionId":7,
            "reason":"EVDisconnected","transactionData":[
            {"timestamp":"2026-11-22T13:00:00Z","sampledValue":[{"value":"200"}]}]}"#,
    ),
];

fn understood(action: &str) -> StationMessage {
    let (_, payload) = FULL.iter().find(|(name, _)| *name == action).expect("an action");
    match read_text(&call(action, payload)).judged {
        Judged::Message(message) => message,
        other => panic!("{action}: {other:?}"),
    }
}

#[test]
fn all_14_actions_of_a_station_are_understood() {
    for (action, payload) in FULL {
        assert_eq!(verdict(&call(action, payload)), "ok", "{action}");
    }
    let from_stations = Action::ALL.iter().filter(|action| action.origin().from_charging_station());
    let mut names: Vec<_> = from_stations.map(|action| action.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, FULL.iter().map(|(action, _)| *action).collect::<Vec<_>>());
}

#[test]
fn a_transactions_messages_are_translated_with_their_evidence() {
    let StationMessage::Start(start) = understood("StartTransaction") else { panic!("a start") };
    assert_eq!(start.connector.0, 1);
    assert_eq!(start.id_tag, "04A1");
    assert_eq!(start.meter_start.value.to_string(), "100");
    assert_eq!(start.meter_start.pointer, "/3/meterStart");
    assert_eq!(start.meter_start.raw, "100");
    assert_eq!(start.reservation_id, Some(5));
    assert_eq!(start.started_at.to_string(), "2026-11-22T12:00:00.000Z");
    let StationMessage::Stop(stop) = understood("StopTransaction") else { panic!("a stop") };
    assert_eq!(stop.transaction_id.0, 7);
    assert_eq!(stop.id_tag.as_deref(), Some("04A1"));
    assert_eq!(stop.meter_stop.pointer, "/3/meterStop");
    assert_eq!(stop.meter_stop.raw, "200");
    assert_eq!(stop.reason.as_deref(), Some("EVDisconnected"));
    let evidence = &stop.samples[0].sample.evidence;
    assert_eq!(evidence.pointer, "/3/transactionData/0/sampledValue/0/value");
    assert_eq!(evidence.raw, r#""200""#);
    let StationMessage::Meter(meter) = understood("MeterValues") else { panic!("meter values") };
    assert_eq!(meter.transaction_id.map(|id| id.0), Some(7));
    let sample = &meter.samples[0].sample;
    assert_eq!(sample.value.to_string(), "12500");
    assert_eq!(sample.phase.as_deref(), Some("L1"));
    assert_eq!(sample.context, "Sample.Clock");
}

#[test]
fn the_other_messages_are_translated() {
    use chargebook_domain::events::v1::Job;
    let StationMessage::Boot(report) = understood("BootNotification") else { panic!("a boot") };
    let boot = report.boot;
    assert_eq!(boot.vendor, "V");
    assert_eq!(boot.serial_number.as_deref(), Some("S"));
    assert_eq!(boot.meter_serial_number.as_deref(), Some("N"));
    let StationMessage::Status(status) = understood("StatusNotification") else { panic!() };
    assert_eq!((status.connector.0, status.status.as_str()), (0, "Faulted"));
    assert_eq!(status.error_code.as_deref(), Some("OtherError"));
    assert_eq!(status.vendor_error_code.as_deref(), Some("E"));
    assert!(status.at.is_some());
    for (action, expected) in [
        ("DiagnosticsStatusNotification", (Job::Diagnostics, None)),
        ("FirmwareStatusNotification", (Job::Firmware, None)),
        ("LogStatusNotification", (Job::Log, Some(3))),
        ("SignedFirmwareStatusNotification", (Job::SignedFirmware, Some(3))),
    ] {
        let StationMessage::JobStatus { job, request_id, .. } = understood(action) else {
            panic!("{action}")
        };
        assert_eq!((job, request_id), expected);
    }
    assert!(matches!(understood("Heartbeat"), StationMessage::Heartbeat));
    assert!(
        matches!(understood("Authorize"), StationMessage::Authorize(report) if report.token.uid == "04A1")
    );
    let StationMessage::SignCertificate { csr, .. } = understood("SignCertificate") else {
        panic!()
    };
    assert_eq!(csr, "PEM");
    let StationMessage::DataTransfer { vendor_id, .. } = understood("DataTransfer") else {
        panic!()
    };
    assert_eq!(vendor_id, "V");
    assert!(matches!(
        understood("SecurityEventNotification"),
        StationMessage::SecurityEvent { kind, detail, .. }
            if kind == "T" && detail.as_deref() == Some("i")
    ));
}

#[test]
fn an_answer_is_set_apart_with_its_id() {
    for text in [r#"[3,"c-1",{}]"#, r#"[4,"c-1","InternalError","",{}]"#] {
        let Inbound::Reply(reply) = read(text.to_owned(), Dialect::STANDARD, at()) else {
            panic!("a reply")
        };
        assert_eq!((reply.message_id.as_str(), reply.text.as_str()), ("c-1", text));
        let message = ForDesk::unexpected_reply(reply, at());
        assert!(matches!(message.judged, Judged::Unanswered(Verdict::Ignored)));
        assert_eq!(message.receipt.message_id.as_deref(), Some("c-1"));
    }
}

proptest! {
    #[test]
    fn any_text_gets_a_verdict(text in any::<String>()) {
        let _ = read(text, Dialect::STANDARD, at());
    }

    #[test]
    fn any_call_gets_a_verdict_and_keeps_its_text(
        id in "[a-z\"\\\\]{0,40}",
        action in prop::sample::select(FULL.iter().map(|(action, _)| *action).collect::<Vec<_>>()),
        cut in 0..400_usize,
        noise in "[\\[\\]{}:,\"a0. ]{0,8}",
    ) {
        let payload = FULL.iter().find(|(name, _)| *name == action).map_or("{}", |found| found.1);
        let id = serde_json::to_string(&id).expect("a string");
        let mut text = format!("[2,{id},\"{action}\",{payload}]");
        let cut = cut.min(text.len());
        text.replace_range(cut..cut, &noise);
        if let Inbound::ForDesk(message) = read(text.clone(), Dialect::STANDARD, at()) {
            prop_assert_eq!(message.receipt.text.as_deref(), Some(text.as_str()));
            if let Personal::Places(places) = &message.receipt.personal {
                let mut end = 0;
                for place in places {
                    prop_assert!(place.range.start >= end && place.range.end <= text.len());
                    prop_assert!(text.is_char_boundary(place.range.start));
                    prop_assert!(text.is_char_boundary(place.range.end));
                    end = place.range.end;
                }
            }
        }
    }
}

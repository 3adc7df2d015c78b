//! Payloads with one thing changed, judged by us and by an independent library.

use super::*;
use ocpp_kit::decode::{DecodeOptions, decode_payload};
use ocpp_kit::rpc::CallError;
use ocpp_kit::v1_6::*;
use serde_json::value::RawValue;

fn theirs(action: Action, payload: &str) -> Result<(), CallError> {
    fn decode<T>(raw: &RawValue) -> Result<(), CallError>
    where
        T: serde::de::DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
    {
        decode_payload::<T>(raw, &DecodeOptions::strict()).map(|_| ()).map_err(Into::into)
    }
    let raw = RawValue::from_string(payload.to_owned()).expect("JSON");
    match action {
        Action::Authorize => decode::<AuthorizeRequest>(&raw),
        Action::BootNotification => decode::<BootNotificationRequest>(&raw),
        Action::DataTransfer => decode::<DataTransferRequest>(&raw),
        Action::DiagnosticsStatusNotification => {
            decode::<DiagnosticsStatusNotificationRequest>(&raw)
        }
        Action::FirmwareStatusNotification => decode::<FirmwareStatusNotificationRequest>(&raw),
        Action::Heartbeat => decode::<HeartbeatRequest>(&raw),
        Action::LogStatusNotification => decode::<LogStatusNotificationRequest>(&raw),
        Action::MeterValues => decode::<MeterValuesRequest>(&raw),
        Action::SecurityEventNotification => decode::<SecurityEventNotificationRequest>(&raw),
        Action::SignCertificate => decode::<SignCertificateRequest>(&raw),
        Action::SignedFirmwareStatusNotification => {
            decode::<SignedFirmwareStatusNotificationRequest>(&raw)
        }
        Action::StartTransaction => decode::<StartTransactionRequest>(&raw),
        Action::StatusNotification => decode::<StatusNotificationRequest>(&raw),
        Action::StopTransaction => decode::<StopTransactionRequest>(&raw),
        other => panic!("{other:?}"),
    }
}

fn ours(action: Action, payload: &str) -> Result<(), ErrorCode> {
    let (document, outcome) = Document::read(payload);
    assert_eq!(outcome, Ok(()), "{payload}");
    let shape = schema::request(action).expect("a station's action");
    let root = document.root().expect("a root");
    shape::check(&document, root, shape).map(|_| ()).map_err(|violation| violation.code)
}

/// All payloads that differ from `payload` in one place: a member left out, or replaced.
fn changed(payload: &Value) -> Vec<Value> {
    let replacements = [
        json!("x"),
        json!("x".repeat(6000)),
        json!(""),
        json!(7),
        json!(-7),
        json!(7.5),
        json!(true),
        json!([]),
        json!({}),
        json!("2026-11-22T12:00:00.5+01:00"),
    ];
    let mut all = Vec::new();
    let mut pointers = vec![String::new()];
    collect(payload, "", &mut pointers);
    for pointer in &pointers {
        for replacement in &replacements {
            let mut copy = payload.clone();
            *copy.pointer_mut(pointer).expect("a place") = replacement.clone();
            all.push(copy);
        }
        if let Some((parent, name)) = pointer.rsplit_once('/') {
            let mut copy = payload.clone();
            if let Some(Value::Object(members)) = copy.pointer_mut(parent) {
                members.remove(name);
                all.push(copy);
            }
        }
    }
    all
}

fn collect(value: &Value, at: &str, pointers: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => return,
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        pointers.push(pointer.clone());
        collect(child, &pointer, pointers);
    }
}

#[test]
fn an_independent_library_gives_the_same_codes() {
    let mut compared = 0;
    for (action, payload) in FULL {
        let action = Action::from_wire(action).expect("an action");
        let payload: Value = serde_json::from_str(payload).expect("JSON");
        for changed in changed(&payload) {
            let text = changed.to_string();
            let theirs = theirs(action, &text);
            let ours = ours(action, &text).map_err(ErrorCode::v16);
            // The schema of StopTransaction sets no least number of samples; they have one
            // type for both messages.
            if action == Action::StopTransaction && text.contains(r#""sampledValue":[]"#) {
                assert_eq!(ours, Ok(()));
                continue;
            }
            // Their reader takes a list for an object, as long as it has enough elements.
            if text.contains(r#"meterValue":[[]]"#)
                || text.contains(r#"sampledValue":[[]]"#)
                || text.contains(r#"transactionData":[[]]"#)
            {
                assert_eq!(ours, Err("TypeConstraintViolation"));
                continue;
            }
            // A negative connector fits their integer and not our number of a thing.
            if theirs.is_ok() && text.contains(r#""connectorId":-7"#) {
                assert_eq!(ours, Err("PropertyConstraintViolation"));
                continue;
            }
            let theirs =
                theirs.map_err(|error| error.code.as_wire(ocpp_kit::Version::V1_6).to_owned());
            assert_eq!(ours.map_err(str::to_owned), theirs, "{action:?} {text}");
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

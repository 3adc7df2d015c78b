//! Requests as they go out, judged by an independent library.

mod samples;
mod verbs;

use super::*;
use chargebook_domain::ids::{ConnectorNumber, TransactionNumber};
use ocpp_kit::decode::DecodeOptions;
use ocpp_kit::rpc::Frame;
use ocpp_kit::{v1_6, v2_0_1, v2_1};
use samples::{SAMPLES_2, SAMPLES_16, SAMPLES_21, SAMPLES_201};
use serde_json::{Value, json};

/// Has an independent library read a frame.
#[track_caller]
fn check_with_library(version: Version, action: &str, frame: &str) {
    let parsed = Frame::parse(frame, version).expect("a frame");
    let payload = parsed.payload().expect("a payload");
    let options = DecodeOptions::pedantic();
    let read = match version {
        Version::V1_6 => {
            let action = v1_6::Action::from_wire(action).expect("an action");
            v1_6::CsmsRequest::decode(action, payload, &options).map(drop)
        }
        Version::V2_0_1 => {
            let action = v2_0_1::Action::from_wire(action).expect("an action");
            v2_0_1::CsmsRequest::decode(action, payload, &options).map(drop)
        }
        _ => {
            let action = v2_1::Action::from_wire(action).expect("an action");
            v2_1::transcode_request(action, payload, &options).map(drop)
        }
    };
    read.unwrap_or_else(|error| panic!("{action}: {error}: {frame}"));
}

fn holes(frame: &RenderedReply) -> Vec<&str> {
    frame.personal.iter().map(|place| &frame.frame[place.range.clone()]).collect()
}

/// Writes a 1.6 intent, has an independent library read it, and shows payload and holes.
#[track_caller]
fn check(intent: OpenedIntent, action: &str, payload: &str, expected: &[&str]) {
    let Downward { frame, .. } =
        call(Version::V1_6, Dialect::STANDARD, "id-1", &intent).expect("sendable");
    assert_eq!(frame.frame, format!(r#"[2,"id-1","{action}",{payload}]"#));
    assert_eq!(holes(&frame), expected);
    check_with_library(Version::V1_6, action, &frame.frame);
}

#[test]
fn every_intent_is_a_request_of_the_standard() {
    let one = ConnectorNumber(1);
    let id_tag = "04A1\"B".to_owned();
    check(
        OpenedIntent::Start {
            connector: Some(one),
            id_tag,
            token_id: None,
            evse: None,
            token_type: None,
        },
        "RemoteStartTransaction",
        r#"{"connectorId":1,"idTag":"04A1\"B"}"#,
        &[r#"04A1\"B"#],
    );
    check(
        OpenedIntent::Start {
            connector: None,
            id_tag: "T".into(),
            token_id: None,
            evse: None,
            token_type: None,
        },
        "RemoteStartTransaction",
        r#"{"idTag":"T"}"#,
        &["T"],
    );
    check(
        OpenedIntent::Stop { transaction_id: TransactionNumber(-1), transaction: None },
        "RemoteStopTransaction",
        r#"{"transactionId":-1}"#,
        &[],
    );
    check(OpenedIntent::Reset { hard: true, evse: None }, "Reset", r#"{"type":"Hard"}"#, &[]);
    check(OpenedIntent::Reset { hard: false, evse: None }, "Reset", r#"{"type":"Soft"}"#, &[]);
    check(
        OpenedIntent::Unlock { connector: one, evse: None },
        "UnlockConnector",
        r#"{"connectorId":1}"#,
        &[],
    );
    check(
        OpenedIntent::SetAvailability {
            connector: ConnectorNumber(0),
            operative: false,
            evse: None,
        },
        "ChangeAvailability",
        r#"{"connectorId":0,"type":"Inoperative"}"#,
        &[],
    );
    check(OpenedIntent::GetConfiguration { keys: vec![] }, "GetConfiguration", "{}", &[]);
    check(
        OpenedIntent::GetConfiguration { keys: vec!["A".into(), "B".into()] },
        "GetConfiguration",
        r#"{"key":["A","B"]}"#,
        &[],
    );
    check(
        OpenedIntent::ChangeConfiguration {
            key: "AuthorizationKey".into(),
            value: "secret".into(),
        },
        "ChangeConfiguration",
        r#"{"key":"AuthorizationKey","value":"secret"}"#,
        &["secret"],
    );
    check(
        OpenedIntent::Trigger { message: "MeterValues".into(), connector: Some(one), evse: None },
        "TriggerMessage",
        r#"{"requestedMessage":"MeterValues","connectorId":1}"#,
        &[],
    );
}

#[test]
fn what_the_standard_has_no_words_for_is_not_sent() {
    let refused = |intent: OpenedIntent| {
        call(Version::V1_6, Dialect::STANDARD, "1", &intent).expect_err("unsendable")
    };
    let long = OpenedIntent::Start {
        connector: None,
        id_tag: "x".repeat(21),
        token_id: None,
        evse: None,
        token_type: None,
    };
    let invalid = |pointer: &str| Unsendable::Invalid {
        pointer: pointer.to_owned(),
        rule: "not an allowed value",
    };
    assert_eq!(refused(long), invalid("/idTag"));
    let zero = OpenedIntent::Unlock { connector: ConnectorNumber(0), evse: None };
    assert_eq!(refused(zero), Unsendable::ConnectorZero);
    let large = OpenedIntent::Unlock { connector: ConnectorNumber(u32::MAX), evse: None };
    assert_eq!(refused(large), Unsendable::Connector);
    let erased = OpenedIntent::Start {
        connector: None,
        id_tag: HOLE_PLACEHOLDER.into(),
        token_id: None,
        evse: None,
        token_type: None,
    };
    assert_eq!(refused(erased), Unsendable::Erased);
    let unknown = OpenedIntent::Trigger { message: "Nonsense".into(), connector: None, evse: None };
    assert_eq!(refused(unknown), Unsendable::UnknownTrigger);
}

fn exact(version: Version, action: &str, payload: &str) -> Result<ExactRequest, ExactRefused> {
    OcppVersions.request(version.subprotocol(), action, payload)
}

#[test]
fn every_action_of_every_version_goes_out_as_its_schema_has_it() {
    let with = |further| SAMPLES_2.iter().chain(further).collect();
    let versions: [(Version, Vec<_>, usize); 3] = [
        (Version::V1_6, SAMPLES_16.iter().collect(), 26),
        (Version::V2_0_1, with(SAMPLES_201), 40),
        (Version::V2_1, with(SAMPLES_21), 55),
    ];
    for (version, samples, count) in versions {
        assert_eq!(samples.len(), count, "{version}");
        for (action, payload) in samples {
            let checked = exact(version, action, payload);
            let checked = checked.unwrap_or_else(|e| panic!("{version} {action}: {e}"));
            assert_eq!(&checked.payload, payload, "{action}");
            let intent = OpenedIntent::Exact {
                protocol: String::new(),
                action: (*action).to_owned(),
                payload: (*payload).to_owned(),
            };
            let Downward { frame, action: sent, .. } =
                call(version, Dialect::STANDARD, "1", &intent).expect("sendable");
            assert_eq!(sent, *action);
            assert_eq!(frame.frame, format!(r#"[2,"1","{action}",{payload}]"#));
            check_with_library(version, action, &frame.frame);
        }
    }
}

#[test]
fn members_are_put_in_the_schemas_order_and_keep_their_spelling() {
    let reordered =
        |version, action, payload: &str| exact(version, action, payload).expect("allowed").payload;
    let profile = r#" { "csChargingProfiles" : {"chargingSchedule":{"minChargingRate":6.50,
        "chargingSchedulePeriod":[{"limit":16.10,"startPeriod":0}],"chargingRateUnit":"A"},
        "chargingProfileKind":"Absolute","chargingProfilePurpose":"TxProfile","stackLevel":1,
        "transactionId":9,"chargingProfileId":3},"connectorId":1}"#;
    assert_eq!(
        reordered(Version::V1_6, "SetChargingProfile", profile),
        concat!(
            r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":3,"transactionId":9,"#,
            r#""stackLevel":1,"chargingProfilePurpose":"TxProfile","chargingProfileKind":"#,
            r#""Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":"#,
            r#"[{"startPeriod":0,"limit":16.10}],"minChargingRate":6.50}}}"#
        )
    );
    let start = r#"{"customData":{"b":[1.10,{"z":null,"a":"x"}],"vendorId":"V"},"remoteStartId":1,
        "idToken":{"type":"Central","idToken":"A\u0042C"},"evseId":2}"#;
    assert_eq!(
        reordered(Version::V2_0_1, "RequestStartTransaction", start),
        concat!(
            r#"{"customData":{"b":[1.10,{"z":null,"a":"x"}],"vendorId":"V"},"evseId":2,"#,
            r#""idToken":{"idToken":"A\u0042C","type":"Central"},"remoteStartId":1}"#
        )
    );
    assert!(reordered(Version::V2_1, "RequestStartTransaction", start).ends_with(r#""V"}}"#));
    // The same name, another object.
    let criteria = r#"{"requestId":1,"chargingProfile":{"stackLevel":1,
        "chargingProfilePurpose":"TxProfile"}}"#;
    assert!(
        reordered(Version::V2_0_1, "GetChargingProfiles", criteria)
            .ends_with(r#"{"chargingProfilePurpose":"TxProfile","stackLevel":1}}"#)
    );
}

#[test]
fn what_the_schema_does_not_allow_is_refused_with_its_place() {
    let check = |version, action: &str, payload: &str, expected: &str| match exact(
        version, action, payload,
    )
    .expect_err(payload)
    {
        ExactRefused::Invalid { pointer, rule } => {
            assert_eq!(pointer, expected, "{payload}");
            assert!(!rule.is_empty(), "{payload}");
        }
        other => panic!("{payload}: {other}"),
    };
    check(Version::V1_6, "UnlockConnector", "{}", "/connectorId");
    check(Version::V1_6, "UnlockConnector", r#"{"connectorId":"1"}"#, "/connectorId");
    check(Version::V1_6, "UnlockConnector", r#"{"connectorId":1.5}"#, "/connectorId");
    check(Version::V1_6, "UnlockConnector", r#"{"connectorId":1,"evse":1}"#, "/evse");
    check(Version::V1_6, "UnlockConnector", r#"{"connectorId":null}"#, "/connectorId");
    check(Version::V1_6, "Reset", r#"{"type":"Sudden"}"#, "/type");
    check(Version::V1_6, "Reset", "[]", "");
    check(Version::V1_6, "Reset", "{", "");
    check(Version::V1_6, "Reset", r#"{"type":"Soft","type":"Hard"}"#, "/type");
    let long = format!(r#"{{"idTag":"{}"}}"#, "x".repeat(21));
    check(Version::V1_6, "RemoteStartTransaction", &long, "/idTag");
    let token = r#"{"idToken":{"idToken":"T"},"remoteStartId":1}"#;
    check(Version::V2_0_1, "RequestStartTransaction", token, "/idToken/type");
    check(Version::V2_1, "GetVariables", r#"{"getVariableData":[]}"#, "/getVariableData");
    let deep = format!(r#"{{"vendorId":"V","data":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    check(Version::V2_1, "DataTransfer", &deep, "");
    let date = r#"{"id":1,"expiryDateTime":"tomorrow","idToken":{"idToken":"T","type":"Local"}}"#;
    check(Version::V2_0_1, "ReserveNow", date, "/expiryDateTime");
}

#[test]
fn only_what_the_station_can_judge_is_left_to_it() {
    // A connector that may not exist, a reservation nobody knows: the station's to say.
    exact(Version::V1_6, "UnlockConnector", r#"{"connectorId":0}"#).expect("allowed");
    exact(Version::V1_6, "UnlockConnector", r#"{"connectorId":99}"#).expect("allowed");
    exact(Version::V1_6, "CancelReservation", r#"{"reservationId":-1}"#).expect("allowed");
    let unknown = exact(Version::V1_6, "SetVariables", "{}").expect_err("not of 1.6");
    assert_eq!(unknown, ExactRefused::UnknownAction("OCPP 1.6".to_owned()));
    let theirs = exact(Version::V2_1, "BootNotification", "{}").expect_err("a station's");
    assert_eq!(theirs, ExactRefused::FromStationsOnly("OCPP 2.1".to_owned()));
    let unspoken = OcppVersions.request("ocpp1.2", "Reset", "{}").expect_err("not spoken");
    assert_eq!(unspoken, ExactRefused::UnknownProtocol("ocpp1.2".to_owned()));
}

#[test]
fn personal_data_and_secrets_are_found_in_every_request() {
    let check = |version, action: &str, payload: &Value, expected: &[&str]| {
        let payload = payload.to_string();
        let intent =
            OpenedIntent::Exact { protocol: String::new(), action: action.to_owned(), payload };
        let Downward { frame, .. } =
            call(version, Dialect::STANDARD, "1", &intent).expect("sendable");
        assert_eq!(holes(&frame), expected);
    };
    let list = json!({ "listVersion": 1, "updateType": "Full", "localAuthorizationList": [
        { "idTag": "A", "idTagInfo": { "status": "Accepted", "parentIdTag": "P" } },
        { "idTag": "B" } ] });
    check(Version::V1_6, "SendLocalList", &list, &["A", "P", "B"]);
    let key = json!({ "key": "AuthorizationKey", "value": "secret" });
    check(Version::V1_6, "ChangeConfiguration", &key, &["secret"]);
    let location = json!({ "location": "ftp://user:password@host/" });
    check(Version::V1_6, "GetDiagnostics", &location, &["ftp://user:password@host/"]);
    let start = json!({ "remoteStartId": 1,
        "idToken": { "idToken": "T", "type": "Central",
            "additionalInfo": [{ "additionalIdToken": "X", "type": "name" }] },
        "groupIdToken": { "idToken": "G", "type": "Central" },
        "customData": { "vendorId": "V", "who": "Bob" } });
    check(Version::V2_1, "RequestStartTransaction", &start, &["G", "X", "T", "V", "Bob"]);
    let data = json!({ "vendorId": "V", "messageId": "M", "data": { "who": ["Bob"] } });
    check(Version::V2_0_1, "DataTransfer", &data, &["Bob"]);
    // A secret number cannot be a hole, so the whole frame is sealed.
    let network = json!({ "configurationSlot": 1, "connectionData": {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "wss://host", "messageTimeout": 30,
        "securityProfile": 2, "ocppInterface": "Wireless0",
        "apn": { "apn": "a", "simPin": 1234, "apnAuthentication": "NONE" } } });
    let intent = OpenedIntent::Exact {
        protocol: String::new(),
        action: "SetNetworkProfile".to_owned(),
        payload: network.to_string(),
    };
    let Downward { frame, .. } =
        call(Version::V2_0_1, Dialect::STANDARD, "1", &intent).expect("sendable");
    assert_eq!(holes(&frame), [frame.frame.as_str()]);
}

#[test]
fn an_exact_request_whose_data_was_erased_is_not_sent() {
    let erased = |payload: &str| {
        let intent = OpenedIntent::Exact {
            protocol: String::new(),
            action: "RemoteStartTransaction".to_owned(),
            payload: payload.to_owned(),
        };
        call(Version::V1_6, Dialect::STANDARD, "1", &intent).expect_err("erased")
    };
    assert_eq!(erased(HOLE_PLACEHOLDER), Unsendable::Erased);
    assert_eq!(erased(&format!(r#"{{"idTag":"{HOLE_PLACEHOLDER}"}}"#)), Unsendable::Erased);
}

#[test]
fn deeds_do_not_wait_and_settings_do() {
    let waits = |action, payload| exact(Version::V1_6, action, payload).expect("allowed").waits;
    assert!(!waits("Reset", r#"{"type":"Soft"}"#));
    assert!(!waits("RemoteStopTransaction", r#"{"transactionId":1}"#));
    assert!(waits("ChangeConfiguration", r#"{"key":"K","value":"V"}"#));
    assert!(waits("ClearCache", "{}"));
}

/// Every version that has the question; as the standard writes it.
#[test]
fn a_station_is_asked_of_a_transaction_in_its_versions_words() {
    let name = TransactionName::parse("T \"1\"").expect("a name");
    for (protocol, has_it) in [("ocpp1.6", false), ("ocpp2.0.1", true), ("ocpp2.1", true)] {
        let asked = OcppVersions.transaction_status(protocol, &name);
        assert_eq!(asked.is_ok(), has_it, "{protocol}");
        let Ok((action, payload)) = asked else { continue };
        let request = OcppVersions.request(protocol, action, &payload).expect("by the schema");
        assert_eq!(request.payload, r#"{"transactionId":"T \"1\""}"#);
    }
}

use super::*;
use chargebook_domain::ids::{ConnectorNumber, TransactionNumber};
use ocpp_kit::decode::DecodeOptions;
use ocpp_kit::rpc::Frame;
use ocpp_kit::{v1_6, v2_0_1, v2_1};
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
    let Downward { frame, .. } = call(Version::V1_6, "id-1", &intent).expect("sendable");
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
    let refused = |intent: OpenedIntent| call(Version::V1_6, "1", &intent).expect_err("unsendable");
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

/// Every action that we may send, with the least payload that its schema allows, and with the
/// most members where the least has none.
const SAMPLES_16: &[(&str, &str)] = &[
    ("CancelReservation", r#"{"reservationId":1}"#),
    ("CertificateSigned", r#"{"certificateChain":"PEM"}"#),
    ("ChangeAvailability", r#"{"connectorId":0,"type":"Operative"}"#),
    ("ChangeConfiguration", r#"{"key":"K","value":"V"}"#),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", r#"{"id":1,"connectorId":0,"stackLevel":3}"#),
    ("DataTransfer", r#"{"vendorId":"V"}"#),
    (
        "DeleteCertificate",
        r#"{"certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1"}}"#,
    ),
    ("ExtendedTriggerMessage", r#"{"requestedMessage":"SignChargePointCertificate"}"#),
    ("GetCompositeSchedule", r#"{"connectorId":1,"duration":60}"#),
    ("GetConfiguration", r#"{"key":["A"]}"#),
    ("GetDiagnostics", r#"{"location":"ftp://host/"}"#),
    ("GetInstalledCertificateIds", r#"{"certificateType":"CentralSystemRootCertificate"}"#),
    ("GetLocalListVersion", "{}"),
    ("GetLog", r#"{"log":{"remoteLocation":"ftp://host/"},"logType":"SecurityLog","requestId":1}"#),
    (
        "InstallCertificate",
        r#"{"certificateType":"ManufacturerRootCertificate","certificate":"PEM"}"#,
    ),
    ("RemoteStartTransaction", r#"{"idTag":"T"}"#),
    ("RemoteStopTransaction", r#"{"transactionId":1}"#),
    (
        "ReserveNow",
        r#"{"connectorId":0,"expiryDate":"2026-11-22T10:00:00Z","idTag":"T","reservationId":7}"#,
    ),
    ("Reset", r#"{"type":"Soft"}"#),
    (
        "SendLocalList",
        r#"{"listVersion":1,"localAuthorizationList":[{"idTag":"T","idTagInfo":{"status":"Accepted"}}],"updateType":"Full"}"#,
    ),
    (
        "SetChargingProfile",
        r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}}"#,
    ),
    (
        "SignedUpdateFirmware",
        r#"{"requestId":1,"firmware":{"location":"https://host/f","retrieveDateTime":"2026-11-22T10:00:00Z","signingCertificate":"PEM","signature":"sig"}}"#,
    ),
    ("TriggerMessage", r#"{"requestedMessage":"Heartbeat"}"#),
    ("UnlockConnector", r#"{"connectorId":1}"#),
    ("UpdateFirmware", r#"{"location":"https://host/f","retrieveDate":"2026-11-22T10:00:00Z"}"#),
];

/// The same of 2.0.1 and 2.1.
const SAMPLES_2: &[(&str, &str)] = &[
    ("CancelReservation", r#"{"reservationId":1}"#),
    ("CertificateSigned", r#"{"certificateChain":"PEM"}"#),
    ("ChangeAvailability", r#"{"operationalStatus":"Inoperative"}"#),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", r#"{"chargingProfileCriteria":{"evseId":1,"stackLevel":2}}"#),
    ("ClearDisplayMessage", r#"{"id":1}"#),
    ("ClearVariableMonitoring", r#"{"id":[1]}"#),
    ("CostUpdated", r#"{"totalCost":1.25,"transactionId":"t"}"#),
    ("CustomerInformation", r#"{"requestId":1,"report":true,"clear":false}"#),
    ("DataTransfer", r#"{"vendorId":"V"}"#),
    (
        "DeleteCertificate",
        r#"{"certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1"}}"#,
    ),
    ("GetBaseReport", r#"{"requestId":1,"reportBase":"FullInventory"}"#),
    ("GetChargingProfiles", r#"{"requestId":1,"chargingProfile":{"stackLevel":1}}"#),
    ("GetCompositeSchedule", r#"{"duration":60,"evseId":0}"#),
    ("GetDisplayMessages", r#"{"requestId":1}"#),
    ("GetInstalledCertificateIds", "{}"),
    ("GetLocalListVersion", "{}"),
    ("GetLog", r#"{"log":{"remoteLocation":"ftp://host/"},"logType":"SecurityLog","requestId":1}"#),
    ("GetMonitoringReport", r#"{"requestId":1}"#),
    ("GetReport", r#"{"requestId":1}"#),
    ("GetTransactionStatus", "{}"),
    ("GetVariables", r#"{"getVariableData":[{"component":{"name":"C"},"variable":{"name":"V"}}]}"#),
    ("InstallCertificate", r#"{"certificateType":"CSMSRootCertificate","certificate":"PEM"}"#),
    ("PublishFirmware", r#"{"location":"https://host/f","checksum":"c","requestId":1}"#),
    (
        "RequestStartTransaction",
        r#"{"idToken":{"idToken":"T","type":"ISO14443"},"remoteStartId":1}"#,
    ),
    ("RequestStopTransaction", r#"{"transactionId":"t"}"#),
    (
        "ReserveNow",
        r#"{"id":1,"expiryDateTime":"2026-11-22T10:00:00Z","idToken":{"idToken":"T","type":"ISO14443"}}"#,
    ),
    ("Reset", r#"{"type":"OnIdle"}"#),
    ("SendLocalList", r#"{"versionNumber":1,"updateType":"Full"}"#),
    (
        "SetChargingProfile",
        r#"{"evseId":1,"chargingProfile":{"id":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":[{"id":1,"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}]}}"#,
    ),
    (
        "SetDisplayMessage",
        r#"{"message":{"id":1,"priority":"NormalCycle","message":{"format":"UTF8","content":"Hello"}}}"#,
    ),
    ("SetMonitoringBase", r#"{"monitoringBase":"All"}"#),
    ("SetMonitoringLevel", r#"{"severity":5}"#),
    (
        "SetVariableMonitoring",
        r#"{"setMonitoringData":[{"value":1.5,"type":"Delta","severity":5,"component":{"name":"C"},"variable":{"name":"V"}}]}"#,
    ),
    (
        "SetVariables",
        r#"{"setVariableData":[{"attributeValue":"x","component":{"name":"C"},"variable":{"name":"V"}}]}"#,
    ),
    ("TriggerMessage", r#"{"requestedMessage":"Heartbeat"}"#),
    ("UnlockConnector", r#"{"evseId":1,"connectorId":1}"#),
    ("UnpublishFirmware", r#"{"checksum":"c"}"#),
    (
        "UpdateFirmware",
        r#"{"requestId":1,"firmware":{"location":"https://host/f","retrieveDateTime":"2026-11-22T10:00:00Z"}}"#,
    ),
];

/// Those whose order is another in 2.0.1.
const SAMPLES_201: &[(&str, &str)] = &[(
    "SetNetworkProfile",
    r#"{"configurationSlot":1,"connectionData":{"ocppVersion":"OCPP20","ocppTransport":"JSON","ocppCsmsUrl":"wss://host","messageTimeout":30,"securityProfile":2,"ocppInterface":"Wired0"}}"#,
)];

/// Actions and payloads that 2.1 has and 2.0.1 has not.
const SAMPLES_21: &[(&str, &str)] = &[
    (
        "SetNetworkProfile",
        r#"{"configurationSlot":1,"connectionData":{"ocppInterface":"Wired0","ocppTransport":"JSON","messageTimeout":30,"ocppCsmsUrl":"wss://host","securityProfile":2,"identity":"CP","basicAuthPassword":"secret"}}"#,
    ),
    ("AFRRSignal", r#"{"timestamp":"2026-11-22T10:00:00Z","signal":-5}"#),
    ("AdjustPeriodicEventStream", r#"{"id":1,"params":{"interval":60}}"#),
    (
        "ChangeTransactionTariff",
        r#"{"tariff":{"tariffId":"a","currency":"EUR"},"transactionId":"t"}"#,
    ),
    ("ClearDERControl", r#"{"isDefault":true}"#),
    ("ClearTariffs", r#"{"tariffIds":["a"]}"#),
    ("GetDERControl", r#"{"requestId":1}"#),
    ("GetPeriodicEventStream", "{}"),
    ("GetTariffs", r#"{"evseId":1}"#),
    ("NotifyAllowedEnergyTransfer", r#"{"transactionId":"t","allowedEnergyTransfer":["DC"]}"#),
    ("NotifyWebPaymentStarted", r#"{"evseId":1,"timeout":60}"#),
    ("RequestBatterySwap", r#"{"idToken":{"idToken":"T","type":"ISO14443"},"requestId":1}"#),
    (
        "SetDERControl",
        r#"{"isDefault":true,"controlId":"c","controlType":"Gradients","gradient":{"priority":0,"gradient":1.0,"softGradient":2.0}}"#,
    ),
    ("SetDefaultTariff", r#"{"evseId":0,"tariff":{"tariffId":"a","currency":"EUR"}}"#),
    ("UpdateDynamicSchedule", r#"{"chargingProfileId":1,"scheduleUpdate":{"limit":7.5}}"#),
    ("UsePriorityCharging", r#"{"transactionId":"t","activate":true}"#),
];

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
            let Downward { frame, action: sent } = call(version, "1", &intent).expect("sendable");
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
        let Downward { frame, .. } = call(version, "1", &intent).expect("sendable");
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
    let Downward { frame, .. } = call(Version::V2_0_1, "1", &intent).expect("sendable");
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
        call(Version::V1_6, "1", &intent).expect_err("erased")
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

/// An intent as the API takes it, in the words of each version; `None` where it has none.
#[track_caller]
fn check_verb(intent: Value, expected: [Option<(&str, Value)>; 2]) {
    let intent: OpenedIntent = serde_json::from_value(intent).expect("an intent");
    for (version, expected) in [
        (Version::V1_6, &expected[0]),
        (Version::V2_0_1, &expected[1]),
        (Version::V2_1, &expected[1]),
    ] {
        let id = "019a9e39-bba0-72f3-abb5-cf8c0000002a";
        match (call(version, id, &intent), expected) {
            (Ok(Downward { action, frame }), Some((expected_action, payload))) => {
                let parts: Value = serde_json::from_str(&frame.frame).expect("JSON");
                assert_eq!((action, &parts[3]), (*expected_action, payload), "{version}");
                check_with_library(version, action, &frame.frame);
            }
            (Err(Unsendable::NoSuchRequest), None) => {}
            (other, _) => panic!("{version}: {other:?}"),
        }
    }
}

#[test]
fn the_first_verbs_are_requests_of_every_version() {
    check_verb(
        json!({ "verb": "start", "connector": 2, "id_tag": "T", "token_id": null,
            "token_type": "RFID" }),
        [
            Some(("RemoteStartTransaction", json!({ "connectorId": 2, "idTag": "T" }))),
            Some((
                "RequestStartTransaction",
                json!({ "evseId": 2, "remoteStartId": 42,
                    "idToken": { "idToken": "T", "type": "ISO14443" } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "stop", "transaction_id": 0, "transaction": "t-1" }),
        [None, Some(("RequestStopTransaction", json!({ "transactionId": "t-1" })))],
    );
    check_verb(
        json!({ "verb": "stop", "transaction_id": 5 }),
        [Some(("RemoteStopTransaction", json!({ "transactionId": 5 }))), None],
    );
    check_verb(
        json!({ "verb": "reset", "hard": true }),
        [
            Some(("Reset", json!({ "type": "Hard" }))),
            Some(("Reset", json!({ "type": "Immediate" }))),
        ],
    );
    check_verb(
        json!({ "verb": "unlock", "connector": 2 }),
        [
            Some(("UnlockConnector", json!({ "connectorId": 2 }))),
            Some(("UnlockConnector", json!({ "evseId": 2, "connectorId": 1 }))),
        ],
    );
    check_verb(
        json!({ "verb": "unlock", "connector": 2, "evse": 3 }),
        [
            Some(("UnlockConnector", json!({ "connectorId": 2 }))),
            Some(("UnlockConnector", json!({ "evseId": 3, "connectorId": 2 }))),
        ],
    );
    check_verb(
        json!({ "verb": "set_availability", "connector": 0, "operative": false }),
        [
            Some(("ChangeAvailability", json!({ "connectorId": 0, "type": "Inoperative" }))),
            Some(("ChangeAvailability", json!({ "operationalStatus": "Inoperative" }))),
        ],
    );
    check_verb(
        json!({ "verb": "get_configuration", "keys": [] }),
        [
            Some(("GetConfiguration", json!({}))),
            Some(("GetBaseReport", json!({ "requestId": 42, "reportBase": "FullInventory" }))),
        ],
    );
    check_verb(
        json!({ "verb": "get_configuration", "keys": ["Comp/1.Var"] }),
        [
            Some(("GetConfiguration", json!({ "key": ["Comp/1.Var"] }))),
            Some((
                "GetVariables",
                json!({ "getVariableData": [{ "component": { "name": "Comp", "instance": "1" },
                    "variable": { "name": "Var" } }] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "change_configuration", "key": "C.V", "value": "x" }),
        [
            Some(("ChangeConfiguration", json!({ "key": "C.V", "value": "x" }))),
            Some((
                "SetVariables",
                json!({ "setVariableData": [{ "attributeValue": "x",
                    "component": { "name": "C" }, "variable": { "name": "V" } }] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "trigger", "message": "SignChargePointCertificate", "connector": null }),
        [
            Some((
                "ExtendedTriggerMessage",
                json!({ "requestedMessage": "SignChargePointCertificate" }),
            )),
            Some((
                "TriggerMessage",
                json!({ "requestedMessage": "SignChargingStationCertificate" }),
            )),
        ],
    );
}

#[test]
fn the_further_verbs_are_requests_of_every_version_that_has_them() {
    let at = "2030-01-01T00:00:00.000Z";
    let token = json!({ "idToken": "T", "type": "Central" });
    check_verb(
        json!({ "verb": "reserve", "reservation_id": 7, "connector": 1, "token": "T",
            "group": "G", "expires_at": at }),
        [
            Some((
                "ReserveNow",
                json!({ "connectorId": 1, "expiryDate": at, "idTag": "T", "parentIdTag": "G",
                    "reservationId": 7 }),
            )),
            Some((
                "ReserveNow",
                json!({ "id": 7, "expiryDateTime": at, "idToken": token, "evseId": 1,
                    "groupIdToken": { "idToken": "G", "type": "Central" } }),
            )),
        ],
    );
    let same = |action: &'static str, payload: Value| {
        [Some((action, payload.clone())), Some((action, payload))]
    };
    check_verb(
        json!({ "verb": "cancel_reservation", "reservation_id": 7 }),
        same("CancelReservation", json!({ "reservationId": 7 })),
    );
    check_verb(json!({ "verb": "clear_cache" }), same("ClearCache", json!({})));
    check_verb(json!({ "verb": "get_local_list_version" }), same("GetLocalListVersion", json!({})));
    check_verb(
        json!({ "verb": "data_transfer", "vendor_id": "V", "message_id": "M", "data": "D" }),
        same("DataTransfer", json!({ "vendorId": "V", "messageId": "M", "data": "D" })),
    );
    check_verb(
        json!({ "verb": "send_local_list", "version": 2, "replace": true, "tokens": [
            { "token": "T", "allowed": true, "expires_at": at }, { "token": "U" }] }),
        [
            Some((
                "SendLocalList",
                json!({ "listVersion": 2, "updateType": "Full", "localAuthorizationList": [
                    { "idTag": "T", "idTagInfo": { "expiryDate": at, "status": "Accepted" } },
                    { "idTag": "U" }] }),
            )),
            Some((
                "SendLocalList",
                json!({ "versionNumber": 2, "updateType": "Full", "localAuthorizationList": [
                    { "idToken": token,
                      "idTokenInfo": { "status": "Accepted", "cacheExpiryDateTime": at } },
                    { "idToken": { "idToken": "U", "type": "Central" } }] }),
            )),
        ],
    );
    let hash = json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b",
        "serialNumber": "1" });
    check_verb(
        json!({ "verb": "delete_certificate", "hash_algorithm": "SHA256",
            "issuer_name_hash": "a", "issuer_key_hash": "b", "serial_number": "1" }),
        same("DeleteCertificate", json!({ "certificateHashData": hash })),
    );
    check_verb(
        json!({ "verb": "install_certificate", "purpose": "ManufacturerRootCertificate",
            "certificate": "PEM" }),
        same(
            "InstallCertificate",
            json!({ "certificateType": "ManufacturerRootCertificate", "certificate": "PEM" }),
        ),
    );
    check_verb(
        json!({ "verb": "list_certificates", "purpose": "ManufacturerRootCertificate" }),
        [
            Some((
                "GetInstalledCertificateIds",
                json!({ "certificateType": "ManufacturerRootCertificate" }),
            )),
            Some((
                "GetInstalledCertificateIds",
                json!({ "certificateType": ["ManufacturerRootCertificate"] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "show_message", "message_id": 9, "text": "Hello", "language": "en",
            "priority": "in_front" }),
        [
            None,
            Some((
                "SetDisplayMessage",
                json!({ "message": { "id": 9, "priority": "InFront", "message": {
                    "format": "UTF8", "language": "en", "content": "Hello" } } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "remove_message", "message_id": 9 }),
        [None, Some(("ClearDisplayMessage", json!({ "id": 9 })))],
    );
    check_verb(
        json!({ "verb": "list_messages" }),
        [None, Some(("GetDisplayMessages", json!({ "requestId": 42 })))],
    );
}

#[test]
fn limits_firmware_and_logs_are_requests_of_every_version() {
    let at = "2030-01-01T00:00:00.000Z";
    let period = json!([{ "startPeriod": 0, "limit": 7.4, "numberPhases": 1 }]);
    check_verb(
        json!({ "verb": "set_charging_limit", "profile_id": 5, "connector": 1, "limit": "7.4",
            "unit": "amperes", "phases": 1, "starts_at": at, "duration_seconds": 60 }),
        [
            Some((
                "SetChargingProfile",
                json!({ "connectorId": 1, "csChargingProfiles": { "chargingProfileId": 5,
                    "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": { "duration": 60,
                        "startSchedule": at, "chargingRateUnit": "A",
                        "chargingSchedulePeriod": period } } }),
            )),
            Some((
                "SetChargingProfile",
                json!({ "evseId": 1, "chargingProfile": { "id": 5, "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": [{ "id": 5,
                        "startSchedule": at, "duration": 60, "chargingRateUnit": "A",
                        "chargingSchedulePeriod": period }] } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "clear_charging_limit", "connector": 0 }),
        [
            Some(("ClearChargingProfile", json!({ "connectorId": 0 }))),
            Some(("ClearChargingProfile", json!({ "chargingProfileCriteria": { "evseId": 0 } }))),
        ],
    );
    check_verb(
        json!({ "verb": "get_composite_schedule", "duration_seconds": 60, "unit": "watts" }),
        [
            Some((
                "GetCompositeSchedule",
                json!({ "connectorId": 0, "duration": 60, "chargingRateUnit": "W" }),
            )),
            Some((
                "GetCompositeSchedule",
                json!({ "duration": 60, "chargingRateUnit": "W", "evseId": 0 }),
            )),
        ],
    );
    let firmware = json!({ "location": "https://host/f", "retrieveDateTime": at,
        "signingCertificate": "PEM", "signature": "sig" });
    let signed = json!({ "requestId": 42, "firmware": firmware });
    check_verb(
        json!({ "verb": "update_firmware", "location": "https://host/f", "retrieve_at": at,
            "signing_certificate": "PEM", "signature": "sig" }),
        [Some(("SignedUpdateFirmware", signed.clone())), Some(("UpdateFirmware", signed))],
    );
    check_verb(
        json!({ "verb": "update_firmware", "location": "https://host/f", "retrieve_at": at }),
        [
            Some(("UpdateFirmware", json!({ "location": "https://host/f", "retrieveDate": at }))),
            Some((
                "UpdateFirmware",
                json!({ "requestId": 42,
                    "firmware": { "location": "https://host/f", "retrieveDateTime": at } }),
            )),
        ],
    );
    let log = |kind: &str| {
        json!({ "log": { "remoteLocation": "ftp://host/", "oldestTimestamp": at },
            "logType": kind, "requestId": 42 })
    };
    check_verb(
        json!({ "verb": "get_log", "log": "diagnostics", "location": "ftp://host/", "from": at }),
        [
            Some(("GetDiagnostics", json!({ "location": "ftp://host/", "startTime": at }))),
            Some(("GetLog", log("DiagnosticsLog"))),
        ],
    );
    check_verb(
        json!({ "verb": "get_log", "log": "security", "location": "ftp://host/", "from": at }),
        [Some(("GetLog", log("SecurityLog"))), Some(("GetLog", log("SecurityLog")))],
    );
}

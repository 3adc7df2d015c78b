//! Commands on their way to a station and back.

use crate::support::{Gateway, PASSWORD, Station, TAG};
use chargebook_commands::protocol::ExactRefused;
use chargebook_commands::{CommandStage, ExactError};
use chargebook_domain::events::v1::{CommandFailure, Intent};
use chargebook_domain::ids::{CommandId, ConnectorNumber, EvseNumber, TransactionNumber};
use chargebook_gateway::Limits;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

async fn request(gateway: &Gateway, intent: Intent) -> CommandId {
    let requested = gateway.chargebook.request_command("CP-1", intent, "operator").await;
    requested.expect("requested").0
}

async fn booted(gateway: &Gateway) -> Station {
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    station
}

/// Answers the CALL that comes next, and gives it.
async fn answer(station: &mut Station, payload: &Value) -> Value {
    let call = station.text().await;
    assert_eq!(call[0], 2, "{call}");
    station.send(json!([3, call[1], payload]).to_string()).await;
    call
}

#[tokio::test]
async fn a_command_is_sent_answered_and_told_without_personal_data() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let id_tag = gateway.chargebook.personal().seal_uid(TAG).await.expect("sealed");
    let intent = Intent::Start {
        connector: Some(ConnectorNumber(1)),
        id_tag,
        token_id: None,
        evse: None,
        token_type: None,
    };
    let id = request(&gateway, intent).await;
    let call = answer(&mut station, &json!({"status": "Accepted"})).await;
    assert_eq!(call[2], "RemoteStartTransaction");
    assert_eq!(call[3], json!({"connectorId": 1, "idTag": TAG}));
    gateway.facts_once("command.answered", 1).await;
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!((view.stage, view.status.as_deref()), (CommandStage::Finished, Some("Accepted")));
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains(TAG), "{}", event.data.as_str());
    }
}

#[tokio::test]
async fn one_call_is_outstanding_at_a_time_and_calls_may_cross() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let first = request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    let second = request(&gateway, Intent::Reset { hard: false, evse: None }).await;
    let call = station.text().await;
    assert_eq!((&call[1], &call[2]), (&json!(first.to_string()), &json!("GetConfiguration")));
    // Our CALL is outstanding; the station's own is served all the same.
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
    station.send(json!([3, call[1], {"configurationKey": []}]).to_string()).await;
    let call = answer(&mut station, &json!({"status": "Rejected"})).await;
    assert_eq!((&call[1], &call[2]), (&json!(second.to_string()), &json!("Reset")));
    let answered = gateway.facts_once("command.answered", 2).await;
    assert_eq!(answered[1]["status"], "Rejected");
}

#[tokio::test]
async fn an_error_is_an_answer() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let id = request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    let call = station.text().await;
    station.send(json!([4, call[1], "NotSupported", "no reset here", {}]).to_string()).await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "call_error");
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!(view.failure.map(|failed| failed.failure), Some(CommandFailure::CallError));
}

#[tokio::test]
async fn who_knows_a_callresulterror_is_told_of_an_answer_that_cannot_be_used() {
    for (payload, code, description) in [
        (json!({}), "OccurrenceConstraintViolation", "/status: a required member is missing"),
        (
            json!({ "status": "Bob" }),
            "PropertyConstraintViolation",
            "/status: not an allowed value",
        ),
        (json!({ "status": 7 }), "TypeConstraintViolation", "/status: of the wrong type"),
        (json!([]), "FormatViolation", "the payload is no object"),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of("ocpp2.1").await;
        let id = request(&gateway, Intent::Reset { hard: true, evse: None }).await.to_string();
        answer(&mut station, &payload).await;
        let told = station.text().await;
        assert_eq!(told, json!([5, id, code, description, {}]));
        let answers = gateway.facts("exchange.recorded").await;
        let answer = answers.iter().find(|exchange| exchange["message_id"] == id);
        let kept = &answer.expect("the exchange")["result_error"];
        assert_eq!(serde_json::from_str::<Value>(kept.as_str().expect("text")).ok(), Some(told));
        let failed = gateway.facts_once("command.failed", 1).await;
        assert_eq!(failed[0]["failure"], "outcome_unknown");
    }
    // One that can be used is not complained of, and older versions have no such frame.
    for (protocol, payload) in [
        ("ocpp2.1", json!({ "status": "Rejected", "vendorThing": 1 })),
        ("ocpp2.0.1", json!({})),
        ("ocpp1.6", json!({})),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of(protocol).await;
        request(&gateway, Intent::Reset { hard: true, evse: None }).await;
        answer(&mut station, &payload).await;
        assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    }
}

#[tokio::test]
async fn what_does_not_wait_is_not_sent_when_its_station_comes_back() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    station.text().await;
    // The outbox is busy, so these wait for their turn.
    let reset = request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    let unlock = json!({ "connectorId": 1 });
    let unlock = request_exact(&gateway, "UnlockConnector", &unlock).await;
    let setting = request(&gateway, Intent::GetLocalListVersion).await;
    drop(station);
    gateway.facts_once("station.disconnected", 1).await;
    for deed in [reset, unlock] {
        let view = gateway.chargebook.command(deed).await.expect("the log").expect("the command");
        let failure = view.failure.map(|failed| failed.failure);
        assert_eq!(failure, Some(CommandFailure::StationOffline));
    }
    let mut station = gateway.station("CP-1").await;
    let call = station.text().await;
    assert_eq!((&call[1], &call[2]), (&json!(setting.to_string()), &json!("GetLocalListVersion")));
    station.send(json!([3, call[1], {"listVersion": 1}]).to_string()).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), 2);
}

#[tokio::test]
async fn what_does_not_wait_goes_to_the_connection_that_took_over() {
    let gateway = Gateway::start().await;
    let mut old = booted(&gateway).await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    old.text().await;
    let reset = request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    // The station is connected all the time: the end of its old connection is not its leaving.
    let mut new = gateway.station("CP-1").await;
    drop(old);
    gateway.facts_once("station.disconnected", 1).await;
    let call = new.text().await;
    assert_eq!((&call[1], &call[2]), (&json!(reset.to_string()), &json!("Reset")));
}

#[tokio::test]
async fn a_status_of_2_x_is_asked_for_one_connector() {
    let trigger = |message: &str, evse: Option<u32>, connector: Option<u32>| Intent::Trigger {
        message: message.into(),
        evse: evse.map(EvseNumber),
        connector: connector.map(ConnectorNumber),
    };
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of(protocol).await;
        for station in [None, Some(0)] {
            let nowhere = trigger("StatusNotification", station, None);
            let asked = gateway.chargebook.request_command("CP-1", nowhere, "operator").await;
            let refused = asked.expect_err("no connector");
            assert!(refused.to_string().starts_with("name the connector"), "{refused}");
        }
        assert!(gateway.facts("command.requested").await.is_empty(), "no intent");
        for (evse, connector, place) in [
            (Some(1), Some(2), json!({ "id": 1, "connectorId": 2 })),
            (Some(2), None, json!({ "id": 2, "connectorId": 1 })),
            (None, Some(3), json!({ "id": 3, "connectorId": 1 })),
        ] {
            request(&gateway, trigger("StatusNotification", evse, connector)).await;
            let call = answer(&mut station, &json!({ "status": "Accepted" })).await;
            let expected = json!({ "requestedMessage": "StatusNotification", "evse": place });
            assert_eq!(call[3], expected);
        }
        request(&gateway, trigger("MeterValues", Some(1), None)).await;
        let call = answer(&mut station, &json!({ "status": "Accepted" })).await;
        assert_eq!(call[3], json!({ "requestedMessage": "MeterValues", "evse": { "id": 1 } }));
    }
    // 1.6 asks for all connectors by naming none.
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    request(&gateway, trigger("StatusNotification", None, None)).await;
    let call = answer(&mut station, &json!({ "status": "Accepted" })).await;
    assert_eq!(call[3], json!({ "requestedMessage": "StatusNotification" }));
}

#[tokio::test]
async fn a_boot_may_be_asked_for_in_ocpps_words_before_any() {
    for protocol in ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"] {
        let gateway = Gateway::start().await;
        let opened = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some(protocol)).await;
        let mut station = Station { web_socket: opened.expect("let in").0 };
        let status = json!({ "requestedMessage": "StatusNotification" });
        request_exact(&gateway, "TriggerMessage", &status).await;
        let boot = json!({ "requestedMessage": "BootNotification" });
        let boot = request_exact(&gateway, "TriggerMessage", &boot).await;
        let call = answer(&mut station, &json!({ "status": "Accepted" })).await;
        assert_eq!(call[1], json!(boot.to_string()), "{call}");
        assert_eq!(gateway.facts("command.sent").await.len(), 1);
    }
}

#[tokio::test]
async fn no_answer_in_time_is_an_unknown_outcome_and_a_late_one_counts_after_all() {
    let call_timeout = Duration::from_millis(200);
    let gateway = Gateway::start_with(Limits { call_timeout, ..Limits::default() }).await;
    let mut station = booted(&gateway).await;
    request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    let call = station.text().await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "outcome_unknown");
    station.send(json!([3, call[1], {"status": "Accepted"}]).to_string()).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    let exchanges = gateway.facts("exchange.recorded").await;
    let late = exchanges.iter().find(|exchange| exchange["message_id"] == call[1]);
    assert_eq!(late.expect("the late answer")["verdict"], "answered");
    assert_eq!(gateway.facts("command.answered").await.len(), 1);
    // A second answer belongs to nothing.
    station.send(json!([3, call[1], {"status": "Rejected"}]).to_string()).await;
    assert_eq!(station.call("2", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.answered").await.len(), 1);
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_unknown_and_nothing_is_sent_twice() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    station.text().await;
    drop(station);
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "outcome_unknown");
    let mut station = gateway.station("CP-1").await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_boot_was_accepted() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert!(gateway.facts("command.sent").await.is_empty());
    station.boot().await;
    assert_eq!(station.text().await[2], "GetConfiguration");
}

#[tokio::test]
async fn acceptance_outlives_a_restart() {
    let gateway = Gateway::start().await;
    drop(booted(&gateway).await);
    gateway.facts_once("station.disconnected", 1).await;
    let gateway = gateway.restart().await;
    request(&gateway, Intent::GetConfiguration { keys: vec!["HeartbeatInterval".into()] }).await;
    let mut station = gateway.station("CP-1").await;
    let call = station.text().await;
    assert_eq!(call[3], json!({"key": ["HeartbeatInterval"]}));
}

#[tokio::test]
async fn what_the_version_has_no_words_for_fails_unsent() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let trigger = Intent::Trigger { message: "Nonsense".into(), connector: None, evse: None };
    request(&gateway, trigger).await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "not_supported");
    request(&gateway, Intent::Stop { transaction_id: TransactionNumber(7), transaction: None })
        .await;
    let call = answer(&mut station, &json!({"status": "Rejected"})).await;
    assert_eq!(call[3], json!({"transactionId": 7}));
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
}

async fn request_exact(gateway: &Gateway, action: &str, payload: &Value) -> CommandId {
    let payload = payload.to_string();
    let requested = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    requested.expect("requested").0
}

#[tokio::test]
async fn a_request_in_ocpps_words_goes_out_in_the_schemas_order_and_is_answered() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let reserve = json!({ "reservationId": 7, "parentIdTag": "GROUP", "idTag": TAG,
        "expiryDate": "2026-11-22T10:00:00Z", "connectorId": 1 });
    let id = request_exact(&gateway, "ReserveNow", &reserve).await;
    let Message::Text(frame) = station.next().await else { panic!("a text") };
    let payload = format!(
        r#"{{"connectorId":1,"expiryDate":"2026-11-22T10:00:00Z","idTag":"{TAG}","parentIdTag":"GROUP","reservationId":7}}"#
    );
    assert_eq!(frame.as_str(), format!(r#"[2,"{id}","ReserveNow",{payload}]"#));
    station.send(json!([3, id.to_string(), {"status": "Occupied"}]).to_string()).await;
    gateway.facts_once("command.answered", 1).await;
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!(view.status.as_deref(), Some("Occupied"));
    assert_eq!(view.reply, Some(json!([3, id.to_string(), {"status": "Occupied"}]).to_string()));
    for event in gateway.events().await {
        let data = event.data.as_str();
        assert!(!data.contains(TAG) && !data.contains("GROUP"), "{data}");
    }
}

#[tokio::test]
async fn a_request_in_ocpps_words_is_held_against_the_version_the_station_speaks() {
    let gateway = Gateway::start().await;
    let ask = |action: &'static str, payload: &'static str| {
        let chargebook = gateway.chargebook.clone();
        async move { chargebook.request_exact("CP-1", action, payload, "operator").await }
    };
    let never = ask("ClearCache", "{}").await.expect_err("never connected");
    assert!(matches!(never, ExactError::NeverConnected), "{never}");
    let mut station = booted(&gateway).await;
    let wrong = ask("UnlockConnector", r#"{"evseId":1}"#).await.expect_err("of 2.x");
    let pointer = "/connectorId".to_owned();
    let rule = "missing field `connectorId`".to_owned();
    assert_eq!(wrong.to_string(), ExactRefused::Invalid { pointer, rule }.to_string());
    ask("SetVariables", "{}").await.expect_err("of 2.x");
    // Offline it is still known which version it spoke; settings wait, deeds do not.
    station.web_socket.close(None).await.expect("closed");
    gateway.facts_once("station.disconnected", 1).await;
    ask("UnlockConnector", r#"{"connectorId":1}"#).await.expect("an intent all the same");
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "station_offline");
    ask("GetLocalListVersion", "{}").await.expect("it waits");
    let mut station = gateway.station("CP-1").await;
    let call = answer(&mut station, &json!({ "listVersion": 3 })).await;
    assert_eq!((&call[2], &call[3]), (&json!("GetLocalListVersion"), &json!({})));
}

#[tokio::test]
async fn a_password_in_ocpps_words_counts_from_accepted() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let set = json!({ "key": "AuthorizationKey", "value": "0123456789ABCDEF0123456789ABCDEF" });
    request_exact(&gateway, "ChangeConfiguration", &set).await;
    answer(&mut station, &json!({ "status": "Rejected" })).await;
    gateway.facts_once("command.answered", 1).await;
    assert!(gateway.facts("station.password_changed").await.is_empty());
    request_exact(&gateway, "ChangeConfiguration", &set).await;
    answer(&mut station, &json!({ "status": "Accepted" })).await;
    gateway.facts_once("command.answered", 2).await;
    let admit = async |password: Option<&'static [u8]>| {
        gateway.chargebook.admit("CP-1", password).await.is_ok()
    };
    assert!(admit(Some(b"0123456789ABCDEF0123456789ABCDEF")).await);
    // A 1.6 station sends the bytes that the hexadecimal digits spell.
    const SPELT: &[u8] = b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\x01\x23\x45\x67\x89\xAB\xCD\xEF";
    assert!(admit(Some(SPELT)).await);
    assert!(!admit(None).await);
}

#[tokio::test]
async fn a_hexadecimal_password_in_any_case_counts_as_its_bytes() {
    const SPELT: &[u8] = b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\x01\x23\x45\x67\x89\xAB\xCD\xEF";
    let gateway = Gateway::start().await;
    let admit = async |password: &'static [u8]| {
        gateway.chargebook.admit("CP-1", Some(password)).await.is_ok()
    };
    let mut station = booted(&gateway).await;
    let set = json!({ "key": "AuthorizationKey", "value": "0123456789abCDeF0123456789AbcDEf" });
    request_exact(&gateway, "ChangeConfiguration", &set).await;
    answer(&mut station, &json!({ "status": "RebootRequired" })).await;
    gateway.facts_once("command.answered", 1).await;
    assert!(!admit(b"0123456789abcdef0123456789abcdef").await, "another text");
    assert!(!admit(&SPELT[1..]).await, "other bytes");
    assert!(admit(SPELT).await);
    assert!(!admit(PASSWORD.as_bytes()).await, "it has taken the new one");
    assert!(admit(SPELT).await);
    assert!(admit(b"0123456789abCDeF0123456789AbcDEf").await);
}

//! Commands to a station, and what it answers.

use crate::harness::TestApi;
use crate::station::{Station, TAG, minute};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/stations/CP-1/commands";

async fn with_station() -> (TestApi, Station) {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let mut station = Station::connected(&api, "CP-1").await;
    station.boot().await;
    (api, station)
}

#[tokio::test]
async fn a_command_is_accepted_at_once_and_followed_by_its_resource() {
    let (api, mut station) = with_station().await;
    let body = json!({ "verb": "unlock", "connector": 1 });
    let accepted = api.post(PATH, &body).await.expect(202);
    let command = accepted.json();
    assert_eq!(command["state"], "requested");
    assert_eq!(command["intent"], body);
    assert_eq!(command["station"], "CP-1");
    let location = accepted.header("location").to_owned();
    assert_eq!(location, format!("/v1/commands/{}", command["id"].as_str().expect("an id")));
    let asked = station.answer_command(r#"{"status":"Unlocked", "n":1.10}"#, "Unlocked").await;
    assert_eq!(asked, body);
    let read = api.get(&location).await.expect(200);
    assert!(read.text.contains(r#""reply":{"status":"Unlocked", "n":1.10}"#), "{read:?}");
    let command = read.json();
    assert_eq!((&command["state"], &command["status"]), (&json!("answered"), &json!("Unlocked")));
    assert!(command["sent_at"].is_string() && command["finished_at"].is_string(), "{command:#}");
    let listed = api.list_until("/v1/commands?station=CP-1", |commands| {
        commands.first().is_some_and(|command| command["state"] == "answered")
    });
    assert_eq!(listed.await[0]["id"], command["id"]);
    assert_eq!(api.list("/v1/commands?station=CP-2").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_start_for_a_token_that_is_not_registered_warns() {
    let (api, _station) = with_station().await;
    let body = json!({ "verb": "start", "connector": 1, "token": TAG });
    let warned = api.post(PATH, &body).await.expect(202).json();
    let warning = warned["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("not registered"), "{warning}");
    let listed = api.list_until("/v1/commands", |commands| commands.len() == 1).await;
    assert_eq!(listed[0]["warnings"], warned["warnings"]);
    api.post("/v1/tokens", &json!({ "uid": TAG, "type": "RFID" })).await.expect(201);
    let known = api.post(PATH, &body).await.expect(202).json();
    assert_eq!(known["warnings"], json!([]), "{known:#}");
}

#[tokio::test]
async fn the_answer_can_be_waited_for_in_the_same_call() {
    let (api, mut station) = with_station().await;
    let body = json!({ "verb": "reset", "hard": true }).to_string();
    let asking = api.send(Method::POST, PATH, &[("prefer", "wait=30")], &body);
    let answering = async {
        while station.due().await.is_empty() {
            tokio::task::yield_now().await;
        }
        station.answer_command(r#"{"status":"Accepted"}"#, "Accepted").await
    };
    let (answer, asked) = tokio::join!(asking, answering);
    assert_eq!(asked, json!({ "verb": "reset", "hard": true }));
    let answer = answer.expect(200);
    assert_eq!(answer.header("preference-applied"), "wait=30");
    assert_eq!(answer.json()["status"], "Accepted");
    assert_eq!(answer.json()["reply"], json!({ "status": "Accepted" }));
    // Nobody answers: the resource says how far it is.
    let body = json!({ "verb": "reset" }).to_string();
    let answer = api.send(Method::POST, PATH, &[("prefer", "wait=0")], &body).await.expect(202);
    assert_eq!(answer.json()["state"], "requested");
}

#[tokio::test]
async fn every_verb_becomes_its_intent_in_either_spelling() {
    let (api, mut station) = with_station().await;
    api.post("/v1/tokens", &json!({ "uid": TAG, "type": "RFID" })).await.expect(201);
    let id = station.start(minute(0), 0).await;
    let sessions = api.list_until("/v1/sessions", |sessions| sessions.len() == 1).await;
    let session = &sessions[0]["id"];
    let cases = [
        (
            json!({ "verb": "start", "connector": 1, "token": TAG }),
            json!({ "action": "RemoteStartTransaction",
                    "payload": { "connectorId": 1, "idTag": TAG } }),
            json!({ "verb": "start", "connector": 1, "id_tag": TAG, "token_type": "RFID" }),
        ),
        (
            json!({ "verb": "stop", "session": session }),
            json!({ "action": "RemoteStopTransaction", "payload": { "transactionId": id } }),
            json!({ "verb": "stop", "transaction_id": id }),
        ),
        (
            json!({ "verb": "reset", "type": "soft" }),
            json!({ "action": "Reset", "payload": { "type": "Soft" } }),
            json!({ "verb": "reset", "hard": false }),
        ),
        (
            json!({ "verb": "unlock", "connector": 2 }),
            json!({ "action": "UnlockConnector", "payload": { "connectorId": 2 } }),
            json!({ "verb": "unlock", "connector": 2 }),
        ),
        (
            json!({ "verb": "set_availability", "operative": false }),
            json!({ "action": "ChangeAvailability",
                    "payload": { "connectorId": 0, "type": "Inoperative" } }),
            json!({ "verb": "set_availability", "connector": 0, "operative": false }),
        ),
        (
            json!({ "verb": "get_configuration", "keys": ["HeartbeatInterval"] }),
            json!({ "action": "GetConfiguration", "payload": { "key": ["HeartbeatInterval"] } }),
            json!({ "verb": "get_configuration", "keys": ["HeartbeatInterval"] }),
        ),
        (
            json!({ "verb": "change_configuration", "key": "K", "value": "a secret" }),
            json!({ "action": "ChangeConfiguration",
                    "payload": { "key": "K", "value": "a secret" } }),
            json!({ "verb": "change_configuration", "key": "K", "value": "a secret" }),
        ),
        (
            json!({ "verb": "trigger", "message": "Heartbeat" }),
            json!({ "action": "TriggerMessage",
                    "payload": { "requestedMessage": "Heartbeat" } }),
            json!({ "verb": "trigger", "message": "Heartbeat", "connector": null }),
        ),
    ];
    for (ours, exact, expect) in cases {
        for body in [&ours, &exact] {
            api.post(PATH, body).await.expect(202);
            let asked = station.answer_command(r#"{"status":"Accepted"}"#, "Accepted").await;
            assert_eq!(asked, expect, "{body}");
        }
    }
    let log = api.get("/v1/events?limit=1000&sealed=true").await.expect(200);
    assert!(!log.text.contains("a secret") && !log.text.contains(TAG), "unsealed in the log");
    let listed = api.get("/v1/commands").await.expect(200);
    assert!(!listed.text.contains("a secret"), "{listed:?}");
}

#[tokio::test]
async fn what_is_wrong_never_becomes_an_intent() {
    let (api, mut station) = with_station().await;
    let other = "018f0000-0000-7000-8000-000000000000";
    let cases = [
        (json!({}), "/verb"),
        (json!({ "verb": "dance" }), "/verb"),
        (json!({ "verb": "unlock" }), "/connector"),
        (json!({ "verb": "unlock", "connector": 0 }), "/connector"),
        (json!({ "verb": "unlock", "connector": "one" }), "/connector"),
        (json!({ "verb": "unlock", "connector": 4_000_000_000_u32 }), "/connector"),
        (json!({ "verb": "start" }), "/token"),
        (json!({ "verb": "start", "token": "" }), "/token"),
        (json!({ "verb": "stop" }), "/transaction_id"),
        (json!({ "verb": "stop", "session": other }), "/session"),
        (json!({ "verb": "set_availability" }), "/operative"),
        (json!({ "verb": "get_configuration", "keys": ["ok", ""] }), "/keys/1"),
        (json!({ "verb": "change_configuration", "key": "K" }), "/value"),
        (json!({ "verb": "trigger" }), "/message"),
        (json!({ "verb": "reset", "action": "Reset" }), "/action"),
        (json!({ "action": "MakeCoffee", "payload": {} }), "/action"),
        (json!({ "action": "UnlockConnector", "payload": {} }), "/payload/connectorId"),
        (json!({ "action": "UnlockConnector" }), "/payload/connectorId"),
        (
            json!({ "action": "UnlockConnector", "payload": { "connectorId": "one" } }),
            "/payload/connectorId",
        ),
        (
            json!({ "action": "UnlockConnector", "payload": { "connectorId": 1, "type": "Hard" } }),
            "/payload",
        ),
        (
            json!({ "action": "UnlockConnector", "payload": { "connectorId": 1, "x": 1 } }),
            "/payload/x",
        ),
        (json!({ "action": "Reset", "payload": { "type": "Operative" } }), "/payload/type"),
    ];
    for (body, pointer) in cases {
        let problem = api.post(PATH, &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem:#}");
    }
    assert_eq!(station.due().await, Vec::<String>::new());
    let body = json!({ "verb": "reset" });
    api.post("/v1/stations/nobody/commands", &body).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_deed_does_not_wait_for_a_station_that_is_not_there() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let failed = api.post(PATH, &json!({ "verb": "reset" })).await.expect(202).json();
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["failure"], "station_offline");
    let body = json!({ "verb": "get_configuration" });
    let waiting = api.post(PATH, &body).await.expect(202).json();
    assert_eq!(waiting["state"], "requested");
}

#[tokio::test]
async fn a_request_in_ocpps_words_is_an_intent_like_the_others() {
    let (api, mut station) = with_station().await;
    let path = "/v1/stations/CP-1/ocpp/Exact";
    let asking = api.send(Method::POST, path, &[("prefer", "wait=30")], r#"{"member":"Bob"}"#);
    let answering = async {
        while station.due().await.is_empty() {
            tokio::task::yield_now().await;
        }
        station.answer_command(r#"{"status":"Accepted"}"#, "Accepted").await
    };
    let (answer, asked) = tokio::join!(asking, answering);
    let told = json!({ "verb": "exact", "protocol": "ocpp1.6", "action": "Exact",
        "payload": r#"{"member":"Bob"}"# });
    assert_eq!(asked, told);
    let command = answer.expect(200).json();
    assert_eq!(command["reply"], json!({ "status": "Accepted" }));
    let intent = json!({ "verb": "exact", "protocol": "ocpp1.6", "action": "Exact",
        "payload": { "member": "(sealed)" } });
    assert_eq!(command["intent"], intent);
    let listed = api.list_until("/v1/commands", |commands| !commands.is_empty()).await;
    assert_eq!(listed[0]["intent"], intent);
    let log = api.get("/v1/events?limit=1000&sealed=true").await.expect(200);
    assert!(!log.text.contains("Bob"), "unsealed in the log");
}

#[tokio::test]
async fn a_request_in_ocpps_words_that_is_wrong_is_refused_with_its_place() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let body = json!({ "member": "x" });
    let post = async |path: &str, body: &Value| api.post(path, body).await;
    post("/v1/stations/CP-9/ocpp/Exact", &body).await.problem(404, "not_found");
    post("/v1/stations/CP-1/ocpp/Exact", &body).await.problem(409, "version_unknown");
    let _station = Station::connected(&api, "CP-1").await;
    post("/v1/stations/CP-1/ocpp/MakeCoffee", &body).await.problem(422, "invalid");
    let problem = post("/v1/stations/CP-1/ocpp/Exact", &json!({})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/member");
    let path = "/v1/stations/CP-1/ocpp/Exact";
    api.send(Method::POST, path, &[], "{").await.problem(400, "malformed");
    assert_eq!(api.list("/v1/commands").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_other_verbs_take_the_intents_own_members_and_seal_its_texts() {
    let (api, mut station) = with_station().await;
    api.post("/v1/tokens", &json!({ "uid": TAG, "type": "RFID" })).await.expect(201);
    let until = "2030-01-01T00:00:00.000Z";
    let body = json!({ "verb": "reserve", "connector": 1, "token": TAG, "expires_at": until });
    let command = api.post(PATH, &body).await.expect(202).json();
    let number = &command["intent"]["reservation_id"];
    assert!(number.as_i64().is_some_and(|number| (1..=i32::MAX.into()).contains(&number)));
    let shown = json!({ "verb": "reserve", "connector": 1, "token": TAG, "token_type": "RFID",
        "expires_at": until, "reservation_id": number });
    assert_eq!(command["intent"], shown);
    assert_eq!(station.answer_command("{}", "Accepted").await, shown);
    let list = json!({ "verb": "send_local_list", "version": 2, "replace": true,
        "tokens": [{ "token": TAG, "token_type": "RFID", "allowed": true }, { "token": "X" }] });
    let command = api.post(PATH, &list).await.expect(202).json();
    assert_eq!(command["intent"], list);
    assert_eq!(station.answer_command("{}", "Accepted").await, list);
    let log = json!({ "verb": "get_log", "log": "diagnostics", "location": "ftp://u:pw@host/" });
    let command = api.post(PATH, &log).await.expect(202).json();
    assert_eq!(command["intent"]["location"], Value::Null);
    assert_eq!(station.answer_command("{}", "Accepted").await, log);
    let limit = json!({ "verb": "set_charging_limit", "limit": 7.4, "unit": "amperes" });
    let command = api.post(PATH, &limit).await.expect(202).json();
    assert_eq!(command["intent"]["limit"], "7.4");
    assert!(command["intent"]["starts_at"].is_string(), "{command:#}");
    let events = api.get("/v1/events?limit=1000&sealed=true").await.expect(200);
    assert!(!events.text.contains("u:pw@") && !events.text.contains(TAG), "unsealed in the log");
    let missing = api.post(PATH, &json!({ "verb": "update_firmware" })).await;
    assert_eq!(missing.problem(422, "invalid")["errors"][0]["pointer"], "/location");
    api.post(PATH, &json!({ "verb": "exact" })).await.problem(422, "invalid");
}

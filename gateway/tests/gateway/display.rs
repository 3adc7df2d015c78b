//! Prices and costs on a station's display, in the words of each version.

use crate::credit::{ago, event, started, told};
use crate::support::{Gateway, Station, TAG};
use chargebook_commands::registry::{SettingsChange, StationChange};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const TARIFF: &str = r#"{"id":"T","currency":"USD","elements":[{"price_components":[
    {"type":"ENERGY","price":0.50,"vat":10,"step_size":1},
    {"type":"PARKING_TIME","price":6.00,"vat":10,"step_size":60}]}]}"#;
const PRICES: &str = "0.55 USD/kWh + 6.6 USD/h idle";

async fn gateway(quiet: bool) -> Gateway {
    let gateway = Gateway::start().await;
    let registry = gateway.chargebook.registry();
    registry.publish_tariff("T", TARIFF).await.expect("published");
    registry.set_default_tariff("T").await.expect("set");
    let (shows_cost, quiet) = (Some(Some(true)), Some(quiet));
    let settings = SettingsChange { shows_cost, quiet, ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    let (chargebook, stop) = (gateway.chargebook.clone(), CancellationToken::new());
    tokio::spawn(async move { chargebook.run_policies(stop).await.expect("they run") });
    gateway
}

/// Says whether CP-1 shows costs, as an operator does; with `None`, that it says so itself.
async fn say_of_costs(gateway: &Gateway, shows_cost: Option<bool>) {
    let settings = SettingsChange { shows_cost: Some(shows_cost), ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
}

/// Answers the DataTransfer that comes next, and gives its message's name and data.
async fn shown(station: &mut Station) -> (String, Value) {
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    assert_eq!(call[2], "DataTransfer");
    assert_eq!(call[3]["vendorId"], "org.openchargealliance.costmsg");
    let data = call[3]["data"].as_str().expect("a text");
    let name = call[3]["messageId"].as_str().expect("a name");
    (name.to_owned(), serde_json::from_str(data).expect("JSON"))
}

/// Begins a 1.6 session of 30 minutes ago, and gives its transaction's id.
async fn begin(gateway: &Gateway, station: &mut Station) -> i64 {
    let start = json!({ "connectorId": 1, "idTag": TAG, "meterStart": 1_000,
        "timestamp": ago(gateway, 30) });
    let started = told(station, "StartTransaction", &start).await;
    let started: Value = serde_json::from_str(&started).expect("JSON");
    started["transactionId"].as_i64().expect("an id")
}

fn meter(gateway: &Gateway, transaction: i64, minutes_ago: i64, register_wh: &str) -> Value {
    json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [
        { "timestamp": ago(gateway, minutes_ago), "sampledValue": [{ "value": register_wh }] }] })
}

#[tokio::test]
async fn a_1_6_display_shows_the_price_the_cost_on_the_way_and_the_final_cost() {
    let gateway = gateway(false).await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    told(&mut station, "Authorize", &json!({ "idTag": TAG })).await;
    let price = json!({ "idToken": TAG, "priceText": PRICES });
    assert_eq!(shown(&mut station).await, ("SetUserPrice".to_owned(), price));
    gateway.facts_once("command.answered", 1).await;

    let transaction = begin(&gateway, &mut station).await;
    told(&mut station, "MeterValues", &meter(&gateway, transaction, 20, "3000")).await;
    let (name, mut cost) = shown(&mut station).await;
    assert!(cost["timestamp"].take().is_string());
    let expected = json!({ "transactionId": transaction, "timestamp": null, "meterValue": 3000,
        "cost": 1.1, "state": "Charging", "chargingPrice": { "kWhPrice": 0.55 } });
    assert_eq!((name.as_str(), cost), ("RunningCost", expected));
    gateway.facts_once("command.answered", 2).await;
    // A minute has not passed: what comes next is the final cost.
    told(&mut station, "MeterValues", &meter(&gateway, transaction, 19, "4000")).await;
    let stop = json!({ "transactionId": transaction, "idTag": TAG, "meterStop": 5_000,
        "timestamp": ago(&gateway, 10), "reason": "EVDisconnected" });
    told(&mut station, "StopTransaction", &stop).await;
    // What the idle time costs is known with the word that it is over.
    let free = json!({ "connectorId": 1, "status": "Available", "errorCode": "NoError",
        "timestamp": ago(&gateway, 10) });
    told(&mut station, "StatusNotification", &free).await;
    let cost = json!({ "transactionId": transaction, "cost": 2.2, "priceText": PRICES });
    assert_eq!(shown(&mut station).await, ("FinalCost".to_owned(), cost));
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains(TAG), "{}", event.data.as_str());
    }
    // What names the token is sealed by the key of whose it is.
    let asked = gateway.facts("command.requested").await.remove(0);
    let exchanges = gateway.facts("exchange.recorded").await;
    let sent = exchanges.iter().find(|exchange| exchange["action"] == "DataTransfer");
    let parts = sent.expect("sent")["request"].as_array().expect("parts").clone();
    let hole = parts.iter().find(|part| part.is_object()).expect("a hole");
    assert_eq!(hole["subject"], asked["intent"]["token"][0]["subject"]);
}

#[tokio::test]
async fn a_2_0_1_display_shows_the_price_and_the_cost_on_the_way() {
    let gateway = gateway(false).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let token = json!({ "idToken": { "idToken": TAG, "type": "ISO14443" } });
    let answer = told(&mut station, "Authorize", &token).await;
    let message = format!(r#""personalMessage":{{"format":"UTF8","content":"{PRICES}"}}"#);
    assert_eq!(answer, format!(r#"{{"idTokenInfo":{{"status":"Accepted",{message}}}}}"#));
    let mut begin = started(&ago(&gateway, 30));
    begin["idToken"]["idToken"] = json!(TAG);
    told(&mut station, "TransactionEvent", &begin).await;
    let update = event("Updated", 1, &ago(&gateway, 20), 3_000);
    assert_eq!(told(&mut station, "TransactionEvent", &update).await, "{}");
    let call = station.answer(&json!({})).await;
    let cost = json!({ "totalCost": 1.1, "transactionId": "tx-1" });
    assert_eq!((&call[2], &call[3]), (&json!("CostUpdated"), &cost));
    // Not a minute later it costs more, and is shown.
    gateway.facts_once("command.answered", 1).await;
    let update = event("Updated", 2, &ago(&gateway, 20), 5_000);
    assert_eq!(told(&mut station, "TransactionEvent", &update).await, "{}");
    assert_eq!(station.answer(&json!({})).await[3]["totalCost"], json!(2.2));
}

#[tokio::test]
async fn a_2_0_1_display_is_not_told_each_of_many_costs_but_the_last() {
    let gateway = gateway(false).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    go_on(&gateway, &mut station, 0).await;
    for (seq_no, cost) in (1..).zip([1.1, 2.2, 3.3, 4.4, 5.5, 6.6]) {
        go_on(&gateway, &mut station, seq_no).await;
        expect_cost(&mut station, cost).await;
        gateway.facts_once("command.answered", seq_no as usize).await;
    }
    for seq_no in 7..9 {
        go_on(&gateway, &mut station, seq_no).await;
    }
    let end = event("Ended", 9, &ago(&gateway, 20), 20_000);
    let answer = told(&mut station, "TransactionEvent", &end).await;
    assert!(answer.contains(r#""totalCost":10.45"#), "{answer}");
    assert_eq!(gateway.facts("command.requested").await.len(), 6);
}

#[tokio::test]
async fn the_costs_of_one_session_are_bounded_also_beside_many_others() {
    let gateway = gateway(false).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let mut answered = 0;
    // One more than are remembered, and one of them is over before the last begins.
    for evse in 1..=17 {
        let mut begin = started(&ago(&gateway, 30));
        begin["idToken"]["idToken"] = json!(TAG);
        let at = ago(&gateway, 20);
        let mut messages = vec![begin, event("Updated", 1, &at, 3_000)];
        if evse == 2 {
            messages.push(event("Ended", 2, &at, 3_000));
        }
        for mut message in messages {
            message["transactionInfo"]["transactionId"] = json!(format!("tx-{evse}"));
            message["evse"]["id"] = json!(evse);
            told(&mut station, "TransactionEvent", &message).await;
            if message["eventType"] == "Updated" {
                expect_cost(&mut station, 1.1).await;
                answered += 1;
                gateway.facts_once("command.answered", answered).await;
            }
        }
    }
    for (seq_no, cost) in (2..).zip([2.2, 3.3, 4.4, 5.5, 6.6]) {
        go_on(&gateway, &mut station, seq_no).await;
        expect_cost(&mut station, cost).await;
        answered += 1;
        gateway.facts_once("command.answered", answered).await;
    }
    go_on(&gateway, &mut station, 7).await;
    assert_eq!(gateway.facts("command.requested").await.len(), answered);
}

/// As TC_I_01 of 2.0.1 has it: the start of the transaction never comes.
#[tokio::test]
async fn the_cost_on_the_way_does_not_wait_for_the_start() {
    let gateway = gateway(false).await;
    for (protocol, transaction) in [("ocpp2.0.1", "tx-1"), ("ocpp2.1", "tx-2")] {
        let mut station = gateway.station_of(protocol).await;
        let mut authorized = event("Updated", 1, &ago(&gateway, 30), 1_000);
        authorized["triggerReason"] = json!("Authorized");
        authorized["idToken"] = json!({ "idToken": TAG, "type": "ISO14443" });
        authorized.as_object_mut().expect("an object").remove("meterValue");
        let first = event("Updated", 2, &ago(&gateway, 20), 1_000);
        let mut second = event("Updated", 3, &ago(&gateway, 10), 2_000);
        second["transactionInfo"]["chargingState"] = json!("Charging");
        let in_all = [None, Some("0.00"), Some("0.55")];
        for (mut message, in_all) in [authorized, first, second].into_iter().zip(in_all) {
            message["transactionInfo"]["transactionId"] = json!(transaction);
            let answer = told(&mut station, "TransactionEvent", &message).await;
            if protocol == "ocpp2.1" {
                let told = in_all.map(|cost| format!(r#""totalCost":{cost}"#));
                let is_told = told.is_some_and(|told| answer.contains(&told));
                assert_eq!(is_told, answer.contains("totalCost"), "{answer}");
                assert_eq!(is_told, in_all.is_some(), "{answer}");
            } else if let Some(in_all) = in_all {
                let call = station.answer(&json!({})).await;
                let cost: f64 = in_all.parse().expect("a sum");
                assert_eq!(
                    (&call[2], &call[3]["transactionId"]),
                    (&json!("CostUpdated"), &json!(transaction))
                );
                assert_eq!(call[3]["totalCost"].as_f64(), Some(cost));
                let answered = message["seqNo"].as_u64().expect("a number") - 1;
                let answered = usize::try_from(answered).expect("a few");
                gateway.facts_once("command.answered", answered).await;
            }
        }
    }
}

/// As TC_I_02 may be played, with a tariff that prices parking, and the connector not free yet: the
/// registers of both ends tell what the transaction costs. Not where the start is missing, since
/// then nobody knows for how long.
#[tokio::test]
async fn the_final_cost_is_told_by_the_registers_of_both_ends() {
    let gateway = gateway(true).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let occupied = json!({ "timestamp": ago(&gateway, 30), "connectorStatus": "Occupied",
        "evseId": 1, "connectorId": 1 });
    told(&mut station, "StatusNotification", &occupied).await;
    for (transaction, first, begin_is_told, register_wh, cost) in [
        ("tx-1", "Started", true, 1_000, r#"{"totalCost":2.75}"#),
        ("tx-2", "Updated", true, 6_000, "{}"),
        ("tx-3", "Updated", false, 11_000, "{}"),
    ] {
        let first_number = if first == "Started" { 0 } else { 1 };
        let mut begin = event(first, first_number, &ago(&gateway, 20), register_wh);
        begin["triggerReason"] = json!("Authorized");
        begin["idToken"] = json!({ "idToken": TAG, "type": "ISO14443" });
        begin["transactionInfo"]["chargingState"] = json!("Charging");
        let context = if begin_is_told { "Transaction.Begin" } else { "Sample.Periodic" };
        begin["meterValue"][0]["sampledValue"][0]["context"] = json!(context);
        let mut end = event("Ended", first_number + 1, &ago(&gateway, 10), register_wh + 5_000);
        end["meterValue"][0]["sampledValue"][0]["context"] = json!("Transaction.End");
        for message in [&mut begin, &mut end] {
            message["transactionInfo"]["transactionId"] = json!(transaction);
        }
        told(&mut station, "TransactionEvent", &begin).await;
        assert_eq!(told(&mut station, "TransactionEvent", &end).await, cost, "{transaction}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_quiet_display_nor_to_one_of_2_1() {
    let quiet = gateway(true).await;
    let mut station = quiet.station("CP-1").await;
    station.boot().await;
    told(&mut station, "Authorize", &json!({ "idTag": TAG })).await;
    let transaction = begin(&quiet, &mut station).await;
    told(&mut station, "MeterValues", &meter(&quiet, transaction, 20, "3000")).await;
    assert!(quiet.facts("command.requested").await.is_empty());

    let gateway = gateway(false).await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let mut begin = started(&ago(&gateway, 30));
    begin["idToken"]["idToken"] = json!(TAG);
    told(&mut station, "TransactionEvent", &begin).await;
    let update = event("Updated", 1, &ago(&gateway, 20), 3_000);
    let answer = told(&mut station, "TransactionEvent", &update).await;
    assert_eq!(answer, r#"{"totalCost":1.10}"#, "its answers say it");
    assert!(gateway.facts("command.requested").await.is_empty());
}

/// A report of the station's that gives a variable of TariffCostCtrlr.
async fn report(station: &mut Station, variable: &str, instance: &str, value: &str) {
    let payload = json!({
        "requestId": 0, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": 0, "tbc": false,
        "reportData": [{
            "component": { "name": "TariffCostCtrlr" },
            "variable": { "name": variable, "instance": instance },
            "variableAttribute": [{ "value": value }],
        }],
    });
    assert_eq!(told(station, "NotifyReport", &payload).await, "{}");
}

/// A message of a transaction by which it has cost more; the first one begins it.
async fn go_on(gateway: &Gateway, station: &mut Station, seq_no: u32) {
    let mut message = match seq_no {
        0 => started(&ago(gateway, 30)),
        _ => event("Updated", seq_no, &ago(gateway, 20), 1_000 + 2_000 * seq_no),
    };
    if seq_no == 0 {
        message["idToken"]["idToken"] = json!(TAG);
    }
    assert!(!told(station, "TransactionEvent", &message).await.contains("totalCost"));
}

/// The station is told the cost next, and nothing else before.
async fn expect_cost(station: &mut Station, cost: f64) {
    let call = station.answer(&json!({})).await;
    assert_eq!((&call[2], &call[3]["totalCost"]), (&json!("CostUpdated"), &json!(cost)));
}

#[tokio::test]
async fn a_station_that_reports_that_it_shows_costs_is_told_them() {
    let gateway = gateway(false).await;
    say_of_costs(&gateway, None).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let token = json!({ "idToken": { "idToken": TAG, "type": "ISO14443" } });
    go_on(&gateway, &mut station, 0).await;
    go_on(&gateway, &mut station, 1).await;
    assert!(gateway.facts("command.requested").await.is_empty(), "it has not said so");
    report(&mut station, "Available", "Cost", "true").await;
    report(&mut station, "Available", "Cost", "true").await;
    assert_eq!(gateway.facts("station.cost_display_told").await.len(), 1, "known is no news");
    go_on(&gateway, &mut station, 2).await;
    expect_cost(&mut station, 2.2).await;
    gateway.facts_once("command.answered", 1).await;
    // Prices it has not said to show (part 2, I01.FR.02).
    let answer = told(&mut station, "Authorize", &token).await;
    assert!(!answer.contains("personalMessage"), "{answer}");
    report(&mut station, "Enabled", "Tariff", "true").await;
    let answer = told(&mut station, "Authorize", &token).await;
    assert!(answer.contains(PRICES), "{answer}");

    drop(station);
    gateway.facts_once("station.disconnected", 1).await;
    let gateway = gateway.restart().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    go_on(&gateway, &mut station, 3).await;
    expect_cost(&mut station, 3.3).await;
    gateway.facts_once("command.answered", 2).await;
    // What it switches off, and what the operator forbids, is not shown.
    report(&mut station, "Enabled", "Cost", "false").await;
    go_on(&gateway, &mut station, 4).await;
    report(&mut station, "Enabled", "Cost", "true").await;
    say_of_costs(&gateway, Some(false)).await;
    drop(station);
    gateway.facts_once("station.disconnected", 2).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    go_on(&gateway, &mut station, 5).await;
    assert_eq!(gateway.facts("command.requested").await.len(), 2, "the operator's word stands");
}

#[tokio::test]
async fn what_a_station_answers_of_its_variables_tells_whether_it_shows_costs() {
    let gateway = gateway(false).await;
    say_of_costs(&gateway, None).await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    go_on(&gateway, &mut station, 0).await;
    let place = json!({ "component": { "name": "TariffCostCtrlr" },
        "variable": { "name": "Enabled", "instance": "Cost" } });
    let with = |members: Value| {
        let mut place = place.clone();
        let further = members.as_object().expect("members").clone();
        place.as_object_mut().expect("an object").extend(further);
        place
    };
    let read = json!({ "getVariableData": [place] });
    let is_off = with(json!({ "attributeStatus": "Accepted", "attributeValue": "false" }));
    let set = json!({ "setVariableData": [with(json!({ "attributeValue": "true" }))] });
    let is_set = with(json!({ "attributeStatus": "Accepted" }));
    for (action, payload, answer) in [
        ("GetVariables", read, json!({ "getVariableResult": [is_off] })),
        ("SetVariables", set, json!({ "setVariableResult": [is_set] })),
    ] {
        go_on(&gateway, &mut station, u32::from(action == "SetVariables") + 1).await;
        let (chargebook, payload) = (&gateway.chargebook, payload.to_string());
        let asked = chargebook.request_exact("CP-1", action, &payload, "operator").await;
        asked.expect("requested");
        assert_eq!(station.answer(&answer).await[2], action, "no cost comes before it is on");
    }
    gateway.facts_once("command.answered", 2).await;
    go_on(&gateway, &mut station, 3).await;
    expect_cost(&mut station, 3.3).await;
}

#[tokio::test]
async fn a_1_6_station_says_that_it_shows_costs_by_its_key() {
    let gateway = gateway(false).await;
    say_of_costs(&gateway, None).await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    told(&mut station, "Authorize", &json!({ "idTag": TAG })).await;
    let asked = gateway.chargebook.request_exact("CP-1", "GetConfiguration", "{}", "operator");
    asked.await.expect("requested");
    let key = json!({ "key": "CustomDisplayCostAndPrice", "readonly": true, "value": "true" });
    let call = station.answer(&json!({ "configurationKey": [key] })).await;
    assert_eq!(call[2], "GetConfiguration", "no price comes before it has said so");
    gateway.facts_once("command.answered", 1).await;
    told(&mut station, "Authorize", &json!({ "idTag": TAG })).await;
    assert_eq!(shown(&mut station).await.0, "SetUserPrice");
}

/// The OCA's ConnectorUnplugged.
fn unplugged(transaction: i64, at: &str) -> Value {
    let data = json!({ "transactionId": transaction, "timestamp": at });
    json!({ "vendorId": "org.openchargealliance.costmsg", "messageId": "ConnectorUnplugged",
        "data": data.to_string() })
}

#[tokio::test]
async fn a_1_6_station_tells_when_the_cable_is_out() {
    let gateway = gateway(true).await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    let transaction = begin(&gateway, &mut station).await;
    let stop = json!({ "transactionId": transaction, "idTag": TAG, "meterStop": 5_000,
        "timestamp": ago(&gateway, 2) });
    told(&mut station, "StopTransaction", &stop).await;
    let out_at = ago(&gateway, 1);
    let mut out = unplugged(transaction, &out_at);
    // Numbers and times beside it are no secrets; the bill rests on what stands in the same text.
    out["data"] = json!(format!(
        r#"{{"transactionId":{transaction}.0,"timestamp":"{out_at}","connectorId":1,"at":"{out_at}"}}"#
    ));
    for _ in ["first", "repeat"] {
        assert_eq!(told(&mut station, "DataTransfer", &out).await, r#"{"status":"Accepted"}"#);
    }
    let settled = gateway.facts_once("session.settled", 1).await.remove(0);
    assert_eq!(settled["released_at"], out_at, "{settled}");
    let statuses = gateway.facts("session.connector_status").await;
    assert_eq!(statuses.len(), 1, "{statuses:#?}");
    let exchanges = gateway.facts("exchange.recorded").await;
    let sent = exchanges.iter().find(|exchange| exchange["action"] == "DataTransfer");
    let parts = sent.expect("sent")["request"].clone();
    assert!(parts.as_array().is_none_or(|parts| parts.iter().all(Value::is_string)), "{parts}");

    let mut personal = unplugged(transaction, &out_at);
    for further in [r#""of":"Bob""#, r#""Bob's car":1"#, r#""of":["Bob"]"#] {
        personal["data"] =
            json!(format!(r#"{{"transactionId":{transaction},"timestamp":"{out_at}",{further}}}"#));
        assert_eq!(told(&mut station, "DataTransfer", &personal).await, r#"{"status":"Accepted"}"#);
    }
    let events = gateway.events().await;
    assert!(events.iter().all(|event| !event.data.as_str().contains("Bob")), "it is sealed");
    for exchange in gateway.facts("exchange.recorded").await {
        let request = exchange["request"].to_string();
        let is_it = exchange["action"] == "DataTransfer";
        assert_eq!(request.contains(&out_at), is_it, "what a bill rests on is not: {request}");
    }

    let foreign = unplugged(transaction + 1, &out_at);
    assert_eq!(told(&mut station, "DataTransfer", &foreign).await, r#"{"status":"Rejected"}"#);
    say_of_costs(&gateway, Some(false)).await;
    let unknown = told(&mut station, "DataTransfer", &out).await;
    assert_eq!(unknown, r#"{"status":"UnknownVendorId"}"#, "it shows no costs");
}

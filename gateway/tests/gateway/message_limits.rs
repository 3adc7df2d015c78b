//! Requests with more than the station takes in one message.

use crate::support::{Gateway, Station};
use chargebook_commands::{CommandStage, CommandView};
use chargebook_domain::events::v1::CommandFailure;
use chargebook_domain::ids::CommandId;
use serde_json::{Value, json};

/// A 2.0.1 station that takes two monitors at once in ClearVariableMonitoring, as it has reported.
async fn taking_two(gateway: &Gateway) -> Station {
    let mut station = gateway.station_of("ocpp2.0.1").await;
    report(&mut station, "ClearVariableMonitoring", "2").await;
    gateway.facts_once("station.message_limits_told", 1).await;
    station
}

async fn report(station: &mut Station, action: &str, items: &str) {
    let payload = json!({
        "requestId": 0, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": 0, "tbc": false,
        "reportData": [{
            "component": { "name": "MonitoringCtrlr" },
            "variable": { "name": "ItemsPerMessage", "instance": action },
            "variableAttribute": [{ "value": items, "mutability": "ReadOnly" }],
        }],
    });
    let answer = station.call("report", "NotifyReport", &payload.to_string()).await;
    assert_eq!(answer[0], 3, "{answer}");
}

async fn clear(gateway: &Gateway, numbers: &[u32]) -> CommandId {
    let payload = json!({ "id": numbers }).to_string();
    let action = "ClearVariableMonitoring";
    let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    asked.expect("requested").0
}

fn cleared(results: &[(u32, &str)]) -> Value {
    let result = |(id, status): &(u32, &str)| json!({ "id": id, "status": status });
    json!({ "clearMonitoringResult": results.iter().map(result).collect::<Vec<_>>() })
}

async fn command(gateway: &Gateway, id: CommandId) -> CommandView {
    gateway.chargebook.command(id).await.expect("the log").expect("the command")
}

#[tokio::test]
async fn it_goes_out_in_several_and_is_answered_as_one() {
    let gateway = Gateway::start().await;
    let mut station = taking_two(&gateway).await;
    let id = clear(&gateway, &[1, 2, 3, 4, 5]).await;
    let mut message_ids = Vec::new();
    for (asked, status) in
        [(json!([1, 2]), "Accepted"), (json!([3, 4]), "Rejected"), (json!([5]), "Accepted")]
    {
        let numbers: Vec<u32> = serde_json::from_value(asked.clone()).expect("numbers");
        let results: Vec<_> = numbers.iter().map(|number| (*number, status)).collect();
        let call = station.answer(&cleared(&results)).await;
        assert_eq!(call[3]["id"], asked);
        message_ids.push(call[1].clone());
    }
    gateway.facts_once("command.answered", 1).await;
    assert_eq!(message_ids[0], json!(id.to_string()));
    message_ids.dedup();
    assert_eq!(message_ids.len(), 3, "each has an id of its own");
    let view = command(&gateway, id).await;
    assert_eq!((view.stage, &view.status), (CommandStage::Finished, &None));
    assert_eq!((view.replies_before.len(), view.reply.is_some()), (2, true));
    let gone = gateway.facts("station.monitors_cleared").await;
    let gone: Vec<_> = gone.iter().map(|fact| fact["numbers"].clone()).collect();
    assert_eq!(gone, [json!([1, 2]), json!([5])]);
    assert_eq!(gateway.facts("command.sent").await.len(), 3, "durable before each leaves");

    // What it says later counts, also after a restart, and what fits goes out as it is.
    report(&mut station, "ClearVariableMonitoring", "3").await;
    drop(station);
    gateway.facts_once("station.disconnected", 1).await;
    let gateway = gateway.restart().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    clear(&gateway, &[1, 2, 3, 4]).await;
    assert_eq!(station.answer(&cleared(&[])).await[3]["id"], json!([1, 2, 3]));
    assert_eq!(station.answer(&cleared(&[])).await[3]["id"], json!([4]));
}

#[tokio::test]
async fn an_error_ends_it_and_the_rest_is_not_sent() {
    let gateway = Gateway::start().await;
    let mut station = taking_two(&gateway).await;
    let id = clear(&gateway, &[1, 2, 3]).await;
    station.answer(&cleared(&[(1, "Accepted"), (2, "Accepted")])).await;
    let call = station.text().await;
    assert_eq!(call[3]["id"], json!([3]));
    station.send(json!([4, call[1], "InternalError", "", {}]).to_string()).await;
    gateway.facts_once("command.failed", 1).await;
    let view = command(&gateway, id).await;
    assert_eq!(view.failure.map(|failed| failed.failure), Some(CommandFailure::CallError));
    let next = clear(&gateway, &[7]).await;
    assert_eq!(station.answer(&cleared(&[(7, "Accepted")])).await[1], json!(next.to_string()));
}

#[tokio::test]
async fn a_connection_that_ends_halfway_leaves_the_outcome_unknown() {
    let gateway = Gateway::start().await;
    let mut station = taking_two(&gateway).await;
    let id = clear(&gateway, &[1, 2, 3]).await;
    station.answer(&cleared(&[(1, "Accepted"), (2, "Accepted")])).await;
    assert_eq!(station.text().await[3]["id"], json!([3]));
    drop(station);
    gateway.facts_once("command.failed", 1).await;
    let view = command(&gateway, id).await;
    assert_eq!(view.failure.map(|failed| failed.failure), Some(CommandFailure::OutcomeUnknown));
}

#[tokio::test]
async fn what_cannot_be_cut_is_refused() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let of = |name: &str| json!({ "component": { "name": name } });
    let ask = |count: usize| {
        let variables: Vec<_> = ["A", "B", "C"].iter().take(count).map(|name| of(name)).collect();
        json!({ "requestId": 1, "componentVariable": variables }).to_string()
    };
    let items = json!({
        "requestId": 0, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": 0,
        "reportData": [{
            "component": { "name": "DeviceDataCtrlr" },
            "variable": { "name": "ItemsPerMessage", "instance": "GetReport" },
            "variableAttribute": [{ "value": "2" }],
        }],
    });
    station.call("report", "NotifyReport", &items.to_string()).await;
    gateway.facts_once("station.message_limits_told", 1).await;
    for action in ["GetReport", "GetMonitoringReport"] {
        let refused = gateway.chargebook.request_exact("CP-1", action, &ask(3), "operator").await;
        let refused = refused.expect_err("too much").to_string();
        assert!(refused.contains("takes 2"), "{refused}");
        let asked = gateway.chargebook.request_exact("CP-1", action, &ask(2), "operator").await;
        asked.expect("requested");
        station.answer(&json!({ "status": "EmptyResultSet" })).await;
    }
}

//! What a station reports on a command after it has answered it.

use crate::support::{Gateway, Knock, Station};
use chargebook_commands::{CommandView, Notification};
use chargebook_domain::ids::CommandId;
use chargebook_store::RecordedEvent;
use serde_json::{Value, json};

/// A 1.6 station that has booted.
async fn booted(gateway: &Gateway) -> Station {
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    station
}

/// A 2.x station that has booted.
async fn booted_as(gateway: &Gateway, protocol: &'static str) -> Station {
    let knock = Knock { protocols: Some(protocol), ..Knock::at("CP-1") };
    let (web_socket, _) = gateway.knock(knock).await.expect("let in");
    let mut station = Station { web_socket };
    let boot = r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}"#;
    let answer = station.call("boot", "BootNotification", boot).await;
    assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    station
}

/// Asks for something in the station's own words, and has it answered.
async fn asked(
    gateway: &Gateway,
    station: &mut Station,
    action: &str,
    payload: Value,
    answer: Value,
) -> CommandId {
    let (id, _) = gateway
        .chargebook
        .request_exact("CP-1", action, &payload.to_string(), "operator")
        .await
        .expect("requested");
    let call = station.text().await;
    assert_eq!((&call[1], &call[2]), (&json!(id.to_string()), &json!(action)));
    station.send(json!([3, call[1], answer]).to_string()).await;
    // Once the next message is answered, the answer before it is in the log.
    heartbeat(station).await;
    id
}

async fn heartbeat(station: &mut Station) {
    assert_eq!(station.call("beat", "Heartbeat", "{}").await[0], 3);
}

async fn said(station: &mut Station, action: &str, payload: Value) {
    let answer = station.call("said", action, &payload.to_string()).await;
    assert_eq!((&answer[0], &answer[2]), (&json!(3), &json!({})), "{action} {payload}");
}

async fn command(gateway: &Gateway, id: CommandId) -> CommandView {
    gateway.chargebook.command(id).await.expect("the log").expect("the command")
}

fn statuses(view: &CommandView) -> Vec<&str> {
    let statuses = view.notifications.iter().filter_map(|said| said.status.as_deref());
    statuses.collect()
}

fn sequences(view: &CommandView) -> Vec<Option<u32>> {
    view.notifications.iter().map(|said| said.sequence).collect()
}

fn part(request_id: i32, sequence: u32, to_be_continued: bool) -> Value {
    json!({
        "requestId": request_id, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": sequence,
        "tbc": to_be_continued,
        "reportData": [{
            "component": { "name": "OCPPCommCtrlr" },
            "variable": { "name": format!("Variable{sequence}") },
            "variableAttribute": [{ "value": "hunter2" }],
        }],
    })
}

#[tokio::test]
async fn parts_of_a_report_are_gathered_whatever_their_order_and_repeats() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let gateway = Gateway::start().await;
        let mut station = booted_as(&gateway, protocol).await;
        let base = json!({ "requestId": 7, "reportBase": "FullInventory" });
        let accepted = json!({ "status": "Accepted" });
        let id = asked(&gateway, &mut station, "GetBaseReport", base, accepted).await;
        assert_eq!(command(&gateway, id).await.gathering.is_complete(), Some(false));
        said(&mut station, "NotifyReport", part(7, 2, false)).await;
        said(&mut station, "NotifyReport", part(7, 0, true)).await;
        said(&mut station, "NotifyReport", part(7, 0, true)).await;
        // Another request's, which nobody made.
        said(&mut station, "NotifyReport", part(8, 1, false)).await;
        let view = command(&gateway, id).await;
        assert_eq!(view.gathering.is_complete(), Some(false));
        assert_eq!(sequences(&view), [Some(2), Some(0)]);
        said(&mut station, "NotifyReport", part(7, 1, true)).await;
        let view = command(&gateway, id).await;
        assert_eq!(view.gathering.is_complete(), Some(true));
        assert_eq!(sequences(&view), [Some(2), Some(0), Some(1)]);
        let Notification { action, frame, .. } = &view.notifications[1];
        assert_eq!(action, "NotifyReport");
        let expected = format!(r#"[2,"said","NotifyReport",{}]"#, part(7, 0, true));
        assert_eq!(frame.as_deref(), Some(expected.as_str()));
        let facts = gateway.facts("station.notified").await;
        let told = facts.iter().map(|fact| (&fact["request_id"], &fact["command"]));
        let (ours, nobodys) = (json!(id.to_string()), json!(null));
        let (seven, eight) = (json!(7), json!(8));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(&seven, &ours), (&seven, &ours), (&eight, &nobodys), (&seven, &ours)]
        );
        // A value may be anything, so no event holds one in plain.
        for event in gateway.events().await {
            assert!(!event.data.as_str().contains("hunter2"), "{}", event.data.as_str());
        }
        let told = gateway.facts("station.variables_reported").await;
        let attribute = &told[0]["variables"][0]["attributes"][0];
        assert!(attribute["value"].is_array(), "{attribute}");
        assert_eq!(attribute["mutability"], "ReadWrite");
        let repeats = gateway.facts("exchange.recorded").await;
        let repeats = repeats.iter().filter(|exchange| !exchange["duplicate_of"].is_null());
        assert_eq!(repeats.count(), 1);
    }
}

#[tokio::test]
async fn a_report_goes_on_after_our_restart_and_over_another_connection() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    let wish = json!({ "requestId": 7, "reportBase": "ConfigurationInventory" });
    let accepted = json!({ "status": "Accepted" });
    let id = asked(&gateway, &mut station, "GetBaseReport", wish, accepted).await;
    said(&mut station, "NotifyReport", part(7, 0, true)).await;
    drop(station);
    gateway.facts_once("station.disconnected", 1).await;
    let gateway = gateway.restart().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    said(&mut station, "NotifyReport", part(7, 0, true)).await;
    said(&mut station, "NotifyReport", part(7, 1, false)).await;
    let view = command(&gateway, id).await;
    assert_eq!(sequences(&view), [Some(0), Some(1)]);
    assert_eq!(view.gathering.is_complete(), Some(true));
}

#[tokio::test]
async fn an_empty_report_is_complete_at_once_and_a_refused_one_never_comes() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    for (status, expected) in [("EmptyResultSet", Some(true)), ("NotSupported", None)] {
        let wish = json!({ "requestId": 7 });
        let answer = json!({ "status": status });
        let id = asked(&gateway, &mut station, "GetReport", wish, answer).await;
        assert_eq!(command(&gateway, id).await.gathering.is_complete(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_number_is_of_one_command_of_its_kind_until_that_is_over() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.1").await;
    let accepted = || json!({ "status": "Accepted" });
    let log = || {
        let log = json!({ "remoteLocation": "https://example.com/log" });
        json!({ "logType": "DiagnosticsLog", "requestId": 7, "log": log })
    };
    let earlier = asked(&gateway, &mut station, "GetLog", log(), accepted()).await;
    let refused =
        gateway.chargebook.request_exact("CP-1", "GetLog", &log().to_string(), "me").await;
    let refused = refused.expect_err("the number is in use").to_string();
    assert!(refused.contains("requestId 7") && refused.contains(&earlier.to_string()), "{refused}");
    let status = |status: &str| json!({ "status": status, "requestId": 7 });
    said(&mut station, "LogStatusNotification", status("Uploaded")).await;
    let later = asked(&gateway, &mut station, "GetLog", log(), accepted()).await;
    let report = json!({ "requestId": 7, "reportBase": "FullInventory" });
    let report = asked(&gateway, &mut station, "GetBaseReport", report, accepted()).await;
    for word in ["Uploading", "Uploaded"] {
        said(&mut station, "LogStatusNotification", status(word)).await;
    }
    assert_eq!(statuses(&command(&gateway, earlier).await), ["Uploaded"]);
    assert_eq!(statuses(&command(&gateway, report).await), Vec::<&str>::new());
    let view = command(&gateway, later).await;
    assert_eq!(statuses(&view), ["Uploading", "Uploaded"]);
    assert_eq!(view.gathering.is_complete(), Some(true));
}

#[tokio::test]
async fn a_number_that_was_owed_over_an_earlier_connection_may_be_used_again() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    let base = || json!({ "requestId": 7, "reportBase": "FullInventory" });
    let accepted = || json!({ "status": "Accepted" });
    asked(&gateway, &mut station, "GetBaseReport", base(), accepted()).await;
    drop(station);
    gateway.facts_once("station.disconnected", 1).await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    let again = asked(&gateway, &mut station, "GetBaseReport", base(), accepted()).await;
    said(&mut station, "NotifyReport", part(7, 0, false)).await;
    assert_eq!(command(&gateway, again).await.gathering.is_complete(), Some(true));
}

#[tokio::test]
async fn parts_that_all_have_one_number_are_all_kept_and_repeats_absorbed() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    let base = json!({ "requestId": 7, "reportBase": "FullInventory" });
    let accepted = json!({ "status": "Accepted" });
    let id = asked(&gateway, &mut station, "GetBaseReport", base, accepted).await;
    for (variable, to_be_continued) in [(1, true), (2, true), (2, true), (3, false), (3, false)] {
        let mut part = part(7, variable, to_be_continued);
        part["seqNo"] = json!(0);
        said(&mut station, "NotifyReport", part).await;
        let is_complete = command(&gateway, id).await.gathering.is_complete();
        assert_eq!(is_complete, Some(!to_be_continued), "{variable}");
    }
    let view = command(&gateway, id).await;
    assert_eq!(sequences(&view), [Some(0); 3]);
    assert_eq!(view.gathering.is_complete(), Some(true));
    let told = gateway.facts("station.variables_reported").await;
    let names: Vec<_> =
        told.iter().map(|fact| fact["variables"][0]["variable"]["name"].clone()).collect();
    assert_eq!(names, ["Variable1", "Variable2", "Variable3"]);
}

#[tokio::test]
async fn diagnostics_of_1_6_that_are_not_there_are_over_with_the_answer() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let wish = || json!({ "location": "ftp://example.com/" });
    let nothing = asked(&gateway, &mut station, "GetDiagnostics", wish(), json!({})).await;
    assert_eq!(command(&gateway, nothing).await.gathering.is_complete(), Some(true));
    let file = json!({ "fileName": "diagnostics.zip" });
    let something = asked(&gateway, &mut station, "GetDiagnostics", wish(), file).await;
    assert_eq!(command(&gateway, something).await.gathering.is_complete(), Some(false));
    let uploaded = json!({ "status": "Uploaded" });
    said(&mut station, "DiagnosticsStatusNotification", uploaded).await;
    assert_eq!(command(&gateway, something).await.gathering.is_complete(), Some(true));
    assert_eq!(statuses(&command(&gateway, nothing).await), Vec::<&str>::new());
}

#[tokio::test]
async fn the_end_of_a_reservation_is_told_once() {
    let gateway = Gateway::start().await;
    let mut station = booted_as(&gateway, "ocpp2.0.1").await;
    let reserve = || {
        json!({ "id": 9, "expiryDateTime": "2036-11-22T13:00:00Z", "evseId": 1,
            "idToken": { "idToken": "04A1B2C3", "type": "ISO14443" } })
    };
    let ended = |status: &str| json!({ "reservationId": 9, "reservationUpdateStatus": status });
    let accepted = || json!({ "status": "Accepted" });
    let action = "ReservationStatusUpdate";
    for made in 1..=2 {
        let id = asked(&gateway, &mut station, "ReserveNow", reserve(), accepted()).await;
        said(&mut station, action, ended("Expired")).await;
        said(&mut station, action, ended("Expired")).await;
        assert_eq!(gateway.facts("reservation.ended").await.len(), made);
        let stream = format!("command-{id}");
        let events = gateway.events().await;
        let of_it = |event: &&RecordedEvent| {
            event.stream.as_str() == stream && &*event.event_type == "reservation.ended"
        };
        assert_eq!(events.iter().filter(of_it).count(), 1, "beside what was reserved");
    }
    let exchanges = gateway.facts("exchange.recorded").await;
    let repeats = exchanges.iter().filter(|exchange| !exchange["duplicate_of"].is_null());
    assert_eq!(repeats.count(), 2);
}

#[tokio::test]
async fn jobs_of_1_6_without_numbers_take_the_statuses_that_come_until_they_end() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let status = |status: &str| json!({ "status": status });
    let action = "DiagnosticsStatusNotification";
    // Nobody asked yet.
    said(&mut station, action, status("Uploading")).await;
    let wish = || json!({ "location": "ftp://example.com/" });
    let file = json!({ "fileName": "diagnostics.zip" });
    let done = asked(&gateway, &mut station, "GetDiagnostics", wish(), file).await;
    said(&mut station, action, status("Uploading")).await;
    said(&mut station, action, status("Idle")).await;
    said(&mut station, "FirmwareStatusNotification", status("Downloading")).await;
    said(&mut station, action, status("Uploaded")).await;
    said(&mut station, action, status("UploadFailed")).await;
    let view = command(&gateway, done).await;
    assert_eq!(statuses(&view), ["Uploading", "Uploaded"]);
    assert_eq!(view.gathering.is_complete(), Some(true));
    let commands = gateway.facts("station.job_status").await;
    let tied = commands.iter().filter(|fact| !fact["command"].is_null()).count();
    assert_eq!((commands.len(), tied), (6, 2));
}

#[tokio::test]
async fn jobs_of_1_6_with_numbers_go_by_them() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let wish = json!({
        "logType": "SecurityLog", "requestId": 5, "log": { "remoteLocation": "https://u:p@x/" },
    });
    let answer = json!({ "status": "Accepted", "filename": "log.gz" });
    let log = asked(&gateway, &mut station, "GetLog", wish, answer).await;
    let wish = json!({
        "requestId": 6,
        "firmware": {
            "location": "https://x/f", "retrieveDateTime": "2026-11-22T10:00:00Z",
            "signingCertificate": "PEM", "signature": "c2ln",
        },
    });
    let answer = json!({ "status": "Accepted" });
    let firmware = asked(&gateway, &mut station, "SignedUpdateFirmware", wish, answer).await;
    let signed = "SignedFirmwareStatusNotification";
    for (action, status, request_id) in [
        ("LogStatusNotification", "Uploading", 5),
        (signed, "Downloading", 6),
        (signed, "Installed", 5),
        ("LogStatusNotification", "Uploaded", 5),
        (signed, "Installed", 6),
    ] {
        let payload = json!({ "status": status, "requestId": request_id });
        said(&mut station, action, payload).await;
    }
    assert_eq!(statuses(&command(&gateway, log).await), ["Uploading", "Uploaded"]);
    assert_eq!(statuses(&command(&gateway, firmware).await), ["Downloading", "Installed"]);
}

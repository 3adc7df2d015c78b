//! A fleet against a small recording server over real WebSockets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chargebook_simulator::{
    Activity, Fault, FaultMix, Fleet, FleetEvent, FleetPlan, FleetReport, Hardware, LivePlan,
    Observer, Pace, Quirks, StationPlan, past_session, past_sessions,
};
use chrono::{TimeZone, Utc};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
struct Seen {
    path: String,
    connection: usize,
    id: String,
    action: String,
    payload: Value,
}

#[derive(Default)]
struct Recorded {
    connections: usize,
    authorizations: BTreeSet<String>,
    seen: Vec<Seen>,
    answers: Vec<Value>,
    next_transaction: i32,
    starts: Vec<(String, i32)>,
}

/// Records every frame; recognises a repeated StartTransaction; sends `commands` after boot.
struct Server {
    url: String,
    recorded: Arc<Mutex<Recorded>>,
}

impl Server {
    async fn start(commands: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ocpp", listener.local_addr().unwrap());
        let recorded = Arc::new(Mutex::new(Recorded::default()));
        let for_task = Arc::clone(&recorded);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&for_task), commands.clone()));
            }
        });
        Self { url, recorded }
    }

    fn seen(&self) -> Vec<Seen> {
        self.recorded.lock().unwrap().seen.clone()
    }

    fn of(&self, action: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|one| one.action == action).collect()
    }
}

async fn serve(socket: TcpStream, recorded: Arc<Mutex<Recorded>>, commands: Vec<Value>) {
    let mut path = String::new();
    let mut connection = 0;
    #[allow(clippy::result_large_err)]
    let accept = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        let mut recorded = recorded.lock().unwrap();
        connection = recorded.connections;
        recorded.connections += 1;
        if let Some(value) = request.headers().get("authorization") {
            recorded.authorizations.insert(value.to_str().unwrap().to_owned());
        }
        let offered = request.headers()["sec-websocket-protocol"].clone();
        response.headers_mut().insert("sec-websocket-protocol", offered);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(socket, accept).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame[0] != 2 {
            recorded.lock().unwrap().answers.push(frame);
            continue;
        }
        let seen = Seen {
            path: path.clone(),
            connection,
            id: frame[1].as_str().unwrap().to_owned(),
            action: frame[2].as_str().unwrap().to_owned(),
            payload: frame[3].clone(),
        };
        let reply = reply(&mut recorded.lock().unwrap(), &seen);
        let booted = seen.action == "BootNotification";
        let answer = json!([3, seen.id, reply]).to_string();
        recorded.lock().unwrap().seen.push(seen);
        // A cut connection cannot be answered; that is part of what is tested.
        let _ = socket.send(Message::text(answer)).await;
        if booted {
            for command in &commands {
                let _ = socket.send(Message::text(command.to_string())).await;
            }
        }
    }
}

fn reply(recorded: &mut Recorded, seen: &Seen) -> Value {
    match seen.action.as_str() {
        "BootNotification" => {
            json!({"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": 86_400})
        }
        "Heartbeat" => json!({"currentTime": "2026-03-01T12:00:00Z"}),
        "Authorize" => json!({"idTagInfo": {"status": "Accepted"}}),
        "StartTransaction" => {
            let key = format!("{} {}", seen.path, seen.payload);
            let known = recorded.starts.iter().find(|(one, _)| *one == key).map(|(_, id)| *id);
            let id = known.unwrap_or_else(|| {
                recorded.next_transaction += 1;
                recorded.starts.push((key, recorded.next_transaction));
                recorded.next_transaction
            });
            json!({"idTagInfo": {"status": "Accepted"}, "transactionId": id})
        }
        _ => json!({}),
    }
}

fn quick_live(sessions: u32) -> LivePlan {
    LivePlan::with_activity(Activity::Sessions(sessions))
        .with_session_length(Duration::from_secs(60), Duration::from_secs(90))
        .with_pause(Duration::from_secs(5), Duration::from_secs(10))
}

async fn run(plan: FleetPlan) -> FleetReport {
    let plan = FleetPlan { connect_spread: Duration::ZERO, ..plan };
    let fast = plan.with_pace(Pace::faster(200.0).unwrap());
    Fleet::new(fast).run(CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn a_fleet_replays_the_past_and_charges_live() {
    let server = Server::start(Vec::new()).await;
    let now = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap();
    let mut plan = FleetPlan::new(&server.url, 11);
    for number in 1..=3 {
        let station = StationPlan::new(format!("CP/{number}"))
            .with_password("secret")
            .with_hardware(Hardware::DC_50, 2)
            .with_tags(["A", "B"])
            .with_live(quick_live(2));
        let past = past_sessions(11, &station, 4, now, Duration::from_secs(48 * 3_600));
        plan = plan.with_station(StationPlan { past, ..station });
    }
    let report = run(plan).await;
    assert_eq!(report.sessions_replayed, 12);
    assert_eq!(report.sessions_finished, 6);
    assert_eq!(report.sessions_started, 6);
    assert_eq!((report.refused, report.timed_out, report.unreadable), (0, 0, 0));
    assert_eq!(report.answered, report.sent);
    assert_eq!(server.of("StopTransaction").len(), 18);
    // Base64 of "CP/1:secret".
    assert!(server.recorded.lock().unwrap().authorizations.contains("Basic Q1AvMTpzZWNyZXQ="));
    let paths: BTreeSet<String> = server.seen().into_iter().map(|one| one.path).collect();
    assert!(paths.contains("/ocpp/CP%2F1"), "{paths:?}");
}

#[tokio::test]
async fn offline_replay_is_in_order_with_original_times_and_one_transaction_each() {
    let server = Server::start(Vec::new()).await;
    let at = |hour| Utc.with_ymd_and_hms(2026, 3, 1, hour, 0, 0).unwrap();
    let station = StationPlan::new("CP-1")
        .with_past_session(past_session("B", at(9), Duration::from_secs(600), 2_500))
        .with_past_session(
            past_session("A", at(7), Duration::from_secs(600), 1_500)
                .with_fault(Fault::DropAtStart),
        )
        .with_live(LivePlan::with_activity(Activity::Sessions(0)));
    let report = run(FleetPlan::new(&server.url, 1).with_station(station)).await;
    assert_eq!((report.sessions_replayed, report.energy_wh), (2, 4_000));
    let course: Vec<String> = server
        .seen()
        .iter()
        .filter(|one| one.action.ends_with("Transaction"))
        .map(|one| format!("{} {}", one.action, one.payload["timestamp"].as_str().unwrap()))
        .collect();
    assert_eq!(
        course,
        [
            "StartTransaction 2026-03-01T07:00:00Z",
            "StartTransaction 2026-03-01T07:00:00Z",
            "StopTransaction 2026-03-01T07:10:00Z",
            "StartTransaction 2026-03-01T09:00:00Z",
            "StopTransaction 2026-03-01T09:10:00Z",
        ]
    );
    let stops = server.of("StopTransaction");
    assert_eq!(stops[0].payload["transactionId"], 1);
    assert_eq!(stops[1].payload["transactionId"], 2);
}

#[tokio::test]
async fn repeats_and_cuts_send_the_same_payload_under_a_new_id() {
    for (fault, action) in [
        (Fault::RepeatStart, "StartTransaction"),
        (Fault::RepeatStop, "StopTransaction"),
        (Fault::DropAtStart, "StartTransaction"),
        (Fault::DropAtStop, "StopTransaction"),
    ] {
        let server = Server::start(Vec::new()).await;
        let live = quick_live(1).with_faults(FaultMix::always(&[fault]));
        let station = StationPlan::new("CP-1").with_tags(["A"]).with_live(live);
        let report = run(FleetPlan::new(&server.url, 3).with_station(station)).await;
        assert_eq!((report.faults_played, report.sessions_finished), (1, 1), "{fault}");
        assert_eq!(report.transaction_ids_changed, 0, "{fault}");
        let sent = server.of(action);
        assert_eq!(sent.len(), 2, "{fault}");
        assert_eq!(sent[0].payload, sent[1].payload, "{fault}");
        assert_ne!(sent[0].id, sent[1].id, "{fault}");
        let cut = matches!(fault, Fault::DropAtStart | Fault::DropAtStop);
        assert_eq!(sent[0].connection != sent[1].connection, cut, "{fault}");
        assert_eq!(server.of("BootNotification").len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_remote_start_begins_a_session() {
    let start = json!([2, "r1", "RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"}]);
    let server = Server::start(vec![start]).await;
    let station =
        StationPlan::new("CP-1").with_live(LivePlan { activity: Activity::Idle, ..quick_live(0) });
    let stop = CancellationToken::new();
    let plan = FleetPlan { connect_spread: Duration::ZERO, ..FleetPlan::new(&server.url, 5) }
        .with_station(station)
        .with_pace(Pace::faster(200.0).unwrap());
    let fleet = Fleet::new(plan).with_observer(Arc::new(StopAtFirstSession(stop.clone())));
    let report = fleet.run(stop).await.unwrap();
    assert_eq!((report.commands, report.sessions_finished), (1, 1));
    assert_eq!(server.of("StartTransaction")[0].payload["idTag"], "APP");
    assert_eq!(server.recorded.lock().unwrap().answers, [json!([3, "r1", {"status": "Accepted"}])]);
}

/// Stops the fleet once the first session is finished.
struct StopAtFirstSession(CancellationToken);

impl Observer for StopAtFirstSession {
    fn observe(&self, _station_id: &str, event: &FleetEvent) {
        if matches!(event, FleetEvent::SessionFinished { .. }) {
            self.0.cancel();
        }
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_sessions_over_the_network() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = Server::start(Vec::new()).await;
        let live = quick_live(4).with_faults(FaultMix::always(&[
            Fault::RepeatStart,
            Fault::RepeatStop,
            Fault::DropAtStart,
            Fault::NoBeginSample,
        ]));
        let station = StationPlan::new("CP-1")
            .with_quirks(Quirks::default())
            .with_tags(["A", "B", "C"])
            .with_live(live);
        run(FleetPlan::new(&server.url, 99).with_station(station)).await;
        // Times and registers follow the run's own clock; all else follows the seed.
        let course: Vec<String> = server
            .seen()
            .into_iter()
            .map(|one| {
                let tag = one.payload["idTag"].as_str().unwrap_or_default().to_owned();
                let status = one.payload["status"].as_str().unwrap_or_default().to_owned();
                let reason = one.payload["reason"].as_str().unwrap_or_default().to_owned();
                format!("{} {} {tag}{status}{reason}", one.id, one.action)
            })
            .collect();
        runs.push(course);
    }
    assert!(runs[0].len() > 40, "{}", runs[0].len());
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_a_bad_address_is_refused() {
    let station = || StationPlan::new("CP-1").with_live(quick_live(0));
    let refused = Fleet::new(FleetPlan::new("http://127.0.0.1:1/ocpp", 1).with_station(station()))
        .run(CancellationToken::new())
        .await;
    assert!(refused.is_err());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ocpp", listener.local_addr().unwrap());
    drop(listener);
    let stop = CancellationToken::new();
    let plan = FleetPlan { connect_spread: Duration::ZERO, ..FleetPlan::new(url, 1) }
        .with_station(station());
    let observer = Arc::new(StopAtFailure(stop.clone()));
    let report = Fleet::new(plan).with_observer(observer).run(stop).await.unwrap();
    assert_eq!((report.connects, report.connect_failures > 0), (0, true));
}

/// Stops the fleet once a connection failed.
struct StopAtFailure(CancellationToken);

impl Observer for StopAtFailure {
    fn observe(&self, _station_id: &str, event: &FleetEvent) {
        if matches!(event, FleetEvent::ConnectFailed(_)) {
            self.0.cancel();
        }
    }
}

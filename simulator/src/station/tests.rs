//! The state machine driven in virtual time against a server that always answers.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value, json};

use super::{LinkWish, Station};
use crate::fault::{Fault, FaultMix, Quirks, RegisterUnit};
use crate::observe::FleetEvent;
use crate::past::past_session;
use crate::plan::{Activity, Hardware, LivePlan, Pace, StationPlan};
use crate::wire;

/// Steps after which a run that has not ended is a failure.
const MAX_STEPS: usize = 20_000;

/// The server's transaction id.
const TRANSACTION: i32 = 100;

/// A CALL as the server saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    at: DateTime<Utc>,
    id: String,
    action: String,
    payload: Value,
}

/// A world of one station and one obliging server.
struct World {
    station: Station,
    now: DateTime<Utc>,
    connected: bool,
    seen: Vec<Seen>,
    answers: Vec<Value>,
    events: Vec<FleetEvent>,
    /// Sent to the station once this many CALLs were seen.
    commands: Vec<(usize, Value)>,
    token_status: &'static str,
}

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a valid time")
}

fn plan(activity: Activity, faults: FaultMix) -> StationPlan {
    StationPlan::new("CP-1").with_hardware(Hardware::DC_50, 1).with_tags(["TAG"]).with_live(
        LivePlan::with_activity(activity)
            .with_session_length(Duration::from_secs(60), Duration::from_secs(60))
            .with_faults(faults),
    )
}

impl World {
    fn new(plan: StationPlan) -> Self {
        let now = start();
        Self {
            station: Station::new(plan.with_quirks(Quirks::default()), 7, Pace::REAL, now),
            now,
            connected: false,
            seen: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            commands: Vec::new(),
            token_status: "Accepted",
        }
    }

    fn with_quirks(plan: StationPlan, quirks: Quirks) -> Self {
        let mut world = Self::new(plan.clone());
        world.station = Station::new(plan.with_quirks(quirks), 7, Pace::REAL, world.now);
        world
    }

    /// Runs until the station is finished or `done` says so.
    fn run_until(mut self, done: impl Fn(&Self) -> bool) -> Self {
        for _ in 0..MAX_STEPS {
            self.station.on_time(self.now);
            let wish = self.station.link_wish(self.now);
            self.events.append(&mut self.station.take_events());
            match wish {
                LinkWish::Finished => return self,
                _ if done(&self) => return self,
                LinkWish::Up if !self.connected => {
                    self.connected = true;
                    self.station.on_connected(self.now);
                }
                LinkWish::DownUntil(_) if self.connected => {
                    self.connected = false;
                    self.station.on_disconnected(self.now, "wished");
                }
                LinkWish::DownUntil(until) => self.skip_to(Some(until)),
                LinkWish::Up => self.converse(),
            }
        }
        panic!("the station never finished; last: {:?}", self.seen.last());
    }

    fn run(self) -> Self {
        self.run_until(|_| false)
    }

    fn skip_to(&mut self, limit: Option<DateTime<Utc>>) {
        let deadline = [self.station.next_deadline(), limit].into_iter().flatten().min();
        self.now = self.now.max(deadline.expect("something must be due"));
    }

    fn converse(&mut self) {
        let Some(outgoing) = self.station.next_frame(self.now) else {
            return self.skip_to(None);
        };
        let frame: Value = serde_json::from_str(&outgoing.text).expect("JSON");
        if frame[0] != 2 {
            self.answers.push(frame);
            return;
        }
        assert_eq!(wire::complaint_about(&outgoing.text), None);
        let text = |index: usize| frame[index].as_str().expect("text").to_owned();
        let seen = Seen { at: self.now, id: text(1), action: text(2), payload: frame[3].clone() };
        self.now += Duration::from_millis(20);
        if outgoing.drop_link {
            self.connected = false;
            self.station.on_disconnected(self.now, "dropped");
        } else {
            let reply = json!([3, seen.id, self.reply(&seen.action)]).to_string();
            self.station.on_text(&reply, self.now);
        }
        self.seen.push(seen);
        let seen = self.seen.len();
        let (due, later) =
            std::mem::take(&mut self.commands).into_iter().partition(|(after, _)| *after <= seen);
        self.commands = later;
        for (_, command) in Vec::<(usize, Value)>::from_iter(due) {
            self.station.on_text(&command.to_string(), self.now);
        }
    }

    fn reply(&mut self, action: &str) -> Value {
        match action {
            "BootNotification" => {
                json!({"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": 300})
            }
            "Heartbeat" => json!({"currentTime": "2026-03-01T12:00:00Z"}),
            "Authorize" => json!({"idTagInfo": {"status": self.token_status}}),
            "StartTransaction" => {
                json!({"idTagInfo": {"status": self.token_status}, "transactionId": TRANSACTION})
            }
            _ => json!({}),
        }
    }

    fn actions(&self) -> Vec<String> {
        self.seen
            .iter()
            .map(|one| match one.payload["status"].as_str() {
                Some(status) => status.to_owned(),
                None => one.action.clone(),
            })
            .collect()
    }

    fn of(&self, action: &str) -> Vec<&Seen> {
        self.seen.iter().filter(|one| one.action == action).collect()
    }

    fn played(&self) -> Vec<Fault> {
        self.events
            .iter()
            .filter_map(|event| match event {
                FleetEvent::FaultPlayed(fault) => Some(*fault),
                _ => None,
            })
            .collect()
    }

    fn unreadable(&self) -> Vec<&FleetEvent> {
        self.events.iter().filter(|event| matches!(event, FleetEvent::Unreadable(_))).collect()
    }
}

fn register(sample: &Value) -> i64 {
    let value = sample["sampledValue"][0]["value"].as_str().expect("text");
    value.parse().expect("an integer")
}

#[test]
fn a_session_has_the_course_of_a_real_one() {
    let world = World::new(plan(Activity::Sessions(1), FaultMix::none())).run();
    let actions = world.actions();
    assert_eq!(
        actions,
        [
            "BootNotification",
            "Available",
            "Available",
            "Preparing",
            "Authorize",
            "StartTransaction",
            "Charging",
            "MeterValues",
            "MeterValues",
            "MeterValues",
            "MeterValues",
            "MeterValues",
            "MeterValues",
            "SuspendedEV",
            "StopTransaction",
            "Finishing",
            "Available",
        ]
    );
    let begin = world.of("StartTransaction")[0].payload["meterStart"].as_i64().expect("a number");
    let end = world.of("StopTransaction")[0].payload["meterStop"].as_i64().expect("a number");
    let samples: Vec<i64> =
        world.of("MeterValues").iter().map(|one| register(&one.payload["meterValue"][0])).collect();
    assert_eq!(samples.first(), Some(&begin));
    assert!(samples.is_sorted() && *samples.last().expect("samples") <= end);
    // 50 kW at 55-95 % load for a minute, less ramp and taper.
    assert!((350..800).contains(&(end - begin)), "{}", end - begin);
    assert!(world.unreadable().is_empty(), "{:?}", world.unreadable());
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    let faults = FaultMix { session_per_mille: 500, ..FaultMix::everyday() };
    let run = |seed: u64| {
        let plan = plan(Activity::Sessions(12), faults.clone());
        let mut world = World::new(plan.clone());
        world.station = Station::new(plan, seed, Pace::REAL, world.now);
        world.run().seen
    };
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn past_sessions_come_first_in_order_with_their_own_times() {
    let at = |hour| start() - chrono::Duration::hours(hour);
    let plan = plan(Activity::Sessions(1), FaultMix::none())
        .with_past_session(past_session("B", at(2), Duration::from_secs(900), 5_000))
        .with_past_session(past_session("A", at(6), Duration::from_secs(1_200), 7_123));
    let world = World::new(plan).run();
    let starts = world.of("StartTransaction");
    assert_eq!(starts[0].payload["idTag"], "A");
    assert_eq!(starts[0].payload["timestamp"], "2026-03-01T06:00:00Z");
    assert_eq!(starts[1].payload["idTag"], "B");
    assert_eq!(starts[2].payload["idTag"], "TAG");
    let stops = world.of("StopTransaction");
    assert_eq!(stops[0].payload["timestamp"], "2026-03-01T06:20:00Z");
    let energy = |index: usize| {
        stops[index].payload["meterStop"].as_i64().expect("a number")
            - starts[index].payload["meterStart"].as_i64().expect("a number")
    };
    assert_eq!((energy(0), energy(1)), (7_123, 5_000));
    // The register runs on from session to session.
    assert_eq!(stops[0].payload["meterStop"], starts[1].payload["meterStart"]);
    let replayed = world
        .events
        .iter()
        .filter(|event| matches!(event, FleetEvent::SessionFinished { replayed: true, .. }));
    assert_eq!(replayed.count(), 2);
}

#[test]
fn repeats_carry_the_same_payload_under_a_new_id() {
    for (fault, action) in [
        (Fault::RepeatStart, "StartTransaction"),
        (Fault::RepeatStop, "StopTransaction"),
        (Fault::DropAtStart, "StartTransaction"),
        (Fault::DropAtStop, "StopTransaction"),
    ] {
        let world = World::new(plan(Activity::Sessions(1), FaultMix::always(&[fault]))).run();
        let sent = world.of(action);
        assert_eq!(sent.len(), 2, "{fault}");
        assert_eq!(sent[0].payload, sent[1].payload, "{fault}");
        assert_ne!(sent[0].id, sent[1].id, "{fault}");
        assert_eq!(world.played(), [fault]);
    }
}

#[test]
fn one_reading_is_repeated_or_sent_again_after_a_cut() {
    for fault in [Fault::RepeatMeter, Fault::DropAtMeter] {
        let world = World::new(plan(Activity::Sessions(1), FaultMix::always(&[fault]))).run();
        let readings = world.of("MeterValues");
        assert_eq!(readings.len(), 7, "{fault}");
        assert_eq!(readings[1].payload, readings[2].payload, "{fault}");
        assert_ne!(readings[1].id, readings[2].id, "{fault}");
        assert_eq!(world.of("BootNotification").len(), 1, "a plain reconnect has no boot");
    }
}

#[test]
fn an_offline_gap_delays_readings_but_keeps_their_times() {
    let faults = FaultMix::always(&[Fault::OfflineGap]);
    let world = World::new(plan(Activity::Sessions(1), faults)).run();
    let delays: Vec<i64> = world
        .of("MeterValues")
        .iter()
        .map(|one| {
            let at = one.payload["meterValue"][0]["timestamp"].as_str().expect("text");
            let at: DateTime<Utc> = at.parse().expect("a time");
            (one.at - at).num_seconds()
        })
        .collect();
    assert_eq!(delays.len(), 6);
    assert!(delays.iter().any(|delay| *delay >= 10), "{delays:?}");
    assert!(delays.last().is_some_and(|delay| *delay < 2), "{delays:?}");
}

#[test]
fn a_missing_begin_value_and_a_missing_stop_are_played() {
    let world = World::new(plan(Activity::Sessions(1), FaultMix::always(&[Fault::ZeroMeterStart])));
    let world = world.run();
    assert_eq!(world.of("StartTransaction")[0].payload["meterStart"], 0);
    let first = &world.of("MeterValues")[0].payload["meterValue"][0];
    assert_eq!(first["sampledValue"][0]["context"], "Sample.Periodic");
    assert!(register(first) > 0);

    let world = World::new(plan(Activity::Sessions(2), FaultMix::always(&[Fault::MissingStop])));
    let world = world.run();
    assert_eq!(world.of("StartTransaction").len(), 2);
    assert!(world.of("StopTransaction").is_empty());
    assert_eq!(world.played(), [Fault::MissingStop, Fault::MissingStop]);
}

#[test]
fn status_may_run_ahead_of_the_transaction() {
    let faults = FaultMix::always(&[Fault::StatusDisorder]);
    let actions = World::new(plan(Activity::Sessions(1), faults)).run().actions();
    let place = |what: &str| actions.iter().position(|one| one == what).expect(what);
    assert!(place("Charging") < place("StartTransaction"));
    assert!(place("Finishing") < place("StopTransaction"));
}

#[test]
fn quirks_change_the_unit_the_clock_and_the_stop() {
    let quirks = Quirks {
        clock_skew_seconds: -90,
        register_unit: RegisterUnit::KilowattHour,
        sends_transaction_data: true,
        ..Quirks::default()
    };
    let world = World::with_quirks(plan(Activity::Sessions(1), FaultMix::none()), quirks).run();
    let start_call = world.of("StartTransaction")[0];
    let at: DateTime<Utc> =
        start_call.payload["timestamp"].as_str().expect("text").parse().expect("a time");
    assert_eq!((start_call.at - at).num_seconds(), 90);
    let sample = &world.of("MeterValues")[0].payload["meterValue"][0]["sampledValue"][0];
    assert_eq!(sample["unit"], "kWh");
    assert!(sample["value"].as_str().is_some_and(|value| value.split('.').count() == 2));
    let stop = world.of("StopTransaction")[0];
    let contexts: Vec<&str> = stop.payload["transactionData"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["sampledValue"][0]["context"].as_str())
        .collect();
    assert_eq!(contexts, ["Transaction.Begin", "Transaction.End"]);
}

#[test]
fn a_refused_token_starts_nothing() {
    let mut world = World::new(plan(Activity::Sessions(1), FaultMix::none()));
    world.token_status = "Blocked";
    let world = world.run();
    assert!(world.of("StartTransaction").is_empty());
    assert!(world.events.contains(&FleetEvent::TokenRefused));
    assert_eq!(world.actions().last().map(String::as_str), Some("Available"));
}

#[test]
fn remote_start_and_stop_are_acted_upon() {
    let mut world = World::new(plan(Activity::Idle, FaultMix::none()));
    world.commands = vec![
        (3, json!([2, "r1", "RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"}])),
        (7, json!([2, "r2", "RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"}])),
        (8, json!([2, "r3", "RemoteStopTransaction", {"transactionId": 100}])),
        (9, json!([2, "r4", "RemoteStopTransaction", {"transactionId": 4711}])),
    ];
    let world = world.run_until(|world| world.actions().last().is_some_and(|it| it == "Finishing"));
    assert_eq!(world.of("StartTransaction")[0].payload["idTag"], "APP");
    assert_eq!(world.of("StopTransaction")[0].payload["reason"], "Remote");
    assert_eq!(
        world.answers,
        [
            json!([3, "r1", {"status": "Accepted"}]),
            json!([3, "r2", {"status": "Rejected"}]),
            json!([3, "r3", {"status": "Accepted"}]),
            json!([3, "r4", {"status": "Rejected"}]),
        ]
    );
}

#[test]
fn a_reset_ends_the_session_and_boots_anew() {
    for (kind, reason) in [("Soft", "SoftReset"), ("Hard", "HardReset")] {
        let mut world = World::new(plan(Activity::Sessions(1), FaultMix::none()));
        world.commands = vec![(8, json!([2, "r", "Reset", {"type": kind}]))];
        let world = world.run_until(|world| {
            world.of("BootNotification").len() == 2
                && world.actions().ends_with(&["Available".into()])
        });
        assert_eq!(world.of("StopTransaction")[0].payload["reason"], reason);
        assert_eq!(world.answers, [json!([3, "r", {"status": "Accepted"}])]);
    }
}

#[test]
fn availability_waits_for_the_session_to_end() {
    let mut world = World::new(plan(Activity::Sessions(1), FaultMix::none()));
    let change = json!({"connectorId": 1, "type": "Inoperative"});
    world.commands = vec![(8, json!([2, "a", "ChangeAvailability", change]))];
    let world = world.run();
    assert_eq!(world.answers, [json!([3, "a", {"status": "Scheduled"}])]);
    assert_eq!(world.actions().last().map(String::as_str), Some("Unavailable"));
}

#[test]
fn a_broken_connector_is_told_and_charges_nobody_until_it_is_operative() {
    let broken = plan(Activity::Sessions(1), FaultMix::none()).with_broken_connector(1);
    let mut world = World::new(broken);
    let change = json!({"connectorId": 1, "type": "Operative"});
    world.commands = vec![(4, json!([2, "a", "ChangeAvailability", change]))];
    let world = world.run();
    assert_eq!(world.answers, [json!([3, "a", {"status": "Accepted"}])]);
    let told = world.seen.iter().find(|seen| seen.payload["connectorId"] == 1);
    assert_eq!(told.expect("a status").payload["errorCode"], "GroundFailure");
    let actions = world.actions();
    let place = |action: &str| actions.iter().position(|one| one == action);
    assert!(place("Faulted") < place("Heartbeat"), "{actions:?}");
    assert!(place("Heartbeat") < place("StartTransaction"), "{actions:?}");
}

#[test]
fn other_commands_are_answered_as_the_specification_says() {
    let cases = [
        ("UnlockConnector", json!({"connectorId": 1}), json!({"status": "Unlocked"})),
        ("UnlockConnector", json!({"connectorId": 9}), json!({"status": "NotSupported"})),
        (
            "ChangeConfiguration",
            json!({"key": "HeartbeatInterval", "value": "60"}),
            json!({"status": "Accepted"}),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "MeterValues"}),
            json!({"status": "Accepted"}),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "FirmwareStatusNotification"}),
            json!({"status": "NotImplemented"}),
        ),
        ("ClearCache", json!({}), json!({"status": "Accepted"})),
        ("DataTransfer", json!({"vendorId": "x"}), json!({"status": "UnknownVendorId"})),
    ];
    for (action, payload, expected) in cases {
        let mut world = World::new(plan(Activity::Idle, FaultMix::none()));
        world.commands = vec![(3, json!([2, "c", action, payload]))];
        let world = world.run_until(|world| !world.answers.is_empty());
        assert_eq!(world.answers, [json!([3, "c", expected])], "{action}");
    }
    for (action, payload, code) in [
        ("Nonsense", json!({}), "NotImplemented"),
        ("ReserveNow", json!({}), "OccurenceConstraintViolation"),
        ("GetLocalListVersion", json!({}), "NotSupported"),
        ("Reset", json!({"type": "Cold"}), "PropertyConstraintViolation"),
    ] {
        let mut world = World::new(plan(Activity::Idle, FaultMix::none()));
        world.commands = vec![(3, json!([2, "c", action, payload]))];
        let world = world.run_until(|world| !world.answers.is_empty());
        assert_eq!(world.answers[0][0], 4, "{action}");
        assert_eq!(world.answers[0][2], code, "{action}");
    }
}

#[test]
fn shutting_down_ends_open_sessions_first() {
    let world = World::new(plan(Activity::Endless, FaultMix::none()));
    let mut world = world.run_until(|world| world.of("MeterValues").len() == 2);
    let now = world.now;
    world.station.shut_down(now);
    let world = world.run();
    assert_eq!(world.of("StopTransaction").len(), 1);
    assert_eq!(world.of("StartTransaction").len(), 1);
    assert_eq!(world.actions().last().map(String::as_str), Some("Available"));
}

#[test]
fn an_unanswered_call_ends_the_connection_and_is_sent_again() {
    let plan = plan(Activity::Sessions(1), FaultMix::none());
    let now = start();
    let mut station = Station::new(plan.with_quirks(Quirks::default()), 1, Pace::REAL, now);
    station.on_connected(now);
    assert!(station.next_frame(now).is_some_and(|one| one.text.contains("BootNotification")));
    assert!(station.next_frame(now).is_none(), "one open call at a time");
    let later = now + super::CALL_TIMEOUT;
    assert_eq!(station.next_deadline(), Some(later));
    station.on_time(later);
    assert_eq!(station.link_wish(later), LinkWish::DownUntil(later));
    station.on_disconnected(later, "timeout");
    assert_eq!(station.link_wish(later), LinkWish::Up);
    station.on_connected(later);
    assert!(station.next_frame(later).is_some_and(|one| one.text.contains("BootNotification")));
}

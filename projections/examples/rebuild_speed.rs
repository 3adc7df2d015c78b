//! How fast the read models are rebuilt, as a ratio to reading the log page by page in the
//! same run: `cargo run --release -p chargebook-projections --example rebuild_speed [SESSIONS]`.

#![expect(clippy::print_stdout, reason = "a tool that prints its result")]

use chargebook_projections::{RebuildOptions, rebuild};
use chargebook_store::port::PAGE_EVENTS_MAX;
use chargebook_store::{
    Append, CanonicalJson, EventStore, ExpectedVersion, NewEvent, OpenMode, Position, SqliteStore,
    StreamName,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const SESSIONS_DEFAULT: u64 = 4_000;
/// The machine's other work shows in single rounds.
const ROUNDS: u32 = 5;
const STATIONS: u64 = 200;
/// MeterValues of one session.
const METER_MESSAGES: u64 = 20;
/// Sessions written at once, so that their commits are shared.
const WRITERS: u64 = 64;
/// 2026-11-01T00:00:00Z.
const BEGIN_MILLIS: i64 = 1_793_491_200_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let sessions = std::env::args().nth(1).map_or(Ok(SESSIONS_DEFAULT), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path(), OpenMode::Writer).await?;
    let log: Arc<dyn EventStore> = Arc::new(store);
    for station in 0..STATIONS {
        let stream = StreamName::new(format!("station-{}-2026-11", station_id(station)))?;
        let fact = json!({ "station_id": station_id(station), "station": format!("CP-{station}"),
            "password": null, "site_id": null });
        append(&log, stream, vec![event("station.registered", &fact, 0)?]).await?;
    }
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            for session in (writer..sessions).step_by(WRITERS as usize) {
                write_session(&log, session).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    for round in 1..=ROUNDS {
        let (events, bytes, reading) = read_all(&log).await?;
        let read = folder.path().join("read");
        let options = RebuildOptions { compare: false, ..RebuildOptions::default() };
        let report = rebuild(Arc::clone(&log), &read, options, |_| {}).await?;
        let rebuilding = report.elapsed.as_secs_f64();
        println!(
            "round {round}: {events} events, {} bytes each; reading {:.0}/s, rebuilding {:.0}/s, \
             ratio {:.2}; {} rows, {} parked",
            bytes / events.max(1),
            events as f64 / reading,
            events as f64 / rebuilding,
            reading / rebuilding,
            report.dump.rows,
            report.parked_events,
        );
    }
    Ok(())
}

async fn read_all(log: &Arc<dyn EventStore>) -> Result<(u64, u64, f64), Failure> {
    let began = Instant::now();
    let (mut events, mut bytes, mut after) = (0, 0, Position::START);
    loop {
        let page = log.read_all(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        events += page.len() as u64;
        bytes += page.iter().map(|event| event.data.as_str().len() as u64).sum::<u64>();
    }
    Ok((events, bytes, began.elapsed().as_secs_f64()))
}

async fn append(
    log: &Arc<dyn EventStore>,
    stream: StreamName,
    events: Vec<NewEvent>,
) -> Result<(), Failure> {
    log.append(Append { stream, expected: ExpectedVersion::NoStream, events }).await?;
    Ok(())
}

fn event(event_type: &str, data: &Value, second: i64) -> Result<NewEvent, Failure> {
    let meta = json!({ "actor": "station", "node": "node-1", "correlation": Uuid::new_v4() });
    Ok(NewEvent {
        id: Uuid::new_v4(),
        event_type: event_type.to_owned().into(),
        schema_version: 1,
        recorded_at: instant(second),
        data: CanonicalJson::from_value(data)?,
        meta: CanonicalJson::from_value(&meta)?,
        keys: Vec::new(),
    })
}

fn instant(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(BEGIN_MILLIS + second * 1_000)
}

fn text(second: i64) -> String {
    instant(second).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn station_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(1, number)
}

fn exchange(station: u64, action: &str, frame: &str, second: i64) -> Result<NewEvent, Failure> {
    let data = json!({ "station": format!("CP-{station}"), "station_id": station_id(station),
        "protocol": "ocpp1.6", "direction": "from_station", "message_id": Uuid::new_v4(),
        "action": action, "request": frame, "reply": "[3,\"1\",{}]",
        "received_at": text(second), "station_time": text(second), "verdict": "answered",
        "error_code": null, "duplicate_of": null, "extra_members": 0, "undelivered": null });
    event("exchange.recorded", &data, second)
}

fn evidence(raw: &str) -> Value {
    json!({ "event_id": Uuid::new_v4(), "pointer": "/3/meterValue/0/sampledValue/0/value",
        "raw": raw })
}

/// All of a session's stream in one append, as the log holds it in the end.
async fn write_session(log: &Arc<dyn EventStore>, number: u64) -> Result<(), Failure> {
    let station = number % STATIONS;
    let id = Uuid::from_u64_pair(2, number);
    let begin = i64::try_from(number / STATIONS * 3_600)?;
    let mut events = vec![exchange(station, "StartTransaction", "[2,\"1\",\"Start\",{}]", begin)?];
    let started = json!({ "session_id": id, "station_id": station_id(station),
        "station": format!("CP-{station}"), "connector": 1, "transaction_id": number + 1,
        "site_id": null, "time_zone": "Europe/Berlin", "id_tag": "04A1B2C3", "token_id": null,
        "account_id": null, "authorization": "accepted",
        "meter_start": { "register_wh": "1000", "evidence": evidence("1000") },
        "started_at": text(begin), "received_at": text(begin), "clock": "plausible",
        "reservation_id": null, "exchange": Uuid::new_v4() });
    events.push(event("session.started", &started, begin)?);
    let frame = "[2,\"1\",\"MeterValues\",{\"connectorId\":1,\"transactionId\":1,\"meterValue\":[{\
                 \"timestamp\":\"2026-11-01T00:00:00Z\",\"sampledValue\":[{\"value\":\"1100\"},\
                 {\"value\":\"6000\",\"measurand\":\"Power.Active.Import\"}]}]}]";
    for message in 0..METER_MESSAGES {
        let second = begin + i64::try_from(message + 1)? * 60;
        let sample = |quantity: &str, value: String| {
            json!({ "sampled_at": text(second), "quantity": quantity, "value": value,
                "context": "Sample.Periodic", "phase": null, "evidence": evidence(&value) })
        };
        let samples = json!({ "exchange": Uuid::new_v4(), "samples": [
            sample("energy_import_register_wh", (1_000 + (message + 1) * 100).to_string()),
            sample("power_import_w", "6000".to_owned()),
        ] });
        events.push(exchange(station, "MeterValues", frame, second)?);
        events.push(event("session.meter_recorded", &samples, second)?);
    }
    let end = begin + 1_800;
    let status = json!({ "connector": 1, "status": "Finishing", "error_code": "NoError",
        "at": text(end),
        "received_at": text(end), "exchange": Uuid::new_v4() });
    events.push(exchange(station, "StatusNotification", "[2,\"1\",\"Status\",{}]", end)?);
    events.push(event("session.connector_status", &status, end)?);
    let register = json!({ "register_wh": "3100", "evidence": evidence("3100") });
    let stopped = json!({ "meter_stop": register, "stopped_at": text(end),
        "received_at": text(end), "clock": "plausible", "reason": "Local", "id_tag": null,
        "matched_by": "transaction_id", "exchange": Uuid::new_v4() });
    events.push(exchange(station, "StopTransaction", "[2,\"1\",\"Stop\",{}]", end)?);
    events.push(event("session.stopped", &stopped, end)?);
    let settled = json!({ "because": "complete", "started_at": text(begin), "ended_at": text(end),
        "register_start": register, "register_end": register, "energy_wh": "2100",
        "released_at": null, "anomalies": [], "as_of_version": 40 });
    events.push(event("session.settled", &settled, end)?);
    let outcome = json!({ "outcome": "free", "reason": "free_of_charge", "detail": null,
        "owner": null, "resolved_by": null, "invoice": null });
    events.push(event("session.outcome_decided", &outcome, end)?);
    append(log, StreamName::of("session", id), events).await
}

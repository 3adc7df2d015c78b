//! OCPP payloads, of 1.6 unless they say otherwise, as a charge point would write them, and what
//! the tests read back.

use chrono::{DateTime, Duration, SecondsFormat, SubsecRound as _, Utc};
use serde_json::{Value, json};

use crate::harness::{ChargePoint, Settings, TestCsms, eventually};

/// The token that most scenarios charge with.
pub(crate) const TAG: &str = "04A1B2C3D4E5F6";

/// An hour ago, in whole seconds: when the scenarios' sessions begin.
pub(crate) fn an_hour_ago() -> DateTime<Utc> {
    (Utc::now() - Duration::hours(1)).trunc_subsecs(0)
}

/// `2026-03-02T10:00:00Z`.
pub(crate) fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Minutes after an instant, as a charge point writes it.
pub(crate) fn after(begun: DateTime<Utc>, minutes: i64) -> String {
    time(begun + Duration::minutes(minutes))
}

pub(crate) fn boot() -> Value {
    json!({ "chargePointVendor": "Independent", "chargePointModel": "Peer" })
}

/// The same in 2.0.1 and 2.1.
pub(crate) fn boot_2x() -> Value {
    json!({
        "reason": "PowerUp", "chargingStation": { "model": "Peer", "vendorName": "Independent" },
    })
}

/// The 2.x station `CP-1`, with one EVSE of one connector, that has started up.
#[track_caller]
pub(crate) fn booted_2x(csms: &TestCsms, version: &str) -> ChargePoint {
    let mut station = ChargePoint::new("CP-1");
    station.connect_as(csms, version);
    assert_eq!(station.call("BootNotification", boot_2x())["status"], "Accepted");
    station
}

pub(crate) fn status(connector: u32, status: &str) -> Value {
    json!({ "connectorId": connector, "errorCode": "NoError", "status": status })
}

pub(crate) fn start(connector: u32, tag: &str, meter_start_wh: i64, at: &str) -> Value {
    json!({ "connectorId": connector, "idTag": tag, "meterStart": meter_start_wh, "timestamp": at })
}

pub(crate) fn meter(connector: u32, transaction: i64, register_wh: i64, at: &str) -> Value {
    json!({
        "connectorId": connector,
        "transactionId": transaction,
        "meterValue": [{
            "timestamp": at,
            "sampledValue": [{
                "value": register_wh.to_string(),
                "context": "Sample.Periodic",
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            }],
        }],
    })
}

pub(crate) fn stop(transaction: i64, tag: &str, meter_stop_wh: i64, at: &str) -> Value {
    json!({
        "transactionId": transaction,
        "idTag": tag,
        "meterStop": meter_stop_wh,
        "timestamp": at,
        "reason": "Local",
    })
}

/// A server with a price of 0.50 EUR net per kWh, the token [`TAG`] and one station.
pub(crate) fn csms_with_station(station: &str) -> TestCsms {
    let csms = TestCsms::start();
    prepare(&csms, &[station]);
    csms
}

/// The same, and what is incomplete is not waited for.
pub(crate) fn impatient_csms_with_station(station: &str) -> TestCsms {
    let csms = TestCsms::start_with(Settings { settle_after_seconds: 2, ..Settings::default() });
    prepare(&csms, &[station]);
    csms
}

/// A price of 0.50 EUR net per kWh, the token [`TAG`] and stations.
pub(crate) fn prepare(csms: &TestCsms, stations: &[&str]) {
    csms.set_energy_price("0.50");
    csms.add_token(TAG);
    for station in stations {
        csms.add_station(station);
    }
}

/// Starts a transaction on connector 1 and returns its id; the token must be accepted.
#[track_caller]
pub(crate) fn begin(station: &mut ChargePoint, meter_start_wh: i64, begun: DateTime<Utc>) -> i64 {
    let answer = station.call("StartTransaction", start(1, TAG, meter_start_wh, &time(begun)));
    assert_eq!(answer["idTagInfo"]["status"], "Accepted", "{answer}");
    transaction_of(&answer)
}

#[track_caller]
pub(crate) fn transaction_of(answer: &Value) -> i64 {
    let id = answer["transactionId"].as_i64().unwrap_or_else(|| panic!("no id in {answer}"));
    assert!((1..=i64::from(i32::MAX)).contains(&id), "{id} is no positive 32-bit id");
    id
}

/// Ends a transaction of [`TAG`] and frees the connector.
#[track_caller]
pub(crate) fn end(station: &mut ChargePoint, transaction: i64, meter_stop_wh: i64, at: &str) {
    station.call("StopTransaction", stop(transaction, TAG, meter_stop_wh, at));
    station.call("StatusNotification", status(1, "Available"));
}

/// The only session of a station, once it has an outcome.
#[track_caller]
pub(crate) fn only_session(csms: &TestCsms, station: &str) -> Value {
    let mut sessions = finished_sessions(csms, station, 1);
    sessions.remove(0)
}

/// All sessions of a station, once there are as many as expected and each has an outcome.
#[track_caller]
pub(crate) fn finished_sessions(csms: &TestCsms, station: &str, count: usize) -> Vec<Value> {
    let sessions = eventually("sessions with outcomes", || {
        let sessions = csms.sessions(station);
        let finished = sessions.iter().all(|session| !session["outcome"].is_null());
        (finished && sessions.len() >= count).then_some(sessions)
    });
    assert_eq!(sessions.len(), count, "{sessions:#?}");
    sessions
}

/// Asserts that a session was invoiced with this energy, once, and returns the invoice.
#[track_caller]
pub(crate) fn invoice_of(csms: &TestCsms, session: &Value, energy_wh: i64) -> Value {
    assert_eq!(session["outcome"], "invoiced", "{session:#}");
    assert_eq!(number(&session["energy_wh"]), energy_wh, "{session:#}");
    let invoices: Vec<Value> =
        csms.invoices().into_iter().filter(|invoice| invoice["session"] == session["id"]).collect();
    assert_eq!(invoices.len(), 1, "{invoices:#?}");
    invoices.into_iter().next().expect("one invoice")
}

/// A whole number that JSON may carry as a number or as a string.
#[track_caller]
pub(crate) fn number(value: &Value) -> i64 {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.parse().unwrap_or_else(|_| panic!("{value} is no whole number"))
}

/// True if a text of the log is this text, apart from what is sealed in it.
pub(crate) fn same_text(logged: &Value, text: &str) -> bool {
    const SEALED: &str = "(sealed)";
    let spans: Vec<&str> = match logged {
        Value::String(logged) => logged.split(SEALED).collect(),
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
        _ => return false,
    };
    let mut rest = text;
    for (index, span) in spans.iter().enumerate() {
        let Some(found) = rest.find(span) else { return false };
        if index == 0 && logged.is_string() && found != 0 {
            return false;
        }
        rest = &rest[found + span.len()..];
    }
    spans.len() > 1 || rest.is_empty()
}

/// A session that is billed though the server is killed in the middle of it; the server has then
/// ended in order. Returns the invoice.
#[track_caller]
pub(crate) fn billed_through_a_kill(csms: &mut TestCsms) -> Value {
    let mut station = ChargePoint::connected(csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.call("MeterValues", meter(1, transaction, 3_500, &after(begun, 10)));
    let events_before = csms.events();
    csms.kill9();
    csms.restart();
    assert_eq!(csms.events()[..events_before.len()], events_before[..], "the log has changed");
    station.connect(csms);
    station.call("MeterValues", meter(1, transaction, 8_500, &after(begun, 30)));
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let invoice = invoice_of(csms, &only_session(csms, "CP-1"), 10_000);
    assert_eq!(invoice["totals"]["gross"], "5.95", "{invoice:#}");
    assert!(csms.terminate().success());
    invoice
}

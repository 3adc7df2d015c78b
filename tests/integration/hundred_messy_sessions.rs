//! Of a hundred messy but recoverable sessions at least 98 are billed right without a person.
//!
//! Five stations charge twenty times each, one session after another; each session goes wrong in
//! one of ten ways that are seen in the field. The order of the ways differs from station to
//! station, so that each meets different neighbours.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::harness::{ChargePoint, Settings, TestCsms, eventually};
use crate::messages::{
    TAG, after, an_hour_ago, boot, meter, number, prepare, start, status, stop, time,
    transaction_of,
};

const STATIONS: [&str; 5] = ["CP-1", "CP-2", "CP-3", "CP-4", "CP-5"];
const SESSIONS_PER_STATION: usize = 20;
const BILLED_RIGHT_MIN: usize = 98;
const SESSION_MINUTES: i64 = 10;

/// What goes wrong in a session.
#[derive(Clone, Copy, Debug)]
enum Mess {
    /// The answer to the start was lost: it is sent again under a new message id.
    StartTwice,
    /// The answer to the stop was lost: it is sent again after a reconnect.
    StopTwice,
    /// No meter values between start and stop.
    NoMeterValues,
    /// Meter values come twice, in the wrong order, and after the stop.
    MeterValuesShuffled,
    /// The station has forgotten the transaction id.
    StopWithZero,
    /// The station has forgotten the transaction id, and says so.
    StopWithMinusOne,
    /// No status of the connector at all.
    NoStatus,
    /// The connection breaks; meter values go on without a transaction id.
    Reconnect,
    /// An offline queue delivered in the wrong order.
    StopBeforeStart,
    /// The stop never comes; the next session begins with the register that this one ended with.
    NoStop,
}

const MESSES: [Mess; 10] = [
    Mess::StartTwice,
    Mess::StopTwice,
    Mess::NoMeterValues,
    Mess::MeterValuesShuffled,
    Mess::StopWithZero,
    Mess::StopWithMinusOne,
    Mess::NoStatus,
    Mess::Reconnect,
    Mess::StopBeforeStart,
    Mess::NoStop,
];

/// What a session should come to.
struct Expected {
    station: &'static str,
    mess: Mess,
    begun: DateTime<Utc>,
    energy_wh: i64,
}

#[test]
fn at_least_98_of_100_are_billed_right() {
    let csms = TestCsms::start_with(Settings { settle_after_seconds: 10, ..Settings::default() });
    prepare(&csms, &STATIONS);
    let mut expected = Vec::new();
    for (index, name) in STATIONS.into_iter().enumerate() {
        expected.extend(charge(&csms, name, index));
    }
    assert_eq!(expected.len(), 100);

    let sessions = eventually("the outcome of every session", || {
        let sessions: Vec<Value> =
            STATIONS.into_iter().flat_map(|station| csms.sessions(station)).collect();
        sessions.iter().all(|session| !session["outcome"].is_null()).then_some(sessions)
    });
    let wrong: Vec<String> =
        expected.iter().filter_map(|expected| complaint(expected, &sessions)).collect();
    assert!(100 - wrong.len() >= BILLED_RIGHT_MIN, "{} went wrong: {wrong:#?}", wrong.len());
    // One clean session each at the end; nothing else may have been made up.
    assert_eq!(sessions.len(), 100 + STATIONS.len(), "more or fewer sessions than were charged");
}

/// Why a session is not billed as it should be; `None` if it is.
fn complaint(expected: &Expected, sessions: &[Value]) -> Option<String> {
    let Expected { station, mess, begun, energy_wh } = expected;
    let what = format!("{station} {mess:?} of {} with {energy_wh} Wh", time(*begun));
    let matching: Vec<&Value> = sessions
        .iter()
        .filter(|session| session["station"] == *station)
        .filter(|session| {
            let started = session["started_at"].as_str().and_then(|text| text.parse().ok());
            started == Some(*begun)
        })
        .collect();
    match matching.as_slice() {
        [session] if session["outcome"] != "invoiced" => {
            Some(format!("{what}: {} {}", session["outcome"], session["reason"]))
        }
        [session] if number(&session["energy_wh"]) != *energy_wh => {
            Some(format!("{what}: {} Wh", session["energy_wh"]))
        }
        [_] => None,
        _ => Some(format!("{what}: {} sessions", matching.len())),
    }
}

/// All messy sessions of a station, and a clean one at the end.
fn charge(csms: &TestCsms, name: &'static str, shift: usize) -> Vec<Expected> {
    let mut station = ChargePoint::connected(csms, name);
    station.call("BootNotification", boot());
    let pause = 5;
    let minutes = (SESSION_MINUTES + pause) * SESSIONS_PER_STATION as i64;
    let mut begun = an_hour_ago() - Duration::minutes(minutes);
    let mut register_wh = 1_000;
    let mut expected = Vec::new();
    for number in 0..SESSIONS_PER_STATION {
        // The second round takes the messes in steps of three: other neighbours.
        let step = if number < MESSES.len() { 1 } else { 3 };
        let mess = MESSES[(shift + number * step) % MESSES.len()];
        let energy_wh = 2_000 + 100 * number as i64;
        one_session(csms, &mut station, mess, begun, register_wh, energy_wh);
        expected.push(Expected { station: name, mess, begun, energy_wh });
        register_wh += energy_wh;
        begun += Duration::minutes(SESSION_MINUTES + pause);
    }
    one_session(csms, &mut station, Mess::NoMeterValues, begun, register_wh, 5_000);
    expected
}

fn one_session(
    csms: &TestCsms,
    station: &mut ChargePoint,
    mess: Mess,
    begun: DateTime<Utc>,
    register_wh: i64,
    energy_wh: i64,
) {
    let (end_wh, ended) = (register_wh + energy_wh, after(begun, SESSION_MINUTES));
    let start = start(1, TAG, register_wh, &time(begun));
    if matches!(mess, Mess::StopBeforeStart) {
        station.call("StopTransaction", stop(-1, TAG, end_wh, &ended));
        station.call("StartTransaction", start);
        station.call("StatusNotification", status(1, "Available"));
        return;
    }
    let transaction = transaction_of(&station.call("StartTransaction", start.clone()));
    if matches!(mess, Mess::StartTwice) {
        let again = station.call("StartTransaction", start);
        assert_eq!(transaction_of(&again), transaction);
    }
    let says_status = !matches!(mess, Mess::NoStatus);
    if says_status {
        station.call("StatusNotification", status(1, "Charging"));
    }
    let readings = [(3, register_wh + energy_wh / 4), (6, register_wh + energy_wh / 2)]
        .map(|(minutes, wh)| meter(1, transaction, wh, &after(begun, minutes)));
    match mess {
        Mess::NoMeterValues | Mess::MeterValuesShuffled => {}
        Mess::Reconnect => {
            station.drop_connection();
            station.connect(csms);
            for mut reading in readings.clone() {
                reading.as_object_mut().expect("an object").remove("transactionId");
                station.call("MeterValues", reading);
            }
        }
        _ => {
            for reading in readings.clone() {
                station.call("MeterValues", reading);
            }
        }
    }
    let stop_id = match mess {
        Mess::StopWithZero => 0,
        Mess::StopWithMinusOne => -1,
        _ => transaction,
    };
    if !matches!(mess, Mess::NoStop) {
        station.call("StopTransaction", stop(stop_id, TAG, end_wh, &ended));
    }
    match mess {
        Mess::StopTwice => {
            station.drop_connection();
            station.connect(csms);
            station.call("StopTransaction", stop(stop_id, TAG, end_wh, &ended));
        }
        Mess::MeterValuesShuffled => {
            let [first, second] = readings;
            for reading in [second.clone(), first, second] {
                station.call("MeterValues", reading);
            }
        }
        _ => {}
    }
    if says_status {
        station.call("StatusNotification", status(1, "Available"));
    }
}

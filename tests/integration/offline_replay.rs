//! A charge point that was offline delivers its sessions late: they are billed by their own times.

use chrono::{DateTime, Duration, SubsecRound as _, Utc};

use crate::harness::ChargePoint;
use crate::messages::{
    TAG, after, an_hour_ago, boot, csms_with_station, finished_sessions, invoice_of, meter, number,
    start, status, stop, time, transaction_of,
};

fn replay(station: &mut ChargePoint, begun: DateTime<Utc>, from_wh: i64, to_wh: i64) {
    let answer = station.call("StartTransaction", start(1, TAG, from_wh, &time(begun)));
    let transaction = transaction_of(&answer);
    let middle_wh = (from_wh + to_wh) / 2;
    station.call("MeterValues", meter(1, transaction, middle_wh, &after(begun, 15)));
    station.call("StopTransaction", stop(transaction, TAG, to_wh, &after(begun, 30)));
}

#[test]
fn sessions_of_yesterday_keep_their_times_and_are_billed() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let yesterday = (Utc::now() - Duration::hours(26)).trunc_subsecs(0);
    replay(&mut station, yesterday, 1_000, 4_000);
    replay(&mut station, yesterday + Duration::hours(2), 4_000, 9_000);
    station.call("StatusNotification", status(1, "Available"));

    let mut sessions = finished_sessions(&csms, "CP-1", 2);
    sessions.sort_by_key(|session| session["started_at"].as_str().expect("a time").to_owned());
    for (session, (energy_wh, hours)) in sessions.iter().zip([(3_000, 0), (5_000, 2)]) {
        invoice_of(&csms, session, energy_wh);
        let begun = yesterday + Duration::hours(hours);
        assert_eq!(instant(&session["started_at"]), begun, "{session:#}");
        assert_eq!(instant(&session["ended_at"]), begun + Duration::minutes(30), "{session:#}");
    }
}

#[test]
fn a_replay_that_breaks_off_and_starts_over_changes_nothing() {
    let csms = csms_with_station("CP-1");
    let begun = an_hour_ago();
    let mut station = ChargePoint::connected(&csms, "CP-1");
    let answer = station.call("StartTransaction", start(1, TAG, 1_000, &time(begun)));
    let transaction = transaction_of(&answer);
    station.drop_connection();
    station.connect(&csms);
    replay(&mut station, begun, 1_000, 11_000);
    station.drop_connection();
    station.connect(&csms);
    replay(&mut station, begun, 1_000, 11_000);
    station.call("StatusNotification", status(1, "Available"));

    let sessions = finished_sessions(&csms, "CP-1", 1);
    assert_eq!(number(&sessions[0]["transaction_id"]), transaction);
    invoice_of(&csms, &sessions[0], 10_000);
}

fn instant(value: &serde_json::Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("RFC 3339")
}

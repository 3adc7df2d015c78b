//! Any thing as it was: as of a time or position, and as it was known then.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, chargebook};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, csms_with_station, end, meter, number, only_session, time,
};

#[track_caller]
fn at(csms: &TestCsms, path: &str, moment: &str) -> Value {
    csms.get(&format!("{path}?{moment}")).expect(200).json()
}

/// A time in a query.
fn escaped(time: &str) -> String {
    time.replace('+', "%2B")
}

#[test]
fn a_session_that_was_told_late_is_told_by_both_times() {
    let csms = csms_with_station("CP-1");
    let before = csms.events().len();
    let begun = an_hour_ago();
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let transaction = begin(&mut station, 1_000, begun);
    station.call("MeterValues", meter(1, transaction, 3_500, &after(begun, 10)));
    end(&mut station, transaction, 9_000, &after(begun, 40));
    let session = only_session(&csms, "CP-1");
    let path = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
    let seen = |moment: &str| {
        let session = at(&csms, &path, moment);
        (session["status"].as_str().expect("a status").to_owned(), number(&session["energy_wh"]))
    };

    // What happened, as it is known now.
    let as_of = |minutes| format!("as_of={}", after(begun, minutes));
    assert_eq!(seen(&as_of(5)), ("open".to_owned(), 0));
    assert_eq!(seen(&as_of(20)), ("open".to_owned(), 2_500));
    assert_eq!(seen(&as_of(50)), ("stopped".to_owned(), 8_000));
    csms.get(&format!("{path}?{}", as_of(-1))).expect(404);
    let then = at(&csms, &path, &as_of(20));
    assert!(then["outcome"].is_null() && then["invoice"].is_null(), "{then:#}");
    assert_eq!(then["curve"].as_array().map(Vec::len), Some(1), "{then:#}");
    // There was no tariff in the hour that the session was of.
    assert!(then["running_cost"].is_null(), "{then:#}");
    // Nothing of it was known while it happened.
    csms.get(&format!("{path}?known_at={}", after(begun, 50))).expect(404);
    csms.get(&format!("{path}?as_of={}&known_at={before}", after(begun, 50))).expect(404);
    // By positions: every one of them gives what the session was with that event.
    let events = csms.events();
    let position = |event_type: &str| {
        let event = events.iter().find(|event| event["type"] == event_type);
        event.unwrap_or_else(|| panic!("no {event_type}"))["position"].as_u64().expect("a number")
    };
    let started = position("session.started");
    csms.get(&format!("{path}?as_of={}", started - 1)).expect(404);
    assert_eq!(seen(&format!("as_of={started}")), ("open".to_owned(), 0));
    let metered = position("session.meter_recorded");
    assert_eq!(seen(&format!("known_at={metered}")), ("open".to_owned(), 2_500));
    let answer = csms.get(&format!("{path}?known_at={metered}"));
    assert_eq!(answer.position, Some(metered.to_string()));
    // 2.5 kWh at 0.50 and 19 %.
    assert_eq!(answer.json()["running_cost"], "1.49", "{answer:?}");
    let now = at(&csms, &path, "known_at=99999999999");
    assert_eq!(now, at(&csms, &path, &format!("wait_for={}", events.len())));

    // The same on the command line, also beside the server.
    let data = csms.data();
    let data = data.to_str().expect("UTF-8");
    let past = |arguments: &[&str]| csms.run(&[&["past", "--data", data], arguments].concat());
    let id = session["id"].as_str().expect("an id");
    let moment = after(begun, 20);
    let said = past(&["session", id, "--as-of", &moment, "--json"]);
    assert!(said.status.success(), "{said:?}");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(said, at(&csms, &path, &as_of(20)));
    let said = past(&["session", id, "--as-of", &moment]);
    let said = String::from_utf8(said.stdout).expect("UTF-8");
    assert!(said.contains("energy_wh") && said.contains("2500"), "{said}");
    let said = past(&["session", id, "--known-at", &moment]);
    assert!(!said.status.success() && said.stdout.is_empty(), "{said:?}");
}

#[test]
fn tariffs_tokens_stations_and_accounts_are_what_they_were() {
    let csms = csms_with_station("CP-1");
    let first = csms.events().len();
    csms.set_energy_price("0.80");
    csms.patch(&format!("/v1/tokens/{TAG}"), &json!({ "status": "blocked" })).expect(200);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let then = format!("as_of={first}");
    let now = csms.events().len();
    let present = |path: &str| csms.get(&format!("{path}?wait_for={now}")).expect(200).json();
    let tariffs = |moment: &str| {
        let tariffs = at(&csms, "/v1/tariffs", moment)["items"].clone();
        let versions = tariffs.as_array().expect("a list").iter();
        versions.map(|tariff| tariff["version"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(tariffs(&then), [Some(1)]);
    assert_eq!(tariffs(&format!("as_of={now}")), [Some(2)]);
    let token = format!("/v1/tokens/{TAG}");
    assert_eq!(at(&csms, &token, &then)["status"], "accepted");
    assert_eq!(present(&token)["status"], "blocked");
    let station = "/v1/stations/CP-1";
    assert_eq!(at(&csms, station, &then)["connected"], false);
    assert_eq!(present(station)["connected"], true);
    let accounts = at(&csms, "/v1/accounts", &then);
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1), "{accounts:#}");
    assert_eq!(at(&csms, "/v1/accounts", "as_of=1")["items"], json!([]));
    csms.get(&format!("{station}?as_of=1")).expect(404);
}

#[test]
fn a_moment_that_is_none_and_a_route_that_has_no_past_are_refused() {
    let csms = csms_with_station("CP-1");
    for moment in ["yesterday", "2026-11-01", "-1", ""] {
        let problem = csms.get(&format!("/v1/stations?as_of={moment}")).expect(400).json();
        assert_eq!(problem["errors"][0]["parameter"], "as_of", "{problem:#}");
        let problem = csms.get(&format!("/v1/stations?known_at={moment}")).expect(400).json();
        assert_eq!(problem["errors"][0]["parameter"], "known_at", "{problem:#}");
    }
    let problem = csms.get("/v1/log?as_of=1").expect(400).json();
    assert_eq!(problem["errors"][0]["parameter"], "as_of", "{problem:#}");
    csms.anonymous().get("/v1/stations?as_of=1").expect(401);
    let new = json!({ "id": "CP-2", "password": "0123456789abcdef" });
    csms.post("/v1/stations?as_of=1", &new).expect(400);
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let said = chargebook(&["past", "station", "CP-1"], elsewhere.path());
    assert!(!said.status.success(), "{said:?}");
    let zone = escaped(&format!("{}+01:00", time(an_hour_ago()).trim_end_matches('Z')));
    csms.get(&format!("/v1/stations?as_of={zone}")).expect(200);
}

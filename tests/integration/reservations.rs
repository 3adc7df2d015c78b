//! A place that a station keeps for a driver: from the operator's wish over the station's word to
//! its use or its end, with a station of another maker.

use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::harness::{Answer, ChargePoint, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, booted_2x, csms_with_station, end, finished_sessions,
    start, status, time, transaction_of,
};

const REFUSALS: [&str; 4] = ["Faulted", "Occupied", "Rejected", "Unavailable"];

fn booted(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    station.call("BootNotification", boot());
    station
}

/// An hour from now.
fn until() -> String {
    (Utc::now() + Duration::hours(1)).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Asks in OCPP's own words, and waits for the station's answer.
#[track_caller]
fn ask(csms: &TestCsms, action: &str, payload: &Value) -> Answer {
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    csms.send("POST", &path, &[("Prefer", "wait=10")], &payload.to_string()).expect(200)
}

#[track_caller]
fn reserve(csms: &TestCsms, number: i32, connector: u32) {
    let payload = json!({ "connectorId": connector, "expiryDate": until(), "idTag": TAG,
        "reservationId": number });
    ask(csms, "ReserveNow", &payload);
}

/// The station's reservations, once the read models have taken in all that is in the log.
fn reservations(csms: &TestCsms, filter: &str) -> Vec<Value> {
    let head = csms.events().last().expect("an event")["position"].clone();
    csms.list(&format!("/v1/reservations?station=CP-1&wait_for={head}{filter}"))
}

#[track_caller]
fn only_reservation(csms: &TestCsms) -> Value {
    let listed = reservations(csms, "");
    let [reservation] = listed.as_slice() else { panic!("{listed:#?}") };
    reservation.clone()
}

#[test]
fn a_reservation_stands_from_accepted_and_is_used_by_a_start_that_names_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let body = json!({ "verb": "reserve", "reservation_id": 7, "connector": 1, "token": TAG,
        "expires_at": until() });
    let path = "/v1/stations/CP-1/commands";
    let answer = csms.send("POST", path, &[("Prefer", "wait=10")], &body.to_string()).expect(200);
    let made = only_reservation(&csms);
    assert_eq!(made["reservation_id"], 7);
    assert_eq!((&made["station"], &made["connector"]), (&json!("CP-1"), &json!(1)), "{made:#}");
    assert_eq!((&made["status"], &made["token"]), (&json!("active"), &json!(TAG)), "{made:#}");
    assert_eq!((&made["group"], &made["session"]), (&Value::Null, &Value::Null), "{made:#}");
    assert_eq!(made["expires_at"], body["expires_at"]);
    assert_eq!(made["command"], answer.json()["id"], "{answer:?}");
    let begun = an_hour_ago();
    let mut naming = start(1, TAG, 1_000, &time(begun));
    naming["reservationId"] = json!(7);
    let transaction = transaction_of(&station.call("StartTransaction", naming.clone()));
    let used = only_reservation(&csms);
    assert_eq!(used["status"], "used");
    assert_eq!(used["session"], csms.sessions("CP-1")[0]["id"], "{used:#}");
    // The same start again is the same session, and uses nothing up once more.
    station.call("StartTransaction", naming);
    assert_eq!(only_reservation(&csms), used);
    let is_use = |event: &&Value| event["type"] == "reservation.used";
    assert_eq!(csms.events().iter().filter(is_use).count(), 1);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    assert_eq!(finished_sessions(&csms, "CP-1", 1)[0]["outcome"], "invoiced");
    assert_eq!(reservations(&csms, "&status=active"), Vec::<Value>::new());
    assert_eq!(reservations(&csms, "&status=used").len(), 1);
}

#[test]
fn a_refused_reserve_leaves_none_behind() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    for (number, refusal) in (1..).zip(REFUSALS) {
        station.will_answer("ReserveNow", json!({ "status": refusal }));
        reserve(&csms, number, 1);
        assert_eq!(reservations(&csms, ""), Vec::<Value>::new(), "{refusal}");
    }
    // Nor does it touch the one that stands.
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve(&csms, 1, 1);
    let made = only_reservation(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Occupied" }));
    reserve(&csms, 1, 2);
    assert_eq!(only_reservation(&csms), made);
}

#[test]
fn a_reservation_of_the_whole_station_is_at_connector_0_and_used_at_any() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve(&csms, 7, 0);
    let made = only_reservation(&csms);
    assert_eq!((&made["status"], &made["connector"]), (&json!("active"), &json!(0)));
    assert_eq!(station.received_calls()[0]["payload"]["connectorId"], 0);
    let mut naming = start(2, TAG, 1_000, &time(an_hour_ago()));
    naming["reservationId"] = json!(7);
    station.call("StartTransaction", naming);
    assert_eq!(only_reservation(&csms)["status"], "used");
}

#[test]
fn a_reservation_of_the_same_number_takes_the_place_of_the_one_that_stands() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve(&csms, 7, 1);
    let first = only_reservation(&csms);
    reserve(&csms, 7, 2);
    let second = only_reservation(&csms);
    assert_eq!((&second["status"], &second["connector"]), (&json!("active"), &json!(2)));
    assert_ne!(first["command"], second["command"]);
    reserve(&csms, 8, 1);
    assert_eq!(reservations(&csms, "&status=active").len(), 2);
}

#[test]
fn a_refused_cancel_leaves_the_reservation_in_force() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve(&csms, 7, 1);
    station.will_answer("CancelReservation", json!({ "status": "Rejected" }));
    ask(&csms, "CancelReservation", &json!({ "reservationId": 7 }));
    assert_eq!(only_reservation(&csms)["status"], "active");
    station.will_answer("CancelReservation", json!({ "status": "Accepted" }));
    ask(&csms, "CancelReservation", &json!({ "reservationId": 7 }));
    let cancelled = only_reservation(&csms);
    assert_eq!(cancelled["status"], "cancelled");
    assert_ne!(cancelled["ended_at"], Value::Null);
}

#[test]
fn a_refused_start_neither_uses_a_reservation_nor_closes_the_session_that_is_charging() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve(&csms, 7, 1);
    let mut refused = start(1, "0BADCAFE", 2_000, &after(begun, 10));
    refused["reservationId"] = json!(7);
    let answer = station.call("StartTransaction", refused);
    assert_eq!(answer["idTagInfo"]["status"], "Invalid");
    assert_ne!(transaction_of(&answer), transaction);
    assert_eq!(only_reservation(&csms)["status"], "active");
    station.call(
        "StopTransaction",
        json!({ "transactionId": transaction_of(&answer),
        "meterStop": 2_000, "timestamp": after(begun, 11), "reason": "DeAuthorized" }),
    );
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let sessions = finished_sessions(&csms, "CP-1", 2);
    let invoiced: Vec<_> = sessions.iter().filter(|one| one["outcome"] == "invoiced").collect();
    let [invoiced] = invoiced.as_slice() else { panic!("{sessions:#?}") };
    assert_eq!(invoiced["transaction_id"], transaction);
    assert_eq!(invoiced["energy_wh"], 10_000, "{invoiced:#}");
}

#[test]
fn a_reservation_expires_by_the_clock() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let over = time(an_hour_ago());
    let payload = json!({ "connectorId": 1, "expiryDate": over, "idTag": TAG, "reservationId": 7 });
    ask(&csms, "ReserveNow", &payload);
    let expired = only_reservation(&csms);
    assert_eq!(
        (&expired["status"], &expired["ended_at"]),
        (&json!("expired"), &expired["expires_at"])
    );
    assert_eq!(reservations(&csms, "&status=expired"), [expired]);
    assert_eq!(reservations(&csms, "&status=active"), Vec::<Value>::new());
    let wrong = csms.get("/v1/reservations?status=gone");
    assert!(wrong.content_type.starts_with("application/problem+json"), "{wrong:?}");
}

/// Registers a token of a group, and brings [`TAG`] into the group too.
fn add_family(csms: &TestCsms, relative: &str) {
    let token = json!({ "uid": relative, "type": "RFID", "group": "FAMILY" });
    csms.post("/v1/tokens", &token).expect(201);
    let change = json!({ "group": "FAMILY" }).to_string();
    let changed = csms.send("PATCH", &format!("/v1/tokens/{TAG}"), &[], &change).expect(200);
    let position = changed.position.expect("a write's position");
    let token = csms.get(&format!("/v1/tokens/{TAG}?wait_for={position}")).expect(200).json();
    assert_eq!(token["group"], "FAMILY");
}

#[test]
fn the_parent_group_is_sent_along_and_another_of_the_group_uses_the_reservation() {
    let csms = csms_with_station("CP-1");
    add_family(&csms, "0CAFE");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let body = json!({ "verb": "reserve", "reservation_id": 7, "connector": 1, "token": TAG,
        "expires_at": until() });
    let path = "/v1/stations/CP-1/commands";
    csms.send("POST", path, &[("Prefer", "wait=10")], &body.to_string()).expect(200);
    assert_eq!(station.received_calls()[0]["payload"]["parentIdTag"], "FAMILY");
    assert_eq!(only_reservation(&csms)["group"], "FAMILY");
    let family = json!({ "idTagInfo": { "status": "Accepted", "parentIdTag": "FAMILY" } });
    assert_eq!(station.call("Authorize", json!({ "idTag": "0CAFE" })), family);
    let begun = an_hour_ago();
    let mut naming = start(1, "0CAFE", 1_000, &time(begun));
    naming["reservationId"] = json!(7);
    let answer = station.call("StartTransaction", naming);
    assert_eq!(answer["idTagInfo"], family["idTagInfo"]);
    assert_eq!(only_reservation(&csms)["status"], "used");
    // And another of the group ends what this one began.
    let ended = json!({ "transactionId": transaction_of(&answer), "idTag": TAG,
        "meterStop": 11_000, "timestamp": after(begun, 40) });
    assert_eq!(station.call("StopTransaction", ended), family);
    station.call("StatusNotification", status(1, "Available"));
    assert_eq!(finished_sessions(&csms, "CP-1", 1)[0]["token"], "0CAFE");
    let log = csms.list("/v1/events?limit=1000&sealed=true");
    assert!(!format!("{log:?}").contains("FAMILY"), "a group is personal");
}

#[test]
fn a_group_is_said_to_2_0_1_and_is_gone_once_it_is_taken_off() {
    let csms = csms_with_station("CP-1");
    add_family(&csms, "0CAFE");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let group = json!({ "idToken": "FAMILY", "type": "Central" });
    let authorize = json!({ "idToken": { "idToken": TAG, "type": "ISO14443" } });
    let answer = station.call("Authorize", authorize.clone());
    assert_eq!(answer["idTokenInfo"]["groupIdToken"], group);
    let answer = station.call("TransactionEvent", transaction_event("Started", 0, TAG, None));
    assert_eq!(answer["idTokenInfo"]["groupIdToken"], group);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let body = json!({ "verb": "reserve", "evse": 1, "token": "0CAFE", "expires_at": until() });
    let path = "/v1/stations/CP-1/commands";
    csms.send("POST", path, &[("Prefer", "wait=10")], &body.to_string()).expect(200);
    assert_eq!(station.received_calls()[0]["payload"]["groupIdToken"]["idToken"], "FAMILY");
    let change = json!({ "group": null, "expires_at": "2030-01-01T00:00:00.000Z" }).to_string();
    csms.send("PATCH", &format!("/v1/tokens/{TAG}"), &[], &change).expect(200);
    let info = json!({ "status": "Accepted", "cacheExpiryDateTime": "2030-01-01T00:00:00.000Z" });
    assert_eq!(station.call("Authorize", authorize)["idTokenInfo"], info);
    let long = json!({ "uid": "0D06", "type": "RFID", "group": "G".repeat(21) });
    let refused = csms.post("/v1/tokens", &long).expect(422);
    assert!(refused.text.contains("/group"), "{refused:?}");
}

/// Asks a 2.x station to keep a place at its EVSE, which it accepts.
#[track_caller]
fn reserve_evse(csms: &TestCsms, number: i32) {
    let payload = json!({ "id": number, "expiryDateTime": until(), "evseId": 1,
        "idToken": { "idToken": TAG, "type": "ISO14443" } });
    ask(csms, "ReserveNow", &payload);
}

fn transaction_event(kind: &str, sequence: u32, uid: &str, reservation: Option<i32>) -> Value {
    let mut event = json!({
        "eventType": kind, "timestamp": time(Utc::now()), "triggerReason": "Authorized",
        "seqNo": sequence, "transactionInfo": { "transactionId": format!("tx-{uid}") },
        "evse": { "id": 1, "connectorId": 1 }, "idToken": { "idToken": uid, "type": "ISO14443" },
    });
    if let Some(number) = reservation {
        event["reservationId"] = json!(number);
    }
    event
}

#[test]
fn a_2_0_1_reservation_is_used_by_the_transaction_that_names_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    reserve_evse(&csms, 7);
    let made = only_reservation(&csms);
    assert_eq!((&made["evse"], &made["connector"]), (&json!(1), &Value::Null), "{made:#}");
    assert_eq!((&made["status"], &made["token"]), (&json!("active"), &json!(TAG)), "{made:#}");
    let refused = transaction_event("Started", 0, "0BADCAFE", Some(7));
    let answer = station.call("TransactionEvent", refused);
    assert_eq!(answer["idTokenInfo"]["status"], "Invalid");
    assert_eq!(only_reservation(&csms)["status"], "active", "a refused driver uses nothing up");
    station.call("TransactionEvent", transaction_event("Ended", 1, "0BADCAFE", None));
    let started = transaction_event("Started", 0, TAG, Some(7));
    station.call("TransactionEvent", started.clone());
    station.call("TransactionEvent", started);
    let used = only_reservation(&csms);
    assert_eq!(used["status"], "used");
    let path = format!("/v1/sessions/{}", used["session"].as_str().expect("a session"));
    assert_eq!(csms.get(&path).expect(200).json()["transaction_id"], format!("tx-{TAG}"));
    let is_use = |event: &&Value| event["type"] == "reservation.used";
    assert_eq!(csms.events().iter().filter(is_use).count(), 1);
}

#[test]
fn a_2_1_station_says_itself_that_a_reservation_is_over() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.1");
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let ends =
        [("Expired", "expired"), ("Removed", "removed"), ("NoTransaction", "no_transaction")];
    for (number, (said, status)) in (1..).zip(ends) {
        reserve_evse(&csms, number);
        let update = json!({ "reservationId": number, "reservationUpdateStatus": said });
        assert_eq!(station.call("ReservationStatusUpdate", update), json!({}));
        assert_eq!(reservations(&csms, "")[0]["status"], status);
    }
    station.will_answer("CancelReservation", json!({ "status": "Rejected" }));
    reserve_evse(&csms, 9);
    ask(&csms, "CancelReservation", &json!({ "reservationId": 9 }));
    assert_eq!(reservations(&csms, "")[0]["status"], "active");
    station.will_answer("CancelReservation", json!({ "status": "Accepted" }));
    ask(&csms, "CancelReservation", &json!({ "reservationId": 9 }));
    assert_eq!(reservations(&csms, "")[0]["status"], "cancelled");
}

#[test]
fn a_master_pass_ends_what_another_began_and_does_not_pay_for_it() {
    let csms = csms_with_station("CP-1");
    let pass = json!({ "uid": "0CAFE", "type": "RFID", "group": "MASTER" });
    csms.post("/v1/tokens", &pass).expect(201);
    csms.put("/v1/settings/master-pass", &json!({ "group": "MASTER" })).expect(200);
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    station.call("TransactionEvent", transaction_event("Started", 0, TAG, None));
    let by_pass = |kind: &str, sequence: u32| {
        let mut event = transaction_event(kind, sequence, "0CAFE", None);
        event["triggerReason"] = json!("StopAuthorized");
        event["transactionInfo"]["transactionId"] = json!(format!("tx-{TAG}"));
        event
    };
    let answer = station.call("TransactionEvent", by_pass("Updated", 1));
    let info = json!({ "status": "Accepted",
        "groupIdToken": { "idToken": "MASTER", "type": "Central" } });
    assert_eq!(answer["idTokenInfo"], info, "the station holds it against its MasterPassGroupId");
    let mut ended = by_pass("Ended", 2);
    ended["transactionInfo"]["stoppedReason"] = json!("MasterPass");
    assert_eq!(station.call("TransactionEvent", ended)["idTokenInfo"], info);
    let session = finished_sessions(&csms, "CP-1", 1).remove(0);
    assert_eq!((&session["token"], &session["stop_reason"]), (&json!(TAG), &json!("MasterPass")));
    assert_eq!(session["anomalies"], json!([]), "a master pass may end it");
}

#[test]
fn a_master_pass_begins_nothing_at_a_station_that_knows_none() {
    let csms = csms_with_station("CP-1");
    let pass = json!({ "uid": "0CAFE", "type": "RFID", "group": "MASTER" });
    csms.post("/v1/tokens", &pass).expect(201);
    csms.put("/v1/settings/master-pass", &json!({ "group": "MASTER" })).expect(200);
    let mut station = booted(&csms);
    let asked = json!({ "idTag": "0CAFE" });
    let of_tag = |answer: Value| answer["idTagInfo"]["status"].clone();
    assert_eq!(of_tag(station.call("Authorize", asked.clone())), "Blocked", "nothing to end");
    let start = |tag: &str, connector: u32| {
        json!({ "connectorId": connector, "idTag": tag, "meterStart": 1_000,
            "timestamp": "2026-11-20T10:00:00Z" })
    };
    let begun = station.call("StartTransaction", start(TAG, 1));
    assert_eq!(of_tag(station.call("Authorize", asked.clone())), "Accepted", "it may end that");
    let refused = station.call("StartTransaction", start("0CAFE", 2));
    let given_up = json!({ "transactionId": refused["transactionId"], "meterStop": 1_000,
        "timestamp": "2026-11-20T10:00:05Z", "reason": "DeAuthorized" });
    assert_eq!(of_tag(refused), "Blocked", "and begins nothing meanwhile");
    station.call("StopTransaction", given_up);
    let stop = json!({ "transactionId": begun["transactionId"], "idTag": "0CAFE",
        "meterStop": 11_000, "timestamp": "2026-11-20T11:00:00Z" });
    assert_eq!(of_tag(station.call("StopTransaction", stop)), "Accepted");
    assert_eq!(of_tag(station.call("Authorize", asked)), "Blocked");
    let ended = finished_sessions(&csms, "CP-1", 2);
    let ended = ended.iter().find(|session| session["token"] == TAG).expect("the driver's");
    assert_eq!(ended["anomalies"], json!([]), "a master pass may end it");
}

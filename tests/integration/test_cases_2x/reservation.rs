//! Block H: a place is kept for a driver.

use chrono::{Duration, Utc};
use serde_json::{Value, json};

use super::{Bench, in_both, status_is, token};
use crate::messages::{TAG, time};

/// The latest reservation of the station, once the read models have taken in all of the log.
#[track_caller]
fn latest(bench: &Bench) -> Value {
    let position = bench.csms.events().last().expect("an event")["position"].clone();
    let path = format!("/v1/reservations?station=CP-1&wait_for={position}");
    bench.csms.list(&path).into_iter().next().unwrap_or_default()
}

/// Reserves by our verb; the frame names exactly this place.
#[track_caller]
fn reserve(bench: &mut Bench, place: Value, answer: &str) -> Value {
    let until = time(Utc::now() + Duration::hours(1));
    let mut body = json!({ "verb": "reserve", "token": TAG, "expires_at": until });
    super::merge(&mut body, place);
    let sent = bench.commands(body, "ReserveNow", status_is(answer));
    assert_eq!(sent["idToken"], token(TAG));
    assert_eq!(sent.get("connectorType"), None);
    sent
}

/// TC_H_01 (an EVSE), TC_H_17 (it is cancelled), TC_H_08 and TC_H_14 (any EVSE of the station).
#[test]
fn a_place_is_reserved_and_the_reservation_cancelled() {
    in_both(|bench| {
        for (place, evse) in [(json!({ "evse": 1 }), json!(1)), (json!({}), Value::Null)] {
            let sent = reserve(bench, place, "Accepted");
            assert_eq!(sent["evseId"], evse);
            bench.connector_is("Reserved");
            let made = latest(bench);
            assert_eq!((&made["reservation_id"], &made["status"]), (&sent["id"], &json!("active")));
            let body = json!({ "verb": "cancel_reservation", "reservation_id": sent["id"] });
            let cancel = bench.commands(body, "CancelReservation", status_is("Accepted"));
            assert_eq!(cancel, json!({ "reservationId": sent["id"] }));
            bench.connector_is("Available");
            assert_eq!(latest(bench)["status"], "cancelled");
        }
    });
}

/// TC_H_15: any connector of a type.
#[test]
fn a_type_of_connector_is_reserved() {
    in_both(|bench| {
        let wanted = json!({ "id": 7, "expiryDateTime": time(Utc::now() + Duration::hours(1)),
            "connectorType": "cType2", "idToken": token(TAG) });
        bench.asks("ReserveNow", wanted, status_is("Accepted"));
        bench.connector_is("Reserved");
        let made = latest(bench);
        assert_eq!((&made["reservation_id"], &made["status"]), (&json!(7), &json!("active")));
    });
}

/// TC_H_19: the driver's group may use it.
#[test]
fn the_group_is_told_with_the_reservation() {
    in_both(|bench| {
        let family = json!({ "group": "FAMILY" });
        bench.csms.patch(&format!("/v1/tokens/{TAG}"), &family).expect(200);
        let sent = reserve(bench, json!({ "evse": 1 }), "Accepted");
        assert_eq!(
            (&sent["evseId"], &sent["groupIdToken"]["idToken"]),
            (&json!(1), &json!("FAMILY"))
        );
    });
}

/// TC_H_07 (nobody came), TC_H_20 (the place is broken): the station says that it is over.
#[test]
fn the_station_ends_a_reservation() {
    in_both(|bench| {
        for (broken, said, status) in
            [("Available", "Expired", "expired"), ("Faulted", "Removed", "removed")]
        {
            let sent = reserve(bench, json!({ "evse": 1 }), "Accepted");
            bench.connector_is("Reserved");
            bench.connector_is(broken);
            bench.notes(
                "ReservationStatusUpdate",
                json!({ "reservationId": sent["id"],
                "reservationUpdateStatus": said }),
            );
            assert_eq!(latest(bench)["status"], status);
        }
    });
}

/// TC_H_22: the station takes no reservations.
#[test]
fn a_refused_reservation_leaves_none_behind() {
    in_both(|bench| {
        reserve(bench, json!({ "evse": 1 }), "Rejected");
        assert_eq!(latest(bench), Value::Null);
    });
}

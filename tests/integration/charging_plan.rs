//! What is known of the charging at a station, as an operator reads it over HTTP.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{boot, booted_2x, csms_with_station};

/// The places of CP-1's plan once they are as the test says.
#[track_caller]
fn places(csms: &TestCsms, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the charging plan", || {
        let plan = csms.get("/v1/stations/CP-1/charging-plan").expect(200).json();
        let places = plan["places"].as_array().expect("places").clone();
        is_so(&places).then_some(places)
    })
}

#[track_caller]
fn asked(csms: &TestCsms, station: &mut ChargePoint, action: &str, payload: &Value, status: &str) {
    station.will_answer(action, json!({ "status": status }));
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    csms.send("POST", &path, &[("Prefer", "wait=10")], &payload.to_string()).expect(200);
}

fn schedule(unit: &str, limit: u32) -> Value {
    let periods = json!([{ "startPeriod": 0, "limit": limit }]);
    json!({ "id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": periods })
}

fn profile(id: i64, purpose: &str, stack_level: u32) -> Value {
    json!({
        "id": id, "stackLevel": stack_level, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute", "chargingSchedule": [schedule("A", 16)],
    })
}

#[test]
fn a_2_0_1_station_keeps_what_it_accepted_and_reported_until_it_is_cleared() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let set = |id, level| json!({ "evseId": 1, "chargingProfile": profile(id, "TxDefaultProfile", level) });
    asked(&csms, &mut station, "SetChargingProfile", &set(1, 0), "Rejected");
    asked(&csms, &mut station, "SetChargingProfile", &set(2, 0), "Accepted");
    asked(&csms, &mut station, "SetChargingProfile", &set(3, 5), "Accepted");
    let kept = &places(&csms, |places| places.iter().any(|it| it["profiles"][1].is_object()))[0];
    assert_eq!((&kept["evse"], &kept["profiles"].as_array().map(Vec::len)), (&json!(1), &Some(2)));
    let [highest, lowest] = [&kept["profiles"][0], &kept["profiles"][1]];
    assert_eq!((&highest["id"], &lowest["id"]), (&json!(3), &json!(2)));
    assert_eq!(
        (&highest["source"], &highest["schedules"][0]["unit"]),
        (&json!("CSO"), &json!("A"))
    );
    assert_eq!(highest["schedules"][0]["periods"][0]["limit"], 16);

    let ask = json!({ "requestId": 9, "chargingProfile": {} });
    asked(&csms, &mut station, "GetChargingProfiles", &ask, "Accepted");
    station.call(
        "ReportChargingProfiles",
        json!({
            "requestId": 9, "chargingLimitSource": "EMS", "evseId": 0, "tbc": false,
            "chargingProfile": [profile(8, "ChargingStationExternalConstraints", 0)],
        }),
    );
    let all = places(&csms, |places| places.len() == 2);
    assert_eq!((&all[0]["evse"], &all[0]["profiles"][0]["source"]), (&Value::Null, &json!("EMS")));

    let clear = json!({ "chargingProfileCriteria": { "evseId": 1, "stackLevel": 5 } });
    asked(&csms, &mut station, "ClearChargingProfile", &clear, "Unknown");
    asked(&csms, &mut station, "ClearChargingProfile", &clear, "Accepted");
    let left =
        places(&csms, |places| places[1]["profiles"].as_array().is_some_and(|p| p.len() == 1));
    assert_eq!(left[1]["profiles"][0]["id"], 2);
    csms.get("/v1/stations/NOBODY/charging-plan").expect(404);
}

#[test]
fn a_1_6_station_keeps_the_profiles_that_it_accepted() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let periods = json!([{ "startPeriod": 0, "limit": 10.5 }]);
    let schedule = json!({ "chargingRateUnit": "A", "chargingSchedulePeriod": periods });
    let set = json!({ "connectorId": 1, "csChargingProfiles": {
        "chargingProfileId": 4, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative", "chargingSchedule": schedule,
    } });
    asked(&csms, &mut station, "SetChargingProfile", &set, "Accepted");
    let kept = &places(&csms, |places| places.len() == 1)[0];
    assert_eq!((&kept["connector"], &kept["profiles"][0]["id"]), (&json!(1), &json!(4)));
    assert_eq!(kept["profiles"][0]["schedules"][0]["periods"][0]["limit"], "10.5");
    asked(&csms, &mut station, "ClearChargingProfile", &json!({ "id": 4 }), "Accepted");
    places(&csms, <[Value]>::is_empty);
}

#[test]
fn limits_from_outside_and_what_a_vehicle_wants_are_shown() {
    for version in ["ocpp2.0.1", "ocpp2.1"] {
        let csms = csms_with_station("CP-1");
        let mut station = booted_2x(&csms, version);
        let limit = json!({ "chargingLimitSource": "SO", "isGridCritical": true });
        station.call(
            "NotifyChargingLimit",
            json!({
                "evseId": 1, "chargingLimit": limit, "chargingSchedule": [schedule("W", 3700)],
            }),
        );
        let needs = json!({
            "requestedEnergyTransfer": "DC", "departureTime": "2026-11-22T18:00:00Z",
            "dcChargingParameters": {
                "evMaxCurrent": 200, "evMaxVoltage": 500, "energyAmount": 40000, "stateOfCharge": 40,
            },
        });
        let answer =
            station.call("NotifyEVChargingNeeds", json!({ "evseId": 1, "chargingNeeds": needs }));
        assert_eq!(answer["status"], "Rejected", "there is no plan to promise");
        let answer = station.call("NotifyEVChargingSchedule", json!({
            "evseId": 1, "timeBase": "2026-11-22T12:00:00Z", "chargingSchedule": schedule("W", 11000),
        }));
        assert_eq!(answer["status"], "Accepted");
        let place =
            &places(&csms, |places| places.iter().any(|it| it["vehicle_schedule"].is_object()))[0];
        assert_eq!(place["limits"][0]["is_grid_critical"], true);
        assert_eq!(place["limits"][0]["schedules"][0]["periods"][0]["limit"], 3700);
        assert_eq!(place["needs"]["energy_wh"], 40000);
        assert_eq!(place["needs"]["state_of_charge_percent"], 40);
        let vehicle = &place["vehicle_schedule"]["schedule"]["periods"][0];
        assert_eq!(vehicle["limit"], 11000);
        station.call("ClearedChargingLimit", json!({ "chargingLimitSource": "SO", "evseId": 1 }));
        places(&csms, |places| places[0]["limits"].as_array().is_some_and(Vec::is_empty));
    }
}

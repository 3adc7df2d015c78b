//! Block K: charging profiles go down, are asked for and cleared; limits of others are told.

use serde_json::{Value, json};

use super::{Bench, V21, V201, by, in_both, merge, register, state, status_is, token};
use crate::harness::eventually;
use crate::messages::{TAG, invoice_of, only_session};

const FROM: &str = "2026-11-23T10:00:00Z";
const UNTIL: &str = "2026-11-24T10:00:00Z";

/// A profile of one period; `further` has the rest.
fn profile(id: u32, purpose: &str, kind: &str, further: Value) -> Value {
    let mut profile = json!({ "id": id, "stackLevel": 1, "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind, "chargingSchedule": [{ "id": id, "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 6, "numberPhases": 1 }] }] });
    merge(&mut profile, further);
    profile
}

/// The same for a time; it begins when its schedule does.
fn absolute(id: u32, purpose: &str) -> Value {
    let mut profile = profile(
        id,
        purpose,
        "Absolute",
        json!({
        "validFrom": FROM, "validTo": UNTIL }),
    );
    profile["chargingSchedule"][0]["startSchedule"] = json!(FROM);
    profile["chargingSchedule"][0]["duration"] = json!(300);
    profile
}

fn at(evse: u32, profile: Value) -> Value {
    json!({ "evseId": evse, "chargingProfile": profile })
}

/// TC_K_01 (an EVSE), TC_K_10 (all of them), TC_K_03 (the station's maximum), TC_K_19 (every day),
/// TC_K_02 (a transaction's, though none runs).
#[test]
fn a_profile_is_set() {
    in_both(|bench| {
        let daily = profile(
            4,
            "TxDefaultProfile",
            "Recurring",
            json!({
            "recurrencyKind": "Daily" }),
        );
        for (sent, answer) in [
            (at(1, absolute(1, "TxDefaultProfile")), "Accepted"),
            (at(0, absolute(2, "TxDefaultProfile")), "Accepted"),
            (at(0, absolute(3, "ChargingStationMaxProfile")), "Accepted"),
            (at(1, daily), "Accepted"),
            (at(1, profile(5, "TxProfile", "Relative", json!({}))), "Rejected"),
        ] {
            bench.asks("SetChargingProfile", sent, status_is(answer));
        }
    });
}

/// TC_K_04: a limit takes the place of the one before it, since it has the same number.
#[test]
fn a_limit_is_replaced() {
    in_both(|bench| {
        let ids: Vec<Value> = [8_000, 6_000]
            .map(|limit| {
                let body = json!({ "verb": "set_charging_limit", "evse": 1, "limit": limit,
                    "unit": "watts", "starts_at": FROM, "profile_id": 7 });
                let sent = bench.commands(body, "SetChargingProfile", status_is("Accepted"));
                let profile = &sent["chargingProfile"];
                let schedule = &profile["chargingSchedule"][0];
                let period = json!([{ "startPeriod": 0, "limit": limit }]);
                assert_eq!(schedule["chargingSchedulePeriod"], period);
                assert_eq!(schedule["startSchedule"], "2026-11-23T10:00:00.000Z");
                let what = (&profile["chargingProfilePurpose"], &profile["chargingProfileKind"]);
                assert_eq!(what, (&json!("TxDefaultProfile"), &json!("Absolute")));
                profile["id"].clone()
            })
            .into();
        assert_eq!(ids, [7, 7]);
    });
}

/// TC_K_15: the station knows no profiles at all, and says so in a CALLERROR.
#[test]
fn a_station_without_profiles_says_so() {
    in_both(|bench| {
        bench.station.connect_raw_as(&bench.csms, bench.version);
        bench.station.exchange(r#"[2,"1","Heartbeat",{}]"#);
        let path = "/v1/stations/CP-1/ocpp/SetChargingProfile";
        let command = bench.csms.post(path, &at(1, absolute(1, "TxDefaultProfile"))).json();
        let call = bench.station.receive();
        assert_eq!(call[2], "SetChargingProfile");
        let refusal = json!([4, call[1], "NotSupported", "no profiles here", {}]);
        bench.station.send_text(&refusal.to_string());
        let command = eventually("the end of the command", || {
            let command = bench.command(&command);
            command["finished_at"].is_string().then_some(command)
        });
        let shown = (&command["state"], &command["failure"]);
        assert_eq!(shown, (&json!("failed"), &json!("call_error")), "{command:#}");
        assert!(command["detail"].as_str().is_some_and(|why| why.contains("NotSupported")));
    });
}

/// TC_K_05 (by its number), TC_K_06 (by purpose and level), TC_K_08 (there is none).
#[test]
fn a_profile_is_cleared() {
    in_both(|bench| {
        let body = json!({ "verb": "clear_charging_limit", "profile_id": 1 });
        let sent = bench.commands(body, "ClearChargingProfile", status_is("Accepted"));
        assert_eq!(sent, json!({ "chargingProfileId": 1 }));
        for answer in ["Accepted", "Unknown"] {
            let criteria = json!({ "chargingProfileCriteria": { "evseId": 1, "stackLevel": 1,
                "chargingProfilePurpose": "TxDefaultProfile" } });
            bench.asks("ClearChargingProfile", criteria, status_is(answer));
        }
    });
}

/// Of 2.0.1: TC_K_29 (the station's), TC_K_30 (an EVSE's), TC_K_31 (all), TC_K_32 (one), TC_K_33
/// (a level), TC_K_34 (a source), TC_K_35 (a purpose), TC_K_36 (a purpose and a level).
#[test]
fn profiles_are_reported() {
    let mut bench = Bench::booted(V201);
    let level = json!({ "stackLevel": 1 });
    let purpose = json!({ "chargingProfilePurpose": "TxDefaultProfile" });
    let both = json!({ "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1 });
    let source = json!({ "chargingLimitSource": ["CSO"] });
    let one = json!({ "chargingProfileId": [1] });
    for (request_id, (evse, criterion)) in (1..).zip([
        (Some(0), purpose.clone()),
        (Some(1), json!({})),
        (None, json!({})),
        (None, one),
        (Some(1), level),
        (Some(1), source),
        (Some(1), purpose),
        (Some(1), both),
    ]) {
        let mut wanted = json!({ "requestId": request_id, "chargingProfile": criterion });
        if let Some(evse) = evse {
            wanted["evseId"] = json!(evse);
        }
        let command = bench.asks("GetChargingProfiles", wanted, status_is("Accepted"));
        for (evse, more) in [(0, true), (1, false)] {
            bench.notes(
                "ReportChargingProfiles",
                json!({ "requestId": request_id, "evseId": evse,
                "chargingLimitSource": "CSO", "tbc": more,
                "chargingProfile": [absolute(1, "TxDefaultProfile")] }),
            );
        }
        let command = bench.command(&command);
        let parts = command["notifications"].as_array().map(Vec::len);
        assert_eq!((&command["complete"], parts), (&json!(true), Some(2)), "{command:#}");
    }
}

/// TC_K_37: a remote start brings a profile along.
#[test]
fn a_remote_start_may_bring_a_profile() {
    in_both(|bench| {
        let own = profile(1, "TxProfile", "Relative", json!({}));
        let start = json!({ "evseId": 1, "remoteStartId": 7, "idToken": token(TAG),
            "chargingProfile": own });
        bench.asks("RequestStartTransaction", start, status_is("Accepted"));
        let mut transaction = super::Transaction::new("T-1", crate::messages::an_hour_ago());
        let remote = json!({ "transactionInfo": { "remoteStartId": 7 } });
        let begun = [by(TAG), remote, register("Transaction.Begin", 1_000)];
        bench.tells(&mut transaction, ("Started", "RemoteStart"), &begun);
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_K_60 (a transaction's profile), TC_K_70 (several), TC_K_48 (a limit from outside), TC_K_51
/// (it is gone while a session runs), TC_K_50 (while none does), TC_K_52 (it is in the report).
#[test]
fn a_running_session_is_limited() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        let own = profile(1, "TxProfile", "Relative", json!({ "transactionId": "T-1" }));
        for sent in [
            at(1, own),
            at(1, absolute(2, "TxDefaultProfile")),
            at(0, absolute(3, "ChargingStationMaxProfile")),
        ] {
            bench.asks("SetChargingProfile", sent, status_is("Accepted"));
        }
        bench.notes(
            "NotifyChargingLimit",
            json!({ "evseId": 1,
            "chargingLimit": { "chargingLimitSource": "EMS", "isGridCritical": false } }),
        );
        let wanted = json!({ "requestId": 1, "chargingProfile": {
            "chargingProfilePurpose": "ChargingStationExternalConstraints" } });
        let command = bench.asks("GetChargingProfiles", wanted, status_is("Accepted"));
        let outside = absolute(4, "ChargingStationExternalConstraints");
        bench.notes(
            "ReportChargingProfiles",
            json!({ "requestId": 1, "evseId": 0,
            "chargingLimitSource": "EMS", "chargingProfile": [outside] }),
        );
        assert_eq!(bench.command(&command)["complete"], true);
        bench.notes("ClearedChargingLimit", json!({ "chargingLimitSource": "EMS" }));
        let freed = [state("Charging")];
        bench.tells(&mut transaction, ("Updated", "ChargingRateChanged"), &freed);
        bench.ends(&mut transaction);
        bench.notes("ClearedChargingLimit", json!({ "chargingLimitSource": "EMS" }));
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_K_43 (an EVSE), TC_K_44 (the station).
#[test]
fn the_composite_schedule_is_asked_for() {
    in_both(|bench| {
        for evse in [1, 0] {
            let mut body = json!({ "verb": "get_composite_schedule", "duration_seconds": 300,
                "unit": "amperes" });
            if evse != 0 {
                body["evse"] = json!(evse);
            }
            let schedule = json!({ "evseId": evse, "duration": 300, "chargingRateUnit": "A",
                "scheduleStart": FROM,
                "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 10 }] });
            let answer = json!({ "status": "Accepted", "schedule": schedule });
            let sent = bench.commands(body, "GetCompositeSchedule", answer);
            let wanted = json!({ "duration": 300, "chargingRateUnit": "A", "evseId": evse });
            assert_eq!(sent, wanted);
        }
    });
}

/// Of 2.1: TC_K_100 (how long it holds offline), TC_K_101 (an operation mode), TC_K_102 (a state
/// of charge), TC_K_104 (priority), TC_K_106 (a random delay), TC_K_109 (a number above those of
/// others), TC_K_118 (priority for a running session).
#[test]
fn a_profile_of_2_1_says_more() {
    let mut bench = Bench::booted(V21);
    bench.charges("T-1");
    let of_transaction = |id: u32, schedule: Value| {
        let mut own = profile(id, "TxProfile", "Relative", json!({ "transactionId": "T-1" }));
        merge(&mut own["chargingSchedule"][0], schedule);
        own
    };
    let discharging = json!([{ "startPeriod": 0, "operationMode": "CentralSetpoint",
        "setpoint": -3000 }]);
    let offline = json!({ "maxOfflineDuration": 600, "invalidAfterOfflineDuration": true });
    let mut delayed = absolute(15, "TxDefaultProfile");
    let delay = json!({ "randomizedDelay": 60, "useLocalTime": true });
    merge(&mut delayed["chargingSchedule"][0], delay);
    for own in [
        profile(11, "TxDefaultProfile", "Relative", offline),
        of_transaction(12, json!({ "chargingSchedulePeriod": discharging })),
        of_transaction(13, json!({ "limitAtSoC": { "soc": 80, "limit": 6 } })),
        profile(14, "PriorityCharging", "Relative", json!({})),
        delayed,
        profile(100_001, "TxDefaultProfile", "Relative", json!({})),
    ] {
        bench.asks("SetChargingProfile", at(1, own), status_is("Accepted"));
    }
    let priority = json!({ "transactionId": "T-1", "activate": true });
    bench.asks("UsePriorityCharging", priority, status_is("Accepted"));
}

//! Blocks K and Q: what a vehicle needs is answered with a profile for it, within the limits that
//! the operator has set; what it means to draw is held against them; dynamic profiles are handed
//! out; energy flows back where the operator allows it.

use serde_json::{Value, json};

use super::{Bench, V21, V201, in_both, merge, state, status_is, token};
use crate::harness::eventually;
use crate::messages::TAG;

/// What a vehicle at EVSE 1 needs that is charged by three phases.
fn needs(further: Value) -> Value {
    let mut needs = json!({ "evseId": 1, "maxScheduleTuples": 10,
        "chargingNeeds": { "requestedEnergyTransfer": "AC_three_phase" } });
    merge(&mut needs, further);
    needs
}

/// The same in the words of ISO 15118-20.
fn needs_of_20(mode: &str, control: &str, charge_w: u32, discharge_w: u32) -> Value {
    needs(json!({ "chargingNeeds": { "requestedEnergyTransfer": mode, "controlMode": control,
        "availableEnergyTransfer": ["AC_single_phase", "AC_three_phase", "AC_BPT"],
        "v2xChargingParameters": { "maxChargePower": charge_w,
            "maxDischargePower": discharge_w } } }))
}

/// What the station was sent of an action so far.
fn sent(bench: &mut Bench, action: &str) -> Vec<Value> {
    let calls = bench.station.received_calls().into_iter().filter(|call| call["action"] == action);
    calls.map(|call| call["payload"].clone()).collect()
}

/// The transaction's profile that the station is sent after so many before; what may be drawn by
/// it is left.
#[track_caller]
fn profile_sent(bench: &mut Bench, before: usize) -> Value {
    let sent =
        eventually("a charging profile", || sent(bench, "SetChargingProfile").get(before).cloned());
    let profile = &sent["chargingProfile"];
    let what = (&sent["evseId"], &profile["chargingProfilePurpose"], &profile["transactionId"]);
    assert_eq!(what, (&json!(1), &json!("TxProfile"), &json!("T-1")), "{sent:#}");
    profile.clone()
}

/// The limits of the profile's schedule by their begins.
fn limits(profile: &Value) -> Vec<(u64, Value)> {
    let periods = profile["chargingSchedule"][0]["chargingSchedulePeriod"].as_array();
    let limit = |period: &Value| {
        (period["startPeriod"].as_u64().expect("a begin"), period["limit"].clone())
    };
    periods.expect("periods").iter().map(limit).collect()
}

/// Says how the vehicle means to charge: by the schedule of a profile, times so much.
#[track_caller]
fn means_to_charge(bench: &mut Bench, profile: &Value, times: u64) -> Value {
    let mut schedule = profile["chargingSchedule"][0].clone();
    let begins = schedule["startSchedule"].take();
    schedule.as_object_mut().expect("a schedule").remove("startSchedule");
    for period in schedule["chargingSchedulePeriod"].as_array_mut().expect("periods") {
        let limit = period["limit"].as_u64().expect("a whole limit");
        period["limit"] = json!(limit * times);
    }
    let told = json!({ "evseId": 1, "timeBase": begins, "chargingSchedule": schedule });
    bench.station.call("NotifyEVChargingSchedule", told)
}

/// How many commands of our own there are for the station: they are in the log before the answer
/// that promises them leaves.
#[track_caller]
fn commands(bench: &Bench, count: usize) {
    eventually("the commands", || {
        let listed = bench.csms.list("/v1/commands?station=CP-1");
        (listed.len() == count).then_some(())
    });
}

/// The profile is promised, sent, and followed.
#[track_caller]
fn charges_by_a_profile(bench: &mut Bench, needs: Value) -> Value {
    bench.station.will_answer("SetChargingProfile", status_is("Accepted"));
    let before = sent(bench, "SetChargingProfile").len();
    assert_eq!(bench.station.call("NotifyEVChargingNeeds", needs), status_is("Accepted"));
    let profile = profile_sent(bench, before);
    eventually("the station's answers", || {
        let listed = bench.csms.list("/v1/commands?station=CP-1");
        listed.iter().all(|command| command["finished_at"].is_string()).then_some(())
    });
    profile
}

/// TC_K_53: a vehicle that says only how it is charged gets a profile, follows it, and is left in
/// peace.
#[test]
fn a_vehicle_gets_a_profile_for_what_it_needs() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        let profile = charges_by_a_profile(bench, needs(json!({})));
        assert_eq!(limits(&profile), [(0, json!(32))]);
        assert_eq!(profile["chargingSchedule"][0]["chargingRateUnit"], "A");
        assert_eq!(means_to_charge(bench, &profile, 1), status_is("Accepted"));
        let charging = [state("Charging")];
        bench.tells(&mut transaction, ("Updated", "ChargingStateChanged"), &charging);
        commands(bench, 1);
    });
}

/// The limits of the vehicle and of the operator are kept, in no more periods than the vehicle can
/// follow; what it cannot get by its departure is said.
#[test]
fn a_profile_keeps_to_the_limits_of_vehicle_and_operator() {
    in_both(|bench| {
        bench.charges("T-1");
        let own = json!({ "chargingNeeds": { "acChargingParameters": { "energyAmount": 200_000,
            "evMinCurrent": 6, "evMaxCurrent": 20, "evMaxVoltage": 400 } } });
        let profile = charges_by_a_profile(bench, needs(own.clone()));
        assert_eq!(limits(&profile), [(0, json!(20))]);
        assert_eq!(profile["chargingSchedule"][0]["minChargingRate"], 6);
        let limit = json!({ "verb": "set_charging_limit", "evse": 1, "limit": 10,
            "unit": "amperes" });
        bench.commands(limit, "SetChargingProfile", status_is("Accepted"));
        let profile = charges_by_a_profile(bench, needs(own.clone()));
        assert_eq!(limits(&profile), [(0, json!(10))]);
        let station = json!({ "verb": "set_charging_limit", "limit": 5_520, "unit": "watts" });
        bench.commands(station, "SetChargingProfile", status_is("Accepted"));
        let mut leaving = own;
        let departure = chrono::Utc::now() + chrono::TimeDelta::hours(10);
        leaving["chargingNeeds"]["departureTime"] = json!(crate::messages::time(departure));
        let profile = charges_by_a_profile(bench, needs(leaving));
        assert_eq!(limits(&profile), [(0, json!(8))]);
        let short = eventually("what cannot be had", || {
            let plan = bench.csms.get("/v1/stations/CP-1/charging-plan").expect(200).json();
            let of_evse = plan["places"].as_array()?.iter().find(|it| it["evse"] == 1)?;
            of_evse["needs"]["shortfall_wh"].as_i64()
        });
        assert!((144_800..145_000).contains(&short), "{short}");
    });
}

/// TC_K_55: it means to draw more than it may, and is negotiated with anew, but not for ever.
#[test]
fn a_vehicle_that_means_to_draw_more_is_refused_and_sent_a_profile_again() {
    in_both(|bench| {
        bench.charges("T-1");
        let profile = charges_by_a_profile(bench, needs(json!({})));
        for before in 1..=3 {
            assert_eq!(means_to_charge(bench, &profile, 2), status_is("Rejected"));
            let again = profile_sent(bench, before);
            assert_eq!((limits(&again), &again["id"]), (limits(&profile), &profile["id"]));
        }
        assert_eq!(means_to_charge(bench, &profile, 2), status_is("Rejected"));
        assert_eq!(means_to_charge(bench, &profile, 1), status_is("Accepted"));
        commands(bench, 4);
    });
}

/// TC_K_57: the vehicle needs something else. A repeat while its profile is on its way brings no
/// second one.
#[test]
fn a_vehicle_that_needs_something_else_gets_another_profile() {
    in_both(|bench| {
        bench.charges("T-1");
        let first = charges_by_a_profile(bench, needs(json!({})));
        let less = json!({ "chargingNeeds": { "acChargingParameters": { "energyAmount": 5_000,
            "evMinCurrent": 6, "evMaxCurrent": 13, "evMaxVoltage": 400 } } });
        let second = charges_by_a_profile(bench, needs(less));
        assert_eq!((limits(&second), &second["id"]), (vec![(0, json!(13))], &first["id"]));
        assert_eq!(means_to_charge(bench, &second, 1), status_is("Accepted"));
        commands(bench, 2);
    });
}

/// TC_K_58 (the operator renegotiates), TC_K_59 (and the vehicle says its needs again).
#[test]
fn the_operator_may_set_another_profile_for_the_transaction() {
    in_both(|bench| {
        bench.charges("T-1");
        charges_by_a_profile(bench, needs(json!({})));
        let own = json!({ "id": 5, "stackLevel": 1, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute", "transactionId": "T-1", "chargingSchedule": [
                { "id": 1, "chargingRateUnit": "A", "startSchedule": "2026-01-01T00:00:00Z",
                    "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 8 }] } ] });
        let set = json!({ "evseId": 1, "chargingProfile": own });
        bench.asks("SetChargingProfile", set, status_is("Accepted"));
        assert_eq!(means_to_charge(bench, &own, 1), status_is("Accepted"));
        let profile = charges_by_a_profile(bench, needs(json!({})));
        assert_eq!((limits(&profile), &profile["stackLevel"]), (vec![(0, json!(8))], &json!(2)));
        assert_eq!(means_to_charge(bench, &profile, 1), status_is("Accepted"));
    });
}

/// What an operator has said that a connector gives is a limit like all others.
#[test]
fn a_vehicle_is_offered_no_more_than_its_connector_gives() {
    in_both(|bench| {
        bench.connector_is("Available");
        let declared = json!({ "evse": 1, "power_w_max": 11_040 });
        bench.csms.put("/v1/stations/CP-1/connectors/1", &declared).expect(200);
        bench.charges("T-1");
        let most = json!({ "verb": "set_charging_limit", "limit": 32, "unit": "amperes" });
        bench.commands(most, "SetChargingProfile", status_is("Accepted"));
        let own = json!({ "chargingNeeds": { "acChargingParameters": { "energyAmount": 20_000,
            "evMinCurrent": 6, "evMaxCurrent": 32, "evMaxVoltage": 400 } } });
        assert_eq!(limits(&charges_by_a_profile(bench, needs(own))), [(0, json!(16))]);
    });
}

/// Of direct current the power counts, and of a limit by amperes the vehicle's voltage.
#[test]
fn direct_current_is_planned_by_its_power() {
    in_both(|bench| {
        bench.charges("T-1");
        let limit =
            json!({ "verb": "set_charging_limit", "evse": 1, "limit": 100, "unit": "amperes" });
        bench.commands(limit, "SetChargingProfile", status_is("Accepted"));
        let own = json!({ "chargingNeeds": { "requestedEnergyTransfer": "DC",
            "dcChargingParameters": { "evMaxCurrent": 300, "evMaxVoltage": 400,
                "evMaxPower": 50_000 } } });
        let profile = charges_by_a_profile(bench, needs(own));
        assert_eq!(limits(&profile), [(0, json!(40_000))]);
        assert_eq!(profile["chargingSchedule"][0]["chargingRateUnit"], "W");
    });
}

/// Nothing is promised where no transaction is in progress: a no of its own is only there for
/// ISO 15118-20 (2.1: K15.FR.04, K18.FR.04). Of 2.1: TC_K_126 (dynamic control without a
/// profile).
#[test]
fn needs_without_a_profile_are_answered_so() {
    for version in [V201, V21] {
        let no_profile = "Rejected";
        let mut bench = Bench::booted(version);
        let told = |bench: &mut Bench, needs: Value| {
            bench.station.call("NotifyEVChargingNeeds", needs)["status"].clone()
        };
        assert_eq!(told(&mut bench, needs(json!({}))), no_profile, "no transaction");
        if version == V21 {
            let dynamic = needs_of_20("AC_three_phase", "DynamicControl", 8_000, 0);
            assert_eq!(told(&mut bench, dynamic), "NoChargingProfile", "no transaction");
        }
        let mut transaction = bench.charges("T-1");
        bench.ends(&mut transaction);
        assert_eq!(told(&mut bench, needs(json!({}))), no_profile, "it is over");
        commands(&bench, 0);
    }
}

/// A quiet station's vehicle has asked for it: it gets its profile, too.
#[test]
fn the_vehicle_of_a_quiet_station_gets_its_profile() {
    in_both(|bench| {
        bench.csms.patch("/v1/stations/CP-1", &json!({ "quiet": true })).expect(200);
        bench.charges("T-1");
        let profile = charges_by_a_profile(bench, needs(json!({})));
        assert_eq!(means_to_charge(bench, &profile, 2), status_is("Rejected"));
        profile_sent(bench, 1);
    });
}

/// Of 2.1: TC_K_114 (by power, not both ways), TC_K_113 (renegotiated by the operator).
#[test]
fn needs_of_iso_15118_20_are_planned_by_power() {
    let mut bench = Bench::booted(V21);
    bench.charges("T-1");
    let own = needs_of_20("AC_three_phase", "ScheduledControl", 6_000, 0);
    let profile = charges_by_a_profile(&mut bench, own.clone());
    assert_eq!(limits(&profile), [(0, json!(6_000))]);
    assert_eq!(profile["chargingProfileKind"], "Absolute");
    assert_eq!(means_to_charge(&mut bench, &profile, 1), status_is("Accepted"));
    let limit = json!({ "verb": "set_charging_limit", "evse": 1, "limit": 5_000, "unit": "watts" });
    bench.commands(limit, "SetChargingProfile", status_is("Accepted"));
    let profile = charges_by_a_profile(&mut bench, own);
    assert_eq!(limits(&profile), [(0, json!(5_000))]);
    assert_eq!(means_to_charge(&mut bench, &profile, 1), status_is("Accepted"));
    // The car asks anew of its own accord: for less, then for more than it may have.
    for (asked, given) in [(3_000, 3_000), (7_000, 5_000)] {
        let anew = needs_of_20("AC_three_phase", "ScheduledControl", asked, 0);
        let profile = charges_by_a_profile(&mut bench, anew);
        assert_eq!(limits(&profile), [(0, json!(given))]);
        assert_eq!(means_to_charge(&mut bench, &profile, 1), status_is("Accepted"));
    }
}

/// Of 2.1: TC_K_115 (dynamic control, both ways), TC_K_117 (departure, and then energy, changed).
#[test]
fn a_vehicle_under_dynamic_control_gets_a_set_point() {
    let mut bench = Bench::booted(V21);
    bench.csms.patch("/v1/stations/CP-1", &json!({ "allows_discharging": true })).expect(200);
    bench.charges("T-1");
    let departs = |hours: i64, energy_wh: u32| {
        let at = chrono::Utc::now() + chrono::TimeDelta::hours(hours);
        let mut needs = needs_of_20("AC_BPT", "DynamicControl", 5_000, 5_000);
        merge(
            &mut needs,
            json!({ "chargingNeeds": { "departureTime": crate::messages::time(at),
                "v2xChargingParameters": { "evTargetEnergyRequest": energy_wh } } }),
        );
        needs
    };
    for needs in [departs(2, 1_000), departs(3, 1_000), departs(3, 3_000)] {
        let profile = charges_by_a_profile(&mut bench, needs);
        assert_eq!(profile["chargingProfileKind"], "Dynamic");
        let [schedule] = profile["chargingSchedule"].as_array().expect("schedules").as_slice()
        else {
            panic!("one schedule")
        };
        let period = json!([{ "startPeriod": 0, "operationMode": "CentralSetpoint",
            "setpoint": 5_000 }]);
        assert_eq!(schedule["chargingSchedulePeriod"], period);
    }
    assert_eq!(sent(&mut bench, "NotifyAllowedEnergyTransfer"), [] as [Value; 0]);
    commands(&bench, 3);
}

/// Of 2.1: TC_K_121 (a dynamic profile is pulled), TC_Q_110 (set-points are pulled).
#[test]
fn the_values_of_a_dynamic_profile_are_handed_out() {
    let mut bench = Bench::booted(V21);
    let mut transaction = bench.charges("T-1");
    let dynamic = |id: u32, period: Value| {
        json!({ "evseId": 1, "chargingProfile": { "id": id, "stackLevel": id,
            "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Dynamic",
            "transactionId": "T-1", "dynUpdateInterval": 30, "chargingSchedule": [
                { "id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period] } ] } })
    };
    let limited = dynamic(1, json!({ "startPeriod": 0, "limit": 6_000 }));
    let steered = dynamic(
        2,
        json!({ "startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -3_000 }),
    );
    for profile in [limited, steered] {
        bench.asks("SetChargingProfile", profile, status_is("Accepted"));
    }
    let pulled = |bench: &mut Bench, id: u32| {
        bench.station.call("PullDynamicScheduleUpdate", json!({ "chargingProfileId": id }))
    };
    let values = |values: Value| json!({ "status": "Accepted", "scheduleUpdate": values });
    assert_eq!(pulled(&mut bench, 99_999), status_is("Rejected"));
    assert_eq!(pulled(&mut bench, 1), values(json!({ "limit": 6_000 })));
    assert_eq!(pulled(&mut bench, 2), values(json!({ "setpoint": -3_000 })));
    let update = json!({ "chargingProfileId": 1, "scheduleUpdate": { "limit": 4_000 } });
    bench.asks("UpdateDynamicSchedule", update, status_is("Accepted"));
    assert_eq!(pulled(&mut bench, 1), values(json!({ "limit": 4_000 })));
    let update = json!({ "chargingProfileId": 2, "scheduleUpdate": { "setpoint": 2_000 } });
    bench.asks("UpdateDynamicSchedule", update, status_is("Rejected"));
    assert_eq!(pulled(&mut bench, 2), values(json!({ "setpoint": -3_000 })));
    bench.csms.kill9();
    bench.csms.restart();
    bench.comes_back();
    assert_eq!(pulled(&mut bench, 1), values(json!({ "limit": 4_000 })), "the log knows it");
    bench.ends(&mut transaction);
    assert_eq!(pulled(&mut bench, 1), status_is("Rejected"), "its transaction is over");
}

/// Of 2.1: TC_Q_102 (nothing is said where only charging is allowed), TC_Q_103 (needs that are not
/// allowed).
#[test]
fn energy_flows_back_only_where_the_operator_allows_it() {
    let mut bench = Bench::booted(V21);
    let asked = json!({ "idToken": token(TAG) });
    let answer = bench.station.call("Authorize", asked.clone());
    assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
    assert_eq!(answer["allowedEnergyTransfer"], Value::Null);
    bench.charges("T-1");
    let both_ways = needs_of_20("AC_BPT", "ScheduledControl", 1_234, 1_234);
    let answer = bench.station.call("NotifyEVChargingNeeds", both_ways.clone());
    assert_eq!(answer, status_is("Rejected"));
    commands(&bench, 0);
    bench.csms.patch("/v1/stations/CP-1", &json!({ "allows_discharging": true })).expect(200);
    let answer = bench.station.call("Authorize", asked);
    let allowed = answer["allowedEnergyTransfer"].as_array().expect("a list");
    assert!(allowed.contains(&json!("AC_BPT")) && allowed.contains(&json!("DC")), "{answer}");
    charges_by_a_profile(&mut bench, both_ways);
}

/// Of 2.1: TC_Q_107: it is charged only at first, and told that it may do more.
#[test]
fn a_vehicle_is_told_that_it_may_give_energy_back() {
    let mut bench = Bench::booted(V21);
    bench.csms.patch("/v1/stations/CP-1", &json!({ "allows_discharging": true })).expect(200);
    bench.charges("T-1");
    bench.station.will_answer("NotifyAllowedEnergyTransfer", status_is("Accepted"));
    let only = needs_of_20("AC_three_phase", "ScheduledControl", 1_234, 1_234);
    let profile = charges_by_a_profile(&mut bench, only);
    assert_eq!(limits(&profile), [(0, json!(1_234))]);
    let told =
        eventually("what is allowed", || sent(&mut bench, "NotifyAllowedEnergyTransfer").pop());
    let modes = json!(["AC_single_phase", "AC_three_phase", "AC_BPT"]);
    assert_eq!(told, json!({ "transactionId": "T-1", "allowedEnergyTransfer": modes }));
    let both_ways = needs_of_20("AC_BPT", "ScheduledControl", 1_234, 1_234);
    let profile = charges_by_a_profile(&mut bench, both_ways);
    let period = &profile["chargingSchedule"][0]["chargingSchedulePeriod"][0];
    let steered = (&period["operationMode"], &period["setpoint"]);
    assert_eq!(steered, (&json!("CentralSetpoint"), &json!(1_234)));
    commands(&bench, 3);
}

/// What is for a transaction leaves the plan with it: profiles, needs, schedules, priority; also
/// what a remote start brought.
#[test]
fn what_is_for_a_transaction_leaves_the_plan_with_it() {
    in_both(|bench| {
        let own = json!({ "id": 3, "stackLevel": 4, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative", "chargingSchedule": [{ "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 12 }] }] });
        let start = json!({ "evseId": 1, "remoteStartId": 7, "idToken": token(TAG),
            "chargingProfile": own });
        bench.asks("RequestStartTransaction", start, status_is("Accepted"));
        let lasting = json!({ "verb": "set_charging_limit", "evse": 1, "limit": 16,
            "unit": "amperes" });
        bench.commands(lasting, "SetChargingProfile", status_is("Accepted"));
        let mut transaction = bench.charges("T-1");
        let named = json!({ "transactionInfo": { "remoteStartId": 7 } });
        bench.tells(&mut transaction, ("Updated", "RemoteStart"), &[named]);
        let profile = charges_by_a_profile(bench, needs(json!({})));
        assert_eq!(limits(&profile), [(0, json!(12))], "what the remote start brought limits");
        assert_eq!(means_to_charge(bench, &profile, 1), status_is("Accepted"));
        if bench.version == V21 {
            let told = json!({ "transactionId": "T-1", "activated": true });
            bench.notes("NotifyPriorityCharging", told);
        }
        let plan = |bench: &Bench| {
            let plan = bench.csms.get("/v1/stations/CP-1/charging-plan").expect(200).json();
            let place = &plan["places"][0];
            let profiles = place["profiles"].as_array().map_or(0, Vec::len);
            let told = [&place["needs"], &place["vehicle_schedule"]];
            let priorities = plan["priorities"].as_array().map_or(0, Vec::len);
            (profiles, told.map(Value::is_object), priorities)
        };
        let priorities = usize::from(bench.version == V21);
        eventually("the whole plan", || {
            (plan(bench) == (3, [true, true], priorities)).then_some(())
        });
        bench.ends(&mut transaction);
        eventually("what is left", || (plan(bench) == (1, [false, false], 0)).then_some(()));
        // The next vehicle is offered what holds for it, and no more what was for the one before.
        bench.charges("T-2");
        let before = sent(bench, "SetChargingProfile").len();
        let answer = bench.station.call("NotifyEVChargingNeeds", needs(json!({})));
        assert_eq!(answer, status_is("Accepted"));
        let next =
            eventually("its profile", || sent(bench, "SetChargingProfile").get(before).cloned());
        assert_eq!(next["chargingProfile"]["transactionId"], "T-2");
        let offered = (limits(&next["chargingProfile"]), &next["chargingProfile"]["stackLevel"]);
        assert_eq!(offered, (vec![(0, json!(16))], &json!(0)));
    });
}

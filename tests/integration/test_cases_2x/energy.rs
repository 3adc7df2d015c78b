//! Blocks Q, R and S, of 2.1: energy that flows back, the grid's wishes, batteries swapped.

use chrono::Utc;
use serde_json::{Value, json};

use super::{Bench, Transaction, V21, merge, reason, register, state, status_is, token};
use crate::messages::{TAG, an_hour_ago, finished_sessions, time};

/// A transaction's profile with one period.
fn profile(kind: &str, period: Value, further: Value) -> Value {
    let mut first = json!({ "startPeriod": 0 });
    merge(&mut first, period);
    let mut profile = json!({ "id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": kind, "transactionId": "T-1", "chargingSchedule": [
            { "id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [first] } ] });
    merge(&mut profile, further);
    json!({ "evseId": 1, "chargingProfile": profile })
}

/// TC_Q_108 (by a schedule), TC_Q_109 and TC_Q_117 (set-points are pushed), TC_Q_120 (the grid's
/// frequency signal), TC_Q_121 (the station follows the frequency), TC_Q_124 (the station levels
/// the load).
#[test]
fn the_power_of_a_session_may_be_steered_both_ways() {
    let mut bench = Bench::booted(V21);
    bench.charges("T-1");
    let central = json!({ "operationMode": "CentralSetpoint", "setpoint": -3000 });
    let curve =
        json!([{ "frequency": 49.8, "power": 5000 }, { "frequency": 50.2, "power": -5000 }]);
    let frequency = json!({ "operationMode": "LocalFrequency", "v2xFreqWattCurve": curve,
        "v2xBaseline": 0 });
    let signal = json!({ "operationMode": "CentralFrequency", "setpoint": -1000 });
    let leveling = json!({ "operationMode": "LocalLoadBalancing", "v2xBaseline": 0 });
    let further = json!({});
    for sent in [
        profile("Relative", central.clone(), further.clone()),
        profile("Dynamic", central, further.clone()),
        profile("Dynamic", signal, further.clone()),
        profile("Relative", frequency, further.clone()),
        profile("Relative", leveling, further),
    ] {
        bench.asks("SetChargingProfile", sent, status_is("Accepted"));
    }
    let update = json!({ "chargingProfileId": 1, "scheduleUpdate": { "setpoint": -2000 } });
    bench.asks("UpdateDynamicSchedule", update, status_is("Accepted"));
    let signal = json!({ "timestamp": "2026-11-23T10:00:00Z", "signal": 1 });
    bench.asks("AFRRSignal", signal, status_is("Accepted"));
}

/// TC_R_107: a control is set, asked for and cleared.
#[test]
fn a_control_of_the_grid_is_set_and_cleared() {
    let mut bench = Bench::booted(V21);
    let set = json!({ "isDefault": true, "controlId": "C-1", "controlType": "EnterService",
        "enterService": { "priority": 1, "highVoltage": 253, "lowVoltage": 195,
            "highFreq": 50.1, "lowFreq": 47.5 } });
    bench.asks("SetDERControl", set, status_is("Accepted"));
    let wanted = json!({ "requestId": 1, "isDefault": true, "controlType": "EnterService" });
    let command = bench.asks("GetDERControl", wanted, status_is("Accepted"));
    let held = |number: u32, more: bool| {
        json!({ "requestId": 1, "tbc": more, "enterService": [{ "id": format!("C-{number}"),
            "enterService": { "priority": number, "highVoltage": 253, "lowVoltage": 195,
                "highFreq": 50.1, "lowFreq": 47.5 } }] })
    };
    for (number, more) in [(1, true), (2, false)] {
        assert_eq!(bench.command(&command)["complete"], false, "there is more to come");
        bench.notes("ReportDERControl", held(number, more));
    }
    let command = bench.command(&command);
    assert_eq!(command["complete"], true, "{command:#}");
    let parts = command["notifications"].as_array().expect("notifications");
    assert!(parts.iter().all(|part| part["action"] == "ReportDERControl"), "{command:#}");
    let gathered: Vec<Value> = parts.iter().map(|part| part["payload"].clone()).collect();
    assert_eq!(gathered, [held(1, true), held(2, false)], "what the station holds is shown");
    for answer in ["Accepted", "NotFound"] {
        let clear = json!({ "isDefault": true, "controlId": "C-1" });
        bench.asks("ClearDERControl", clear, status_is(answer));
    }
}

/// TC_R_108: the station tells of an event of the grid, and of its end.
#[test]
fn an_event_of_the_grid_is_taken_note_of() {
    let mut bench = Bench::booted(V21);
    for ended in [false, true] {
        bench.notes(
            "NotifyDERAlarm",
            json!({ "controlType": "HFMustTrip",
            "gridEventFault": "OverFrequency", "alarmEnded": ended,
            "timestamp": "2026-11-23T10:00:00Z" }),
        );
    }
    bench.notes(
        "NotifyDERStartStop",
        json!({ "controlId": "C-1", "started": true,
        "timestamp": "2026-11-23T10:00:00Z" }),
    );
    // Each is a fact of its own, at the station's time, beside what it said.
    let events = bench.csms.events();
    let told = events.iter().filter(|event| event["type"] == "station.notified");
    let told: Vec<_> = told.map(|event| &event["data"]).collect();
    let actions: Vec<_> = told.iter().map(|fact| &fact["action"]).collect();
    assert_eq!(actions, ["NotifyDERAlarm", "NotifyDERAlarm", "NotifyDERStartStop"]);
    for fact in told {
        assert_eq!(fact["at"], "2026-11-23T10:00:00.000Z");
        let exchange = events.iter().find(|event| event["id"] == fact["exchange"]);
        assert_eq!(exchange.expect("recorded")["data"]["verdict"], "answered");
    }
}

/// TC_S_102 (there is no battery), TC_S_103 (two go in and are charged, two come out).
#[test]
fn a_battery_is_swapped() {
    let mut bench = Bench::booted(V21);
    let wanted = |number: u32| json!({ "requestId": number, "idToken": token(TAG) });
    let none =
        json!({ "status": "Rejected", "statusInfo": { "reasonCode": "NoBatteryAvailable" } });
    bench.asks("RequestBatterySwap", wanted(1), none);
    let command = bench.asks("RequestBatterySwap", wanted(2), status_is("Accepted"));
    // The peer's library misspells what is told of batteries: the frames are written by hand.
    bench.station.connect_raw_as(&bench.csms, V21);
    let says = |bench: &mut Bench, action: &str, told: Value| {
        let answer = bench.station.exchange(&json!([2, action, action, told]).to_string());
        assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!(action)), "{answer}");
        answer[2].clone()
    };
    let slot_is = |bench: &mut Bench, evse: u32, status: &str| {
        let at = time(Utc::now());
        let told = json!({ "timestamp": at, "connectorStatus": status, "evseId": evse,
            "connectorId": 1 });
        assert_eq!(says(bench, "StatusNotification", told), json!({}));
    };
    let swaps = |bench: &mut Bench, kind: &str, slots: [u32; 2]| {
        let batteries = slots.map(|evse| {
            json!({ "evseId": evse, "serialNumber": format!("B-{evse}"), "soC": 20, "soH": 90 })
        });
        let told = json!({ "eventType": kind, "requestId": 2, "idToken": token(TAG),
            "batteryData": batteries });
        assert_eq!(says(bench, "BatterySwap", told), json!({}));
    };
    // The station charges what was put in, and nobody is to be asked for that.
    let nobody = || json!({ "idToken": { "idToken": "", "type": "NoAuthorization" } });
    let charging = [1, 2].map(|evse| {
        slot_is(&mut bench, evse, "Occupied");
        let mut battery = Transaction::new(&format!("B-{evse}"), an_hour_ago()).at_evse(evse);
        let begun = [nobody(), state("EVConnected"), register("Transaction.Begin", 1_000)];
        let begun = battery.event("Started", "CablePluggedIn", &begun);
        says(&mut bench, "TransactionEvent", begun);
        battery
    });
    swaps(&mut bench, "BatteryIn", [1, 2]);
    for mut battery in charging {
        let full = [reason("EnergyLimitReached"), register("Transaction.End", 3_000)];
        let full = battery.event("Ended", "EnergyLimitReached", &full);
        says(&mut bench, "TransactionEvent", full);
        slot_is(&mut bench, battery.evse, "Available");
    }
    swaps(&mut bench, "BatteryOut", [3, 4]);
    let command = bench.command(&command);
    let parts = command["notifications"].as_array().expect("notifications");
    let actions: Vec<_> = parts.iter().map(|part| &part["action"]).collect();
    assert_eq!(actions, ["BatterySwap", "BatterySwap"], "{command:#}");
    let sessions = finished_sessions(&bench.csms, "CP-1", 2);
    assert!(sessions.iter().all(|session| session["outcome"] != "invoiced"), "{sessions:#?}");
    assert_eq!(bench.csms.invoices(), Vec::<Value>::new(), "the swap is no charging");
}

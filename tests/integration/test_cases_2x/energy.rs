//! Blocks Q, R and S, of 2.1: energy that flows back, the grid's wishes, batteries swapped.

use chrono::Utc;
use serde_json::{Value, json};

use super::{Bench, Transaction, V21, merge, reason, register, state, status_is, token};
use crate::full_session::{export_bundle, verify};
use crate::harness::eventually;
use crate::messages::{TAG, an_hour_ago, finished_sessions, invoice_of, only_session, time};

/// What `CP-1` has told of the grid and of batteries, once it is as the test says.
fn energy(bench: &Bench, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the station's energy", || {
        let told = bench.csms.get("/v1/stations/CP-1/energy").expect(200).json();
        is_so(&told).then_some(told)
    })
}

fn is_as_long(list: &Value, length: usize) -> bool {
    list.as_array().is_some_and(|list| list.len() == length)
}

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

/// What flows back is a fact and is shown; what is charged is what was taken, and the auditor
/// finds it so.
#[test]
fn energy_that_flows_back_is_shown_and_on_no_bill() {
    let mut bench = Bench::booted(V21);
    let mut transaction = bench.charges("T-1");
    for (taken_wh, given_wh) in [(6_000, 20_000), (6_000, 21_500), (7_000, 24_000)] {
        let sampled = |measurand: &str, value: u32| {
            let context = "Sample.Periodic";
            json!({ "context": context, "measurand": measurand, "value": value })
        };
        let metered = json!({ "meterValue": [{ "sampledValue": [
            sampled("Energy.Active.Export.Register", given_wh),
            sampled("Power.Active.Export", 5_000),
            sampled("Energy.Active.Import.Register", taken_wh)] }] });
        bench.tells(&mut transaction, ("Updated", "MeterValuePeriodic"), &[metered]);
    }
    bench.ends(&mut transaction);
    bench.connector_is("Available");
    let session = only_session(&bench.csms, "CP-1");
    assert_eq!(session["exported_wh"], 4_000, "{session:#}");
    let invoice = invoice_of(&bench.csms, &session, 10_000);
    assert_eq!(invoice["totals"]["net"], "5.00", "{invoice:#}");
    let verified = verify(&bench.csms, &export_bundle(&bench.csms));
    assert!(verified.status.success(), "{verified:?}");
    let events = bench.csms.events();
    let samples = events.iter().filter_map(|event| event["data"]["samples"].as_array()).flatten();
    let powers = samples.filter(|sample| sample["quantity"] == "power_export_w");
    assert_eq!(powers.count(), 3);
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

/// TC_R_107, its second part: what the station holds is shown, and what of it is at work.
#[test]
fn the_controls_of_the_grid_that_a_station_holds_are_shown() {
    let mut bench = Bench::booted(V21);
    let wanted = json!({ "requestId": 9 });
    let command = bench.asks("GetDERControl", wanted, status_is("Accepted"));
    let curve = json!([{ "id": "C-1", "curveType": "VoltVar", "isDefault": true,
        "isSuperseded": false, "curve": { "priority": 1, "yUnit": "PctMaxVar",
            "curveData": [{ "x": 92.50, "y": 44 }] } }]);
    let gradient = json!([{ "id": "G-1",
        "gradient": { "priority": 2, "gradient": 1, "softGradient": 3 } }]);
    bench.notes("ReportDERControl", json!({ "requestId": 9, "tbc": true, "curve": curve }));
    bench.notes("ReportDERControl", json!({ "requestId": 9, "gradient": gradient }));
    bench.notes(
        "NotifyDERStartStop",
        json!({ "controlId": "P-1", "started": true, "supersededIds": ["C-1"],
            "timestamp": "2026-11-23T10:00:00Z" }),
    );
    let told = energy(&bench, |told| is_as_long(&told["controls"], 3));
    let [control, gradient, planned] = [0, 1, 2].map(|index| &told["controls"][index]);
    assert_eq!((&control["id"], &control["type"]), (&json!("C-1"), &json!("VoltVar")));
    assert_eq!((&control["default"], &control["started"]), (&json!(true), &json!(false)));
    assert_eq!(control["settings"]["curveData/0/x"], "92.5");
    assert_eq!((&gradient["type"], &gradient["started"]), (&json!("Gradients"), &json!(null)));
    assert_eq!(gradient["settings"]["softGradient"], "3");
    assert_eq!((&planned["id"], &planned["type"]), (&json!("P-1"), &json!(null)));
    assert_eq!(planned["started"], true);
    assert_eq!(planned["changed_at"], "2026-11-23T10:00:00.000Z");
    // A word that comes late changes nothing.
    bench.notes(
        "NotifyDERStartStop",
        json!({ "controlId": "P-1", "started": false, "timestamp": "2026-11-23T09:00:00Z" }),
    );
    bench.notes(
        "NotifyDERStartStop",
        json!({ "controlId": "P-2", "started": true, "timestamp": "2026-11-23T11:00:00Z" }),
    );
    let told = energy(&bench, |told| is_as_long(&told["controls"], 4));
    assert_eq!(told["controls"][2]["started"], true);
    assert!(is_as_long(&bench.command(&command)["notifications"], 2));
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

/// The same, as an operator sees it: one alert for what is wrong, until it is right again.
#[test]
fn trouble_with_the_grid_is_an_alert_until_it_ends() {
    let mut bench = Bench::booted(V21);
    let alarm = |minute: u32, further: Value| {
        let at = format!("2026-11-23T10:{minute:02}:00Z");
        let mut alarm = json!({ "controlType": "HFMustTrip", "timestamp": at });
        merge(&mut alarm, further);
        alarm
    };
    let alerts = |bench: &Bench, is_so: &dyn Fn(&[Value]) -> bool| {
        eventually("the alerts", || {
            let listed = bench.csms.list("/v1/alerts?station=CP-1&limit=10");
            is_so(&listed).then_some(listed)
        })
    };
    let fault = json!({ "gridEventFault": "OverFrequency", "extraInfo": "51.9 Hz" });
    bench.notes("NotifyDERAlarm", alarm(1, fault.clone()));
    // Sent again, since its answer was lost; and then a further word.
    bench.notes("NotifyDERAlarm", alarm(1, fault));
    bench.notes("NotifyDERAlarm", alarm(2, json!({ "gridEventFault": "OverFrequency" })));
    let raised = &alerts(&bench, &|alerts| alerts.iter().any(|it| it["occurrences"] == 2))[0];
    assert_eq!((&raised["source"], &raised["kind"]), (&json!("grid"), &json!("OverFrequency")));
    assert_eq!(raised["technical_code"], "HFMustTrip");
    assert_eq!((&raised["status"], &raised["detail"]), (&json!("raised"), &json!("51.9 Hz")));
    bench.notes("NotifyDERAlarm", alarm(5, json!({ "alarmEnded": true })));
    alerts(&bench, &|alerts| alerts.iter().all(|alert| alert["status"] == "cleared"));
    // What comes late is over; what comes now is not.
    bench.notes("NotifyDERAlarm", alarm(3, json!({ "gridEventFault": "OverFrequency" })));
    bench.notes("NotifyDERAlarm", alarm(9, json!({ "gridEventFault": "UnderVoltage" })));
    let known = alerts(&bench, &|alerts| alerts.iter().any(|it| it["kind"] == "UnderVoltage"));
    assert_eq!(known.len(), 2, "{known:#?}");
    assert_eq!(
        (&known[0]["kind"], &known[0]["status"]),
        (&json!("UnderVoltage"), &json!("raised"))
    );
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

/// The same, as an operator sees it.
#[test]
fn what_is_told_of_swapped_batteries_is_shown() {
    let mut bench = Bench::booted(V21);
    let wanted = json!({ "requestId": 2, "idToken": token(TAG) });
    let command = bench.asks("RequestBatterySwap", wanted, status_is("Accepted"));
    // The peer's library misspells what is told of batteries: the frames are written by hand.
    bench.station.connect_raw_as(&bench.csms, V21);
    for kind in ["BatteryIn", "BatteryOut"] {
        let swap = json!({ "eventType": kind, "requestId": 2, "idToken": token(TAG),
            "batteryData": [{ "evseId": 1, "serialNumber": "B-1", "soC": 20.5, "soH": 90,
                "vendorInfo": "made by hand" }] });
        let frame = json!([2, kind, "BatterySwap", swap]).to_string();
        assert_eq!(bench.station.exchange(&frame), json!([3, kind, {}]));
        // Sent again, since its answer was lost.
        assert_eq!(bench.station.exchange(&frame), json!([3, kind, {}]));
    }
    let told = energy(&bench, |told| is_as_long(&told["battery_swaps"], 2));
    let [out, into] = [0, 1].map(|index| &told["battery_swaps"][index]);
    assert_eq!((&into["type"], &out["type"]), (&json!("BatteryIn"), &json!("BatteryOut")));
    assert_eq!((&into["token"], &into["request_id"]), (&json!(TAG), &json!(2)));
    assert_eq!(
        into["batteries"],
        json!([{ "evse": 1, "serial_number": "B-1", "state_of_charge_percent": "20.5",
            "state_of_health_percent": 90, "produced_at": null,
            "vendor_information": "made by hand" }])
    );
    let command = bench.command(&command);
    assert!(command["notifications"].as_array().map(Vec::len) >= Some(2), "{command:#}");
    let events = bench.csms.events();
    for event in events.iter().filter(|event| event["type"] == "station.batteries_swapped") {
        assert!(!event["data"].to_string().contains("made by hand"), "{event:#}");
    }
}

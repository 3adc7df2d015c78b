//! Blocks I and J: what a session costs, and what the meter says.

use serde_json::{Value, json};

use super::{Bench, Transaction, V21, by, in_both, notice, reason, register, state, status_is};
use chrono::Utc;

use crate::harness::eventually;
use crate::messages::{TAG, an_hour_ago, invoice_of, only_session, time};

/// TC_I_02: the cost at the end.
#[test]
fn the_final_cost_is_told() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        assert_eq!(bench.ends(&mut transaction)["totalCost"], 5.95);
    });
}

/// A 2.1 station that computes the cost itself: ours is billed, and a difference is shown.
#[test]
fn a_cost_of_the_stations_own_changes_no_bill() {
    let mut bench = Bench::booted(V21);
    let mut transaction = bench.charges("T-1");
    let costs = json!({ "costDetails": {
        "totalCost": { "currency": "EUR", "typeOfCost": "NormalCost",
            "total": { "exclTax": 5, "inclTax": 6.1 } },
        "totalUsage": { "energy": 10, "chargingTime": 60, "idleTime": 0 } } });
    let last = [reason("EVDisconnected"), register("Transaction.End", 11_000), costs];
    bench.tells(&mut transaction, ("Ended", "EVCommunicationLost"), &last);
    bench.connector_is("Available");
    let session = only_session(&bench.csms, "CP-1");
    invoice_of(&bench.csms, &session, 10_000);
    assert_eq!((&session["cost"], &session["outcome"]), (&json!("5.95"), &json!("invoiced")));
    assert_eq!(session["anomalies"], json!(["station_cost_differs"]));
    let id = session["id"].as_str().expect("an id");
    let session = bench.csms.get(&format!("/v1/sessions/{id}")).expect(200).json();
    let timeline = session["timeline"].as_array().expect("a timeline");
    let noted = timeline.iter().find(|step| step["type"] == "session.anomaly_noted");
    let detail = "with taxes the station says 6.1 EUR, rated are 5.95 EUR";
    assert_eq!(noted.expect("it is noted")["detail"], detail);
}

/// A reading of a register outside of a transaction.
fn clock_aligned(evse: u32) -> Value {
    let mut values = register("Sample.Clock", 5_000);
    values["evseId"] = json!(evse);
    values["meterValue"][0]["timestamp"] = json!("2026-11-20T10:00:00Z");
    values
}

fn fiscal_metering() -> Value {
    notice(&[json!({ "eventId": 1, "timestamp": "2026-11-20T10:00:00Z", "trigger": "Periodic",
        "actualValue": "5000", "eventNotificationType": "HardWiredMonitor",
        "component": { "name": "FiscalMetering" }, "variable": { "name": "EnergyRegister" } })])
}

/// TC_J_01: readings by the clock while nobody charges.
#[test]
fn readings_by_the_clock_are_taken() {
    in_both(|bench| {
        for evse in [0, 1] {
            bench.notes("MeterValues", clock_aligned(evse));
            bench.notes("NotifyEvent", fiscal_metering());
        }
        assert_eq!(bench.csms.sessions("CP-1"), Vec::<Value>::new());
        // What the meter said is kept, with its place, its time and its occasion.
        let events = bench.csms.events();
        let of = |event_type: &str| {
            let found = events.iter().filter(|event| event["type"] == event_type);
            found.map(|event| event["data"].clone()).collect::<Vec<_>>()
        };
        let kept = of("station.meter_recorded");
        let kept: Vec<_> = kept
            .iter()
            .map(|fact| {
                let sample = &fact["samples"][0];
                assert_eq!(fact["samples"].as_array().map(Vec::len), Some(1), "{fact}");
                let words = ["quantity", "value", "context", "sampled_at"];
                (fact["evse"].clone(), words.map(|word| sample[word].clone()))
            })
            .collect();
        let sample =
            ["energy_import_register_wh", "5000", "Sample.Clock", "2026-11-20T10:00:00.000Z"];
        let sample = sample.map(|word| json!(word));
        assert_eq!(kept, [(json!(0), sample.clone()), (json!(1), sample)]);
        let exchanges = bench.csms.exchanges();
        let exchanges = exchanges.iter().map(|event| &event["data"]);
        let notices = exchanges.filter(|exchange| exchange["action"] == "NotifyEvent");
        let notices: Vec<_> = notices.map(|exchange| exchange["request"].to_string()).collect();
        assert_eq!(notices.len(), 2);
        assert!(notices.iter().all(|text| text.contains("FiscalMetering")), "{notices:?}");
    });
}

/// A register with what the meter signed of it.
fn signed(context: &str, register_wh: u32) -> Value {
    let mut values = register(context, register_wh);
    values["meterValue"][0]["sampledValue"][0]["signedMeterValue"] = json!({
        "signedMeterData": "AQID", "signingMethod": "", "encodingMethod": "OCMF",
        "publicKey": "" });
    values
}

/// Two readings in one event: one on the way, one at the end.
fn both_registers(context: &str, of: impl Fn(&str, u32) -> Value) -> Value {
    let mut values = of(context, 10_000);
    let last = of("Transaction.End", 11_000)["meterValue"][0].clone();
    values["meterValue"].as_array_mut().expect("readings").push(last);
    values
}

/// TC_J_02 (on the way, by the clock), TC_J_03 (at the end, by the clock), TC_J_04 (signed),
/// TC_J_07 (at the start), TC_J_08 (at the start, before the EVSE is known), TC_J_09 (on the way),
/// TC_J_10 (at the end), TC_J_11 (signed): the registers of a session are read wherever they come.
#[test]
fn the_registers_of_a_session_are_read() {
    let clock = ("MeterValueClock", "Sample.Clock");
    let periodic = ("MeterValuePeriodic", "Sample.Periodic");
    for (trigger, context) in [clock, periodic] {
        in_both(|bench| {
            let mut transaction = Transaction::new("T-1", an_hour_ago());
            let mut first = transaction.event("Started", "Authorized", &[by(TAG)]);
            first.as_object_mut().expect("an event").remove("evse");
            let answer = bench.station.call("TransactionEvent", first);
            assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
            let plugged = [state("EVConnected"), register("Transaction.Begin", 1_000)];
            bench.tells(&mut transaction, ("Updated", "CablePluggedIn"), &plugged);
            for register_wh in [3_000, 5_000, 7_000] {
                let metered = [register(context, register_wh)];
                bench.tells(&mut transaction, ("Updated", trigger), &metered);
            }
            bench.notes("MeterValues", clock_aligned(0));
            let last = [reason("EVDisconnected"), both_registers(context, signed)];
            bench.tells(&mut transaction, ("Ended", "EVCommunicationLost"), &last);
            bench.connector_is("Available");
            let session = only_session(&bench.csms, "CP-1");
            invoice_of(&bench.csms, &session, 10_000);
            let id = session["id"].as_str().expect("an id");
            let session = bench.csms.get(&format!("/v1/sessions/{id}")).expect(200).json();
            let curve = session["curve"].as_array().expect("a curve");
            let energy_wh: Vec<&Value> = curve.iter().map(|point| &point["energy_wh"]).collect();
            assert_eq!(energy_wh, [0, 2_000, 4_000, 6_000, 10_000], "{session:#}");
        });
    }
}

/// The same reading of the three phases, each a third, beside the register of the whole or alone.
fn of_phases(mut values: Value, is_whole_told: bool) -> Value {
    let whole = values["meterValue"][0]["sampledValue"][0].take();
    let third = whole["value"].as_u64().expect("a register") / 3;
    let phases = ["L1", "L2", "L3"].map(|phase| {
        let mut sample = whole.clone();
        (sample["phase"], sample["value"]) = (json!(phase), json!(third));
        sample
    });
    let whole = is_whole_told.then_some(whole);
    values["meterValue"][0]["sampledValue"] = phases.into_iter().chain(whole).collect();
    values
}

/// A meter that counts each phase: the register of the whole is billed, and never a part of it.
#[test]
fn the_register_of_a_single_phase_is_never_billed() {
    for (is_whole_told, outcome) in [(true, "invoiced"), (false, "needs_review")] {
        in_both(|bench| {
            let mut transaction = Transaction::new("T-1", an_hour_ago());
            let read =
                |context, register_wh| of_phases(register(context, register_wh), is_whole_told);
            let first = [by(TAG), state("Charging"), read("Transaction.Begin", 3_000)];
            bench.tells(&mut transaction, ("Started", "Authorized"), &first);
            let metered = [read("Sample.Periodic", 6_000)];
            bench.tells(&mut transaction, ("Updated", "MeterValuePeriodic"), &metered);
            let last = [reason("EVDisconnected"), read("Transaction.End", 12_000)];
            bench.tells(&mut transaction, ("Ended", "EVCommunicationLost"), &last);
            bench.connector_is("Available");
            let session = only_session(&bench.csms, "CP-1");
            assert_eq!(session["outcome"], outcome, "{session:#}");
            match is_whole_told {
                true => drop(invoice_of(&bench.csms, &session, 9_000)),
                false => {
                    assert_eq!(session["reason"], "register_missing", "{session:#}");
                    assert_eq!(bench.csms.invoices(), Vec::<Value>::new());
                }
            }
        });
    }
}

/// TC_I_109 (a driver's), TC_I_101, TC_I_102, TC_I_105, TC_I_106 (a default), TC_I_110 (cleared),
/// TC_I_113 to TC_I_115 (a transaction's), of 2.1: tariffs go down, and the station's verdict
/// comes back.
#[test]
fn tariffs_are_sent_to_a_station() {
    let mut bench = Bench::booted(V21);
    let tariff = |id: &str| {
        json!({ "tariffId": id, "currency": "EUR", "energy": { "prices": [
            { "priceKwh": 0.5,
              "conditions": { "startTimeOfDay": "08:00", "endTimeOfDay": "20:00" } },
            { "priceKwh": 0.25 } ] } })
    };
    let default = || json!({ "evseId": 1, "tariff": tariff("T-1") });
    for status in ["Accepted", "TooManyElements", "ConditionNotSupported", "Rejected"] {
        bench.asks("SetDefaultTariff", default(), json!({ "status": status }));
    }
    let held = json!({ "status": "Accepted", "tariffAssignments": [
        { "tariffId": "T-1", "tariffKind": "DefaultTariff", "evseIds": [1] } ] });
    let kept = |bench: &Bench, expected: &[(&str, u32)]| {
        let tariffs = eventually("the tariffs that the station holds", || {
            let tariffs = bench.csms.get("/v1/stations/CP-1/tariffs").expect(200).json();
            let items = tariffs["items"].as_array().expect("a list");
            let items: Vec<_> =
                items.iter().map(|it| (it["tariff"].clone(), it["evse"].clone())).collect();
            let expected = expected.iter().map(|(tariff, evse)| (json!(tariff), json!(evse)));
            items.into_iter().eq(expected).then_some(tariffs)
        });
        assert!(tariffs["items"].as_array().is_some_and(|items| items.len() == expected.len()));
    };
    kept(&bench, &[("T-1", 1)]);
    bench.asks("GetTariffs", json!({ "evseId": 1 }), held);
    kept(&bench, &[("T-1", 1)]);
    bench.charges("TX-1");
    let change = || json!({ "transactionId": "TX-1", "tariff": tariff("T-2") });
    for status in ["TooManyElements", "ConditionNotSupported", "Accepted"] {
        bench.asks("ChangeTransactionTariff", change(), json!({ "status": status }));
    }
    let clear = json!({ "tariffIds": ["T-1"] });
    let cleared = json!({ "clearTariffsResult": [{ "tariffId": "T-1", "status": "Accepted" }] });
    bench.asks("ClearTariffs", clear, cleared);
    kept(&bench, &[]);
    let none = json!({ "clearTariffsResult": [{ "status": "NoTariff" }] });
    bench.asks("ClearTariffs", json!({}), none);
}

/// TC_I_109 (the driver's, in the answer to Authorize), TC_I_106 (the default) of 2.1: the tariff
/// in force goes to a station that may compute by it, where OCPP has words for it.
#[test]
fn the_tariff_in_force_is_told_to_a_station() {
    let mut bench = Bench::booted(V21);
    let silent = bench.station.call("Authorize", by(TAG));
    assert_eq!(silent["idTokenInfo"]["status"], "Accepted");
    assert_eq!(silent["tariff"], Value::Null, "nobody has asked for it");
    let station = "/v1/stations/CP-1";
    bench.csms.patch(station, &json!({ "local_tariffs": true })).expect(200);
    let told = bench.station.call("Authorize", by(TAG))["tariff"].take();
    assert_eq!(told["energy"]["prices"][0]["priceKwh"], 0.5, "{told}");
    let refused = bench.station.call("Authorize", by("NOBODY"));
    assert_eq!(refused["tariff"], Value::Null);

    let path = "set-default-tariff";
    let accepted = status_is("Accepted");
    // A station takes no id twice (I07.FR.04): each EVSE's is its own.
    for evse in [1, 2] {
        let wished = json!({ "evse": evse });
        let (_, call) = bench.request(path, &wished, "SetDefaultTariff", &accepted);
        let mut expected = told.clone();
        let id = told["tariffId"].as_str().expect("an id");
        expected["tariffId"] = json!(format!("{id}-{evse}"));
        assert_eq!(call, json!({ "evseId": evse, "tariff": expected }));
    }

    let steps = json!({ "currency": "EUR", "elements": [{ "price_components": [
        { "type": "ENERGY", "price": "0.5", "step_size": 1000 }] }] });
    bench.csms.put("/v1/tariffs/steps", &steps).expect(201);
    bench.csms.put("/v1/settings/default-tariff", &json!({ "tariff": "steps" })).expect(200);
    let refused = bench.csms.post(&format!("{station}/set-default-tariff"), &json!({}));
    let problem = refused.expect(422).json();
    assert!(problem.to_string().contains("step_size"), "{problem}");
    let told = bench.station.call("Authorize", by(TAG));
    assert_eq!(told["tariff"], Value::Null, "there are no words for it");

    let says = json!({ "requestId": 1, "generatedAt": time(Utc::now()), "seqNo": 0,
        "reportData": [{ "component": { "name": "TariffCostCtrlr" },
            "variable": { "name": "Enabled", "instance": "Tariff" },
            "variableAttribute": [{ "value": "false" }] }] });
    bench.notes("NotifyReport", says);
    let refused = eventually("what the station says of tariffs", || {
        let refused = bench.csms.post(&format!("{station}/set-default-tariff"), &json!({}));
        (refused.status == 409).then(|| refused.json())
    });
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("does not compute")));
}

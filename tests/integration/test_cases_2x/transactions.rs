//! Block E: where a transaction begins and ends, and what is asked about one.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::{Bench, Transaction, V21, V201, by, in_both, reason, register, state, status_is};
use crate::full_session::assert_proven;
use crate::harness::{TestCsms, eventually};
use crate::messages::{
    TAG, an_hour_ago, booted_2x, finished_sessions, invoice_of, number, only_session,
};

/// An event of a story: its type, its trigger, and what it says besides.
type Told = (&'static str, &'static str, Vec<Value>);

/// Plays stories, each of 10 kWh and in an hour of its own; all of them are billed, and end for
/// the reason that stands with them.
fn all_billed(stories: impl Fn() -> Vec<(&'static str, &'static str, Vec<Told>)>) {
    in_both(|bench| {
        let stories = stories();
        let first = an_hour_ago() - Duration::days(2);
        let hours: Vec<DateTime<Utc>> =
            (0..).map(|hour| first + Duration::hours(hour)).take(stories.len()).collect();
        for ((id, _, story), begun) in stories.iter().zip(hours) {
            let mut transaction = Transaction::new(id, begun);
            for (kind, trigger, further) in story {
                let answer = bench.tells(&mut transaction, (*kind, *trigger), further);
                if further.iter().any(|further| further.get("idToken").is_some()) {
                    assert_eq!(answer["idTokenInfo"]["status"], "Accepted", "{id}: {answer}");
                }
            }
        }
        bench.connector_is("Available");
        let sessions = finished_sessions(&bench.csms, "CP-1", stories.len());
        for (id, reason, _) in &stories {
            let of_story = |session: &&Value| session["transaction_id"] == *id;
            let session = sessions.iter().find(of_story).expect("a session");
            assert_eq!(session["stop_reason"], *reason, "{id}");
            invoice_of(&bench.csms, session, 10_000);
        }
    });
}

fn first_register() -> Value {
    register("Transaction.Begin", 1_000)
}

fn last_register() -> Value {
    register("Transaction.End", 11_000)
}

/// What a station tells late, by its own clock or out of order, is shown as what it is: energy
/// since the first reading, metered when the station says.
#[test]
fn a_running_session_shows_what_its_station_tells_late() {
    in_both(|bench| {
        let shown = |bench: &Bench, energy_wh: u32, metered_at: DateTime<Utc>| {
            let at = metered_at.timestamp_millis();
            eventually("the energy", || {
                let session = bench.csms.sessions("CP-1").pop()?;
                let said = session["metered_at"].as_str().map(|at| at.parse::<DateTime<Utc>>());
                let said = said.map(|at| at.expect("a time").timestamp_millis());
                (session["energy_wh"] == energy_wh && said == Some(at)).then_some(())
            });
        };
        let begun = an_hour_ago();
        let mut transaction = Transaction::new("T-1", begun);
        let [started, second, third] = [
            transaction.event("Started", "Authorized", &[by(TAG), first_register()]),
            transaction.event(
                "Updated",
                "MeterValuePeriodic",
                &[register("Sample.Periodic", 3_000)],
            ),
            transaction.event(
                "Updated",
                "MeterValuePeriodic",
                &[register("Sample.Periodic", 6_000)],
            ),
        ];
        for (event, energy_wh, minutes) in
            [(&second, 0, 5), (&third, 3_000, 10), (&started, 5_000, 10)]
        {
            bench.station.call("TransactionEvent", event.clone());
            shown(bench, energy_wh, begun + Duration::minutes(minutes));
        }
    });
}

/// Each way to begin; the token is known before or after the plug.
/// TC_E_53 besides: every one of these transactions counts its events from 0.
#[test]
fn a_session_may_begin_at_any_point() {
    all_billed(|| {
        let ended = || ("Ended", "StopAuthorized", vec![by(TAG), reason("Local"), last_register()]);
        let charging = || ("Updated", "ChargingStateChanged", vec![state("Charging")]);
        let plugged = |kind| (kind, "CablePluggedIn", vec![state("EVConnected"), first_register()]);
        let authorized = || ("Updated", "Authorized", vec![by(TAG)]);
        let signed = json!({ "meterValue": [{ "sampledValue": [{ "value": 1_000,
            "context": "Transaction.Begin", "measurand": "Energy.Active.Import.Register",
            "signedMeterValue": { "signedMeterData": "AQID", "signingMethod": "",
                "encodingMethod": "OCMF", "publicKey": "" } }] }] });
        let closed = vec![by(TAG), state("SuspendedEVSE"), first_register()];
        let flowing = vec![by(TAG), state("Charging"), first_register()];
        vec![
            (
                "E_01",
                "Local",
                vec![("Started", "ChargingStateChanged", closed), charging(), ended()],
            ),
            ("E_02", "Local", vec![("Started", "ChargingStateChanged", flowing), ended()]),
            ("E_03", "Local", vec![plugged("Started"), authorized(), charging(), ended()]),
            (
                "E_04",
                "Local",
                vec![
                    ("Started", "Authorized", vec![by(TAG)]),
                    plugged("Updated"),
                    charging(),
                    ended(),
                ],
            ),
            ("E_09", "Local", vec![plugged("Started"), charging(), authorized(), ended()]),
            (
                "E_10",
                "Local",
                vec![
                    ("Started", "Authorized", vec![by(TAG), first_register()]),
                    charging(),
                    ended(),
                ],
            ),
            (
                "E_11",
                "Local",
                vec![("Started", "SignedDataReceived", vec![signed, by(TAG)]), charging(), ended()],
            ),
            (
                "E_12",
                "Local",
                vec![
                    ("Started", "EVDetected", vec![]),
                    plugged("Updated"),
                    authorized(),
                    charging(),
                    ended(),
                ],
            ),
            (
                "E_38",
                "Local",
                vec![
                    ("Started", "Authorized", vec![by(TAG)]),
                    plugged("Updated"),
                    ("Updated", "ChargingStateChanged", vec![state("SuspendedEV")]),
                    charging(),
                    ended(),
                ],
            ),
        ]
    });
}

/// Each way to end, by the driver, the car or the parking bay.
#[test]
fn a_session_may_end_at_any_point() {
    all_billed(|| {
        let story = |end: Vec<Told>| {
            let mut story = vec![
                ("Started", "Authorized", vec![by(TAG), first_register()]),
                ("Updated", "ChargingStateChanged", vec![state("Charging")]),
            ];
            story.extend(end);
            story
        };
        let ended = |trigger, why: &str, charging: &str| {
            ("Ended", trigger, vec![reason(why), state(charging), last_register()])
        };
        let stopped = || ("Updated", "StopAuthorized", vec![by(TAG), state("EVConnected")]);
        let suspended = || ("Updated", "ChargingStateChanged", vec![state("SuspendedEV")]);
        let unplugged = || ("Updated", "EVCommunicationLost", vec![state("Idle")]);
        let away = "EVDisconnected";
        vec![
            ("E_07", "Local", story(vec![ended("StopAuthorized", "Local", "EVConnected")])),
            (
                "E_08",
                "Local",
                story(vec![stopped(), ended("ChargingStateChanged", "Local", "EVConnected")]),
            ),
            ("E_14", away, story(vec![stopped(), ended("EVCommunicationLost", away, "Idle")])),
            ("E_15", "Local", story(vec![ended("StopAuthorized", "Local", "Charging")])),
            ("E_17", away, story(vec![suspended(), ended("EVCommunicationLost", away, "Idle")])),
            (
                "E_19",
                "Local",
                story(vec![stopped(), unplugged(), ended("EVDeparted", "Local", "Idle")]),
            ),
            ("E_20", away, story(vec![suspended(), ended("EVCommunicationLost", away, "Idle")])),
            (
                "E_22",
                "StoppedByEV",
                story(vec![ended("ChargingStateChanged", "StoppedByEV", "SuspendedEV")]),
            ),
            (
                "E_26",
                "Local",
                story(vec![
                    suspended(),
                    unplugged(),
                    ("Updated", "CablePluggedIn", vec![state("EVConnected")]),
                    ("Updated", "ChargingStateChanged", vec![state("Charging")]),
                    ended("StopAuthorized", "Local", "EVConnected"),
                ]),
            ),
        ]
    });
}

/// TC_E_16: the token is refused, and the station ends what it had begun.
#[test]
fn a_session_of_an_unknown_token_is_refused_and_not_billed() {
    in_both(|bench| {
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        bench.tells(&mut transaction, ("Started", "CablePluggedIn"), &[first_register()]);
        let answer = bench.tells(&mut transaction, ("Updated", "Authorized"), &[by("NOBODY")]);
        assert_eq!(answer["idTokenInfo"]["status"], "Invalid");
        let ended = [reason("DeAuthorized"), register("Transaction.End", 1_000)];
        bench.tells(&mut transaction, ("Ended", "Deauthorized"), &ended);
        bench.connector_is("Available");
        only_session(&bench.csms, "CP-1");
        assert_eq!(bench.csms.invoices(), Vec::<Value>::new());
    });
}

/// TC_E_39: authorized, and never plugged in.
#[test]
fn a_session_that_was_never_plugged_in_costs_nothing() {
    in_both(|bench| {
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        let answer = bench.tells(&mut transaction, ("Started", "Authorized"), &[by(TAG)]);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
        bench.tells(&mut transaction, ("Ended", "EVConnectTimeout"), &[reason("Timeout")]);
        bench.connector_is("Available");
        let session = only_session(&bench.csms, "CP-1");
        let why = (&session["outcome"], &session["reason"], &session["stop_reason"]);
        assert_eq!(why, (&json!("void"), &json!("never_ran"), &json!("Timeout")), "{session:#}");
    });
}

/// TC_E_21: the operator ends it.
#[test]
fn a_remote_stop_ends_the_session() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        let body = json!({ "verb": "stop", "transaction": "T-1" });
        let sent = bench.commands(body, "RequestStopTransaction", status_is("Accepted"));
        assert_eq!(sent, json!({ "transactionId": "T-1" }));
        let ended = [reason("Remote"), state("EVConnected"), last_register()];
        bench.tells(&mut transaction, ("Ended", "RemoteStop"), &ended);
        bench.connector_is("Available");
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!(session["stop_reason"], "Remote");
        invoice_of(&bench.csms, &session, 10_000);
    });
}

/// TC_E_29 (it runs, messages wait), TC_E_30 (it runs, none wait), TC_E_33 and TC_E_34 (no
/// transaction is named): what waited is told afterwards, and all is billed.
#[test]
fn the_status_of_a_running_transaction_is_asked_for() {
    let named = || json!({ "transactionId": "T-1" });
    in_both(|bench| {
        let idle = json!({ "messagesInQueue": false });
        bench.asks("GetTransactionStatus", json!({}), idle);
        let mut transaction = bench.charges("T-1");
        let quiet = json!({ "ongoingIndicator": true, "messagesInQueue": false });
        bench.asks("GetTransactionStatus", named(), quiet);
        bench.station.drop_connection();
        let offline = [json!({ "offline": true }), register("Sample.Periodic", 5_000)];
        let waiting = transaction.event("Updated", "MeterValuePeriodic", &offline);
        bench.comes_back();
        let queued = json!({ "ongoingIndicator": true, "messagesInQueue": true });
        bench.asks("GetTransactionStatus", named(), queued);
        bench.asks("GetTransactionStatus", json!({}), json!({ "messagesInQueue": true }));
        bench.station.call("TransactionEvent", waiting);
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_E_31: it has ended, and messages of its middle still wait.
#[test]
fn an_ended_transaction_waits_for_what_is_missing_of_it() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        bench.station.drop_connection();
        let offline = |wh| [json!({ "offline": true }), register("Sample.Periodic", wh)];
        let waiting: Vec<Value> = [4_000, 8_000]
            .map(|wh| transaction.event("Updated", "MeterValuePeriodic", &offline(wh)))
            .into();
        bench.comes_back();
        bench.connector_is("Available");
        let ended = [json!({ "offline": true }), reason("EVDisconnected"), last_register()];
        bench.tells(&mut transaction, ("Ended", "EVCommunicationLost"), &ended);
        let queued = json!({ "ongoingIndicator": false, "messagesInQueue": true });
        bench.asks("GetTransactionStatus", json!({ "transactionId": "T-1" }), queued);
        let session = eventually("the session", || bench.csms.sessions("CP-1").pop());
        assert_eq!(session["outcome"], Value::Null);
        for event in waiting {
            bench.station.call("TransactionEvent", event);
        }
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// It has ended, and nothing waits. A message of its middle is lost for good, and what
/// was drawn is billed by the registers of both ends, long before the deadline. Should it come all
/// the same, it is a fact like any other.
#[test]
fn what_is_lost_of_an_ended_transaction_is_not_waited_for() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        bench.station.drop_connection();
        let offline = [json!({ "offline": true }), register("Sample.Periodic", 4_000)];
        let lost = transaction.event("Updated", "MeterValuePeriodic", &offline);
        bench.comes_back();
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        let over = json!({ "ongoingIndicator": false, "messagesInQueue": false });
        bench.asks("GetTransactionStatus", json!({ "transactionId": "T-1" }), over);
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!(session["anomalies"], json!(["messages_missing"]));
        invoice_of(&bench.csms, &session, 10_000);
        bench.station.call("TransactionEvent", lost);
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// What was lost told when the car was full, and comes after the bill: from then on it had parked.
/// Every bill that was made of it is proven, and so is what took the first one back.
#[test]
fn what_comes_late_into_a_billed_gap_corrects_a_bill_that_is_proven() {
    for version in [V201, V21] {
        let csms = TestCsms::start();
        csms.add_token(TAG);
        csms.add_station("CP-1");
        csms.set_prices(&[("ENERGY", "0.50"), ("PARKING_TIME", "7.20")]);
        let station = booted_2x(&csms, version);
        let mut bench = Bench { csms, station, version };
        let mut transaction = bench.charges("T-1");
        let lost = transaction.event("Updated", "ChargingStateChanged", &[state("SuspendedEV")]);
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        let over = json!({ "ongoingIndicator": false, "messagesInQueue": false });
        bench.asks("GetTransactionStatus", json!({ "transactionId": "T-1" }), over);
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!(session["anomalies"], json!(["messages_missing"]));
        let first = invoice_of(&bench.csms, &session, 10_000);
        // 5.00 for the energy, 0.60 for the five minutes from the stop to the end, 19 % VAT.
        assert_eq!(first["totals"]["gross"], "6.66");
        assert_proven(&bench.csms, &first);

        bench.station.call("TransactionEvent", lost);
        let issued = eventually("the corrected bill", || {
            let issued = bench.csms.invoices();
            (issued.len() == 3).then_some(issued)
        });
        let mut sums: Vec<i64> =
            issued.iter().map(|invoice| number(&invoice["totals"]["gross_minor"])).collect();
        sums.sort_unstable();
        // It had been full for five minutes more.
        assert_eq!(sums, [-666, 666, 738]);
        for invoice in &issued {
            assert_proven(&bench.csms, invoice);
        }
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!((&session["outcome"], &session["anomalies"]), (&json!("invoiced"), &json!([])));
    }
}

/// A settlement that is told before its transaction does not stand in the way of a proof: who
/// pays with a token is billed, whatever a terminal has told.
#[test]
fn a_bill_after_an_early_settlement_is_proven() {
    let mut bench = Bench::booted(V21);
    let settled = json!({ "pspRef": "PSP-1", "status": "Canceled", "settlementAmount": 0,
        "settlementTime": super::time(Utc::now()), "transactionId": "T-1" });
    bench.station.call("NotifySettlement", settled);
    let mut transaction = bench.charges("T-1");
    bench.ends(&mut transaction);
    bench.connector_is("Available");
    let mut types = bench.csms.events().into_iter().map(|event| event["type"].clone());
    assert!(types.any(|name| name == "session.payment_settled"), "it is the session's");
    let session = only_session(&bench.csms, "CP-1");
    let invoice = invoice_of(&bench.csms, &session, 10_000);
    assert_proven(&bench.csms, &invoice);
}

/// Ended after GetTransactionStatus said "not ongoing", with nothing waiting: the end counts all
/// the same, and the bill is right.
#[test]
fn an_end_after_the_station_said_that_it_is_over_counts() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        let over = json!({ "ongoingIndicator": false, "messagesInQueue": false });
        bench.asks("GetTransactionStatus", json!({ "transactionId": "T-1" }), over);
        let session = eventually("the session", || bench.csms.sessions("CP-1").pop());
        assert_eq!(session["outcome"], Value::Null, "it has no end");
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!(session["anomalies"], json!([]));
        invoice_of(&bench.csms, &session, 10_000);
    });
}

/// TC_E_106 (energy), TC_E_107 (time), TC_E_108 (cost), of 2.1: the driver sets a limit at the
/// station, which says so and ends the session when it is reached.
#[test]
fn a_limit_set_at_the_station_ends_the_session() {
    let mut bench = Bench::booted(V21);
    let limits = [
        ("EnergyLimitReached", "EnergyLimitReached", json!({ "maxEnergy": 10_000 })),
        ("TimeLimitReached", "TimeLimitReached", json!({ "maxTime": 1_200 })),
        ("CostLimitReached", "Other", json!({ "maxCost": 5.95 })),
    ];
    for (trigger, why, limit) in limits {
        let mut transaction = bench.charges(trigger);
        let set = [json!({ "transactionInfo": { "transactionLimit": limit } })];
        let metered = [register("Sample.Periodic", 2_000)];
        // We set none, so nothing of ours takes the station's place, then or later.
        for (told, further) in [("LimitSet", &set), ("MeterValuePeriodic", &metered)] {
            let answer = bench.tells(&mut transaction, ("Updated", told), further);
            let says = (&answer["transactionLimit"], &answer["idTokenInfo"]);
            assert_eq!(says, (&Value::Null, &Value::Null), "{trigger}: {answer}");
        }
        let ended = [reason(why), state("EVConnected"), last_register()];
        bench.tells(&mut transaction, ("Ended", trigger), &ended);
        bench.connector_is("Available");
    }
    let events = bench.csms.events();
    let reported = events.iter().filter(|event| event["type"] == "session.transaction_reported");
    let told: Vec<_> = reported
        .map(|event| (&event["data"]["trigger"], &event["data"]["limit"]))
        .filter(|(_, limit)| !limit.is_null())
        .collect();
    let set = json!("LimitSet");
    let facts = [
        json!({ "energy_wh": "10000" }),
        json!({ "duration_seconds": 1_200 }),
        json!({ "cost": "5.95" }),
    ];
    assert_eq!(told, facts.each_ref().map(|fact| (&set, fact)), "each is a fact");
    for session in finished_sessions(&bench.csms, "CP-1", 3) {
        invoice_of(&bench.csms, &session, 10_000);
    }
}

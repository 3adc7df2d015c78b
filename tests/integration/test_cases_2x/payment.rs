//! Block C of 2.1, C18 to C25: payments without a token, at a terminal or on a web page.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Bench, Transaction, V21, merge, reason, register, state, status_is};
use crate::harness::eventually;
use crate::messages::{an_hour_ago, only_session};
use chrono::Utc;

/// What the payment provider calls the payment.
const REFERENCE: &str = "PSP-1234";

fn by_payment() -> Value {
    json!({ "idToken": { "idToken": REFERENCE, "type": "DirectPayment" } })
}

/// Ten kilowatt-hours that are paid for directly; how the station was answered at the beginning
/// and at the end.
fn charges(bench: &mut Bench, remote_start_id: &Value) -> (Value, Value) {
    let mut transaction = Transaction::new("T-1", an_hour_ago());
    let mut begun = vec![by_payment(), state("Charging"), register("Transaction.Begin", 1_000)];
    if !remote_start_id.is_null() {
        begun.push(json!({ "transactionInfo": { "remoteStartId": remote_start_id } }));
    }
    let began = bench.tells(&mut transaction, ("Started", "Authorized"), &begun);
    let over = [by_payment(), reason("Local"), register("Transaction.End", 11_000)];
    let ended = bench.tells(&mut transaction, ("Ended", "StopAuthorized"), &over);
    bench.connector_is("Available");
    (began, ended)
}

fn settles(bench: &mut Bench, status: &str, amount: f64) {
    let answer = bench.station.call(
        "NotifySettlement",
        json!({ "pspRef": REFERENCE, "status": status, "settlementAmount": amount,
            "settlementTime": super::time(Utc::now()), "transactionId": "T-1" }),
    );
    assert!(answer.is_object(), "{status}: {answer}");
}

/// TC_C_118 (settled), TC_C_119 (failed), TC_C_120 (rejected) at a terminal of the station's own.
#[test]
fn a_session_paid_at_the_terminal_becomes_what_its_settlement_says() {
    for (status, outcome, why) in [
        ("Settled", "charged_elsewhere", "paid_directly"),
        ("Failed", "needs_review", "payment_failed"),
        ("Rejected", "needs_review", "payment_rejected"),
    ] {
        let mut bench = Bench::booted(V21);
        let asked = bench.station.call("Authorize", by_payment());
        assert_eq!(asked["idTokenInfo"]["status"], "Accepted");
        let (began, ended) = charges(&mut bench, &Value::Null);
        assert_eq!(began["idTokenInfo"]["status"], "Accepted");
        assert_eq!(ended["totalCost"], 5.95);
        settles(&mut bench, status, 5.95);
        let session = only_session(&bench.csms, "CP-1");
        assert_eq!((&session["outcome"], &session["reason"]), (&json!(outcome), &json!(why)));
        assert_eq!(session["settlement"]["reference"], REFERENCE);
        assert_eq!(bench.csms.invoices(), Vec::<Value>::new(), "nobody here pays");
    }
}

/// A terminal may be quicker than the station's queue, and may have taken another amount.
#[test]
fn a_settlement_that_comes_first_is_its_sessions_and_held_against_the_rating() {
    let mut bench = Bench::booted(V21);
    settles(&mut bench, "Settled", 6.95);
    charges(&mut bench, &Value::Null);
    let session = only_session(&bench.csms, "CP-1");
    assert_eq!(session["outcome"], "charged_elsewhere", "{session:#}");
    assert_eq!(session["settlement"]["reference"], REFERENCE);
    assert_eq!(session["anomalies"], json!(["payment_differs"]));
}

/// TC_C_113: cancelled after the transaction has begun, before anything was drawn.
#[test]
fn a_payment_cancelled_before_anything_was_drawn_costs_nothing() {
    let mut bench = Bench::booted(V21);
    let mut transaction = Transaction::new("T-1", an_hour_ago());
    let begun = [by_payment(), register("Transaction.Begin", 1_000)];
    bench.tells(&mut transaction, ("Started", "Authorized"), &begun);
    let over = [by_payment(), reason("Local"), register("Transaction.End", 1_000)];
    let ended = bench.tells(&mut transaction, ("Ended", "StopAuthorized"), &over);
    assert_eq!(ended["totalCost"], 0.0, "{ended}");
    bench.connector_is("Available");
    settles(&mut bench, "Canceled", 0.0);
    let session = eventually("what the payment has come to", || {
        let session = only_session(&bench.csms, "CP-1");
        (session["settlement"]["status"] == "Canceled").then_some(session)
    });
    assert_eq!(session["outcome"], "free", "{session:#}");
}

/// TC_C_125 (the cost is ours), TC_C_126 (the station's own): a terminal that is no station's own
/// took the payment, and asks us to begin.
#[test]
fn a_payment_at_a_terminal_of_its_own_begins_a_session_with_its_limit() {
    let mut bench = Bench::booted(V21);
    let paid = json!({ "verb": "start_paid", "evse": 1, "reference": REFERENCE,
        "card_last_digits": "4242", "limit": { "cost": 50, "energy_wh": "20000",
        "duration_seconds": 3600 } });
    let sent = bench.commands(paid, "RequestStartTransaction", status_is("Accepted"));
    let mut token = by_payment()["idToken"].take();
    let card = json!([{ "additionalIdToken": "4242", "type": "CardLast4Digits" }]);
    merge(&mut token, json!({ "additionalInfo": card }));
    assert_eq!((&sent["evseId"], &sent["idToken"]), (&json!(1), &token));
    let (began, ended) = charges(&mut bench, &sent["remoteStartId"]);
    assert_eq!(began["idTokenInfo"]["status"], "Accepted");
    let limit = json!({ "maxCost": 50, "maxEnergy": 20_000, "maxTime": 3_600 });
    assert_eq!(began["transactionLimit"], limit);
    assert_eq!(ended["totalCost"], 5.95);
}

/// TC_C_108: a right number is one, with and without an EVSE; a wrong one is none.
#[test]
fn a_vat_number_is_checked() {
    let mut bench = Bench::booted(V21);
    for (number, status) in [("NL004495445B01", "Accepted"), ("INVALID-VAT", "Rejected")] {
        for further in [json!({ "evseId": 1 }), json!({})] {
            let mut asked = json!({ "vatNumber": number });
            merge(&mut asked, further.clone());
            let mut expected = json!({ "vatNumber": number, "status": status });
            merge(&mut expected, further);
            assert_eq!(bench.station.call("VatNumberValidation", asked), expected);
        }
    }
}

/// A one-time password as a station makes it (2.1 part 2, C25: version 1).
fn one_time_password(secret: &str, validity_seconds: i64, length: usize) -> String {
    let alphabet = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let interval = Utc::now().timestamp() / validity_seconds;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(&interval.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[31] & 0x0f);
    let byte = |place: usize| usize::from(hash[(offset + place) % 32]);
    (0..length).map(|place| char::from(alphabet[byte(place) % 62])).collect()
}

/// Has the station show QR codes; what it was told, by variable.
fn shows_codes(bench: &mut Bench) -> Value {
    let wished = json!({ "validity_seconds": 3600, "length": 20,
        "url_template": "https://pay.example.com/{chargingStationId}/{evse}/{totp}/{version}" });
    let named = |variable: &str| {
        json!({ "attributeStatus": "Accepted", "component": { "name": "WebPaymentsCtrlr" },
            "variable": { "name": variable } })
    };
    let variables =
        ["URLTemplate", "TOTPVersion", "ValidityTime", "Length", "SharedSecret", "Enabled"];
    let accepted = json!({ "setVariableResult": variables.map(named) });
    bench.station.will_answer("SetVariables", accepted);
    let (path, wait) = ("/v1/stations/CP-1/web-payments", [("Prefer", "wait=30")]);
    bench.csms.send("PUT", path, &wait, &wished.to_string()).expect(200);
    let call = bench.station.received_calls().pop().expect("a CALL");
    let data = call["payload"]["setVariableData"].as_array().expect("data").clone();
    let value = |data: &Value| {
        let name = data["variable"]["name"].as_str().expect("a name").to_owned();
        (name, data["attributeValue"].clone())
    };
    Value::Object(data.iter().map(value).collect())
}

/// TC_C_131 (a code that is good), TC_C_132 (wrong parameters), TC_C_133 (a wrong one-time
/// password).
#[test]
fn a_qr_code_of_the_station_is_good_and_any_other_is_refused() {
    let mut bench = Bench::booted(V21);
    bench.connector_is("Available");
    let validate = "/v1/web-payments/validate";
    let code = |further: Value| {
        let mut code = json!({ "station": "CP-1", "evse": 1, "totp": "x", "version": "v1" });
        merge(&mut code, further);
        code
    };
    bench.csms.post(validate, &code(json!({}))).expect(409);
    let told = shows_codes(&mut bench);
    let secret = told["SharedSecret"].as_str().expect("a secret");
    let made = (&told["TOTPVersion"], &told["ValidityTime"], &told["Length"]);
    assert_eq!(made, (&json!("v1"), &json!("3600"), &json!("20")));

    let totp = || one_time_password(secret, 3_600, 20);
    let good = code(json!({ "totp": totp(), "max_energy_wh": "20000" }));
    let answer = eventually("the station's settings", || {
        let answer = bench.csms.post(validate, &good);
        (answer.status == 200).then(|| answer.json())
    });
    let limit = json!({ "energy_wh": 20_000 });
    assert_eq!(answer, json!({ "station": "CP-1", "evse": 1, "limit": limit }));
    for (wrong, status, pointer) in [
        (json!({ "station": "CP-OTHER", "totp": totp() }), 404, None),
        (json!({ "evse": 7, "totp": totp() }), 422, Some("/evse")),
        (json!({ "version": "v2", "totp": totp() }), 422, Some("/version")),
        (json!({ "max_cost": "-1", "totp": totp() }), 422, Some("/max_cost")),
        (json!({ "totp": one_time_password("another", 3_600, 20) }), 422, Some("/totp")),
    ] {
        let problem = bench.csms.post(validate, &code(wrong)).expect(status).json();
        if let Some(pointer) = pointer {
            assert!(problem.to_string().contains(pointer), "{problem}");
        }
    }

    let announced = json!({ "verb": "announce_web_payment", "evse": 1, "timeout_seconds": 300 });
    let sent = bench.commands(announced, "NotifyWebPaymentStarted", json!({}));
    assert_eq!(sent, json!({ "evseId": 1, "timeout": 300 }));
    let paid = json!({ "verb": "start_paid", "evse": 1, "reference": REFERENCE,
        "limit": answer["limit"] });
    let sent = bench.commands(paid, "RequestStartTransaction", status_is("Accepted"));
    let (began, _) = charges(&mut bench, &sent["remoteStartId"]);
    assert_eq!(began["transactionLimit"], json!({ "maxEnergy": 20_000 }));
}

/// What a station says of its codes, in a report.
fn says(bench: &mut Bench, variable: &str, value: &str) {
    let says = json!({ "requestId": 1, "generatedAt": super::time(Utc::now()), "seqNo": 0,
        "reportData": [{ "component": { "name": "WebPaymentsCtrlr" },
            "variable": { "name": variable }, "variableAttribute": [{ "value": value }] }] });
    bench.notes("NotifyReport", says);
}

/// C25.FR.07: beyond the standard's bounds, or switched off, a station shows no codes; the empty
/// password is none.
#[test]
fn what_a_station_says_of_its_codes_is_believed_within_bounds() {
    let mut bench = Bench::booted(V21);
    bench.connector_is("Available");
    shows_codes(&mut bench);
    let code = json!({ "station": "CP-1", "evse": 1, "totp": "", "version": "v1" });
    let answers_with = |bench: &mut Bench, status: u16| {
        eventually("what is known of the codes", || {
            (bench.csms.post("/v1/web-payments/validate", &code).status == status).then_some(())
        });
    };
    answers_with(&mut bench, 422);
    for (variable, wrong, right) in [
        ("Length", "0", "20"),
        ("Length", "4294967295", "20"),
        ("ValidityTime", "4294967295", "3600"),
        ("ValidityTime", "0", "3600"),
        ("Enabled", "false", "true"),
    ] {
        says(&mut bench, variable, wrong);
        answers_with(&mut bench, 409);
        says(&mut bench, variable, right);
        answers_with(&mut bench, 422);
    }
}

/// C25.FR.50: a page without the version, the password or either name of the place is none.
#[test]
fn a_page_has_places_for_all_that_a_code_says() {
    let bench = Bench::booted(V21);
    for (template, status) in [
        ("https://pay.example.com/{chargingStationId}/{evse}/{totp}", 422),
        ("https://pay.example.com/{chargingStationId}/{version}", 422),
        ("https://pay.example.com/{evse}/{totp}/{version}", 422),
        ("https://pay.example.com/{roamingEvseId}/{totp}/{version}", 202),
    ] {
        let wished = json!({ "url_template": template });
        bench.csms.put("/v1/stations/CP-1/web-payments", &wished).expect(status);
    }
}

//! From a session to its invoice, as it is read over the API.

use crate::harness::TestApi;
use crate::registering::tariff;
use crate::station::{Station, TAG, minute};
use axum::http::Method;
use chargebook_api::{BundleFailure, BundleSource};
use serde_json::{Value, json};
use std::sync::Arc;

/// A station at a site, a token and a price of 0.50 EUR net per kWh.
async fn prepared(api: &TestApi) -> Station {
    api.run_policies();
    let site = json!({ "id": "yard", "time_zone": "Europe/Berlin" });
    api.post("/v1/sites", &site).await.expect(201);
    api.post("/v1/stations", &json!({ "id": "CP-1", "site": "yard" })).await.expect(201);
    api.post("/v1/tokens", &json!({ "uid": TAG, "type": "RFID" })).await.expect(201);
    api.send(Method::PUT, "/v1/tariffs/day", &[], &tariff("0.50")).await.expect(201);
    api.put("/v1/settings/default-tariff", &json!({ "tariff": "day" })).await.expect(200);
    Station::connected(api, "CP-1").await
}

async fn invoiced(api: &TestApi, count: usize) -> Vec<Value> {
    let path = "/v1/sessions?station=CP-1&outcome=invoiced";
    api.list_until(path, |sessions| sessions.len() == count).await
}

#[tokio::test]
async fn a_running_session_shows_its_curve_and_its_cost_so_far() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    let id = station.start(minute(0), 1_000).await;
    station.meter(id, minute(10), 3_000).await;
    let open = api.list_until("/v1/sessions?open=true", |sessions| {
        sessions.first().is_some_and(|session| session["energy_wh"] == 2_000)
    });
    let session = open.await.remove(0);
    assert_eq!(session["transaction_id"], id);
    assert_eq!(session["token"], TAG);
    assert_eq!(session["site"], "yard");
    assert_eq!(session["status"], "open");
    assert_eq!(session["authorization"], "accepted");
    assert_eq!(session["outcome"], Value::Null);
    assert_eq!(session["ended_at"], Value::Null);
    let path = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
    let full = api.get(&path).await.expect(200).json();
    assert_eq!(full["station"], "CP-1");
    assert_eq!(full["running_currency"], "EUR");
    // 2 kWh at 0.50 net, 19 % VAT.
    assert_eq!(full["running_cost"], "1.19", "{full:#}");
    let last = full["curve"].as_array().and_then(|curve| curve.last().cloned());
    assert_eq!(last.expect("a point")["energy_wh"], 2_000, "{full:#}");
    assert_eq!(full["timeline"][0]["type"], "session.started", "{full:#}");
}

#[tokio::test]
async fn a_session_becomes_an_invoice_and_a_debt() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    let id = station.start(minute(0), 1_000).await;
    station.stop(id, minute(30), 11_000).await;
    let session = invoiced(&api, 1).await.remove(0);
    assert_eq!(session["energy_wh"], 10_000);
    assert_eq!(session["stop_reason"], "EVDisconnected");
    assert_eq!((&session["cost"], &session["currency"]), (&json!("5.95"), &json!("EUR")));
    assert_eq!(session["cost_net"], "5.00");

    let id = session["id"].as_str().expect("an id");
    let invoices = api.list(&format!("/v1/invoices?session={id}")).await;
    let [invoice] = invoices.as_slice() else { panic!("{invoices:#?}") };
    assert_eq!(invoice["number"], session["invoice"]);
    assert_eq!(invoice["session"], session["id"]);
    assert_eq!(invoice["station"], "CP-1");
    assert_eq!(invoice["kind"], "invoice");
    let totals = json!({
        "net": "5.00", "vat": "0.95", "gross": "5.95",
        "net_minor": 500, "vat_minor": 95, "gross_minor": 595,
    });
    assert_eq!(invoice["totals"], totals);
    let line = &invoice["lines"][0];
    let said = [&line["dimension"], &line["quantity"], &line["unit"], &line["net"]];
    assert_eq!(said, [&json!("ENERGY"), &json!("10"), &json!("kWh"), &json!("5.00")]);
    assert_eq!(invoice["tariff"]["id"], "day");
    let number = invoice["number"].as_str().expect("a number");
    let one = api.get(&format!("/v1/invoices/{number}")).await.expect(200).json();
    assert_eq!(&one, invoice);

    let account = session["account_id"].as_str().expect("an account");
    let path = format!("/v1/accounts/{account}");
    let owing = api.list_until("/v1/accounts", |accounts| {
        accounts.iter().any(|account| account["balances"][0]["balance_minor"] == 595)
    });
    assert_eq!(owing.await.len(), 1);
    assert_eq!(api.get(&path).await.expect(200).json()["kind"], "pay_later");
    let totals = api.get("/v1/totals").await.expect(200).json();
    assert_eq!(totals["revenue"][0]["gross"], "5.95", "{totals:#}");
    let analytics = api.get("/v1/analytics?bucket=day&site=yard").await.expect(200).json();
    assert_eq!(analytics["time_zone"], "Europe/Berlin");
    let energy: i64 = analytics["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|bucket| bucket["energy_wh"].as_i64().expect("whole"))
        .sum();
    assert_eq!(energy, 10_000, "{analytics:#}");
}

#[tokio::test]
async fn lists_have_pages_that_hang_together() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    for number in 0..5 {
        let id = station.start(minute(number * 10), number * 1_000).await;
        station.stop(id, minute(number * 10 + 5), number * 1_000 + 1_000).await;
    }
    let sessions = invoiced(&api, 5).await;
    for (path, whole) in [
        ("/v1/sessions?station=CP-1", &sessions),
        ("/v1/invoices", &api.list("/v1/invoices").await),
        ("/v1/commands", &Vec::new()),
    ] {
        let joint = if path.contains('?') { '&' } else { '?' };
        let pages = api.list(&format!("{path}{joint}limit=2")).await;
        assert_eq!(&pages, whole, "{path}");
    }
    let page = api.get("/v1/sessions?limit=2").await.expect(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let next = page["next"].as_str().expect("there is more");
    let problem = api.get(&format!("/v1/invoices?after={next}")).await;
    problem.problem(400, "invalid_parameter");
    assert_eq!(api.list("/v1/sessions?outcome=void").await, Vec::<Value>::new());
    assert_eq!(api.list("/v1/sessions?station=CP-2").await, Vec::<Value>::new());
    assert_eq!(api.list("/v1/sessions?site=nowhere").await, Vec::<Value>::new());
    assert_eq!(api.list("/v1/sessions?site=yard&open=false").await.len(), 5);
    assert_eq!(api.list("/v1/reviews").await, Vec::<Value>::new());
    assert_eq!(api.list("/v1/parked-events").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_stop_without_a_session_is_a_review_until_its_start_comes() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    station.stop(4_711, minute(30), 11_000).await;
    let review = api.list_until("/v1/reviews", |reviews| reviews.len() == 1).await.remove(0);
    assert_eq!(review["kind"], "orphan_stop");
    assert_eq!((&review["station"], &review["transaction_id"]), (&json!("CP-1"), &json!(4_711)));
    assert_eq!(review["register_stop_wh"], 11_000);
    assert!(review["stopped_at"].is_string(), "{review:#}");
    assert_eq!(
        (&review["reason"], &review["owner"]),
        (&json!("start_missing"), &json!("operator"))
    );
    let resolved_by = review["resolved_by"].as_str().expect("words");
    assert!(resolved_by.contains("its start arrives"), "{resolved_by}");
    let totals = api.get("/v1/totals").await.expect(200).json();
    assert_eq!((&totals["orphan_stops"], &totals["sessions_to_review"]), (&json!(1), &json!(0)));

    station.start(minute(0), 1_000).await;
    assert_eq!(invoiced(&api, 1).await[0]["energy_wh"], 10_000);
    api.list_until("/v1/reviews", <[Value]>::is_empty).await;
}

#[tokio::test]
async fn a_payment_without_a_session_is_a_review_until_somebody_dismisses_it() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    station.settle("tx-1", minute(30)).await;
    let review = api.list_until("/v1/reviews", |reviews| reviews.len() == 1).await.remove(0);
    assert_eq!(review["kind"], "early_payment");
    assert_eq!((&review["station"], &review["transaction_id"]), (&json!("CP-1"), &json!("tx-1")));
    let told = [&review["settlement"]["amount"], &review["settlement"]["reference"]];
    assert_eq!(told, [&json!("5.95"), &json!("PSP-1")], "opened for who may see it");
    let said = [&review["reason"], &review["owner"]];
    assert_eq!(said, [&json!("transaction_missing"), &json!("operator")]);
    let totals = api.get("/v1/totals").await.expect(200).json();
    assert_eq!((&totals["early_payments"], &totals["parked_events"]), (&json!(1), &json!(0)));

    let id = review["id"].as_str().expect("an id");
    let path = format!("/v1/reviews/{id}/resolve");
    let note =
        |decision: &str| json!({"decision": decision, "reason": "refunded", "decided_by": "Ada"});
    api.post(&path, &note("free")).await.problem(422, "invalid");
    let position = api.post(&path, &note("dismiss")).await.position();
    let reviews = api.list(&format!("/v1/reviews?wait_for={position}")).await;
    assert_eq!(reviews, Vec::<Value>::new());
}

#[tokio::test]
async fn a_review_is_resolved_by_hand() {
    let api = TestApi::start().await;
    let mut station = prepared(&api).await;
    let id = station.start(minute(0), 9_000).await;
    station.stop(id, minute(30), 1_000).await;
    station.stop(4_711, minute(30), 11_000).await;
    let reviews = api.list_until("/v1/reviews", |reviews| reviews.len() == 2).await;
    let path = |review: &Value| {
        let id = review["id"].as_str().expect("an id").to_owned();
        format!("/v1/reviews/{id}/resolve")
    };
    let of_kind = |kind: &str| {
        path(reviews.iter().find(|review| review["kind"] == kind).expect("one of the kind"))
    };
    let (session, orphan) = (of_kind("session"), of_kind("orphan_stop"));
    let note = |mut body: Value| {
        body["reason"] = json!("the driver sent a photo");
        body["decided_by"] = json!("Ada");
        body
    };
    for (path, body, pointer) in [
        (&session, note(json!({ "decision": "bill" })), "/energy_wh"),
        (&session, json!({ "decision": "free", "decided_by": "Ada" }), "/reason"),
        (&session, note(json!({ "decision": "often" })), "/decision"),
        (&orphan, note(json!({ "decision": "free" })), "/decision"),
    ] {
        let problem = api.post(path, &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    let nowhere = "/v1/reviews/00000000-0000-0000-0000-000000000000/resolve";
    let free = note(json!({ "decision": "free" }));
    api.post(nowhere, &free).await.problem(404, "not_found");

    let bill = note(json!({ "decision": "bill", "energy_wh": 4_000,
        "price": { "net": "4.20", "vat_percent": "19", "currency": "EUR" } }));
    let answer = api.post(&session, &bill).await.expect(200);
    assert_eq!(answer.json()["changed"], true);
    let billed = invoiced(&api, 1).await.remove(0);
    assert_eq!((&billed["energy_wh"], &billed["cost"]), (&json!(4_000), &json!("5.00")));
    let position = api.post(&orphan, &note(json!({ "decision": "dismiss" }))).await.position();
    let reviews = api.list(&format!("/v1/reviews?wait_for={position}")).await;
    assert_eq!(reviews, Vec::<Value>::new());
    // Freed after all: the invoice is taken back.
    api.post(&session, &free).await.expect(200);
    let path = "/v1/sessions?outcome=free";
    api.list_until(path, |sessions| sessions.len() == 1).await;
    let invoices = api.list("/v1/invoices").await;
    assert_eq!((invoices.len(), &invoices[0]["kind"]), (2, &json!("credit_note")));
}

/// Has a proof of the first invoice only.
struct First;

#[async_trait::async_trait]
impl BundleSource for First {
    async fn bundle(&self, invoice: &str) -> Result<Vec<u8>, BundleFailure> {
        match invoice.ends_with('1') {
            true => Ok(br#"{"proof":1}"#.to_vec()),
            false => Err(BundleFailure::NotSealedYet),
        }
    }
}

#[tokio::test]
async fn the_proof_of_an_invoice_is_a_file() {
    let api = TestApi::start_with(|mut state| {
        state.bundles = Some(Arc::new(First));
        state
    })
    .await;
    let mut station = prepared(&api).await;
    for number in 0..2 {
        let id = station.start(minute(number * 10), number * 1_000).await;
        station.stop(id, minute(number * 10 + 5), number * 1_000 + 1_000).await;
    }
    invoiced(&api, 2).await;
    let invoices = api.list("/v1/invoices").await;
    let path = |invoice: &Value| {
        format!("/v1/invoices/{}/bundle", invoice["number"].as_str().expect("a number"))
    };
    let bundle = api.get(&path(&invoices[1])).await.expect(200);
    assert_eq!(bundle.text, r#"{"proof":1}"#);
    assert!(bundle.header("content-disposition").starts_with("attachment; filename="));
    let later = api.get(&path(&invoices[0])).await;
    assert_eq!(later.header("retry-after"), "1");
    later.problem(503, "unavailable");
}

#[tokio::test]
async fn drivers_pay_for_their_tokens_and_can_be_forgotten() {
    let api = TestApi::start().await;
    let driver = json!({ "id": "ada", "name": "Ada Lovelace", "email": "ada@example.org" });
    api.post("/v1/drivers", &driver).await.expect(201);
    api.post("/v1/drivers", &driver).await.expect(200);
    let other = json!({ "id": "ada", "name": "Ada Byron" });
    api.post("/v1/drivers", &other).await.problem(409, "conflict");
    let bad = json!({ "name": "Ada", "email": "none" });
    let problem = api.post("/v1/drivers", &bad).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/email");
    api.post("/v1/drivers", &json!({ "name": "Grace Hopper" })).await.expect(201);
    let token = json!({ "uid": TAG, "type": "RFID", "driver": "ada" });
    api.post("/v1/tokens", &token).await.expect(201);

    let read = api.get("/v1/drivers/ada").await.expect(200).json();
    assert_eq!(read["name"], "Ada Lovelace");
    let token = api.get(&format!("/v1/tokens/{TAG}")).await.expect(200).json();
    assert_eq!(token["account_id"], read["account_id"]);
    assert_eq!(token["driver_id"], read["driver_id"]);
    let driver_id = read["driver_id"].as_str().expect("an id");
    let tokens = api.list(&format!("/v1/tokens?driver_id={driver_id}")).await;
    assert_eq!(tokens.len(), 1);

    let erase = "/v1/drivers/ada/erase";
    let wrong = api.post(erase, &json!({ "reason": "Ada asked for it" })).await;
    wrong.problem(422, "invalid");
    let export = api.get("/v1/drivers/ada/export").await.expect(200).json();
    assert_eq!(export["format"], "chargebook-subject/1");
    assert_eq!(export["driver"]["name"], "Ada Lovelace");
    assert_eq!(export["tokens"][0]["uid"], TAG);
    assert!(!export.to_string().contains("Hopper"), "somebody else's");
    api.run_policies();
    let erased = api.send(Method::POST, erase, &[], "").await.expect(200);
    assert_eq!(erased.json()["state"], "completed");
    let again = api.send(Method::POST, erase, &[], "").await.expect(200);
    assert_eq!(again.json()["erasure_id"], erased.json()["erasure_id"]);
    let path = format!("/v1/erasures/{}", erased.json()["erasure_id"].as_str().expect("an id"));
    assert_eq!(api.get(&path).await.expect(200).json(), erased.json());
    assert_eq!(api.list("/v1/erasures").await, [erased.json()]);
    api.get("/v1/erasures/none").await.problem(404, "not_found");
    api.get(&format!("/v1/tokens/{TAG}/export")).await.problem(404, "not_found");
    api.post("/v1/tokens/NEVER/erase", &json!({})).await.problem(404, "not_found");
    let path = format!("/v1/drivers/{driver_id}?wait_for={}", erased.position());
    let read = api.get(&path).await.expect(200).json();
    assert_eq!((&read["name"], &read["erased"]), (&Value::Null, &json!(true)));
    let all = api.get("/v1/events?limit=1000").await.expect(200);
    assert!(!all.text.contains("Lovelace"), "a name in the log");
}

//! Wallets, payments and limits through the router.

use crate::harness::TestApi;
use serde_json::json;

#[tokio::test]
async fn a_wallet_is_paid_into_once() {
    let api = TestApi::start().await;
    let driver = json!({ "id": "ada", "name": "Ada", "account": "wallet" });
    api.post("/v1/drivers", &driver).await.expect(201);
    let other = json!({ "id": "ada", "name": "Ada", "account": "pay_later" });
    api.post("/v1/drivers", &other).await.problem(409, "conflict");
    let account = api.get("/v1/drivers/ada").await.expect(200).json()["account_id"].clone();
    let path = format!("/v1/accounts/{}", account.as_str().expect("an id"));
    assert_eq!(api.get(&path).await.expect(200).json()["kind"], "wallet");

    let payments = format!("{path}/payments");
    let id = "01a2037b-cabe-74ea-8f9c-e3065f267533";
    let payment = json!({ "payment_id": id, "amount_minor": 2500, "currency": "EUR" });
    let booked = api.post(&payments, &payment).await.expect(201);
    api.post(&payments, &payment).await.expect(200);
    let more = json!({ "payment_id": id, "amount_minor": 9900, "currency": "EUR" });
    api.post(&payments, &more).await.problem(409, "conflict");
    let read = format!("{path}?wait_for={}", booked.position());
    let balances = api.get(&read).await.expect(200).json()["balances"].clone();
    assert_eq!(balances[0]["balance_minor"], -2500, "{balances:#}");
    assert_eq!(balances[0]["legs"], 1);

    for wrong in [json!({ "amount_minor": 0, "currency": "EUR" }), {
        json!({ "amount_minor": 1, "currency": "EURO" })
    }] {
        api.post(&payments, &wrong).await.problem(422, "invalid");
    }
    let nobody = "/v1/accounts/01a2037b-cabe-74ea-8f9c-e3065f267534/payments";
    let payment = json!({ "amount_minor": 1, "currency": "EUR" });
    api.post(nobody, &payment).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_account_is_limited_and_the_limit_lifted() {
    let api = TestApi::start().await;
    api.post("/v1/drivers", &json!({ "id": "ada", "name": "Ada" })).await.expect(201);
    let account = api.get("/v1/drivers/ada").await.expect(200).json()["account_id"].clone();
    let path = format!("/v1/accounts/{}", account.as_str().expect("an id"));
    let limit = format!("{path}/limit");

    let set = api.put(&limit, &json!({ "currency": "EUR", "limit_minor": 5000 })).await;
    let set = set.expect(200);
    let read = format!("{path}?wait_for={}", set.position());
    let limits = api.get(&read).await.expect(200).json()["limits"].clone();
    assert_eq!(limits, json!([{ "currency": "EUR", "limit_minor": 5000 }]));
    let lifted = api.put(&limit, &json!({ "currency": "EUR", "limit_minor": null })).await;
    let read = format!("{path}?wait_for={}", lifted.expect(200).position());
    assert_eq!(api.get(&read).await.expect(200).json()["limits"], json!([]));

    for wrong in [json!({ "currency": "EUR", "limit_minor": -1 }), {
        json!({ "currency": "EURO", "limit_minor": 1 })
    }] {
        api.put(&limit, &wrong).await.problem(422, "invalid");
    }
    let nobody = "/v1/accounts/01a2037b-cabe-74ea-8f9c-e3065f267534/limit";
    let wrong = json!({ "currency": "EUR", "limit_minor": 1 });
    api.put(nobody, &wrong).await.problem(404, "not_found");
}

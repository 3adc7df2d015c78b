//! What stations are told of a payer's limit, and of what a session costs, in each version's words.

use crate::support::{Gateway, PASSWORD, Station};
use chargebook_commands::registry::TokenRegistration;
use chargebook_domain::events::v1::{AccountKind, TokenStatus};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

const PREPAID: &str = "PREPAID1";
const TARIFF: &str = r#"{"id":"T","currency":"EUR","elements":[{"price_components":[
    {"type":"ENERGY","price":0.50,"vat":19,"step_size":1}]}]}"#;

/// With a tariff, and a card whose wallet holds this much.
async fn gateway_with_wallet(paid_in_minor: i64) -> Gateway {
    let gateway = Gateway::start().await;
    let registry = gateway.chargebook.registry();
    registry.publish_tariff("T", TARIFF).await.expect("published");
    registry.set_default_tariff("T").await.expect("set");
    let kind = AccountKind::Wallet;
    registry.register_driver_paying("ada", "Ada", None, kind).await.expect("registered");
    let token = TokenRegistration {
        uid: PREPAID.to_owned(),
        kind: "RFID".to_owned(),
        driver: Some("ada".to_owned()),
        status: TokenStatus::Accepted,
        expires_at: None,
        group: None,
    };
    registry.register_token(token).await.expect("registered");
    if paid_in_minor > 0 {
        let driver = registry.driver("ada").await.expect("the log").expect("a driver");
        let payment = registry.pay_in(driver.account_id, Uuid::now_v7(), paid_in_minor, "EUR");
        payment.await.expect("booked");
    }
    gateway
}

/// The time of a message that was said so many minutes ago.
pub(crate) fn ago(gateway: &Gateway, minutes: i64) -> String {
    let at = gateway.chargebook.journal().now().as_millis() - minutes * 60_000;
    chargebook_domain::units::Timestamp::from_millis(at).expect("an instant").to_string()
}

pub(crate) fn event(kind: &str, sequence: u32, at: &str, register_wh: u32) -> Value {
    json!({
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": sequence,
        "transactionInfo": { "transactionId": "tx-1" },
        "evse": { "id": 1, "connectorId": 1 },
        "meterValue": [{ "timestamp": at, "sampledValue": [{ "value": register_wh }] }],
    })
}

pub(crate) fn started(at: &str) -> Value {
    let mut started = event("Started", 0, at, 1_000);
    started["idToken"] = json!({ "idToken": PREPAID, "type": "ISO14443" });
    started
}

/// Sends a CALL and gives its answer's payload, as the text that it is.
pub(crate) async fn told(station: &mut Station, action: &str, payload: &Value) -> String {
    station.send(json!([2, "1", action, payload]).to_string()).await;
    let Message::Text(text) = station.next().await else { panic!("a text") };
    let payload = text.strip_prefix(r#"[3,"1","#).and_then(|rest| rest.strip_suffix(']'));
    payload.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[tokio::test]
async fn who_has_no_credit_is_told_so_in_the_versions_word() {
    let gateway = gateway_with_wallet(0).await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    let answer = told(&mut station, "Authorize", &json!({ "idTag": PREPAID })).await;
    assert_eq!(answer, r#"{"idTagInfo":{"status":"Blocked"}}"#);
    let token = json!({ "idToken": { "idToken": PREPAID, "type": "ISO14443" } });
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let answer = told(&mut station, "Authorize", &token).await;
    assert_eq!(answer, r#"{"idTokenInfo":{"status":"NoCredit"}}"#);
    let mut station = gateway.station_of("ocpp2.1").await;
    let answer = told_for_this_moment(&gateway, &mut station, "Authorize", &token).await;
    assert_eq!(answer, json!({ "idTokenInfo": { "status": "NoCredit" } }));
}

/// A station of 2.1 that kept in its cache what it is told of a card with a wallet would let a
/// spent one charge, and keep out one that was paid in to (part 2, C17.FR.01 and FR.02).
#[tokio::test]
async fn what_hangs_on_a_wallet_is_not_to_be_kept() {
    let gateway = gateway_with_wallet(500).await;
    let token = json!({ "idToken": { "idToken": PREPAID, "type": "ISO14443" } });
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let answer = told(&mut station, "Authorize", &token).await;
    assert_eq!(answer, r#"{"idTokenInfo":{"status":"Accepted"}}"#, "2.0.1 has no such rule");
    let mut station = gateway.station_of("ocpp2.1").await;
    let answer = told_for_this_moment(&gateway, &mut station, "Authorize", &token).await;
    assert_eq!(answer, json!({ "idTokenInfo": { "status": "Accepted" } }));

    let registry = gateway.chargebook.registry();
    let pays_later = TokenRegistration {
        uid: "LATER".to_owned(),
        kind: "RFID".to_owned(),
        driver: None,
        status: TokenStatus::Accepted,
        expires_at: None,
        group: None,
    };
    registry.register_token(pays_later).await.expect("registered");
    let token = json!({ "idToken": { "idToken": "LATER", "type": "ISO14443" } });
    let answer = told(&mut station, "Authorize", &token).await;
    assert_eq!(answer, r#"{"idTokenInfo":{"status":"Accepted"}}"#, "nothing to run out of");
}

/// The answer but for the moment until which it is to be kept, which is now.
async fn told_for_this_moment(
    gateway: &Gateway,
    station: &mut Station,
    action: &str,
    payload: &Value,
) -> Value {
    let now = || gateway.chargebook.journal().now().to_string();
    let before = now();
    let answer = told(station, action, payload).await;
    let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
    let info = answer["idTokenInfo"].as_object_mut().expect("idTokenInfo");
    let kept_until = info.remove("cacheExpiryDateTime").expect("cacheExpiryDateTime");
    let kept_until = kept_until.as_str().expect("a text").to_owned();
    assert!(before <= kept_until && kept_until <= now(), "{kept_until}");
    answer
}

#[tokio::test]
async fn a_session_of_1_6_that_comes_to_its_limit_is_stopped() {
    let gateway = gateway_with_wallet(100).await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    let start = json!({ "connectorId": 1, "idTag": PREPAID, "meterStart": 1_000,
        "timestamp": ago(&gateway, 30) });
    let started = told(&mut station, "StartTransaction", &start).await;
    let started: Value = serde_json::from_str(&started).expect("JSON");
    assert_eq!(started["idTagInfo"]["status"], "Accepted");
    let transaction = &started["transactionId"];
    let meter = json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [
        { "timestamp": ago(&gateway, 10), "sampledValue": [{ "value": "3000" }] }] });
    assert_eq!(told(&mut station, "MeterValues", &meter).await, "{}");
    let stop = station.answer(&json!({ "status": "Accepted" })).await;
    assert_eq!(
        (&stop[2], &stop[3]["transactionId"]),
        (&json!("RemoteStopTransaction"), transaction)
    );
}

#[tokio::test]
async fn a_station_of_2_1_is_told_the_limit_and_its_own_word_for_it_is_a_fact() {
    let gateway = gateway_with_wallet(500).await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let begin = started(&ago(&gateway, 30));
    let answer = told_for_this_moment(&gateway, &mut station, "TransactionEvent", &begin).await;
    let limit = json!({ "maxCost": 5.0 });
    assert_eq!(
        answer,
        json!({ "totalCost": 0.0, "idTokenInfo": { "status": "Accepted" },
            "transactionLimit": limit })
    );
    let mut update = event("Updated", 1, &ago(&gateway, 20), 2_000);
    update["triggerReason"] = json!("LimitSet");
    update["transactionInfo"]["transactionLimit"] = json!({ "maxCost": 5.0, "maxSoC": 80 });
    let answer = told(&mut station, "TransactionEvent", &update).await;
    assert_eq!(answer, r#"{"totalCost":0.60}"#);
    let limit = &gateway.facts("session.transaction_reported").await[1]["limit"];
    assert_eq!(limit, &json!({ "cost": "5.0", "state_of_charge_percent": 80 }));
}

#[tokio::test]
async fn what_is_free_is_told_as_0_00() {
    let gateway = Gateway::start().await;
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let opened = gateway.connect("CP-2", Some(PASSWORD.as_bytes()), Some(protocol)).await;
        let mut station = Station { web_socket: opened.expect("let in").0 };
        station.boot_of(protocol).await;
        let mut begin = started(&ago(&gateway, 30));
        begin["transactionInfo"]["transactionId"] = json!(protocol);
        told(&mut station, "TransactionEvent", &begin).await;
        let mut end = event("Ended", 1, &ago(&gateway, 20), 2_000);
        end["transactionInfo"]["transactionId"] = json!(protocol);
        assert_eq!(told(&mut station, "TransactionEvent", &end).await, r#"{"totalCost":0.00}"#);
    }
}

//! Prices and costs for the display of a 1.6 station, over DataTransfer (OCA, "OCPP & California
//! Pricing Requirements"): what SetUserPrice, RunningCost and FinalCost carry as JSON in a text.

use super::{Request, decimal, object, some};
use chargebook_domain::events::v1::CostSoFarShown;
use chargebook_domain::ids::TransactionNumber;
use chargebook_domain::units::WattHours;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// Who defines these messages.
const VENDOR: &str = "org.openchargealliance.costmsg";

/// The price for a driver whose token was just presented.
pub(super) fn set_user_price(token: &str, text: &str) -> Request {
    transfer("SetUserPrice", &json!({ "idToken": token, "priceText": text }))
}

/// What a transaction costs so far.
pub(super) fn running_cost(
    transaction_id: TransactionNumber,
    cost: Decimal,
    so_far: &CostSoFarShown,
) -> Request {
    let price = |price: Option<Decimal>| price.map(decimal);
    let charging = object([
        ("kWhPrice", price(so_far.price_per_kwh)),
        ("hourPrice", price(so_far.price_per_hour)),
        ("flatFee", price(so_far.fee)),
    ]);
    let idle = price(so_far.price_per_idle_hour).map(|price| json!({ "hourPrice": price }));
    let WattHours(register_wh) = so_far.register_wh;
    let data = object([
        ("transactionId", some(transaction_id.0)),
        ("timestamp", some(so_far.at.to_string())),
        ("meterValue", Some(decimal(register_wh))),
        ("cost", Some(decimal(cost))),
        ("state", some(if so_far.is_idle { "Idle" } else { "Charging" })),
        ("chargingPrice", Some(charging)),
        ("idlePrice", idle),
    ]);
    transfer("RunningCost", &data)
}

/// What a transaction has cost.
pub(super) fn final_cost(
    transaction_id: TransactionNumber,
    cost: Decimal,
    text: Option<&str>,
) -> Request {
    let data = object([
        ("transactionId", some(transaction_id.0)),
        ("cost", Some(decimal(cost))),
        ("priceText", some(text.unwrap_or_default())),
    ]);
    transfer("FinalCost", &data)
}

fn transfer(message_id: &str, data: &Value) -> Request {
    let data = data.to_string();
    ("DataTransfer", json!({ "vendorId": VENDOR, "messageId": message_id, "data": data }))
}

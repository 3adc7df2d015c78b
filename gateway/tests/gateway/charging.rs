//! Charging profiles of our own: they keep to what the station says that it takes, and what a
//! remote start brought is for the transaction that it began.

use crate::support::{Gateway, Station};
use chargebook_commands::registry::RegistryError;
use chargebook_domain::events::v1::{Intent, LimitUnit};
use chargebook_domain::ids::EvseNumber;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A profile for EVSE 1, as an operator or a remote start brings it.
fn profile(purpose: &str, periods: &Value) -> Value {
    json!({ "id": 3, "stackLevel": 2, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute", "chargingSchedule": [{ "id": 1,
            "startSchedule": "2026-11-01T00:00:00Z", "chargingRateUnit": "A",
            "chargingSchedulePeriod": periods }] })
}

async fn ask(gateway: &Gateway, station: &mut Station, action: &str, payload: &Value) {
    let asked =
        gateway.chargebook.request_exact("CP-1", action, &payload.to_string(), "operator").await;
    asked.expect("requested");
    station.answer(&json!({ "status": "Accepted" })).await;
    gateway.facts_once("command.answered", 1).await;
}

async fn begins(station: &mut Station, id: &str, remote_start_id: Option<i32>) {
    let mut transaction = json!({ "transactionId": id });
    if let Some(number) = remote_start_id {
        transaction["remoteStartId"] = json!(number);
    }
    let started = json!({ "eventType": "Started", "timestamp": "2026-11-20T10:00:00Z",
        "triggerReason": "RemoteStart", "seqNo": 0, "transactionInfo": transaction,
        "evse": { "id": 1, "connectorId": 1 } });
    let answer = station.call("begin", "TransactionEvent", &started.to_string()).await;
    assert_eq!(answer[0], 3, "{answer}");
}

/// The schedule of the profile that a vehicle gets for its needs, and the profile's level.
async fn schedule_for_needs(station: &mut Station) -> (Value, Value) {
    let needs = json!({ "evseId": 1, "maxScheduleTuples": 10,
        "chargingNeeds": { "requestedEnergyTransfer": "AC_three_phase" } });
    let answer = station.call("needs", "NotifyEVChargingNeeds", &needs.to_string()).await;
    assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    assert_eq!(call[2], "SetChargingProfile", "{call}");
    let profile = &call[3]["chargingProfile"];
    (profile["chargingSchedule"][0].clone(), profile["stackLevel"].clone())
}

async fn reports(station: &mut Station, values: &[(&str, &str)]) {
    let variable = |(name, value): &(&str, &str)| {
        json!({ "component": { "name": "SmartChargingCtrlr" }, "variable": { "name": name },
            "variableAttribute": [{ "value": value, "mutability": "ReadOnly" }] })
    };
    let data: Vec<Value> = values.iter().map(variable).collect();
    let report = json!({ "requestId": 0, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": 0,
        "tbc": false, "reportData": data });
    let answer = station.call("report", "NotifyReport", &report.to_string()).await;
    assert_eq!(answer[0], 3, "{answer}");
}

fn limit(unit: LimitUnit, level: Option<u16>) -> Intent {
    Intent::SetChargingLimit {
        profile_id: 7,
        connector: None,
        evse: Some(EvseNumber(1)),
        limit: Decimal::from(10),
        unit,
        phases: None,
        starts_at: None,
        duration_seconds: None,
        level,
    }
}

/// What of a limit that is asked for the station does not take.
async fn refused(gateway: &Gateway, intent: Intent) -> Option<String> {
    match gateway.chargebook.request_command("CP-1", intent, "operator").await {
        Ok(_) => None,
        Err(RegistryError::Invalid { pointer, .. }) => Some(pointer),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_profile_keeps_to_what_the_station_says_that_it_takes() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let lasting = profile("TxDefaultProfile", &json!([{ "startPeriod": 0, "limit": 16 }]));
    let lasting = json!({ "evseId": 1, "chargingProfile": lasting });
    ask(&gateway, &mut station, "SetChargingProfile", &lasting).await;
    begins(&mut station, "T-1", None).await;
    let (schedule, _) = schedule_for_needs(&mut station).await;
    assert_eq!(schedule["chargingRateUnit"], "A", "it has said nothing");
    gateway.facts_once("command.answered", 2).await;

    reports(&mut station, &[("RateUnit", "W"), ("ProfileStackLevel", "3")]).await;
    let told = gateway.facts_once("station.message_limits_told", 1).await;
    assert_eq!(told[0]["charging"], json!({ "stack_level_max": 3, "units": ["W"] }));
    let gateway = gateway.restart().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let (schedule, _) = schedule_for_needs(&mut station).await;
    let offered = (&schedule["chargingRateUnit"], &schedule["chargingSchedulePeriod"][0]["limit"]);
    assert_eq!(offered, (&json!("W"), &json!(16 * 3 * 230)), "after a restart as well");

    for (intent, pointer) in [
        (limit(LimitUnit::Amperes, None), Some("/unit")),
        (limit(LimitUnit::Watts, Some(4)), Some("/level")),
        (limit(LimitUnit::Watts, Some(3)), None),
    ] {
        assert_eq!(refused(&gateway, intent).await.as_deref(), pointer);
    }
}

/// A station that keeps numbers for limits from outside refuses a profile that has one of those
/// (2.1, part 2, K01.FR.80 and FR.81).
#[tokio::test]
async fn no_profile_has_a_number_that_the_station_keeps_for_limits_from_outside() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.1").await;
    begins(&mut station, "T-1", None).await;
    reports(&mut station, &[("MaxExternalConstraintsId", "2147400000")]).await;
    gateway.facts_once("station.message_limits_told", 1).await;
    let needs = json!({ "evseId": 1, "maxScheduleTuples": 10,
        "chargingNeeds": { "requestedEnergyTransfer": "AC_three_phase" } });
    let answer = station.call("needs", "NotifyEVChargingNeeds", &needs.to_string()).await;
    assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    let number = call[3]["chargingProfile"]["id"].as_i64().expect("a number");
    assert!((2_147_400_001..=i64::from(i32::MAX)).contains(&number), "{number}");

    let watts = limit(LimitUnit::Watts, None);
    assert_eq!(refused(&gateway, watts).await.as_deref(), Some("/profile_id"), "number 7");
}

/// A schedule with more periods than the station takes is thinned, never above what it thins.
#[tokio::test]
async fn a_schedule_has_no_more_periods_than_the_station_takes() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let begun = chrono::Utc::now() - chrono::TimeDelta::minutes(1);
    let mut own = profile(
        "TxDefaultProfile",
        &json!([
        { "startPeriod": 0, "limit": 16 }, { "startPeriod": 3_600, "limit": 8 },
        { "startPeriod": 7_200, "limit": 12 }, { "startPeriod": 10_800, "limit": 20 }]),
    );
    own["chargingSchedule"][0]["startSchedule"] =
        json!(begun.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let lasting = json!({ "evseId": 1, "chargingProfile": own });
    ask(&gateway, &mut station, "SetChargingProfile", &lasting).await;
    begins(&mut station, "T-1", None).await;
    let (schedule, _) = schedule_for_needs(&mut station).await;
    assert_eq!(schedule["chargingSchedulePeriod"].as_array().map(Vec::len), Some(4));
    gateway.facts_once("command.answered", 2).await;
    reports(&mut station, &[("PeriodsPerSchedule", "1"), ("ProfileStackLevel", "0")]).await;
    gateway.facts_once("station.message_limits_told", 1).await;
    let (schedule, level) = schedule_for_needs(&mut station).await;
    let periods = schedule["chargingSchedulePeriod"].as_array().expect("periods");
    let limits: Vec<_> = periods.iter().map(|period| &period["limit"]).collect();
    assert_eq!((limits, level), (vec![&json!(8)], json!(0)));
}

#[tokio::test]
async fn what_a_remote_start_brought_is_for_the_transaction_that_names_it() {
    for (named, limit) in [(Some(42), 12), (Some(43), 32), (None, 32)] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of("ocpp2.0.1").await;
        let start = json!({ "evseId": 1, "remoteStartId": 42,
            "idToken": { "idToken": "04A1B2C3", "type": "ISO14443" },
            "chargingProfile": profile("TxProfile", &json!([{ "startPeriod": 0, "limit": 12 }])) });
        ask(&gateway, &mut station, "RequestStartTransaction", &start).await;
        begins(&mut station, "T-1", named).await;
        let (schedule, _) = schedule_for_needs(&mut station).await;
        assert_eq!(schedule["chargingSchedulePeriod"][0]["limit"], limit, "{named:?}");
    }
}

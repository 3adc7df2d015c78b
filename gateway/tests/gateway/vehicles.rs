//! What vehicles say of how they mean to charge.

use crate::credit::{ago, started, told};
use crate::support::{Gateway, TAG};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// What a station was sent holds from then on: its vehicle may answer before the station does
/// (2.0.1 part 2, K15.FR.11 and K15.FR.12).
#[tokio::test]
async fn a_schedule_is_held_against_a_profile_that_is_on_its_way() {
    for (protocol, amperes, verdict) in [
        ("ocpp2.0.1", 64, "Rejected"),
        ("ocpp2.0.1", 32, "Accepted"),
        ("ocpp2.1", 64, "Rejected"),
        ("ocpp2.1", 32, "Accepted"),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of(protocol).await;
        let mut begin = started(&ago(&gateway, 1));
        begin["idToken"]["idToken"] = json!(TAG);
        told(&mut station, "TransactionEvent", &begin).await;
        let needs = json!({ "evseId": 1, "maxScheduleTuples": 10,
            "chargingNeeds": { "requestedEnergyTransfer": "AC_three_phase" } });
        let promise = told(&mut station, "NotifyEVChargingNeeds", &needs).await;
        assert_eq!(promise, r#"{"status":"Accepted"}"#);
        let Message::Text(text) = station.next().await else { panic!("a text") };
        let call: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(call[2], "SetChargingProfile");
        let mut schedule = call[3]["chargingProfile"]["chargingSchedule"][0].clone();
        let begins = schedule["startSchedule"].clone();
        schedule["chargingSchedulePeriod"][0]["limit"] = json!(amperes);
        let means = json!({ "evseId": 1, "timeBase": begins, "chargingSchedule": schedule });
        let answer = told(&mut station, "NotifyEVChargingSchedule", &means).await;
        assert_eq!(answer, format!(r#"{{"status":"{verdict}"}}"#), "{protocol}, {amperes} A");
    }
}

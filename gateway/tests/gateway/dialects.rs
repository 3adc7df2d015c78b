//! The quirks of real chargers. Each is refused, or loses something, as the standard has it, and
//! is noted for the operator; in a dialect that holds it the station is understood.

use crate::handshake::UPGRADE;
use crate::support::{Gateway, Knock, Station, TAG};
use chargebook_domain::events::v1::{Dialect, Quirk};
use chargebook_gateway::Limits;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;

const OCCURRENCE: &str = "OccurenceConstraintViolation";
const TYPE: &str = "TypeConstraintViolation";

/// The HTTP status of an attempt; 101 if it got in.
async fn status(gateway: &Gateway, path: &str) -> u16 {
    match gateway.knock(Knock { path: path.to_owned(), ..Knock::at("CP-1") }).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn slashes_and_a_prefix_of_its_own_in_the_path() {
    let gateway = Gateway::start().await;
    let paths = ["/ocpp/CP-1/", "/ocpp//CP-1", "//ocpp/CP-1", "/steve/websocket/CP-1", "/CP-1"];
    assert_eq!(status(&gateway, "/ocpp/CP-1?version=16&token=x").await, 101);
    for path in paths {
        assert_eq!(status(&gateway, path).await, 404, "{path}");
    }
    assert_eq!(gateway.noticed().await, ["other_path"]);
    gateway.speaks("CP-1", &[Quirk::OtherPath]).await;
    for path in paths {
        assert_eq!(status(&gateway, path).await, 101, "{path}");
    }
    assert_eq!(status(&gateway, "/steve/websocket/CP-9").await, 404);
    assert_eq!(gateway.noticed().await.len(), 1);
}

#[tokio::test]
async fn a_sub_protocol_that_is_missing_or_in_another_case() {
    let gateway = Gateway::start().await;
    for offer in ["", "Sec-WebSocket-Protocol: OCPP1.6\r\n"] {
        let answer = gateway.raw(&format!("{UPGRADE}{offer}\r\n")).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(!answer.contains("sec-websocket-protocol"), "{answer}");
    }
    assert!(gateway.facts("station.connected").await.is_empty());
    assert_eq!(gateway.noticed().await, ["loose_sub_protocol"]);
    gateway.speaks("OPEN", &[Quirk::LooseSubProtocol]).await;
    for offer in [None, Some("OCPP1.6")] {
        let knock = Knock { protocols: offer, ..Knock::at("OPEN") };
        let (web_socket, response) = gateway.knock(knock).await.expect("a handshake");
        let named = response.headers().get("sec-websocket-protocol");
        assert_eq!(named.map(|name| name.to_str().expect("ASCII")), offer);
        Station { web_socket }.boot().await;
    }
    let connected = gateway.facts("station.connected").await;
    assert!(connected.iter().all(|fact| fact["protocol"] == "ocpp1.6"), "{connected:?}");
}

/// What a CALL gets as the standard has it and in the dialect, and that the quirk is noted.
async fn refused_then_understood(
    quirk: Quirk,
    action: &str,
    payload: &str,
    code: &str,
) -> (Gateway, Value) {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let refused = station.call("1", action, payload).await;
    assert_eq!((&refused[0], &refused[2]), (&json!(4), &json!(code)), "{refused}");
    let noticed = gateway.facts_once("station.quirk_noticed", 1).await;
    assert_eq!(noticed[0]["quirk"], serde_json::to_value(quirk).expect("a word"));
    assert!(noticed[0]["exchange"].is_string());
    // It is in force for the connection that is open.
    gateway.speaks("CP-1", &[quirk]).await;
    let answer = station.call("2", action, payload).await;
    assert_eq!(answer[0], 3, "{answer}");
    assert_eq!(gateway.noticed().await.len(), 1);
    (gateway, answer)
}

#[tokio::test]
async fn null_for_a_member_that_is_left_out() {
    let stop = r#"{"transactionId":7,"idTag":null,"meterStop":5,"reason":null,
        "timestamp":"2026-11-22T12:00:00Z","transactionData":null}"#;
    let (gateway, _) =
        refused_then_understood(Quirk::NullMembers, "StopTransaction", stop, TYPE).await;
    assert_eq!(gateway.facts("station.orphan_recorded").await.len(), 1);
}

#[tokio::test]
async fn a_models_dialect_is_that_of_its_stations() {
    let gateway = Gateway::start().await;
    let registry = gateway.chargebook.registry();
    let mut stations = [gateway.station("CP-1").await, gateway.station("CP-2").await];
    let vendors = ["Quirky Chargers", "Plain Chargers"];
    for (station, vendor) in stations.iter_mut().zip(vendors) {
        let boot = json!({ "chargePointVendor": vendor, "chargePointModel": "Two" });
        assert_eq!(station.call("boot", "BootNotification", &boot.to_string()).await[0], 3);
    }
    let stop = r#"{"transactionId":7,"idTag":null,"meterStop":5,
        "timestamp":"2026-11-22T12:00:00Z"}"#;
    let mut stops = 0;
    let mut answers = async |expected: [u8; 2]| {
        for (station, expected) in stations.iter_mut().zip(expected) {
            stops += 1;
            let answer = station.call(&format!("stop {stops}"), "StopTransaction", stop).await;
            assert_eq!(answer[0], expected, "{answer}");
        }
    };
    let nulls = [Quirk::NullMembers].into_iter().collect();
    answers([4, 4]).await;
    assert!(registry.set_model_dialect("QUIRKY chargers", Some("One"), nulls).await.is_ok());
    answers([4, 4]).await;
    let all = [(Some("Two"), true), (None, true), (None, false)];
    for (model, changes) in all {
        let set = registry.set_model_dialect("QUIRKY chargers", model, nulls).await;
        assert_eq!(set.expect("set").created, changes);
        answers([3, 4]).await;
    }
    let standard = Dialect::STANDARD;
    registry.set_model_dialect("Quirky Chargers", Some("TWO"), standard).await.expect("set");
    answers([3, 4]).await;
    registry.set_model_dialect("Quirky Chargers", None, standard).await.expect("set");
    answers([4, 4]).await;
    let left = registry.models_with_dialect().await.expect("read");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].model.as_deref(), Some("One"));
}

#[tokio::test]
async fn null_for_a_member_that_must_be_there_is_no_dialect() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let payload = r#"{"idTag":null}"#;
    assert_eq!(station.call("1", "Authorize", payload).await[2], TYPE);
    assert_eq!(gateway.noticed().await, Vec::<Value>::new());
    gateway.speaks("CP-1", &[Quirk::NullMembers]).await;
    assert_eq!(station.call("2", "Authorize", payload).await[2], OCCURRENCE);
}

#[tokio::test]
async fn numbers_as_strings_and_strings_as_numbers() {
    // The tag is a number: it is personal all the same.
    let start = r#"{"connectorId":"1","idTag":8123456789012345,"meterStart":"1000",
        "timestamp":"2026-11-22T12:00:00Z"}"#;
    let (gateway, answer) =
        refused_then_understood(Quirk::NumbersAsStrings, "StartTransaction", start, TYPE).await;
    assert_eq!(answer[2]["idTagInfo"]["status"], "Invalid");
    let started = gateway.facts("session.started").await;
    let meter = &started[0]["meter_start"];
    assert_eq!(
        (&meter["register_wh"], &meter["evidence"]["raw"]),
        (&json!("1000"), &json!(r#""1000""#))
    );
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains("8123456789012345"), "{}", event.data.as_str());
    }
}

/// The samples that come of a MeterValues with this sampled value.
async fn sampled(gateway: &Gateway, station: &mut Station, sampled_value: &str) -> Vec<Value> {
    let before = gateway.facts("station.meter_recorded").await.len();
    let payload = format!(
        r#"{{"connectorId":1,"meterValue":[
            {{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{sampled_value}]}}]}}"#
    );
    assert_eq!(station.call("m", "MeterValues", &payload).await, json!([3, "m", {}]));
    let facts = gateway.facts("station.meter_recorded").await;
    let fact = facts.get(before).and_then(|fact| fact["samples"].as_array().cloned());
    fact.unwrap_or_default()
}

#[tokio::test]
async fn a_decimal_comma() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let value = r#"{"value":"1234,5","unit":"kWh"}"#;
    assert_eq!(sampled(&gateway, &mut station, value).await, Vec::<Value>::new());
    assert_eq!(gateway.noticed().await, ["decimal_comma"]);
    gateway.speaks("CP-1", &[Quirk::DecimalComma]).await;
    let samples = sampled(&gateway, &mut station, value).await;
    assert_eq!(samples[0]["value"], "1234500");
    assert_eq!(samples[0]["evidence"]["raw"], r#""1234,5""#);
    // A comma between thousands is none.
    let thousands = r#"{"value":"1,234.5"}"#;
    assert_eq!(sampled(&gateway, &mut station, thousands).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_measurand_that_only_the_unit_tells() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let value = r#"{"value":"7.2","unit":"kW"}"#;
    assert_eq!(sampled(&gateway, &mut station, value).await, Vec::<Value>::new());
    assert_eq!(gateway.noticed().await, ["measurand_missing"]);
    gateway.speaks("CP-1", &[Quirk::MeasurandMissing]).await;
    let samples = sampled(&gateway, &mut station, value).await;
    assert_eq!(
        (&samples[0]["quantity"], &samples[0]["value"]),
        (&json!("power_import_w"), &json!("7200"))
    );
}

#[tokio::test]
async fn energy_without_its_unit_that_is_meant_in_kwh() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let value = r#"{"value":"12.345"}"#;
    let register =
        async |station: &mut Station| sampled(&gateway, station, value).await[0]["value"].clone();
    assert_eq!(register(&mut station).await, "12.345");
    gateway.speaks("CP-1", &[Quirk::UnitMissingIsKwh]).await;
    assert_eq!(register(&mut station).await, "12345");
    // A unit that is there is believed.
    let value = r#"{"value":"12","unit":"Wh"}"#;
    assert_eq!(sampled(&gateway, &mut station, value).await[0]["value"], "12");
}

/// A session over the socket, with this sampled value on the way and this stop; the bill's facts.
async fn stopped_with(gateway: &Gateway, station: &mut Station, stop: &str) -> Value {
    let start = format!(
        r#"{{"connectorId":1,"idTag":"{TAG}","meterStart":1000,
            "timestamp":"2026-11-22T12:00:00Z"}}"#
    );
    let started = station.call("s", "StartTransaction", &start).await;
    let stop = stop.replace("TX", &started[2]["transactionId"].to_string());
    let answer = station.call("e", "StopTransaction", &stop).await;
    let stopped = gateway.facts("session.stopped").await;
    match stopped.last() {
        Some(fact) => fact.clone(),
        None => answer,
    }
}

#[tokio::test]
async fn a_word_that_nobody_knows_is_left_out_and_does_not_lose_the_stop() {
    let stop = r#"{"transactionId":TX,"meterStop":5000,"reason":"Bob unplugged",
        "timestamp":"2026-11-22T13:00:00Z","transactionData":[{"timestamp":"2026-11-22T12:30:00Z",
        "sampledValue":[{"value":"1","measurand":"Vendor.Thing"},{"value":"2","phase":"L7"},
        {"value":"3","unit":"kcal"},{"value":"4","format":"Packed"},
        {"value":"5","location":"Roof"},{"value":"3000","context":"Whenever"}]}]}"#;
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let refused = stopped_with(&gateway, &mut station, stop).await;
    assert_eq!(refused[2], "PropertyConstraintViolation", "{refused}");
    assert_eq!(gateway.noticed().await, ["unknown_words"]);
    gateway.speaks("CP-1", &[Quirk::UnknownWords]).await;
    let stopped = stopped_with(&gateway, &mut station, stop).await;
    assert_eq!(stopped["meter_stop"]["register_wh"], "5000");
    assert_eq!(stopped["reason"], Value::Null);
    // Of the values only the one that means the same without the word is a fact.
    let recorded = gateway.facts("session.meter_recorded").await;
    let samples = recorded[0]["samples"].as_array().expect("samples");
    let values: Vec<_> =
        samples.iter().map(|sample| (&sample["value"], &sample["context"])).collect();
    assert_eq!(values, [(&json!("3000"), &json!("Sample.Periodic"))]);
    for event in gateway.events().await {
        for word in ["Bob unplugged", "Vendor.Thing", "Whenever", "Packed"] {
            let data = event.data.as_str();
            assert!(event.event_type.starts_with("exchange") || !data.contains(word), "{data}");
        }
    }
    let exchanges = gateway.facts("exchange.recorded").await;
    let kept = exchanges.last().expect("the stop")["request"].to_string();
    assert!(!kept.contains("Bob"), "{kept}");
    // A word that must be there is no such member.
    let status = r#"{"connectorId":1,"errorCode":"NoError","status":"Sleeping"}"#;
    let answer = station.call("st", "StatusNotification", status).await;
    assert_eq!(answer[2], "PropertyConstraintViolation");
}

/// A register that happens to be whole is written with a fraction all the same by a station that
/// prints so many places.
#[tokio::test]
async fn registers_with_a_fraction() {
    for (written, register_wh) in [("5000.5", 5000.5), ("5001.0", 5001.0), ("5.0015e3", 5001.5)] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station("CP-1").await;
        let stop = r#"{"transactionId":TX,"meterStop":WH,"timestamp":"2026-11-22T13:00:00Z"}"#;
        let stop = stop.replace("WH", written);
        let refused = stopped_with(&gateway, &mut station, &stop).await;
        assert_eq!(refused[2], TYPE, "{refused}");
        assert_eq!(gateway.noticed().await, ["fractional_registers"]);
        gateway.speaks("CP-1", &[Quirk::FractionalRegisters]).await;
        let stopped = stopped_with(&gateway, &mut station, &stop).await;
        let meter = &stopped["meter_stop"];
        let register: Option<f64> =
            meter["register_wh"].as_str().and_then(|register| register.parse().ok());
        assert_eq!(register, Some(register_wh), "{stopped}");
        assert_eq!(meter["evidence"]["raw"], written);
    }
}

async fn authorized(station: &mut Station, uid: &str) -> Value {
    let payload = format!(r#"{{"idTag":"{uid}"}}"#);
    station.call("a", "Authorize", &payload).await[2]["idTagInfo"]["status"].clone()
}

#[tokio::test]
async fn a_uid_in_another_case_is_the_same_by_the_standard() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    assert_eq!(authorized(&mut station, &TAG.to_lowercase()).await, "Accepted");
}

#[tokio::test]
async fn a_uid_read_from_the_other_end() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    assert_eq!(TAG, "04A1B2C3");
    assert_eq!(authorized(&mut station, "C3B2A104").await, "Invalid");
    gateway.facts_once("station.quirk_noticed", 1).await;
    assert_eq!(gateway.noticed().await, ["reversed_uid"]);
    gateway.speaks("CP-1", &[Quirk::ReversedUid]).await;
    assert_eq!(authorized(&mut station, "C3B2A104").await, "Accepted");
    assert_eq!(authorized(&mut station, TAG).await, "Accepted");
    assert_eq!(authorized(&mut station, "3C2B1A40").await, "Invalid");
}

/// Speaks three times after a ping each, and answers none: reading is what sends the pongs.
async fn speaks_without_pongs(station: &mut Station, ping_interval: Duration) {
    for n in 0..3 {
        tokio::time::sleep(ping_interval + ping_interval / 2).await;
        station.send(format!(r#"[2,"{n}","Heartbeat",{{}}]"#)).await;
    }
}

#[tokio::test]
async fn no_pong_though_frames_still_arrive() {
    let ping_interval = Duration::from_millis(200);
    let gateway = Gateway::start_with(Limits { ping_interval, ..Limits::default() }).await;
    let mut station = gateway.station("CP-1").await;
    speaks_without_pongs(&mut station, ping_interval).await;
    // Frames are a sign of life; only after them it was silent for too long.
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends[0]["reason"], "silent");
    assert_eq!(gateway.facts("exchange.recorded").await.len(), 3);
    assert_eq!(gateway.noticed().await, ["no_pong"]);

    gateway.speaks("CP-1", &[Quirk::NoPong]).await;
    let mut patient = gateway.station("CP-1").await;
    tokio::time::sleep(ping_interval * 5).await;
    assert_eq!(patient.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("station.disconnected").await.len(), 1);
}

#[tokio::test]
async fn a_quirk_that_is_in_force_is_not_noted_and_one_that_was_noted_is_not_again() {
    let gateway = Gateway::start().await;
    gateway.speaks("CP-1", &[Quirk::DecimalComma]).await;
    let mut station = gateway.station("CP-1").await;
    sampled(&gateway, &mut station, r#"{"value":"1,5"}"#).await;
    assert_eq!(gateway.noticed().await, Vec::<Value>::new());
    gateway.speaks("CP-1", &[]).await;
    for _ in 0..3 {
        sampled(&gateway, &mut station, r#"{"value":"1,5"}"#).await;
    }
    let gateway = gateway.restart().await;
    let mut station = gateway.station("CP-1").await;
    sampled(&gateway, &mut station, r#"{"value":"1,5"}"#).await;
    assert_eq!(gateway.noticed().await, ["decimal_comma"]);
}

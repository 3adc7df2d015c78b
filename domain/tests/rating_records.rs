//! Rating other parties' records: which tariff, which zone, and what is refused.

use chargebook_domain::rating::rate_cdr;
use chrono_tz::Tz;

const ENERGY: &str = r#"{"id":"T1","currency":"EUR","elements":[{"price_components":[{"type":"ENERGY","price":1}]}]}"#;
const NIGHT: &str = r#"{"id":"T2","currency":"EUR","elements":[{"price_components":[{"type":"ENERGY","price":2}],"restrictions":{"start_time":"22:00","end_time":"06:00"}}]}"#;

/// A CDR of two periods of 1 kWh, at 20:30 and 21:30 UTC, with further members.
fn cdr(first_tariff: &str, second_tariff: &str, members: &str) -> String {
    let period = |start: &str, tariff: &str| {
        format!(
            r#"{{"start_date_time":"{start}","dimensions":[{{"type":"ENERGY","volume":1}}]{tariff}}}"#
        )
    };
    let (first, second) = (
        period("2025-03-03T20:30:00Z", first_tariff),
        period("2025-03-03T21:30:00Z", second_tariff),
    );
    format!(
        r#"{{"id":"C1","end_date_time":"2025-03-03T22:30:00Z",{members}"charging_periods":[{first},{second}]}}"#
    )
}

#[track_caller]
fn total(cdr: &str, tariff: Option<&str>, zone: Option<Tz>, expected: &str) {
    let report = rate_cdr(cdr, tariff, zone)
        .map(|report| report.to_json()["total_cost"]["excl_vat"].clone());
    assert_eq!(report, Ok(expected.into()));
}

#[track_caller]
fn refused(cdr: &str, tariff: Option<&str>, expected: &str) {
    let error = rate_cdr(cdr, tariff, None).map_err(|e| e.to_string()).err();
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn the_tariff_is_the_one_given_or_named_or_the_valid_one() {
    let both = format!(r#""tariffs":[{ENERGY},{NIGHT}],"#);
    let (t1, t2) = (r#","tariff_id":"T1""#, r#","tariff_id":"t2""#);
    let berlin = Some(Tz::Europe__Berlin);
    total(&cdr("", "", &both), None, berlin, "2");
    total(&cdr(t2, t2, &both), None, berlin, "2"); // only the second period is after 22:00
    total(&cdr(t2, t2, &both), Some(ENERGY), berlin, "2");
    total(&cdr(t2, "", &both), None, Some(Tz::UTC), "0");
    refused(
        &cdr(t1, t2, &both),
        None,
        "the charging periods name more than one tariff (T1 and t2): choose one with --tariff",
    );
    refused(
        &cdr(t2, t2, &format!(r#""tariffs":[{ENERGY}],"#)),
        None,
        "a charging period names the tariff `t2`, which the CDR does not hold: pass it with --tariff",
    );
    refused(&cdr("", "", ""), None, "the CDR holds no tariff: pass one with --tariff");
    let old = ENERGY.replace(r#""id""#, r#""end_date_time":"2025-01-01T00:00:00Z","id""#);
    total(&cdr("", "", &format!(r#""tariffs":[{old},{NIGHT}],"#)), None, berlin, "2");
    let report = rate_cdr(&cdr("", "", ""), Some(&old), None).expect("rated all the same");
    assert_eq!(report.notes, ["the tariff is not valid at the start of the session"]);
}

#[test]
fn the_zone_is_the_one_given_or_the_location_s_or_the_country_s() {
    let place = |members: &str| cdr("", "", &format!(r#""cdr_location":{{{members}}},"#));
    let night = Some(NIGHT);
    total(&place(r#""time_zone":"Europe/Berlin""#), night, None, "2");
    total(&place(r#""time_zone":"Europe/Berlin""#), night, Some(Tz::Europe__Helsinki), "4");
    total(&place(r#""country":"FIN""#), night, None, "4");
    total(&place(r#""time_zone":"Europe/London","country":"FIN""#), night, None, "0");
    total(&cdr("", "", r#""time_zone":"Europe/Berlin","#), night, None, "2");
    total(&cdr("", "", ""), Some(ENERGY), None, "2");
    let required = "the tariff depends on the local time and the CDR names no time zone: pass \
                    --time-zone, such as Europe/Berlin";
    refused(&cdr("", "", ""), night, required);
    refused(&place(r#""country":"USA""#), night, required);
    refused(
        &place(r#""time_zone":"Mars/Olympus""#),
        night,
        "`Mars/Olympus` is not an IANA time zone such as Europe/Berlin",
    );
}

#[test]
fn a_session_object_is_rated_up_to_its_last_update() {
    let session = r#"{"id":"S1","kwh":1,"currency":"EUR","location_id":"L","last_updated":"2025-03-03T11:00:00Z","charging_periods":
        [{"start_date_time":"2025-03-03T10:00:00Z","dimensions":[{"type":"ENERGY_IMPORT","volume":1.5},{"type":"ENERGY_EXPORT","volume":0.5},{"type":"STATE_OF_CHARGE","volume":80}]}]}"#;
    total(session, Some(ENERGY), None, "1");
    let report = rate_cdr(session, Some(ENERGY), None).expect("rated").to_json();
    assert_eq!(report["total_time"], "1");
    assert_eq!(report["total_energy"], "1");
}

#[test]
fn the_report_has_the_cdr_s_field_names_and_no_floats() {
    let tariff = r#"{"id":"T1","currency":"EUR","elements":[{"price_components":[{"type":"ENERGY","price":0.1,"vat":19}]}]}"#;
    let report = rate_cdr(&cdr("", "", r#""total_energy":3,"#), Some(tariff), None)
        .expect("rated")
        .to_json();
    for field in [
        "total_cost",
        "total_fixed_cost",
        "total_energy_cost",
        "total_time_cost",
        "total_parking_cost",
    ] {
        assert!(
            report[field]["excl_vat"].is_string() && report[field]["incl_vat"].is_string(),
            "{field}"
        );
    }
    assert_eq!(report["total_cost"]["incl_vat"], "0.238");
    assert_eq!(report["currency"], "EUR");
    assert_eq!(report.get("total_reservation_cost"), None);
    let notes = &report["breakdown"]["notes"];
    assert_eq!(
        notes[0],
        "the charging periods add up to 2 kWh, the record says 3; the periods are priced"
    );
    fn floats(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Number(number) => number.is_f64(),
            serde_json::Value::Array(items) => items.iter().any(floats),
            serde_json::Value::Object(members) => members.values().any(floats),
            _ => false,
        }
    }
    assert!(!floats(&report));
}

#[test]
fn records_that_cannot_be_used_are_refused_with_the_place() {
    let with = |from: &str, to: &str| {
        let text = cdr("", "", "");
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed);
        changed
    };
    let tariff = Some(ENERGY);
    let cannot = |rest: &str| format!("the CDR cannot be used: {rest}");
    refused(
        &with("\"charging_periods\"", "\"x\""),
        tariff,
        &cannot("/charging_periods: is required"),
    );
    refused(&with("\"end_date_time\"", "\"x\""), tariff, &cannot("/end_date_time: is required"));
    refused(
        &with("2025-03-03T22:30:00Z", "2025-03-03T21:00:00Z"),
        tariff,
        &cannot("/end_date_time: is before the last charging period begins"),
    );
    refused(
        &with("\"volume\":1", "\"volume\":\"much\""),
        tariff,
        &cannot("/charging_periods/0/dimensions/0/volume: not a number such as 0.25"),
    );
    refused(
        &with("\"ENERGY\",\"volume\":1", "\"TIME\",\"volume\":-1"),
        tariff,
        &cannot("/charging_periods/0/dimensions/0/volume: a duration is 0 or more"),
    );
    refused(
        &with("\"dimensions\"", "\"x\""),
        tariff,
        &cannot("/charging_periods/0/dimensions: is required"),
    );
    refused(
        &with("\"volume\":1", "\"volume\":79228162514264337593543950335"),
        Some(&ENERGY.replace("\"price\":1", "\"price\":10")),
        "an amount or quantity is too large to be computed exactly",
    );
    refused(
        "{\"charging_periods\":[],\"end_date_time\":\"2025-03-03T22:30:00Z\"}",
        tariff,
        &cannot("/charging_periods: is empty: there is nothing to rate"),
    );
    assert!(rate_cdr("not JSON", tariff, None).is_err());
    refused(&cdr("", "", ""), Some("{}"), "the tariff cannot be used: /elements: is required");
}

//! Reading tariffs: what is refused and where, and that equal content has one spelling.

use chargebook_domain::tariff::{MAX_TARIFF_BYTES, Tariff};
use proptest::prelude::*;

const TARIFF: &str = r#"{
    "country_code": "DE", "party_id": "CBK", "id": "T1", "currency": "EUR", "type": "REGULAR",
    "tariff_alt_text": [{"language": "en", "text": "0.25 \u20ac"}],
    "energy_mix": {"is_green_energy": true, "environ_impact": [{"amount": 1.50, "category": "CO2"}]},
    "min_price": {"excl_vat": 0.50, "incl_vat": 0.60},
    "elements": [{
        "price_components": [
            {"type": "ENERGY", "price": 0.250, "vat": 20.0, "step_size": 1},
            {"type": "FLAT", "price": 1, "step_size": 1}
        ],
        "restrictions": {"start_time": "08:00", "end_time": "20:00", "day_of_week": ["SUNDAY", "MONDAY"],
                         "max_kwh": 1e2}
    }],
    "end_date_time": null,
    "last_updated": "2025-01-01T00:00:00Z"
}"#;

/// The same content, otherwise spelled.
const SAME_TARIFF: &str = r#"{"last_updated":"2025-01-01T00:00:00.000","elements":[{"restrictions":
{"max_kwh":"100.0","day_of_week":["MONDAY","SUNDAY","MONDAY"],"end_time":"20:00","start_time":"08:00"},
"price_components":[{"step_size":1.0,"vat":"20","price":2.5e-1,"type":"ENERGY"},
{"type":"FLAT","price":1.00,"vat":null,"step_size":"1"}]}],"id":"T1","party_id":"CBK","min_price":
{"incl_vat":6e-1,"excl_vat":0.5},"energy_mix":{"environ_impact":[{"category":"CO2","amount":1.5}],
"is_green_energy":true},"tariff_alt_text":[{"text":"0.25 €","language":"en"}],"type":"REGULAR",
"currency":"EUR","country_code":"DE"}"#;

fn parse(text: &str) -> Tariff {
    Tariff::parse(text).expect("a tariff")
}

#[test]
fn equal_content_has_one_spelling() {
    let tariff = parse(TARIFF);
    assert_eq!(tariff, parse(SAME_TARIFF));
    assert_eq!(tariff.canonical_text(), parse(SAME_TARIFF).canonical_text());
    assert_eq!(tariff.content_sha256(), parse(SAME_TARIFF).content_sha256());
    assert_eq!(
        tariff.canonical_text(),
        concat!(
            r#"{"country_code":"DE","currency":"EUR","elements":[{"price_components":["#,
            r#"{"price":"0.25","step_size":1,"type":"ENERGY","vat":"20"},"#,
            r#"{"price":"1","step_size":1,"type":"FLAT"}],"restrictions":"#,
            r#"{"day_of_week":["MONDAY","SUNDAY"],"end_time":"20:00","max_kwh":"100","start_time":"08:00"}}],"#,
            r#""energy_mix":{"environ_impact":[{"amount":1.5,"category":"CO2"}],"is_green_energy":true},"#,
            r#""id":"T1","last_updated":"2025-01-01T00:00:00Z","#,
            r#""min_price":{"excl_vat":"0.5","incl_vat":"0.6"},"party_id":"CBK","#,
            r#""tariff_alt_text":[{"language":"en","text":"0.25 €"}],"type":"REGULAR"}"#,
        )
    );
}

#[test]
fn members_that_ocpi_does_not_name_are_told_by_their_places() {
    assert_eq!(parse(TARIFF).ignored_members(), Vec::<String>::new());
    let odd = r#"{"currency":"EUR","x/y":1,"min_price":{"excl_vat":1,"inc_vat":1.19},
        "max_price":{"excl_vat":50,"incl_vatt":59.5},"elements":[
        {"price_components":[{"type":"ENERGY","price":0.25}],"price_componets":[]},
        {"price_components":[{"type":"FLAT","price":1},{"type":"TIME","price":2,"vatt":19}],
         "restrictions":{"start_tme":"08:00","end_time":"20:00"}}]}"#;
    let places = [
        "/x~1y",
        "/min_price/inc_vat",
        "/max_price/incl_vatt",
        "/elements/0/price_componets",
        "/elements/1/price_components/1/vatt",
        "/elements/1/restrictions/start_tme",
    ];
    assert_eq!(parse(odd).ignored_members(), places);
    let canonical = parse(odd).canonical_text();
    assert_eq!(parse(&canonical).ignored_members(), places, "the canonical text keeps them");
}

#[test]
fn other_content_has_another_hash() {
    let hash = parse(TARIFF).content_sha256();
    for (from, to) in [
        ("0.250", "0.251"),
        ("\"vat\": 20.0, ", ""),
        ("08:00", "08:01"),
        ("\"amount\": 1.50", "\"amount\": 1.51"),
        ("\"SUNDAY\", ", ""),
    ] {
        let other = TARIFF.replace(from, to);
        assert_ne!(other, TARIFF);
        assert_ne!(parse(&other).content_sha256(), hash, "{to}");
    }
}

#[test]
fn the_canonical_text_is_a_tariff_again() {
    let tariff = parse(TARIFF);
    assert_eq!(parse(&tariff.canonical_text()), tariff);
    let json = serde_json::to_string(&tariff).expect("a tariff is JSON");
    assert_eq!(serde_json::from_str::<Tariff>(&json).ok(), Some(tariff));
}

#[track_caller]
fn refused(from: &str, to: &str, error: &str) {
    let text = TARIFF.replacen(from, to, 1);
    assert_ne!(text, TARIFF, "nothing was replaced");
    assert_eq!(Tariff::parse(&text).map_err(|e| e.to_string()).err().as_deref(), Some(error));
}

#[test]
fn refusals_name_the_place_and_the_reason() {
    refused("\"EUR\"", "\"EURO\"", "/currency: `EURO` is not an ISO 4217 currency code");
    refused("\"EUR\"", "\"XXX\"", "/currency: `XXX` is not an ISO 4217 currency code");
    refused("\"EUR\"", "978", "/currency: expected a string, found a number");
    refused("\"currency\"", "\"x\"", "/currency: is required");
    refused("\"elements\"", "\"x\"", "/elements: is required");
    refused(
        "\"REGULAR\"",
        "\"CHEAP\"",
        "/type: `CHEAP` is not one of AD_HOC_PAYMENT, PROFILE_CHEAP, PROFILE_FAST, PROFILE_GREEN, REGULAR",
    );
    let component = "/elements/0/price_components/0";
    refused("0.250", "\"free\"", &format!("{component}/price: not a number such as 0.25"));
    refused("0.250", "true", &format!("{component}/price: expected a number, found a boolean"));
    refused("0.250", "null", &format!("{component}/price: is required"));
    refused("0.250", "1e40", &format!("{component}/price: a number too large to be kept exactly"));
    refused(
        "0.250",
        "1e-40",
        &format!("{component}/price: a number with more digits than can be kept exactly"),
    );
    refused("20.0", "120", &format!("{component}/vat: VAT is a percentage from 0 to 100"));
    refused("20.0", "-1", &format!("{component}/vat: VAT is a percentage from 0 to 100"));
    refused(
        "\"step_size\": 1",
        "\"step_size\": -1",
        &format!("{component}/step_size: expected a whole number, 0 or more"),
    );
    refused(
        "\"step_size\": 1",
        "\"step_size\": 1.5",
        &format!("{component}/step_size: expected a whole number, 0 or more"),
    );
    refused(
        "\"ENERGY\"",
        "\"POWER\"",
        &format!("{component}/type: `POWER` is not one of ENERGY, FLAT, PARKING_TIME, TIME"),
    );
    let restrictions = "/elements/0/restrictions";
    refused(
        "08:00",
        "8:00",
        &format!("{restrictions}/start_time: `8:00` is not a time of day such as 08:30"),
    );
    refused(
        "20:00",
        "24:00",
        &format!("{restrictions}/end_time: `24:00` is not a time of day such as 08:30"),
    );
    refused(
        "\"SUNDAY\"",
        "\"Sunday\"",
        &format!("{restrictions}/day_of_week/0: `Sunday` is not one of MONDAY to SUNDAY"),
    );
    refused(
        "\"start_time\"",
        "\"reservation\": \"RESERVATION\", \"start_time\"",
        "/elements/0/price_components: a reservation can have only FLAT and TIME",
    );
    refused(
        "\"max_kwh\": 1e2",
        "\"start_date\": \"2025-02-30\"",
        &format!("{restrictions}/start_date: `2025-02-30` is not a date such as 2026-01-31"),
    );
    refused(
        "\"min_price\"",
        "\"max_price\": {\"excl_vat\": 0.4}, \"min_price\"",
        "/max_price: is below min_price",
    );
    refused("0.50,", "-0.50,", "/min_price/excl_vat: a price limit is 0 or more");
    refused(
        "2025-01-01T00:00:00Z",
        "yesterday",
        "/last_updated: `yesterday` is not a time such as 2026-01-31T12:00:00Z",
    );
    refused(
        "\"price\": 0.250",
        "\"price\": 0.250, \"price\": 0.1",
        &format!("{component}: the member `price` occurs twice"),
    );
}

#[test]
fn documents_that_are_no_tariffs_are_refused() {
    let deep = format!(r#"{{"currency":"EUR","x":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let big = format!("{{{}}}", " ".repeat(MAX_TARIFF_BYTES));
    for text in
        ["", "{", "[]", "null", "\"EUR\"", "{}", r#"{"currency":"EUR","elements":[]}"#, &deep, &big]
    {
        assert!(Tariff::parse(text).is_err(), "{}", &text[..text.len().min(40)]);
    }
    let empty = r#"{"currency":"EUR","elements":[{"price_components":[]}]}"#;
    let error = Tariff::parse(empty).map_err(|e| e.to_string()).err();
    assert_eq!(
        error.as_deref(),
        Some("/elements/0/price_components: needs at least one price component")
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = Tariff::parse(&text);
    }

    #[test]
    fn no_change_of_one_byte_makes_it_panic(at in 0..TARIFF.len(), byte in 0x20_u8..0x7f) {
        let mut bytes = TARIFF.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(tariff) = Tariff::parse(&String::from_utf8_lossy(&bytes)) {
            prop_assert_eq!(Tariff::parse(&tariff.canonical_text()), Ok(tariff));
        }
    }

    #[test]
    fn prices_keep_every_digit(mantissa in any::<i64>(), scale in 0_u32..28) {
        let price = rust_decimal::Decimal::try_from_i128_with_scale(mantissa.into(), scale).expect("fits");
        let text = format!(r#"{{"currency":"EUR","elements":[{{"price_components":[{{"type":"FLAT","price":{price}}}]}}]}}"#);
        let tariff = parse(&text);
        prop_assert_eq!(tariff.elements[0].price_components[0].price, price);
        prop_assert_eq!(parse(&tariff.canonical_text()), tariff);
    }
}

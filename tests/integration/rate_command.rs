//! `chargebook rate`: the invoices' own rating function, at a shell prompt.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::chargebook;

/// Flat fee, energy, charging time and parking time, each with a price that is easy to multiply.
fn tariff() -> Value {
    let component = |kind: &str, price: &str, step: u32| {
        let text = format!(r#"{{"type":"{kind}","price":{price},"vat":20,"step_size":{step}}}"#);
        serde_json::from_str::<Value>(&text).expect("a component")
    };
    json!({
        "country_code": "DE", "party_id": "CHB", "id": "all-four", "currency": "EUR",
        "elements": [{ "price_components": [
            component("FLAT", "1.00", 1),
            component("ENERGY", "0.25", 1),
            component("TIME", "2.00", 1),
            component("PARKING_TIME", "5.00", 1),
        ] }],
        "last_updated": "2026-01-01T00:00:00Z",
    })
}

/// 12.5 kWh in one and a half hours, then a quarter of an hour of parking.
fn cdr(tariffs: Vec<Value>) -> Value {
    json!({
        "country_code": "DE", "party_id": "CHB", "id": "cdr-1",
        "start_date_time": "2026-03-02T09:00:00Z",
        "end_date_time": "2026-03-02T10:45:00Z",
        "cdr_token": {
            "country_code": "DE", "party_id": "CHB", "uid": "012345678", "type": "RFID",
            "contract_id": "DE-CHB-C12345678-X"
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC1", "address": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115",
            "country": "DEU", "coordinates": { "latitude": "52.5200", "longitude": "13.4050" },
            "evse_uid": "1", "evse_id": "DE*CHB*E1", "connector_id": "1",
            "connector_standard": "IEC_62196_T2", "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE"
        },
        "currency": "EUR",
        "tariffs": tariffs,
        "charging_periods": [
            {
                "start_date_time": "2026-03-02T09:00:00Z",
                "dimensions": [
                    { "type": "ENERGY", "volume": 12.5 },
                    { "type": "TIME", "volume": 1.5 }
                ]
            },
            {
                "start_date_time": "2026-03-02T10:30:00Z",
                "dimensions": [{ "type": "PARKING_TIME", "volume": 0.25 }]
            }
        ],
        "total_cost": { "excl_vat": 0, "incl_vat": 0 },
        "total_energy": 12.5,
        "total_time": 1.75,
        "last_updated": "2026-03-02T10:45:00Z"
    })
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, value: &Value) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, value.to_string()).expect("a file");
        path
    }

    #[track_caller]
    fn rate(&self, arguments: &[&str]) -> Value {
        let output = chargebook(arguments, self.0.path());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

#[track_caller]
fn costs(rated: &Value, name: &str, excl_vat: &str, incl_vat: &str) {
    let amount = |part: &str| {
        let text = rated[name][part].as_str().unwrap_or_else(|| panic!("{name}: {rated:#}"));
        text.parse::<rust_decimal::Decimal>().expect("a decimal").normalize().to_string()
    };
    assert_eq!((amount("excl_vat").as_str(), amount("incl_vat").as_str()), (excl_vat, incl_vat));
}

#[track_caller]
fn is_priced_right(rated: &Value) {
    costs(rated, "total_fixed_cost", "1", "1.2");
    costs(rated, "total_energy_cost", "3.125", "3.75");
    costs(rated, "total_time_cost", "3", "3.6");
    costs(rated, "total_parking_cost", "1.25", "1.5");
    costs(rated, "total_cost", "8.375", "10.05");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

#[test]
fn a_cdr_is_priced_exactly_with_the_tariff_given() {
    let folder = Folder::new();
    let tariff = folder.write("tariff.json", &tariff());
    let cdr = folder.write("cdr.json", &cdr(vec![]));
    let arguments = ["rate", "--tariff", text(&tariff), "--cdr", text(&cdr), "--json"];
    is_priced_right(&folder.rate(&arguments));
}

#[test]
fn the_tariff_defaults_to_the_cdrs_own() {
    let folder = Folder::new();
    let cdr = folder.write("cdr.json", &cdr(vec![tariff()]));
    is_priced_right(&folder.rate(&["rate", "--cdr", text(&cdr), "--json"]));
}

#[test]
fn restrictions_are_read_in_the_time_zone_given() {
    let mut tariff = tariff();
    // Only from 10:00 to 13:00 local time; the CDR's period begins at 09:00 UTC.
    tariff["elements"][0]["restrictions"] = json!({ "start_time": "10:00", "end_time": "13:00" });
    let folder = Folder::new();
    let tariff = folder.write("tariff.json", &tariff);
    let cdr = folder.write("cdr.json", &cdr(vec![]));
    let arguments = ["rate", "--tariff", text(&tariff), "--cdr", text(&cdr), "--json"];
    let in_zone = |zone| folder.rate(&[&arguments[..], &["--time-zone", zone]].concat());
    is_priced_right(&in_zone("Europe/Berlin"));
    costs(&in_zone("America/New_York"), "total_energy_cost", "0", "0");
}

#[test]
fn what_cannot_be_rated_is_said_and_fails() {
    let folder = Folder::new();
    let cdr = folder.write("cdr.json", &cdr(vec![]));
    let output = chargebook(&["rate", "--cdr", text(&cdr), "--json"], folder.0.path());
    assert!(!output.status.success(), "a CDR without a tariff: {output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("tariff"), "{output:?}");
    let nothing = folder.0.path().join("nothing.json");
    let output = chargebook(&["rate", "--cdr", text(&nothing)], folder.0.path());
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing.json"), "{output:?}");
}

/// OCPI has unknown members ignored; whoever may have misspelt one is told, beside the result.
#[test]
fn what_a_price_is_not_computed_by_is_said() {
    let mut misspelt = tariff();
    misspelt["elements"][0]["price_components"][1]["vatt"] = json!(19);
    let folder = Folder::new();
    let cdr = folder.write("cdr.json", &cdr(vec![misspelt]));
    let output = chargebook(&["rate", "--cdr", text(&cdr), "--json"], folder.0.path());
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/elements/0/price_components/1/vatt"), "{said}");
    is_priced_right(&serde_json::from_slice(&output.stdout).expect("JSON"));
}

#[test]
fn the_table_shows_quantities_and_sums_to_the_cent() {
    let folder = Folder::new();
    let cdr = folder.write("cdr.json", &cdr(vec![tariff()]));
    let output = chargebook(&["rate", "--cdr", text(&cdr)], folder.0.path());
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    for shown in ["12.5 kWh", "h ", "3.13", "3.75", "8.38", "10.05"] {
        assert!(table.contains(shown), "{shown} is not in:\n{table}");
    }
    assert!(!table.contains("3.125"), "{table}");
}

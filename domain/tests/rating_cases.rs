//! Rating against worked examples: those of the OCPI 2.2.1 specification
//! (`rating_cases/specification.json`) and our own for what it leaves open
//! (`rating_cases/house.json`). Each case is a tariff, a CDR and the totals that must come out.

use chargebook_domain::rating::{Price, rate_cdr};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Case<'a> {
    name: String,
    /// The rule, in words.
    says: String,
    time_zone: String,
    #[serde(borrow)]
    tariff: &'a RawValue,
    #[serde(borrow)]
    cdr: &'a RawValue,
    expect: BTreeMap<String, serde_json::Value>,
}

#[track_caller]
fn check(file: &str, at_least: usize) {
    let cases: Vec<Case<'_>> = serde_json::from_str(file).expect("the case file");
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let zone = case.time_zone.parse().expect("a time zone");
        let report = match rate_cdr(case.cdr.get(), Some(case.tariff.get()), Some(zone)) {
            Ok(report) => report.to_json(),
            Err(error) => {
                failures.push(format!("{} ({}): {error}", case.name, case.says));
                continue;
            }
        };
        for (field, expected) in &case.expect {
            let expected = match expected.as_array() {
                Some(pair) => serde_json::json!({"excl_vat": pair[0], "incl_vat": pair[1]}),
                None => expected.clone(),
            };
            if report[field] != expected {
                let (name, says) = (&case.name, &case.says);
                failures
                    .push(format!("{name} ({says}): {field} is {}, not {expected}", report[field]));
            }
        }
        // Whatever the case, lines add up to totals and survive being written down.
        let rated = rate_cdr(case.cdr.get(), Some(case.tariff.get()), Some(zone)).expect("again");
        let rating = rated.rating;
        let unlimited = rating.limit.as_ref().map_or(rating.total_cost, |limit| limit.unlimited);
        let summed = rating.lines.iter().fold(Price::default(), |sum, line| Price {
            excl_vat: sum.excl_vat + line.excl_vat,
            incl_vat: sum.incl_vat + line.incl_vat,
        });
        assert_eq!(summed, unlimited, "{}", case.name);
        let written = serde_json::to_string(&rating).expect("a rating is JSON");
        assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(&rating), "{}", case.name);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_specification_s_examples() {
    check(include_str!("rating_cases/specification.json"), 30);
}

#[test]
fn our_own_cases() {
    check(include_str!("rating_cases/house.json"), 20);
}

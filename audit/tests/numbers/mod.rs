//! Numbers mean the same to whoever verifies as to the gateway, however a charger writes them.

use crate::transaction::charge;
use crate::world::World;
use chargebook_audit::verify;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::ops::Range;

/// More places than a binary fraction holds of a register between 2000 and 3000 Wh.
const REGISTER_PLACES: u32 = 14;
const REGISTER_DIGITS: Range<i64> = 200_000_000_000_000_000..300_000_000_000_000_000;

/// A number of so many places, and one of the ways in which JSON writes it.
fn spelled(
    digits: impl Strategy<Value = i64>,
    scale: u32,
) -> impl Strategy<Value = (Decimal, String)> {
    let ways = (digits, 0..4_usize, -3..=3_i32, any::<bool>());
    ways.prop_map(move |(digits, zeros, exponent, is_large)| {
        // Moved by as many places as the exponent moves it back.
        let written = match scale.checked_add_signed(exponent) {
            Some(places) => Decimal::new(digits, places),
            None => Decimal::from(digits * 10_i64.pow(exponent.unsigned_abs() - scale)),
        };
        let mut text = written.to_string();
        if zeros > 0 {
            text.push_str(if text.contains('.') { "" } else { "." });
            text.push_str(&"0".repeat(zeros));
        }
        if exponent != 0 {
            text.push(if is_large { 'E' } else { 'e' });
            text.push_str(&exponent.to_string());
        }
        (Decimal::new(digits, scale), text)
    })
}

/// An integer of the frame's, in any spelling.
fn spelled_integer(integer: i64) -> impl Strategy<Value = String> {
    spelled(Just(integer), 0).prop_map(|(_, text)| text)
}

fn replace(exchange: &mut Value, old: &str, new: &str) {
    let request = exchange["request"].as_str().unwrap();
    assert!(request.contains(old), "{old} is in {request}");
    exchange["request"] = json!(request.replacen(old, new, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_spelling_of_a_number_is_proven(
        (value, register) in spelled(REGISTER_DIGITS, REGISTER_PLACES),
        sequence in spelled_integer(2),
        evse in spelled_integer(1),
        connector in spelled_integer(1),
        multiplier in spelled_integer(0),
        in_strings in any::<bool>(),
    ) {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        charge(&mut world, 3);
        let quoted = |number: &str| match in_strings {
            true => format!("\"{number}\""),
            false => number.to_owned(),
        };
        let register = quoted(&register);
        world.forge_last("exchange.recorded", |ended| {
            for (old, name, number) in [
                ("\"value\":2500", "\"unitOfMeasure\":{\"multiplier\":0},\"value\"", &*register),
                ("\"multiplier\":0", "\"multiplier\"", &quoted(&multiplier)),
                ("\"seqNo\":2", "\"seqNo\"", &quoted(&sequence)),
                ("\"id\":1", "\"id\"", &quoted(&evse)),
                ("\"connectorId\":1", "\"connectorId\"", &quoted(&connector)),
            ] {
                replace(ended, old, &format!("{name}:{number}"));
            }
            if in_strings {
                ended["dialect"] = json!(["numbers_as_strings"]);
            }
        });
        world.forge_last("session.transaction_reported", |reported| {
            reported["samples"][0]["value"] = json!(value.to_string());
            reported["samples"][0]["evidence"]["raw"] = json!(register);
        });
        world.bill(tariff);
        let report = verify(&world.bundle(), None).unwrap();
        prop_assert_eq!(report.settled.what.energy_wh.0, value - Decimal::from(1_000));
    }
}

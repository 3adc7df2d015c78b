//! Numbers, times and words for people. Exact decimals in, text out; no floats.

use chargebook_domain::ids::{ConnectorNumber, EvseNumber};
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::Datelike;
use chrono_tz::Tz;
use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};

/// Digits of the minor unit of a currency that ISO 4217 does not list.
const EXPONENT_DEFAULT: u16 = 2;

/// A number with so many decimals and its thousands apart: `1,234.50`.
pub(crate) fn number(value: Decimal, decimals: u32) -> String {
    let rounded = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    let rounded = if rounded.is_zero() { Decimal::ZERO } else { rounded };
    let precision = usize::try_from(decimals).unwrap_or(0);
    let text = format!("{rounded:.precision$}");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("−", rest),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut grouped = String::with_capacity(whole.len() + whole.len() / 3);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        "" => format!("{sign}{grouped}"),
        fraction => format!("{sign}{grouped}.{fraction}"),
    }
}

/// A number as it is, without trailing zeros.
pub(crate) fn plain(value: Decimal) -> String {
    number(value, value.normalize().scale())
}

/// Kilowatt-hours, without the unit.
pub(crate) fn kwh(energy: WattHours, decimals: u32) -> String {
    number(energy.0.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default(), decimals)
}

/// Kilowatts with the unit: `7.4 kW`.
pub(crate) fn kw(power_w: Decimal) -> String {
    let kw = power_w.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default();
    format!("{} kW", number(kw, 1))
}

/// Digits of a currency's minor unit.
pub(crate) fn exponent(currency: &str) -> u32 {
    let known = Currency::from_code(currency).and_then(|currency| currency.exponent());
    u32::from(known.unwrap_or(EXPONENT_DEFAULT))
}

/// An exact amount, rounded to the minor unit, with its currency: `12.34 EUR`.
pub(crate) fn money(amount: Decimal, currency: &str) -> String {
    format!("{} {currency}", number(amount, exponent(currency)))
}

/// An amount in minor units, with its currency.
pub(crate) fn money_minor(amount_minor: i64, exponent: u32, currency: &str) -> String {
    format!("{} {currency}", minor(amount_minor, exponent))
}

/// An amount in minor units, without its currency.
pub(crate) fn minor(amount_minor: i64, exponent: u32) -> String {
    let amount = Decimal::try_new(amount_minor, exponent).unwrap_or_default();
    number(amount, exponent)
}

/// A span of time: `45 s`, `12 min`, `1 h 05 min`, `3 d 4 h`.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if minutes < 60 => format!("{minutes} min"),
        () if hours < 48 => format!("{hours} h {:02} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

/// A local time, as short as it can be from today: `14:32`, `21 Nov 14:32`, `21 Nov 2025 14:32`.
pub(crate) fn local_time(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let (local, today) = (at.utc().with_timezone(&zone), now.utc().with_timezone(&zone));
    let format = match () {
        () if local.date_naive() == today.date_naive() => "%H:%M",
        () if local.year() == today.year() => "%-d %b %H:%M",
        () => "%-d %b %Y %H:%M",
    };
    local.format(format).to_string()
}

/// A local time with its whole date: `21 Nov 2025 14:32`.
pub(crate) fn dated(at: Timestamp, zone: Tz) -> String {
    at.utc().with_timezone(&zone).format("%-d %b %Y %H:%M").to_string()
}

/// The same instant in UTC, for who has to compare logs.
pub(crate) fn utc(at: Timestamp) -> String {
    at.utc().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Where at a station, for people: `connector 1`, `EVSE 1, connector 2`.
pub(crate) fn place(evse: Option<EvseNumber>, connector: Option<ConnectorNumber>) -> String {
    match (evse, connector) {
        (None, Some(connector)) => format!("connector {connector}"),
        (Some(evse), Some(connector)) => format!("EVSE {evse}, connector {connector}"),
        (Some(evse), None) => format!("EVSE {evse}"),
        (None, None) => "connector not chosen yet".to_owned(),
    }
}

/// A word of ours for people: `stop_missing` becomes `Stop missing`.
pub(crate) fn words(word: &str) -> String {
    let spaced = word.replace(['_', '.'], " ");
    let mut characters = spaced.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// A station's word for people: `SuspendedEV` becomes `Suspended EV`.
pub(crate) fn station_word(word: &str) -> String {
    let mut spaced = String::with_capacity(word.len() + 4);
    let mut previous_lower = false;
    for character in word.chars() {
        if character.is_uppercase() && previous_lower {
            spaced.push(' ');
        }
        previous_lower = character.is_lowercase();
        spaced.push(character);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).unwrap()
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero_and_grouped() {
        let number = |text: &str, decimals| super::number(text.parse().unwrap(), decimals);
        assert_eq!(number("1234567.125", 2), "1,234,567.13");
        assert_eq!(number("-1234.5", 0), "−1,235");
        assert_eq!(number("-0.001", 2), "0.00");
        assert_eq!(number("100", 3), "100.000");
        assert_eq!(number("12", 0), "12");
    }

    #[test]
    fn money_keeps_to_its_minor_unit() {
        assert_eq!(money("1.005".parse().unwrap(), "EUR"), "1.01 EUR");
        assert_eq!(money("1200.4".parse().unwrap(), "JPY"), "1,200 JPY");
        assert_eq!(money_minor(-123_456, 2, "EUR"), "−1,234.56 EUR");
    }

    #[test]
    fn times_are_the_sites() {
        let zone = Tz::Europe__Berlin;
        let now = at("2026-11-22T12:00:00Z");
        assert_eq!(local_time(at("2026-11-22T11:05:00Z"), now, zone), "12:05");
        assert_eq!(local_time(at("2026-11-21T23:30:00Z"), now, zone), "00:30");
        assert_eq!(local_time(at("2026-07-01T10:00:00Z"), now, zone), "1 Jul 12:00");
        assert_eq!(local_time(at("2025-07-01T10:00:00Z"), now, zone), "1 Jul 2025 12:00");
        assert_eq!(dated(now, zone), "22 Nov 2026 13:00");
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_900), "1 h 05 min");
        assert_eq!(duration(200_000), "2 d 7 h");
    }

    #[test]
    fn words_are_for_people() {
        assert_eq!(words("stop_missing"), "Stop missing");
        assert_eq!(station_word("SuspendedEVSE"), "Suspended EVSE");
        assert_eq!(station_word("Available"), "Available");
    }
}

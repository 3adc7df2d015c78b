//! The lines of a bill, of a price that still runs and of an issued invoice alike.

use crate::format;
use chargebook_domain::events::v1::{InvoiceLine, InvoiceVat};
use chargebook_domain::invoice::InvoiceFigures;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// A line as it is shown.
pub(crate) struct BillLine {
    pub(crate) what: String,
    pub(crate) quantity: String,
    pub(crate) price: String,
    pub(crate) vat: String,
    pub(crate) net: String,
}

impl BillLine {
    fn new(line: &InvoiceLine, currency: &str, exponent: u32) -> Self {
        Self {
            what: dimension(&line.dimension),
            quantity: quantity(line.quantity, &line.unit),
            price: unit_price(line.unit_price, &line.unit, currency),
            vat: vat(line.vat_percent),
            net: format::minor(line.net_minor, exponent),
        }
    }
}

/// A bill as it is shown: lines and sums to the minor unit, VAT per rate on the sum of its
/// lines. Net and VAT add up to gross as they stand.
pub(crate) struct Bill {
    pub(crate) lines: Vec<BillLine>,
    /// VAT per rate: what on which net, and how much.
    pub(crate) rates: Vec<(String, String)>,
    pub(crate) net: String,
    /// The VAT of all rates.
    pub(crate) vat: String,
    pub(crate) gross: String,
    pub(crate) currency: String,
}

impl Bill {
    /// The bill with these figures, issued or not.
    pub(crate) fn new(figures: &InvoiceFigures) -> Self {
        let (currency, exponent) = (figures.currency.as_str(), figures.currency_exponent);
        let minor = |amount| format::minor(amount, exponent);
        let rate = |rate: &InvoiceVat| {
            let what = format!("VAT {} on {}", vat(rate.vat_percent), minor(rate.net_minor));
            (what, minor(rate.vat_minor))
        };
        Self {
            lines: figures.lines.iter().map(|l| BillLine::new(l, currency, exponent)).collect(),
            rates: figures.vat.iter().map(rate).collect(),
            net: minor(figures.total_net_minor),
            vat: minor(figures.total_vat_minor),
            gross: minor(figures.total_gross_minor),
            currency: currency.to_owned(),
        }
    }
}

/// What is paid for, in words.
pub(crate) fn dimension(word: &str) -> String {
    match word {
        "ENERGY" => "Energy".to_owned(),
        "TIME" => "Charging time".to_owned(),
        "PARKING_TIME" => "Parking time".to_owned(),
        "FLAT" => "Session fee".to_owned(),
        "ADJUSTMENT" => "Minimum or maximum price".to_owned(),
        "RESERVATION_TIME" => "Reserved time".to_owned(),
        "RESERVATION_FLAT" => "Reservation fee".to_owned(),
        other => format::words(&other.to_lowercase()),
    }
}

fn quantity(quantity: Decimal, unit: &str) -> String {
    let decimals = if unit == "kWh" { 3 } else { quantity.normalize().scale().min(6) };
    match unit {
        "session" => format::number(quantity, decimals),
        "h" => hours(quantity).unwrap_or_else(|| format::number(quantity, decimals) + " h"),
        unit => format!("{} {unit}", format::number(quantity, decimals)),
    }
}

/// Hours as they are billed, to the second: `1 h 5 min 30 s`. `None` where they are no whole
/// seconds, up to what six decimals of an hour can tell.
fn hours(hours: Decimal) -> Option<String> {
    let seconds = hours.checked_mul(Decimal::from(3_600))?;
    let whole = seconds.round();
    if (seconds - whole).abs() > Decimal::new(2, 3) {
        return None;
    }
    let whole = whole.to_u64()?;
    let parts = [(whole / 3_600, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
    Some(if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") })
}

fn unit_price(price: Decimal, unit: &str, currency: &str) -> String {
    let decimals = price.normalize().scale().max(format::exponent(currency));
    let per = if unit == "session" { String::new() } else { format!(" / {unit}") };
    format!("{} {currency}{per}", format::number(price, decimals))
}

/// VAT in percent; none is not the same as 0 %.
pub(crate) fn vat(percent: Option<Decimal>) -> String {
    percent.map_or_else(|| "none".to_owned(), |percent| format!("{} %", format::plain(percent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_to_the_second() {
        let told = |hours: &str| quantity(hours.parse().expect("a number"), "h");
        assert_eq!(told("0.016667"), "1 min");
        assert_eq!(told("1.5"), "1 h 30 min");
        assert_eq!(told("2.000278"), "2 h 1 s");
        assert_eq!(told("0"), "0 s");
        assert_eq!(told("0.0003"), "0.0003 h");
    }
}

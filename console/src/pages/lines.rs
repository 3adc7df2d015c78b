//! The lines of a bill, of a price that still runs and of an issued invoice alike.

use crate::format;
use chargebook_domain::events::v1::InvoiceLine as IssuedLine;
use chargebook_domain::rating::{InvoiceLine, Rating, invoice_lines};
use rust_decimal::Decimal;

/// A line as it is shown.
pub(crate) struct BillLine {
    pub(crate) what: String,
    pub(crate) quantity: String,
    pub(crate) price: String,
    pub(crate) vat: String,
    pub(crate) net: String,
}

impl BillLine {
    /// The lines of a rating, as its invoice would show them; none where they cannot be drawn
    /// up.
    pub(crate) fn of_rating(rating: &Rating) -> Vec<Self> {
        let exponent = format::exponent(&rating.currency);
        let line = |line: InvoiceLine| Self {
            what: dimension(&line.dimension),
            quantity: quantity(line.quantity, &line.unit),
            price: unit_price(line.unit_price, &line.unit, &rating.currency),
            vat: vat(line.vat_percent),
            net: format::number(line.excl_vat, exponent),
        };
        let lines = invoice_lines(rating).unwrap_or_default();
        lines.into_iter().map(line).collect()
    }

    /// A line of an issued invoice.
    pub(crate) fn of_issued(line: &IssuedLine, currency: &str, exponent: u32) -> Self {
        Self {
            what: dimension(&line.dimension),
            quantity: quantity(line.quantity, &line.unit),
            price: unit_price(line.unit_price, &line.unit, currency),
            vat: vat(line.vat_percent),
            net: format::minor(line.net_minor, exponent),
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
        unit => format!("{} {unit}", format::number(quantity, decimals)),
    }
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

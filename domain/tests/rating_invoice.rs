//! Invoice figures: rounding per line, VAT per rate, limits kept to the minor unit.

use chargebook_domain::rating::{
    InvoiceTotals, NetLine, RatingError, VatTotal, invoice_lines, invoice_totals, rate_cdr,
};
use rust_decimal::Decimal;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn line(excl_vat: &str, vat_percent: Option<&str>) -> NetLine {
    NetLine { excl_vat: decimal(excl_vat), vat_percent: vat_percent.map(decimal) }
}

fn vat(percent: Option<&str>, net_minor: i64, vat_minor: i64) -> VatTotal {
    VatTotal { vat_percent: percent.map(decimal), net_minor, vat_minor }
}

#[test]
fn nets_are_rounded_per_line_and_vat_per_rate_on_the_sum() {
    let lines = [
        line("0.333", Some("19")),
        line("0.335", Some("19")),
        line("-0.005", Some("7")),
        line("1.005", None),
        line("1", Some("0")),
    ];
    let totals = invoice_totals(&lines, "EUR").expect("totals");
    assert_eq!(
        totals,
        InvoiceTotals {
            currency_exponent: 2,
            line_nets_minor: vec![33, 34, -1, 101, 100],
            // 67 * 19 % = 12.73; VAT per line would have been 6 + 6 = 12.
            vat: vec![
                vat(None, 101, 0),
                vat(Some("0"), 100, 0),
                vat(Some("7"), -1, 0),
                vat(Some("19"), 67, 13)
            ],
            total_net_minor: 267,
            total_vat_minor: 13,
            total_gross_minor: 280,
        }
    );
}

#[test]
fn currencies_have_their_own_minor_unit() {
    let totals = |currency| invoice_totals(&[line("12.3456", Some("10"))], currency);
    assert_eq!(totals("JPY").map(|t| (t.total_net_minor, t.total_gross_minor)), Ok((12, 13)));
    assert_eq!(
        totals("KWD").map(|t| (t.total_net_minor, t.total_gross_minor)),
        Ok((12_346, 13_581))
    );
    assert_eq!(totals("EURO"), Err(RatingError::UnknownCurrency("EURO".to_owned())));
    assert_eq!(
        invoice_totals(&[line("92233720368547758.08", None)], "EUR"),
        Err(RatingError::Overflow)
    );
}

/// The invoice of a session of so many kWh under a tariff with these members.
fn invoice(kwh: &str, members: &str) -> (Vec<String>, InvoiceTotals) {
    let tariff = format!(r#"{{"currency":"EUR",{members}}}"#);
    let cdr = format!(
        r#"{{"end_date_time":"2025-03-03T12:00:00Z","charging_periods":[{{"start_date_time":"2025-03-03T10:00:00Z",
        "dimensions":[{{"type":"ENERGY","volume":{kwh}}},{{"type":"TIME","volume":2}}]}}]}}"#
    );
    let rating = rate_cdr(&cdr, Some(&tariff), None).expect("a rating").rating;
    let lines = invoice_lines(&rating).expect("lines");
    let nets: Vec<NetLine> = lines
        .iter()
        .map(|l| NetLine { excl_vat: l.excl_vat, vat_percent: l.vat_percent })
        .collect();
    let totals = invoice_totals(&nets, &rating.currency).expect("totals");
    let shown =
        lines.iter().map(|l| format!("{} {} {} {}", l.dimension, l.quantity, l.unit, l.excl_vat));
    (shown.collect(), totals)
}

const TWO_RATES: &str = r#""elements":[{"price_components":[{"type":"FLAT","price":0.5,"vat":20},{"type":"ENERGY","price":0.25,"vat":10}]}]"#;
const ONE_RATE: &str = r#""elements":[{"price_components":[{"type":"TIME","price":0.1111,"vat":10},{"type":"ENERGY","price":0.3333,"vat":10}]}]"#;

#[test]
fn an_invoice_without_limits_is_its_lines() {
    let (lines, totals) = invoice("20", TWO_RATES);
    assert_eq!(lines, ["FLAT 1 session 0.5", "ENERGY 20 kWh 5"]);
    assert_eq!((totals.total_net_minor, totals.total_gross_minor), (550, 610));
}

#[test]
fn a_maximum_is_reached_exactly_where_there_is_one_rate() {
    let limit = format!(r#""max_price":{{"excl_vat":2,"incl_vat":2.2}},{ONE_RATE}"#);
    let (lines, totals) = invoice("20", &limit);
    assert_eq!(lines, ["ENERGY 20 kWh 6.666", "TIME 2 h 0.2222", "ADJUSTMENT 1 session -4.89"]);
    assert_eq!((totals.total_net_minor, totals.total_gross_minor), (200, 220));
}

#[test]
fn neither_limit_is_exceeded_where_rates_mix() {
    let limit = format!(r#""max_price":{{"excl_vat":10,"incl_vat":11}},{TWO_RATES}"#);
    let (_, totals) = invoice("50", &limit);
    assert_eq!((totals.total_net_minor, totals.total_gross_minor), (996, 1100));
    let limit = format!(r#""min_price":{{"excl_vat":10,"incl_vat":11.5}},{TWO_RATES}"#);
    let (_, totals) = invoice("2", &limit);
    assert!(totals.total_net_minor >= 1000 && totals.total_gross_minor >= 1150, "{totals:?}");
    assert_eq!(totals.total_net_minor, 1000);
}

#[test]
fn a_minimum_is_billed_even_for_nothing() {
    let limit = format!(
        r#""min_price":{{"excl_vat":0.5,"incl_vat":0.55}},{}"#,
        TWO_RATES.replace("FLAT\",\"price\":0.5", "FLAT\",\"price\":0")
    );
    let (lines, totals) = invoice("0", &limit);
    assert_eq!(lines, ["FLAT 1 session 0", "ADJUSTMENT 1 session 0.5"]);
    // Two rates in the tariff: the limit's own amounts tell that it is 10 %.
    assert_eq!((totals.total_net_minor, totals.total_gross_minor), (50, 55));
}

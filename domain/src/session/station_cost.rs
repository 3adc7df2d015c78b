//! What a station says that a session has cost, held against our rating (OCPP 2.1, I12). Only the
//! rating is billed; a difference is for a person to look into.

use super::Session;
use crate::events::v1::{Anomaly, SessionAnomalyNoted, StationCost};
use crate::invoice::InvoiceFigures;
use crate::rating::Rating;
use rust_decimal::Decimal;

/// A station may round each of its prices: so many minor units are no difference.
const DIFFERENCE_MINOR_MAX: i64 = 1;

/// What to note where the station's cost is not our rating's; once for each session.
pub fn station_cost_differs(session: &Session, rating: &Rating) -> Option<SessionAnomalyNoted> {
    let anomaly = Anomaly::StationCostDiffers;
    if session.anomalies().any(|noted| noted == anomaly) {
        return None;
    }
    let told = session.transaction()?.cost_told().filter(|told| !told.has_failed)?;
    let detail = difference(told, &InvoiceFigures::of(rating).ok()?)?;
    Some(SessionAnomalyNoted {
        anomaly,
        detail,
        exchange: session.stop().map(|stop| stop.exchange),
    })
}

/// In words, what differs; the total with taxes where the station gives one, else that without.
fn difference(told: &StationCost, rated: &InvoiceFigures) -> Option<String> {
    let (own, theirs, of) = match (told.incl_tax, told.excl_tax) {
        (Some(incl_tax), _) => (rated.total_gross(), incl_tax, "with taxes"),
        (None, Some(excl_tax)) => (rated.total_net(), excl_tax, "without taxes"),
        (None, None) => return None,
    };
    let is_same_currency = told.currency.eq_ignore_ascii_case(&rated.currency);
    let allowed = Decimal::new(DIFFERENCE_MINOR_MAX, rated.currency_exponent);
    let is_near = own.checked_sub(theirs).is_some_and(|difference| difference.abs() <= allowed);
    if is_same_currency && is_near {
        return None;
    }
    // A currency is three letters; what else stands there is no word of ours to repeat.
    let currency = told.currency.chars().filter(char::is_ascii_alphabetic).take(3);
    let currency: String = currency.collect();
    let own_currency = &rated.currency;
    Some(format!("{of} the station says {theirs} {currency}, rated are {own} {own_currency}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated(net_minor: i64, gross_minor: i64) -> InvoiceFigures {
        InvoiceFigures {
            currency: "EUR".to_owned(),
            currency_exponent: 2,
            lines: Vec::new(),
            vat: Vec::new(),
            total_net_minor: net_minor,
            total_vat_minor: gross_minor - net_minor,
            total_gross_minor: gross_minor,
        }
    }

    #[test]
    fn more_than_a_minor_unit_is_a_difference() {
        let cost = |incl_tax: Option<i64>, excl_tax: Option<i64>, currency: &str| StationCost {
            currency: currency.to_owned(),
            excl_tax: excl_tax.map(|tenths| Decimal::new(tenths, 3)),
            incl_tax: incl_tax.map(|tenths| Decimal::new(tenths, 3)),
            tariff: None,
            has_failed: false,
        };
        let differs = |detail: &str| Some(detail.to_owned());
        for (told, expected) in [
            (cost(Some(5_950), None, "EUR"), None),
            (cost(Some(5_960), None, "eur"), None),
            (cost(Some(5_940), Some(1), "EUR"), None),
            (
                cost(Some(5_961), None, "EUR"),
                differs("with taxes the station says 5.961 EUR, rated are 5.95 EUR"),
            ),
            (
                cost(Some(5_939), None, "EUR"),
                differs("with taxes the station says 5.939 EUR, rated are 5.95 EUR"),
            ),
            (cost(None, Some(5_010), "EUR"), None),
            (
                cost(None, Some(4_000), "EUR"),
                differs("without taxes the station says 4.000 EUR, rated are 5.00 EUR"),
            ),
            (
                cost(Some(5_950), None, "USD"),
                differs("with taxes the station says 5.950 USD, rated are 5.95 EUR"),
            ),
            (cost(None, None, "EUR"), None),
        ] {
            assert_eq!(difference(&told, &rated(500, 595)), expected, "{told:?}");
        }
    }
}

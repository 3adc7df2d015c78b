//! A tariff in a line of text, for a display: with VAT, as a driver pays it.

use super::{PriceComponent, Restrictions, Tariff, TariffDimension, TariffElement};
use rust_decimal::Decimal;
use serde::Deserialize;

/// Digits behind the point that a unit price is shown with, at most.
const PRICE_DECIMALS_MAX: u32 = 4;
/// Longest text, in characters: what OCPP 2.0.1 shows at most.
const TEXT_CHARACTERS_MAX: usize = 512;

/// OCPI's DisplayText.
#[derive(Deserialize)]
struct DisplayText {
    text: String,
}

impl Tariff {
    /// What it costs, in a line: the owner's own words (`tariff_alt_text`, the first of them)
    /// where there are any, else its prices, those first that hold first.
    pub fn price_text(&self) -> String {
        let alternative = self.other.get("tariff_alt_text");
        let texts = alternative.and_then(|text| serde_json::from_str(text).ok());
        let own = texts.and_then(|texts: Vec<DisplayText>| texts.into_iter().next());
        let text = match own {
            Some(own) => own.text,
            None => {
                let element = |element| element_text(element, self.currency.code());
                self.elements.iter().map(element).collect::<Vec<_>>().join("; ")
            }
        };
        text.chars().take(TEXT_CHARACTERS_MAX).collect()
    }
}

fn element_text(element: &TariffElement, currency: &str) -> String {
    let component = |component: &PriceComponent| {
        let unit = match component.dimension {
            TariffDimension::Energy => "/kWh",
            TariffDimension::Flat => " per session",
            TariffDimension::ParkingTime => "/h idle",
            TariffDimension::Time => "/h",
        };
        format!("{} {currency}{unit}", with_vat(component.price, component.vat_percent))
    };
    let prices: Vec<_> = element.price_components.iter().map(component).collect();
    let when = match element.restrictions == Restrictions::default() {
        true => "",
        // When it holds may be many things; the owner's own words can say it.
        false => "at times ",
    };
    format!("{when}{}", prices.join(" + "))
}

/// A unit price as a driver pays it.
pub fn with_vat(price: Decimal, vat_percent: Option<Decimal>) -> Decimal {
    let vat = vat_percent.unwrap_or_default();
    let factor = Decimal::ONE_HUNDRED.checked_add(vat).unwrap_or(Decimal::ONE_HUNDRED);
    let gross = price.checked_mul(factor).map(|gross| gross / Decimal::ONE_HUNDRED);
    gross.unwrap_or(price).round_dp(PRICE_DECIMALS_MAX).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: &str, expected: &str) {
        let tariff = format!(r#"{{"id":"T","currency":"EUR",{members}}}"#);
        assert_eq!(Tariff::parse(&tariff).expect("a tariff").price_text(), expected);
    }

    #[test]
    fn prices_are_said_with_vat_or_in_the_owners_words() {
        check(
            r#""elements":[{"price_components":[{"type":"ENERGY","price":0.50,"vat":19},
                {"type":"FLAT","price":1},{"type":"TIME","price":1.2,"vat":20},
                {"type":"PARKING_TIME","price":6,"vat":19}]}]"#,
            "0.595 EUR/kWh + 1 EUR per session + 1.44 EUR/h + 7.14 EUR/h idle",
        );
        check(
            r#""elements":[{"price_components":[{"type":"ENERGY","price":0.3}],
                "restrictions":{"start_time":"22:00","end_time":"06:00"}},
                {"price_components":[{"type":"ENERGY","price":0.4}]}]"#,
            "at times 0.3 EUR/kWh; 0.4 EUR/kWh",
        );
        check(
            r#""elements":[{"price_components":[{"type":"ENERGY","price":0.3}]}],
                "tariff_alt_text":[{"language":"en","text":"Cheap!"},
                {"language":"de","text":"Billig!"}]"#,
            "Cheap!",
        );
    }
}

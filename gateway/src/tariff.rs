//! Our tariffs in the words of OCPP 2.1 (TariffType; part 2, block I), where that says the same:
//! a station that computes costs by it must come to our bill. A tariff that OCPP has no words for
//! is not sent at all, never half of it.
//!
//! Written as text, number by number: no price passes through a float. Knows nothing of sessions
//! and of who is charged by it.

use crate::rpc::error::push_string;
use chargebook_domain::tariff::{
    PriceComponent, PriceLimit, Restrictions, Tariff, TariffDimension, TariffElement,
};
use chrono::{NaiveTime, SecondsFormat, Weekday};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Decimals that a station is sent at most (part 2, primitive data types).
const DECIMALS_MAX: u32 = 6;
/// OCPI prices hours, OCPP minutes.
const MINUTES_PER_HOUR: Decimal = Decimal::from_parts(60, 0, 0, false, 0);
/// OCPI counts kWh and kW in conditions, OCPP Wh and W.
const PER_KILO: Decimal = Decimal::ONE_THOUSAND;
/// OCPI bills in whole Wh and seconds at the least; a station that does not round comes to the
/// same within less than a minor unit.
const STEP_SIZE_MAX: u32 = 1;

/// What a tariff says that OCPP 2.1 has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Inexpressible {
    /// A station's tariff has a beginning and no end.
    #[error("it ends at a certain time (end_date_time)")]
    End,
    /// What is used is priced as it is metered.
    #[error("it bills in steps of more than one Wh or second (step_size)")]
    Steps,
    /// Reservations are priced otherwise than by elements.
    #[error("it prices reservations")]
    Reservations,
    /// One dimension has one set of tax rates.
    #[error("it names different VAT rates for one dimension")]
    TaxRates,
    /// A fixed fee is decided on when the transaction begins, by date and time alone.
    #[error("its fee depends on more than the time at which a session begins")]
    Fee,
    /// More decimals than a station may be sent.
    #[error("a price or limit has more than six decimals, per minute or in Wh and W")]
    Decimals,
}

/// A tariff as TariffType, the default one of a station; `id` names this version of it.
pub(crate) fn written(tariff: &Tariff, id: &str) -> Result<String, Inexpressible> {
    let valid_from = tariff.start_date_time;
    let valid_from = valid_from.map(|from| from.to_rfc3339_opts(SecondsFormat::Millis, true));
    written_from(tariff, id, valid_from)
}

/// The same for one driver alone: that holds at once, and has no beginning (I08.FR.09).
pub(crate) fn written_for_driver(tariff: &Tariff, id: &str) -> Result<String, Inexpressible> {
    written_from(tariff, id, None)
}

fn written_from(
    tariff: &Tariff,
    id: &str,
    valid_from: Option<String>,
) -> Result<String, Inexpressible> {
    if tariff.end_date_time.is_some() {
        return Err(Inexpressible::End);
    }
    if tariff.elements.iter().any(|element| element.restrictions.reservation.is_some()) {
        return Err(Inexpressible::Reservations);
    }
    Ok(object([
        ("tariffId", Some(quoted(id))),
        ("currency", Some(quoted(tariff.currency.code()))),
        ("energy", prices(tariff, TariffDimension::Energy)?),
        ("validFrom", valid_from.as_deref().map(quoted)),
        ("chargingTime", prices(tariff, TariffDimension::Time)?),
        ("idleTime", prices(tariff, TariffDimension::ParkingTime)?),
        ("fixedFee", prices(tariff, TariffDimension::Flat)?),
        ("minCost", tariff.min_price.as_ref().map(limit).transpose()?),
        ("maxCost", tariff.max_price.as_ref().map(limit).transpose()?),
    ]))
}

/// The prices of one dimension, in our order: here as there the first one holds whose conditions
/// do.
fn prices(tariff: &Tariff, dimension: TariffDimension) -> Result<Option<String>, Inexpressible> {
    let of_element = |element: &'_ TariffElement| element.component(dimension).cloned();
    let components = tariff.elements.iter();
    let components: Vec<(&Restrictions, PriceComponent)> = components
        .filter_map(|element| Some((&element.restrictions, of_element(element)?)))
        .collect();
    let Some((_, first)) = components.first() else { return Ok(None) };
    if components.iter().any(|(_, component)| component.vat_percent != first.vat_percent) {
        return Err(Inexpressible::TaxRates);
    }
    if dimension == TariffDimension::Flat {
        check_fees(components.iter().map(|(restrictions, _)| *restrictions))?;
    } else if components.iter().any(|(_, component)| component.step_size > STEP_SIZE_MAX) {
        return Err(Inexpressible::Steps);
    }
    let tax_rates = match first.vat_percent {
        Some(percent) => {
            let rate = [("type", Some(quoted("VAT"))), ("tax", Some(number(percent)?))];
            Some(list([object(rate)]))
        }
        None => None,
    };
    let mut prices = Vec::with_capacity(components.len());
    for (restrictions, component) in &components {
        let (name, price) = match dimension {
            TariffDimension::Energy => ("priceKwh", number(component.price)?),
            TariffDimension::Flat => ("priceFixed", number(component.price)?),
            TariffDimension::Time | TariffDimension::ParkingTime => {
                ("priceMinute", number(per_minute(component.price)?)?)
            }
        };
        prices.push(object([(name, Some(price)), ("conditions", conditions(restrictions)?)]));
    }
    Ok(Some(object([("prices", Some(list(prices))), ("taxRates", tax_rates)])))
}

/// A station decides on its fee when a transaction begins, and knows the date and the time then.
/// Ours falls due whenever its restrictions first hold: that is the same if one always does.
fn check_fees<'a>(
    mut fees: impl Iterator<Item = &'a Restrictions> + Clone,
) -> Result<(), Inexpressible> {
    let has_fallback = fees.clone().any(|fee| conditions(fee) == Ok(None));
    let is_about_time = |fee: &Restrictions| {
        let without_time = Restrictions {
            start_time: None,
            end_time: None,
            start_date: None,
            end_date: None,
            day_of_week: Vec::new(),
            other: BTreeMap::new(),
            ..fee.clone()
        };
        without_time == Restrictions::default()
    };
    match has_fallback && fees.all(is_about_time) {
        true => Ok(()),
        false => Err(Inexpressible::Fee),
    }
}

/// When a price holds; `None` for always.
fn conditions(restrictions: &Restrictions) -> Result<Option<String>, Inexpressible> {
    let r = restrictions;
    let time = |time: NaiveTime| quoted(&time.format("%H:%M").to_string());
    let kilo = |value: Option<Decimal>| match value {
        Some(value) => {
            value.checked_mul(PER_KILO).ok_or(Inexpressible::Decimals).and_then(number).map(Some)
        }
        None => Ok(None),
    };
    let days = r.day_of_week.iter().map(|day| quoted(name_of(*day)));
    let members = [
        ("startTimeOfDay", r.start_time.map(time)),
        ("endTimeOfDay", r.end_time.map(time)),
        ("dayOfWeek", (!r.day_of_week.is_empty()).then(|| list(days))),
        ("validFromDate", r.start_date.map(|date| quoted(&date.to_string()))),
        ("validToDate", r.end_date.map(|date| quoted(&date.to_string()))),
        ("minEnergy", kilo(r.min_kwh)?),
        ("maxEnergy", kilo(r.max_kwh)?),
        ("minCurrent", r.min_current.map(number).transpose()?),
        ("maxCurrent", r.max_current.map(number).transpose()?),
        ("minPower", kilo(r.min_power)?),
        ("maxPower", kilo(r.max_power)?),
        ("minTime", r.min_duration_seconds.map(|seconds| seconds.to_string())),
        ("maxTime", r.max_duration_seconds.map(|seconds| seconds.to_string())),
    ];
    let has_any = members.iter().any(|(_, member)| member.is_some());
    Ok(has_any.then(|| object(members)))
}

fn limit(limit: &PriceLimit) -> Result<String, Inexpressible> {
    let incl_tax = limit.incl_vat.map(number).transpose()?;
    Ok(object([("exclTax", Some(number(limit.excl_vat)?)), ("inclTax", incl_tax)]))
}

fn per_minute(per_hour: Decimal) -> Result<Decimal, Inexpressible> {
    per_hour.checked_div(MINUTES_PER_HOUR).ok_or(Inexpressible::Decimals)
}

/// A JSON number; what a station may not be sent exactly is not rounded.
fn number(value: Decimal) -> Result<String, Inexpressible> {
    let value = value.normalize();
    match value.scale() <= DECIMALS_MAX {
        true => Ok(value.to_string()),
        false => Err(Inexpressible::Decimals),
    }
}

fn name_of(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_string(&mut json, text);
    json
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<String>); N]) -> String {
    let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let members = members.map(|(name, value)| format!(r#""{name}":{value}"#));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downward::OcppVersions;
    use chargebook_commands::protocol::StationProtocol;
    use serde_json::{Value, json};

    /// What comes of a tariff with these elements, but for its name and currency.
    fn of(elements: &Value, further: &Value) -> Result<Value, Inexpressible> {
        let mut tariff = json!({ "currency": "EUR", "elements": elements });
        for (name, value) in further.as_object().into_iter().flatten() {
            tariff[name] = value.clone();
        }
        let tariff = Tariff::parse(&tariff.to_string()).expect("a tariff");
        let text = written(&tariff, "T-1")?;
        let request = format!(r#"{{"evseId":0,"tariff":{text}}}"#);
        let action = "SetDefaultTariff";
        let version = ocpp_kit::Version::V2_1;
        let checked = OcppVersions.request(version.subprotocol(), action, &request);
        assert!(checked.is_ok(), "{text}: {checked:?}");
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        let members = json.as_object_mut().expect("an object");
        assert_eq!(members.remove("tariffId"), Some(json!("T-1")));
        assert_eq!(members.remove("currency"), Some(json!("EUR")));
        Ok(json)
    }

    fn component(kind: &str, price: &str) -> Value {
        json!({ "type": kind, "price": price, "vat": "19", "step_size": 1 })
    }

    fn element(components: &[Value], restrictions: &Value) -> Value {
        json!({ "price_components": components, "restrictions": restrictions })
    }

    fn taxed(prices: Value) -> Value {
        json!({ "prices": prices, "taxRates": [{ "type": "VAT", "tax": 19 }] })
    }

    #[test]
    fn every_dimension_has_its_member_and_its_own_unit() {
        let all = [
            component("ENERGY", "0.39"),
            component("TIME", "1.50"),
            component("PARKING_TIME", "6"),
            component("FLAT", "1.00"),
        ];
        let tariff = of(&json!([{ "price_components": all }]), &Value::Null);
        let expected = json!({
            "energy": taxed(json!([{ "priceKwh": 0.39 }])),
            "chargingTime": taxed(json!([{ "priceMinute": 0.025 }])),
            "idleTime": taxed(json!([{ "priceMinute": 0.1 }])),
            "fixedFee": taxed(json!([{ "priceFixed": 1 }])),
        });
        assert_eq!(tariff, Ok(expected));
    }

    #[test]
    fn restrictions_are_conditions_in_our_order_and_limits_are_costs() {
        let night = json!({ "start_time": "22:00", "end_time": "06:00",
            "day_of_week": ["MONDAY", "SUNDAY"] });
        let much = json!({ "start_date": "2026-01-01", "end_date": "2027-01-01",
            "min_kwh": "20", "max_kwh": "50.5", "min_current": "5", "max_current": "32",
            "min_power": "3.7", "max_power": "50", "min_duration": 60, "max_duration": 3600 });
        let elements = json!([
            element(&[component("ENERGY", "0.2")], &night),
            element(&[component("ENERGY", "0.3")], &much),
            element(&[component("ENERGY", "0.4")], &json!({})),
        ]);
        let further = json!({ "start_date_time": "2026-01-01T00:00:00Z",
            "min_price": { "excl_vat": "1", "incl_vat": "1.19" },
            "max_price": { "excl_vat": "50" } });
        let expected = json!({
            "validFrom": "2026-01-01T00:00:00.000Z",
            "energy": taxed(json!([
                { "priceKwh": 0.2, "conditions": { "startTimeOfDay": "22:00",
                    "endTimeOfDay": "06:00", "dayOfWeek": ["Monday", "Sunday"] } },
                { "priceKwh": 0.3, "conditions": { "validFromDate": "2026-01-01",
                    "validToDate": "2027-01-01", "minEnergy": 20_000, "maxEnergy": 50_500,
                    "minCurrent": 5, "maxCurrent": 32, "minPower": 3_700, "maxPower": 50_000,
                    "minTime": 60, "maxTime": 3_600 } },
                { "priceKwh": 0.4 },
            ])),
            "minCost": { "exclTax": 1, "inclTax": 1.19 },
            "maxCost": { "exclTax": 50 },
        });
        assert_eq!(of(&elements, &further), Ok(expected));
    }

    #[test]
    fn a_tariff_without_vat_has_no_tax_rates() {
        let elements = json!([{ "price_components": [
            { "type": "ENERGY", "price": "0.25", "step_size": 1 }] }]);
        let expected = json!({ "energy": { "prices": [{ "priceKwh": 0.25 }] } });
        assert_eq!(of(&elements, &Value::Null), Ok(expected));
    }

    #[test]
    fn what_ocpp_has_no_words_for_is_told() {
        let always = json!({});
        let night = json!({ "start_time": "22:00", "end_time": "06:00" });
        let plain = json!([element(&[component("ENERGY", "0.4")], &always)]);
        let with = |name: &str, value: Value| {
            let mut component = component("ENERGY", "0.4");
            component[name] = value;
            component
        };
        let fee = || [component("FLAT", "1")];
        let check = |elements: Value, further: Value, expected: Inexpressible| {
            assert_eq!(of(&elements, &further), Err(expected), "{elements} {further}");
        };
        let nothing = || Value::Null;
        check(plain, json!({ "end_date_time": "2030-01-01T00:00:00Z" }), Inexpressible::End);
        let steps = with("step_size", json!(500));
        check(json!([element(&[steps], &always)]), nothing(), Inexpressible::Steps);
        let reserved = element(&fee(), &json!({ "reservation": "RESERVATION" }));
        check(json!([reserved]), nothing(), Inexpressible::Reservations);
        let reduced = with("vat", json!("7"));
        let mixed =
            json!([element(&[reduced], &night), element(&[component("ENERGY", "0.4")], &always),]);
        check(mixed, nothing(), Inexpressible::TaxRates);
        check(json!([element(&fee(), &night)]), nothing(), Inexpressible::Fee);
        let by_energy = json!({ "min_kwh": "10" });
        let fees = json!([element(&fee(), &by_energy), element(&fee(), &always)]);
        check(fees, nothing(), Inexpressible::Fee);
        let third = component("TIME", "0.5");
        check(json!([element(&[third], &always)]), nothing(), Inexpressible::Decimals);
    }

    #[test]
    fn a_fee_by_the_time_of_day_goes_with_one_for_all_other_times() {
        let night = json!({ "start_time": "22:00", "end_time": "06:00" });
        let elements = json!([
            element(&[component("FLAT", "2")], &night),
            element(&[component("FLAT", "1")], &json!({})),
        ]);
        let expected = json!({ "fixedFee": taxed(json!([
            { "priceFixed": 2,
              "conditions": { "startTimeOfDay": "22:00", "endTimeOfDay": "06:00" } },
            { "priceFixed": 1 },
        ])) });
        assert_eq!(of(&elements, &Value::Null), Ok(expected));
    }
}

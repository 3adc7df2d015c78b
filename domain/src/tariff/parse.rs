//! From a JSON object to a [`Tariff`], member by member.

use super::canonical::canonical_json;
use super::document::{DocumentError, Node, Object, Problem};
use super::{
    MAX_COMPONENTS, MAX_ELEMENTS, MAX_TARIFF_BYTES, PriceComponent, PriceLimit,
    ReservationRestriction, Restrictions, Tariff, TariffDimension, TariffElement, TariffType,
};
use chrono::{NaiveDate, NaiveTime, Weekday};
use iso_currency::Currency;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const TARIFF_MEMBERS: &[&str] = &[
    "country_code",
    "party_id",
    "id",
    "currency",
    "type",
    "min_price",
    "max_price",
    "elements",
    "start_date_time",
    "end_date_time",
    "last_updated",
];
const PRICE_LIMIT_MEMBERS: &[&str] = &["excl_vat", "incl_vat"];
const ELEMENT_MEMBERS: &[&str] = &["price_components", "restrictions"];
const COMPONENT_MEMBERS: &[&str] = &["type", "price", "vat", "step_size"];
const RESTRICTION_MEMBERS: &[&str] = &[
    "start_time",
    "end_time",
    "start_date",
    "end_date",
    "min_kwh",
    "max_kwh",
    "min_current",
    "max_current",
    "min_power",
    "max_power",
    "min_duration",
    "max_duration",
    "day_of_week",
    "reservation",
];

/// Reads the whole text.
pub(super) fn tariff_from_text(text: &str) -> Result<Tariff, DocumentError> {
    if text.len() > MAX_TARIFF_BYTES {
        return Err(DocumentError {
            pointer: String::new(),
            problem: Problem::Rule(format!("is larger than {MAX_TARIFF_BYTES} bytes")),
        });
    }
    tariff(&Node::document(text)?)
}

/// Reads a Tariff that may be part of a larger document.
pub(crate) fn tariff(node: &Node<'_>) -> Result<Tariff, DocumentError> {
    let object = node.object()?;
    let min_price = object.optional("min_price").map(|n| price_limit(&n)).transpose()?;
    let max_price = object.optional("max_price").map(|n| price_limit(&n)).transpose()?;
    let elements_node = object.required("elements")?;
    let elements = elements_node.array()?;
    if elements.is_empty() {
        return Err(elements_node.rule("needs at least one element"));
    }
    if elements.len() > MAX_ELEMENTS {
        return Err(elements_node.rule(format!("has more than {MAX_ELEMENTS} elements")));
    }
    let tariff = Tariff {
        country_code: optional_text(&object, "country_code", 2)?,
        party_id: optional_text(&object, "party_id", 3)?,
        id: optional_text(&object, "id", 36)?,
        currency: currency(&object.required("currency")?)?,
        tariff_type: object.optional("type").map(|n| tariff_type(&n)).transpose()?,
        min_price,
        max_price,
        elements: elements.iter().map(element).collect::<Result<_, _>>()?,
        start_date_time: object.optional("start_date_time").map(|n| n.instant()).transpose()?,
        end_date_time: object.optional("end_date_time").map(|n| n.instant()).transpose()?,
        last_updated: object.optional("last_updated").map(|n| n.instant()).transpose()?,
        other: other_members(&object, TARIFF_MEMBERS)?,
    };
    check_limits(&object, &tariff)?;
    Ok(tariff)
}

/// An ISO 4217 code that money is counted in.
pub(crate) fn currency(node: &Node<'_>) -> Result<Currency, DocumentError> {
    let code = node.string()?;
    Currency::from_code(&code)
        // Codes without a minor unit are metals, test codes and "no currency".
        .filter(|currency| currency.exponent().is_some() && code.len() == 3)
        .ok_or_else(|| node.rule(format!("`{code}` is not an ISO 4217 currency code")))
}

fn check_limits(object: &Object<'_>, tariff: &Tariff) -> Result<(), DocumentError> {
    if let (Some(min), Some(max)) = (&tariff.min_price, &tariff.max_price) {
        let incl_crossed = min.incl_vat.zip(max.incl_vat).is_some_and(|(min, max)| min > max);
        if min.excl_vat > max.excl_vat || incl_crossed {
            return Err(object.required("max_price")?.rule("is below min_price"));
        }
    }
    if let (Some(start), Some(end)) = (tariff.start_date_time, tariff.end_date_time)
        && end < start
    {
        return Err(object.required("end_date_time")?.rule("is before start_date_time"));
    }
    Ok(())
}

fn element(node: &Node<'_>) -> Result<TariffElement, DocumentError> {
    let object = node.object()?;
    let components_node = object.required("price_components")?;
    let components = components_node.array()?;
    if components.is_empty() {
        return Err(components_node.rule("needs at least one price component"));
    }
    if components.len() > MAX_COMPONENTS {
        return Err(components_node.rule(format!("has more than {MAX_COMPONENTS} components")));
    }
    let element = TariffElement {
        price_components: components.iter().map(component).collect::<Result<_, _>>()?,
        restrictions: object
            .optional("restrictions")
            .map(|n| restrictions(&n))
            .transpose()?
            .unwrap_or_default(),
        other: other_members(&object, ELEMENT_MEMBERS)?,
    };
    // "A reservation can only have FLAT and TIME TariffDimensions" (TariffRestrictions).
    if element.restrictions.reservation.is_some() {
        let forbidden = |c: &PriceComponent| {
            matches!(c.dimension, TariffDimension::Energy | TariffDimension::ParkingTime)
        };
        if element.price_components.iter().any(forbidden) {
            return Err(components_node.rule("a reservation can have only FLAT and TIME"));
        }
    }
    Ok(element)
}

fn component(node: &Node<'_>) -> Result<PriceComponent, DocumentError> {
    let object = node.object()?;
    let dimension_node = object.required("type")?;
    let dimension = match dimension_node.string()?.as_str() {
        "ENERGY" => TariffDimension::Energy,
        "FLAT" => TariffDimension::Flat,
        "PARKING_TIME" => TariffDimension::ParkingTime,
        "TIME" => TariffDimension::Time,
        found => return Err(unknown(&dimension_node, found, "ENERGY, FLAT, PARKING_TIME, TIME")),
    };
    let vat_percent = match object.optional("vat") {
        None => None,
        Some(node) => {
            let vat = node.decimal()?;
            if vat.is_sign_negative() && !vat.is_zero() || vat > Decimal::ONE_HUNDRED {
                return Err(node.rule("VAT is a percentage from 0 to 100"));
            }
            Some(vat)
        }
    };
    let step_size = match object.optional("step_size") {
        None => 1,
        Some(node) => u32::try_from(node.whole()?)
            .map_err(|_| node.rule("is larger than a step size can be"))?,
    };
    Ok(PriceComponent {
        dimension,
        price: object.required("price")?.decimal()?,
        vat_percent,
        step_size,
        other: other_members(&object, COMPONENT_MEMBERS)?,
    })
}

fn price_limit(node: &Node<'_>) -> Result<PriceLimit, DocumentError> {
    let object = node.object()?;
    let amount = |node: Node<'_>| {
        let value = node.decimal()?;
        if value.is_sign_negative() && !value.is_zero() {
            return Err(node.rule("a price limit is 0 or more"));
        }
        Ok(value)
    };
    Ok(PriceLimit {
        excl_vat: amount(object.required("excl_vat")?)?,
        incl_vat: object.optional("incl_vat").map(amount).transpose()?,
        other: other_members(&object, PRICE_LIMIT_MEMBERS)?,
    })
}

fn restrictions(node: &Node<'_>) -> Result<Restrictions, DocumentError> {
    let object = node.object()?;
    let decimal = |name| object.optional(name).map(|n| n.decimal()).transpose();
    let time = |name| object.optional(name).map(|n| time_of_day(&n)).transpose();
    let date = |name| object.optional(name).map(|n| local_date(&n)).transpose();
    let whole = |name| object.optional(name).map(|n| n.whole()).transpose();
    let days = match object.optional("day_of_week") {
        None => Vec::new(),
        Some(node) => days_of_week(&node)?,
    };
    Ok(Restrictions {
        start_time: time("start_time")?,
        end_time: time("end_time")?,
        start_date: date("start_date")?,
        end_date: date("end_date")?,
        min_kwh: decimal("min_kwh")?,
        max_kwh: decimal("max_kwh")?,
        min_current: decimal("min_current")?,
        max_current: decimal("max_current")?,
        min_power: decimal("min_power")?,
        max_power: decimal("max_power")?,
        min_duration_seconds: whole("min_duration")?,
        max_duration_seconds: whole("max_duration")?,
        day_of_week: days,
        reservation: object.optional("reservation").map(|n| reservation(&n)).transpose()?,
        other: other_members(&object, RESTRICTION_MEMBERS)?,
    })
}

fn time_of_day(node: &Node<'_>) -> Result<NaiveTime, DocumentError> {
    let text = node.string()?;
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 5
        && bytes[2] == b':'
        && [0, 1, 3, 4].iter().all(|index| bytes[*index].is_ascii_digit());
    shaped
        .then(|| NaiveTime::parse_from_str(&text, "%H:%M").ok())
        .flatten()
        .ok_or_else(|| node.rule(format!("`{text}` is not a time of day such as 08:30")))
}

fn local_date(node: &Node<'_>) -> Result<NaiveDate, DocumentError> {
    let text = node.string()?;
    (text.len() == 10)
        .then(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok())
        .flatten()
        .ok_or_else(|| node.rule(format!("`{text}` is not a date such as 2026-01-31")))
}

/// The days in the order of the week, each once.
fn days_of_week(node: &Node<'_>) -> Result<Vec<Weekday>, DocumentError> {
    let mut days = Vec::new();
    for item in node.array()? {
        let day = match item.string()?.as_str() {
            "MONDAY" => Weekday::Mon,
            "TUESDAY" => Weekday::Tue,
            "WEDNESDAY" => Weekday::Wed,
            "THURSDAY" => Weekday::Thu,
            "FRIDAY" => Weekday::Fri,
            "SATURDAY" => Weekday::Sat,
            "SUNDAY" => Weekday::Sun,
            found => return Err(unknown(&item, found, "MONDAY to SUNDAY")),
        };
        if !days.contains(&day) {
            days.push(day);
        }
    }
    days.sort_by_key(Weekday::num_days_from_monday);
    Ok(days)
}

fn reservation(node: &Node<'_>) -> Result<ReservationRestriction, DocumentError> {
    match node.string()?.as_str() {
        "RESERVATION" => Ok(ReservationRestriction::Reservation),
        "RESERVATION_EXPIRES" => Ok(ReservationRestriction::ReservationExpires),
        found => Err(unknown(node, found, "RESERVATION, RESERVATION_EXPIRES")),
    }
}

fn tariff_type(node: &Node<'_>) -> Result<TariffType, DocumentError> {
    match node.string()?.as_str() {
        "AD_HOC_PAYMENT" => Ok(TariffType::AdHocPayment),
        "PROFILE_CHEAP" => Ok(TariffType::ProfileCheap),
        "PROFILE_FAST" => Ok(TariffType::ProfileFast),
        "PROFILE_GREEN" => Ok(TariffType::ProfileGreen),
        "REGULAR" => Ok(TariffType::Regular),
        found => Err(unknown(
            node,
            found,
            "AD_HOC_PAYMENT, PROFILE_CHEAP, PROFILE_FAST, PROFILE_GREEN, REGULAR",
        )),
    }
}

fn unknown(node: &Node<'_>, found: &str, allowed: &'static str) -> DocumentError {
    node.error(Problem::UnknownWord { found: found.to_owned(), allowed })
}

fn optional_text(
    object: &Object<'_>,
    name: &str,
    max_length: usize,
) -> Result<Option<String>, DocumentError> {
    let Some(node) = object.optional(name) else { return Ok(None) };
    let text = node.string()?;
    if text.is_empty() || text.chars().count() > max_length {
        return Err(node.rule(format!("needs 1 to {max_length} characters")));
    }
    Ok(Some(text))
}

fn other_members(
    object: &Object<'_>,
    known: &[&str],
) -> Result<BTreeMap<String, String>, DocumentError> {
    let mut other = BTreeMap::new();
    for (name, node) in object.members() {
        if !known.contains(&name) && !node.is_null() {
            other.insert(name.to_owned(), canonical_json(&node)?);
        }
    }
    Ok(other)
}

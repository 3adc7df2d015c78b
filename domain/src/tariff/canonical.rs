//! The one spelling of a tariff.

use super::document::{DocumentError, Node, decimal_from_text, plain};
use super::{
    PriceComponent, PriceLimit, ReservationRestriction, Restrictions, Tariff, TariffDimension,
    TariffElement, TariffType,
};
use chrono::{DateTime, SecondsFormat, Utc, Weekday};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How deep a member of unknown meaning may be nested.
const MAX_DEPTH: u32 = 32;

/// Members by name, each as the JSON text of its value: sorted, and never one twice.
type Members = BTreeMap<String, String>;

/// The canonical text of a tariff.
pub(super) fn text(tariff: &Tariff) -> String {
    let mut members = tariff.other.clone();
    put(&mut members, "country_code", tariff.country_code.as_deref().map(quoted));
    put(&mut members, "party_id", tariff.party_id.as_deref().map(quoted));
    put(&mut members, "id", tariff.id.as_deref().map(quoted));
    put(&mut members, "currency", Some(quoted(tariff.currency.code())));
    put(&mut members, "type", tariff.tariff_type.map(|word| quoted(tariff_type(word))));
    put(&mut members, "min_price", tariff.min_price.as_ref().map(price_limit));
    put(&mut members, "max_price", tariff.max_price.as_ref().map(price_limit));
    put(&mut members, "elements", Some(array(tariff.elements.iter().map(element))));
    put(&mut members, "start_date_time", tariff.start_date_time.map(instant));
    put(&mut members, "end_date_time", tariff.end_date_time.map(instant));
    put(&mut members, "last_updated", tariff.last_updated.map(instant));
    object(&members)
}

/// The canonical text of JSON of unknown meaning: members sorted, no white space, numbers in
/// plain notation where that keeps them exact.
pub(super) fn canonical_json(node: &Node<'_>) -> Result<String, DocumentError> {
    nested(node, MAX_DEPTH)
}

fn nested(node: &Node<'_>, depth_left: u32) -> Result<String, DocumentError> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(node.rule(format!("is nested more than {MAX_DEPTH} deep")));
    };
    if node.is_object() {
        let mut members = Members::new();
        for (name, member) in node.object()?.members() {
            members.insert(name.to_owned(), nested(&member, depth_left)?);
        }
        return Ok(object(&members));
    }
    if node.is_array() {
        let items = node.array()?;
        let items: Result<Vec<_>, _> = items.iter().map(|item| nested(item, depth_left)).collect();
        return Ok(array(items?.into_iter()));
    }
    if node.is_string() {
        return Ok(quoted(&node.string()?));
    }
    let exact = decimal_from_text(node.raw(), None).map(|value| plain(value).to_string());
    Ok(exact.unwrap_or_else(|_| node.raw().to_owned()))
}

fn element(element: &TariffElement) -> String {
    let mut members = element.other.clone();
    put(
        &mut members,
        "price_components",
        Some(array(element.price_components.iter().map(component))),
    );
    let restrictions = restrictions(&element.restrictions);
    put(&mut members, "restrictions", (!restrictions.is_empty()).then(|| object(&restrictions)));
    object(&members)
}

fn component(component: &PriceComponent) -> String {
    let mut members = component.other.clone();
    put(&mut members, "type", Some(quoted(dimension(component.dimension))));
    put(&mut members, "price", Some(decimal(component.price)));
    put(&mut members, "vat", component.vat_percent.map(decimal));
    put(&mut members, "step_size", Some(component.step_size.to_string()));
    object(&members)
}

fn restrictions(of: &Restrictions) -> Members {
    let time = |time: chrono::NaiveTime| quoted(&time.format("%H:%M").to_string());
    let date = |date: chrono::NaiveDate| quoted(&date.format("%Y-%m-%d").to_string());
    let days = || array(of.day_of_week.iter().map(|day| quoted(weekday(*day))));
    let mut members = of.other.clone();
    put(&mut members, "start_time", of.start_time.map(time));
    put(&mut members, "end_time", of.end_time.map(time));
    put(&mut members, "start_date", of.start_date.map(date));
    put(&mut members, "end_date", of.end_date.map(date));
    put(&mut members, "min_kwh", of.min_kwh.map(decimal));
    put(&mut members, "max_kwh", of.max_kwh.map(decimal));
    put(&mut members, "min_current", of.min_current.map(decimal));
    put(&mut members, "max_current", of.max_current.map(decimal));
    put(&mut members, "min_power", of.min_power.map(decimal));
    put(&mut members, "max_power", of.max_power.map(decimal));
    put(&mut members, "min_duration", of.min_duration_seconds.map(|seconds| seconds.to_string()));
    put(&mut members, "max_duration", of.max_duration_seconds.map(|seconds| seconds.to_string()));
    put(&mut members, "day_of_week", (!of.day_of_week.is_empty()).then(days));
    put(&mut members, "reservation", of.reservation.map(|word| quoted(reservation(word))));
    members
}

fn price_limit(limit: &PriceLimit) -> String {
    let mut members = limit.other.clone();
    put(&mut members, "excl_vat", Some(decimal(limit.excl_vat)));
    put(&mut members, "incl_vat", limit.incl_vat.map(decimal));
    object(&members)
}

fn tariff_type(word: TariffType) -> &'static str {
    match word {
        TariffType::AdHocPayment => "AD_HOC_PAYMENT",
        TariffType::ProfileCheap => "PROFILE_CHEAP",
        TariffType::ProfileFast => "PROFILE_FAST",
        TariffType::ProfileGreen => "PROFILE_GREEN",
        TariffType::Regular => "REGULAR",
    }
}

fn dimension(word: TariffDimension) -> &'static str {
    match word {
        TariffDimension::Energy => "ENERGY",
        TariffDimension::Flat => "FLAT",
        TariffDimension::ParkingTime => "PARKING_TIME",
        TariffDimension::Time => "TIME",
    }
}

fn reservation(word: ReservationRestriction) -> &'static str {
    match word {
        ReservationRestriction::Reservation => "RESERVATION",
        ReservationRestriction::ReservationExpires => "RESERVATION_EXPIRES",
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "MONDAY",
        Weekday::Tue => "TUESDAY",
        Weekday::Wed => "WEDNESDAY",
        Weekday::Thu => "THURSDAY",
        Weekday::Fri => "FRIDAY",
        Weekday::Sat => "SATURDAY",
        Weekday::Sun => "SUNDAY",
    }
}

fn instant(instant: DateTime<Utc>) -> String {
    quoted(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn decimal(value: Decimal) -> String {
    quoted(&plain(value).to_string())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn put(members: &mut Members, name: &str, value: Option<String>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value);
    }
}

fn object(members: &Members) -> String {
    let written = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
    format!("{{{}}}", written.collect::<Vec<_>>().join(","))
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

//! The tariffs in force, in words.

use super::lines::{dimension, vat};
use super::render;
use crate::components::{Frame, When};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::tariff::{
    PriceComponent, PriceLimit, ReservationRestriction, Restrictions, Tariff, TariffDimension,
};
use chargebook_domain::units::Timestamp;
use chargebook_projections::TariffVersion;
use chrono_tz::Tz;

#[derive(Template)]
#[template(path = "tariffs.html")]
struct TariffsPage {
    frame: Frame,
    rows: Vec<TariffRow>,
}

struct TariffRow {
    name: String,
    version: u64,
    is_default: bool,
    published: When,
    prices: Vec<PriceRow>,
    limits: Vec<String>,
    problem: Option<String>,
    ignored: Vec<String>,
    content: String,
    sha256: String,
}

struct PriceRow {
    what: String,
    price: String,
    vat: String,
    step: String,
    when: String,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, PageError> {
    let now = console.now();
    let zone = Zones::read(&console).await?.common();
    let frame = Frame::inside(&console, &operator, "Tariffs", "tariffs", "tariff setting").await?;
    let versions = console.models().list_tariffs().await?;
    let rows = versions.into_iter().map(|version| row_of(version, now, zone)).collect();
    render(&TariffsPage { frame, rows })
}

fn row_of(version: TariffVersion, now: Timestamp, zone: Tz) -> TariffRow {
    let (prices, limits, ignored, problem) = match Tariff::parse(&version.content) {
        Ok(tariff) => (prices(&tariff), limits(&tariff), tariff.ignored_members(), None),
        Err(error) => (Vec::new(), Vec::new(), Vec::new(), Some(error.to_string())),
    };
    TariffRow {
        name: version.id,
        version: version.version,
        is_default: version.is_default,
        published: When::new(version.published_at, now, zone),
        prices,
        limits,
        problem,
        ignored,
        content: version.content,
        sha256: version.content_sha256,
    }
}

fn prices(tariff: &Tariff) -> Vec<PriceRow> {
    let currency = tariff.currency.code();
    let rows = tariff.elements.iter().flat_map(|element| {
        let when = conditions(&element.restrictions);
        let row = move |component: &PriceComponent| PriceRow {
            what: dimension(dimension_word(component.dimension)),
            price: price(component, currency),
            vat: vat(component.vat_percent),
            step: step(component),
            when: when.clone(),
        };
        element.price_components.iter().map(row)
    });
    rows.collect()
}

fn dimension_word(dimension: TariffDimension) -> &'static str {
    match dimension {
        TariffDimension::Energy => "ENERGY",
        TariffDimension::Flat => "FLAT",
        TariffDimension::ParkingTime => "PARKING_TIME",
        TariffDimension::Time => "TIME",
    }
}

fn price(component: &PriceComponent, currency: &str) -> String {
    let per = match component.dimension {
        TariffDimension::Energy => " / kWh",
        TariffDimension::Flat => "",
        TariffDimension::ParkingTime | TariffDimension::Time => " / h",
    };
    let decimals = component.price.normalize().scale().max(format::exponent(currency));
    format!("{} {currency}{per}", format::number(component.price, decimals))
}

fn step(component: &PriceComponent) -> String {
    match (component.dimension, component.step_size) {
        (TariffDimension::Flat, _) => "once".to_owned(),
        (_, 0) => "as measured".to_owned(),
        (TariffDimension::Energy, step) => format!("steps of {step} Wh"),
        (_, step) => format!("steps of {}", format::duration(step.into())),
    }
}

fn limits(tariff: &Tariff) -> Vec<String> {
    let currency = tariff.currency.code();
    let text = |what: &str, limit: &PriceLimit| {
        let net = format::money(limit.excl_vat, currency);
        match limit.incl_vat {
            Some(gross) => {
                format!("{what} {net} without VAT, {} with VAT", format::money(gross, currency))
            }
            None => format!("{what} {net} without VAT"),
        }
    };
    let least = tariff.min_price.as_ref().map(|limit| text("At least", limit));
    let most = tariff.max_price.as_ref().map(|limit| text("At most", limit));
    least.into_iter().chain(most).collect()
}

/// When an element holds, in words.
fn conditions(restrictions: &Restrictions) -> String {
    let r = restrictions;
    let mut words = Vec::new();
    if !r.day_of_week.is_empty() {
        let days: Vec<_> = r.day_of_week.iter().map(ToString::to_string).collect();
        words.push(days.join(", "));
    }
    let time = |time: chrono::NaiveTime| time.format("%H:%M").to_string();
    between(&mut words, "", r.start_time.map(time), r.end_time.map(time), "");
    let date = |date: chrono::NaiveDate| date.format("%-d %b %Y").to_string();
    between(&mut words, "", r.start_date.map(date), r.end_date.map(date), "");
    let plain = |value: Option<rust_decimal::Decimal>| value.map(format::plain);
    between(&mut words, "energy ", plain(r.min_kwh), plain(r.max_kwh), " kWh");
    between(&mut words, "power ", plain(r.min_power), plain(r.max_power), " kW");
    between(&mut words, "current ", plain(r.min_current), plain(r.max_current), " A");
    let lasted = |seconds: Option<u64>| seconds.map(format::duration);
    let (from, to) = (lasted(r.min_duration_seconds), lasted(r.max_duration_seconds));
    between(&mut words, "after ", from, to, "");
    words.extend(r.reservation.map(|reservation| {
        match reservation {
            ReservationRestriction::Reservation => "reserved",
            ReservationRestriction::ReservationExpires => "reserved and not used",
        }
        .to_owned()
    }));
    if words.is_empty() { "always".to_owned() } else { words.join(" · ") }
}

fn between(
    words: &mut Vec<String>,
    what: &str,
    from: Option<String>,
    to: Option<String>,
    unit: &str,
) {
    words.extend(match (from, to) {
        (Some(from), Some(to)) => Some(format!("{what}{from}–{to}{unit}")),
        (Some(from), None) => Some(format!("{what}from {from}{unit}")),
        (None, Some(to)) => Some(format!("{what}until {to}{unit}")),
        (None, None) => None,
    });
}

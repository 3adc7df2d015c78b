//! OCPI 2.2.1 tariffs (module `mod_tariffs`): what a price list says.
//!
//! [`Tariff::parse`] reads the JSON object with every number as text into an exact decimal,
//! refuses what it cannot price with the place and the reason, and keeps members it does not
//! know. [`Tariff::canonical_text`] writes it back in one fixed spelling, so that equal content
//! is recognised whatever its key order, white space or way of writing a number.
//!
//! This room knows nothing of sessions, meters or invoices: what a tariff makes of a session is
//! [`crate::rating`]'s business.
//!
//! Decisions where the specification is silent or loose:
//! - `country_code`, `party_id`, `id` and `last_updated` are kept where given and not demanded:
//!   no price depends on them.
//! - `step_size` 0 rounds nothing (the specification's own free-of-charge example writes 0);
//!   an absent one is 1, the default that CdrDimensionType names.
//! - an absent or null `vat` means that no VAT applies, which is not the same as 0 %.
//! - `end_time` 00:00 is the end of the day, as the specification says; any other `end_time`
//!   equal to `start_time` is an empty span, for only a smaller one wraps to the next day.
//! - an empty `day_of_week` restricts nothing (cardinality `*`).
//! - a member that OCPI does not name changes nothing, at whichever level: whoever wrote it is told
//!   its place ([`Tariff::ignored_members`]), for it may be one that is misspelt.
//! - of two components of one type in one element the first counts.

mod canonical;
pub(crate) mod document;
mod ignored;
mod in_force;
pub(crate) mod parse;
mod price_text;

pub use document::{DocumentError, Problem};
pub use in_force::in_force;
pub use price_text::with_vat;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc, Weekday};
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest tariff that is read, in bytes of JSON.
pub const MAX_TARIFF_BYTES: usize = 512 * 1024;
/// The most elements a tariff may have.
pub const MAX_ELEMENTS: usize = 1_000;
/// The most price components an element may have.
pub const MAX_COMPONENTS: usize = 100;

/// An OCPI 2.2.1 Tariff object. In serde it is its [`canonical_text`](Tariff::canonical_text).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tariff {
    /// ISO 3166 alpha-2 code of the operator that owns it.
    pub country_code: Option<String>,
    /// The operator that owns it.
    pub party_id: Option<String>,
    /// Its name with that operator.
    pub id: Option<String>,
    /// What its prices are in (ISO 4217).
    pub currency: Currency,
    /// Which sessions it is for; absent means all.
    pub tariff_type: Option<TariffType>,
    /// What a session costs at least.
    pub min_price: Option<PriceLimit>,
    /// What a session costs at most.
    pub max_price: Option<PriceLimit>,
    /// The price components and when they hold; never empty.
    pub elements: Vec<TariffElement>,
    /// From when it may be used.
    pub start_date_time: Option<DateTime<Utc>>,
    /// Until when it may be used.
    pub end_date_time: Option<DateTime<Utc>>,
    /// When its owner last changed it.
    pub last_updated: Option<DateTime<Utc>>,
    /// Every other member (texts, links, energy mix, extensions) by name, as canonical JSON text.
    pub other: BTreeMap<String, String>,
}

/// Which sessions a tariff is for (OCPI TariffType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TariffType {
    /// Payment at the station, without a contract.
    AdHocPayment,
    /// The driver asked for cheap.
    ProfileCheap,
    /// The driver asked for fast.
    ProfileFast,
    /// The driver asked for green.
    ProfileGreen,
    /// A token, without any preference.
    Regular,
}

/// A limit on what a whole session costs (OCPI Price). Each part limits its own total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLimit {
    /// Limit on the total without VAT.
    pub excl_vat: Decimal,
    /// Limit on the total with VAT.
    pub incl_vat: Option<Decimal>,
    /// Members that OCPI does not name, as canonical JSON text.
    pub other: BTreeMap<String, String>,
}

/// Price components that hold under the same restrictions (OCPI TariffElement).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TariffElement {
    /// The prices; never empty.
    pub price_components: Vec<PriceComponent>,
    /// When they hold; none means always (but never for a reservation).
    pub restrictions: Restrictions,
    /// Members that OCPI does not name, as canonical JSON text.
    pub other: BTreeMap<String, String>,
}

/// The price of one dimension (OCPI PriceComponent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceComponent {
    /// What is priced.
    pub dimension: TariffDimension,
    /// Price of one unit without VAT: per kWh, per hour, or per session.
    pub price: Decimal,
    /// VAT in percent; `None` means that no VAT applies.
    pub vat_percent: Option<Decimal>,
    /// Billed in blocks of so many Wh or seconds; 0 rounds nothing.
    pub step_size: u32,
    /// Members that OCPI does not name, as canonical JSON text.
    pub other: BTreeMap<String, String>,
}

/// What a price component prices (OCPI TariffDimensionType).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TariffDimension {
    /// Energy, per kWh; steps of Wh.
    Energy,
    /// A fee, once.
    Flat,
    /// Time connected without asking for power, per hour; steps of seconds.
    ParkingTime,
    /// Time charging (or, under a reservation restriction, reserved), per hour; steps of seconds.
    Time,
}

impl TariffDimension {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Energy, Self::Flat, Self::ParkingTime, Self::Time];
}

/// When an element holds (OCPI TariffRestrictions); all that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// From this local time of day on.
    pub start_time: Option<NaiveTime>,
    /// Until before this local time of day; 00:00 is the end of the day.
    pub end_time: Option<NaiveTime>,
    /// From this local day on.
    pub start_date: Option<NaiveDate>,
    /// Until before this local day.
    pub end_date: Option<NaiveDate>,
    /// Once the session has drawn this much, in kWh.
    pub min_kwh: Option<Decimal>,
    /// Until the session has drawn this much, in kWh.
    pub max_kwh: Option<Decimal>,
    /// At this current or more, in A, summed over the phases.
    pub min_current: Option<Decimal>,
    /// Below this current, in A, summed over the phases.
    pub max_current: Option<Decimal>,
    /// At this power or more, in kW.
    pub min_power: Option<Decimal>,
    /// Below this power, in kW.
    pub max_power: Option<Decimal>,
    /// Once the session has lasted so many seconds.
    pub min_duration_seconds: Option<u64>,
    /// Until the session has lasted so many seconds.
    pub max_duration_seconds: Option<u64>,
    /// On these local days of the week; empty means any.
    pub day_of_week: Vec<Weekday>,
    /// The element prices a reservation.
    pub reservation: Option<ReservationRestriction>,
    /// Members that OCPI does not name, as canonical JSON text. They restrict nothing.
    pub other: BTreeMap<String, String>,
}

/// Which reservations an element prices (OCPI ReservationRestrictionType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationRestriction {
    /// Any reservation.
    Reservation,
    /// One that ran out unused.
    ReservationExpires,
}

impl Tariff {
    /// Reads a Tariff object.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        parse::tariff_from_text(text)
    }

    /// Whether the time costs anything in which a car only stands there.
    pub fn prices_parking(&self) -> bool {
        let mut components = self.elements.iter().flat_map(|element| &element.price_components);
        components.any(|component| component.dimension == TariffDimension::ParkingTime)
    }

    /// Whether what it comes to follows from the energy alone, whenever that was drawn and however
    /// long it took.
    pub fn prices_energy_alone(&self) -> bool {
        self.elements.iter().all(|element| {
            let mut components = element.price_components.iter();
            !element.restrictions.need_course()
                && components.all(|component| {
                    matches!(component.dimension, TariffDimension::Energy | TariffDimension::Flat)
                })
        })
    }

    /// The tariff as JSON in its one spelling: members sorted, no white space, OCPI decimals as
    /// strings in plain notation without trailing zeros, absent and null members left out.
    ///
    /// [`Tariff::parse`] of it gives an equal tariff. Keep it as text: it stays exact as long as
    /// nothing reads its numbers as floats.
    pub fn canonical_text(&self) -> String {
        canonical::text(self)
    }

    /// SHA-256 of the canonical text, in lower-case hex: equal for equal content.
    pub fn content_sha256(&self) -> String {
        use sha2::{Digest, Sha256};
        hex::encode(Sha256::digest(self.canonical_text().as_bytes()))
    }

    /// Whether a price depends on the local time of day, day of the week or date.
    pub fn needs_local_time(&self) -> bool {
        self.elements.iter().any(|element| element.restrictions.needs_local_time())
    }

    /// Whether it may be used at `instant`: from `start_date_time` until before `end_date_time`.
    pub fn is_valid_at(&self, instant: DateTime<Utc>) -> bool {
        self.start_date_time.is_none_or(|start| start <= instant)
            && self.end_date_time.is_none_or(|end| instant < end)
    }

    /// The VAT in percent, where all components that name one name the same.
    pub fn sole_vat_percent(&self) -> Option<Decimal> {
        let mut rates =
            self.elements.iter().flat_map(|e| &e.price_components).filter_map(|c| c.vat_percent);
        let first = rates.next()?;
        rates.all(|rate| rate == first).then_some(first)
    }
}

impl TariffElement {
    /// The component that prices `dimension`: the first one of that type.
    pub fn component(&self, dimension: TariffDimension) -> Option<&PriceComponent> {
        self.price_components.iter().find(|component| component.dimension == dimension)
    }
}

impl Restrictions {
    /// Whether they depend on the local time of day, day of the week or date.
    pub fn needs_local_time(&self) -> bool {
        self.start_time.is_some()
            || self.end_time.is_some()
            || self.start_date.is_some()
            || self.end_date.is_some()
            || !self.day_of_week.is_empty()
    }

    /// Whether they depend on when energy was drawn, how fast, or for how long.
    fn need_course(&self) -> bool {
        self.needs_local_time()
            || self.min_duration_seconds.is_some()
            || self.max_duration_seconds.is_some()
            || self.min_current.is_some()
            || self.max_current.is_some()
            || self.min_power.is_some()
            || self.max_power.is_some()
    }

    /// Whether the local time of day lies between `start_time` and `end_time`.
    pub fn includes_time_of_day(&self, time: NaiveTime) -> bool {
        let end = self.end_time.filter(|end| *end != NaiveTime::MIN); // 00:00: end of the day
        match (self.start_time, end) {
            (Some(start), Some(end)) if end < start => time >= start || time < end,
            (start, end) => {
                start.is_none_or(|start| time >= start) && end.is_none_or(|end| time < end)
            }
        }
    }
}

impl TryFrom<String> for Tariff {
    type Error = DocumentError;

    fn try_from(text: String) -> Result<Self, DocumentError> {
        Self::parse(&text)
    }
}

impl From<Tariff> for String {
    fn from(tariff: Tariff) -> Self {
        tariff.canonical_text()
    }
}

//! What rating gives. It is kept in the log for ever: strings and integers only.

use super::LocalTime;
use crate::units::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A priced session. Amounts are exact decimals, rounded to ten digits after the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// The rules it was computed by.
    pub rules_version: String,
    /// SHA-256 of the tariff's canonical text, in hex.
    pub tariff_sha256: String,
    /// What the amounts are in (ISO 4217).
    pub currency: String,
    /// The local time that it was computed with.
    pub local_time: LocalTime,
    /// Where the first period begins.
    pub started_at: Timestamp,
    /// Where the last period ends.
    pub ended_at: Timestamp,
    /// Energy drawn, in kWh.
    pub total_energy_kwh: Decimal,
    /// From the session's start to its end, without a reservation before it, in seconds.
    pub total_time_seconds: i64,
    /// Time charging, in seconds.
    pub total_charging_seconds: Decimal,
    /// Time parking, in seconds.
    pub total_parking_seconds: Decimal,
    /// Time reserved, in seconds.
    pub total_reservation_seconds: Decimal,
    /// What is owed: the sum of the five below, within the tariff's limits.
    pub total_cost: Price,
    /// Fees of the session, without those of a reservation.
    pub total_fixed_cost: Price,
    /// Cost of energy.
    pub total_energy_cost: Price,
    /// Cost of charging time.
    pub total_time_cost: Price,
    /// Cost of parking time.
    pub total_parking_cost: Price,
    /// Cost of a reservation, with its fees; absent where nothing was reserved or priced.
    pub total_reservation_cost: Option<Price>,
    /// What `min_price` or `max_price` changed; absent where they changed nothing.
    pub limit: Option<AppliedLimit>,
    /// What is owed for what: one line per dimension and element.
    pub lines: Vec<RatingLine>,
    /// Which element priced what, period by period.
    pub periods: Vec<PeriodRating>,
}

/// An amount without and with VAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Without VAT.
    pub excl_vat: Decimal,
    /// With VAT; equal to `excl_vat` where no VAT applies.
    pub incl_vat: Decimal,
}

/// A line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingLine {
    /// What is billed.
    pub dimension: LineDimension,
    /// Index of the element in the tariff, from 0.
    pub element_index: u32,
    /// How much was used, in `unit`.
    pub quantity: Decimal,
    /// How much is billed after `step_size`, in `unit`.
    pub billed_quantity: Decimal,
    /// What quantities are counted in.
    pub unit: Unit,
    /// Price without VAT per kWh, per hour (time is counted in seconds), or per session.
    pub unit_price: Decimal,
    /// VAT in percent; absent where no VAT applies.
    pub vat_percent: Option<Decimal>,
    /// Amount without VAT.
    pub excl_vat: Decimal,
    /// Amount with VAT.
    pub incl_vat: Decimal,
}

/// What a line bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineDimension {
    /// The session's fee.
    Flat,
    /// Energy.
    Energy,
    /// Charging time.
    Time,
    /// Parking time.
    ParkingTime,
    /// A reservation's fee.
    ReservationFlat,
    /// Reserved time.
    ReservationTime,
}

/// What a quantity is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Kilowatt-hours.
    #[serde(rename = "kWh")]
    KilowattHour,
    /// Seconds; their price is per hour.
    #[serde(rename = "s")]
    Second,
    /// Times.
    #[serde(rename = "session")]
    Session,
}

/// A limit of the tariff that changed the total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedLimit {
    /// Which one.
    pub kind: LimitKind,
    /// The total as the lines add up to.
    pub unlimited: Price,
    /// VAT in percent of an amount that no line carries, where the tariff tells: its one rate,
    /// or the one that its limit implies.
    pub vat_percent: Option<Decimal>,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// At least so much.
    MinPrice,
    /// At most so much.
    MaxPrice,
}

/// What happened in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodRating {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What was used in it, before `step_size`.
    pub quantities: Vec<PeriodQuantity>,
}

/// One dimension in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodQuantity {
    /// The dimension.
    pub dimension: LineDimension,
    /// How much, in `unit`.
    pub quantity: Decimal,
    /// What it is counted in.
    pub unit: Unit,
    /// Index of the element that prices it, from 0; absent where none does and it costs nothing.
    pub element_index: Option<u32>,
}

impl LineDimension {
    /// What its quantities are counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Flat | Self::ReservationFlat => Unit::Session,
            Self::Energy => Unit::KilowattHour,
            Self::Time | Self::ParkingTime | Self::ReservationTime => Unit::Second,
        }
    }

    /// As OCPI spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "FLAT",
            Self::Energy => "ENERGY",
            Self::Time => "TIME",
            Self::ParkingTime => "PARKING_TIME",
            Self::ReservationFlat => "RESERVATION_FLAT",
            Self::ReservationTime => "RESERVATION_TIME",
        }
    }
}

//! What `chargebook rate` prints.

use super::super::arithmetic::SECONDS_PER_HOUR;
use super::super::{AMOUNT_DECIMALS, Price, Rating};
use crate::tariff::document::{plain, round};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A rated CDR or Session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateReport {
    /// The result.
    pub rating: Rating,
    /// The record's id.
    pub record_id: Option<String>,
    /// The tariff's id.
    pub tariff_id: Option<String>,
    /// Whether it is a Credit CDR: `total_cost` is printed negated, and nothing else.
    pub credit: bool,
    /// Where the time zone came from.
    pub zone_source: ZoneSource,
    /// What a reader should know: oddities of the record that did not stop it.
    pub notes: Vec<String>,
    /// Places in the tariff that no price was computed by, since OCPI does not name them.
    pub ignored: Vec<String>,
}

/// Where the time zone came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// The caller.
    Given,
    /// The record or its location.
    Record,
    /// The location's country.
    Country,
    /// Nowhere; no price depends on it.
    NotNeeded,
}

impl ZoneSource {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Record => "record",
            Self::Country => "country",
            Self::NotNeeded => "not_needed",
        }
    }
}

impl RateReport {
    /// The total, negative for a Credit CDR.
    pub fn total_cost(&self) -> Price {
        let cost = self.rating.total_cost;
        if self.credit {
            Price { excl_vat: plain(-cost.excl_vat), incl_vat: plain(-cost.incl_vat) }
        } else {
            cost
        }
    }

    /// The report under the CDR's field names. Every decimal is a string in plain notation:
    /// costs exact to ten digits after the point (half away from zero beyond), energy in kWh,
    /// times in hours to ten digits, and the breakdown's times in seconds.
    pub fn to_json(&self) -> Value {
        let rating = &self.rating;
        let mut report = json!({
            "currency": rating.currency,
            "total_cost": price(self.total_cost()),
            "total_fixed_cost": price(rating.total_fixed_cost),
            "total_energy": rating.total_energy_kwh.to_string(),
            "total_energy_cost": price(rating.total_energy_cost),
            "total_time": hours(Decimal::from(rating.total_time_seconds)),
            "total_time_cost": price(rating.total_time_cost),
            "total_parking_time": hours(rating.total_parking_seconds),
            "total_parking_cost": price(rating.total_parking_cost),
            "credit": self.credit,
            "breakdown": {
                "rules_version": rating.rules_version,
                "tariff_id": self.tariff_id,
                "tariff_sha256": rating.tariff_sha256,
                "record_id": self.record_id,
                "local_time": rating.local_time,
                "time_zone_source": self.zone_source.as_str(),
                "started_at": rating.started_at,
                "ended_at": rating.ended_at,
                "total_charging_seconds": rating.total_charging_seconds,
                "total_reservation_seconds": rating.total_reservation_seconds,
                "lines": rating.lines,
                "limit": rating.limit,
                "periods": rating.periods,
                "notes": self.notes,
            },
        });
        if let (Some(cost), Some(members)) = (rating.total_reservation_cost, report.as_object_mut())
        {
            members.insert("total_reservation_cost".to_owned(), price(cost));
        }
        report
    }
}

fn price(price: Price) -> Value {
    json!({
        "excl_vat": price.excl_vat.to_string(),
        "incl_vat": price.incl_vat.to_string(),
    })
}

fn hours(seconds: Decimal) -> String {
    plain(round(seconds / SECONDS_PER_HOUR, AMOUNT_DECIMALS)).to_string()
}

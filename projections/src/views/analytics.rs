//! Sums over sessions as they are given out.

use chargebook_domain::ids::SiteId;
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::Serialize;

/// Money in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revenue {
    /// ISO 4217.
    pub currency: String,
    /// Digits of the minor unit.
    pub currency_exponent: u32,
    /// Invoices and credit notes.
    pub invoices: u64,
    /// Without VAT, in minor units; credit notes count against it.
    pub net_minor: i64,
    /// With VAT, in minor units; credit notes count against it.
    pub gross_minor: i64,
}

/// Energy, sessions and revenue of a span of time at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnalyticsBucket {
    /// When the span begins.
    pub from: Timestamp,
    /// The site; `None` for stations that have none.
    pub site_id: Option<SiteId>,
    /// That site's name in the API.
    pub site: Option<String>,
    /// Energy by the hour it was metered in; settlement's difference by the hour it ended in.
    pub energy_wh: WattHours,
    /// Sessions by the hour they began in, those that turned out void left out.
    pub sessions: u64,
    /// Revenue by the hour the billed session ended in, per currency.
    pub revenue: Vec<Revenue>,
}

/// What an operator wants to see first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Stations registered.
    pub stations: u64,
    /// Stations that are there.
    pub stations_connected: u64,
    /// Stations with a connector that reports `Faulted`.
    pub stations_faulted: u64,
    /// Sessions open now.
    pub sessions_open: u64,
    /// Sum of the open sessions' power, in W.
    pub power_w: Decimal,
    /// Sessions a person has to look at, over all time.
    pub sessions_to_review: u64,
    /// Stops without a session that wait for one, or for a person.
    pub orphan_stops: u64,
    /// Payments without a session that wait for one, or for a person.
    pub early_payments: u64,
    /// Alerts that nobody has acknowledged.
    pub alerts_raised: u64,
    /// Energy in the span asked for.
    pub energy_wh: WattHours,
    /// Sessions that began in the span asked for.
    pub sessions: u64,
    /// Revenue in the span asked for.
    pub revenue: Vec<Revenue>,
    /// Events parked, over all time.
    pub parked_events: u64,
}

//! Sums by the hour, and by the ledger account. They are added to in the database, so none has
//! to be loaded.

use super::State;
use crate::tables::SiteKey;
use chargebook_domain::ids::{AccountId, SiteId};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// No session draws more than this, in millionths of a watt-hour (1 GWh): what claims to is
/// not counted, so that no sum can overflow.
const SESSION_MICROWATTHOURS_MAX: i64 = 1_000_000_000_000_000;
/// A station's clock may be ahead of ours by this before our own time is taken.
const CLOCK_AHEAD_MILLIS_MAX: i64 = 3_600_000;

/// What a batch adds to an hour at a site.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EnergyHour {
    pub(crate) microwatthours: i64,
    pub(crate) sessions: i64,
}

/// What a batch adds to an hour at a site in a currency.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RevenueHour {
    pub(crate) currency_exponent: u32,
    pub(crate) invoices: i64,
    pub(crate) net_minor: i64,
    pub(crate) gross_minor: i64,
}

/// What a batch adds to a ledger account.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Balance {
    pub(crate) account_id: Option<AccountId>,
    pub(crate) balance_minor: i64,
    pub(crate) legs: i64,
}

impl State {
    pub(super) fn add_energy_hour(
        &mut self,
        hour: Timestamp,
        site_id: Option<SiteId>,
        microwatthours: i64,
        sessions: i64,
    ) {
        let sum = self.written.energy_hours.entry((hour, SiteKey(site_id))).or_default();
        sum.microwatthours = sum.microwatthours.saturating_add(microwatthours);
        sum.sessions += sessions;
    }
}

/// In whole millionths of a watt-hour, the rest cut off; `None` for what no session draws.
pub(super) fn microwatthours(energy_wh: WattHours) -> Option<i64> {
    let millionths = energy_wh.0.checked_mul(Decimal::from(1_000_000))?.trunc().to_i64()?;
    (0..=SESSION_MICROWATTHOURS_MAX).contains(&millionths).then_some(millionths)
}

/// The station's time where it can be believed, else ours.
pub(super) fn trusted_time(
    clock_plausible: bool,
    station: Timestamp,
    recorded_at: Timestamp,
) -> Timestamp {
    let ahead = station.as_millis().saturating_sub(recorded_at.as_millis());
    if clock_plausible && ahead <= CLOCK_AHEAD_MILLIS_MAX { station } else { recorded_at }
}

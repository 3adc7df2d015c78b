//! What is rated.

use super::{LocalTime, RatingError};
use crate::units::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The most charging periods that are rated at once.
pub const MAX_PERIODS: usize = 100_000;

/// A session, or what is known of it so far, cut into charging periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingInput {
    /// The site's local time.
    pub local_time: LocalTime,
    /// The periods in the order of time; each ends where the next begins.
    pub periods: Vec<ChargingPeriod>,
    /// Where the last period ends.
    pub ended_at: Timestamp,
    /// Whether a reservation ran out without a session.
    pub reservation_expired: bool,
}

/// A stretch of time during which no price changes (OCPI ChargingPeriod).
///
/// Prices are looked up at its start, so it must begin anew wherever a restriction of the
/// tariff begins or ceases to hold; [`split_at_boundaries`](super::split_at_boundaries) does
/// that for our own sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingPeriod {
    /// When it begins.
    pub started_at: Timestamp,
    /// Energy drawn, in kWh; negative if more was fed back.
    pub energy_kwh: Decimal,
    /// Time charging, in seconds.
    pub charging_seconds: Decimal,
    /// Time connected without asking for power, in seconds.
    pub parking_seconds: Decimal,
    /// Time reserved and not yet used, in seconds.
    pub reservation_seconds: Decimal,
    /// The least power during it, in kW, where known.
    pub min_power_kw: Option<Decimal>,
    /// The most power during it, in kW, where known.
    pub max_power_kw: Option<Decimal>,
    /// The least current during it, in A over all phases, where known.
    pub min_current_a: Option<Decimal>,
    /// The most current during it, in A over all phases, where known.
    pub max_current_a: Option<Decimal>,
}

impl ChargingPeriod {
    /// A period in which nothing was used.
    pub fn starting(started_at: Timestamp) -> Self {
        Self {
            started_at,
            energy_kwh: Decimal::ZERO,
            charging_seconds: Decimal::ZERO,
            parking_seconds: Decimal::ZERO,
            reservation_seconds: Decimal::ZERO,
            min_power_kw: None,
            max_power_kw: None,
            min_current_a: None,
            max_current_a: None,
        }
    }

    /// Whether it belongs to a reservation only, not to a charging session.
    pub fn is_reservation(&self) -> bool {
        !self.reservation_seconds.is_zero()
            && self.energy_kwh.is_zero()
            && self.charging_seconds.is_zero()
            && self.parking_seconds.is_zero()
    }
}

impl RatingInput {
    /// When the charging session begins: the first period that is not only a reservation.
    pub fn session_started_at(&self) -> Option<Timestamp> {
        self.periods.iter().find(|period| !period.is_reservation()).map(|p| p.started_at)
    }

    /// The end of a period: the next one's start, or the end of the whole.
    pub(super) fn end_of(&self, index: usize) -> Timestamp {
        self.periods.get(index + 1).map_or(self.ended_at, |next| next.started_at)
    }

    /// Whether it can be rated at all.
    pub(super) fn check(&self) -> Result<(), RatingError> {
        let Some(last) = self.periods.last() else { return Err(RatingError::NoPeriods) };
        if self.periods.len() > MAX_PERIODS {
            return Err(RatingError::TooManyPeriods);
        }
        if self.periods.windows(2).any(|pair| pair[1].started_at < pair[0].started_at) {
            return Err(RatingError::OutOfOrder("a charging period begins before its predecessor"));
        }
        if self.ended_at < last.started_at {
            return Err(RatingError::OutOfOrder("the session ends before its last period begins"));
        }
        let negative = |value: Decimal| value < Decimal::ZERO;
        let durations =
            |p: &ChargingPeriod| [p.charging_seconds, p.parking_seconds, p.reservation_seconds];
        if self.periods.iter().flat_map(durations).any(negative) {
            return Err(RatingError::NegativeDuration);
        }
        Ok(())
    }
}

/// Seconds between two instants, each cut to its whole second first, so that the seconds of
/// consecutive periods add up to those of the whole.
pub(super) fn whole_seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millis().div_euclid(1_000) - from.as_millis().div_euclid(1_000)
}

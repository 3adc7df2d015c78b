//! What may be drawn at a place at an instant, by what the station keeps and what limits were
//! told from outside.
//!
//! As the standard merges profiles (2.x: part 2, K01; 1.6: section 3.13): of each purpose the
//! highest level that says something then, and of all purposes the lowest. For a transaction its
//! own profiles stand for the default ones, and while it has priority those for priority do.

use super::{ChargingPlan, FOR_A_TRANSACTION};
use crate::events::v1::{ChargingPlace, ChargingSchedule, KeptProfile, SchedulePeriod};
use crate::units::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeSet;

/// Instants at which limits may change that are looked at for one plan; later ones change nothing.
const CHANGES_MAX: usize = 4_096;
/// How long before its transaction a remote start may bring a profile: the vehicle must be plugged
/// in meanwhile, and stations wait for that some minutes.
const REMOTE_START_MS_MAX: i64 = 10 * 60 * 1_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a plan counts its rates in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// Milliamperes per phase.
    Milliamperes,
    /// Watts, all phases together.
    Watts,
}

/// How rates are counted, and what is needed to count those that were told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The unit of rates.
    pub unit: RateUnit,
    /// By how many phases power flows; 1 for direct current.
    pub phases: u8,
    /// At how many volts, of a phase against neutral.
    pub voltage_v: u32,
}

impl Measure {
    /// A rate of a schedule in this measure, rounded down; what flows back is no rate to draw.
    pub fn rate(self, value: Decimal, unit: &str) -> Option<u64> {
        let watts_of_ampere = Decimal::from(u64::from(self.phases) * u64::from(self.voltage_v));
        let amperes = match (self.unit, unit) {
            (RateUnit::Milliamperes, "A") => value,
            (RateUnit::Milliamperes, "W") => value.checked_div(watts_of_ampere)?,
            (RateUnit::Watts, "W") => return value.floor().max(Decimal::ZERO).to_u64(),
            (RateUnit::Watts, "A") => {
                return value.checked_mul(watts_of_ampere)?.floor().max(Decimal::ZERO).to_u64();
            }
            _ => return None,
        };
        amperes.checked_mul(Decimal::from(1_000))?.floor().max(Decimal::ZERO).to_u64()
    }

    /// A rate as a schedule has it: at most one digit behind the point (part 2, limits).
    pub fn limit(self, rate: u64) -> Decimal {
        match self.unit {
            RateUnit::Watts => Decimal::from(rate),
            RateUnit::Milliamperes => (Decimal::from(rate / 100) / Decimal::TEN).normalize(),
        }
    }

    /// The word of its unit in a schedule.
    pub fn word(self) -> &'static str {
        match self.unit {
            RateUnit::Milliamperes => "A",
            RateUnit::Watts => "W",
        }
    }

    /// A rate as power, in W.
    pub fn power_w(self, rate: u64) -> u64 {
        match self.unit {
            RateUnit::Watts => rate,
            RateUnit::Milliamperes => {
                rate.saturating_mul(u64::from(self.phases) * u64::from(self.voltage_v)) / 1_000
            }
        }
    }
}

/// For whom a limit is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where.
    pub place: ChargingPlace,
    /// In which transaction.
    pub transaction: Option<&'a str>,
    /// When that began: relative schedules count from there.
    pub began_at: Timestamp,
    /// When it was first heard of, by our clock.
    pub heard_at: Timestamp,
    /// The number of the remote start that began it, where one did (2.x, `remoteStartId`).
    pub remote_start_id: Option<i32>,
    /// The number of a profile that is to be replaced and limits nothing.
    pub except: Option<i64>,
}

impl Question<'_> {
    /// Whether a profile is not for another transaction. One that names none came with the remote
    /// start that began its own.
    pub fn concerns(&self, kept: &KeptProfile) -> bool {
        let profile = &kept.profile;
        match profile.transaction.as_deref() {
            Some(of) => Some(of) == self.transaction,
            None => {
                profile.purpose != FOR_A_TRANSACTION
                    || is_brought_for(kept, self.remote_start_id, self.heard_at)
            }
        }
    }
}

/// Whether what a remote start brought is for a transaction that was heard of then. The start's
/// number says so, where it is known; a start without one came shortly before its transaction.
pub(super) fn is_brought_for(
    kept: &KeptProfile,
    remote_start_id: Option<i32>,
    heard_at: Timestamp,
) -> bool {
    match kept.remote_start_id {
        Some(brought_by) => Some(brought_by) == remote_start_id,
        None => kept.told_at.as_millis() >= heard_at.as_millis() - REMOTE_START_MS_MAX,
    }
}

impl ChargingPlan {
    /// The most that may be drawn at an instant; `None`: nothing is known to limit it.
    pub fn limit_at(&self, asked: &Question<'_>, measure: Measure, at: Timestamp) -> Option<u64> {
        let of_profiles = |purpose: &str| {
            let of_purpose = self.asked(asked).filter(|kept| kept.profile.purpose == purpose);
            let saying = of_purpose.filter_map(|kept| {
                let rate = rate_of(kept, asked, measure, at)?;
                Some((kept.profile.stack_level, kept.place != ChargingPlace::default(), rate))
            });
            saying.max_by_key(|(level, is_near, _)| (*level, *is_near)).map(|(_, _, rate)| rate)
        };
        let has_priority =
            self.told.priorities.iter().any(|of| Some(of.as_str()) == asked.transaction);
        let own = match has_priority {
            true => of_profiles("PriorityCharging"),
            false => of_profiles(FOR_A_TRANSACTION).or_else(|| of_profiles("TxDefaultProfile")),
        };
        let outside = self.told.limits.iter().filter(|limit| is_at(limit.place, asked.place));
        let outside = outside.filter_map(|limit| {
            let told = limit.schedules.iter().filter_map(|schedule| {
                let starts_at = schedule.starts_at.unwrap_or(limit.told_at);
                rate_in(schedule, starts_at, measure, at)
            });
            told.min()
        });
        let purposes = ["ChargingStationMaxProfile", "ChargingStationExternalConstraints"];
        let above = purposes.into_iter().filter_map(of_profiles);
        own.into_iter().chain(above).chain(outside).min()
    }

    /// The instants from `from` until `until` at which what may be drawn may change; `from` first.
    pub fn changes(
        &self,
        asked: &Question<'_>,
        from: Timestamp,
        until: Timestamp,
    ) -> BTreeSet<Timestamp> {
        let mut instants = BTreeSet::from([from]);
        let mut add = |millis: i64| {
            let instant = Timestamp::from_millis(millis);
            let within = instant.filter(|instant| *instant > from && *instant < until);
            if let Some(instant) = within.filter(|_| instants.len() < CHANGES_MAX) {
                instants.insert(instant);
            }
        };
        for kept in self.asked(asked) {
            let profile = &kept.profile;
            let ends = [profile.valid_from, profile.valid_to];
            ends.into_iter().flatten().for_each(|instant| add(instant.as_millis()));
            for schedule in &profile.schedules {
                let Some(first) = starts_at(kept, schedule, asked, from) else { continue };
                let every = recurs_after_ms(profile.recurrency.as_deref())
                    .filter(|_| profile.kind == "Recurring");
                let mut start = first.as_millis();
                while start < until.as_millis() {
                    changes_of(schedule, start, &mut add);
                    let Some(every) = every else { break };
                    start += every;
                }
            }
        }
        for limit in self.told.limits.iter().filter(|limit| is_at(limit.place, asked.place)) {
            for schedule in &limit.schedules {
                let start = schedule.starts_at.unwrap_or(limit.told_at);
                changes_of(schedule, start.as_millis(), &mut add);
            }
        }
        instants
    }

    /// The profiles that may hold for whom it is asked.
    fn asked(&self, asked: &Question<'_>) -> impl Iterator<Item = &KeptProfile> {
        self.profiles().filter(|kept| {
            let is_excepted = Some(kept.profile.profile_id) == asked.except;
            is_at(kept.place, asked.place) && asked.concerns(kept) && !is_excepted
        })
    }
}

/// Whether what holds at a place holds at another: there, or at the whole station.
fn is_at(held: ChargingPlace, place: ChargingPlace) -> bool {
    held == place || held == ChargingPlace::default()
}

fn rate_of(
    kept: &KeptProfile,
    asked: &Question<'_>,
    measure: Measure,
    at: Timestamp,
) -> Option<u64> {
    let profile = &kept.profile;
    let is_valid = profile.valid_from.is_none_or(|from| from <= at)
        && profile.valid_to.is_none_or(|to| at < to);
    let schedules = profile.schedules.iter().filter(|_| is_valid);
    let rates = schedules.filter_map(|schedule| {
        let starts_at = starts_at(kept, schedule, asked, at)?;
        rate_in(schedule, starts_at, measure, at)
    });
    rates.min()
}

/// When the run of a schedule began that an instant is in.
fn starts_at(
    kept: &KeptProfile,
    schedule: &ChargingSchedule,
    asked: &Question<'_>,
    at: Timestamp,
) -> Option<Timestamp> {
    let profile = &kept.profile;
    let fixed = schedule.starts_at.or(profile.valid_from).unwrap_or(kept.told_at);
    match profile.kind.as_str() {
        "Relative" => Some(asked.began_at),
        super::DYNAMIC => Some(kept.told_at),
        "Recurring" => {
            let every = recurs_after_ms(profile.recurrency.as_deref())?;
            let runs = (at.as_millis() - fixed.as_millis()).div_euclid(every);
            Timestamp::from_millis(fixed.as_millis() + runs.max(0) * every)
        }
        _ => Some(fixed),
    }
}

fn recurs_after_ms(recurrency: Option<&str>) -> Option<i64> {
    match recurrency? {
        "Daily" => Some(DAY_MS),
        "Weekly" => Some(7 * DAY_MS),
        _ => None,
    }
}

fn rate_in(
    schedule: &ChargingSchedule,
    starts_at: Timestamp,
    measure: Measure,
    at: Timestamp,
) -> Option<u64> {
    let period = period_at(schedule, starts_at, at)?;
    measure.rate(period.limit.or(period.setpoint)?, &schedule.unit)
}

/// The period of a schedule that an instant is in.
pub(super) fn period_at(
    schedule: &ChargingSchedule,
    starts_at: Timestamp,
    at: Timestamp,
) -> Option<&SchedulePeriod> {
    let seconds = (at.as_millis() - starts_at.as_millis()).div_euclid(1_000);
    let seconds = u64::try_from(seconds).ok()?;
    if schedule.duration_seconds.is_some_and(|duration| seconds >= u64::from(duration)) {
        return None;
    }
    schedule.periods.iter().rev().find(|period| u64::from(period.start_seconds) <= seconds)
}

fn changes_of(schedule: &ChargingSchedule, start: i64, add: &mut impl FnMut(i64)) {
    for period in &schedule.periods {
        add(start + i64::from(period.start_seconds) * 1_000);
    }
    if let Some(duration) = schedule.duration_seconds {
        add(start + i64::from(duration) * 1_000);
    }
}

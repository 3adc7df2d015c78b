//! What is known of the charging at a station: a fold of what it accepted, reported and was told;
//! what may be drawn by that (`limits`), and how a vehicle is charged within it (`planning`).
//!
//! It knows what a station said that it keeps. What of that holds at an instant, the station
//! alone decides: what is said here about it is for planning ahead.

mod abilities;
mod limits;
mod planning;
#[cfg(test)]
mod tests;

use limits::is_brought_for;
pub use limits::{Measure, Question, RateUnit};
pub use planning::{Demand, Step, energy_wh, exceeds, plan};

use crate::events::Event;
use crate::events::v1::{
    CarriedCharging, ChargingPlace, ChargingProfile, ChargingSchedule, KeptProfile, OutsideLimit,
    StationChargingNeedsTold, StationChargingProfilesCleared, StationChargingScheduleUpdated,
    StationPriorityChargingTold, VehicleNeeds,
};
use crate::ids::TransactionName;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Profiles of one station that are kept. Where there is no room, one for a transaction gives way
/// first, then the oldest; how many have is said.
pub const PROFILES_MAX: u16 = 256;
/// Limits, needs, schedules and priorities of one station that are kept, of each so many; the
/// oldest gives way.
const PLACES_MAX: usize = 64;
/// Periods of all profiles, and of all limits, of one station that are kept and carried into its
/// new month: what is planned by them stays quick, and the month's first event small. Of the
/// profiles those give way that [`PROFILES_MAX`] says, of the limits the oldest.
const PERIODS_MAX: usize = 2_048;
/// Who sets the profiles that we send (ChargingLimitSourceEnumType).
pub const OURSELVES: &str = "CSO";
/// The purpose of profiles that are for one transaction.
pub const FOR_A_TRANSACTION: &str = "TxProfile";
/// The kind of profiles whose values change while they hold (2.1).
const DYNAMIC: &str = "Dynamic";

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct ChargingPlan {
    /// By the shelf that each lies on; a shelf is used again.
    profiles: BTreeMap<u16, KeptProfile>,
    told: ChargingTold,
    /// The shelves that have changed since that was asked.
    changed: BTreeSet<u16>,
}

/// What is known beside the profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingTold {
    /// Limits from outside that hold.
    pub limits: Vec<OutsideLimit>,
    /// What vehicles need, the last word at each place.
    pub needs: Vec<VehicleNeeds>,
    /// How vehicles mean to charge, the last word at each place.
    pub schedules: Vec<VehicleSchedule>,
    /// The transactions that are charged before others.
    pub priorities: Vec<TransactionName>,
    /// How many profiles had to give way since the station is known, though it may keep them.
    pub left_out: u32,
}

/// How a vehicle means to charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleSchedule {
    /// Where it is.
    pub place: ChargingPlace,
    /// What its periods count from.
    pub time_base: Timestamp,
    /// How it means to charge.
    pub schedule: ChargingSchedule,
    /// The transaction in progress there then, where one was.
    pub transaction: Option<TransactionName>,
    /// Whether that keeps within the limits that hold there, where limits are known.
    pub is_within_limits: Option<bool>,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

impl ChargingPlan {
    /// A plan as it was kept: its profiles by their shelves, and the rest.
    pub fn kept(
        profiles: impl IntoIterator<Item = (u16, KeptProfile)>,
        told: ChargingTold,
    ) -> Self {
        Self { profiles: profiles.into_iter().collect(), told, changed: BTreeSet::new() }
    }

    /// What a month takes over from the one before.
    pub fn carried(carried: CarriedCharging) -> Self {
        let CarriedCharging { profiles, limits, needs, priorities } = carried;
        let told = ChargingTold { limits, needs, priorities, ..ChargingTold::default() };
        Self::kept((0..PROFILES_MAX).zip(profiles), told)
    }

    /// What the next month takes over; `None` where nothing is known.
    pub fn carry(&self) -> Option<CarriedCharging> {
        let profiles: Vec<KeptProfile> = self.profiles().cloned().collect();
        let carried = CarriedCharging {
            profiles: newest(profiles, |kept| (kept.told_at, &kept.profile.schedules)),
            limits: newest(self.told.limits.clone(), |limit| (limit.told_at, &limit.schedules)),
            needs: self.told.needs.clone(),
            priorities: self.told.priorities.clone(),
        };
        (carried != CarriedCharging::default()).then_some(carried)
    }

    /// The profiles that the station keeps.
    pub fn profiles(&self) -> impl Iterator<Item = &KeptProfile> {
        self.profiles.values()
    }

    /// The profile on a shelf.
    pub fn on_shelf(&self, shelf: u16) -> Option<&KeptProfile> {
        self.profiles.get(&shelf)
    }

    /// What is known beside them.
    pub fn told(&self) -> &ChargingTold {
        &self.told
    }

    /// What the vehicle at a place last said that it needs.
    pub fn needs_at(&self, place: ChargingPlace) -> Option<&VehicleNeeds> {
        self.told.needs.iter().find(|needs| needs.place == place)
    }

    /// The dynamic profile of a number (2.1).
    pub fn dynamic_profile(&self, profile_id: i64) -> Option<&KeptProfile> {
        let is_it = |kept: &&KeptProfile| {
            kept.profile.profile_id == profile_id && kept.profile.kind == DYNAMIC
        };
        self.profiles().find(is_it)
    }

    /// The plan as it is once the station has a profile of ours.
    #[must_use]
    pub fn with(&self, place: ChargingPlace, profile: ChargingProfile, told_at: Timestamp) -> Self {
        let mut plan = self.clone();
        let (source, remote_start_id) = (OURSELVES.to_owned(), None);
        plan.keep(KeptProfile { place, source, profile, remote_start_id, told_at });
        plan
    }

    /// The shelves whose profile has changed since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.changed)
    }

    /// Takes in one event of the station, or of a command to it.
    pub fn apply(&mut self, event: &Event, told_at: Timestamp) {
        match event {
            Event::StationChargingProfileSet(fact) => {
                let (place, profile) = (fact.place, fact.profile.clone());
                let source = OURSELVES.to_owned();
                let remote_start_id = fact.remote_start_id;
                self.keep(KeptProfile { place, source, profile, remote_start_id, told_at });
            }
            Event::StationChargingProfilesReported(fact) => {
                for profile in &fact.profiles {
                    let (place, source, profile) =
                        (fact.place, fact.source.clone(), profile.clone());
                    // A report says it of no profile: what was known of one stays so.
                    let known = self.profiles().find(|kept| {
                        kept.profile.profile_id == profile.profile_id && kept.source == source
                    });
                    let remote_start_id = known.and_then(|kept| kept.remote_start_id);
                    self.keep(KeptProfile { place, source, profile, remote_start_id, told_at });
                }
            }
            Event::StationChargingProfilesCleared(fact) => {
                self.give_up(|kept| is_cleared(kept, fact));
            }
            Event::StationChargingScheduleUpdated(fact) => self.update(fact, told_at),
            Event::StationChargingLimitTold(fact) => {
                let limits = &mut self.told.limits;
                limits.retain(|it| it.place != fact.place || it.source != fact.source);
                let limit = OutsideLimit {
                    place: fact.place,
                    source: fact.source.clone(),
                    is_grid_critical: fact.is_grid_critical,
                    schedules: fact.schedules.clone(),
                    told_at,
                };
                push(limits, limit);
                let all = |limits: &[OutsideLimit]| -> usize {
                    limits.iter().map(|limit| periods_of(&limit.schedules)).sum()
                };
                while limits.len() > 1 && all(limits) > PERIODS_MAX {
                    limits.remove(0);
                }
            }
            // One that names no EVSE is over everywhere.
            Event::StationChargingLimitCleared(fact) => self.told.limits.retain(|it| {
                let is_there = fact.place == ChargingPlace::default() || it.place == fact.place;
                it.source != fact.source || !is_there
            }),
            Event::StationChargingNeedsTold(fact) => self.need(fact, told_at),
            Event::StationVehicleScheduleTold(fact) => {
                if fact.is_within_limits == Some(false) {
                    let of_place = |needs: &&mut VehicleNeeds| needs.place == fact.place;
                    if let Some(needs) = self.told.needs.iter_mut().find(of_place) {
                        needs.refused = needs.refused.saturating_add(1);
                    }
                }
                let schedules = &mut self.told.schedules;
                schedules.retain(|it| it.place != fact.place);
                let schedule = VehicleSchedule {
                    place: fact.place,
                    time_base: fact.time_base,
                    schedule: fact.schedule.clone(),
                    transaction: fact.transaction.clone(),
                    is_within_limits: fact.is_within_limits,
                    told_at,
                };
                push(schedules, schedule);
            }
            Event::StationPriorityChargingTold(fact) => self.prioritise(fact),
            _ => {}
        }
    }

    /// A transaction is over, and with it what was for it alone (1.6: section 3.13.1; 2.x: part
    /// 2, K01). `place`: where it was, unless another has begun there since.
    pub fn end_transaction(&mut self, transaction: &str, place: Option<ChargingPlace>) {
        self.give_up(|kept| {
            let is_of_it = match &kept.profile.transaction {
                Some(of) => of == transaction,
                // A remote start brings a profile before there is a transaction.
                None => Some(kept.place) == place,
            };
            kept.profile.purpose == FOR_A_TRANSACTION && is_of_it
        });
        let goes_on = |at: ChargingPlace, of: &Option<TransactionName>| match of {
            Some(of) => of.as_str() != transaction,
            None => Some(at) != place,
        };
        self.told.needs.retain(|it| goes_on(it.place, &it.transaction));
        self.told.schedules.retain(|it| goes_on(it.place, &it.transaction));
        self.told.priorities.retain(|of| of.as_str() != transaction);
    }

    /// A profile takes the place of the one with its number, or with its place, purpose and level
    /// (1.6: section 5.16.4; 2.x: K01.FR.05, K01.FR.06). One for a transaction takes the place of
    /// all that were for another one there: that is over.
    fn keep(&mut self, new: KeptProfile) {
        self.give_up(|kept| is_replaced(kept, &new));
        while !self.profiles.is_empty() && !self.has_room_for(&new) {
            self.told.left_out = self.told.left_out.saturating_add(1);
            let is_lasting = |kept: &KeptProfile| kept.profile.purpose != FOR_A_TRANSACTION;
            let order = |kept: &KeptProfile| (is_lasting(kept), kept.told_at);
            let first = self.profiles.iter().min_by_key(|(_, kept)| order(kept));
            let Some(shelf) = first.map(|(shelf, _)| *shelf) else { break };
            self.profiles.remove(&shelf);
            self.changed.insert(shelf);
        }
        let free = (0..PROFILES_MAX).find(|shelf| !self.profiles.contains_key(shelf));
        if let Some(shelf) = free {
            self.profiles.insert(shelf, new);
            self.changed.insert(shelf);
        }
    }

    fn has_room_for(&self, new: &KeptProfile) -> bool {
        let all = self.profiles().chain([new]);
        let periods: usize = all.map(|kept| periods_of(&kept.profile.schedules)).sum();
        self.profiles.len() < usize::from(PROFILES_MAX) && periods <= PERIODS_MAX
    }

    fn give_up(&mut self, is_over: impl Fn(&KeptProfile) -> bool) {
        let shelves = self.profiles.iter().filter(|(_, kept)| is_over(kept));
        let shelves: Vec<u16> = shelves.map(|(shelf, _)| *shelf).collect();
        for shelf in shelves {
            self.profiles.remove(&shelf);
            self.changed.insert(shelf);
        }
    }

    /// A dynamic profile has one period; from its last update on it holds as long as it says.
    fn update(&mut self, fact: &StationChargingScheduleUpdated, told_at: Timestamp) {
        for (shelf, kept) in &mut self.profiles {
            if kept.profile.profile_id != fact.profile_id || kept.profile.kind != DYNAMIC {
                continue;
            }
            let periods = kept.profile.schedules.iter_mut().flat_map(|one| &mut one.periods);
            for period in periods {
                period.limit = fact.limit.or(period.limit);
                period.setpoint = fact.setpoint.or(period.setpoint);
                period.discharge_limit = fact.discharge_limit.or(period.discharge_limit);
            }
            kept.told_at = told_at;
            self.changed.insert(*shelf);
        }
    }

    fn need(&mut self, fact: &StationChargingNeedsTold, told_at: Timestamp) {
        self.told.needs.retain(|it| it.place != fact.place);
        if let Some(transaction) = &fact.transaction {
            self.name_transaction(transaction, fact, told_at);
        }
        let needs = VehicleNeeds {
            place: fact.place,
            needs: fact.needs.clone(),
            transaction: fact.transaction.clone(),
            shortfall_wh: fact.shortfall_wh,
            refused: 0,
            exchange: fact.exchange,
            told_at,
        };
        push(&mut self.told.needs, needs);
    }

    /// What a remote start brought is for the first transaction there that is heard to need
    /// something, and for no later one.
    fn name_transaction(
        &mut self,
        transaction: &TransactionName,
        fact: &StationChargingNeedsTold,
        heard_at: Timestamp,
    ) {
        for (shelf, kept) in &mut self.profiles {
            let profile = &kept.profile;
            let is_unnamed = profile.purpose == FOR_A_TRANSACTION && profile.transaction.is_none();
            let is_its = || is_brought_for(kept, fact.remote_start_id, heard_at);
            if is_unnamed && kept.place == fact.place && is_its() {
                kept.profile.transaction = Some(transaction.as_str().to_owned());
                self.changed.insert(*shelf);
            }
        }
    }

    fn prioritise(&mut self, fact: &StationPriorityChargingTold) {
        self.told.priorities.retain(|of| *of != fact.transaction);
        if fact.is_active {
            push(&mut self.told.priorities, fact.transaction.clone());
        }
    }
}

fn is_replaced(kept: &KeptProfile, new: &KeptProfile) -> bool {
    let (old, new_profile) = (&kept.profile, &new.profile);
    if old.profile_id == new_profile.profile_id {
        return true;
    }
    let is_alike_in_kind = kept.place == new.place && old.purpose == new_profile.purpose;
    let is_for_a_transaction = old.purpose == FOR_A_TRANSACTION;
    let is_of_another = is_for_a_transaction
        && match (&old.transaction, &new_profile.transaction) {
            (Some(old), Some(new)) => old != new,
            // In 2.x only a remote start brings one that names none (K01.FR.03): the next one's
            // takes its place.
            (None, None) => kept.place.evse.is_some() && kept.source == new.source,
            _ => false,
        };
    let is_of_the_same = !is_for_a_transaction || old.transaction == new_profile.transaction;
    let is_alike =
        is_of_the_same && kept.source == new.source && old.stack_level == new_profile.stack_level;
    is_alike_in_kind && (is_of_another || is_alike)
}

fn is_cleared(kept: &KeptProfile, fact: &StationChargingProfilesCleared) -> bool {
    if let Some(profile_id) = fact.profile_id {
        return kept.profile.profile_id == profile_id;
    }
    kept.source == OURSELVES
        && fact.place.is_none_or(|place| place == kept.place)
        && fact.purpose.as_ref().is_none_or(|purpose| *purpose == kept.profile.purpose)
        && fact.stack_level.is_none_or(|level| level == kept.profile.stack_level)
}

fn periods_of(schedules: &[ChargingSchedule]) -> usize {
    schedules.iter().map(|schedule| schedule.periods.len()).sum()
}

fn push<T>(kept: &mut Vec<T>, new: T) {
    if kept.len() >= PLACES_MAX {
        kept.remove(0);
    }
    kept.push(new);
}

/// The newest of them that have no more periods together than are carried.
fn newest<T>(mut kept: Vec<T>, of: impl Fn(&T) -> (Timestamp, &Vec<ChargingSchedule>)) -> Vec<T> {
    kept.sort_by_key(|it| std::cmp::Reverse(of(it).0));
    let mut periods = 0;
    kept.retain(|it| {
        let own = periods_of(of(it).1);
        let fits = periods + own <= PERIODS_MAX;
        periods += if fits { own } else { 0 };
        fits
    });
    kept
}

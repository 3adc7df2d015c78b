//! What is known of the charging at a station: a fold of what it accepted, reported and was told.
//!
//! It knows what a station said that it keeps. What of that holds at an instant, the station
//! alone decides.

use crate::events::Event;
use crate::events::v1::{
    ChargingNeeds, ChargingPlace, ChargingProfile, ChargingSchedule, StationChargingProfilesCleared,
};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// Profiles of one station that are kept; the oldest gives way.
const PROFILES_MAX: usize = 256;
/// Limits, needs and schedules of one station that are kept, of each so many.
const PLACES_MAX: usize = 64;
/// Who sets the profiles that we send (ChargingLimitSourceEnumType).
const OURSELVES: &str = "CSO";
/// The purpose of profiles that are for one transaction.
const FOR_A_TRANSACTION: &str = "TxProfile";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingPlan {
    /// The profiles that the station keeps.
    pub profiles: Vec<KeptProfile>,
    /// Limits from outside that hold.
    pub limits: Vec<OutsideLimit>,
    /// What vehicles need, the last word at each place.
    pub needs: Vec<VehicleNeeds>,
    /// How vehicles mean to charge, the last word at each place.
    pub schedules: Vec<VehicleSchedule>,
}

/// A profile that a station keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptProfile {
    /// Where it holds.
    pub place: ChargingPlace,
    /// Who set it, in OCPP's word; `CSO` is us.
    pub source: String,
    /// The profile.
    pub profile: ChargingProfile,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

/// A limit from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideLimit {
    /// Where it holds.
    pub place: ChargingPlace,
    /// Who set it, in OCPP's word.
    pub source: String,
    /// Whether the grid is in danger, where the station says.
    pub is_grid_critical: Option<bool>,
    /// What it allows.
    pub schedules: Vec<ChargingSchedule>,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

/// What a vehicle needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleNeeds {
    /// Where it is.
    pub place: ChargingPlace,
    /// What it needs.
    pub needs: ChargingNeeds,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
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
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

impl ChargingPlan {
    /// Takes in one event of the station, or of a command to it.
    pub fn apply(&mut self, event: &Event, told_at: Timestamp) {
        match event {
            Event::StationChargingProfileSet(fact) => {
                let (place, profile) = (fact.place, fact.profile.clone());
                let source = OURSELVES.to_owned();
                self.keep(KeptProfile { place, source, profile, told_at });
            }
            Event::StationChargingProfilesReported(fact) => {
                for profile in &fact.profiles {
                    let (place, profile) = (fact.place, profile.clone());
                    self.keep(KeptProfile { place, source: fact.source.clone(), profile, told_at });
                }
            }
            Event::StationChargingProfilesCleared(fact) => {
                self.profiles.retain(|kept| !is_cleared(kept, fact));
            }
            Event::StationChargingLimitTold(fact) => {
                self.limits.retain(|it| it.place != fact.place || it.source != fact.source);
                push(
                    &mut self.limits,
                    PLACES_MAX,
                    OutsideLimit {
                        place: fact.place,
                        source: fact.source.clone(),
                        is_grid_critical: fact.is_grid_critical,
                        schedules: fact.schedules.clone(),
                        told_at,
                    },
                );
            }
            // One that names no EVSE is over everywhere.
            Event::StationChargingLimitCleared(fact) => self.limits.retain(|it| {
                let is_there = fact.place == ChargingPlace::default() || it.place == fact.place;
                it.source != fact.source || !is_there
            }),
            Event::StationChargingNeedsTold(fact) => {
                self.needs.retain(|it| it.place != fact.place);
                let (place, needs) = (fact.place, fact.needs.clone());
                push(&mut self.needs, PLACES_MAX, VehicleNeeds { place, needs, told_at });
            }
            Event::StationVehicleScheduleTold(fact) => {
                self.schedules.retain(|it| it.place != fact.place);
                push(
                    &mut self.schedules,
                    PLACES_MAX,
                    VehicleSchedule {
                        place: fact.place,
                        time_base: fact.time_base,
                        schedule: fact.schedule.clone(),
                        told_at,
                    },
                );
            }
            _ => {}
        }
    }

    /// A profile takes the place of the one with its number, or with its place, purpose and level
    /// (1.6: section 5.16.4; 2.x: K01.FR.05, K01.FR.06).
    fn keep(&mut self, new: KeptProfile) {
        self.profiles.retain(|kept| {
            let is_alike = kept.place == new.place
                && kept.source == new.source
                && kept.profile.purpose == new.profile.purpose
                && kept.profile.stack_level == new.profile.stack_level
                && (new.profile.purpose != FOR_A_TRANSACTION
                    || kept.profile.transaction == new.profile.transaction);
            kept.profile.profile_id != new.profile.profile_id && !is_alike
        });
        push(&mut self.profiles, PROFILES_MAX, new);
    }
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

fn push<T>(kept: &mut Vec<T>, most: usize, new: T) {
    if kept.len() >= most {
        kept.remove(0);
    }
    kept.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::v1::{StationChargingProfileSet, StationChargingProfilesReported};
    use crate::ids::{EventId, EvseNumber};
    use uuid::Uuid;

    const EXCHANGE: EventId = EventId(Uuid::nil());

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_348_800_000).expect("an instant")
    }

    fn evse(number: u32) -> ChargingPlace {
        ChargingPlace { evse: Some(EvseNumber(number)), connector: None }
    }

    fn profile(profile_id: i64, purpose: &str, stack_level: u32) -> ChargingProfile {
        ChargingProfile {
            profile_id,
            stack_level,
            purpose: purpose.to_owned(),
            kind: "Absolute".to_owned(),
            recurrency: None,
            valid_from: None,
            valid_to: None,
            transaction: None,
            schedules: Vec::new(),
        }
    }

    fn set(plan: &mut ChargingPlan, place: ChargingPlace, profile: ChargingProfile) {
        let fact = StationChargingProfileSet { place, profile, exchange: EXCHANGE };
        plan.apply(&fact.into(), now());
    }

    fn numbers(plan: &ChargingPlan) -> Vec<i64> {
        plan.profiles.iter().map(|kept| kept.profile.profile_id).collect()
    }

    #[test]
    fn a_profile_takes_the_place_of_its_number_or_of_its_level() {
        let mut plan = ChargingPlan::default();
        set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
        set(&mut plan, evse(1), profile(2, "TxDefaultProfile", 1));
        set(&mut plan, evse(2), profile(3, "TxDefaultProfile", 0));
        assert_eq!(numbers(&plan), [1, 2, 3]);
        set(&mut plan, evse(1), profile(4, "TxDefaultProfile", 0));
        assert_eq!(numbers(&plan), [2, 3, 4]);
        set(&mut plan, evse(2), profile(2, "TxProfile", 5));
        assert_eq!(numbers(&plan), [3, 4, 2]);
        let source = "EMS".to_owned();
        let profiles = vec![profile(9, "TxProfile", 5)];
        let (place, exchange) = (evse(2), EXCHANGE);
        let fact = StationChargingProfilesReported { place, source, profiles, exchange };
        plan.apply(&fact.into(), now());
        assert_eq!(numbers(&plan), [3, 4, 2, 9], "another's stands beside ours");
    }

    #[test]
    fn what_is_cleared_is_what_was_named() {
        let check = |changes: fn(&mut StationChargingProfilesCleared), left: &[i64]| {
            let mut plan = ChargingPlan::default();
            set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
            set(&mut plan, evse(1), profile(2, "TxProfile", 1));
            set(&mut plan, ChargingPlace::default(), profile(3, "ChargingStationMaxProfile", 0));
            let mut fact = StationChargingProfilesCleared {
                profile_id: None,
                place: None,
                purpose: None,
                stack_level: None,
                exchange: EXCHANGE,
            };
            changes(&mut fact);
            plan.apply(&fact.into(), now());
            assert_eq!(numbers(&plan), left);
        };
        check(|_| {}, &[]);
        check(|fact| fact.profile_id = Some(2), &[1, 3]);
        check(|fact| fact.place = Some(evse(1)), &[3]);
        check(|fact| fact.purpose = Some("TxDefaultProfile".to_owned()), &[2, 3]);
        check(|fact| fact.stack_level = Some(0), &[2]);
    }
}

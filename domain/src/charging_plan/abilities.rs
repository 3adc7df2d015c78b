//! What a station takes of charging profiles, as its own variables say: profiles that we make
//! ourselves keep to it (1.6: section 9.4; 2.x: part 2, SmartChargingCtrlr).

use crate::events::v1::{CONFIGURATION, ChargingAbilities, ComponentName, VariableName};

/// The component of 2.x that says it.
const CONTROLLER: &str = "SmartChargingCtrlr";
/// Most periods of a schedule, by the versions' names of it.
const PERIODS: &[&str] = &["PeriodsPerSchedule", "ChargingScheduleMaxPeriods"];
/// The highest level.
const STACK_LEVEL: &[&str] = &["ProfileStackLevel", "ChargeProfileMaxStackLevel"];
/// The highest number of a limit from outside (2.1).
const EXTERNAL_NUMBER: &[&str] = &["MaxExternalConstraintsId"];
/// The highest number of a profile (OCPP's integer).
const PROFILE_NUMBER_MAX: u32 = i32::MAX.unsigned_abs();
/// What limits may be in.
const UNITS: &[&str] = &["RateUnit", "ChargingScheduleAllowedChargingRateUnit"];
/// The words for these in a schedule, and those of the variables that mean the same.
const UNIT_WORDS: &[(&str, &[&str])] = &[("A", &["A", "Current"]), ("W", &["W", "Power"])];

impl ChargingAbilities {
    /// What a value of a variable says of it; `None` where it is about something else.
    pub fn told_by(
        component: &ComponentName,
        variable: &VariableName,
        value: &str,
    ) -> Option<Self> {
        let is = |name: &str, word: &str| name.eq_ignore_ascii_case(word);
        if !is(&component.name, CONTROLLER) && !is(&component.name, CONFIGURATION) {
            return None;
        }
        let is_one_of = |names: &[&str]| names.iter().any(|name| is(&variable.name, name));
        let number = || value.trim().parse::<u32>().ok();
        let told = if is_one_of(PERIODS) {
            Self { periods_max: number().filter(|most| *most > 0), ..Self::default() }
        } else if is_one_of(STACK_LEVEL) {
            Self { stack_level_max: number(), ..Self::default() }
        } else if is_one_of(EXTERNAL_NUMBER) {
            Self { external_number_max: number().map(i64::from), ..Self::default() }
        } else if is_one_of(UNITS) {
            let listed = |words: &[&str]| {
                value.split(',').any(|given| words.iter().any(|word| is(given.trim(), word)))
            };
            let units = UNIT_WORDS.iter().filter(|(_, words)| listed(words));
            Self { units: units.map(|(unit, _)| (*unit).to_owned()).collect(), ..Self::default() }
        } else {
            return None;
        };
        (told != Self::default()).then_some(told)
    }

    /// Takes in what was told; `false` where it was known.
    pub fn learn(&mut self, told: &Self) -> bool {
        let before = self.clone();
        self.periods_max = told.periods_max.or(self.periods_max);
        self.stack_level_max = told.stack_level_max.or(self.stack_level_max);
        self.external_number_max = told.external_number_max.or(self.external_number_max);
        if !told.units.is_empty() {
            self.units.clone_from(&told.units);
        }
        *self != before
    }

    /// A number for a profile, drawn by `seed` from those that begin at `lowest`, or above the ones
    /// that the station keeps for limits from outside: it refuses a profile that has one of those
    /// (2.1, part 2, K01.FR.81). One that keeps them all leaves no number that it would take.
    pub fn profile_number(&self, lowest: u32, seed: u32) -> i32 {
        let kept = self.external_number_max.and_then(|most| u32::try_from(most).ok());
        let kept = kept.filter(|most| *most < PROFILE_NUMBER_MAX);
        let lowest = kept.map_or(lowest, |most| lowest.max(most + 1)).min(PROFILE_NUMBER_MAX);
        let number = lowest + seed % (PROFILE_NUMBER_MAX - lowest + 1);
        i32::try_from(number).unwrap_or(i32::MAX)
    }

    /// Whether limits may be in a unit, as far as is known.
    pub fn takes_unit(&self, unit: &str) -> bool {
        self.units.is_empty() || self.units.iter().any(|taken| taken == unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(component: &str, variable: &str, value: &str) -> Option<ChargingAbilities> {
        let name = component.to_owned();
        let component = ComponentName { name, instance: None, evse: None, connector: None };
        let variable = VariableName { name: variable.to_owned(), instance: None };
        ChargingAbilities::told_by(&component, &variable, value)
    }

    #[test]
    fn it_is_told_by_the_variables_of_every_version() {
        let nothing = ChargingAbilities::default;
        let units = |units: &[&str]| {
            let units = units.iter().map(|unit| (*unit).to_owned()).collect();
            Some(ChargingAbilities { units, ..nothing() })
        };
        let periods = Some(ChargingAbilities { periods_max: Some(3), ..nothing() });
        let level = Some(ChargingAbilities { stack_level_max: Some(0), ..nothing() });
        let number = Some(ChargingAbilities { external_number_max: Some(2_000), ..nothing() });
        for (component, variable, value, expected) in [
            (CONTROLLER, "PeriodsPerSchedule", "3", &periods),
            (CONFIGURATION, "ChargingScheduleMaxPeriods", " 3", &periods),
            (CONTROLLER, "ProfileStackLevel", "0", &level),
            (CONFIGURATION, "ChargeProfileMaxStackLevel", "0", &level),
            (CONTROLLER, "MaxExternalConstraintsId", "2000", &number),
            (CONTROLLER, "MaxExternalConstraintsId", "-1", &None),
            (CONTROLLER, "RateUnit", "A,W", &units(&["A", "W"])),
            (CONTROLLER, "RateUnit", "W", &units(&["W"])),
            (CONFIGURATION, "ChargingScheduleAllowedChargingRateUnit", "Current", &units(&["A"])),
            (CONFIGURATION, "ChargingScheduleAllowedChargingRateUnit", "power, x", &units(&["W"])),
            (CONTROLLER, "PeriodsPerSchedule", "0", &None),
            (CONTROLLER, "PeriodsPerSchedule", "many", &None),
            (CONTROLLER, "RateUnit", "VA", &None),
            (CONTROLLER, "Entries", "3", &None),
            ("DeviceDataCtrlr", "PeriodsPerSchedule", "3", &None),
        ] {
            assert_eq!(
                &told(component, variable, value),
                expected,
                "{component} {variable} {value}"
            );
        }
    }

    #[test]
    fn a_profile_has_no_number_that_is_kept_for_limits_from_outside() {
        let number = |kept: Option<i64>, lowest, seed| {
            let known =
                ChargingAbilities { external_number_max: kept, ..ChargingAbilities::default() };
            known.profile_number(lowest, seed)
        };
        for (kept, lowest, seed, expected) in [
            (None, 1, 0, 1),
            (None, 1, u32::MAX, 2),
            (None, 1 << 30, u32::MAX, i32::MAX),
            (None, 1 << 30, 1 << 30, 1 << 30),
            (Some(0), 1, 5, 6),
            (Some(2_000), 1, 0, 2_001),
            (Some(2_000), 1 << 30, 7, (1 << 30) + 7),
            (Some(2_147_400_000), 1 << 30, 0, 2_147_400_001),
            (Some(2_147_400_000), 1 << 30, 83_646, i32::MAX),
            (Some(2_147_400_000), 1 << 30, 83_647, 2_147_400_001),
            (Some(2_147_483_646), 1, 9, i32::MAX),
            (Some(2_147_483_647), 1, 9, 10),
            (Some(-1), 1, 9, 10),
        ] {
            assert_eq!(number(kept, lowest, seed), expected, "{kept:?} {lowest} {seed}");
        }
    }

    #[test]
    fn what_is_told_later_adds_to_what_is_known() {
        let mut known = ChargingAbilities::default();
        assert!(known.takes_unit("A"), "nothing is known");
        for (variable, value) in [("RateUnit", "W"), ("ProfileStackLevel", "2")] {
            let told = told(CONTROLLER, variable, value).expect("about charging profiles");
            assert!(known.learn(&told));
            assert!(!known.learn(&told), "it is known");
        }
        assert!(known.takes_unit("W") && !known.takes_unit("A"));
        assert_eq!(known.stack_level_max, Some(2));
    }
}

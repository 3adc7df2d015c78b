//! What is known of a 2.1 station's service to the grid, and of the batteries that were swapped
//! there: a fold of what it told (part 2, blocks R and S).

use crate::events::Event;
use crate::events::v1::{DerControl, StationBatteriesSwapped, StationDerAlarmTold};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Controls of one station that are kept; what comes on top is not.
const CONTROLS_MAX: usize = 256;
/// Kinds of controls whose alarms are known again: more than the standard has (22).
const ALARMS_MAX: usize = 64;
/// Swaps of one station that are kept; the oldest gives way.
const SWAPS_MAX: usize = 100;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEnergy {
    /// The controls for the grid that it has told of, by their ids.
    pub controls: BTreeMap<String, KnownControl>,
    /// The station's last word on each kind of control that has met with trouble: until when it
    /// has told of it.
    pub alarms_told_at: BTreeMap<String, Timestamp>,
    /// Batteries that were put in or taken out, oldest first.
    pub swaps: Vec<KnownSwap>,
}

/// A control for the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownControl {
    /// What it is, where the station has reported it.
    pub control: Option<DerControl>,
    /// Whether it is at work, where the station has told.
    pub has_started: Option<bool>,
    /// When the station told that, by its own clock.
    pub changed_at: Option<Timestamp>,
    /// When the station last spoke of it, by our clock.
    pub told_at: Timestamp,
}

/// Batteries that were put in or taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSwap {
    /// What happened.
    pub swap: StationBatteriesSwapped,
    /// When the station told of it, by our clock.
    pub told_at: Timestamp,
}

impl StationEnergy {
    /// Takes in an event of the station's; whether it is news. What comes late or again is none.
    pub fn apply(&mut self, event: &Event, recorded_at: Timestamp) -> bool {
        match event {
            Event::StationDerAlarmTold(fact) => self.alarm(fact),
            Event::StationDerControlTold(fact) => {
                for id in &fact.superseded {
                    self.started(id, false, fact.at, recorded_at);
                }
                self.started(&fact.control_id, fact.has_started, fact.at, recorded_at)
            }
            Event::StationDerControlsReported(fact) => {
                for control in &fact.controls {
                    if let Some(known) = self.control(&control.control_id, recorded_at) {
                        known.control = Some(control.clone());
                        known.told_at = recorded_at;
                    }
                }
                true
            }
            Event::StationBatteriesSwapped(fact) => self.swapped(fact, recorded_at),
            _ => false,
        }
    }

    fn alarm(&mut self, fact: &StationDerAlarmTold) -> bool {
        let known = self.alarms_told_at.get(&fact.control_type).copied();
        if known.is_some_and(|known| known > fact.at) {
            return false;
        }
        if known.is_some() || self.alarms_told_at.len() < ALARMS_MAX {
            self.alarms_told_at.insert(fact.control_type.clone(), fact.at);
        }
        true
    }

    fn started(&mut self, id: &str, has_started: bool, at: Timestamp, now: Timestamp) -> bool {
        let Some(known) = self.control(id, now) else { return false };
        if known.changed_at.is_some_and(|changed_at| changed_at > at) {
            return false;
        }
        known.has_started = Some(has_started);
        known.changed_at = Some(at);
        known.told_at = now;
        true
    }

    fn control(&mut self, id: &str, told_at: Timestamp) -> Option<&mut KnownControl> {
        if self.controls.len() >= CONTROLS_MAX && !self.controls.contains_key(id) {
            return None;
        }
        let unknown = KnownControl { control: None, has_started: None, changed_at: None, told_at };
        Some(self.controls.entry(id.to_owned()).or_insert(unknown))
    }

    fn swapped(&mut self, fact: &StationBatteriesSwapped, told_at: Timestamp) -> bool {
        let what = |swap: &StationBatteriesSwapped| {
            let serial_numbers = swap.batteries.iter().map(|battery| battery.serial_number.clone());
            (swap.request_id, swap.kind.clone(), serial_numbers.collect::<Vec<_>>())
        };
        if self.swaps.iter().any(|known| what(&known.swap) == what(fact)) {
            return false;
        }
        if self.swaps.len() >= SWAPS_MAX {
            self.swaps.remove(0);
        }
        self.swaps.push(KnownSwap { swap: fact.clone(), told_at });
        true
    }
}

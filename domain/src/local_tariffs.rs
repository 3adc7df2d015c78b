//! The tariffs that a 2.1 station holds to compute costs by itself, as its answers tell. Ours is
//! what is billed: see [`crate::session::station_cost_differs`].

use crate::events::Event;
use crate::events::v1::HeldTariff;
use crate::ids::EvseNumber;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// The station's word for a tariff of whoever has no other.
const DEFAULT_TARIFF: &str = "DefaultTariff";
/// The EVSE that stands for every one.
const EVERY_EVSE: EvseNumber = EvseNumber(0);
/// Tariffs of one station that are kept; the oldest gives way.
const TARIFFS_MAX: usize = 64;

/// What is known of the tariffs at a station.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTariffs {
    /// The tariffs, each at one EVSE; the one that was told last comes last.
    pub held: Vec<LocalTariff>,
}

/// A tariff at an EVSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTariff {
    /// At which EVSE; 0 is every one.
    pub evse: EvseNumber,
    /// The tariff (`tariffId`).
    pub tariff: String,
    /// The station's word: `DefaultTariff`, `DriverTariff`.
    pub kind: String,
    /// From when on it holds; at once if absent.
    pub valid_from: Option<Timestamp>,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

impl LocalTariffs {
    /// Takes in what a station has told at a time of our clock.
    pub fn apply(&mut self, event: &Event, told_at: Timestamp) {
        match event {
            Event::StationDefaultTariffSet(fact) => {
                // One that is yet to come leaves the one in force beside it (I07).
                let is_replaced = |held: &LocalTariff| {
                    held.kind == DEFAULT_TARIFF
                        && is_within(held.evse, fact.evse)
                        && (fact.valid_from.is_none_or(|from| from <= told_at)
                            || held.valid_from == fact.valid_from)
                };
                self.held.retain(|held| !is_replaced(held));
                self.push(LocalTariff {
                    evse: fact.evse,
                    tariff: fact.tariff.clone(),
                    kind: DEFAULT_TARIFF.to_owned(),
                    valid_from: fact.valid_from,
                    told_at,
                });
            }
            Event::StationTariffsCleared(fact) => {
                let is_cleared = |held: &LocalTariff| {
                    (fact.tariffs.is_empty() || fact.tariffs.contains(&held.tariff))
                        && fact.evse.is_none_or(|evse| is_within(held.evse, evse))
                };
                self.held.retain(|held| !is_cleared(held));
            }
            Event::StationTariffsReported(fact) => {
                self.held.retain(|held| !is_within(held.evse, fact.evse));
                for held in &fact.tariffs {
                    self.report(held, fact.evse, told_at);
                }
            }
            _ => {}
        }
    }

    /// One that names no EVSE is at the one that was asked about.
    fn report(&mut self, held: &HeldTariff, asked: EvseNumber, told_at: Timestamp) {
        let evses = if held.evses.is_empty() { &[asked][..] } else { &held.evses };
        for evse in evses {
            let known = LocalTariff {
                evse: *evse,
                tariff: held.tariff.clone(),
                kind: held.kind.clone(),
                valid_from: held.valid_from,
                told_at,
            };
            self.held.retain(|it| {
                (it.evse, &it.tariff, &it.kind) != (known.evse, &known.tariff, &known.kind)
            });
            self.push(known);
        }
    }

    fn push(&mut self, tariff: LocalTariff) {
        if self.held.len() >= TARIFFS_MAX {
            self.held.remove(0);
        }
        self.held.push(tariff);
    }
}

/// Whether what holds at an EVSE is among what a place names.
fn is_within(evse: EvseNumber, place: EvseNumber) -> bool {
    place == EVERY_EVSE || evse == place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::v1::{
        StationDefaultTariffSet, StationTariffsCleared, StationTariffsReported,
    };
    use crate::ids::EventId;
    use uuid::Uuid;

    const EXCHANGE: EventId = EventId(Uuid::nil());

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000).expect("an instant")
    }

    fn set(evse: u32, tariff: &str, valid_from: Option<i64>) -> Event {
        let (tariff, valid_from) = (tariff.to_owned(), valid_from.map(at));
        let (evse, exchange) = (EvseNumber(evse), EXCHANGE);
        StationDefaultTariffSet { evse, tariff, valid_from, exchange }.into()
    }

    fn cleared(evse: Option<u32>, tariffs: &[&str]) -> Event {
        let tariffs = tariffs.iter().map(|tariff| (*tariff).to_owned()).collect();
        let (evse, exchange) = (evse.map(EvseNumber), EXCHANGE);
        StationTariffsCleared { evse, tariffs, exchange }.into()
    }

    fn reported(evse: u32, held: &[(&str, &str, &[u32])]) -> Event {
        let tariffs = held.iter().map(|(tariff, kind, evses)| HeldTariff {
            tariff: (*tariff).to_owned(),
            kind: (*kind).to_owned(),
            evses: evses.iter().copied().map(EvseNumber).collect(),
            valid_from: None,
        });
        let (evse, exchange) = (EvseNumber(evse), EXCHANGE);
        StationTariffsReported { evse, tariffs: tariffs.collect(), exchange }.into()
    }

    #[test]
    fn what_a_station_holds_follows_from_what_it_has_told() {
        let default = |tariff| (tariff, DEFAULT_TARIFF, &[1][..]);
        let check = |told: &[Event], expected: &[(u32, &str)]| {
            let mut tariffs = LocalTariffs::default();
            told.iter().for_each(|event| tariffs.apply(event, at(1_000)));
            let held = tariffs.held.iter().map(|held| (held.evse.0, held.tariff.as_str()));
            assert_eq!(held.collect::<Vec<_>>(), expected, "{told:?}");
        };
        check(&[set(1, "A", None), set(1, "B", None)], &[(1, "B")]);
        check(&[set(1, "A", None), set(2, "B", None)], &[(1, "A"), (2, "B")]);
        check(&[set(1, "A", None), set(0, "B", None)], &[(0, "B")]);
        let later = [set(1, "A", None), set(1, "B", Some(2_000)), set(1, "C", Some(2_000))];
        check(&later, &[(1, "A"), (1, "C")]);
        check(&[set(1, "A", None), set(2, "B", None), cleared(None, &["A"])], &[(2, "B")]);
        check(&[set(1, "A", None), set(2, "A", None), cleared(Some(2), &["A"])], &[(1, "A")]);
        check(&[set(1, "A", None), set(2, "B", None), cleared(None, &[])], &[]);
        let drivers = [set(1, "A", None), reported(1, &[("D", "DriverTariff", &[])])];
        check(&drivers, &[(1, "D")]);
        let both = [set(2, "A", None), reported(1, &[default("B")]), set(1, "C", None)];
        check(&both, &[(2, "A"), (1, "C")]);
    }
}

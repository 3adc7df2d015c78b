//! How a station is treated: what an operator sets, and what was noticed of its dialect.

use super::{Registered, Registry, RegistryError};
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Dialect, Quirk, Registration, StationQuirkNoticed, StationSettings, StationSettingsChanged,
};
use chargebook_domain::ids::EventId;

/// What may change about how a station is treated; what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingsChange {
    /// What its next BootNotification is answered.
    pub registration: Option<Registration>,
    /// Whether it is sent nothing but what somebody asked for.
    pub quiet: Option<bool>,
    /// Whether its messages may be compressed.
    pub compression: Option<bool>,
    /// What it does otherwise than the standard and is understood in: all of it.
    pub dialect: Option<Dialect>,
    /// Whether it shows drivers what charging costs, and is told; `Some(None)`: as itself says.
    pub shows_cost: Option<Option<bool>>,
    /// Whether it is told tariffs, to compute costs by them itself.
    pub local_tariffs: Option<bool>,
    /// Whether energy may flow back from vehicles there.
    pub allows_discharging: Option<bool>,
}

impl SettingsChange {
    /// The settings that come of it.
    pub fn applied_to(self, settings: StationSettings) -> StationSettings {
        StationSettings {
            registration: self.registration.unwrap_or(settings.registration),
            quiet: self.quiet.unwrap_or(settings.quiet),
            compression: self.compression.unwrap_or(settings.compression),
            dialect: self.dialect.unwrap_or(settings.dialect),
            shows_cost: self.shows_cost.unwrap_or(settings.shows_cost),
            local_tariffs: self.local_tariffs.unwrap_or(settings.local_tariffs),
            allows_discharging: self.allows_discharging.unwrap_or(settings.allows_discharging),
        }
    }

    /// Whether a station that is treated so was registered with the same meaning. That costs are
    /// not shown was not kept before stations could say it themselves: it was the default.
    pub(super) fn means(self, settings: StationSettings) -> bool {
        let asked = self.applied_to(StationSettings::default());
        let kept = match (asked.shows_cost, settings.shows_cost) {
            (Some(false), None) => StationSettings { shows_cost: None, ..asked },
            _ => asked,
        };
        kept == settings
    }

    /// The fact, where it changes something.
    pub(super) fn fact(self, settings: StationSettings) -> Option<Event> {
        let changed = self.applied_to(settings);
        (changed != settings).then(|| StationSettingsChanged { settings: changed }.into())
    }
}

/// The facts about quirks that were not noticed before.
pub(crate) fn noticed(
    state: &StationState,
    quirks: Dialect,
    exchange: Option<EventId>,
) -> impl Iterator<Item = Event> + use<> {
    let fresh = quirks.without(state.noticed);
    fresh.quirks().map(move |quirk| StationQuirkNoticed { quirk, exchange }.into())
}

impl Registry {
    /// Notes that a station was seen to do something that a dialect would understand; what was
    /// noticed before is not noted again.
    ///
    /// # Errors
    /// No such station, or the log.
    pub async fn notice_quirk(&self, id: &str, quirk: Quirk) -> Result<Registered, RegistryError> {
        let quirks = Dialect::from_iter([quirk]);
        self.amend_station(id, "system", |state| noticed(state, quirks, None).collect()).await
    }
}

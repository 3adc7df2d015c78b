//! Stations: registering them, their passwords, and loading what is known of them.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError, SettingsChange};
use crate::journal::{Draft, JournalError, is_exchange, read_event};
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    PasswordVerifier, StationConnectorDeclared, StationMonthOpened, StationPasswordChanged,
    StationRegistered, StationSecurityProfileRequired, StationSerialNumberSet, StationSettings,
    StationSiteAssigned,
};
use chargebook_domain::ids::{
    ConnectorNumber, EvseNumber, Outlet, SiteId, StationId, StationIdentity,
};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, Appended, ExpectedVersion, LookupKey, StreamName};
use std::collections::BTreeSet;

/// Longest password, in characters: OCPP 2.x allows 40, hex of it doubles that.
const PASSWORD_CHARACTERS_MAX: usize = 128;
/// A station to be registered.
#[derive(Clone, Debug, Default)]
pub struct StationRegistration {
    /// Its name in the URL.
    pub id: String,
    /// Its password; without one it is admitted without one.
    pub password: Option<String>,
    /// The site, by its name.
    pub site: Option<String>,
    /// Its serial number, where an operator knows it.
    pub serial_number: Option<String>,
    /// How it is treated, where that differs from the default.
    pub settings: SettingsChange,
}

/// What may change about a station; what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct StationChange<'a> {
    /// The new password; the old one counts no more.
    pub password: Option<&'a str>,
    /// The site it stands at now, by its name.
    pub site: Option<&'a str>,
    /// The serial number that an operator knows it by; `Some(None)`: none any more.
    pub serial_number: Option<Option<&'a str>>,
    /// The lowest OCPP security profile that it is let in with.
    pub security_profile: Option<u8>,
    /// How it is treated.
    pub settings: SettingsChange,
}

/// An operator's password is the only one that counts: those of the station's network connection
/// profiles end as well.
fn own_password_alone(state: &StationState, own: PasswordVerifier) -> Vec<Event> {
    let own = StationPasswordChanged { password: Some(own), configuration_slot: None };
    let slots: BTreeSet<_> =
        state.profile_passwords.iter().map(|known| known.configuration_slot).collect();
    let ended = slots.into_iter().map(|slot| {
        StationPasswordChanged { password: None, configuration_slot: Some(slot) }.into()
    });
    std::iter::once(own.into()).chain(ended).collect()
}

/// A connector as an operator describes it.
#[derive(Clone, Debug)]
pub struct ConnectorDeclaration {
    /// Its EVSE, at a 2.x station.
    pub evse: Option<u32>,
    /// Its number.
    pub connector: u32,
    /// EVSE id (eMI3).
    pub evse_id: Option<String>,
    /// OCPI word for the plug.
    pub plug: Option<String>,
    /// What it can deliver at most, in W.
    pub power_w_max: Option<u32>,
}

impl Registry {
    /// Registers a station; the same again is the same. [`crate::Chargebook::register_station`]
    /// is this for an operator who may be saying more than was kept before.
    pub async fn register_station(
        &self,
        registration: StationRegistration,
    ) -> Result<Registered, RegistryError> {
        let identity = StationIdentity::parse(&registration.id)
            .map_err(|e| RegistryError::invalid("/id", e.to_string()))?;
        if let Some(password) = &registration.password {
            let length = password.chars().count();
            if length == 0 || length > PASSWORD_CHARACTERS_MAX {
                return Err(RegistryError::invalid(
                    "/password",
                    format!("a password has 1 to {PASSWORD_CHARACTERS_MAX} characters"),
                ));
            }
        }
        let site_id = match &registration.site {
            None => None,
            Some(site) => Some(self.site_named(site).await?),
        };
        let key = self.personal.station_key(identity.as_str());
        let key_in_any_case = self.personal.station_key_in_any_case(identity.as_str());
        let _held = self.registering(&key_in_any_case).await;
        if let Some(known) = self.station(&registration.id).await? {
            let same_password = match (&known.password, &registration.password) {
                (None, None) => true,
                (Some(verifier), Some(password)) => {
                    self.verifies(known.station_id, verifier, password.as_bytes())
                }
                _ => false,
            };
            let position = *self.journal.store().head().borrow();
            let same_settings = registration.settings.means(known.settings);
            let same_place = known.site_id == site_id;
            let same_number = known.serial_number_registered == registration.serial_number;
            let is_same = same_password && same_place && same_number && same_settings;
            return match is_same {
                true => Ok(Registered { created: false, position }),
                false => Err(RegistryError::Conflict(format!(
                    "station `{identity}` is registered already, with another password, site, serial \
                     number or settings; change it with PATCH"
                ))),
            };
        }
        if let Some(other) = self.station_in_any_case(&identity).await? {
            return Err(RegistryError::Conflict(format!(
                "station `{other}` is registered already, and OCPP 2.x makes no difference of case"
            )));
        }
        let serial_number = registration.serial_number;
        let number_held = self.holding_serial_number(serial_number.as_deref(), None).await?;
        let _numbers_stay = match number_held {
            Some(_) => None,
            None => Some(self.serial_numbers.read().await),
        };
        self.check_is_no_serial_number(&identity).await?;
        let station_id = StationId(self.journal.clock().fresh_id());
        let password = registration.password.as_deref().map(|text| self.verifier(station_id, text));
        let fact = StationRegistered { station_id, station: identity.clone(), password, site_id };
        let registered =
            Draft::new(self.journal.fresh_id(), fact).by("operator").about(station_id).keyed(key);
        let registered = registered.keyed(key_in_any_case);
        let settings = registration
            .settings
            .fact(StationSettings::default())
            .map(|fact| Draft::new(self.journal.fresh_id(), fact).by("operator").about(station_id));
        let serial_number = serial_number.map(|serial_number| {
            let key = self.personal.serial_number_key(&serial_number);
            let fact = StationSerialNumberSet { serial_number: Some(serial_number) };
            let draft = Draft::new(self.journal.fresh_id(), fact).by("operator").about(station_id);
            draft.keyed(key)
        });
        let drafts: Vec<_> =
            std::iter::once(registered).chain(settings).chain(serial_number).collect();
        let month = StationState::month_of(self.journal.now());
        let stream = station_stream(station_id, &month)?;
        let appended = self.journal.append(&stream, ExpectedVersion::NoStream, &drafts).await?;
        Ok(Registered { created: true, position: appended.position })
    }

    async fn site_named(&self, site: &str) -> Result<SiteId, RegistryError> {
        let known = self.site(site).await?;
        known.map(|known| known.site_id).ok_or_else(|| {
            RegistryError::invalid("/site", format!("site `{site}` is not registered"))
        })
    }

    /// Changes a station's password, site or settings; in force at once, though a desk that is
    /// open learns of it only from [`crate::Chargebook::change_station`].
    pub(crate) async fn change_station(
        &self,
        id: &str,
        change: StationChange<'_>,
    ) -> Result<Registered, RegistryError> {
        let site_id = match change.site {
            Some(site) => Some(self.site_named(site).await?),
            None => None,
        };
        let given = change.serial_number.flatten();
        let station_id = match given {
            Some(_) => self.station(id).await?.map(|state| state.station_id),
            None => None,
        };
        let _number_held = self.holding_serial_number(given, station_id).await?;
        self.amend_station(id, "operator", |state| {
            let mut events: Vec<Event> = Vec::new();
            let serial_number = change.serial_number.map(|given| given.map(str::to_owned));
            if let Some(serial_number) =
                serial_number.filter(|given| *given != state.serial_number_registered)
            {
                events.push(StationSerialNumberSet { serial_number }.into());
            }
            if let Some(password) = change.password {
                let verifier = self.verifier(state.station_id, password);
                events.extend(own_password_alone(state, verifier));
            }
            if site_id.is_some() && site_id != state.site_id {
                events.push(StationSiteAssigned { site_id }.into());
            }
            let required = change.security_profile;
            if let Some(security_profile) =
                required.filter(|profile| *profile != state.security_profile_required)
            {
                events.push(StationSecurityProfileRequired { security_profile }.into());
            }
            events.extend(change.settings.fact(state.settings));
            events
        })
        .await
    }

    /// Describes a connector.
    pub async fn declare_connector(
        &self,
        id: &str,
        declaration: ConnectorDeclaration,
    ) -> Result<Registered, RegistryError> {
        let fact = StationConnectorDeclared {
            evse: declaration.evse.map(EvseNumber),
            connector: ConnectorNumber(declaration.connector),
            evse_id: declaration.evse_id,
            plug: declaration.plug,
            power_w_max: declaration.power_w_max,
        };
        self.amend_station(id, "operator", |state| {
            let outlet = Outlet { evse: fact.evse, connector: fact.connector };
            let known = state.connectors.get(&outlet);
            match known.and_then(|connector| connector.declared.as_ref()) == Some(&fact) {
                true => Vec::new(),
                false => vec![fact.clone().into()],
            }
        })
        .await
    }

    pub(crate) async fn amend_station(
        &self,
        id: &str,
        actor: &str,
        amend: impl Fn(&StationState) -> Vec<Event>,
    ) -> Result<Registered, RegistryError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let mut state = self
                .station(id)
                .await?
                .ok_or_else(|| RegistryError::NotFound(format!("no station `{id}`")))?;
            let events = amend(&state);
            if events.is_empty() {
                return Ok(self.unchanged());
            }
            let drafts = events.into_iter().map(|event| self.amendment(event, actor)).collect();
            match self.append_to_station(&mut state, drafts).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    return Ok(Registered { created: true, position: appended?.position });
                }
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    fn amendment(&self, event: Event, actor: &str) -> Draft {
        let key = match &event {
            Event::StationSerialNumberSet(fact) => fact.serial_number.as_deref(),
            _ => None,
        };
        let key = key.map(|serial_number| self.personal.serial_number_key(serial_number));
        let draft = Draft::new(self.journal.fresh_id(), event).by(actor.to_owned());
        match key {
            Some(key) => draft.keyed(key),
            None => draft,
        }
    }

    /// A station by its name, loaded from its latest month.
    pub async fn station(&self, identity: &str) -> Result<Option<StationState>, RegistryError> {
        let Ok(parsed) = StationIdentity::parse(identity) else { return Ok(None) };
        let key = self.personal.station_key(identity);
        let Some(stream) = self.journal.lookup(&key).await? else { return Ok(None) };
        Ok(self.load_station(&stream, parsed).await?)
    }

    /// The station whose month a stream is, loaded from its latest one.
    pub(crate) async fn station_of_stream(
        &self,
        stream: &StreamName,
    ) -> Result<Option<StationState>, RegistryError> {
        // Its month says what it is called.
        let unnamed = StationIdentity::parse(stream.category())
            .map_err(|e| RegistryError::NotFound(e.to_string()))?;
        let Some(state) = self.load_station(stream, unnamed).await? else { return Ok(None) };
        self.station(state.identity.as_str()).await
    }

    /// The identity of the station that was registered by this name in another case; none where
    /// there is one of exactly this name.
    pub(crate) async fn station_in_any_case(
        &self,
        identity: &StationIdentity,
    ) -> Result<Option<StationIdentity>, RegistryError> {
        let exact = self.personal.station_key(identity.as_str());
        if self.journal.lookup(&exact).await?.is_some() {
            return Ok(None);
        }
        let key = self.personal.station_key_in_any_case(identity.as_str());
        let Some(stream) = self.journal.lookup(&key).await? else { return Ok(None) };
        Ok(self.name_of(&stream).await?)
    }

    /// The name of the station whose month a stream is; its first event says it.
    async fn name_of(&self, stream: &StreamName) -> Result<Option<StationIdentity>, JournalError> {
        let first = self.journal.store().read_stream(stream, 0, 1).await?;
        let Some(first) = first.first() else { return Ok(None) };
        Ok(match read_event(first)? {
            Event::StationRegistered(fact) => Some(fact.station.clone()),
            Event::StationMonthOpened(fact) => Some(fact.carried.station.clone()),
            _ => None,
        })
    }

    async fn load_station(
        &self,
        stream: &StreamName,
        identity: StationIdentity,
    ) -> Result<Option<StationState>, JournalError> {
        let Some((station_id, month)) = parse_stream(stream) else { return Ok(None) };
        let mut state = StationState::new(station_id, identity, &month);
        self.journal
            .replay(stream, 0, |recorded| {
                match is_exchange(recorded) {
                    true => state.version = Some(recorded.version),
                    false => {
                        let recorded_at = Timestamp::new(recorded.recorded_at);
                        state.apply(recorded.version, recorded_at, &read_event(recorded)?);
                    }
                }
                Ok(())
            })
            .await?;
        Ok(state.version.is_some().then_some(state))
    }

    /// The key that finds a station in any case, and the station that it finds now: two that were
    /// registered before there was such a key may differ in case alone, and the first one keeps it.
    async fn key_in_any_case(
        &self,
        state: &StationState,
    ) -> Result<(LookupKey, Option<StationId>), JournalError> {
        let key = self.personal.station_key_in_any_case(state.identity.as_str());
        let found = self.journal.lookup(&key).await?;
        Ok((key, found.and_then(|stream| parse_stream(&stream)).map(|(holder, _)| holder)))
    }

    /// The key that finds a station in any case, where nothing has it yet and the next append
    /// does not write it anyway.
    pub(crate) async fn missing_key(
        &self,
        state: &StationState,
    ) -> Result<Option<LookupKey>, JournalError> {
        if StationState::month_of(self.journal.now()) > state.month {
            return Ok(None);
        }
        let (key, holder) = self.key_in_any_case(state).await?;
        Ok(holder.is_none().then_some(key))
    }

    /// Appends to a station's current month and takes the events in; opens the month where it
    /// is new. On `WrongVersion` the state is stale: load again.
    pub(crate) async fn append_to_station(
        &self,
        state: &mut StationState,
        mut drafts: Vec<Draft>,
    ) -> Result<Appended, JournalError> {
        let station_id = state.station_id;
        let now = self.journal.now();
        let month = StationState::month_of(now);
        let mut expected = state.version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        let mut current = month.clone();
        if month > state.month {
            let opened = StationMonthOpened {
                station_id,
                month: month.clone(),
                previous: station_stream(station_id, &state.month).ok().map(|s| s.to_string()),
                carried: state.carry_out(),
            };
            let mut draft = Draft::new(self.journal.fresh_id(), opened)
                .about(station_id)
                .keyed(self.personal.station_key(state.identity.as_str()));
            let (key, holder) = self.key_in_any_case(state).await?;
            if holder.is_none_or(|holder| holder == station_id) {
                draft = draft.keyed(key);
            }
            drafts.insert(0, draft);
            expected = ExpectedVersion::NoStream;
        } else {
            // A clock that went back a month changes nothing: the books stay open.
            current.clone_from(&state.month);
        }
        let drafts: Vec<_> = drafts.into_iter().map(|draft| draft.about(station_id)).collect();
        let stream = station_stream(station_id, &current)?;
        let appended = self.journal.append(&stream, expected, &drafts).await?;
        for (version, draft) in (expected.next()..).zip(&drafts) {
            state.apply(version, now, draft.event());
        }
        Ok(appended)
    }
}

fn station_stream(station_id: StationId, month: &str) -> Result<StreamName, JournalError> {
    StationState::stream_of(station_id, month)
        .ok_or_else(|| JournalError::Unwritable(format!("no stream for month `{month}`")))
}

/// `station-{uuid}-{yyyy-mm}`.
fn parse_stream(stream: &StreamName) -> Option<(StationId, String)> {
    let rest = stream.as_str().strip_prefix("station-")?;
    let (id, month) = (rest.get(..36)?, rest.get(37..)?);
    Some((id.parse().ok()?, month.to_owned()))
}

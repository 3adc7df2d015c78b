//! A station as a fold of its month's stream: what decisions about it need.

use crate::authority::V2G_CERTIFICATE;
use crate::ocsp::OcspStatus;
use crate::security_profile::{OTHER_SERIAL_NUMBER, REFUSALS};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    BootInformation, CarriedConnector, CarriedEvent, CarriedStation, ChargingAbilities,
    CostDisplay, Dialect, MessageLimit, MeterSample, OrphanStop, PasswordVerifier, ProfilePassword,
    Registration, ReportedEvent, SeenBy, SessionConnectorStatus, StationCertificateRequested,
    StationCertificateWithdrawn, StationConnectorDeclared, StationConnectorStatus,
    StationMeterRecorded, StationPaymentTold, StationSettings,
};
use chargebook_domain::ids::{
    ConnectorNumber, EventId, Outlet, SiteId, StationId, StationIdentity,
};
use chargebook_domain::message_limit::learn;
use chargebook_domain::units::Timestamp;
use chargebook_store::StreamName;
use std::collections::{BTreeMap, VecDeque};

/// Most connectors of one station that are kept track of.
pub(crate) const CONNECTORS_MAX: usize = 256;
/// Most passwords that were offered to a station and not answered; the oldest gives way.
const PASSWORDS_OFFERED_MAX: usize = 4;
/// Most certificates that let a station in: the one in use, and those that it got since.
const CERTIFICATES_MAX: usize = 8;
/// Most stops without a session that a station keeps; the oldest gives way (it stays in the
/// log and on the list for review).
pub(crate) const ORPHANS_MAX: usize = 64;

/// Most payments that a station told of before their transactions; the oldest gives way (it stays
/// in the log, where its transaction finds it, and on the list for review).
const PAYMENTS_MAX: usize = 16;

/// Reported events that are known again when a station repeats them; the oldest gives way.
const REPORTED_EVENTS_MAX: usize = 128;

/// The kind of a security event: two connections of one identity were alive at once.
pub(crate) const CLONE_SUSPECTED: &str = "clone_suspected";

/// Statuses of one connector outside sessions that are kept for a session whose start comes
/// later; the oldest gives way.
const EARLY_STATUSES_MAX: usize = 16;
/// Register readings of one connector outside sessions that are kept for such a session.
const EARLY_READINGS_MAX: usize = 32;

/// A station's state.
#[derive(Clone, Debug)]
pub struct StationState {
    /// Our id.
    pub station_id: StationId,
    /// Its name.
    pub identity: StationIdentity,
    /// What its password is checked against.
    pub password: Option<PasswordVerifier>,
    /// Passwords that were offered to it over OCPP and that count as well, oldest first.
    pub passwords_offered: Vec<PasswordVerifier>,
    /// Those of its network connection profiles, which count as well, oldest first (2.1).
    pub profile_passwords: Vec<ProfilePassword>,
    /// Where it stands.
    pub site_id: Option<SiteId>,
    /// Whether a BootNotification was ever accepted.
    pub accepted: bool,
    /// The answer to its last BootNotification, where that was not `Accepted`.
    pub unaccepted: Option<Registration>,
    /// How it is treated.
    pub settings: StationSettings,
    /// Quirks that were noticed.
    pub noticed: Dialect,
    /// When it was last suspected this month that somebody else uses its identity.
    pub clone_suspected_at: Option<Timestamp>,
    /// The OCPP security profile that it has accepted to use, and has not come with yet.
    pub security_profile_agreed: Option<u8>,
    /// The lowest OCPP security profile that it is let in with; 0: any.
    pub security_profile_required: u8,
    /// When it was last noted this month that somebody was refused in its name, by kind.
    pub refusals_noted_at: BTreeMap<&'static str, Timestamp>,
    /// The serial number that an operator knows it by.
    pub serial_number_registered: Option<String>,
    /// Whether the last boot named another number than that.
    pub has_other_serial_number: bool,
    /// The serial numbers of its certificates that let it in, oldest first.
    pub certificates: Vec<String>,
    /// The serial numbers of those that were signed for it to show to vehicles, oldest first: they
    /// let nobody in.
    pub v2g_certificates: Vec<String>,
    /// The last ones that were withdrawn, and when, oldest first.
    pub certificates_withdrawn: Vec<StationCertificateWithdrawn>,
    /// The certificate that it last asked for this month.
    pub certificate_requested: Option<Box<StationCertificateRequested>>,
    /// The last boot.
    pub boot: Option<BootInformation>,
    /// Its connectors.
    pub connectors: BTreeMap<Outlet, ConnectorState>,
    /// Connections so far.
    pub epoch: u64,
    /// The sub-protocol of its last connection; the live one's, where it is connected.
    pub protocol: Option<String>,
    /// Stops that have found no session yet.
    pub orphans: Vec<OrphanStop>,
    /// Payments that it told of before their transactions, oldest first, until their sessions have
    /// taken them in.
    pub payments: VecDeque<StationPaymentTold>,
    /// Whether any of them has given way.
    pub have_payments_given_way: bool,
    /// What is known of the charging there.
    pub charging: ChargingPlan,
    /// The last events that it reported (NotifyEvent), oldest first.
    pub reported_events: VecDeque<CarriedEvent>,
    /// How much it takes in one request of ours.
    pub message_limits: Vec<MessageLimit>,
    /// What it takes of charging profiles.
    pub charging_abilities: ChargingAbilities,
    /// What it has told of showing prices and costs.
    pub cost_display: CostDisplay,
    /// The month of the stream that is being written: `2026-11`.
    pub month: String,
    /// The stream's last version.
    pub version: Option<u64>,
}

/// A connector's state.
#[derive(Clone, Debug, Default)]
pub struct ConnectorState {
    /// The station's last word.
    pub status: Option<String>,
    /// The station's last error code.
    pub error_code: Option<String>,
    /// When.
    pub status_at: Option<Timestamp>,
    /// The exchange that said so.
    pub exchange: Option<EventId>,
    /// The operator's description.
    pub declared: Option<StationConnectorDeclared>,
    /// What it said this month that belonged to no session then: a start that comes after it
    /// may claim it.
    pub early: Early,
}

/// What a connector said outside sessions, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Early {
    /// Statuses.
    pub statuses: VecDeque<SessionConnectorStatus>,
    /// Readings of the import register, each with its exchange in its evidence.
    pub readings: VecDeque<MeterSample>,
}

impl Early {
    fn add_status(&mut self, fact: &StationConnectorStatus) {
        if self.statuses.len() >= EARLY_STATUSES_MAX {
            self.statuses.pop_front();
        }
        self.statuses.push_back(SessionConnectorStatus {
            evse: fact.evse,
            connector: fact.connector,
            status: fact.status.clone(),
            error_code: fact.error_code.clone(),
            at: fact.at,
            received_at: fact.received_at.unwrap_or(fact.at),
            exchange: fact.exchange,
        });
    }

    /// Readings that name a transaction we do not know belong to none of ours.
    fn add_readings(&mut self, fact: &StationMeterRecorded) {
        if fact.transaction_id.is_some_and(|id| id > 0) {
            return;
        }
        // Those of single phases bill nothing, and would push out what does.
        for sample in fact.samples.iter().filter(|sample| sample.is_import_register()) {
            if self.readings.len() >= EARLY_READINGS_MAX {
                self.readings.pop_front();
            }
            self.readings.push_back(sample.clone());
        }
    }
}

impl StationState {
    /// Before its first event.
    pub fn new(station_id: StationId, identity: StationIdentity, month: &str) -> Self {
        Self {
            station_id,
            identity,
            password: None,
            passwords_offered: Vec::new(),
            profile_passwords: Vec::new(),
            site_id: None,
            accepted: false,
            unaccepted: None,
            settings: StationSettings::default(),
            noticed: Dialect::STANDARD,
            clone_suspected_at: None,
            serial_number_registered: None,
            has_other_serial_number: false,
            certificates: Vec::new(),
            v2g_certificates: Vec::new(),
            certificates_withdrawn: Vec::new(),
            certificate_requested: None,
            security_profile_agreed: None,
            security_profile_required: 0,
            refusals_noted_at: BTreeMap::new(),
            boot: None,
            connectors: BTreeMap::new(),
            epoch: 0,
            protocol: None,
            orphans: Vec::new(),
            payments: VecDeque::new(),
            have_payments_given_way: false,
            charging: ChargingPlan::default(),
            reported_events: VecDeque::new(),
            message_limits: Vec::new(),
            charging_abilities: ChargingAbilities::default(),
            cost_display: CostDisplay::default(),
            month: month.to_owned(),
            version: None,
        }
    }

    /// The stream of a station's month.
    pub fn stream_of(station_id: StationId, month: &str) -> Option<StreamName> {
        StreamName::new(format!("station-{station_id}-{month}")).ok()
    }

    /// The month of an instant.
    pub fn month_of(at: Timestamp) -> String {
        at.utc().format("%Y-%m").to_string()
    }

    /// Takes in one event of its stream.
    pub fn apply(&mut self, version: u64, recorded_at: Timestamp, event: &Event) {
        self.version = Some(version);
        self.charging.apply(event, recorded_at);
        match event {
            Event::StationMonthOpened(fact) => self.carry_in(&fact.carried, &fact.month),
            Event::StationRegistered(fact) => {
                self.identity = fact.station.clone();
                self.password = fact.password.clone();
                self.site_id = fact.site_id;
            }
            Event::StationPasswordChanged(fact) => match fact.configuration_slot {
                Some(slot) => self.change_of_profile(slot, fact),
                None => {
                    self.password = fact.password.clone();
                    self.passwords_offered.clear();
                }
            },
            Event::StationPasswordOffered(fact) => match fact.configuration_slot {
                Some(slot) => self.offer_to_profile(slot, fact),
                None => {
                    if self.passwords_offered.len() >= PASSWORDS_OFFERED_MAX {
                        self.passwords_offered.remove(0);
                    }
                    self.passwords_offered.push(fact.password.clone());
                }
            },
            Event::StationPasswordDeclined(fact) => {
                self.passwords_offered.retain(|offered| *offered != fact.password);
                self.profile_passwords.retain(|known| known.password != fact.password);
            }
            Event::StationSiteAssigned(fact) => self.site_id = fact.site_id,
            Event::StationConnected(fact) => {
                self.epoch = self.epoch.max(fact.epoch);
                self.protocol = Some(fact.protocol.clone());
                self.use_certificate(fact.certificate_serial_number.as_deref());
            }
            Event::StationSerialNumberSet(fact) => {
                self.serial_number_registered.clone_from(&fact.serial_number);
                self.has_other_serial_number = false;
            }
            Event::StationSettingsChanged(fact) => self.settings = fact.settings,
            Event::StationSecurityNoted(fact) if fact.kind == CLONE_SUSPECTED => {
                self.clone_suspected_at = Some(fact.at);
            }
            Event::StationSecurityNoted(fact) if fact.seen_by == SeenBy::System => {
                let is_this = |kind: &&&str| **kind == fact.kind;
                if let Some(kind) = REFUSALS.iter().find(is_this) {
                    self.refusals_noted_at.insert(kind, fact.at);
                }
                self.has_other_serial_number |= fact.kind == OTHER_SERIAL_NUMBER;
            }
            Event::StationCertificateWithdrawn(fact) => {
                self.certificates.retain(|known| *known != fact.serial_number);
                self.v2g_certificates.retain(|known| *known != fact.serial_number);
                self.note_withdrawn(fact);
            }
            Event::StationCertificateRequested(fact) => {
                match &fact.issued {
                    Some(issued) if fact.kind.as_deref() == Some(V2G_CERTIFICATE) => {
                        self.add_v2g_certificate(&issued.serial_number);
                    }
                    Some(issued) => self.add_certificate(&issued.serial_number),
                    None => {}
                }
                self.certificate_requested = Some(fact.clone());
            }
            Event::StationSecurityProfileAgreed(fact) => {
                self.security_profile_agreed = Some(fact.security_profile);
            }
            Event::StationSecurityProfileRequired(fact) => {
                self.security_profile_required = fact.security_profile;
                self.security_profile_agreed =
                    self.security_profile_agreed.filter(|agreed| *agreed > fact.security_profile);
            }
            Event::StationQuirkNoticed(fact) => self.noticed.insert(fact.quirk),
            Event::StationBooted(fact) => {
                self.has_other_serial_number = false;
                let registration = Some(fact.registration);
                self.accepted |= fact.registration == Registration::Accepted;
                self.unaccepted = registration.filter(|last| *last != Registration::Accepted);
                self.boot = Some(fact.boot.clone());
            }
            Event::StationConnectorDeclared(fact) => {
                let outlet = Outlet { evse: fact.evse, connector: fact.connector };
                if let Some(connector) = self.connector(outlet) {
                    connector.declared = Some(fact.as_ref().clone());
                }
            }
            Event::StationConnectorStatus(fact) => {
                let outlet = Outlet { evse: fact.evse, connector: fact.connector };
                if let Some(connector) = self.connector(outlet) {
                    connector.status = Some(fact.status.clone());
                    connector.error_code.clone_from(&fact.error_code);
                    connector.status_at = Some(fact.at);
                    connector.exchange = Some(fact.exchange);
                    connector.early.add_status(fact);
                }
            }
            Event::StationMeterRecorded(fact) => {
                let connector = fact.connector.filter(|connector| *connector != ConnectorNumber(0));
                let outlet = connector.map(Outlet::of_station);
                if let Some(connector) = outlet.and_then(|outlet| self.connector(outlet)) {
                    connector.early.add_readings(fact);
                }
            }
            Event::StationEventsReported(fact) => {
                for event in &fact.events {
                    self.remember_event(event, fact.exchange);
                }
            }
            Event::StationMessageLimitsTold(fact) => {
                for told in &fact.limits {
                    learn(&mut self.message_limits, told);
                }
                if let Some(told) = &fact.charging {
                    self.charging_abilities.learn(told);
                }
            }
            Event::StationCostDisplayTold(fact) => self.cost_display = fact.display,
            Event::StationOrphanRecorded(fact) => {
                if self.orphans.len() >= ORPHANS_MAX {
                    self.orphans.remove(0);
                }
                self.orphans.push(fact.orphan.clone());
            }
            Event::StationPaymentTold(fact) => {
                if self.payments.len() >= PAYMENTS_MAX {
                    self.payments.pop_front();
                    self.have_payments_given_way = true;
                }
                self.payments.push_back(fact.as_ref().clone());
            }
            Event::StationOrphanResolved(fact) => {
                self.orphans.retain(|orphan| orphan.exchange != fact.exchange);
                self.payments.retain(|told| told.exchange != fact.exchange);
            }
            _ => {}
        }
    }

    /// The one that is in use stays; of the others the oldest gives way.
    fn add_certificate(&mut self, serial_number: &str) {
        if self.certificates.len() >= CERTIFICATES_MAX {
            self.certificates.remove(1);
        }
        self.certificates.push(serial_number.to_owned());
    }

    fn add_v2g_certificate(&mut self, serial_number: &str) {
        if self.v2g_certificates.len() >= CERTIFICATES_MAX {
            self.v2g_certificates.remove(0);
        }
        self.v2g_certificates.push(serial_number.to_owned());
    }

    fn note_withdrawn(&mut self, fact: &StationCertificateWithdrawn) {
        if self.certificates_withdrawn.len() >= CERTIFICATES_MAX {
            self.certificates_withdrawn.remove(0);
        }
        self.certificates_withdrawn.push(fact.clone());
    }

    /// Whether a certificate that was signed for it still counts.
    pub(crate) fn status_of_certificate(&self, serial_number: &str) -> OcspStatus {
        let withdrawn = self.certificates_withdrawn.iter();
        let mut withdrawn = withdrawn.filter(|fact| fact.serial_number == serial_number);
        let mut counting = self.certificates.iter().chain(&self.v2g_certificates);
        if let Some(since) = withdrawn.find_map(|fact| fact.at) {
            OcspStatus::Revoked(since)
        } else if counting.any(|known| known == serial_number) {
            OcspStatus::Good
        } else {
            OcspStatus::Unknown
        }
    }

    /// Whether it is told what charging costs.
    pub(crate) fn shows_costs(&self) -> bool {
        self.settings.shows_costs(self.cost_display)
    }

    /// Whether it is told prices.
    pub(crate) fn shows_prices(&self) -> bool {
        self.settings.shows_prices(self.cost_display)
    }

    /// The serial number that it named in its last boot.
    pub fn serial_number(&self) -> Option<&str> {
        self.boot.as_ref().and_then(|boot| boot.serial_number.as_deref())
    }

    /// From its first use on a certificate replaces those before it.
    fn use_certificate(&mut self, serial_number: Option<&str>) {
        let is_it = |known: &String| Some(known.as_str()) == serial_number;
        if let Some(index) = self.certificates.iter().position(is_it) {
            self.certificates.drain(..index);
        }
    }

    fn remember_event(&mut self, event: &ReportedEvent, exchange: EventId) {
        if self.reported_events.len() >= REPORTED_EVENTS_MAX {
            self.reported_events.pop_front();
        }
        let (number, at, key) = (event.number, event.at, event.key);
        self.reported_events.push_back(CarriedEvent { number, at, key, exchange });
    }

    /// The exchange that told of this event before. Number and time alone are not enough: after
    /// a restart the station may begin to count again, and some give several the same. Only for
    /// what was recorded without a key they have to do.
    pub fn exchange_of<Text>(&self, event: &ReportedEvent<Text>) -> Option<EventId> {
        let is_it = |known: &&CarriedEvent| match (known.key, event.key) {
            (Some(known), Some(key)) => known == key,
            _ => known.number == event.number && known.at == event.at,
        };
        self.reported_events.iter().find(is_it).map(|known| known.exchange)
    }

    /// `None` where the station names more connectors than [`CONNECTORS_MAX`].
    fn connector(&mut self, outlet: Outlet) -> Option<&mut ConnectorState> {
        let room = self.connectors.len() < CONNECTORS_MAX || self.connectors.contains_key(&outlet);
        room.then(|| self.connectors.entry(outlet).or_default())
    }

    fn carry_in(&mut self, carried: &CarriedStation, month: &str) {
        self.month = month.to_owned();
        self.identity = carried.station.clone();
        self.password = carried.password.clone();
        self.passwords_offered.clone_from(&carried.passwords_offered);
        self.profile_passwords.clone_from(&carried.profile_passwords);
        self.serial_number_registered.clone_from(&carried.serial_number);
        self.has_other_serial_number = carried.has_other_serial_number;
        self.certificates.clone_from(&carried.certificates);
        self.v2g_certificates.clone_from(&carried.v2g_certificates);
        self.certificates_withdrawn.clone_from(&carried.certificates_withdrawn);
        self.site_id = carried.site_id;
        self.accepted = carried.accepted;
        self.unaccepted = carried.registration;
        self.settings = carried.settings.unwrap_or_default();
        self.noticed = carried.noticed;
        self.security_profile_agreed = carried.security_profile_agreed;
        self.security_profile_required = carried.security_profile_required.unwrap_or_default();
        self.boot = carried.boot.clone();
        self.epoch = carried.epoch;
        self.protocol.clone_from(&carried.protocol);
        self.orphans = carried.orphans.clone();
        self.payments = carried.payments.clone().into();
        self.have_payments_given_way = carried.have_payments_given_way;
        self.message_limits.clone_from(&carried.message_limits);
        self.charging_abilities = carried.charging_abilities.clone().unwrap_or_default();
        self.cost_display = carried.cost_display.unwrap_or_default();
        let charging = carried.charging.as_deref().cloned().unwrap_or_default();
        self.charging = ChargingPlan::carried(charging);
        self.reported_events = carried.reported_events.clone().into();
        self.connectors = carried
            .connectors
            .iter()
            .map(|connector| {
                let state = ConnectorState {
                    status: connector.status.clone(),
                    error_code: connector.error_code.clone(),
                    status_at: connector.status_at,
                    exchange: None,
                    declared: connector.declared.clone(),
                    early: Early::default(),
                };
                (Outlet { evse: connector.evse, connector: connector.connector }, state)
            })
            .collect();
    }

    /// What a new month begins with.
    pub fn carry_out(&self) -> CarriedStation {
        CarriedStation {
            station: self.identity.clone(),
            password: self.password.clone(),
            site_id: self.site_id,
            accepted: self.accepted,
            boot: self.boot.clone(),
            connectors: self
                .connectors
                .iter()
                .map(|(outlet, state)| CarriedConnector {
                    evse: outlet.evse,
                    connector: outlet.connector,
                    status: state.status.clone(),
                    error_code: state.error_code.clone(),
                    status_at: state.status_at,
                    declared: state.declared.clone(),
                })
                .collect(),
            epoch: self.epoch,
            protocol: self.protocol.clone(),
            orphans: self.orphans.clone(),
            payments: self.payments.iter().cloned().collect(),
            have_payments_given_way: self.have_payments_given_way,
            reported_events: self.reported_events.iter().cloned().collect(),
            charging: self.charging.carry().map(Box::new),
            settings: Some(self.settings).filter(|set| *set != StationSettings::default()),
            registration: self.unaccepted,
            noticed: self.noticed,
            security_profile_agreed: self.security_profile_agreed,
            security_profile_required: Some(self.security_profile_required)
                .filter(|profile| *profile > 0),
            passwords_offered: self.passwords_offered.clone(),
            profile_passwords: self.profile_passwords.clone(),
            serial_number: self.serial_number_registered.clone(),
            has_other_serial_number: self.has_other_serial_number,
            certificates: self.certificates.clone(),
            v2g_certificates: self.v2g_certificates.clone(),
            certificates_withdrawn: self.certificates_withdrawn.clone(),
            message_limits: self.message_limits.clone(),
            charging_abilities: Some(self.charging_abilities.clone())
                .filter(|known| *known != ChargingAbilities::default()),
            cost_display: Some(self.cost_display).filter(|told| *told != CostDisplay::default()),
        }
    }
}

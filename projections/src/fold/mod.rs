//! The folds: what each event does to the rows. Synchronous and in memory; what is needed from
//! the database is loaded before, what changed is written after.
//!
//! An event either is taken in whole or refused whole; the refused ones are parked. What comes
//! out depends on the events and their order alone, never on how they were cut into batches.

mod alerts;
mod analytics;
mod billing;
mod cache;
mod certificates;
mod changed;
mod charging;
mod decode;
mod device_model;
mod energy;
mod monitoring;
mod registry;
mod reservation;
mod session;
mod station;
mod transaction;

pub(crate) use alerts::stands;
pub(crate) use cache::Cache;
pub(crate) use charging::charging_plan;
pub(crate) use decode::{Decoded, Fact, decode};
pub(crate) use reservation::ReservationKey;

use crate::changes::Change;
use crate::tables::{
    AccountLimitRow, AccountRow, AlertRow, AuditRow, ChargingPlanRow, ChargingProfileRow,
    CommandRow, ConnectorRow, DriverRow, EarlyPaymentRow, ErasedSubjectRow, InventoryRow,
    InvoiceRow, LearntValueRow, LocalTariffsRow, MonitoringRow, OrphanResolutionRow, OrphanStopRow,
    ParkedEventRow, ReservationRow, SecurityEventRow, SessionMeterRow, SessionRow, SettingRow,
    SiteKey, SiteRow, StationCertificatesRow, StationEnergyRow, StationRow, StationSeenRow,
    TariffVersionRow, TokenRow, VariableRow,
};
use alerts::Standing;
use analytics::{Balance, EnergyHour, RevenueHour};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::TariffReference;
use chargebook_domain::ids::{AlertId, CommandId, EventId, Outlet, SessionId, StationId, TokenId};
use chargebook_domain::units::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Longest reason of a parked event, in bytes.
const REASON_BYTES_MAX: usize = 500;

/// Why an event cannot be taken in.
pub(crate) type Refusal = String;

/// Everything that the folds keep in memory between batches, and what a batch has to write.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) stations: Cache<StationId, StationRow>,
    /// Which station has an identity: no two may have the same.
    pub(crate) identities: HashMap<String, StationId>,
    pub(crate) seen: Cache<StationId, StationSeenRow>,
    pub(crate) charging_plans: HashMap<StationId, ChargingPlan>,
    pub(crate) local_tariffs: Cache<StationId, LocalTariffsRow>,
    pub(crate) monitoring: Cache<StationId, MonitoringRow>,
    pub(crate) station_energy: Cache<StationId, StationEnergyRow>,
    pub(crate) certificates: Cache<StationId, StationCertificatesRow>,
    pub(crate) connectors: Cache<(StationId, Outlet), ConnectorRow>,
    pub(crate) sessions: Cache<SessionId, SessionRow>,
    pub(crate) meters: Cache<SessionId, SessionMeterRow>,
    pub(crate) commands: Cache<CommandId, CommandRow>,
    pub(crate) tokens: Cache<TokenId, TokenRow>,
    pub(crate) reservations: Cache<ReservationKey, ReservationRow>,
    pub(crate) alerts: Cache<AlertId, AlertRow>,
    /// The alerts that what is said next may be about: all of them are in memory.
    pub(crate) standing: Standing,
    /// Position of every tariff version, by its event.
    pub(crate) tariff_positions: HashMap<EventId, u64>,
    pub(crate) written: Written,
    /// True while the caches hold every session, command, token, reservation and alert there is.
    complete: bool,
    /// Sessions, commands, tokens, reservations and alerts that are kept in memory, of each so
    /// many; more are forgotten and loaded again where an event names them.
    cached_rows_max: usize,
}

/// What only ever is written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) account_limits: Vec<AccountLimitRow>,
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) audits: Vec<AuditRow>,
    pub(crate) charging_plans: BTreeMap<StationId, ChargingPlanRow>,
    pub(crate) charging_profiles: BTreeMap<(StationId, u16), ChargingProfileRow>,
    pub(crate) drivers: Vec<DriverRow>,
    pub(crate) early_payments: Vec<EarlyPaymentRow>,
    pub(crate) erased: Vec<ErasedSubjectRow>,
    pub(crate) inventories: Vec<InventoryRow>,
    pub(crate) invoices: Vec<InvoiceRow>,
    pub(crate) learnt_values: Vec<LearntValueRow>,
    pub(crate) orphan_stops: Vec<OrphanStopRow>,
    pub(crate) orphan_resolutions: Vec<OrphanResolutionRow>,
    pub(crate) parked: Vec<ParkedEventRow>,
    pub(crate) security_events: Vec<SecurityEventRow>,
    pub(crate) settings: Vec<SettingRow>,
    pub(crate) sites: Vec<SiteRow>,
    pub(crate) tariff_versions: Vec<TariffVersionRow>,
    pub(crate) variables: Vec<VariableRow>,
    pub(crate) balances: BTreeMap<(String, String), Balance>,
    pub(crate) energy_hours: BTreeMap<(Timestamp, SiteKey), EnergyHour>,
    pub(crate) revenue_hours: BTreeMap<(Timestamp, SiteKey, String), RevenueHour>,
}

/// A row that has to be in memory before an event is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Need {
    Session(SessionId),
    Command(CommandId),
    Token(TokenId),
    Reservation(ReservationKey),
    Alert(AlertId),
}

impl State {
    /// Nothing in memory; `is_empty` says that the generation is empty too.
    pub(crate) fn new(is_empty: bool, cached_rows_max: usize) -> Self {
        Self { complete: is_empty, cached_rows_max, ..Self::default() }
    }

    /// What has to be loaded before the event can be folded; `None` if nothing is missing.
    pub(crate) fn need(&self, event: &Decoded) -> Option<Need> {
        if self.complete {
            return None;
        }
        let fact = event.fact.as_ref().ok()?;
        let need = match fact {
            Fact::Nothing | Fact::Heard(_) => None,
            Fact::Meter(_)
            | Fact::Reported(_)
            | Fact::Stopped(_)
            | Fact::Settled(_)
            | Fact::Rated(_) => event.stream_id.map(|id| Need::Session(SessionId(id))),
            Fact::Sent(_) => event.stream_id.map(|id| Need::Command(CommandId(id))),
            Fact::Other(Event::InvoiceIssued(issued)) => Some(Need::Session(issued.session_id)),
            Fact::Other(Event::AlertAcknowledged(fact)) => Some(Need::Alert(fact.alert_id)),
            Fact::Other(Event::ReservationCancelled(fact)) => {
                Some(Need::Reservation((fact.station_id, fact.reservation_id)))
            }
            Fact::Other(Event::ReservationEnded(fact)) => {
                Some(Need::Reservation((fact.station_id, fact.reservation_id)))
            }
            Fact::Other(Event::ReservationUsed(fact)) => {
                Some(Need::Reservation((fact.station_id, fact.reservation_id)))
            }
            Fact::Other(_) => match event.stream.category() {
                "session" => event.stream_id.map(|id| Need::Session(SessionId(id))),
                "command" => event.stream_id.map(|id| Need::Command(CommandId(id))),
                "token" => event.stream_id.map(|id| Need::Token(TokenId(id))),
                _ => None,
            },
        }?;
        let present = match need {
            Need::Session(id) => self.sessions.get(id).is_some(),
            Need::Command(id) => self.commands.get(id).is_some(),
            Need::Token(id) => self.tokens.get(id).is_some(),
            Need::Reservation(key) => self.reservations.get(key).is_some(),
            Need::Alert(id) => self.alerts.get(id).is_some(),
        };
        (!present).then_some(need)
    }

    /// Takes an event in, or parks it.
    pub(crate) fn fold(&mut self, event: Decoded) {
        let Decoded { fact, .. } = &event;
        let refusal = match fact {
            Ok(fact) => self.apply(&event, fact).err(),
            Err(reason) => Some(reason.clone()),
        };
        if let Some(reason) = refusal {
            self.park(event, &reason);
        }
    }

    fn apply(&mut self, event: &Decoded, fact: &Fact) -> Result<(), Refusal> {
        match fact {
            Fact::Nothing => Ok(()),
            Fact::Heard(station) => {
                self.heard(*station, event.recorded_at);
                Ok(())
            }
            Fact::Meter(fact) => self.session_metered(event, &fact.samples),
            Fact::Reported(fact) => self.transaction_reported(event, fact),
            Fact::Stopped(fact) => self.session_stopped(event, fact),
            Fact::Settled(fact) => self.session_settled(event, fact),
            Fact::Rated(fact) => self.session_rated(event, fact),
            Fact::Sent(fact) => self.command_sent(event, fact),
            Fact::Other(fact) => self.apply_other(event, fact),
        }
    }

    fn apply_other(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        match fact {
            Event::AlertAcknowledged(fact) => self.alert_acknowledged(event, fact),
            Event::StationRegistered(fact) => self.station_registered(event, fact),
            Event::StationSiteAssigned(fact) => self.station_site_assigned(event, fact),
            Event::StationSerialNumberSet(fact) => self.station_serial_number_set(event, fact),
            Event::StationCostDisplayTold(fact) => self.cost_display_told(event, fact),
            Event::StationSettingsChanged(fact) => self.station_settings_changed(event, fact),
            Event::StationQuirkNoticed(fact) => self.station_quirk_noticed(event, fact),
            Event::StationConnected(fact) => self.station_connected(event, fact),
            Event::StationDisconnected(fact) => self.station_disconnected(event, fact),
            Event::StationBooted(fact) => self.station_booted(event, fact),
            Event::StationCertificateInstalled(fact) => self.certificate_installed(event, fact),
            Event::StationCertificateRequested(fact) => self.certificate_requested(event, fact),
            Event::StationCertificateWithdrawn(fact) => self.certificate_withdrawn(event, fact),
            Event::StationCertificateDelivered(fact) => self.certificate_delivered(event, fact),
            Event::StationCertificateDeleted(fact) => self.certificate_deleted(event, fact),
            Event::StationCertificatesReported(fact) => self.certificates_reported(event, fact),
            Event::StationChargingLimitCleared(_)
            | Event::StationChargingLimitTold(_)
            | Event::StationChargingNeedsTold(_)
            | Event::StationChargingProfileSet(_)
            | Event::StationChargingProfilesCleared(_)
            | Event::StationChargingProfilesReported(_)
            | Event::StationChargingScheduleUpdated(_)
            | Event::StationPriorityChargingTold(_)
            | Event::StationVehicleScheduleTold(_) => self.charging_told(event, fact),
            Event::StationBatteriesSwapped(_)
            | Event::StationDerAlarmTold(_)
            | Event::StationDerControlTold(_)
            | Event::StationDerControlsReported(_) => self.energy_told(event, fact),
            Event::StationDefaultTariffSet(_)
            | Event::StationTariffsCleared(_)
            | Event::StationTariffsReported(_)
            | Event::StationTransactionTariffChanged(_) => self.tariffs_told(event, fact),
            Event::StationConnectorDeclared(fact) => self.connector_declared(event, fact),
            Event::StationConnectorStatus(fact) => self.station_connector_status(event, fact),
            Event::StationEventStreamAdjusted(_)
            | Event::StationEventStreamClosed(_)
            | Event::StationEventStreamContinued(_)
            | Event::StationEventStreamsTold(_)
            | Event::StationMonitoringBaseSet(_)
            | Event::StationMonitorsCleared(_)
            | Event::StationMonitorsTold(_) => self.monitoring_told(event, fact),
            Event::StationEventsReported(fact) => self.events_reported(event, fact),
            Event::StationSecurityNoted(fact) => self.security_noted(event, fact),
            Event::StationSecurityProfileAgreed(fact) => self.security_profile_agreed(event, fact),
            Event::StationSecurityProfileRequired(fact) => {
                self.security_profile_required(event, fact)
            }
            Event::StationValuesLearnt(fact) => self.values_learnt(event, fact),
            Event::StationVariablesReported(fact) => self.variables_reported(event, fact),
            Event::StationOrphanRecorded(fact) => self.orphan_recorded(event, fact),
            Event::StationOrphanResolved(fact) => self.orphan_resolved(event, fact),
            Event::StationPaymentTold(fact) => self.payment_told(event, fact),
            Event::SessionStarted(fact) => self.session_started(event, fact),
            Event::SessionOpened(fact) => self.session_opened(event, fact),
            Event::SessionTokenPresented(fact) => self.token_presented(event, fact),
            Event::SessionPaymentSettled(fact) => self.payment_settled(event, fact),
            Event::SessionConnectorStatus(fact) => self.session_connector_status(event, fact),
            Event::SessionAnomalyNoted(fact) => self.session_anomaly_noted(event, fact),
            Event::SessionSuperseded(_) => self.session_superseded(event),
            Event::SessionOutcomeDecided(fact) => self.session_outcome_decided(event, fact),
            Event::InvoiceIssued(fact) => self.invoice_issued(event, fact),
            Event::LedgerPosted(fact) => self.ledger_posted(fact),
            Event::AccountLimitSet(fact) => self.account_limit_set(fact),
            Event::AccountOpened(fact) => self.account_opened(event, fact),
            Event::TariffVersionPublished(fact) => self.tariff_published(event, fact),
            Event::DefaultTariffSet(fact) => self.default_tariff_set(event, fact),
            Event::TokenRegistered(fact) => self.token_registered(event, fact),
            Event::TokenChanged(fact) => self.token_changed(event, fact),
            Event::DriverRegistered(fact) => self.driver_registered(event, fact),
            Event::SubjectErased(fact) => self.subject_erased(event, fact),
            Event::ReservationMade(fact) => self.reservation_made(event, fact),
            Event::ReservationCancelled(fact) => {
                self.reservation_cancelled(event, fact);
                Ok(())
            }
            Event::ReservationEnded(fact) => {
                self.reservation_ended(event, fact);
                Ok(())
            }
            Event::ReservationUsed(fact) => {
                self.reservation_used(event, fact);
                Ok(())
            }
            Event::SiteRegistered(fact) => self.site_registered(event, fact),
            Event::CommandRequested(fact) => self.command_requested(event, fact),
            Event::CommandAnswered(fact) => self.command_answered(event, fact),
            Event::CommandFailed(fact) => self.command_failed(event, fact),
            Event::StationJobStatus(job) => {
                self.job_said(event, job)?;
                self.reported(event, fact)
            }
            Event::StationNotified(_) => self.reported(event, fact),
            Event::CommandSent(_)
            | Event::ErasureCompleted(_)
            | Event::ErasureDecided(_)
            | Event::ErasureRequested(_)
            | Event::ExchangeRecorded(_)
            | Event::ExchangeReread(_)
            | Event::LogCreated(_)
            | Event::MasterPassGroupSet(_)
            | Event::ModelDialectSet(_)
            | Event::PolicyCheckpointed(_)
            | Event::SessionDeliveryTold(_)
            | Event::SessionMeterRecorded(_)
            | Event::SessionPreceded(_)
            | Event::SessionRated(_)
            | Event::SessionReviewDecided(_)
            | Event::SessionSettled(_)
            | Event::SessionStopped(_)
            | Event::SessionTransactionReported(_)
            | Event::StationMessageLimitsTold(_)
            | Event::StationMeterRecorded(_)
            | Event::StationMonthOpened(_)
            | Event::StationPasswordChanged(_)
            | Event::StationPasswordDeclined(_)
            | Event::StationPasswordOffered(_)
            | Event::TransactionIdsLeased(_)
            | Event::TrustAnchorAdded(_)
            | Event::TrustAnchorWithdrawn(_)
            | Event::V2gAuthoritySet(_) => {
                Err(format!("`{}` is decoded elsewhere", fact.event_type()))
            }
        }
    }

    fn park(&mut self, event: Decoded, reason: &str) {
        let reason = decode::shortened(reason, REASON_BYTES_MAX).into_owned();
        self.written.parked.push(ParkedEventRow {
            position: event.position.as_u64(),
            event_id: event.id,
            stream: event.stream.as_str().to_owned(),
            event_type: event.event_type.into_owned(),
            schema_version: event.schema_version,
            reason,
        });
    }

    /// All of the batch is in the database: what changed in it.
    pub(crate) fn flushed(&mut self) -> Vec<Change> {
        let changes = self.changes();
        self.stations.clean();
        self.seen.clean();
        self.certificates.clean();
        self.local_tariffs.clean();
        self.monitoring.clean();
        self.station_energy.clean();
        self.connectors.clean();
        self.sessions.clean();
        self.meters.clean();
        self.commands.clean();
        self.tokens.clean();
        self.reservations.clean();
        self.alerts.clean();
        self.written = Written::default();
        self.forget();
        changes
    }

    /// Keeps the caches within their bounds; only after all has been written.
    fn forget(&mut self) {
        let most = self.cached_rows_max;
        if self.sessions.len() > most {
            self.sessions.retain(|session| session.outcome.is_none());
            // So many without an outcome are no working set any more.
            if self.sessions.len() > most / 2 {
                self.sessions.retain(|_| false);
            }
            let sessions = &self.sessions;
            self.meters.retain(|meter| sessions.get(meter.session_id).is_some());
            self.complete = false;
        }
        if self.commands.len() > most {
            self.commands.retain(|_| false);
            self.complete = false;
        }
        if self.tokens.len() > most {
            self.tokens.retain(|_| false);
            self.complete = false;
        }
        if self.alerts.len() > most {
            self.alerts.retain(stands);
            self.complete = false;
        }
        if self.reservations.len() > most {
            self.reservations.retain(|_| false);
            self.complete = false;
        }
    }
}

/// The uuid in the stream's name.
fn stream_id(event: &Decoded) -> Result<uuid::Uuid, Refusal> {
    event.stream_id.ok_or_else(|| format!("the stream `{}` names no uuid", event.stream))
}

/// Checks that an event about a thing is in that thing's stream.
fn in_own_stream(event: &Decoded, id: uuid::Uuid) -> Result<(), Refusal> {
    if stream_id(event)? == id {
        return Ok(());
    }
    Err(format!("the event is about {id} but in the stream `{}`", event.stream))
}

/// Position of the event that published a tariff version.
fn tariff_position(positions: &HashMap<EventId, u64>, tariff: &TariffReference) -> Option<u64> {
    positions.get(&tariff.event_id).copied()
}

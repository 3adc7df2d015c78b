//! Every event of the log, by type and schema version, and the way from and to its JSON.
//!
//! The types under [`v1`] are frozen. This room knows JSON, and neither streams nor
//! stores.

pub mod reference;
pub mod v1;

use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Who decided an event, in answer to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Meta<'a> {
    /// `station`, `operator`, `policy:{name}`, `system`.
    pub actor: Cow<'a, str>,
    /// The event it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caused_by: Option<crate::ids::EventId>,
    /// What belongs together: a session's or a command's uuid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation: Option<uuid::Uuid>,
    /// The station it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub station: Option<crate::ids::StationId>,
    /// The process that wrote it.
    pub node: Cow<'a, str>,
    /// Lookup keys (hex) that point to this stream.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<String>,
}

/// An event's data does not fit its type and schema version, or the type is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// No such type, or no such schema version of it.
    #[error("event type `{event_type}` version {schema_version} is not known to this release")]
    Unknown {
        /// The type.
        event_type: String,
        /// The schema version.
        schema_version: u32,
    },
    /// The data does not fit.
    #[error("event type `{event_type}` version {schema_version}: {reason}")]
    Data {
        /// The type.
        event_type: String,
        /// The schema version.
        schema_version: u32,
        /// What does not fit.
        reason: String,
    },
}

/// An event's data without its type.
#[derive(Clone, Copy, Debug)]
pub struct EventData<'a>(&'a Event);

macro_rules! events {
    ($($name:literal $variant:ident($ty:ty);)*) => {
        /// Any event, in its latest schema.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = concat!("`", $name, "`")] $variant(Box<$ty>),)*
        }

        /// Every type with its latest schema version.
        pub const EVENT_TYPES: &[(&str, u32)] = &[$(($name, 1),)*];

        /// What a reference of the events is made from; a type without a golden file does not
        /// compile.
        pub const EVENT_REFERENCE: &[reference::Entry] = &[$(reference::Entry {
            event_type: $name,
            schema_version: 1,
            data_type: stringify!($variant),
            example: include_str!(concat!("../../tests/golden/v1/", $name, ".json")),
        },)*];

        impl Event {
            /// The type: past tense, dotted.
            pub fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The schema version that [`Event::data`] writes.
            pub fn schema_version(&self) -> u32 {
                1
            }

            /// The data, to be serialised.
            pub fn data(&self) -> EventData<'_> {
                EventData(self)
            }

            /// Reads data of a type and schema version.
            pub fn read(
                event_type: &str,
                schema_version: u32,
                data: &str,
            ) -> Result<Self, EventError> {
                match (event_type, schema_version) {
                    $(($name, 1) => serde_json::from_str(data)
                        .map(|data| Self::$variant(Box::new(data)))
                        .map_err(|e| EventError::Data {
                            event_type: event_type.to_owned(),
                            schema_version,
                            reason: e.to_string(),
                        }),)*
                    _ => Err(EventError::Unknown {
                        event_type: event_type.to_owned(),
                        schema_version,
                    }),
                }
            }
        }

        impl Serialize for EventData<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 { $(Event::$variant(data) => data.serialize(serializer),)* }
            }
        }

        $(impl From<$ty> for Event {
            fn from(data: $ty) -> Self {
                Self::$variant(Box::new(data))
            }
        })*
    };
}

events! {
    "account.limit_set" AccountLimitSet(v1::AccountLimitSet);
    "account.opened" AccountOpened(v1::AccountOpened);
    "alert.acknowledged" AlertAcknowledged(v1::AlertAcknowledged);
    "command.answered" CommandAnswered(v1::CommandAnswered);
    "command.failed" CommandFailed(v1::CommandFailed);
    "command.requested" CommandRequested(v1::CommandRequested);
    "command.sent" CommandSent(v1::CommandSent);
    "driver.registered" DriverRegistered(v1::DriverRegistered);
    "erasure.completed" ErasureCompleted(v1::ErasureCompleted);
    "erasure.decided" ErasureDecided(v1::ErasureDecided);
    "erasure.requested" ErasureRequested(v1::ErasureRequested);
    "exchange.recorded" ExchangeRecorded(v1::ExchangeRecorded);
    "exchange.reread" ExchangeReread(v1::ExchangeReread);
    "invoice.issued" InvoiceIssued(v1::InvoiceIssued);
    "ledger.posted" LedgerPosted(v1::LedgerPosted);
    "log.created" LogCreated(v1::LogCreated);
    "policy.checkpointed" PolicyCheckpointed(v1::PolicyCheckpointed);
    "reservation.cancelled" ReservationCancelled(v1::ReservationCancelled);
    "reservation.ended" ReservationEnded(v1::ReservationEnded);
    "reservation.made" ReservationMade(v1::ReservationMade);
    "reservation.used" ReservationUsed(v1::ReservationUsed);
    "session.anomaly_noted" SessionAnomalyNoted(v1::SessionAnomalyNoted);
    "session.connector_status" SessionConnectorStatus(v1::SessionConnectorStatus);
    "session.delivery_told" SessionDeliveryTold(v1::SessionDeliveryTold);
    "session.meter_recorded" SessionMeterRecorded(v1::SessionMeterRecorded);
    "session.opened" SessionOpened(v1::SessionOpened);
    "session.outcome_decided" SessionOutcomeDecided(v1::SessionOutcomeDecided);
    "session.payment_settled" SessionPaymentSettled(v1::SessionPaymentSettled);
    "session.preceded" SessionPreceded(v1::SessionPreceded);
    "session.rated" SessionRated(v1::SessionRated);
    "session.review_decided" SessionReviewDecided(v1::SessionReviewDecided);
    "session.settled" SessionSettled(v1::SessionSettled);
    "session.started" SessionStarted(v1::SessionStarted);
    "session.stopped" SessionStopped(v1::SessionStopped);
    "session.superseded" SessionSuperseded(v1::SessionSuperseded);
    "session.token_presented" SessionTokenPresented(v1::SessionTokenPresented);
    "session.transaction_reported" SessionTransactionReported(v1::SessionTransactionReported);
    "settings.default_tariff_set" DefaultTariffSet(v1::DefaultTariffSet);
    "settings.master_pass_group_set" MasterPassGroupSet(v1::MasterPassGroupSet);
    "settings.model_dialect_set" ModelDialectSet(v1::ModelDialectSet);
    "settings.trust_anchor_added" TrustAnchorAdded(v1::TrustAnchorAdded);
    "settings.trust_anchor_withdrawn" TrustAnchorWithdrawn(v1::TrustAnchorWithdrawn);
    "settings.v2g_authority_set" V2gAuthoritySet(v1::V2gAuthoritySet);
    "site.registered" SiteRegistered(v1::SiteRegistered);
    "station.batteries_swapped" StationBatteriesSwapped(v1::StationBatteriesSwapped);
    "station.booted" StationBooted(v1::StationBooted);
    "station.certificate_deleted" StationCertificateDeleted(v1::StationCertificateDeleted);
    "station.certificate_delivered" StationCertificateDelivered(v1::StationCertificateDelivered);
    "station.certificate_installed" StationCertificateInstalled(v1::StationCertificateInstalled);
    "station.certificate_requested" StationCertificateRequested(v1::StationCertificateRequested);
    "station.certificate_withdrawn" StationCertificateWithdrawn(v1::StationCertificateWithdrawn);
    "station.certificates_reported" StationCertificatesReported(v1::StationCertificatesReported);
    "station.charging_limit_cleared"
        StationChargingLimitCleared(v1::StationChargingLimitCleared);
    "station.charging_limit_told" StationChargingLimitTold(v1::StationChargingLimitTold);
    "station.charging_needs_told" StationChargingNeedsTold(v1::StationChargingNeedsTold);
    "station.charging_profile_set" StationChargingProfileSet(v1::StationChargingProfileSet);
    "station.charging_profiles_cleared"
        StationChargingProfilesCleared(v1::StationChargingProfilesCleared);
    "station.charging_profiles_reported"
        StationChargingProfilesReported(v1::StationChargingProfilesReported);
    "station.charging_schedule_updated"
        StationChargingScheduleUpdated(v1::StationChargingScheduleUpdated);
    "station.connected" StationConnected(v1::StationConnected);
    "station.connector_declared" StationConnectorDeclared(v1::StationConnectorDeclared);
    "station.connector_status" StationConnectorStatus(v1::StationConnectorStatus);
    "station.cost_display_told" StationCostDisplayTold(v1::StationCostDisplayTold);
    "station.default_tariff_set" StationDefaultTariffSet(v1::StationDefaultTariffSet);
    "station.der_alarm_told" StationDerAlarmTold(v1::StationDerAlarmTold);
    "station.der_control_told" StationDerControlTold(v1::StationDerControlTold);
    "station.der_controls_reported"
        StationDerControlsReported(v1::StationDerControlsReported);
    "station.disconnected" StationDisconnected(v1::StationDisconnected);
    "station.event_stream_adjusted"
        StationEventStreamAdjusted(v1::StationEventStreamAdjusted);
    "station.event_stream_closed" StationEventStreamClosed(v1::StationEventStreamClosed);
    "station.event_stream_continued"
        StationEventStreamContinued(v1::StationEventStreamContinued);
    "station.event_streams_told" StationEventStreamsTold(v1::StationEventStreamsTold);
    "station.events_reported" StationEventsReported(v1::StationEventsReported);
    "station.job_status" StationJobStatus(v1::StationJobStatus);
    "station.message_limits_told" StationMessageLimitsTold(v1::StationMessageLimitsTold);
    "station.meter_recorded" StationMeterRecorded(v1::StationMeterRecorded);
    "station.monitoring_base_set" StationMonitoringBaseSet(v1::StationMonitoringBaseSet);
    "station.monitors_cleared" StationMonitorsCleared(v1::StationMonitorsCleared);
    "station.monitors_told" StationMonitorsTold(v1::StationMonitorsTold);
    "station.month_opened" StationMonthOpened(v1::StationMonthOpened);
    "station.notified" StationNotified(v1::StationNotified);
    "station.orphan_recorded" StationOrphanRecorded(v1::StationOrphanRecorded);
    "station.orphan_resolved" StationOrphanResolved(v1::StationOrphanResolved);
    "station.password_changed" StationPasswordChanged(v1::StationPasswordChanged);
    "station.password_declined" StationPasswordDeclined(v1::StationPasswordDeclined);
    "station.password_offered" StationPasswordOffered(v1::StationPasswordOffered);
    "station.payment_told" StationPaymentTold(v1::StationPaymentTold);
    "station.priority_charging_told"
        StationPriorityChargingTold(v1::StationPriorityChargingTold);
    "station.quirk_noticed" StationQuirkNoticed(v1::StationQuirkNoticed);
    "station.registered" StationRegistered(v1::StationRegistered);
    "station.security_noted" StationSecurityNoted(v1::StationSecurityNoted);
    "station.security_profile_agreed"
        StationSecurityProfileAgreed(v1::StationSecurityProfileAgreed);
    "station.security_profile_required"
        StationSecurityProfileRequired(v1::StationSecurityProfileRequired);
    "station.settings_changed" StationSettingsChanged(v1::StationSettingsChanged);
    "station.serial_number_set" StationSerialNumberSet(v1::StationSerialNumberSet);
    "station.site_assigned" StationSiteAssigned(v1::StationSiteAssigned);
    "station.tariffs_cleared" StationTariffsCleared(v1::StationTariffsCleared);
    "station.tariffs_reported" StationTariffsReported(v1::StationTariffsReported);
    "station.transaction_tariff_changed"
        StationTransactionTariffChanged(v1::StationTransactionTariffChanged);
    "station.values_learnt" StationValuesLearnt(v1::StationValuesLearnt);
    "station.variables_reported" StationVariablesReported(v1::StationVariablesReported);
    "station.vehicle_schedule_told" StationVehicleScheduleTold(v1::StationVehicleScheduleTold);
    "subject.erased" SubjectErased(v1::SubjectErased);
    "tariff.version_published" TariffVersionPublished(v1::TariffVersionPublished);
    "token.changed" TokenChanged(v1::TokenChanged);
    "token.registered" TokenRegistered(v1::TokenRegistered);
    "transaction_ids.leased" TransactionIdsLeased(v1::TransactionIdsLeased);
}

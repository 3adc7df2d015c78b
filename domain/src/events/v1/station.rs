//! A charge point: who it is, what it says outside sessions, whether it is there.

use super::certificate::StationCertificateWithdrawn;
use super::charging::{CarriedCharging, ChargingAbilities};
use super::device_model::{CostDisplay, MessageLimit};
use super::exchange::Evidence;
use super::session::MeterSample;
use super::transaction::StationPaymentTold;
use super::treatment::{Dialect, StationSettings};
use crate::ids::{
    CommandId, ConfigurationSlot, ConnectorNumber, EventId, EvseNumber, ReportedEventKey,
    SessionId, SiteId, StationId, StationIdentity, TransactionNumber,
};
use crate::sealed::SealedText;
use crate::units::{Timestamp, WattHours};
use serde::{Deserialize, Serialize};

/// `station.registered`: a charge point that may connect from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationRegistered {
    /// Our id.
    pub station_id: StationId,
    /// Its name in the URL.
    pub station: StationIdentity,
    /// What its password is checked against; `None` admits it without one.
    pub password: Option<PasswordVerifier>,
    /// Where it stands.
    pub site_id: Option<SiteId>,
}

/// A keyed hash (HMAC-SHA-256) of a password under a key that lies in the vault: without the
/// vault it says nothing about the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordVerifier {
    /// Another one for every password; no secret.
    pub salt: String,
    /// In hex.
    pub keyed_hash: String,
    /// The same of the bytes that the password spells, where it is hexadecimal digits in the
    /// length of an AuthorizationKey (1.6: security white paper, A00.FR.205): a station sends
    /// either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed_hash_of_bytes: Option<String>,
}

/// `station.password_changed`: the station has another password, given by an operator or taken over
/// OCPP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPasswordChanged {
    /// The new one; the old one counts no more, nor any that was offered in its place. `None`:
    /// there is none any more.
    pub password: Option<PasswordVerifier>,
    /// The network connection profile whose password it is (2.1); the station's own is not
    /// touched then. Absent: it is the station's own, and those of its profiles count on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_slot: Option<ConfigurationSlot>,
}

/// `station.password_offered`: a new password leaves for the station. It counts beside the old one
/// until the station has answered, or has logged in with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPasswordOffered {
    /// The new one.
    pub password: PasswordVerifier,
    /// The network connection profile whose password it is to be (2.1); the station's own if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_slot: Option<ConfigurationSlot>,
}

/// `station.password_declined`: the station has not taken over a password that was offered to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPasswordDeclined {
    /// That one; it counts no more.
    pub password: PasswordVerifier,
}

/// `station.site_assigned`: the station stands at another site, or at none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSiteAssigned {
    /// Where it stands now.
    pub site_id: Option<SiteId>,
}

/// `station.serial_number_set`: the serial number that an operator knows the station by: a
/// certificate of the station's may name it, and its boots are held against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSerialNumberSet {
    /// That number; `None`: none is known any more.
    pub serial_number: Option<String>,
}

/// `station.connector_declared`: an operator's description of a connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationConnectorDeclared {
    /// The EVSE it is of, at a station that counts them (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// Its number.
    pub connector: ConnectorNumber,
    /// EVSE id (eMI3) shown to drivers; not the OCPP identity.
    pub evse_id: Option<String>,
    /// OCPI word for the plug: `IEC_62196_T2`, ….
    pub plug: Option<String>,
    /// What it can deliver at most, in W.
    pub power_w_max: Option<u32>,
}

/// `station.month_opened`: the first event of a month's stream, so that loading a station never
/// reads an older month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMonthOpened {
    /// Our id.
    pub station_id: StationId,
    /// The month: `2026-11`.
    pub month: String,
    /// The stream of the month before that one.
    pub previous: Option<String>,
    /// What was known when the month opened.
    pub carried: CarriedStation,
}

/// Everything a later decision needs of a station's past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedStation {
    /// Its name in the URL.
    pub station: StationIdentity,
    /// What its password is checked against.
    pub password: Option<PasswordVerifier>,
    /// Where it stands.
    pub site_id: Option<SiteId>,
    /// Whether a BootNotification was ever accepted.
    pub accepted: bool,
    /// The last boot.
    pub boot: Option<BootInformation>,
    /// Its connectors.
    pub connectors: Vec<CarriedConnector>,
    /// Connections so far.
    pub epoch: u64,
    /// Stops that have found no session yet.
    pub orphans: Vec<OrphanStop>,
    /// The sub-protocol of its last connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How it is treated, where that was ever changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<StationSettings>,
    /// The answer to its last boot, where that was not `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Quirks that were noticed.
    #[serde(default, skip_serializing_if = "Dialect::is_standard")]
    pub noticed: Dialect,
    /// The OCPP security profile that it has accepted to use, and has not come with yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile_agreed: Option<u8>,
    /// The lowest OCPP security profile that it is let in with, where one is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile_required: Option<u8>,
    /// The serial number that an operator knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Whether it last booted with another number than that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_other_serial_number: bool,
    /// The serial numbers of its certificates that let it in, hexadecimal, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// The serial numbers of those that it was given to show to vehicles, hexadecimal, oldest
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v2g_certificates: Vec<String>,
    /// The last certificates of its own that were withdrawn, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates_withdrawn: Vec<StationCertificateWithdrawn>,
    /// How much it takes in one request of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub message_limits: Vec<MessageLimit>,
    /// What it takes of charging profiles, where it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging_abilities: Option<ChargingAbilities>,
    /// What it has told of showing prices and costs, where it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_display: Option<CostDisplay>,
    /// Passwords that were offered to it and that it has neither taken over nor declined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passwords_offered: Vec<PasswordVerifier>,
    /// The last events that it reported, to know them again when they are repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported_events: Vec<CarriedEvent>,
    /// What is known of the charging there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging: Option<Box<CarriedCharging>>,
    /// Payments that it told of before the transaction that they are for, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<StationPaymentTold>,
    /// Whether any of those has given way to a later one: its transaction has to look for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub have_payments_given_way: bool,
    /// Passwords of its network connection profiles, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile_passwords: Vec<ProfilePassword>,
}

/// A password that a station may log in with where it uses one of its network connection profiles
/// (2.1, B09). Which it uses is its own choice, so all of them count beside the station's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePassword {
    /// The profile.
    pub configuration_slot: ConfigurationSlot,
    /// What it is checked against.
    pub password: PasswordVerifier,
    /// Whether it was offered only: the station has neither taken it over nor declined it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_offered: bool,
}

/// An event that a station reported (NotifyEvent), as carried into a new month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedEvent {
    /// The station's number of it.
    pub number: i64,
    /// When it happened, by the station's clock.
    pub at: Timestamp,
    /// What it is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ReportedEventKey>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// A connector as carried into a new month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedConnector {
    /// The EVSE it is of (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// Its number.
    pub connector: ConnectorNumber,
    /// The station's last word on it.
    pub status: Option<String>,
    /// The station's last error code for it.
    pub error_code: Option<String>,
    /// When.
    pub status_at: Option<Timestamp>,
    /// The operator's description.
    pub declared: Option<StationConnectorDeclared>,
}

/// `station.connected`: the station has been let in, and a connection is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationConnected {
    /// Counts connections of this station; only the highest one sends.
    pub epoch: u64,
    /// The sub-protocol agreed on.
    pub protocol: String,
    /// Where from: address and port.
    pub remote: String,
    /// OCPP security profile of the connection: 0 none, 1 basic auth, 2 that over TLS, 3 a
    /// certificate of its own.
    pub security_profile: u8,
    /// The serial number of the certificate that it came with, hexadecimal, where that was signed
    /// here: those before it let nobody in any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_serial_number: Option<String>,
}

/// `station.disconnected`: a connection of the station is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDisconnected {
    /// The connection that ended.
    pub epoch: u64,
    /// Why, in a word: `closed_by_station`, `replaced`, `silent`, `transport_error`, `shutdown`, ….
    pub reason: String,
}

/// `station.booted`: what a BootNotification said and what we answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationBooted {
    /// What it said of itself.
    pub boot: BootInformation,
    /// What we answered.
    pub registration: Registration,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// What a station says of itself when it boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootInformation {
    /// Maker.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number of the station.
    pub serial_number: Option<String>,
    /// Firmware.
    pub firmware_version: Option<String>,
    /// ICCID of its SIM.
    pub iccid: Option<String>,
    /// IMSI of its SIM.
    pub imsi: Option<String>,
    /// Type of its main meter.
    pub meter_type: Option<String>,
    /// Serial number of its main meter.
    pub meter_serial_number: Option<String>,
    /// The station's word for why it booted (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to a BootNotification (OCPP 1.6 section 7.37).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Known, may work.
    Accepted,
    /// Known, has to wait.
    Pending,
    /// Not wanted.
    Rejected,
}

/// `station.connector_status`: what a connector, or the station itself, said outside a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationConnectorStatus {
    /// The EVSE (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// The connector; in 1.6, 0 is the station itself.
    pub connector: ConnectorNumber,
    /// The station's word.
    pub status: String,
    /// The station's word (1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The vendor's own error code.
    pub vendor_error_code: Option<String>,
    /// The station's time, or ours where it gave none.
    pub at: Timestamp,
    /// Our time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.meter_recorded`: meter values outside a transaction (clock-aligned and the like).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMeterRecorded {
    /// The EVSE (2.x); 0 is the station's main meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// The connector (1.6); 0 is the station's main meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorNumber>,
    /// The transaction id given, where it is none of ours.
    pub transaction_id: Option<i32>,
    /// The samples that mean something to us.
    pub samples: Vec<MeterSample>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.job_status`: how far a firmware update, a diagnostics upload or a log upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationJobStatus {
    /// Which kind of job.
    pub job: Job,
    /// The station's word.
    pub status: String,
    /// The request it belongs to, where the station says.
    pub request_id: Option<i32>,
    /// The command that it is about, where there is one; the event is in its stream then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// Long work at a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// FirmwareStatusNotification.
    Firmware,
    /// SignedFirmwareStatusNotification.
    SignedFirmware,
    /// DiagnosticsStatusNotification.
    Diagnostics,
    /// LogStatusNotification.
    Log,
}

/// `station.security_noted`: something that matters to security, said by the station or seen by us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSecurityNoted {
    /// The station's event type, or ours: `foreign_transaction`, `clone_suspected`, ….
    pub kind: String,
    /// Who saw it.
    pub seen_by: SeenBy,
    /// The station's time, or ours.
    pub at: Timestamp,
    /// In words.
    pub detail: Option<SealedText>,
    /// The exchange that showed it, where one did.
    pub exchange: Option<EventId>,
}

/// Who saw something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// The station.
    Station,
    /// We.
    System,
}

/// `station.orphan_recorded`: a stop that belongs to no session we know, yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationOrphanRecorded {
    /// The stop.
    pub orphan: OrphanStop,
}

/// A stop without a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanStop {
    /// The transaction id it gave.
    pub transaction_id: TransactionNumber,
    /// The register it gave.
    pub meter_stop_wh: WattHours,
    /// The frame's own words for the register.
    pub meter_evidence: Evidence,
    /// The station's time.
    pub stopped_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// The station's word for why.
    pub reason: Option<String>,
    /// Who stopped it, where the station says.
    pub id_tag: Option<SealedText>,
    /// Keyed hash of that tag, to find it again; hex.
    pub id_tag_key: Option<String>,
    /// The begin register, where the stop itself carries one (`Transaction.Begin`).
    pub begin: Option<MeterSample>,
    /// All that it carries (`transactionData`), for its session to take over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<MeterSample>,
    /// Whether it names a transaction of another station: then no start here can take it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_foreign: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.orphan_resolved`: such a stop, or a payment that was told before its transaction, found
/// its session, or was dismissed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationOrphanResolved {
    /// The exchange that told of it.
    pub exchange: EventId,
    /// The session; `None` where an operator has dismissed it: no session will take it in.
    pub session_id: Option<SessionId>,
    /// Why it was dismissed, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SealedText>,
    /// Who dismissed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<SealedText>,
}

//! Charge points as they are given out.

use chargebook_domain::events::v1::{
    BootInformation, CertificateDeclined, CostDisplay, Dialect, InstalledCertificate, Registration,
    SeenBy, StationSettings,
};
use chargebook_domain::ids::{
    CommandId, ConnectorNumber, EventId, EvseNumber, SessionId, SiteId, StationId, StationIdentity,
    TransactionId,
};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A charge point as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Station {
    /// What it calls itself: the id of the API.
    pub id: StationIdentity,
    /// Our own id of it, as in stream names.
    pub station_id: StationId,
    /// Where it stands.
    pub site_id: Option<SiteId>,
    /// That site's name in the API.
    pub site: Option<String>,
    /// The serial number that an operator knows it by.
    pub serial_number: Option<String>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Whether a BootNotification was ever accepted.
    pub accepted: bool,
    /// The answer to its last BootNotification.
    pub registration: Option<Registration>,
    /// What it said of itself at its last boot.
    pub boot: Option<BootInformation>,
    /// When that was, by our clock.
    pub booted_at: Option<Timestamp>,
    /// Whether it is there.
    pub connected: bool,
    /// Sub-protocol of the last connection.
    pub protocol: Option<String>,
    /// OCPP security profile of the last connection.
    pub security_profile: Option<u8>,
    /// The one that it has accepted to use, and has not come with yet.
    pub security_profile_agreed: Option<u8>,
    /// The lowest one that it is let in with; 0: any.
    pub security_profile_required: u8,
    /// Where the last connection came from.
    pub remote: Option<String>,
    /// When it last came, by our clock.
    pub connected_at: Option<Timestamp>,
    /// When it last went, by our clock.
    pub disconnected_at: Option<Timestamp>,
    /// Why it last went, in a word.
    pub disconnect_reason: Option<String>,
    /// How it is treated.
    pub settings: StationSettings,
    /// What it does otherwise than the standard, as far as that was noticed.
    pub noticed: Dialect,
    /// What it has told of showing prices and costs.
    pub cost_display: CostDisplay,
    /// When it last said anything, by our clock.
    pub last_seen: Option<Timestamp>,
    /// Its connectors, by number; 0 is the station itself.
    pub connectors: Vec<Connector>,
}

impl Station {
    /// The sum of its connectors' power, in W.
    pub fn power_w(&self) -> Decimal {
        self.connectors.iter().filter_map(|connector| connector.power_w).sum()
    }
}

/// A connector as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connector {
    /// The EVSE it is of, at a station that counts them (2.x).
    pub evse: Option<EvseNumber>,
    /// Its number; in 1.6, 0 is the station itself.
    pub connector: ConnectorNumber,
    /// The station's word: `Available`, `Charging`, ….
    pub status: Option<String>,
    /// The station's word: `NoError`, ….
    pub error_code: Option<String>,
    /// The vendor's own error code.
    pub vendor_error_code: Option<String>,
    /// When it said so, by its clock.
    pub status_at: Option<Timestamp>,
    /// EVSE id (eMI3) shown to drivers.
    pub evse_id: Option<String>,
    /// OCPI word for the plug.
    pub plug: Option<String>,
    /// What it can deliver at most, in W.
    pub power_w_max: Option<u32>,
    /// The session that is open at it.
    pub session: Option<SessionId>,
    /// That session's transaction id.
    pub transaction_id: Option<TransactionId>,
    /// Its power now, in W, as last metered.
    pub power_w: Option<Decimal>,
    /// That session's energy so far.
    pub energy_wh: Option<WattHours>,
}

/// A certificate that a station holds, as far as it has told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificate {
    /// Which one, and for what it is trusted.
    pub certificate: InstalledCertificate,
    /// When the station accepted it from us, by our clock; `None`: it was not us.
    pub installed_at: Option<Timestamp>,
    /// When the station last listed it, by our clock.
    pub reported_at: Option<Timestamp>,
}

/// A certificate that a station was to get as its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCertificate {
    /// What it is for, in the station's word (2.x); the station's own one if absent.
    pub kind: Option<String>,
    /// How far it is.
    pub status: OwnCertificateStatus,
    /// Why it was not signed.
    pub declined: Option<CertificateDeclined>,
    /// Its serial number, hexadecimal, where it was signed.
    pub serial_number: Option<String>,
    /// The end of its validity, where it was signed.
    pub not_after: Option<Timestamp>,
    /// The command that brings it, or brought it.
    pub command_id: Option<CommandId>,
    /// When it was asked for, by our clock; `None`: an operator sent it unasked.
    pub requested_at: Option<Timestamp>,
    /// When the station answered it, by our clock.
    pub answered_at: Option<Timestamp>,
}

/// How far a station's own certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnCertificateStatus {
    /// It was not signed.
    Declined,
    /// It is on its way; what became of that is the command's to tell.
    Signed,
    /// The station uses it.
    Accepted,
    /// The station does not take it.
    Rejected,
    /// An operator has withdrawn it: it lets nobody in.
    Withdrawn,
}

/// What is known of a station's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StationCertificates {
    /// Those that it trusts others by, as far as it has told.
    pub trusted: Vec<StationCertificate>,
    /// Those that it has asked for or was sent as its own, newest first.
    pub own: Vec<OwnCertificate>,
}

/// Something that a careful person would want to know about a station's security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityEvent {
    /// Its position.
    pub position: u64,
    /// Our id of the station.
    pub station_id: StationId,
    /// What the station calls itself.
    pub station: Option<StationIdentity>,
    /// The station's event type, or ours.
    pub kind: String,
    /// Who saw it.
    pub seen_by: SeenBy,
    /// The station's time, or ours.
    pub at: Timestamp,
    /// Our clock.
    pub recorded_at: Timestamp,
    /// In words, sealed.
    pub detail: Option<SealedText>,
    /// The exchange that showed it.
    pub exchange: Option<EventId>,
}

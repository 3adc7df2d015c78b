//! What the query API gives out: plain rows. Personal data stays sealed in them; who may see
//! it opens it at read time.

mod reservation;
mod token;

pub use reservation::{Reservation, ReservationStatus};
pub use token::Token;

use chargebook_domain::events::v1::{
    AccountKind, Anomaly, Authorization, BootInformation, CommandFailure, Dialect,
    InstalledCertificate, Intent, InvoiceIssued, Outcome, Registration, SeenBy, StationSettings,
};
use chargebook_domain::ids::{
    AccountId, CommandId, ConnectorNumber, DriverId, EventId, EvseNumber, SessionId, SiteId,
    StationId, StationIdentity, SubjectId, TariffId, TokenId, TransactionId, TransactionNumber,
};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque: give it back to get the next page; `None` on the last one.
    pub next: Option<String>,
}

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

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Running.
    Open,
    /// Ended; its facts may not be complete yet.
    Stopped,
    /// Its bill may rest on its facts.
    Settled,
}

/// A session as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Where.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// The EVSE, at a station that counts them (2.x), as far as it is known.
    pub evse: Option<EvseNumber>,
    /// The connector, as far as it is known.
    pub connector: Option<ConnectorNumber>,
    /// The transaction's id: a number in 1.6, a text in 2.x.
    pub transaction_id: TransactionId,
    /// The site it took place at.
    pub site_id: Option<SiteId>,
    /// IANA name of the site's zone.
    pub time_zone: String,
    /// What the driver presented, sealed; `None` where nobody presented anything.
    pub token: Option<SealedText>,
    /// The token, where it is known.
    pub token_id: Option<TokenId>,
    /// Who pays.
    pub account_id: Option<AccountId>,
    /// What we said to the token; `None` where none was presented.
    pub authorization: Option<Authorization>,
    /// How far it is.
    pub status: SessionStatus,
    /// When it began: by the station's clock, or as settled.
    pub started_at: Timestamp,
    /// When it ended: by the station's clock, or as settled.
    pub ended_at: Option<Timestamp>,
    /// The station's word for why it ended; `Local` where it gave none (OCPP 1.6 section 6.49).
    pub stop_reason: Option<String>,
    /// So far while it runs; as settled after that.
    pub energy_wh: WattHours,
    /// Power as last metered, in W; `None` once it has ended.
    pub power_w: Option<Decimal>,
    /// The car's state of charge as last metered, in percent.
    pub state_of_charge_percent: Option<Decimal>,
    /// When it was last metered, by the station's clock.
    pub metered_at: Option<Timestamp>,
    /// What it costs, once rated.
    pub cost: Option<Cost>,
    /// What became of it, once decided.
    pub outcome: Option<Outcome>,
    /// A word for why.
    pub reason: Option<String>,
    /// In words, for a person.
    pub detail: Option<String>,
    /// Who has to look at it, where somebody has to.
    pub owner: Option<String>,
    /// What would resolve it.
    pub resolved_by: Option<String>,
    /// Number of the last invoice or credit note to it.
    pub invoice: Option<String>,
    /// What was odd about it.
    pub anomalies: Vec<Anomaly>,
    /// Position of its first fact.
    pub position: u64,
}

/// What a session costs by its last rating: exact, not rounded to the minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Without VAT.
    pub net: Decimal,
    /// With VAT.
    pub gross: Decimal,
    /// ISO 4217.
    pub currency: String,
}

/// A point of a session's meter curve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CurvePoint {
    /// By the station's clock.
    pub sampled_at: Timestamp,
    /// Energy since the session began.
    pub energy_wh: Option<WattHours>,
    /// Power in W.
    pub power_w: Option<Decimal>,
    /// The car's state of charge in percent.
    pub state_of_charge_percent: Option<Decimal>,
}

/// A step in a session's life, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// Its position.
    pub position: u64,
    /// Its event.
    pub event_id: EventId,
    /// Its event's type.
    pub event_type: String,
    /// Our clock.
    pub recorded_at: Timestamp,
    /// The station's word, the anomaly, the outcome: what the type alone does not say.
    pub detail: Option<String>,
}

/// A session with what its stream tells beyond the row; read from the log when asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionDetail {
    /// The row.
    pub session: Session,
    /// The meter curve, by the station's clock.
    pub curve: Vec<CurvePoint>,
    /// What happened, in log order; meter values left out.
    pub timeline: Vec<TimelineEntry>,
    /// What it costs so far, by the tariff that is in force for it now; `None` once it is
    /// rated (see [`Session::cost`]), or where no tariff is.
    pub running_cost: Option<Cost>,
    /// True where the stream is longer than what one detail reads: curve and timeline are cut.
    pub truncated: bool,
}

/// An invoice or credit note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invoice {
    /// As issued.
    #[serde(flatten)]
    pub issued: InvoiceIssued,
    /// The station of its session, where the session is known.
    pub station: Option<StationIdentity>,
    /// Its event.
    pub event_id: EventId,
    /// Its event's position.
    pub position: u64,
}

/// From an invoice to everything it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// The invoice's number.
    pub invoice: String,
    /// Its event.
    pub invoice_event: EventId,
    /// That event's position.
    pub invoice_position: u64,
    /// The session.
    pub session: SessionId,
    /// Position of its first fact.
    pub started_position: Option<u64>,
    /// The settlement that it rests on.
    pub settled_event: Option<EventId>,
    /// The rating that it bills.
    pub rated_event: EventId,
    /// That event's position.
    pub rated_position: Option<u64>,
    /// The tariff version that was used.
    pub tariff_event: EventId,
    /// That event's position.
    pub tariff_position: Option<u64>,
}

/// A driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Our id.
    pub driver_id: DriverId,
    /// Whose key seals the fields below.
    pub subject_id: SubjectId,
    /// Name, sealed.
    pub name: SealedText,
    /// E-mail address, sealed.
    pub email: Option<SealedText>,
    /// Who pays.
    pub account_id: AccountId,
    /// When they were registered.
    pub registered_at: Timestamp,
    /// Whether their key was destroyed: name and address are nobody's to read any more.
    pub erased: bool,
}

/// An account, with what its ledger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Our id.
    pub account_id: AccountId,
    /// How it pays.
    pub kind: AccountKind,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What it owes and has, per ledger account and currency.
    pub balances: Vec<Balance>,
}

/// The sum of a ledger account's legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// `receivable:{account}`, `wallet:{account}`, `revenue`, `vat:{percent}`.
    pub ledger_account: String,
    /// ISO 4217.
    pub currency: String,
    /// In minor units; debit positive, credit negative.
    pub balance_minor: i64,
    /// How many legs that is the sum of.
    pub legs: u64,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Its name in the API.
    pub id: String,
    /// Our id.
    pub site_id: SiteId,
    /// What people read.
    pub name: String,
    /// IANA name.
    pub time_zone: String,
    /// Postal address, one line.
    pub address: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// A tariff's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TariffVersion {
    /// Its name in the API.
    pub id: String,
    /// Our id.
    pub tariff_id: TariffId,
    /// From 1.
    pub version: u64,
    /// The canonical text of the OCPI tariff.
    pub content: String,
    /// SHA-256 of that text, in hex.
    pub content_sha256: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// The event that published it.
    pub event_id: EventId,
    /// That event's position.
    pub position: u64,
    /// Whether sessions that have no other tariff get this one.
    pub is_default: bool,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Wished for.
    Requested,
    /// On its way, durably.
    Sent,
    /// The station answered.
    Answered,
    /// It came to no answer; see the failure.
    Failed,
}

/// An intent to a station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its id.
    pub command_id: CommandId,
    /// To which station.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// What it is to do; personal data and secrets in it are sealed.
    pub intent: Intent,
    /// How far it is.
    pub state: CommandState,
    /// The OCPP action it became.
    pub action: Option<String>,
    /// The status of the station's answer.
    pub reply_status: Option<String>,
    /// How it failed.
    pub failure: Option<CommandFailure>,
    /// In words.
    pub detail: Option<String>,
    /// When it was wished for.
    pub requested_at: Timestamp,
    /// After this it is not sent any more.
    pub expires_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was answered or failed.
    pub finished_at: Option<Timestamp>,
    /// Whether all that the station reports on it later is there; `None` where that is nothing.
    pub complete: Option<bool>,
    /// Position of `command.requested`.
    pub position: u64,
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

/// A stop that belongs to no session we know, yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrphanStop {
    /// The exchange that brought it: its id in the API.
    pub exchange: EventId,
    /// At which station.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// Where that station stands.
    pub site_id: Option<SiteId>,
    /// The transaction id that it names.
    pub transaction_id: TransactionNumber,
    /// The register that it gives, in Wh.
    pub register_stop_wh: WattHours,
    /// The station's time.
    pub stopped_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// The station's word for why it ended.
    pub stop_reason: Option<String>,
    /// Who stopped it, where the station says, sealed.
    pub token: Option<SealedText>,
    /// Position of its `station.orphan_recorded`.
    pub position: u64,
}

/// Something that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Review {
    /// A session that nobody can bill without one.
    Session(Box<Session>),
    /// A stop without a session.
    OrphanStop(OrphanStop),
}

impl Review {
    /// Where in the log it came up.
    pub fn position(&self) -> u64 {
        match self {
            Self::Session(session) => session.position,
            Self::OrphanStop(orphan) => orphan.position,
        }
    }
}

/// An event that the read models could not take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParkedEvent {
    /// Its position.
    pub position: u64,
    /// Its id.
    pub event_id: EventId,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// Its schema version.
    pub schema_version: u32,
    /// Why.
    pub reason: String,
}

/// Money in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revenue {
    /// ISO 4217.
    pub currency: String,
    /// Digits of the minor unit.
    pub currency_exponent: u32,
    /// Invoices and credit notes.
    pub invoices: u64,
    /// Without VAT, in minor units; credit notes count against it.
    pub net_minor: i64,
    /// With VAT, in minor units; credit notes count against it.
    pub gross_minor: i64,
}

/// Energy, sessions and revenue of a span of time at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnalyticsBucket {
    /// When the span begins.
    pub from: Timestamp,
    /// The site; `None` for stations that have none.
    pub site_id: Option<SiteId>,
    /// That site's name in the API.
    pub site: Option<String>,
    /// Energy by the hour it was metered in; settlement's difference by the hour it ended in.
    pub energy_wh: WattHours,
    /// Sessions by the hour they began in, those that turned out void left out.
    pub sessions: u64,
    /// Revenue by the hour the billed session ended in, per currency.
    pub revenue: Vec<Revenue>,
}

/// What an operator wants to see first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Stations registered.
    pub stations: u64,
    /// Stations that are there.
    pub stations_connected: u64,
    /// Stations with a connector that reports `Faulted`.
    pub stations_faulted: u64,
    /// Sessions open now.
    pub sessions_open: u64,
    /// Sum of the open sessions' power, in W.
    pub power_w: Decimal,
    /// Sessions a person has to look at, over all time.
    pub sessions_to_review: u64,
    /// Stops without a session that wait for one, or for a person.
    pub orphan_stops: u64,
    /// Energy in the span asked for.
    pub energy_wh: WattHours,
    /// Sessions that began in the span asked for.
    pub sessions: u64,
    /// Revenue in the span asked for.
    pub revenue: Vec<Revenue>,
    /// Events parked, over all time.
    pub parked_events: u64,
}

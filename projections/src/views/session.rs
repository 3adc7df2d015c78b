//! Sessions as they are given out, and what a person has to look at of them.

use chargebook_domain::events::v1::{Anomaly, Authorization, Outcome, TerminalPayment};
use chargebook_domain::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, SiteId, StationId, StationIdentity,
    TokenId, TransactionId, TransactionName, TransactionNumber,
};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::session::{self, FOREIGN_STOP_REVIEW, ORPHAN_STOP_REVIEW};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

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
    /// What flowed back from the vehicle, where the station meters that: no part of `energy_wh`,
    /// and of no bill.
    pub exported_wh: Option<WattHours>,
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
    /// What the station said last of a payment at its terminal (2.1), its texts sealed.
    pub payment: Option<TerminalPayment>,
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
    /// Whether it names a transaction of another station.
    pub is_foreign: bool,
    /// Position of its `station.orphan_recorded`.
    pub position: u64,
}

impl OrphanStop {
    /// What a person has to look at.
    pub fn review(&self) -> session::Review {
        match self.is_foreign {
            true => FOREIGN_STOP_REVIEW,
            false => ORPHAN_STOP_REVIEW,
        }
    }
}

/// A payment that was taken at a station's terminal for a transaction that has not come, yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EarlyPayment {
    /// The exchange that brought it: its id in the API.
    pub exchange: EventId,
    /// At which station.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// Where that station stands.
    pub site_id: Option<SiteId>,
    /// The transaction that it names.
    pub transaction_id: TransactionName,
    /// What the station says of it; its texts are sealed.
    pub payment: TerminalPayment,
    /// Our time.
    pub received_at: Timestamp,
    /// Position of its `station.payment_told`.
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
    /// A payment without a session.
    EarlyPayment(Box<EarlyPayment>),
}

impl Review {
    /// Where in the log it came up.
    pub fn position(&self) -> u64 {
        match self {
            Self::Session(session) => session.position,
            Self::OrphanStop(orphan) => orphan.position,
            Self::EarlyPayment(payment) => payment.position,
        }
    }
}

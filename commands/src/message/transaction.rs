//! TransactionEvent: all that a 2.x station says of a transaction, part by part.

use super::{PresentedToken, SampleReport};
use chargebook_domain::events::v1::{StationCost, TransactionEventKind as Kind, TransactionLimit};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, TransactionName};
use chargebook_domain::units::Timestamp;

/// Which part of a transaction's story is told.
pub type TransactionEventKind = Kind;

/// TransactionEvent.
#[derive(Clone, Debug)]
pub struct TransactionReport {
    /// Which part of the story.
    pub kind: TransactionEventKind,
    /// The station's id of the transaction; it may be used again after a reset.
    pub transaction_id: TransactionName,
    /// Counts the messages of the transaction, from 0.
    pub sequence: u32,
    /// The station's time of what happened.
    pub at: Timestamp,
    /// The station's word for what made it speak (`triggerReason`).
    pub trigger: String,
    /// Whether it happened while the station was offline.
    pub is_offline: bool,
    /// Which EVSE; known from the moment on that one is chosen.
    pub evse: Option<EvseNumber>,
    /// Which of the EVSE's connectors; known from the moment on that the cable is plugged.
    pub connector: Option<ConnectorNumber>,
    /// Who begins, goes on or ends it.
    pub token: Option<PresentedToken>,
    /// The reservation that it uses up.
    pub reservation_id: Option<i32>,
    /// The RequestStartTransaction that it answers.
    pub remote_start_id: Option<i32>,
    /// The station's word (`chargingState`): `Charging`, `SuspendedEV`, ….
    pub charging_state: Option<String>,
    /// The station's word for why it ended.
    pub stopped_reason: Option<String>,
    /// Phases that are used.
    pub phases: Option<u8>,
    /// How long energy flowed so far.
    pub time_spent_charging_seconds: Option<i64>,
    /// The samples that mean something to us, in the message's order.
    pub samples: Vec<SampleReport>,
    /// What it ends the transaction at (2.1).
    pub limit: Option<TransactionLimit>,
    /// What it has cost, by the station's own reckoning (2.1).
    pub cost: Option<StationCost>,
    /// Whether answers on the way have places for the running cost and for limits (2.1; in 2.0.1
    /// only the final cost has one, in the last answer).
    pub is_priced_on_the_way: bool,
    /// Whether what is said of the token of a payer with a limit is for this moment alone (2.1, as
    /// in the answer to Authorize).
    pub keeps_no_credit: bool,
}

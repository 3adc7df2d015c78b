//! A session as a 2.x station tells it: part by part, in messages that may come in any order.

use super::session::{Authorization, ClockTrust, MeterSample};
use crate::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, SiteId, StationId, StationIdentity,
    TokenId, TransactionName,
};
use crate::sealed::SealedText;
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `session.opened`: the first message of a 2.x transaction came, whichever it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The session.
    pub session_id: SessionId,
    /// The station.
    pub station_id: StationId,
    /// The station's name.
    pub station: StationIdentity,
    /// The station's id of the transaction.
    pub transaction_id: TransactionName,
    /// How many transactions of the station had this id before.
    pub occurrence: u32,
    /// The site, whose time zone the tariff's hours are read in.
    pub site_id: Option<SiteId>,
    /// IANA name of that zone.
    pub time_zone: String,
    /// Our time.
    pub received_at: Timestamp,
    /// The exchange of that first message.
    pub exchange: EventId,
}

/// `session.transaction_reported`: what one TransactionEvent says, beside its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTransactionReported {
    /// Which part of the story.
    pub kind: TransactionEventKind,
    /// Counts the messages of the transaction (`seqNo`).
    pub sequence: u32,
    /// The station's time.
    pub at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Whether the station's time can be believed.
    pub clock: ClockTrust,
    /// The station's word for what made it speak: `CablePluggedIn`, `MeterValuePeriodic`, ….
    pub trigger: String,
    /// Whether it happened while the station was offline.
    pub is_offline: bool,
    /// The EVSE, from the moment on that one is chosen.
    pub evse: Option<EvseNumber>,
    /// The connector of the EVSE, from the moment on that the cable is plugged.
    pub connector: Option<ConnectorNumber>,
    /// The station's word: `EVConnected`, `Charging`, `SuspendedEV`, `SuspendedEVSE`, `Idle`.
    pub charging_state: Option<String>,
    /// The station's word for why it ended.
    pub stopped_reason: Option<String>,
    /// The reservation that it used up.
    pub reservation_id: Option<i32>,
    /// The request of ours that it answers.
    pub remote_start_id: Option<i32>,
    /// Phases that are used.
    pub phases: Option<u8>,
    /// How long energy flowed so far.
    pub time_spent_charging_seconds: Option<i64>,
    /// Its samples that mean something to us and were not known yet. What a repeat adds, and what
    /// was recorded before this member came to be, stands in a `session.meter_recorded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<MeterSample>,
    /// What the station says that it ends the transaction at (2.1, E16).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<TransactionLimit>,
    /// What the station says that it has cost, where it computes that itself (2.1, I12). Our own
    /// rating is what is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<StationCost>,
    /// What our answer said that it may cost at most, including taxes, in its tariff's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_limit_answered: Option<Decimal>,
    /// The session that it follows at its EVSE, as known then: with the message that first names
    /// that EVSE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<SessionId>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// What a transaction may come to (TransactionLimitType); what is absent has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionLimit {
    /// What it may cost, including taxes, in its tariff's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// The energy, in Wh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_wh: Option<WattHours>,
    /// How long it may last, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// The vehicle's state of charge, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_of_charge_percent: Option<u8>,
}

/// What a station says that a transaction has cost (`costDetails`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCost {
    /// ISO 4217, as the station writes it.
    pub currency: String,
    /// The total without taxes, in major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excl_tax: Option<Decimal>,
    /// The total with taxes, in major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incl_tax: Option<Decimal>,
    /// The tariff that it was computed by (`tariffId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<String>,
    /// Whether the station could not compute it (`failureToCalculate`): then the totals say
    /// nothing.
    pub has_failed: bool,
}

/// `session.payment_settled`: the station has settled a payment at its terminal, or could not
/// (2.1, NotifySettlement). The last one holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPaymentSettled {
    /// What it says of the payment.
    pub payment: TerminalPayment,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `session.delivery_told`: the station was asked, and told whether its transaction goes on and
/// whether messages of it still wait with the station (2.x part 2, E14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDeliveryTold {
    /// Whether it goes on (`ongoingIndicator`). A transaction that the station does not know any
    /// more does not.
    pub is_ongoing: bool,
    /// Whether messages of it are still to be delivered (`messagesInQueue`).
    pub has_messages: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.payment_told`: the station has told how a payment at its terminal ended, and nothing
/// yet of the transaction that it is for (2.1, NotifySettlement). The session takes it in when it
/// begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPaymentTold {
    /// The station's id of the transaction.
    pub transaction: TransactionName,
    /// What it says of the payment.
    pub payment: TerminalPayment,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// A payment at a station's terminal, as the station tells of it. Who may pay with which card is
/// between the driver and the terminal: its texts are sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalPayment<Text = SealedText> {
    /// The station's word: `Settled`, `Canceled`, `Rejected`, `Failed`.
    pub status: String,
    /// What was settled, or was to be, in major units; the message names no currency.
    pub amount: Decimal,
    /// The station's time of it.
    pub at: Timestamp,
    /// The payment provider's reference (`pspRef`).
    pub reference: Text,
    /// The receipt's number, where the station or the terminal made one.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<Text>,
    /// Where that receipt is.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub receipt_url: Option<Text>,
}

/// Which part of a 2.x transaction's story a message tells (`eventType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionEventKind {
    /// It begins.
    Started,
    /// It goes on.
    Updated,
    /// It is over.
    Ended,
}

/// `session.token_presented`: a token that a TransactionEvent names, and what we said to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTokenPresented {
    /// The message's place among those of the transaction.
    pub sequence: u32,
    /// The station's time.
    pub at: Timestamp,
    /// What the driver presented; absent where the station says that nobody has to.
    pub id_tag: Option<SealedText>,
    /// The station's word for what it is: `ISO14443`, `Central`, `eMAID`, `NoAuthorization`, ….
    pub kind: Option<String>,
    /// The token, where it is known.
    pub token_id: Option<TokenId>,
    /// Who pays for it.
    pub account_id: Option<AccountId>,
    /// What we said to it.
    pub authorization: Authorization,
    /// Whether it was presented to end the transaction: who ends what another began does not pay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

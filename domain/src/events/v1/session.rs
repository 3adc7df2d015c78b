//! One charging session: what happened, what it came to, what became of the bill.

use super::exchange::Evidence;
use crate::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, SiteId, StationId, StationIdentity,
    TariffId, TokenId, TransactionNumber,
};
use crate::rating::Rating;
use crate::sealed::SealedText;
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `session.started`: a StartTransaction is a fact, whatever we said to its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// The session.
    pub session_id: SessionId,
    /// The station.
    pub station_id: StationId,
    /// The station's name.
    pub station: StationIdentity,
    /// Where at the station.
    pub connector: ConnectorNumber,
    /// The id we answered with.
    pub transaction_id: TransactionNumber,
    /// The site, whose time zone the tariff's hours are read in.
    pub site_id: Option<SiteId>,
    /// IANA name of that zone.
    pub time_zone: String,
    /// What the driver presented.
    pub id_tag: SealedText,
    /// The token, where it is known.
    pub token_id: Option<TokenId>,
    /// Who pays.
    pub account_id: Option<AccountId>,
    /// What we said to the token.
    pub authorization: Authorization,
    /// The register when it began.
    pub meter_start: MeterReading,
    /// Where `meter_start` is no reading of a meter that counts on (0 or less): the register that
    /// the connector's session before this one ended with, if that one began above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_before: Option<RegisterBefore>,
    /// The station's time.
    pub started_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Whether the station's time can be believed.
    pub clock: ClockTrust,
    /// The reservation it used.
    pub reservation_id: Option<i32>,
    /// The session that is known to have begun before this one at the connector, as the last of
    /// them: where its stop has not come, this one tells how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<SessionId>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// The register that the session before left its connector's meter at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBefore {
    /// That session.
    pub session_id: SessionId,
    /// What its stop said.
    pub register: MeterReading,
}

/// The answer to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// May charge.
    Accepted,
    /// Known, and barred.
    Blocked,
    /// Known, and out of date.
    Expired,
    /// Not known.
    Invalid,
    /// Known, and whoever pays for it has nothing left to spend.
    NoCredit,
}

/// Whether a station's clock can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockTrust {
    /// Within bounds of ours: not in the future, not from before the station could exist.
    Plausible,
    /// Not to be billed by.
    Implausible,
}

/// A register reading and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterReading {
    /// The import register in Wh.
    pub register_wh: WattHours,
    /// The frame's own words.
    pub evidence: Evidence,
}

/// `session.meter_recorded`: meter samples of one message, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMeterRecorded {
    /// The samples that mean something to us; all others are in the exchange.
    pub samples: Vec<MeterSample>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// One sampled value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterSample {
    /// The station's time of the sample.
    pub sampled_at: Timestamp,
    /// What was measured, with its unit.
    pub quantity: Quantity,
    /// The value in that unit, exact.
    pub value: Decimal,
    /// The reading context as the station named it (`Sample.Periodic` if absent).
    pub context: String,
    /// The phase, where it is of one.
    pub phase: Option<String>,
    /// The frame's own words.
    pub evidence: Evidence,
}

impl MeterSample {
    /// Whether it reads the register of what was imported as a whole. What a single phase has
    /// counted is a part of it, and never stands for it.
    pub fn is_import_register(&self) -> bool {
        self.quantity == Quantity::EnergyImportRegisterWh && self.phase.is_none()
    }
}

/// What a sample measures; the unit is part of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Energy.Active.Import.Register.
    EnergyImportRegisterWh,
    /// Power.Active.Import.
    PowerImportW,
    /// Current.Import.
    CurrentImportA,
    /// Voltage.
    VoltageV,
    /// SoC.
    StateOfChargePercent,
    /// Temperature.
    TemperatureC,
    /// Energy.Active.Export.Register: what flowed back from the vehicle. No part of what is
    /// charged, and of no bill.
    EnergyExportRegisterWh,
    /// Power.Active.Export.
    PowerExportW,
}

/// `session.stopped`: a StopTransaction that found this session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStopped {
    /// The register when it ended.
    pub meter_stop: MeterReading,
    /// The station's time.
    pub stopped_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Whether the station's time can be believed.
    pub clock: ClockTrust,
    /// The station's word for why; absent means `Local` (OCPP 1.6 section 6.49).
    pub reason: Option<String>,
    /// Who stopped it, where the station says.
    pub id_tag: Option<SealedText>,
    /// How the stop found its session.
    pub matched_by: StopMatch,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// How a StopTransaction found its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMatch {
    /// By the transaction id we gave.
    TransactionId,
    /// The id was unknown (0, -1, …) and this was the one open session that fits.
    OnlyOpenSession,
    /// It came before its start and was joined when the start came.
    StartCameLater,
}

/// `session.connector_status`: what the session's connector said while the session was open or
/// unsettled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionConnectorStatus {
    /// The EVSE (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// The connector.
    pub connector: ConnectorNumber,
    /// The station's word: `Charging`, `SuspendedEV`, `SuspendedEVSE`, `Finishing`, `Available`, …
    pub status: String,
    /// The station's word: `NoError`, … (1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The station's time, or ours where it gave none.
    pub at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `session.anomaly_noted`: something a careful person would want to know about this session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAnomalyNoted {
    /// What.
    pub anomaly: Anomaly,
    /// In words.
    pub detail: String,
    /// The exchange that showed it, where one did.
    pub exchange: Option<EventId>,
}

/// What can be odd about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// The register went backwards.
    MeterBackwards,
    /// More energy than the time allows.
    EnergyImplausible,
    /// The station's clock cannot be believed.
    ClockImplausible,
    /// No stop came.
    StopMissing,
    /// No begin value came.
    StartMissing,
    /// No end value came; the last reading stands for it.
    EndMissing,
    /// Another session began at the connector before this one's stop came.
    Superseded,
    /// Its registers overlap another session's.
    RegistersOverlap,
    /// A second stop differs from the first.
    StopContradicted,
    /// Energy flowed though the token had been refused.
    RefusedYetCharged,
    /// The same start key came again long after, and may be another session.
    StartAmbiguous,
    /// A token ended it that neither began it, nor is of its group, nor is a master pass.
    StoppedByAnother,
    /// What the station says that it has cost differs from our rating.
    StationCostDiffers,
    /// What was paid directly for it differs from our rating.
    PaymentDiffers,
    /// Messages of its middle have not come; the registers it began and ended with have.
    MessagesMissing,
}

/// `session.superseded`: another session began at the connector of this one. Where that one's token
/// was refused, it counts only as long as this one's stop has not come, and is told only once that
/// one has drawn energy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSuperseded {
    /// The session that began.
    pub by: SessionId,
    /// When it began, by the station's clock.
    pub at: Timestamp,
    /// The register it began with: this session can have drawn no more than up to it.
    pub register: MeterReading,
    /// The exchange that told when it began, where another one told the register (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<EventId>,
    /// Whether its token had been refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
}

/// `session.preceded`: a session that began before this one at its connector (1.6), or how that one
/// ended, was told after this one's start, and that gives no register that counts. The one that
/// began last holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPreceded {
    /// The session that began before.
    pub by: SessionId,
    /// When it began, by the station's clock.
    pub at: Timestamp,
    /// The register it began with: above 0 the meter counts on from session to session, and a begin
    /// of 0 is a missing value.
    pub begin_wh: WattHours,
    /// What its stop said, where that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<MeterReading>,
}

/// `session.settled`: the facts that the bill rests on are complete, or as complete as they get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettled {
    /// Why now.
    pub because: SettledBecause,
    /// When the transaction began.
    pub started_at: Timestamp,
    /// When the transaction ended.
    pub ended_at: Timestamp,
    /// The register it began with.
    pub register_start: MeterReading,
    /// The register it ended with.
    pub register_end: MeterReading,
    /// The difference.
    pub energy_wh: WattHours,
    /// When the connector was free again, where that is known.
    pub released_at: Option<Timestamp>,
    /// What was odd about it; none of these keeps it from being billed.
    pub anomalies: Vec<Anomaly>,
    /// Version of the stream that this rests on.
    pub as_of_version: u64,
}

/// Why a session was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledBecause {
    /// Start, stop and joining registers are there, and nothing more can change the bill.
    Complete,
    /// `settle_after` had passed; what was there was enough.
    Deadline,
    /// A fact came after settlement and changed the sum.
    LateFacts,
    /// A person decided it: what it rests on is what they entered.
    ReviewDecided,
}

/// `session.rated`: what the session costs, and everything needed to compute it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRated {
    /// The tariff it was rated by.
    pub tariff: TariffReference,
    /// IANA name of the zone that the tariff's hours were read in.
    pub time_zone: String,
    /// The result, with the rules' version and the UTC offsets used.
    pub rating: Rating,
    /// The `session.settled` event that this rests on.
    pub settled: EventId,
    /// The `session.rated` event that this one corrects.
    pub corrects: Option<EventId>,
}

/// One version of a tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffReference {
    /// The tariff.
    pub tariff_id: TariffId,
    /// Its name in the API.
    pub tariff: String,
    /// Its version, from 1.
    pub version: u64,
    /// The event that published that version.
    pub event_id: EventId,
    /// SHA-256 of its canonical text, in hex.
    pub content_sha256: String,
}

/// `session.outcome_decided`: what became of the session. The last one holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOutcomeDecided {
    /// Exactly one of these.
    pub outcome: Outcome,
    /// A word for why: `free_of_charge`, `no_energy`, `stop_missing`, ….
    pub reason: Option<String>,
    /// In words, for a person.
    pub detail: Option<String>,
    /// Who has to look at it, where somebody has to.
    pub owner: Option<String>,
    /// What would resolve it.
    pub resolved_by: Option<String>,
    /// The invoice.
    pub invoice: Option<String>,
    /// The exchange in which the station told that its payment was settled (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<EventId>,
}

/// What becomes of a completed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Billed by us.
    Invoiced,
    /// Billed elsewhere: roaming, a payment terminal.
    ChargedElsewhere,
    /// Nothing to pay.
    Free,
    /// No session at all.
    Void,
    /// A person has to look.
    NeedsReview,
}

/// `session.review_decided`: a person has decided what becomes of a session that waited for one.
/// The last one holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReviewDecided {
    /// What becomes of it.
    pub decision: ReviewDecision,
    /// Why, in their words.
    pub reason: SealedText,
    /// Who decided it.
    pub decided_by: SealedText,
    /// Version of the stream that they looked at.
    pub as_of_version: u64,
}

/// What a person can decide about a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReviewDecision {
    /// Nothing is to be paid; what was invoiced is taken back.
    Free,
    /// It was no session at all.
    Void,
    /// It is billed as entered.
    Bill {
        /// When it began.
        started_at: Timestamp,
        /// When it ended; nothing is charged for the time after.
        ended_at: Timestamp,
        /// What was drawn.
        energy_wh: WattHours,
        /// What it costs; without it the tariff in force says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<PriceByHand>,
    },
}

/// A price that a person enters, for the session as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceByHand {
    /// Without VAT, in major units.
    pub net: Decimal,
    /// In percent; `None` where none is due.
    pub vat_percent: Option<Decimal>,
    /// ISO 4217.
    pub currency: String,
}

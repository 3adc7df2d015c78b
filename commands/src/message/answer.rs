//! What a station is answered.

use super::certificate::{ChainAnswer, ContractAnswer};
use super::token::PresentedToken;
use chargebook_domain::events::v1::{
    Authorization, CertificateDeclined, Registration, TransactionLimit,
};
use chargebook_domain::ids::{EvseNumber, TransactionNumber};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;
use std::sync::Arc;

/// What a station is answered. What its version has no member for, the gateway leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To BootNotification.
    Boot {
        /// May it work.
        registration: Registration,
        /// Our time.
        now: Timestamp,
        /// Seconds between heartbeats, or until it may boot again.
        interval_seconds: u32,
    },
    /// To Heartbeat.
    Heartbeat {
        /// Our time.
        now: Timestamp,
    },
    /// To Authorize.
    Authorize {
        /// About the token.
        token: TokenAnswer,
        /// About the contract certificate, where one was presented (2.x).
        certificate: Option<CertificateStatus>,
        /// What the station may compute the driver's costs by (2.1, I08).
        tariff: Option<StationTariff>,
        /// Whether energy may flow back from the vehicle, where the answer has a place for that:
        /// otherwise, it may only be charged (2.1: Q01.FR.01, Q01.FR.08).
        may_discharge: bool,
    },
    /// To StartTransaction.
    Start {
        /// The id.
        transaction_id: TransactionNumber,
        /// About the token.
        token: TokenAnswer,
    },
    /// To StopTransaction.
    Stop {
        /// About the token, where one was given.
        token: Option<TokenAnswer>,
    },
    /// To TransactionEvent.
    Transaction(TransactionAnswer),
    /// Taken in, in the word `Accepted`.
    Accepted,
    /// Not allowed, in the word `Rejected`.
    Rejected,
    /// To PullDynamicScheduleUpdate: the values that hold now.
    DynamicSchedule(DynamicValues),
    /// An answer without members.
    Empty,
    /// Not done, in the action's own word for it: `Rejected`, `Failed`, ….
    Declined,
    /// To VatNumberValidation.
    VatNumber {
        /// The number that was asked about.
        number: String,
        /// Where it was asked.
        evse: Option<EvseNumber>,
        /// Whether it is one.
        is_valid: bool,
    },
    /// To SignCertificate.
    SignCertificate {
        /// Why it is not taken on, where it is not.
        declined: Option<CertificateDeclined>,
    },
    /// To GetCertificateStatus: the signed answer (OCSPResponse of RFC 6960), in DER.
    CertificateStatus(Vec<u8>),
    /// To GetCertificateChainStatus (2.1): one for each certificate, in the question's order.
    CertificateChain(Vec<ChainAnswer>),
    /// To Get15118EVCertificate.
    Contract(ContractAnswer),
    /// To DataTransfer that is not taken.
    DataRefused(DataRefused),
    /// To a message that a DataTransfer carried.
    Carried(Box<Answer>),
}

/// The values of a dynamic charging profile, in its schedule's unit (ChargingScheduleUpdateType).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamicValues {
    /// The most that may be drawn.
    pub limit: Option<Decimal>,
    /// What is to be drawn; negative flows back.
    pub setpoint: Option<Decimal>,
    /// What may flow back, negative.
    pub discharge_limit: Option<Decimal>,
}

/// Why the data of a vendor is not taken (DataTransferStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataRefused {
    /// Nobody here knows this vendor.
    UnknownVendor,
    /// The vendor is known, and the message is none of theirs.
    UnknownMessage,
    /// It is not what the vendor's message has to be.
    Unreadable,
}

impl DataRefused {
    /// The word that every OCPP version has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownVendor => "UnknownVendorId",
            Self::UnknownMessage => "UnknownMessageId",
            Self::Unreadable => "Rejected",
        }
    }
}

/// What is said about a token (idTagInfo, idTokenInfo).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The status.
    pub authorization: Authorization,
    /// Until when the station may keep this answer.
    pub expires_at: Option<Timestamp>,
    /// The group it belongs to: who of it may stop what another of it began (parentIdTag,
    /// groupIdToken).
    pub group: Option<PresentedToken>,
    /// What charging costs, in words for the driver (2.x: personalMessage).
    pub price_text: Option<String>,
}

impl TokenAnswer {
    /// A status, and nothing more.
    pub fn plain(authorization: Authorization) -> Self {
        Self { authorization, expires_at: None, group: None, price_text: None }
    }
}

/// A version of a tariff, as a station that computes costs by it is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationTariff {
    /// Names this version: at most 60 characters (`tariffId`).
    pub id: String,
    /// What it says.
    pub tariff: Arc<Tariff>,
}

/// What is said about a contract certificate (AuthorizeCertificateStatusEnumType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Checked, and good.
    Accepted,
    /// Its chain leads to no root that is trusted here, or it is not this contract's.
    CertificateChainError,
    /// A certificate of its chain is not valid any more.
    CertificateExpired,
    /// Whoever issued a certificate of its chain has revoked it.
    CertificateRevoked,
    /// It did not come along, only what its status could be asked for by, and nobody can be asked.
    NoCertificateAvailable,
    /// It is good, and the contract is not in force any more.
    ContractCancelled,
}

/// What a TransactionEvent is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionAnswer {
    /// About the token, where one was given.
    pub token: Option<TokenAnswer>,
    /// What the transaction may come to at most: the station ends the supply there (2.1, E16; C17
    /// of a wallet, C24 and C25 of a payment).
    pub limit: TransactionLimit,
    /// What the transaction costs, including taxes, in its tariff's currency: so far, or, in
    /// answer to its end, in all. 0 is free; absent, it is not known.
    pub total_cost: Option<Decimal>,
}

//! Money: accounts, postings, invoices; and the log's own bookkeeping.

use super::session::TariffReference;
use crate::ids::{AccountId, EventId, SessionId};
use crate::units::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `account.opened`: somebody who pays, and whose ledger this stream is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOpened {
    /// Our id.
    pub account_id: AccountId,
    /// How it pays.
    pub kind: AccountKind,
}

/// How an account pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// It owes, and settles invoices later.
    PayLater,
    /// It has paid in before.
    Wallet,
}

/// `account.limit_set`: how much an account may owe from now on. Who has reached it is let charge
/// no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLimitSet {
    /// The account.
    pub account_id: AccountId,
    /// ISO 4217.
    pub currency: String,
    /// How much, in the currency's minor unit; absent: any amount, and a wallet nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_minor: Option<i64>,
}

/// `ledger.posted`: one posting with all its legs; their sum is zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPosted {
    /// What was posted: `invoice`, `credit_note`, `payment`, `top_up`.
    pub purpose: String,
    /// The invoice, where it is about one.
    pub invoice: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// The legs.
    pub legs: Vec<LedgerLeg>,
}

/// One side of a posting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLeg {
    /// `receivable:{account}`, `wallet:{account}`, `revenue`, `vat:{percent}`.
    pub account: String,
    /// In the currency's minor unit; debit positive, credit negative.
    pub amount_minor: i64,
}

/// `invoice.issued`: an invoice or credit note in its register; number = stream version + 1, so
/// numbers have no gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceIssued {
    /// `{series}-{sequence}`.
    pub number: String,
    /// The series.
    pub series: String,
    /// From 1 without gaps.
    pub sequence: u64,
    /// Invoice, or credit note to one.
    pub kind: InvoiceKind,
    /// The invoice that a credit note corrects.
    pub corrects: Option<String>,
    /// The session.
    pub session_id: SessionId,
    /// Who pays.
    pub account_id: AccountId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When the session began, as billed.
    pub delivered_from: Timestamp,
    /// When the session ended, as billed.
    pub delivered_to: Timestamp,
    /// ISO 4217.
    pub currency: String,
    /// Digits of the minor unit (ISO 4217).
    pub currency_exponent: u32,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// VAT per rate, on the sum of that rate's nets (EN 16931).
    pub vat: Vec<InvoiceVat>,
    /// Sum of the lines' nets, in minor units.
    pub total_net_minor: i64,
    /// Sum of the VAT, in minor units.
    pub total_vat_minor: i64,
    /// Net and VAT, in minor units.
    pub total_gross_minor: i64,
    /// The tariff.
    pub tariff: TariffReference,
    /// The `session.rated` event that it bills.
    pub rated: EventId,
}

/// Invoice, or its correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceKind {
    /// Money owed to us.
    Invoice,
    /// Money owed back.
    CreditNote,
}

/// A line: one dimension at one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// OCPI word: `ENERGY`, `TIME`, `PARKING_TIME`, `FLAT`, `RESERVATION_TIME`,
    /// `RESERVATION_FLAT`, or `ADJUSTMENT` (minimum or maximum price).
    pub dimension: String,
    /// How much, in `unit`, as billed.
    pub quantity: Decimal,
    /// `kWh`, `h`, `session`.
    pub unit: String,
    /// Net price of one unit.
    pub unit_price: Decimal,
    /// VAT in percent; `None` where the tariff names none.
    pub vat_percent: Option<Decimal>,
    /// Rounded to the minor unit, in minor units.
    pub net_minor: i64,
}

/// VAT of one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceVat {
    /// In percent; `None` where the tariff names none.
    pub vat_percent: Option<Decimal>,
    /// Sum of the nets, in minor units.
    pub net_minor: i64,
    /// VAT on it, in minor units.
    pub vat_minor: i64,
}

/// `log.created`: the first event of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCreated {
    /// The name its checkpoints are signed under.
    pub origin: String,
    /// The software that made it.
    pub software: String,
}

/// `transaction_ids.leased`: a block of OCPP 1.6 transaction ids for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionIdsLeased {
    /// The first of the block.
    pub first: i32,
    /// The last of the block.
    pub last: i32,
}

/// `policy.checkpointed`: a policy has acted upon everything up to here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyCheckpointed {
    /// The log's position, as text.
    pub position: String,
}

//! Invoices, accounts and tariffs as they are given out.

use chargebook_domain::events::v1::{AccountKind, InvoiceIssued};
use chargebook_domain::ids::{AccountId, EventId, SessionId, StationIdentity, TariffId};
use chargebook_domain::units::Timestamp;
use serde::Serialize;

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
    /// How much it may owe, by currency; in others any amount, and a wallet nothing.
    pub limits: Vec<AccountLimit>,
}

/// How much an account may owe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountLimit {
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub limit_minor: i64,
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

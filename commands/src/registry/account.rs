//! Accounts: who pays, and how; what they have paid in, and how much they may owe.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError};
use crate::journal::{Draft, JournalError, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{AccountKind, AccountLimitSet, AccountOpened};
use chargebook_domain::ids::{AccountId, EventId};
use chargebook_domain::invoice::{ledger_account, top_up_of};
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use iso_currency::Currency;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The most that is taken in at once, or may be owed, in minor units.
const AMOUNT_MINOR_MAX: i64 = 1_000_000_000;

/// An account as its stream tells it.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    account_id: AccountId,
    kind: AccountKind,
    /// By currency, in minor units.
    limits: BTreeMap<String, i64>,
    /// What it owes, by currency, in minor units.
    owed: BTreeMap<String, i64>,
    version: u64,
}

impl Ledger {
    fn opened(account_id: AccountId, kind: AccountKind) -> Self {
        let (limits, owed) = Default::default();
        Self { account_id, kind, limits, owed, version: 0 }
    }

    fn apply(&mut self, version: u64, event: &Event) {
        self.version = version;
        match event {
            Event::AccountLimitSet(fact) => {
                match fact.limit_minor {
                    Some(limit_minor) => self.limits.insert(fact.currency.clone(), limit_minor),
                    None => self.limits.remove(&fact.currency),
                };
            }
            Event::LedgerPosted(posting) => {
                let own = ledger_account(self.account_id, self.kind);
                let owed = self.owed.entry(posting.currency.clone()).or_default();
                for leg in posting.legs.iter().filter(|leg| leg.account == own) {
                    *owed = owed.saturating_add(leg.amount_minor);
                }
            }
            _ => {}
        }
    }

    /// How much it may owe; `None`: any amount. A wallet has to be paid into first.
    fn limit_minor(&self, currency: &str) -> Option<i64> {
        let set = self.limits.get(currency).copied();
        set.or((self.kind == AccountKind::Wallet).then_some(0))
    }
}

impl Registry {
    /// Opens an account.
    pub(crate) async fn open_account(&self, kind: AccountKind) -> Result<AccountId, RegistryError> {
        let account_id = AccountId(self.journal.clock().fresh_id());
        let fact = AccountOpened { account_id, kind };
        let stream = stream_of(account_id);
        let draft = Draft::new(self.journal.fresh_id(), fact).by("operator");
        self.journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
        self.accounts.put(account_id, Arc::new(Ledger::opened(account_id, kind)));
        Ok(account_id)
    }

    /// How an account pays.
    ///
    /// # Errors
    /// No such account, or the log.
    pub async fn account_kind(&self, account_id: AccountId) -> Result<AccountKind, RegistryError> {
        Ok(self.ledger(account_id).await?.kind)
    }

    /// Whether there is an end to what an account may spend, in any currency.
    pub(crate) async fn is_limited(&self, account_id: AccountId) -> Result<bool, RegistryError> {
        let ledger = self.ledger(account_id).await?;
        Ok(ledger.kind == AccountKind::Wallet || !ledger.limits.is_empty())
    }

    /// What an account may still spend, in the currency's major unit; `None`: any amount. What
    /// is not invoiced yet has not been spent.
    ///
    /// # Errors
    /// No such account, or the log.
    pub async fn headroom(
        &self,
        account_id: AccountId,
        currency: Currency,
    ) -> Result<Option<Decimal>, RegistryError> {
        let seen = self.accounts.changes();
        let known = self.ledger(account_id).await?;
        let Some(limit_minor) = known.limit_minor(currency.code()) else { return Ok(None) };
        let mut ledger = known.as_ref().clone();
        self.follow(&mut ledger).await?;
        if ledger.version > known.version {
            let followed = Arc::new(ledger.clone());
            self.accounts.put_unchanged(account_id, followed, seen);
        }
        let owed_minor = ledger.owed.get(currency.code()).copied().unwrap_or_default();
        let exponent = currency.exponent().map_or(0, u32::from);
        Ok(Some(Decimal::new(limit_minor.saturating_sub(owed_minor), exponent)))
    }

    /// What an account owes, by currency, in minor units; less than 0: it is owed.
    pub(crate) async fn owed(
        &self,
        account_id: AccountId,
    ) -> Result<BTreeMap<String, i64>, RegistryError> {
        let mut ledger = self.ledger(account_id).await?.as_ref().clone();
        self.follow(&mut ledger).await?;
        Ok(ledger.owed)
    }

    /// Limits how much an account may owe, or lifts the limit; in force at once.
    ///
    /// # Errors
    /// No such account, an amount or a currency that is none, or the log.
    pub async fn set_account_limit(
        &self,
        account_id: AccountId,
        currency: &str,
        limit_minor: Option<i64>,
    ) -> Result<Registered, RegistryError> {
        if limit_minor.is_some_and(|limit| !(0..=AMOUNT_MINOR_MAX).contains(&limit)) {
            let detail = format!("a limit is 0 to {AMOUNT_MINOR_MAX} minor units");
            return Err(RegistryError::invalid("/limit_minor", detail));
        }
        checked_currency(currency)?;
        let kind = self.account_kind(account_id).await?;
        let mut created = false;
        let position = self
            .decide(&stream_of(account_id), |events| {
                let mut ledger = Ledger::opened(account_id, kind);
                events.iter().for_each(|event| ledger.apply(0, event));
                created = ledger.limits.get(currency).copied() != limit_minor;
                created.then(|| {
                    let currency = currency.to_owned();
                    let fact = AccountLimitSet { account_id, currency, limit_minor };
                    Draft::new(self.journal.fresh_id(), fact).by("operator")
                })
            })
            .await?;
        self.accounts.forget(&account_id);
        Ok(Registered { created, position })
    }

    /// An account, as it was when it was last looked at; its limits are always those in force.
    async fn ledger(&self, account_id: AccountId) -> Result<Arc<Ledger>, RegistryError> {
        if let Some(known) = self.accounts.get(&account_id) {
            return Ok(known);
        }
        let seen = self.accounts.changes();
        let stream = stream_of(account_id);
        let first = self.journal.store().read_stream(&stream, 0, 1).await;
        let first = first.map_err(JournalError::from)?;
        let unknown = || RegistryError::NotFound(format!("no account `{account_id}`"));
        let Event::AccountOpened(opened) = read_event(first.first().ok_or_else(unknown)?)? else {
            return Err(unknown());
        };
        let mut ledger = Ledger::opened(account_id, opened.kind);
        self.follow(&mut ledger).await?;
        let ledger = Arc::new(ledger);
        self.accounts.put_unchanged(account_id, Arc::clone(&ledger), seen);
        Ok(ledger)
    }

    /// Takes in what the account's stream has said since.
    async fn follow(&self, ledger: &mut Ledger) -> Result<(), JournalError> {
        let (stream, next) = (stream_of(ledger.account_id), ledger.version + 1);
        self.journal
            .replay(&stream, next, |recorded| {
                ledger.apply(recorded.version, &read_event(recorded)?);
                Ok(())
            })
            .await
    }

    /// Books money that a payer has paid in. The same `payment` again is the same posting.
    ///
    /// # Errors
    /// An amount that is none, another payment of the same id, or the log.
    pub async fn pay_in(
        &self,
        account_id: AccountId,
        payment: Uuid,
        amount_minor: i64,
        currency: &str,
    ) -> Result<Registered, RegistryError> {
        if !(1..=AMOUNT_MINOR_MAX).contains(&amount_minor) {
            return Err(RegistryError::invalid(
                "/amount_minor",
                format!("an amount is 1 to {AMOUNT_MINOR_MAX} minor units"),
            ));
        }
        checked_currency(currency)?;
        let kind = self.account_kind(account_id).await?;
        let posting = top_up_of(account_id, kind, amount_minor, currency);
        let stream = stream_of(account_id);
        let draft = Draft::new(EventId(payment), posting).by("operator");
        let mut expected = ExpectedVersion::Exact(0);
        for _ in 0..DECISION_RETRIES_MAX {
            match self.journal.append(&stream, expected, std::slice::from_ref(&draft)).await {
                Ok(appended) => {
                    return Ok(Registered {
                        created: !appended.already,
                        position: appended.position,
                    });
                }
                Err(JournalError::Append(AppendError::WrongVersion { current })) => {
                    expected = current.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                }
                Err(JournalError::Append(AppendError::IdConflict { .. })) => {
                    return Err(RegistryError::Conflict(format!(
                        "payment `{payment}` is booked already, with another content"
                    )));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }
}

fn stream_of(account_id: AccountId) -> StreamName {
    StreamName::of("account", account_id.0)
}

fn checked_currency(currency: &str) -> Result<(), RegistryError> {
    match Currency::from_code(currency) {
        Some(_) => Ok(()),
        None => Err(RegistryError::invalid("/currency", "an ISO 4217 code such as EUR")),
    }
}

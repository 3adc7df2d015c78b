//! Accounts: who pays, and how; and what they have paid in.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError};
use crate::journal::{Draft, JournalError, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{AccountKind, AccountOpened};
use chargebook_domain::ids::{AccountId, EventId};
use chargebook_domain::invoice::top_up_of;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use std::sync::Arc;
use uuid::Uuid;

/// The most that is taken in at once, in minor units.
const TOP_UP_MINOR_MAX: i64 = 1_000_000_000;

impl Registry {
    /// Opens an account.
    pub(crate) async fn open_account(&self, kind: AccountKind) -> Result<AccountId, RegistryError> {
        let account_id = AccountId(self.journal.clock().fresh_id());
        let fact = AccountOpened { account_id, kind };
        let stream = StreamName::of("account", account_id.0);
        let draft = Draft::new(self.journal.fresh_id(), fact).by("operator");
        self.journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
        self.accounts.put(stream.as_str(), Arc::new(kind));
        Ok(account_id)
    }

    /// How an account pays.
    ///
    /// # Errors
    /// No such account, or the log.
    pub async fn account_kind(&self, account_id: AccountId) -> Result<AccountKind, RegistryError> {
        let stream = StreamName::of("account", account_id.0);
        if let Some(kind) = self.accounts.get(stream.as_str()) {
            return Ok(*kind);
        }
        let first = self.journal.store().read_stream(&stream, 0, 1).await;
        let first = first.map_err(JournalError::from)?;
        let unknown = || RegistryError::NotFound(format!("no account `{account_id}`"));
        match read_event(first.first().ok_or_else(unknown)?)? {
            Event::AccountOpened(opened) => {
                self.accounts.put(stream.as_str(), Arc::new(opened.kind));
                Ok(opened.kind)
            }
            _ => Err(unknown()),
        }
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
        if !(1..=TOP_UP_MINOR_MAX).contains(&amount_minor) {
            return Err(RegistryError::invalid(
                "/amount_minor",
                format!("an amount is 1 to {TOP_UP_MINOR_MAX} minor units"),
            ));
        }
        if iso_currency::Currency::from_code(currency).is_none() {
            return Err(RegistryError::invalid("/currency", "an ISO 4217 code such as EUR"));
        }
        let kind = self.account_kind(account_id).await?;
        let posting = top_up_of(account_id, kind, amount_minor, currency);
        let stream = StreamName::of("account", account_id.0);
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

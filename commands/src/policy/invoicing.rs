//! Rated -> invoice issued -> posted. The register's next number is the stream's next version,
//! in the same append: numbers have no gaps, and no rating is billed twice, for an invoice's id
//! is derived from the rating's.

use super::PolicyError;
use super::due::{Due, asked, invoice_at, last_version, ordinal_of, register};
use crate::Chargebook;
use crate::journal::{Draft, JournalError};
use chargebook_domain::events::v1::Outcome;
use chargebook_domain::ids::AccountId;
use chargebook_domain::invoice::posting_of;
use chargebook_domain::session::Session;
use chargebook_store::port::APPEND_EVENTS_MAX;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use std::collections::{BTreeMap, HashMap};

/// How often a posting, an invoice or its outcome is tried against other writers.
pub(super) const CONTENTION_RETRIES_MAX: u32 = 100;
/// Accounts whose versions are remembered.
const ACCOUNTS_REMEMBERED_MAX: usize = 200_000;

/// What to write to a session's stream once its invoice is in the register.
type SessionWrite = (StreamName, ExpectedVersion, Vec<Draft>);

/// The register and the accounts.
pub(super) struct Invoicing {
    chargebook: Chargebook,
    next_sequence: Option<u64>,
    account_versions: HashMap<AccountId, ExpectedVersion>,
}

impl Invoicing {
    pub(super) fn new(chargebook: Chargebook) -> Self {
        Self { chargebook, next_sequence: None, account_versions: HashMap::new() }
    }

    /// Issues and posts what the ratings of sessions ask for; returns what remains to be written
    /// to the sessions.
    pub(super) async fn invoice(
        &mut self,
        rated: impl Iterator<Item = (StreamName, &Session)>,
    ) -> Result<Vec<SessionWrite>, PolicyError> {
        let mut due = Vec::new();
        let mut writes = Vec::new();
        for (stream, session) in rated {
            let mut asked = asked(&self.chargebook, &stream, session).await?;
            due.append(&mut asked.invoices);
            let outcome = asked.outcome;
            writes.extend(outcome.map(|(expected, draft)| (stream, expected, vec![draft])));
        }
        for batch in due.chunks_mut(APPEND_EVENTS_MAX / 2) {
            self.issue(batch).await?;
            self.post(batch).await?;
        }
        for due in due {
            let Some((ordinal, mut decided)) = due.decides else { continue };
            if decided.outcome == Outcome::Invoiced {
                decided.invoice = Some(due.invoice.number.clone());
            }
            let draft = Draft::following(due.rated_id, ordinal, decided)
                .by("policy:billing")
                .within(due.invoice.session_id.0);
            writes.push((due.stream, ExpectedVersion::Exact(due.version), vec![draft]));
        }
        Ok(writes)
    }

    /// Puts the invoices into the register, all at once; one by one where some are in it
    /// already.
    async fn issue(&mut self, batch: &mut [Due]) -> Result<(), PolicyError> {
        let mut at_once = batch.len();
        let mut from = 0;
        let mut tries = 0;
        while from < batch.len() {
            let upto = batch.len().min(from + at_once);
            let part = &mut batch[from..upto];
            let next = self.next_sequence().await?;
            let drafts = number(part, next, &self.chargebook.settings().invoice_series);
            let expected =
                next.checked_sub(2).map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
            let stream = register(&self.chargebook.settings().invoice_series)?;
            match self.chargebook.journal().append(&stream, expected, &drafts).await {
                Ok(appended) => {
                    // The same ids with the same content: the numbers are those of then.
                    self.next_sequence = (!appended.already).then_some(appended.version + 2);
                    if appended.already && at_once > 1 {
                        at_once = 1;
                        continue;
                    }
                    from = upto;
                }
                Err(JournalError::Append(AppendError::IdConflict { .. })) if at_once > 1 => {
                    at_once = 1;
                }
                Err(JournalError::Append(AppendError::IdConflict { version, .. })) => {
                    let number = invoice_at(&self.chargebook, &stream, version).await?;
                    part[0].invoice = number.unwrap_or_else(|| part[0].invoice.clone());
                    from = upto;
                }
                Err(JournalError::Append(AppendError::WrongVersion { .. }))
                    if tries < CONTENTION_RETRIES_MAX =>
                {
                    self.next_sequence = None;
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The sequence that the next invoice gets: the register's version + 2, from 1.
    async fn next_sequence(&mut self) -> Result<u64, PolicyError> {
        if let Some(next) = self.next_sequence {
            return Ok(next);
        }
        let stream = register(&self.chargebook.settings().invoice_series)?;
        let version = last_version(&self.chargebook, &stream).await?;
        let next = version.map_or(1, |version| version + 2);
        self.next_sequence = Some(next);
        Ok(next)
    }

    /// Posts the invoices to the accounts that owe them, all of one account at once.
    async fn post(&mut self, batch: &[Due]) -> Result<(), PolicyError> {
        let mut by_account: BTreeMap<AccountId, Vec<Draft>> = BTreeMap::new();
        for due in batch {
            let ordinal = ordinal_of(due.invoice.kind);
            let payer = self.chargebook.registry().account_kind(due.invoice.account_id).await?;
            let posting = posting_of(&due.invoice, payer);
            let draft = Draft::following(due.rated_id, ordinal, posting)
                .by("policy:billing")
                .within(due.invoice.session_id.0);
            by_account.entry(due.invoice.account_id).or_default().push(draft);
        }
        for (account_id, drafts) in by_account {
            self.post_to(account_id, &drafts).await?;
        }
        Ok(())
    }

    async fn post_to(
        &mut self,
        account_id: AccountId,
        drafts: &[Draft],
    ) -> Result<(), PolicyError> {
        let stream = StreamName::of("account", account_id.0);
        let mut at_once = drafts.len();
        let mut from = 0;
        for _ in 0..CONTENTION_RETRIES_MAX.max(u32::try_from(drafts.len()).unwrap_or(u32::MAX)) {
            if from >= drafts.len() {
                return Ok(());
            }
            let upto = drafts.len().min(from + at_once);
            let known = self.account_versions.get(&account_id).copied();
            let expected = known.unwrap_or(ExpectedVersion::Exact(0));
            let journal = self.chargebook.journal();
            match journal.append(&stream, expected, &drafts[from..upto]).await {
                Ok(appended) => {
                    if !appended.already {
                        self.remember(account_id, ExpectedVersion::Exact(appended.version));
                    }
                    from = upto;
                }
                Err(JournalError::Append(AppendError::IdConflict { .. })) if at_once > 1 => {
                    at_once = 1;
                }
                // Posted before: the log has it.
                Err(JournalError::Append(AppendError::IdConflict { .. })) => from = upto,
                Err(JournalError::Append(AppendError::WrongVersion { current })) => {
                    let current = current.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                    self.remember(account_id, current);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    fn remember(&mut self, account_id: AccountId, version: ExpectedVersion) {
        if self.account_versions.len() >= ACCOUNTS_REMEMBERED_MAX {
            self.account_versions.clear();
        }
        self.account_versions.insert(account_id, version);
    }
}

/// Gives consecutive numbers and makes the events.
fn number(part: &mut [Due], next: u64, series: &str) -> Vec<Draft> {
    (next..)
        .zip(part)
        .map(|(sequence, due)| {
            due.invoice.sequence = sequence;
            due.invoice.series = series.to_owned();
            due.invoice.number = format!("{series}-{sequence:06}");
            let ordinal = ordinal_of(due.invoice.kind);
            Draft::following(due.rated_id, ordinal, due.invoice.clone())
                .by("policy:billing")
                .within(due.invoice.session_id.0)
        })
        .collect()
}

//! Rated -> invoice issued -> posted. The register's next number is the stream's next version,
//! in the same append: numbers have no gaps, and no rating is billed twice, for an invoice's id
//! is derived from the rating's.

use super::PolicyError;
use crate::Chargebook;
use crate::journal::{Draft, JournalError, read_event};
use crate::settling::{not_ratable, outcome};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    InvoiceIssued, InvoiceKind, Outcome, SessionOutcomeDecided, SessionRated,
};
use chargebook_domain::ids::{AccountId, EventId, SessionId};
use chargebook_domain::invoice::{InvoiceFigures, posting_of};
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

/// An invoice before it has a number.
struct Due {
    stream: StreamName,
    version: u64,
    rated_id: EventId,
    invoice: InvoiceIssued,
    /// The last of its session decides the outcome.
    decides: Option<SessionOutcomeDecided>,
}

impl Invoicing {
    pub(super) fn new(chargebook: Chargebook) -> Self {
        Self { chargebook, next_sequence: None, account_versions: HashMap::new() }
    }

    /// Issues and posts what the ratings ask for; returns what remains to be written to the
    /// sessions.
    pub(super) async fn invoice(
        &mut self,
        rated: Vec<(StreamName, EventId, &Session)>,
    ) -> Result<Vec<SessionWrite>, PolicyError> {
        let mut due = Vec::new();
        let mut writes = Vec::new();
        for (stream, rated_id, session) in rated {
            match self.due(&stream, rated_id, session).await? {
                Ok(mut invoices) => due.append(&mut invoices),
                Err(decided) => writes.extend(session_write(session, stream, rated_id, decided)),
            }
        }
        for batch in due.chunks_mut(APPEND_EVENTS_MAX / 2) {
            self.issue(batch).await?;
            self.post(batch).await?;
        }
        for due in due {
            let Some(mut decided) = due.decides else { continue };
            if decided.outcome == Outcome::Invoiced {
                decided.invoice = Some(due.invoice.number.clone());
            }
            let draft = Draft::following(due.rated_id, 0, decided)
                .by("policy:billing")
                .within(due.invoice.session_id.0);
            writes.push((due.stream, ExpectedVersion::Exact(due.version), vec![draft]));
        }
        Ok(writes)
    }

    /// The invoices that a rating asks for: none, one, or a credit note and one. `Err` is an
    /// outcome without any.
    async fn due(
        &self,
        stream: &StreamName,
        rated_id: EventId,
        session: &Session,
    ) -> Result<Result<Vec<Due>, SessionOutcomeDecided>, PolicyError> {
        let (Some((latest, rated)), Some(version)) = (session.rated(), session.version()) else {
            return Ok(Ok(Vec::new()));
        };
        let Some(started) = session.started().filter(|_| *latest == rated_id) else {
            return Ok(Ok(Vec::new()));
        };
        let Some(account_id) = started.account_id else {
            return Ok(match session.is_paid_directly() {
                true => Ok(Vec::new()),
                false => Err(not_ratable("the token has no account to bill")),
            });
        };
        let figures = match InvoiceFigures::of(&rated.rating) {
            Ok(figures) => figures,
            Err(error) => return Ok(Err(not_ratable(&error.to_string()))),
        };
        let before = session.outcome().and_then(|outcome| outcome.invoice.clone());
        let before = match before {
            Some(number) => self.issued(&number).await?,
            None => None,
        };
        let is_now = |kind| session.outcome().is_some_and(|outcome| outcome.outcome == kind);
        if let Some(before) = &before
            && InvoiceFigures::of_issued(before) == figures
        {
            let invoice = Some(before.number.clone());
            return Ok(match is_now(Outcome::Invoiced) {
                true => Ok(Vec::new()),
                false => {
                    Err(SessionOutcomeDecided { invoice, ..outcome(Outcome::Invoiced, None, None) })
                }
            });
        }
        if figures.total_gross_minor == 0 && before.is_none() {
            // What costs nothing at all was decided with the rating.
            let decided = rated.rating.total_cost.incl_vat.is_zero();
            return Ok(match decided || is_now(Outcome::Free) {
                true => Ok(Vec::new()),
                false => Err(outcome(Outcome::Free, Some("below_minor_unit"), None)),
            });
        }
        let now = self.chargebook.journal().now();
        let draft = |kind, corrects: Option<String>, figures: InvoiceFigures| {
            let content = (kind, corrects, figures);
            draft_invoice(content, started.session_id, account_id, now, rated, rated_id)
        };
        let due =
            |invoice, decides| Due { stream: stream.clone(), version, rated_id, invoice, decides };
        let mut invoices = Vec::new();
        let is_free = figures.total_gross_minor == 0;
        if let Some(before) = before {
            let taken_back = InvoiceFigures::of_issued(&before).negated();
            let note = draft(InvoiceKind::CreditNote, Some(before.number), taken_back);
            let decides =
                is_free.then(|| outcome(Outcome::Free, Some("corrected_to_nothing"), None));
            invoices.push(due(note, decides));
        }
        if !is_free {
            let invoice = draft(InvoiceKind::Invoice, None, figures);
            invoices.push(due(invoice, Some(outcome(Outcome::Invoiced, None, None))));
        }
        Ok(Ok(invoices))
    }

    async fn issued(&self, number: &str) -> Result<Option<InvoiceIssued>, PolicyError> {
        let (series, sequence) = number.rsplit_once('-').unwrap_or(("", ""));
        let Ok(sequence) = sequence.parse::<u64>() else { return Ok(None) };
        let Ok(stream) = register(series) else { return Ok(None) };
        let version = sequence.saturating_sub(1);
        let store = self.chargebook.journal().store();
        let page = store.read_stream(&stream, version, 1).await?;
        let Some(recorded) = page.first() else { return Ok(None) };
        match read_event(recorded)? {
            Event::InvoiceIssued(invoice) => Ok(Some(*invoice)),
            _ => Ok(None),
        }
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
                    let number = self.number_at(&stream, version).await?;
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

    async fn number_at(
        &self,
        stream: &StreamName,
        version: u64,
    ) -> Result<Option<InvoiceIssued>, PolicyError> {
        let store = self.chargebook.journal().store();
        let page = store.read_stream(stream, version, 1).await?;
        let Some(recorded) = page.first() else { return Ok(None) };
        match read_event(recorded)? {
            Event::InvoiceIssued(invoice) => Ok(Some(*invoice)),
            _ => Ok(None),
        }
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

fn ordinal_of(kind: InvoiceKind) -> u32 {
    match kind {
        InvoiceKind::Invoice => 0,
        InvoiceKind::CreditNote => 1,
    }
}

fn register(series: &str) -> Result<StreamName, JournalError> {
    StreamName::new(format!("invoice_series-{series}"))
        .map_err(|e| JournalError::Unwritable(e.to_string()))
}

/// The last version of a stream, found by doubling steps: registers grow long.
async fn last_version(
    chargebook: &Chargebook,
    stream: &StreamName,
) -> Result<Option<u64>, PolicyError> {
    let store = chargebook.journal().store();
    let exists = async |version: u64| -> Result<bool, PolicyError> {
        Ok(!store.read_stream(stream, version, 1).await?.is_empty())
    };
    if !exists(0).await? {
        return Ok(None);
    }
    let (mut known, mut beyond) = (0, 1);
    while exists(beyond).await? {
        known = beyond;
        beyond *= 2;
    }
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        if exists(middle).await? {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(Some(known))
}

fn session_write(
    session: &Session,
    stream: StreamName,
    rated_id: EventId,
    decided: SessionOutcomeDecided,
) -> Option<SessionWrite> {
    let draft = Draft::following(rated_id, 0, decided).by("policy:billing");
    Some((stream, ExpectedVersion::Exact(session.version()?), vec![draft]))
}

fn draft_invoice(
    (kind, corrects, figures): (InvoiceKind, Option<String>, InvoiceFigures),
    session_id: SessionId,
    account_id: AccountId,
    issued_at: chargebook_domain::units::Timestamp,
    rated: &SessionRated,
    rated_id: EventId,
) -> InvoiceIssued {
    InvoiceIssued {
        number: String::new(),
        series: String::new(),
        sequence: 0,
        kind,
        corrects,
        session_id,
        account_id,
        issued_at,
        delivered_from: rated.rating.started_at,
        delivered_to: rated.rating.ended_at,
        currency: figures.currency,
        currency_exponent: figures.currency_exponent,
        lines: figures.lines,
        vat: figures.vat,
        total_net_minor: figures.total_net_minor,
        total_vat_minor: figures.total_vat_minor,
        total_gross_minor: figures.total_gross_minor,
        tariff: rated.tariff.clone(),
        rated: rated_id,
    }
}

//! What a session's last rating asks for: an invoice, a credit note, both, or only an outcome.
//!
//! It follows from the session's stream up to that rating and from what is in the register of the
//! ratings before it: read again, after a crash or in other pages, it is the same.

use super::PolicyError;
use crate::Chargebook;
use crate::journal::{Draft, JournalError, read_event};
use crate::settling::{not_ratable, outcome, payer_pays_directly};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    InvoiceIssued, InvoiceKind, Outcome, SessionOutcomeDecided, SessionRated,
};
use chargebook_domain::ids::{AccountId, EventId, SessionId};
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::session::Session;
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};

/// An invoice before it has a number.
pub(super) struct Due {
    pub(super) stream: StreamName,
    pub(super) version: u64,
    pub(super) rated_id: EventId,
    pub(super) invoice: InvoiceIssued,
    /// The last of its session decides the outcome, which has this ordinal after the rating.
    pub(super) decides: Option<(u32, SessionOutcomeDecided)>,
}

/// What a rating asks for; nothing where it has it.
#[derive(Default)]
pub(super) struct Asked {
    /// An invoice, a credit note, or a credit note and an invoice; before them what is in the
    /// register of ratings before it, and may not be posted yet.
    pub(super) invoices: Vec<Due>,
    /// What is to be said, at that version of the session's stream, where no invoice says it.
    pub(super) outcome: Option<(ExpectedVersion, Draft)>,
}

/// A rating that an outcome has to be found for.
struct Open<'a> {
    session: &'a Session,
    session_id: SessionId,
    id: EventId,
    rated: &'a SessionRated,
    /// Of the outcome that follows.
    ordinal: u32,
}

impl Open<'_> {
    fn draft(
        &self,
        (kind, account_id, figures): (InvoiceKind, AccountId, InvoiceFigures),
        corrects: Option<String>,
        issued_at: Timestamp,
    ) -> InvoiceIssued {
        InvoiceIssued {
            number: String::new(),
            series: String::new(),
            sequence: 0,
            kind,
            corrects,
            session_id: self.session_id,
            account_id,
            issued_at,
            delivered_from: self.rated.rating.started_at,
            delivered_to: self.rated.rating.ended_at,
            currency: figures.currency,
            currency_exponent: figures.currency_exponent,
            lines: figures.lines,
            vat: figures.vat,
            total_net_minor: figures.total_net_minor,
            total_vat_minor: figures.total_vat_minor,
            total_gross_minor: figures.total_gross_minor,
            tariff: self.rated.tariff.clone(),
            rated: self.id,
        }
    }
}

/// What the last rating of a session asks for. `session` must be folded to the head of its
/// stream: what was decided since then counts.
pub(super) async fn asked(
    chargebook: &Chargebook,
    stream: &StreamName,
    session: &Session,
) -> Result<Asked, PolicyError> {
    let (Some((rated_id, rated)), Some(version), Some((session_id, ..))) =
        (session.rated(), session.version(), session.identity())
    else {
        return Ok(Asked::default());
    };
    let mut before = match session.outcome().and_then(|outcome| outcome.invoice.as_ref()) {
        Some(number) => issued(chargebook, number).await?,
        None => None,
    };
    let mut open = Open { session, session_id, id: *rated_id, rated, ordinal: 0 };
    let mut found = Vec::new();
    match session.open_ratings() {
        [earlier @ .., last] if last == rated_id => {
            found = issued_before(chargebook, &open, earlier).await?;
        }
        _ => match misplaced_outcome(&open, before.as_ref()) {
            Some(ordinal) => open.ordinal = ordinal,
            None => return Ok(Asked::default()),
        },
    }
    for invoice in &found {
        before = Some(invoice).filter(|found| found.kind == InvoiceKind::Invoice).cloned();
    }
    let due = |invoice: InvoiceIssued, decides: Option<SessionOutcomeDecided>| Due {
        stream: stream.clone(),
        version,
        rated_id: invoice.rated,
        invoice,
        decides: decides.map(|decided| (open.ordinal, decided)),
    };
    let mut asked = Asked::default();
    asked.invoices.extend(found.into_iter().map(|found| due(found, None)));
    match bill(&open, before.as_ref(), chargebook.journal().now()) {
        Bill::Outcome(decided) => {
            let draft = Draft::following(open.id, open.ordinal, decided).by("policy:billing");
            asked.outcome = Some((ExpectedVersion::Exact(version), draft.within(session_id.0)));
        }
        Bill::Invoices(invoices) => {
            asked.invoices.extend(invoices.into_iter().map(|(invoice, says)| due(invoice, says)));
        }
    }
    Ok(asked)
}

/// How a rating is billed.
enum Bill {
    /// Without an invoice.
    Outcome(SessionOutcomeDecided),
    /// The last one says what became of the session.
    Invoices(Vec<(InvoiceIssued, Option<SessionOutcomeDecided>)>),
}

/// How a rating is billed after what was invoiced before.
fn bill(open: &Open<'_>, before: Option<&InvoiceIssued>, now: Timestamp) -> Bill {
    let kept = before.map(|before| before.number.clone());
    let unratable = |why: &str| {
        Bill::Outcome(SessionOutcomeDecided { invoice: kept.clone(), ..not_ratable(why) })
    };
    let figures = match InvoiceFigures::of(&open.rated.rating) {
        Ok(figures) => figures,
        Err(error) => return unratable(&error.to_string()),
    };
    let take_back = |before: &InvoiceIssued| {
        let taken_back = InvoiceFigures::of_issued(before).negated();
        let content = (InvoiceKind::CreditNote, before.account_id, taken_back);
        open.draft(content, Some(before.number.clone()), now)
    };
    let Some(account_id) = open.session.rated_payer() else {
        return match before.filter(|_| open.session.is_paid_directly()) {
            Some(before) => Bill::Invoices(vec![(take_back(before), Some(payer_pays_directly()))]),
            None => unratable("the token has no account to bill"),
        };
    };
    if before.is_some_and(|before| bills(before, account_id, &figures)) {
        let decided = outcome(Outcome::Invoiced, None, None);
        return Bill::Outcome(SessionOutcomeDecided { invoice: kept, ..decided });
    }
    let is_free = figures.total_gross_minor == 0;
    let mut invoices = Vec::new();
    match before {
        None if is_free => {
            return Bill::Outcome(outcome(Outcome::Free, Some("below_minor_unit"), None));
        }
        None => {}
        Some(before) => {
            let nothing = || outcome(Outcome::Free, Some("corrected_to_nothing"), None);
            invoices.push((take_back(before), is_free.then(nothing)));
        }
    }
    if !is_free {
        let invoice = open.draft((InvoiceKind::Invoice, account_id, figures), None, now);
        invoices.push((invoice, Some(outcome(Outcome::Invoiced, None, None))));
    }
    Bill::Invoices(invoices)
}

/// Whether an invoice says what a rating asks for.
fn bills(invoice: &InvoiceIssued, payer: AccountId, figures: &InvoiceFigures) -> bool {
    invoice.account_id == payer && InvoiceFigures::of_issued(invoice) == *figures
}

/// Releases that rated a session anew before it was invoiced may have left the outcome of the
/// rating before behind the last one: that one is still to be billed then. The ordinal of the
/// outcome to come, which takes the place of that one.
fn misplaced_outcome(open: &Open<'_>, before: Option<&InvoiceIssued>) -> Option<u32> {
    let before = before.filter(|before| before.rated != open.id)?;
    let is_invoiced = open.session.outcome()?.outcome == Outcome::Invoiced;
    let payer = open.session.rated_payer().filter(|_| is_invoiced)?;
    let figures = InvoiceFigures::of(&open.rated.rating).ok()?;
    let version = open.session.outcome_version()?;
    (!bills(before, payer, &figures)).then(|| u32::try_from(version).unwrap_or(u32::MAX))
}

/// What the register holds of open ratings before the last one: a server that died had issued it,
/// and may not have posted it.
async fn issued_before(
    chargebook: &Chargebook,
    open: &Open<'_>,
    earlier: &[EventId],
) -> Result<Vec<InvoiceIssued>, PolicyError> {
    let mut found = Vec::new();
    for rated_id in earlier {
        for kind in [InvoiceKind::CreditNote, InvoiceKind::Invoice] {
            found.extend(in_register(chargebook, open, *rated_id, kind).await?);
        }
    }
    Ok(found)
}

/// What the register holds of a rating. It is asked for by its id with an append that cannot take
/// place, for a register that has begun does not begin again: engines judge the id first.
async fn in_register(
    chargebook: &Chargebook,
    open: &Open<'_>,
    rated_id: EventId,
    kind: InvoiceKind,
) -> Result<Option<InvoiceIssued>, PolicyError> {
    let stream = register(&chargebook.settings().invoice_series)?;
    let Ok(figures) = InvoiceFigures::of(&open.rated.rating) else { return Ok(None) };
    if invoice_at(chargebook, &stream, 0).await?.is_none() {
        return Ok(None);
    }
    let nobody = AccountId(open.session_id.0);
    let any = open.draft((kind, nobody, figures), None, chargebook.journal().now());
    let draft = Draft::following(rated_id, ordinal_of(kind), any);
    let journal = chargebook.journal();
    match journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await {
        Err(JournalError::Append(AppendError::IdConflict { version, .. })) => {
            invoice_at(chargebook, &stream, version).await
        }
        Ok(_) | Err(JournalError::Append(AppendError::WrongVersion { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn issued(
    chargebook: &Chargebook,
    number: &str,
) -> Result<Option<InvoiceIssued>, PolicyError> {
    let (series, sequence) = number.rsplit_once('-').unwrap_or(("", ""));
    let Ok(sequence) = sequence.parse::<u64>() else { return Ok(None) };
    let Ok(stream) = register(series) else { return Ok(None) };
    invoice_at(chargebook, &stream, sequence.saturating_sub(1)).await
}

/// The invoice at a version of a register.
pub(super) async fn invoice_at(
    chargebook: &Chargebook,
    stream: &StreamName,
    version: u64,
) -> Result<Option<InvoiceIssued>, PolicyError> {
    let page = chargebook.journal().store().read_stream(stream, version, 1).await?;
    let Some(recorded) = page.first() else { return Ok(None) };
    match read_event(recorded)? {
        Event::InvoiceIssued(invoice) => Ok(Some(*invoice)),
        _ => Ok(None),
    }
}

pub(super) fn ordinal_of(kind: InvoiceKind) -> u32 {
    match kind {
        InvoiceKind::Invoice => 0,
        InvoiceKind::CreditNote => 1,
    }
}

pub(super) fn register(series: &str) -> Result<StreamName, JournalError> {
    StreamName::new(format!("invoice_series-{series}"))
        .map_err(|e| JournalError::Unwritable(e.to_string()))
}

/// The last version of a stream, found by doubling steps: registers grow long.
pub(super) async fn last_version(
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

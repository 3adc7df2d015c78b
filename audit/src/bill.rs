//! The bill: the rating follows from the session and the tariff, the invoice from the rating,
//! the posting from the invoice.

use crate::AuditError;
use crate::chain::{Chain, Entry, follows};
use crate::session::ProvenSession;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    AccountKind, InvoiceIssued, LedgerPosted, SessionRated, TariffReference, TariffVersionPublished,
};
use chargebook_domain::ids::EventId;
use chargebook_domain::invoice::{InvoiceFigures, posting_of};
use chargebook_domain::rating::{LocalTime, Rating, rate_with};
use chargebook_domain::session::{billing_input, tariff_by_hand};
use chargebook_domain::tariff::Tariff;
use chargebook_proof::CanonicalJson;
use chrono_tz::Tz;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What the local time that a bill was computed with has been held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalTimeCheck {
    /// The program's own time zone data gives the same offsets.
    Confirmed,
    /// It gives others, and is of another release than the one that the rating names: somebody
    /// has to look at which of the two is right.
    OtherRelease {
        /// The release that the rating names.
        rated_with: String,
        /// The program's own.
        own: String,
    },
}

/// A tariff's version: the event that gives it, what it says, and what that means.
pub(crate) type ProvenTariff<'c> = (&'c Entry<'c>, Cow<'c, TariffVersionPublished>, Tariff);

/// Proves the tariff's content and that it is the version referred to. A price that a person
/// entered is a tariff of its own, which follows from their decision.
pub(crate) fn prove_tariff<'c>(
    chain: &'c Chain<'c>,
    session: &ProvenSession<'_>,
    reference: &TariffReference,
    effect: &Entry<'_>,
) -> Result<ProvenTariff<'c>, AuditError> {
    let entry = chain.cited("the tariff's version", reference.event_id)?;
    entry.comes_before(effect)?;
    let published = match &entry.event {
        Event::TariffVersionPublished(published) => published.as_ref(),
        Event::SessionReviewDecided(_) => {
            let (published, tariff) = prove_price_by_hand(session, entry.id, reference, effect)?;
            return Ok((entry, Cow::Owned(published), tariff));
        }
        other => {
            return Err(AuditError::WrongType {
                id: entry.id,
                expected: "tariff.version_published",
                found: other.event_type(),
            });
        }
    };
    entry.lies_at(&format!("tariff-{}", reference.tariff_id), None)?;
    follows(effect.id, "tariff_id", reference.tariff_id, published.tariff_id)?;
    follows(effect.id, "the tariff's name", &reference.tariff, &published.tariff)?;
    follows(effect.id, "the tariff's version", reference.version, published.version)?;
    let hash = hex::encode(Sha256::digest(published.content.as_bytes()));
    follows(entry.id, "content_sha256", &published.content_sha256, &hash)?;
    follows(effect.id, "the tariff's content_sha256", &reference.content_sha256, &hash)?;
    let tariff = Tariff::parse(&published.content)
        .map_err(|error| AuditError::Tariff { id: entry.id, reason: error.to_string() })?;
    follows(entry.id, "content", &published.content, &tariff.canonical_text())?;
    Ok((entry, Cow::Borrowed(published), tariff))
}

/// The tariff that a person's price makes, as the session's last decision has it.
fn prove_price_by_hand(
    session: &ProvenSession<'_>,
    id: EventId,
    reference: &TariffReference,
    effect: &Entry<'_>,
) -> Result<(TariffVersionPublished, Tariff), AuditError> {
    let decided = session.facts.decided().filter(|decided| decided.id == id);
    let derived = match decided {
        Some(decided) => tariff_by_hand(&session.facts, decided)
            .map_err(|error| AuditError::Tariff { id, reason: error.to_string() })?,
        None => None,
    };
    let nothing = || AuditError::Tariff { id, reason: "it names no price".to_owned() };
    let (expected, tariff) = derived.ok_or_else(nothing)?;
    follows(effect.id, "tariff", canonical(reference), canonical(&expected))?;
    let published = TariffVersionPublished {
        tariff_id: expected.tariff_id,
        tariff: expected.tariff,
        version: expected.version,
        content: tariff.canonical_text(),
        content_sha256: expected.content_sha256,
    };
    Ok((published, tariff))
}

/// Rates the session again, by the rules and with the offsets that the rating names; the result
/// must be the recorded one, to the byte.
pub(crate) fn prove_rating(
    rated_at: &Entry<'_>,
    rated: &SessionRated,
    session: &ProvenSession<'_>,
    tariff: &Tariff,
) -> Result<LocalTimeCheck, AuditError> {
    let id = rated_at.id;
    session.settled_at.comes_before(rated_at)?;
    // A site whose zone nobody knows is read in UTC.
    let zone: Tz = session.started.time_zone.parse().unwrap_or(Tz::UTC);
    follows(id, "time_zone", rated.time_zone.as_str(), zone.name())?;
    let recorded = &rated.rating;
    let input = billing_input(&session.facts, session.settled, tariff, recorded.local_time.clone())
        .map_err(AuditError::Rating)?;
    let derived = rate_with(&recorded.rules_version, tariff, &input).map_err(AuditError::Rating)?;
    follows_to_the_byte(id, recorded, &derived)?;
    prove_local_time(id, zone, &derived)
}

/// Compares two ratings as the log writes them, and names the first member that differs.
fn follows_to_the_byte(id: EventId, recorded: &Rating, derived: &Rating) -> Result<(), AuditError> {
    let value = |rating: &Rating| serde_json::to_value(rating).unwrap_or_default();
    let (recorded, derived) = (value(recorded), value(derived));
    for (name, derived) in derived.as_object().into_iter().flatten() {
        let recorded = recorded.get(name).unwrap_or(&serde_json::Value::Null);
        follows(id, format!("rating.{name}"), canonical(recorded), canonical(derived))?;
    }
    follows(id, "rating", canonical(&recorded), canonical(&derived))
}

/// The offsets must be those of the zone. Where the program's time zone data is of another
/// release than the rating's, a difference is told and not refused: governments change clocks.
fn prove_local_time(id: EventId, zone: Tz, rating: &Rating) -> Result<LocalTimeCheck, AuditError> {
    let recorded = &rating.local_time;
    follows(id, "rating.local_time.time_zone", recorded.time_zone.as_str(), zone.name())?;
    let own =
        LocalTime::resolve(zone, rating.started_at, rating.ended_at).map_err(AuditError::Rating)?;
    if own.utc_offsets == recorded.utc_offsets {
        return Ok(LocalTimeCheck::Confirmed);
    }
    if own.tzdb_version != recorded.tzdb_version {
        return Ok(LocalTimeCheck::OtherRelease {
            rated_with: recorded.tzdb_version.clone(),
            own: own.tzdb_version,
        });
    }
    let what = "rating.local_time.utc_offsets";
    follows(id, what, canonical(&recorded.utc_offsets), canonical(&own.utc_offsets))?;
    Ok(LocalTimeCheck::Confirmed)
}

/// Makes the invoice's figures again, from the rating or, for a credit note, from the invoice
/// that it takes back; and holds its number against its place in the register.
pub(crate) fn prove_invoice(
    entry: &Entry<'_>,
    invoice: &InvoiceIssued,
    rated: &SessionRated,
    session: &ProvenSession<'_>,
    corrected: Option<&InvoiceIssued>,
) -> Result<(), AuditError> {
    let id = entry.id;
    follows(id, "sequence", invoice.sequence, entry.envelope.version + 1)?;
    entry.lies_at(&format!("invoice_series-{}", invoice.series), None)?;
    follows(id, "number", &invoice.number, &format!("{}-{:06}", invoice.series, invoice.sequence))?;
    follows(id, "tariff", canonical(&invoice.tariff), canonical(&rated.tariff))?;
    // What is taken back is given to whom it was invoiced to, whoever pays now.
    let payer = corrected.map(|corrected| corrected.account_id).or(session.started.account_id);
    let payer = payer.map(|account| account.to_string());
    follows(id, "account_id", invoice.account_id.to_string(), payer.unwrap_or_default())?;
    follows(id, "delivered_from", invoice.delivered_from, rated.rating.started_at)?;
    follows(id, "delivered_to", invoice.delivered_to, rated.rating.ended_at)?;
    let derived = match corrected {
        Some(corrected) => InvoiceFigures::of_issued(corrected).negated(),
        None => InvoiceFigures::of(&rated.rating).map_err(AuditError::Rating)?,
    };
    prove_figures(id, &InvoiceFigures::of_issued(invoice), &derived)
}

fn prove_figures(
    id: EventId,
    issued: &InvoiceFigures,
    derived: &InvoiceFigures,
) -> Result<(), AuditError> {
    follows(id, "currency", &issued.currency, &derived.currency)?;
    follows(id, "currency_exponent", issued.currency_exponent, derived.currency_exponent)?;
    for (number, (line, expected)) in issued.lines.iter().zip(&derived.lines).enumerate() {
        follows(id, format!("line {}", number + 1), canonical(line), canonical(expected))?;
    }
    follows(id, "the number of lines", issued.lines.len(), derived.lines.len())?;
    follows(id, "vat", canonical(&issued.vat), canonical(&derived.vat))?;
    follows(id, "total_net_minor", issued.total_net_minor, derived.total_net_minor)?;
    follows(id, "total_vat_minor", issued.total_vat_minor, derived.total_vat_minor)?;
    follows(id, "total_gross_minor", issued.total_gross_minor, derived.total_gross_minor)
}

/// Every posting about the invoice: its legs sum to zero, and the invoice's own posting is the
/// one that follows from it.
pub(crate) fn prove_postings<'c>(
    chain: &'c Chain<'c>,
    invoice_at: &Entry<'_>,
    invoice: &InvoiceIssued,
) -> Result<Vec<(&'c Entry<'c>, &'c LedgerPosted)>, AuditError> {
    let mut postings = Vec::new();
    for entry in chain.entries() {
        let Event::LedgerPosted(posting) = &entry.event else { continue };
        if posting.invoice.as_ref() != Some(&invoice.number) {
            continue;
        }
        chain.cited("the posting", entry.id)?;
        invoice_at.comes_before(entry)?;
        let sum = posting
            .legs
            .iter()
            .try_fold(0_i64, |sum, leg| sum.checked_add(leg.amount_minor))
            .ok_or(AuditError::Overflow { id: entry.id })?;
        follows(entry.id, "the sum of all legs", sum, 0)?;
        let own = posting_of(invoice, payer_of(posting));
        if posting.purpose == own.purpose {
            follows(entry.id, "the posting", canonical(posting), canonical(&own))?;
        }
        postings.push((entry, posting.as_ref()));
    }
    Ok(postings)
}

/// How the account pays that a posting is about: its ledger account says so.
fn payer_of(posting: &LedgerPosted) -> AccountKind {
    match posting.legs.iter().any(|leg| leg.account.starts_with("wallet:")) {
        true => AccountKind::Wallet,
        false => AccountKind::PayLater,
    }
}

/// As the log would write it; for comparing and for telling differences.
fn canonical<T: Serialize>(value: &T) -> String {
    match CanonicalJson::from_serialize(value) {
        Ok(text) => text.into_string(),
        Err(error) => error.to_string(),
    }
}

//! The bill: the rating follows from the session and the tariff, the invoice from the rating,
//! the posting from the invoice.

use crate::AuditError;
use crate::chain::{Chain, Entry, follows};
use crate::session::ProvenSession;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    InvoiceIssued, InvoiceLine, InvoiceVat, LedgerPosted, SessionRated, TariffReference,
    TariffVersionPublished,
};
use chargebook_domain::ids::EventId;
use chargebook_domain::rating::{
    LocalTime, NetLine, Rating, invoice_lines, invoice_totals, rate_with,
};
use chargebook_domain::session::billing_input;
use chargebook_domain::tariff::Tariff;
use chargebook_proof::CanonicalJson;
use chrono_tz::Tz;
use serde::Serialize;
use sha2::{Digest, Sha256};

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

/// Proves the tariff's content and that it is the version referred to.
pub(crate) fn prove_tariff<'c>(
    chain: &'c Chain<'c>,
    reference: &TariffReference,
    effect: &Entry<'_>,
) -> Result<(&'c Entry<'c>, &'c TariffVersionPublished, Tariff), AuditError> {
    let entry = chain.cited("the tariff's version", reference.event_id)?;
    let Event::TariffVersionPublished(published) = &entry.event else {
        return Err(AuditError::WrongType {
            id: entry.id,
            expected: "tariff.version_published",
            found: entry.event.event_type(),
        });
    };
    entry.comes_before(effect)?;
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
    Ok((entry, published, tariff))
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
    follows(id, "time_zone", &rated.time_zone, &session.started.time_zone)?;
    let recorded = &rated.rating;
    let input = billing_input(&session.facts, session.settled, tariff, recorded.local_time.clone())
        .map_err(AuditError::Rating)?;
    let derived = rate_with(&recorded.rules_version, tariff, &input).map_err(AuditError::Rating)?;
    follows_to_the_byte(id, recorded, &derived)?;
    prove_local_time(id, rated, &derived)
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
fn prove_local_time(
    id: EventId,
    rated: &SessionRated,
    rating: &Rating,
) -> Result<LocalTimeCheck, AuditError> {
    let recorded = &rating.local_time;
    follows(id, "rating.local_time.time_zone", &recorded.time_zone, &rated.time_zone)?;
    let zone: Tz = rated.time_zone.parse().map_err(|_| AuditError::Differs {
        id,
        what: "time_zone".to_owned(),
        recorded: rated.time_zone.clone(),
        derived: "the name of an IANA time zone".to_owned(),
    })?;
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

/// Makes the invoice's figures again from the rating, and holds its number against its place.
pub(crate) fn prove_invoice(
    entry: &Entry<'_>,
    invoice: &InvoiceIssued,
    rated: &SessionRated,
    session: &ProvenSession<'_>,
) -> Result<(), AuditError> {
    let id = entry.id;
    follows(id, "sequence", invoice.sequence, entry.envelope.version + 1)?;
    entry.lies_at(&format!("invoice-series-{}", invoice.series), None)?;
    follows(id, "number", &invoice.number, &format!("{}-{}", invoice.series, invoice.sequence))?;
    follows(id, "tariff", canonical(&invoice.tariff), canonical(&rated.tariff))?;
    let payer = session.started.account_id.map(|account| account.to_string());
    follows(id, "account_id", invoice.account_id.to_string(), payer.unwrap_or_default())?;
    follows(id, "currency", &invoice.currency, &rated.rating.currency)?;
    follows(id, "delivered_from", invoice.delivered_from, session.settled.started_at)?;
    follows(id, "delivered_to", invoice.delivered_to, session.settled.ended_at)?;
    let lines = invoice_lines(&rated.rating).map_err(AuditError::Rating)?;
    let nets: Vec<NetLine> = lines
        .iter()
        .map(|line| NetLine { excl_vat: line.excl_vat, vat_percent: line.vat_percent })
        .collect();
    let totals = invoice_totals(&nets, &invoice.currency).map_err(AuditError::Rating)?;
    let derived: Vec<InvoiceLine> = lines
        .into_iter()
        .zip(&totals.line_nets_minor)
        .map(|(line, &net_minor)| InvoiceLine {
            dimension: line.dimension,
            quantity: line.quantity,
            unit: line.unit,
            unit_price: line.unit_price,
            vat_percent: line.vat_percent,
            net_minor,
        })
        .collect();
    let vat: Vec<InvoiceVat> = totals
        .vat
        .iter()
        .map(|rate| InvoiceVat {
            vat_percent: rate.vat_percent,
            net_minor: rate.net_minor,
            vat_minor: rate.vat_minor,
        })
        .collect();
    follows(id, "currency_exponent", invoice.currency_exponent, totals.currency_exponent)?;
    for (number, pair) in invoice.lines.iter().zip(&derived).enumerate() {
        follows(id, format!("line {}", number + 1), canonical(pair.0), canonical(pair.1))?;
    }
    follows(id, "the number of lines", invoice.lines.len(), derived.len())?;
    follows(id, "vat", canonical(&invoice.vat), canonical(&vat))?;
    follows(id, "total_net_minor", invoice.total_net_minor, totals.total_net_minor)?;
    follows(id, "total_vat_minor", invoice.total_vat_minor, totals.total_vat_minor)?;
    follows(id, "total_gross_minor", invoice.total_gross_minor, totals.total_gross_minor)
}

/// Every posting about the invoice: its legs sum to zero, and the invoice's own posting moves
/// its totals.
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
        follows(entry.id, "currency", &posting.currency, &invoice.currency)?;
        follows(entry.id, "the sum of all legs", sum_of(entry.id, posting, |_| true)?, 0)?;
        if posting.purpose == "invoice" {
            let account = invoice.account_id.to_string();
            let payer = |leg: &str| matches!(leg.split_once(':'), Some(("receivable" | "wallet", who)) if who == account);
            let sum = |is: &dyn Fn(&str) -> bool| sum_of(entry.id, posting, is);
            follows(entry.id, "the payer's leg", sum(&payer)?, invoice.total_gross_minor)?;
            let revenue = sum(&|leg| leg == "revenue")?;
            follows(entry.id, "the revenue's leg", revenue, -invoice.total_net_minor)?;
            let vat = sum(&|leg| leg.starts_with("vat:"))?;
            follows(entry.id, "the VAT's legs", vat, -invoice.total_vat_minor)?;
        }
        postings.push((entry, posting.as_ref()));
    }
    Ok(postings)
}

/// The sum of the legs whose account fits.
fn sum_of(
    id: EventId,
    posting: &LedgerPosted,
    fits: impl Fn(&str) -> bool,
) -> Result<i64, AuditError> {
    posting
        .legs
        .iter()
        .filter(|leg| fits(&leg.account))
        .try_fold(0_i64, |sum, leg| sum.checked_add(leg.amount_minor))
        .ok_or(AuditError::Overflow { id })
}

/// As the log would write it; for comparing and for telling differences.
fn canonical<T: Serialize>(value: &T) -> String {
    match CanonicalJson::from_serialize(value) {
        Ok(text) => text.into_string(),
        Err(error) => error.to_string(),
    }
}

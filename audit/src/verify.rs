//! The way from the bundle's text to the report.

use crate::AuditError;
use crate::bill::{LocalTimeCheck, prove_invoice, prove_postings, prove_rating, prove_tariff};
use crate::chain::{Chain, Entry};
use crate::report::{Proven, ProvenFrame, Report};
use crate::session::{self, ProvenSession};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    InvoiceIssued, LedgerPosted, SessionRated, TariffVersionPublished,
};
use chargebook_proof::bundle::{Bundle, PinnedKey, VerifiedBundle};

/// Proves the one invoice in a bundle. `key` is the log's key, or its fingerprint, as the caller
/// has got it from elsewhere; without it the bundle vouches for itself, and the report says so.
///
/// # Errors
/// The first thing that is wrong, and with which event; never a panic, whatever the text.
pub fn verify(bundle: &str, key: Option<&str>) -> Result<Report, AuditError> {
    let pinned: Option<PinnedKey> =
        key.map(|key| key.trim().parse()).transpose().map_err(AuditError::Key)?;
    let bundle = Bundle::parse(bundle)
        .and_then(|bundle| bundle.verify(pinned.as_ref()))
        .map_err(AuditError::Bundle)?;
    let chain = Chain::read(&bundle)?;
    let (invoice_at, invoice) = only_invoice(&chain)?;
    let (rated_at, rated) = rating_of(&chain, invoice_at, invoice)?;
    let (tariff_at, published, tariff) = prove_tariff(&chain, &rated.tariff, rated_at)?;
    let session = session::prove(&chain, &rated_at.envelope.stream, rated.settled)?;
    let local_time = prove_rating(rated_at, rated, &session, &tariff)?;
    prove_invoice(invoice_at, invoice, rated, &session)?;
    let postings = prove_postings(&chain, invoice_at, invoice)?;
    chain.all_used()?;
    let links = Links {
        invoice: (invoice_at, invoice),
        rated: (rated_at, rated),
        tariff: (tariff_at, published),
        session,
        postings,
        local_time,
    };
    Ok(links.report(&chain, &bundle))
}

/// The bundle's invoice; there must be exactly one.
fn only_invoice<'c>(
    chain: &'c Chain<'c>,
) -> Result<(&'c Entry<'c>, &'c InvoiceIssued), AuditError> {
    let invoices: Vec<_> = chain
        .entries()
        .filter_map(|entry| match &entry.event {
            Event::InvoiceIssued(invoice) => Some((entry.id, invoice.as_ref())),
            _ => None,
        })
        .collect();
    match invoices[..] {
        [(id, invoice)] => Ok((chain.cited("the invoice", id)?, invoice)),
        _ => Err(AuditError::Invoices(invoices.len())),
    }
}

/// The rating that the invoice bills, in the stream of the session that it names.
fn rating_of<'c>(
    chain: &'c Chain<'c>,
    invoice_at: &Entry<'_>,
    invoice: &InvoiceIssued,
) -> Result<(&'c Entry<'c>, &'c SessionRated), AuditError> {
    let entry = chain.cited("the rating", invoice.rated)?;
    entry.comes_before(invoice_at)?;
    entry.lies_at(&format!("session-{}", invoice.session_id), None)?;
    match &entry.event {
        Event::SessionRated(rated) => Ok((entry, rated.as_ref())),
        other => Err(AuditError::WrongType {
            id: entry.id,
            expected: "session.rated",
            found: other.event_type(),
        }),
    }
}

/// Everything that has been proven, link by link.
struct Links<'c> {
    invoice: (&'c Entry<'c>, &'c InvoiceIssued),
    rated: (&'c Entry<'c>, &'c SessionRated),
    tariff: (&'c Entry<'c>, &'c TariffVersionPublished),
    session: ProvenSession<'c>,
    postings: Vec<(&'c Entry<'c>, &'c LedgerPosted)>,
    local_time: LocalTimeCheck,
}

impl Links<'_> {
    fn report(self, chain: &Chain<'_>, bundle: &VerifiedBundle) -> Report {
        let disclosed = |commitment: &str| bundle.disclosed(commitment).map(str::to_owned);
        let frames = chain
            .entries()
            .filter(|entry| self.session.sources.contains(&entry.id))
            .filter_map(|entry| Some((entry, entry.exchange().ok()?)))
            .map(|(entry, exchange)| ProvenFrame::of(entry.id, entry.index, exchange, disclosed))
            .collect();
        let rated_version = self.rated.0.envelope.version;
        let later = self
            .session
            .stream
            .iter()
            .filter(|entry| entry.envelope.version > rated_version)
            .map(|entry| proven(entry, entry.envelope.event_type.clone()))
            .collect();
        Report {
            invoice: proven(self.invoice.0, self.invoice.1.clone()),
            rated: proven(self.rated.0, self.rated.1.clone()),
            tariff: proven(self.tariff.0, self.tariff.1.clone()),
            settled: proven(self.session.settled_at, self.session.settled.clone()),
            started: self.session.started.clone(),
            frames,
            samples: self.session.facts.samples().count(),
            postings: self.postings.iter().map(|(at, what)| proven(at, (*what).clone())).collect(),
            local_time: self.local_time,
            later,
            checkpoint: bundle.checkpoint.clone(),
            key: bundle.key.clone(),
            pinned: bundle.pinned,
            events: bundle.events.len(),
            proof_hashes: bundle.proof_hashes,
            disclosures: bundle.disclosures.len(),
        }
    }
}

fn proven<T>(entry: &Entry<'_>, what: T) -> Proven<T> {
    Proven {
        id: entry.id,
        index: entry.index,
        stream: entry.envelope.stream.clone(),
        version: entry.envelope.version,
        what,
    }
}

//! The way from the bundle's text to the report.

use crate::AuditError;
use crate::bill::{LocalTimeCheck, prove_invoice, prove_postings, prove_rating, prove_tariff};
use crate::chain::{Chain, Entry};
use crate::report::{Proven, ProvenFrame, ReadOtherwise, Report};
use crate::session::{self, ProvenSession};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Dialect, InvoiceIssued, InvoiceKind, LedgerPosted, SessionRated, TariffVersionPublished,
    Verdict,
};
use chargebook_proof::bundle::{Bundle, PinnedKey, VerifiedBundle};
use std::borrow::Cow;

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
    let (invoice_at, invoice, corrected) = the_invoice(&chain)?;
    let before = match corrected {
        Some((at, invoice)) => Some(Bill::prove(&chain, at, invoice, None)?),
        None => None,
    };
    let bill = Bill::prove(&chain, invoice_at, invoice, before.as_ref())?;
    chain.all_used()?;
    Ok(bill.report(&chain, &bundle, before.as_ref()))
}

/// An invoice, and the event that issued it.
type Issued<'c> = (&'c Entry<'c>, &'c InvoiceIssued);

/// What the bundle is about: its one invoice, or its credit note with the invoice that this
/// takes back.
fn the_invoice<'c>(
    chain: &'c Chain<'c>,
) -> Result<(&'c Entry<'c>, &'c InvoiceIssued, Option<Issued<'c>>), AuditError> {
    let mut invoices: Vec<Issued<'c>> = Vec::new();
    for entry in chain.entries() {
        if let Event::InvoiceIssued(invoice) = &entry.event {
            invoices.push((chain.cited("the invoice", entry.id)?, invoice.as_ref()));
        }
    }
    // The invoice that a credit note takes back stands before it in the log.
    match invoices[..] {
        [(at, invoice)] if invoice.kind == InvoiceKind::Invoice => Ok((at, invoice, None)),
        [(before_at, before), (at, note)]
            if before.kind == InvoiceKind::Invoice
                && note.kind == InvoiceKind::CreditNote
                && note.corrects.as_ref() == Some(&before.number) =>
        {
            Ok((at, note, Some((before_at, before))))
        }
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

/// A proven bill, link by link.
struct Bill<'c> {
    invoice: Issued<'c>,
    rated: (&'c Entry<'c>, &'c SessionRated),
    tariff: (&'c Entry<'c>, Cow<'c, TariffVersionPublished>),
    session: ProvenSession<'c>,
    postings: Vec<(&'c Entry<'c>, &'c LedgerPosted)>,
    local_time: LocalTimeCheck,
}

impl<'c> Bill<'c> {
    /// `corrected` is the bill that this one, a credit note, takes back.
    fn prove(
        chain: &'c Chain<'c>,
        invoice_at: &'c Entry<'c>,
        invoice: &'c InvoiceIssued,
        corrected: Option<&Bill<'_>>,
    ) -> Result<Self, AuditError> {
        let (rated_at, rated) = rating_of(chain, invoice_at, invoice)?;
        if let Some(corrected) = corrected {
            corrected.rated.0.comes_before(rated_at)?;
        }
        let session = session::prove(chain, &rated_at.envelope.stream, rated.settled)?;
        let (tariff_at, published, tariff) =
            prove_tariff(chain, &session, &rated.tariff, rated_at)?;
        let local_time = prove_rating(rated_at, rated, &session, &tariff)?;
        let corrected = corrected.map(|corrected| corrected.invoice.1);
        prove_invoice(invoice_at, invoice, rated, &session, corrected)?;
        let postings = prove_postings(chain, invoice_at, invoice)?;
        Ok(Self {
            invoice: (invoice_at, invoice),
            rated: (rated_at, rated),
            tariff: (tariff_at, published),
            session,
            postings,
            local_time,
        })
    }

    fn report(
        self,
        chain: &Chain<'_>,
        bundle: &VerifiedBundle,
        corrected: Option<&Bill<'_>>,
    ) -> Report {
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
        let postings = self.postings.iter().chain(corrected.iter().flat_map(|c| &c.postings));
        Report {
            invoice: proven(self.invoice.0, self.invoice.1.clone()),
            corrects: corrected.map(|bill| proven(bill.invoice.0, bill.invoice.1.clone())),
            rated: proven(self.rated.0, self.rated.1.clone()),
            tariff: proven(self.tariff.0, self.tariff.1.into_owned()),
            settled: proven(self.session.settled_at, self.session.settled.clone()),
            started: self.session.started.clone(),
            frames,
            read_otherwise: chain
                .entries()
                .filter_map(|entry| read_otherwise(chain, entry))
                .collect(),
            samples: self.session.facts.samples().count(),
            postings: postings.map(|(at, what)| proven(at, (*what).clone())).collect(),
            // What is to be looked at in either bill is to be looked at in the credit note.
            local_time: match corrected.map(|bill| &bill.local_time) {
                Some(check) if self.local_time == LocalTimeCheck::Confirmed => check.clone(),
                _ => self.local_time,
            },
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

/// How a message of the charger was read, where values in it are others than by the standard.
fn read_otherwise(chain: &Chain<'_>, entry: &Entry<'_>) -> Option<ReadOtherwise> {
    let exchange = entry.exchange().ok()?;
    let dialect = match exchange.verdict {
        Verdict::Answered => exchange.dialect,
        _ => chain.reread(entry.id)?.1.dialect,
    };
    let quirks: Dialect = dialect.quirks().filter(|quirk| quirk.changes_values()).collect();
    (!quirks.is_standard()).then_some(ReadOtherwise { id: entry.id, index: entry.index, quirks })
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

//! What came of a verification as one JSON object, for programs.

use crate::AuditError;
use crate::bill::LocalTimeCheck;
use crate::report::{Proven, Report};
use chargebook_domain::events::v1::{InvoiceIssued, MeterReading, SettledBecause};
use chargebook_domain::ids::EventId;
use serde_json::{Value, json};

impl Report {
    /// The verdict, what it rests on, and each thing that somebody has to look at. Sums are in the
    /// currency's smallest unit, energies in Wh.
    pub fn to_json(&self) -> Value {
        let (rated, tariff, settled) = (&self.rated.what, &self.tariff.what, &self.settled.what);
        let frames: Vec<Value> =
            self.frames.iter().map(|frame| place(frame.id, frame.index)).collect();
        json!({
            "verdict": "proven",
            "findings": self.findings(),
            "invoice": invoice(&self.invoice),
            "takes_back": self.corrects.as_ref().map(invoice),
            "rating": {
                "event": self.rated.id, "leaf": self.rated.index,
                "rules_version": rated.rating.rules_version,
            },
            "tariff": {
                "event": self.tariff.id, "leaf": self.tariff.index,
                "tariff": tariff.tariff, "version": tariff.version,
                "content_sha256": tariff.content_sha256,
            },
            "session": {
                "event": self.settled.id, "leaf": self.settled.index,
                "session_id": self.started.session_id, "station": self.started.station,
                "evse": self.started.evse, "connector": self.started.connector,
                "transaction_id": self.started.transaction_id.to_string(),
                "started_at": settled.started_at, "ended_at": settled.ended_at,
                "energy_wh": settled.energy_wh.to_string(),
                "register_start": register(&settled.register_start),
                "register_end": register(&settled.register_end),
                "anomalies": settled.anomalies,
            },
            "checked": {
                "frames": frames,
                "samples": self.samples,
                "postings": self.postings.iter().map(|it| place(it.id, it.index)).collect::<Vec<_>>(),
                "events": self.events,
                "proof_hashes": self.proof_hashes,
                "disclosures": self.disclosures,
            },
            "log": {
                "origin": self.checkpoint.origin.to_string(),
                "size": self.checkpoint.size,
                "root": self.checkpoint.root.to_string(),
                "key": self.key.to_string(),
                "fingerprint": self.fingerprint().to_string(),
                "is_pinned": self.pinned,
            },
        })
    }

    /// What the first line of the text says beside `PROVEN`, and that no key was given.
    fn findings(&self) -> Vec<Value> {
        let mut findings = Vec::new();
        if let LocalTimeCheck::OtherRelease { rated_with, own } = &self.local_time {
            let text = format!("rated with tzdb {rated_with}, and tzdb {own} has other offsets");
            findings.push(finding("local_time_not_confirmed", Some(self.rated.id), &text));
        }
        for read in &self.read_otherwise {
            let quirks = serde_json::to_string(&read.quirks).unwrap_or_default();
            let text = format!("values are others than by the standard: {quirks}");
            findings.push(finding("values_read_in_a_dialect", Some(read.id), &text));
        }
        if self.settled.what.because == SettledBecause::ReviewDecided {
            let decision = self.settled.what.register_end.evidence.event_id;
            let text = "energy, times and, where one was entered, the price rest on their word";
            findings.push(finding("decided_by_a_person", Some(decision), text));
        }
        if !self.pinned {
            let text = "the bundle vouches for itself: compare the fingerprint with one from \
                        elsewhere";
            findings.push(finding("key_not_pinned", None, text));
        }
        findings
    }
}

impl AuditError {
    /// The verdict on a bundle that does not prove its bill, and why.
    pub fn to_json(&self) -> Value {
        not_proven(&self.to_string(), self.event())
    }

    /// The event that is wrong, where it is one.
    fn event(&self) -> Option<EventId> {
        match self {
            Self::Event { id, .. }
            | Self::IdTwice(id)
            | Self::RereadTwice(id)
            | Self::RecordedAt(id)
            | Self::Missing { id, .. }
            | Self::WrongType { id, .. }
            | Self::Elsewhere { id, .. }
            | Self::OutOfOrder { effect: id, .. }
            | Self::Unneeded { id, .. }
            | Self::Frame { id, .. }
            | Self::LeftOut { id, .. }
            | Self::Differs { id, .. }
            | Self::Tariff { id, .. }
            | Self::Overflow { id } => Some(*id),
            Self::Key(_)
            | Self::Bundle(_)
            | Self::Invoices(_)
            | Self::StreamHole { .. }
            | Self::Doubt(_)
            | Self::Rating(_) => None,
        }
    }
}

/// The verdict on what does not prove its bill.
pub fn not_proven(why: &str, event: Option<EventId>) -> Value {
    json!({ "verdict": "not_proven", "findings": [finding("refused", event, why)] })
}

fn finding(kind: &str, event: Option<EventId>, text: &str) -> Value {
    json!({ "kind": kind, "event": event, "text": text })
}

fn place(event: EventId, leaf: u64) -> Value {
    json!({ "event": event, "leaf": leaf })
}

fn invoice(proven: &Proven<InvoiceIssued>) -> Value {
    let invoice = &proven.what;
    json!({
        "event": proven.id, "leaf": proven.index,
        "number": invoice.number, "kind": invoice.kind, "issued_at": invoice.issued_at,
        "currency": invoice.currency, "currency_exponent": invoice.currency_exponent,
        "total_net_minor": invoice.total_net_minor,
        "total_vat_minor": invoice.total_vat_minor,
        "total_gross_minor": invoice.total_gross_minor,
    })
}

fn register(reading: &MeterReading) -> Value {
    let evidence = &reading.evidence;
    json!({
        "register_wh": reading.register_wh.to_string(),
        "event": evidence.event_id, "pointer": evidence.pointer, "raw": evidence.raw,
    })
}

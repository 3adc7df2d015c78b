//! What was proven, for people: the chain from each line of the invoice down to the charger's
//! own frames.

use crate::bill::LocalTimeCheck;
use chargebook_domain::events::v1::{
    Dialect, ExchangeRecorded, InvoiceIssued, InvoiceKind, LedgerPosted, MeterReading,
    SessionRated, SessionSettled, SettledBecause, TariffVersionPublished,
};
use chargebook_domain::ids::EventId;
use chargebook_domain::rating::Unit;
use chargebook_domain::sealed::SealedText;
use chargebook_domain::session::Beginning;
use chargebook_proof::checkpoint::{Checkpoint, Fingerprint, VerifierKey};
use std::fmt;

/// A proven invoice. There is no other way to get one than [`crate::verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The invoice.
    pub invoice: Proven<InvoiceIssued>,
    /// The invoice that it takes back, where it is a credit note; proven as well.
    pub corrects: Option<Proven<InvoiceIssued>>,
    /// The rating that it bills, or that made a credit note necessary.
    pub rated: Proven<SessionRated>,
    /// The tariff's version.
    pub tariff: Proven<TariffVersionPublished>,
    /// What the session was settled on.
    pub settled: Proven<SessionSettled>,
    /// The session's start.
    pub started: Beginning,
    /// Every exchange that a fact of the session comes from, in the log's order.
    pub frames: Vec<ProvenFrame>,
    /// The charger's messages that were read in a dialect in which values are others than by the
    /// standard, in the log's order.
    pub read_otherwise: Vec<ReadOtherwise>,
    /// Register samples between begin and end that have been held against their frames.
    pub samples: usize,
    /// Postings about the invoice.
    pub postings: Vec<Proven<LedgerPosted>>,
    /// What the local time that the bill was computed with was held against.
    pub local_time: LocalTimeCheck,
    /// Events after the rating in the session's stream: type and id.
    pub later: Vec<Proven<String>>,
    /// The head of the log that commits to all of it.
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub key: VerifierKey,
    /// Whether the key is one that the caller had from elsewhere.
    pub pinned: bool,
    /// Number of events proven.
    pub events: usize,
    /// Number of hashes in their common proof.
    pub proof_hashes: usize,
    /// Number of sealed holes that the bundle opens.
    pub disclosures: usize,
}

/// Something that an event of the log says.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven<T> {
    /// The event.
    pub id: EventId,
    /// Its leaf in the log's tree.
    pub index: u64,
    /// Its stream.
    pub stream: String,
    /// Its version there.
    pub version: u64,
    /// What it says.
    pub what: T,
}

/// A message of the charger that was read in a dialect in which values are others than by the
/// standard. That the charger speaks it is the operator's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOtherwise {
    /// The exchange.
    pub id: EventId,
    /// Its leaf in the log's tree.
    pub index: u64,
    /// The quirks that change values.
    pub quirks: Dialect,
}

/// Where at its station a session was.
fn place_of(started: &Beginning) -> String {
    let connector = started.connector.map(|connector| format!("connector {connector}"));
    let evse = started.evse.map(|evse| format!("EVSE {evse}"));
    evse.into_iter().chain(connector).collect::<Vec<_>>().join(", ")
}

/// A frame of the charger, as it was on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenFrame {
    /// The exchange.
    pub id: EventId,
    /// Its leaf in the log's tree.
    pub index: u64,
    /// When it reached the operator.
    pub received_at: String,
    /// The text; sealed holes are shown as such, or opened where the bundle discloses them.
    pub request: String,
    /// The answer, likewise.
    pub reply: String,
}

impl ProvenFrame {
    pub(crate) fn of(
        id: EventId,
        index: u64,
        exchange: &ExchangeRecorded,
        disclosed: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let open = |text: &Option<SealedText>| {
            let text = text.as_ref();
            text.map(|text| text.filled(|h| disclosed(&h.commitment))).unwrap_or_default()
        };
        Self {
            id,
            index,
            received_at: exchange.received_at.to_string(),
            request: open(&exchange.request),
            reply: open(&exchange.reply),
        }
    }
}

impl Report {
    /// The fingerprint of the log's key, to compare with one from elsewhere.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    fn money(&self, minor: i64) -> String {
        let invoice = &self.invoice.what;
        let exponent = invoice.currency_exponent as usize;
        let sign = if minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
        let (whole, part) = digits.split_at(digits.len() - exponent);
        let point = if part.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{part} {}", invoice.currency)
    }

    fn write_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invoice = &self.invoice.what;
        // A credit note's lines come from the invoice that it takes back.
        let rated = match self.corrects {
            Some(_) => &[][..],
            None => &self.rated.what.rating.lines,
        };
        let rated = rated.iter().map(Some).chain(std::iter::repeat(None));
        for (line, rated) in invoice.lines.iter().zip(rated) {
            let vat = line.vat_percent.map_or("no VAT".to_owned(), |p| format!("VAT {p} %"));
            let (dimension, quantity, unit) = (&line.dimension, line.quantity, &line.unit);
            let price = format!("{} {}", line.unit_price, invoice.currency);
            let net = self.money(line.net_minor);
            writeln!(f, "  {dimension:<16} {quantity} {unit} x {price}, {vat}: {net}")?;
            match (rated, &self.corrects) {
                (Some(rated), _) => writeln!(
                    f,
                    "    <- rating: {} {} used, {} billed, by element {} of the tariff",
                    rated.quantity,
                    unit_of(rated.unit),
                    rated.billed_quantity,
                    rated.element_index,
                )?,
                (None, Some(corrected)) => {
                    writeln!(f, "    <- taken back from {}", corrected.what.number)?;
                }
                (None, None) => writeln!(f, "    <- rating: the tariff's least or greatest price")?,
            }
        }
        let [net, vat, gross] =
            [invoice.total_net_minor, invoice.total_vat_minor, invoice.total_gross_minor]
                .map(|minor| self.money(minor));
        writeln!(f, "  net {net}, VAT {vat}, gross {gross}")
    }

    fn write_chain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (invoice, rated, tariff) = (&self.invoice, &self.rated, &self.tariff);
        writeln!(f, "\nHow it follows")?;
        writeln!(f, "  register    number {} of its series, {invoice}", invoice.what.sequence)?;
        if let Some(corrected) = &self.corrects {
            writeln!(f, "  takes back  {}, proven as well, {corrected}", corrected.what.number)?;
        }
        writeln!(f, "  <- rating   rules {}, {rated}", rated.what.rating.rules_version)?;
        writeln!(f, "              computed again: equal to the byte")?;
        let local = &rated.what.rating.local_time;
        match &self.local_time {
            LocalTimeCheck::Confirmed => {
                writeln!(f, "              local time {}: offsets confirmed", local.time_zone)?;
            }
            LocalTimeCheck::OtherRelease { rated_with, own } => writeln!(
                f,
                "              CHECK local time {}: rated with tzdb {rated_with}, and tzdb {own} \
                 has other offsets",
                local.time_zone,
            )?,
        }
        writeln!(
            f,
            "  <- tariff   {} version {}, {tariff}\n              SHA-256 {}",
            tariff.what.tariff, tariff.what.version, tariff.what.content_sha256,
        )?;
        let settled = &self.settled.what;
        writeln!(
            f,
            "  <- session  {} Wh from {} to {}, {}",
            settled.energy_wh, settled.started_at, settled.ended_at, self.settled
        )?;
        writeln!(
            f,
            "              station {}, {}, transaction {}",
            self.started.station,
            place_of(&self.started),
            self.started.transaction_id
        )?;
        for anomaly in &settled.anomalies {
            writeln!(f, "              noted: {anomaly:?}")?;
        }
        if settled.because == SettledBecause::ReviewDecided {
            let decision = settled.register_end.evidence.event_id;
            writeln!(f, "  <- decided  DECIDED BY A PERSON, not by the charger's registers:")?;
            writeln!(f, "              event {decision}; their figures rest on their word")?;
        } else {
            self.write_reading(f, "begin", &settled.register_start)?;
            self.write_reading(f, "end", &settled.register_end)?;
        }
        writeln!(f, "              {} samples held against their frames", self.samples)?;
        self.write_dialects(f)
    }

    fn write_dialects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.read_otherwise.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "  <- dialect  CHECK that the charger writes so; by the standard, values differ:"
        )?;
        for ReadOtherwise { id, index, quirks } in &self.read_otherwise {
            let quirks = serde_json::to_string(quirks).unwrap_or_default();
            writeln!(f, "              {id}, leaf {index}: {quirks}")?;
        }
        Ok(())
    }

    fn write_reading(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        reading: &MeterReading,
    ) -> fmt::Result {
        let evidence = &reading.evidence;
        writeln!(
            f,
            "  <- {name:<8} {} Wh: {} in the frame of {}, at {}",
            reading.register_wh, evidence.raw, evidence.event_id, evidence.pointer
        )
    }

    fn write_frames(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nThe charger's own frames")?;
        for frame in &self.frames {
            let (id, index, at) = (frame.id, frame.index, &frame.received_at);
            writeln!(f, "  {at}  {id}, leaf {index}\n    > {}", frame.request)?;
            if !frame.reply.is_empty() {
                writeln!(f, "    < {}", frame.reply)?;
            }
        }
        if self.disclosures > 0 {
            writeln!(f, "  {} sealed values opened by their commitments", self.disclosures)?;
        }
        Ok(())
    }

    fn write_log(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { origin, size, root } = &self.checkpoint;
        writeln!(f, "\nThe log")?;
        writeln!(
            f,
            "  {} events, included in the tree: proven by {} hashes",
            self.events, self.proof_hashes
        )?;
        writeln!(f, "  leaves      are counted from 0, positions in the log from 1")?;
        writeln!(f, "  checkpoint  {origin}, {size} events, root {root}")?;
        writeln!(f, "  key         {}", self.key)?;
        writeln!(f, "  fingerprint {}", self.fingerprint())?;
        if self.pinned {
            return writeln!(f, "  the key is the one that was given");
        }
        writeln!(
            f,
            "  the key was NOT PINNED: the bundle vouches for itself. Compare the fingerprint with\n  \
             one that you got another way, or give the key with --key"
        )
    }
}

fn unit_of(unit: Unit) -> &'static str {
    match unit {
        Unit::KilowattHour => "kWh",
        Unit::Second => "s",
        Unit::Session => "session",
    }
}

impl<T> fmt::Display for Proven<T> {
    /// Where it stands: event, stream, version, leaf.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} at {}, leaf {})", self.id, self.stream, self.version, self.index)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invoice = &self.invoice.what;
        let but = match self.local_time {
            LocalTimeCheck::Confirmed => "",
            LocalTimeCheck::OtherRelease { .. } => ", LOCAL TIME NOT CONFIRMED",
        };
        let and = match self.read_otherwise.is_empty() {
            true => "",
            false => ", VALUES READ IN A DIALECT",
        };
        let by = match self.settled.what.because {
            SettledBecause::ReviewDecided => ", DECIDED BY A PERSON",
            _ => "",
        };
        writeln!(
            f,
            "PROVEN{but}{and}{by}: {} {} of {} over {}",
            match invoice.kind {
                InvoiceKind::Invoice => "invoice",
                InvoiceKind::CreditNote => "credit note",
            },
            invoice.number,
            invoice.issued_at,
            self.money(invoice.total_gross_minor)
        )?;
        self.write_lines(f)?;
        self.write_chain(f)?;
        for posting in &self.postings {
            writeln!(f, "  -> posting  {}: legs sum to zero, {posting}", posting.what.purpose)?;
        }
        for later in &self.later {
            writeln!(f, "  later       {}, {later}", later.what)?;
        }
        self.write_frames(f)?;
        self.write_log(f)
    }
}

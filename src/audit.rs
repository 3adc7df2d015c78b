//! `chargebook audit export | verify`: an invoice with its proof, and the proof's proof.

use crate::config::LogPlace;
use crate::output::output;
use crate::sealing::{NotSealed, sealed_beyond};
use crate::whole_file;
use anyhow::{Context, anyhow, bail};
use chargebook_api::BundleFailure;
use chargebook_audit::{AuditError, cited_exchanges};
use chargebook_commands::personal::PersonalData;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    InvoiceIssued, InvoiceKind, SessionStopped, TransactionEventKind,
};
use chargebook_domain::ids::{EventId, StationId};
use chargebook_domain::units::Timestamp;
use chargebook_proof::bundle::{Bundle, ProvenEvent};
use chargebook_proof::merkle::NodeAddress;
use chargebook_store::sealer::Tree;
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, OpenMode, Position, RecordedEvent, StreamName};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Events read at a time.
const PAGE_EVENTS: usize = 1000;

/// What the first line says of a bundle that does not prove its invoice.
const NOT_PROVEN: &str = "NOT PROVEN";

/// Options of `chargebook audit`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuditCommand {
    /// Write an invoice and everything that proves it into one file; also beside a running server
    Export(ExportArgs),
    /// Prove an invoice from such a file, offline
    Verify(VerifyArgs),
}

/// Options of `chargebook audit export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The invoice's number
    #[arg(long, value_name = "NUMBER")]
    invoice: String,
    /// The file to write; `-` writes to standard output
    #[arg(long, short = 'o', default_value = "bundle.json", value_name = "FILE")]
    output: PathBuf,
}

/// Options of `chargebook audit verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The file that `audit export` wrote; `-` reads standard input
    bundle: PathBuf,
    /// The log's key, or its fingerprint (either line of `log key`), as you have it from elsewhere
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Print the verdict, what was checked and each finding as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Export(args) => export(&args).await,
        AuditCommand::Verify(args) => verify(&args),
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    if args.bundle == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(&args.bundle)
            .with_context(|| format!("cannot read {}", args.bundle.display()))?;
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let why = anyhow!("the bundle is not UTF-8 at byte {at}");
            if args.json {
                writeln!(output(), "{}", chargebook_audit::not_proven(&why.to_string(), None))?;
            }
            return Err(why.context(NOT_PROVEN));
        }
    };
    let verified = chargebook_audit::verify(&text, args.key.as_deref());
    match &verified {
        // A key that is none says nothing about the bundle.
        Err(AuditError::Key(_)) => {}
        Err(error) if args.json => writeln!(output(), "{}", error.to_json())?,
        Ok(report) if args.json => {
            writeln!(output(), "{}", report.to_json())?;
            return Ok(());
        }
        _ => {}
    }
    let report = match verified {
        Ok(report) => report,
        Err(error @ AuditError::Key(_)) => return Err(error.into()),
        Err(error) if text.ends_with('\n') => {
            let hint = "the file ends with a line break, which is no part of a bundle";
            return Err(anyhow::Error::new(error).context(hint).context(NOT_PROVEN));
        }
        Err(error) if !text.starts_with("{\"checkpoint\":") => {
            let hint = "this is no bundle that `chargebook audit export` wrote";
            return Err(anyhow::Error::new(error).context(hint).context(NOT_PROVEN));
        }
        Err(error) => return Err(anyhow::Error::new(error).context(NOT_PROVEN)),
    };
    let verdict = format!(
        "PROVEN: invoice {}{}",
        report.invoice.what.number,
        if report.pinned { "" } else { ", by a key that was not pinned" }
    );
    writeln!(output(), "{report}\n{verdict}")?;
    Ok(())
}

async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let place = &args.place;
    let opened = place.open(OpenMode::ReadOnly).await?;
    let vault = Arc::new(KeyVault::open_read_only(&place.data).await?);
    let bundles = Bundles { data: place.data.clone(), log: opened.store(), vault };
    let text = bundles.build(&args.invoice, Some(place)).await?;
    opened.close().await;
    if args.output == Path::new("-") {
        output().write_all(text.as_bytes())?;
        return Ok(());
    }
    whole_file::write(&args.output, text.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    let name = args.output.display();
    writeln!(
        std::io::stderr().lock(),
        "{name}: invoice {}, {} bytes; `chargebook audit verify {name}` proves it",
        args.invoice,
        text.len()
    )?;
    Ok(())
}

/// What bundles are made from; a server's own log and keys where they are for its API.
pub(crate) struct Bundles {
    /// The data folder, which has the tree.
    pub(crate) data: PathBuf,
    pub(crate) log: Arc<dyn EventStore>,
    pub(crate) vault: Arc<KeyVault>,
}

#[async_trait::async_trait]
impl chargebook_api::BundleSource for Bundles {
    async fn bundle(&self, invoice: &str) -> Result<Vec<u8>, BundleFailure> {
        match self.build(invoice, None).await {
            Ok(text) => Ok(text.into_bytes()),
            Err(error) if error.is::<NoSuchInvoice>() => Err(BundleFailure::NotFound),
            Err(error) if error.is::<NotSealed>() => Err(BundleFailure::NotSealedYet),
            Err(error) => Err(BundleFailure::Failed(format!("{error:#}"))),
        }
    }
}

/// No invoice has that number.
#[derive(Debug, thiserror::Error)]
#[error("there is no invoice `{0}`; `GET /v1/invoices` lists them")]
struct NoSuchInvoice(String);

impl Bundles {
    /// The bundle of an invoice. `signer` is a log that may have no server, so that nobody else
    /// would sign what is not signed yet.
    async fn build(&self, number: &str, signer: Option<&LogPlace>) -> anyhow::Result<String> {
        let Self { data, log, vault } = self;
        let events = Evidence::of(&**log, vault, number).await?.events;
        let tree = Tree::open(data);
        let mut indices = BTreeMap::new();
        for position in events.keys() {
            let index = tree.leaf_index(&**log, *position).await?;
            let index = index.ok_or_else(|| anyhow!("no event at position {position}"))?;
            indices.insert(*position, index);
        }
        let last = indices.values().max().copied().unwrap_or(0);
        let sealed = sealed_beyond(signer, &tree, vault, last).await?;
        let proven = events
            .iter()
            .map(|(position, event)| ProvenEvent {
                index: indices[position],
                envelope: event.envelope(),
            })
            .collect();
        let mut at = tree.at(sealed.checkpoint.size);
        let mut reader = |address: NodeAddress| at.hash(address);
        let key = vault.verifier_key();
        let bundle = Bundle::build(key, sealed.note, proven, Vec::new(), &mut reader)?;
        Ok(bundle.to_canonical()?.into_string())
    }
}

/// The events that prove an invoice, by position.
struct Evidence<'a> {
    store: &'a dyn EventStore,
    /// Finds what was read again.
    personal: PersonalData,
    events: BTreeMap<Position, RecordedEvent>,
}

impl<'a> Evidence<'a> {
    async fn of(
        store: &'a dyn EventStore,
        vault: &Arc<KeyVault>,
        number: &str,
    ) -> anyhow::Result<Self> {
        let personal = PersonalData::new(Arc::clone(vault));
        let mut evidence = Self { store, personal, events: BTreeMap::new() };
        let invoice = evidence.add_invoice(number).await?;
        if let (InvoiceKind::CreditNote, Some(corrected)) = (invoice.kind, &invoice.corrects) {
            evidence.add_invoice(corrected).await?;
        }
        Ok(evidence)
    }

    async fn add_invoice(&mut self, number: &str) -> anyhow::Result<InvoiceIssued> {
        let (recorded, invoice) = find_invoice(self.store, number).await?;
        self.add(recorded);
        self.add_session(&invoice).await?;
        let tariff = StreamName::of("tariff", invoice.tariff.tariff_id.0);
        let version = invoice.tariff.version.saturating_sub(1);
        let published = self.store.read_stream(&tariff, version, 1).await?;
        published.into_iter().for_each(|event| self.add(event));
        let account = StreamName::of("account", invoice.account_id.0);
        for event in read_whole(self.store, &account).await? {
            if let Event::LedgerPosted(posting) = read(&event)?
                && posting.invoice.as_deref() == Some(number)
            {
                self.add(event);
            }
        }
        Ok(invoice)
    }

    /// The session's stream up to the rating, and the exchanges elsewhere that it cites.
    async fn add_session(&mut self, invoice: &InvoiceIssued) -> anyhow::Result<()> {
        let stream = StreamName::of("session", invoice.session_id.0);
        let mut station = None;
        let mut elsewhere = Elsewhere::default();
        for event in read_whole(self.store, &stream).await? {
            let is_rating = EventId(event.id) == invoice.rated;
            let fact = read(&event)?;
            elsewhere.ids.extend(cited_exchanges([&fact]));
            match fact {
                Event::SessionStarted(started) => {
                    station = Some(started.station_id);
                    let before = started.register_before.as_ref();
                    let before =
                        before.map(|before| StreamName::of("session", before.session_id.0));
                    elsewhere.streams.extend(before);
                    // What came before the start lies with the station, in the start's month.
                    for at in [started.received_at, Timestamp::new(event.recorded_at)] {
                        elsewhere.streams.extend(month_stream(started.station_id, at));
                    }
                }
                Event::SessionOpened(opened) => {
                    station = Some(opened.station_id);
                    let at = Timestamp::new(event.recorded_at);
                    elsewhere.streams.extend(month_stream(opened.station_id, at));
                }
                Event::SessionTransactionReported(reported) => {
                    // So does what was claimed with the start.
                    let of_start =
                        station.filter(|_| reported.kind == TransactionEventKind::Started);
                    for at in [reported.received_at, Timestamp::new(event.recorded_at)] {
                        elsewhere.streams.extend(of_start.and_then(|id| month_stream(id, at)));
                    }
                }
                Event::SessionConnectorStatus(status) => {
                    let recorded_at = Timestamp::new(event.recorded_at);
                    elsewhere.cite_status(status.received_at, recorded_at, station);
                }
                Event::SessionStopped(stopped) => elsewhere.cite_stop(&stopped, station),
                Event::SessionPreceded(before) => {
                    elsewhere.streams.insert(StreamName::of("session", before.by.0));
                }
                Event::SessionSuperseded(by) => {
                    elsewhere.ids.insert(by.register.evidence.event_id);
                    elsewhere.ids.extend(by.start);
                    elsewhere.streams.insert(StreamName::of("session", by.by.0));
                }
                _ => {}
            }
            self.add(event);
            if is_rating {
                break;
            }
        }
        elsewhere.ids.retain(|id| self.events.values().all(|event| EventId(event.id) != *id));
        for id in elsewhere.ids.clone() {
            elsewhere.streams.extend(self.add_reread(id).await?);
        }
        if elsewhere.ids.is_empty() {
            return Ok(());
        }
        for stream in &elsewhere.streams {
            for event in read_whole(self.store, stream).await? {
                if elsewhere.ids.remove(&EventId(event.id)) {
                    self.add(event);
                }
            }
        }
        match elsewhere.ids.first() {
            None => Ok(()),
            Some(id) => bail!("the session rests on the exchange {id}, which was not found"),
        }
    }

    /// What a refused exchange was read again as, and the stream that holds the exchange.
    async fn add_reread(&mut self, exchange: EventId) -> anyhow::Result<Option<StreamName>> {
        let key = self.personal.reread_key(exchange);
        let Some(stream) = self.store.lookup(&key).await? else { return Ok(None) };
        for event in read_whole(self.store, &stream).await? {
            if let Event::ExchangeReread(reread) = read(&event)?
                && reread.exchange == exchange
            {
                self.add(event);
                return Ok(Some(StreamName::new(reread.stream)?));
            }
        }
        Ok(None)
    }

    fn add(&mut self, event: RecordedEvent) {
        self.events.insert(event.position, event);
    }
}

/// Exchanges that a session cites and that may lie in other streams.
#[derive(Default)]
struct Elsewhere {
    ids: BTreeSet<EventId>,
    streams: BTreeSet<StreamName>,
}

impl Elsewhere {
    /// One of several in a message lies with the station, in the month that the message was
    /// recorded in.
    fn cite_status(
        &mut self,
        received_at: Timestamp,
        recorded_at: Timestamp,
        station: Option<StationId>,
    ) {
        for at in [received_at, recorded_at] {
            self.streams.extend(station.and_then(|id| month_stream(id, at)));
        }
    }

    /// A stop that came before its start lies with the station, in the month it came in.
    fn cite_stop(&mut self, stopped: &SessionStopped, station: Option<StationId>) {
        self.ids.insert(stopped.exchange);
        self.ids.insert(stopped.meter_stop.evidence.event_id);
        let Some(station) = station else { return };
        for at in [stopped.received_at, stopped.stopped_at] {
            self.streams.extend(month_stream(station, at));
        }
    }
}

fn month_stream(station: StationId, at: Timestamp) -> Option<StreamName> {
    chargebook_commands::StationState::stream_of(
        station,
        &chargebook_commands::StationState::month_of(at),
    )
}

/// The register entry of an invoice: its number names the series and the place in it.
async fn find_invoice(
    store: &dyn EventStore,
    number: &str,
) -> anyhow::Result<(RecordedEvent, InvoiceIssued)> {
    let unknown = || NoSuchInvoice(number.to_owned());
    let (series, sequence) = number.rsplit_once('-').ok_or_else(unknown)?;
    let sequence: u64 = sequence.parse().map_err(|_| unknown())?;
    let version = sequence.checked_sub(1).ok_or_else(unknown)?;
    let stream = StreamName::new(format!("invoice_series-{series}")).map_err(|_| unknown())?;
    let found = store.read_stream(&stream, version, 1).await?.into_iter().next();
    let recorded = found.ok_or_else(unknown)?;
    match read(&recorded)? {
        Event::InvoiceIssued(invoice) if invoice.number == number => Ok((recorded, *invoice)),
        _ => Err(unknown().into()),
    }
}

async fn read_whole(
    store: &dyn EventStore,
    stream: &StreamName,
) -> anyhow::Result<Vec<RecordedEvent>> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let next = events.last().map_or(0, |event| event.version + 1);
        let page = store.read_stream(stream, next, PAGE_EVENTS).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

fn read(event: &RecordedEvent) -> anyhow::Result<Event> {
    Ok(Event::read(&event.event_type, event.schema_version, event.data.as_str())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_looked_for_in_the_months_of_its_message() {
        let at = |text: &str| -> Timestamp {
            serde_json::from_value(serde_json::json!(text)).expect("an instant")
        };
        let station = StationId(uuid::Uuid::nil());
        let mut elsewhere = Elsewhere::default();
        let (received_at, recorded_at) = (at("2026-11-30T23:59:59Z"), at("2026-12-01T00:00:00Z"));
        elsewhere.cite_status(received_at, recorded_at, Some(station));
        let months = ["2026-11", "2026-12"].map(|month| format!("station-{}-{month}", station.0));
        let streams: Vec<_> = elsewhere.streams.iter().map(|it| it.as_str().to_owned()).collect();
        assert_eq!(streams, months);
    }
}

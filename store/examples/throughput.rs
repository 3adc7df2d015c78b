//! How fast an engine is, as ratios within one run: appends by many writers against one commit per
//! event, and paged reading. Prints the machine's part in it too, since only the ratios carry over.
//!
//! `cargo run --release -p chargebook-store --example throughput [FOLDER | postgres://…]`
//!
//! In PostgreSQL it writes to an empty schema that is named by the address.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use chargebook_proof::CanonicalJson;
use chargebook_store::port::{EventStore, PAGE_EVENTS_MAX};
use chargebook_store::{
    Append, ExpectedVersion, KeyVault, LogAddress, NewEvent, OpenMode, Position, Sealer,
    SealerOptions, StreamName,
};
use chrono::Utc;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Payload of an event, in bytes: a small meter report.
const PAYLOAD_BYTES: usize = 470;
/// How long each measurement runs.
const DURATION: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1);
    let address = given.as_deref().and_then(|text| text.parse::<LogAddress>().ok());
    let own_folder = given.is_none() || address.is_some();
    let folder = match given {
        Some(folder) if !own_folder => PathBuf::from(folder),
        _ => std::env::temp_dir().join(format!("chargebook-throughput-{}", std::process::id())),
    };
    let measured = measure(&address.unwrap_or_default(), &folder).await;
    if own_folder {
        std::fs::remove_dir_all(&folder)?;
    }
    measured
}

async fn measure(address: &LogAddress, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let cores = std::thread::available_parallelism()?;
    println!("{address}, {cores} cores; durable at every commit; {PAYLOAD_BYTES}-byte events");
    println!("fsync of one appended page: {:.0}/s", raw_syncs(folder)?);

    let log = address.open(folder, OpenMode::Writer).await?;
    let store = log.store();
    let one = appends(&store, 1, 1).await?;
    println!("{:<44} {one:>10.0} events/s   1.0x", "1 writer, one commit per event");
    for (writers, events) in [(16, 1), (128, 1), (1000, 1), (1000, 4), (8, 100)] {
        let rate = appends(&store, writers, events).await?;
        let name = format!("{writers} writers, {events} event(s) an append");
        println!("{name:<44} {rate:>10.0} events/s {:>5.1}x", rate / one);
    }
    let key = KeyVault::open(folder).await?.signing_key().clone();
    let sealing = Instant::now();
    let sealer = Sealer::start(Arc::clone(&store), folder, key, SealerOptions::default()).await?;
    let head = *store.head().borrow();
    sealer.seal_now(head).await?;
    let events = store.head().borrow().as_u64() as f64;
    println!(
        "{:<44} {:>10.0} events/s",
        "sealing from the start",
        events / sealing.elapsed().as_secs_f64()
    );
    let rate = appends(&store, 1000, 1).await?;
    println!("{:<44} {rate:>10.0} events/s {:>5.1}x", "1000 writers, sealer running", rate / one);
    sealer.stop().await?;
    log.close().await;

    // Read-only: no recent events in memory, every page comes from where the log is kept.
    let log = address.open(folder, OpenMode::ReadOnly).await?;
    let store = log.store();
    for page in [100, 1000, PAGE_EVENTS_MAX] {
        let rate = read_pages(&store, page).await?;
        println!("{:<44} {rate:>10.0} events/s", format!("reading, pages of {page}"));
    }
    let bytes = log.size_bytes(folder).await? as f64;
    let events = store.head().borrow().as_u64() as f64;
    println!("{events} events, {:.0} bytes each where they are kept", bytes / events);
    log.close().await;
    Ok(())
}

fn raw_syncs(folder: &Path) -> std::io::Result<f64> {
    use std::io::Write;
    std::fs::create_dir_all(folder)?;
    let path = folder.join("raw");
    let mut file = std::fs::File::create(&path)?;
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < DURATION / 4 {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    std::fs::remove_file(path)?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

async fn appends(
    store: &Arc<dyn EventStore>,
    writers: usize,
    events: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let writer = |_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut written = 0;
            let stream = StreamName::of("throughput", Uuid::new_v4());
            let mut expected = ExpectedVersion::NoStream;
            while begun.elapsed() < DURATION {
                let events: Vec<NewEvent> = (0..events).map(|_| event()).collect();
                written += events.len();
                let append = Append { stream: stream.clone(), expected, events };
                let appended = store.append(append).await?;
                expected = ExpectedVersion::Exact(appended.version);
            }
            Ok::<usize, chargebook_store::AppendError>(written)
        })
    };
    let tasks: Vec<_> = (0..writers).map(writer).collect();
    let mut written = 0;
    for task in tasks {
        written += task.await??;
    }
    Ok(written as f64 / begun.elapsed().as_secs_f64())
}

fn event() -> NewEvent {
    let data = format!("{{\"sample\":\"{}\"}}", "4".repeat(PAYLOAD_BYTES - 60));
    NewEvent {
        id: Uuid::now_v7(),
        event_type: "throughput.measured".into(),
        schema_version: 1,
        recorded_at: Utc::now(),
        data: CanonicalJson::from_stored(data),
        meta: CanonicalJson::from_stored("{\"actor\":\"throughput\",\"node\":1}".to_owned()),
        keys: Vec::new(),
    }
}

async fn read_pages(
    store: &Arc<dyn EventStore>,
    page: usize,
) -> Result<f64, chargebook_store::StoreError> {
    let begun = Instant::now();
    let mut after = Position::START;
    let mut count = 0;
    while begun.elapsed() < DURATION {
        let events = store.read_all(after, page).await?;
        count += events.len();
        match events.last() {
            Some(last) => after = last.position,
            None => after = Position::START,
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

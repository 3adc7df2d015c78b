//! A log on a disk that has changed it: whatever byte it is, the full check finds it, or every read
//! is right. Never a silent wrong read, never a panic.

use chargebook_proof::checkpoint::{Origin, SigningKey};
use chargebook_store::contract::sample_event;
use chargebook_store::{
    Append, CanonicalJson, ExpectedVersion, Finding, LogAddress, LogReport, LookupKey, NewEvent,
    OpenMode, OpenedLog, Position, RecordedEvent, Sealer, SealerOptions, StreamName, Tree,
    verify_opened,
};
use std::path::Path;
use tempfile::TempDir;
use uuid::Uuid;

const EVENTS: u64 = 12;
const STREAMS: u64 = 4;

/// True where the large counts are asked for (`cargo xtask test --long`).
fn is_long_run() -> bool {
    std::env::var_os("CHARGEBOOK_TEST_LONG").is_some()
}

fn signing_key() -> SigningKey {
    SigningKey::from_seed(Origin::new("charging.example/log").expect("a name"), &[7; 32])
}

fn stream(number: u64) -> StreamName {
    StreamName::of("sample", Uuid::from_u128((number % STREAMS).into()))
}

fn key(number: u64) -> LookupKey {
    LookupKey([number as u8 + 1; 16])
}

/// Everything that a reader can ask for.
#[derive(Debug, PartialEq)]
struct Content {
    events: Vec<RecordedEvent>,
    streams: Vec<Vec<RecordedEvent>>,
    lookups: Vec<Option<StreamName>>,
}

/// A sealed log whose every part is in use, closed.
async fn sealed_log(folder: &Path) -> Content {
    let opened = open(folder, OpenMode::Writer).await.expect("opens");
    let log = opened.store();
    for number in 0..EVENTS {
        let expected = match number / STREAMS {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(version - 1),
        };
        let meta = format!("{{\"keys\":[\"{}\"]}}", hex::encode(key(number).0));
        let event = NewEvent {
            meta: CanonicalJson::from_stored(meta),
            keys: vec![key(number)],
            ..sample_event(number)
        };
        let append = Append { stream: stream(number), expected, events: vec![event] };
        log.append(append).await.expect("written");
    }
    let options = SealerOptions::default();
    let sealer = Sealer::start(log.clone(), folder, signing_key(), options).await.expect("starts");
    sealer.stop().await.expect("sealed");
    let content = read(&opened).await.expect("readable");
    opened.close().await;
    make_dense(&folder.join("log.db"));
    content
}

/// Small pages: the same log with less in it that nobody uses, and with every kind of page.
fn make_dense(file: &Path) {
    let connection = rusqlite::Connection::open(file).expect("opens");
    let dense = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;
        PRAGMA journal_mode = WAL;";
    connection.execute_batch(dense).expect("small pages");
}

async fn open(folder: &Path, mode: OpenMode) -> Result<OpenedLog, String> {
    LogAddress::Embedded.open(folder, mode).await.map_err(|error| error.to_string())
}

async fn read(opened: &OpenedLog) -> Result<Content, String> {
    let log = opened.store();
    let said = |error: chargebook_store::StoreError| error.to_string();
    let events = log.read_all(Position::START, 4096).await.map_err(said)?;
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        streams.push(log.read_stream(&stream(number), 0, 4096).await.map_err(said)?);
    }
    let mut lookups = Vec::new();
    for number in 0..EVENTS {
        lookups.push(log.lookup(&key(number)).await.map_err(said)?);
    }
    Ok(Content { events, streams, lookups })
}

/// What `chargebook log verify` finds, or why it does not come so far.
async fn verify(folder: &Path) -> Result<LogReport, String> {
    let opened = LogAddress::Embedded.open_to_verify(folder).await;
    let opened = opened.map_err(|error| error.to_string())?;
    let (tree, key) = (Tree::open(folder), signing_key().verifier_key());
    let report = verify_opened(&opened, folder, &tree, Some(&key), |_| {}).await;
    opened.close().await;
    report.map_err(|error| error.to_string())
}

/// The file as it was, and a folder where it is damaged.
struct Original {
    folder: TempDir,
    content: Content,
    bytes: Vec<u8>,
}

impl Original {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let content = sealed_log(folder.path()).await;
        let bytes = std::fs::read(folder.path().join("log.db")).expect("the file");
        assert!(!folder.path().join("log.db-wal").exists(), "all of it is in the file");
        Self { folder, content, bytes }
    }

    /// Whether damage is found; if not, every read has to be right.
    async fn check(&self, bytes: &[u8], what: &str) -> bool {
        for beside in ["log.db-wal", "log.db-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join(beside));
        }
        std::fs::write(self.folder.path().join("log.db"), bytes).expect("written");
        let Ok(report) = verify(self.folder.path()).await else { return true };
        let found = !report.is_clean();
        if !found {
            let opened = open(self.folder.path(), OpenMode::ReadOnly).await.expect("opens");
            let read = read(&opened).await;
            assert!(read.as_ref() == Ok(&self.content), "{what} was not found: {read:?}");
            opened.close().await;
        }
        found
    }
}

/// Tries every byte of the file, on all cores, each with a log of its own; returns in how many
/// ways damage was found.
fn at_every_byte(attempt: impl AsyncFn(&Original, usize) -> u32 + Sync) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let attempt = &attempt;
    let share = move |core: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let original = Original::new().await;
            assert!(!original.check(&original.bytes, "nothing").await, "the log is whole");
            let mut found = 0;
            for at in (core..original.bytes.len()).step_by(cores) {
                found += attempt(&original, at).await;
            }
            found
        })
    };
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..cores).map(|core| scope.spawn(move || share(core))).collect();
        shares.into_iter().map(|share| share.join().expect("all are found, or right")).sum()
    })
}

/// One bit of every byte, each of them in the long run.
#[test]
fn no_flipped_bit_is_read_as_if_it_were_right() {
    let found = at_every_byte(async |original, at| {
        let bits = if is_long_run() { 0..8 } else { at % 8..at % 8 + 1 };
        let mut found = 0;
        for bit in bits {
            let mut bytes = original.bytes.clone();
            bytes[at] ^= 1 << bit;
            found += u32::from(original.check(&bytes, &format!("bit {bit} of byte {at}")).await);
        }
        found
    });
    assert!(found > 4_000, "most of the file says something, {found} were found");
}

#[test]
fn no_truncated_log_is_read_as_if_it_were_whole() {
    at_every_byte(async |original, length| {
        let what = format!("the end at byte {length}");
        assert!(original.check(&original.bytes[..length], &what).await, "{what} was not found");
        1
    });
}

/// Every place that an event's text lies at in the file, changed.
#[tokio::test]
async fn a_change_of_an_event_is_named_by_its_position() {
    let original = Original::new().await;
    for (position, event) in (1..).zip(&original.content.events) {
        let needle = event.data.as_str().as_bytes();
        let meta = event.meta.as_str().as_bytes();
        let mut bytes = original.bytes.clone();
        let windows = original.bytes.windows(needle.len() + meta.len()).enumerate();
        // A page may have kept what it held before something was moved.
        for (at, _) in windows
            .filter(|(_, window)| window[..needle.len()] == *needle && window.ends_with(meta))
        {
            bytes[at + needle.len() - 2] ^= 1;
        }
        assert_ne!(bytes, original.bytes, "the event is in the file");
        std::fs::write(original.folder.path().join("log.db"), &bytes).expect("written");
        let report = verify(original.folder.path()).await.expect("readable");
        let position = Position::from_u64(position);
        let Some(Finding::Damaged { position: named, .. }) = report.findings.first() else {
            panic!("{position}: {:?}", report.findings)
        };
        assert_eq!(*named, position);
    }
}

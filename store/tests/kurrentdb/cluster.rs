//! A cluster for one test, and the logs in it.

use chargebook_kurrentdb_stand_in::StandIn;
use chargebook_store::contract::sample_event;
use chargebook_store::kurrentdb::KurrentDbOptions;
use chargebook_store::{
    Append, AppendError, Appended, EventStore as _, ExpectedVersion, KurrentDbStore, KurrentDbUrl,
    NewEvent, OpenError, OpenMode, Position, RecordedEvent, StreamName,
};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// How long a call may go unanswered here.
const WAIT: Duration = Duration::from_millis(700);

/// A stand-in and the data folder of one node.
pub(crate) struct Cluster {
    pub(crate) server: StandIn,
    pub(crate) folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::of(1).await
    }

    pub(crate) async fn of(nodes: usize) -> Self {
        let server = StandIn::start_cluster(nodes).await.expect("it starts");
        Self { server, folder: new_folder() }
    }

    pub(crate) fn address(&self) -> KurrentDbUrl {
        self.server.address().parse().expect("an address")
    }

    pub(crate) async fn open(&self) -> KurrentDbStore {
        self.open_in(&self.folder).await
    }

    /// A store of another node.
    pub(crate) async fn open_in(&self, folder: &TempDir) -> KurrentDbStore {
        let address = self.address();
        let opened =
            KurrentDbStore::open_with(&address, folder.path(), OpenMode::Writer, options());
        opened.await.expect("opens")
    }

    pub(crate) async fn open_read_only(&self) -> Result<KurrentDbStore, OpenError> {
        let address = self.address();
        let mode = OpenMode::ReadOnly;
        KurrentDbStore::open_with(&address, self.folder.path(), mode, options()).await
    }
}

fn options() -> KurrentDbOptions {
    KurrentDbOptions { read_wait: WAIT * 10, acknowledge_wait: WAIT, ..KurrentDbOptions::default() }
}

pub(crate) fn new_folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn new_stream() -> StreamName {
    StreamName::of("sample", Uuid::new_v4())
}

/// Appends so many events to a new stream.
pub(crate) async fn append_new(
    store: &KurrentDbStore,
    events: u64,
) -> Result<Appended, AppendError> {
    append(store, &new_stream(), 0, (0..events).map(sample_event).collect()).await
}

/// Appends to a stream of so many events.
pub(crate) async fn append(
    store: &KurrentDbStore,
    stream: &StreamName,
    length: u64,
    events: Vec<NewEvent>,
) -> Result<Appended, AppendError> {
    let expected = match length.checked_sub(1) {
        Some(last) => ExpectedVersion::Exact(last),
        None => ExpectedVersion::NoStream,
    };
    store.append(Append { stream: stream.clone(), expected, events }).await
}

/// The whole log.
pub(crate) async fn read_log(store: &KurrentDbStore) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = log.last().map_or(Position::START, |event| event.position);
        let page = store.read_all(after, 500).await.expect("readable");
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

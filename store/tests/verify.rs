//! The full check of a log that is written meanwhile.

use async_trait::async_trait;
use chargebook_store::contract::sample_event;
use chargebook_store::{
    Append, AppendError, Appended, CanonicalJson, EventStore, ExpectedVersion, Finding, LookupKey,
    MemoryStore, Position, RecordedEvent, StoreError, StreamName, Subscription, Tree, verify_log,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use uuid::Uuid;

/// Led to another stream by an event, while it is looked up.
const MOVED: LookupKey = LookupKey([1; 16]);
/// Led nowhere, though an event carries it.
const LOST: LookupKey = LookupKey([2; 16]);

/// An engine that is written to just before a key is looked up in it, and has lost a key.
struct Busy {
    inner: MemoryStore,
    moves_left: AtomicUsize,
}

impl Busy {
    async fn begin(&self, number: u64, keys: &[LookupKey]) {
        let mut event = sample_event(number);
        event.keys = keys.to_vec();
        // From there they can be derived again.
        let text = keys.iter().map(|key| format!("\"{}\"", hex::encode(key.0)));
        let meta = format!("{{\"keys\":[{}]}}", text.collect::<Vec<_>>().join(","));
        event.meta = CanonicalJson::from_stored(meta);
        let stream = StreamName::of("busy", Uuid::new_v4());
        let append = Append { stream, expected: ExpectedVersion::NoStream, events: vec![event] };
        self.inner.append(append).await.expect("written");
    }
}

#[async_trait]
impl EventStore for Busy {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_stream(stream, from_version, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let left = self.moves_left.load(Ordering::SeqCst);
        if *key == MOVED && left > 0 {
            self.moves_left.store(left - 1, Ordering::SeqCst);
            self.begin(left as u64, &[MOVED]).await;
        }
        match *key {
            LOST => Ok(None),
            _ => self.inner.lookup(key).await,
        }
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        self.inner.subscribe(after)
    }
}

#[tokio::test]
async fn a_key_that_is_written_again_while_the_log_is_checked_is_no_finding() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = Tree::open(folder.path());
    for (moves, lost) in [(1, None), (3, None), (2, Some(LOST))] {
        let store = Busy { inner: MemoryStore::new(), moves_left: AtomicUsize::new(moves) };
        store.begin(100, &[MOVED]).await;
        if let Some(lost) = lost {
            store.begin(101, &[lost]).await;
        }
        let report = verify_log(&store, &tree, None, |_| {}).await.expect("readable");
        let expected: Vec<Finding> = lost.map(|key| Finding::Key { key }).into_iter().collect();
        assert_eq!(report.findings, expected);
        assert_eq!(store.moves_left.load(Ordering::SeqCst), 0, "it was written meanwhile");
    }
}

//! The memory engine, with a switch that takes it down.

use async_trait::async_trait;
use chargebook_store::{
    Append, AppendError, Appended, EventStore, LookupKey, MemoryStore, Position, RecordedEvent,
    StoreError, StreamName, Subscription,
};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

pub(crate) struct Engine {
    inner: MemoryStore,
    is_down: AtomicBool,
}

impl Engine {
    pub(crate) fn new() -> Self {
        Self { inner: MemoryStore::new(), is_down: AtomicBool::new(false) }
    }

    /// From now on nothing can be written, or again everything.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

#[async_trait]
impl EventStore for Engine {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(AppendError::Down("the test took it down".to_owned()));
        }
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
        self.inner.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        self.inner.subscribe(after)
    }
}

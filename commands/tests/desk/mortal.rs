//! An engine that dies at a chosen append, with or without having kept it.

use async_trait::async_trait;
use chargebook_store::{
    Append, AppendError, Appended, EventStore, LookupKey, MemoryStore, Position, RecordedEvent,
    StoreError, StreamName, Subscription,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::watch;

/// Over an engine that outlives it.
pub(crate) struct MortalStore {
    inner: Arc<MemoryStore>,
    left: AtomicI64,
    keeps_the_last: bool,
}

impl MortalStore {
    /// Dies at the append after `appends`; `keeps_the_last` says whether that one is kept.
    pub(crate) fn new(inner: Arc<MemoryStore>, appends: i64, keeps_the_last: bool) -> Self {
        Self { inner, left: AtomicI64::new(appends), keeps_the_last }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }
}

#[async_trait]
impl EventStore for MortalStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => return self.inner.append(append).await,
            0 if self.keeps_the_last => drop(self.inner.append(append).await),
            _ => {}
        }
        Err(AppendError::Down("killed".to_owned()))
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

//! An engine that counts what is looked up in it.

use async_trait::async_trait;
use chargebook_store::contract::FailingStore;
use chargebook_store::{
    Append, AppendError, Appended, EventStore, LookupKey, Position, RecordedEvent, StoreError,
    StreamName, Subscription,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

pub(crate) struct CountedStore {
    inner: FailingStore,
    lookups: AtomicUsize,
}

impl CountedStore {
    pub(crate) fn over(inner: FailingStore) -> Self {
        Self { inner, lookups: AtomicUsize::new(0) }
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventStore for CountedStore {
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
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.inner.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        self.inner.subscribe(after)
    }
}

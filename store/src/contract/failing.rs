//! An engine with faults: each append is answered, lost or refused as a plan says, and everything
//! else goes through. For this suite and for the tests of the rooms above.

use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, Position, RecordedEvent, StoreError,
    StreamName, Subscription,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// What becomes of an append.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It goes through.
    Passes,
    /// It does not happen, and this is the answer.
    Fails(AppendError),
    /// It happens, and this is the answer all the same.
    HappensUntold(AppendError),
}

/// An engine whose appends have a fate; asked once for each, in the order of the calls.
pub struct FailingStore {
    inner: Arc<dyn EventStore>,
    fate: Box<dyn Fn() -> Fate + Send + Sync>,
}

impl FailingStore {
    /// Over an engine that keeps what is kept.
    pub fn new(
        inner: Arc<dyn EventStore>,
        fate: impl Fn() -> Fate + Send + Sync + 'static,
    ) -> Self {
        Self { inner, fate: Box::new(fate) }
    }

    /// Over an engine that can be taken down: while the switch is on, nothing can be written.
    pub fn switched(inner: Arc<dyn EventStore>, is_down: Arc<AtomicBool>) -> Self {
        let down = || Fate::Fails(AppendError::Down("the disk is full".to_owned()));
        Self::new(inner, move || if is_down.load(Ordering::SeqCst) { down() } else { Fate::Passes })
    }
}

#[async_trait]
impl EventStore for FailingStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match (self.fate)() {
            Fate::Passes => self.inner.append(append).await,
            Fate::Fails(error) => Err(error),
            Fate::HappensUntold(error) => {
                // Whatever it says: the caller hears the error.
                let _ = self.inner.append(append).await;
                Err(error)
            }
        }
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

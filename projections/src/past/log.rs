//! The log as it was known at a moment: it ends there, and holds only what had happened by then.

use super::Known;
use super::happened::happened_by;
use async_trait::async_trait;
use chargebook_store::port::{PAGE_EVENTS_MAX, SubscriptionSource};
use chargebook_store::{
    Append, AppendError, Appended, EventStore, LookupKey, Position, RecordedEvent, StoreError,
    StreamName, Subscription,
};
use std::future::pending;
use std::sync::Arc;
use tokio::sync::watch;

/// The part of a log that counts at a moment. Nothing can be written to it.
#[derive(Clone)]
pub(super) struct PastLog {
    log: Arc<dyn EventStore>,
    known: Known,
    head: watch::Receiver<Position>,
}

impl PastLog {
    pub(super) fn new(log: &Arc<dyn EventStore>, known: Known) -> Self {
        let (_, head) = watch::channel(known.until);
        Self { log: Arc::clone(log), known, head }
    }

    fn counted(&self, page: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        let known = page.into_iter().filter(|event| event.position <= self.known.until);
        match self.known.happened_by {
            Some(time) => known.filter_map(|event| happened_by(event, time)).collect(),
            None => known.collect(),
        }
    }
}

#[async_trait]
impl EventStore for PastLog {
    async fn append(&self, _: Append) -> Result<Appended, AppendError> {
        Err(AppendError::Down("the past does not change".to_owned()))
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        mut from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        loop {
            let page = self.log.read_stream(stream, from_version, limit).await?;
            let Some(last) = page.last() else { return Ok(page) };
            from_version = last.version + 1;
            let page = self.counted(page);
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }

    async fn read_all(
        &self,
        mut after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        while after < self.known.until {
            let page = self.log.read_all(after, limit).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            let page = self.counted(page);
            if !page.is_empty() {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let Some(stream) = self.log.lookup(key).await? else { return Ok(None) };
        let began = self.read_stream(&stream, 0, 1).await?;
        Ok((!began.is_empty()).then_some(stream))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(Pages { log: self.clone(), after })
    }
}

/// The pages of a log that does not grow.
struct Pages {
    log: PastLog,
    after: Position,
}

#[async_trait]
impl SubscriptionSource for Pages {
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
        let page = self.log.read_all(self.after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { return pending().await };
        self.after = last.position;
        Ok(page)
    }
}

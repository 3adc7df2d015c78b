//! The one way a subscriber follows a log, the same for all engines whose head is a level:
//! pages until the head, then waits for the head to move.

use crate::port::{PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError, SubscriptionSource};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;

/// Largest page that a subscription asks for, in events.
const SUBSCRIPTION_PAGE_EVENTS: usize = 1000;
const _: () = assert!(SUBSCRIPTION_PAGE_EVENTS <= PAGE_EVENTS_MAX);

/// Where a subscription gets its pages.
#[async_trait]
pub(crate) trait PageReader: Send + Sync + 'static {
    /// Events after a position, in order; empty: nothing yet.
    async fn page_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;
}

/// Follows a [`PageReader`] from a position on.
pub(crate) struct Tail<R> {
    reader: Arc<R>,
    after: Position,
    head: watch::Receiver<Position>,
}

impl<R: PageReader> Tail<R> {
    pub(crate) fn new(reader: Arc<R>, after: Position, head: watch::Receiver<Position>) -> Self {
        Self { reader, after, head }
    }
}

#[async_trait]
impl<R: PageReader> SubscriptionSource for Tail<R> {
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
        loop {
            // The head is marked as seen before the page is read: what is committed in
            // between makes `changed` return at once, so no wake-up is lost.
            let head = *self.head.borrow_and_update();
            if head > self.after {
                let page = self.reader.page_after(self.after, SUBSCRIPTION_PAGE_EVENTS).await?;
                // No await between here and the return: a dropped call loses nothing.
                if let Some(last) = page.last() {
                    self.after = last.position;
                    return Ok(page);
                }
            }
            if self.head.changed().await.is_err() {
                return Err(StoreError::Engine("the store was closed".to_owned()));
            }
        }
    }
}

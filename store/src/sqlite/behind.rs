//! Pages for followers that have fallen behind the ring. Several follow the log side by side, at
//! about the same place: what one has read from the file serves the others too.

use super::read::Reader;
use crate::port::{Position, RecordedEvent, StoreError};
use crate::prepare::weight_bytes;
use std::collections::VecDeque;
use tokio::sync::Mutex;

/// Pages that are kept; the oldest goes first.
const PAGES_MAX: usize = 8;
/// A page that is larger is not kept.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Pages of the file that were read last. They begin at multiples of their size, so that
/// followers at different places ask for the same ones.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Locked while one is read, so that it is read once; nobody but followers waits here.
    pages: Mutex<VecDeque<Page>>,
}

#[derive(Debug)]
struct Page {
    start: Position,
    events: Vec<RecordedEvent>,
}

impl Behind {
    /// Events after a position in the file, up to the end of the page of `page_events` positions
    /// that holds the first of them. `None` where that page is not full yet, or is too large.
    pub(super) async fn page_after(
        &self,
        reader: &Reader,
        after: Position,
        page_events: usize,
    ) -> Result<Option<Vec<RecordedEvent>>, StoreError> {
        let number = after.as_u64() / page_events as u64;
        let start = Position::from_u64(number * page_events as u64);
        let end = Position::from_u64((number + 1) * page_events as u64);
        if *reader.head().subscribe().borrow() < end {
            return Ok(None);
        }
        let rest = |page: &Page| {
            let first = page.events.partition_point(|event| event.position <= after);
            page.events[first..].to_vec()
        };
        let mut pages = self.pages.lock().await;
        if let Some(page) = pages.iter().find(|page| page.start == start) {
            return Ok(Some(rest(page)));
        }
        let page = Page { start, events: reader.read_file(start, page_events).await? };
        let is_whole = page.events.last().is_some_and(|last| last.position == end);
        if !is_whole || page.events.iter().map(weight_bytes).sum::<usize>() > PAGE_BYTES_MAX {
            return Ok(None);
        }
        let events = rest(&page);
        if pages.len() == PAGES_MAX {
            pages.pop_front();
        }
        pages.push_back(page);
        Ok(Some(events))
    }
}

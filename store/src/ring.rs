//! The most recent events in memory, so that whoever follows the log live spares the
//! database. Bounded by count and by bytes; the oldest go first.

use crate::port::{Position, RecordedEvent};
use crate::prepare::weight_bytes;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// Recent events without a gap: every event of the log after `floor` is here.
#[derive(Debug)]
pub(crate) struct Ring {
    inner: RwLock<Inner>,
    events_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
    floor: Position,
}

impl Ring {
    /// An empty ring that knows everything after `floor`: nothing yet.
    pub(crate) fn new(floor: Position, events_max: usize, bytes_max: usize) -> Self {
        let inner = Inner { events: VecDeque::new(), bytes: 0, floor };
        Self { inner: RwLock::new(inner), events_max, bytes_max }
    }

    /// Adds the events that follow the last ones, in order.
    pub(crate) fn extend(&self, events: impl IntoIterator<Item = Arc<RecordedEvent>>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            inner.bytes += weight_bytes(&event);
            inner.events.push_back(event);
        }
        while inner.events.len() > self.events_max || inner.bytes > self.bytes_max {
            let Some(oldest) = inner.events.pop_front() else { break };
            inner.bytes -= weight_bytes(&oldest);
            inner.floor = oldest.position;
        }
    }

    /// Forgets everything; from now on it knows what comes after `floor`.
    pub(crate) fn restart(&self, floor: Position) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { events: VecDeque::new(), bytes: 0, floor };
    }

    /// Events after a position, at most `limit` and about `bytes_max`; `None` if the ring no
    /// longer reaches back that far.
    pub(crate) fn page(
        &self,
        after: Position,
        limit: usize,
        bytes_max: usize,
    ) -> Option<Vec<RecordedEvent>> {
        let shared: Vec<Arc<RecordedEvent>> = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if after < inner.floor {
                return None;
            }
            let first = inner.events.partition_point(|event| event.position <= after);
            inner.events.range(first..).take(limit).cloned().collect()
        };
        let mut bytes = 0;
        let mut page = Vec::with_capacity(shared.len());
        for event in shared {
            bytes += weight_bytes(&event);
            if bytes > bytes_max && !page.is_empty() {
                break;
            }
            page.push(RecordedEvent::clone(&event));
        }
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample_recorded;

    fn positions(page: &[RecordedEvent]) -> Vec<u64> {
        page.iter().map(|event| event.position.as_u64()).collect()
    }

    #[test]
    fn it_answers_only_for_what_it_holds_without_a_gap() {
        let ring = Ring::new(Position::from_u64(10), 3, usize::MAX);
        assert_eq!(ring.page(Position::from_u64(9), 10, usize::MAX), None);
        assert_eq!(ring.page(Position::from_u64(10), 10, usize::MAX), Some(vec![]));
        ring.extend((11..=15).map(|at| Arc::new(sample_recorded(at))));
        assert_eq!(ring.page(Position::from_u64(11), 10, usize::MAX), None);
        let page = ring.page(Position::from_u64(12), 10, usize::MAX).expect("held");
        assert_eq!(positions(&page), [13, 14, 15]);
        let page = ring.page(Position::from_u64(13), 1, usize::MAX).expect("held");
        assert_eq!(positions(&page), [14]);
        ring.restart(Position::from_u64(20));
        assert_eq!(ring.page(Position::from_u64(15), 10, usize::MAX), None);
    }

    #[test]
    fn it_is_bounded_by_bytes() {
        let weight = weight_bytes(&sample_recorded(1));
        let ring = Ring::new(Position::START, usize::MAX, 2 * weight);
        ring.extend((1..=9).map(|at| Arc::new(sample_recorded(at))));
        assert_eq!(ring.page(Position::from_u64(6), 10, usize::MAX), None);
        let page = ring.page(Position::from_u64(7), 10, usize::MAX).expect("held");
        assert_eq!(positions(&page), [8, 9]);
        let page = ring.page(Position::from_u64(7), 10, 1).expect("held");
        assert_eq!(positions(&page), [8], "one event at least, whatever its size");
    }
}

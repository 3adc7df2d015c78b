//! The lookup keys, held against the events that carry them: they are the only index that no leaf
//! and no version speaks for.

use super::{Finding, page_after};
use crate::copy::keys_of;
use crate::port::{EventStore, LookupKey, Position, RecordedEvent, StreamName};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Which stream each key leads to; the stream as a hash, since a log may have many keys.
#[derive(Default)]
pub(super) struct KeyCheck {
    streams: HashMap<LookupKey, u64>,
}

impl KeyCheck {
    /// An event that may carry keys. One that cannot be read is found by its leaf.
    pub(super) fn see(&mut self, event: &RecordedEvent) {
        for key in keys_of(event).unwrap_or_default() {
            self.streams.insert(key, hash_of(&event.stream));
        }
    }

    /// The keys that lead elsewhere, in their order. The index is the one of now, while the log was
    /// read up to a position: a key that was written again meanwhile is looked at again.
    pub(super) async fn findings(self, store: &dyn EventStore, mut read: Position) -> Vec<Finding> {
        let mut wrong = self.streams;
        loop {
            leave_wrong(&mut wrong, store).await;
            match see_later(&mut wrong, store, &mut read).await {
                Ok(true) => {}
                Ok(false) => break,
                // Without that event there is no telling where they should lead.
                Err(finding) => return vec![finding],
            }
        }
        let mut wrong: Vec<LookupKey> = wrong.into_keys().collect();
        wrong.sort_unstable();
        wrong.into_iter().map(|key| Finding::Key { key }).collect()
    }
}

/// Leaves those that do not lead where they should.
async fn leave_wrong(streams: &mut HashMap<LookupKey, u64>, store: &dyn EventStore) {
    let mut wrong = HashMap::new();
    for (key, stream) in streams.drain() {
        let found = store.lookup(&key).await;
        if !matches!(&found, Ok(Some(found)) if hash_of(found) == stream) {
            wrong.insert(key, stream);
        }
    }
    *streams = wrong;
}

/// Goes on to the log's end; whether one of the keys was written again on the way.
async fn see_later(
    streams: &mut HashMap<LookupKey, u64>,
    store: &dyn EventStore,
    read: &mut Position,
) -> Result<bool, Finding> {
    let mut seen = false;
    while !streams.is_empty() {
        let page = page_after(store, *read).await?;
        let Some(last) = page.last() else { break };
        *read = last.position;
        for event in &page {
            for key in keys_of(event).unwrap_or_default() {
                if let Some(stream) = streams.get_mut(&key) {
                    (*stream, seen) = (hash_of(&event.stream), true);
                }
            }
        }
    }
    Ok(seen)
}

fn hash_of(stream: &StreamName) -> u64 {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish()
}

//! Moves a log from one engine to another: every event as it is, in its order, so that the copy has
//! the same leaves and the same root. A copy that was broken off goes on where it ended. A file
//! that a log was exported to is copied from in the same way.

use crate::export::{ExportError, ExportReader};
use crate::port::{
    APPEND_EVENTS_MAX, Append, AppendError, EventStore, ExpectedVersion, LookupKey, NewEvent,
    PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError,
};
use crate::prepare::weight_bytes;
use async_trait::async_trait;
use chargebook_proof::merkle::{Frontier, NodeHash};
use futures::future::join_all;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::BufRead;

/// Appends on their way at a time. Few enough that none waits for a place in the queue, so that
/// they arrive in their order.
const APPENDS_AT_ONCE: usize = 16;
/// Bytes of events in one append, about.
const APPEND_BYTES: usize = 1024 * 1024;

/// What a copy consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Events of the log.
    pub events: u64,
    /// Those of them that were there from an earlier attempt.
    pub found: u64,
    /// The root over all of them, the same on both sides.
    pub root: NodeHash,
}

/// How far a copy is, in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyProgress {
    /// Read from one engine, and written to the other.
    Copied(u64),
    /// Read back from the other.
    Verified(u64),
}

/// Why a log was not copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The target holds another log.
    #[error(
        "the target is not empty, and its event {index} is another one: it is no copy of this log \
         that was broken off"
    )]
    AnotherLog {
        /// Ordinal of the event, from 0.
        index: u64,
    },
    /// An event cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The file is not what was exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// An event cannot be written.
    #[error("the target cannot be written, run it again to go on: {0}")]
    Unwritable(#[from] AppendError),
    /// What was read back is not what was written.
    #[error("the copy has {found} events with the root {found_root}, not {events} with {root}")]
    Different {
        /// Events of the log.
        events: u64,
        /// Their root.
        root: NodeHash,
        /// Events of the copy.
        found: u64,
        /// Their root.
        found_root: NodeHash,
    },
}

/// Where the events of a log come from, in their order.
#[async_trait]
pub trait LogSource: Send {
    /// The next events; none after the last one.
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, CopyError>;
}

/// The pages of a log in an engine.
struct Pages<'a> {
    log: &'a dyn EventStore,
    after: Position,
}

#[async_trait]
impl LogSource for Pages<'_> {
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, CopyError> {
        let page = self.log.read_all(self.after, PAGE_EVENTS_MAX).await?;
        self.after = page.last().map_or(self.after, |last| last.position);
        Ok(page)
    }
}

/// Blocks on its file, so it is for a process that has nothing else to do.
#[async_trait]
impl<R: BufRead + Send> LogSource for ExportReader<R> {
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, CopyError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < PAGE_EVENTS_MAX && bytes < APPEND_BYTES {
            let Some(event) = self.next_event()? else { break };
            bytes += weight_bytes(&event);
            page.push(event);
        }
        Ok(page)
    }
}

/// Copies a log to which nobody writes meanwhile, and reads the copy back.
pub async fn copy_log(
    from: &dyn EventStore,
    to: &dyn EventStore,
    progress: impl FnMut(CopyProgress),
) -> Result<Copied, CopyError> {
    copy_from(&mut Pages { log: from, after: Position::START }, to, progress).await
}

/// The same, from anywhere.
pub async fn copy_from(
    from: &mut dyn LogSource,
    to: &dyn EventStore,
    mut progress: impl FnMut(CopyProgress),
) -> Result<Copied, CopyError> {
    let mut source = Frontier::new();
    let mut earlier = Earlier { after: Position::START, events: VecDeque::new() };
    let mut found = 0;
    let mut waiting: Vec<Append> = Vec::new();
    loop {
        let page = from.next_page().await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            event.verify_leaf()?;
            // The target is behind once it has nothing more; from then on it is written.
            if found == source.size()
                && let Some(there) = earlier.next(to).await?
            {
                if there.leaf != event.leaf {
                    return Err(CopyError::AnotherLog { index: found });
                }
                found += 1;
            } else {
                add(&mut waiting, &event)?;
            }
            source.append(event.leaf, |_, _| {});
            if waiting.len() > APPENDS_AT_ONCE {
                // The last one may grow still.
                let rest = waiting.split_off(APPENDS_AT_ONCE);
                write(to, std::mem::replace(&mut waiting, rest)).await?;
            }
        }
        progress(CopyProgress::Copied(source.size()));
    }
    write(to, waiting).await?;
    let copy = read_back(to, |events| progress(CopyProgress::Verified(events))).await?;
    let (events, root) = (source.size(), source.root());
    if (copy.size(), copy.root()) != (events, root) {
        let (found, found_root) = (copy.size(), copy.root());
        return Err(CopyError::Different { events, root, found, found_root });
    }
    Ok(Copied { events, found, root })
}

/// Whether what the target holds is the beginning of a log, so that a copy can go on there. Nothing
/// is written.
pub async fn check_beginning(
    from: &mut dyn LogSource,
    to: &dyn EventStore,
) -> Result<(), CopyError> {
    let mut earlier = Earlier { after: Position::START, events: VecDeque::new() };
    let mut index = 0;
    loop {
        let page = from.next_page().await?;
        if page.is_empty() {
            let more = earlier.next(to).await?;
            return more.map_or(Ok(()), |_| Err(CopyError::AnotherLog { index }));
        }
        for event in page {
            match earlier.next(to).await? {
                None => return Ok(()),
                Some(there) if there.leaf != event.leaf => {
                    return Err(CopyError::AnotherLog { index });
                }
                Some(_) => index += 1,
            }
        }
    }
}

/// What an earlier attempt has left in the target.
struct Earlier {
    after: Position,
    events: VecDeque<RecordedEvent>,
}

impl Earlier {
    async fn next(&mut self, to: &dyn EventStore) -> Result<Option<RecordedEvent>, StoreError> {
        if self.events.is_empty() {
            self.events = to.read_all(self.after, PAGE_EVENTS_MAX).await?.into();
        }
        let next = self.events.pop_front();
        self.after = next.as_ref().map_or(self.after, |event| event.position);
        Ok(next)
    }
}

/// Adds an event to the last append, or begins one.
fn add(waiting: &mut Vec<Append>, event: &RecordedEvent) -> Result<(), StoreError> {
    let new = NewEvent {
        id: event.id,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        recorded_at: event.recorded_at,
        data: event.data.clone(),
        meta: event.meta.clone(),
        keys: keys_of(event)?,
    };
    if let Some(last) = waiting.last_mut()
        && last.stream == event.stream
        && last.events.len() < APPEND_EVENTS_MAX
        && last.events.iter().map(bytes_of).sum::<usize>() + weight_bytes(event) < APPEND_BYTES
    {
        last.events.push(new);
        return Ok(());
    }
    let expected = match event.version.checked_sub(1) {
        Some(before) => ExpectedVersion::Exact(before),
        None => ExpectedVersion::NoStream,
    };
    waiting.push(Append { stream: event.stream.clone(), expected, events: vec![new] });
    Ok(())
}

fn bytes_of(event: &NewEvent) -> usize {
    event.data.as_str().len() + event.meta.as_str().len()
}

/// The lookup keys stand in the meta, so that they can be derived from the log.
pub(crate) fn keys_of(event: &RecordedEvent) -> Result<Vec<LookupKey>, StoreError> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default)]
        keys: Vec<String>,
    }
    let damaged = |reason: String| StoreError::Damaged { position: event.position, reason };
    let meta: Meta =
        serde_json::from_str(event.meta.as_str()).map_err(|error| damaged(error.to_string()))?;
    let key = |text: &String| {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(LookupKey).ok_or_else(|| damaged(format!("`{text}` is no lookup key")))
    };
    meta.keys.iter().map(key).collect()
}

async fn write(to: &dyn EventStore, appends: Vec<Append>) -> Result<(), AppendError> {
    for outcome in join_all(appends.into_iter().map(|append| to.append(append))).await {
        outcome?;
    }
    Ok(())
}

/// The tree over the copy, each event of it held against its leaf.
async fn read_back(
    to: &dyn EventStore,
    mut progress: impl FnMut(u64),
) -> Result<Frontier, StoreError> {
    let mut copy = Frontier::new();
    let mut after = Position::START;
    loop {
        let page = to.read_all(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { return Ok(copy) };
        after = last.position;
        for event in &page {
            event.verify_leaf()?;
            copy.append(event.leaf, |_, _| {});
        }
        progress(copy.size());
    }
}

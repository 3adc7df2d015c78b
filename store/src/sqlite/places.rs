//! Where the events of each stream lie. An append's events lie together, so there is one entry for
//! an append; and entries wait in memory until thousands can go into the file sorted, so that a
//! page of the index changes once for many appends to its streams instead of once for each. What
//! is not in the file yet is found in the events again when the log is opened.

use super::read::saturating_i64;
use crate::group_commit::plan::EventRow;
use crate::port::{RecordedEvent, StreamName};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Entries that come together before they are written: several of each stream that is busy.
pub(super) const RUN_ENTRIES: usize = 16 * 1024;
/// Entries that an append brings on their way at least, so that a run ends before the next.
const ENTRIES_PER_COMMIT_MIN: usize = 16;

/// Where the events of an append lie: `events` of them from a position and a version on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    stream_id: i64,
    version: i64,
    position: i64,
    events: i64,
}

impl Entry {
    /// Takes an event in, if it lies right behind the others.
    fn grow(&mut self, version: i64, position: i64) -> bool {
        let is_next =
            self.version + self.events == version && self.position + self.events == position;
        self.events += i64::from(is_next);
        is_next
    }
}

type Entries = HashMap<StreamName, Vec<Entry>>;

/// The entries that wait for the file, for readers. Whoever reads a stream looks here first, then
/// in the file: an entry is in the file before it goes from here.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    /// Those that are being written.
    run: Entries,
    /// Those that came since.
    fresh: Entries,
}

impl Generations {
    fn of<'a>(&'a self, stream: &StreamName) -> impl DoubleEndedIterator<Item = &'a Entry> {
        let run = self.run.get(stream).into_iter().flatten();
        run.chain(self.fresh.get(stream).into_iter().flatten())
    }
}

/// What waits of a stream.
#[derive(Debug)]
pub(super) struct Tail {
    /// Everything from this version on waits; what precedes it is in the file.
    pub(super) first_version: i64,
    /// Positions of the events from the version asked for on, as many as asked for.
    pub(super) positions: Vec<i64>,
}

impl Waiting {
    /// What waits of a stream; `None` where all of it is in the file.
    pub(super) fn tail(
        &self,
        stream: &StreamName,
        from_version: i64,
        limit: usize,
    ) -> Option<Tail> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let first_version = entries.of(stream).next()?.version;
        let asked_for = |entry: &Entry| {
            let skipped = (from_version - entry.version).clamp(0, entry.events);
            entry.position + skipped..entry.position + entry.events
        };
        let positions = entries.of(stream).flat_map(asked_for).take(limit).collect();
        Some(Tail { first_version, positions })
    }

    /// The version that a stream's next event gets, if any of it waits.
    pub(super) fn next_version(&self, stream: &StreamName) -> Option<i64> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let last = entries.of(stream).next_back()?;
        Some(last.version + last.events)
    }
}

/// The writer's side: brings the entries into the file.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: Arc<Waiting>,
    run_entries: usize,
    /// The entries that are being written, sorted.
    run: Vec<Entry>,
    /// How many of them are in the file.
    written: usize,
    /// Where the log stood when they had come together.
    run_head: i64,
    fresh_entries: usize,
    head: i64,
}

impl Backlog {
    /// What the file lacks, for a log just opened.
    pub(super) fn load(connection: &Connection, run_entries: usize) -> rusqlite::Result<Self> {
        let (run, waiting) = (Vec::new(), Arc::default());
        let mut backlog =
            Self { waiting, run_entries, run, written: 0, run_head: 0, fresh_entries: 0, head: 0 };
        backlog.reload(connection)?;
        Ok(backlog)
    }

    /// Begins again with what the file lacks, after a commit whose outcome is unknown.
    pub(super) fn reload(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        const SQL: &str = "SELECT s.name, e.stream_id, e.version, e.position FROM event e \
                           JOIN stream s ON s.id = e.stream_id WHERE e.position > ? \
                           ORDER BY e.position";
        (self.run, self.written, self.fresh_entries) = (Vec::new(), 0, 0);
        let mut fresh = Entries::new();
        let mut statement = connection.prepare(SQL)?;
        let mut rows = statement.query([indexed_to(connection)?])?;
        while let Some(row) = rows.next()? {
            let (stream, entry) = lacking(row)?;
            self.head = entry.position;
            self.fresh_entries += usize::from(add(&mut fresh, stream, entry));
        }
        self.replace(Generations { run: Entries::new(), fresh });
        Ok(())
    }

    /// For readers.
    pub(super) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Writes some of the run into the transaction of a commit of so many events; answers how
    /// many entries, which are to be told to [`Self::written`] after the commit.
    pub(super) fn write(&self, connection: &Connection, events: usize) -> rusqlite::Result<usize> {
        let due = &self.run[self.written..];
        let due = &due[..due.len().min(events.max(ENTRIES_PER_COMMIT_MIN))];
        insert(connection, due)?;
        if !due.is_empty() && self.written + due.len() == self.run.len() {
            move_head(connection, self.run_head)?;
        }
        Ok(due.len())
    }

    /// So many entries of the run are in the file now, and these events wait.
    pub(super) fn committed(&mut self, written: usize, rows: &[EventRow]) {
        self.written += written;
        let mut entries = self.waiting.entries.write().unwrap_or_else(PoisonError::into_inner);
        let is_written = self.written == self.run.len();
        if is_written && written > 0 {
            (self.run, self.written) = (Vec::new(), 0);
            entries.run = Entries::new();
        }
        for EventRow { stream_id, event } in rows {
            let entry = entry_of(*stream_id, event);
            self.head = entry.position;
            self.fresh_entries += usize::from(add(&mut entries.fresh, event.stream.clone(), entry));
        }
        if is_written && self.fresh_entries >= self.run_entries {
            entries.run = std::mem::take(&mut entries.fresh);
            self.run = entries.run.values().flatten().copied().collect();
            drop(entries);
            self.run.sort_unstable();
            (self.run_head, self.fresh_entries) = (self.head, 0);
        }
    }

    /// Writes everything that waits, in a transaction of its own.
    pub(super) fn write_all(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut all: Vec<Entry> = {
            let entries = self.waiting.entries.read().unwrap_or_else(PoisonError::into_inner);
            let generations = [&entries.run, &entries.fresh].into_iter();
            generations.flat_map(|entries| entries.values().flatten().copied()).collect()
        };
        if all.is_empty() {
            return Ok(());
        }
        all.sort_unstable();
        let transaction = connection.unchecked_transaction()?;
        insert(&transaction, &all)?;
        move_head(&transaction, self.head)?;
        transaction.commit()?;
        (self.run, self.written, self.fresh_entries) = (Vec::new(), 0, 0);
        self.replace(Generations::default());
        Ok(())
    }

    fn replace(&self, with: Generations) {
        *self.waiting.entries.write().unwrap_or_else(PoisonError::into_inner) = with;
    }
}

/// Whether it makes a new entry, instead of growing the stream's last one.
fn add(entries: &mut Entries, stream: StreamName, entry: Entry) -> bool {
    let of_stream = entries.entry(stream).or_default();
    let grows = of_stream.last_mut().is_some_and(|last| last.grow(entry.version, entry.position));
    if !grows {
        of_stream.push(entry);
    }
    !grows
}

fn entry_of(stream_id: i64, event: &RecordedEvent) -> Entry {
    let version = saturating_i64(event.version);
    Entry { stream_id, version, position: saturating_i64(event.position.as_u64()), events: 1 }
}

fn lacking(row: &Row<'_>) -> rusqlite::Result<(StreamName, Entry)> {
    let name = StreamName::new(row.get_ref(0)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })?;
    let (stream_id, version, position) = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((name, Entry { stream_id, version, position, events: 1 }))
}

/// An entry that the file has already, as a crash leaves them, is the same; a NULL refuses one
/// that contradicts it.
fn insert(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO stream_append (stream_id, version, position, events) \
                       VALUES (?,?,?,?) ON CONFLICT (stream_id, version) DO UPDATE SET \
                       position = iif(position = excluded.position, position, NULL), \
                       events = max(events, excluded.events)";
    let mut statement = connection.prepare_cached(SQL)?;
    for Entry { stream_id, version, position, events } in entries {
        statement.execute(params![stream_id, version, position, events])?;
    }
    Ok(())
}

/// Up to where the file has everything. A number that cannot be is not believed: then everything
/// is brought in again, which is as right and slower.
fn indexed_to(connection: &Connection) -> rusqlite::Result<i64> {
    let last: i64 =
        connection
            .query_row("SELECT coalesce(max(position), 0) FROM event", [], |row| row.get(0))?;
    let mut statement = connection.prepare("SELECT position FROM stream_append_head")?;
    let heads: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if let [head] = heads[..]
        && (0..=last).contains(&head)
    {
        return Ok(head);
    }
    tracing::warn!(?heads, last, "the index of the streams is made anew: it says what cannot be");
    connection.execute_batch(
        "DELETE FROM stream_append; DELETE FROM stream_append_head; \
         INSERT INTO stream_append_head VALUES (0);",
    )?;
    Ok(0)
}

/// Everything up to here is in the file.
fn move_head(connection: &Connection, head: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE stream_append_head SET position = ?")?.execute([head])?;
    Ok(())
}

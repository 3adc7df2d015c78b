//! Rebuilding: a new generation beside the live one, from the first event on, then the switch.

use crate::dump::{CanonicalDump, canonical_dump};
use crate::error::ProjectionError;
use crate::fold::{Decoded, decode};
use crate::generation::{Durability, Generation, ReadFolder, create_indexes};
use crate::projector::{BATCH_EVENTS_DEFAULT, CACHED_ROWS_DEFAULT};
use crate::query::Select;
use crate::tables::{ParkedEventRow, Row as _};
use crate::views::ParkedEvent;
use crate::writer::Writer;
use chargebook_store::port::PAGE_EVENTS_MAX;
use chargebook_store::{EventStore, Position, StoreError};
use serde::Serialize;
use sqlx::Connection as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Pages that are read ahead of the folds.
const PAGES_AHEAD_MAX: usize = 4;
/// Parked events that a report names; all are in the read models.
pub const PARKED_REPORTED_MAX: usize = 100;

/// How a rebuild works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildOptions {
    /// Events of one transaction at most; at least 1. The state does not depend on it.
    pub batch_events_max: usize,
    /// Sessions, commands and tokens that are kept in memory, of each so many.
    pub cached_rows_max: usize,
    /// Compare with the live generation, at the position that it had when the rebuild began.
    pub compare: bool,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        Self {
            batch_events_max: BATCH_EVENTS_DEFAULT,
            cached_rows_max: CACHED_ROWS_DEFAULT,
            compare: true,
        }
    }
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Events folded.
    pub events: u64,
    /// Position of the last of them.
    pub position: Position,
    /// Where the log stands; positions may have holes.
    pub head: Position,
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Name of the generation that is current now.
    pub generation: String,
    /// Name of the one before.
    pub previous: Option<String>,
    /// Events read from the log.
    pub events: u64,
    /// How long reading, folding and writing them took.
    pub elapsed: Duration,
    /// The rebuilt state.
    pub dump: CanonicalDump,
    /// The live state against the rebuilt one, both at the live one's position.
    pub comparison: Option<Comparison>,
    /// How many events the read models could not take in.
    pub parked_events: u64,
    /// The first [`PARKED_REPORTED_MAX`] of them.
    pub parked: Vec<ParkedEvent>,
}

/// Two states at one position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What was live when the rebuild began.
    pub live: CanonicalDump,
    /// What the rebuild gave at the same position.
    pub rebuilt: CanonicalDump,
}

impl Comparison {
    /// Whether they are the same.
    pub fn is_equal(&self) -> bool {
        self.live == self.rebuilt
    }
}

/// Builds the next generation of the read models in `directory` (`DATA/read`) from the whole
/// log and makes it the current one. A projector that runs, in this process or another, goes
/// over to it within a second or so; without one the old generation is removed at once.
///
/// # Errors
/// Whatever broke it off: the live generation stays as it was, and what was begun is removed
/// at the next start.
pub async fn rebuild(
    log: Arc<dyn EventStore>,
    directory: &Path,
    options: RebuildOptions,
    mut progress: impl FnMut(RebuildProgress) + Send,
) -> Result<RebuildReport, ProjectionError> {
    let folder = ReadFolder::open(directory)?;
    let lock = folder.lock_rebuild()?;
    let previous = folder.current();
    let live = match &previous {
        Some(generation) if options.compare => dump_of_live(generation).await,
        _ => None,
    };
    let generation = folder.create().await?;
    let connection = generation.connect_writer(Durability::Rebuilt).await?;
    let writer = Writer::resume(connection, options.cached_rows_max).await?;
    let mut rebuilder = Rebuilder::new(log, writer, options.batch_events_max);
    let comparison = match live {
        Some(live) => {
            let position = Position::from_u64(live.position);
            rebuilder.fold_to(position, &mut progress).await?;
            let rebuilt = canonical_dump(rebuilder.writer.connection()).await?;
            Some(Comparison { live, rebuilt })
        }
        None => None,
    };
    let head = *rebuilder.log.head().borrow();
    rebuilder.fold_to(head, &mut progress).await?;
    let began = Instant::now();
    create_indexes(rebuilder.writer.connection()).await?;
    rebuilder.elapsed += began.elapsed();
    let Rebuilder { mut writer, events, elapsed, .. } = rebuilder;
    let dump = canonical_dump(writer.connection()).await?;
    let (parked_events, parked) = (writer.parked(), parked(&mut writer).await?);
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer.connection()).await?;
    writer.close().await?;
    folder.switch_to(&generation)?;
    if let Ok(_nobody_projects) = folder.lock_projector() {
        folder.remove_others(&generation, &lock)?;
    }
    drop(lock);
    Ok(RebuildReport {
        generation: generation.name,
        previous: previous.map(|generation| generation.name),
        events,
        elapsed,
        dump,
        comparison,
        parked_events,
        parked,
    })
}

/// `None` where the live generation cannot be compared: damaged, or of another schema.
async fn dump_of_live(generation: &Generation) -> Option<CanonicalDump> {
    let dump = async {
        let mut connection = generation.connect_writer(Durability::Live).await?;
        let dump = canonical_dump(&mut connection).await?;
        connection.close().await?;
        Ok::<_, ProjectionError>(dump)
    };
    match dump.await {
        Ok(dump) => Some(dump),
        Err(e) => {
            tracing::warn!(error = %e, "the live read models cannot be compared with");
            None
        }
    }
}

/// Folds a log into a generation that nobody reads yet.
pub(crate) struct Rebuilder {
    log: Arc<dyn EventStore>,
    pub(crate) writer: Writer,
    batch_events_max: usize,
    events: u64,
    elapsed: Duration,
}

impl Rebuilder {
    pub(crate) fn new(log: Arc<dyn EventStore>, writer: Writer, batch_events_max: usize) -> Self {
        let batch_events_max = batch_events_max.max(1);
        Self { log, writer, batch_events_max, events: 0, elapsed: Duration::ZERO }
    }

    /// Folds everything up to and with `end`, which the log has reached. Reading and decoding
    /// run ahead in a task of their own.
    pub(crate) async fn fold_to(
        &mut self,
        end: Position,
        progress: &mut (impl FnMut(RebuildProgress) + Send),
    ) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD_MAX);
        let reader =
            tokio::spawn(read_pages(Arc::clone(&self.log), self.writer.folded(), end, sender));
        while let Some(page) = pages.recv().await {
            let mut events = page?.into_iter().peekable();
            while events.peek().is_some() {
                let room = self.batch_events_max.saturating_sub(self.writer.pending()).max(1);
                let batch: Vec<Decoded> = events.by_ref().take(room).collect();
                self.events += batch.len() as u64;
                self.writer.fold(batch).await?;
                if self.writer.pending() >= self.batch_events_max {
                    self.writer.flush().await?;
                }
            }
            let head = *self.log.head().borrow();
            let position = self.writer.folded();
            progress(RebuildProgress { events: self.events, position, head });
        }
        self.writer.flush().await?;
        reader.await.map_err(|e| StoreError::Engine(e.to_string()))?;
        self.elapsed += began.elapsed();
        Ok(())
    }
}

async fn read_pages(
    log: Arc<dyn EventStore>,
    mut after: Position,
    end: Position,
    pages: mpsc::Sender<Result<Vec<Decoded>, ProjectionError>>,
) {
    while after < end {
        let page = match log.read_all(after, PAGE_EVENTS_MAX).await {
            Ok(page) => page,
            Err(e) => {
                // Nobody listens any more where the folds have failed.
                let _ = pages.send(Err(e.into())).await;
                return;
            }
        };
        let Some(last) = page.last() else { return };
        after = last.position;
        let decoded = page.into_iter().filter(|event| event.position <= end).map(decode);
        if pages.send(Ok(decoded.collect())).await.is_err() {
            return;
        }
    }
}

/// The first events that could not be taken in.
async fn parked(writer: &mut Writer) -> Result<Vec<ParkedEvent>, ProjectionError> {
    let columns = ParkedEventRow::TABLE.column_list("");
    let first = Select::new(format!(
        "SELECT {columns} FROM parked_events ORDER BY position LIMIT {PARKED_REPORTED_MAX}"
    ));
    let rows: Vec<ParkedEventRow> = first.read(writer.connection()).await?;
    Ok(rows.into_iter().map(crate::query::parked_view).collect())
}

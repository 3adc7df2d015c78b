//! The projector: follows the log and keeps one generation of the read models up to date.

use crate::changes::{ChangeHub, ChangeKind};
use crate::error::ProjectionError;
use crate::fold::decode;
use crate::generation::{Durability, FolderLock, Generation, ReadFolder, create_indexes};
use crate::read_models::ReadModels;
use crate::writer::Writer;
use chargebook_store::{EventStore, Position, RecordedEvent, StoreError};
use sqlx::Connection as _;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// Events of one transaction, where nothing else is asked for.
pub const BATCH_EVENTS_DEFAULT: usize = 20_000;
/// While events come in all the time, there is one transaction per so much time; what comes
/// after a pause is written at once.
pub const FLUSH_INTERVAL_DEFAULT: Duration = Duration::from_millis(100);
/// Sessions, commands and tokens that are kept in memory, of each so many, where nothing else is
/// asked for: what events are about now. The others are loaded again where an event names them.
pub const CACHED_ROWS_DEFAULT: usize = 20_000;
/// Where writing takes long, the projector leaves so many times as long to the others.
const PAUSE_PER_FLUSH: u32 = 8;
/// But what happened is never held back for longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the pointer to the current generation is looked at.
const POINTER_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// So often in a row a failed projector starts again from its checkpoint before it gives up.
const RESTARTS_MAX: u32 = 8;
/// It waits so long before that, and twice as long each time it fails again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// How a projector cuts the log into transactions. The state never depends on
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectorOptions {
    /// Events of one transaction at most; at least 1.
    pub batch_events_max: usize,
    /// See [`FLUSH_INTERVAL_DEFAULT`]; at most a second.
    pub flush_interval: Duration,
    /// See [`CACHED_ROWS_DEFAULT`].
    pub cached_rows_max: usize,
}

impl Default for ProjectorOptions {
    fn default() -> Self {
        Self {
            batch_events_max: BATCH_EVENTS_DEFAULT,
            flush_interval: FLUSH_INTERVAL_DEFAULT,
            cached_rows_max: CACHED_ROWS_DEFAULT,
        }
    }
}

/// Follows the log. There is one per folder; [`Projector::run`] does the work.
pub struct Projector {
    folder: ReadFolder,
    generation: Generation,
    options: ProjectorOptions,
    models: ReadModels,
    position: watch::Sender<Position>,
    changes: ChangeHub,
    _lock: FolderLock,
}

/// Opens the read models in a folder (`DATA/read`), or begins new ones where there are none
/// that can be used: nothing in the folder is needed.
///
/// # Errors
/// [`ProjectionError::Locked`] where another process projects into the folder.
pub async fn open(
    log: Arc<dyn EventStore>,
    directory: &Path,
    options: ProjectorOptions,
) -> Result<(ReadModels, Projector), ProjectionError> {
    let folder = ReadFolder::open(directory)?;
    let lock = folder.lock_projector()?;
    let (generation, position) = usable_generation(&folder, log.as_ref()).await?;
    // Leftovers of rebuilds that were broken off; not while one is under way.
    if let Ok(no_rebuild) = folder.lock_rebuild() {
        folder.remove_others(&generation, &no_rebuild)?;
    }
    let (position, level) = watch::channel(position);
    let changes = ChangeHub::new(*level.borrow());
    let pool = generation.connect_readers().await?;
    let models = ReadModels::new(log, &generation, pool, level, changes.clone());
    let projector = Projector {
        folder,
        generation,
        options,
        models: models.clone(),
        position,
        changes,
        _lock: lock,
    };
    Ok((models, projector))
}

/// The current generation, or a new one where it is missing, damaged, of another schema, or
/// ahead of the log.
async fn usable_generation(
    folder: &ReadFolder,
    log: &dyn EventStore,
) -> Result<(Generation, Position), ProjectionError> {
    if let Some(generation) = folder.current() {
        let head = *log.head().borrow();
        match generation.checkpoint().await {
            Ok(position) if position <= head => return Ok((generation, position)),
            Ok(position) => tracing::warn!(
                generation = generation.name,
                position = position.as_u64(),
                head = head.as_u64(),
                "the read models are ahead of the log and are rebuilt"
            ),
            // So it is after every upgrade that folds otherwise: nothing is wrong.
            Err(e @ ProjectionError::OtherRelease { .. }) => tracing::info!(
                generation = generation.name,
                reason = %e,
                "the read models are rebuilt from the log"
            ),
            Err(e) => tracing::warn!(
                generation = generation.name,
                error = %e,
                "the read models cannot be used and are rebuilt"
            ),
        }
    }
    let generation = folder.create().await?;
    let mut connection = generation.connect_writer(Durability::Live).await?;
    create_indexes(&mut connection).await?;
    connection.close().await?;
    folder.switch_to(&generation)?;
    Ok((generation, Position::START))
}

/// Why one run over a generation ended.
enum Ended {
    Stopped,
    Switched(Generation),
}

impl Projector {
    /// Follows the log until `stop` is ready; what has been folded is written before it
    /// returns. Goes over to another generation where the pointer says so.
    ///
    /// # Errors
    /// What stayed wrong over several starts; [`ProjectionError::AnotherOwner`] at once.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ProjectionError> {
        let mut stop = pin!(stop);
        let mut failures = 0;
        loop {
            let before = *self.position.borrow();
            let failure = match self.follow(&mut stop).await {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::Switched(generation)) => {
                    tracing::info!(generation = generation.name, "read models switch");
                    self.generation = generation;
                    failures = 0;
                    continue;
                }
                Err(failure @ ProjectionError::AnotherOwner { .. }) => return Err(failure),
                Err(failure) => failure,
            };
            // A log that is out of reach is waited for, however long it takes.
            let is_outage = matches!(failure, ProjectionError::Store(StoreError::Engine(_)));
            let is_first = is_outage || *self.position.borrow() > before;
            failures = if is_first { 1 } else { failures + 1 };
            if failures > RESTARTS_MAX {
                return Err(failure);
            }
            tracing::error!(error = %failure, failures, "the projector failed and starts again");
            let pause = RESTART_PAUSE * 2_u32.saturating_pow(failures - 1);
            tokio::select! {
                () = &mut stop => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One run over the current generation.
    async fn follow(
        &mut self,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Ended, ProjectionError> {
        let connection = self.generation.connect_writer(Durability::Live).await?;
        let mut writer = Writer::resume(connection, self.options.cached_rows_max).await?;
        let mut serving = Serving::new(self, writer.checkpoint());
        let mut subscription = self.models.log().subscribe(writer.checkpoint()).gathering();
        let mut poll = pointer_poll();
        let mut due = Instant::now();
        serving.flushed(self, &mut writer).await?;
        let ended = loop {
            tokio::select! {
                biased;
                () = &mut *stop => break Ended::Stopped,
                _ = poll.tick() => {
                    if let Some(current) = self.switched_to() {
                        break Ended::Switched(current);
                    }
                    tell_lag(self, writer.folded());
                    serving.tidy(self)?;
                }
                () = sleep_until(due), if writer.pending() > 0 => {
                    let began = Instant::now();
                    serving.flushed(self, &mut writer).await?;
                    let pause = began.elapsed() * PAUSE_PER_FLUSH;
                    due = Instant::now() + pause.max(self.options.flush_interval).min(PAUSE_MAX);
                }
                page = subscription.next_page() => {
                    let page = page?;
                    self.take_page(&mut writer, &mut serving, page).await?;
                }
            }
        };
        serving.flushed(self, &mut writer).await?;
        writer.close().await?;
        Ok(ended)
    }

    /// Folds a page, writing whenever a batch is full.
    async fn take_page(
        &self,
        writer: &mut Writer,
        serving: &mut Serving,
        page: Vec<RecordedEvent>,
    ) -> Result<(), ProjectionError> {
        let batch_events_max = self.options.batch_events_max.max(1);
        let mut events = page.into_iter().map(decode).peekable();
        while events.peek().is_some() {
            let room = batch_events_max.saturating_sub(writer.pending()).max(1);
            writer.fold(events.by_ref().take(room).collect()).await?;
            if writer.pending() >= batch_events_max {
                serving.flushed(self, writer).await?;
            }
        }
        Ok(())
    }

    /// The generation that the pointer names, where it is another one than ours.
    fn switched_to(&self) -> Option<Generation> {
        self.folder.current().filter(|current| *current != self.generation)
    }
}

fn pointer_poll() -> Interval {
    let mut poll = interval(POINTER_POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll
}

/// How far the log is ahead, in positions: these may have holes, so it is an upper bound of the
/// events that are still to come.
fn tell_lag(projector: &Projector, position: Position) {
    let lag = projector.models.head().as_u64().saturating_sub(position.as_u64());
    metrics::gauge!("chargebook_projection_position_lag").set(lag as f64);
}

/// What the queries see: the projector's own generation, or still the one before while its own
/// is not as far yet.
struct Serving {
    /// The queries wait here until the new generation has come so far.
    until: Option<Position>,
    /// Generations that nobody uses any more may be lying about.
    leftovers: bool,
}

impl Serving {
    fn new(projector: &Projector, checkpoint: Position) -> Self {
        let served = *projector.position.borrow();
        let is_served = projector.models.serves(&projector.generation);
        // After a failure the generation is the served one, and stands where it is served.
        Self { until: (!is_served).then(|| served.max(checkpoint)), leftovers: false }
    }

    /// Writes what is pending, and tells everybody.
    async fn flushed(
        &mut self,
        projector: &Projector,
        writer: &mut Writer,
    ) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let events = writer.pending();
        let changes = writer.flush().await?;
        let position = writer.checkpoint();
        if events > 0 {
            metrics::histogram!("chargebook_projection_batch_seconds")
                .record(began.elapsed().as_secs_f64());
            metrics::counter!("chargebook_projection_events_total").increment(events as u64);
        }
        metrics::gauge!("chargebook_projection_parked_events").set(writer.parked() as f64);
        tell_lag(projector, position);
        for change in changes.iter().filter(|change| change.kind == ChangeKind::ParkedEvent) {
            tracing::warn!(position = change.id, "an event could not be projected and was parked");
        }
        match self.until {
            Some(until) if position < until => return Ok(()),
            Some(_) => {
                self.take_over(projector, position).await?;
                return Ok(());
            }
            None => {}
        }
        if *projector.position.borrow() != position {
            projector.changes.publish(position, changes);
            projector.position.send_replace(position);
        }
        Ok(())
    }

    /// Removes the generations that nobody uses any more, unless one is being rebuilt.
    fn tidy(&mut self, projector: &Projector) -> Result<(), ProjectionError> {
        if !self.leftovers {
            return Ok(());
        }
        if let Ok(no_rebuild) = projector.folder.lock_rebuild() {
            projector.folder.remove_others(&projector.generation, &no_rebuild)?;
            self.leftovers = false;
        }
        Ok(())
    }

    /// The queries go over to the projector's generation, and the others are removed.
    async fn take_over(
        &mut self,
        projector: &Projector,
        position: Position,
    ) -> Result<(), ProjectionError> {
        let pool = projector.generation.connect_readers().await?;
        let old = projector.models.serve(&projector.generation, pool);
        old.close().await;
        self.until = None;
        projector.changes.reset(position);
        projector.position.send_replace(position);
        self.leftovers = true;
        tracing::info!(
            generation = projector.generation.name,
            position = position.as_u64(),
            "read models switched"
        );
        Ok(())
    }
}

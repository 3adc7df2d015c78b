//! The past: read models as they stood at an earlier moment, made anew by the same folds over the
//! part of the log that counts then. Every question that the present answers, the past does.
//!
//! What is made is thrown away again: a few are kept in case somebody asks once more, and one that
//! stands before another moment is gone on from. None of it is ever trusted over the log.

mod happened;
mod log;
mod moment;

pub use moment::{Moment, When, WhenError};

use crate::error::ProjectionError;
use crate::generation::{Durability, ReadFolder, Throwaway, create_indexes};
use crate::projector::{BATCH_EVENTS_DEFAULT, CACHED_ROWS_DEFAULT};
use crate::read_models::ReadModels;
use crate::rebuild::{RebuildProgress, Rebuilder};
use crate::writer::Writer;
use chargebook_domain::units::Timestamp;
use chargebook_store::{EventStore, Position, StoreError};
use chrono::DateTime;
use log::PastLog;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// Pasts that are kept for whoever asks again; the one that was asked for longest ago goes.
pub const PASTS_KEPT_MAX: usize = 4;

/// Read models of earlier moments. Cheap to clone; what is kept is shared.
#[derive(Clone)]
pub struct Past {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn EventStore>,
    folder: ReadFolder,
    /// The one that was asked for last stands at the end.
    kept: Mutex<Vec<Kept>>,
    /// One is made at a time: a fold takes a core.
    making: Semaphore,
    /// Where they are made.
    runtime: Handle,
}

#[derive(Clone)]
struct Kept {
    known: Known,
    outcome: Outcome,
}

/// A past as it is made: nothing yet, then it or why there is none.
type Outcome = watch::Receiver<Option<Result<PastModels, Arc<ProjectionError>>>>;

/// Which part of the log counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    until: Position,
    happened_by: Option<Timestamp>,
}

/// The read models of an earlier moment.
#[derive(Clone)]
pub struct PastModels {
    /// They answer as those of the present do.
    pub models: ReadModels,
    /// The last position that they know of.
    pub position: Position,
    /// What was the present there: what still ran is counted until then.
    pub now: Timestamp,
}

impl Past {
    /// Of a log, with a folder (`DATA/read/past`) for what is made. What was left there by a
    /// process that was killed is removed: one process has a folder. They are made on `runtime`,
    /// where stations do not wait for it.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(
        log: Arc<dyn EventStore>,
        directory: &Path,
        runtime: Handle,
    ) -> Result<Self, ProjectionError> {
        let folder = ReadFolder::open(directory)?;
        folder.remove_all()?;
        let (kept, making) = (Mutex::default(), Semaphore::new(1));
        Ok(Self { inner: Arc::new(Inner { log, folder, kept, making, runtime }) })
    }

    /// The read models of a moment. The first time they are made, which takes as long as a rebuild
    /// up to there; whoever gives up waiting finds them made later.
    ///
    /// # Errors
    /// Where the log cannot be read, or the folder not written.
    pub async fn at(&self, moment: &Moment) -> Result<PastModels, Arc<ProjectionError>> {
        self.at_with(moment, |_| {}).await
    }

    /// The same; `progress` is told how far the folds are, if it is this call that begins them.
    ///
    /// # Errors
    /// As of [`Past::at`].
    pub async fn at_with(
        &self,
        moment: &Moment,
        progress: impl FnMut(RebuildProgress) + Send + 'static,
    ) -> Result<PastModels, Arc<ProjectionError>> {
        let until = moment.position(self.inner.log.as_ref()).await;
        let until = until.map_err(|error| Arc::new(error.into()))?;
        let known = Known { until, happened_by: moment.happened_by() };
        let mut outcome = self.outcome(known, progress);
        let made = outcome.wait_for(Option::is_some).await;
        // The task always says something, unless it panicked.
        let made = made.ok().and_then(|made| made.clone());
        made.unwrap_or_else(|| {
            let reason = "the past could not be made".to_owned();
            Err(Arc::new(StoreError::Engine(reason).into()))
        })
    }

    /// What is kept, or is being made, or is made from now on.
    fn outcome(
        &self,
        known: Known,
        progress: impl FnMut(RebuildProgress) + Send + 'static,
    ) -> Outcome {
        let mut kept = self.kept();
        let usable = |kept: &Kept| !matches!(&*kept.outcome.borrow(), Some(Err(_)));
        kept.retain(usable);
        if let Some(index) = kept.iter().position(|kept| kept.known == known) {
            let found = kept.remove(index);
            kept.push(found.clone());
            return found.outcome;
        }
        if kept.len() == PASTS_KEPT_MAX {
            kept.remove(0);
        }
        let (sender, outcome) = watch::channel(None);
        kept.push(Kept { known, outcome: outcome.clone() });
        let past = self.clone();
        self.inner.runtime.spawn(async move {
            let made = past.make(known, progress).await.map_err(Arc::new);
            sender.send_replace(Some(made));
        });
        outcome
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make(
        &self,
        known: Known,
        mut progress: impl FnMut(RebuildProgress) + Send,
    ) -> Result<PastModels, ProjectionError> {
        // It is never closed.
        let _place = self.inner.making.acquire().await;
        let log: Arc<dyn EventStore> = Arc::new(PastLog::new(&self.inner.log, known));
        let nearest = self.nearest(known);
        let (generation, is_new) = match nearest.as_ref().and_then(|past| past.models.throwaway()) {
            Some(nearest) => {
                let copy = Throwaway(self.inner.folder.claim()?);
                nearest.copy_to(&copy).await?;
                (copy, false)
            }
            None => (Throwaway(self.inner.folder.create().await?), true),
        };
        let connection = generation.connect_writer(Durability::Rebuilt).await?;
        let writer = Writer::resume(connection, CACHED_ROWS_DEFAULT).await?;
        let mut rebuilder = Rebuilder::new(Arc::clone(&log), writer, BATCH_EVENTS_DEFAULT);
        rebuilder.fold_to(known.until, &mut progress).await?;
        let Rebuilder { mut writer, .. } = rebuilder;
        if is_new {
            create_indexes(writer.connection()).await?;
        }
        writer.close().await?;
        let now = match known.happened_by {
            Some(time) => time,
            None => recorded_at(self.inner.log.as_ref(), known.until).await?,
        };
        let pool = generation.connect_readers().await?;
        let models = ReadModels::of_the_past(log, generation, pool, known.until);
        Ok(PastModels { models, position: known.until, now })
    }

    /// The latest one that is made and that goes on to the one wanted.
    fn nearest(&self, known: Known) -> Option<PastModels> {
        let kept = self.kept();
        let before = kept.iter().filter(|kept| {
            kept.known.happened_by == known.happened_by && kept.known.until <= known.until
        });
        let made = before.filter_map(|kept| match &*kept.outcome.borrow() {
            Some(Ok(models)) => Some(models.clone()),
            _ => None,
        });
        made.max_by_key(|models| models.position)
    }
}

/// When the event of a position was recorded; the beginning of time where there is none.
async fn recorded_at(log: &dyn EventStore, position: Position) -> Result<Timestamp, StoreError> {
    let before = Position::from_u64(position.as_u64().saturating_sub(1));
    let page = log.read_all(before, 1).await?;
    Ok(page
        .first()
        .map_or(Timestamp::new(DateTime::UNIX_EPOCH), |event| Timestamp::new(event.recorded_at)))
}

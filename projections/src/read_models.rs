//! The handle that everybody who asks holds.

use crate::changes::{ChangeFeed, ChangeHub};
use crate::error::WaitError;
use crate::generation::{Generation, Throwaway};
use chargebook_store::{EventStore, Position};
use sqlx::SqlitePool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// The read models. Cheap to clone; every clone sees a switch to a rebuilt generation.
#[derive(Clone)]
pub struct ReadModels {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn EventStore>,
    /// Name of the generation that the queries see, and the connections to it.
    served: RwLock<(String, SqlitePool)>,
    position: watch::Receiver<Position>,
    changes: ChangeHub,
    /// Where the generation is nobody else's, it goes with the last who asks it.
    throwaway: Option<Throwaway>,
}

impl ReadModels {
    pub(crate) fn new(
        log: Arc<dyn EventStore>,
        generation: &Generation,
        pool: SqlitePool,
        position: watch::Receiver<Position>,
        changes: ChangeHub,
    ) -> Self {
        let served = RwLock::new((generation.name.clone(), pool));
        Self { inner: Arc::new(Inner { log, served, position, changes, throwaway: None }) }
    }

    /// Of a log and a generation that stay as they are.
    pub(crate) fn of_the_past(
        log: Arc<dyn EventStore>,
        generation: Throwaway,
        pool: SqlitePool,
        position: Position,
    ) -> Self {
        let served = RwLock::new((generation.name.clone(), pool));
        let (_, level) = watch::channel(position);
        let changes = ChangeHub::new(position);
        let throwaway = Some(generation);
        Self { inner: Arc::new(Inner { log, served, position: level, changes, throwaway }) }
    }

    /// The generation that is theirs alone.
    pub(crate) fn throwaway(&self) -> Option<&Throwaway> {
        self.inner.throwaway.as_ref()
    }

    /// Where the read models stand, as a level that can be waited on. It never goes back: a rebuilt
    /// generation takes over once it stands as far.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.inner.position.clone()
    }

    /// Where the log stands, so that the lag can be told.
    pub fn head(&self) -> Position {
        *self.inner.log.head().borrow()
    }

    /// Returns once everything up to `position` can be read here.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        let mut level = self.position();
        let reached = level.clone();
        match tokio::time::timeout(timeout, level.wait_for(|at| *at >= position)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(WaitError::Ended { reached: *reached.borrow() }),
            Err(_) => Err(WaitError::Timeout { reached: *reached.borrow() }),
        }
    }

    /// What changes from now on; or after a position that a [`ChangeFeed`] item named, for who
    /// was here before.
    pub fn changes(&self, after: Option<Position>) -> ChangeFeed {
        self.inner.changes.subscribe(after)
    }

    pub(crate) fn log(&self) -> &Arc<dyn EventStore> {
        &self.inner.log
    }

    pub(crate) fn pool(&self) -> SqlitePool {
        self.inner.served.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(crate) fn serves(&self, generation: &Generation) -> bool {
        self.inner.served.read().unwrap_or_else(PoisonError::into_inner).0 == generation.name
    }

    /// Every query that begins after this sees that generation; gives the connections to the
    /// one before.
    pub(crate) fn serve(&self, generation: &Generation, pool: SqlitePool) -> SqlitePool {
        let mut served = self.inner.served.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *served, (generation.name.clone(), pool)).1
    }
}

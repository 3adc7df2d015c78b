//! The feed of changes: which rows are not what they were, for whoever watches live. Bounded:
//! who falls too far behind is told to read everything again.

use chargebook_store::Position;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Most changes that are kept for resuming.
pub const CHANGES_KEPT_MAX: usize = 32_768;

/// What kind of row changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A station, one of its connectors or of its reservations; the id is the station's identity.
    Station,
    /// A session; the id is its uuid.
    Session,
    /// An invoice; the id is its number.
    Invoice,
    /// A command; the id is its uuid.
    Command,
    /// A token; the id is its uuid.
    Token,
    /// A driver; the id is its uuid.
    Driver,
    /// A data subject's key was destroyed; the id is the subject's uuid.
    Subject,
    /// A site; the id is its name in the API.
    Site,
    /// A tariff; the id is its name in the API.
    Tariff,
    /// An account or its balances; the id is its uuid.
    Account,
    /// Settings; the id is the setting's name.
    Setting,
    /// A security event; the id is its position.
    SecurityEvent,
    /// An alert; the id is its uuid.
    Alert,
    /// An event was parked; the id is its position.
    ParkedEvent,
}

/// A row that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Change {
    /// What kind of row.
    pub kind: ChangeKind,
    /// Which.
    pub id: String,
}

/// What the feed says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeItem {
    /// Everything that changed up to a position, since the item before. The rows can be read
    /// now; resume from this position.
    Changed {
        /// The read models stand here, or further.
        position: Position,
        /// What changed; each row once.
        changes: Arc<[Change]>,
    },
    /// The feed does not reach back that far, or the read models were switched: read anew, and
    /// go on from here.
    Reset {
        /// Where the read models stand.
        position: Position,
    },
}

/// One subscriber's place in the feed.
#[derive(Debug)]
pub struct ChangeFeed {
    hub: Arc<Mutex<Ring>>,
    tick: watch::Receiver<u64>,
    next_sequence: u64,
    behind: bool,
}

impl ChangeFeed {
    /// Waits for the next item; `None` once the projector has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChangeItem> {
        loop {
            self.tick.borrow_and_update();
            if let Some(item) = self.take() {
                return Some(item);
            }
            self.tick.changed().await.ok()?;
        }
    }

    fn take(&mut self) -> Option<ChangeItem> {
        let ring = lock(&self.hub);
        if self.behind || self.next_sequence < ring.first_sequence {
            self.behind = false;
            self.next_sequence = ring.first_sequence + ring.sets.len() as u64;
            return Some(ChangeItem::Reset { position: ring.position });
        }
        let index = usize::try_from(self.next_sequence - ring.first_sequence).ok()?;
        let (position, changes) = ring.sets.get(index)?;
        self.next_sequence += 1;
        Some(ChangeItem::Changed { position: *position, changes: Arc::clone(changes) })
    }
}

/// Where the projector tells what changed.
#[derive(Clone, Debug)]
pub(crate) struct ChangeHub {
    ring: Arc<Mutex<Ring>>,
    tick: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    /// Sequence number of the oldest set that is kept.
    first_sequence: u64,
    /// Position that precedes the oldest set that is kept.
    floor: Position,
    /// Where the read models stand.
    position: Position,
    sets: VecDeque<(Position, Arc<[Change]>)>,
    changes: usize,
}

impl ChangeHub {
    pub(crate) fn new(position: Position) -> Self {
        let ring = Ring {
            first_sequence: 0,
            floor: position,
            position,
            sets: VecDeque::new(),
            changes: 0,
        };
        Self { ring: Arc::new(Mutex::new(ring)), tick: watch::Sender::new(0) }
    }

    /// Everything that changed up to `position`, now readable.
    pub(crate) fn publish(&self, position: Position, changes: Vec<Change>) {
        {
            let mut ring = lock(&self.ring);
            ring.position = position;
            if changes.is_empty() {
                return;
            }
            ring.changes += changes.len();
            ring.sets.push_back((position, changes.into()));
            while ring.changes > CHANGES_KEPT_MAX {
                let Some((position, changes)) = ring.sets.pop_front() else { break };
                ring.changes -= changes.len();
                ring.first_sequence += 1;
                ring.floor = position;
            }
        }
        self.tick.send_modify(|tick| *tick += 1);
    }

    /// The read models were switched: nobody can resume across it.
    pub(crate) fn reset(&self, position: Position) {
        {
            let mut ring = lock(&self.ring);
            // One number is skipped, so that subscribers at the end are behind too.
            ring.first_sequence += ring.sets.len() as u64 + 1;
            ring.sets.clear();
            ring.changes = 0;
            ring.floor = position;
            ring.position = position;
        }
        self.tick.send_modify(|tick| *tick += 1);
    }

    /// What changes from now on, or after a position that an item named.
    pub(crate) fn subscribe(&self, after: Option<Position>) -> ChangeFeed {
        let tick = self.tick.subscribe();
        let ring = lock(&self.ring);
        let end = ring.first_sequence + ring.sets.len() as u64;
        let (next_sequence, behind) = match after {
            None => (end, false),
            Some(after) if after < ring.floor => (end, true),
            Some(after) => {
                let seen = ring.sets.partition_point(|(position, _)| *position <= after);
                (ring.first_sequence + seen as u64, false)
            }
        };
        ChangeFeed { hub: Arc::clone(&self.ring), tick, next_sequence, behind }
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

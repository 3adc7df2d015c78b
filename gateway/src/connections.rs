//! Which connection of a station is the live one.
//!
//! A station has one live connection: the one of the highest epoch. Commands go there and
//! nowhere else. Entering replaces an older one and tells it so; leaving removes only what one
//! has put there oneself.

use chargebook_domain::ids::StationId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What others tell a connection. A flag each: being told twice is being told once, so nothing
/// queues up.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    wake: Notify,
    commands_due: AtomicBool,
    replaced: AtomicBool,
}

impl Signals {
    /// Waits until something was told.
    pub(crate) async fn told(&self) {
        self.wake.notified().await;
    }

    /// Whether commands are due, since last asked.
    pub(crate) fn take_commands_due(&self) -> bool {
        self.commands_due.swap(false, Ordering::AcqRel)
    }

    /// Whether a newer connection has taken over.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    fn tell_commands_due(&self) {
        self.commands_due.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    fn tell_replaced(&self) {
        self.replaced.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

#[derive(Debug)]
struct Live {
    epoch: u64,
    signals: Arc<Signals>,
}

/// The live connections; bounded by the number of connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    live: Mutex<HashMap<StationId, Live>>,
}

impl Connections {
    /// Makes a connection the live one, unless a newer one is there already.
    pub(crate) fn enter(&self, station: StationId, epoch: u64, signals: &Arc<Signals>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(&station).is_some_and(|other| other.epoch > epoch) {
            signals.tell_replaced();
            return;
        }
        let entry = Live { epoch, signals: Arc::clone(signals) };
        if let Some(older) = live.insert(station, entry) {
            older.signals.tell_replaced();
        }
    }

    /// Removes a connection, if it still is the live one.
    pub(crate) fn leave(&self, station: StationId, epoch: u64) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(&station).is_some_and(|entry| entry.epoch == epoch) {
            live.remove(&station);
        }
    }

    /// Tells a station's live connection that commands are due. `false` if it has none.
    pub(crate) fn tell_commands_due(&self, station: StationId) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&station).map(|entry| entry.signals.tell_commands_due()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn station() -> StationId {
        StationId(Uuid::from_u128(1))
    }

    #[test]
    fn a_newer_connection_takes_over_and_an_older_ones_end_does_not_disturb_it() {
        let connections = Connections::default();
        let (old, new) = (Arc::new(Signals::default()), Arc::new(Signals::default()));
        connections.enter(station(), 1, &old);
        connections.enter(station(), 2, &new);
        assert!(old.is_replaced());
        assert!(!new.is_replaced());
        connections.leave(station(), 1);
        assert!(connections.tell_commands_due(station()));
        assert!(new.take_commands_due());
        assert!(!new.take_commands_due());
        assert!(!old.take_commands_due());
        connections.leave(station(), 2);
        assert!(!connections.tell_commands_due(station()));
    }

    #[test]
    fn an_older_connection_that_comes_late_is_replaced_at_once() {
        let connections = Connections::default();
        let (old, new) = (Arc::new(Signals::default()), Arc::new(Signals::default()));
        connections.enter(station(), 2, &new);
        connections.enter(station(), 1, &old);
        assert!(old.is_replaced());
        assert!(!new.is_replaced());
        assert!(connections.tell_commands_due(station()));
        assert!(new.take_commands_due());
    }

    #[tokio::test]
    async fn what_was_told_before_waiting_is_not_missed() {
        let signals = Signals::default();
        signals.tell_commands_due();
        signals.told().await;
        assert!(signals.take_commands_due());
    }
}

//! Which commands are open, in memory: what a station's task asks for when it is free, and what
//! a waiting caller watches. A fold of the log's command events; it decides nothing.

use super::{CommandDispatch, CommandStage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::CommandRequested;
use chargebook_domain::ids::{CommandId, StationId};
use chargebook_domain::units::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// Commands on their way to the gateway; more wait in the log.
const DISPATCH_QUEUE_MAX: usize = 1024;
/// Finished commands that a waiting caller can still see at once.
const FINISHED_KEPT_MAX: usize = 4096;

#[derive(Clone, Debug)]
struct Entry {
    requested: CommandRequested,
    stage: CommandStage,
    /// Not to be sent any more: its station left, and such a command waits for none.
    is_withdrawn: bool,
}

impl Entry {
    /// Whether it may still be sent, as far as its station is concerned.
    fn is_sendable(&self) -> bool {
        self.stage == CommandStage::Requested && !self.is_withdrawn
    }
}

/// The open commands.
pub(crate) struct CommandBoard {
    entries: Mutex<Entries>,
    dispatch: mpsc::Sender<CommandDispatch>,
    feed: Mutex<Option<mpsc::Receiver<CommandDispatch>>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    open: HashMap<CommandId, Entry>,
    by_station: HashMap<StationId, VecDeque<CommandId>>,
    present: HashMap<StationId, u64>,
    /// Handshakes that were granted, until their connections have desks.
    coming: HashMap<StationId, usize>,
    moves: HashMap<StationId, Arc<AtomicU64>>,
    displays: HashSet<StationId>,
    finished: VecDeque<CommandId>,
}

/// A station on its way in: it may have been told that it is connected before its desk is open,
/// and what is asked of it in between waits for the desk.
pub struct Coming {
    board: Arc<CommandBoard>,
    station_id: StationId,
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut entries = self.board.entries();
        if let Some(others) = entries.coming.remove(&self.station_id).filter(|count| *count > 1) {
            entries.coming.insert(self.station_id, others - 1);
        }
        // Where it never came, what was asked of it meanwhile is not for its next connection.
        entries.withdraw_unless_present(self.station_id);
    }
}

impl Entries {
    fn is_present(&self, station_id: StationId) -> bool {
        self.present.contains_key(&station_id) || self.coming.contains_key(&station_id)
    }

    fn withdraw_unless_present(&mut self, station_id: StationId) -> Vec<CommandId> {
        if self.is_present(station_id) {
            return Vec::new();
        }
        let queue = self.by_station.get(&station_id).cloned().unwrap_or_default();
        queue.into_iter().filter(|command_id| self.withdraw(*command_id)).collect()
    }

    /// Withdraws a command that was not sent and waits for no station; whether it was one.
    fn withdraw(&mut self, command_id: CommandId) -> bool {
        let entry = self.open.get_mut(&command_id);
        let Some(entry) = entry.filter(|entry| entry.is_sendable() && !entry.requested.waits)
        else {
            return false;
        };
        entry.is_withdrawn = true;
        true
    }
}

impl CommandBoard {
    pub(crate) fn new() -> Self {
        let (dispatch, feed) = mpsc::channel(DISPATCH_QUEUE_MAX);
        Self {
            entries: Mutex::default(),
            dispatch,
            feed: Mutex::new(Some(feed)),
            changes: watch::Sender::new(0),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each change is made whole under the lock, so what a panic leaves is sound.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway's end of the queue; there is one, so the second caller gets an empty one.
    pub(crate) fn take_feed(&self) -> mpsc::Receiver<CommandDispatch> {
        let taken = self.feed.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| mpsc::channel(1).1)
    }

    pub(crate) fn arrived(&self, station_id: StationId, epoch: u64) {
        let mut entries = self.entries();
        let known = entries.present.entry(station_id).or_insert(epoch);
        *known = (*known).max(epoch);
    }

    /// Counts what the desks of a station have written that its other desks cannot see in the
    /// streams they write to: sessions begun, stops without a session.
    pub(crate) fn moves(&self, station_id: StationId) -> Arc<AtomicU64> {
        self.entries().moves.entry(station_id).or_default().clone()
    }

    /// Tells the desks of a station, where there are any, that something else has written what
    /// they go by.
    pub(crate) fn tell_desks(&self, station_id: StationId) {
        if let Some(moves) = self.entries().moves.get(&station_id) {
            moves.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Notes whether a station is to be told of its own accord what sessions cost.
    pub(crate) fn note_display(&self, station_id: StationId, shows_cost: bool) {
        let mut entries = self.entries();
        match shows_cost {
            true => entries.displays.insert(station_id),
            false => entries.displays.remove(&station_id),
        };
    }

    /// Whether it is, as far as its desks of this process have noted: a hint that spares looking
    /// at all other stations.
    pub(crate) fn may_have_display(&self, station_id: StationId) -> bool {
        self.entries().displays.contains(&station_id)
    }

    /// Whether a connection of the station was begun in this process.
    pub(crate) fn has_met(&self, station_id: StationId) -> bool {
        self.entries().moves.contains_key(&station_id)
    }

    pub(crate) fn left(&self, station_id: StationId, epoch: u64) {
        let mut entries = self.entries();
        if entries.present.get(&station_id) == Some(&epoch) {
            entries.present.remove(&station_id);
        }
    }

    /// Withdraws what does not wait for its station, where that is not connected: it is not to be
    /// sent when the station comes back. Gives what is to be ended.
    pub(super) fn withdraw_unless_present(&self, station_id: StationId) -> Vec<CommandId> {
        self.entries().withdraw_unless_present(station_id)
    }

    /// Withdraws what does not wait and was asked for before this process began: whatever was
    /// connected then has left.
    pub(super) fn withdraw_all(&self) {
        let mut entries = self.entries();
        let open: Vec<_> = entries.open.keys().copied().collect();
        open.into_iter().for_each(|command_id| {
            entries.withdraw(command_id);
        });
    }

    /// What is withdrawn, and not ended yet.
    pub(super) fn withdrawn(&self) -> Vec<CommandId> {
        let entries = self.entries();
        let withdrawn = entries.open.iter().filter(|(_, entry)| entry.is_withdrawn);
        withdrawn.map(|(command_id, _)| *command_id).collect()
    }

    /// Counts a station whose handshake is granted as present, for as long as the guard is held.
    pub(crate) fn coming(self: &Arc<Self>, station_id: StationId) -> Coming {
        *self.entries().coming.entry(station_id).or_default() += 1;
        Coming { board: Arc::clone(self), station_id }
    }

    pub(crate) fn is_present(&self, station_id: StationId) -> bool {
        self.entries().is_present(station_id)
    }

    pub(crate) fn open_at(&self, station_id: StationId) -> usize {
        self.entries().by_station.get(&station_id).map_or(0, VecDeque::len)
    }

    /// Takes in a step; a step that is known already changes nothing.
    pub(super) fn note(&self, command_id: CommandId, event: &Event) -> Option<CommandDispatch> {
        let mut entries = self.entries();
        let mut due = None;
        match event {
            Event::CommandRequested(requested) => {
                if entries.open.contains_key(&command_id) || entries.finished.contains(&command_id)
                {
                    return None;
                }
                let station_id = requested.station_id;
                let entry = Entry {
                    requested: requested.as_ref().clone(),
                    stage: CommandStage::Requested,
                    is_withdrawn: false,
                };
                entries.open.insert(command_id, entry);
                entries.by_station.entry(station_id).or_default().push_back(command_id);
                due = Some(CommandDispatch { station_id, command_id });
            }
            Event::CommandSent(_) => {
                if let Some(entry) = entries.open.get_mut(&command_id) {
                    entry.stage = CommandStage::Sent;
                }
            }
            Event::CommandAnswered(_) | Event::CommandFailed(_) => {
                if let Some(entry) = entries.open.remove(&command_id) {
                    let station_id = entry.requested.station_id;
                    if let Some(queue) = entries.by_station.get_mut(&station_id) {
                        queue.retain(|queued| *queued != command_id);
                        if queue.is_empty() {
                            entries.by_station.remove(&station_id);
                        }
                    }
                }
                if entries.finished.len() >= FINISHED_KEPT_MAX {
                    entries.finished.pop_front();
                }
                entries.finished.push_back(command_id);
            }
            _ => return None,
        }
        drop(entries);
        self.changes.send_modify(|changes| *changes += 1);
        due
    }

    pub(super) fn dispatch(&self, due: Option<CommandDispatch>) {
        // A full queue loses nothing: the station's task looks at the board when it is free.
        if let Some(due) = due
            && self.dispatch.try_send(due).is_err()
        {
            tracing::warn!(command = %due.command_id, "the gateway's command queue is full");
        }
    }

    /// The commands that wait to be sent to a station, oldest first.
    pub(crate) fn due(&self, station_id: StationId, now: Timestamp) -> Vec<CommandRequested> {
        let entries = self.entries();
        let queue = entries.by_station.get(&station_id);
        queue
            .into_iter()
            .flatten()
            .filter_map(|command_id| entries.open.get(command_id))
            .filter(|entry| entry.is_sendable() && entry.requested.expires_at > now)
            .map(|entry| entry.requested.clone())
            .collect()
    }

    pub(super) fn overdue(&self, now: Timestamp) -> Vec<CommandId> {
        let entries = self.entries();
        let overdue = entries.open.iter().filter(|(_, entry)| {
            entry.stage == CommandStage::Requested && entry.requested.expires_at <= now
        });
        overdue.map(|(command_id, _)| *command_id).collect()
    }

    pub(crate) fn stage(&self, command_id: CommandId) -> CommandStage {
        let entries = self.entries();
        entries.open.get(&command_id).map_or(CommandStage::Finished, |entry| entry.stage)
    }

    /// Tells of every step that is taken in.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn sent(&self) -> Vec<CommandId> {
        let entries = self.entries();
        let sent = entries.open.iter().filter(|(_, entry)| entry.stage == CommandStage::Sent);
        sent.map(|(command_id, _)| *command_id).collect()
    }
}

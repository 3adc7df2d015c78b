//! Intents to stations: from the wish to the station's answer, each step durable before the
//! next. The board knows which are open; the log is what it knows them from.

use crate::Chargebook;
use crate::journal::{Draft, Journal, JournalError, read_event};
use crate::policy;
use crate::registry::{Registered, RegistryError};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    CommandFailed, CommandFailure, CommandRequested, Direction, Intent,
};
use chargebook_domain::ids::{CommandId, StationId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_store::port::PAGE_EVENTS_MAX;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use chrono::TimeDelta;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Start, stop, unlock and reset are worth nothing later than this.
pub const EXPIRES_AFTER: TimeDelta = TimeDelta::seconds(30);
/// Configuration waits this long for a station to come back.
pub const WAITS_FOR: TimeDelta = TimeDelta::days(7);
/// Commands that may be open for one station.
pub const OPEN_COMMANDS_PER_STATION_MAX: usize = 100;
/// Commands on their way to the gateway; more wait in the log.
const DISPATCH_QUEUE_MAX: usize = 1024;
/// How often what has expired is looked for.
const EXPIRY_TICK: Duration = Duration::from_millis(500);
/// After so many events have been read at a start, the next one begins behind them.
const CHECKPOINT_AFTER_EVENTS: usize = 10_000;
/// Finished commands that a waiting caller can still see at once.
const FINISHED_KEPT_MAX: usize = 4096;

/// Tells the gateway that something is due for a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandDispatch {
    /// For which station.
    pub station_id: StationId,
    /// Which command.
    pub command_id: CommandId,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStage {
    /// In the log, not sent.
    Requested,
    /// Sent, no answer yet.
    Sent,
    /// Answered, failed, expired or unknown.
    Finished,
}

/// A command as its stream tells it.
#[derive(Clone, Debug)]
pub struct CommandView {
    /// The wish.
    pub requested: CommandRequested,
    /// When.
    pub requested_at: Timestamp,
    /// How far it is.
    pub stage: CommandStage,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// The status in the station's answer.
    pub status: Option<String>,
    /// Why there is no answer.
    pub failure: Option<CommandFailed>,
    /// The station's answer, verbatim, opened.
    pub reply: Option<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    requested: CommandRequested,
    stage: CommandStage,
}

/// The open commands.
pub struct CommandBoard {
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
    moves: HashMap<StationId, Arc<AtomicU64>>,
    finished: VecDeque<CommandId>,
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

    pub(crate) fn left(&self, station_id: StationId, epoch: u64) {
        let mut entries = self.entries();
        if entries.present.get(&station_id) == Some(&epoch) {
            entries.present.remove(&station_id);
        }
    }

    pub(crate) fn is_present(&self, station_id: StationId) -> bool {
        self.entries().present.contains_key(&station_id)
    }

    fn open_at(&self, station_id: StationId) -> usize {
        self.entries().by_station.get(&station_id).map_or(0, VecDeque::len)
    }

    /// Takes in a step; a step that is known already changes nothing.
    fn note(&self, command_id: CommandId, event: &Event) -> Option<CommandDispatch> {
        let mut entries = self.entries();
        let mut due = None;
        match event {
            Event::CommandRequested(requested) => {
                if entries.open.contains_key(&command_id) || entries.finished.contains(&command_id)
                {
                    return None;
                }
                let station_id = requested.station_id;
                let entry =
                    Entry { requested: requested.as_ref().clone(), stage: CommandStage::Requested };
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

    fn dispatch(&self, due: Option<CommandDispatch>) {
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
            .filter(|entry| entry.stage == CommandStage::Requested)
            .filter(|entry| entry.requested.expires_at > now)
            .map(|entry| entry.requested.clone())
            .collect()
    }

    fn overdue(&self, now: Timestamp) -> Vec<CommandId> {
        let entries = self.entries();
        let overdue = entries.open.iter().filter(|(_, entry)| {
            entry.stage == CommandStage::Requested && entry.requested.expires_at <= now
        });
        overdue.map(|(command_id, _)| *command_id).collect()
    }

    fn stage(&self, command_id: CommandId) -> CommandStage {
        let entries = self.entries();
        entries.open.get(&command_id).map_or(CommandStage::Finished, |entry| entry.stage)
    }

    fn is_empty(&self) -> bool {
        self.entries().open.is_empty()
    }

    fn sent(&self) -> Vec<CommandId> {
        let entries = self.entries();
        let sent = entries.open.iter().filter(|(_, entry)| entry.stage == CommandStage::Sent);
        sent.map(|(command_id, _)| *command_id).collect()
    }
}

/// Whether an intent may wait for its station: settings do, deeds do not.
fn waits(intent: &Intent) -> bool {
    match intent {
        Intent::GetConfiguration { .. }
        | Intent::ChangeConfiguration { .. }
        | Intent::SetAvailability { .. } => true,
        Intent::Start { .. }
        | Intent::Stop { .. }
        | Intent::Reset { .. }
        | Intent::Unlock { .. }
        | Intent::Trigger { .. } => false,
    }
}

impl Chargebook {
    /// Asks a station for something. In the log when it returns; what becomes of it is in the
    /// command's stream.
    ///
    /// # Errors
    /// No such station, too many open commands, or the log.
    pub async fn request_command(
        &self,
        station: &str,
        intent: Intent,
        actor: &str,
    ) -> Result<(CommandId, Registered), RegistryError> {
        let state = self.registry().station(station).await?;
        let state =
            state.ok_or_else(|| RegistryError::NotFound(format!("no station `{station}`")))?;
        if self.board().open_at(state.station_id) >= OPEN_COMMANDS_PER_STATION_MAX {
            return Err(RegistryError::Conflict(format!(
                "station `{station}` has {OPEN_COMMANDS_PER_STATION_MAX} open commands already"
            )));
        }
        let now = self.journal().now();
        let waits = waits(&intent);
        let lifetime = if waits { WAITS_FOR } else { EXPIRES_AFTER };
        let command_id = CommandId(self.journal().clock().fresh_id());
        let requested = CommandRequested {
            command_id,
            station_id: state.station_id,
            station: state.identity.clone(),
            intent,
            expires_at: Timestamp::new(now.utc() + lifetime),
            waits,
        };
        let cause = self.journal().fresh_id();
        let mut drafts =
            vec![Draft::new(cause, requested.clone()).by(actor).about(state.station_id)];
        if !waits && !self.board().is_present(state.station_id) {
            let failed = CommandFailed {
                failure: CommandFailure::StationOffline,
                detail: "the station is not connected; this kind of command does not wait"
                    .to_owned(),
                exchange: None,
            };
            drafts.push(Draft::following(cause, 0, failed).about(state.station_id));
        }
        let stream = StreamName::of("command", command_id.0);
        let appended = self.journal().append(&stream, ExpectedVersion::NoStream, &drafts).await?;
        for draft in &drafts {
            let due = self.board().note(command_id, draft.event());
            if drafts.len() == 1 {
                self.board().dispatch(due);
            }
        }
        Ok((command_id, Registered { created: true, position: appended.position }))
    }

    /// A command as its stream tells it.
    ///
    /// # Errors
    /// The log.
    pub async fn command(&self, id: CommandId) -> Result<Option<CommandView>, JournalError> {
        let mut view: Option<CommandView> = None;
        let mut reply: Option<SealedText> = None;
        let stream = StreamName::of("command", id.0);
        self.journal()
            .replay(&stream, 0, |recorded| {
                let at = Timestamp::new(recorded.recorded_at);
                match (read_event(recorded)?, &mut view) {
                    (Event::CommandRequested(requested), None) => {
                        view = Some(CommandView::new(*requested, at));
                    }
                    (Event::ExchangeRecorded(exchange), _)
                        if exchange.direction == Direction::ToStation =>
                    {
                        reply = exchange.reply;
                    }
                    (event, Some(view)) => view.apply(&event, at),
                    _ => {}
                }
                Ok(())
            })
            .await?;
        if let (Some(view), Some(reply)) = (&mut view, reply) {
            view.reply = Some(self.personal().open(&reply).await);
        }
        Ok(view)
    }

    /// Waits until a command is finished, at most `patience`; then as [`Chargebook::command`].
    ///
    /// # Errors
    /// The log.
    pub async fn command_finished(
        &self,
        id: CommandId,
        patience: Duration,
    ) -> Result<Option<CommandView>, JournalError> {
        let mut changes = self.board().changes.subscribe();
        let finished = async {
            while self.board().stage(id) != CommandStage::Finished {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Running out of patience is an answer too: the resource says how far it is.
        let _ = tokio::time::timeout(patience, finished).await;
        self.command(id).await
    }

    /// Takes in a step that was just made durable.
    pub(crate) fn note_command(&self, id: CommandId, event: &Event) {
        let due = self.board().note(id, event);
        self.board().dispatch(due);
    }

    /// Ends a command that nobody will answer.
    pub(crate) async fn fail_command(
        &self,
        id: CommandId,
        while_at: CommandStage,
        failure: CommandFailure,
        detail: &str,
    ) -> Result<(), JournalError> {
        let stream = StreamName::of("command", id.0);
        let Some((view, version)) = self.command_state(&stream).await? else { return Ok(()) };
        if view.stage != while_at {
            return Ok(());
        }
        let fact = CommandFailed { failure, detail: detail.to_owned(), exchange: None };
        let draft = Draft::new(self.journal().fresh_id(), fact).about(view.requested.station_id);
        let event = draft.event().clone();
        match self.journal().append(&stream, ExpectedVersion::Exact(version), &[draft]).await {
            // Somebody was quicker: then it is not ours to end.
            Err(JournalError::Append(AppendError::WrongVersion { .. })) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                self.note_command(id, &event);
                Ok(())
            }
        }
    }

    /// A command and the version its stream stands at.
    pub(crate) async fn command_state(
        &self,
        stream: &StreamName,
    ) -> Result<Option<(CommandView, u64)>, JournalError> {
        let mut view: Option<CommandView> = None;
        let mut version = 0;
        self.journal()
            .replay(stream, 0, |recorded| {
                version = recorded.version;
                let at = Timestamp::new(recorded.recorded_at);
                match (read_event(recorded)?, &mut view) {
                    (Event::CommandRequested(requested), None) => {
                        view = Some(CommandView::new(*requested, at));
                    }
                    (event, Some(view)) => view.apply(&event, at),
                    _ => {}
                }
                Ok(())
            })
            .await?;
        Ok(view.map(|view| (view, version)))
    }

    /// Ends what has expired, for ever; and once, what an earlier process had sent and got no
    /// answer to.
    pub(crate) async fn watch_commands(&self, after_restart: Vec<CommandId>) {
        for id in after_restart {
            let detail = "the server restarted before an answer came";
            let failure = CommandFailure::OutcomeUnknown;
            if let Err(error) = self.fail_command(id, CommandStage::Sent, failure, detail).await {
                tracing::error!(%error, command = %id, "could not end a command");
            }
        }
        loop {
            tokio::time::sleep(EXPIRY_TICK).await;
            for id in self.board().overdue(self.journal().now()) {
                let detail = "its time passed before it could be sent";
                let failure = CommandFailure::Expired;
                if let Err(error) =
                    self.fail_command(id, CommandStage::Requested, failure, detail).await
                {
                    tracing::error!(%error, command = %id, "could not end a command");
                }
            }
        }
    }

    /// What the board knew when the log had been read: commands sent, with no answer.
    pub(crate) fn commands_left_sent(&self) -> Vec<CommandId> {
        self.board().sent()
    }
}

impl CommandView {
    fn new(requested: CommandRequested, requested_at: Timestamp) -> Self {
        Self {
            requested,
            requested_at,
            stage: CommandStage::Requested,
            sent_at: None,
            finished_at: None,
            status: None,
            failure: None,
            reply: None,
        }
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::CommandSent(_) => {
                self.stage = CommandStage::Sent;
                self.sent_at = Some(at);
            }
            Event::CommandAnswered(answered) => {
                self.stage = CommandStage::Finished;
                self.finished_at = Some(at);
                self.status.clone_from(&answered.status);
                self.failure = None;
            }
            Event::CommandFailed(failed) => {
                self.stage = CommandStage::Finished;
                self.finished_at = Some(at);
                self.failure = Some(failed.as_ref().clone());
            }
            _ => {}
        }
    }
}

/// Reads the board from the log: every command event after the checkpoint. Where that was much
/// and no command is open, the next start is spared it.
pub(crate) async fn read_board(
    journal: &Journal,
    board: &CommandBoard,
) -> Result<(), JournalError> {
    let mut checkpoint = policy::checkpoint(journal, policy::COMMANDS).await?;
    let mut after = checkpoint.position;
    let mut events = 0;
    loop {
        let page = journal.store().read_all(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        events += page.len();
        for recorded in &page {
            if !recorded.event_type.starts_with("command.") {
                continue;
            }
            let id = recorded.stream.as_str().strip_prefix("command-");
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                // Nothing is dispatched: stations that connect ask for what is due.
                board.note(id, &read_event(recorded)?);
            }
        }
    }
    if events >= CHECKPOINT_AFTER_EVENTS && board.is_empty() {
        policy::save_checkpoint(journal, policy::COMMANDS, &mut checkpoint, after).await?;
    }
    Ok(())
}

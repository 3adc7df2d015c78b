//! A command as its stream tells it: from the wish to the station's answer, and what the station
//! has reported on it since.

use super::CommandStage;
use crate::Chargebook;
use crate::journal::{JournalError, is_exchange, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{CommandFailed, CommandRequested, Direction, ExchangeRecorded};
use chargebook_domain::follow_up::Gathering;
use chargebook_domain::ids::{CommandId, EventId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_store::StreamName;

/// Notifications of one command that are shown, the first of them; the log has all.
const NOTIFICATIONS_MAX: usize = 4096;

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
    /// Over which connection of the station: its epoch.
    pub sent_over: Option<u64>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// The status in the station's answer.
    pub status: Option<String>,
    /// Why there is no answer.
    pub failure: Option<CommandFailed>,
    /// The station's answer, verbatim, opened: the last, where it was sent in several requests.
    pub reply: Option<String>,
    /// Its answers to the requests before that.
    pub replies_before: Vec<String>,
    /// What the station reports on it, and how much of that is there.
    pub gathering: Gathering,
    /// What the station has reported on it, oldest first.
    pub notifications: Vec<Notification>,
}

/// What a station said of a command later.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The action.
    pub action: String,
    /// When it reached us.
    pub received_at: Timestamp,
    /// The station's word for how it stands.
    pub status: Option<String>,
    /// Which part of the whole it is, from 0.
    pub sequence: Option<u32>,
    /// The station's frame, verbatim, opened.
    pub frame: Option<String>,
}

/// The texts of a view that are still sealed.
#[derive(Default)]
struct Sealed {
    replies: Vec<SealedText>,
    /// Of each notification, in their order.
    frames: Vec<Option<SealedText>>,
    /// The exchange whose facts come next.
    exchange: Option<(EventId, Box<ExchangeRecorded>)>,
}

impl Chargebook {
    /// A command as its stream tells it.
    ///
    /// # Errors
    /// The log.
    pub async fn command(&self, id: CommandId) -> Result<Option<CommandView>, JournalError> {
        let mut view: Option<CommandView> = None;
        let mut sealed = Sealed::default();
        let stream = StreamName::of("command", id.0);
        self.journal()
            .replay(&stream, 0, |recorded| {
                let at = Timestamp::new(recorded.recorded_at);
                match (read_event(recorded)?, &mut view) {
                    (Event::CommandRequested(requested), None) => {
                        view = Some(CommandView::new(*requested, at));
                    }
                    (Event::ExchangeRecorded(exchange), _) => {
                        if exchange.direction == Direction::ToStation {
                            sealed.replies.extend(exchange.reply.clone());
                        }
                        sealed.exchange = Some((EventId(recorded.id), exchange));
                    }
                    (event, Some(view)) => {
                        view.apply(&event, at);
                        view.notify(&event, &mut sealed);
                    }
                    _ => {}
                }
                Ok(())
            })
            .await?;
        let Some(mut view) = view else { return Ok(None) };
        for reply in sealed.replies {
            let reply = self.personal().open(&reply).await;
            view.replies_before.extend(view.reply.replace(reply));
        }
        for (notification, frame) in view.notifications.iter_mut().zip(sealed.frames) {
            if let Some(frame) = frame {
                notification.frame = Some(self.personal().open(&frame).await);
            }
        }
        Ok(Some(view))
    }

    /// A command without the verbatim texts, and the version its stream stands at.
    pub(crate) async fn command_state(
        &self,
        stream: &StreamName,
    ) -> Result<Option<(CommandView, u64)>, JournalError> {
        let mut view: Option<CommandView> = None;
        let mut version = 0;
        self.journal()
            .replay(stream, 0, |recorded| {
                version = recorded.version;
                if is_exchange(recorded) {
                    return Ok(());
                }
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
}

impl CommandView {
    fn new(requested: CommandRequested, requested_at: Timestamp) -> Self {
        Self {
            requested,
            requested_at,
            stage: CommandStage::Requested,
            sent_at: None,
            sent_over: None,
            finished_at: None,
            status: None,
            failure: None,
            reply: None,
            replies_before: Vec::new(),
            gathering: Gathering::default(),
            notifications: Vec::new(),
        }
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        self.gathering.apply(event);
        match event {
            Event::CommandSent(sent) => {
                self.stage = CommandStage::Sent;
                self.sent_over = Some(sent.epoch);
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

    /// Adds what the station reported, with the exchange that it came in.
    fn notify(&mut self, event: &Event, sealed: &mut Sealed) {
        let (status, sequence, exchange) = match event {
            Event::StationNotified(fact) => (fact.status.clone(), fact.sequence, fact.exchange),
            Event::StationJobStatus(fact) => (Some(fact.status.clone()), None, fact.exchange),
            _ => return,
        };
        let came_in = sealed.exchange.take().filter(|(id, _)| *id == exchange);
        let Some((_, came_in)) = came_in else { return };
        if self.notifications.len() >= NOTIFICATIONS_MAX {
            return;
        }
        self.notifications.push(Notification {
            action: came_in.action.unwrap_or_default(),
            received_at: came_in.received_at,
            status,
            sequence,
            frame: None,
        });
        sealed.frames.push(came_in.request);
    }
}

//! Commands on their way over one connection.

use super::{DECISION_RETRIES_MAX, DeskError, StationDesk, StationEffect};
use crate::intent::CommandStage;
use crate::journal::{Draft, JournalError};
use crate::message::{Personal, RenderedReply};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    CommandAnswered, CommandFailed, CommandFailure, CommandSent, Dialect, Direction,
    ExchangeRecorded, FollowUp, Intent, ReportTopic, Verdict,
};
use chargebook_domain::ids::{CommandId, EventId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, LookupKey, StreamName};

/// A command that is due.
#[derive(Clone, Debug)]
pub struct PendingCommand {
    /// Which.
    pub command_id: CommandId,
    /// What it asks for.
    pub intent: OpenedIntent,
}

/// An intent with its personal texts opened, for the frame.
pub type OpenedIntent = Intent<String>;

/// What came of a CALL of ours.
#[derive(Clone, Debug)]
pub struct CommandReply {
    /// The id of our CALL.
    pub message_id: String,
    /// The action of our CALL.
    pub action: String,
    /// Our CALL.
    pub request: RenderedReply,
    /// The station's frame.
    pub reply: ReplyFrame,
    /// What the station is to be told about it: the whole frame, which names members and rules
    /// and repeats nothing that the station said.
    pub result_error: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub result: CommandResult,
    /// Whether it says, without a status, that nothing will be reported.
    pub nothing_follows: bool,
    /// Whether the command has more requests to be sent: it was more than the station takes in
    /// one.
    pub more_follow: bool,
    /// What it changes on our side.
    pub effects: Vec<StationEffect>,
}

/// A station's frame in answer to ours.
#[derive(Clone, Debug)]
pub struct ReplyFrame {
    /// Verbatim.
    pub text: String,
    /// Where personal data stands in it.
    pub personal: Personal,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandResult {
    /// CALLRESULT.
    Result {
        /// Its status, where it has one.
        status: Option<String>,
    },
    /// CALLERROR.
    Error {
        /// Its code.
        code: String,
        /// Its description.
        description: String,
    },
    /// A CALLRESULT that does not fit the action.
    Unreadable {
        /// What does not fit.
        detail: String,
    },
}

impl StationDesk {
    /// The commands that are due for this station now, oldest first.
    ///
    /// # Errors
    /// The vault.
    pub async fn due_commands(&mut self) -> Result<Vec<PendingCommand>, DeskError> {
        let now = self.chargebook.journal().now();
        let mut due = Vec::new();
        let requested = self.chargebook.board().due(self.state.station_id, now);
        for requested in requested.into_iter().filter(|due| self.may_be_sent(&due.intent)) {
            let intent = self.chargebook.personal().open_intent(requested.intent).await;
            due.push(PendingCommand { command_id: requested.command_id, intent });
        }
        Ok(due)
    }

    /// Makes `command.sent` durable, before the frame leaves: the command's only one, or the next
    /// of several. `false`: do not send it, it has expired or somebody else took it. `follow_up` is
    /// what the station will report on it, and `effects` what changes on our side though the
    /// station has not answered yet.
    ///
    /// # Errors
    /// The log.
    pub async fn command_sent(
        &mut self,
        command_id: CommandId,
        message_id: &str,
        action: &str,
        frame: &RenderedReply,
        follow_up: Option<FollowUp>,
        effects: &[StationEffect],
    ) -> Result<bool, DeskError> {
        let stream = StreamName::of("command", command_id.0);
        let Some((view, version)) = self.chargebook.command_state(&stream).await? else {
            return Ok(false);
        };
        let now = self.chargebook.journal().now();
        let is_halfway = self.halfway.take() == Some(command_id);
        let may_be_sent = match view.stage {
            CommandStage::Requested => view.requested.expires_at > now,
            CommandStage::Sent => is_halfway,
            CommandStage::Finished => false,
        };
        if !may_be_sent {
            return Ok(false);
        }
        // The CALL itself shows these: they are of no exchange yet.
        for effect in effects {
            self.take_effect(effect, EventId(command_id.0)).await?;
        }
        let fact = CommandSent {
            message_id: message_id.to_owned(),
            action: action.to_owned(),
            epoch: self.epoch,
            frame: self.sealed(frame).await?,
            follow_up: follow_up.clone(),
        };
        let journal = self.chargebook.journal();
        let mut draft = Draft::new(journal.fresh_id(), fact).about(self.state.station_id);
        if let Some(FollowUp { topic, request_id: Some(number), .. }) = follow_up {
            draft = draft.keyed(self.report_key(topic, Some(number)));
        }
        let event = draft.event().clone();
        match journal.append(&stream, ExpectedVersion::Exact(version), &[draft]).await {
            Err(JournalError::Append(AppendError::WrongVersion { .. })) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(_) => {
                self.chargebook.note_command(command_id, &event);
                Ok(true)
            }
        }
    }

    fn report_key(&self, topic: ReportTopic, request_id: Option<i32>) -> LookupKey {
        self.chargebook.personal().report_key(self.state.station_id, topic, request_id)
    }

    async fn sealed(&self, frame: &RenderedReply) -> Result<SealedText, DeskError> {
        let places = Personal::Places(frame.personal.clone());
        let personal = self.chargebook.personal();
        Ok(personal.seal_frame(self.state.station_id, &frame.frame, &places).await?)
    }

    /// Records the station's answer to a CALL of ours: the exchange, and what it means.
    ///
    /// # Errors
    /// The log.
    pub async fn command_answered(
        &mut self,
        command_id: CommandId,
        outcome: CommandReply,
    ) -> Result<(), DeskError> {
        let stream = StreamName::of("command", command_id.0);
        let Some((view, version)) = self.chargebook.command_state(&stream).await? else {
            return Ok(());
        };
        let journal = self.chargebook.journal().clone();
        let exchange_id = journal.fresh_id();
        let verdict = match outcome.result {
            CommandResult::Result { .. } => Verdict::Answered,
            CommandResult::Error { .. } => Verdict::Refused,
            CommandResult::Unreadable { .. } => Verdict::Unreadable,
        };
        let error_code = match &outcome.result {
            CommandResult::Error { code, .. } => Some(code.clone()),
            _ => None,
        };
        let personal = self.chargebook.personal();
        let reply = personal
            .seal_frame(self.state.station_id, &outcome.reply.text, &outcome.reply.personal)
            .await?;
        let exchange = ExchangeRecorded {
            station: self.state.identity.clone(),
            station_id: self.state.station_id,
            protocol: self.connection.protocol.clone(),
            direction: Direction::ToStation,
            message_id: Some(outcome.message_id.clone()),
            action: Some(outcome.action.clone()),
            request: Some(self.sealed(&outcome.request).await?),
            reply: Some(reply),
            result_error: outcome.result_error.as_deref().map(SealedText::plain),
            received_at: outcome.received_at,
            station_time: None,
            verdict,
            error_code,
            duplicate_of: None,
            extra_members: 0,
            undelivered: None,
            dialect: Dialect::STANDARD,
        };
        let fact = fact_of(&outcome, exchange_id);
        let mut follows =
            Draft::following(exchange_id, 0, fact.clone()).about(self.state.station_id);
        if let Some(FollowUp { topic, request_id: None, .. }) = view.gathering.follow_up()
            && let Event::CommandAnswered(_) = fact
        {
            follows = follows.keyed(self.report_key(*topic, None));
        }
        let mut drafts =
            vec![Draft::new(exchange_id, exchange).by("station").about(self.state.station_id)];
        if !outcome.more_follow {
            drafts.push(follows);
        }
        for (ordinal, effect) in (0..).zip(&outcome.effects) {
            if let Some(fact) = self.effect_fact(effect, exchange_id).await? {
                let key = self.key_of_effect(&fact);
                let mut draft = Draft::following(exchange_id, ordinal, fact);
                if let Some(key) = key {
                    draft = draft.keyed(key);
                }
                drafts.push(draft.by("station").about(self.state.station_id));
            }
        }
        // First what it brings about: if we die between the two, the station can still log in,
        // and the command ends as one whose outcome is unknown.
        for effect in &outcome.effects {
            self.take_effect(effect, exchange_id).await?;
        }
        let mut expected = ExpectedVersion::Exact(version);
        for _ in 0..DECISION_RETRIES_MAX {
            match journal.append(&stream, expected, &drafts).await {
                // It was given up meanwhile; the late answer holds.
                Err(JournalError::Append(AppendError::WrongVersion { current: Some(current) })) => {
                    expected = ExpectedVersion::Exact(current);
                }
                appended => {
                    appended?;
                    match outcome.more_follow {
                        true => self.halfway = Some(command_id),
                        false => self.chargebook.note_command(command_id, &fact),
                    }
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }

    /// What a fact that an answer brings about is found again by.
    fn key_of_effect(&self, fact: &Event) -> Option<LookupKey> {
        let Event::ReservationMade(made) = fact else { return None };
        let personal = self.chargebook.personal();
        Some(personal.reservation_key(self.state.station_id, made.reservation_id))
    }

    /// Ends a command that the connection's OCPP version has no words for: nothing was sent.
    ///
    /// # Errors
    /// The log.
    pub async fn command_unsendable(
        &mut self,
        command_id: CommandId,
        detail: &str,
    ) -> Result<(), DeskError> {
        let failure = CommandFailure::NotSupported;
        let stage = CommandStage::Requested;
        Ok(self.chargebook.fail_command(command_id, stage, failure, detail).await?)
    }

    /// Says that no answer to a sent command will come over this connection.
    ///
    /// # Errors
    /// The log.
    pub async fn command_unanswered(
        &mut self,
        command_id: CommandId,
        detail: &str,
    ) -> Result<(), DeskError> {
        let failure = CommandFailure::OutcomeUnknown;
        let stage = CommandStage::Sent;
        Ok(self.chargebook.fail_command(command_id, stage, failure, detail).await?)
    }
}

fn fact_of(reply: &CommandReply, exchange: EventId) -> Event {
    match &reply.result {
        CommandResult::Result { status } => {
            let nothing_follows = reply.nothing_follows.then_some(true);
            CommandAnswered { status: status.clone(), exchange, nothing_follows }.into()
        }
        CommandResult::Error { code, description } => CommandFailed {
            failure: CommandFailure::CallError,
            detail: format!("{code}: {description}"),
            exchange: Some(exchange),
        }
        .into(),
        CommandResult::Unreadable { detail } => CommandFailed {
            failure: CommandFailure::OutcomeUnknown,
            detail: detail.clone(),
            exchange: Some(exchange),
        }
        .into(),
    }
}

//! Commands on their way to one station: one CALL outstanding at a time, made durable as sent
//! before it leaves, and answered, overdue or abandoned afterwards. It never sends twice.

use crate::message::{Downward, Reply};
use crate::metrics;
use crate::protocol::Protocol;
use chargebook_commands::message::RenderedReply;
use chargebook_commands::{CommandReply, CommandResult, PendingCommand, ReplyFrame, StationDesk};
use chargebook_domain::ids::CommandId;
use chargebook_domain::units::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Overdue CALLs whose answer is still known when it comes; the oldest gives way.
const OVERDUE_MAX: usize = 4;

/// See the module.
pub(crate) struct Outbox {
    protocol: Protocol,
    call_timeout: Duration,
    /// Due, oldest first; bounded by what may be open for one station.
    due: VecDeque<PendingCommand>,
    outstanding: Option<Box<Outstanding>>,
    /// Overdue, oldest first: an answer that comes after all tells what became of them.
    overdue: VecDeque<Box<Outstanding>>,
    /// Whether the desk may know of commands that are not in `due`.
    may_have_more: bool,
}

/// A CALL of ours that waits for its answer.
struct Outstanding {
    command_id: CommandId,
    message_id: String,
    action: &'static str,
    request: RenderedReply,
    deadline: Instant,
}

impl Outbox {
    /// Empty, and to be filled at the first occasion.
    pub(crate) fn new(protocol: Protocol, call_timeout: Duration) -> Self {
        Self {
            protocol,
            call_timeout,
            due: VecDeque::new(),
            outstanding: None,
            overdue: VecDeque::new(),
            may_have_more: true,
        }
    }

    /// Has the desk asked again.
    pub(crate) fn look_again(&mut self) {
        self.may_have_more = true;
    }

    /// Whether a CALL may be sent, and there may be one.
    pub(crate) fn is_ready(&self) -> bool {
        self.outstanding.is_none() && (self.may_have_more || !self.due.is_empty())
    }

    /// When the outstanding CALL is overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.outstanding.as_ref().map(|outstanding| outstanding.deadline)
    }

    /// The next CALL to send; it is durable as sent, and outstanding from now on.
    pub(crate) async fn next(&mut self, desk: &mut StationDesk) -> Option<String> {
        if self.due.is_empty() {
            self.may_have_more = false;
            match desk.due_commands().await {
                Ok(due) => self.due = due.into(),
                Err(error) => {
                    metrics::desk_error();
                    tracing::error!(station = %desk.identity(), %error, "commands not readable");
                }
            }
        }
        while let Some(command) = self.due.pop_front() {
            if let Some(frame) = self.begin(desk, command).await {
                return Some(frame);
            }
        }
        self.due = VecDeque::new();
        None
    }

    async fn begin(&mut self, desk: &mut StationDesk, command: PendingCommand) -> Option<String> {
        let command_id = command.command_id;
        let message_id = command_id.to_string();
        let dialect = match Box::pin(desk.settings()).await {
            Ok(settings) => settings.dialect,
            Err(error) => {
                failed(desk, command_id, &error);
                return None;
            }
        };
        let downward = self.protocol.downward(dialect, &message_id, &command.intent);
        let Downward { action, frame, follow_up, effects } = match downward {
            Ok(downward) => downward,
            Err(unsendable) => {
                let detail = unsendable.to_string();
                if let Err(error) = desk.command_unsendable(command_id, &detail).await {
                    failed(desk, command_id, &error);
                }
                return None;
            }
        };
        let sent =
            desk.command_sent(command_id, &message_id, action, &frame, follow_up, &effects).await;
        match sent {
            Ok(true) => {}
            // It has expired, or was taken over.
            Ok(false) => return None,
            Err(error) => {
                failed(desk, command_id, &error);
                return None;
            }
        }
        tracing::info!(
            station = %desk.identity(), command = %command_id, action = action,
            "command sent"
        );
        let text = frame.frame.clone();
        self.outstanding = Some(Box::new(Outstanding {
            command_id,
            message_id,
            action,
            request: frame,
            deadline: Instant::now() + self.call_timeout,
        }));
        Some(text)
    }

    /// Takes an answer in, and gives it back (`Err`) if nothing waits for it. `Some` is what the
    /// station is to be told about it.
    pub(crate) async fn answered(
        &mut self,
        desk: &mut StationDesk,
        reply: Reply,
        received_at: Timestamp,
    ) -> Result<Option<String>, Reply> {
        let is_ours = |waiting: &mut Box<Outstanding>| waiting.message_id == reply.message_id;
        let outstanding = self.outstanding.take_if(is_ours).or_else(|| {
            let late = self.overdue.iter_mut().position(is_ours)?;
            self.overdue.remove(late)
        });
        let Some(outstanding) = outstanding else { return Err(reply) };
        self.may_have_more = true;
        let Outstanding { command_id, message_id, action, request, .. } = *outstanding;
        let reading = self.protocol.read_reply(&reply.text, action, &request);
        let outcome = match &reading.result {
            CommandResult::Result { .. } => "answered",
            CommandResult::Error { .. } => "call_error",
            CommandResult::Unreadable { .. } => "unreadable",
        };
        metrics::command(action, outcome);
        tracing::info!(
            station = %desk.identity(), command = %command_id, action = action, outcome,
            "command answered"
        );
        let complaint = match (&reading.result, reading.unusable) {
            (CommandResult::Unreadable { detail }, Some(code)) => {
                self.protocol.result_error(&message_id, code, detail)
            }
            _ => None,
        };
        let reply = CommandReply {
            message_id,
            action: action.to_owned(),
            request,
            reply: ReplyFrame { text: reply.text, personal: reading.personal },
            received_at,
            result: reading.result,
            effects: reading.effects,
        };
        if let Err(error) = desk.command_answered(command_id, reply).await {
            failed(desk, command_id, &error);
            // The station says it once: what came of the command will not be known.
            let detail = "its answer could not be stored";
            if let Err(error) = desk.command_unanswered(command_id, detail).await {
                failed(desk, command_id, &error);
            }
        }
        Ok(complaint)
    }

    /// The answer did not come in time. It is not sent again: it may have had its effect. Should
    /// the answer still come over this connection, it counts.
    pub(crate) async fn overdue(&mut self, desk: &mut StationDesk) {
        let detail = format!("no answer within {} s", self.call_timeout.as_secs());
        let Some(outstanding) = self.outstanding.take() else { return };
        give_up(desk, &outstanding, &detail, "overdue").await;
        if self.overdue.len() >= OVERDUE_MAX {
            self.overdue.pop_front();
        }
        self.overdue.push_back(outstanding);
        self.may_have_more = true;
    }

    /// The connection ends; no answer will come over it.
    pub(crate) async fn abandon(&mut self, desk: &mut StationDesk, reason: &str) {
        let detail = format!("the connection ended before an answer came: {reason}");
        let Some(outstanding) = self.outstanding.take() else { return };
        give_up(desk, &outstanding, &detail, "abandoned").await;
    }
}

async fn give_up(
    desk: &mut StationDesk,
    outstanding: &Outstanding,
    detail: &str,
    outcome: &'static str,
) {
    metrics::command(outstanding.action, outcome);
    let command_id = outstanding.command_id;
    tracing::warn!(
        station = %desk.identity(), command = %command_id, outcome, "command unanswered"
    );
    if let Err(error) = desk.command_unanswered(command_id, detail).await {
        failed(desk, command_id, &error);
    }
}

fn failed(desk: &StationDesk, command_id: CommandId, error: &chargebook_commands::DeskError) {
    metrics::desk_error();
    tracing::error!(
        station = %desk.identity(), command = %command_id, %error, "a command's step not stored"
    );
}

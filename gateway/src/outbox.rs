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
    /// The command of which some CALLs were answered, and those that are left.
    halfway: Option<Box<Halfway>>,
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
    /// The CALLs that come after it.
    rest: VecDeque<Downward>,
    /// The status that all CALLs before it were answered with; `None`: it is the first.
    status_before: Option<Option<String>>,
}

/// A command that is sent in several CALLs.
struct Halfway {
    command_id: CommandId,
    rest: VecDeque<Downward>,
    /// The status that all CALLs so far were answered with, where it is one.
    status: Option<String>,
}

impl Outbox {
    /// Empty, and to be filled at the first occasion.
    pub(crate) fn new(protocol: Protocol, call_timeout: Duration) -> Self {
        Self {
            protocol,
            call_timeout,
            due: VecDeque::new(),
            outstanding: None,
            halfway: None,
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
        let has_next = self.halfway.is_some() || self.may_have_more || !self.due.is_empty();
        self.outstanding.is_none() && has_next
    }

    /// When the outstanding CALL is overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.outstanding.as_ref().map(|outstanding| outstanding.deadline)
    }

    /// The next CALL to send; it is durable as sent, and outstanding from now on.
    pub(crate) async fn next(&mut self, desk: &mut StationDesk) -> Option<String> {
        if let Some(halfway) = self.halfway.take() {
            let Halfway { command_id, rest, status } = *halfway;
            if let Some(frame) = self.send(desk, command_id, rest, Some(status)).await {
                return Some(frame);
            }
            leave_halfway(desk, command_id, "its next request was not stored").await;
        }
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
        let dialect = match Box::pin(desk.settings()).await {
            Ok(settings) => settings.dialect,
            Err(error) => {
                failed(desk, command_id, &error);
                return None;
            }
        };
        let limit = |action: &str| desk.message_limit(action);
        let downward = self.protocol.downward(dialect, command_id, &command.intent, limit);
        match downward {
            Ok(calls) => self.send(desk, command_id, calls, None).await,
            Err(unsendable) => {
                let detail = unsendable.to_string();
                if let Err(error) = desk.command_unsendable(command_id, &detail).await {
                    failed(desk, command_id, &error);
                }
                None
            }
        }
    }

    /// Makes the first of these CALLs durable and outstanding.
    async fn send(
        &mut self,
        desk: &mut StationDesk,
        command_id: CommandId,
        mut calls: VecDeque<Downward>,
        status_before: Option<Option<String>>,
    ) -> Option<String> {
        let Downward { message_id, action, frame, follow_up, effects } = calls.pop_front()?;
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
            rest: calls,
            status_before,
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
        let Outstanding { command_id, message_id, action, request, rest, status_before, .. } =
            *outstanding;
        let mut reading = self.protocol.read_reply(&reply.text, action, &request);
        let mut more_follow = false;
        if let CommandResult::Result { status } = &mut reading.result {
            more_follow = !rest.is_empty() && goes_on(action, status.as_deref());
            let is_stopped = !rest.is_empty() && !more_follow;
            if !is_stopped && status_before.is_some_and(|before| before != *status) {
                *status = None;
            }
        }
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
            result_error: complaint.clone(),
            received_at,
            result: reading.result,
            nothing_follows: reading.nothing_follows,
            more_follow,
            effects: reading.effects,
        };
        let status = match &reply.result {
            CommandResult::Result { status } => status.clone(),
            CommandResult::Error { .. } | CommandResult::Unreadable { .. } => None,
        };
        match desk.command_answered(command_id, reply).await {
            Ok(()) if more_follow => {
                self.halfway = Some(Box::new(Halfway { command_id, rest, status }));
            }
            Ok(()) => {}
            Err(error) => {
                failed(desk, command_id, &error);
                // The station says it once: what came of the command will not be known.
                leave_halfway(desk, command_id, "its answer could not be stored").await;
                return Ok(None);
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
        if let Some(halfway) = self.halfway.take() {
            leave_halfway(desk, halfway.command_id, &detail).await;
        }
        let Some(outstanding) = self.outstanding.take() else { return };
        give_up(desk, &outstanding, &detail, "abandoned").await;
    }
}

/// Whether the CALLs after one with this answer are sent. What a station does with each item is
/// its answer; a list of tokens that it does not take it will not take more of.
fn goes_on(action: &str, status: Option<&str>) -> bool {
    action != "SendLocalList" || status == Some("Accepted")
}

/// Nobody knows what came of the rest of a command.
async fn leave_halfway(desk: &mut StationDesk, command_id: CommandId, detail: &str) {
    if let Err(error) = desk.command_unanswered(command_id, detail).await {
        failed(desk, command_id, &error);
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

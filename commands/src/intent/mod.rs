//! Intents to stations: from the wish to the station's answer, each step durable before the
//! next. The board knows which are open; the log is what it knows them from.

mod board;
mod view;
mod watch;

pub use board::Coming;
pub(crate) use board::CommandBoard;
pub use view::{CommandView, Notification};
pub(crate) use watch::read_board;

use crate::Chargebook;
use crate::charging::check_limit;
use crate::journal::{Draft, JournalError};
use crate::protocol::ExactRefused;
use crate::registry::{Registered, RegistryError};
use crate::station::StationState;
use chargebook_domain::events::v1::{
    CommandFailed, CommandFailure, CommandRequested, FollowUp, Intent,
};
use chargebook_domain::ids::{CommandId, StationId};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, Position, StreamName};
use chrono::TimeDelta;
use std::time::Duration;

/// Start, stop, unlock and reset are worth nothing later than this.
pub const EXPIRES_AFTER: TimeDelta = TimeDelta::seconds(30);
/// Configuration waits this long for a station to come back.
pub const WAITS_FOR: TimeDelta = TimeDelta::days(7);
/// Commands that may be open for one station.
pub const OPEN_COMMANDS_PER_STATION_MAX: usize = 100;
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

/// Why a request in OCPP's words did not become an intent.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// The station has never been connected, so nobody knows which version it speaks.
    #[error("the station has never connected, so its OCPP version is not known yet")]
    NeverConnected,
    /// The version's standard does not allow it.
    #[error(transparent)]
    Refused(#[from] ExactRefused),
    /// Its number is another request's, whose reports are due.
    #[error(
        "the requestId {number} is that of command {command}, whose reports are not all there: \
         take another number, or wait for them"
    )]
    NumberInUse {
        /// The number (`requestId`).
        number: i32,
        /// The command that has it.
        command: CommandId,
    },
    /// It is more than the station takes in one request, and cannot be cut into several.
    #[error(
        "{items} items, and the station takes {items_max} in one {action}: ask for less at a time"
    )]
    TooLarge {
        /// The action.
        action: String,
        /// How many it has.
        items: usize,
        /// How many the station takes.
        items_max: u32,
    },
    /// No such station, too many open commands, or the log.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Whether an intent may wait for its station: settings do, deeds do not. Of a request in
/// OCPP's words the version's translation knows.
fn waits(intent: &Intent) -> bool {
    !matches!(
        intent,
        Intent::Start { .. }
            | Intent::StartPaid { .. }
            | Intent::AnnounceWebPayment { .. }
            | Intent::Stop { .. }
            | Intent::Reset { .. }
            | Intent::Unlock { .. }
            | Intent::Trigger { .. }
            | Intent::Reserve { .. }
            | Intent::CancelReservation { .. }
            | Intent::SetChargingProfile { .. }
            | Intent::AllowEnergyTransfer { .. }
            | Intent::GetCompositeSchedule { .. }
            | Intent::DataTransfer { .. }
            | Intent::ShowPrice { .. }
            | Intent::ShowCost { .. }
    )
}

/// The request whose limit holds for another one too (2.x: N02.FR.07).
fn limited_as(action: &str) -> &str {
    if action == "GetMonitoringReport" { "GetReport" } else { action }
}

fn check_items(state: &StationState, action: &str, items: Option<usize>) -> Result<(), ExactError> {
    let limit = state.message_limits.iter().find(|limit| limit.action == limited_as(action));
    let Some((items, items_max)) = items.zip(limit.and_then(|limit| limit.items_max)) else {
        return Ok(());
    };
    match u32::try_from(items).is_ok_and(|items| items <= items_max) {
        true => Ok(()),
        false => Err(ExactError::TooLarge { action: action.to_owned(), items, items_max }),
    }
}

impl Chargebook {
    /// Asks a station for something. In the log when it returns; what becomes of it is in the
    /// command's stream.
    ///
    /// # Errors
    /// No such station, something that the version it speaks needs and the intent does not say,
    /// too many open commands, or the log.
    pub async fn request_command(
        &self,
        station: &str,
        intent: Intent,
        actor: &str,
    ) -> Result<(CommandId, Registered), RegistryError> {
        let state = self.known_station(station).await?;
        if let Some(protocol) = &state.protocol {
            let whole = self.station_protocol().is_whole(protocol, &intent);
            whole.map_err(|lack| RegistryError::invalid(lack.pointer, lack.rule))?;
        }
        check_limit(&state.charging_abilities, &intent)?;
        let waits = waits(&intent);
        self.write_request(&state, intent, waits, actor).await
    }

    /// Asks a station for something in the very words of the version it speaks: of its live
    /// connection, or of its last one. In the log when it returns, as with
    /// [`Chargebook::request_command`].
    ///
    /// # Errors
    /// As there; and what the version's standard does not allow.
    pub async fn request_exact(
        &self,
        station: &str,
        action: &str,
        payload: &str,
        actor: &str,
    ) -> Result<(CommandId, Registered), ExactError> {
        let state = self.known_station(station).await?;
        let protocol = state.protocol.clone().ok_or(ExactError::NeverConnected)?;
        let request = self.station_protocol().request(&protocol, action, payload)?;
        check_items(&state, action, request.indivisible_items)?;
        if let Some(follow_up) = &request.follow_up {
            self.check_number(&state, follow_up).await?;
        }
        let payload = self
            .personal()
            .seal_frame(state.station_id, &request.payload, &request.personal)
            .await
            .map_err(RegistryError::from)?;
        let intent = Intent::Exact { protocol, action: action.to_owned(), payload };
        Ok(self.write_request(&state, intent, request.waits, actor).await?)
    }

    /// Reports find their request by its number, so two of a kind that are under way over one
    /// connection may not have the same. What a station owed over an earlier connection it may
    /// have forgotten: that keeps no number from being used.
    async fn check_number(
        &self,
        state: &StationState,
        follow_up: &FollowUp,
    ) -> Result<(), ExactError> {
        let Some(number) = follow_up.request_id else { return Ok(()) };
        let station_id = state.station_id;
        let key = self.personal().report_key(station_id, follow_up.topic, Some(number));
        let of_journal = |error: JournalError| ExactError::Registry(error.into());
        let Some(stream) = self.journal().lookup(&key).await.map_err(of_journal)? else {
            return Ok(());
        };
        let known = self.command_state(&stream).await.map_err(of_journal)?;
        let Some((view, _)) = known else { return Ok(()) };
        let is_due = view.gathering.is_complete() == Some(false)
            && view.sent_over == Some(state.epoch)
            && self.board().is_present(station_id);
        match is_due {
            true => Err(ExactError::NumberInUse { number, command: view.requested.command_id }),
            false => Ok(()),
        }
    }

    pub(crate) async fn known_station(&self, station: &str) -> Result<StationState, RegistryError> {
        let state = self.registry().station(station).await?;
        state.ok_or_else(|| RegistryError::NotFound(format!("no station `{station}`")))
    }

    async fn write_request(
        &self,
        state: &StationState,
        intent: Intent,
        waits: bool,
        actor: &str,
    ) -> Result<(CommandId, Registered), RegistryError> {
        if self.board().open_at(state.station_id) >= OPEN_COMMANDS_PER_STATION_MAX {
            return Err(RegistryError::Conflict(format!(
                "station `{}` has {OPEN_COMMANDS_PER_STATION_MAX} open commands already",
                state.identity
            )));
        }
        let command_id = CommandId(self.journal().clock().fresh_id());
        let position = self.append_request(state, command_id, intent, waits, actor).await?;
        Ok((command_id, Registered { created: true, position }))
    }

    /// Asks a station for something of our own accord, under an id that says what for: a second
    /// time changes nothing.
    pub(crate) async fn request_once(
        &self,
        state: &StationState,
        command_id: CommandId,
        intent: Intent,
    ) -> Result<(), RegistryError> {
        let waits = waits(&intent);
        match self.append_request(state, command_id, intent, waits, "system").await {
            Err(JournalError::Append(AppendError::WrongVersion { .. })) => Ok(()),
            written => Ok(written.map(|_| ())?),
        }
    }

    async fn append_request(
        &self,
        state: &StationState,
        command_id: CommandId,
        intent: Intent,
        waits: bool,
        actor: &str,
    ) -> Result<Position, JournalError> {
        let now = self.journal().now();
        let lifetime = if waits { WAITS_FOR } else { EXPIRES_AFTER };
        let requested = CommandRequested {
            command_id,
            station_id: state.station_id,
            station: state.identity.clone(),
            intent,
            expires_at: Timestamp::new(now.utc() + lifetime),
            waits,
        };
        let cause = self.journal().fresh_id();
        let mut draft =
            Draft::new(cause, requested.clone()).by(actor.to_owned()).about(state.station_id);
        if let Intent::StartPaid { reference, .. } = &requested.intent {
            let reference = self.personal().open(reference).await;
            draft = draft.keyed(self.personal().payment_key(state.station_id, &reference));
        }
        let mut drafts = vec![draft];
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
        // The station may have left while this was written: who ended its commands then did not
        // know of this one.
        self.withdraw_unless_present(state.station_id).await?;
        Ok(appended.position)
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
        let mut changes = self.board().changes();
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
}

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
use crate::journal::{Draft, JournalError};
use crate::protocol::ExactRefused;
use crate::registry::{Registered, RegistryError};
use crate::station::StationState;
use chargebook_domain::events::v1::{CommandFailed, CommandFailure, CommandRequested, Intent};
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
            | Intent::GetCompositeSchedule { .. }
            | Intent::DataTransfer { .. }
            | Intent::ShowPrice { .. }
            | Intent::ShowCost { .. }
    )
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
        let payload = self
            .personal()
            .seal_frame(state.station_id, &request.payload, &request.personal)
            .await
            .map_err(RegistryError::from)?;
        let intent = Intent::Exact { protocol, action: action.to_owned(), payload };
        Ok(self.write_request(&state, intent, request.waits, actor).await?)
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
        let mut draft = Draft::new(cause, requested.clone()).by(actor).about(state.station_id);
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

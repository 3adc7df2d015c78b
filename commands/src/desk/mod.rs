//! A station's desk: takes what one connection of a station says, decides, makes it durable,
//! and only then hands out the answer.
//!
//! One append per message, in one stream: the exchange with the verbatim frames, and the facts
//! that follow from it. Whether a message repeats another is decided from what the log holds,
//! never from what this process remembers: the caches here are folds of the log and are dropped
//! when the log has moved on.

mod alerts;
mod boot;
mod charging;
mod clearance;
mod clone;
mod contracts;
mod cost;
mod credit;
mod decide;
mod decision;
mod device_model;
mod dialect;
mod display;
mod effects;
mod energy;
mod intents;
mod learning;
mod meter;
mod monitoring;
mod neighbours;
mod other_token;
mod payment;
mod refused;
mod repeats;
mod reports;
mod reread;
mod sessions;
mod start;
mod statuses;
mod stop;
mod tariff;
mod transaction;
mod unplugged;
mod vehicle;

pub(crate) use reread::{RefusedMessage, is_of_sessions};
pub(crate) use sessions::load_session;

pub use clearance::Clearance;
pub use effects::{ClearedProfiles, StationEffect, TariffsTold};
pub use intents::{CommandReply, CommandResult, OpenedIntent, PendingCommand, ReplyFrame};

use crate::Chargebook;
use crate::journal::{Draft, JournalError};
use crate::message::{Answer, Judged, Receipt, RenderedReply};
use crate::registry::RegistryError;
use crate::security_profile::required_by_coming;
use crate::settling::conclude;
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Dialect, ExchangeRecorded, StationConnected, StationDisconnected, StationSettings,
    TransactionEventKind, Verdict,
};
use chargebook_domain::ids::{CommandId, EventId, StationId, StationIdentity};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::session::Session;
use chargebook_domain::units::Timestamp;
use chargebook_store::vault::VaultError;
use chargebook_store::{AppendError, ExpectedVersion};
use contracts::ContractQueues;
use decision::{Case, Decision, Target};
use display::{ShownCosts, note_display};
use reports::ReportCache;
use sessions::SessionCache;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often one message is decided again because the log had moved on.
const DECISION_RETRIES_MAX: u32 = 16;

/// What is known of a connection when it begins.
#[derive(Clone, Debug)]
pub struct ConnectionInformation {
    /// The sub-protocol agreed on: `ocpp1.6`.
    pub protocol: String,
    /// Where from: address and port.
    pub remote: String,
    /// OCPP security profile: 0 none, 1 basic auth, 2 that over TLS, 3 a certificate of its own.
    pub security_profile: u8,
}

/// A station that was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Our id.
    pub station_id: StationId,
    /// Its name.
    pub identity: StationIdentity,
    /// How it is treated.
    pub settings: StationSettings,
    /// Whether it gave its password. A station that has none may give any.
    pub is_password_verified: bool,
    /// The serial number of the certificate that it came with, where that was signed here.
    pub certificate_serial_number: Option<String>,
    /// The serial number that an operator knows it by.
    pub serial_number_registered: Option<String>,
    /// Whether its certificate names that number, or the one that it was known by before.
    pub is_named_by_serial_number: bool,
    /// Whether its last boot named another one.
    pub has_other_serial_number: bool,
    /// The lowest OCPP security profile that it is let in with; 0: any.
    pub security_profile_required: u8,
}

impl Admitted {
    /// Whether its certificate names a number that its last boot has contradicted.
    pub fn is_refuted(&self) -> bool {
        self.is_named_by_serial_number && self.has_other_serial_number
    }
}

/// Why a station was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionRefused {
    /// No station of that name: HTTP 404.
    #[error("no such station")]
    UnknownStation,
    /// It has a password, and none was given: HTTP 401.
    #[error("a password is required")]
    PasswordRequired,
    /// The password is wrong: HTTP 401.
    #[error("wrong password")]
    WrongPassword,
    /// The certificate was signed for it and counts no more: HTTP 401.
    #[error("the certificate was withdrawn or replaced")]
    WithdrawnCertificate,
    /// It must connect with a higher OCPP security profile: HTTP 403.
    #[error("security profile {required} is required")]
    LowerSecurityProfile {
        /// The lowest that it is let in with.
        required: u8,
    },
    /// Cannot be told now: HTTP 503.
    #[error("cannot be decided now: {0}")]
    Unavailable(String),
}

/// Nothing was acknowledged; the station will say it again.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The register.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Another writer was quicker, every time.
    #[error("the log kept moving on; given up after {DECISION_RETRIES_MAX} tries")]
    Contended,
}

/// One connection's desk.
pub struct StationDesk {
    chargebook: Chargebook,
    state: StationState,
    sessions: SessionCache,
    reports: ReportCache,
    contracts: ContractQueues,
    shown: ShownCosts,
    connection: ConnectionInformation,
    epoch: u64,
    /// Shared by all desks of the station, and how far this one has followed.
    moves: Arc<AtomicU64>,
    moves_seen: u64,
    /// The actions that it was asked for over this connection, and agreed to send.
    asked_for: BTreeSet<String>,
    /// What was noticed of its dialect and is not in the log yet.
    noticed: Dialect,
    /// The command of which some requests were answered and more are to be sent.
    halfway: Option<CommandId>,
    /// Whether the certificate of the connection names the station by its serial number.
    is_named_by_serial_number: bool,
    /// See [`is_refuted`](Self::is_refuted).
    is_refuted: bool,
}

impl StationDesk {
    fn at(
        chargebook: Chargebook,
        state: StationState,
        connection: ConnectionInformation,
        epoch: u64,
    ) -> Self {
        let moves = chargebook.board().moves(state.station_id);
        note_display(&chargebook, &state);
        Self {
            moves_seen: moves.load(Ordering::SeqCst),
            moves,
            chargebook,
            state,
            sessions: SessionCache::default(),
            reports: ReportCache::default(),
            contracts: ContractQueues::default(),
            shown: ShownCosts::default(),
            connection,
            epoch,
            asked_for: BTreeSet::new(),
            noticed: Dialect::STANDARD,
            halfway: None,
            is_named_by_serial_number: false,
            is_refuted: false,
        }
    }

    pub(crate) async fn open(
        chargebook: Chargebook,
        admitted: Admitted,
        connection: ConnectionInformation,
    ) -> Result<Self, DeskError> {
        let moves = chargebook.board().moves(admitted.station_id);
        for _ in 0..DECISION_RETRIES_MAX {
            let moves_seen = moves.load(Ordering::SeqCst);
            let state = chargebook.registry().station(admitted.identity.as_str()).await?;
            let state = state.ok_or_else(|| {
                RegistryError::NotFound(format!("no station `{}`", admitted.identity))
            })?;
            let epoch = state.epoch + 1;
            let mut desk = Self::at(chargebook.clone(), state, connection.clone(), epoch);
            desk.moves_seen = moves_seen;
            desk.is_named_by_serial_number = admitted.is_named_by_serial_number;
            desk.is_refuted = desk.is_named_by_serial_number && desk.state.has_other_serial_number;
            let connected = StationConnected {
                epoch,
                protocol: connection.protocol.clone(),
                remote: connection.remote.clone(),
                security_profile: connection.security_profile,
                certificate_serial_number: admitted.certificate_serial_number.clone(),
            };
            let connected_id = chargebook.journal().fresh_id();
            let mut connected = Draft::new(connected_id, connected).by("station");
            if let Some(key) = chargebook.registry().missing_key(&desk.state).await? {
                connected = connected.keyed(key);
            }
            let mut drafts = vec![connected];
            if let Some(required) = required_by_coming(&desk.state, connection.security_profile) {
                drafts.push(Draft::following(connected_id, 0, required));
            }
            let appended = chargebook.registry().append_to_station(&mut desk.state, drafts).await;
            match appended {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    appended?;
                    return Ok(desk);
                }
            }
        }
        Err(DeskError::Contended)
    }

    /// Our id of the station.
    pub fn station_id(&self) -> StationId {
        self.state.station_id
    }

    /// The station's name.
    pub fn identity(&self) -> &StationIdentity {
        &self.state.identity
    }

    /// Counts connections of this station.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Judges, decides, appends (exchange and facts in one append, durable), and only then
    /// returns the frame to send; `None` where no answer is due.
    ///
    /// `render` turns the answer into the wire frame and must be pure.
    ///
    /// # Errors
    /// Nothing was acknowledged then: close the connection, the station will say it again.
    pub async fn receive(
        &mut self,
        receipt: Receipt,
        judged: Judged,
        render: &(dyn Fn(&Answer) -> RenderedReply + Send + Sync),
    ) -> Result<Option<String>, DeskError> {
        let station_id = self.state.station_id;
        let personal = self.chargebook.personal().clone();
        let request = match &receipt.text {
            Some(text) => Some(personal.seal_frame(station_id, text, &receipt.personal).await?),
            None => None,
        };
        let receipt_id = self.chargebook.journal().fresh_id();
        let mut case = Case::new(receipt_id, receipt_id, &receipt, &judged);
        for _ in 0..DECISION_RETRIES_MAX {
            self.follow_other_desks().await?;
            let mut decision = self.decide(&mut case).await?;
            self.note_refused(&mut decision).await?;
            let (frame, reply) = self.reply(&judged, decision.answer.as_ref(), render).await?;
            let exchange = self.exchange(&case, request.clone(), reply, decision.duplicate_of);
            let exchange = Draft::new(case.receipt_id, exchange).by("station");
            match self.append(exchange, &mut decision).await {
                Ok(()) => {
                    self.after(&case, &decision).await;
                    self.take_statuses(&case, &decision).await?;
                    self.learn_from_report(&judged).await;
                    self.stop_if_spent(&decision).await;
                    self.send_promised(&decision).await;
                    self.show_on_display(&case, &decision).await;
                    self.notice(receipt.noticed, Some(case.receipt_id)).await;
                    return Ok(frame);
                }
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.catch_up(&mut case, &decision).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeskError::Contended)
    }

    async fn reply(
        &self,
        judged: &Judged,
        answer: Option<&Answer>,
        render: &(dyn Fn(&Answer) -> RenderedReply + Send + Sync),
    ) -> Result<(Option<String>, Option<SealedText>), DeskError> {
        let rendered = match (judged, answer) {
            (Judged::Refused(error), _) => {
                RenderedReply { frame: error.frame.clone(), personal: Vec::new() }
            }
            (Judged::Told(_), _) => return Ok((None, None)),
            (_, Some(answer)) => render(answer),
            (_, None) => return Ok((None, None)),
        };
        let places = crate::message::Personal::Places(rendered.personal);
        let sealed = self
            .chargebook
            .personal()
            .seal_frame(self.state.station_id, &rendered.frame, &places)
            .await?;
        Ok((Some(rendered.frame), Some(sealed)))
    }

    fn exchange(
        &self,
        case: &Case<'_>,
        request: Option<SealedText>,
        reply: Option<SealedText>,
        duplicate_of: Option<EventId>,
    ) -> ExchangeRecorded {
        let (verdict, error_code) = match case.judged {
            Judged::Message(_) => (Verdict::Answered, None),
            Judged::Refused(error) => (Verdict::Refused, Some(error.code.to_owned())),
            Judged::Told(_) => (Verdict::Ignored, None),
            Judged::Unanswered(verdict) => (*verdict, None),
        };
        let receipt = case.receipt;
        ExchangeRecorded {
            station: self.state.identity.clone(),
            station_id: self.state.station_id,
            protocol: self.connection.protocol.clone(),
            direction: receipt.direction,
            message_id: receipt.message_id.clone(),
            action: receipt.action.clone(),
            request,
            reply,
            result_error: None,
            received_at: receipt.received_at,
            station_time: receipt.station_time.clone(),
            verdict,
            error_code,
            duplicate_of,
            extra_members: receipt.extra_members,
            undelivered: receipt.undelivered.clone(),
            dialect: receipt.dialect,
        }
    }

    /// Appends what was received, or read again, and the facts that follow it.
    async fn append(&mut self, cause: Draft, decision: &mut Decision) -> Result<(), JournalError> {
        let station_id = self.state.station_id;
        let cause_id = cause.id();
        let facts = decision.facts.len();
        let mut drafts = vec![cause.about(station_id)];
        for (ordinal, fact) in (0..).zip(decision.facts.drain(..)) {
            let mut draft =
                Draft::following(cause_id, ordinal, fact).by("station").about(station_id);
            if ordinal == 0 {
                for key in &decision.keys {
                    draft = draft.keyed(*key);
                }
            }
            drafts.push(draft);
        }
        let drafts = self.write(drafts, &decision.target).await?;
        decision.facts.extend(drafts.into_iter().skip(1).take(facts).map(Draft::into_event));
        Ok(())
    }

    /// Appends drafts to where they belong; gives them back, and after them what followed.
    async fn write(
        &mut self,
        mut drafts: Vec<Draft>,
        target: &Target,
    ) -> Result<Vec<Draft>, JournalError> {
        match target {
            Target::Station => {
                let registry = self.chargebook.registry();
                registry.append_to_station(&mut self.state, drafts.clone()).await?;
            }
            Target::Command(stream) => {
                let version = self.reports.version(stream);
                let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                self.chargebook.journal().append(stream, expected, &drafts).await?;
                self.reports.take_in(stream, expected.next(), &drafts);
            }
            Target::Session(stream) | Target::NewSession(stream) => {
                let version = match target {
                    Target::NewSession(_) => None,
                    _ => self.sessions.version(stream),
                };
                let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
                let journal = self.chargebook.journal();
                let recorded_at = journal.now();
                let is_stopped = self.sessions.is_stopped(stream);
                let stops = |fact: &Event| match fact {
                    Event::SessionStopped(_) => true,
                    // What was missing may come after the end.
                    Event::SessionTransactionReported(report) => {
                        is_stopped || report.kind == TransactionEventKind::Ended
                    }
                    _ => false,
                };
                if drafts.iter().map(Draft::event).any(stops) {
                    let session =
                        self.sessions.foresee(stream, expected.next(), recorded_at, &drafts);
                    drafts.extend(self.conclude(&session, recorded_at).await);
                }
                journal.append(stream, expected, &drafts).await?;
                self.sessions.take_in(stream, expected.next(), recorded_at, &drafts);
            }
        }
        Ok(drafts)
    }

    /// What follows at once from a session that a stop makes complete. Should this fail, the
    /// billing policy does it.
    async fn conclude(&self, session: &Session, now: Timestamp) -> Vec<Draft> {
        match conclude(&self.chargebook, session, now).await {
            Ok(drafts) => drafts,
            Err(error) => {
                tracing::warn!(%error, "a session could not be settled with its stop");
                Vec::new()
            }
        }
    }

    /// The log has moved on: forget what was believed of the target and load it again.
    async fn catch_up(
        &mut self,
        case: &mut Case<'_>,
        decision: &Decision,
    ) -> Result<(), DeskError> {
        match &decision.target {
            Target::Station => self.load_state().await?,
            Target::Command(stream) => self.reports.forget(stream),
            Target::Session(stream) | Target::NewSession(stream) => {
                case.met = self.sessions.forget(stream);
            }
        }
        Ok(())
    }

    async fn load_state(&mut self) -> Result<(), DeskError> {
        let identity = self.state.identity.clone();
        let state = self.chargebook.registry().station(identity.as_str()).await?;
        self.state =
            state.ok_or_else(|| RegistryError::NotFound(format!("no station `{identity}`")))?;
        note_display(&self.chargebook, &self.state);
        Ok(())
    }

    /// Another connection of the station may have begun a session, or left a stop: what is at
    /// hand here is then out of date, though no stream that is written to here says so.
    async fn follow_other_desks(&mut self) -> Result<(), DeskError> {
        let moves = self.moves.load(Ordering::SeqCst);
        if moves != self.moves_seen {
            self.sessions = SessionCache::default();
            self.load_state().await?;
            self.moves_seen = moves;
        }
        Ok(())
    }

    /// Tells the station's other desks that they are out of date.
    fn has_moved(&mut self) {
        let before = self.moves.fetch_add(1, Ordering::SeqCst);
        if before == self.moves_seen {
            self.moves_seen = before + 1;
        }
    }

    /// Says that the connection has ended. Disturbs no newer connection: its epoch says which
    /// one it was.
    ///
    /// # Errors
    /// The log.
    pub async fn close(mut self, reason: &str) -> Result<(), DeskError> {
        self.chargebook.board().left(self.state.station_id, self.epoch);
        self.chargebook.withdraw_unless_present(self.state.station_id).await?;
        for _ in 0..DECISION_RETRIES_MAX {
            let fact = StationDisconnected { epoch: self.epoch, reason: reason.to_owned() };
            let draft = Draft::new(self.chargebook.journal().fresh_id(), fact);
            let registry = self.chargebook.registry();
            match registry.append_to_station(&mut self.state, vec![draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    let identity = self.state.identity.clone();
                    if let Some(state) = registry.station(identity.as_str()).await? {
                        self.state = state;
                    }
                }
                appended => {
                    appended?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }
}

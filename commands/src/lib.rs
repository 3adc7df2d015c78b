//! Intent, load, decide, append: everything that writes to the log goes through here, and the
//! policies that react to what was written.
//!
//! This room knows the log's port and the domain. It knows no OCPP, no HTTP, no SQL and no read
//! model: what it needs to know it reads from streams.

pub mod alert;
mod authority;
mod charging;
pub mod clock;
mod contract;
mod desk;
pub mod erasure;
pub mod intent;
pub mod journal;
pub mod local_tariff;
pub mod message;
mod ocsp;
mod outside;
pub mod personal;
mod policy;
mod profile_password;
pub mod protocol;
pub mod registry;
pub mod reread;
pub mod review;
mod running;
mod security_profile;
mod settling;
mod station;
mod transaction_ids;
pub mod web_payment;

pub use authority::{
    AuthorityError, RootCertificate, StationAuthority, V2gAuthority, V2gAuthorityDescription,
    first_certificate,
};
pub use desk::{
    AdmissionRefused, Admitted, Clearance, ClearedProfiles, CommandReply, CommandResult,
    ConnectionInformation, DeskError, OpenedIntent, PendingCommand, ReplyFrame, StationDesk,
    StationEffect, TariffsTold,
};
pub use intent::{Coming, CommandDispatch, CommandStage, CommandView, ExactError, Notification};
pub use outside::{ContractProvisioning, OcspResponders, Outside};
pub use policy::PolicyError;
pub use running::CostSoFar;
pub use security_profile::{SECURITY_PROFILE_MAX, SecurityProfileSeen};
pub use station::StationState;

use chargebook_domain::events::v1::{Intent, LogCreated, Registration, StationDisconnected};
use chargebook_domain::ids::{StationId, StationIdentity};
use chargebook_store::vault::KeyVault;
use chargebook_store::{AppendError, EventStore, ExpectedVersion, Position, StreamName};
use chrono::TimeDelta;
use clock::Clock;
use erasure::Erasures;
use intent::CommandBoard;
use journal::{Draft, Journal, JournalError};
use ocsp::OcspCache;
use personal::PersonalData;
use policy::OpenCommands;
use protocol::{NoProtocol, StationProtocol};
use registry::{
    PasswordMatch, Registered, Registry, RegistryError, SettingsChange, StationChange,
    StationRegistration,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{Mutex, OnceCell, mpsc};
use tokio_util::sync::CancellationToken;
use transaction_ids::TransactionIds;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this process, written with every event.
    pub node: String,
    /// How long a session that is over or silent is waited for.
    pub settle_after: TimeDelta,
    /// IANA zone of stations without a site.
    pub time_zone: String,
    /// The series that invoices are numbered in.
    pub invoice_series: String,
    /// What stations are told to send a heartbeat after, in seconds.
    pub heartbeat_interval_seconds: u32,
    /// Where the vault keeps its own backup, made anew at every erasure; nowhere if absent.
    pub keys_backup: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: "node-1".to_owned(),
            settle_after: TimeDelta::hours(24),
            time_zone: "UTC".to_owned(),
            invoice_series: "INV".to_owned(),
            heartbeat_interval_seconds: 300,
            keys_backup: None,
        }
    }
}

/// The service: one log, one vault, one register.
#[derive(Clone)]
pub struct Chargebook {
    inner: Arc<Inner>,
    station_protocol: Arc<dyn StationProtocol>,
    outside: Outside,
}

struct Inner {
    journal: Journal,
    personal: PersonalData,
    registry: Registry,
    transaction_ids: TransactionIds,
    board: Arc<CommandBoard>,
    erasures: Erasures,
    authority: OnceCell<StationAuthority>,
    ocsp_cache: OcspCache,
    /// Read from the vault at first need; inside, whether there is one.
    v2g_authority: Mutex<Option<Option<Arc<V2gAuthority>>>>,
    /// Held by the policies while they run.
    open_commands: Mutex<OpenCommands>,
    /// Held while refused messages are read again: each is taken in once.
    rereading: Mutex<()>,
    settings: Settings,
}

impl Chargebook {
    /// Opens the service over a log and a vault; writes the log's first event where it is new,
    /// and reads which commands are open.
    ///
    /// # Errors
    /// The log.
    pub async fn open(
        store: Arc<dyn EventStore>,
        vault: Arc<KeyVault>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, JournalError> {
        let journal = Journal::new(store, clock, &settings.node);
        create_log(&journal, &vault).await?;
        let board = Arc::new(CommandBoard::new());
        let open_commands = intent::read_board(&journal, &board).await?;
        let personal = PersonalData::new(vault);
        let registry = Registry::new(journal.clone(), personal.clone());
        let leaving = erasure::leaving(&journal).await?;
        registry.leaving().write().await.extend(leaving);
        Ok(Self {
            inner: Arc::new(Inner {
                registry,
                erasures: Erasures::default(),
                transaction_ids: TransactionIds::new(journal.clone()),
                board,
                authority: OnceCell::new(),
                ocsp_cache: OcspCache::default(),
                v2g_authority: Mutex::new(None),
                open_commands: Mutex::new(open_commands),
                rereading: Mutex::new(()),
                journal,
                personal,
                settings,
            }),
            station_protocol: Arc::new(NoProtocol),
            outside: Outside::default(),
        })
    }

    /// The same service, with what knows the words of the stations' OCPP versions.
    pub fn speaking(self, station_protocol: Arc<dyn StationProtocol>) -> Self {
        Self { station_protocol, ..self }
    }

    /// The same service, with whom the operator lets it ask.
    pub fn asking(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// Runs the policies until cancelled: commands that expire, sessions that settle, invoices
    /// and postings that follow, people who are to be forgotten.
    ///
    /// # Errors
    /// A policy that cannot go on.
    pub async fn run_policies(&self, stop: CancellationToken) -> Result<(), PolicyError> {
        let left_sent = self.commands_left_sent();
        tokio::select! {
            () = self.watch_commands(left_sent) => Ok(()),
            // It ends when it is told to, as the others are: they have the last word.
            () = async {
                erasure::run(self.clone(), stop.clone()).await;
                std::future::pending().await
            } => Ok(()),
            outcome = policy::run(self.clone(), stop.clone()) => outcome,
        }
    }

    /// Runs one of them alone: forgets whoever is to be forgotten, until cancelled.
    pub async fn run_erasures(&self, stop: CancellationToken) {
        erasure::run(self.clone(), stop).await;
    }

    /// Who is this, and may it in? `password` is what stands behind the colon of basic auth. One
    /// that was offered to the station over OCPP is its own from its first login with it.
    ///
    /// # Errors
    /// Why not, in words that HTTP has a status for.
    pub async fn admit(
        &self,
        identity: &str,
        password: Option<&[u8]>,
    ) -> Result<Admitted, AdmissionRefused> {
        let state = self.known_to_admission(identity).await?;
        let matched = password.map(|given| self.registry().match_password(&state, given));
        let is_password_verified = match (&state.password, matched) {
            (Some(_), None) => return Err(AdmissionRefused::PasswordRequired),
            (Some(_), Some(PasswordMatch::None)) => return Err(AdmissionRefused::WrongPassword),
            (None, None | Some(PasswordMatch::None)) => false,
            (_, Some(PasswordMatch::Current)) => true,
            (_, Some(PasswordMatch::Offered(verifier, slot))) => {
                let taken = self.registry().take_offered_password(identity, &verifier, slot).await;
                taken.map_err(|e| AdmissionRefused::Unavailable(e.to_string()))?;
                true
            }
        };
        self.admitted(state, is_password_verified, None).await
    }

    /// The same for a station that has proved itself with a certificate of its own: it needs no
    /// password (security profile 3). `certificate` is in DER, where it was seen; one that was
    /// signed here must be one that the station still goes by.
    ///
    /// # Errors
    /// As there.
    pub async fn admit_by_certificate(
        &self,
        identity: &str,
        certificate: Option<&[u8]>,
    ) -> Result<Admitted, AdmissionRefused> {
        let state = self.known_to_admission(identity).await?;
        let serial_number = match certificate {
            Some(certificate) => {
                let authority = self.authority().await;
                let authority =
                    authority.map_err(|e| AdmissionRefused::Unavailable(e.to_string()))?;
                authority.serial_number_of(certificate)
            }
            None => None,
        };
        if serial_number.as_ref().is_some_and(|number| !state.certificates.contains(number)) {
            self.note_withdrawn_certificate(identity).await;
            return Err(AdmissionRefused::WithdrawnCertificate);
        }
        self.admitted(state, false, serial_number).await
    }

    async fn known_to_admission(&self, identity: &str) -> Result<StationState, AdmissionRefused> {
        let known = self.registry().station(identity).await;
        let known = known.map_err(|e| AdmissionRefused::Unavailable(e.to_string()))?;
        known.ok_or(AdmissionRefused::UnknownStation)
    }

    async fn admitted(
        &self,
        state: StationState,
        is_password_verified: bool,
        certificate_serial_number: Option<String>,
    ) -> Result<Admitted, AdmissionRefused> {
        let settings = self.registry().settings_of(&state).await;
        let settings = settings.map_err(|e| AdmissionRefused::Unavailable(e.to_string()))?;
        Ok(Admitted {
            station_id: state.station_id,
            identity: state.identity,
            settings,
            is_password_verified,
            certificate_serial_number,
            serial_number_registered: state.serial_number_registered,
            is_named_by_serial_number: false,
            has_other_serial_number: state.has_other_serial_number,
            security_profile_required: state.security_profile_required,
        })
    }

    /// The identity that a station was registered by, where it names itself in another case: in
    /// OCPP 2.x an identity has none. One that is registered exactly so is meant; one that is not
    /// registered at all is given back.
    ///
    /// # Errors
    /// The log.
    pub async fn registered_in_any_case(
        &self,
        identity: StationIdentity,
    ) -> Result<StationIdentity, RegistryError> {
        Ok(self.registry().station_in_any_case(&identity).await?.unwrap_or(identity))
    }

    /// Registers a station; the same again is the same.
    ///
    /// # Errors
    /// What is not valid, a station of the same name with other content, or the log.
    pub async fn register_station(
        &self,
        registration: StationRegistration,
    ) -> Result<Registered, RegistryError> {
        let (id, shows_cost) = (registration.id.clone(), registration.settings.shows_cost);
        let registered = self.registry().register_station(registration).await?;
        if registered.created || shows_cost.flatten().is_none() {
            return Ok(registered);
        }
        // What was not kept when it was first said (`SettingsChange::means`) is from now on.
        let settings = SettingsChange { shows_cost, ..SettingsChange::default() };
        let change = StationChange { settings, ..StationChange::default() };
        let changed = self.change_station(&id, change).await?;
        Ok(Registered { created: false, ..changed })
    }

    /// Changes a station's password, site or settings; in force at once, on a connection that is
    /// open as well. A station that waits for its acceptance is asked to boot again once its
    /// next boot would be accepted, unless it is to be left quiet.
    ///
    /// # Errors
    /// No such station or site, or the log.
    pub async fn change_station(
        &self,
        id: &str,
        change: StationChange<'_>,
    ) -> Result<Registered, RegistryError> {
        let before = self.registry().station(id).await?;
        let changed = self.registry().change_station(id, change).await?;
        let Some(state) = before.filter(|_| changed.created) else { return Ok(changed) };
        self.board().moves(state.station_id).fetch_add(1, Ordering::SeqCst);
        let settings = change.settings.applied_to(state.settings);
        let waits_for_this = state.unaccepted == Some(Registration::Pending)
            && settings.registration == Registration::Accepted;
        if waits_for_this && !settings.quiet && self.board().is_present(state.station_id) {
            self.ask_for_boot(id).await?;
        }
        Ok(changed)
    }

    /// Asks a station of our own accord to send a BootNotification.
    pub(crate) async fn ask_for_boot(&self, id: &str) -> Result<(), RegistryError> {
        let message = "BootNotification".to_owned();
        let intent = Intent::Trigger { message, connector: None, evse: None };
        self.request_command(id, intent, "system").await.map(|_| ())
    }

    /// Says that a station's handshake is granted: commands are taken for it from here on, though
    /// its desk is yet to be opened. Hold what is returned until it is.
    pub fn coming(&self, station_id: StationId) -> Coming {
        self.board().coming(station_id)
    }

    /// Opens a station's desk for one connection; `station.connected` is durable when it
    /// returns.
    ///
    /// # Errors
    /// The log.
    pub async fn open_desk(
        &self,
        admitted: Admitted,
        connection: ConnectionInformation,
    ) -> Result<StationDesk, DeskError> {
        let desk = StationDesk::open(self.clone(), admitted, connection).await?;
        self.board().arrived(desk.station_id(), desk.epoch());
        Ok(desk)
    }

    /// Says that a station's last connection has ended, where the process that held it could not:
    /// none of its connections lives in this one. Does nothing for a station that has come back.
    ///
    /// # Errors
    /// The log.
    pub async fn connection_lost(&self, identity: &str, reason: &str) -> Result<(), DeskError> {
        for _ in 0..registry::DECISION_RETRIES_MAX {
            let Some(mut state) = self.registry().station(identity).await? else { return Ok(()) };
            if self.board().has_met(state.station_id) {
                return Ok(());
            }
            let fact = StationDisconnected { epoch: state.epoch, reason: reason.to_owned() };
            let draft = Draft::new(self.journal().fresh_id(), fact);
            match self.registry().append_to_station(&mut state, vec![draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    appended?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }

    /// The queue of commands for the gateway; there is one.
    pub fn command_feed(&self) -> mpsc::Receiver<CommandDispatch> {
        self.board().take_feed()
    }

    /// What an operator registers.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Sealing and opening personal data.
    pub fn personal(&self) -> &PersonalData {
        &self.inner.personal
    }

    /// The log.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// What the operator has set.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn station_protocol(&self) -> &dyn StationProtocol {
        self.station_protocol.as_ref()
    }

    pub(crate) fn board(&self) -> &Arc<CommandBoard> {
        &self.inner.board
    }

    pub(crate) fn erasures(&self) -> &Erasures {
        &self.inner.erasures
    }

    pub(crate) fn open_commands(&self) -> &Mutex<OpenCommands> {
        &self.inner.open_commands
    }

    pub(crate) fn rereading(&self) -> &Mutex<()> {
        &self.inner.rereading
    }

    pub(crate) fn transaction_ids(&self) -> &TransactionIds {
        &self.inner.transaction_ids
    }
}

/// Writes the first event of a log that is new.
async fn create_log(journal: &Journal, vault: &KeyVault) -> Result<(), JournalError> {
    if *journal.store().head().borrow() != Position::START {
        return Ok(());
    }
    let fact = LogCreated {
        origin: vault.verifier_key().origin().as_str().to_owned(),
        software: concat!("chargebook ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let stream =
        StreamName::new("log-birth").map_err(|e| JournalError::Unwritable(e.to_string()))?;
    let draft = Draft::new(journal.fresh_id(), fact);
    journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
    Ok(())
}

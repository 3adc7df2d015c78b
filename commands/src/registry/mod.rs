//! What an operator registers: decided at once, in force when the answer arrives.

mod account;
mod master_pass;
mod model;
mod password;
mod serial_number;
mod station;
mod tariff;
mod token;
mod treatment;
mod trust;

pub use password::NewPassword;
pub(crate) use password::PasswordMatch;
pub use station::{ConnectorDeclaration, StationChange, StationRegistration};
pub use tariff::{PublishedTariff, TariffChoice};
pub use token::{
    KnownToken, OCPP_TOKEN_KINDS, OCPP_TOKEN_KINDS_OF_2_1, TokenChange, TokenRegistration,
};
pub use treatment::SettingsChange;
pub(crate) use treatment::noticed;
pub use trust::TrustAnchor;
pub(crate) use trust::pem_of;

use crate::journal::{Draft, Journal, JournalError, is_exchange, read_event};
use crate::personal::PersonalData;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{AccountKind, DriverRegistered, SiteRegistered};
use chargebook_domain::ids::{AccountId, DriverId, SiteId, SubjectId};
use chargebook_store::vault::VaultError;
use chargebook_store::{AppendError, ExpectedVersion, LookupKey, Position, StreamName};
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries of one cache; a full cache is emptied and fills again from the log.
const CACHE_ENTRIES_MAX: usize = 200_000;
/// How often a decision is taken again because the stream had moved on.
pub(crate) const DECISION_RETRIES_MAX: u32 = 32;
/// Registrations of different names that go on at the same time, at most.
const REGISTRATIONS_AT_ONCE_MAX: usize = 64;
/// Longest name of a site, a driver, a tariff, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// A new thing (201), or the same again (200).
    pub created: bool,
    /// Where the log stands with it.
    pub position: Position,
}

/// Why a registration was refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is one of that name already, and it is different (409).
    #[error("{0}")]
    Conflict(String),
    /// Nothing of that name (404).
    #[error("{0}")]
    NotFound(String),
    /// The content is wrong (422).
    #[error("{detail}")]
    Invalid {
        /// Which member, as a JSON pointer.
        pointer: String,
        /// What is wrong with it, and what would be right.
        detail: String,
    },
    /// The log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl RegistryError {
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// The register.
pub struct Registry {
    pub(crate) journal: Journal,
    pub(crate) personal: PersonalData,
    tokens: Cache<KnownToken>,
    tariffs: Cache<tariff::TariffHistory>,
    sites: Cache<SiteRegistered>,
    accounts: Cache<account::Ledger, AccountId>,
    defaults: Mutex<Option<Arc<tariff::DefaultHistory>>>,
    master_pass: tokio::sync::Mutex<Option<Option<Arc<str>>>>,
    dialects: tokio::sync::Mutex<Option<Arc<model::ModelDialects>>>,
    trust: tokio::sync::Mutex<Option<Arc<trust::TrustAnchors>>>,
    /// Things have random stream names, so no version check keeps the same name from being
    /// registered twice at once: whoever registers it holds its lock.
    registering: [tokio::sync::Mutex<()>; REGISTRATIONS_AT_ONCE_MAX],
    /// Held while a serial number is looked up and given to a station; read while a station gets
    /// its name, which may be nobody's number.
    serial_numbers: tokio::sync::RwLock<()>,
    /// Read while a token is registered for a driver.
    leaving: tokio::sync::RwLock<HashSet<DriverId>>,
}

/// What was loaded once, by a name or an id of its own.
struct Cache<T, K = String>(Mutex<Cached<T, K>>);

struct Cached<T, K> {
    entries: HashMap<K, Arc<T>>,
    /// Counts what was forgotten: what was being loaded meanwhile may be out of date.
    changes: u64,
}

impl<T, K> Default for Cache<T, K> {
    fn default() -> Self {
        Self(Mutex::new(Cached { entries: HashMap::new(), changes: 0 }))
    }
}

impl<T, K: Eq + Hash> Cache<T, K> {
    fn cached(&self) -> MutexGuard<'_, Cached<T, K>> {
        // A panic elsewhere leaves whole entries behind: each is put in at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get<Q>(&self, name: &Q) -> Option<Arc<T>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.cached().entries.get(name).cloned()
    }

    fn changes(&self) -> u64 {
        self.cached().changes
    }

    fn put(&self, name: impl Into<K>, value: Arc<T>) {
        let seen = self.changes();
        self.put_unchanged(name, value, seen);
    }

    /// Keeps what was loaded, unless something was forgotten since `seen`.
    fn put_unchanged(&self, name: impl Into<K>, value: Arc<T>, seen: u64) {
        let mut cached = self.cached();
        if cached.changes != seen {
            return;
        }
        if cached.entries.len() >= CACHE_ENTRIES_MAX {
            cached.entries.clear();
        }
        cached.entries.insert(name.into(), value);
    }

    fn forget<Q>(&self, name: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut cached = self.cached();
        cached.changes += 1;
        cached.entries.remove(name);
    }

    fn forget_all(&self) {
        let mut cached = self.cached();
        cached.changes += 1;
        cached.entries.clear();
    }
}

impl Registry {
    /// Over the log and the vault.
    pub fn new(journal: Journal, personal: PersonalData) -> Self {
        Self {
            journal,
            personal,
            tokens: Cache::default(),
            tariffs: Cache::default(),
            sites: Cache::default(),
            accounts: Cache::default(),
            defaults: Mutex::new(None),
            master_pass: tokio::sync::Mutex::new(None),
            dialects: tokio::sync::Mutex::new(None),
            trust: tokio::sync::Mutex::new(None),
            registering: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            serial_numbers: tokio::sync::RwLock::new(()),
            leaving: tokio::sync::RwLock::default(),
        }
    }

    /// Held while a name is looked up and registered.
    async fn registering(&self, key: &LookupKey) -> tokio::sync::MutexGuard<'_, ()> {
        let stripe = usize::from(key.0[0]) % REGISTRATIONS_AT_ONCE_MAX;
        self.registering[stripe].lock().await
    }

    /// Registers a site; the same again is the same.
    pub async fn register_site(
        &self,
        site: &str,
        name: &str,
        time_zone: &str,
        address: Option<String>,
        country: Option<String>,
    ) -> Result<Registered, RegistryError> {
        named("/id", site)?;
        named("/name", name)?;
        time_zone.parse::<chrono_tz::Tz>().map_err(|_| {
            RegistryError::invalid(
                "/time_zone",
                format!("`{time_zone}` is no IANA time zone such as Europe/Berlin"),
            )
        })?;
        let key = self.personal.name_key("site", site);
        let _held = self.registering(&key).await;
        if let Some(known) = self.site(site).await? {
            let same = known.name == name
                && known.time_zone == time_zone
                && known.address == address
                && known.country == country;
            let position = *self.journal.store().head().borrow();
            return match same {
                true => Ok(Registered { created: false, position }),
                false => Err(RegistryError::Conflict(format!(
                    "site `{site}` is registered already, with other content"
                ))),
            };
        }
        let fact = SiteRegistered {
            site_id: SiteId(self.journal.clock().fresh_id()),
            site: site.to_owned(),
            name: name.to_owned(),
            time_zone: time_zone.to_owned(),
            address,
            country,
        };
        let stream = StreamName::of("site", fact.site_id.0);
        let draft = Draft::new(self.journal.fresh_id(), fact.clone()).by("operator").keyed(key);
        let appended = self.journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
        self.sites.put(stream.as_str(), Arc::new(fact));
        Ok(Registered { created: true, position: appended.position })
    }

    /// A site by its name.
    pub async fn site(&self, site: &str) -> Result<Option<Arc<SiteRegistered>>, RegistryError> {
        let key = self.personal.name_key("site", site);
        match self.journal.lookup(&key).await? {
            Some(stream) => self.load_site(&stream).await,
            None => Ok(None),
        }
    }

    /// A site by our id.
    pub async fn site_by_id(
        &self,
        site_id: SiteId,
    ) -> Result<Option<Arc<SiteRegistered>>, RegistryError> {
        self.load_site(&StreamName::of("site", site_id.0)).await
    }

    async fn load_site(
        &self,
        stream: &StreamName,
    ) -> Result<Option<Arc<SiteRegistered>>, RegistryError> {
        if let Some(known) = self.sites.get(stream.as_str()) {
            return Ok(Some(known));
        }
        let mut found = None;
        self.journal
            .replay(stream, 0, |recorded| {
                if let Event::SiteRegistered(fact) = read_event(recorded)? {
                    found = Some(Arc::from(fact));
                }
                Ok(())
            })
            .await?;
        if let Some(site) = &found {
            self.sites.put(stream.as_str(), Arc::clone(site));
        }
        Ok(found)
    }

    /// Registers a driver, with a pay-later account of their own.
    pub async fn register_driver(
        &self,
        driver: &str,
        name: &str,
        email: Option<&str>,
    ) -> Result<Registered, RegistryError> {
        self.register_driver_paying(driver, name, email, AccountKind::PayLater).await
    }

    /// Registers a driver, with an account of their own that pays in the given way.
    pub async fn register_driver_paying(
        &self,
        driver: &str,
        name: &str,
        email: Option<&str>,
        payer: AccountKind,
    ) -> Result<Registered, RegistryError> {
        named("/id", driver)?;
        named("/name", name)?;
        if email.is_some_and(|email| !email.contains('@')) {
            return Err(RegistryError::invalid("/email", "an e-mail address has an `@`"));
        }
        let key = self.personal.name_key("driver", driver);
        let _held = self.registering(&key).await;
        if let Some(known) = self.driver(driver).await? {
            let same_name = self.personal.open(&known.name).await == name;
            let known_email = match &known.email {
                Some(email) => Some(self.personal.open(email).await),
                None => None,
            };
            let same_payer = self.account_kind(known.account_id).await? == payer;
            let position = *self.journal.store().head().borrow();
            return match same_name && known_email.as_deref() == email && same_payer {
                true => Ok(Registered { created: false, position }),
                false => Err(RegistryError::Conflict(format!(
                    "driver `{driver}` is registered already, with other content"
                ))),
            };
        }
        let driver_id = DriverId(self.journal.clock().fresh_id());
        let subject_id = SubjectId(driver_id.0);
        let account_id = self.open_account(payer).await?;
        let sealed_email = match email {
            Some(email) => Some(self.personal.seal(subject_id, email).await?),
            None => None,
        };
        let fact = DriverRegistered {
            driver_id,
            subject_id,
            name: self.personal.seal(subject_id, name).await?,
            email: sealed_email,
            account_id,
        };
        let stream = StreamName::of("driver", driver_id.0);
        let draft = Draft::new(self.journal.fresh_id(), fact).by("operator").keyed(key);
        let appended = self.journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
        Ok(Registered { created: true, position: appended.position })
    }

    /// A driver by their name in the API.
    pub async fn driver(&self, driver: &str) -> Result<Option<DriverRegistered>, RegistryError> {
        let key = self.personal.name_key("driver", driver);
        let Some(stream) = self.journal.lookup(&key).await? else { return Ok(None) };
        self.load_driver(&stream).await
    }

    /// A driver by our id.
    pub async fn driver_by_id(
        &self,
        driver_id: DriverId,
    ) -> Result<Option<DriverRegistered>, RegistryError> {
        self.load_driver(&StreamName::of("driver", driver_id.0)).await
    }

    async fn load_driver(
        &self,
        stream: &StreamName,
    ) -> Result<Option<DriverRegistered>, RegistryError> {
        let mut found = None;
        self.journal
            .replay(stream, 0, |recorded| {
                if let Event::DriverRegistered(fact) = read_event(recorded)? {
                    found = Some(*fact);
                }
                Ok(())
            })
            .await?;
        Ok(found)
    }

    /// Drivers for whom no token is registered any more: they are to be forgotten.
    pub(crate) fn leaving(&self) -> &tokio::sync::RwLock<HashSet<DriverId>> {
        &self.leaving
    }

    /// Has tokens read from the log again: what is known of some may be erased.
    pub(crate) fn forget_tokens(&self) {
        self.tokens.forget_all();
    }

    /// What is to be written is there already.
    fn unchanged(&self) -> Registered {
        Registered { created: false, position: *self.journal.store().head().borrow() }
    }

    /// Writes a setting decided on `version` of its stream; `None` where another has written
    /// meanwhile, so that it has to be decided anew.
    async fn write_setting(
        &self,
        stream: &StreamName,
        version: Option<u64>,
        fact: impl Into<Event>,
    ) -> Result<Option<Registered>, RegistryError> {
        let draft = Draft::new(self.journal.fresh_id(), fact).by("operator");
        let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        match self.journal.append(stream, expected, &[draft]).await {
            Err(JournalError::Append(AppendError::WrongVersion { .. })) => Ok(None),
            appended => Ok(Some(Registered { created: true, position: appended?.position })),
        }
    }

    /// Appends what `decide` makes of the stream's events, again if the stream has moved on;
    /// `None` from it changes nothing.
    pub(crate) async fn decide(
        &self,
        stream: &StreamName,
        mut decide: impl FnMut(&[Event]) -> Option<Draft>,
    ) -> Result<Position, RegistryError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let mut events = Vec::new();
            let mut version = None;
            self.journal
                .replay(stream, 0, |recorded| {
                    version = Some(recorded.version);
                    if !is_exchange(recorded) {
                        events.push(read_event(recorded)?);
                    }
                    Ok(())
                })
                .await?;
            let Some(draft) = decide(&events) else {
                return Ok(*self.journal.store().head().borrow());
            };
            let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
            match self.journal.append(stream, expected, &[draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => return Ok(appended?.position),
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }
}

fn named(pointer: &str, name: &str) -> Result<(), RegistryError> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > NAME_CHARACTERS_MAX || name.chars().any(char::is_control)
    {
        return Err(RegistryError::invalid(
            pointer,
            format!("a name has 1 to {NAME_CHARACTERS_MAX} printable characters"),
        ));
    }
    Ok(())
}

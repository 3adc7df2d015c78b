//! Forgetting a person, and showing what is held of one.
//!
//! To forget somebody is to destroy the key that their data are sealed under. What is their own is
//! then unreadable wherever it lies: in the log, in read models, in every copy of them. Texts of
//! others that name them (a station's report, a reason that somebody typed) are found in the log
//! and forgotten one by one. The facts of what they charged stay, without a name.
//!
//! This room knows keys and sealed texts; which words a protocol has for anything it does not.

mod export;
mod register;
mod scan;
mod words;
mod work;

pub use export::{EXPORT_BYTES_MAX, ExportError, Exported, ExportedEvent, SubjectExport};
pub use register::Erasure;
pub(crate) use work::run;

use crate::Chargebook;
use crate::journal::{Draft, Journal, JournalError};
use crate::registry::RegistryError;
use chargebook_domain::events::v1::ErasureRequested;
use chargebook_domain::ids::{DriverId, ErasureId, SessionId, StationIdentity, SubjectId, TokenId};
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// Further words of one wish.
const WORDS_MAX: usize = 16;
/// Longest of them, in characters.
const WORD_CHARACTERS_MAX: usize = 200;

/// Who is meant.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A driver, with all their tokens.
    Driver(DriverId),
    /// A token by its uid, also one that is not registered.
    Token(&'a str),
}

/// How somebody is to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct ErasureWish {
    /// Why, in a word that is nobody's name.
    pub reason: String,
    /// What else they are called by in texts of others: a contract id, a telephone number.
    pub words: Vec<String>,
    /// Also where the driver's account is not even: nobody can be asked for the rest afterwards,
    /// nor be given it back.
    pub even_if_unsettled: bool,
}

/// What a wish waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Sessions of theirs that go on, are not billed yet or wait for a review.
    pub sessions: BTreeSet<SessionId>,
    /// Stations that are to take a token of theirs off their lists.
    pub stations: BTreeSet<StationIdentity>,
}

impl Waits {
    fn is_nothing(&self) -> bool {
        self.sessions.is_empty() && self.stations.is_empty()
    }
}

/// The wishes of this process.
pub(crate) struct Erasures {
    wake: Notify,
    /// What each open wish waits for; told whenever it was looked at.
    progress: watch::Sender<BTreeMap<ErasureId, Waits>>,
    /// Held while a wish is looked for and written: each person is forgotten once.
    requesting: Mutex<()>,
}

impl Default for Erasures {
    fn default() -> Self {
        let progress = watch::Sender::new(BTreeMap::new());
        Self { wake: Notify::new(), progress, requesting: Mutex::default() }
    }
}

impl Erasures {
    fn tell(&self, id: ErasureId, waits: Waits) {
        self.progress.send_modify(|progress| {
            match waits.is_nothing() {
                true => progress.remove(&id),
                false => progress.insert(id, waits),
            };
        });
    }

    async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// Who a wish is about, as the log knows them.
struct Known {
    subject_id: SubjectId,
    driver_id: Option<DriverId>,
    token_id: Option<TokenId>,
    words: Vec<String>,
}

impl Chargebook {
    /// Has somebody forgotten: in the log when it returns, and done as soon as nothing has to be
    /// waited for. Whether it is new is said too; the same person is forgotten once.
    ///
    /// # Errors
    /// Nobody of that name, a driver's account that is not even, words that are none, or the log.
    pub async fn request_erasure(
        &self,
        subject: Subject<'_>,
        wish: &ErasureWish,
    ) -> Result<(Erasure, bool), RegistryError> {
        check(wish)?;
        let _alone = self.erasures().requesting.lock().await;
        let erasures = self.all_erasures().await?;
        let known_of = |id: SubjectId| {
            erasures.iter().rev().find(|erasure| erasure.requested.subject_id == id).cloned()
        };
        let known = match subject {
            Subject::Driver(driver_id) => self.known_driver(driver_id).await?,
            Subject::Token(uid) => {
                let (known, erased) = self.known_token(uid.trim()).await?;
                let Some(known) = known else {
                    let before = erased.and_then(known_of);
                    return before.map(|before| (before, false)).ok_or_else(nothing_held);
                };
                known
            }
        };
        if let Some(erasure) = known_of(known.subject_id) {
            return Ok((erasure, false));
        }
        if let (Some(driver_id), false) = (known.driver_id, wish.even_if_unsettled) {
            self.check_settled(driver_id).await?;
        }
        let mut words = Vec::new();
        for word in known.words.iter().chain(&wish.words) {
            words.push(self.personal().seal(known.subject_id, word.trim()).await?);
        }
        let erasure_id = ErasureId(self.journal().clock().fresh_id());
        let fact = ErasureRequested {
            erasure_id,
            subject_id: known.subject_id,
            driver_id: known.driver_id,
            token_id: known.token_id,
            reason: wish.reason.clone(),
            words,
        };
        // No token is registered for a driver who leaves.
        let mut leaving = self.registry().leaving().write().await;
        let draft = Draft::new(self.journal().fresh_id(), fact).by("operator");
        register::append(self.journal(), draft).await?;
        leaving.extend(known.driver_id);
        drop(leaving);
        self.erasures().wake.notify_one();
        let written = register::find(self.journal(), erasure_id).await?;
        written.map(|erasure| (erasure, true)).ok_or_else(nothing_held)
    }

    async fn known_driver(&self, driver_id: DriverId) -> Result<Known, RegistryError> {
        let driver = self.registry().driver_by_id(driver_id).await?;
        let driver = driver.ok_or_else(|| RegistryError::NotFound("no such driver".to_owned()))?;
        let mut words = vec![self.personal().open(&driver.name).await];
        if let Some(email) = &driver.email {
            words.push(self.personal().open(email).await);
        }
        words.retain(|word| word != HOLE_PLACEHOLDER);
        let subject_id = driver.subject_id;
        Ok(Known { subject_id, driver_id: Some(driver_id), token_id: None, words })
    }

    /// A token of which something is held, and whose it was when it was last forgotten.
    async fn known_token(
        &self,
        uid: &str,
    ) -> Result<(Option<Known>, Option<SubjectId>), RegistryError> {
        let (subject_id, erased) = self.personal().token_subjects(uid).await?;
        let registered = self.registry().token(uid).await?;
        let registered = registered.filter(|token| token.subject_id == subject_id);
        let is_held = registered.is_some() || self.personal().vault().has_key(subject_id.0).await?;
        let known = is_held.then(|| Known {
            subject_id,
            driver_id: None,
            token_id: registered.map(|token| token.token_id),
            words: vec![uid.to_owned()],
        });
        Ok((known, erased))
    }

    async fn check_settled(&self, driver_id: DriverId) -> Result<(), RegistryError> {
        let Some(driver) = self.registry().driver_by_id(driver_id).await? else { return Ok(()) };
        let owed = self.registry().owed(driver.account_id).await?;
        match owed.into_iter().find(|(_, minor)| *minor != 0) {
            None => Ok(()),
            Some((currency, minor)) => {
                let side = if minor > 0 { "owes" } else { "is owed" };
                let minor = minor.unsigned_abs();
                Err(RegistryError::Conflict(format!(
                    "the driver's account {side} {minor} minor units of {currency}: settle it \
                     first, or say `even_if_unsettled`"
                )))
            }
        }
    }

    /// Everybody who is, or was, to be forgotten, oldest first.
    ///
    /// # Errors
    /// The log.
    pub async fn all_erasures(&self) -> Result<Vec<Erasure>, JournalError> {
        register::read(self.journal()).await
    }

    /// One of them.
    ///
    /// # Errors
    /// The log.
    pub async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>, JournalError> {
        register::find(self.journal(), id).await
    }

    /// What a wish waits for, as it was last looked at.
    pub fn erasure_waits(&self, id: ErasureId) -> Waits {
        self.erasures().progress.borrow().get(&id).cloned().unwrap_or_default()
    }

    /// Waits until a wish is fulfilled, or waits for something itself, at most `patience`; then as
    /// [`Chargebook::erasure`].
    ///
    /// # Errors
    /// The log.
    pub async fn erasure_settled(
        &self,
        id: ErasureId,
        patience: Duration,
    ) -> Result<Option<Erasure>, JournalError> {
        let mut progress = self.erasures().progress.subscribe();
        let settled = async {
            loop {
                // Looked at before the log is: what is told while the log is read is told anew.
                let waits = progress.borrow_and_update().contains_key(&id);
                let known = self.erasure(id).await?;
                let is_done = known.as_ref().is_none_or(|known| known.completed_at.is_some());
                if is_done || waits {
                    return Ok(());
                }
                if progress.changed().await.is_err() {
                    return Ok::<(), JournalError>(());
                }
            }
        };
        // Running out of patience is an answer too: the resource says how far it is.
        if let Ok(outcome) = tokio::time::timeout(patience, settled).await {
            outcome?;
        }
        self.erasure(id).await
    }
}

/// The drivers who are to be forgotten, or are.
pub(crate) async fn leaving(journal: &Journal) -> Result<Vec<DriverId>, JournalError> {
    let erasures = register::read(journal).await?;
    Ok(erasures.iter().filter_map(|erasure| erasure.requested.driver_id).collect())
}

fn check(wish: &ErasureWish) -> Result<(), RegistryError> {
    if wish.words.len() > WORDS_MAX {
        return Err(RegistryError::invalid("/words", format!("at most {WORDS_MAX} words")));
    }
    let fits = |word: &String| (1..=WORD_CHARACTERS_MAX).contains(&word.trim().chars().count());
    match wish.words.iter().position(|word| !fits(word)) {
        None => Ok(()),
        Some(place) => Err(RegistryError::invalid(
            &format!("/words/{place}"),
            format!("a word has 1 to {WORD_CHARACTERS_MAX} characters"),
        )),
    }
}

fn nothing_held() -> RegistryError {
    RegistryError::NotFound("nothing is held of such a token".to_owned())
}

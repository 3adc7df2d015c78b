//! The key vault, `DATA/keys.db`: everything whose loss or destruction must not touch the log,
//! and which therefore lies apart from the log and its backups. A key for each subject, so
//! that a person is forgotten by destroying one; the secret of keyed hashes; the key that signs
//! the log's checkpoints, and the log's name; and what a certificate authority signs with.
//!
//! What an outsider may trust: after [`KeyVault::erase`] returns, the files of the vault do not
//! hold the subject's key any more. What it does not promise: that the disk underneath, its
//! snapshots, or somebody's copy of the file have forgotten it.

mod backup;
mod seal;
mod table;
mod texts;

pub use seal::{Opened, Sealed};
pub(crate) use table::VAULT_FILE;
pub use texts::ErasedText;

use crate::file::OpenError;
use crate::lru::Lru;
use chargebook_proof::checkpoint::{Origin, SigningKey, VerifierKey};
use hmac::{Hmac, Mac};
use seal::SubjectKey;
use sha2::Sha256;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Subjects whose keys are kept in memory; the others are loaded again when they are needed.
const CACHED_SUBJECTS_MAX: usize = 100_000;

/// Why the vault refuses or fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The subject was erased; nothing more is sealed for it.
    #[error("the subject was erased")]
    Erased,
    /// The key is not in memory: [`KeyVault::ensure_subjects`] comes first.
    #[error("the key of subject {0} was not ensured")]
    NotEnsured(Uuid),
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The name of the log is none.
    #[error("the vault's name of the log is damaged")]
    Origin,
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
    /// The file cannot be read or written.
    #[error("the key vault failed: {0}")]
    Engine(String),
    /// The key is deleted, but a reader kept its traces in the file alive: erase again.
    #[error("the key is deleted, but its traces are still in the vault's files: erase again")]
    EraseIncomplete,
}

/// Why a hole does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// The subject was erased, or this text.
    #[error("the subject or the text was erased")]
    Erased,
    /// The vault has never had a key of this subject, or was lost.
    #[error("no key of this subject is known")]
    Unknown,
    /// The ciphertext is not what was sealed under this key, subject and commitment.
    #[error("the sealed text is damaged")]
    Damaged,
    /// The vault could not be read.
    #[error("the key vault failed: {0}")]
    Unavailable(String),
}

/// What the vault knows of a subject.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubjectState {
    Key(SubjectKey),
    Erased,
}

/// The key vault. Shared by reference; one connection underneath.
pub struct KeyVault {
    /// Keyed with the secret already.
    hash: Hmac<Sha256>,
    signing_key: SigningKey,
    is_new: bool,
    cache: Mutex<Lru<Uuid, SubjectState>>,
    /// Subjects that somebody waits for: whoever gets the connection next makes the keys of all
    /// of them with one fsync.
    wanted: Mutex<HashSet<Uuid>>,
    connection: tokio::sync::Mutex<SqliteConnection>,
}

impl KeyVault {
    /// Whether a data folder has no vault. Where its log has events, they were lost.
    pub fn is_missing(folder: &Path) -> bool {
        !folder.join(VAULT_FILE).exists()
    }

    /// Opens the vault of a data folder, or makes a new one: a lost vault never keeps the log
    /// from opening. Whether an operator means it so is for the caller to ask
    /// ([`KeyVault::is_missing`]).
    pub async fn open(folder: &Path) -> Result<Self, VaultError> {
        Self::open_named(folder, None).await
    }

    /// As [`KeyVault::open`]; a new vault gives the log this name instead of a random one.
    pub async fn open_named(folder: &Path, origin: Option<Origin>) -> Result<Self, VaultError> {
        let (mut connection, is_new) = table::open(folder).await?;
        if is_new {
            table::make_secrets(&mut connection, origin).await?;
        }
        Self::load(connection, is_new).await
    }

    /// Opens the vault of a data folder beside the process that writes to it; makes nothing.
    pub async fn open_read_only(folder: &Path) -> Result<Self, VaultError> {
        let connection = table::open_read_only(folder).await?;
        Self::load(connection, false).await
    }

    /// A vault that is gone with the process, for tests and tools.
    pub async fn in_memory() -> Result<Self, VaultError> {
        let mut connection = table::open_in_memory().await?;
        table::make_secrets(&mut connection, None).await?;
        Self::load(connection, true).await
    }

    async fn load(mut connection: SqliteConnection, is_new: bool) -> Result<Self, VaultError> {
        let secrets = table::load_secrets(&mut connection).await?;
        let signing_key = SigningKey::from_seed(secrets.origin, &secrets.signing_seed);
        Ok(Self {
            hash: secrets.hash,
            signing_key,
            is_new,
            cache: Mutex::new(Lru::new(CACHED_SUBJECTS_MAX)),
            wanted: Mutex::default(),
            connection: tokio::sync::Mutex::new(connection),
        })
    }

    /// True if this process has just made the vault.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The key that signs the log's checkpoints.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// The public key of the log, with its name.
    pub fn verifier_key(&self) -> VerifierKey {
        self.signing_key.verifier_key()
    }

    /// The key of the operator's certificate authority and its certificate, in PEM, where they
    /// were ever made.
    pub async fn authority(&self) -> Result<Option<String>, VaultError> {
        let mut connection = self.connection.lock().await;
        table::authority(&mut connection, table::STATION_AUTHORITY).await
    }

    /// The key of the authority that signs what vehicles are shown, and its certificates, in PEM,
    /// where an operator has brought them.
    pub async fn v2g_authority(&self) -> Result<Option<String>, VaultError> {
        let mut connection = self.connection.lock().await;
        table::authority(&mut connection, table::V2G_AUTHORITY).await
    }

    /// Keeps others instead; `None`: none. On disk (fsync) when it returns.
    pub async fn replace_v2g_authority(&self, pem: Option<&str>) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        table::replace_v2g_authority(&mut connection, pem).await
    }

    /// Keeps these for ever, unless there are some: then those. On disk (fsync) when it returns.
    pub async fn keep_authority(&self, pem: &str) -> Result<String, VaultError> {
        let mut connection = self.connection.lock().await;
        table::keep_authority(&mut connection, pem).await?;
        let kept = table::authority(&mut connection, table::STATION_AUTHORITY).await?;
        kept.ok_or_else(|| VaultError::Engine("the authority was not kept".to_owned()))
    }

    /// HMAC-SHA256 under the vault's secret. Purposes and parts cannot run into each other:
    /// each is preceded by its length.
    pub fn keyed_hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.hash.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Makes the missing keys and returns once they are on disk (fsync); calls at the same time
    /// share the fsync. Erased subjects get none.
    pub async fn ensure_subjects(&self, subjects: &[Uuid]) -> Result<(), VaultError> {
        let missing = self.missing(subjects);
        if missing.is_empty() {
            return Ok(());
        }
        lock(&self.wanted).extend(&missing);
        let mut connection = self.connection.lock().await;
        if self.missing(&missing).is_empty() {
            return Ok(());
        }
        let mut wanted = std::mem::take(&mut *lock(&self.wanted));
        wanted.extend(missing);
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let states = table::ensure(&mut connection, &wanted).await?;
        let mut cache = lock(&self.cache);
        for (subject, state) in wanted.into_iter().zip(states) {
            cache.put(subject, state);
        }
        Ok(())
    }

    /// Seals a text for a subject whose key was ensured before.
    pub fn seal(&self, subject: Uuid, plaintext: &str) -> Result<Sealed, VaultError> {
        let state = lock(&self.cache).get(&subject);
        match state {
            Some(SubjectState::Key(key)) => seal::seal(&key, subject, plaintext)
                .ok_or_else(|| VaultError::Engine("the text cannot be encrypted".to_owned())),
            Some(SubjectState::Erased) => Err(VaultError::Erased),
            None => Err(VaultError::NotEnsured(subject)),
        }
    }

    /// Opens a hole; loads the key if it is not in memory.
    pub async fn unseal(
        &self,
        subject: Uuid,
        ciphertext: &str,
        commitment: &str,
    ) -> Result<Opened, Unsealable> {
        let state = self.state(subject).await;
        match state.map_err(|error| Unsealable::Unavailable(error.to_string()))? {
            Some(SubjectState::Key(key)) => {
                match seal::open(&key, subject, ciphertext, commitment) {
                    Some(opened) => Ok(opened),
                    None => self.unseal_older(subject, ciphertext, commitment).await,
                }
            }
            Some(SubjectState::Erased) => Err(Unsealable::Erased),
            None => Err(Unsealable::Unknown),
        }
    }

    /// Whether the subject was erased.
    pub async fn is_erased(&self, subject: Uuid) -> Result<bool, VaultError> {
        Ok(self.state(subject).await? == Some(SubjectState::Erased))
    }

    /// Whether the vault has a key of the subject: whether anything may be sealed for it.
    pub async fn has_key(&self, subject: Uuid) -> Result<bool, VaultError> {
        Ok(matches!(self.state(subject).await?, Some(SubjectState::Key(_))))
    }

    /// Destroys the subject's key, for ever, and returns once no file of the vault holds it any
    /// more. A subject that never had a key is remembered as erased all the same.
    pub async fn erase(&self, subject: Uuid) -> Result<(), VaultError> {
        self.erase_all(&[subject]).await
    }

    /// The same for several, all or none.
    pub async fn erase_all(&self, subjects: &[Uuid]) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        table::erase(&mut connection, subjects).await?;
        for subject in subjects {
            lock(&self.cache).put(*subject, SubjectState::Erased);
        }
        table::scrub(&mut connection).await
    }

    /// Closes the file. Dropping the vault does the same, later.
    pub async fn close(self) -> Result<(), VaultError> {
        self.connection.into_inner().close().await.map_err(table::engine)
    }

    fn missing(&self, subjects: &[Uuid]) -> Vec<Uuid> {
        let mut cache = lock(&self.cache);
        subjects.iter().copied().filter(|subject| cache.get(subject).is_none()).collect()
    }

    async fn state(&self, subject: Uuid) -> Result<Option<SubjectState>, VaultError> {
        let cached = lock(&self.cache).get(&subject);
        if cached.is_some() {
            return Ok(cached);
        }
        // The cache is filled only under the connection's lock, so that no key that is being
        // erased comes back.
        let mut connection = self.connection.lock().await;
        let state = table::load(&mut connection, subject).await?;
        if let Some(state) = state {
            lock(&self.cache).put(subject, state);
        }
        Ok(state)
    }
}

impl std::fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyVault({:?})", self.signing_key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

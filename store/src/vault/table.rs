//! What lies in `keys.db`.

use super::seal::{KEY_BYTES, SubjectKey};
use super::{SubjectState, VaultError};
use crate::file::{self, FileKind, OpenError, Probe};
use chargebook_proof::checkpoint::Origin;
use hmac::{Hmac, KeyInit};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row};
use std::path::Path;
use uuid::Uuid;

/// Name of the vault in the data folder.
pub(crate) const VAULT_FILE: &str = "keys.db";
/// Host part of the name that a log gets if it is given none.
const DEFAULT_ORIGIN_HOST: &str = "chargebook.local";
/// Length of the secret of keyed hashes, in bytes.
const HASH_SECRET_BYTES: usize = 32;
/// How often the scrubbing after an erasure waits for readers, each time as long as a
/// connection waits for a lock.
const SCRUB_ATTEMPTS_MAX: usize = 3;

/// The vault; its application id is `CBKY`.
const VAULT: FileKind = FileKind {
    what: "key vault",
    application_id: 0x4342_4b59,
    schema_version: 2,
    oldest_schema_version: 1,
    schema: "
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subject_key (
    subject BLOB PRIMARY KEY,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE erased_subject (
    subject BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE retired_key (
    subject BLOB PRIMARY KEY,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE kept_text (
    subject BLOB NOT NULL,
    name BLOB NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE erased_text (
    commitment TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
",
};

/// What a file of the first version has not: the keys of single texts.
const FROM_VERSION_1: &str = "
CREATE TABLE IF NOT EXISTS retired_key (
    subject BLOB PRIMARY KEY,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_text (
    subject BLOB NOT NULL,
    name BLOB NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased_text (
    commitment TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
";

/// The secrets of a vault, made once.
pub(super) struct Secrets {
    /// Keyed with the secret of keyed hashes.
    pub(super) hash: Hmac<Sha256>,
    pub(super) signing_seed: [u8; 32],
    pub(super) origin: Origin,
}

/// Opens or creates the file; true if it has no secrets yet.
pub(super) async fn open(folder: &Path) -> Result<(SqliteConnection, bool), VaultError> {
    let path = folder.join(VAULT_FILE);
    std::fs::create_dir_all(folder).map_err(|error| file::io_error(folder, &error))?;
    let engine_error = |error: sqlx::Error| VAULT.open_error(&path, &error);
    let probe = VAULT.probe(&path).await?;
    if probe == Probe::Vacant {
        file::make_whole(&path, async |unfinished| {
            create_private(unfinished).map_err(|error| file::io_error(unfinished, &error))?;
            create(unfinished).await.map_err(engine_error)
        })
        .await?;
    }
    let mut connection = options().filename(&path).connect().await.map_err(engine_error)?;
    if probe == (Probe::Present { schema_version: 1 }) {
        let mut transaction = connection.begin().await.map_err(engine_error)?;
        let upgrade = sqlx::raw_sql(FROM_VERSION_1).execute(&mut *transaction).await;
        upgrade.map_err(engine_error)?;
        transaction.commit().await.map_err(engine_error)?;
    }
    // A vault whose making was interrupted has its tables, and no secrets yet.
    let count = sqlx::query("SELECT count(*) FROM secret").fetch_one(&mut connection).await;
    let secrets: i64 = count.and_then(|row| row.try_get(0)).map_err(engine_error)?;
    Ok((connection, secrets == 0))
}

async fn create(path: &Path) -> Result<(), sqlx::Error> {
    let mut connection = options().filename(path).connect().await?;
    VAULT.create(&mut connection).await?;
    connection.close().await
}

/// Opens the file for reading, beside whoever writes to it.
pub(super) async fn open_read_only(folder: &Path) -> Result<SqliteConnection, VaultError> {
    let path = folder.join(VAULT_FILE);
    if VAULT.probe(&path).await? == Probe::Vacant {
        return Err(OpenError::Missing { what: VAULT.what, path }.into());
    }
    let connection = file::reading(&path).connect().await;
    Ok(connection.map_err(|error| VAULT.open_error(&path, &error))?)
}

/// A vault without a file.
pub(super) async fn open_in_memory() -> Result<SqliteConnection, VaultError> {
    let mut connection = options().in_memory(true).connect().await.map_err(engine)?;
    VAULT.create(&mut connection).await.map_err(engine)?;
    Ok(connection)
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(file::BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // What is deleted is overwritten with zeros, and no copy goes to a temporary file.
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .thread_name(|id| format!("key-vault-{id}"))
        .disable_statement_logging()
}

/// The file is its owner's alone from its first byte on; SQLite gives its companions the same
/// mode.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Draws the secrets of a new vault.
pub(super) async fn make_secrets(
    connection: &mut SqliteConnection,
    origin: Option<Origin>,
) -> Result<(), VaultError> {
    let hash_secret: [u8; HASH_SECRET_BYTES] = random()?;
    let signing_seed: [u8; 32] = random()?;
    let origin = match origin {
        Some(origin) => origin.as_str().to_owned(),
        None => format!("{DEFAULT_ORIGIN_HOST}/{}", hex::encode(random::<4>()?)),
    };
    let mut transaction = connection.begin().await.map_err(engine)?;
    let secrets =
        [("hash", &hash_secret[..]), ("signing", &signing_seed[..]), ("origin", origin.as_bytes())];
    for (name, value) in secrets {
        let insert = sqlx::query("INSERT INTO secret (name, value) VALUES (?, ?)");
        insert.bind(name).bind(value).execute(&mut *transaction).await.map_err(engine)?;
    }
    transaction.commit().await.map_err(engine)
}

/// Reads the secrets.
pub(super) async fn load_secrets(connection: &mut SqliteConnection) -> Result<Secrets, VaultError> {
    let mut secret = async |name: &'static str| -> Result<Vec<u8>, VaultError> {
        let query = sqlx::query("SELECT value FROM secret WHERE name = ?").bind(name);
        let row = query.fetch_one(&mut *connection).await.map_err(engine)?;
        row.try_get(0).map_err(engine)
    };
    let hash = Hmac::new_from_slice(&secret("hash").await?)
        .map_err(|_| VaultError::Engine("the secret of hashes is no key".to_owned()))?;
    let signing_seed = fixed(&secret("signing").await?)?;
    let origin = String::from_utf8(secret("origin").await?).map_err(|_| VaultError::Origin)?;
    let origin = Origin::new(origin).map_err(|_| VaultError::Origin)?;
    Ok(Secrets { hash, signing_seed, origin })
}

/// The row of the certificate authority; the other secrets are there from the beginning.
pub(super) const STATION_AUTHORITY: &str = "station-authority";
/// The row of the authority for what vehicles are shown.
pub(super) const V2G_AUTHORITY: &str = "v2g-authority";

/// The key and the certificates of a certificate authority.
pub(super) async fn authority(
    connection: &mut SqliteConnection,
    row: &str,
) -> Result<Option<String>, VaultError> {
    let query = sqlx::query("SELECT value FROM secret WHERE name = ?").bind(row);
    let Some(row) = query.fetch_optional(connection).await.map_err(engine)? else {
        return Ok(None);
    };
    let value: Vec<u8> = row.try_get(0).map_err(engine)?;
    let pem = String::from_utf8(value);
    pem.map(Some).map_err(|_| VaultError::Engine("the authority is no text".to_owned()))
}

/// Keeps them, unless there are some.
pub(super) async fn keep_authority(
    connection: &mut SqliteConnection,
    pem: &str,
) -> Result<(), VaultError> {
    let insert = "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING";
    let insert = sqlx::query(insert).bind(STATION_AUTHORITY).bind(pem.as_bytes());
    insert.execute(connection).await.map_err(engine)?;
    Ok(())
}

/// Puts others in their place; `None`: there are none.
pub(super) async fn replace_v2g_authority(
    connection: &mut SqliteConnection,
    pem: Option<&str>,
) -> Result<(), VaultError> {
    let change = match pem {
        Some(pem) => {
            let put = "INSERT INTO secret (name, value) VALUES (?, ?) \
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            sqlx::query(put).bind(V2G_AUTHORITY).bind(pem.as_bytes())
        }
        None => sqlx::query("DELETE FROM secret WHERE name = ?").bind(V2G_AUTHORITY),
    };
    change.execute(connection).await.map_err(engine)?;
    Ok(())
}

/// Makes the missing keys of the subjects in one transaction and answers what each one is.
pub(super) async fn ensure(
    connection: &mut SqliteConnection,
    subjects: &[Uuid],
) -> Result<Vec<SubjectState>, VaultError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
    let mut states = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let state = match load(&mut transaction, *subject).await? {
            Some(state) => state,
            None => {
                let key: SubjectKey = random()?;
                let insert = sqlx::query("INSERT INTO subject_key (subject, key) VALUES (?, ?)");
                let insert = insert.bind(&subject.as_bytes()[..]).bind(&key[..]);
                insert.execute(&mut *transaction).await.map_err(engine)?;
                SubjectState::Key(key)
            }
        };
        states.push(state);
    }
    transaction.commit().await.map_err(engine)?;
    Ok(states)
}

/// What is known of a subject.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    subject: Uuid,
) -> Result<Option<SubjectState>, VaultError> {
    const SQL: &str = "SELECT k.key, e.subject FROM (SELECT ? AS subject) s \
                       LEFT JOIN subject_key k ON k.subject = s.subject \
                       LEFT JOIN erased_subject e ON e.subject = s.subject";
    let query = sqlx::query(SQL).bind(&subject.as_bytes()[..]);
    let row: SqliteRow = query.fetch_one(connection).await.map_err(engine)?;
    let key: Option<&[u8]> = row.try_get(0).map_err(engine)?;
    let erased: Option<&[u8]> = row.try_get(1).map_err(engine)?;
    match (key, erased) {
        (_, Some(_)) => Ok(Some(SubjectState::Erased)),
        (Some(key), None) => Ok(Some(SubjectState::Key(fixed::<KEY_BYTES>(key)?))),
        (None, None) => Ok(None),
    }
}

/// Overwrites and deletes the keys, and remembers that they are gone: all or none.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    subjects: &[Uuid],
) -> Result<(), VaultError> {
    const STATEMENTS: [&str; 5] = [
        "UPDATE subject_key SET key = zeroblob(32) WHERE subject = ?",
        "DELETE FROM subject_key WHERE subject = ?",
        "DELETE FROM retired_key WHERE subject = ?",
        "DELETE FROM kept_text WHERE subject = ?",
        "INSERT INTO erased_subject (subject) VALUES (?) ON CONFLICT DO NOTHING",
    ];
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
    for subject in subjects {
        for sql in STATEMENTS {
            let statement = sqlx::query(sql).bind(&subject.as_bytes()[..]);
            statement.execute(&mut *transaction).await.map_err(engine)?;
        }
    }
    transaction.commit().await.map_err(engine)
}

/// Removes every trace of deleted rows from the files. Overwriting the row is not enough: pages
/// that were split or moved may keep copies in their unused parts, and the write-ahead log
/// holds pages as they were. So the database is rebuilt, and the write-ahead log emptied.
pub(super) async fn scrub(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    sqlx::query("VACUUM").execute(&mut *connection).await.map_err(engine)?;
    for _ in 0..SCRUB_ATTEMPTS_MAX {
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
        let row = checkpoint.fetch_one(&mut *connection).await.map_err(engine)?;
        let busy: i64 = row.try_get(0).map_err(engine)?;
        if busy == 0 {
            return Ok(());
        }
    }
    Err(VaultError::EraseIncomplete)
}

pub(super) fn engine(error: sqlx::Error) -> VaultError {
    VaultError::Engine(error.to_string())
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| VaultError::Random(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], VaultError> {
    let damaged = |_| VaultError::Engine(format!("a secret is not {N} bytes long"));
    bytes.try_into().map_err(damaged)
}

//! Forgetting single texts of a subject that stays: a name in what a station says is not the
//! station's. Each text has a key of its own, derived from its subject's (`seal::TextKey`). So the
//! subject gets another key for all that comes, the derived keys of the texts that stay are kept,
//! and the key that they came from is destroyed: what is not kept opens no more, and no sealed
//! text has to change.

use super::seal::{self, Opened, SubjectKey, TextKey};
use super::table::{engine, fixed, load, random, scrub};
use super::{KeyVault, SubjectState, Unsealable, VaultError, lock};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

impl KeyVault {
    /// Gives each of the subjects another key for all that is sealed from here on. The one before
    /// opens what it sealed until [`KeyVault::forget_texts`]. A subject that has such a key
    /// already, is erased or never had one stays as it is. On disk (fsync) when it returns.
    pub async fn retire_keys(&self, subjects: &[Uuid]) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
        let mut fresh = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let state = load(&mut transaction, *subject).await?;
            let is_due = retired_key(&mut transaction, *subject).await?.is_none();
            let Some(SubjectState::Key(retired)) = state.filter(|_| is_due) else { continue };
            let key: SubjectKey = random()?;
            let statements = [
                ("INSERT INTO retired_key (key, subject) VALUES (?, ?)", retired),
                ("UPDATE subject_key SET key = ? WHERE subject = ?", key),
            ];
            for (sql, key) in statements {
                let statement = sqlx::query(sql).bind(key.to_vec()).bind(&subject.as_bytes()[..]);
                statement.execute(&mut *transaction).await.map_err(engine)?;
            }
            fresh.push((*subject, SubjectState::Key(key)));
        }
        transaction.commit().await.map_err(engine)?;
        let mut cache = lock(&self.cache);
        fresh.into_iter().for_each(|(subject, state)| cache.put(subject, state));
        Ok(())
    }

    /// Keeps what opens each of these texts, of those that were sealed under a retired key: the
    /// subject, the ciphertext and the commitment of each. On disk (fsync) when it returns.
    pub async fn keep_texts(&self, texts: &[(Uuid, &str, &str)]) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
        for (subject, ciphertext, commitment) in texts {
            let Some(retired) = retired_key(&mut transaction, *subject).await? else { continue };
            let key = seal::text_key(&retired, ciphertext);
            let (Some(key), Some(name)) = (key, seal::text_name(ciphertext)) else { continue };
            if seal::open_one(&key, *subject, ciphertext, commitment).is_none() {
                continue;
            }
            let insert = "INSERT INTO kept_text (subject, name, key) VALUES (?, ?, ?) \
                          ON CONFLICT DO NOTHING";
            let insert = sqlx::query(insert).bind(&subject.as_bytes()[..]);
            let insert = insert.bind(name.to_vec()).bind(key.0.to_vec());
            insert.execute(&mut *transaction).await.map_err(engine)?;
        }
        transaction.commit().await.map_err(engine)
    }

    /// Destroys the retired keys of the subjects, for ever, and what is kept of the texts of these
    /// commitments; returns once no file of the vault holds them any more. Of what the retired
    /// keys sealed, only the texts that were kept before open from here on.
    pub async fn forget_texts(
        &self,
        subjects: &[Uuid],
        texts: &[ErasedText<'_>],
    ) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
        for subject in subjects {
            let delete = sqlx::query("DELETE FROM retired_key WHERE subject = ?");
            let delete = delete.bind(&subject.as_bytes()[..]);
            delete.execute(&mut *transaction).await.map_err(engine)?;
        }
        for text in texts {
            if let Some(name) = text.ciphertext.and_then(seal::text_name) {
                let delete = sqlx::query("DELETE FROM kept_text WHERE subject = ? AND name = ?");
                let delete = delete.bind(&text.subject.as_bytes()[..]).bind(name.to_vec());
                delete.execute(&mut *transaction).await.map_err(engine)?;
            }
            let insert = "INSERT INTO erased_text (commitment) VALUES (?) ON CONFLICT DO NOTHING";
            let insert = sqlx::query(insert).bind(text.commitment);
            insert.execute(&mut *transaction).await.map_err(engine)?;
        }
        transaction.commit().await.map_err(engine)?;
        scrub(&mut connection).await
    }

    /// Whether a text was forgotten by this vault.
    pub async fn is_text_erased(&self, commitment: &str) -> Result<bool, VaultError> {
        let mut connection = self.connection.lock().await;
        is_text_erased(&mut connection, commitment).await
    }

    /// Opens what its subject's present key does not.
    pub(super) async fn unseal_older(
        &self,
        subject: Uuid,
        ciphertext: &str,
        commitment: &str,
    ) -> Result<Opened, Unsealable> {
        let unavailable = |error: VaultError| Unsealable::Unavailable(error.to_string());
        let mut connection = self.connection.lock().await;
        let retired = retired_key(&mut connection, subject).await.map_err(unavailable)?;
        let opened = retired.and_then(|key| seal::open(&key, subject, ciphertext, commitment));
        if let Some(opened) = opened {
            return Ok(opened);
        }
        let kept = kept_key(&mut connection, subject, ciphertext).await.map_err(unavailable)?;
        let opened = kept.and_then(|key| seal::open_one(&key, subject, ciphertext, commitment));
        if let Some(opened) = opened {
            return Ok(opened);
        }
        match is_text_erased(&mut connection, commitment).await.map_err(unavailable)? {
            true => Err(Unsealable::Erased),
            false => Err(Unsealable::Damaged),
        }
    }
}

/// A text to be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct ErasedText<'a> {
    /// Whose key sealed it.
    pub subject: Uuid,
    /// Its commitment.
    pub commitment: &'a str,
    /// The sealed text, where it may have been kept by an erasure before.
    pub ciphertext: Option<&'a str>,
}

async fn retired_key(
    connection: &mut SqliteConnection,
    subject: Uuid,
) -> Result<Option<SubjectKey>, VaultError> {
    let query = sqlx::query("SELECT key FROM retired_key WHERE subject = ?");
    let row = query.bind(&subject.as_bytes()[..]).fetch_optional(connection).await;
    row.map_err(engine)?.map(|row| key_of(&row)).transpose()
}

async fn kept_key(
    connection: &mut SqliteConnection,
    subject: Uuid,
    ciphertext: &str,
) -> Result<Option<TextKey>, VaultError> {
    let Some(name) = seal::text_name(ciphertext) else { return Ok(None) };
    let query = sqlx::query("SELECT key FROM kept_text WHERE subject = ? AND name = ?");
    let query = query.bind(&subject.as_bytes()[..]).bind(name.to_vec());
    let row = query.fetch_optional(connection).await.map_err(engine)?;
    row.map(|row| key_of(&row).map(TextKey)).transpose()
}

async fn is_text_erased(
    connection: &mut SqliteConnection,
    commitment: &str,
) -> Result<bool, VaultError> {
    let query = sqlx::query("SELECT 1 FROM erased_text WHERE commitment = ?").bind(commitment);
    Ok(query.fetch_optional(connection).await.map_err(engine)?.is_some())
}

fn key_of(row: &SqliteRow) -> Result<SubjectKey, VaultError> {
    let key: &[u8] = row.try_get(0).map_err(engine)?;
    fixed(key)
}

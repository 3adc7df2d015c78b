//! The key vault through its public doors: durable, forgetful on demand, and private.

use chargebook_proof::checkpoint::Origin;
use chargebook_store::OpenError;
use chargebook_store::vault::{ErasedText, KeyVault, Sealed, Unsealable, VaultError};
use futures::future::join_all;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

const PLAINTEXT: &str = "04A1B2C3D4E5F6";

async fn open(folder: &TempDir) -> KeyVault {
    KeyVault::open(folder.path()).await.expect("the vault opens")
}

/// Every byte of every file of the vault.
fn vault_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keys.db")) {
            bytes.extend(std::fs::read(path).expect("readable"));
        }
    }
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The subject's key as it lies in the file, read with plain SQLite.
async fn stored_key(folder: &Path, subject: Uuid) -> Vec<u8> {
    use sqlx::{Connection, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("keys.db"));
    let mut connection =
        sqlx::SqliteConnection::connect_with(&options.read_only(true)).await.expect("opens");
    let query = sqlx::query("SELECT key FROM subject_key WHERE subject = ?");
    let row = query.bind(&subject.as_bytes()[..]).fetch_one(&mut connection).await.expect("there");
    row.get(0)
}

#[tokio::test]
async fn what_is_sealed_opens_after_a_restart_until_its_subject_is_erased() {
    let folder = TempDir::new().expect("a folder");
    let subject = Uuid::new_v4();
    let vault = open(&folder).await;
    assert_eq!(vault.seal(subject, PLAINTEXT), Err(VaultError::NotEnsured(subject)));
    vault.ensure_subjects(&[subject]).await.expect("durable");
    let sealed = vault.seal(subject, PLAINTEXT).expect("ensured");
    drop(vault);

    let vault = open(&folder).await;
    assert!(!vault.is_new());
    let opened = vault.unseal(subject, &sealed.ciphertext, &sealed.commitment).await;
    assert_eq!(opened.expect("the key is there").plaintext, PLAINTEXT);
    let other = vault.unseal(Uuid::new_v4(), &sealed.ciphertext, &sealed.commitment).await;
    assert_eq!(other, Err(Unsealable::Unknown));
    let damaged = vault.unseal(subject, "AAAA", &sealed.commitment).await;
    assert_eq!(damaged, Err(Unsealable::Damaged));
    assert_eq!(vault.is_erased(subject).await, Ok(false));

    vault.erase(subject).await.expect("erased");
    vault.erase(subject).await.expect("twice is once");
    for vault in [vault, open(&folder).await] {
        let gone = vault.unseal(subject, &sealed.ciphertext, &sealed.commitment).await;
        assert_eq!(gone, Err(Unsealable::Erased));
        vault.ensure_subjects(&[subject]).await.expect("nothing to do");
        assert_eq!(vault.seal(subject, PLAINTEXT), Err(VaultError::Erased));
        assert_eq!(vault.is_erased(subject).await, Ok(true));
    }
}

#[tokio::test]
async fn an_erased_key_is_in_no_file_of_the_vault() {
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    // Random ids split and move pages; single inserts leave many versions of a page behind.
    let subjects: Vec<Uuid> = (0..3000).map(|_| Uuid::new_v4()).collect();
    vault.ensure_subjects(&subjects).await.expect("durable");
    for _ in 0..50 {
        vault.ensure_subjects(&[Uuid::new_v4()]).await.expect("durable");
    }
    let erased = &subjects[..5];
    let mut keys = Vec::new();
    for subject in erased {
        keys.push(stored_key(folder.path(), *subject).await);
    }
    let before = vault_bytes(folder.path());
    assert!(keys.iter().all(|key| contains(&before, key)), "the scan finds what is there");
    for (count, subject) in (1..).zip(erased) {
        vault.erase(*subject).await.expect("erased");
        let bytes = vault_bytes(folder.path());
        assert!(keys[..count].iter().all(|key| !contains(&bytes, key)), "a key is still there");
    }
    let kept = stored_key(folder.path(), subjects[10]).await;
    assert!(contains(&vault_bytes(folder.path()), &kept), "the others are untouched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subjects_ensured_at_the_same_time_get_one_key_each() {
    let folder = TempDir::new().expect("a folder");
    let vault = Arc::new(open(&folder).await);
    let subjects: Vec<Uuid> = (0..40).map(|_| Uuid::new_v4()).collect();
    let tasks = (0..64).map(|task| {
        let (vault, subjects) = (Arc::clone(&vault), subjects.clone());
        tokio::spawn(async move {
            let mine: Vec<Uuid> = (0..10).map(|n| subjects[(task * 7 + n) % 40]).collect();
            vault.ensure_subjects(&mine).await.expect("durable");
            let seal = |subject: &Uuid| (*subject, vault.seal(*subject, "text").expect("ensured"));
            mine.iter().map(seal).collect::<Vec<_>>()
        })
    });
    let sealed: Vec<_> = join_all(tasks).await.into_iter().flat_map(|t| t.expect("ran")).collect();
    drop(vault);
    let vault = open(&folder).await;
    for (subject, sealed) in sealed {
        let opened = vault.unseal(subject, &sealed.ciphertext, &sealed.commitment).await;
        assert_eq!(opened.expect("sealed under the stored key").plaintext, "text");
    }
}

#[tokio::test]
async fn keyed_hashes_are_stable_and_their_parts_do_not_run_together() {
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    let hash = vault.keyed_hash("token", &[b"ab", b"c"]);
    for (purpose, parts) in [
        ("token", vec![&b"a"[..], b"bc"]),
        ("token", vec![&b"abc"[..]]),
        ("token", vec![&b"ab"[..], b"c", b""]),
        ("tokena", vec![&b"b"[..], b"c"]),
        ("", vec![&b"token"[..], b"ab", b"c", b""]),
    ] {
        assert_ne!(vault.keyed_hash(purpose, &parts), hash, "{purpose} {parts:?}");
    }
    assert_eq!(open(&folder).await.keyed_hash("token", &[b"ab", b"c"]), hash);
    let other = KeyVault::in_memory().await.expect("made");
    assert_ne!(other.keyed_hash("token", &[b"ab", b"c"]), hash, "the secret is the vault's own");
}

#[tokio::test]
async fn the_logs_name_and_key_are_made_once() {
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    assert!(vault.is_new());
    let key = vault.verifier_key();
    let name = key.origin().as_str().strip_prefix("chargebook.local/").map(str::to_owned);
    let name = name.expect("the default host");
    assert!(name.len() == 8 && name.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    let origin = Origin::new("charging.example/log").expect("a name");
    let again = KeyVault::open_named(folder.path(), Some(origin.clone())).await.expect("opens");
    assert_eq!(again.verifier_key().to_bytes(), key.to_bytes(), "an old vault keeps its key");
    assert_eq!(again.verifier_key().origin(), key.origin(), "and its name");
    let reader = KeyVault::open_read_only(folder.path()).await.expect("opens beside it");
    assert_eq!(reader.verifier_key().to_bytes(), key.to_bytes());
    let refused = reader.ensure_subjects(&[Uuid::new_v4()]).await;
    assert!(matches!(refused, Err(VaultError::Engine(_))), "{refused:?}");

    let named = TempDir::new().expect("a folder");
    let vault = KeyVault::open_named(named.path(), Some(origin.clone())).await.expect("made");
    assert_eq!(vault.verifier_key().origin(), &origin);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_vault() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    vault.ensure_subjects(&[Uuid::new_v4()]).await.expect("durable");
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files > 0);
}

#[tokio::test]
async fn what_is_no_vault_is_refused_and_a_lost_one_is_made_anew() {
    let folder = TempDir::new().expect("a folder");
    let missing = KeyVault::open_read_only(folder.path()).await;
    assert!(matches!(missing, Err(VaultError::Open(OpenError::Missing { .. }))));
    std::fs::write(folder.path().join("keys.db"), "no database at all").expect("written");
    let refused = KeyVault::open(folder.path()).await;
    assert!(matches!(refused, Err(VaultError::Open(OpenError::Foreign { .. }))), "{refused:?}");
    std::fs::remove_file(folder.path().join("keys.db")).expect("removed");
    assert!(open(&folder).await.is_new());
}

#[tokio::test]
async fn the_first_authority_is_kept_for_ever() {
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    assert_eq!(vault.authority().await, Ok(None));
    for offered in ["first", "second"] {
        assert_eq!(vault.keep_authority(offered).await, Ok("first".to_owned()));
    }
    vault.close().await.expect("closed");
    assert_eq!(open(&folder).await.authority().await, Ok(Some("first".to_owned())));
}

async fn opens(vault: &KeyVault, subject: Uuid, sealed: &Sealed) -> Result<String, Unsealable> {
    let opened = vault.unseal(subject, &sealed.ciphertext, &sealed.commitment).await;
    opened.map(|opened| opened.plaintext)
}

/// A subject with three texts, of which the second is to be forgotten.
async fn with_texts(vault: &KeyVault, subject: Uuid) -> [Sealed; 3] {
    vault.ensure_subjects(&[subject]).await.expect("durable");
    ["first", "second", "third"].map(|text| vault.seal(subject, text).expect("ensured"))
}

/// Forgets the second: everything that an erasure does.
async fn forget_second(vault: &KeyVault, subject: Uuid, texts: &[Sealed; 3]) {
    vault.retire_keys(&[subject]).await.expect("durable");
    let kept = [&texts[0], &texts[2]];
    let kept = kept.map(|text| (subject, text.ciphertext.as_str(), text.commitment.as_str()));
    vault.keep_texts(&kept).await.expect("durable");
    vault.forget_texts(&[subject], &[erased(subject, &texts[1])]).await.expect("forgotten");
}

fn erased(subject: Uuid, text: &Sealed) -> ErasedText<'_> {
    ErasedText { subject, commitment: &text.commitment, ciphertext: Some(&text.ciphertext) }
}

#[tokio::test]
async fn one_text_is_forgotten_and_the_others_of_its_subject_stay() {
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    let subject = Uuid::new_v4();
    let texts = with_texts(&vault, subject).await;
    let key = stored_key(folder.path(), subject).await;
    forget_second(&vault, subject, &texts).await;
    let fourth = vault.seal(subject, "fourth").expect("the subject goes on");
    assert!(!contains(&vault_bytes(folder.path()), &key), "the key of the forgotten text is there");
    // The same again, as after a crash, takes nothing from what stays; also where it is broken off.
    for is_whole in [true, false] {
        vault.retire_keys(&[subject]).await.expect("durable");
        let kept = [&texts[0], &texts[2], &fourth];
        let kept = kept.map(|text| (subject, &*text.ciphertext, &*text.commitment));
        vault.keep_texts(&kept).await.expect("durable");
        if is_whole {
            let erased = [erased(subject, &texts[1])];
            vault.forget_texts(&[subject], &erased).await.expect("forgotten");
        }
    }
    for vault in [vault, open(&folder).await] {
        assert_eq!(opens(&vault, subject, &texts[0]).await.as_deref(), Ok("first"));
        assert_eq!(opens(&vault, subject, &texts[1]).await, Err(Unsealable::Erased));
        assert_eq!(opens(&vault, subject, &texts[2]).await.as_deref(), Ok("third"));
        assert_eq!(opens(&vault, subject, &fourth).await.as_deref(), Ok("fourth"));
        assert_eq!(vault.is_text_erased(&texts[1].commitment).await, Ok(true));
        assert_eq!(vault.is_text_erased(&texts[0].commitment).await, Ok(false));
    }
}

#[tokio::test]
async fn a_text_that_was_kept_once_is_forgotten_later() {
    let vault = KeyVault::in_memory().await.expect("made");
    let subject = Uuid::new_v4();
    let texts = with_texts(&vault, subject).await;
    forget_second(&vault, subject, &texts).await;
    vault.retire_keys(&[subject]).await.expect("durable");
    let forgotten = [erased(subject, &texts[0])];
    vault.forget_texts(&[subject], &forgotten).await.expect("forgotten");
    assert_eq!(opens(&vault, subject, &texts[0]).await, Err(Unsealable::Erased));
    assert_eq!(opens(&vault, subject, &texts[2]).await.as_deref(), Ok("third"));
    vault.erase(subject).await.expect("erased");
    assert_eq!(opens(&vault, subject, &texts[2]).await, Err(Unsealable::Erased));
}

#[tokio::test]
async fn a_backup_opens_what_the_vault_opens_and_no_older_one_is_left() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = TempDir::new().expect("a folder");
    let backup = elsewhere.path().join("keys.db");
    let vault = open(&folder).await;
    let subjects = [Uuid::new_v4(), Uuid::new_v4()];
    vault.ensure_subjects(&subjects).await.expect("durable");
    let sealed = subjects.map(|subject| vault.seal(subject, PLAINTEXT).expect("ensured"));
    let key = stored_key(folder.path(), subjects[0]).await;
    vault.back_up(&backup).await.expect("written");
    assert!(contains(&std::fs::read(&backup).expect("there"), &key));
    let before = elsewhere.path().join("before");
    std::fs::hard_link(&backup, &before).expect("linked");

    vault.erase(subjects[0]).await.expect("erased");
    vault.back_up(&backup).await.expect("written again");
    let bytes = std::fs::read(&before).expect("there");
    assert!(bytes.iter().all(|byte| *byte == 0), "the bytes of the one before are overwritten");
    let restored = open(&elsewhere).await;
    assert_eq!(restored.verifier_key().to_bytes(), vault.verifier_key().to_bytes());
    assert_eq!(opens(&restored, subjects[0], &sealed[0]).await, Err(Unsealable::Erased));
    assert_eq!(opens(&restored, subjects[1], &sealed[1]).await.as_deref(), Ok(PLAINTEXT));
}

#[tokio::test]
async fn a_vault_of_the_first_version_goes_on() {
    use sqlx::Connection;
    let folder = TempDir::new().expect("a folder");
    let vault = open(&folder).await;
    let subject = Uuid::new_v4();
    let texts = with_texts(&vault, subject).await;
    vault.close().await.expect("closed");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("keys.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("opens");
    let earlier = "DROP TABLE retired_key; DROP TABLE kept_text; DROP TABLE erased_text; \
                   PRAGMA user_version = 1;";
    sqlx::raw_sql(earlier).execute(&mut connection).await.expect("as it was");
    connection.close().await.expect("closed");

    let vault = open(&folder).await;
    forget_second(&vault, subject, &texts).await;
    assert_eq!(opens(&vault, subject, &texts[0]).await.as_deref(), Ok("first"));
    assert_eq!(opens(&vault, subject, &texts[1]).await, Err(Unsealable::Erased));
}

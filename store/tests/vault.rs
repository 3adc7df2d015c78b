//! The key vault through its public doors: durable, forgetful on demand, and private.

use chargebook_proof::checkpoint::Origin;
use chargebook_store::OpenError;
use chargebook_store::vault::{KeyVault, Unsealable, VaultError};
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

//! Crashes beneath the key vault: a key is on the disk before anything is sealed with it.

use crate::law::restore;
use crate::{for_each_seed, is_long_run, on_runtime};
use chargebook_simulated_disk::{Operation, Random, SimulatedDisk};
use chargebook_store::KeyVault;
use tempfile::TempDir;
use uuid::Uuid;

const SEEDS: u64 = 60;
const SEEDS_LONG: u64 = 600;
/// Persons with a key of their own.
const SUBJECTS: u64 = 5;
const PLAINTEXT: &str = "04A1B2C3D4E5F6";

#[test]
fn keys_are_there_after_a_crash_if_anything_was_sealed_with_them() {
    let seeds = if is_long_run() { SEEDS_LONG } else { SEEDS };
    for_each_seed("keys", 0..seeds, 1, |seed| on_runtime(check(seed)));
}

async fn check(seed: u64) {
    let folder = TempDir::new().expect("a folder");
    let disk = SimulatedDisk::beneath(folder.path());
    let vault = KeyVault::open(folder.path()).await.expect("it opens");
    let name = vault.verifier_key();
    disk.acknowledged(0);
    let mut sealed = Vec::new();
    for number in 1..=SUBJECTS {
        let subject = Uuid::from_u128(number.into());
        vault.ensure_subjects(&[subject]).await.expect("durable");
        sealed.push((subject, vault.seal(subject, PLAINTEXT).expect("ensured")));
        disk.acknowledged(number);
    }
    let history = disk.history();
    let mut random = Random::new(seed);
    let end = random.below(history.operations().len() as u64 + 1) as usize;
    let is_told = |operation: &&Operation| matches!(operation, Operation::Acknowledged(_));
    let told = history.operations()[..end].iter().filter(is_told).count();

    let left = TempDir::new().expect("a folder");
    restore(&history.crash(end, &mut random), left.path());
    let vault = KeyVault::open(left.path()).await.expect("it opens by itself");
    assert!(told == 0 || vault.verifier_key() == name, "another key signs the log");
    for (subject, sealed) in sealed.iter().take(told.saturating_sub(1)) {
        let opened = vault.unseal(*subject, &sealed.ciphertext, &sealed.commitment).await;
        assert_eq!(opened.expect("the key is there").plaintext, PLAINTEXT);
    }
}

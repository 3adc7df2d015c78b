//! The sealer through its public doors: proofs, restarts, lost files, changed logs.

use async_trait::async_trait;
use chargebook_proof::checkpoint::{Checkpoint, SigningKey};
use chargebook_proof::merkle::{MemoryTree, verify_consistency, verify_inclusion};
use chargebook_store::contract::{sample_event, scaled};
use chargebook_store::port::{PAGE_EVENTS_MAX, SubscriptionSource};
use chargebook_store::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, Finding, KeyVault, LogAddress,
    LookupKey, MemoryStore, OpenMode, Position, RecordedEvent, Sealer, SealerError, SealerOptions,
    SqliteStore, StoreError, StreamName, Subscription, Tree, TreeError, verify_log,
};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

/// Seals when it is asked to, and never by itself.
const ON_REQUEST: SealerOptions = SealerOptions {
    every_events: u64::MAX,
    interval: Duration::from_secs(86_400),
    remember_interval: Duration::from_secs(86_400),
};

async fn signing_key() -> SigningKey {
    KeyVault::in_memory().await.expect("made").signing_key().clone()
}

/// Appends so many events in streams of ten.
async fn append_events(store: &dyn EventStore, count: u64) {
    for start in (0..count).step_by(10) {
        let events = (start..count.min(start + 10)).map(sample_event).collect();
        let stream = StreamName::of("sealed", Uuid::new_v4());
        let append = Append { stream, expected: ExpectedVersion::NoStream, events };
        store.append(append).await.expect("appended");
    }
}

async fn read_log(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = log.last().map_or(Position::START, |event| event.position);
        let page = store.read_all(after, PAGE_EVENTS_MAX).await.expect("readable");
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

fn tree_of(log: &[RecordedEvent]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    log.iter().for_each(|event| tree.append(event.leaf));
    tree
}

async fn start(store: &Arc<dyn EventStore>, folder: &TempDir, key: &SigningKey) -> Sealer {
    let started = Sealer::start(Arc::clone(store), folder.path(), key.clone(), ON_REQUEST).await;
    started.expect("the log fits its tree")
}

async fn start_error(
    store: Arc<dyn EventStore>,
    folder: &TempDir,
    key: &SigningKey,
) -> SealerError {
    let started = Sealer::start(store, folder.path(), key.clone(), ON_REQUEST).await;
    started.expect_err("the log does not fit its tree")
}

fn last_checkpoint(folder: &TempDir, key: &SigningKey) -> Checkpoint {
    let last = Tree::open(folder.path()).checkpoint(&key.verifier_key()).expect("verifies");
    last.expect("something was sealed").checkpoint
}

/// Proves leaves of the published tree against its checkpoint, and earlier trees to be its
/// beginning.
fn check_proofs(folder: &TempDir, key: &SigningKey, log: &[RecordedEvent], earlier: &[u64]) {
    let checkpoint = last_checkpoint(folder, key);
    assert_eq!(checkpoint.size, log.len() as u64);
    let root = checkpoint.root;
    assert_eq!(root, tree_of(log).root());
    let mut tree = Tree::open(folder.path()).at(checkpoint.size);
    for (index, event) in (0..).zip(log).step_by(1 + log.len() / 40) {
        let proof = tree.inclusion_proof(index).expect("in the tree");
        verify_inclusion(event.leaf, index, checkpoint.size, root, &proof).expect("proven");
    }
    for old in earlier {
        let proof = tree.consistency_proof(*old).expect("earlier");
        let old_root = tree_of(&log[..*old as usize]).root();
        verify_consistency(*old, checkpoint.size, old_root, root, &proof).expect("proven");
    }
}

#[tokio::test]
async fn every_event_is_proven_and_every_checkpoint_extends_the_ones_before() {
    let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    assert_eq!(Tree::open(folder.path()).checkpoint(&key.verifier_key()), Ok(None));
    let mut sealed = Vec::new();
    let sealer = start(&store, &folder, &key).await;
    for count in [1, 254, 1, 1, 300, 512, 7, scaled(700)] {
        append_events(&*store, count).await;
        let head = *store.head().borrow();
        sealer.seal_now(head).await.expect("sealed");
        let log = read_log(&*store).await;
        check_proofs(&folder, &key, &log, &sealed);
        sealed.push(log.len() as u64);
    }
    let log = read_log(&*store).await;
    for (index, event) in (0..).zip(&log).step_by(97) {
        let found = sealer.tree().leaf_index(&*store, event.position).await;
        assert_eq!(found, Ok(Some(index)));
    }
    let beyond = Position::from_u64(u64::MAX);
    assert_eq!(sealer.tree().leaf_index(&*store, beyond).await, Ok(None));
    let in_no_tree = sealer.tree().at(10).inclusion_proof(10);
    assert!(in_no_tree.is_err(), "a leaf beyond the tree is not proven");
    sealer.stop().await.expect("nothing is left");
}

#[tokio::test]
async fn a_checkpoint_comes_by_count_by_time_and_at_the_end() {
    let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let reached = async |sealer: &Sealer, size: u64| {
        let mut checkpoints = sealer.checkpoints();
        let enough = checkpoints
            .wait_for(|last| last.as_ref().is_some_and(|last| last.checkpoint.size >= size));
        enough.await.expect("the sealer runs").clone().expect("sealed").checkpoint
    };
    let options = SealerOptions { every_events: 100, ..ON_REQUEST };
    let started = Sealer::start(Arc::clone(&store), folder.path(), key.clone(), options).await;
    let sealer = started.expect("started");
    append_events(&*store, 150).await;
    assert!(reached(&sealer, 100).await.size >= 100);
    append_events(&*store, 20).await;
    sealer.stop().await.expect("sealed");
    assert_eq!(last_checkpoint(&folder, &key).size, 170);

    let options = SealerOptions { interval: Duration::from_millis(1), ..ON_REQUEST };
    let started = Sealer::start(Arc::clone(&store), folder.path(), key.clone(), options).await;
    let sealer = started.expect("started");
    append_events(&*store, 5).await;
    assert_eq!(reached(&sealer, 175).await, last_checkpoint(&folder, &key));
    sealer.stop().await.expect("sealed");
    check_proofs(&folder, &key, &read_log(&*store).await, &[100, 170]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_restarted_sealer_grows_the_same_tree(parts in prop::collection::vec(0u64..600, 1..6)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
            let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
            append_events(&*store, 1).await;
            let mut sealed = Vec::new();
            for part in parts {
                let sealer = start(&store, &folder, &key).await;
                append_events(&*store, part).await;
                sealer.stop().await.expect("sealed");
                let log = read_log(&*store).await;
                check_proofs(&folder, &key, &log, &sealed);
                sealed.push(log.len() as u64);
            }
        });
    }
}

/// The first events of a log, with one of them changed.
async fn copy_with(log: &[RecordedEvent], changed: Option<usize>) -> Arc<dyn EventStore> {
    let store = MemoryStore::new();
    for (index, event) in log.iter().enumerate() {
        let mut event = event.clone();
        if changed == Some(index) {
            event.schema_version += 1;
        }
        let expected = match event.version.checked_sub(1) {
            Some(before) => ExpectedVersion::Exact(before),
            None => ExpectedVersion::NoStream,
        };
        let events = vec![chargebook_store::NewEvent {
            id: event.id,
            event_type: event.event_type,
            schema_version: event.schema_version,
            recorded_at: event.recorded_at,
            data: event.data,
            meta: event.meta,
            keys: Vec::new(),
        }];
        store.append(Append { stream: event.stream, expected, events }).await.expect("copied");
    }
    Arc::new(store)
}

#[tokio::test]
async fn a_log_that_was_shortened_or_changed_is_not_sealed_again() {
    for size in [100, 256, 700] {
        let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        append_events(&*store, size).await;
        let sealer = start(&store, &folder, &key).await;
        sealer.stop().await.expect("sealed");
        let log = read_log(&*store).await;
        let last = log.len() - 1;

        let copy = copy_with(&log, None).await;
        start(&copy, &folder, &key).await.stop().await.expect("a faithful copy goes on");
        let shorter = start_error(copy_with(&log[..last], None).await, &folder, &key).await;
        assert_eq!(shorter, SealerError::LogShorterThanCheckpoint { log_size: last as u64, size });
        let changed = start_error(copy_with(&log, Some(last)).await, &folder, &key).await;
        let position = Position::from_u64(size);
        assert_eq!(changed, SealerError::LeafMismatch { index: last as u64, position });

        // With the tree's files lost, the whole log is compared with the checkpoint.
        std::fs::remove_dir_all(folder.path().join("tree/tile")).expect("removed");
        let changed = start_error(copy_with(&log, Some(3)).await, &folder, &key).await;
        assert!(matches!(changed, SealerError::RootMismatch { .. }), "{changed:?}");
        let shorter = start_error(copy_with(&log[..last], None).await, &folder, &key).await;
        assert!(matches!(shorter, SealerError::LogShorterThanCheckpoint { .. }), "{shorter:?}");
    }
}

#[tokio::test]
async fn lost_and_damaged_files_of_the_tree_are_made_again() {
    let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    append_events(&*store, 1000).await;
    let sealer = start(&store, &folder, &key).await;
    sealer.stop().await.expect("sealed");
    let log = read_log(&*store).await;
    let tree = folder.path().join("tree");
    let remove = |path: &str| std::fs::remove_file(tree.join(path)).expect("it was there");
    let damage: [&dyn Fn(); 6] = [
        &|| remove("tile/0/003.p/232"),
        &|| remove("tile/1/000.p/3"),
        &|| std::fs::write(tree.join("tile/0/003.p/232"), [0; 232 * 32]).expect("written"),
        &|| remove("positions"),
        &|| remove("checkpoint"),
        &|| std::fs::remove_dir_all(tree.join("tile")).expect("removed"),
    ];
    for damage in damage {
        damage();
        let sealer = start(&store, &folder, &key).await;
        sealer.stop().await.expect("nothing new");
        check_proofs(&folder, &key, &log, &[1, 256, 999]);
        let found = Tree::open(folder.path()).leaf_index(&*store, log[700].position).await;
        assert_eq!(found, Ok(Some(700)));
    }
}

#[tokio::test]
async fn a_log_whose_vault_was_lost_is_signed_again_with_the_new_key() {
    let (folder, old_key) = (TempDir::new().expect("a folder"), signing_key().await);
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    append_events(&*store, 300).await;
    start(&store, &folder, &old_key).await.stop().await.expect("sealed");
    let new_key = signing_key().await;
    assert!(Tree::open(folder.path()).checkpoint(&new_key.verifier_key()).is_err());
    start(&store, &folder, &new_key).await.stop().await.expect("sealed");
    check_proofs(&folder, &new_key, &read_log(&*store).await, &[]);

    let tree = Tree::open(folder.path());
    let report = verify_log(&*store, &tree, Some(&new_key.verifier_key()), |_| {}).await;
    let report = report.expect("readable");
    assert!(report.is_clean());
    assert_eq!((report.checkpoints, report.checkpoints_of_other_keys), (2, 1));
}

/// A log whose positions have holes, as those of an engine that counts bytes.
struct Holes(MemoryStore);

impl Holes {
    fn out(position: Position) -> Position {
        Position::from_u64(position.as_u64() * 13)
    }

    fn into(position: Position) -> Position {
        Position::from_u64(position.as_u64() / 13)
    }
}

#[async_trait]
impl EventStore for Holes {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let appended = self.0.append(append).await?;
        Ok(Appended { position: Self::out(appended.position), ..appended })
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.0.read_stream(stream, from_version, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut page = self.0.read_all(Self::into(after), limit).await?;
        page.iter_mut().for_each(|event| event.position = Self::out(event.position));
        Ok(page)
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        self.0.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        watch::channel(Self::out(*self.0.head().borrow())).1
    }

    fn subscribe(&self, after: Position) -> Subscription {
        struct Source(Subscription);
        #[async_trait]
        impl SubscriptionSource for Source {
            async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
                let mut page = self.0.next_page().await?;
                page.iter_mut().for_each(|event| event.position = Holes::out(event.position));
                Ok(page)
            }
        }
        Subscription::new(Source(self.0.subscribe(Self::into(after))))
    }
}

#[tokio::test]
async fn positions_with_holes_change_neither_root_nor_proofs() {
    let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
    let dense = MemoryStore::new();
    append_events(&dense, 1500).await;
    let log = read_log(&dense).await;
    let store: Arc<dyn EventStore> = Arc::new(Holes(dense));
    for _ in 0..2 {
        start(&store, &folder, &key).await.stop().await.expect("sealed");
    }
    check_proofs(&folder, &key, &log, &[1, 1000]);
    let tree = Tree::open(folder.path());
    for index in [0, 255, 256, 1279, 1280, 1499] {
        let position = Holes::out(log[index as usize].position);
        assert_eq!(tree.leaf_index(&*store, position).await, Ok(Some(index)));
        let hole = Position::from_u64(position.as_u64() + 1);
        assert_eq!(tree.leaf_index(&*store, hole).await, Ok(None));
    }
}

/// Runs SQL on the log's file, as somebody with access to the machine could.
async fn tamper(folder: &Path, sql: &'static str) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("log.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("opens");
    let done = sqlx::query(sql).execute(&mut connection).await.expect("executed");
    assert!(done.rows_affected() > 0, "{sql} changed something");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn a_full_check_names_what_was_tampered_with() {
    let position = Position::from_u64;
    let root = |finding: &Finding| matches!(finding, Finding::Root { size: 600, .. });
    let changed = |finding: &Finding, index: u64, at: u64| {
        *finding == Finding::Changed { index, position: position(at) }
    };
    let damaged = |found: &[Finding], expected: u64| match found {
        [Finding::Damaged { position, .. }] => position.as_u64() == expected,
        _ => false,
    };
    type Expect<'a> = &'a dyn Fn(&[Finding]) -> bool;
    let cases: [(&str, Expect<'_>); 7] = [
        ("UPDATE event SET data = '{\"number\":8}' WHERE position = 400", &|found| {
            damaged(found, 400)
        }),
        ("UPDATE event SET recorded_at = recorded_at + 1 WHERE position = 5", &|found| {
            damaged(found, 5)
        }),
        ("UPDATE event SET leaf = x'00' WHERE position = 7", &|found| damaged(found, 7)),
        ("UPDATE event SET leaf = zeroblob(32) WHERE position = 7", &|found| {
            matches!(found, [Finding::Damaged { .. }, finding, first]
                    if root(finding) && changed(first, 6, 7))
        }),
        ("DELETE FROM event WHERE position = 300", &|found| damaged(found, 300)),
        ("UPDATE event SET position = 10000 WHERE position = 300", &|found| damaged(found, 300)),
        ("DELETE FROM event WHERE position > 400", &|found| {
            matches!(found, [Finding::Missing { size: 600, events: 400 }])
        }),
    ];
    for (sql, expected) in cases {
        let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
        let store = SqliteStore::open(folder.path(), OpenMode::Writer).await.expect("opens");
        append_events(&store, 600).await;
        let shared: Arc<dyn EventStore> = Arc::new(store.clone());
        start(&shared, &folder, &key).await.stop().await.expect("sealed");
        store.close().await;

        let tree = Tree::open(folder.path());
        let opened = LogAddress::Embedded.open_to_verify(folder.path()).await.expect("opens");
        let store = opened.store();
        let mut read = 0;
        let key = key.verifier_key();
        let clean = verify_log(&*store, &tree, Some(&key), |count| read = count).await;
        let clean = clean.expect("readable");
        assert!(clean.is_clean(), "{clean:?}");
        assert_eq!((clean.events, clean.sealed_events, read), (600, 600, 600));
        assert_eq!(clean.root, Some(last_checkpoint_root(&folder, &key)));

        tamper(folder.path(), sql).await;
        let report = verify_log(&*store, &tree, Some(&key), |_| {}).await.expect("readable");
        assert!(expected(&report.findings), "{sql}: {:?}", report.findings);
    }
}

fn last_checkpoint_root(
    folder: &TempDir,
    key: &chargebook_proof::checkpoint::VerifierKey,
) -> chargebook_proof::merkle::NodeHash {
    let last = Tree::open(folder.path()).checkpoint(key).expect("verifies").expect("sealed");
    last.checkpoint.root
}

#[tokio::test]
async fn the_events_of_a_tile_are_handed_over_until_one_is_not_taken() {
    let (folder, key) = (TempDir::new().expect("a folder"), signing_key().await);
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    append_events(&*store, 300).await;
    start(&store, &folder, &key).await.stop().await.expect("sealed");
    let tree = Tree::open(folder.path());
    for (path, first, width) in [("tile/0/000", 0, 256), ("tile/0/001.p/44", 256, 44)] {
        let mut taken = Vec::new();
        let take = |event: RecordedEvent| -> Result<(), TreeError> {
            taken.push(event);
            Ok(())
        };
        tree.events_of(&*store, path.parse().expect("a tile"), take).await.expect("readable");
        assert_eq!(taken, read_log(&*store).await[first..first + width]);

        let mut taken = 0;
        let take = |_| {
            taken += 1;
            if taken < 3 { Ok(()) } else { Err(TreeError::Incomplete { size: 3 }) }
        };
        let ended = tree.events_of(&*store, path.parse().expect("a tile"), take).await;
        assert_eq!((ended, taken), (Err(TreeError::Incomplete { size: 3 }), 3));
    }
}

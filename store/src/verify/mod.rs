//! The full check of a log: every event against its leaf, the tree over all leaves against every
//! checkpoint that was ever remembered and against the tiles, the lookup keys against the events,
//! and the engine by its own check. Finds any flipped byte that a read could come upon, and any
//! deletion, change or reordering before the last checkpoint, and names the first place.

mod finding;
mod keys;
mod tiles;

pub use finding::Finding;

use crate::engine::OpenedLog;
use crate::port::{EventStore, PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError};
use crate::sealer::{Tree, TreeError};
use chargebook_proof::checkpoint::{Checkpoint, VerifierKey};
use chargebook_proof::merkle::{Frontier, NodeHash};
use keys::KeyCheck;
use std::path::Path;
use tiles::TileCheck;

/// Findings that a report names one by one; the others are counted.
const FINDINGS_MAX: usize = 100;

/// What the check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Events read.
    pub events: u64,
    /// Position of the last of them.
    pub last_position: Position,
    /// Root over all of them.
    pub root: Option<NodeHash>,
    /// Events under the last checkpoint; the ones after it are not yet sealed.
    pub sealed_events: u64,
    /// Checkpoints compared.
    pub checkpoints: u64,
    /// Those of them that are not signed with the key: of an older key, or forged.
    pub checkpoints_of_other_keys: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Findings in all.
    pub findings_count: u64,
}

impl LogReport {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings_count == 0
    }

    /// Whether the events are not those of a checkpoint.
    fn disagrees(&self) -> bool {
        let other =
            |finding: &Finding| matches!(finding, Finding::Root { .. } | Finding::Missing { .. });
        self.findings.iter().any(other)
    }

    fn find(&mut self, finding: Finding) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// The whole check of a log that is kept for a data folder.
pub async fn verify_opened(
    log: &OpenedLog,
    data_folder: &Path,
    tree: &Tree,
    key: Option<&VerifierKey>,
    progress: impl FnMut(u64),
) -> Result<LogReport, TreeError> {
    let mut report = verify_log(&*log.store(), tree, key, progress).await?;
    for complaint in log.check_engine(data_folder).await {
        report.find(Finding::Engine(complaint));
    }
    Ok(report)
}

/// Reads the whole log and checks it against itself and against the tree's checkpoints.
/// `progress` hears the number of events read so far, after every page.
pub async fn verify_log(
    store: &dyn EventStore,
    tree: &Tree,
    key: Option<&VerifierKey>,
    mut progress: impl FnMut(u64),
) -> Result<LogReport, TreeError> {
    let mut report = LogReport::default();
    let heads = checkpoint_heads(tree, key, &mut report)?;
    let mut tiles = TileCheck::new(tree, heads.last().map_or(0, |(size, _)| *size));
    let mut heads = heads.into_iter().peekable();
    let mut keys = KeyCheck::default();
    let mut frontier = Frontier::new();
    let check = |frontier: &Frontier, (size, published): (u64, NodeHash)| {
        let found = frontier.root();
        (found != published).then_some(Finding::Root { size, published, found })
    };
    while let Some(head) = heads.next_if(|(size, _)| *size == 0) {
        check(&frontier, head).into_iter().for_each(|finding| report.find(finding));
    }
    loop {
        let page = match page_after(store, report.last_position).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => page,
            Err(finding) => {
                // Without its leaf nothing after it can be compared.
                report.find(finding);
                return Ok(report);
            }
        };
        for event in &page {
            if let Err(StoreError::Damaged { position, reason }) = event.verify_leaf() {
                report.find(Finding::Damaged { position, reason });
            }
            frontier.append(event.leaf, |address, hash| tiles.see(address, hash, event.position));
            keys.see(event);
            while let Some(head) = heads.next_if(|(size, _)| *size == frontier.size()) {
                check(&frontier, head).into_iter().for_each(|finding| report.find(finding));
            }
            report.last_position = event.position;
        }
        report.events = frontier.size();
        progress(report.events);
    }
    for (size, _) in heads {
        report.find(Finding::Missing { size, events: report.events });
    }
    if let Some(finding) = tiles.finding(report.disagrees()) {
        report.find(finding);
    }
    for finding in keys.findings(store, report.last_position).await {
        report.find(finding);
    }
    report.root = Some(frontier.root());
    Ok(report)
}

/// The next page; where there is none to be had, as many events as can be read, so that the first
/// one that cannot be is named.
async fn page_after(
    store: &dyn EventStore,
    after: Position,
) -> Result<Vec<RecordedEvent>, Finding> {
    let mut limit = PAGE_EVENTS_MAX;
    loop {
        match store.read_all(after, limit).await {
            Ok(page) => return Ok(page),
            Err(_) if limit > 1 => limit /= 2,
            Err(StoreError::Damaged { position, reason }) => {
                return Err(Finding::Damaged { position, reason });
            }
            Err(StoreError::Engine(reason)) => return Err(Finding::Unreadable { after, reason }),
        }
    }
}

/// Size and root of every checkpoint, in the order of sizes.
fn checkpoint_heads(
    tree: &Tree,
    key: Option<&VerifierKey>,
    report: &mut LogReport,
) -> Result<Vec<(u64, NodeHash)>, TreeError> {
    let mut heads = Vec::new();
    for note in tree.notes()? {
        report.checkpoints += 1;
        if key.is_some_and(|key| Checkpoint::verify(&note, key).is_err()) {
            report.checkpoints_of_other_keys += 1;
        }
        match Tree::unverified_head(&note) {
            Some((size, root)) => {
                report.sealed_events = report.sealed_events.max(size);
                heads.push((size, root));
            }
            None => report.find(Finding::Note),
        }
    }
    heads.sort_by_key(|(size, _)| *size);
    Ok(heads)
}

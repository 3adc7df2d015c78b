//! The full check of a log: every event against its leaf, and the tree over all leaves against
//! every checkpoint that was ever remembered. Finds any flipped byte, and any deletion, change
//! or reordering before the last checkpoint.

use crate::port::{EventStore, PAGE_EVENTS_MAX, Position, StoreError};
use crate::sealer::{Tree, TreeError};
use chargebook_proof::checkpoint::{Checkpoint, VerifierKey};
use chargebook_proof::merkle::{Frontier, NodeHash};

/// Findings that a report names one by one; the others are counted.
const FINDINGS_MAX: usize = 100;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An event cannot be read, or does not hash to its leaf.
    #[error("the event at position {position} is damaged: {reason}")]
    Damaged {
        /// Where.
        position: Position,
        /// What does not fit.
        reason: String,
    },
    /// A checkpoint covers more events than there are.
    #[error("a checkpoint covers {size} events, the log has {events}: events are missing")]
    Missing {
        /// Events under the checkpoint.
        size: u64,
        /// Events in the log.
        events: u64,
    },
    /// A checkpoint has another root than the log.
    #[error(
        "the checkpoint over the first {size} events has the root {published}, the events give \
         {found}: at least one of them was changed, removed, added or moved"
    )]
    Root {
        /// Events under the checkpoint.
        size: u64,
        /// Its root.
        published: NodeHash,
        /// The log's root at that size.
        found: NodeHash,
    },
    /// A checkpoint's note cannot be read at all.
    #[error("a remembered checkpoint is damaged")]
    Note,
}

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

    fn find(&mut self, finding: Finding) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
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
    let mut heads = checkpoint_heads(tree, key, &mut report)?.into_iter().peekable();
    let mut frontier = Frontier::new();
    let check = |frontier: &Frontier, (size, published): (u64, NodeHash)| {
        let found = frontier.root();
        (found != published).then_some(Finding::Root { size, published, found })
    };
    while let Some(head) = heads.next_if(|(size, _)| *size == 0) {
        check(&frontier, head).into_iter().for_each(|finding| report.find(finding));
    }
    loop {
        let page = match store.read_all(report.last_position, PAGE_EVENTS_MAX).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => page,
            Err(StoreError::Damaged { position, reason }) => {
                // Without its leaf nothing after it can be compared.
                report.find(Finding::Damaged { position, reason });
                return Ok(report);
            }
            Err(error) => return Err(error.into()),
        };
        for event in &page {
            if let Err(StoreError::Damaged { position, reason }) = event.verify_leaf() {
                report.find(Finding::Damaged { position, reason });
            }
            frontier.append(event.leaf, |_, _| {});
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
    report.root = Some(frontier.root());
    Ok(report)
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

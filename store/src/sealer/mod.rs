//! The sealer: grows the RFC 6962 tree over the log in position order, the same for every
//! engine, and signs a checkpoint when enough has come or enough time has passed.
//!
//! It follows the log like any other subscriber and never holds an append up. What an outsider
//! may trust: a checkpoint is on disk only after every tile that it promises, and each one
//! extends all before it; at its start the sealer compares the log with the last one and
//! refuses to go on over a log that was shortened or changed.

mod edge;
mod files;
mod resume;
mod tree;

pub use chargebook_proof::tile::Tile;
pub use tree::{SignedCheckpoint, Tree, TreeAt};

use crate::port::{EventStore, Position, RecordedEvent, StoreError, Subscription};
use chargebook_proof::checkpoint::{Checkpoint, NoteError, SigningKey};
use chargebook_proof::merkle::{NodeHash, ProofError};
use edge::Edge;
use files::TreeFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Events after which a checkpoint is signed.
const SEAL_EVERY_EVENTS: u64 = 65_536;
/// How long an event waits for a checkpoint.
const SEAL_INTERVAL: Duration = Duration::from_secs(5);
/// How often a checkpoint goes into the history; every one would soon outgrow the tree.
const REMEMBER_INTERVAL: Duration = Duration::from_secs(600);
/// After a failure, how long the sealer waits before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Requests to seal at once that may wait.
const SEAL_REQUESTS_MAX: usize = 64;
/// How many times [`SealerOptions::every_events`] may be unpublished, where publishing fails,
/// before the sealer stops reading.
const UNPUBLISHED_FACTOR_MAX: u64 = 4;

/// Times that the log could not be sealed.
const FAILURES: &str = "chargebook_sealer_failures_total";

/// How often checkpoints are signed; the defaults are right for a server.
#[derive(Clone, Copy, Debug)]
pub struct SealerOptions {
    /// Events after which one is signed.
    pub every_events: u64,
    /// How long an event waits for one.
    pub interval: Duration,
    /// How often one goes into the history.
    pub remember_interval: Duration,
}

impl Default for SealerOptions {
    fn default() -> Self {
        Self {
            every_events: SEAL_EVERY_EVENTS,
            interval: SEAL_INTERVAL,
            remember_interval: REMEMBER_INTERVAL,
        }
    }
}

/// Why the tree cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A file or folder.
    #[error("{}: {reason}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A tile is missing or too short.
    #[error("the tile {} is missing or damaged", path.display())]
    Tile {
        /// Where it should be.
        path: PathBuf,
    },
    /// The position at a full tile is not recorded.
    #[error("the position at the end of tile {tile_index} is not recorded")]
    Positions {
        /// Which tile of leaves.
        tile_index: u64,
    },
    /// The tree of that size does not have the subtree.
    #[error("the tree of {size} leaves does not hold that")]
    Incomplete {
        /// Number of leaves.
        size: u64,
    },
    /// The published checkpoint is not one of this log.
    #[error("the checkpoint is refused: {0}")]
    Note(NoteError),
    /// No such proof exists.
    #[error(transparent)]
    NoSuchProof(ProofError),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the sealer does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealerError {
    /// Events that were sealed are gone.
    #[error(
        "the log has {log_size} events, its last checkpoint covers {size}: events that were \
         sealed are missing (an old backup?)"
    )]
    LogShorterThanCheckpoint {
        /// Events in the log.
        log_size: u64,
        /// Events under the checkpoint.
        size: u64,
    },
    /// An event is not the one that was sealed.
    #[error("the event at position {position} is not the one that was sealed as leaf {index}")]
    LeafMismatch {
        /// Its leaf.
        index: u64,
        /// Where it stands in the log.
        position: Position,
    },
    /// The log's first events are not those that were sealed.
    #[error(
        "the log's first {size} events give the root {found}, the checkpoint says {published}: \
         events that were sealed were changed"
    )]
    RootMismatch {
        /// Events under the checkpoint.
        size: u64,
        /// The root it promises.
        published: NodeHash,
        /// The root of the log.
        found: NodeHash,
    },
    /// The tree's files.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealer has ended.
    #[error("the sealer has ended")]
    Ended,
}

/// The running sealer.
#[derive(Debug)]
pub struct Sealer {
    tree: Tree,
    checkpoints: watch::Receiver<Option<SignedCheckpoint>>,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Request {
    /// Seal everything up to here.
    Seal(Position, oneshot::Sender<Result<(), SealerError>>),
    /// Seal everything up to the head, and end.
    Stop(oneshot::Sender<Result<(), SealerError>>),
}

impl Sealer {
    /// Checks the log against the tree of the data folder and lets the tree grow from there.
    pub async fn start(
        store: Arc<dyn EventStore>,
        data_folder: &Path,
        key: SigningKey,
        options: SealerOptions,
    ) -> Result<Self, SealerError> {
        let files = TreeFiles::new(data_folder);
        files.create()?;
        let resumed = resume::resume(&*store, &files, &key.verifier_key()).await?;
        let tree = Tree::open(data_folder);
        // A checkpoint of an older key is no longer one of this log's.
        let last = tree.checkpoint(&key.verifier_key()).unwrap_or_default();
        let (checkpoint_sender, checkpoints) = watch::channel(last);
        let (requests, request_receiver) = mpsc::channel(SEAL_REQUESTS_MAX);
        let run = Run {
            subscription: store.subscribe(resumed.position).gathering(),
            store,
            files,
            key,
            options,
            edge: resumed.edge,
            position: resumed.position,
            publish: resumed.publish,
            seal_at: resumed.publish.then(Instant::now),
            remembered_at: None,
            waiting: Vec::new(),
            checkpoints: checkpoint_sender,
        };
        // There from the start, so that whoever watches it sees the first failure as a step.
        metrics::counter!(FAILURES).increment(0);
        let task = tokio::spawn(run.run(request_receiver));
        Ok(Self { tree, checkpoints, requests, task })
    }

    /// The published tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last checkpoint, as it changes.
    pub fn checkpoints(&self) -> watch::Receiver<Option<SignedCheckpoint>> {
        self.checkpoints.clone()
    }

    /// Waits until the tree reaches `head` and signs a checkpoint that covers it, without
    /// waiting for the next one that is due.
    pub async fn seal_now(&self, head: Position) -> Result<(), SealerError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Seal(head, reply);
        self.requests.send(request).await.map_err(|_| SealerError::Ended)?;
        answer.await.map_err(|_| SealerError::Ended)?
    }

    /// Seals what is left and ends.
    pub async fn stop(self) -> Result<(), SealerError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Stop(reply)).await;
        sent.map_err(|_| SealerError::Ended)?;
        let result = answer.await.map_err(|_| SealerError::Ended)?;
        // A panic there would have lost the answer before.
        let _ = self.task.await;
        result
    }
}

/// What the task owns.
struct Run {
    store: Arc<dyn EventStore>,
    subscription: Subscription,
    files: TreeFiles,
    key: SigningKey,
    options: SealerOptions,
    edge: Edge,
    /// Of the edge's last leaf.
    position: Position,
    /// Whether one is to be published even if nothing has come.
    publish: bool,
    /// When the next checkpoint is due; `None` where there is nothing to seal.
    seal_at: Option<Instant>,
    remembered_at: Option<Instant>,
    waiting: Vec<(Position, oneshot::Sender<Result<(), SealerError>>)>,
    checkpoints: watch::Sender<Option<SignedCheckpoint>>,
}

impl Run {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let full = self.edge.unpublished()
                >= self.options.every_events.saturating_mul(UNPUBLISHED_FACTOR_MAX).max(1);
            let seal_at = self.seal_at;
            let due = async {
                match seal_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::Seal(head, reply)) => {
                        self.waiting.push((head, reply));
                        self.answer_waiting().await;
                    }
                    Some(Request::Stop(reply)) => {
                        // Nobody may be left to hear it.
                        let _ = reply.send(self.finish().await);
                        return;
                    }
                    None => return,
                },
                () = due => self.seal_or_retry().await,
                page = self.subscription.next_page(), if !full => match page {
                    Ok(page) => self.take(&page).await,
                    Err(error) => {
                        tracing::warn!(%error, "the sealer cannot follow the log");
                        tokio::time::sleep(RETRY_PAUSE).await;
                        self.subscription = self.store.subscribe(self.position).gathering();
                    }
                },
            }
        }
    }

    async fn take(&mut self, page: &[RecordedEvent]) {
        self.append(page);
        if self.edge.unpublished() >= self.options.every_events {
            self.seal_or_retry().await;
        }
        self.answer_waiting().await;
    }

    fn append(&mut self, page: &[RecordedEvent]) {
        for event in page {
            self.edge.append(event.leaf, event.position);
            self.position = event.position;
        }
        if self.edge.unpublished() > 0 && self.seal_at.is_none() {
            self.seal_at = Some(Instant::now() + self.options.interval);
        }
    }

    async fn seal_or_retry(&mut self) {
        if let Err(error) = self.seal(false).await {
            metrics::counter!(FAILURES).increment(1);
            tracing::error!(%error, "the log could not be sealed; it will be tried again");
        }
    }

    /// Answers those whose position the edge has reached, after one sealing for all of them.
    async fn answer_waiting(&mut self) {
        let position = self.position;
        let (reached, waiting): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|(head, _)| *head <= position);
        self.waiting = waiting;
        if reached.is_empty() {
            return;
        }
        let sealed = self.seal(false).await;
        for (_, reply) in reached {
            // Whoever went away needs no answer.
            let _ = reply.send(sealed.clone());
        }
    }

    async fn finish(&mut self) -> Result<(), SealerError> {
        let head = *self.store.head().borrow();
        while self.position < head {
            let page = self.store.read_all(self.position, crate::port::PAGE_EVENTS_MAX).await?;
            if page.is_empty() {
                break;
            }
            self.append(&page);
        }
        let sealed = self.seal(true).await;
        self.answer_waiting().await;
        sealed
    }

    /// Publishes the tree as it stands; nothing to do where it stands published.
    async fn seal(&mut self, last: bool) -> Result<(), SealerError> {
        if self.edge.unpublished() == 0 && !self.publish {
            self.seal_at = None;
            return Ok(());
        }
        let now = Instant::now();
        self.seal_at = Some(now + RETRY_PAUSE);
        let (size, root) = (self.edge.size(), self.edge.root());
        let note = self.key.sign(size, root);
        let mut publication = self.edge.publication();
        publication.note.clone_from(&note);
        publication.remember = last
            || self.edge.published_size() == 0
            || self.remembered_at.is_none_or(|at| now - at >= self.options.remember_interval);
        let remembered = publication.remember;
        let files = self.files.clone();
        blocking(move || files.publish(&publication)).await?;
        self.publish = false;
        self.edge.published();
        self.seal_at = None;
        if remembered {
            self.remembered_at = Some(now);
        }
        metrics::counter!("chargebook_checkpoints_total").increment(1);
        let origin = self.key.verifier_key().origin().clone();
        let checkpoint = Checkpoint { origin, size, root };
        self.checkpoints.send_replace(Some(SignedCheckpoint { checkpoint, note }));
        Ok(())
    }
}

/// Runs what blocks on files where it holds up nobody.
async fn blocking(
    work: impl FnOnce() -> Result<(), TreeError> + Send + 'static,
) -> Result<(), TreeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(TreeError::Io { path: PathBuf::new(), reason: error.to_string() }),
    }
}

//! What the handlers work with.

use crate::auth::Authenticator;
use crate::problem::Problem;
use crate::routes::health::Readiness;
use crate::routes::stream::STREAMS_MAX;
use crate::routes::tiles::ENTRY_BUNDLES_AT_ONCE_MAX;
use chargebook_commands::Chargebook;
use chargebook_domain::sealed::{HOLE_PLACEHOLDER, SealedText};
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Past, PastModels, QueryError, ReadModels};
use chargebook_store::{Position, Tree};
use metrics_exporter_prometheus::PrometheusHandle;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long `wait_for` waits.
pub const WAIT_FOR_MAX: Duration = Duration::from_secs(10);
/// Names that are registered at the same time at most; those that share a place wait for each
/// other.
const REGISTERING_AT_ONCE_MAX: usize = 64;
/// How long a thing that the read models do not know yet is waited for.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// What the API stands on. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// What writes.
    pub chargebook: Chargebook,
    /// What answers.
    pub read_models: ReadModels,
    /// Who may ask.
    pub authenticator: Authenticator,
    /// What `/metrics` renders; without one it is empty.
    pub metrics: Option<PrometheusHandle>,
    /// The file with the log's current signed checkpoint, where the sealer keeps one.
    pub checkpoint_file: Option<PathBuf>,
    /// The log's tree, where the sealer keeps one.
    pub tree: Option<Tree>,
    /// What answers for earlier moments, where something does.
    pub past: Option<Past>,
    /// What exports an invoice's proof, where something does.
    pub bundles: Option<Arc<dyn BundleSource>>,
    /// Cancelled when the server is to end: streams end, and it is not ready any more.
    pub shutdown: CancellationToken,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) entry_bundles: Arc<Semaphore>,
    registering: Arc<[Mutex<()>; REGISTERING_AT_ONCE_MAX]>,
    /// What is answered as if it were now; the present if absent.
    moment: Option<Timestamp>,
}

/// Exports the proof of an invoice: what `chargebook audit verify` reads.
#[async_trait::async_trait]
pub trait BundleSource: Send + Sync + 'static {
    /// The bundle as canonical JSON.
    async fn bundle(&self, invoice: &str) -> Result<Vec<u8>, BundleFailure>;
}

/// Why there is no bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleFailure {
    /// No such invoice.
    NotFound,
    /// No signed checkpoint covers the invoice yet.
    NotSealedYet,
    /// It could not be made; for the server's log.
    Failed(String),
}

impl ApiState {
    /// Over the service and its read models; metrics, checkpoint and bundles are added by
    /// setting their fields.
    pub fn new(
        chargebook: Chargebook,
        read_models: ReadModels,
        authenticator: Authenticator,
        shutdown: CancellationToken,
    ) -> Self {
        let readiness = Readiness::new(&chargebook);
        Self {
            chargebook,
            read_models,
            authenticator,
            metrics: None,
            checkpoint_file: None,
            tree: None,
            past: None,
            moment: None,
            bundles: None,
            shutdown,
            readiness: Arc::new(readiness),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            entry_bundles: Arc::new(Semaphore::new(ENTRY_BUNDLES_AT_ONCE_MAX)),
            registering: Arc::new(std::array::from_fn(|_| Mutex::default())),
        }
    }

    /// The same, as of an earlier moment: for reads.
    pub(crate) fn of_the_past(self, past: PastModels) -> Self {
        Self { read_models: past.models, moment: Some(past.now), ..self }
    }

    /// The time that is answered for.
    pub(crate) fn now(&self) -> Timestamp {
        self.moment.unwrap_or_else(|| self.chargebook.journal().now())
    }

    /// The text behind a seal; `None` where nobody can open it any more.
    pub(crate) async fn opened(&self, text: &SealedText) -> Option<String> {
        let opened = self.chargebook.personal().open(text).await;
        (opened != HOLE_PLACEHOLDER).then_some(opened)
    }

    /// Held while a thing of a name is registered. The register looks a name up before it
    /// appends to a stream that is new: two at the same time would both find nothing. Names are
    /// taken without their case, as tokens are.
    pub(crate) async fn alone_with(&self, kind: &str, name: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (kind, name.trim().to_uppercase()).hash(&mut hasher);
        let place = hasher.finish() % REGISTERING_AT_ONCE_MAX as u64;
        // The remainder is below the length, so it fits.
        self.registering[usize::try_from(place).unwrap_or_default()].lock().await
    }

    /// A name for a thing that nobody has named.
    pub(crate) fn fresh_name(&self) -> String {
        self.chargebook.journal().clock().fresh_id().to_string()
    }

    /// Where the log stands.
    pub(crate) fn head(&self) -> Position {
        self.read_models.head()
    }

    /// What a query finds; where it finds nothing, once more when the read models have seen all
    /// that was in the log, so that what was just written is found.
    pub(crate) async fn found<T, F>(&self, query: impl Fn() -> F) -> Result<Option<T>, Problem>
    where
        F: Future<Output = Result<Option<T>, QueryError>>,
    {
        if let Some(found) = query().await? {
            return Ok(Some(found));
        }
        let head = self.head();
        if *self.read_models.position().borrow() >= head {
            return Ok(None);
        }
        // Where they do not get there in time, they are asked as they are.
        let _ = self.read_models.wait_for(head, CATCH_UP_MAX).await;
        Ok(query().await?)
    }
}

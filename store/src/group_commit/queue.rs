//! The bounded queue to the writer, and the thread that serves it. A full queue is back-pressure:
//! who appends waits for a place, and hears `Overloaded` where none comes free.

use crate::port::{Append, AppendError, Appended};
use crate::prepare::{Prepared, prepare};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Appends that may wait for the writer.
pub(crate) const QUEUE_APPENDS_MAX: usize = 4096;
/// Bytes of events that may wait for the writer, in KiB.
const QUEUE_KIB_MAX: usize = 64 * 1024;
/// How long a caller waits for a place in the queue before it hears `Overloaded`.
pub(crate) const QUEUE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Batches that could not be written.
const FAILED_BATCHES: &str = "chargebook_store_failed_batches_total";
/// Appends that found no place in the queue.
const OVERLOADED: &str = "chargebook_store_overloaded_total";

/// One append on its way through the queue.
pub(crate) struct Request {
    pub(crate) append: Prepared,
    /// Its share of the queue's bytes, given back when it is answered.
    pub(crate) _bytes: OwnedSemaphorePermit,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The writer's end of the queue.
pub(crate) struct Inbox {
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Told when the store is closed: what is queued is still served.
    pub(crate) stop: Arc<Notify>,
}

/// Tells the callers of a batch what became of it, and leaves it empty.
pub(crate) fn answer(
    batch: &mut Vec<Request>,
    committed: Result<Vec<Result<Appended, AppendError>>, AppendError>,
) {
    metrics::histogram!("chargebook_store_batch_appends").record(batch.len() as f64);
    let refusal = match committed {
        Ok(outcomes) => {
            for (request, outcome) in batch.drain(..).zip(outcomes) {
                // A caller that went away needs no answer; its events are in all the same.
                let _ = request.reply.send(outcome);
            }
            return;
        }
        Err(refusal) => refusal,
    };
    note_failure(batch.len(), &refusal);
    for request in batch.drain(..) {
        let _ = request.reply.send(Err(refusal.clone()));
    }
}

/// Counts and tells a batch of which so many appends could not be written.
pub(crate) fn note_failure(appends: usize, refusal: &AppendError) {
    metrics::counter!(FAILED_BATCHES).increment(1);
    tracing::error!(appends, error = %refusal, "the log could not be written");
}

/// Gives the writer a thread of its own: beside the tasks of thousands of connections it would
/// wait for its turn at every statement, and everybody waits for it. The receiver is told of its
/// end.
pub(crate) fn on_own_thread<Run: Future<Output = ()>>(
    run: impl FnOnce() -> Run + Send + 'static,
) -> std::io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || {
        runtime.block_on(run());
        // Nobody need wait for the end.
        let _ = end.send(());
    })?;
    Ok(ended)
}

/// The callers' end of the queue.
pub(crate) struct WriterHandle {
    requests: mpsc::Sender<Request>,
    budget: Arc<Semaphore>,
    queue_wait: Duration,
    stop: Arc<Notify>,
    ended: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

impl WriterHandle {
    /// A queue for so many appends. `start` gives the other end to a writer, and answers with
    /// what tells when that one has ended.
    pub(crate) fn start<E>(
        queue_appends_max: usize,
        queue_wait: Duration,
        start: impl FnOnce(Inbox) -> Result<oneshot::Receiver<()>, E>,
    ) -> Result<Self, E> {
        // There from the start, so that whoever watches them sees the first failure as a step.
        metrics::counter!(FAILED_BATCHES).increment(0);
        metrics::counter!(OVERLOADED).increment(0);
        let (sender, requests) = mpsc::channel(queue_appends_max.max(1));
        let stop = Arc::new(Notify::new());
        let ended = start(Inbox { requests, stop: Arc::clone(&stop) })?;
        Ok(Self {
            requests: sender,
            budget: Arc::new(Semaphore::new(QUEUE_KIB_MAX)),
            queue_wait,
            stop,
            ended: tokio::sync::Mutex::new(Some(ended)),
        })
    }

    /// Waits for a place in the queue, and then for the answer.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let append = prepare(append)?;
        let kib = u32::try_from(append.weight_bytes() / 1024 + 1).unwrap_or(u32::MAX);
        let (reply, answer) = oneshot::channel();
        let queued = tokio::time::timeout(self.queue_wait, async {
            let bytes = Arc::clone(&self.budget).acquire_many_owned(kib).await.ok()?;
            let slot = self.requests.reserve().await.ok()?;
            slot.send(Request { append, _bytes: bytes, reply });
            Some(())
        });
        match queued.await {
            Ok(Some(())) => {}
            Ok(None) => return Err(AppendError::Down("the store was closed".to_owned())),
            Err(_) => {
                metrics::counter!(OVERLOADED).increment(1);
                return Err(AppendError::Overloaded);
            }
        }
        let lost = |_| AppendError::Unknown("the writer ended before it answered".to_owned());
        answer.await.map_err(lost)?
    }

    /// Lets the writer serve what is queued, and waits for its end.
    pub(crate) async fn close(&self) {
        self.stop.notify_one();
        let mut ended = self.ended.lock().await;
        if let Some(ended) = ended.take() {
            // A panic there has been reported; there is nothing left to wait for.
            let _ = ended.await;
        }
    }
}

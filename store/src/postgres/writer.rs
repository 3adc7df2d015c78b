//! The one writer of a process. It takes whatever queued during the last commit as one batch,
//! decides it, writes it with one statement, and only then answers. Other processes may write the
//! same log: what goes on from what this one remembers goes at once, and where an index refuses
//! it, the batch is decided again under the lock on the log's head, so that only those of its
//! appends are refused that have to be.
//!
//! After a connection that was lost nothing is remembered any more: the batch is answered as
//! unknown, and the next connection shows first that it leads to the same log.

use super::address::PostgresUrl;
use super::insert::{Placed, UNPLACED_BASE, insert};
use super::read::Reader;
use super::schema::ensure_partitions;
use super::stored::{Trust, load};
use super::term::{Seen, Standing, enter};
use crate::group_commit::plan::{IdCheck, Plan, StreamCache, plan, stream_cache};
use crate::group_commit::queue::{Inbox, Request, answer};
use crate::group_commit::{CommitFault, CommitFaults};
use crate::port::{AppendError, Appended, Position};
use crate::prepare::Prepared;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgSeverity};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Seconds that a batch took to be durable.
const COMMIT_SECONDS: &str = "chargebook_store_commit_seconds";
/// Most appends that share a commit.
const BATCH_APPENDS_MAX: usize = 1000;
/// How often one batch is decided again before it is given up: the first time without the lock,
/// then under it, and each once more where the log had to grow or was under another term.
const ATTEMPTS_MAX: usize = 6;
/// After a failure, how long the writer refuses before it tries the database again.
const RECOVERY_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may take to come about.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a statement may take before its connection is taken for lost.
const STATEMENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// After PostgreSQL has refused to make the next partition ahead of time, how long until the next
/// attempt.
const PARTITION_PAUSE: Duration = Duration::from_secs(60);

/// What the writer's task owns.
pub(super) struct Writer {
    address: PostgresUrl,
    channel: String,
    reader: Arc<Reader>,
    inbox: Inbox,
    faults: Option<Arc<dyn CommitFaults>>,
    /// Whether another server has taken the log over.
    is_another: Arc<AtomicBool>,
    /// `None` at first and after a failure, until there is a new one.
    connection: Option<PgConnection>,
    recover_from: Instant,
    last_failure: String,
    cache: StreamCache,
    seen: Seen,
    partition_events: u64,
    /// Positions up to here have a partition.
    partitioned_to: u64,
    /// When the next attempt is made after one that was refused.
    partition_from: Instant,
    /// Where the recent events in memory end.
    ring_end: Position,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    /// A unique index refused a row: another process has written, or an id was seen before.
    #[error("the indexes contradict what was read under the lock")]
    Conflict,
    /// There is no partition for the positions.
    #[error("there is no partition for the next events")]
    Unpartitioned,
    /// The log is under another term, or ends before what was seen.
    #[error("the log is not as it was when this process looked at it")]
    OtherLog,
    /// Nothing of it was written.
    #[error("{0}")]
    NotWritten(String),
    /// It may be in the log.
    #[error("{0}")]
    Unknown(String),
}

impl From<BatchError> for AppendError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Unknown(reason) => Self::Unknown(reason),
            refused => Self::Down(refused.to_string()),
        }
    }
}

/// SQLSTATEs that are treated apart.
mod code {
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    pub(super) const CHECK_VIOLATION: &str = "23514";
}

/// Under the lock nothing can change between deciding and writing.
const LOCK_SQL: &str = "SELECT FROM log_head FOR UPDATE";

/// What the store hands to its writer.
pub(super) struct WriterParts {
    pub(super) address: PostgresUrl,
    pub(super) channel: String,
    pub(super) reader: Arc<Reader>,
    pub(super) inbox: Inbox,
    pub(super) faults: Option<Arc<dyn CommitFaults>>,
    pub(super) is_another: Arc<AtomicBool>,
}

impl Writer {
    /// A writer without a connection yet, for a log that stood so at its opening.
    pub(super) fn new(standing: Standing, parts: WriterParts) -> Self {
        let WriterParts { address, channel, reader, inbox, faults, is_another } = parts;
        let Standing { head, term, partition_events } = standing;
        Self {
            address,
            channel,
            reader,
            inbox,
            faults,
            is_another,
            connection: None,
            recover_from: Instant::now(),
            last_failure: String::new(),
            cache: stream_cache(),
            seen: Seen { term, head, acknowledged: None },
            partition_events,
            partitioned_to: 0,
            partition_from: Instant::now(),
            ring_end: head,
        }
    }

    /// Serves the queue until the store is closed or dropped, then what is left in it.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_APPENDS_MAX);
        loop {
            let broken = self.connection.is_none();
            tokio::select! {
                biased;
                () = self.inbox.stop.notified() => self.inbox.requests.close(),
                count = self.inbox.requests.recv_many(&mut batch, BATCH_APPENDS_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.serve(&mut batch).await;
                }
                // Also without appends, so that the first one need not wait for it.
                () = sleep_until(self.recover_from), if broken => {
                    // A failure has set the time of the next attempt.
                    let _ = self.recover().await;
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            // Everything is committed; whatever closing says changes nothing.
            let _ = connection.close().await;
        }
    }

    async fn serve(&mut self, batch: &mut Vec<Request>) {
        let committed = self.commit(batch).await;
        answer(batch, committed.map_err(AppendError::from));
    }

    async fn commit(
        &mut self,
        batch: &mut [Request],
    ) -> Result<Vec<Result<Appended, AppendError>>, BatchError> {
        if self.is_another.load(Ordering::Relaxed) {
            let reason = "another server works on this log, and a log has one";
            return Err(BatchError::NotWritten(reason.to_owned()));
        }
        self.recover().await.map_err(BatchError::NotWritten)?;
        self.see_head();
        let events: usize = batch.iter().map(|request| request.append.events.len()).sum();
        self.partition_ahead(self.seen.head, events).await.map_err(BatchError::NotWritten)?;
        let mut trust = Trust::Memory;
        let mut attempt = 0;
        let written = loop {
            attempt += 1;
            let error = match self.write(batch, trust).await {
                Ok(written) => break written,
                Err(error) => error,
            };
            let may_go_on = attempt < ATTEMPTS_MAX;
            match error {
                BatchError::Conflict if may_go_on => trust = Trust::Nothing,
                BatchError::Unpartitioned if may_go_on => self.grow(events).await?,
                BatchError::OtherLog if may_go_on => {
                    self.disconnect(&error.to_string());
                    self.recover_from = Instant::now();
                    self.recover().await.map_err(BatchError::NotWritten)?;
                }
                error => {
                    self.disconnect(&error.to_string());
                    return Err(error);
                }
            }
        };
        match written {
            (plan, None) => Ok(plan.outcomes),
            (plan, Some(placed)) => {
                for request in batch {
                    // The plan's events are then the only ones, and get their positions in place.
                    request.append.events = Vec::new();
                }
                Ok(self.publish(plan, placed))
            }
        }
    }

    /// Decides the batch and writes it; `None` where nothing of it was to be written.
    async fn write(
        &mut self,
        batch: &mut [Request],
        trust: Trust,
    ) -> Result<(Plan, Option<Placed>), BatchError> {
        let Some(connection) = &mut self.connection else {
            return Err(BatchError::NotWritten(self.last_failure.clone()));
        };
        let mut appends: Vec<&mut Prepared> =
            batch.iter_mut().map(|request| &mut request.append).collect();
        match trust {
            Trust::Memory => {
                let cache = &mut self.cache;
                let plan = decide(connection, cache, &mut appends, trust).await?;
                if plan.rows.is_empty() {
                    return Ok((plan, None));
                }
                let fault = at_commit(self.faults.as_deref()).await?;
                let begun = Instant::now();
                let placed = insert(connection, &plan, &self.seen, &self.channel);
                let placed = in_time(placed, judge_commit).await;
                metrics::histogram!(COMMIT_SECONDS).record(begun.elapsed());
                let placed = placed?;
                told(fault)?;
                Ok((plan, Some(placed.ok_or(BatchError::OtherLog)?)))
            }
            Trust::Nothing => {
                let mut transaction = in_time(connection.begin(), judge_statement).await?;
                let lock = sqlx::query(LOCK_SQL).execute(&mut *transaction);
                in_time(lock, judge_statement).await?;
                let cache = &mut self.cache;
                let plan = decide(&mut transaction, cache, &mut appends, trust).await?;
                if plan.rows.is_empty() {
                    in_time(transaction.rollback(), judge_statement).await?;
                    return Ok((plan, None));
                }
                let placed = insert(&mut transaction, &plan, &self.seen, &self.channel);
                let placed = in_time(placed, judge_statement).await?;
                let placed = placed.ok_or(BatchError::OtherLog)?;
                let fault = at_commit(self.faults.as_deref()).await?;
                let begun = Instant::now();
                let committed = in_time(transaction.commit(), judge_commit).await;
                metrics::histogram!(COMMIT_SECONDS).record(begun.elapsed());
                committed?;
                told(fault)?;
                Ok((plan, Some(placed)))
            }
        }
    }

    /// The batch is durable: now it may be seen and told.
    fn publish(&mut self, mut plan: Plan, placed: Placed) -> Vec<Result<Appended, AppendError>> {
        placed.apply(&mut plan);
        for (name, stream) in plan.streams_after {
            self.cache.put(name, stream);
        }
        metrics::counter!("chargebook_store_events_total").increment(plan.rows.len() as u64);
        let before = Position::from_u64(placed.position);
        if before != self.ring_end {
            // Others have written in between.
            self.reader.ring().restart(before);
        }
        if let Some(last) = plan.rows.last() {
            let position = last.event.position;
            self.ring_end = position;
            self.seen.head = self.seen.head.max(position);
            self.seen.acknowledged = Some((position, last.event.leaf));
        }
        self.reader.ring().extend(plan.rows.into_iter().map(|row| row.event));
        self.reader.head().raise(self.seen.head);
        plan.outcomes
    }

    /// Others have written beyond the partitions that this process has made: looks where the log
    /// stands, and goes on from there.
    async fn grow(&mut self, events: usize) -> Result<(), BatchError> {
        let refreshed = self.reader.refresh_head().await;
        refreshed.map_err(|error| BatchError::NotWritten(error.to_string()))?;
        let head = *self.reader.head().subscribe().borrow();
        let made = self.partition(head.as_u64() + 1, head.as_u64() + events as u64).await;
        made.map_err(|reason| {
            BatchError::NotWritten(format!("no partition for the next events: {reason}"))
        })
    }

    /// Makes the partitions for so many events after the head, and for half a partition more. That
    /// PostgreSQL refuses it stops nobody: a batch that has no partition will say so itself.
    async fn partition_ahead(&mut self, head: Position, events: usize) -> Result<(), String> {
        let first = head.as_u64() + 1;
        let last = head.as_u64() + events as u64 + self.partition_events / 2 + 1;
        if last <= self.partitioned_to || Instant::now() < self.partition_from {
            return Ok(());
        }
        match self.partition(first, last).await {
            Err(reason) if self.connection.is_some() => {
                self.partition_from = Instant::now() + PARTITION_PAUSE;
                tracing::warn!(
                    position = last,
                    reason,
                    "the log's next partition cannot be made; when the present one is full, the \
                     log takes no more events"
                );
                Ok(())
            }
            made_or_lost => made_or_lost,
        }
    }

    /// Makes the partitions for these positions; the connection stays where PostgreSQL refuses.
    async fn partition(&mut self, first: u64, last: u64) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let made = ensure_partitions(connection, first, last, self.partition_events);
        let reason = match timeout(STATEMENT_WAIT_MAX, made).await {
            Ok(Ok(())) => {
                let partitions = last.div_ceil(self.partition_events);
                self.partitioned_to = partitions.saturating_mul(self.partition_events);
                return Ok(());
            }
            Ok(Err(error)) if refusal(&error).is_some() => return Err(error.to_string()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "PostgreSQL does not answer".to_owned(),
        };
        self.disconnect(&reason);
        Err(reason)
    }

    /// What was followed of the log is seen, too.
    fn see_head(&mut self) {
        self.seen.head = self.seen.head.max(*self.reader.head().subscribe().borrow());
    }

    /// Lets go of the connection and forgets what was known through it.
    fn disconnect(&mut self, reason: &str) {
        self.cache.clear();
        reason.clone_into(&mut self.last_failure);
        if self.connection.take().is_some() {
            self.recover_from = Instant::now() + RECOVERY_PAUSE;
        }
    }

    /// Connects anew, and makes sure that it is the log that was seen before.
    async fn recover(&mut self) -> Result<(), String> {
        if self.connection.is_some() {
            return Ok(());
        }
        if Instant::now() < self.recover_from {
            return Err(self.last_failure.clone());
        }
        match self.reconnect().await {
            Ok(()) => {
                tracing::debug!(term = self.seen.term, "the log can be written");
                Ok(())
            }
            Err(reason) => {
                if reason != self.last_failure {
                    tracing::warn!(reason, "the log cannot be written");
                }
                self.connection = None;
                self.last_failure = reason;
                self.recover_from = Instant::now() + RECOVERY_PAUSE;
                Err(self.last_failure.clone())
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), String> {
        let connected = timeout(CONNECT_WAIT_MAX, self.address.connect_writing()).await;
        let connected = connected.map_err(|_| "PostgreSQL does not answer".to_owned())?;
        let mut connection = connected.map_err(|error| error.to_string())?;
        self.see_head();
        let entered = timeout(STATEMENT_WAIT_MAX, enter(&mut connection, &self.seen)).await;
        let entered = entered.map_err(|_| "PostgreSQL does not answer".to_owned())?;
        let Standing { head, term, .. } = entered.map_err(|error| error.to_string())?;
        self.seen = Seen { term, head, ..self.seen };
        self.connection = Some(connection);
        // What was made may have been undone meanwhile.
        self.partitioned_to = 0;
        self.partition_from = Instant::now();
        self.partition_ahead(head, 0).await?;
        self.reader.head().raise(head);
        Ok(())
    }
}

async fn decide(
    connection: &mut PgConnection,
    cache: &mut StreamCache,
    appends: &mut [&mut Prepared],
    trust: Trust,
) -> Result<Plan, BatchError> {
    let loaded = load(connection, cache, appends, trust);
    let mut loaded = in_time(loaded, judge_statement).await?;
    let id_check = match trust {
        Trust::Memory => IdCheck::OnMismatch,
        Trust::Nothing => IdCheck::Always,
    };
    let decided = plan(&mut loaded, cache, UNPLACED_BASE, appends, id_check);
    decided.map_err(|error| BatchError::NotWritten(error.to_string()))
}

async fn at_commit(faults: Option<&dyn CommitFaults>) -> Result<Option<CommitFault>, BatchError> {
    let Some(faults) = faults else { return Ok(None) };
    match faults.at_commit().await {
        Some(CommitFault::LostBefore) => {
            Err(BatchError::Unknown("injected: lost before the commit".to_owned()))
        }
        fault => Ok(fault),
    }
}

fn told(fault: Option<CommitFault>) -> Result<(), BatchError> {
    match fault {
        None => Ok(()),
        Some(_) => Err(BatchError::Unknown("injected: lost after the commit".to_owned())),
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
    judge: fn(&sqlx::Error) -> BatchError,
) -> Result<T, BatchError> {
    match timeout(STATEMENT_WAIT_MAX, work).await {
        Ok(done) => done.map_err(|error| judge(&error)),
        Err(_) => {
            let seconds = STATEMENT_WAIT_MAX.as_secs();
            let silence = format!("PostgreSQL has not answered for {seconds} s");
            Err(judge(&sqlx::Error::Io(std::io::Error::other(silence))))
        }
    }
}

/// Before a commit nothing is written, whatever goes wrong.
fn judge_statement(error: &sqlx::Error) -> BatchError {
    match judge_commit(error) {
        BatchError::Unknown(reason) => BatchError::NotWritten(reason),
        judged => judged,
    }
}

/// A statement that PostgreSQL refuses, and goes on, has left nothing. After anything else it may
/// have been committed.
fn judge_commit(error: &sqlx::Error) -> BatchError {
    match refusal(error) {
        Some(refused) => match refused.code() {
            code::UNIQUE_VIOLATION => BatchError::Conflict,
            code::CHECK_VIOLATION => BatchError::Unpartitioned,
            _ => BatchError::NotWritten(error.to_string()),
        },
        None => BatchError::Unknown(error.to_string()),
    }
}

/// What PostgreSQL says where it refuses a statement and goes on.
fn refusal(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    let refused = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    (refused.severity() == PgSeverity::Error).then_some(refused)
}

//! The one writer of a process. It takes whatever queued during the last round as one batch,
//! decides it by the index, and sends what goes in over one long call, each append with the exact
//! version that it expects. An append is answered once it was seen in the log, where the
//! subscription brings it back: then it is durable, has its position, and whoever reads sees it.
//!
//! The index may be behind what other processes write. KurrentDB refuses what does not fit, and an
//! answer may get lost: both are decided again by what the stream itself says. To send the same
//! events again with the same expected version is safe, and settles which of the two it was.
//!
//! After one refusal the client (4.0.0) gives up the whole call, with all that is on its way. So a
//! batch that others have interfered with takes more than one round; its bound is
//! [`ROUNDS_MAX`].

use super::follow::{Awaited, Seen};
use super::index::Index;
use super::read::Reader;
use super::session::{NOT_SEEN, SEEN_WAIT_MAX, Sent, Session};
use super::stored;
use crate::group_commit::plan::{Base, IdCheck, Plan, plan, stream_cache};
use crate::group_commit::queue::{Inbox, Request, answer, note_failure};
use crate::port::{AppendError, Appended, Position, StreamName};
use crate::prepare::Prepared;
use futures::future::join_all;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Seconds that a batch took to be durable.
const COMMIT_SECONDS: &str = "chargebook_store_commit_seconds";
/// Most appends in one round.
const BATCH_APPENDS_MAX: usize = 1000;
/// How often what is open of a batch is decided and sent.
const ROUNDS_MAX: u32 = 6;
/// After this no further round is begun.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause before the second round that follows a failure; it grows with each.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// After a failure to connect, how long everything is refused before the next attempt.
const RECOVERY_PAUSE: Duration = Duration::from_millis(100);
/// Positions beyond this are ordinals of the batch: its own are not known before they are seen.
const UNPLACED: u64 = 1 << 62;
const UNPLACED_BASE: Base =
    Base { head: Position::from_u64(UNPLACED), last_stream_id: UNPLACED as i64 };

/// What the writer's task owns.
pub(super) struct Writer {
    reader: Arc<Reader>,
    index: Arc<Index>,
    awaited: Arc<Awaited>,
    inbox: Inbox,
    acknowledge_wait: Duration,
    session: Option<Session>,
    recover_from: Instant,
    last_failure: String,
}

/// An append of the batch on its way to its answer.
#[derive(Default)]
struct Course {
    outcome: Option<Result<Appended, AppendError>>,
    /// Why it may be in the log although nobody has seen it.
    unknown: Option<String>,
    failure: String,
}

impl Writer {
    pub(super) fn new(
        reader: Arc<Reader>,
        index: Arc<Index>,
        awaited: Arc<Awaited>,
        inbox: Inbox,
        acknowledge_wait: Duration,
    ) -> Self {
        Self {
            reader,
            index,
            awaited,
            inbox,
            acknowledge_wait,
            session: None,
            recover_from: Instant::now(),
            last_failure: String::new(),
        }
    }

    /// Serves the queue until the store is closed or dropped, then what is left in it.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_APPENDS_MAX);
        loop {
            tokio::select! {
                biased;
                () = self.inbox.stop.notified() => self.inbox.requests.close(),
                count = self.inbox.requests.recv_many(&mut batch, BATCH_APPENDS_MAX) => {
                    if count == 0 {
                        return;
                    }
                    let begun = Instant::now();
                    let outcomes = self.commit(&mut batch).await;
                    metrics::histogram!(COMMIT_SECONDS).record(begun.elapsed());
                    answer(&mut batch, outcomes);
                }
            }
        }
    }

    /// One answer for each append of the batch; an error where none of it was written.
    async fn commit(
        &mut self,
        batch: &mut [Request],
    ) -> Result<Vec<Result<Appended, AppendError>>, AppendError> {
        let mut courses: Vec<Course> = batch.iter().map(|_| Course::default()).collect();
        let mut ahead: HashSet<StreamName> = HashSet::new();
        let deadline = Instant::now() + BATCH_WAIT_MAX;
        let mut round = 0;
        while courses.iter().any(|course| course.outcome.is_none()) {
            if round == ROUNDS_MAX || Instant::now() > deadline {
                break;
            }
            if round > 1 {
                sleep(ROUND_PAUSE * round).await;
            }
            round += 1;
            let failed = match self.enter().await {
                Ok(()) => self.round(batch, &mut courses, &mut ahead).await.err(),
                Err(reason) if round == 1 => return Err(AppendError::Down(reason)),
                Err(reason) => Some(reason),
            };
            if let Some(reason) = failed {
                for course in courses.iter_mut().filter(|course| course.outcome.is_none()) {
                    course.failure.clone_from(&reason);
                }
            }
        }
        self.awaited.forget();
        let mut outcomes: Vec<_> = courses.into_iter().map(Course::close).collect();
        self.see(&mut outcomes).await;
        let failed = || {
            let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
            errors.filter(|error| matches!(error, AppendError::Unknown(_) | AppendError::Down(_)))
        };
        if let Some(first) = failed().next() {
            note_failure(failed().count(), first);
        }
        Ok(outcomes)
    }

    /// What was found in a stream may not have come by the subscription yet, and nothing is
    /// answered before that.
    async fn see(&self, outcomes: &mut [Result<Appended, AppendError>]) {
        let positions = outcomes.iter().flatten().map(|appended| appended.position);
        let Some(last) = positions.max() else { return };
        let mut head = self.reader.head().subscribe();
        for _ in 0..2 {
            match timeout(SEEN_WAIT_MAX, head.wait_for(|head| *head >= last)).await {
                Ok(_) => return,
                Err(_) => self.awaited.is_late.notify_one(),
            }
        }
        let head = *head.borrow();
        for outcome in outcomes {
            if matches!(outcome, Ok(appended) if appended.position > head) {
                *outcome = Err(AppendError::Unknown(NOT_SEEN.to_owned()));
            }
        }
    }

    /// Decides what is open, sends what goes in, and takes in what came of it.
    async fn round(
        &mut self,
        batch: &mut [Request],
        courses: &mut [Course],
        ahead: &mut HashSet<StreamName>,
    ) -> Result<(), String> {
        let mut open: Vec<(&mut Prepared, &mut Course)> = batch
            .iter_mut()
            .zip(courses)
            .map(|(request, course)| (&mut request.append, course))
            .filter(|(_, course)| course.outcome.is_none())
            .collect();
        // Before the index is asked: what is seen after that is heard of, what was before is in it.
        let waits: Vec<_> = open
            .iter()
            .map(|(append, _)| append.events.last().map(|last| self.awaited.wait_for(last)))
            .collect();
        let appends: Vec<&Prepared> = open.iter().map(|(append, _)| &**append).collect();
        let stored = stored::load(&self.index, &self.reader, &appends, ahead).await;
        let mut stored = stored.map_err(|error| error.to_string())?;
        let mut appends: Vec<&mut Prepared> =
            open.iter_mut().map(|(append, _)| &mut **append).collect();
        let decided =
            plan(&mut stored, &mut stream_cache(), UNPLACED_BASE, &mut appends, IdCheck::Always);
        let Plan { outcomes, .. } = decided.map_err(|error| error.to_string())?;
        let Some(session) = &self.session else { return Err(self.last_failure.clone()) };

        let goes_in = |outcome: &Result<Appended, AppendError>| {
            matches!(outcome, Ok(Appended { already: false, .. }))
        };
        let changing: HashSet<StreamName> = open
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| goes_in(outcome))
            .map(|((append, _), _)| append.stream.clone())
            .collect();
        let mut sending = Vec::new();
        for (((append, course), outcome), seen) in open.iter_mut().zip(outcomes).zip(waits) {
            if goes_in(&outcome) {
                let (append, course): (&Prepared, &mut Course) = (&**append, &mut **course);
                let sent = session.send(append, seen, &self.awaited);
                sending.push(async move { (append.stream.clone(), course, sent.await) });
            } else if !changing.contains(&append.stream) {
                course.outcome = Some(course.judged(outcome));
            }
            // What depends on an append that is being sent is decided when that one is.
        }
        let mut is_broken = false;
        for (stream, course, sent) in join_all(sending).await {
            is_broken |= !matches!(sent, Sent::Seen(_));
            course.take(sent, || {
                ahead.insert(stream);
            });
        }
        if is_broken {
            // The client has given the call up.
            self.session = None;
        }
        Ok(())
    }

    /// Begins a call where there is none.
    async fn enter(&mut self) -> Result<(), String> {
        if self.session.is_some() {
            return Ok(());
        }
        if Instant::now() < self.recover_from {
            return Err(self.last_failure.clone());
        }
        match Session::begin(Arc::clone(&self.reader), self.acknowledge_wait).await {
            Ok(session) => {
                self.session = Some(session);
                Ok(())
            }
            Err(reason) => {
                if reason != self.last_failure {
                    tracing::warn!(reason, "the log cannot be written");
                }
                self.recover_from = Instant::now() + RECOVERY_PAUSE;
                self.last_failure.clone_from(&reason);
                Err(reason)
            }
        }
    }
}

impl Course {
    fn take(&mut self, sent: Sent, is_ahead: impl FnOnce()) {
        match sent {
            Sent::Seen(Seen { version, position, .. }) => {
                self.outcome = Some(Ok(Appended { version, position, already: false }));
            }
            Sent::Refused => {
                is_ahead();
                "others write to the same stream".clone_into(&mut self.failure);
            }
            Sent::OutOfBounds(reason) => {
                self.outcome = Some(Err(AppendError::OutOfBounds(reason)));
            }
            Sent::NotWritten(reason) => self.failure = reason,
            Sent::Unknown(reason) => {
                // It may be in the stream by now, and the index not there yet.
                is_ahead();
                self.unknown = Some(reason);
            }
        }
    }

    /// The index has decided. What an earlier round has brought in was not there before.
    fn judged(&self, outcome: Result<Appended, AppendError>) -> Result<Appended, AppendError> {
        outcome.map(|appended| Appended { already: self.unknown.is_none(), ..appended })
    }

    fn close(self) -> Result<Appended, AppendError> {
        match (self.outcome, self.unknown) {
            (Some(outcome), _) => outcome,
            (None, Some(reason)) => Err(AppendError::Unknown(reason)),
            (None, None) => Err(AppendError::Down(self.failure)),
        }
    }
}

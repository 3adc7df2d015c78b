//! Follows every session from its first fact to its outcome.

use super::PolicyError;
use super::invoicing::{CONTENTION_RETRIES_MAX, Invoicing};
use super::{delivery, display};
use crate::Chargebook;
use crate::journal::{Draft, JournalError, is_exchange, read_event};
use crate::registry::TariffChoice;
use crate::settling;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Authorization, SessionPreceded, SessionSuperseded, TransactionEventKind,
};
use chargebook_domain::ids::EventId;
use chargebook_domain::session::{
    Beginning, Session, Settlement, is_begin_register, is_ended_by, preceding, settle, superseding,
};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, Position, RecordedEvent, StreamName};
use futures::StreamExt;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Sessions that are written to at the same time.
const WRITES_AT_ONCE_MAX: usize = 256;

/// Sessions that are read to their head at the same time.
const READS_AT_ONCE_MAX: usize = 16;

/// A session that has no outcome yet.
struct Tracked {
    session: Session,
    /// The position before its first event.
    begins_after: Position,
    look_again_at: Option<Timestamp>,
}

/// The policy's state: a fold of the log, made anew at every start.
pub(super) struct Billing {
    chargebook: Chargebook,
    invoicing: Invoicing,
    tracked: HashMap<StreamName, Tracked>,
    waiting: BTreeSet<(Timestamp, StreamName)>,
    position: Position,
    unsaved: bool,
}

/// Events for one stream, ready to be written.
struct Write {
    stream: StreamName,
    expected: ExpectedVersion,
    drafts: Vec<Draft>,
}

impl Billing {
    pub(super) fn new(chargebook: Chargebook, position: Position) -> Self {
        Self {
            invoicing: Invoicing::new(chargebook.clone()),
            chargebook,
            tracked: HashMap::new(),
            waiting: BTreeSet::new(),
            position,
            unsaved: false,
        }
    }

    /// Where it is safe to begin again: before the oldest session that is not finished.
    pub(super) fn safe_position(&self) -> Position {
        let oldest = self.tracked.values().map(|tracked| tracked.begins_after).min();
        oldest.map_or(self.position, |oldest| oldest.min(self.position))
    }

    pub(super) fn worth_saving(&self) -> bool {
        self.unsaved
    }

    pub(super) fn saved(&mut self) {
        self.unsaved = false;
    }

    /// Takes in a page of the log and acts on it.
    pub(super) async fn take(&mut self, page: &[RecordedEvent]) -> Result<(), PolicyError> {
        let mut changed = HashSet::new();
        let mut rated = Vec::new();
        let mut telling = Vec::new();
        let mut told_on = Vec::new();
        let mut concluded = HashSet::new();
        for recorded in page {
            let before = std::mem::replace(&mut self.position, recorded.position);
            if recorded.stream.category() != "session" {
                continue;
            }
            self.unsaved = true;
            if is_exchange(recorded) && recorded.version > 0 {
                if let Some(tracked) = self.tracked.get_mut(&recorded.stream) {
                    if tracked.session.version() < Some(recorded.version) {
                        tracked.session.skip(recorded.version);
                    }
                    // It says nothing new, but may have outrun what was last decided.
                    changed.insert(recorded.stream.clone());
                }
                continue;
            }
            let event = read_event(recorded)?;
            self.fold(recorded, &event, before).await?;
            let is_refused =
                |tracked: &Tracked| tracked.session.started().is_some_and(Beginning::is_refused);
            let tracked = self.tracked.get(&recorded.stream);
            let has_drawn = tracked.is_some_and(is_refused) && tells_of_energy(&event);
            if has_drawn || tells_before(&event) {
                telling.push((recorded.stream.clone(), EventId(recorded.id)));
            }
            if has_drawn || tells_after(&event) {
                told_on.push((recorded.stream.clone(), EventId(recorded.id)));
            }
            match &event {
                Event::SessionRated(_) => {
                    concluded.insert(recorded.stream.clone());
                    // No invoice follows: its payment decides, once it is rated.
                    let tracked = self.tracked.get(&recorded.stream);
                    if tracked.is_some_and(|tracked| tracked.session.is_paid_directly()) {
                        changed.insert(recorded.stream.clone());
                    }
                    rated.push(recorded.stream.clone());
                }
                Event::SessionOutcomeDecided(_) => {
                    concluded.insert(recorded.stream.clone());
                    changed.insert(recorded.stream.clone());
                }
                Event::SessionSettled(_) | Event::ExchangeRecorded(_) => {}
                _ => {
                    changed.insert(recorded.stream.clone());
                }
            }
        }
        // By all that came with it: what lets its token, too.
        for (stream, cause) in telling {
            let tracked = self.tracked.get(&stream);
            let told = tracked.and_then(|tracked| told_before(&tracked.session));
            if let Some((before, told)) = told {
                self.supersede(&before, told, cause).await?;
            }
        }
        for (stream, cause) in told_on {
            let tracked = self.tracked.get(&stream);
            let told = tracked.and_then(|tracked| preceding(&tracked.session));
            if let Some((after, told)) = told {
                self.precede(&StreamName::of("session", after.0), told, cause).await?;
            }
        }
        let concluded = concluded.iter().filter_map(|stream| self.tracked.get(stream));
        let concluded = concluded.map(|tracked| &tracked.session);
        display::show_final_costs(&self.chargebook, concluded).await;
        // A rating is invoiced before its session is judged again: what came after it is then
        // judged against that invoice, and never billed beside it.
        let awaits_invoice = |stream: &&StreamName| {
            self.tracked.get(stream).is_some_and(|tracked| tracked.session.awaits_invoice())
        };
        rated.extend(changed.iter().filter(awaits_invoice).cloned());
        self.invoice(rated).await?;
        self.judge(changed).await
    }

    async fn fold(
        &mut self,
        recorded: &RecordedEvent,
        event: &Event,
        before: Position,
    ) -> Result<(), PolicyError> {
        let recorded_at = Timestamp::new(recorded.recorded_at);
        let id = EventId(recorded.id);
        if let Some(tracked) = self.tracked.get_mut(&recorded.stream) {
            // A session that was loaded whole is ahead of the page.
            if tracked.session.version() < Some(recorded.version) {
                tracked.session.apply(id, recorded.version, recorded_at, event);
            }
            return Ok(());
        }
        let mut session = Session::default();
        if recorded.version > 0 {
            // It was finished before, or begins before the checkpoint: the stream tells.
            let journal = self.chargebook.journal();
            crate::desk::load_session(journal, &recorded.stream, &mut session).await?;
        } else {
            session.apply(id, recorded.version, recorded_at, event);
        }
        let tracked = Tracked { session, begins_after: before, look_again_at: None };
        self.tracked.insert(recorded.stream.clone(), tracked);
        Ok(())
    }

    /// Tells a session without a stop that another one began in its place, unless the desk has:
    /// both write the same event.
    async fn supersede(
        &self,
        stream: &StreamName,
        told: SessionSuperseded,
        cause: EventId,
    ) -> Result<(), PolicyError> {
        let tracked = self.tracked.get(stream).map(|tracked| &tracked.session);
        if tracked.is_some_and(|session| !awaits_stop(session, &told)) {
            return Ok(());
        }
        self.tell(stream, told.clone(), cause, |session| awaits_stop(session, &told)).await
    }

    /// Tells a session whose start gives no register that counts of the one before it, which was
    /// told after it.
    async fn precede(
        &self,
        stream: &StreamName,
        told: SessionPreceded,
        cause: EventId,
    ) -> Result<(), PolicyError> {
        self.tell(stream, told.clone(), cause, |session| session.may_be_preceded(&told)).await
    }

    /// Writes to a session what another one tells it, as long as that is news to it.
    async fn tell(
        &self,
        stream: &StreamName,
        told: impl Into<Event> + Clone,
        cause: EventId,
        is_news: impl Fn(&Session) -> bool,
    ) -> Result<(), PolicyError> {
        let journal = self.chargebook.journal();
        for _ in 0..CONTENTION_RETRIES_MAX {
            let mut session = Session::default();
            crate::desk::load_session(journal, stream, &mut session).await?;
            let version = session.version().filter(|_| is_news(&session));
            let Some((version, (_, station_id, _))) = version.zip(session.identity()) else {
                return Ok(());
            };
            let draft = Draft::following(cause, 0, told.clone());
            let draft = draft.by("policy:billing").about(station_id);
            let expected = ExpectedVersion::Exact(version);
            match journal.append(stream, expected, &[draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                Ok(_) | Err(JournalError::Append(AppendError::IdConflict { .. })) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    /// Looks at the sessions whose time has come.
    pub(super) async fn look_again(&mut self) -> Result<(), PolicyError> {
        let now = self.chargebook.journal().now();
        let due: HashSet<_> = self
            .waiting
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, stream)| stream.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.judge(due).await
    }

    async fn judge(&mut self, streams: HashSet<StreamName>) -> Result<(), PolicyError> {
        let now = self.chargebook.journal().now();
        let mut writes = Vec::new();
        for stream in streams {
            let Some(tracked) = self.tracked.get_mut(&stream) else { continue };
            if let Some(at) = tracked.look_again_at.take() {
                self.waiting.remove(&(at, stream.clone()));
            }
            // Its outcome has been written, and brings it here again.
            if tracked.session.awaits_invoice() {
                continue;
            }
            let tariff = settling::tariff_of(&self.chargebook, &tracked.session).await?;
            let rules = settling::rules(&self.chargebook, tariff.as_ref());
            match settle(&tracked.session, now, rules) {
                Settlement::NotYet { look_again_at } => {
                    let look_again_at = match delivery::ask_at(&tracked.session, rules) {
                        Some(ask_at) if ask_at > now => look_again_at.min(ask_at),
                        Some(_) => {
                            delivery::ask(&self.chargebook, &tracked.session).await;
                            look_again_at
                        }
                        None => look_again_at,
                    };
                    tracked.look_again_at = Some(look_again_at);
                    self.waiting.insert((look_again_at, stream));
                }
                Settlement::Unchanged => {
                    if tracked.session.outcome().is_some() {
                        self.tracked.remove(&stream);
                    }
                }
                decided => match write_of(&tracked.session, &stream, decided, tariff) {
                    Some(write) => writes.push(write),
                    // What came late changes nothing.
                    None if tracked.session.outcome().is_some() => {
                        self.tracked.remove(&stream);
                    }
                    None => {}
                },
            }
        }
        for stream in self.write(writes).await? {
            let Some(tracked) = self.tracked.get_mut(&stream) else { continue };
            tracked.look_again_at = Some(now);
            self.waiting.insert((now, stream));
        }
        Ok(())
    }

    /// Writes to many streams at once. Returns those that have moved on: they have to be judged
    /// again, for what has come may be a repeat that nobody judges.
    async fn write(&self, writes: Vec<Write>) -> Result<Vec<StreamName>, PolicyError> {
        let journal = self.chargebook.journal();
        let mut outcomes = futures::stream::iter(writes)
            .map(|write| async move {
                let appended = journal.append(&write.stream, write.expected, &write.drafts).await;
                (write.stream, appended)
            })
            .buffer_unordered(WRITES_AT_ONCE_MAX);
        let mut moved_on = Vec::new();
        while let Some((stream, outcome)) = outcomes.next().await {
            match outcome {
                Ok(_) => {}
                Err(JournalError::Append(
                    AppendError::WrongVersion { .. } | AppendError::IdConflict { .. },
                )) => moved_on.push(stream),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(moved_on)
    }

    /// Bills sessions that were rated, in that order. Each is read to the head of its stream
    /// before: a rating that has been billed, or another one follows, is not billed again, wherever
    /// the page ends.
    async fn invoice(&mut self, rated: Vec<StreamName>) -> Result<(), PolicyError> {
        let journal = self.chargebook.journal();
        let mut asked = HashSet::new();
        let taken = rated.into_iter().filter(|stream| asked.insert(stream.clone()));
        let taken: Vec<_> = taken.filter_map(|stream| self.tracked.remove_entry(&stream)).collect();
        let mut read = futures::stream::iter(taken)
            .map(|(stream, mut tracked)| async move {
                crate::desk::load_session(journal, &stream, &mut tracked.session).await?;
                Ok::<_, JournalError>((stream, tracked))
            })
            .buffered(READS_AT_ONCE_MAX);
        let mut asking = Vec::new();
        while let Some(read) = read.next().await {
            asking.push(read?);
        }
        drop(read);
        let rated = asking.iter().map(|(stream, tracked)| (stream.clone(), &tracked.session));
        let decided = self.invoicing.invoice(rated).await?;
        self.tracked.extend(asking);
        let chargebook = &self.chargebook;
        let mut outcomes = futures::stream::iter(decided)
            .map(|(stream, expected, drafts)| decide(chargebook, stream, expected, drafts))
            .buffer_unordered(WRITES_AT_ONCE_MAX);
        while let Some(outcome) = outcomes.next().await {
            outcome?;
        }
        Ok(())
    }
}

/// Writes the outcome that an invoice has brought about. It holds whatever the station has said
/// since, so a stream that has moved on is tried again at its new version.
async fn decide(
    chargebook: &Chargebook,
    stream: StreamName,
    mut expected: ExpectedVersion,
    drafts: Vec<Draft>,
) -> Result<(), PolicyError> {
    let mut tries = 0;
    loop {
        match chargebook.journal().append(&stream, expected, &drafts).await {
            Err(JournalError::Append(AppendError::WrongVersion { current: Some(current) }))
                if tries < CONTENTION_RETRIES_MAX =>
            {
                expected = ExpectedVersion::Exact(current);
                tries += 1;
            }
            // Decided before: the log has it.
            Ok(_) | Err(JournalError::Append(AppendError::IdConflict { .. })) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The session before it in its place, and what its start tells that one of how it ended if
/// nothing else does.
fn told_before(session: &Session) -> Option<(StreamName, SessionSuperseded)> {
    let before = session.started()?.follows?;
    Some((StreamName::of("session", before.0), superseding(session)?))
}

/// Whether an event may tell how the session before ended: its session's start, its place, or the
/// register that it began with.
fn tells_before(event: &Event) -> bool {
    match event {
        Event::SessionStarted(fact) => fact.authorization == Authorization::Accepted,
        Event::SessionTransactionReported(fact) => {
            fact.kind == TransactionEventKind::Started
                || fact.follows.is_some()
                || fact.samples.iter().any(is_begin_register)
        }
        Event::SessionMeterRecorded(fact) => fact.samples.iter().any(is_begin_register),
        _ => false,
    }
}

/// Whether an event may tell a later session what its register began with.
fn tells_after(event: &Event) -> bool {
    let followed = matches!(event, Event::SessionSuperseded(_) | Event::SessionPreceded(_));
    followed || matches!(event, Event::SessionStopped(_))
}

/// Whether an event may tell that a session has drawn energy.
fn tells_of_energy(event: &Event) -> bool {
    match event {
        Event::SessionTransactionReported(fact) => !fact.samples.is_empty(),
        Event::SessionMeterRecorded(_) | Event::SessionStopped(_) => true,
        _ => false,
    }
}

/// Whether another session's start tells how it ended. What that has told itself, since then, is
/// left to it.
fn awaits_stop(session: &Session, told: &SessionSuperseded) -> bool {
    !session.is_told_by(told) && is_ended_by(session, told)
}

fn write_of(
    session: &Session,
    stream: &StreamName,
    settlement: Settlement,
    tariff: Option<TariffChoice>,
) -> Option<Write> {
    let version = session.version()?;
    let drafts = settling::drafts_of(session, settlement, tariff);
    let expected = ExpectedVersion::Exact(version);
    (!drafts.is_empty()).then(|| Write { stream: stream.clone(), expected, drafts })
}

//! Reading again what was refused, once the station's dialect is known.
//!
//! A message that was answered with a CALLERROR lies verbatim in its station's months. What it
//! means in the dialect in force now becomes facts, with the times that it had then; each message
//! is taken in once.

use crate::Chargebook;
use crate::desk::{DeskError, RefusedMessage, StationDesk, is_of_sessions};
use crate::journal::{JournalError, is_exchange, read_event};
use crate::message::{Judged, Receipt};
use crate::registry::RegistryError;
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Dialect, Direction, ExchangeRecorded, Verdict};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use chargebook_domain::units::Timestamp;
use chargebook_store::{RecordedEvent, StreamName};
use chrono::{Datelike, Months, TimeDelta};

/// Most refused messages that one request looks at.
pub const REREAD_MESSAGES_MAX: usize = 200;
/// After so many events one request reads no further page.
pub const REREAD_EVENTS_MAX: usize = 10_000;
/// How long before now a request begins that does not say.
const SPAN_DEFAULT: TimeDelta = TimeDelta::days(31);
/// Most months that one request looks through.
const MONTHS_MAX: u32 = 24;
/// Events read at a time.
const PAGE_EVENTS: usize = 1000;
/// Codes of refusals that no dialect has to do with: the station was not accepted.
const REFUSED_FOR_WHO_ASKS: &[&str] = &["SecurityError"];

/// Which refused messages are to be read again, by when they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RereadRequest {
    /// From when on; 31 days ago if absent.
    pub from: Option<Timestamp>,
    /// Before when; now if absent.
    pub until: Option<Timestamp>,
    /// Whether only to tell what would be understood.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RereadReport {
    /// What the messages were read in.
    pub dialect: Dialect,
    /// Every message that was looked at, in the order they came.
    pub messages: Vec<RereadMessage>,
    /// Where to go on, where there were more than [`REREAD_MESSAGES_MAX`] or more than
    /// [`REREAD_EVENTS_MAX`] to look for them in.
    pub next_from: Option<Timestamp>,
}

/// One refused message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RereadMessage {
    /// Its exchange.
    pub exchange: EventId,
    /// Its action, where one could be read.
    pub action: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// What came of it.
    pub outcome: RereadOutcome,
    /// The session that it is about.
    pub session: Option<SessionId>,
}

/// What came of reading one refused message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RereadOutcome {
    /// It would be understood; nothing was written.
    Understood,
    /// It has become facts.
    TakenIn,
    /// The station has said the same in a message that was understood.
    Repeat,
    /// It is understood, and nothing follows from it any more.
    WithoutEffect,
    /// It is not understood in this dialect either.
    StillRefused,
    /// Its personal data has been erased since.
    Erased,
}

/// A refused message with its text still sealed.
struct Found {
    message: RefusedMessage,
    exchange: ExchangeRecorded,
}

impl Chargebook {
    /// Reads refused messages of a station again, oldest first, in the dialect in force now.
    ///
    /// # Errors
    /// No such station, a span that cannot be, or the log. What was taken in before stays.
    pub async fn reread(
        &self,
        id: &str,
        request: RereadRequest,
    ) -> Result<RereadReport, DeskError> {
        let _alone = self.rereading().lock().await;
        let known = self.registry().station(id).await?;
        let state = known.ok_or_else(|| RegistryError::NotFound(format!("no station `{id}`")))?;
        let dialect = self.registry().settings_of(&state).await?.dialect;
        let (from, until) = span(request, self.journal().now())?;
        let streams = month_streams(&state, from, until)?;
        let mut desk = StationDesk::without_connection(self.clone(), state);
        let mut report = RereadReport { dialect, messages: Vec::new(), next_from: None };
        let (mut events, mut last_received_at) = (0, None);
        for stream in streams {
            let mut next_version = self.version_at(&stream, from).await?;
            loop {
                let page = self.page(&stream, next_version, PAGE_EVENTS).await?;
                let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
                if events >= REREAD_EVENTS_MAX {
                    let next = last_received_at.unwrap_or(Timestamp::new(first.recorded_at));
                    report.next_from = Some(next).filter(|next| *next < until);
                    return Ok(report);
                }
                events += page.len();
                next_version = last.version + 1;
                for recorded in &page {
                    let Some(exchange) = of_station(recorded)? else { continue };
                    last_received_at = Some(exchange.received_at);
                    if !is_refused(&exchange, from, until) {
                        continue;
                    }
                    let stream = recorded.stream.clone();
                    let message = RefusedMessage { exchange: EventId(recorded.id), stream };
                    let found = Found { message, exchange };
                    if self.was_reread(&found).await? {
                        continue;
                    }
                    if report.messages.len() >= REREAD_MESSAGES_MAX {
                        report.next_from = Some(found.exchange.received_at);
                        return Ok(report);
                    }
                    let read = self.reread_one(&mut desk, found, dialect, request.dry_run).await?;
                    report.messages.push(read);
                }
            }
        }
        Ok(report)
    }

    async fn page(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, DeskError> {
        let page = self.journal().store().read_stream(stream, from_version, limit).await;
        Ok(page.map_err(JournalError::from)?)
    }

    /// The version of the first event of a stream that was recorded at an instant or later, found
    /// without reading what stands before it: what came since then was recorded since then.
    async fn version_at(&self, stream: &StreamName, from: Timestamp) -> Result<u64, DeskError> {
        let is_before = async |version| {
            let event = self.page(stream, version, 1).await?.pop();
            Ok::<_, DeskError>(event.is_some_and(|event| event.recorded_at < from.utc()))
        };
        let (mut low, mut high) = (0_u64, 0_u64);
        while is_before(high).await? {
            low = high + 1;
            high = low * 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match is_before(middle).await? {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    async fn was_reread(&self, found: &Found) -> Result<bool, DeskError> {
        let key = self.personal().reread_key(found.message.exchange);
        Ok(self.journal().lookup(&key).await?.is_some())
    }

    async fn reread_one(
        &self,
        desk: &mut StationDesk,
        found: Found,
        dialect: Dialect,
        dry_run: bool,
    ) -> Result<RereadMessage, DeskError> {
        let Found { message, exchange } = found;
        let (outcome, session) = match self.understood(&exchange, dialect).await {
            Err(outcome) => (outcome, None),
            Ok((_, Judged::Message(said))) if !is_of_sessions(&said) => {
                (RereadOutcome::WithoutEffect, None)
            }
            Ok(_) if dry_run => (RereadOutcome::Understood, None),
            Ok((receipt, judged)) => {
                match desk.reread(&message, &receipt, &judged, dialect).await? {
                    None => (RereadOutcome::WithoutEffect, None),
                    Some(read) if read.is_repeat => (RereadOutcome::Repeat, read.session),
                    Some(read) => (RereadOutcome::TakenIn, read.session),
                }
            }
        };
        Ok(RereadMessage {
            exchange: message.exchange,
            action: exchange.action,
            received_at: exchange.received_at,
            outcome,
            session,
        })
    }

    /// What a message means in a dialect.
    async fn understood(
        &self,
        exchange: &ExchangeRecorded,
        dialect: Dialect,
    ) -> Result<(Receipt, Judged), RereadOutcome> {
        let Some(request) = &exchange.request else { return Err(RereadOutcome::StillRefused) };
        let text = self.personal().open(request).await;
        if text.contains(HOLE_PLACEHOLDER) {
            return Err(RereadOutcome::Erased);
        }
        let protocol = self.station_protocol();
        match protocol.read(&exchange.protocol, text, dialect, exchange.received_at) {
            Some((receipt, judged @ Judged::Message(_))) => Ok((receipt, judged)),
            _ => Err(RereadOutcome::StillRefused),
        }
    }
}

/// The exchange of a message that the station began.
fn of_station(recorded: &RecordedEvent) -> Result<Option<ExchangeRecorded>, DeskError> {
    if !is_exchange(recorded) {
        return Ok(None);
    }
    let Event::ExchangeRecorded(exchange) = read_event(recorded)? else { return Ok(None) };
    Ok((exchange.direction == Direction::FromStation).then_some(*exchange))
}

/// Whether a message was refused for what it says, in the span.
fn is_refused(exchange: &ExchangeRecorded, from: Timestamp, until: Timestamp) -> bool {
    let code = exchange.error_code.as_deref().unwrap_or_default();
    exchange.verdict == Verdict::Refused
        && !REFUSED_FOR_WHO_ASKS.contains(&code)
        && (from..until).contains(&exchange.received_at)
}

fn span(request: RereadRequest, now: Timestamp) -> Result<(Timestamp, Timestamp), RegistryError> {
    let until = request.until.unwrap_or(now);
    let from = request.from.unwrap_or_else(|| Timestamp::new(until.utc() - SPAN_DEFAULT));
    if from >= until {
        return Err(RegistryError::invalid(
            "/from",
            "it must lie before `until`, which may be now",
        ));
    }
    Ok((from, until))
}

/// The station's months that a span touches.
fn month_streams(
    state: &StationState,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<StreamName>, RegistryError> {
    let first = from.utc().date_naive().with_day(1).unwrap_or(from.utc().date_naive());
    let last = StationState::month_of(until);
    let mut streams = Vec::new();
    for number in 0..MONTHS_MAX {
        let Some(day) = first.checked_add_months(Months::new(number)) else { break };
        let month = day.format("%Y-%m").to_string();
        if month > last {
            return Ok(streams);
        }
        streams.extend(StationState::stream_of(state.station_id, &month));
    }
    let detail = format!("the span must touch no more than {MONTHS_MAX} months");
    Err(RegistryError::invalid("/from", detail))
}

//! The log itself, as it is: every event in its order.

use crate::problem::Problem;
use crate::request::{Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_commands::journal::is_exchange;
use chargebook_domain::sealed::SealedText;
use chargebook_store::port::format_instant;
use chargebook_store::{EventStore, Position, RecordedEvent, StoreError, StreamName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Events of one page, where nothing else is asked for.
const EVENTS_DEFAULT: usize = 100;
/// Most events of one page.
const EVENTS_MAX: usize = 1000;
/// Longest that an empty page is waited with, in seconds.
const WAIT_SECONDS_MAX: u64 = 60;
/// Members of an exchange that hold a frame.
const FRAMES: [&str; 3] = ["request", "reply", "result_error"];

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventItem {
    /// Where it stands in the log: later is greater, and that is all.
    position: u64,
    /// Its own id.
    id: Uuid,
    /// Its stream.
    #[schema(example = "session-5b6f6d8e-7c5f-8a0d-9b57-0a7b7f9f6b1e")]
    stream: String,
    /// Its place in the stream, from 0 without holes.
    version: u64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "session.started")]
    event_type: String,
    /// Version of the schema of `data`.
    schema_version: u32,
    /// Our clock.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// The fact; docs/events.md describes every type.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// Who, in answer to what.
    #[schema(value_type = Object)]
    meta: Box<RawValue>,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The events, in the order of the log.
    items: Vec<EventItem>,
    /// Send it as `after` to get the next page; null where nothing follows yet.
    next: Option<String>,
    /// Where this page ends: to go on later, send it as `after`.
    position: u64,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// Only events after this position.
    after: Option<u64>,
    /// At most so many events: 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Only events of this stream.
    stream: Option<String>,
    /// With `true`, the frames of exchanges stay sealed too, as the log holds them.
    sealed: Option<bool>,
    /// Where there is nothing after `after` yet, wait so many seconds for it: 0 to 60.
    #[param(minimum = 0, maximum = 60, default = 0)]
    wait: Option<u64>,
}

/// The events of the log, in its order; what chargers said and were answered is in
/// `exchange.recorded`, verbatim.
#[utoipa::path(
    get, path = "/v1/events", tag = "log", operation_id = "list_events",
    params(EventFilter, WaitParameters),
    responses((status = 200, description = "A page of the log", body = EventPage)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(filter): Query<EventFilter>,
) -> Result<Json<EventPage>, Problem> {
    let limit = filter.limit.unwrap_or(EVENTS_DEFAULT).min(EVENTS_MAX);
    if limit == 0 {
        return Err(Problem::parameter("limit", "a page has at least 1 event"));
    }
    let stream = match filter.stream.as_deref() {
        None | Some("") => None,
        Some(name) => {
            Some(StreamName::new(name).map_err(|e| Problem::parameter("stream", e.to_string()))?)
        }
    };
    let after = Position::from_u64(filter.after.unwrap_or(0));
    let patience = Duration::from_secs(filter.wait.unwrap_or(0).min(WAIT_SECONDS_MAX));
    let store = state.chargebook.journal().store().as_ref();
    let page = page_waited(store, stream.as_ref(), after, limit, patience, &state).await?;
    let more = follows(store, stream.as_ref(), &page, limit).await?;
    let position = page.last().map_or(after, |last| last.position);
    let sealed = filter.sealed.unwrap_or(false);
    let mut items = Vec::with_capacity(page.len());
    for recorded in page {
        items.push(item(&state, recorded, sealed).await?);
    }
    let next = more.then(|| position.to_string());
    Ok(Json(EventPage { items, next, position: position.as_u64() }))
}

/// A page; an empty one is waited with until the log has moved on, time is up, or the server
/// ends.
async fn page_waited(
    store: &dyn EventStore,
    stream: Option<&StreamName>,
    after: Position,
    limit: usize,
    patience: Duration,
    state: &ApiState,
) -> Result<Vec<RecordedEvent>, Problem> {
    let mut head = store.head();
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        head.borrow_and_update();
        let page = read(store, stream, after, limit).await?;
        if !page.is_empty() {
            return Ok(page);
        }
        let moved = tokio::select! {
            changed = head.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(deadline) => false,
            () = state.shutdown.cancelled() => false,
        };
        if !moved {
            return Ok(page);
        }
    }
}

/// What the store reads at once: at most `limit` events, and fewer where they are large.
async fn read(
    store: &dyn EventStore,
    stream: Option<&StreamName>,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let Some(stream) = stream else { return store.read_all(after, limit).await };
    let first = first_version_after(store, stream, after).await?;
    store.read_stream(stream, first, limit).await
}

/// Whether something may follow a page. The store ends one early where events are large, so a
/// short page is no end by itself.
async fn follows(
    store: &dyn EventStore,
    stream: Option<&StreamName>,
    page: &[RecordedEvent],
    limit: usize,
) -> Result<bool, StoreError> {
    let Some(last) = page.last() else { return Ok(false) };
    if page.len() == limit {
        return Ok(true);
    }
    let next = match stream {
        None => store.read_all(last.position, 1).await?,
        Some(stream) => store.read_stream(stream, last.version + 1, 1).await?,
    };
    Ok(!next.is_empty())
}

/// The first version of a stream that stands after a position. Positions grow with versions,
/// so it is searched by halves: a handful of reads in a stream of any length.
async fn first_version_after(
    store: &dyn EventStore,
    stream: &StreamName,
    after: Position,
) -> Result<u64, StoreError> {
    let is_after = async |version: u64| {
        let event = store.read_stream(stream, version, 1).await?.pop();
        Ok::<bool, StoreError>(event.is_none_or(|event| event.position > after))
    };
    if is_after(0).await? {
        return Ok(0);
    }
    let (mut before, mut step) = (0, 1);
    while !is_after(before + step).await? {
        before += step;
        step *= 2;
    }
    let mut first = before + step;
    while first - before > 1 {
        let middle = before + (first - before) / 2;
        match is_after(middle).await? {
            true => first = middle,
            false => before = middle,
        }
    }
    Ok(first)
}

async fn item(
    state: &ApiState,
    recorded: RecordedEvent,
    sealed: bool,
) -> Result<EventItem, Problem> {
    let data = match is_exchange(&recorded) && !sealed {
        true => opened_exchange(state, recorded.data.as_str()).await,
        false => RawValue::from_string(recorded.data.as_str().to_owned()),
    };
    let meta = RawValue::from_string(recorded.meta.as_str().to_owned());
    Ok(EventItem {
        position: recorded.position.as_u64(),
        id: recorded.id,
        stream: recorded.stream.as_str().to_owned(),
        version: recorded.version,
        event_type: recorded.event_type.into_owned(),
        schema_version: recorded.schema_version,
        recorded_at: format_instant(recorded.recorded_at),
        data: data.map_err(|error| Problem::internal(&error))?,
        meta: meta.map_err(|error| Problem::internal(&error))?,
    })
}

/// The data of an exchange with its frames opened: the very text that was on the wire.
async fn opened_exchange(state: &ApiState, data: &str) -> Result<Box<RawValue>, serde_json::Error> {
    let mut members: Map<String, Value> = serde_json::from_str(data)?;
    for name in FRAMES {
        let Some(frame) = members.get_mut(name).filter(|frame| !frame.is_null()) else { continue };
        let text: SealedText = serde_json::from_value(frame.take())?;
        *frame = Value::String(state.chargebook.personal().open(&text).await);
    }
    serde_json::value::to_raw_value(&members)
}

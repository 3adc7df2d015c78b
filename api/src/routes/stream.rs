//! Live changes as server-sent events: which things are not what they were. Whoever hears of a
//! change reads the thing anew.

use crate::problem::Problem;
use crate::request::Query;
use crate::state::ApiState;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use chargebook_projections::{Change, ChangeFeed, ChangeItem};
use chargebook_store::Position;
use futures::stream::{self, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Most streams at once.
pub(crate) const STREAMS_MAX: usize = 1000;
/// How often a comment says that the stream still stands.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Where an event source says what it has seen (WHATWG HTML, server-sent events).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParameters {
    /// The id of the last event seen; the header `Last-Event-ID` counts before it.
    after: Option<u64>,
}

/// The data of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamData {
    /// Where the read models stand, or further: the id of the event.
    position: u64,
    /// What changed, each thing once: kind and id. `station`, `site`, `tariff`: their id in the
    /// API; `invoice`: its number; `session`, `command`, `token`, `driver`, `account`: our own
    /// id; `setting`: its name; `security_event`, `parked_event`: its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    changes: Option<Arc<[Change]>>,
}

/// Live changes. An event `position` says where the stream begins, `changed` what is not what it
/// was, and `reset` that what happened before cannot be told any more: read everything anew.
#[utoipa::path(
    get, path = "/v1/stream", tag = "log", operation_id = "stream_changes",
    params(
        StreamParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen"),
    ),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream",
            body = StreamData),
        (status = 503, description = "Too many streams", body = Problem),
    ),
)]
pub(crate) async fn changes(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Query(parameters): Query<StreamParameters>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = Arc::clone(&state.streams).try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("too many streams are open"))?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => parameters.after,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            Some(id.ok_or_else(|| Problem::bad_request("`Last-Event-ID` is not one of ours"))?)
        }
    };
    // Read before subscribing: what happens between the two is told, at worst twice.
    let begin = *state.read_models.position().borrow();
    let feed = state.read_models.changes(after.map(Position::from_u64));
    let first = match after {
        Some(_) => None,
        None => Some(event("position", begin, None)),
    };
    let told = stream::unfold((feed, place), |(mut feed, place)| async {
        let event = next(&mut feed).await?;
        Some((event, (feed, place)))
    });
    let events = stream::iter(first).chain(told).take_until(state.shutdown.cancelled_owned());
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    Ok(Sse::new(events.map(Ok)).keep_alive(heartbeat))
}

async fn next(feed: &mut ChangeFeed) -> Option<Event> {
    match feed.next().await? {
        ChangeItem::Changed { position, changes } => {
            Some(event("changed", position, Some(changes)))
        }
        ChangeItem::Reset { position } => Some(event("reset", position, None)),
    }
}

fn event(name: &str, position: Position, changes: Option<Arc<[Change]>>) -> Event {
    let data = StreamData { position: position.as_u64(), changes };
    let text = serde_json::to_string(&data).unwrap_or_else(|error| {
        // Positions and names always have a JSON form.
        tracing::error!(%error, "a change could not be told");
        "{}".to_owned()
    });
    Event::default().event(name).id(position.to_string()).data(text)
}

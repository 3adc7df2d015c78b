//! The stream of changes for open pages: server-sent events that say which kinds of rows are
//! not what they were. The script then reads the page again and swaps what is different.

use crate::error::PageError;
use crate::login::Operator;
use crate::state::Console;
use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chargebook_projections::{ChangeFeed, ChangeItem};
use futures::Stream;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// Pages that can be kept up to date at the same time; one more is refused.
pub const LIVE_STREAMS_MAX: usize = 256;
/// What changes within this is told at once.
const GATHERED_FOR: Duration = Duration::from_millis(500);
/// Rows of one kind that are named; of more only the kind is.
const NAMED_MAX: usize = 50;
/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream asks whether its login still stands.
const LOGIN_CHECK: Duration = Duration::from_secs(10);

/// Streams changes until the login or the process ends.
pub(crate) async fn stream(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, PageError> {
    let permit = console
        .live_streams()
        .clone()
        .try_acquire_owned()
        .map_err(|_| PageError::Busy(format!("{LIVE_STREAMS_MAX} pages are open already.")))?;
    let changes = Changes {
        feed: console.models().changes(None),
        console,
        operator,
        greeted: false,
        _permit: permit,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let answer = Sse::new(changes.into_stream()).keep_alive(keep_alive);
    // Proxies that gather answers would keep the events to themselves.
    Ok(([(header::HeaderName::from_static("x-accel-buffering"), "no")], answer).into_response())
}

struct Changes {
    console: Console,
    operator: Operator,
    feed: ChangeFeed,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl Changes {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut changes| async move {
            let event = changes.next().await?;
            Some((Ok(event), changes))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Event::default().event("ready").data("{}"));
        }
        let shutdown = self.console.options().shutdown.clone();
        loop {
            if !self.console.logins().stands(&self.operator) {
                return None;
            }
            let check_at = Instant::now() + LOGIN_CHECK;
            tokio::select! {
                () = shutdown.cancelled() => return None,
                item = timeout_at(check_at, self.feed.next()) => match item {
                    Err(_) => {}
                    Ok(None) => return None,
                    Ok(Some(item)) => return Some(self.gather(item).await),
                },
            }
        }
    }

    /// What changes in a moment, as one event.
    async fn gather(&mut self, first: ChangeItem) -> Event {
        let mut told = Told::default();
        told.add(first);
        let until = Instant::now() + GATHERED_FOR;
        while let Ok(Some(item)) = timeout_at(until, self.feed.next()).await {
            told.add(item);
        }
        told.event()
    }
}

#[derive(Default)]
struct Told {
    reset: bool,
    rows: BTreeSet<String>,
}

impl Told {
    fn add(&mut self, item: ChangeItem) {
        let ChangeItem::Changed { changes, .. } = item else {
            self.reset = true;
            return;
        };
        for change in changes.iter() {
            let kind = serde_json::to_value(change.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default();
            self.rows.insert(kind.to_owned());
            if self.rows.len() < NAMED_MAX {
                self.rows.insert(format!("{kind}:{}", change.id));
            }
        }
    }

    fn event(self) -> Event {
        let name = if self.reset { "reset" } else { "changed" };
        let rows = serde_json::to_string(&self.rows).unwrap_or_else(|_| "[]".to_owned());
        Event::default().event(name).data(rows)
    }
}

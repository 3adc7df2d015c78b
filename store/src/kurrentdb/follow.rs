//! Follows the log: what anybody has written comes here by KurrentDB's subscription to all events,
//! filtered to the log's streams, and from here into the index, the recent events in memory and
//! the head. Nothing else moves the head, so it has all before it.
//!
//! A subscription that ends is begun anew where it ended, and before that the database is asked
//! for the last event that was seen.

use super::guard::unwinding_at_its_end;
use super::index::{Followed, Index, Place};
use super::link::{OwnTask, text_of};
use super::read::Reader;
use super::record::decode;
use crate::port::{PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError, StreamName};
use chargebook_proof::LeafHash;
use eventstore::{StreamPosition, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::sleep;
use uuid::Uuid;

/// Events on their way from the client to the index.
const ARRIVALS_MAX: usize = 256;
/// After a failure, how long until the next attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Times that a subscription ended.
const ENDS: &str = "chargebook_store_kurrentdb_subscription_ends_total";

/// An event that was seen in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) version: u64,
    pub(super) position: Position,
    pub(super) leaf: LeafHash,
}

/// Those who wait, by stream and id.
type Waiting = HashMap<(StreamName, Uuid), Vec<oneshot::Sender<Seen>>>;

/// Who waits for an event to be seen.
#[derive(Default)]
pub(super) struct Awaited {
    waiting: Mutex<Waiting>,
    /// Told where what was acknowledged is not seen: the subscription may have fallen silent.
    pub(super) is_late: Notify,
}

impl Awaited {
    /// Waits from now on.
    pub(super) fn wait_for(&self, event: &RecordedEvent) -> oneshot::Receiver<Seen> {
        let (sender, receiver) = oneshot::channel();
        let key = (event.stream.clone(), event.id);
        self.waiting().entry(key).or_default().push(sender);
        receiver
    }

    /// Forgets those who wait no longer.
    pub(super) fn forget(&self) {
        self.waiting().retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
    }

    fn tell(&self, event: &RecordedEvent) {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            return;
        }
        let RecordedEvent { version, position, leaf, .. } = *event;
        for sender in waiting.remove(&(event.stream.clone(), event.id)).into_iter().flatten() {
            // Whoever has gone need not know.
            let _ = sender.send(Seen { version, position, leaf });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows the log.
pub(super) struct Follower {
    reader: Arc<Reader>,
    /// `None` where the store only reads.
    index: Option<Arc<Index>>,
    awaited: Arc<Awaited>,
    followed: Followed,
}

/// What a subscription brings.
enum Arrival {
    Event(Arc<RecordedEvent>),
    /// So far there is nothing else.
    Searched(Place),
}

impl Follower {
    /// Follows from where the log was followed before.
    pub(super) fn new(
        reader: Arc<Reader>,
        index: Option<Arc<Index>>,
        awaited: Arc<Awaited>,
        followed: Followed,
    ) -> Self {
        Self { reader, index, awaited, followed }
    }

    /// Reads to the end of the log.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        loop {
            let piece = self.reader.piece(self.followed.through, PAGE_EVENTS_MAX).await?;
            let events = piece.events.into_iter().map(Arc::new).collect();
            self.take(events, piece.through).await?;
            if piece.is_end {
                return Ok(());
            }
        }
    }

    /// Follows until it is aborted.
    pub(super) async fn run(mut self) {
        metrics::counter!(ENDS).increment(0);
        let mut last_reason = String::new();
        loop {
            let reason = self.listen(&mut last_reason).await;
            metrics::counter!(ENDS).increment(1);
            if reason != last_reason {
                tracing::warn!(reason, "the log is not followed; trying again");
                last_reason = reason;
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Takes what one subscription brings, and says why it ended.
    async fn listen(&mut self, last_reason: &mut String) -> String {
        if let Err(reason) = self.reader.check_history().await {
            return reason;
        }
        let (sender, mut arrivals) = mpsc::channel(ARRIVALS_MAX);
        let subscription = subscribe(Arc::clone(&self.reader), self.followed.through, sender);
        let mut task = OwnTask(tokio::spawn(unwinding_at_its_end(subscription)));
        let mut waiting = Vec::with_capacity(ARRIVALS_MAX);
        loop {
            let count = tokio::select! {
                count = arrivals.recv_many(&mut waiting, ARRIVALS_MAX) => count,
                () = self.awaited.is_late.notified() => {
                    return "what was acknowledged has not been seen".to_owned();
                }
            };
            if count == 0 {
                return match (&mut task.0).await {
                    Ok(reason) => reason,
                    Err(_) => "the subscription was ended".to_owned(),
                };
            }
            last_reason.clear();
            let mut through = self.followed.through;
            let mut events = Vec::with_capacity(count);
            for arrival in waiting.drain(..) {
                match arrival {
                    Arrival::Event(event) => {
                        through = through.max(Place::of(event.position));
                        events.push(event);
                    }
                    Arrival::Searched(place) => through = through.max(place),
                }
            }
            if let Err(error) = self.take(events, through).await {
                return error.to_string();
            }
        }
    }

    /// Takes in the next events of the log.
    async fn take(
        &mut self,
        mut events: Vec<Arc<RecordedEvent>>,
        through: Place,
    ) -> Result<(), StoreError> {
        let last = self.followed.last;
        events.retain(|event| last.is_none_or(|(position, _)| event.position > position));
        let newest = events.last().map(|event| (event.position, event.leaf));
        let followed = Followed { through, last: newest.or(last) };
        if followed == self.followed {
            return Ok(());
        }
        if let Some(index) = self.index.clone() {
            let applied = tokio::task::spawn_blocking(move || {
                index.apply(&events, followed).map(|()| events)
            });
            let lost = |_| StoreError::Engine("the index of the log is gone".to_owned());
            events = applied.await.map_err(lost)??;
        }
        self.followed = followed;
        self.reader.publish(events.clone(), followed);
        for event in &events {
            self.awaited.tell(event);
        }
        Ok(())
    }
}

/// Hands on what comes after a place, until the subscription ends; says why it did.
async fn subscribe(reader: Arc<Reader>, after: Place, arrivals: mpsc::Sender<Arrival>) -> String {
    let (number, client) = match reader.link.client() {
        Ok(client) => client,
        Err(reason) => return reason,
    };
    let from = match after == Place::default() {
        true => StreamPosition::Start,
        false => StreamPosition::Position(after.into()),
    };
    let filter = SubscriptionFilter::on_stream_name().add_prefix(reader.prefix());
    let options =
        SubscribeToAllOptions::default().position(from).filter(filter).requires_leader(true);
    let mut subscription = client.subscribe_to_all(&options).await;
    loop {
        let arrival = match subscription.next_subscription_event().await {
            Ok(SubscriptionEvent::EventAppeared(resolved)) => {
                match decode(reader.prefix(), resolved.get_original_event()) {
                    Some(Ok(event)) => Arrival::Event(Arc::new(event)),
                    Some(Err(error)) => return error.to_string(),
                    None => continue,
                }
            }
            Ok(SubscriptionEvent::Checkpoint(place)) => Arrival::Searched(place.into()),
            Ok(_) => continue,
            Err(error) => {
                reader.link.note(number, &error);
                return text_of(&error);
            }
        };
        if arrivals.send(arrival).await.is_err() {
            return "nobody follows any more".to_owned();
        }
    }
}

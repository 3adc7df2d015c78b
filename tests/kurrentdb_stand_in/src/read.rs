//! Reading: pages of a stream or of everything, and the subscription to everything that a prefix of
//! stream names lets through.

use crate::Node;
use crate::faults::{Fault, Step};
use crate::log::Stored;
use crate::service::{Answers, check_leader, not_leader};
use crate::wire::read_req::{Count, Filter, InAll, Options, Place, Revision, StreamPlace};
use crate::wire::read_resp::{Confirmation, Content, ReadEvent, StreamNotFound};
use crate::wire::{Position, ReadReq, ReadResp, StreamIdentifier};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

/// Messages that may wait for the client.
const MESSAGES_MAX: usize = 64;
/// Events after which a subscriber is told how far the search has come.
const CHECKPOINT_EVENTS: usize = 32;
const BACKWARDS: i32 = 1;

type Messages = mpsc::Sender<Result<ReadResp, Status>>;

/// Starts a read or a subscription.
pub(crate) fn read(
    node: &Node,
    request: Request<ReadReq>,
) -> Result<Response<Answers<ReadResp>>, Status> {
    check_leader(node, request.metadata())?;
    let options = request.into_inner().options;
    let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
    let (messages, receiver) = mpsc::channel(MESSAGES_MAX);
    match (&options.place, options.count) {
        (Some(Place::All(_)), Some(Count::Subscription(()))) => {
            let subscriber = Subscriber::new(node.clone(), &options, messages)?;
            tokio::spawn(subscriber.run());
        }
        (Some(_), Some(Count::Events(_))) => {
            let fault = node.cluster.fault_at(Step::Read);
            let page = match fault {
                None => page(node, &options)?,
                Some(Fault::NotLeader) => return Err(not_leader(node)),
                Some(Fault::Ended) => Vec::new(),
                Some(Fault::Silent { .. }) => {
                    tokio::spawn(async move { messages.closed().await });
                    return Ok(Response::new(Answers::new(receiver)));
                }
                Some(_) => return Err(Status::unavailable("injected: dropped")),
            };
            tokio::spawn(async move {
                for content in page {
                    if say(&messages, content).await.is_none() {
                        return;
                    }
                }
            });
        }
        _ => return Err(Status::unimplemented("this kind of read is not stood in for")),
    }
    Ok(Response::new(Answers::new(receiver)))
}

/// `None` where nobody listens any more.
async fn say(messages: &Messages, content: Content) -> Option<()> {
    messages.send(Ok(ReadResp { content: Some(content) })).await.ok()
}

fn event(stored: &Stored) -> Content {
    Content::Event(ReadEvent {
        event: Some(stored.event.clone()),
        commit_position: stored.position,
    })
}

fn page(node: &Node, options: &Options) -> Result<Vec<Content>, Status> {
    let Some(Count::Events(count)) = options.count else { return Ok(Vec::new()) };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let is_backwards = options.direction == BACKWARDS;
    match &options.place {
        Some(Place::Stream(place)) => stream_page(node, place, is_backwards, count),
        Some(Place::All(place)) => {
            let log = node.cluster.log();
            let all = log.events_from(0);
            let index = match place.from {
                Some(InAll::At(position)) => log.index_of(in_range(position.commit)?),
                Some(InAll::End(())) => all.len(),
                Some(InAll::Start(())) | None => 0,
            };
            Ok(match is_backwards {
                true => all[..index].iter().rev().take(count).map(event).collect(),
                false => all[index..].iter().take(count).map(event).collect(),
            })
        }
        None => Ok(Vec::new()),
    }
}

fn stream_page(
    node: &Node,
    place: &StreamPlace,
    is_backwards: bool,
    count: usize,
) -> Result<Vec<Content>, Status> {
    let name = place.stream.as_ref().map(StreamIdentifier::name).unwrap_or_default();
    let log = node.cluster.log();
    let Some(events) = log.stream(&name) else {
        let stream = Some(StreamIdentifier::of(&name));
        return Ok(vec![Content::StreamNotFound(StreamNotFound { stream })]);
    };
    let index = match place.from {
        Some(Revision::At(revision)) => {
            usize::try_from(in_range(revision)?).unwrap_or(usize::MAX).min(events.len())
        }
        Some(Revision::End(())) => events.len(),
        Some(Revision::Start(())) | None => 0,
    };
    Ok(match is_backwards {
        true => events[..index].iter().rev().take(count).map(|stored| event(stored)).collect(),
        false => events[index..].iter().take(count).map(|stored| event(stored)).collect(),
    })
}

/// The server counts in 63 bits.
fn in_range(number: u64) -> Result<u64, Status> {
    match i64::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(Status::invalid_argument("the number is out of range")),
    }
}

/// One subscription to everything.
struct Subscriber {
    node: Node,
    messages: Messages,
    prefixes: Vec<String>,
    /// Index of the next event.
    next: usize,
    since_checkpoint: usize,
}

impl Subscriber {
    fn new(node: Node, options: &Options, messages: Messages) -> Result<Self, Status> {
        let prefixes = match &options.filter {
            Some(Filter::Some(filter)) => {
                let by_name = filter.stream_name.as_ref();
                by_name.map(|by_name| by_name.prefixes.clone()).unwrap_or_default()
            }
            Some(Filter::None(())) | None => Vec::new(),
        };
        let next = match &options.place {
            Some(Place::All(place)) => match place.from {
                // A subscription begins after the position that it is given.
                Some(InAll::At(position)) => {
                    node.cluster.log().index_of(in_range(position.commit)? + 1)
                }
                Some(InAll::End(())) => node.cluster.log().len(),
                Some(InAll::Start(())) | None => 0,
            },
            _ => return Err(Status::invalid_argument("no subscription to everything")),
        };
        Ok(Self { node, messages, prefixes, next, since_checkpoint: 0 })
    }

    async fn run(mut self) {
        // Ends where nobody listens any more, or where it is to end.
        let _ = self.follow().await;
    }

    async fn follow(&mut self) -> Option<()> {
        let mut length = self.node.cluster.length.subscribe();
        let subscription_id = uuid::Uuid::new_v4().to_string();
        say(&self.messages, Content::Confirmation(Confirmation { subscription_id })).await?;
        let mut is_behind = true;
        loop {
            length.mark_unchanged();
            let stored: Vec<Stored> =
                self.node.cluster.log().events_from(self.next).iter().take(100).cloned().collect();
            if stored.is_empty() {
                if std::mem::take(&mut is_behind) {
                    say(&self.messages, Content::CaughtUp(())).await?;
                }
                tokio::select! {
                    moved = length.changed() => moved.ok()?,
                    () = self.messages.closed() => return None,
                }
                continue;
            }
            for stored in stored {
                self.pass(&stored).await?;
                self.next += 1;
            }
        }
    }

    /// Gives an event on, or passes over it.
    async fn pass(&mut self, stored: &Stored) -> Option<()> {
        let is_wanted = self.prefixes.is_empty()
            || self.prefixes.iter().any(|prefix| stored.stream.starts_with(prefix));
        if is_wanted {
            match self.node.cluster.fault_at(Step::Delivery) {
                None => {}
                Some(Fault::Ended) => return None,
                Some(Fault::Silent { .. }) => {
                    self.messages.closed().await;
                    return None;
                }
                Some(fault) => {
                    let status = match fault {
                        Fault::NotLeader => not_leader(&self.node),
                        _ => Status::unavailable("injected: dropped"),
                    };
                    // Whoever has gone needs no answer.
                    let _ = self.messages.send(Err(status)).await;
                    return None;
                }
            }
            say(&self.messages, event(stored)).await?;
        }
        self.since_checkpoint += 1;
        if self.since_checkpoint == CHECKPOINT_EVENTS {
            self.since_checkpoint = 0;
            let position = Position { commit: stored.position, prepare: stored.position };
            say(&self.messages, Content::Checkpoint(position)).await?;
        }
        Some(())
    }
}

//! Ends a subscription that KurrentDB, or a proxy before it, has ended without an error.
//!
//! The client (4.0.0) does not see such an end: its subscription asks on, is told the same again,
//! and never comes back from one and the same poll, so that neither a deadline nor an abort could
//! stop it. The one thing that it does at each turn is to write a line of log. The line is taken
//! here, and unwinds the poll, which ends the task that it is in. No other line of the client is
//! lost: what there is to say of a subscription, the engine says.

use std::future::Future;
use tracing::instrument::WithSubscriber as _;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Where the client writes the line.
const TARGET: &str = "eventstore::commands";

/// What the task unwinds with.
struct Ended;

/// Runs a subscription, in a task of its own; unwinds where it has ended without saying so.
pub(super) async fn unwinding_at_its_end<T>(subscription: impl Future<Output = T>) -> T {
    subscription.with_subscriber(Guard).await
}

struct Guard;

fn is_the_line(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && *metadata.level() == Level::WARN && metadata.target() == TARGET
}

impl Subscriber for Guard {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_the_line(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_the_line(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        // Of its warnings this is the only one that a subscription without retries can write.
        if is_the_line(event.metadata()) {
            std::panic::resume_unwind(Box::new(Ended));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

//! The contract that every engine keeps, as a suite that runs against any of them.
//!
//! It asserts order and completeness, never density of positions. A broken promise panics,
//! with what was expected: the suite is for tests.

mod appends;
mod failing;
mod follow;
mod unknown;

pub use appends::{
    appends_are_read_back, bad_appends_fall_out_alone, events_of_an_append_stay_together,
    ids_are_checked_before_versions, lookup_keys_point_to_the_latest, one_writer_wins_each_version,
    out_of_bounds_appends_are_refused,
};
pub use failing::{FailingStore, Fate};
pub use follow::{
    pages_join_without_a_seam, restarts_continue_the_log, subscribers_see_each_event_once,
};
pub use unknown::unknown_outcomes_are_settled_by_the_same_ids;

use crate::port::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, NewEvent, Position, RecordedEvent,
    StreamName,
};
use async_trait::async_trait;
use chargebook_proof::{CanonicalJson, LeafHash};
use chrono::DateTime;
use std::sync::Arc;
use uuid::Uuid;

/// Writers that race in the concurrent clauses.
pub(crate) const WRITERS: u64 = 32;

/// An engine as the suite needs it.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// A store on a new, empty log.
    async fn create(&self) -> Arc<dyn EventStore>;

    /// The store, closed and opened again. An engine that forgets returns the same one.
    async fn reopen(&self, store: Arc<dyn EventStore>) -> Arc<dyn EventStore>;
}

/// One test for each clause of the contract, for the engine that `$engine` makes.
#[macro_export]
macro_rules! contract_suite {
    ($engine:expr) => {
        $crate::contract_suite!(@clauses $engine,
            appends_are_read_back,
            one_writer_wins_each_version,
            ids_are_checked_before_versions,
            bad_appends_fall_out_alone,
            events_of_an_append_stay_together,
            out_of_bounds_appends_are_refused,
            lookup_keys_point_to_the_latest,
            pages_join_without_a_seam,
            subscribers_see_each_event_once,
            restarts_continue_the_log,
            unknown_outcomes_are_settled_by_the_same_ids,
        );
    };
    (@clauses $engine:expr, $($clause:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $clause() {
                $crate::contract::$clause(&$engine).await;
            }
        )+
    };
}

/// `short`, or ten times that where `CHARGEBOOK_TEST_LONG=1`.
pub fn scaled(short: u64) -> u64 {
    let long = std::env::var("CHARGEBOOK_TEST_LONG").is_ok_and(|value| value == "1");
    if long { short * 10 } else { short }
}

/// Appends one sample event.
pub(crate) async fn append_one(
    store: &dyn EventStore,
    stream: &StreamName,
    expected: ExpectedVersion,
    event: NewEvent,
) -> Result<Appended, AppendError> {
    let append = Append { stream: stream.clone(), expected, events: vec![event] };
    store.append(append).await
}

/// The expectation that a stream with `length` events meets.
pub(crate) fn after_events(length: u64) -> ExpectedVersion {
    length.checked_sub(1).map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact)
}

/// The whole log, page by page, checked for order and for its leaves.
pub(crate) async fn read_log(store: &dyn EventStore, page: usize) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = log.last().map_or(Position::START, |event| event.position);
        let events = store.read_all(after, page).await.expect("the log can be read");
        if events.is_empty() {
            break;
        }
        assert!(events.len() <= page, "a page is no longer than asked for");
        log.extend(events);
    }
    assert!(log.is_sorted_by(|a, b| a.position < b.position), "positions only grow");
    log.iter().try_for_each(RecordedEvent::verify_leaf).expect("leaves fit their events");
    log
}

/// A whole stream, page by page, checked for holes.
pub(crate) async fn read_whole_stream(
    store: &dyn EventStore,
    stream: &StreamName,
) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let from = events.len() as u64;
        let page = store.read_stream(stream, from, 100).await.expect("the stream can be read");
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    for (version, event) in (0..).zip(&events) {
        assert_eq!(event.version, version, "versions of {stream} have no holes");
    }
    events
}

/// An event with a fresh id and a little content of its own.
pub fn sample_event(number: u64) -> NewEvent {
    sample_event_with_id(Uuid::now_v7(), number)
}

/// An event whose content is a function of `number`.
pub fn sample_event_with_id(id: Uuid, number: u64) -> NewEvent {
    NewEvent {
        id,
        event_type: "sample.recorded".into(),
        schema_version: 1,
        recorded_at: DateTime::from_timestamp_millis(1_767_225_600_123).unwrap_or_default(),
        data: CanonicalJson::from_stored(format!("{{\"number\":{number}}}")),
        meta: CanonicalJson::from_stored("{\"actor\":\"contract\"}".to_owned()),
        keys: Vec::new(),
    }
}

/// A recorded event at a position, alone in its stream.
pub fn sample_recorded(position: u64) -> RecordedEvent {
    let event = sample_event(position);
    let stream = StreamName::of("sample", event.id);
    let mut recorded = RecordedEvent {
        position: Position::from_u64(position),
        leaf: LeafHash([0; 32]),
        id: event.id,
        stream,
        version: 0,
        event_type: event.event_type,
        schema_version: event.schema_version,
        recorded_at: event.recorded_at,
        data: event.data,
        meta: event.meta,
    };
    recorded.leaf = recorded.envelope().leaf_hash();
    recorded
}

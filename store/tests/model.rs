//! Every engine answers as a plain model does, whatever mixture of appends comes, one by one or
//! all at once.

use chargebook_store::contract::sample_event_with_id;
use chargebook_store::{
    Append, AppendError, EventStore, ExpectedVersion, MemoryStore, NewEvent, OpenMode, Position,
    SqliteStore, StreamName,
};
use futures::future::join_all;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tempfile::TempDir;
use uuid::Uuid;

/// What an append was answered, without positions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Appended { version: u64, already: bool },
    IdConflict { id: Uuid, version: u64 },
    WrongVersion { current: Option<u64> },
}

/// Streams as lists of (id, content).
#[derive(Default)]
struct Model {
    streams: BTreeMap<String, Vec<(Uuid, u64)>>,
    log: Vec<(String, Uuid)>,
}

#[derive(Clone, Debug)]
struct Op {
    stream: u8,
    expected: Option<u64>,
    /// Small numbers, so that they meet again: id and content.
    events: Vec<(u8, u64)>,
}

impl Op {
    fn stream(&self) -> StreamName {
        StreamName::new(format!("model-{}", self.stream)).expect("valid")
    }

    fn append(&self) -> Append {
        let event = |(id, content): &(u8, u64)| -> NewEvent {
            sample_event_with_id(Uuid::from_u128(u128::from(*id) + 1), *content)
        };
        let expected = self.expected.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        let events = self.events.iter().map(event).collect();
        Append { stream: self.stream(), expected, events }
    }
}

impl Model {
    fn append(&mut self, op: &Op) -> Answer {
        let name = op.stream().to_string();
        let stream = self.streams.entry(name.clone()).or_default();
        let events: Vec<(Uuid, u64)> = op
            .events
            .iter()
            .map(|(id, content)| (Uuid::from_u128(u128::from(*id) + 1), *content))
            .collect();
        let found: Vec<Option<usize>> =
            events.iter().map(|(id, _)| stream.iter().position(|(other, _)| other == id)).collect();
        let present = || events.iter().zip(&found).filter_map(|(e, at)| Some((e, (*at)?)));
        let conflict = |((id, _), at): (&(Uuid, u64), usize)| Answer::IdConflict {
            id: *id,
            version: at as u64,
        };
        if let Some(different) = present().find(|(event, at)| stream[*at] != **event) {
            return conflict(different);
        }
        if let Some(first) = present().next() {
            if present().count() < events.len() {
                return conflict(first);
            }
            let version = present().map(|(_, at)| at as u64).max().unwrap_or_default();
            return Answer::Appended { version, already: true };
        }
        let current = (stream.len() as u64).checked_sub(1);
        if op.expected != current {
            return Answer::WrongVersion { current };
        }
        self.log.extend(events.iter().map(|(id, _)| (name.clone(), *id)));
        stream.extend(events);
        Answer::Appended { version: stream.len() as u64 - 1, already: false }
    }
}

fn answer(outcome: Result<chargebook_store::Appended, AppendError>) -> Answer {
    match outcome {
        Ok(done) => Answer::Appended { version: done.version, already: done.already },
        Err(AppendError::IdConflict { id, version, .. }) => Answer::IdConflict { id, version },
        Err(AppendError::WrongVersion { current }) => Answer::WrongVersion { current },
        Err(other) => panic!("unexpected: {other}"),
    }
}

fn op() -> impl Strategy<Value = Op> {
    let expected = prop_oneof![2 => Just(None), 5 => (0u64..6).prop_map(Some)];
    let ids = prop::sample::subsequence((0u8..10).collect::<Vec<_>>(), 1..4).prop_shuffle();
    let events = ids.prop_flat_map(|ids| {
        let contents = prop::collection::vec(prop_oneof![6 => Just(0u64), 1 => Just(1)], ids.len());
        contents.prop_map(move |contents| ids.iter().copied().zip(contents).collect())
    });
    (0u8..3, expected, events).prop_map(|(stream, expected, events)| Op {
        stream,
        expected,
        events,
    })
}

async fn check(ops: &[Op], at_once: bool, store: &dyn EventStore) {
    let mut model = Model::default();
    let expected: Vec<Answer> = ops.iter().map(|op| model.append(op)).collect();
    let outcomes = if at_once {
        // Polled in this order, so queued in this order: they share batches.
        join_all(ops.iter().map(|op| store.append(op.append()))).await
    } else {
        let mut outcomes = Vec::new();
        for op in ops {
            outcomes.push(store.append(op.append()).await);
        }
        outcomes
    };
    let answers: Vec<Answer> = outcomes.into_iter().map(answer).collect();
    assert_eq!(answers, expected);
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    let log: Vec<(String, Uuid)> =
        log.into_iter().map(|event| (event.stream.to_string(), event.id)).collect();
    assert_eq!(log, model.log);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn engines_answer_as_the_model(ops in prop::collection::vec(op(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            check(&ops, false, &MemoryStore::new()).await;
            for at_once in [false, true] {
                let folder = TempDir::new().expect("a folder");
                let store = SqliteStore::open(folder.path(), OpenMode::Writer).await;
                let store = store.expect("opens");
                check(&ops, at_once, &store).await;
                store.close().await;
            }
        });
    }
}

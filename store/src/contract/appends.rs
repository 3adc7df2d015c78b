//! Clauses on what an append does and answers.

use super::{
    Engine, WRITERS, after_events, append_one, read_log, read_whole_stream, sample_event,
    sample_event_with_id, scaled,
};
use crate::port::{
    APPEND_EVENTS_MAX, Append, AppendError, Appended, EVENT_BYTES_MAX, EVENT_LOOKUP_KEYS_MAX,
    EVENT_TYPE_BYTES_MAX, ExpectedVersion, LookupKey, NewEvent, Position, StreamName,
};
use chargebook_proof::CanonicalJson;
use futures::future::join_all;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

fn new_stream() -> StreamName {
    StreamName::of("contract", Uuid::new_v4())
}

fn append(stream: &StreamName, expected: ExpectedVersion, events: &[NewEvent]) -> Append {
    Append { stream: stream.clone(), expected, events: events.to_vec() }
}

/// What goes in comes out, field by field, with growing positions.
pub async fn appends_are_read_back(engine: &dyn Engine) {
    let store = engine.create().await;
    assert_eq!(*store.head().borrow(), Position::START);
    let (one, two) = (new_stream(), new_stream());
    let mut events: Vec<NewEvent> = (0..5).map(sample_event).collect();
    // Text that a careless encoding would change.
    let data = "{\"text\":\"\\u0000\\n\\\"'; -- 🔌\u{7f}\"}".to_owned();
    events[1].data = CanonicalJson::from_stored(data);
    events[2].schema_version = u32::MAX;

    let first = store.append(append(&one, ExpectedVersion::NoStream, &events[..3])).await;
    let first = first.expect("a new stream takes events");
    assert_eq!((first.version, first.already), (2, false));
    let other = append_one(&*store, &two, ExpectedVersion::NoStream, events[3].clone()).await;
    let other = other.expect("another stream is independent");
    let second = append_one(&*store, &one, ExpectedVersion::Exact(2), events[4].clone()).await;
    let second = second.expect("the stream goes on");
    assert_eq!(second.version, 3);
    assert!(first.position < other.position && other.position < second.position);
    assert_eq!(*store.head().borrow(), second.position);

    let log = read_log(&*store, 2).await;
    assert_eq!(log.len(), 5);
    for (recorded, event) in log.iter().zip(&events) {
        assert_eq!(recorded.id, event.id);
        assert_eq!(recorded.event_type, event.event_type);
        assert_eq!(recorded.schema_version, event.schema_version);
        assert_eq!(recorded.recorded_at, event.recorded_at);
        assert_eq!(recorded.data, event.data);
        assert_eq!(recorded.meta, event.meta);
    }
    assert_eq!(log[2].position, first.position);
    let stream = read_whole_stream(&*store, &one).await;
    assert_eq!(stream, [&log[..3], &log[4..]].concat());
    assert_eq!(store.read_stream(&one, 1, 2).await, Ok(stream[1..3].to_vec()));
    assert_eq!(store.read_stream(&one, 4, 2).await, Ok(vec![]));
    assert_eq!(store.read_stream(&one, u64::MAX, 2).await, Ok(vec![]));
    assert_eq!(store.read_stream(&new_stream(), 0, 2).await, Ok(vec![]));
    let beyond = Position::from_u64(u64::MAX);
    assert_eq!(store.read_all(beyond, 10).await, Ok(vec![]));
}

/// Writers that race for the same version of one stream: each version goes to exactly one.
pub async fn one_writer_wins_each_version(engine: &dyn Engine) {
    let store = engine.create().await;
    let stream = new_stream();
    let rounds = scaled(20);
    let race = |writer: u64| {
        let (store, stream) = (store.clone(), stream.clone());
        tokio::spawn(async move {
            let mut believed = 0;
            let mut won = Vec::new();
            while won.len() < rounds as usize {
                let event = sample_event(writer);
                let id = event.id;
                match append_one(&*store, &stream, after_events(believed), event).await {
                    Ok(appended) => {
                        assert_eq!(appended.version, believed);
                        won.push((appended.version, id));
                        believed += 1;
                    }
                    Err(AppendError::WrongVersion { current: Some(current) }) => {
                        assert!(current >= believed, "the answer is never older than the belief");
                        believed = current + 1;
                    }
                    Err(other) => panic!("a race is only ever lost by version: {other}"),
                }
            }
            won
        })
    };
    let wins = join_all((0..WRITERS).map(race)).await;
    let wins: HashMap<u64, Uuid> = wins.into_iter().flat_map(|won| won.expect("ran")).collect();
    let events = read_whole_stream(&*store, &stream).await;
    assert_eq!(events.len() as u64, WRITERS * rounds);
    assert_eq!(wins.len(), events.len(), "no version was promised twice");
    for event in &events {
        assert_eq!(wins[&event.version], event.id, "the promised writer has it");
    }
}

/// An id that the stream has decides before the version does.
pub async fn ids_are_checked_before_versions(engine: &dyn Engine) {
    let store = engine.create().await;
    let stream = new_stream();
    let events: Vec<NewEvent> = (0..3).map(sample_event).collect();
    let first = append(&stream, ExpectedVersion::NoStream, &events[..2]);
    let done = store.append(first.clone()).await.expect("new");
    let again = Appended { already: true, ..done };
    assert_eq!(store.append(first).await, Ok(again), "the same append again");
    let later = append(&stream, ExpectedVersion::Exact(1), &events[..2]);
    assert_eq!(store.append(later).await, Ok(again), "under a version that fits");
    let wrong = append(&stream, ExpectedVersion::Exact(77), &events[..2]);
    assert_eq!(store.append(wrong).await, Ok(again), "under a version that does not");
    let mut at_another_time = events[1].clone();
    at_another_time.recorded_at += chrono::TimeDelta::seconds(5);
    let decided_again = append_one(&*store, &stream, ExpectedVersion::Exact(1), at_another_time);
    assert_eq!(decided_again.await, Ok(again), "the clock is no content");

    let conflict = |event: &NewEvent, version: u64, position: Position| {
        Err(AppendError::IdConflict { id: event.id, version, position })
    };
    let log = read_log(&*store, 10).await;
    let changed = sample_event_with_id(events[0].id, 99);
    for expected in [ExpectedVersion::NoStream, ExpectedVersion::Exact(1)] {
        let answer = append_one(&*store, &stream, expected, changed.clone()).await;
        assert_eq!(answer, conflict(&events[0], 0, log[0].position));
        let in_part = store.append(append(&stream, expected, &events[1..])).await;
        assert_eq!(in_part, conflict(&events[1], 1, log[1].position));
    }
    let other = new_stream();
    let elsewhere = append_one(&*store, &other, ExpectedVersion::NoStream, events[0].clone());
    let elsewhere = elsewhere.await.expect("ids are unique within a stream");
    assert!(!elsewhere.already);
    assert_eq!(read_whole_stream(&*store, &stream).await.len(), 2, "nothing was written");

    let wrong = append_one(&*store, &stream, ExpectedVersion::Exact(0), events[2].clone()).await;
    assert_eq!(wrong, Err(AppendError::WrongVersion { current: Some(1) }));
    let wrong = append_one(&*store, &stream, ExpectedVersion::NoStream, events[2].clone()).await;
    assert_eq!(wrong, Err(AppendError::WrongVersion { current: Some(1) }));
    let nowhere =
        append_one(&*store, &new_stream(), ExpectedVersion::Exact(0), events[2].clone()).await;
    assert_eq!(nowhere, Err(AppendError::WrongVersion { current: None }));
}

/// Good and bad appends at once: each bad one is refused alone.
pub async fn bad_appends_fall_out_alone(engine: &dyn Engine) {
    let store = engine.create().await;
    let taken = new_stream();
    let original = sample_event(0);
    append_one(&*store, &taken, ExpectedVersion::NoStream, original.clone()).await.expect("new");
    let count = scaled(100);
    let streams: Vec<StreamName> = (0..count).map(|_| new_stream()).collect();
    let appends = (0..count).flat_map(|number| {
        let good = append(
            &streams[number as usize],
            ExpectedVersion::NoStream,
            &[sample_event(number), sample_event(number)],
        );
        let wrong_version = append(&taken, ExpectedVersion::Exact(5), &[sample_event(number)]);
        let changed = sample_event_with_id(original.id, number + 1);
        let id_conflict = append(&taken, ExpectedVersion::Exact(0), &[changed]);
        let again = append(&taken, ExpectedVersion::Exact(0), std::slice::from_ref(&original));
        [good, wrong_version, id_conflict, again]
    });
    let outcomes = join_all(appends.map(|append| store.append(append))).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        match (index % 4, outcome) {
            (0, Ok(Appended { version: 1, already: false, .. }))
            | (1, Err(AppendError::WrongVersion { current: Some(0) }))
            | (2, Err(AppendError::IdConflict { version: 0, .. }))
            | (3, Ok(Appended { version: 0, already: true, .. })) => {}
            (kind, outcome) => panic!("kind {kind} was answered {outcome:?}"),
        }
    }
    let log = read_log(&*store, 1000).await;
    assert_eq!(log.len() as u64, 1 + 2 * count, "the good ones are in, and nothing else");
}

/// Appends of several events race on one stream: each is in as a whole, or not at all.
pub async fn events_of_an_append_stay_together(engine: &dyn Engine) {
    const EVENTS: u64 = 7;
    let store = engine.create().await;
    let stream = new_stream();
    let rounds = scaled(5);
    let write = |writer: u64| {
        let (store, stream) = (store.clone(), stream.clone());
        tokio::spawn(async move {
            let mut believed = 0;
            for round in 0..rounds {
                let number = writer * rounds + round;
                let events: Vec<NewEvent> = (0..EVENTS).map(|_| sample_event(number)).collect();
                loop {
                    let attempt = append(&stream, after_events(believed), &events);
                    match store.append(attempt).await {
                        Ok(appended) => {
                            believed = appended.version + 1;
                            break;
                        }
                        Err(AppendError::WrongVersion { current }) => {
                            believed = current.map_or(0, |current| current + 1);
                        }
                        Err(other) => panic!("unexpected: {other}"),
                    }
                }
            }
        })
    };
    for writer in join_all((0..WRITERS).map(write)).await {
        writer.expect("ran");
    }
    let events = read_whole_stream(&*store, &stream).await;
    assert_eq!(events.len() as u64, WRITERS * rounds * EVENTS);
    let mut seen = HashSet::new();
    for append in events.chunks(EVENTS as usize) {
        assert!(append.iter().all(|event| event.data == append[0].data), "none is split");
        assert!(seen.insert(append[0].data.clone()), "none is in twice");
    }
}

/// What is too much is refused, and nothing of it is written.
pub async fn out_of_bounds_appends_are_refused(engine: &dyn Engine) {
    let store = engine.create().await;
    let stream = new_stream();
    let text = |bytes: usize| {
        let frame = "{\"t\":\"\"}".len();
        CanonicalJson::from_stored(format!("{{\"t\":\"{}\"}}", "x".repeat(bytes - frame)))
    };
    let with = |change: &dyn Fn(&mut NewEvent)| {
        let mut event = sample_event(0);
        event.meta = text(10);
        change(&mut event);
        event
    };
    let largest = with(&|event| event.data = text(EVENT_BYTES_MAX - 10));
    let many = |count: usize| (0..count as u64).map(sample_event).collect::<Vec<_>>();
    let twice = sample_event(1);
    let key = LookupKey([7; 16]);
    let refused: Vec<(&str, Vec<NewEvent>)> = vec![
        ("nothing", vec![]),
        ("too many events", many(APPEND_EVENTS_MAX + 1)),
        ("too large", vec![with(&|event| event.data = text(EVENT_BYTES_MAX - 9))]),
        ("one of them too large", {
            vec![sample_event(0), with(&|event| event.data = text(EVENT_BYTES_MAX))]
        }),
        ("too large together", {
            (0..17).map(|_| NewEvent { id: Uuid::new_v4(), ..largest.clone() }).collect()
        }),
        ("an id twice", vec![twice.clone(), twice]),
        ("no type", vec![with(&|event| event.event_type = "".into())]),
        ("a long type", {
            vec![with(&|event| event.event_type = "t".repeat(EVENT_TYPE_BYTES_MAX + 1).into())]
        }),
        ("too many keys", {
            vec![with(&|event| event.keys = vec![key; EVENT_LOOKUP_KEYS_MAX + 1])]
        }),
    ];
    for (name, events) in refused {
        let answer = store.append(append(&stream, ExpectedVersion::NoStream, &events)).await;
        assert!(matches!(answer, Err(AppendError::OutOfBounds(_))), "{name}: {answer:?}");
    }
    let at_the_end =
        append_one(&*store, &stream, ExpectedVersion::Exact(u64::MAX), sample_event(0));
    assert!(matches!(at_the_end.await, Err(AppendError::OutOfBounds(_))));
    assert_eq!(store.read_all(Position::START, 10).await, Ok(vec![]));

    let largest = append_one(&*store, &stream, ExpectedVersion::NoStream, largest).await;
    assert_eq!(largest.map(|appended| appended.version), Ok(0), "the bound itself is allowed");
    let most = append(&stream, ExpectedVersion::Exact(0), &many(APPEND_EVENTS_MAX));
    let most = store.append(most).await.map(|appended| appended.version);
    assert_eq!(most, Ok(APPEND_EVENTS_MAX as u64));
}

/// A key leads to the stream whose append carried it last, also after a restart; a refused
/// append moves none.
pub async fn lookup_keys_point_to_the_latest(engine: &dyn Engine) {
    let store = engine.create().await;
    let (one, two) = (new_stream(), new_stream());
    let (shared, only_one) = (LookupKey([1; 16]), LookupKey([2; 16]));
    let unused = LookupKey([3; 16]);
    // In the meta too, from which an engine may derive them.
    let with_keys = |keys: &[LookupKey]| {
        let texts: Vec<String> = keys.iter().map(|key| hex::encode(key.0)).collect();
        let meta = serde_json::json!({ "actor": "contract", "keys": texts }).to_string();
        let meta = CanonicalJson::from_stored(meta);
        NewEvent { keys: keys.to_vec(), meta, ..sample_event(0) }
    };
    assert_eq!(store.lookup(&shared).await, Ok(None));
    let event = with_keys(&[shared, only_one]);
    append_one(&*store, &one, ExpectedVersion::NoStream, event.clone()).await.expect("new");
    assert_eq!(store.lookup(&shared).await, Ok(Some(one.clone())));
    append_one(&*store, &two, ExpectedVersion::NoStream, with_keys(&[shared])).await.expect("new");
    assert_eq!(store.lookup(&shared).await, Ok(Some(two.clone())));
    let again = append_one(&*store, &one, ExpectedVersion::NoStream, event).await.expect("again");
    assert!(again.already);
    let late = with_keys(&[shared, unused]);
    let wrong = append_one(&*store, &one, ExpectedVersion::Exact(9), late).await;
    assert_eq!(wrong, Err(AppendError::WrongVersion { current: Some(0) }));

    // Many at once, on keys that change hands within a batch: the order of positions decides.
    let streams: Vec<StreamName> = (0..scaled(50)).map(|_| new_stream()).collect();
    let busy = LookupKey([4; 16]);
    let appends = streams
        .iter()
        .map(|stream| append_one(&*store, stream, ExpectedVersion::NoStream, with_keys(&[busy])));
    let positions = join_all(appends).await.into_iter().map(|done| done.expect("new").position);
    let latest = positions.zip(&streams).max().map(|(_, stream)| stream.clone());

    let store = engine.reopen(store).await;
    assert_eq!(store.lookup(&shared).await, Ok(Some(two)));
    assert_eq!(store.lookup(&only_one).await, Ok(Some(one)));
    assert_eq!(store.lookup(&unused).await, Ok(None));
    assert_eq!(store.lookup(&busy).await, Ok(latest));
}

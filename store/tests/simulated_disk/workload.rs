//! What is appended: several writers, each with a stream of its own, appends of several sizes.

use chargebook_simulated_disk::{Random, SimulatedDisk};
use chargebook_store::contract::sample_event_with_id;
use chargebook_store::{
    Append, AppendError, CanonicalJson, EventStore, ExpectedVersion, LookupKey, NewEvent,
    SqliteStore, StreamName,
};
use futures::future::join_all;
use std::time::Duration;
use uuid::Uuid;

/// Events of one append.
const EVENTS_MAX: u64 = 4;
/// Bytes of a large event: some of them make the write-ahead log be moved into the database.
const LARGE_EVENT_BYTES: u64 = 30_000;
/// How often an append is tried again while the store is down.
const ATTEMPTS_MAX: usize = 100;
/// Between two of these.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// An append that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) append: Append,
}

/// What so many writers ask for, each in its order, with between half and all of so many
/// appends.
pub(crate) fn writers(random: &mut Random, writers: u64, appends_max: u64) -> Vec<Vec<Asked>> {
    let mut number = 0;
    let writer = |_| {
        let stream = StreamName::of("disk", uuid(random));
        let mut next_version: u64 = 0;
        let appends = appends_max / 2 + random.below(appends_max / 2) + 1;
        let append = |_| {
            number += 1;
            let count = 1 + random.below(EVENTS_MAX);
            let events = (0..count).map(|_| event(random, number)).collect();
            let expected = match next_version.checked_sub(1) {
                None => ExpectedVersion::NoStream,
                Some(last) => ExpectedVersion::Exact(last),
            };
            next_version += count;
            Asked { number, append: Append { stream: stream.clone(), expected, events } }
        };
        (0..appends).map(append).collect()
    };
    (0..writers).map(writer).collect()
}

fn event(random: &mut Random, number: u64) -> NewEvent {
    let mut event = sample_event_with_id(uuid(random), number);
    let bytes = if random.percent(20) { LARGE_EVENT_BYTES } else { 300 };
    let filling = "x".repeat(random.below(bytes) as usize);
    let data = format!("{{\"number\":{number},\"text\":\"{filling}\"}}");
    event.data = CanonicalJson::from_stored(data);
    if random.percent(30) {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.number().to_be_bytes());
        event.keys.push(LookupKey(key));
    }
    event
}

fn uuid(random: &mut Random) -> Uuid {
    Uuid::from_u64_pair(random.number(), random.number())
}

/// Appends everything, the writers at once. Each acknowledgement goes into the disk's history. A
/// failed append is tried again with the same ids, as the desk of a station does it.
pub(crate) async fn append_all(store: &SqliteStore, disk: &SimulatedDisk, writers: &[Vec<Asked>]) {
    let write = async |asked: &[Asked]| {
        for asked in asked {
            append_until_known(store, asked).await;
            disk.acknowledged(asked.number);
        }
    };
    join_all(writers.iter().map(|asked| write(asked))).await;
}

async fn append_until_known(store: &SqliteStore, asked: &Asked) {
    for _ in 0..ATTEMPTS_MAX {
        match store.append(asked.append.clone()).await {
            Ok(_) => return,
            Err(AppendError::Unknown(_) | AppendError::Down(_)) => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(other) => panic!("the same ids never end in {other}"),
        }
    }
    panic!("the store does not come back");
}

//! Where the events of a stream lie is written behind: whoever reads notices nothing of it.

use super::{append, append_new, new_stream, open, open_with, sql};
use chargebook_store::contract::sample_event;
use chargebook_store::sqlite::SqliteOptions;
use chargebook_store::{
    AppendError, CanonicalJson, EventStore, ExpectedVersion, LogAddress, NewEvent, OpenMode,
    Position, RecordedEvent, SqliteStore, StreamName,
};
use sqlx::{ConnectOptions as _, Row as _};
use std::path::Path;
use tempfile::TempDir;

/// A log whose index of the streams lags behind in every way: a run written in part, and appends
/// after it. Some appends follow each other in their stream without another's between.
async fn log_with_a_late_index(folder: &Path) -> (SqliteStore, Vec<StreamName>) {
    let options = SqliteOptions { index_run_appends: 40, ..SqliteOptions::default() };
    let store = open_with(folder, options).await;
    let streams: Vec<StreamName> = (0..7).map(|_| new_stream()).collect();
    let mut versions = [0_u64; 7];
    for round in 0..101_usize {
        let at = round * round / 3 % 7;
        let expected = versions[at].checked_sub(1);
        let expected = expected.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        let events =
            (0..1 + round % 3).map(|n| sample_event(round as u64 * 10 + n as u64)).collect();
        let appended = append(&store, &streams[at], expected, events).await.expect("written");
        versions[at] = appended.version + 1;
    }
    (store, streams)
}

/// What a store says of streams, from every version on and in pages of every size.
async fn assert_streams_are_whole(
    store: &SqliteStore,
    streams: &[StreamName],
    log: &[RecordedEvent],
) {
    for stream in streams {
        let whole: Vec<&RecordedEvent> =
            log.iter().filter(|event| event.stream == *stream).collect();
        for from in 0..=whole.len() {
            for limit in [1, 2, 7, 1_000] {
                let page = store.read_stream(stream, from as u64, limit).await.expect("readable");
                let due = &whole[from..whole.len().min(from + limit)];
                assert!(page.iter().eq(due.iter().copied()), "{stream} from {from}, {limit}");
            }
        }
    }
}

#[tokio::test]
async fn streams_are_whole_while_their_index_is_late() {
    let folder = TempDir::new().expect("a folder");
    let (store, streams) = log_with_a_late_index(folder.path()).await;
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    assert_streams_are_whole(&store, &streams, &log).await;
    let beside = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    assert_streams_are_whole(&beside, &streams, &log).await;

    let crashed = TempDir::new().expect("a folder");
    for name in ["log.db", "log.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).expect("copied");
    }
    let recovered = open(crashed.path()).await;
    assert_streams_are_whole(&recovered, &streams, &log).await;
    let version = log.iter().filter(|event| event.stream == streams[0]).count() as u64;
    let refused =
        append(&recovered, &streams[0], ExpectedVersion::NoStream, vec![sample_event(1)]).await;
    let current = Some(version - 1);
    assert_eq!(
        refused,
        Err(AppendError::WrongVersion { current }),
        "it knows where a stream stands"
    );
    recovered.close().await;
    store.close().await;
    for folder in [folder.path(), crashed.path()] {
        let index = "SELECT sum(events) FROM stream_append";
        let head = "SELECT position FROM stream_append_head";
        let (indexed, head) = (number(folder, index).await, number(folder, head).await);
        assert_eq!((indexed, head), (log.len() as i64, log.len() as i64), "closed: all is there");
        assert_streams_are_whole(&open(folder).await, &streams, &log).await;
    }
}

#[tokio::test]
async fn a_log_of_schema_version_1_is_read_and_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let (store, streams) = log_with_a_late_index(folder.path()).await;
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    store.close().await;
    let path = folder.path().join("log.db");
    sql(&path, "DROP TABLE stream_append").await;
    sql(&path, "DROP TABLE stream_append_head").await;
    sql(&path, "CREATE UNIQUE INDEX event_by_version ON event (stream_id, version)").await;
    sql(&path, "PRAGMA user_version = 1").await;

    let reader = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    assert_streams_are_whole(&reader, &streams, &log).await;
    reader.close().await;
    assert_eq!(number(folder.path(), "PRAGMA user_version").await, 1, "a reader changes nothing");
    let store = open(folder.path()).await;
    assert_streams_are_whole(&store, &streams, &log).await;
    append_new(&store, 3).await.expect("written");
    store.close().await;
    assert_eq!(number(folder.path(), "PRAGMA user_version").await, 2);
}

#[tokio::test]
async fn an_index_that_claims_what_cannot_be_is_made_anew() {
    let folder = TempDir::new().expect("a folder");
    let (store, streams) = log_with_a_late_index(folder.path()).await;
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    store.close().await;
    let path = folder.path().join("log.db");
    for damage in [
        "UPDATE stream_append_head SET position = 1000000",
        "DELETE FROM stream_append_head",
        "INSERT INTO stream_append_head VALUES (7)",
    ] {
        // What came last is missing in the index, as after a crash.
        sql(&path, "DELETE FROM stream_append WHERE position > 100").await;
        sql(&path, damage).await;
        let opened =
            LogAddress::Embedded.open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
        let complaints = opened.check_engine(folder.path()).await;
        let claims = "the index of the streams reaches where no event is";
        assert!(complaints.iter().any(|found| found == claims), "{damage}: {complaints:?}");
        opened.close().await;
        let store = open(folder.path()).await;
        assert_streams_are_whole(&store, &streams, &log).await;
        store.close().await;
        let index = "SELECT sum(events) FROM stream_append";
        assert_eq!(number(folder.path(), index).await, log.len() as i64, "{damage}");
    }
}

#[tokio::test]
async fn a_page_cut_short_by_its_bytes_is_followed_by_the_next_events() {
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions { index_run_appends: 10, ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    let stream = new_stream();
    let text = "x".repeat(1_000_000);
    let large = |number: u64| NewEvent {
        data: CanonicalJson::from_stored(format!("{{\"number\":{number},\"text\":\"{text}\"}}")),
        ..sample_event(number)
    };
    for version in 0..45_u64 {
        let expected = version.checked_sub(1);
        let expected = expected.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        append(&store, &stream, expected, vec![large(version)]).await.expect("written");
        append_new(&store, 1).await.expect("written");
    }
    let beside = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    for reader in [&beside, &store] {
        let mut next = 0;
        loop {
            let page = reader.read_stream(&stream, next, 4096).await.expect("whole");
            if page.is_empty() {
                break;
            }
            assert_eq!(page[0].version, next);
            next += page.len() as u64;
        }
        assert_eq!(next, 45);
    }
    store.close().await;
}

/// What a query on the file answers.
async fn number(folder: &Path, query: &'static str) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("log.db"));
    let mut connection = options.connect().await.expect("opens");
    let row = sqlx::query(query).fetch_one(&mut connection).await.expect("a row");
    row.get(0)
}

#[tokio::test]
async fn a_damaged_index_of_the_streams_is_complained_of() {
    let folder = TempDir::new().expect("a folder");
    let (store, _) = log_with_a_late_index(folder.path()).await;
    let complaints = async || {
        let log =
            LogAddress::Embedded.open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
        let complaints = log.check_engine(folder.path()).await;
        log.close().await;
        complaints
    };
    assert_eq!(complaints().await, [""; 0], "while it is late");
    store.close().await;
    assert_eq!(complaints().await, [""; 0]);
    let path = folder.path().join("log.db");
    let leads_to = |what: &str| format!("the index of the streams {what} event at position");
    for (damage, complaint) in [
        (
            "UPDATE stream_append SET events = events + 1 WHERE position = 1",
            leads_to("leads to no"),
        ),
        (
            "UPDATE stream_append SET events = events - 2 WHERE position = 1",
            leads_to("does not lead to the"),
        ),
        ("DELETE FROM stream_append WHERE position > 90", leads_to("does not lead to the")),
    ] {
        sql(&path, damage).await;
        let found = complaints().await;
        assert!(found.iter().any(|found| found.starts_with(&complaint)), "{damage}: {found:?}");
    }
}

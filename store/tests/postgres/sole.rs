//! One server to a log.

use crate::database::{Database, new_stream};
use chargebook_store::contract::sample_event;
use chargebook_store::{
    Append, AppendError, EventStore, ExpectedVersion, LogAddress, OpenError, OpenMode, OpenedLog,
};
use sqlx::Executor as _;
use tempfile::TempDir;

/// As two machines would: with a data folder of its own.
async fn serve(database: &Database, mode: OpenMode) -> Result<(OpenedLog, TempDir), OpenError> {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = LogAddress::Postgres(database.address()).open(folder.path(), mode).await?;
    Ok((opened, folder))
}

async fn append(store: &dyn EventStore) -> Result<(), AppendError> {
    let (stream, events) = (new_stream(), vec![sample_event(1)]);
    store.append(Append { stream, expected: ExpectedVersion::NoStream, events }).await.map(|_| ())
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_has_ended() {
    let (database, neighbour) = (Database::create().await, Database::create().await);
    let (first, _folder) = serve(&database, OpenMode::Writer).await.expect("the first");
    let refused = serve(&database, OpenMode::Writer).await;
    let Err(OpenError::DatabaseInUse { holder, .. }) = refused else { panic!("{refused:?}") };
    assert!(holder.parse::<u32>().is_ok(), "{holder}");
    let (reading, _folder) = serve(&database, OpenMode::ReadOnly).await.expect("readers may");
    let (other, _folder) = serve(&neighbour, OpenMode::Writer).await.expect("another log");
    append(&*other.store()).await.expect("written");
    append(&*first.store()).await.expect("written");
    first.close().await;
    let (second, _folder) = serve(&database, OpenMode::Writer).await.expect("the next");
    append(&*second.store()).await.expect("written");
    reading.close().await;
}

#[tokio::test]
async fn a_server_that_has_lost_its_log_to_another_acknowledges_nothing() {
    let database = Database::create().await;
    let (server, _folder) = serve(&database, OpenMode::Writer).await.expect("opens");
    let store = server.store();
    append(&*store).await.expect("written");
    // Another one stands in line for the lock and gets it when its connection is lost.
    let mut other = database.connect().await;
    let waiting = tokio::spawn(async move {
        let lock = "SELECT pg_advisory_lock(1128418375, to_regclass('log_head')::oid::int)";
        other.execute(lock).await.expect("taken");
        other
    });
    let in_line = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                   AND objid = to_regclass('log_head')::oid";
    while database.number(in_line).await == 0 {
        tokio::task::yield_now().await;
    }
    let holder = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' \
                  AND granted AND objid = to_regclass('log_head')::oid";
    database.run(holder).await;
    let other = waiting.await.expect("it has the lock");
    let reason = loop {
        if let Err(error) = append(&*store).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    let AppendError::Down(reason) = reason else { panic!("{reason:?}") };
    assert!(reason.contains("another server works on this log"), "{reason}");
    let events = database.number("SELECT count(*) FROM event").await;
    assert!(append(&*store).await.is_err());
    assert_eq!(database.number("SELECT count(*) FROM event").await, events);
    drop(other);
    while append(&*store).await.is_err() {
        tokio::task::yield_now().await;
    }
}

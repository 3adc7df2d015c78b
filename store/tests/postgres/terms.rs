//! A database that is not the one that was written to is refused.

use crate::database::{Database, append_new};
use chargebook_store::{AppendError, EventStore as _};

#[tokio::test]
async fn a_new_primary_is_looked_at_before_anything_is_written_to_it() {
    let database = Database::create().await;
    let (one, two) = (database.open().await, database.open().await);
    append_new(&one, 2).await.expect("written");
    append_new(&two, 2).await.expect("written");
    let term = database.number("SELECT term FROM log_head").await;

    // A promotion gives the database a new timeline; here the log remembers another one.
    database.run("UPDATE log_head SET timeline = timeline + 1").await;
    let three = database.open().await;
    assert_eq!(database.number("SELECT term FROM log_head").await, term + 1, "it was raised once");
    for store in [&one, &two, &three] {
        let done = append_new(store, 1).await.expect("they have looked, and go on");
        assert!(!done.already);
    }
    assert_eq!(database.number("SELECT term FROM log_head").await, term + 1, "and only once");
    assert_eq!(database.number("SELECT count(*) FROM event").await, 7);
}

#[tokio::test]
async fn a_replaced_primary_takes_nothing_any_more() {
    let database = Database::create().await;
    let store = database.open().await;
    append_new(&store, 2).await.expect("written");
    let term = database.number("SELECT term FROM log_head").await;
    database.run("UPDATE log_head SET term = term - 1").await;
    let refused = append_new(&store, 1).await;
    let Err(AppendError::Down(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("was replaced as the primary"), "{reason}");
    assert_eq!(database.number("SELECT count(*) FROM event").await, 2, "nothing was written");

    database.run(&format!("UPDATE log_head SET term = {term}")).await;
    written_again(&store).await;
}

#[tokio::test]
async fn a_database_that_lost_events_takes_no_more() {
    let database = Database::create().await;
    let store = database.open().await;
    append_new(&store, 3).await.expect("written");
    // As a dump that is restored under a living writer: nothing but the rows goes back.
    let lose_the_last = "
        CREATE TABLE lost AS SELECT * FROM event WHERE position = 3;
        DELETE FROM event WHERE position = 3;
        UPDATE log_head SET position = 2;";
    database.run(lose_the_last).await;
    let refused = append_new(&store, 1).await;
    let Err(AppendError::Down(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("ends at position 2, and 3 was seen"), "{reason}");

    // Another event where the acknowledged one was.
    let diverge = "INSERT INTO event SELECT position, stream_id, version, id, type, schema_version, \
                   recorded_at, data, meta, '\\x00' FROM lost; UPDATE log_head SET position = 3;";
    database.run(diverge).await;
    let reason = refused_with(&store, "another event at position 3").await;
    assert!(reason.contains("acknowledged"), "{reason}");
    assert_eq!(store.head().borrow().as_u64(), 3);

    database.run("UPDATE event SET leaf = (SELECT leaf FROM lost) WHERE position = 3").await;
    written_again(&store).await;
}

/// Appends until the refusal says what is looked for: the writer looks again after a pause.
async fn refused_with(store: &chargebook_store::PostgresStore, text: &str) -> String {
    loop {
        let refused = append_new(store, 1).await;
        let Err(AppendError::Down(reason)) = refused else { panic!("{refused:?}") };
        if reason.contains(text) {
            return reason;
        }
        tokio::task::yield_now().await;
    }
}

async fn written_again(store: &chargebook_store::PostgresStore) {
    while let Err(error) = append_new(store, 1).await {
        assert!(matches!(error, AppendError::Down(_)), "{error:?}");
        tokio::task::yield_now().await;
    }
}

//! What a database, a role or an address is set to, and what holds all the same.

use crate::database::{Database, append_new};
use chargebook_store::{AppendError, EventStore as _, OpenMode, PostgresStore};

#[tokio::test]
async fn a_commit_is_on_disk_whatever_the_role_is_set_to() {
    for (set, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let database = Database::create().await;
        database.create_role().await;
        let owner = database.open().await;
        append_new(&owner, 1).await.expect("makes the partition, too");
        let name = &database.name;
        let note = format!(
            "ALTER ROLE {name} SET synchronous_commit = {set};
             CREATE TABLE noted AS SELECT '' AS setting;
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE noted SET setting = current_setting('synchronous_commit');
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER UPDATE ON log_head EXECUTE FUNCTION note();"
        );
        database.run(&note).await;
        let store = database.open_as_role().await;
        append_new(&store, 1).await.expect("written");
        let noted = match expected {
            "on" => "SELECT count(*) FROM noted WHERE setting = 'on'",
            _ => "SELECT count(*) FROM noted WHERE setting = 'remote_apply'",
        };
        assert_eq!(database.number(noted).await, 1, "{set}");
        database.run(&format!("ALTER ROLE {name} RESET ALL")).await;
    }
}

#[tokio::test]
async fn a_partition_that_cannot_be_made_stops_nobody_before_it_is_needed() {
    let database = Database::create().await;
    database.create_role().await;
    let owner = database.open().await;
    // Makes the partition for the positions from 1 to 400.
    append_new(&owner, 100).await.expect("written");
    let store = database.open_as_role().await;
    for round in 0..3 {
        let written = append_new(&store, 100).await;
        assert!(written.is_ok(), "round {round}: {written:?}");
    }
    let refused = append_new(&store, 1).await;
    let Err(AppendError::Down(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("no partition for the next events"), "{reason}");
    assert!(reason.contains("permission denied"), "{reason}");
    assert_eq!(store.head().borrow().as_u64(), 400);

    append_new(&owner, 1).await.expect("the owner may make it");
    append_new(&store, 1).await.expect("and the other goes on in it");
}

#[tokio::test]
async fn a_log_is_in_the_first_schema_of_the_search_path_alone() {
    let (behind, first) = (Database::create().await, Database::create().await);
    let other = behind.open().await;
    append_new(&other, 3).await.expect("written");
    let path = format!("&options=-csearch_path%3D{},{}", first.name, behind.name);
    let address = first.address_with(&path);
    let refused = PostgresStore::open(&address, OpenMode::ReadOnly).await;
    assert!(refused.is_err(), "the log of another schema was taken for this one's");
    let store = PostgresStore::open(&address, OpenMode::Writer).await.expect("opens");
    append_new(&store, 1).await.expect("written");
    assert_eq!(first.number("SELECT count(*) FROM event").await, 1);
    assert_eq!(behind.number("SELECT count(*) FROM event").await, 3);
}

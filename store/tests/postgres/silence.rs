//! A database host that falls silent, as one that lost its power does: nothing is closed, nothing
//! is answered.

use crate::database::{Database, append_new};
use chargebook_store::postgres::PostgresOptions;
use chargebook_store::{EventStore as _, LookupKey, OpenMode, PostgresStore, PostgresUrl};
use futures::future::join_all;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Reads at once: more than a store has connections.
const READS: u8 = 24;
/// How long a read may take here.
const READ_WAIT: Duration = Duration::from_millis(500);
/// After which a read that has a deadline is over, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands between a store and its database.
struct Proxy {
    address: PostgresUrl,
    silence: watch::Sender<()>,
}

impl Proxy {
    async fn before(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let silence = watch::Sender::new(());
        let (server, silences) = (database.server(), silence.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut silenced) = (server.clone(), silences.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.expect("it answers");
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // Both connections stay open.
                        _ = silenced.changed() => std::future::pending().await,
                    }
                });
            }
        });
        let address = database.address_with(&format!("&host=127.0.0.1&port={port}"));
        Self { address, silence }
    }

    /// Nothing passes any more on the connections that there are; new ones are served.
    fn silence(&self) {
        self.silence.send_replace(());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_database_holds_no_read_and_no_connection() {
    let database = Database::create().await;
    let writer = database.open().await;
    append_new(&writer, 1).await.expect("written");
    let proxy = Proxy::before(&database).await;
    let options = PostgresOptions { read_wait: READ_WAIT, ..PostgresOptions::default() };
    let opened = PostgresStore::open_with(&proxy.address, OpenMode::ReadOnly, options).await;
    let store = opened.expect("opens");
    let read_many = async || {
        let reads = (0..READS).map(|number| {
            let store = store.clone();
            async move { store.lookup(&LookupKey([number; 16])).await }
        });
        let reads = timeout(PATIENCE, join_all(reads)).await.expect("every read ends");
        reads.into_iter().collect::<Result<Vec<_>, _>>()
    };
    while read_many().await.is_err() {}
    proxy.silence();
    let refused = read_many().await.expect_err("the connections are silent");
    assert!(!refused.to_string().is_empty());
    // The silent connections are gone, and new ones take their place.
    while read_many().await.is_err() {}
    append_new(&writer, 1).await.expect("written");
    let mut head = store.head();
    let seen = timeout(PATIENCE, head.wait_for(|head| head.as_u64() == 2)).await;
    seen.expect("the head is followed again").expect("lives");
}

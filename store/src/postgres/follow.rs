//! Keeps the head of a process up with what all processes write: PostgreSQL tells every commit to
//! those who listen, and because a message may be lost with its connection, the head is also read
//! now and then.

use super::address::PostgresUrl;
use super::read::Reader;
use super::schema::own_table;
use crate::port::Position;
use sqlx::Row as _;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often the head is read although nothing was told.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// After a failure, how long until the next attempt to listen.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The channel of one log: names of channels are the whole database's, so it has the number of the
/// log's own table.
pub(super) const CHANNEL_SQL: &str =
    concat!("SELECT 'chargebook_log_' || ", own_table!("'log_head'"), "::oid");

/// Follows until it is aborted.
pub(super) async fn follow(address: PostgresUrl, reader: Arc<Reader>) {
    tokio::join!(listen(&address, &reader), poll(&reader));
}

async fn poll(reader: &Reader) {
    let mut interval = interval(POLL_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_down = false;
    loop {
        interval.tick().await;
        let refreshed = reader.refresh_head().await;
        match (&refreshed, is_down) {
            (Err(error), false) => tracing::warn!(%error, "cannot look for new events"),
            (Ok(()), true) => tracing::info!("looking for new events again"),
            _ => {}
        }
        is_down = refreshed.is_err();
    }
}

async fn listen(address: &PostgresUrl, reader: &Reader) {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(address.reading());
    loop {
        // What is written meanwhile is found by reading the head; that says why, too.
        if let Err(error) = hear(&pool, reader).await {
            tracing::debug!(%error, "not listening for new events");
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Listens on one connection for as long as it lasts.
async fn hear(pool: &PgPool, reader: &Reader) -> Result<(), sqlx::Error> {
    let channel: String = sqlx::query(CHANNEL_SQL).fetch_one(pool).await?.try_get(0)?;
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(&channel).await?;
    // What was written before it listened.
    if reader.refresh_head().await.is_err() {
        return Ok(());
    }
    while let Some(told) = listener.try_recv().await? {
        if is_news(told.payload(), reader) && reader.refresh_head().await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the log is to be looked at. Anybody in the database may tell anything on the channel,
/// so what is told is never the head itself; but a position that is known already, as all are that
/// were written here, or that one look has found for many, is worth no look.
fn is_news(told: &str, reader: &Reader) -> bool {
    told.parse().map_or(true, |told| Position::from_u64(told) > *reader.head().subscribe().borrow())
}

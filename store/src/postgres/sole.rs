//! One server to a log: an advisory lock of the database, held by a connection of its own.
//!
//! The log itself takes any number of writers; a server does not, since it keeps what it knows of
//! connected stations to itself, and a copied `keys.db` would let a second one start.

use super::address::PostgresUrl;
use super::schema::{open_error, own_table};
use crate::file::OpenError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long a server that starts waits for the one before to let go: the database may learn of its
/// end a little later.
const START_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pause between its attempts.
const START_PAUSE: Duration = Duration::from_millis(100);
/// How often the connection that holds the lock is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long such a look, or an attempt to take the lock anew, may take.
const CHECK_WAIT_MAX: Duration = Duration::from_secs(5);

/// Takes the lock, numbered by the log's own table, or says who has it.
const TAKE_SQL: &str = concat!(
    "SELECT pg_try_advisory_lock(1128418375, ",
    own_table!("'log_head'"),
    "::oid::int), (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
     AND classid = 1128418375 AND objid = ",
    own_table!("'log_head'"),
    "::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     LIMIT 1)"
);
/// A host that is gone without a word keeps the lock no longer than the database waits for it.
const KEEPALIVE_SQL: &str = "SELECT set_config('tcp_keepalives_idle', '5', false), \
     set_config('tcp_keepalives_interval', '5', false), \
     set_config('tcp_keepalives_count', '3', false)";

/// What came of an attempt.
enum Attempt {
    Taken(PgConnection),
    /// By this process of the database.
    HeldBy(Option<i32>),
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct SoleServer {
    keeper: AbortHandle,
}

impl SoleServer {
    /// Takes the lock and keeps it. `is_another` says from then on whether another server has it.
    pub(super) async fn take(
        address: &PostgresUrl,
        is_another: Arc<AtomicBool>,
    ) -> Result<Self, OpenError> {
        let deadline = Instant::now() + START_WAIT_MAX;
        loop {
            match attempt(address).await.map_err(|error| open_error(address, &error))? {
                Attempt::Taken(connection) => {
                    let keeper = tokio::spawn(keep(address.clone(), connection, is_another));
                    return Ok(Self { keeper: keeper.abort_handle() });
                }
                Attempt::HeldBy(holder) if Instant::now() >= deadline => {
                    let holder = holder.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                    return Err(OpenError::DatabaseInUse { address: address.to_string(), holder });
                }
                Attempt::HeldBy(_) => sleep(START_PAUSE).await,
            }
        }
    }

    /// Lets go.
    pub(super) fn end(&self) {
        self.keeper.abort();
    }
}

impl Drop for SoleServer {
    fn drop(&mut self) {
        self.end();
    }
}

async fn attempt(address: &PostgresUrl) -> Result<Attempt, sqlx::Error> {
    let mut connection = address.connect_writing().await?;
    sqlx::query(KEEPALIVE_SQL).execute(&mut connection).await?;
    let row = sqlx::query(TAKE_SQL).fetch_one(&mut connection).await?;
    Ok(match row.try_get(0)? {
        true => Attempt::Taken(connection),
        false => Attempt::HeldBy(row.try_get(1)?),
    })
}

/// Keeps the lock until it is aborted, and takes it anew where its connection was lost.
async fn keep(address: PostgresUrl, connection: PgConnection, is_another: Arc<AtomicBool>) {
    let mut holding = Some(connection);
    loop {
        sleep(CHECK_INTERVAL).await;
        if let Some(connection) = &mut holding
            && matches!(timeout(CHECK_WAIT_MAX, connection.ping()).await, Ok(Ok(())))
        {
            continue;
        }
        holding = None;
        match timeout(CHECK_WAIT_MAX, attempt(&address)).await {
            Ok(Ok(Attempt::Taken(connection))) => {
                holding = Some(connection);
                if is_another.swap(false, Ordering::Relaxed) {
                    tracing::info!("this server has the log to itself again");
                }
            }
            Ok(Ok(Attempt::HeldBy(holder))) => {
                if !is_another.swap(true, Ordering::Relaxed) {
                    tracing::error!(holder, "another server works on this log: nothing is written");
                }
            }
            // Where the database does not answer nothing is written, either.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

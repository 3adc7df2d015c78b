//! Where a PostgreSQL log is, and how its connections are set.

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::fmt;
use std::str::FromStr;

/// What every connection is set to, whatever the database's defaults are.
///
/// Every statement of this engine finds its rows by an index. The planner, which knows little of
/// a log that has just begun to grow, must not think of anything else.
const SESSION: [(&str, &str); 6] = [
    ("default_transaction_isolation", "read committed"),
    // The deadlines are ours; a statement that PostgreSQL gives up while it waits for its
    // standbys would be taken for a durable one.
    ("statement_timeout", "0"),
    ("jit", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
];
/// After which a node that is cut off in the middle of a transaction no longer holds up the
/// others.
const ABANDONED_TRANSACTION_ENDS: &str = "10s";

/// A commit is answered after it is on disk here and at the synchronous standbys; a stricter
/// setting is kept.
const DURABLE_SQL: &str = "SELECT set_config('synchronous_commit', CASE \
     current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, \
     false)";

/// The address of a log in PostgreSQL: `postgres://user:password@host:port/database`, with the
/// parameters of libpq, such as `?sslmode=verify-full`. A log has a schema to itself: the first
/// of the search path. Never shows its password.
#[derive(Clone)]
pub struct PostgresUrl {
    /// In a box, since it is large.
    options: Box<PgConnectOptions>,
    shown: String,
}

/// A text that is no address of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no address such as postgres://user:password@host:5432/database: {0}")]
pub struct PostgresUrlError(String);

impl FromStr for PostgresUrl {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Self::is_one(text) {
            return Err(PostgresUrlError("it begins with something else".to_owned()));
        }
        let options = PgConnectOptions::from_str(text);
        let options = options.map_err(|error| PostgresUrlError(error.to_string()))?;
        let schema = options.get_options().and_then(search_path).map(ToOwned::to_owned);
        let name = options.get_application_name().unwrap_or("chargebook").to_owned();
        let options = options
            .disable_statement_logging()
            .application_name(&name)
            .options(SESSION)
            .options([("idle_in_transaction_session_timeout", ABANDONED_TRANSACTION_ENDS)]);
        let database = options.get_database().unwrap_or(options.get_username());
        let mut shown =
            format!("postgres://{}:{}/{database}", options.get_host(), options.get_port());
        if let Some(schema) = schema {
            shown.push_str(&format!("?options[search_path]={schema}"));
        }
        Ok(Self { options: Box::new(options), shown })
    }
}

impl PostgresUrl {
    /// Whether a text is meant to be such an address.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Connects to write: what is committed is on disk, whatever the role's settings are.
    pub(super) async fn connect_writing(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        sqlx::query(DURABLE_SQL).execute(&mut connection).await?;
        Ok(connection)
    }

    /// A connection that cannot write, whatever is asked of it.
    pub(super) fn reading(&self) -> PgConnectOptions {
        let options = PgConnectOptions::clone(&self.options);
        options.options([("default_transaction_read_only", "on")])
    }
}

/// The search path among the settings of a connection, the last of which counts.
fn search_path(settings: &str) -> Option<&str> {
    const NAME: &str = "search_path=";
    let (_, path) = settings.rsplit_once(NAME)?;
    path.split_whitespace().next()
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_shows_its_password() {
        let text = "postgres://writer:very-secret@db.example:6543/charging?sslmode=require";
        let address: PostgresUrl = text.parse().expect("an address");
        assert_eq!(address.to_string(), "postgres://db.example:6543/charging");
        assert!(!format!("{address:?}").contains("very-secret"));
        let error = "postgres://writer:very-secret@db.example:x/".parse::<PostgresUrl>();
        let error = error.expect_err("no port");
        assert!(!format!("{error} {error:?}").contains("very-secret"));
    }

    #[test]
    fn an_address_shows_its_schema() {
        for written in ["options=-csearch_path%3Dsouth", "options[search_path]=south"] {
            let address = format!("postgres://writer:very-secret@db/charging?{written}");
            let address: PostgresUrl = address.parse().expect("an address");
            let shown = address.to_string();
            assert_eq!(shown, "postgres://db:5432/charging?options[search_path]=south");
            let again: PostgresUrl = shown.parse().expect("it can be used again");
            assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn only_an_address_of_postgresql_is_taken() {
        for text in ["", "sqlite:", "mysql://host/database", "/var/lib/log.db"] {
            assert!(text.parse::<PostgresUrl>().is_err(), "{text}");
        }
        assert!("postgresql:///charging".parse::<PostgresUrl>().is_ok());
    }
}

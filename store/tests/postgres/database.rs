//! A log for one test: a schema of its own in the PostgreSQL that `cargo xtask test` starts.

use chargebook_store::contract::sample_event;
use chargebook_store::postgres::PostgresOptions;
use chargebook_store::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, OpenError, OpenMode, Position,
    PostgresStore, PostgresUrl, RecordedEvent, StreamName,
};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use uuid::Uuid;

/// Where the tests' server is.
const URL_VARIABLE: &str = "CHARGEBOOK_TEST_POSTGRES_URL";
/// Positions in one partition: few, so that every test reaches over several.
const PARTITION_EVENTS: u32 = 400;

/// A schema of its own, which is the name of its connections too.
pub(crate) struct Database {
    server: String,
    pub(crate) name: String,
}

impl Database {
    /// Makes a schema without a log.
    pub(crate) async fn create() -> Self {
        let server = std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
            panic!("{URL_VARIABLE} names no server; `cargo xtask test` starts one")
        });
        let database = Self { server, name: format!("test_{}", Uuid::new_v4().simple()) };
        database.run(&format!("CREATE SCHEMA {}", database.name)).await;
        database
    }

    /// Its address.
    pub(crate) fn address(&self) -> PostgresUrl {
        self.address_with("")
    }

    /// Its address with more parameters, each after a `&`.
    pub(crate) fn address_with(&self, parameters: &str) -> PostgresUrl {
        let Self { server, name } = self;
        let url =
            format!("{server}?application_name={name}&options=-csearch_path%3D{name}{parameters}");
        url.parse().expect("an address")
    }

    /// Where the server listens.
    pub(crate) fn server(&self) -> String {
        let server: PgConnectOptions = self.server.parse().expect("an address");
        format!("{}:{}", server.get_host(), server.get_port())
    }

    /// Makes a role that may read and write the log, is named as the schema, and owns nothing.
    pub(crate) async fn create_role(&self) {
        let name = &self.name;
        let create = format!(
            "CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA {name} TO {name};
             ALTER DEFAULT PRIVILEGES IN SCHEMA {name}
             GRANT SELECT, INSERT, UPDATE ON TABLES TO {name};"
        );
        self.run(&create).await;
    }

    /// Opens the log for writing with that role.
    pub(crate) async fn open_as_role(&self) -> PostgresStore {
        let address = self.address_with(&format!("&user={}", self.name));
        PostgresStore::open(&address, OpenMode::Writer).await.expect("the log opens")
    }

    /// Opens its log for writing.
    pub(crate) async fn open(&self) -> PostgresStore {
        self.open_with(PostgresOptions::default()).await
    }

    /// Opens its log for writing, with small partitions.
    pub(crate) async fn open_with(&self, options: PostgresOptions) -> PostgresStore {
        let options = PostgresOptions { partition_events: PARTITION_EVENTS, ..options };
        let opened = PostgresStore::open_with(&self.address(), OpenMode::Writer, options).await;
        opened.expect("the log opens")
    }

    /// Opens its log for reading.
    pub(crate) async fn open_read_only(&self) -> Result<PostgresStore, OpenError> {
        PostgresStore::open(&self.address(), OpenMode::ReadOnly).await
    }

    /// Runs SQL in the schema, as somebody with access to the database could.
    pub(crate) async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("executed");
    }

    /// Asks for one number in the schema.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let mut connection = self.connect().await;
        let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
        row.try_get(0).expect("a number")
    }

    /// A connection to the schema.
    pub(crate) async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.server).await.expect("it answers");
        let path = AssertSqlSafe(format!("SET search_path = {}", self.name));
        sqlx::raw_sql(path).execute(&mut connection).await.expect("set");
        connection
    }
}

/// A stream that is not there yet.
pub(crate) fn new_stream() -> StreamName {
    StreamName::of("postgres", Uuid::new_v4())
}

/// Appends sample events to a new stream.
pub(crate) async fn append_new(store: &PostgresStore, count: u64) -> Result<Appended, AppendError> {
    let events = (0..count).map(sample_event).collect();
    store.append(Append { stream: new_stream(), expected: ExpectedVersion::NoStream, events }).await
}

/// What a subscriber sees from the start on.
pub(crate) async fn follow(store: &PostgresStore, count: usize) -> Vec<RecordedEvent> {
    let mut subscription = store.subscribe(Position::START);
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.extend(subscription.next_page().await.expect("lives"));
    }
    seen
}

//! A log in PostgreSQL for one test: a schema of its own in the server that `cargo xtask test`
//! starts.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

/// Where the tests' server is.
const URL_VARIABLE: &str = "CHARGEBOOK_TEST_POSTGRES_URL";

/// The address of a new log, for `--store`.
pub(crate) fn new_postgres_log() -> String {
    let server = std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
        panic!("{URL_VARIABLE} names no server; `cargo xtask test` starts one")
    });
    // A temporary folder's name is the machine's only one.
    let unique = TempDir::with_prefix("schema").expect("a temporary folder");
    let unique = unique.path().file_name().expect("a name").to_string_lossy().to_lowercase();
    let schema = format!("{unique}_{}", std::process::id());
    let create = async {
        let mut connection = PgConnection::connect(&server).await.expect("it answers");
        let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(create).execute(&mut connection).await.expect("a new schema");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(create);
    format!("{server}?options=-csearch_path%3D{schema}")
}

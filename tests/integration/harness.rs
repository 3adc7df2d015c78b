//! Drives the system from outside: the binary, an HTTP client, an independent charge point.

mod browser;
mod charge_point;
mod csms;
mod database;
mod http;
mod line_process;
mod node;
mod partner;
mod proxy;
mod python;
mod relay;
mod schemas;

pub(crate) use browser::Browser;
pub(crate) use charge_point::ChargePoint;
pub(crate) use csms::{ADMIN_TOKEN, Settings, TestCsms, binary, chargebook};
pub(crate) use database::new_postgres_log;
pub(crate) use http::{Answer, Http};
pub(crate) use partner::{Asked, Partner};
pub(crate) use proxy::Proxy;
pub(crate) use python::{interpreter as python_interpreter, python};
pub(crate) use relay::{Database, Relay};
pub(crate) use schemas::{Direction, Schemas};

use std::time::{Duration, Instant};

/// How long anything asynchronous may take before a test gives up. Generous: tests wait for
/// outcomes, they never measure time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

const POLL_EVERY: Duration = Duration::from_millis(50);

/// True where the large counts are asked for (`cargo xtask test --long`).
pub(crate) fn is_long_run() -> bool {
    std::env::var_os("CHARGEBOOK_TEST_LONG").is_some()
}

/// Asks again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    eventually_ok(|| ask().ok_or_else(|| what.to_owned()))
}

/// Asks again until there is an answer; `Err` says what is still missing. The patience begins
/// anew whenever something else is missing than before.
#[track_caller]
pub(crate) fn eventually_ok<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let mut begun = Instant::now();
    let mut missing = String::new();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(still_missing) if still_missing != missing => {
                begun = Instant::now();
                missing = still_missing;
            }
            Err(_) => assert!(begun.elapsed() < PATIENCE, "gave up waiting for {missing}"),
        }
        std::thread::sleep(POLL_EVERY);
    }
}

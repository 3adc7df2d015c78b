//! Drives the system from outside: the binary, an HTTP client, an independent charge point.

mod browser;
mod charge_point;
mod csms;
mod http;
mod line_process;
mod python;

pub(crate) use browser::Browser;
pub(crate) use charge_point::ChargePoint;
pub(crate) use csms::{ADMIN_TOKEN, Settings, TestCsms, binary, chargebook};
pub(crate) use http::{Answer, Http};
pub(crate) use python::python;

use std::time::{Duration, Instant};

/// How long anything asynchronous may take before a test gives up. Generous: tests wait for
/// outcomes, they never measure time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const POLL_EVERY: Duration = Duration::from_millis(50);

/// Asks again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "gave up waiting for {what}");
        std::thread::sleep(POLL_EVERY);
    }
}

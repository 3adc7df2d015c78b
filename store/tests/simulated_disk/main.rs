//! The log on a disk that crashes and fails: what was acknowledged is there afterwards, in its
//! order, and nothing else than whole appends.
//!
//! A seed names what is appended and what the crash leaves; the order in which the store's threads
//! reach the disk is the machine's. One seed again, a hundred times with other orders:
//! `CHARGEBOOK_TEST_SEED=17 cargo test -p chargebook-store --test simulated_disk crash`.

mod crash;
mod failures;
mod keys;
mod law;
mod workload;

use std::ops::Range;
use std::sync::Mutex;

/// Seeds tried at once: most of their time goes by in waiting.
const AT_ONCE: usize = 4;
/// How often a seed that was asked for is tried.
const REPEATS: u64 = 100;

/// Whether the large counts are asked for.
fn is_long_run() -> bool {
    std::env::var_os("CHARGEBOOK_TEST_LONG").is_some()
}

/// Tries so many cases, or the one that `CHARGEBOOK_TEST_SEED` asks for again and again. A case
/// that fails says what to run.
fn for_each_seed(test: &str, seeds: Range<u64>, step: usize, check: impl Fn(u64) + Sync) {
    let asked = std::env::var("CHARGEBOOK_TEST_SEED").ok();
    let asked = asked.map(|seed| seed.parse::<u64>().expect("CHARGEBOOK_TEST_SEED is a number"));
    let cases: Vec<u64> = match asked {
        Some(seed) => (0..REPEATS).map(|_| seed).collect(),
        None => seeds.step_by(step).collect(),
    };
    let next = Mutex::new(cases.into_iter());
    let take = || next.lock().expect("no case fails with it in hand").next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(seed) = take() {
                    let _told = TellSeed { test, seed };
                    check(seed);
                }
            });
        }
    });
}

/// Tells the command of a case that fails.
struct TellSeed<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for TellSeed<'_> {
    #[expect(clippy::print_stdout, reason = "shown by the test runner with a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            println!(
                "again: CHARGEBOOK_TEST_SEED={seed} cargo test -p chargebook-store \
                 --test simulated_disk {test}"
            );
        }
    }
}

/// Runs one case on threads of its own, as a server's process would.
fn on_runtime<T>(case: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(case)
}

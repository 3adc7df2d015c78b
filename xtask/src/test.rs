//! `cargo xtask test`: everything a change must pass, on a fresh machine, in one command.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::postgres::Postgres;
use crate::provision::{self, Tools};
use crate::steps::{self, Steps};
use crate::{docs, tidy};

/// What the default build does not have, and is tested all the same.
const FEATURES: &str = "kurrentdb";

/// How much of the slow counts to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// What every change must pass.
    Normal,
    /// The large counts too: `CHARGEBOOK_TEST_LONG=1` for the tests.
    Long,
}

/// Provisions, checks and tests; prints a table of steps and one closing line.
pub(crate) fn run(root: &Path, length: Length) -> Result<()> {
    let _only_one = lock(root)?;
    let mut steps = Steps::default();

    let mut tools = None;
    let ready = steps.step("tools", || {
        tools = Some(provision::provision(root)?);
        Ok(())
    });
    let Some(tools) = tools.filter(|_| ready) else {
        return steps.close();
    };
    let mut postgres = None;
    steps.step("postgresql", || {
        let started = Postgres::start(root, &tools)?;
        println!("{}", started.ask("select version()")?.trim());
        postgres = Some(started);
        Ok(())
    });

    steps.step("format", || steps::run(cargo(root).args(["fmt", "--all", "--", "--check"])));
    steps.step("tidy", || tidy::run(root));
    steps.step("clippy", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps::run(cargo(root).args(arguments))
    });
    steps.step("clippy with kurrentdb", || {
        let arguments = ["clippy", "--all-targets", "--features", FEATURES];
        let packages = ["-p", "chargebook", "-p", "chargebook-store", "--", "-D", "warnings"];
        steps::run(cargo(root).args(arguments).args(packages))
    });
    steps.step("generated files", || docs::check(root));
    steps.step("tests", || match &postgres {
        Some(postgres) => steps::run(&mut test_command(root, length, &tools, postgres)),
        None => bail!("not run: PostgreSQL did not start"),
    });
    if let Some(postgres) = postgres {
        steps.step("postgresql stops", || postgres.stop());
    }
    steps.close()
}

fn test_command(root: &Path, length: Length, tools: &Tools, postgres: &Postgres) -> Command {
    let mut command = cargo(root);
    command
        .args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES])
        .env("CHARGEBOOK_TEST_POSTGRES_URL", postgres.url())
        .env("CHARGEBOOK_TEST_PYTHON", &tools.python)
        .env("CHARGEBOOK_TEST_NODE_PACKAGES", &tools.node_packages)
        .env("CHARGEBOOK_TEST_CHROMIUM", &tools.chromium)
        .env("CHARGEBOOK_TEST_CHROMEDRIVER", &tools.chromedriver);
    match length {
        Length::Normal => command.env_remove("CHARGEBOOK_TEST_LONG"),
        Length::Long => command.env("CHARGEBOOK_TEST_LONG", "1"),
    };
    command
}

fn cargo(root: &Path) -> Command {
    let mut command = steps::cargo();
    command.current_dir(root);
    command
}

/// Two runs in one checkout would stop each other's database: the second waits for the first.
fn lock(root: &Path) -> Result<File> {
    let folder = root.join("target");
    std::fs::create_dir_all(&folder).context("cannot create target/")?;
    let file = File::create(folder.join("xtask-test.lock")).context("cannot create the lock")?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => println!("waiting for another `cargo xtask test` here"),
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock target/"),
    }
    file.lock().context("cannot lock target/")?;
    Ok(file)
}

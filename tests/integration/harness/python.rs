//! The interpreter with the independent OCPP implementation.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command that runs one script of `tests/python` in the venv that `cargo xtask test` makes.
pub(crate) fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(interpreter());
    command.arg(root.join("tests/python").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The interpreter of that venv; what its packages install to run is beside it.
pub(crate) fn interpreter() -> PathBuf {
    let interpreter = match std::env::var_os("CHARGEBOOK_TEST_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python"),
    };
    assert!(interpreter.exists(), "no Python for the tests: run `cargo xtask test`");
    interpreter
}

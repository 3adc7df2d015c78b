//! Node.js with the strict OCPP implementation.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command that runs one script of `tests/node` with the packages that `cargo xtask test`
/// installs.
pub(crate) fn node(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = match std::env::var_os("CHARGEBOOK_TEST_NODE_PACKAGES") {
        Some(path) => PathBuf::from(path),
        None => root.join("target/test-node/node_modules"),
    };
    assert!(packages.exists(), "no Node.js packages for the tests: run `cargo xtask test`");
    let mut command = Command::new("node");
    command.arg(root.join("tests/node").join(script)).env("NODE_PATH", packages);
    command
}

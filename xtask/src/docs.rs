//! Generated files that are committed: written by `cargo xtask docs`, compared by the tests.
//!
//! The binary is the source: `chargebook docs NAME` prints the text. A change of an event or of a
//! route thus shows up as a readable difference in the same commit.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::steps;

/// A committed file and the subcommand of `chargebook docs` that prints it.
struct Generated {
    path: &'static str,
    subcommand: &'static str,
}

const GENERATED: &[Generated] = &[
    Generated { path: "docs/events.md", subcommand: "events" },
    Generated { path: "openapi.json", subcommand: "openapi" },
];

/// Writes every generated file anew.
pub(crate) fn regenerate(root: &Path) -> Result<()> {
    for generated in GENERATED {
        let text = print_with_binary(root, generated)?;
        let path = root.join(generated.path);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", generated.path))?;
        println!("wrote {}", generated.path);
    }
    Ok(())
}

/// Fails if a committed file differs from what the binary prints now.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut stale = Vec::new();
    for generated in GENERATED {
        let text = print_with_binary(root, generated)?;
        let committed = std::fs::read_to_string(root.join(generated.path)).unwrap_or_default();
        if committed != text {
            stale.push(generated.path);
        }
    }
    if !stale.is_empty() {
        bail!("out of date: {} (run `cargo xtask docs`)", stale.join(", "));
    }
    println!("{} generated files are up to date", GENERATED.len());
    Ok(())
}

fn print_with_binary(root: &Path, generated: &Generated) -> Result<String> {
    steps::output(
        Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "chargebook", "--", "docs"])
            .arg(generated.subcommand)
            .current_dir(root),
    )
}

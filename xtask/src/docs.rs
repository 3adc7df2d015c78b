//! Generated files that are committed: written by `cargo xtask docs`, compared by the tests.
//!
//! The binary is the source: `chargebook docs NAME` prints the text. A change of an event or of a
//! route thus shows up as a readable difference in the same commit.

use std::path::Path;

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
        // A file that is missing is out of date too.
        let committed = std::fs::read_to_string(root.join(generated.path)).ok();
        if committed != Some(text) {
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
    let text = steps::output(
        steps::cargo()
            .args(["run", "--quiet", "--package", "chargebook", "--", "docs"])
            .arg(generated.subcommand)
            .current_dir(root),
    )?;
    if text.is_empty() {
        bail!("`chargebook docs {}` printed nothing", generated.subcommand);
    }
    Ok(text)
}

//! The project's own chores: `cargo xtask test`, `tidy` and `docs`.
//!
//! What a person and the continuous integration run is the same program, so a green run here is a
//! green run there. It knows cargo, Debian's packages and the tests' tools; it must not know what
//! Chargebook does, and links none of its rooms.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks here")]

mod docs;
mod postgres;
mod provision;
mod steps;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--long]   install what the tests need, then check and test everything
  tidy            check what no compiler checks: file heads, widths, leftovers, purity
  docs [--check]  regenerate the committed generated files (or only compare them)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = project_root();
    let outcome = match arguments.as_slice() {
        ["test"] => test::run(&root, test::Length::Normal),
        ["test", "--long"] => test::run(&root, test::Length::Long),
        ["tidy"] => tidy::run(&root),
        ["docs"] => docs::regenerate(&root),
        ["docs", "--check"] => docs::check(&root),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder: the parent of this package's.
fn project_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

//! Steps with a name, a duration and a verdict, and the table that closes a run.
//!
//! A step that fails does not stop the others: one run tells everything that is wrong.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The steps done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Announces a step, runs it and remembers how it went. True if it succeeded.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("\n==> {name}");
        let begun = Instant::now();
        let failure = work().err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            println!("==> {name} failed: {failure}");
        }
        let succeeded = failure.is_none();
        self.done.push(Step { name, took: begun.elapsed(), failure });
        succeeded
    }

    /// Prints the table and the closing line; an error if any step failed.
    pub(crate) fn close(self) -> Result<()> {
        println!("\n{}", self.table());
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        let failed: Vec<&str> =
            self.done.iter().filter(|step| step.failure.is_some()).map(|step| step.name).collect();
        if failed.is_empty() {
            println!("All {} steps passed in {}.", self.done.len(), in_words(total));
            return Ok(());
        }
        bail!("{} of {} steps FAILED: {}", failed.len(), self.done.len(), failed.join(", "));
    }

    fn table(&self) -> String {
        let width = self.done.iter().map(|step| step.name.len()).max().unwrap_or(0);
        let mut table = String::new();
        for step in &self.done {
            let verdict = if step.failure.is_none() { "ok" } else { "FAILED" };
            let took = in_words(step.took);
            // Writing to a String cannot fail.
            let _ = writeln!(table, "  {:width$}  {took:>8}  {verdict}", step.name);
        }
        table
    }
}

/// Runs a command with its output shown; an error names the command and its exit status.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command quietly and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}: {}", output.status, errors.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The cargo that runs us, or the one in the search path.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=119 => format!("{seconds} s"),
        _ => format!("{}m {:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_but_not_the_steps_after_it() {
        let mut steps = Steps::default();
        assert!(!steps.step("first", || bail!("broken")));
        assert!(steps.step("second", || Ok(())));
        let table = steps.table();
        assert!(table.contains("first") && table.contains("FAILED"), "{table}");
        assert!(table.contains("second") && table.contains("ok"), "{table}");
        let verdict = steps.close().unwrap_err().to_string();
        assert_eq!(verdict, "1 of 2 steps FAILED: first");
    }

    #[test]
    fn a_command_that_fails_is_named_with_its_words() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains('3') && text.contains("why"), "{text}");
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(in_words(Duration::from_millis(250)), "250 ms");
        assert_eq!(in_words(Duration::from_secs(90)), "90 s");
        assert_eq!(in_words(Duration::from_secs(1325)), "22m 05s");
    }
}

//! Standard output, which its reader may close: who reads on through `head` has seen enough, and
//! that is no failure.

use std::io::{Error, ErrorKind, Result, StdoutLock, Write};

/// Standard output; what nobody reads any more is dropped.
pub(crate) struct Output(StdoutLock<'static>);

/// Where the answers of the subcommands go.
pub(crate) fn output() -> Output {
    Output(std::io::stdout().lock())
}

/// A count and what is counted; `noun` is one of them, and takes an `s`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes).or_else(|error| if_unread(error, bytes.len()))
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush().or_else(|error| if_unread(error, ()))
    }
}

/// What is said instead of the error, where the reader has gone.
fn if_unread<T>(error: Error, said: T) -> Result<T> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(said),
        _ => Err(error),
    }
}

//! `chargebook docs`: the references that are generated from the code and committed beside it,
//! `docs/events.md` and `openapi.json`.

mod page;
mod schema;
mod source;
mod streams;
#[cfg(test)]
mod tests;

use crate::output::output;
use anyhow::Result;
use std::io::Write as _;

/// Which reference.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum DocsCommand {
    /// Print the reference of every event in the log, as Markdown
    Events,
    /// Print the OpenAPI document of the HTTP API
    Openapi,
}

/// Prints it.
pub(crate) fn run(command: DocsCommand) -> Result<()> {
    let text = match command {
        DocsCommand::Events => page::events()?,
        DocsCommand::Openapi => chargebook_api::openapi(),
    };
    output().write_all(text.as_bytes())?;
    Ok(())
}

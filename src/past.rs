//! `chargebook past`: one thing as it was at an earlier moment, in the words of the API.

use crate::config::LogPlace;
use crate::output::output;
use crate::subject;
use anyhow::{Context as _, bail};
use chargebook_api::{ApiState, Authenticator, read_past};
use chargebook_projections::{Moment, Past, RebuildProgress, When};
use chargebook_store::OpenMode;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::io::Write as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Longest answer, in bytes: a session with its curve.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest value of a member in the table, in characters.
const CELL_CHARACTERS_MAX: usize = 100;

/// Options of `chargebook past`.
#[derive(Debug, clap::Args)]
pub(crate) struct PastArgs {
    #[command(flatten)]
    place: LogPlace,
    /// What kind of thing
    kind: Kind,
    /// Which, by the id that the API has for it
    id: String,
    /// What had happened by this time (RFC 3339), by the stations' own clocks; or as of a position
    #[arg(long, value_name = "WHEN")]
    as_of: Option<When>,
    /// What was in the log by this time (RFC 3339) or position
    #[arg(long, value_name = "WHEN")]
    known_at: Option<When>,
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
}

/// What can be looked at.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Station,
    Session,
    Tariff,
    Token,
    Account,
    Driver,
    Site,
    Invoice,
}

impl Kind {
    /// Where the API has them.
    fn collection(self) -> &'static str {
        match self {
            Self::Station => "stations",
            Self::Session => "sessions",
            Self::Tariff => "tariffs",
            Self::Token => "tokens",
            Self::Account => "accounts",
            Self::Driver => "drivers",
            Self::Site => "sites",
            Self::Invoice => "invoices",
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: &PastArgs) -> anyhow::Result<()> {
    let (opened, chargebook) = subject::open(&args.place, OpenMode::ReadOnly, None).await?;
    // Not in the data folder: a server that runs keeps its own there.
    let folder = std::env::temp_dir().join(format!("chargebook-past-{}", std::process::id()));
    let past = Past::open(opened.store(), &folder, Handle::current())?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} events, {per_sec}, {eta} left",
    )?);
    let progress = {
        let bar = bar.clone();
        move |progress: RebuildProgress| {
            bar.set_length(progress.head.as_u64());
            bar.set_position(progress.position.as_u64());
        }
    };
    let moment = Moment { as_of: args.as_of, known_at: args.known_at };
    let answered = match past.at_with(&moment, progress).await {
        Ok(made) => {
            let models = made.models.clone();
            let state = ApiState::new(
                chargebook,
                models,
                Authenticator::default(),
                CancellationToken::new(),
            );
            let id = utf8_percent_encode(&args.id, NON_ALPHANUMERIC);
            let path = format!("/v1/{}/{id}", args.kind.collection());
            Ok(read_past(state, made, &path).await)
        }
        Err(error) => Err(anyhow::Error::msg(error.to_string())),
    };
    bar.finish_and_clear();
    drop(past);
    let _ = std::fs::remove_dir_all(&folder);
    opened.close().await;
    let response = answered?;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await?;
    let body: Value = serde_json::from_slice(&body).context("the answer is not JSON")?;
    if !status.is_success() {
        bail!("at that moment: {}", body["detail"].as_str().unwrap_or("no answer"));
    }
    let mut out = output();
    match args.json {
        true => writeln!(out, "{body}")?,
        false => writeln!(out, "{}", table(&body))?,
    }
    Ok(())
}

/// The members that say something, one a line.
fn table(thing: &Value) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    for (name, value) in thing.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => continue,
            other => other.to_string(),
        };
        let is_long = text.chars().count() > CELL_CHARACTERS_MAX;
        let cut = text.chars().take(CELL_CHARACTERS_MAX).chain(is_long.then_some('…'));
        table.add_row([name.clone(), cut.collect()]);
    }
    table
}

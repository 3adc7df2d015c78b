//! `chargebook rate`: prices an OCPI CDR with the function that the invoices use.

use anyhow::Context;
use chargebook_domain::rating::{RateReport, rate_cdr};
use comfy_table::{CellAlignment, Table, presets};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Options of `chargebook rate`.
#[derive(Debug, clap::Args)]
pub(crate) struct RateArgs {
    /// OCPI 2.2.1 CDR (or Session) as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    cdr: PathBuf,
    /// OCPI 2.2.1 Tariff as JSON [default: the CDR's own]
    #[arg(long, value_name = "FILE")]
    tariff: Option<PathBuf>,
    /// IANA time zone that the tariff's hours are read in [default: that of the CDR's location]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Print JSON with the CDR's field names
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(crate) fn run(args: &RateArgs) -> anyhow::Result<()> {
    let zone =
        match &args.time_zone {
            None => None,
            Some(name) => Some(name.parse::<chrono_tz::Tz>().map_err(|_| {
                anyhow::anyhow!("`{name}` is no IANA time zone such as Europe/Berlin")
            })?),
        };
    let cdr = read(&args.cdr)?;
    let tariff = args.tariff.as_deref().map(read).transpose()?;
    let report = rate_cdr(&cdr, tariff.as_deref(), zone)?;
    let mut out = std::io::stdout().lock();
    let text = match args.json {
        true => serde_json::to_string_pretty(&report.to_json())?,
        false => table(&report),
    };
    writeln!(out, "{text}")?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The costs for people, and what was assumed.
fn table(report: &RateReport) -> String {
    let json = report.to_json();
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let currency = json["currency"].as_str().unwrap_or_default();
    table.set_header(["cost", "excl. VAT", "incl. VAT", ""]);
    let rows = [
        ("energy", "total_energy_cost"),
        ("charging time", "total_time_cost"),
        ("parking time", "total_parking_cost"),
        ("fixed", "total_fixed_cost"),
        ("reservation", "total_reservation_cost"),
        ("total", "total_cost"),
    ];
    for (name, member) in rows {
        let cost = &json[member];
        if let (Some(excl), Some(incl)) = (cost["excl_vat"].as_str(), cost["incl_vat"].as_str()) {
            table.add_row([name, excl, incl, currency]);
        }
    }
    for index in [1, 2] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let notes = report.notes.iter().map(|note| format!("\n{note}")).collect::<String>();
    format!("{table}{notes}")
}

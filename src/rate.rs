//! `chargebook rate`: prices an OCPI CDR with the function that the invoices use.

use crate::output::output;
use anyhow::Context;
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::rating::{RateReport, rate_cdr};
use comfy_table::{CellAlignment, Table, presets};
use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Digits of the minor unit of a currency that ISO 4217 gives none for.
const DECIMALS_DEFAULT: u32 = 2;

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
    for place in &report.ignored {
        writeln!(
            std::io::stderr().lock(),
            "the tariff's {place} is none of OCPI 2.2.1 and prices nothing: is it misspelt?"
        )?;
    }
    let mut out = output();
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

/// The costs for people, to the currency's minor unit, and what was assumed. The JSON has them
/// exactly.
fn table(report: &RateReport) -> String {
    let rating = &report.rating;
    let currency = rating.currency.as_str();
    let figures = InvoiceFigures::of(rating);
    let decimals = figures.map_or(DECIMALS_DEFAULT, |figures| figures.currency_exponent);
    let money = |sum: Decimal| {
        let strategy = RoundingStrategy::MidpointAwayFromZero;
        let mut sum = sum.round_dp_with_strategy(decimals, strategy);
        sum.rescale(decimals);
        sum.to_string()
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["cost", "quantity", "excl. VAT", "incl. VAT", ""]);
    let energy = format!("{} kWh", rating.total_energy_kwh.normalize());
    let charging = duration(rating.total_charging_seconds);
    let parking = duration(rating.total_parking_seconds);
    let reservation = duration(rating.total_reservation_seconds);
    let rows = [
        ("energy", energy, Some(rating.total_energy_cost)),
        ("charging time", charging, Some(rating.total_time_cost)),
        ("parking time", parking, Some(rating.total_parking_cost)),
        ("fixed", String::new(), Some(rating.total_fixed_cost)),
        ("reservation", reservation, rating.total_reservation_cost),
        ("total", String::new(), Some(report.total_cost())),
    ];
    for (name, quantity, cost) in rows {
        let Some(cost) = cost else { continue };
        let (excl, incl) = (money(cost.excl_vat), money(cost.incl_vat));
        table.add_row([name, &quantity, &excl, &incl, currency]);
    }
    for index in [1, 2, 3] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let notes = report.notes.iter().map(|note| format!("\n{note}")).collect::<String>();
    format!("{table}{notes}")
}

/// `1 h 02 min 30 s`.
fn duration(seconds: Decimal) -> String {
    let seconds = seconds.to_u64().unwrap_or_default();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours} h {minutes:02} min {:02} s", seconds % 60)
}

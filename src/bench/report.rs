//! The figures, their targets, and how they are printed.

use std::io::Write as _;

use chargebook_simulator::load::{LatencySummary, ReconnectReport};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::Settings;
use super::machine::Machine;
use crate::output::output;
use crate::simulate::align_numbers;

/// How both servers make an event durable.
const FSYNC_MODE: &str = "group commit before every answer: one fdatasync a batch (bare server), \
                          SQLite WAL with synchronous=FULL (chargebook)";

/// A figure beside what it should be.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Judged {
    pub(super) value: f64,
    pub(super) target: f64,
    pub(super) met: bool,
}

impl Judged {
    pub(super) fn at_least(value: f64, target: f64) -> Self {
        Self { value, target, met: value >= target }
    }

    pub(super) fn at_most(value: f64, target: f64) -> Self {
        Self { value, target, met: value <= target }
    }
}

/// The whole result.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    /// How both servers make an event durable before they answer.
    pub(super) fsync_mode: &'static str,
    /// True for a run too short to mean much.
    pub(super) quick: bool,
    /// Sub-protocols that the stations speak, in turn.
    pub(super) protocols: Vec<&'static str>,
    pub(super) connections: usize,
    pub(super) idle_connections: usize,
    pub(super) registration: Option<Registration>,
    pub(super) sessions: Option<Sessions>,
    pub(super) paced: Option<Paced>,
    pub(super) burst: Option<Bursts>,
    pub(super) idle: Option<Idle>,
    pub(super) storm: Option<Storm>,
    pub(super) rebuild: Option<Rebuild>,
}

impl Report {
    pub(super) fn new(machine: Machine, settings: &Settings, quick: bool) -> Self {
        Self {
            machine,
            fsync_mode: FSYNC_MODE,
            quick,
            protocols: settings.versions.iter().map(|version| version.protocol()).collect(),
            connections: settings.connections,
            idle_connections: settings.idle_connections,
            registration: None,
            sessions: None,
            paced: None,
            burst: None,
            idle: None,
            storm: None,
            rebuild: None,
        }
    }
}

/// Registering the stations, over HTTP, before anything is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Registration {
    pub(super) stations: usize,
    pub(super) tokens: usize,
    pub(super) seconds: f64,
}

/// One server's median over the rounds.
#[derive(Debug, Serialize)]
pub(super) struct Throughput {
    pub(super) messages_per_second: f64,
    pub(super) slowest_round: f64,
    pub(super) fastest_round: f64,
    pub(super) cpu_ms_per_1000_messages: f64,
    pub(super) latency: LatencySummary,
    pub(super) failures: u64,
    pub(super) first_failures: Vec<String>,
}

/// Sessions, closed loop.
#[derive(Debug, Serialize)]
pub(super) struct Sessions {
    pub(super) null_fsync: Throughput,
    pub(super) chargebook: Throughput,
    /// Median of the rounds' ratios: the two runs of a round lie close in time, so a change
    /// of what else the machine does touches both.
    pub(super) ratio: Judged,
    pub(super) round_ratios: Vec<f64>,
    /// From the end of the last round until the read models and policies had caught up.
    pub(super) catch_up_seconds: f64,
}

/// Sessions at a fixed rate.
#[derive(Debug, Serialize)]
pub(super) struct Paced {
    pub(super) rate: u32,
    pub(super) chargebook: Throughput,
    pub(super) p99_ms: Judged,
}

/// Sessions at a fixed rate, without and with a station that sends as fast as it can.
#[derive(Debug, Serialize)]
pub(super) struct Bursts {
    pub(super) stations: usize,
    pub(super) rate: u32,
    /// Calls that the one station keeps in flight.
    pub(super) in_flight: usize,
    pub(super) calm: Throughput,
    pub(super) beside_burst: Throughput,
    /// Median over the rounds of how many times as long the p99 is beside the burst.
    pub(super) ratio: Judged,
    pub(super) round_ratios: Vec<f64>,
    /// Calls a second that the one station was answered, in the last round.
    pub(super) burst_messages_per_second: f64,
}

/// Memory at rest.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) connections: usize,
    pub(super) resident_kib_before: u64,
    pub(super) resident_kib_with: u64,
    pub(super) kib_per_connection: Judged,
    pub(super) connect_seconds: f64,
}

/// Everybody back at once.
#[derive(Debug, Serialize)]
pub(super) struct Storm {
    pub(super) stations: usize,
    pub(super) end_seconds: f64,
    pub(super) start_seconds: f64,
    /// From ready to the last boot answered.
    pub(super) seconds: Judged,
    pub(super) reconnect: ReconnectReport,
}

/// Rebuilding beside reading.
#[derive(Debug, Serialize)]
pub(super) struct Rebuild {
    pub(super) events: u64,
    pub(super) rebuild_seconds: f64,
    pub(super) paged_read_seconds: f64,
    pub(super) ratio: Judged,
}

pub(super) fn print_machine(machine: &Machine) -> anyhow::Result<()> {
    let mut out = output();
    writeln!(
        out,
        "{}, {} cores, {} MiB, Linux {}, load {}",
        machine.cpu, machine.cores, machine.memory_mib, machine.kernel, machine.load_average
    )?;
    writeln!(
        out,
        "{}: 4 KiB append + fdatasync p50 {:.2} ms, p99 {:.2} ms",
        machine.filesystem, machine.fdatasync.p50_ms, machine.fdatasync.p99_ms
    )?;
    Ok(())
}

pub(super) fn print_results(report: &Report) -> anyhow::Result<()> {
    let mut out = output();
    writeln!(out, "durability: {}", report.fsync_mode)?;
    if report.quick {
        writeln!(out, "a quick look: the figures are not a measurement")?;
    }
    if let Some(table) = throughput_table(report) {
        writeln!(out, "{table}")?;
    }
    let mut table = new_table(["result", "value", "target", ""]);
    for (name, judged, unit, sign) in judged_results(report) {
        table.add_row([
            name,
            format!("{:.2} {unit}", judged.value),
            format!("{sign} {} {unit}", judged.target),
            if judged.met { "met".to_owned() } else { "MISSED".to_owned() },
        ]);
    }
    align_numbers(&mut table);
    if table.row_count() > 0 {
        writeln!(out, "{table}")?;
    }
    for line in remarks(report) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn new_table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}

fn throughput_table(report: &Report) -> Option<Table> {
    let mut rows = Vec::new();
    let connections = report.connections;
    if let Some(sessions) = &report.sessions {
        rows.push((format!("bare server, {connections} connections"), &sessions.null_fsync));
        rows.push((format!("chargebook, {connections} connections"), &sessions.chargebook));
    }
    if let Some(paced) = &report.paced {
        rows.push((format!("chargebook, paced at {}/s", paced.rate), &paced.chargebook));
    }
    if let Some(burst) = &report.burst {
        let stations = burst.stations;
        let paced = format!("{stations} stations at {}/s", burst.rate);
        rows.push((format!("{paced}, calm"), &burst.calm));
        rows.push((format!("{paced}, beside a burst"), &burst.beside_burst));
    }
    if rows.is_empty() {
        return None;
    }
    let mut table = new_table([
        "sessions of 10 calls",
        "messages/s",
        "slowest-fastest",
        "CPU ms/1k",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "failures",
    ]);
    for (name, one) in rows {
        table.add_row([
            name,
            format!("{:.0}", one.messages_per_second),
            format!("{:.0}-{:.0}", one.slowest_round, one.fastest_round),
            format!("{:.1}", one.cpu_ms_per_1000_messages),
            format!("{:.2}", one.latency.p50_ms),
            format!("{:.2}", one.latency.p99_ms),
            format!("{:.2}", one.latency.p99_9_ms),
            one.failures.to_string(),
        ]);
    }
    align_numbers(&mut table);
    Some(table)
}

/// Name, figure, unit, and which way the target goes.
fn judged_results(report: &Report) -> Vec<(String, Judged, &'static str, &'static str)> {
    let mut results = Vec::new();
    if let Some(sessions) = &report.sessions {
        results.push(("throughput / bare server's".to_owned(), sessions.ratio, "x", ">="));
    }
    if let Some(paced) = &report.paced {
        results.push((format!("p99 at {}/s", paced.rate), paced.p99_ms, "ms", "<="));
    }
    if let Some(burst) = &report.burst {
        results.push(("p99 beside a burst / calm".to_owned(), burst.ratio, "x", "<="));
    }
    if let Some(idle) = &report.idle {
        let name = format!("memory per idle connection of {}", idle.connections);
        results.push((name, idle.kib_per_connection, "KiB", "<="));
    }
    if let Some(storm) = &report.storm {
        let name = format!("{} stations back after a restart", storm.stations);
        results.push((name, storm.seconds, "s", "<="));
    }
    if let Some(rebuild) = &report.rebuild {
        results.push(("rebuild / paged reading".to_owned(), rebuild.ratio, "x", ">="));
    }
    results
}

fn remarks(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(registration) = &report.registration {
        lines.push(format!(
            "registered {} stations and {} tokens in {:.1} s",
            registration.stations, registration.tokens, registration.seconds
        ));
    }
    if let Some(sessions) = &report.sessions {
        let ratios: Vec<String> =
            sessions.round_ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
        lines.push(format!("ratio of each round: {}", ratios.join(", ")));
        lines.push(format!(
            "read models and policies caught up {:.1} s after the last round",
            sessions.catch_up_seconds
        ));
    }
    if let Some(burst) = &report.burst {
        let ratios: Vec<String> =
            burst.round_ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        lines.push(format!(
            "burst: {} calls in flight, answered at {:.0}/s; ratio of each round: {}",
            burst.in_flight,
            burst.burst_messages_per_second,
            ratios.join(", ")
        ));
    }
    if let Some(storm) = &report.storm {
        lines.push(format!(
            "storm: the server ended in {:.1} s, was ready again in {:.1} s; {} of {} stations back, {} failed tries",
            storm.end_seconds,
            storm.start_seconds,
            storm.reconnect.booted,
            storm.stations,
            storm.reconnect.failed_tries
        ));
    }
    if let Some(rebuild) = &report.rebuild {
        lines.push(format!(
            "rebuild of {} events: {:.2} s, reading them page by page: {:.2} s",
            rebuild.events, rebuild.rebuild_seconds, rebuild.paged_read_seconds
        ));
    }
    let throughputs = report
        .sessions
        .iter()
        .flat_map(|sessions| [&sessions.null_fsync, &sessions.chargebook])
        .chain(report.paced.iter().map(|paced| &paced.chargebook))
        .chain(report.burst.iter().flat_map(|burst| [&burst.calm, &burst.beside_burst]));
    for one in throughputs {
        lines.extend(one.first_failures.iter().map(|failure| format!("! {failure}")));
    }
    lines
}

//! `chargebook simulate`: a seeded fleet of charge points against any OCPP 1.6J system.

pub(crate) mod api_client;

use crate::output::output;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use chargebook_simulator::load::{Latencies, LatencySummary};
use chargebook_simulator::{
    Activity, FaultMix, Fleet, FleetEvent, FleetPlan, FleetReport, Hardware, LivePlan, Observer,
    Pace, StationPlan,
};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::api_client::ApiClient;

/// How often the progress line is redrawn.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// Failures shown in words at the end.
const KEPT_FAILURES: usize = 5;
/// First connections per second when a large fleet starts.
const CONNECTS_PER_SECOND: u32 = 250;

/// Which faults the stations play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Faults {
    /// None: every station behaves.
    None,
    /// What a public network sees every day, all of it recoverable.
    Everyday,
}

/// Options of `chargebook simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Base of the OCPP address; a station connects to this, a slash and its id
    #[arg(long, default_value = "ws://127.0.0.1:9000/ocpp")]
    pub(crate) url: String,
    /// Number of stations
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) stations: u32,
    /// Stations are named this and a number
    #[arg(long, default_value = "SIM-")]
    pub(crate) prefix: String,
    /// Basic-auth password of every station
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// A driver's token; may be given several times [default: one token for each station]
    #[arg(long = "tag", value_name = "UID")]
    pub(crate) tags: Vec<String>,
    /// The same seed gives the same stations, sessions and faults
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Divides all waits; power stays real, so sessions deliver less energy
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
    /// Sessions of each station, then it disconnects [default: endless]
    #[arg(long)]
    pub(crate) sessions: Option<u32>,
    /// Stop after so many seconds; sessions under way are ended properly
    #[arg(long, value_name = "SECONDS")]
    pub(crate) duration: Option<u64>,
    /// Faults the stations play
    #[arg(long, value_enum, default_value_t = Faults::Everyday)]
    pub(crate) faults: Faults,
    /// Register the stations and tokens at this HTTP API first (http://HOST:PORT)
    #[arg(long, value_name = "URL", requires = "token")]
    pub(crate) api: Option<String>,
    /// Bearer token for the API
    #[arg(long, env = "CHARGEBOOK_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a simulation ends with.
#[derive(Debug, Serialize)]
struct Outcome {
    stations: u32,
    seed: u64,
    seconds: f64,
    totals: FleetReport,
    latency: LatencySummary,
    latency_by_action: BTreeMap<&'static str, LatencySummary>,
    first_failures: Vec<String>,
}

/// Runs the fleet to its end, its duration or Ctrl-C, and prints what happened.
///
/// # Errors
/// The options contradict each other, the API refused a registration, no station ever
/// connected, or standard output is gone.
pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let plan = plan_of(&args)?;
    if let (Some(api), Some(token)) = (&args.api, &args.token) {
        register(api, token, &plan).await?;
    }
    let stop = CancellationToken::new();
    let observer = Arc::new(Recorder::default());
    let fleet = Fleet::new(plan).with_observer(Arc::clone(&observer) as Arc<dyn Observer>);
    let progress = draw_progress(&args, fleet.counters());
    let waiting = tokio::spawn(stop_when_asked(args.duration, stop.clone()));
    let begun = Instant::now();
    let ran = fleet.run(stop).await;
    let elapsed = begun.elapsed();
    waiting.abort();
    progress.abort();
    let totals = ran?;
    let outcome = observer.outcome(&args, elapsed, totals);
    print_outcome(&outcome, args.json)?;
    if totals.connects == 0 {
        let why = outcome.first_failures.first().cloned().unwrap_or_default();
        anyhow::bail!("no station could connect to {}: {why}", args.url);
    }
    Ok(())
}

/// The plan the options describe.
fn plan_of(args: &SimulateArgs) -> anyhow::Result<FleetPlan> {
    let pace = Pace::faster(args.speed).context("--speed must be from 0.01 to 10000")?;
    let faults = match args.faults {
        Faults::None => FaultMix::none(),
        Faults::Everyday => FaultMix::everyday(),
    };
    let activity = args.sessions.map_or(Activity::Endless, Activity::Sessions);
    let live = LivePlan::with_activity(activity).with_faults(faults);
    let mut plan = FleetPlan::new(&args.url, args.seed).with_pace(pace);
    plan.connect_spread = Duration::from_secs(1) * args.stations.div_ceil(CONNECTS_PER_SECOND);
    for number in 1..=args.stations {
        let (hardware, connectors) = match number % 4 {
            0 => (Hardware::DC_150, 2),
            1 => (Hardware::AC_22, 2),
            2 => (Hardware::AC_11, 1),
            _ => (Hardware::DC_50, 2),
        };
        let tags = match args.tags.as_slice() {
            [] => vec![format!("SIM{number:06}")],
            tags => tags.to_vec(),
        };
        let mut station = StationPlan::new(format!("{}{number:04}", args.prefix))
            .with_hardware(hardware, connectors)
            .with_tags(tags)
            .with_live(live.clone());
        station.password.clone_from(&args.password);
        plan = plan.with_station(station);
    }
    Ok(plan)
}

async fn register(api: &str, token: &str, plan: &FleetPlan) -> anyhow::Result<()> {
    let mut client = ApiClient::connect(api, token).await?;
    let tags: std::collections::BTreeSet<&str> =
        plan.stations.iter().flat_map(|station| station.tags.iter().map(String::as_str)).collect();
    let steps = plan.stations.len() + tags.len();
    let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX))
        .with_style(ProgressStyle::with_template("registering {wide_bar} {pos}/{len} {eta}")?);
    for station in &plan.stations {
        client.add_station(&station.id, station.password.as_deref()).await?;
        bar.inc(1);
    }
    for tag in tags {
        client.add_token(tag).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn stop_when_asked(duration: Option<u64>, stop: CancellationToken) {
    let over = async {
        match duration {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => {}
        // Without a signal handler the process simply ends at Ctrl-C.
        result = tokio::signal::ctrl_c() => {
            if result.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
    stop.cancel();
}

/// A line of running totals on the terminal; nothing when it is none.
fn draw_progress(
    args: &SimulateArgs,
    counters: Arc<chargebook_simulator::FleetCounters>,
) -> tokio::task::JoinHandle<()> {
    let bar = match args.duration {
        Some(seconds) => ProgressBar::new(seconds),
        None => ProgressBar::new_spinner(),
    };
    let template = match args.duration {
        Some(_) => "{bar:24} {pos}/{len} s  {msg}",
        None => "{spinner} {elapsed_precise}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let begun = Instant::now();
    tokio::spawn(async move {
        loop {
            let totals = counters.report();
            bar.set_position(begun.elapsed().as_secs());
            bar.set_message(format!(
                "{} connected, {} sessions started, {} finished, {} messages, {} errors",
                totals.connects.saturating_sub(totals.disconnects),
                totals.sessions_started,
                totals.sessions_finished,
                totals.answered,
                totals.refused + totals.timed_out + totals.unreadable,
            ));
            tokio::time::sleep(REDRAW_EVERY).await;
        }
    })
}

/// Collects latencies and the first failures.
#[derive(Default)]
struct Recorder(Mutex<Recorded>);

#[derive(Default)]
struct Recorded {
    latencies: BTreeMap<&'static str, Latencies>,
    failures: Vec<String>,
    /// Whether it was said that a station is not let in: it tries again, for ever.
    told_unreachable: bool,
}

impl Observer for Recorder {
    fn observe(&self, station_id: &str, event: &FleetEvent) {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = match event {
            FleetEvent::Answered { action, latency } => {
                recorded.latencies.entry(*action).or_default().record(*latency);
                return;
            }
            FleetEvent::Refused { action, code } => format!("{action} answered with {code}"),
            FleetEvent::TimedOut { action } => format!("{action} not answered in time"),
            FleetEvent::Unreadable(why) | FleetEvent::ConnectFailed(why) => why.clone(),
            FleetEvent::TransactionIdChanged { first, then } => {
                format!("transaction id {first} became {then} when the start was repeated")
            }
            _ => return,
        };
        if let FleetEvent::ConnectFailed(why) = event
            && !std::mem::replace(&mut recorded.told_unreachable, true)
        {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr().lock(), "{}", unreachable(station_id, why));
        }
        if recorded.failures.len() < KEPT_FAILURES {
            recorded.failures.push(format!("{station_id}: {failure}"));
        }
    }
}

/// What to say at the first station that is not let in.
fn unreachable(station_id: &str, why: &str) -> String {
    let hint = match why.contains("404") {
        true => {
            " (the server does not know this station: register it, or give --api and --token to \
             have the fleet registered)"
        }
        false => "",
    };
    format!("{station_id} cannot connect and goes on trying: {why}{hint}")
}

impl Recorder {
    fn outcome(&self, args: &SimulateArgs, elapsed: Duration, totals: FleetReport) -> Outcome {
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Latencies::default();
        for latencies in recorded.latencies.values() {
            all.merge(latencies);
        }
        Outcome {
            stations: args.stations,
            seed: args.seed,
            seconds: elapsed.as_secs_f64(),
            totals,
            latency: all.summary(),
            latency_by_action: recorded
                .latencies
                .iter()
                .map(|(action, latencies)| (*action, latencies.summary()))
                .collect(),
            first_failures: recorded.failures.clone(),
        }
    }
}

fn print_outcome(outcome: &Outcome, json: bool) -> anyhow::Result<()> {
    let mut out = output();
    if json {
        serde_json::to_writer_pretty(&mut out, outcome)?;
        writeln!(out)?;
        return Ok(());
    }
    let totals = &outcome.totals;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["what", "number"]);
    for (what, number) in [
        ("stations", u64::from(outcome.stations)),
        ("connections opened", totals.connects),
        ("connections failed", totals.connect_failures),
        ("messages sent", totals.sent),
        ("messages acknowledged", totals.answered),
        ("refused with an error", totals.refused),
        ("not answered in time", totals.timed_out),
        ("unreadable answers", totals.unreadable),
        ("sessions started", totals.sessions_started),
        ("sessions finished", totals.sessions_finished),
        ("energy (Wh)", totals.energy_wh),
        ("tokens not accepted", totals.tokens_refused),
        ("commands served", totals.commands),
        ("faults played", totals.faults_played),
        ("transaction ids that changed", totals.transaction_ids_changed),
    ] {
        table.add_row([what.to_owned(), number.to_string()]);
    }
    align_numbers(&mut table);
    writeln!(out, "{table}")?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["latency (ms)", "p50", "p99", "p99.9", "longest"]);
    for (action, latency) in &outcome.latency_by_action {
        table.add_row(latency_row(action, latency));
    }
    table.add_row(latency_row("all", &outcome.latency));
    align_numbers(&mut table);
    writeln!(out, "{table}")?;
    for failure in &outcome.first_failures {
        writeln!(out, "! {failure}")?;
    }
    Ok(())
}

fn latency_row(name: &str, latency: &LatencySummary) -> [String; 5] {
    let text = |milliseconds: f64| format!("{milliseconds:.2}");
    [
        name.to_owned(),
        text(latency.p50_ms),
        text(latency.p99_ms),
        text(latency.p99_9_ms),
        text(latency.max_ms),
    ]
}

/// Numbers stand to the right, names to the left.
pub(crate) fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{SimulateArgs, plan_of, unreachable};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn args(line: &str) -> Result<SimulateArgs, clap::Error> {
        Command::try_parse_from(["simulate"].into_iter().chain(line.split_whitespace()))
            .map(|command| command.args)
    }

    #[test]
    fn the_options_become_a_plan() {
        let args = args("--stations 5 --prefix X- --password p --tag A --tag B --seed 9 --speed 2")
            .expect("good options");
        let plan = plan_of(&args).expect("a plan");
        assert_eq!((plan.stations.len(), plan.seed), (5, 9));
        assert_eq!(plan.stations[4].id, "X-0005");
        assert_eq!(plan.stations[4].password.as_deref(), Some("p"));
        assert_eq!(plan.stations[4].tags, ["A", "B"]);
    }

    #[test]
    fn without_tags_every_station_has_a_driver_of_its_own() {
        let plan = plan_of(&args("--stations 2").expect("good options")).expect("a plan");
        assert_eq!(plan.stations[0].tags, ["SIM000001"]);
        assert_eq!(plan.stations[1].tags, ["SIM000002"]);
    }

    #[test]
    fn an_unknown_station_is_told_what_to_do() {
        let said = unreachable("CP-1", "HTTP error: 404 Not Found");
        assert!(said.contains("CP-1") && said.contains("--api"), "{said}");
        assert!(!unreachable("CP-1", "connection refused").contains("--api"));
    }

    #[test]
    fn impossible_options_are_refused() {
        assert!(args("--stations 0").is_err());
        assert!(plan_of(&args("--speed 0").expect("parsed")).is_err());
        assert!(plan_of(&args("--speed nan").expect("parsed")).is_err());
    }
}

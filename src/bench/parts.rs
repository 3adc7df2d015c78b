//! The measurements themselves.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chargebook_simulator::load::{
    Burst, Edge, IdleConnection, LoadReport, LoadTarget, Pacing, SessionLoad, open_idle,
    reconnect_all, run_sessions,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::process::{ADMIN_TOKEN, Server, run_own};
use super::report::{
    Bursts, Idle, Judged, Paced, Rebuild, Registration, Sessions, Storm, Throughput,
};
use super::{Part, Settings};
use crate::simulate::api_client::ApiClient;

/// Targets, from the project's own promises.
const LEAST_RATIO: f64 = 0.20;
const MOST_P99_MS: f64 = 10.0;
const MOST_KIB_PER_CONNECTION: f64 = 24.0;
const MOST_STORM_SECONDS: f64 = 5.0;
const LEAST_REBUILD_RATIO: f64 = 0.4;
const MOST_BURST_RATIO: f64 = 2.0;

/// Calls that the bursting station keeps in flight: a day's messages, sent without waiting.
const BURST_IN_FLIGHT: usize = 10_000;
/// The stations beside it, and their messages per second.
const BURST_NEIGHBOURS: usize = 100;
const BURST_NEIGHBOURS_RATE: u32 = 200;

/// Registrations under way at once: as many as hash passwords side by side on two cores, and
/// as many again on their way.
const REGISTRATIONS_AT_ONCE: usize = 4;
/// Longest wait for a server to catch up with its own work.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(120);
/// Longest time a storm may take.
const STORM_LIMIT: Duration = Duration::from_secs(120);
/// Password of every station.
const PASSWORD: &str = "benchmark-password";

/// A prepared benchmark: the real server runs, its stations are registered.
pub(super) struct Bench {
    settings: Settings,
    folder: PathBuf,
    bar: ProgressBar,
    server: Server,
    registration: Registration,
}

impl Bench {
    /// Starts the server and registers what the parts need.
    pub(super) async fn prepare(
        settings: Settings,
        folder: &Path,
        bar: ProgressBar,
    ) -> anyhow::Result<Self> {
        bar.set_message("starting the server");
        let server = Server::start_real(&folder.join("data"), None).await?;
        let charging = settings.has(Part::Sessions)
            || settings.has(Part::Paced)
            || settings.has(Part::Rebuild);
        let charging = if charging { settings.connections } else { 0 };
        let bursting = if settings.has(Part::Burst) { BURST_NEIGHBOURS + 1 } else { 0 };
        let charging = charging.max(bursting);
        let waiting = settings.has(Part::Idle) || settings.has(Part::Storm);
        let waiting = if waiting { settings.idle_connections } else { 0 };
        let target = target_of(&server, &settings);
        let registration = register(&server, &target, charging.max(waiting), charging).await?;
        Ok(Self { settings, folder: folder.to_owned(), bar, server, registration })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn registration(&self) -> Registration {
        self.registration
    }

    /// Memory of idle connections, in a server that has done nothing else since its start.
    pub(super) async fn idle(&mut self) -> anyhow::Result<Idle> {
        self.bar.set_message("restarting the server");
        self.restart().await?;
        self.server.until_quiet(CATCH_UP_LIMIT).await?;
        let before = self.server.resident_kib()?;
        let count = self.settings.idle_connections;
        let begun = Instant::now();
        let held = self.connect_idle().await?;
        let connect_seconds = begun.elapsed().as_secs_f64();
        self.server.until_quiet(CATCH_UP_LIMIT).await?;
        let with = self.server.resident_kib()?;
        let lost = held.iter().filter(|connection| connection.is_closed()).count();
        anyhow::ensure!(lost == 0, "the server closed {lost} of {count} idle connections");
        let per_connection = as_number(with.saturating_sub(before)) / as_number(count as u64);
        Ok(Idle {
            connections: count,
            resident_kib_before: before,
            resident_kib_with: with,
            kib_per_connection: Judged::at_most(per_connection, MOST_KIB_PER_CONNECTION),
            connect_seconds,
        })
    }

    /// Full sessions, closed loop, in turn against the bare server and the real one.
    pub(super) async fn sessions(&mut self) -> anyhow::Result<Sessions> {
        let mut null_rounds = Vec::new();
        let mut real_rounds = Vec::new();
        let mut catch_up = Duration::ZERO;
        for round in 1..=self.settings.rounds {
            let of = self.settings.rounds;
            self.bar
                .set_message(format!("sessions against the bare server, round {round} of {of}"));
            self.server.until_quiet(CATCH_UP_LIMIT).await?;
            null_rounds.push(self.null_round(Pacing::ClosedLoop).await?);
            self.bar.set_message(format!("sessions against chargebook, round {round} of {of}"));
            let connections = self.settings.connections;
            real_rounds.push(self.load(&self.server, connections, Pacing::ClosedLoop).await?);
            catch_up = self.server.until_quiet(CATCH_UP_LIMIT).await?;
        }
        let round_ratios: Vec<f64> = null_rounds
            .iter()
            .zip(&real_rounds)
            .map(|(null, real)| real.report.messages_per_second / null.report.messages_per_second)
            .collect();
        let null_fsync = throughput_of(null_rounds)?;
        let chargebook = throughput_of(real_rounds)?;
        Ok(Sessions {
            ratio: Judged::at_least(median(&round_ratios), LEAST_RATIO),
            round_ratios,
            null_fsync,
            chargebook,
            catch_up_seconds: catch_up.as_secs_f64(),
        })
    }

    /// Sessions at a fixed rate.
    pub(super) async fn paced(&mut self) -> anyhow::Result<Paced> {
        let rate = self.settings.rate;
        self.bar.set_message(format!("sessions at {rate} messages a second"));
        self.server.until_quiet(CATCH_UP_LIMIT).await?;
        let connections = self.settings.connections;
        let round = self.load(&self.server, connections, Pacing::PerSecond(rate)).await?;
        let chargebook = throughput_of(vec![round])?;
        let p99_ms = Judged::at_most(chargebook.latency.p99_ms, MOST_P99_MS);
        Ok(Paced { rate, chargebook, p99_ms })
    }

    /// Sessions at a fixed rate, in turn without and with a station that sends as fast as it can.
    pub(super) async fn burst(&mut self) -> anyhow::Result<Bursts> {
        let (stations, rate) = (BURST_NEIGHBOURS, BURST_NEIGHBOURS_RATE);
        let pacing = Pacing::PerSecond(rate);
        let mut calm = Vec::new();
        let mut beside_burst = Vec::new();
        let mut burst_messages_per_second = 0.0;
        for round in 1..=self.settings.rounds {
            self.bar.set_message(format!("burst, round {round} of {}", self.settings.rounds));
            self.server.until_quiet(CATCH_UP_LIMIT).await?;
            calm.push(self.load(&self.server, stations, pacing).await?);
            self.server.until_quiet(CATCH_UP_LIMIT).await?;
            let target = target_of(&self.server, &self.settings);
            let begun = Instant::now();
            let burst = Burst::begin(&target, stations, BURST_IN_FLIGHT).await?;
            beside_burst.push(self.load(&self.server, stations, pacing).await?);
            let seconds = begun.elapsed().as_secs_f64();
            burst_messages_per_second = as_number(burst.end().await?) / seconds;
        }
        let p99_ms = |round: &Round| round.report.latency.p99_ms;
        let round_ratios: Vec<f64> = calm
            .iter()
            .zip(&beside_burst)
            .map(|(calm, beside)| p99_ms(beside) / p99_ms(calm))
            .collect();
        Ok(Bursts {
            stations,
            rate,
            in_flight: BURST_IN_FLIGHT,
            ratio: Judged::at_most(median(&round_ratios), MOST_BURST_RATIO),
            round_ratios,
            calm: throughput_of(calm)?,
            beside_burst: throughput_of(beside_burst)?,
            burst_messages_per_second,
        })
    }

    /// The server restarts; the stations that were connected all come back at once.
    pub(super) async fn storm(&mut self) -> anyhow::Result<Storm> {
        let held = self.connect_idle().await?;
        self.server.until_quiet(CATCH_UP_LIMIT).await?;
        let stations = held.len();
        self.bar.set_message(format!("restarting the server under {stations} stations"));
        let (ended, started) = self.restart().await?;
        drop(held);
        self.bar.set_message(format!("{stations} stations reconnect"));
        let target = target_of(&self.server, &self.settings);
        let (reconnect, _held) = reconnect_all(&target, stations, STORM_LIMIT).await;
        let mut seconds = Judged::at_most(reconnect.elapsed.as_secs_f64(), MOST_STORM_SECONDS);
        seconds.met &= reconnect.booted == stations;
        Ok(Storm {
            stations,
            end_seconds: ended.as_secs_f64(),
            start_seconds: started.as_secs_f64(),
            seconds,
            reconnect,
        })
    }

    /// Rebuilds the read models and reads the log page by page, on the data gathered so far.
    pub(super) async fn rebuild(self) -> anyhow::Result<Rebuild> {
        self.bar.set_message("rebuilding the read models");
        let data = self.folder.join("data");
        if !self.settings.has(Part::Sessions) {
            // A log of some length is needed.
            let connections = self.settings.connections;
            self.load(&self.server, connections, Pacing::ClosedLoop).await?;
        }
        self.server.until_quiet(CATCH_UP_LIMIT).await?;
        self.server.end().await?;
        let (events, rebuild_seconds) =
            timed_command(&["projections", "rebuild", "--json"], &data).await?;
        self.bar.set_message("reading the log");
        let (_, paged_read_seconds) = timed_command(&["log", "stats", "--json"], &data).await?;
        let ratio = paged_read_seconds / rebuild_seconds;
        Ok(Rebuild {
            events,
            rebuild_seconds,
            paged_read_seconds,
            ratio: Judged::at_least(ratio, LEAST_REBUILD_RATIO),
        })
    }

    /// Ends the server.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        self.server.end().await
    }

    /// Ends the server and starts it anew on the same data and addresses; how long each took.
    async fn restart(&mut self) -> anyhow::Result<(Duration, Duration)> {
        let at = self.server.addresses;
        let data = self.folder.join("data");
        let begun = Instant::now();
        self.server.terminate().await?;
        let ended = begun.elapsed();
        let begun = Instant::now();
        self.server = Server::start_real(&data, Some(at)).await?;
        Ok((ended, begun.elapsed()))
    }

    async fn connect_idle(&self) -> anyhow::Result<Vec<IdleConnection>> {
        let count = self.settings.idle_connections;
        let progress = |done| self.bar.set_message(format!("{done} of {count} idle connections"));
        Ok(open_idle(&target_of(&self.server, &self.settings), count, progress).await?)
    }

    async fn null_round(&self, pacing: Pacing) -> anyhow::Result<Round> {
        let folder = self.folder.join("null");
        std::fs::create_dir_all(&folder).context("cannot make the bare server's folder")?;
        let null = Server::start_null(&folder).await?;
        let round = self.load(&null, self.settings.connections, pacing).await?;
        null.end().await?;
        std::fs::remove_dir_all(&folder).context("cannot remove the bare server's folder")?;
        Ok(round)
    }

    async fn load(
        &self,
        server: &Server,
        connections: usize,
        pacing: Pacing,
    ) -> anyhow::Result<Round> {
        let load = SessionLoad {
            target: target_of(server, &self.settings),
            connections,
            pacing,
            warm_up: self.settings.warm_up,
            measure: self.settings.measure,
        };
        let mut edges = Vec::new();
        let at_edge = |_: Edge| edges.push(server.cpu_time());
        let report = run_sessions(load, at_edge).await?;
        let mut edges = edges.into_iter();
        let begin = edges.next().context("no begin")??;
        let end = edges.next().context("no end")??;
        Ok(Round { report, cpu: end.saturating_sub(begin) })
    }
}

/// One round against one server.
struct Round {
    report: LoadReport,
    cpu: Duration,
}

/// The median round, by messages per second; of an even number the lower one.
fn throughput_of(mut rounds: Vec<Round>) -> anyhow::Result<Throughput> {
    rounds.sort_by(|one, other| {
        one.report.messages_per_second.total_cmp(&other.report.messages_per_second)
    });
    let slowest = rounds.first().context("no rounds")?.report.messages_per_second;
    let fastest = rounds.last().context("no rounds")?.report.messages_per_second;
    let failures = rounds.iter().map(|round| round.report.failures).sum();
    let first_failures =
        rounds.iter().flat_map(|round| round.report.first_failures.iter().cloned()).collect();
    let median = rounds.swap_remove((rounds.len() - 1) / 2);
    let thousands = as_number(median.report.messages) / 1_000.0;
    Ok(Throughput {
        messages_per_second: median.report.messages_per_second,
        slowest_round: slowest,
        fastest_round: fastest,
        cpu_ms_per_1000_messages: median.cpu.as_secs_f64() * 1_000.0 / thousands,
        latency: median.report.latency,
        failures,
        first_failures,
    })
}

/// The median; of an even number the lower one.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}

fn as_number(count: u64) -> f64 {
    count as f64
}

fn target_of(server: &Server, settings: &Settings) -> LoadTarget {
    LoadTarget {
        address: server.addresses.ocpp,
        path: "/ocpp".to_owned(),
        station_prefix: "BENCH-".to_owned(),
        tag_prefix: "BENCH".to_owned(),
        password: Some(PASSWORD.to_owned()),
        offers_compression: settings.offers_compression,
        versions: settings.versions.clone(),
    }
}

/// Registers stations, each with a password, and tokens, each with an account of its own, and
/// a tariff by which their sessions are billed.
async fn register(
    server: &Server,
    target: &LoadTarget,
    stations: usize,
    tokens: usize,
) -> anyhow::Result<Registration> {
    let api = server.api_url()?;
    let begun = Instant::now();
    ApiClient::connect(&api, ADMIN_TOKEN).await?.set_default_tariff(&tariff()).await?;
    let total = u64::try_from(stations + tokens).unwrap_or(u64::MAX);
    let bar = ProgressBar::new(total).with_style(ProgressStyle::with_template(
        "registering stations and tokens {wide_bar} {pos}/{len} {eta}",
    )?);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..REGISTRATIONS_AT_ONCE {
        let (api, target, bar) = (api.clone(), target.clone(), bar.clone());
        workers.spawn(async move {
            let mut client = ApiClient::connect(&api, ADMIN_TOKEN).await?;
            for number in (worker..stations).step_by(REGISTRATIONS_AT_ONCE) {
                client.add_station(&target.station_id(number), Some(PASSWORD)).await?;
                bar.inc(1);
            }
            for number in (worker..tokens).step_by(REGISTRATIONS_AT_ONCE) {
                client.add_token(&target.tag(number)).await?;
                bar.inc(1);
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    bar.finish_and_clear();
    Ok(Registration { stations, tokens, seconds: begun.elapsed().as_secs_f64() })
}

fn tariff() -> Value {
    json!({
        "country_code": "DE",
        "party_id": "CHB",
        "id": "benchmark",
        "currency": "EUR",
        "elements": [{
            "price_components": [
                { "type": "ENERGY", "price": 0.49, "vat": 19, "step_size": 1 },
                { "type": "FLAT", "price": 0.35, "vat": 19, "step_size": 1 }
            ]
        }],
        "last_updated": "2026-01-01T00:00:00Z"
    })
}

/// Runs a subcommand that prints one JSON object with `events` and how long it took.
async fn timed_command(arguments: &[&str], data: &Path) -> anyhow::Result<(u64, f64)> {
    let what = arguments.join(" ");
    let output = run_own(arguments, data).await?;
    let result: Value = serde_json::from_str(&output)
        .with_context(|| format!("{what} printed something else than one JSON object"))?;
    let events = result["events"].as_u64().with_context(|| format!("{what}: no events"))?;
    let seconds = seconds_in(&result).with_context(|| format!("{what}: no time"))?;
    Ok((events, seconds))
}

/// The time a command reports: `read_seconds`, or `elapsed` in whole seconds and nanoseconds.
fn seconds_in(result: &Value) -> Option<f64> {
    if let Some(seconds) = result["read_seconds"].as_f64() {
        return Some(seconds);
    }
    let elapsed = &result["elapsed"];
    let nanos = u32::try_from(elapsed["nanos"].as_u64()?).ok()?;
    Some(Duration::new(elapsed["secs"].as_u64()?, nanos).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{median, seconds_in};

    #[test]
    fn the_time_of_a_command_is_read_in_either_form() {
        assert_eq!(seconds_in(&json!({ "read_seconds": 1.5 })), Some(1.5));
        let elapsed = json!({ "elapsed": { "secs": 2, "nanos": 250_000_000 } });
        assert_eq!(seconds_in(&elapsed), Some(2.25));
        assert_eq!(seconds_in(&json!({ "elapsed": 2 })), None);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert!(median(&[]).is_nan());
    }
}

//! The servers under measurement, each a child process of the benchmark's own binary.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::machine;

/// A server must say that it is ready within this time; a large log is opened first.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A server that is asked to end must have ended within this time.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
/// Lines of a server's output kept for a failure's report.
const KEPT_LINES: usize = 20;
/// A server is quiet when it uses less than this of one core, over [`QUIET_SAMPLE`].
const QUIET_SHARE: f64 = 0.03;
const QUIET_SAMPLE: Duration = Duration::from_millis(500);

/// The bearer token of every server the benchmark starts.
pub(super) const ADMIN_TOKEN: &str = "benchmark-admin-token";

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) ocpp: SocketAddr,
    /// The bare server has none.
    pub(super) http: Option<SocketAddr>,
}

/// A running server; it is killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pid: u32,
    pub(super) addresses: Addresses,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// The bare server.
    pub(super) async fn start_null(dir: &Path) -> anyhow::Result<Self> {
        let mut command = own_binary()?;
        command.args(["bench", "null-server", "--fsync", "--listen", "127.0.0.1:0", "--dir"]);
        command.arg(dir);
        Self::start(command).await
    }

    /// The real one, on `data`, at the same addresses as before when there are any.
    pub(super) async fn start_real(data: &Path, at: Option<Addresses>) -> anyhow::Result<Self> {
        let any = "127.0.0.1:0".to_owned();
        let ocpp = at.map_or_else(|| any.clone(), |at| at.ocpp.to_string());
        let http = at.and_then(|at| at.http).map_or(any, |http| http.to_string());
        let mut command = own_binary()?;
        command.args(["serve", "--ocpp", &ocpp, "--http", &http, "--data"]).arg(data);
        command.env("CHARGEBOOK_ADMIN_TOKEN", ADMIN_TOKEN);
        Self::start(command).await
    }

    async fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("cannot start a server")?;
        let pid = child.id().context("the server ended at once")?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (ready, mut when_ready) = mpsc::channel(1);
        let stdout = child.stdout.take().context("the server has no output")?;
        let stderr = child.stderr.take().context("the server has no error output")?;
        tokio::spawn(follow(stdout, Arc::clone(&said), ready.clone()));
        tokio::spawn(follow(stderr, Arc::clone(&said), ready));
        // The channel closes when both outputs do: the server has ended.
        match tokio::time::timeout(READY_WITHIN, when_ready.recv()).await {
            Ok(Some(addresses)) => Ok(Self { child, pid, addresses, said }),
            Ok(None) => bail!("the server ended before it was ready:\n{}", lines(&said)),
            Err(_) => bail!(
                "the server was not ready within {} s:\n{}",
                READY_WITHIN.as_secs(),
                lines(&said)
            ),
        }
    }

    /// Processor time used so far.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        machine::cpu_time(self.pid).with_context(|| self.last_words())
    }

    /// Memory in RAM, in KiB.
    pub(super) fn resident_kib(&self) -> anyhow::Result<u64> {
        machine::resident_kib(self.pid).with_context(|| self.last_words())
    }

    fn last_words(&self) -> String {
        format!("the server last said:\n{}", lines(&self.said))
    }

    /// The API's address as a URL.
    pub(super) fn api_url(&self) -> anyhow::Result<String> {
        let http = self.addresses.http.context("this server has no API")?;
        Ok(format!("http://{http}"))
    }

    /// Waits until it hardly uses the processor any more, so that it disturbs no measurement
    /// of another and has caught up with its own work. Returns how long that took; at most
    /// `limit`.
    pub(super) async fn until_quiet(&self, limit: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            let before = self.cpu_time()?;
            tokio::time::sleep(QUIET_SAMPLE).await;
            let used = self.cpu_time()?.saturating_sub(before);
            if used.as_secs_f64() < QUIET_SHARE * QUIET_SAMPLE.as_secs_f64() {
                break;
            }
        }
        Ok(begun.elapsed().saturating_sub(QUIET_SAMPLE))
    }

    /// As [`Server::terminate`], for good.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.terminate().await
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(super) async fn terminate(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("a process id out of range")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("cannot signal the server")?;
        let ended = tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await;
        match ended {
            Ok(status) => {
                status?;
                Ok(())
            }
            Err(_) => bail!(
                "the server did not end within {} s of SIGTERM:\n{}",
                ENDED_WITHIN.as_secs(),
                lines(&self.said)
            ),
        }
    }
}

/// Runs a subcommand of this binary to its end; its standard output.
pub(super) async fn run_own(arguments: &[&str], data: &Path) -> anyhow::Result<String> {
    let what = arguments.join(" ");
    let mut command = own_binary()?;
    command.args(arguments).arg("--data").arg(data).stdin(Stdio::null());
    let output = command.output().await.with_context(|| format!("cannot run {what}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{what} failed ({}): {error}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn own_binary() -> anyhow::Result<Command> {
    let path = std::env::current_exe().context("cannot find the own binary")?;
    let mut command = Command::new(path);
    // The servers' settings are the benchmark's, whatever the caller's shell holds.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHARGEBOOK_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

async fn follow(
    output: impl AsyncRead + Unpin,
    said: Arc<Mutex<VecDeque<String>>>,
    ready: mpsc::Sender<Addresses>,
) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        if let Some(addresses) = ready_addresses(&line) {
            // Only the first such line has a listener.
            let _ = ready.try_send(addresses);
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT_LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

fn lines(said: &Mutex<VecDeque<String>>) -> String {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// The addresses in a structured log line whose message is `ready`.
fn ready_addresses(line: &str) -> Option<Addresses> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields").unwrap_or(&entry);
    if fields.get("message")?.as_str()? != "ready" {
        return None;
    }
    let address = |name: &str| fields.get(name)?.as_str().and_then(socket_address);
    Some(Addresses { ocpp: address("ocpp")?, http: address("http") })
}

/// `HOST:PORT`, also inside a URL.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::ready_addresses;

    #[test]
    fn the_ready_line_is_found_among_others() {
        for line in [
            r#"{"level":"INFO","fields":{"message":"ready","ocpp":"127.0.0.1:1","http":"127.0.0.1:2"}}"#,
            r#"{"message":"ready","ocpp":"ws://127.0.0.1:1/ocpp","http":"http://127.0.0.1:2"}"#,
        ] {
            let found = ready_addresses(line).expect("a ready line");
            assert_eq!(found.ocpp.port(), 1);
            assert_eq!(found.http.map(|http| http.port()), Some(2));
        }
        let bare = ready_addresses(r#"{"message":"ready","ocpp":"127.0.0.1:1"}"#);
        assert!(bare.is_some_and(|found| found.http.is_none()));
        for line in ["ready", r#"{"message":"not ready"}"#, r#"{"message":"ready"}"#, "{}"] {
            assert!(ready_addresses(line).is_none(), "{line}");
        }
    }
}

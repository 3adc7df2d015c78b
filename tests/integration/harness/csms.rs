//! The real binary, started on a data folder of its own and ended in every way a process can end.

use std::io::{BufRead as _, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Http;
use super::{PATIENCE, eventually};

/// The bootstrap token of every server the tests start.
pub(crate) const ADMIN_TOKEN: &str = "integration-admin-token";

/// What a test may want different from the defaults.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `CHARGEBOOK_SETTLE_AFTER`: seconds until an incomplete session is settled or goes to
    /// review. Long, so that a slow machine is no silent station; short where a test is about it.
    pub(crate) settle_after_seconds: u32,
    /// Further arguments of `serve`.
    pub(crate) arguments: Vec<String>,
    /// A program and its arguments that run the server; none where it is run as it is.
    pub(crate) wrapper: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { settle_after_seconds: 600, arguments: Vec::new(), wrapper: Vec::new() }
    }
}

/// A running server; its HTTP client is reached by dereference: `csms.get("/v1/stations")`.
pub(crate) struct TestCsms {
    folder: TempDir,
    settings: Settings,
    server: Server,
    http: Http,
}

struct Server {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    ocpp: String,
    http: String,
}

impl TestCsms {
    pub(crate) fn start() -> Self {
        Self::start_with(Settings::default())
    }

    pub(crate) fn start_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let server = Server::start(&data, &settings, "127.0.0.1:0", "127.0.0.1:0");
        let http = Http::new(&server.http, Some(ADMIN_TOKEN));
        Self { folder, settings, server, http }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for what a test writes, beside the data.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Where a charge point connects: `ws://HOST:PORT/ocpp/`, to be followed by its id.
    pub(crate) fn ocpp_url(&self) -> String {
        format!("ws://{}/ocpp/", self.server.ocpp)
    }

    /// Where a charge point connects over TLS, in the same form; only where the server was told to
    /// listen there.
    pub(crate) fn ocpp_over_tls_url(&self) -> String {
        let ready = eventually("the ready line", || {
            let lines = self.log();
            lines.iter().find_map(|line| field_when_ready(line, "ocpp_over_tls"))
        });
        format!("wss://{ready}/ocpp/")
    }

    /// Has the server read its certificates again.
    pub(crate) fn hang_up(&self) {
        let id = self.server.process.id().to_string();
        let told = Command::new("kill").args(["-HUP", &id]).status().expect("kill runs");
        assert!(told.success(), "the server was gone");
    }

    /// `host:port` of the HTTP side.
    pub(crate) fn http_address(&self) -> &str {
        &self.server.http
    }

    /// A client without a token.
    pub(crate) fn anonymous(&self) -> Http {
        Http::new(&self.server.http, None)
    }

    /// A client with a token of the test's choice.
    pub(crate) fn with_token(&self, token: &str) -> Http {
        Http::new(&self.server.http, Some(token))
    }

    /// The lines the server logged since its last start.
    pub(crate) fn log(&self) -> Vec<String> {
        self.server.log.lock().expect("the log").clone()
    }

    /// The server's memory, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.process.id());
        let status = std::fs::read_to_string(path).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Ends the server as a power cut would end the process.
    pub(crate) fn kill9(&mut self) {
        self.server.process.kill().expect("the server can be killed");
        self.server.process.wait().expect("the server ends");
    }

    /// Asks the server to end; returns how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let id = self.server.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(asked.success(), "the server was gone before it was asked to end");
        super::eventually("the server's end", || self.server.process.try_wait().expect("a status"))
    }

    /// Starts again on the same folder and the same ports, after [`Self::kill9`] or
    /// [`Self::terminate`].
    pub(crate) fn restart(&mut self) {
        let (ocpp, http) = (self.server.ocpp.clone(), self.server.http.clone());
        self.server = Server::start(&self.data(), &self.settings, &ocpp, &http);
    }

    /// The same, with further arguments of `serve` in the place of those before.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.settings.arguments = arguments.iter().map(ToString::to_string).collect();
        self.restart();
    }

    /// Runs a subcommand of the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        chargebook(arguments, self.scratch())
    }

    /// Registers a charge point with a password made from its id.
    #[track_caller]
    pub(crate) fn add_station(&self, id: &str) {
        let body = json!({ "id": id, "password": password_of(id) });
        self.post("/v1/stations", &body).expect(201);
    }

    #[track_caller]
    pub(crate) fn add_token(&self, uid: &str) {
        self.post("/v1/tokens", &json!({ "uid": uid, "type": "RFID" })).expect(201);
    }

    /// An energy price per kWh, net, with 19 % VAT, as the default for every station.
    #[track_caller]
    pub(crate) fn set_energy_price(&self, price: &str) {
        let id = "energy";
        let put = self.put(&format!("/v1/tariffs/{id}"), &energy_tariff(id, price));
        assert!(matches!(put.status, 200 | 201), "{put:?}");
        let default = self.put("/v1/settings/default-tariff", &json!({ "tariff": id }));
        assert!(matches!(default.status, 200 | 201), "{default:?}");
    }

    /// Prices by the dimension, net, with 19 % VAT, as the default for every station.
    #[track_caller]
    pub(crate) fn set_prices(&self, prices: &[(&str, &str)]) {
        let component = |(dimension, price): &(&str, &str)| {
            format!(r#"{{"type":"{dimension}","price":{price},"vat":19,"step_size":1}}"#)
        };
        let components: Vec<String> = prices.iter().map(component).collect();
        let components: Value =
            serde_json::from_str(&format!("[{}]", components.join(","))).expect("components");
        let tariff = json!({
            "country_code": "DE", "party_id": "CHB", "id": "prices", "currency": "EUR",
            "elements": [{ "price_components": components }],
            "last_updated": "2026-01-01T00:00:00Z",
        });
        self.put("/v1/tariffs/prices", &tariff).expect(201);
        self.put("/v1/settings/default-tariff", &json!({ "tariff": "prices" })).expect(200);
    }

    /// Every event of the log, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.list("/v1/events?limit=1000")
    }

    /// The same as one text, with every seal opened that can be.
    pub(crate) fn events_text(&self) -> String {
        serde_json::Value::Array(self.events()).to_string()
    }

    /// The exchange events, in order: one for every receipt.
    pub(crate) fn exchanges(&self) -> Vec<Value> {
        let is_exchange = |event: &Value| event["type"] == "exchange.recorded";
        self.events().into_iter().filter(is_exchange).collect()
    }

    pub(crate) fn sessions(&self, station: &str) -> Vec<Value> {
        self.list(&format!("/v1/sessions?station={station}"))
    }

    pub(crate) fn invoices(&self) -> Vec<Value> {
        self.list("/v1/invoices")
    }
}

impl Deref for TestCsms {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}

impl Drop for TestCsms {
    #[expect(clippy::print_stdout, reason = "shown by the test runner with a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.server.log.lock().expect("the log");
            println!("--- the server's log ---\n{}\n---", log.join("\n"));
        }
    }
}

impl Server {
    fn start(data: &Path, settings: &Settings, ocpp: &str, http: &str) -> Self {
        let mut process = wrapped(&settings.wrapper)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--ocpp", ocpp, "--http", http])
            .args(&settings.arguments)
            .env("CHARGEBOOK_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("CHARGEBOOK_SETTLE_AFTER", settings.settle_after_seconds.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (ready, when_ready) = sync_channel(1);
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(process.stdout.take().expect("piped")),
            Box::new(process.stderr.take().expect("piped")),
        ];
        for output in outputs {
            let (log, ready) = (Arc::clone(&log), ready.clone());
            std::thread::spawn(move || follow(output, &log, &ready));
        }
        drop(ready);
        let mut server = Self { process, log, ocpp: String::new(), http: String::new() };
        (server.ocpp, server.http) = server.wait_until_ready(&when_ready);
        server
    }

    fn wait_until_ready(&self, when_ready: &Receiver<(String, String)>) -> (String, String) {
        when_ready.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let log = self.log.lock().expect("the log");
            panic!("the server did not get ready; it said:\n{}", log.join("\n"))
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end and only a status to collect.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps every line, and tells the addresses once the server says it is ready.
fn follow(output: impl Read, log: &Mutex<Vec<String>>, ready: &SyncSender<(String, String)>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        if let Some(addresses) = ready_addresses(&line) {
            // Only the first such line has a listener.
            let _ = ready.try_send(addresses);
        }
        log.lock().expect("the log").push(line);
    }
}

fn ready_addresses(line: &str) -> Option<(String, String)> {
    Some((field_when_ready(line, "ocpp")?, field_when_ready(line, "http")?))
}

/// A field of the line in which the server says that it is ready.
fn field_when_ready(line: &str, name: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields").unwrap_or(&entry);
    if fields["message"] != "ready" {
        return None;
    }
    Some(fields[name].as_str()?.to_owned())
}

/// The password that [`TestCsms::add_station`] sets.
pub(crate) fn password_of(station: &str) -> String {
    format!("password of {station}")
}

/// Runs a subcommand of the binary to its end, in a folder.
pub(crate) fn chargebook(arguments: &[&str], folder: &Path) -> Output {
    binary().args(arguments).current_dir(folder).output().expect("the binary runs")
}

/// The binary with an environment of the tests' own: no setting of the machine reaches it.
pub(crate) fn binary() -> Command {
    wrapped(&[])
}

/// The same, run by another program where one is named.
fn wrapped(wrapper: &[String]) -> Command {
    let binary = env!("CARGO_BIN_EXE_chargebook");
    let mut command = match wrapper {
        [] => Command::new(binary),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(binary);
            command
        }
    };
    let foreign = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CHARGEBOOK_") || name == "RUST_LOG"
    });
    for name in foreign {
        command.env_remove(name);
    }
    command
}

/// An OCPI 2.2.1 tariff with one energy price per kWh (net), 19 % VAT and a step of 1 Wh.
pub(crate) fn energy_tariff(id: &str, price: &str) -> Value {
    let text = format!(
        r#"{{
            "country_code": "DE", "party_id": "CHB", "id": "{id}", "currency": "EUR",
            "elements": [{{ "price_components": [
                {{ "type": "ENERGY", "price": {price}, "vat": 19, "step_size": 1 }}
            ] }}],
            "last_updated": "2026-01-01T00:00:00Z"
        }}"#
    );
    serde_json::from_str(&text).expect("a tariff")
}

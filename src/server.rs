//! One process: log, vault, service, gateway, read models, sealer and HTTP, wired together and
//! taken down in order.

use crate::audit::Bundles;
use crate::config::Config;
use crate::demo::DEMO_ORIGIN;
use crate::doors::Doors;
use anyhow::{Context, bail};
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use chargebook_api::{ApiState, Authenticator};
use chargebook_commands::clock::SystemClock;
use chargebook_commands::{Chargebook, Settings};
use chargebook_console::{Console, ConsoleOptions};
use chargebook_gateway::{Limits, OcppVersions};
use chargebook_projections::{
    PAGE_ROWS_MAX, Paging, Past, ProjectorOptions, ReadModels, WaitError,
};
use chargebook_proof::checkpoint::{Origin, SigningKey};
use chargebook_store::sealer::{Sealer, SealerOptions, Tree};
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, LogAddress, OpenMode, OpenedLog, Position};
use chrono::TimeDelta;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The file that keeps the token where none was given.
const ADMIN_TOKEN_FILE: &str = "admin-token";
/// How long the read models are waited for at a start.
const READ_MODELS_PATIENCE: Duration = Duration::from_secs(10);
/// The media type of what is said without markup.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
/// How often metrics are folded, so that they stay small.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// The keys of a log are not where they should be, and nobody has said to go on without them.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is missing beside an existing log: put it back from its backup, or start with \
     --accept-lost-keys to go on with new keys (sealed personal data stays sealed for ever; \
     stations and tokens must be registered anew)",
    data.join("keys.db").display()
)]
pub(crate) struct LostKeys {
    data: PathBuf,
}

/// What to say of a log that cannot be read on.
fn unreadable(config: &Config) -> String {
    let data = config.data.display();
    match &config.store {
        LogAddress::Embedded => format!(
            "the log {} cannot be read (`chargebook log verify --data {data}` finds what is \
             damaged; a backup of the folder restores it)",
            config.data.join("log.db").display()
        ),
        address => format!(
            "the log {address} cannot be read (`chargebook log verify --store {address} --data \
             {data}` finds what is damaged)"
        ),
    }
}

/// The keys of a log with events are not there: an operator has to have said that it is meant.
fn go_on_without_keys(config: &Config) -> anyhow::Result<()> {
    let data = &config.data;
    if !config.accept_lost_keys {
        bail!(LostKeys { data: data.clone() });
    }
    tracing::warn!(
        folder = %data.display(),
        "the key vault is missing beside an existing log: a new one is made; what was sealed \
         before stays sealed, keyed hashes no longer find what they found, and checkpoints are \
         signed with a new key under a new name"
    );
    Ok(())
}

/// Invented sessions do not come into a real log; who goes on with the demo's is told that it is.
fn refuse_other_purpose(config: &Config, vault: &KeyVault) -> anyhow::Result<()> {
    let data = config.data.display();
    let is_demo = config.origin.as_deref() == Some(DEMO_ORIGIN);
    match (vault.verifier_key().origin().as_str() == DEMO_ORIGIN, is_demo) {
        (true, false) => {
            tracing::warn!(
                "the log in {data} is that of `chargebook demo`, with invented stations and \
                 invoices: for real ones name another folder with --data DIR"
            );
            Ok(())
        }
        (false, true) => bail!(
            "the log in {data} is not that of `chargebook demo`, which would write invented \
             stations and invoices into it: name another folder with --data DIR"
        ),
        _ => Ok(()),
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) ocpp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin_token: String,
    pub(crate) read_models: ReadModels,
    pub(crate) chargebook: Chargebook,
    log: OpenedLog,
    sealer: Sealer,
    stop: Stop,
    tasks: Tasks,
    end_signal: EndSignal,
}

/// Cancelled one after the other: first who lets requests in, then who works on them.
struct Stop {
    doors: CancellationToken,
    policies: CancellationToken,
    projector: CancellationToken,
}

struct Tasks {
    gateway: JoinHandle<()>,
    http: JoinHandle<anyhow::Result<()>>,
    policies: JoinHandle<anyhow::Result<()>>,
    projector: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    /// Opens the data folder and serves at the doors; ready when it returns. What follows the log
    /// (policies, read models, sealer) runs on the `background` runtime: a page of the log takes
    /// a while, and no station should wait for it.
    pub(crate) async fn start(
        config: &Config,
        doors: Doors,
        background: &Handle,
    ) -> anyhow::Result<Self> {
        let end_signal = EndSignal::listen().context("cannot listen for signals")?;
        let metrics = install_metrics()?;
        let Doors { ocpp, http, ocpp_over_tls } = doors;
        let data = &config.data;
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot create the data folder {}", data.display()))?;
        let opened = config.store.open(data, OpenMode::Writer).await;
        let opened =
            opened.with_context(|| format!("cannot open the log in {}", data.display()))?;
        let log = opened.store();
        let has_events = *log.head().borrow() != Position::START;
        if has_events && KeyVault::is_missing(data) {
            go_on_without_keys(config)?;
        }
        let vault = Arc::new(open_vault(data, config.origin.as_deref()).await?);
        refuse_other_purpose(config, &vault)?;
        let key = vault.signing_key().clone();
        let sealer = start_sealer(log.clone(), data.clone(), key);
        let sealer = background.spawn(sealer).await??;
        let settings = Settings {
            node: config.node.clone(),
            settle_after: TimeDelta::seconds(config.settle_after_seconds.into()),
            time_zone: config.time_zone.clone(),
            invoice_series: config.invoice_series.clone(),
            heartbeat_interval_seconds: config.heartbeat_interval_seconds,
            keys_backup: config.keys_backup.clone(),
        };
        let clock = Arc::new(SystemClock);
        let chargebook = Chargebook::open(log.clone(), Arc::clone(&vault), clock, settings)
            .await
            .with_context(|| unreadable(config))?
            .speaking(Arc::new(OcppVersions))
            .asking(config.outside.open().context("nobody outside can be asked")?);
        let (read_models, projector) = chargebook_projections::open(
            log.clone(),
            &data.join("read"),
            ProjectorOptions::default(),
        )
        .await?;
        let admin_token = admin_token(data, config.admin_token.as_deref())?;
        let stop = Stop {
            doors: CancellationToken::new(),
            policies: CancellationToken::new(),
            projector: CancellationToken::new(),
        };
        let tls = match &config.tls {
            Some(files) => Some(files.open(&chargebook, stop.doors.clone()).await?),
            None => None,
        };
        let tls_address = ocpp_over_tls.as_ref().map(TcpListener::local_addr).transpose()?;
        let (ocpp_address, http_address) = (ocpp.local_addr()?, http.local_addr()?);
        let stop_projector = stop.projector.clone();
        let policies = chargebook.clone();
        let stop_policies = stop.policies.clone();
        let bundles = Bundles { data: data.clone(), log: log.clone(), vault };
        let past = Past::open(log.clone(), &data.join("read/past"), background.clone())?;
        let web = Web {
            chargebook: chargebook.clone(),
            read_models: read_models.clone(),
            past,
            admin_token: admin_token.clone(),
            metrics,
        };
        let tasks = Tasks {
            projector: background
                .spawn(async move { Ok(projector.run(stop_projector.cancelled_owned()).await?) }),
            policies: background
                .spawn(async move { Ok(policies.run_policies(stop_policies).await?) }),
            gateway: tokio::spawn(chargebook_gateway::serve(
                chargebook_gateway::Doors { plain: ocpp, tls: ocpp_over_tls.zip(tls) },
                chargebook.clone(),
                limits(config),
                stop.doors.clone(),
            )),
            http: tokio::spawn(web.serve(http, bundles, stop.doors.clone())),
        };
        // Whoever reads after this line sees what was there before; a long rebuild is not waited
        // for, stations are served meanwhile, and `/health/ready` tells when it is done.
        let head = *log.head().borrow();
        if read_models.wait_for(head, READ_MODELS_PATIENCE).await.is_err() {
            tracing::warn!("the read models are still catching up");
        }
        background.spawn(end_lost_connections(chargebook.clone(), read_models.clone(), head));
        tracing::info!(
            ocpp = %ocpp_address,
            ocpp_over_tls = tls_address.map(tracing::field::display),
            http = %http_address,
            data = %data.display(),
            "ready"
        );
        Ok(Self {
            ocpp: ocpp_address,
            http: http_address,
            admin_token,
            read_models,
            chargebook,
            log: opened,
            sealer,
            stop,
            tasks,
            end_signal,
        })
    }

    /// Waits for a signal to end, or for a part that cannot go on.
    pub(crate) async fn until_told(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            signal = self.end_signal.came() => {
                tracing::info!(signal = signal?, "stopping");
                Ok(())
            }
            ended = &mut self.tasks.policies => ended?.context("the policies cannot go on"),
            ended = &mut self.tasks.projector => ended?.context("the read models cannot go on"),
            ended = &mut self.tasks.http => ended?.context("the HTTP server cannot go on"),
        }
    }

    /// Closes the doors, lets what is in hand be finished, and closes the log last.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.doors.cancel();
        settled("gateway", self.tasks.gateway.await);
        if !self.tasks.http.is_finished() {
            settled("HTTP", self.tasks.http.await);
        }
        self.stop.policies.cancel();
        if !self.tasks.policies.is_finished() {
            settled("policies", self.tasks.policies.await);
        }
        self.stop.projector.cancel();
        if !self.tasks.projector.is_finished() {
            settled("read models", self.tasks.projector.await);
        }
        self.sealer.stop().await?;
        self.log.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The process before this one may have ended without a word: its connections live no more, and
/// the log should say so of those stations that have not come back.
async fn end_lost_connections(chargebook: Chargebook, read_models: ReadModels, head: Position) {
    // A long rebuild is waited for: until then nobody can tell who seemed to be there.
    while let Err(error) = read_models.wait_for(head, READ_MODELS_PATIENCE).await {
        if matches!(error, WaitError::Ended { .. }) {
            return;
        }
    }
    let mut paging = Paging { limit: Some(PAGE_ROWS_MAX), next: None };
    loop {
        let page = match read_models.list_stations(&paging).await {
            Ok(page) => page,
            Err(error) => return tracing::warn!(%error, "lost connections stay as they were"),
        };
        for station in page.items.iter().filter(|station| station.connected) {
            let told = chargebook.connection_lost(station.id.as_str(), SERVER_ENDED).await;
            if let Err(error) = told {
                tracing::warn!(%error, station = %station.id, "a lost connection stays as it was");
            }
        }
        match page.next {
            Some(next) => paging.next = Some(next),
            None => return,
        }
    }
}

/// Why a connection ended that a process held which could not say so itself.
const SERVER_ENDED: &str = "server_ended";

/// What the HTTP side is made of.
struct Web {
    chargebook: Chargebook,
    read_models: ReadModels,
    past: Past,
    admin_token: String,
    metrics: PrometheusHandle,
}

impl Web {
    async fn serve(
        self,
        listener: TcpListener,
        bundles: Bundles,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let authenticator = Authenticator::new([&self.admin_token]);
        let console = self.console(authenticator.clone(), shutdown.clone());
        let mut state =
            ApiState::new(self.chargebook, self.read_models, authenticator, shutdown.clone());
        state.metrics = Some(self.metrics);
        state.past = Some(self.past);
        state.checkpoint_file = Some(bundles.data.join("tree").join("checkpoint"));
        state.tree = Some(Tree::open(&bundles.data));
        state.bundles = Some(Arc::new(bundles));
        let router = chargebook_api::router(state)
            .merge(chargebook_console::router(console))
            .layer(axum::middleware::from_fn(page_for_people))
            .layer(axum::middleware::map_response(redirect_in_words));
        Ok(chargebook_api::serve(listener, router, shutdown).await?)
    }

    fn console(&self, authenticator: Authenticator, shutdown: CancellationToken) -> Console {
        let accepts = move |token: &str| authenticator.accepts(token);
        let options = ConsoleOptions { shutdown, ..ConsoleOptions::default() };
        let (chargebook, models) = (self.chargebook.clone(), self.read_models.clone());
        Console::new(chargebook, models, Arc::new(accepts), options)
    }
}

/// A person who lost their way gets a page, a program keeps its problem.
async fn page_for_people(request: Request, next: Next) -> Response {
    let headers = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_person = headers.is_some_and(|accept| accept.contains("text/html"));
    let is_page = !request.uri().path().starts_with("/v1");
    let response = next.run(request).await;
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == b"application/problem+json");
    match is_person && is_page && is_problem && response.status() == StatusCode::NOT_FOUND {
        true => chargebook_console::not_found().await,
        false => response,
    }
}

/// A redirect says in words where it leads, for whoever does not follow it (RFC 9110, 15.4).
async fn redirect_in_words(response: Response) -> Response {
    let is_wordless = response.body().size_hint().exact() == Some(0);
    let location = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    match location.filter(|_| response.status().is_redirection() && is_wordless) {
        None => response,
        Some(place) => {
            let words = format!("go on at {place}\n");
            let (mut head, _) = response.into_parts();
            head.headers.remove(CONTENT_LENGTH);
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN_TEXT));
            Response::from_parts(head, Body::from(words))
        }
    }
}

async fn start_sealer(
    log: Arc<dyn EventStore>,
    data: PathBuf,
    key: SigningKey,
) -> anyhow::Result<Sealer> {
    Ok(Sealer::start(log, &data, key, SealerOptions::default()).await?)
}

fn settled<T: std::fmt::Debug>(part: &str, ended: Result<T, tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(part, %error, "a part did not end as it should");
    }
}

async fn open_vault(data: &Path, origin: Option<&str>) -> anyhow::Result<KeyVault> {
    let origin = origin.map(Origin::new).transpose().context("the origin is no key name")?;
    let vault = KeyVault::open_named(data, origin)
        .await
        .with_context(|| format!("cannot open the keys in {}", data.display()))?;
    Ok(vault)
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // A second server in one process (there is none but in tests) keeps the first recorder.
    let _ = metrics::set_global_recorder(recorder);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// The token that was given; otherwise the one in the data folder, made where there is none.
/// The gateway's bounds, as far as they are set.
fn limits(config: &Config) -> Limits {
    let frame_interval = Duration::from_secs(1) / config.frames_per_second.max(1);
    let security_profile_header = config.security_profile_header.clone();
    Limits { frame_interval, security_profile_header, ..Limits::default() }
}

fn admin_token(data: &Path, given: Option<&str>) -> anyhow::Result<String> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let path = data.join(ADMIN_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(token) => return Ok(token.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    }
    let token = hex::encode(rand::random::<[u8; 32]>());
    write_secret(&path, &token)?;
    tracing::info!(file = %path.display(), "made an admin token; it is in this file");
    Ok(token)
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file =
        options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(())
}

/// SIGTERM or Ctrl-C. Heard from the moment it is made, so that a server that has just said it
/// is ready ends in order too.
#[cfg(unix)]
struct EndSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl EndSignal {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn came(&mut self) -> std::io::Result<&'static str> {
        Ok(tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        })
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct EndSignal;

#[cfg(not(unix))]
impl EndSignal {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn came(&mut self) -> std::io::Result<&'static str> {
        tokio::signal::ctrl_c().await?;
        Ok("Ctrl-C")
    }
}

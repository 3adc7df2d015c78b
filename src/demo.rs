//! `chargebook demo`: the server with a dozen simulated chargers, so that there is something to
//! look at within seconds. Everything goes through the same doors as in earnest: the chargers
//! over WebSockets, their finished sessions as replays of an offline station.

use crate::config::{Config, DATA_DEFAULT, ListenAddress, ServeArgs};
use crate::doors::Doors;
use crate::output::output;
use crate::server::Server;
use anyhow::Context;
use chargebook_commands::registry::{
    ConnectorDeclaration, Registry, RegistryError, StationRegistration, TokenRegistration,
};
use chargebook_domain::events::v1::TokenStatus;
use chargebook_projections::{InvoiceFilter, Paging};
use chargebook_simulator::{
    Activity, FaultMix, Fleet, FleetPlan, FleetReport, Hardware, LivePlan, Quirks, StationPlan,
    past_session, past_sessions,
};
use chrono::{DateTime, TimeDelta, Utc};
use comfy_table::{Table, presets};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name of a log that is the demo's: nobody should go on with it in earnest.
pub(crate) const DEMO_ORIGIN: &str = "chargebook.demo";
/// The chargers are the same at every start.
const SEED: u64 = 20_261_122;
/// Finished sessions of each charger that are replayed when the folder is new.
const PAST_SESSIONS_EACH: u32 = 4;
/// How far back those sessions reach.
const PAST_WINDOW: Duration = Duration::from_secs(36 * 3600);
/// How long a silent session is waited for here: a demonstration is short.
const SETTLE_AFTER_SECONDS: u32 = 300;
/// How long the table waits for the first invoices.
const FIRST_INVOICES_PATIENCE: Duration = Duration::from_secs(25);
/// Heartbeat interval that the chargers are told.
const HEARTBEAT_SECONDS: u32 = 60;

/// A tariff that shows what tariffs can do: night and day, VAT, and a fee for blocking the place.
const TARIFF: &str = r#"{
    "id": "city", "currency": "EUR",
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 0.39, "vat": 19, "step_size": 1}],
         "restrictions": {"start_time": "22:00", "end_time": "06:00"}},
        {"price_components": [
            {"type": "ENERGY", "price": 0.49, "vat": 19, "step_size": 1},
            {"type": "PARKING_TIME", "price": 6.00, "vat": 19, "step_size": 60}]}
    ]}"#;

/// Name in the API, what people read, address, time zone, country.
const SITES: [[&str; 5]; 3] = [
    ["hamburg", "Harbour Car Park", "Am Sandtorkai 1, Hamburg", "Europe/Berlin", "DE"],
    ["freiburg", "Market Square", "Marktplatz 4, Freiburg", "Europe/Berlin", "DE"],
    ["utrecht", "Motorway Services West", "A12, km 61", "Europe/Amsterdam", "NL"],
];

/// Name in the API, name, e-mail, token.
const DRIVERS: [[&str; 4]; 6] = [
    ["driver-1", "Ada Winter", "ada.winter@example.org", "04A1B2C3D4E5F6"],
    ["driver-2", "Bo Larsson", "bo.larsson@example.org", "04B2C3D4E5F6A1"],
    ["driver-3", "Chiara Conti", "chiara.conti@example.org", "04C3D4E5F6A1B2"],
    ["driver-4", "Dev Anand", "dev.anand@example.org", "04D4E5F6A1B2C3"],
    ["driver-5", "Elif Kaya", "elif.kaya@example.org", "04E5F6A1B2C3D4"],
    ["driver-6", "Femi Ojo", "femi.ojo@example.org", "04F6A1B2C3D4E5"],
];

/// The charger with a connector that is out of order, and that connector: an alert.
const BROKEN: (&str, u32) = ("HAM-HPC-4", 2);
/// Where somebody charged with a card that nobody knows, while the charger was offline: a review.
const STRANGER_AT: &str = "FRE-AC-1";
/// That card.
const STRANGER: &str = "04F00DF00DF00D";
/// How long before the replayed sessions that was.
const STRANGER_BEFORE: TimeDelta = TimeDelta::hours(2);
/// How long they charged.
const STRANGER_CHARGED_FOR: Duration = Duration::from_secs(40 * 60);
/// How much.
const STRANGER_ENERGY_WH: i64 = 6_800;

/// How long a connector of a busy station is free between two cars.
const BUSY_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));
/// How long one of a quiet station is.
const QUIET_PAUSE: (Duration, Duration) = (Duration::from_secs(90), Duration::from_secs(900));

/// Options of `chargebook demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Folder of the data; created where it is missing
    #[arg(long, env = "CHARGEBOOK_DATA", default_value = DATA_DEFAULT, value_name = "DIR")]
    data: PathBuf,
    /// Where charge points connect; a free port if this one is taken
    #[arg(long, env = "CHARGEBOOK_OCPP", default_value = "127.0.0.1:9000", value_name = "ADDR")]
    ocpp: ListenAddress,
    /// Where the HTTP API and the console are; a free port if this one is taken
    #[arg(long, env = "CHARGEBOOK_HTTP", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    http: ListenAddress,
    /// API token of the administrator [default: one is made and kept in the data folder]
    #[arg(long, env = "CHARGEBOOK_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
}

/// Runs it until told to end.
pub(crate) async fn run(args: DemoArgs, background: &Handle) -> anyhow::Result<()> {
    let config = Config::load(ServeArgs {
        data: Some(args.data.clone()),
        ocpp: Some(args.ocpp),
        http: Some(args.http),
        admin_token: args.admin_token,
        settle_after: Some(SETTLE_AFTER_SECONDS),
        heartbeat_interval: Some(HEARTBEAT_SECONDS),
        origin: Some(DEMO_ORIGIN.to_owned()),
        ..ServeArgs::default()
    })?;
    let mut server = Server::start(&config, Doors::open_where_free(&config)?, background).await?;
    let is_new = register(server.chargebook.registry()).await?;
    let stop = CancellationToken::new();
    let fleet = start_fleet(&server, is_new, stop.clone());
    if is_new {
        writeln!(output(), "replaying finished sessions …")?;
        first_invoices(&server).await;
    }
    print_table(&server, &config).await?;
    let told = server.until_told().await;
    stop.cancel();
    match fleet.await {
        Ok(Ok(report)) => tracing::debug!(?report, "the chargers have stopped"),
        Ok(Err(error)) => tracing::warn!(%error, "the chargers could not connect"),
        Err(error) => tracing::warn!(%error, "the chargers did not end as they should"),
    }
    server.stop().await?;
    writeln!(output(), "stopped; `chargebook demo` goes on from here")?;
    told
}

/// Registers what is not registered yet; `true` if nothing was.
async fn register(registry: &Registry) -> Result<bool, RegistryError> {
    for [site, name, address, zone, country] in SITES {
        let (address, country) = (Some(address.to_owned()), Some(country.to_owned()));
        registry.register_site(site, name, zone, address, country).await?;
    }
    let published = registry.publish_tariff("city", TARIFF).await?;
    registry.set_default_tariff("city").await?;
    for [driver, name, email, uid] in DRIVERS {
        match registry.register_driver(driver, name, Some(email)).await {
            // Erased, or changed by whoever tries the demonstration: that is theirs to do.
            Ok(_) | Err(RegistryError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let token = TokenRegistration {
            uid: uid.to_owned(),
            kind: "RFID".to_owned(),
            driver: Some(driver.to_owned()),
            status: TokenStatus::Accepted,
            expires_at: None,
            group: None,
        };
        match registry.register_token(token).await {
            Ok(_) | Err(RegistryError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    for station in stations() {
        let registration = StationRegistration {
            id: station.plan.id.clone(),
            password: Some(station.password),
            site: Some(station.site.to_owned()),
            ..StationRegistration::default()
        };
        match registry.register_station(registration).await {
            Ok(_) | Err(RegistryError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        for connector in 1..=station.plan.connectors {
            let declaration = ConnectorDeclaration {
                evse: None,
                connector,
                evse_id: Some(format!("DE*CBK*E{}*{connector}", station.plan.id.replace('-', ""))),
                plug: Some(station.plug.to_owned()),
                power_w_max: u32::try_from(station.plan.hardware.power_w()).ok(),
            };
            registry.declare_connector(&station.plan.id, declaration).await?;
        }
    }
    Ok(published.registered.created)
}

struct DemoStation {
    plan: StationPlan,
    site: &'static str,
    plug: &'static str,
    password: String,
}

/// A dozen chargers at three sites; some with the faults of real ones.
fn stations() -> Vec<DemoStation> {
    let kinds = [
        ("AC", Hardware::AC_11, "IEC_62196_T2"),
        ("AC", Hardware::AC_22, "IEC_62196_T2"),
        ("DC", Hardware::DC_50, "IEC_62196_T2_COMBO"),
        ("HPC", Hardware::DC_150, "IEC_62196_T2_COMBO"),
    ];
    let mut stations = Vec::new();
    for (place, [site, ..]) in SITES.into_iter().enumerate() {
        for (number, (kind, hardware, plug)) in kinds.into_iter().enumerate() {
            let id = format!("{}-{kind}-{}", site[..3].to_uppercase(), number + 1);
            let password = format!("demo-password-{id}");
            let faults = match (place + number) % 3 {
                0 => FaultMix::everyday(),
                _ => FaultMix::none(),
            };
            let (shortest, longest) = if number % 2 == 0 { BUSY_PAUSE } else { QUIET_PAUSE };
            let live = LivePlan::with_activity(Activity::Endless)
                .with_faults(faults)
                .with_pause(shortest, longest);
            let plan = StationPlan::new(&id)
                .with_password(&password)
                .with_hardware(hardware, 2)
                .with_tags(DRIVERS.iter().map(|[.., uid]| *uid))
                .with_live(live)
                .with_quirks(Quirks::default());
            let plan = match BROKEN {
                (broken, connector) if broken == id => plan.with_broken_connector(connector),
                _ => plan,
            };
            stations.push(DemoStation { plan, site, plug, password });
        }
    }
    stations
}

fn start_fleet(
    server: &Server,
    is_new: bool,
    stop: CancellationToken,
) -> JoinHandle<Result<FleetReport, chargebook_simulator::ConnectError>> {
    let now: DateTime<Utc> = Utc::now();
    let mut plan = FleetPlan::new(format!("ws://{}/ocpp", server.ocpp), SEED);
    for station in stations() {
        let mut station = station.plan;
        if is_new {
            station.past = past_sessions(SEED, &station, PAST_SESSIONS_EACH, now, PAST_WINDOW);
            if station.id == STRANGER_AT {
                let at = now - PAST_WINDOW - STRANGER_BEFORE;
                let by = past_session(STRANGER, at, STRANGER_CHARGED_FOR, STRANGER_ENERGY_WH);
                station.past.push(by);
            }
        }
        plan = plan.with_station(station);
    }
    tokio::spawn(async move { Fleet::new(plan).run(stop).await })
}

/// Waits until an invoice exists; without one in time the table comes all the same.
async fn first_invoices(server: &Server) {
    let found = async {
        loop {
            if first_invoice(server).await.is_ok_and(|number| number.is_some()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(FIRST_INVOICES_PATIENCE, found).await.is_err() {
        tracing::warn!("no invoice yet; the console will show the first one when it comes");
    }
}

async fn first_invoice(server: &Server) -> anyhow::Result<Option<String>> {
    let (filter, paging) = (InvoiceFilter::default(), Paging::default());
    let page = server
        .read_models
        .list_invoices(&filter, &paging)
        .await
        .context("cannot read the invoices")?;
    Ok(page.items.first().map(|invoice| invoice.issued.number.clone()))
}

async fn print_table(server: &Server, config: &Config) -> anyhow::Result<()> {
    let number = first_invoice(server).await?.unwrap_or_else(|| "INV-000001".to_owned());
    let data = match config.data.as_os_str() == DATA_DEFAULT {
        true => String::new(),
        false => format!(" --data {}", config.data.display()),
    };
    let program = std::env::args().next().unwrap_or_else(|| "chargebook".to_owned());
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.add_row(["Console", &format!("http://{}/", server.http)]);
    table.add_row(["Sign in with", &server.admin_token]);
    table.add_row(["API", &format!("http://{}/v1 (Bearer token as above)", server.http)]);
    table.add_row(["API page", &format!("http://{}/docs", server.http)]);
    table.add_row(["OCPP 1.6, 2.0.1, 2.1", &format!("ws://{}/ocpp/STATION", server.ocpp)]);
    let mut out = output();
    for (wanted, got) in [(config.http, server.http), (config.ocpp, server.ocpp)] {
        if wanted.port() != 0 && wanted != got {
            writeln!(out, "{wanted} is taken by another program: {got} is used instead")?;
        }
    }
    writeln!(out, "{table}\nTry:")?;
    writeln!(
        out,
        "  curl -H 'Authorization: Bearer {}' http://{}/v1/sessions",
        server.admin_token, server.http
    )?;
    writeln!(out, "  {program} audit export{data} --invoice {number} -o bundle.json")?;
    writeln!(out, "  {program} audit verify bundle.json")?;
    writeln!(out, "Ctrl-C stops it; starting again goes on from the log.")?;
    out.flush()?;
    Ok(())
}

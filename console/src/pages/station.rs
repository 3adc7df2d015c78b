//! One station: connectors, sessions, commands and what it said of itself.

use super::alerts::{self, AlertLine};
use super::charging::{self, PlanOfPlace};
use super::station_commands::CommandLine;
use super::{Asked, SessionLine, render};
use crate::components::{Badge, Fact, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use chargebook_domain::ids::TransactionId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    AlertStatus, Command, CommandState, Connector, OrphanStop, Paging, SecurityEvent,
    SessionFilter, Station,
};
use chrono_tz::Tz;
use serde::Deserialize;

/// Sessions that are shown.
const SESSIONS_SHOWN: u32 = 10;
/// Commands that are shown.
const COMMANDS_SHOWN: u32 = 10;
/// Alerts that are shown, of those that nobody has cleared.
const ALERTS_SHOWN: u32 = 5;
/// Security events that are shown.
const SECURITY_SHOWN: u32 = 5;
/// Stops without a session that are shown.
const ORPHANS_SHOWN: u32 = 10;

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage {
    frame: Frame,
    csrf: String,
    name: String,
    part: String,
    badge: Badge,
    connected: bool,
    site: Option<String>,
    power: String,
    seen: Option<When>,
    /// Whether what was asked for just now waits for its answer.
    is_asked: bool,
    /// Why what was asked for just now was not passed on.
    refused: Option<String>,
    connectors: Vec<ConnectorRow>,
    /// Numbers that a command can name.
    numbers: Vec<u32>,
    stops: Vec<StopButton>,
    sessions: Vec<SessionLine>,
    no_sessions: &'static str,
    commands: Vec<CommandLine>,
    facts: Vec<Fact>,
    /// What is wrong there, as long as it is.
    alerts: Vec<AlertLine>,
    plan: Vec<PlanOfPlace>,
    security: Vec<SecurityLine>,
    orphans: Vec<OrphanLine>,
}

struct ConnectorRow {
    name: String,
    description: String,
    badge: Badge,
    error: String,
    at: Option<When>,
    power: String,
    energy: String,
    session: Option<String>,
}

struct StopButton {
    transaction: i32,
    connector: u32,
}

struct SecurityLine {
    kind: String,
    at: When,
    detail: String,
}

/// A stop that has found no session.
struct OrphanLine {
    at: When,
    register: String,
    transaction: i32,
}

#[derive(Deserialize)]
pub(crate) struct StationQuery {
    command: Option<String>,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    Asked(query): Asked<StationQuery>,
) -> Result<Response, PageError> {
    page(&console, &operator, id, query.command.as_deref(), None).await
}

/// The page of a station: after `asked`, the id of a command, or after one that was `refused`.
pub(super) async fn page(
    console: &Console,
    operator: &Operator,
    id: String,
    asked: Option<&str>,
    refused: Option<String>,
) -> Result<Response, PageError> {
    let now = console.now();
    let station = console.models().station(&id).await?;
    let station =
        station.ok_or_else(|| PageError::NotFound(format!("There is no station {id}.")))?;
    let zones = Zones::read(console).await?;
    let zone = zones.of(station.site_id);
    let live = "station session command alert";
    let frame = Frame::inside(console, operator, id.clone(), "stations", live).await?;
    let filter = SessionFilter { station: Some(id.clone()), ..SessionFilter::default() };
    let paging = |limit| Paging { limit: Some(limit), next: None };
    let sessions = console.models().list_sessions(&filter, &paging(SESSIONS_SHOWN)).await?;
    let commands = console.models().list_commands(Some(&id), &paging(COMMANDS_SHOWN)).await?;
    let events = console.models().list_security_events(Some(&id), &paging(SECURITY_SHOWN)).await?;
    let orphans = console.models().list_orphan_stops(Some(&id), &paging(ORPHANS_SHOWN)).await?;
    let plan = console.models().charging_plan(&id).await?.unwrap_or_default();
    let mut standing = Vec::new();
    for status in [AlertStatus::Raised, AlertStatus::Acknowledged] {
        let paging = paging(ALERTS_SHOWN);
        for alert in console.models().list_alerts(Some(&id), Some(status), &paging).await?.items {
            standing.push(alerts::line(console, alert, now, zone).await);
        }
    }
    let line = |command| CommandLine::new(command, asked, now, zone);
    let own = station.connectors.iter().filter(|connector| connector.connector.0 > 0);
    let numbers: Vec<_> = own.map(|connector| connector.connector.0).collect();
    render(&StationPage {
        frame,
        csrf: operator.csrf().to_owned(),
        name: station.id.to_string(),
        part: address_part(station.id.as_str()),
        badge: Badge::station(&station),
        connected: station.connected,
        site: zones.site_name(station.site_id).map(str::to_owned),
        power: power_text(&station),
        seen: station.last_seen.map(|at| When::ago(at, now)),
        is_asked: asked.is_some_and(|asked| commands.items.iter().all(|c| awaits(c, asked))),
        refused,
        connectors: connectors(&station, now, zone),
        numbers: if numbers.is_empty() { vec![1] } else { numbers },
        stops: station.connectors.iter().filter_map(stop_button).collect(),
        sessions: SessionLine::read(console, &sessions.items, false).await?,
        no_sessions: "No session at this station yet.",
        commands: commands.items.iter().map(line).collect(),
        facts: facts_of(&station, now, zone),
        alerts: standing,
        plan: charging::places(&plan, now, zone),
        security: security(console, events.items, now, zone).await,
        orphans: orphans.items.iter().map(|orphan| orphan_line(orphan, now, zone)).collect(),
    })
}

/// False for the command that was asked for, once it has its answer.
fn awaits(command: &Command, asked: &str) -> bool {
    let is_over = matches!(command.state, CommandState::Answered | CommandState::Failed);
    !(is_over && command.command_id.to_string() == asked)
}

fn power_text(station: &Station) -> String {
    let charging = station.connectors.iter().any(|connector| connector.session.is_some());
    if charging {
        format!("{} now", format::kw(station.power_w()))
    } else {
        "not charging".to_owned()
    }
}

fn stop_button(connector: &Connector) -> Option<StopButton> {
    connector.session?;
    let Some(TransactionId::Number(transaction)) = connector.transaction_id else { return None };
    Some(StopButton { transaction: transaction.0, connector: connector.connector.0 })
}

fn connectors(station: &Station, now: Timestamp, zone: Tz) -> Vec<ConnectorRow> {
    let row = |connector: &Connector| ConnectorRow {
        name: match (connector.evse, connector.connector.0) {
            (None, 0) => "Station itself".to_owned(),
            (None, number) => number.to_string(),
            (Some(evse), number) => format!("EVSE {evse}, {number}"),
        },
        description: description(connector),
        badge: Badge::connector(connector, station.connected),
        error: connector.error_code.clone().filter(|code| code != "NoError").unwrap_or_default(),
        at: connector.status_at.map(|at| When::new(at, now, zone)),
        power: connector.power_w.map_or_else(|| "–".to_owned(), format::kw),
        energy: connector
            .energy_wh
            .filter(|_| connector.session.is_some())
            .map_or_else(|| "–".to_owned(), |wh| format!("{} kWh", format::kwh(wh, 2))),
        session: connector.session.map(|id| id.to_string()),
    };
    station.connectors.iter().map(row).collect()
}

fn description(connector: &Connector) -> String {
    let power = connector.power_w_max.map(|watts| format!("up to {}", format::kw(watts.into())));
    let plug = connector.plug.as_deref().map(|plug| plug.replace('_', " "));
    let parts = [connector.evse_id.clone(), plug, power];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn facts_of(station: &Station, now: Timestamp, zone: Tz) -> Vec<Fact> {
    let time = |at| format::local_time(at, now, zone);
    let boot = station.boot.as_ref();
    let went = |text: String| Some(text).filter(|_| !station.connected);
    let gone_at = station.disconnected_at.map(time).and_then(went);
    let gone_because = station.disconnect_reason.as_deref().map(format::words).and_then(went);
    let facts = [
        ("Maker", boot.map(|boot| boot.vendor.clone())),
        ("Model", boot.map(|boot| boot.model.clone())),
        ("Serial number", boot.and_then(|boot| boot.serial_number.clone())),
        ("Firmware", boot.and_then(|boot| boot.firmware_version.clone())),
        ("Meter", boot.and_then(|boot| boot.meter_type.clone())),
        ("Protocol", station.protocol.clone()),
        ("Security profile", station.security_profile.map(|profile| profile.to_string())),
        ("Address", station.remote.clone()),
        ("Booted", station.booted_at.map(time)),
        ("Connected", station.connected_at.map(time)),
        ("Went away", gone_at),
        ("Because", gone_because),
        ("Registered", Some(time(station.registered_at))),
        ("Times in", Some(zone.name().to_owned())),
    ];
    let known = |(name, value): (_, Option<String>)| value.map(|value| Fact::new(name, value));
    facts.into_iter().filter_map(known).collect()
}

fn orphan_line(orphan: &OrphanStop, now: Timestamp, zone: Tz) -> OrphanLine {
    OrphanLine {
        at: When::new(orphan.stopped_at, now, zone),
        register: format!("{} kWh", format::kwh(orphan.register_stop_wh, 3)),
        transaction: orphan.transaction_id.0,
    }
}

async fn security(
    console: &Console,
    events: Vec<SecurityEvent>,
    now: Timestamp,
    zone: Tz,
) -> Vec<SecurityLine> {
    let mut lines = Vec::with_capacity(events.len());
    for event in events {
        let detail = match &event.detail {
            Some(detail) => console.chargebook().personal().open(detail).await,
            None => String::new(),
        };
        let at = When::new(event.recorded_at, now, zone);
        lines.push(SecurityLine { kind: format::words(&event.kind), at, detail });
    }
    lines
}

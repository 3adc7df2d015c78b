//! The stations, with what their connectors are doing.

use super::{Asked, PAGE_ROWS, Pager, render};
use crate::components::{Badge, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Paging, Station};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "stations.html")]
struct StationsPage {
    frame: Frame,
    rows: Vec<StationRow>,
    pager: Pager,
}

struct StationRow {
    id: String,
    part: String,
    site: Option<String>,
    badge: Badge,
    connectors: Vec<ConnectorBadge>,
    power: String,
    seen: Option<When>,
    model: String,
}

struct ConnectorBadge {
    number: String,
    badge: Badge,
}

#[derive(Deserialize)]
pub(crate) struct StationsQuery {
    next: Option<String>,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<StationsQuery>,
) -> Result<Response, PageError> {
    let now = console.now();
    let zones = Zones::read(&console).await?;
    let frame =
        Frame::inside(&console, &operator, "Stations", "stations", "station session").await?;
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_stations(&paging).await?;
    let rows = page.items.iter().map(|station| row_of(station, &zones, now)).collect();
    let pager = Pager::new("/stations", query.next.as_deref(), page.next.as_deref());
    render(&StationsPage { frame, rows, pager })
}

fn row_of(station: &Station, zones: &Zones, now: Timestamp) -> StationRow {
    let own = station.connectors.iter().filter(|connector| connector.connector.0 > 0);
    let connectors = own.map(|connector| ConnectorBadge {
        number: match connector.evse {
            Some(evse) => format!("{evse}/{}", connector.connector),
            None => connector.connector.to_string(),
        },
        badge: Badge::connector(connector, station.connected),
    });
    let charging = station.connectors.iter().any(|connector| connector.session.is_some());
    let model = station.boot.as_ref().map(|boot| format!("{} {}", boot.vendor, boot.model));
    StationRow {
        id: station.id.to_string(),
        part: address_part(station.id.as_str()),
        site: zones.site_name(station.site_id).map(str::to_owned),
        badge: Badge::station(station),
        connectors: connectors.collect(),
        power: if charging { format::kw(station.power_w()) } else { "–".to_owned() },
        seen: station.last_seen.map(|at| When::ago(at, now)),
        model: model.unwrap_or_else(|| "not booted yet".to_owned()),
    }
}

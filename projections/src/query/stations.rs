//! Stations and their security events.

use super::Paging;
use super::select::{Cursor, Select, column, optional};
use crate::error::{ProjectionError, QueryError};
use crate::fold::charging_plan;
use crate::read_models::ReadModels;
use crate::tables::{
    ChargingPlanRow, ChargingProfileRow, ConnectorRow, Json, Row as _, SecurityEventRow,
    SessionMeterRow, StationRow, Word,
};
use crate::views::{
    Connector, OwnCertificate, Page, SecurityEvent, Station, StationCertificate,
    StationCertificates,
};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::ids::{StationIdentity, TransactionId};
use chargebook_domain::local_tariffs::LocalTariffs;
use chargebook_domain::monitoring::Monitoring;
use chargebook_domain::station_energy::StationEnergy;
use chargebook_domain::units::Timestamp;
use sqlx::SqliteConnection;
use std::collections::HashMap;

const STATION_COLUMNS: usize = StationRow::TABLE.columns.len();
const CONNECTOR_COLUMNS: usize = ConnectorRow::TABLE.columns.len();
const METER_COLUMNS: usize = SessionMeterRow::TABLE.columns.len();

impl ReadModels {
    /// The stations, by identity.
    pub async fn list_stations(&self, paging: &Paging) -> Result<Page<Station>, QueryError> {
        let cursor = Cursor::new("stations", paging)?;
        let mut select = select_stations();
        select.filter("s.station > ?", cursor.after())?;
        select.push(" ORDER BY s.station");
        cursor.limit(&mut select)?;
        let mut transaction = self.pool().begin().await?;
        let stations = read_stations(select, &mut transaction).await?;
        Ok(cursor.page(stations, |station| station.id.as_str().to_owned()))
    }

    /// One station, by its identity.
    pub async fn station(&self, identity: &str) -> Result<Option<Station>, QueryError> {
        let mut select = select_stations();
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let mut transaction = self.pool().begin().await?;
        Ok(read_stations(select, &mut transaction).await?.pop())
    }

    /// A station's certificates; `None`: no such station.
    pub async fn station_certificates(
        &self,
        identity: &str,
    ) -> Result<Option<StationCertificates>, QueryError> {
        let mut select = Select::new(
            "SELECT c.certificates, c.own FROM stations s \
             LEFT JOIN station_certificates c ON c.station_id = s.station_id",
        );
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let rows = select.rows(&self.pool()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let trusted: Option<Json<Vec<StationCertificate>>> = column(row, 0)?;
        let own: Option<Json<Vec<OwnCertificate>>> = column(row, 1)?;
        Ok(Some(StationCertificates {
            trusted: trusted.map(|Json(trusted)| trusted).unwrap_or_default(),
            own: own.map(|Json(own)| own).unwrap_or_default(),
        }))
    }

    /// The tariffs that a station holds to compute costs by itself; `None`: no such station.
    pub async fn local_tariffs(&self, identity: &str) -> Result<Option<LocalTariffs>, QueryError> {
        let mut select = Select::new(
            "SELECT t.tariffs FROM stations s \
             LEFT JOIN local_tariffs t ON t.station_id = s.station_id",
        );
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let rows = select.rows(&self.pool()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let tariffs: Option<Json<LocalTariffs>> = column(row, 0)?;
        Ok(Some(tariffs.map(|Json(tariffs)| tariffs).unwrap_or_default()))
    }

    /// What is known of the charging at a station; `None`: no such station.
    pub async fn charging_plan(&self, identity: &str) -> Result<Option<ChargingPlan>, QueryError> {
        let mut transaction = self.pool().begin().await?;
        let mut select = Select::new(format!(
            "SELECT {} FROM stations s \
             LEFT JOIN charging_plans c ON c.station_id = s.station_id",
            ChargingPlanRow::TABLE.column_list("c."),
        ));
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let rows = select.rows(&mut *transaction).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let Some(plan) = optional::<ChargingPlanRow>(row, 0)? else {
            return Ok(Some(ChargingPlan::default()));
        };
        let mut select = Select::new(format!(
            "SELECT {} FROM charging_profiles c",
            ChargingProfileRow::TABLE.column_list("c."),
        ));
        select.filter("c.station_id = ?", Some(&plan.station_id))?;
        let profiles = select.read::<ChargingProfileRow>(&mut *transaction).await?;
        Ok(Some(charging_plan(profiles, plan)))
    }

    /// What a station watches of its variables; `None`: no such station.
    pub async fn monitoring(&self, identity: &str) -> Result<Option<Monitoring>, QueryError> {
        let mut select = Select::new(
            "SELECT m.monitoring FROM stations s \
             LEFT JOIN monitoring m ON m.station_id = s.station_id",
        );
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let rows = select.rows(&self.pool()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let monitoring: Option<Json<Monitoring>> = column(row, 0)?;
        Ok(Some(monitoring.map(|Json(monitoring)| monitoring).unwrap_or_default()))
    }

    /// What a station has told of its service to the grid and of swapped batteries; `None`: no such
    /// station.
    pub async fn station_energy(
        &self,
        identity: &str,
    ) -> Result<Option<StationEnergy>, QueryError> {
        let mut select = Select::new(
            "SELECT e.energy FROM stations s \
             LEFT JOIN station_energy e ON e.station_id = s.station_id",
        );
        select.filter("s.station = ?", Some(&identity.to_owned()))?;
        let rows = select.rows(&self.pool()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let energy: Option<Json<StationEnergy>> = column(row, 0)?;
        Ok(Some(energy.map(|Json(energy)| energy).unwrap_or_default()))
    }

    /// Security events, newest first; of one station where one is named.
    pub async fn list_security_events(
        &self,
        station: Option<&str>,
        paging: &Paging,
    ) -> Result<Page<SecurityEvent>, QueryError> {
        let cursor = Cursor::new("security_events", paging)?;
        let columns = SecurityEventRow::TABLE.column_list("e.");
        let mut select = Select::new(format!(
            "SELECT {columns}, s.station FROM security_events e \
             LEFT JOIN stations s ON s.station_id = e.station_id"
        ));
        select.filter("s.station = ?", station.map(str::to_owned).as_ref())?;
        select.filter("e.position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY e.position DESC");
        cursor.limit(&mut select)?;
        let rows = select.rows(&self.pool()).await?;
        let events = rows.iter().map(|row| {
            let event = SecurityEventRow::read(row, 0)?;
            let station = column(row, SecurityEventRow::TABLE.columns.len())?;
            Ok(security_event(event, station))
        });
        let events = events.collect::<Result<Vec<_>, ProjectionError>>()?;
        Ok(cursor.page(events, |event| event.position.to_string()))
    }
}

fn security_event(row: SecurityEventRow, station: Option<StationIdentity>) -> SecurityEvent {
    SecurityEvent {
        position: row.position,
        station_id: row.station_id,
        station,
        kind: row.kind,
        seen_by: row.seen_by.0,
        at: row.at,
        recorded_at: row.recorded_at,
        detail: row.detail.map(|Json(detail)| detail),
        exchange: row.exchange,
    }
}

fn select_stations() -> Select {
    let columns = StationRow::TABLE.column_list("s.");
    Select::new(format!(
        "SELECT {columns}, seen.last_seen, site.site FROM stations s \
         LEFT JOIN station_seen seen ON seen.station_id = s.station_id \
         LEFT JOIN sites site ON site.site_id = s.site_id"
    ))
}

async fn read_stations(
    select: Select,
    connection: &mut SqliteConnection,
) -> Result<Vec<Station>, ProjectionError> {
    let rows = select.rows(&mut *connection).await?;
    let mut stations = Vec::with_capacity(rows.len());
    for row in &rows {
        let station = StationRow::read(row, 0)?;
        let last_seen = column(row, STATION_COLUMNS)?;
        let site = column(row, STATION_COLUMNS + 1)?;
        stations.push(station_view(station, last_seen, site));
    }
    let ids: Vec<_> = stations.iter().map(|station| station.station_id).collect();
    let mut select = Select::new(format!(
        "SELECT {}, {}, s.transaction_id FROM connectors c \
         LEFT JOIN session_meters m ON m.session_id = c.session_id \
         LEFT JOIN sessions s ON s.session_id = c.session_id \
         WHERE c.station_id IN (SELECT value FROM json_each(?)) \
         ORDER BY c.station_id, c.evse, c.connector",
        ConnectorRow::TABLE.column_list("c."),
        SessionMeterRow::TABLE.column_list("m."),
    ));
    select.bind(&Json(ids))?;
    let mut connectors: HashMap<_, Vec<Connector>> = HashMap::new();
    for row in select.rows(&mut *connection).await? {
        let connector = ConnectorRow::read(&row, 0)?;
        let meter = optional(&row, CONNECTOR_COLUMNS)?;
        let transaction_id: Option<Json<TransactionId>> =
            column(&row, CONNECTOR_COLUMNS + METER_COLUMNS)?;
        let transaction_id = transaction_id.map(|Json(id)| id);
        let of_station = connectors.entry(connector.station_id).or_default();
        of_station.push(connector_view(connector, meter, transaction_id));
    }
    for station in &mut stations {
        station.connectors = connectors.remove(&station.station_id).unwrap_or_default();
    }
    Ok(stations)
}

fn station_view(row: StationRow, last_seen: Option<Timestamp>, site: Option<String>) -> Station {
    Station {
        id: row.station,
        station_id: row.station_id,
        site_id: row.site_id,
        site,
        serial_number: row.serial_number,
        registered_at: row.registered_at,
        accepted: row.accepted,
        registration: row.registration.map(|Word(registration)| registration),
        boot: row.boot.map(|Json(boot)| boot),
        booted_at: row.booted_at,
        connected: row.connected,
        protocol: row.protocol,
        security_profile: row.security_profile,
        security_profile_agreed: row.security_profile_agreed,
        security_profile_required: row.security_profile_required,
        remote: row.remote,
        connected_at: row.connected_at,
        disconnected_at: row.disconnected_at,
        disconnect_reason: row.disconnect_reason,
        settings: row.settings.0,
        noticed: row.noticed.0,
        cost_display: row.cost_display.0,
        last_seen,
        connectors: Vec::new(),
    }
}

fn connector_view(
    row: ConnectorRow,
    meter: Option<SessionMeterRow>,
    transaction_id: Option<TransactionId>,
) -> Connector {
    Connector {
        evse: row.evse.0,
        connector: row.connector,
        status: row.status,
        error_code: row.error_code,
        vendor_error_code: row.vendor_error_code,
        status_at: row.status_at,
        evse_id: row.evse_id,
        plug: row.plug,
        power_w_max: row.power_w_max,
        session: row.session_id,
        transaction_id,
        power_w: meter.as_ref().and_then(|meter| meter.power_w),
        energy_wh: meter.map(|meter| meter.energy_wh),
    }
}

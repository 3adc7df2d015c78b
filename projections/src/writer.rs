//! Between the folds and the database: loads what an event needs, writes what a batch changed.

use crate::changes::Change;
use crate::error::ProjectionError;
use crate::fold::{Decoded, Need, State, charging_plan, stands};
use crate::generation::read_checkpoint;
use crate::query::{Select, column};
use crate::tables::{
    AlertRow, BalanceRow, ChargingPlanRow, ChargingProfileRow, CommandRow, ConnectorRow,
    EnergyHourRow, Json, LocalTariffsRow, MonitoringRow, ReservationRow, RevenueHourRow, Row,
    SessionMeterRow, SessionRow, StationCertificatesRow, StationEnergyRow, StationRow,
    StationSeenRow, TariffVersionRow, TokenRow,
};
use chargebook_domain::ids::{EventId, Outlet, StationId, StationIdentity};
use chargebook_store::Position;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rows that one upsert writes: as many of the first as there are, then of the next.
/// A few fixed sizes, so that the prepared statements are used again.
const ROWS_PER_UPSERT: [usize; 3] = [128, 16, 1];
/// Bound values of one statement that every SQLite allows.
const VALUES_PER_UPSERT_MAX: usize = 32_000;

/// A generation being written to, and what its folds remember.
pub(crate) struct Writer {
    connection: SqliteConnection,
    state: State,
    /// What the database holds.
    checkpoint: Position,
    /// What the memory holds.
    folded: Position,
    /// Events folded since the checkpoint.
    pending: usize,
    /// Events parked, as the database holds them.
    parked: u64,
    upserts: Upserts,
}

impl Writer {
    /// Takes up where the generation stands.
    pub(crate) async fn resume(
        mut connection: SqliteConnection,
        cached_rows_max: usize,
    ) -> Result<Self, ProjectionError> {
        let checkpoint = read_checkpoint(&mut connection).await?;
        let mut state = State::new(checkpoint == Position::START, cached_rows_max);
        load_registry(&mut connection, &mut state).await?;
        let parked = Select::new("SELECT COUNT(*) FROM parked_events");
        let parked = parked.rows(&mut connection).await?;
        let parked = parked.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok(Self {
            connection,
            state,
            checkpoint,
            folded: checkpoint,
            pending: 0,
            parked,
            upserts: HashMap::new(),
        })
    }

    pub(crate) fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    pub(crate) fn folded(&self) -> Position {
        self.folded
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    pub(crate) fn parked(&self) -> u64 {
        self.parked
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(crate) async fn close(self) -> Result<(), ProjectionError> {
        Ok(self.connection.close().await?)
    }

    /// Folds events in memory. On an error the writer must not be used again.
    pub(crate) async fn fold(&mut self, events: Vec<Decoded>) -> Result<(), ProjectionError> {
        let needs: HashSet<Need> =
            events.iter().filter_map(|event| self.state.need(event)).collect();
        if !needs.is_empty() {
            self.load(&needs).await?;
        }
        for event in events {
            self.folded = event.position;
            self.pending += 1;
            self.state.fold(event);
        }
        Ok(())
    }

    /// Writes what has been folded and moves the checkpoint, in one transaction. On an error
    /// the writer must not be used again.
    pub(crate) async fn flush(&mut self) -> Result<Vec<Change>, ProjectionError> {
        if self.folded == self.checkpoint {
            return Ok(Vec::new());
        }
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query("UPDATE checkpoint SET position = ? WHERE position = ?")
            .bind(column_position(self.folded)?)
            .bind(column_position(self.checkpoint)?)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() != 1 {
            return Err(ProjectionError::AnotherOwner { expected: self.checkpoint });
        }
        write_all(&mut transaction, &mut self.upserts, &self.state).await?;
        transaction.commit().await?;
        self.checkpoint = self.folded;
        self.pending = 0;
        self.parked += self.state.written.parked.len() as u64;
        Ok(self.state.flushed())
    }

    async fn load(&mut self, needs: &HashSet<Need>) -> Result<(), ProjectionError> {
        let mut sessions = Vec::new();
        let mut commands = Vec::new();
        let mut tokens = Vec::new();
        let mut reservations = Vec::new();
        let mut alerts = Vec::new();
        for need in needs {
            match need {
                Need::Session(id) => sessions.push(id.0),
                Need::Command(id) => commands.push(id.0),
                Need::Token(id) => tokens.push(id.0),
                Need::Reservation((station, number)) => reservations.push((station.0, number.0)),
                Need::Alert(id) => alerts.push(id.0),
            }
        }
        let connection = &mut self.connection;
        for row in by_key::<SessionRow>(connection, &sessions).await? {
            self.state.sessions.loaded(row.session_id, row);
        }
        for row in by_key::<SessionMeterRow>(connection, &sessions).await? {
            self.state.meters.loaded(row.session_id, row);
        }
        for row in by_key::<CommandRow>(connection, &commands).await? {
            self.state.commands.loaded(row.command_id, row);
        }
        for row in by_key::<TokenRow>(connection, &tokens).await? {
            self.state.tokens.loaded(row.token_id, row);
        }
        for row in reservations_by_key(connection, reservations).await? {
            self.state.reservations.loaded((row.station_id, row.reservation_id), row);
        }
        for row in by_key::<AlertRow>(connection, &alerts).await? {
            self.state.alerts.loaded(row.alert_id, row);
        }
        Ok(())
    }
}

/// Rows by a primary key of one column.
async fn by_key<R: Row>(
    connection: &mut SqliteConnection,
    keys: &[uuid::Uuid],
) -> Result<Vec<R>, ProjectionError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::new(format!(
        "SELECT {} FROM {} WHERE {} IN (SELECT value FROM json_each(?))",
        R::TABLE.column_list(""),
        R::TABLE.name,
        R::TABLE.key_list(),
    ));
    select.bind(&Json(keys.to_vec()))?;
    select.read(connection).await
}

async fn reservations_by_key(
    connection: &mut SqliteConnection,
    keys: Vec<(uuid::Uuid, i32)>,
) -> Result<Vec<ReservationRow>, ProjectionError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::new(format!(
        "SELECT {} FROM reservations WHERE (station_id, reservation_id) IN \
         (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
        ReservationRow::TABLE.column_list(""),
    ));
    select.bind(&Json(keys))?;
    select.read(connection).await
}

async fn all<R: Row>(connection: &mut SqliteConnection) -> Result<Vec<R>, ProjectionError> {
    let sql = format!("SELECT {} FROM {}", R::TABLE.column_list(""), R::TABLE.name);
    Select::new(sql).read(connection).await
}

/// What is always in memory: as much as there are stations and tariffs, and what is wrong.
async fn load_registry(
    connection: &mut SqliteConnection,
    state: &mut State,
) -> Result<(), ProjectionError> {
    for row in all::<StationRow>(connection).await? {
        let identity = StationIdentity::as_str(&row.station).to_owned();
        state.identities.insert(identity, row.station_id);
        state.stations.loaded(row.station_id, row);
    }
    for row in all::<StationSeenRow>(connection).await? {
        state.seen.loaded(row.station_id, row);
    }
    for row in all::<StationCertificatesRow>(connection).await? {
        state.certificates.loaded(row.station_id, row);
    }
    let mut profiles: HashMap<StationId, Vec<ChargingProfileRow>> = HashMap::new();
    for row in all::<ChargingProfileRow>(connection).await? {
        profiles.entry(row.station_id).or_default().push(row);
    }
    for row in all::<ChargingPlanRow>(connection).await? {
        let profiles = profiles.remove(&row.station_id).unwrap_or_default();
        state.charging_plans.insert(row.station_id, charging_plan(profiles, row));
    }
    for row in all::<LocalTariffsRow>(connection).await? {
        state.local_tariffs.loaded(row.station_id, row);
    }
    for row in all::<MonitoringRow>(connection).await? {
        state.monitoring.loaded(row.station_id, row);
    }
    for row in all::<StationEnergyRow>(connection).await? {
        state.station_energy.loaded(row.station_id, row);
    }
    for row in all::<ConnectorRow>(connection).await? {
        let outlet = Outlet { evse: row.evse.0, connector: row.connector };
        state.connectors.loaded((row.station_id, outlet), row);
    }
    let uncleared = "SELECT {} FROM alerts WHERE status <> 'cleared'";
    let uncleared = uncleared.replace("{}", &AlertRow::TABLE.column_list(""));
    for row in Select::new(uncleared).read::<AlertRow>(&mut *connection).await? {
        if stands(&row) {
            state.standing.loaded(&row);
            state.alerts.loaded(row.alert_id, row);
        }
    }
    let versions = Select::new(format!(
        "SELECT {} FROM {}",
        "event_id, position",
        TariffVersionRow::TABLE.name
    ));
    for row in versions.rows(connection).await? {
        let event_id: String = row.try_get(0)?;
        let position: i64 = row.try_get(1)?;
        let event_id: Result<EventId, _> = event_id.parse();
        let event_id = event_id.map_err(|e| ProjectionError::Damaged(e.to_string()))?;
        state.tariff_positions.insert(event_id, position.unsigned_abs());
    }
    Ok(())
}

fn column_position(position: Position) -> Result<i64, ProjectionError> {
    i64::try_from(position.as_u64())
        .map_err(|_| ProjectionError::Damaged(format!("position {position} is too large")))
}

type Upserts = HashMap<(&'static str, usize), Arc<str>>;

async fn write_all(
    connection: &mut SqliteConnection,
    upserts: &mut Upserts,
    state: &State,
) -> Result<(), ProjectionError> {
    let written = &state.written;
    upsert(connection, upserts, state.stations.dirty()).await?;
    upsert(connection, upserts, state.seen.dirty()).await?;
    upsert(connection, upserts, state.certificates.dirty()).await?;
    upsert(connection, upserts, written.charging_plans.values()).await?;
    upsert(connection, upserts, written.charging_profiles.values()).await?;
    upsert(connection, upserts, state.local_tariffs.dirty()).await?;
    upsert(connection, upserts, state.monitoring.dirty()).await?;
    upsert(connection, upserts, state.station_energy.dirty()).await?;
    upsert(connection, upserts, state.connectors.dirty()).await?;
    upsert(connection, upserts, state.sessions.dirty()).await?;
    upsert(connection, upserts, state.meters.dirty()).await?;
    upsert(connection, upserts, state.commands.dirty()).await?;
    upsert(connection, upserts, state.tokens.dirty()).await?;
    upsert(connection, upserts, state.reservations.dirty()).await?;
    upsert(connection, upserts, state.alerts.dirty()).await?;
    upsert(connection, upserts, written.account_limits.iter()).await?;
    upsert(connection, upserts, written.accounts.iter()).await?;
    upsert(connection, upserts, written.audits.iter()).await?;
    upsert(connection, upserts, written.drivers.iter()).await?;
    upsert(connection, upserts, written.early_payments.iter()).await?;
    upsert(connection, upserts, written.erased.iter()).await?;
    upsert(connection, upserts, written.inventories.iter()).await?;
    upsert(connection, upserts, written.invoices.iter()).await?;
    upsert(connection, upserts, written.learnt_values.iter()).await?;
    upsert(connection, upserts, written.orphan_stops.iter()).await?;
    upsert(connection, upserts, written.orphan_resolutions.iter()).await?;
    upsert(connection, upserts, written.parked.iter()).await?;
    upsert(connection, upserts, written.security_events.iter()).await?;
    upsert(connection, upserts, written.settings.iter()).await?;
    upsert(connection, upserts, written.sites.iter()).await?;
    upsert(connection, upserts, written.tariff_versions.iter()).await?;
    upsert(connection, upserts, written.variables.iter()).await?;
    write_sums(connection, upserts, state).await
}

async fn write_sums(
    connection: &mut SqliteConnection,
    upserts: &mut Upserts,
    state: &State,
) -> Result<(), ProjectionError> {
    let written = &state.written;
    let balances: Vec<BalanceRow> = written
        .balances
        .iter()
        .map(|((ledger_account, currency), sum)| BalanceRow {
            ledger_account: ledger_account.clone(),
            currency: currency.clone(),
            account_id: sum.account_id,
            balance_minor: sum.balance_minor,
            legs: sum.legs,
        })
        .collect();
    upsert(connection, upserts, balances.iter()).await?;
    let energy: Vec<EnergyHourRow> = written
        .energy_hours
        .iter()
        .map(|((hour, site_id), sum)| EnergyHourRow {
            hour: *hour,
            site_id: *site_id,
            energy_microwatthours: sum.microwatthours,
            sessions: sum.sessions,
        })
        .collect();
    upsert(connection, upserts, energy.iter()).await?;
    let revenue: Vec<RevenueHourRow> = written
        .revenue_hours
        .iter()
        .map(|((hour, site_id, currency), sum)| RevenueHourRow {
            hour: *hour,
            site_id: *site_id,
            currency: currency.clone(),
            currency_exponent: sum.currency_exponent,
            invoices: sum.invoices,
            net_minor: sum.net_minor,
            gross_minor: sum.gross_minor,
        })
        .collect();
    upsert(connection, upserts, revenue.iter()).await
}

async fn upsert<'r, R: Row + 'r>(
    connection: &mut SqliteConnection,
    upserts: &mut Upserts,
    rows: impl Iterator<Item = &'r R>,
) -> Result<(), ProjectionError> {
    let rows: Vec<&R> = rows.collect();
    let mut rest = rows.as_slice();
    for size in ROWS_PER_UPSERT {
        let size = size.min(VALUES_PER_UPSERT_MAX / R::TABLE.columns.len());
        while rest.len() >= size {
            let (now, later) = rest.split_at(size);
            let mut arguments = SqliteArguments::default();
            for row in now {
                for value in row.values()? {
                    value.bind(&mut arguments)?;
                }
            }
            let sql = upserts
                .entry((R::TABLE.name, size))
                .or_insert_with(|| R::TABLE.upsert(size).into());
            sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments)
                .execute(&mut *connection)
                .await?;
            rest = later;
        }
    }
    Ok(())
}

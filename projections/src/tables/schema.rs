//! All tables together.

use super::rows::{
    AccountLimitRow, AccountRow, AlertRow, AuditRow, BalanceRow, ChargingPlanRow,
    ChargingProfileRow, CommandRow, ConnectorRow, DriverRow, EarlyPaymentRow, EnergyHourRow,
    ErasedSubjectRow, InventoryRow, InvoiceRow, LearntValueRow, LocalTariffsRow, MonitoringRow,
    OrphanResolutionRow, OrphanStopRow, ParkedEventRow, ReservationRow, RevenueHourRow,
    SecurityEventRow, SessionMeterRow, SessionRow, SettingRow, SiteRow, StationCertificatesRow,
    StationEnergyRow, StationRow, StationSeenRow, TariffVersionRow, TokenRow, VariableRow,
};
use super::{Row as _, Table};

/// Of the tables and of the folds into them. A generation of another version is not used but
/// rebuilt: raise it whenever a fold gives other rows than before.
pub(crate) const SCHEMA_VERSION: i64 = 32;

/// Every table that is part of the state, in the order of the canonical dump.
pub(crate) const DUMPED: &[Table] = &[
    AccountLimitRow::TABLE,
    AccountRow::TABLE,
    AlertRow::TABLE,
    AuditRow::TABLE,
    ChargingPlanRow::TABLE,
    ChargingProfileRow::TABLE,
    CommandRow::TABLE,
    ConnectorRow::TABLE,
    DriverRow::TABLE,
    EarlyPaymentRow::TABLE,
    EnergyHourRow::TABLE,
    ErasedSubjectRow::TABLE,
    InventoryRow::TABLE,
    InvoiceRow::TABLE,
    BalanceRow::TABLE,
    LearntValueRow::TABLE,
    LocalTariffsRow::TABLE,
    MonitoringRow::TABLE,
    OrphanResolutionRow::TABLE,
    OrphanStopRow::TABLE,
    ParkedEventRow::TABLE,
    ReservationRow::TABLE,
    RevenueHourRow::TABLE,
    SecurityEventRow::TABLE,
    SessionMeterRow::TABLE,
    SessionRow::TABLE,
    SettingRow::TABLE,
    SiteRow::TABLE,
    StationCertificatesRow::TABLE,
    StationEnergyRow::TABLE,
    StationSeenRow::TABLE,
    VariableRow::TABLE,
    StationRow::TABLE,
    TariffVersionRow::TABLE,
    TokenRow::TABLE,
];

/// Beside the primary keys; lists go by position, newest first. No fold needs them: a rebuild
/// makes them at its end.
pub(crate) const INDEXES: &[&str] = &[
    "CREATE INDEX accounts_position ON accounts (position)",
    "CREATE INDEX alerts_position ON alerts (position)",
    "CREATE INDEX alerts_station ON alerts (station, position)",
    "CREATE INDEX alerts_status ON alerts (status, position)",
    "CREATE INDEX commands_position ON commands (position)",
    "CREATE INDEX commands_station ON commands (station, position)",
    "CREATE INDEX drivers_position ON drivers (position)",
    "CREATE INDEX early_payments_position ON early_payments (position)",
    "CREATE INDEX invoices_account ON invoices (account_id, position)",
    "CREATE INDEX invoices_position ON invoices (position)",
    "CREATE INDEX invoices_session ON invoices (session_id, position)",
    "CREATE INDEX balances_account ON ledger_balances (account_id)",
    "CREATE INDEX orphan_stops_position ON orphan_stops (position)",
    "CREATE INDEX reservations_position ON reservations (position)",
    "CREATE INDEX reservations_station ON reservations (station, position)",
    "CREATE INDEX sessions_account ON sessions (account_id, position)",
    "CREATE INDEX sessions_open ON sessions (position) WHERE status = 'open'",
    "CREATE INDEX sessions_outcome ON sessions (outcome, position)",
    "CREATE INDEX sessions_position ON sessions (position)",
    "CREATE INDEX sessions_station ON sessions (station, position)",
    "CREATE INDEX sessions_token ON sessions (token_id, position)",
    "CREATE INDEX sites_name ON sites (site)",
    "CREATE UNIQUE INDEX stations_identity ON stations (station)",
    "CREATE INDEX tariff_versions_name ON tariff_versions (tariff, version)",
    "CREATE INDEX tokens_position ON tokens (position)",
];

/// The generation's own bookkeeping; no part of the state.
const BOOKKEEPING: &[&str] = &[
    "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL) STRICT",
    "CREATE TABLE generation (id INTEGER PRIMARY KEY CHECK (id = 1), schema_version INTEGER NOT NULL) STRICT",
];

/// Everything that makes an empty generation, but its indexes.
pub(crate) fn create_statements() -> Vec<String> {
    let tables = DUMPED.iter().map(Table::create);
    let rest = BOOKKEEPING.iter().map(|statement| (*statement).to_owned());
    let seed = [
        "INSERT INTO checkpoint (id, position) VALUES (1, 0)".to_owned(),
        format!("INSERT INTO generation (id, schema_version) VALUES (1, {SCHEMA_VERSION})"),
    ];
    tables.chain(rest).chain(seed).collect()
}

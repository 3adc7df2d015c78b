//! The rows. The first columns of each are its primary key.

use super::cell::{Cell, EvseKey, Json, SiteKey, Value, Word};
use super::{Column, Row, Table};
use crate::error::ProjectionError;
use crate::views::{
    AlertSource, AlertStatus, CommandState, OwnCertificate, ReservationStatus, SessionStatus,
    StationCertificate,
};
use chargebook_domain::charging_plan::ChargingTold;
use chargebook_domain::events::v1::{
    AccountKind, Anomaly, Authorization, BootInformation, CommandFailure, ComponentName,
    CostDisplay, Dialect, Intent, InvoiceIssued, KeptProfile, Outcome, Registration, ReportedEvent,
    SeenBy, StationSettings, TerminalPayment, TokenStatus, VariableCharacteristics, VariableName,
};
use chargebook_domain::follow_up::Gathering;
use chargebook_domain::ids::{
    AccountId, AlertId, CommandId, ConnectorNumber, DriverId, EventId, EvseNumber, ReservationId,
    SessionId, SiteId, StationId, StationIdentity, SubjectId, TariffId, TokenId, TransactionId,
    TransactionName, TransactionNumber,
};
use chargebook_domain::local_tariffs::LocalTariffs;
use chargebook_domain::monitoring::Monitoring;
use chargebook_domain::sealed::SealedText;
use chargebook_domain::station_energy::StationEnergy;
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use sqlx::sqlite::SqliteRow;

macro_rules! tables {
    ($(
        $(#[$doc:meta])*
        $row:ident in $table:literal, key $key:literal, summed $summed:expr, {
            $($column:ident: $ty:ty,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $row {
            $(pub(crate) $column: $ty,)*
        }

        impl Row for $row {
            const TABLE: Table = Table {
                name: $table,
                columns: &[$(Column {
                    name: stringify!($column),
                    sql_type: <$ty as Cell>::SQL_TYPE,
                    nullable: <$ty as Cell>::NULLABLE,
                },)*],
                key_columns: $key,
                summed: &$summed,
            };

            fn values(&self) -> Result<Vec<Value>, ProjectionError> {
                Ok(vec![$(self.$column.to_value()?,)*])
            }

            fn read(row: &SqliteRow, offset: usize) -> Result<Self, ProjectionError> {
                let mut index = offset;
                $(
                    let $column = <$ty as Cell>::from_value(Value::read(row, index)?)?;
                    index += 1;
                )*
                let _ = index;
                Ok(Self { $($column,)* })
            }
        }
    )*};
}

tables! {
    /// A charge point.
    StationRow in "stations", key 1, summed [], {
        station_id: StationId,
        station: StationIdentity,
        site_id: Option<SiteId>,
        serial_number: Option<String>,
        registered_at: Timestamp,
        accepted: bool,
        registration: Option<Word<Registration>>,
        boot: Option<Json<BootInformation>>,
        booted_at: Option<Timestamp>,
        epoch: u64,
        connected: bool,
        protocol: Option<String>,
        security_profile: Option<u8>,
        security_profile_agreed: Option<u8>,
        security_profile_required: u8,
        remote: Option<String>,
        connected_at: Option<Timestamp>,
        disconnected_at: Option<Timestamp>,
        disconnect_reason: Option<String>,
        settings: Json<StationSettings>,
        noticed: Json<Dialect>,
        cost_display: Json<CostDisplay>,
    }

    /// When a station last said anything; apart from its row, since it changes all the time.
    StationSeenRow in "station_seen", key 1, summed [], {
        station_id: StationId,
        last_seen: Timestamp,
    }

    /// The certificates that a station holds, as far as it has told.
    StationCertificatesRow in "station_certificates", key 1, summed [], {
        station_id: StationId,
        certificates: Json<Vec<StationCertificate>>,
        own: Json<Vec<OwnCertificate>>,
    }

    /// The tariffs that a station holds to compute costs by itself.
    LocalTariffsRow in "local_tariffs", key 1, summed [], {
        station_id: StationId,
        tariffs: Json<LocalTariffs>,
    }

    /// What is known of the charging at a station, beside its profiles.
    ChargingPlanRow in "charging_plans", key 1, summed [], {
        station_id: StationId,
        told: Json<ChargingTold>,
    }

    /// A charging profile that a station keeps, on its shelf; `NULL` on one that is free again.
    ChargingProfileRow in "charging_profiles", key 2, summed [], {
        station_id: StationId,
        shelf: u32,
        kept: Option<Json<KeptProfile>>,
    }

    /// What a station watches of its variables.
    MonitoringRow in "monitoring", key 1, summed [], {
        station_id: StationId,
        monitoring: Json<Monitoring>,
    }

    /// What a station has told of its service to the grid, and of swapped batteries.
    StationEnergyRow in "station_energy", key 1, summed [], {
        station_id: StationId,
        energy: Json<StationEnergy>,
    }

    /// A connector of a station.
    ConnectorRow in "connectors", key 3, summed [], {
        station_id: StationId,
        evse: EvseKey,
        connector: ConnectorNumber,
        status: Option<String>,
        error_code: Option<String>,
        vendor_error_code: Option<String>,
        status_at: Option<Timestamp>,
        evse_id: Option<String>,
        plug: Option<String>,
        power_w_max: Option<u32>,
        session_id: Option<SessionId>,
        session_started_at: Option<Timestamp>,
    }

    /// A session.
    SessionRow in "sessions", key 1, summed [], {
        session_id: SessionId,
        position: u64,
        station_id: StationId,
        station: StationIdentity,
        evse: Option<EvseNumber>,
        connector: Option<ConnectorNumber>,
        transaction_id: Json<TransactionId>,
        site_id: Option<SiteId>,
        time_zone: String,
        id_tag: Option<Json<SealedText>>,
        token_id: Option<TokenId>,
        account_id: Option<AccountId>,
        authorization: Option<Word<Authorization>>,
        token_sequence: Option<u32>,
        token_ends: bool,
        status: Word<SessionStatus>,
        clock_plausible: bool,
        register_start_wh: Option<WattHours>,
        register_start_at: Option<Timestamp>,
        started_at: Timestamp,
        ended_at: Option<Timestamp>,
        stop_reason: Option<String>,
        energy_wh: Option<WattHours>,
        cost_net: Option<Decimal>,
        cost_gross: Option<Decimal>,
        currency: Option<String>,
        outcome: Option<Word<Outcome>>,
        reason: Option<String>,
        detail: Option<String>,
        owner: Option<String>,
        resolved_by: Option<String>,
        invoice: Option<String>,
        anomalies: Json<Vec<Anomaly>>,
        payment: Option<Json<TerminalPayment>>,
        settled_event: Option<EventId>,
        rated_event: Option<EventId>,
        rated_position: Option<u64>,
        counted_hour: Option<Timestamp>,
    }

    /// What a session's meter last said; apart from its row, since it changes all the time.
    SessionMeterRow in "session_meters", key 1, summed [], {
        session_id: SessionId,
        sampled_at: Option<Timestamp>,
        energy_wh: WattHours,
        power_w: Option<Decimal>,
        state_of_charge_percent: Option<Decimal>,
        export_first_wh: Option<WattHours>,
        export_first_at: Option<Timestamp>,
        export_last_wh: Option<WattHours>,
        export_last_at: Option<Timestamp>,
        counted_microwatthours: i64,
    }

    /// An invoice or credit note.
    InvoiceRow in "invoices", key 1, summed [], {
        number: String,
        position: u64,
        event_id: EventId,
        session_id: SessionId,
        account_id: AccountId,
        station: Option<StationIdentity>,
        issued: Json<InvoiceIssued>,
    }

    /// From an invoice to everything it rests on.
    AuditRow in "audit_index", key 1, summed [], {
        invoice: String,
        invoice_event: EventId,
        invoice_position: u64,
        session_id: SessionId,
        started_position: Option<u64>,
        settled_event: Option<EventId>,
        rated_event: EventId,
        rated_position: Option<u64>,
        tariff_event: EventId,
        tariff_position: Option<u64>,
    }

    /// The sum of a ledger account's legs.
    BalanceRow in "ledger_balances", key 2, summed ["balance_minor", "legs"], {
        ledger_account: String,
        currency: String,
        account_id: Option<AccountId>,
        balance_minor: i64,
        legs: i64,
    }

    /// An account.
    AccountRow in "accounts", key 1, summed [], {
        account_id: AccountId,
        position: u64,
        kind: Word<AccountKind>,
        opened_at: Timestamp,
    }

    /// How much an account may owe in a currency.
    AccountLimitRow in "account_limits", key 2, summed [], {
        account_id: AccountId,
        currency: String,
        limit_minor: Option<i64>,
    }

    /// A tariff's version.
    TariffVersionRow in "tariff_versions", key 2, summed [], {
        tariff_id: TariffId,
        version: u64,
        tariff: String,
        content: String,
        content_sha256: String,
        published_at: Timestamp,
        event_id: EventId,
        position: u64,
    }

    /// What a setting was set to, and when: the last one holds.
    SettingRow in "settings", key 2, summed [], {
        name: String,
        position: u64,
        value: String,
        set_at: Timestamp,
    }

    /// A token.
    TokenRow in "tokens", key 1, summed [], {
        token_id: TokenId,
        position: u64,
        subject_id: SubjectId,
        uid: Json<SealedText>,
        kind: String,
        status: Word<TokenStatus>,
        expires_at: Option<Timestamp>,
        group_token: Option<Json<SealedText>>,
        driver_id: Option<DriverId>,
        account_id: AccountId,
        registered_at: Timestamp,
    }

    /// A driver.
    DriverRow in "drivers", key 1, summed [], {
        driver_id: DriverId,
        position: u64,
        subject_id: SubjectId,
        name: Json<SealedText>,
        email: Option<Json<SealedText>>,
        account_id: AccountId,
        registered_at: Timestamp,
    }

    /// A subject whose key was destroyed.
    ErasedSubjectRow in "erased_subjects", key 1, summed [], {
        subject_id: SubjectId,
        position: u64,
        reason: String,
    }

    /// A site.
    SiteRow in "sites", key 1, summed [], {
        site_id: SiteId,
        position: u64,
        site: String,
        name: String,
        time_zone: String,
        address: Option<String>,
        country: Option<String>,
    }

    /// An intent to a station.
    CommandRow in "commands", key 1, summed [], {
        command_id: CommandId,
        position: u64,
        station_id: StationId,
        station: StationIdentity,
        intent: Json<Intent>,
        state: Word<CommandState>,
        action: Option<String>,
        reply_status: Option<String>,
        failure: Option<Word<CommandFailure>>,
        detail: Option<String>,
        requested_at: Timestamp,
        expires_at: Timestamp,
        sent_at: Option<Timestamp>,
        finished_at: Option<Timestamp>,
        gathering: Option<Json<Gathering>>,
    }

    /// A place that a station keeps for a token, or kept.
    ReservationRow in "reservations", key 2, summed [], {
        station_id: StationId,
        reservation_id: ReservationId,
        position: u64,
        station: StationIdentity,
        evse: Option<EvseNumber>,
        connector: Option<ConnectorNumber>,
        token: Json<SealedText>,
        group_token: Option<Json<SealedText>>,
        expires_at: Timestamp,
        made_at: Timestamp,
        command_id: CommandId,
        status: Word<ReservationStatus>,
        session_id: Option<SessionId>,
        ended_at: Option<Timestamp>,
    }

    /// Something that is wrong at a station, or was; `subject` tells what from all else there.
    AlertRow in "alerts", key 1, summed [], {
        alert_id: AlertId,
        position: u64,
        station_id: StationId,
        station: StationIdentity,
        subject: String,
        source: Word<AlertSource>,
        kind: String,
        status: Word<AlertStatus>,
        evse: Option<EvseNumber>,
        connector: Option<ConnectorNumber>,
        reported: Option<Json<ReportedEvent>>,
        technical_code: Option<String>,
        detail: Option<Json<SealedText>>,
        began_at: Timestamp,
        last_at: Timestamp,
        raised_at: Timestamp,
        repeated_at: Timestamp,
        occurrences: u32,
        cleared_at: Option<Timestamp>,
        acknowledged_at: Option<Timestamp>,
        acknowledged_by: Option<Json<SealedText>>,
        note: Option<Json<SealedText>>,
    }

    /// Something a careful person would want to know about a station's security.
    SecurityEventRow in "security_events", key 1, summed [], {
        position: u64,
        station_id: StationId,
        kind: String,
        seen_by: Word<SeenBy>,
        at: Timestamp,
        recorded_at: Timestamp,
        detail: Option<Json<SealedText>>,
        exchange: Option<EventId>,
    }

    /// A value of a variable of a station's device model; `path` tells it from all others.
    VariableRow in "station_variables", key 2, summed [], {
        station_id: StationId,
        path: String,
        position: u64,
        reported_at: Timestamp,
        component: Json<ComponentName>,
        variable: Json<VariableName>,
        attribute: String,
        value: Option<Json<SealedText>>,
        mutability: String,
        persistent: bool,
        constant: bool,
        characteristics: Option<Json<VariableCharacteristics>>,
    }

    /// A value of a variable as an answer to a command tells it; `path` as in `station_variables`.
    LearntValueRow in "learnt_values", key 2, summed [], {
        station_id: StationId,
        path: String,
        position: u64,
        learnt_at: Timestamp,
        component: Json<ComponentName>,
        variable: Json<VariableName>,
        attribute: String,
        value: Option<Json<SealedText>>,
        read_only: Option<bool>,
    }

    /// A station told all its variables: what it said before this position is no more.
    InventoryRow in "inventories", key 2, summed [], {
        station_id: StationId,
        since: u64,
    }

    /// A stop that belonged to no session we knew when it came.
    OrphanStopRow in "orphan_stops", key 1, summed [], {
        exchange: EventId,
        position: u64,
        station_id: StationId,
        transaction_id: TransactionNumber,
        register_stop_wh: WattHours,
        stopped_at: Timestamp,
        received_at: Timestamp,
        stop_reason: Option<String>,
        id_tag: Option<Json<SealedText>>,
        is_foreign: bool,
    }

    /// A payment that was taken at a station's terminal for a transaction that had not come.
    EarlyPaymentRow in "early_payments", key 1, summed [], {
        exchange: EventId,
        position: u64,
        station_id: StationId,
        transaction_id: Json<TransactionName>,
        payment: Json<TerminalPayment>,
        received_at: Timestamp,
    }

    /// Such a stop, or such a payment, is one no more: its session is known now, or somebody has
    /// given it up.
    OrphanResolutionRow in "orphan_resolutions", key 1, summed [], {
        exchange: EventId,
        session_id: Option<SessionId>,
    }

    /// An event that the read models could not take in.
    ParkedEventRow in "parked_events", key 1, summed [], {
        position: u64,
        event_id: EventId,
        stream: String,
        event_type: String,
        schema_version: u32,
        reason: String,
    }

    /// Energy and sessions of an hour at a site.
    EnergyHourRow in "energy_hours", key 2, summed ["energy_microwatthours", "sessions"], {
        hour: Timestamp,
        site_id: SiteKey,
        energy_microwatthours: i64,
        sessions: i64,
    }

    /// Revenue of an hour at a site in a currency.
    RevenueHourRow in "revenue_hours", key 3, summed ["invoices", "net_minor", "gross_minor"], {
        hour: Timestamp,
        site_id: SiteKey,
        currency: String,
        currency_exponent: u32,
        invoices: i64,
        net_minor: i64,
        gross_minor: i64,
    }
}

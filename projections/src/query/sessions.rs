//! Sessions.

use super::select::{Cursor, Select, optional};
use super::{Paging, SessionFilter};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{Json, Row as _, SessionMeterRow, SessionRow, Word};
use crate::views::{Cost, Page, Session, SessionStatus};
use chargebook_domain::ids::SessionId;
use chargebook_domain::units::WattHours;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

impl ReadModels {
    /// Sessions, the one that became known last first.
    pub async fn list_sessions(
        &self,
        filter: &SessionFilter,
        paging: &Paging,
    ) -> Result<Page<Session>, QueryError> {
        let cursor = Cursor::new("sessions", paging)?;
        let before = cursor.after_position()?;
        let mut connection = self.pool().acquire().await?;
        let sessions = read_page(filter, before, &cursor, &mut connection).await?;
        Ok(cursor.page(sessions, |session: &Session| session.position.to_string()))
    }

    /// One session.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, QueryError> {
        Ok(self.session_read(id).await?.map(|read| read.session))
    }

    pub(crate) async fn session_read(
        &self,
        id: SessionId,
    ) -> Result<Option<SessionRead>, ProjectionError> {
        let mut select = select_sessions();
        select.filter("s.session_id = ?", Some(&id))?;
        Ok(read_sessions(&select.rows(&self.pool()).await?)?.pop())
    }
}

/// A session, and what only the detail needs of its row.
pub(crate) struct SessionRead {
    pub(crate) session: Session,
    pub(crate) register_start_wh: Option<WattHours>,
}

/// A page of sessions whose starts stand before a position.
pub(super) async fn read_page(
    filter: &SessionFilter,
    before: Option<u64>,
    cursor: &Cursor,
    connection: &mut SqliteConnection,
) -> Result<Vec<Session>, ProjectionError> {
    let mut select = select_sessions();
    select.filter("s.station = ?", filter.station.as_ref())?;
    select.filter("s.site_id = ?", filter.site_id.as_ref())?;
    select.filter("s.token_id = ?", filter.token_id.as_ref())?;
    select.filter("s.account_id = ?", filter.account_id.as_ref())?;
    select.filter("s.outcome = ?", filter.outcome.map(Word).as_ref())?;
    select.filter("s.transaction_id = ?", filter.transaction_id.as_ref())?;
    match filter.open {
        Some(true) => select.condition("s.status = 'open'"),
        Some(false) => select.condition("s.status <> 'open'"),
        None => {}
    }
    select.filter("s.position < ?", before.as_ref())?;
    select.push(" ORDER BY s.position DESC");
    cursor.limit(&mut select)?;
    let sessions = read_sessions(&select.rows(connection).await?)?;
    Ok(sessions.into_iter().map(|read| read.session).collect())
}

fn select_sessions() -> Select {
    Select::new(format!(
        "SELECT {}, {} FROM sessions s LEFT JOIN session_meters m ON m.session_id = s.session_id",
        SessionRow::TABLE.column_list("s."),
        SessionMeterRow::TABLE.column_list("m."),
    ))
}

fn read_sessions(rows: &[SqliteRow]) -> Result<Vec<SessionRead>, ProjectionError> {
    let read = |row: &SqliteRow| {
        let session = SessionRow::read(row, 0)?;
        let meter = optional(row, SessionRow::TABLE.columns.len())?;
        let register_start_wh = session.register_start_wh;
        Ok(SessionRead { session: session_view(session, meter), register_start_wh })
    };
    rows.iter().map(read).collect()
}

/// What flowed back; `None` where that is not metered, or its register went backwards.
fn exported_wh(meter: &SessionMeterRow) -> Option<WattHours> {
    let exported_wh = meter.export_last_wh?.since(meter.export_first_wh?)?;
    (exported_wh >= WattHours::ZERO).then_some(exported_wh)
}

fn session_view(row: SessionRow, meter: Option<SessionMeterRow>) -> Session {
    let open = row.status.0 == SessionStatus::Open;
    let live = meter.as_ref().filter(|_| open);
    let metered_wh = meter.as_ref().map(|meter| meter.energy_wh);
    let cost = match (row.cost_net, row.cost_gross, row.currency) {
        (Some(net), Some(gross), Some(currency)) => Some(Cost { net, gross, currency }),
        _ => None,
    };
    Session {
        id: row.session_id,
        station: row.station,
        station_id: row.station_id,
        evse: row.evse,
        connector: row.connector,
        transaction_id: row.transaction_id.0,
        site_id: row.site_id,
        time_zone: row.time_zone,
        token: row.id_tag.map(|Json(tag)| tag),
        token_id: row.token_id,
        account_id: row.account_id,
        authorization: row.authorization.map(|Word(word)| word),
        status: row.status.0,
        started_at: row.started_at,
        ended_at: row.ended_at,
        stop_reason: row.stop_reason,
        energy_wh: row.energy_wh.or(metered_wh).unwrap_or_default(),
        exported_wh: meter.as_ref().and_then(exported_wh),
        power_w: live.and_then(|meter| meter.power_w),
        state_of_charge_percent: meter.as_ref().and_then(|meter| meter.state_of_charge_percent),
        metered_at: meter.as_ref().and_then(|meter| meter.sampled_at),
        cost,
        outcome: row.outcome.map(|Word(outcome)| outcome),
        reason: row.reason,
        detail: row.detail,
        owner: row.owner,
        resolved_by: row.resolved_by,
        invoice: row.invoice,
        anomalies: row.anomalies.0,
        payment: row.payment.map(|Json(payment)| payment),
        position: row.position,
    }
}

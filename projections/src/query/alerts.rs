//! Alerts: what is wrong at stations, or was.

use super::Paging;
use super::select::{Cursor, Select};
use crate::error::QueryError;
use crate::read_models::ReadModels;
use crate::tables::{AlertRow, Json, Row as _, Word};
use crate::views::{Alert, AlertStatus, Page};
use chargebook_domain::ids::AlertId;

impl ReadModels {
    /// Alerts, the one that was raised last first; of one station and with one status where
    /// these are named.
    pub async fn list_alerts(
        &self,
        station: Option<&str>,
        status: Option<AlertStatus>,
        paging: &Paging,
    ) -> Result<Page<Alert>, QueryError> {
        let cursor = Cursor::new("alerts", paging)?;
        let mut select = select_alerts();
        select.filter("station = ?", station.map(str::to_owned).as_ref())?;
        select.filter("status = ?", status.map(Word).as_ref())?;
        // One event may raise several.
        if let Some(after) = cursor.after() {
            let (position, alert_id) = after.split_once(' ').ok_or(QueryError::BadNext)?;
            let position: u64 = position.parse().map_err(|_| QueryError::BadNext)?;
            select.condition("(position, alert_id) < (?, ?)");
            select.bind(&position)?;
            select.bind(&alert_id.to_owned())?;
        }
        select.push(" ORDER BY position DESC, alert_id DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<AlertRow> = select.read(&self.pool()).await?;
        let page = cursor.page(rows, |row| format!("{} {}", row.position, row.alert_id));
        Ok(Page { items: page.items.into_iter().map(alert_view).collect(), next: page.next })
    }

    /// One alert.
    pub async fn alert(&self, alert_id: AlertId) -> Result<Option<Alert>, QueryError> {
        let mut select = select_alerts();
        select.filter("alert_id = ?", Some(&alert_id))?;
        let mut rows: Vec<AlertRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(alert_view))
    }
}

fn select_alerts() -> Select {
    Select::new(format!("SELECT {} FROM alerts", AlertRow::TABLE.column_list("")))
}

fn alert_view(row: AlertRow) -> Alert {
    Alert {
        alert_id: row.alert_id,
        station: row.station,
        station_id: row.station_id,
        source: row.source.0,
        kind: row.kind,
        status: row.status.0,
        evse: row.evse,
        connector: row.connector,
        reported: row.reported.map(|Json(reported)| reported),
        technical_code: row.technical_code,
        detail: row.detail.map(|Json(detail)| detail),
        began_at: row.began_at,
        raised_at: row.raised_at,
        repeated_at: row.repeated_at,
        occurrences: row.occurrences,
        cleared_at: row.cleared_at,
        acknowledged_at: row.acknowledged_at,
        acknowledged_by: row.acknowledged_by.map(|Json(by)| by),
        note: row.note.map(|Json(note)| note),
        position: row.position,
    }
}

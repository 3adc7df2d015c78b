//! Reservations. Whether one has expired is judged when it is asked for.

use super::Paging;
use super::select::{Cursor, Select};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{Json, ReservationRow, Row as _, Word};
use crate::views::{Page, Reservation, ReservationStatus};
use chargebook_domain::units::Timestamp;

impl ReadModels {
    /// Reservations as they are at an instant, the one that was made last first; of one station
    /// and with one status where these are named.
    pub async fn list_reservations(
        &self,
        station: Option<&str>,
        status: Option<ReservationStatus>,
        now: Timestamp,
        paging: &Paging,
    ) -> Result<Page<Reservation>, QueryError> {
        let cursor = Cursor::new("reservations", paging)?;
        let columns = ReservationRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM reservations"));
        select.filter("station = ?", station.map(str::to_owned).as_ref())?;
        if let Some(status) = status {
            filter_status(&mut select, status, now)?;
        }
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<ReservationRow> = select.read(&self.pool()).await?;
        let page = cursor.page(rows, |row| row.position.to_string());
        let items = page.items.into_iter().map(|row| reservation_view(row, now)).collect();
        Ok(Page { items, next: page.next })
    }
}

fn filter_status(
    select: &mut Select,
    status: ReservationStatus,
    now: Timestamp,
) -> Result<(), ProjectionError> {
    match status {
        ReservationStatus::Active => {
            select.condition("status = 'active'");
            select.filter("expires_at > ?", Some(&now))
        }
        ReservationStatus::Expired => select
            .filter("(status = 'expired' OR (status = 'active' AND expires_at <= ?))", Some(&now)),
        other => select.filter("status = ?", Some(&Word(other))),
    }
}

fn reservation_view(row: ReservationRow, now: Timestamp) -> Reservation {
    let is_over = row.status.0 == ReservationStatus::Active && row.expires_at <= now;
    let (status, ended_at) = match is_over {
        true => (ReservationStatus::Expired, Some(row.expires_at)),
        false => (row.status.0, row.ended_at),
    };
    Reservation {
        reservation_id: row.reservation_id,
        station: row.station,
        station_id: row.station_id,
        status,
        evse: row.evse,
        connector: row.connector,
        token: row.token.0,
        group: row.group_token.map(|Json(group)| group),
        expires_at: row.expires_at,
        made_at: row.made_at,
        ended_at,
        command_id: row.command_id,
        session_id: row.session_id,
        position: row.position,
    }
}

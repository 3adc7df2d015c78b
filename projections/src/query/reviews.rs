//! What a person has to look at: sessions in doubt, and stops that found no session.

use super::select::{Cursor, Select, column};
use super::{Paging, SessionFilter};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{Json, OrphanStopRow, Row as _};
use crate::views::{OrphanStop, Page, Review};
use chargebook_domain::events::v1::Outcome;
use chargebook_domain::ids::{EventId, StationIdentity};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

impl ReadModels {
    /// Everything that waits for a person, the one that came up last first.
    pub async fn list_reviews(&self, paging: &Paging) -> Result<Page<Review>, QueryError> {
        let cursor = Cursor::new("reviews", paging)?;
        let before = cursor.after_position()?;
        let mut transaction = self.pool().begin().await?;
        let filter =
            SessionFilter { outcome: Some(Outcome::NeedsReview), ..SessionFilter::default() };
        let sessions = super::sessions::read_page(&filter, before, &cursor, &mut transaction);
        let mut reviews: Vec<Review> =
            sessions.await?.into_iter().map(|session| Review::Session(Box::new(session))).collect();
        let orphans = read_page(None, before, &cursor, &mut transaction).await?;
        reviews.extend(orphans.into_iter().map(Review::OrphanStop));
        reviews.sort_by_key(|review| std::cmp::Reverse(review.position()));
        Ok(cursor.page(reviews, |review| review.position().to_string()))
    }

    /// Stops that have found no session yet, the one that came last first; of one station where
    /// one is named.
    pub async fn list_orphan_stops(
        &self,
        station: Option<&str>,
        paging: &Paging,
    ) -> Result<Page<OrphanStop>, QueryError> {
        let cursor = Cursor::new("orphan_stops", paging)?;
        let before = cursor.after_position()?;
        let mut transaction = self.pool().begin().await?;
        let orphans = read_page(station, before, &cursor, &mut transaction).await?;
        Ok(cursor.page(orphans, |orphan| orphan.position.to_string()))
    }

    /// One stop that has found no session yet.
    pub async fn orphan_stop(&self, exchange: EventId) -> Result<Option<OrphanStop>, QueryError> {
        let mut select = select_orphans();
        select.filter("o.exchange = ?", Some(&exchange))?;
        Ok(read_orphans(&select.rows(&self.pool()).await?)?.pop())
    }
}

async fn read_page(
    station: Option<&str>,
    before: Option<u64>,
    cursor: &Cursor,
    connection: &mut SqliteConnection,
) -> Result<Vec<OrphanStop>, ProjectionError> {
    let mut select = select_orphans();
    select.filter("s.station = ?", station.map(str::to_owned).as_ref())?;
    select.filter("o.position < ?", before.as_ref())?;
    select.push(" ORDER BY o.position DESC");
    cursor.limit(&mut select)?;
    read_orphans(&select.rows(connection).await?)
}

fn select_orphans() -> Select {
    let columns = OrphanStopRow::TABLE.column_list("o.");
    let mut select = Select::new(format!(
        "SELECT {columns}, s.station, s.site_id FROM orphan_stops o \
         JOIN stations s ON s.station_id = o.station_id"
    ));
    select
        .condition("NOT EXISTS (SELECT 1 FROM orphan_resolutions r WHERE r.exchange = o.exchange)");
    select
}

fn read_orphans(rows: &[SqliteRow]) -> Result<Vec<OrphanStop>, ProjectionError> {
    let read = |row: &SqliteRow| {
        let station: StationIdentity = column(row, OrphanStopRow::TABLE.columns.len())?;
        let site_id = column(row, OrphanStopRow::TABLE.columns.len() + 1)?;
        let row = OrphanStopRow::read(row, 0)?;
        Ok(OrphanStop {
            exchange: row.exchange,
            station,
            station_id: row.station_id,
            site_id,
            transaction_id: row.transaction_id,
            register_stop_wh: row.register_stop_wh,
            stopped_at: row.stopped_at,
            received_at: row.received_at,
            stop_reason: row.stop_reason,
            token: row.id_tag.map(|Json(token)| token),
            is_foreign: row.is_foreign,
            position: row.position,
        })
    };
    rows.iter().map(read).collect()
}

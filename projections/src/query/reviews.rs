//! What a person has to look at: sessions in doubt; stops and payments that found no session.

use super::select::{Cursor, Select, column};
use super::{Paging, SessionFilter};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{EarlyPaymentRow, Json, OrphanStopRow, Row};
use crate::views::{EarlyPayment, OrphanStop, Page, Review};
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
        let payments = read_payments_page(before, &cursor, &mut transaction).await?;
        reviews.extend(payments.into_iter().map(|told| Review::EarlyPayment(Box::new(told))));
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

    /// One payment that was taken for a transaction that has not come.
    pub async fn early_payment(
        &self,
        exchange: EventId,
    ) -> Result<Option<EarlyPayment>, QueryError> {
        let mut select = select_unresolved::<EarlyPaymentRow>();
        select.filter("o.exchange = ?", Some(&exchange))?;
        Ok(read_payments(&select.rows(&self.pool()).await?)?.pop())
    }

    /// The station that told of a stop or a payment that has found no session yet.
    pub async fn orphan_at(
        &self,
        exchange: EventId,
    ) -> Result<Option<StationIdentity>, QueryError> {
        let stop = self.orphan_stop(exchange).await?.map(|stop| stop.station);
        match stop {
            Some(station) => Ok(Some(station)),
            None => Ok(self.early_payment(exchange).await?.map(|told| told.station)),
        }
    }

    /// One stop that has found no session yet.
    pub async fn orphan_stop(&self, exchange: EventId) -> Result<Option<OrphanStop>, QueryError> {
        let mut select = select_unresolved::<OrphanStopRow>();
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
    let mut select = select_unresolved::<OrphanStopRow>();
    select.filter("s.station = ?", station.map(str::to_owned).as_ref())?;
    select.filter("o.position < ?", before.as_ref())?;
    select.push(" ORDER BY o.position DESC");
    cursor.limit(&mut select)?;
    read_orphans(&select.rows(connection).await?)
}

async fn read_payments_page(
    before: Option<u64>,
    cursor: &Cursor,
    connection: &mut SqliteConnection,
) -> Result<Vec<EarlyPayment>, ProjectionError> {
    let mut select = select_unresolved::<EarlyPaymentRow>();
    select.filter("o.position < ?", before.as_ref())?;
    select.push(" ORDER BY o.position DESC");
    cursor.limit(&mut select)?;
    read_payments(&select.rows(connection).await?)
}

/// What has found no session yet, with its station's name and site.
fn select_unresolved<R: Row>() -> Select {
    let (columns, table) = (R::TABLE.column_list("o."), R::TABLE.name);
    let mut select = Select::new(format!(
        "SELECT {columns}, s.station, s.site_id FROM {table} o \
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

fn read_payments(rows: &[SqliteRow]) -> Result<Vec<EarlyPayment>, ProjectionError> {
    let read = |row: &SqliteRow| {
        let station: StationIdentity = column(row, EarlyPaymentRow::TABLE.columns.len())?;
        let site_id = column(row, EarlyPaymentRow::TABLE.columns.len() + 1)?;
        let row = EarlyPaymentRow::read(row, 0)?;
        Ok(EarlyPayment {
            exchange: row.exchange,
            station,
            station_id: row.station_id,
            site_id,
            transaction_id: row.transaction_id.0,
            payment: row.payment.0,
            received_at: row.received_at,
            position: row.position,
        })
    };
    rows.iter().map(read).collect()
}

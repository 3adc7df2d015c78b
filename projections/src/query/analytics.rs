//! Energy, sessions and revenue over time, and the totals that an operator sees first.

use super::select::{Select, column};
use super::{ANALYTICS_DAYS_MAX, AnalyticsQuery, Bucket};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{EnergyHourRow, RevenueHourRow, Row as _, SiteKey};
use crate::views::{AnalyticsBucket, Revenue, Totals};
use chargebook_domain::ids::SiteId;
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::{NaiveTime, TimeDelta, TimeZone as _, Utc};
use rust_decimal::Decimal;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// An hour, in milliseconds.
const HOUR_MILLIS: i64 = 3_600_000;
/// By so much at most do clocks skip midnight.
const ONE_HOUR: TimeDelta = TimeDelta::hours(1);
/// A day, in milliseconds.
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// The UTC hour that an instant falls into.
pub(crate) fn hour_of(instant: Timestamp) -> Timestamp {
    let millis = instant.as_millis();
    Timestamp::from_millis(millis - millis.rem_euclid(HOUR_MILLIS)).unwrap_or(instant)
}

impl ReadModels {
    /// Energy, sessions and revenue by time and site, earliest first. Spans in which nothing
    /// happened are left out.
    pub async fn analytics(
        &self,
        query: &AnalyticsQuery,
    ) -> Result<Vec<AnalyticsBucket>, QueryError> {
        let (from, to) = span(query.from, query.to)?;
        let mut transaction = self.pool().begin().await?;
        let energy = energy_hours(&mut transaction, from, to, query.site_id).await?;
        let revenue = revenue_hours(&mut transaction, from, to, query.site_id).await?;
        let sites = site_names(&mut transaction).await?;
        let mut buckets: BTreeMap<(Timestamp, Option<SiteId>), Sums> = BTreeMap::new();
        for row in energy {
            let key = (begin_of(query.bucket, row.hour), row.site_id.0);
            buckets.entry(key).or_default().add_energy(&row)?;
        }
        for row in revenue {
            let key = (begin_of(query.bucket, row.hour), row.site_id.0);
            buckets.entry(key).or_default().add_revenue(&row)?;
        }
        let bucket =
            |((from, site_id), sums): ((Timestamp, Option<SiteId>), Sums)| AnalyticsBucket {
                from,
                site_id,
                site: site_id.and_then(|id| sites.get(&id).cloned()),
                energy_wh: sums.energy_wh(),
                sessions: sums.sessions.max(0).unsigned_abs(),
                revenue: sums.revenue(),
            };
        Ok(buckets.into_iter().map(bucket).collect())
    }

    /// What an operator wants to see first; the span is usually today, `from` cut down to the
    /// hour.
    pub async fn totals(&self, from: Timestamp, to: Timestamp) -> Result<Totals, QueryError> {
        let (from, to) = span(from, to)?;
        let mut transaction = self.pool().begin().await?;
        let mut sums = Sums::default();
        for row in energy_hours(&mut transaction, from, to, None).await? {
            sums.add_energy(&row)?;
        }
        for row in revenue_hours(&mut transaction, from, to, None).await? {
            sums.add_revenue(&row)?;
        }
        let powers = Select::new(
            "SELECT m.power_w FROM sessions s JOIN session_meters m \
             ON m.session_id = s.session_id WHERE s.status = 'open' AND m.power_w IS NOT NULL",
        );
        let mut power_w = Decimal::ZERO;
        for row in powers.rows(&mut *transaction).await? {
            power_w = power_w.checked_add(column(&row, 0)?).ok_or_else(overflow)?;
        }
        let counts = Select::new(
            "SELECT (SELECT COUNT(*) FROM stations), \
             (SELECT COUNT(*) FROM stations WHERE connected), \
             (SELECT COUNT(DISTINCT station_id) FROM connectors WHERE status = 'Faulted'), \
             (SELECT COUNT(*) FROM sessions WHERE status = 'open'), \
             (SELECT COUNT(*) FROM sessions WHERE outcome = 'needs_review'), \
             (SELECT COUNT(*) FROM parked_events), \
             (SELECT COUNT(*) FROM orphan_stops WHERE exchange NOT IN \
             (SELECT exchange FROM orphan_resolutions)), \
             (SELECT COUNT(*) FROM alerts WHERE status = 'raised'), \
             (SELECT COUNT(*) FROM early_payments WHERE exchange NOT IN \
             (SELECT exchange FROM orphan_resolutions))",
        );
        let counts = counts.rows(&mut *transaction).await?;
        let count = |index| counts.first().map_or(Ok(0), |row| column(row, index));
        Ok(Totals {
            stations: count(0)?,
            stations_connected: count(1)?,
            stations_faulted: count(2)?,
            sessions_open: count(3)?,
            power_w,
            sessions_to_review: count(4)?,
            orphan_stops: count(6)?,
            early_payments: count(8)?,
            alerts_raised: count(7)?,
            energy_wh: sums.energy_wh(),
            sessions: sums.sessions.max(0).unsigned_abs(),
            revenue: sums.revenue(),
            parked_events: count(5)?,
        })
    }
}

#[derive(Default)]
struct Sums {
    energy_microwatthours: i64,
    sessions: i64,
    revenue: BTreeMap<String, Revenue>,
}

impl Sums {
    fn add_energy(&mut self, row: &EnergyHourRow) -> Result<(), ProjectionError> {
        let sum = self.energy_microwatthours.checked_add(row.energy_microwatthours);
        self.energy_microwatthours = sum.ok_or_else(overflow)?;
        self.sessions = self.sessions.checked_add(row.sessions).ok_or_else(overflow)?;
        Ok(())
    }

    fn add_revenue(&mut self, row: &RevenueHourRow) -> Result<(), ProjectionError> {
        let sum = self.revenue.entry(row.currency.clone()).or_insert_with(|| Revenue {
            currency: row.currency.clone(),
            currency_exponent: row.currency_exponent,
            invoices: 0,
            net_minor: 0,
            gross_minor: 0,
        });
        sum.invoices += row.invoices.unsigned_abs();
        sum.net_minor = sum.net_minor.checked_add(row.net_minor).ok_or_else(overflow)?;
        sum.gross_minor = sum.gross_minor.checked_add(row.gross_minor).ok_or_else(overflow)?;
        Ok(())
    }

    fn energy_wh(&self) -> WattHours {
        WattHours(Decimal::new(self.energy_microwatthours, 6).normalize())
    }

    fn revenue(self) -> Vec<Revenue> {
        self.revenue.into_values().collect()
    }
}

fn overflow() -> ProjectionError {
    ProjectionError::Damaged("a sum over time is too large".to_owned())
}

fn span(from: Timestamp, to: Timestamp) -> Result<(Timestamp, Timestamp), QueryError> {
    let bad = QueryError::BadSpan { days_max: ANALYTICS_DAYS_MAX };
    let longest = i64::from(ANALYTICS_DAYS_MAX) * DAY_MILLIS;
    let length = to.as_millis().checked_sub(from.as_millis());
    if !length.is_some_and(|length| length > 0 && length <= longest) {
        return Err(bad);
    }
    Ok((hour_of(from), to))
}

/// When the bucket begins that an hour belongs to.
fn begin_of(bucket: Bucket, hour: Timestamp) -> Timestamp {
    let Bucket::Day(zone) = bucket else { return hour };
    let local = hour.utc().with_timezone(&zone);
    let midnight = local.date_naive().and_time(NaiveTime::MIN);
    let begin = zone.from_local_datetime(&midnight).earliest();
    // Where a zone skips midnight, the day begins when its clocks were set forward.
    let begin = begin.or_else(|| zone.from_local_datetime(&(midnight + ONE_HOUR)).earliest());
    begin.map_or(hour, |begin| Timestamp::new(begin.with_timezone(&Utc)))
}

async fn energy_hours(
    connection: &mut SqliteConnection,
    from: Timestamp,
    to: Timestamp,
    site: Option<SiteId>,
) -> Result<Vec<EnergyHourRow>, ProjectionError> {
    let columns = EnergyHourRow::TABLE.column_list("");
    let mut select = Select::new(format!("SELECT {columns} FROM energy_hours"));
    in_span(&mut select, from, to, site)?;
    select.read(connection).await
}

async fn revenue_hours(
    connection: &mut SqliteConnection,
    from: Timestamp,
    to: Timestamp,
    site: Option<SiteId>,
) -> Result<Vec<RevenueHourRow>, ProjectionError> {
    let columns = RevenueHourRow::TABLE.column_list("");
    let mut select = Select::new(format!("SELECT {columns} FROM revenue_hours"));
    in_span(&mut select, from, to, site)?;
    select.read(connection).await
}

fn in_span(
    select: &mut Select,
    from: Timestamp,
    to: Timestamp,
    site: Option<SiteId>,
) -> Result<(), ProjectionError> {
    select.filter("hour >= ?", Some(&from))?;
    select.filter("hour < ?", Some(&to))?;
    select.filter("site_id = ?", site.map(|site| SiteKey(Some(site))).as_ref())
}

async fn site_names(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<SiteId, String>, ProjectionError> {
    let rows = Select::new("SELECT site_id, site FROM sites").rows(connection).await?;
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
}

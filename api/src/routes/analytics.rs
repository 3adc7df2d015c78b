//! Energy, sessions and revenue over time.

use crate::answer::{Exact, major};
use crate::problem::Problem;
use crate::request::{Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::units::Timestamp;
use chargebook_projections::Revenue as RevenueRow;
use chargebook_projections::{AnalyticsBucket, AnalyticsQuery, Bucket as Grain};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The span by hours, where nothing else is asked for.
const HOURS_DEFAULT: i64 = 24;
/// The span by days, where nothing else is asked for.
const DAYS_DEFAULT: i64 = 30;

/// Which span, in which grain.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnalyticsParameters {
    /// From here, cut down to the hour; 24 hours or 30 days before `to` if absent.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// To here, excluded; now if absent. At most 400 days after `from`.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// By `hour` (UTC), or by `day` of the time zone.
    bucket: Option<Grouping>,
    /// Only this site, by its id.
    site: Option<String>,
    /// IANA zone of the days; the site's, or the server's setting, if absent.
    time_zone: Option<String>,
}

/// How long a bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Bucket)]
pub(crate) enum Grouping {
    /// A UTC hour.
    #[default]
    Hour,
    /// A calendar day of a time zone.
    Day,
}

/// Sums over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Analytics {
    /// The span's begin.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The span's end, excluded.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// The grain.
    bucket: Grouping,
    /// IANA zone of the days.
    time_zone: String,
    /// The sums by time and site, earliest first; what is all zero is left out.
    items: Vec<Sums>,
    /// Always null: there is one page.
    next: Option<String>,
}

/// The sums of one bucket at one site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sums {
    /// When the bucket begins.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The site's id; null for stations without one.
    site: Option<String>,
    /// Energy in Wh, by the hour it was metered in.
    energy_wh: Exact,
    /// Sessions, by the hour they began in.
    sessions: u64,
    /// Revenue, by the hour the billed session ended in.
    revenue: Vec<Revenue>,
}

/// Money in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revenue {
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Invoices and credit notes.
    invoices: u64,
    /// Without VAT, in major units.
    #[schema(example = "5.00")]
    net: String,
    /// With VAT, in major units.
    #[schema(example = "5.95")]
    gross: String,
    /// Without VAT, in minor units.
    net_minor: i64,
    /// With VAT, in minor units.
    gross_minor: i64,
}

/// What an operator wants to see first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// The span's begin.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The span's end, excluded.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Stations registered.
    stations: u64,
    /// Stations connected now.
    stations_connected: u64,
    /// Stations with a connector that reports a fault now.
    stations_faulted: u64,
    /// Sessions open now.
    sessions_open: u64,
    /// Sum of the open sessions' power now, in W.
    power_w: Exact,
    /// Sessions a person has to look at, over all time.
    sessions_to_review: u64,
    /// Stops without a session that wait for one, or for a person.
    orphan_stops: u64,
    /// Payments without a session that wait for one, or for a person.
    early_payments: u64,
    /// Alerts that nobody has acknowledged.
    alerts_raised: u64,
    /// Events that the read models could not take in, over all time.
    parked_events: u64,
    /// Energy in the span, in Wh.
    energy_wh: Exact,
    /// Sessions that began in the span.
    sessions: u64,
    /// Revenue in the span.
    revenue: Vec<Revenue>,
}

impl From<RevenueRow> for Revenue {
    fn from(row: RevenueRow) -> Self {
        Self {
            net: major(row.net_minor, row.currency_exponent),
            gross: major(row.gross_minor, row.currency_exponent),
            currency: row.currency,
            invoices: row.invoices,
            net_minor: row.net_minor,
            gross_minor: row.gross_minor,
        }
    }
}

impl From<AnalyticsBucket> for Sums {
    fn from(bucket: AnalyticsBucket) -> Self {
        Self {
            from: bucket.from,
            site: bucket.site,
            energy_wh: Exact(bucket.energy_wh.0),
            sessions: bucket.sessions,
            revenue: bucket.revenue.into_iter().map(Revenue::from).collect(),
        }
    }
}

/// Energy, sessions and revenue by time and site.
#[utoipa::path(
    get, path = "/v1/analytics", tag = "analytics", operation_id = "get_analytics",
    params(AnalyticsParameters, WaitParameters),
    responses((status = 200, description = "The sums", body = Analytics)),
)]
pub(crate) async fn analytics(
    State(state): State<ApiState>,
    Query(parameters): Query<AnalyticsParameters>,
) -> Result<Json<Analytics>, Problem> {
    let grouping = parameters.bucket.unwrap_or_default();
    let length = match grouping {
        Grouping::Hour => TimeDelta::hours(HOURS_DEFAULT),
        Grouping::Day => TimeDelta::days(DAYS_DEFAULT),
    };
    let (from, to) = span(&state, &parameters, length)?;
    let site = match &parameters.site {
        None => None,
        Some(site) => {
            let found = state.found(|| state.read_models.site(site)).await?;
            Some(found.ok_or_else(|| Problem::parameter("site", "no such site"))?)
        }
    };
    let zone = parameters.time_zone.or_else(|| site.as_ref().map(|site| site.time_zone.clone()));
    let zone = zone.unwrap_or_else(|| state.chargebook.settings().time_zone.clone());
    let parsed: Tz = zone
        .parse()
        .map_err(|_| Problem::parameter("time_zone", "no IANA zone such as Europe/Berlin"))?;
    let bucket = match grouping {
        Grouping::Hour => Grain::Hour,
        Grouping::Day => Grain::Day(parsed),
    };
    let query = AnalyticsQuery { from, to, bucket, site_id: site.map(|site| site.site_id) };
    let buckets = state.read_models.analytics(&query).await?;
    let items = buckets.into_iter().map(Sums::from).collect();
    Ok(Json(Analytics { from, to, bucket: grouping, time_zone: zone, items, next: None }))
}

/// What an operator wants to see first: the stations now, and the sums of a span.
#[utoipa::path(
    get, path = "/v1/totals", tag = "analytics", operation_id = "get_totals",
    params(
        ("from" = Option<String>, Query, format = DateTime,
            description = "From here, cut down to the hour; 24 hours before `to` if absent"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "To here, excluded; now if absent"),
        WaitParameters,
    ),
    responses((status = 200, description = "The sums", body = Totals)),
)]
pub(crate) async fn totals(
    State(state): State<ApiState>,
    Query(parameters): Query<AnalyticsParameters>,
) -> Result<Json<Totals>, Problem> {
    let (from, to) = span(&state, &parameters, TimeDelta::hours(HOURS_DEFAULT))?;
    let totals = state.read_models.totals(from, to).await?;
    Ok(Json(Totals {
        from,
        to,
        stations: totals.stations,
        stations_connected: totals.stations_connected,
        stations_faulted: totals.stations_faulted,
        sessions_open: totals.sessions_open,
        power_w: Exact(totals.power_w),
        sessions_to_review: totals.sessions_to_review,
        orphan_stops: totals.orphan_stops,
        early_payments: totals.early_payments,
        alerts_raised: totals.alerts_raised,
        parked_events: totals.parked_events,
        energy_wh: Exact(totals.energy_wh.0),
        sessions: totals.sessions,
        revenue: totals.revenue.into_iter().map(Revenue::from).collect(),
    }))
}

fn span(
    state: &ApiState,
    parameters: &AnalyticsParameters,
    length: TimeDelta,
) -> Result<(Timestamp, Timestamp), Problem> {
    let to = match &parameters.to {
        Some(text) => instant("to", text)?,
        None => state.now(),
    };
    let from = match &parameters.from {
        Some(text) => instant("from", text)?,
        None => {
            let from = to.utc().checked_sub_signed(length);
            Timestamp::new(from.ok_or_else(|| Problem::parameter("to", "out of range"))?)
        }
    };
    Ok((from, to))
}

fn instant(name: &'static str, text: &str) -> Result<Timestamp, Problem> {
    // A `+` that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    let parsed = DateTime::parse_from_rfc3339(&text);
    let parsed = parsed.map_err(|_| {
        Problem::parameter(name, "no instant such as 2026-01-31T12:00:00Z (RFC 3339)")
    })?;
    Ok(Timestamp::new(parsed.with_timezone(&Utc)))
}

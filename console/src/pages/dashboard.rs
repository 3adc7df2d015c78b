//! What an operator sees first: today's figures, how they came, who is charging.

use super::{Asked, power, render};
use crate::chart::{Bar, BarChart, LineChart, ShareBar};
use crate::components::{Badge, Frame, When};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::prices::{self, Course};
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{
    AnalyticsBucket, AnalyticsQuery, Bucket, Paging, Revenue, Session, SessionFilter,
    SessionStatus, Totals,
};
use chrono::{Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sessions that are listed as charging now.
const LIVE_ROWS_MAX: usize = 12;
/// Sites that are listed, those that draw most power first.
const SITES_SHOWN_MAX: usize = 5;
/// Sessions whose curves make the chart of power.
const CURVES_MAX: u32 = 100;
const HOUR_MILLIS: i64 = 3_600_000;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    today: String,
    zone: &'static str,
    energy: String,
    sessions: u64,
    revenue: Vec<Sum>,
    power: String,
    open: u64,
    connected: u64,
    stations: u64,
    faulted: u64,
    parked: u64,
    spans: Vec<SpanLink>,
    energy_chart: BarChart,
    revenue_chart: BarChart,
    power_chart: LineChart,
    curves_max: u64,
    shares: Vec<Share>,
    share_bar: ShareBar,
    sites: Vec<SiteRow>,
    live: Vec<LiveRow>,
    more_live: u64,
}

struct Sum {
    gross: String,
    net: String,
    currency: String,
    invoices: u64,
}

struct SpanLink {
    key: &'static str,
    name: &'static str,
    current: bool,
}

struct Share {
    badge: Badge,
    count: u64,
}

struct SiteRow {
    name: String,
    connected: u64,
    stations: u64,
    power: String,
}

struct LiveRow {
    id: String,
    station: String,
    place: String,
    since: When,
    lasted: String,
    energy: String,
    power: String,
    charge: String,
    price: String,
}

/// What the charts show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    Day,
    Week,
    Month,
}

impl Span {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Day, "day", "24 hours"),
        (Self::Week, "week", "7 days"),
        (Self::Month, "month", "30 days"),
    ];

    fn named(key: Option<&str>) -> Self {
        let known = Self::ALL.into_iter().find(|(_, name, _)| Some(*name) == key);
        known.map_or(Self::Day, |(span, _, _)| span)
    }

    fn days(self) -> u64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct DashboardQuery {
    span: Option<String>,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<DashboardQuery>,
) -> Result<Response, PageError> {
    let now = console.now();
    let zones = Zones::read(&console).await?;
    let zone = zones.common();
    let span = Span::named(query.span.as_deref());
    let live = "session station invoice account parked_event alert";
    let frame = Frame::inside(&console, &operator, "Overview", "overview", live).await?;
    let end = Timestamp::from_millis(now.as_millis() + 1).unwrap_or(now);
    let totals = console.models().totals(midnight(now, zone, 0), end).await?;
    let slots = Slots::read(&console, span, now, zone).await?;
    let sessions = recent_sessions(&console).await?;
    let (live, more_live) = live_rows(&sessions, &totals, now);
    let power::Fleet { shares, sites } = power::fleet(&console).await?;
    let sites = sites.iter().take(SITES_SHOWN_MAX).map(|site| site_row(site, &zones)).collect();
    let bar: Vec<_> =
        shares.iter().map(|(tone, word, count)| (tone.class(), word.clone(), *count)).collect();
    render(&Dashboard {
        frame,
        today: now.utc().with_timezone(&zone).format("%A, %-d %B %Y").to_string(),
        zone: zone.name(),
        energy: format::kwh(totals.energy_wh, 2),
        sessions: totals.sessions,
        revenue: totals.revenue.iter().map(sum_of).collect(),
        power: format::number(
            totals.power_w.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default(),
            1,
        ),
        open: totals.sessions_open,
        connected: totals.stations_connected,
        stations: totals.stations,
        faulted: totals.stations_faulted,
        parked: totals.parked_events,
        spans: Span::ALL
            .map(|(other, key, name)| SpanLink { key, name, current: other == span })
            .into(),
        energy_chart: slots.energy_chart(),
        revenue_chart: slots.revenue_chart(),
        power_chart: power::chart(&sessions, now, zone),
        curves_max: CURVES_MAX.into(),
        share_bar: ShareBar::new(&bar),
        shares: shares
            .into_iter()
            .map(|(tone, word, count)| Share { badge: Badge::new(tone, word), count })
            .collect(),
        sites,
        live,
        more_live,
    })
}

fn site_row(sum: &power::SiteSum, zones: &Zones) -> SiteRow {
    SiteRow {
        name: zones.site_name(sum.site_id).unwrap_or("Without a site").to_owned(),
        connected: sum.connected,
        stations: sum.stations,
        power: format::kw(sum.power_w),
    }
}

fn sum_of(revenue: &Revenue) -> Sum {
    let exponent = revenue.currency_exponent;
    Sum {
        gross: format::minor(revenue.gross_minor, exponent),
        net: format::minor(revenue.net_minor, exponent),
        currency: revenue.currency.clone(),
        invoices: revenue.invoices,
    }
}

/// The sessions that may have drawn power in the last hour, newest first, and how they go.
async fn recent_sessions(console: &Console) -> Result<Vec<(Session, Arc<Course>)>, PageError> {
    let paging = Paging { limit: Some(CURVES_MAX), next: None };
    let open = SessionFilter { open: Some(true), ..SessionFilter::default() };
    let mut sessions = console.models().list_sessions(&open, &paging).await?.items;
    let over = SessionFilter { open: Some(false), ..SessionFilter::default() };
    let over = console.models().list_sessions(&over, &paging).await?.items;
    let since = console.now().as_millis() - power::MINUTES * 60 * 1_000;
    let lately = |session: &Session| session.ended_at.is_some_and(|at| at.as_millis() >= since);
    sessions.extend(over.into_iter().filter(lately));
    let mut courses = Vec::with_capacity(sessions.len());
    for session in sessions {
        if let Some(course) = prices::course(console, &session).await? {
            courses.push((session, course));
        }
    }
    Ok(courses)
}

fn live_rows(
    sessions: &[(Session, Arc<Course>)],
    totals: &Totals,
    now: Timestamp,
) -> (Vec<LiveRow>, u64) {
    let open = sessions.iter().filter(|(session, _)| session.status == SessionStatus::Open);
    let row = |(session, course): &(Session, Arc<Course>)| LiveRow {
        id: session.id.to_string(),
        station: session.station.to_string(),
        place: super::place_of(session),
        since: When::new(session.started_at, now, crate::zones::parse(&session.time_zone)),
        lasted: format::duration(now.seconds_since(session.started_at)),
        energy: format::kwh(session.energy_wh, 2),
        power: session.power_w.map_or_else(|| "–".to_owned(), format::kw),
        charge: session
            .state_of_charge_percent
            .map_or_else(|| "–".to_owned(), |percent| format!("{} %", format::plain(percent))),
        price: course
            .cost
            .as_ref()
            .map_or_else(|| "–".to_owned(), |cost| format::money(cost.gross, &cost.currency)),
    };
    let rows: Vec<_> = open.take(LIVE_ROWS_MAX).map(row).collect();
    let more = totals.sessions_open.saturating_sub(rows.len() as u64);
    (rows, more)
}

/// Energy and revenue by hour or day.
struct Slots {
    names: Vec<String>,
    labels: Vec<String>,
    energy: Vec<Decimal>,
    /// In minor units, of the one currency that is drawn.
    revenue: Vec<i64>,
    currency: Option<(String, u32)>,
}

impl Slots {
    async fn read(
        console: &Console,
        span: Span,
        now: Timestamp,
        zone: Tz,
    ) -> Result<Self, PageError> {
        let begins = begins(span, now, zone);
        let from = begins.first().copied().unwrap_or(now);
        let to = Timestamp::from_millis(now.as_millis() + 1).unwrap_or(now);
        let bucket = if span == Span::Day { Bucket::Hour } else { Bucket::Day(zone) };
        let query = AnalyticsQuery { from, to, bucket, site_id: None };
        let buckets = console.models().analytics(&query).await?;
        let currency = main_currency(&buckets);
        let mut slots = Self {
            names: begins.iter().map(|at| slot_name(span, *at, zone)).collect(),
            labels: labels(span, &begins, zone),
            energy: vec![Decimal::ZERO; begins.len()],
            revenue: vec![0; begins.len()],
            currency,
        };
        for bucket in &buckets {
            slots.add(&begins, bucket);
        }
        Ok(slots)
    }

    fn add(&mut self, begins: &[Timestamp], bucket: &AnalyticsBucket) {
        let after = begins.partition_point(|begin| *begin <= bucket.from);
        let Some(index) = after.checked_sub(1) else { return };
        let kwh = bucket.energy_wh.0.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default();
        self.energy[index] = self.energy[index].saturating_add(kwh);
        let drawn = self.currency.as_ref().map(|(currency, _)| currency);
        let revenue = bucket.revenue.iter().filter(|sum| Some(&sum.currency) == drawn);
        for sum in revenue {
            self.revenue[index] = self.revenue[index].saturating_add(sum.gross_minor);
        }
    }

    fn energy_chart(&self) -> BarChart {
        let wh = |kwh: Decimal| WattHours(kwh.saturating_mul(Decimal::ONE_THOUSAND));
        let bar = |(name, value): (&String, &Decimal)| Bar {
            name: name.clone(),
            value: *value,
            text: format!("{} kWh", format::kwh(wh(*value), 2)),
        };
        let bars: Vec<_> = self.names.iter().zip(&self.energy).map(bar).collect();
        BarChart::new("Energy", "kWh", &bars, self.labels.clone())
    }

    fn revenue_chart(&self) -> BarChart {
        let (currency, exponent) = self.currency.clone().unwrap_or_default();
        let bar = |(name, value): (&String, &i64)| Bar {
            name: name.clone(),
            value: Decimal::try_new(*value, exponent).unwrap_or_default(),
            text: format::money_minor(*value, exponent, &currency),
        };
        let bars: Vec<_> = self.names.iter().zip(&self.revenue).map(bar).collect();
        let unit = match currency.as_str() {
            "" => "with VAT".to_owned(),
            currency => format!("{currency}, with VAT, by when the session ended"),
        };
        BarChart::new("Revenue", &unit, &bars, self.labels.clone())
    }
}

/// The currency with the most invoices.
fn main_currency(buckets: &[AnalyticsBucket]) -> Option<(String, u32)> {
    let mut invoices: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    for sum in buckets.iter().flat_map(|bucket| &bucket.revenue) {
        *invoices.entry((&sum.currency, sum.currency_exponent)).or_default() += sum.invoices;
    }
    let most = invoices.into_iter().max_by_key(|(_, count)| *count);
    most.map(|((currency, exponent), _)| (currency.to_owned(), exponent))
}

/// When the slots begin: 24 hours up to this one, or days up to today.
fn begins(span: Span, now: Timestamp, zone: Tz) -> Vec<Timestamp> {
    if span == Span::Day {
        let hour = now.as_millis() - now.as_millis().rem_euclid(HOUR_MILLIS);
        let hours = (0..24).rev().map(|back| Timestamp::from_millis(hour - back * HOUR_MILLIS));
        return hours.flatten().collect();
    }
    (0..span.days()).rev().map(|back| midnight(now, zone, back)).collect()
}

/// When the local day of so many days ago began.
fn midnight(now: Timestamp, zone: Tz, days_ago: u64) -> Timestamp {
    let today = now.utc().with_timezone(&zone).date_naive();
    let day = today.checked_sub_days(Days::new(days_ago)).unwrap_or(today);
    let begin = zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest();
    // Where a zone skips midnight, the day begins when its clocks were set forward.
    let begin = begin.or_else(|| {
        NaiveTime::from_hms_opt(1, 0, 0)
            .and_then(|one| zone.from_local_datetime(&day.and_time(one)).earliest())
    });
    begin.map_or(now, |begin| Timestamp::new(begin.with_timezone(&Utc)))
}

fn slot_name(span: Span, begin: Timestamp, zone: Tz) -> String {
    let local = begin.utc().with_timezone(&zone);
    match span {
        Span::Day => local.format("%a %H:%M").to_string(),
        Span::Week | Span::Month => local.format("%a %-d %b").to_string(),
    }
}

/// Five labels at most, from the first slot to the last.
fn labels(span: Span, begins: &[Timestamp], zone: Tz) -> Vec<String> {
    let every = match span {
        Span::Day => 6,
        Span::Week => 2,
        Span::Month => 7,
    };
    let text = |at: &Timestamp| {
        let local = at.utc().with_timezone(&zone);
        match span {
            Span::Day => local.format("%H:%M").to_string(),
            Span::Week => local.format("%a").to_string(),
            Span::Month => local.format("%-d %b").to_string(),
        }
    };
    let mut labels: Vec<_> = begins.iter().step_by(every).map(text).collect();
    if span != Span::Week {
        labels.push(if span == Span::Day { "now" } else { "today" }.to_owned());
    }
    labels
}

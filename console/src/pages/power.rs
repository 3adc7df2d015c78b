//! Power over the last hour: the sum of the sessions' curves.

use crate::chart::{Line, LineChart};
use crate::components::Tone;
use crate::error::PageError;
use crate::format;
use crate::prices::Course;
use crate::state::Console;
use chargebook_domain::ids::SiteId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{PAGE_ROWS_MAX, Paging, Session, Station};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Stations whose connectors are counted.
const STATIONS_MAX: usize = 20_000;
/// Counts are taken again after this: less than what a page waits after a change, so that it
/// never reads what was before.
const COUNTS_FRESH_FOR: Duration = Duration::from_millis(300);
/// How far back, in minutes.
pub(crate) const MINUTES: i64 = 60;
/// A sample stands for so long at most; a station that has gone silent is not counted on.
const SAMPLE_STANDS_MILLIS: i64 = 15 * 60 * 1_000;
const MINUTE_MILLIS: i64 = 60 * 1_000;
/// Points of the chart in a minute.
const POINTS_PER_MINUTE: i64 = 4;

/// The chart of the last hour.
pub(crate) fn chart(sessions: &[(Session, Arc<Course>)], now: Timestamp, zone: Tz) -> LineChart {
    let points = points(sessions, now);
    let from = points.first().map_or(now, |(at, _)| *at);
    let by_time: BTreeMap<_, _> = points.iter().copied().collect();
    let clock = |at: Timestamp| at.utc().with_timezone(&zone).format("%H:%M").to_string();
    let highest = points.iter().map(|(_, power)| *power).max().unwrap_or_default();
    let summary = format!("Power in the last hour; at most {} kW", format::plain(highest));
    let labels = (0..=4).filter_map(|quarter| {
        let millis = from.as_millis() + quarter * MINUTES * MINUTE_MILLIS / 4;
        Timestamp::from_millis(millis).map(clock)
    });
    let hint = |at: Timestamp| {
        let power = by_time.get(&at).copied().unwrap_or_default();
        format!("{}: {} kW", clock(at), format::number(power, 1))
    };
    let line = Line { class: "power", name: "kW", filled: true, points };
    LineChart::new(summary, (from, now), vec![line], labels.collect(), hint, "No power yet.")
}

fn points(sessions: &[(Session, Arc<Course>)], now: Timestamp) -> Vec<(Timestamp, Decimal)> {
    let steps = MINUTES * POINTS_PER_MINUTE;
    let step_millis = MINUTE_MILLIS / POINTS_PER_MINUTE;
    let instants = (0..=steps)
        .filter_map(|step| Timestamp::from_millis(now.as_millis() - (steps - step) * step_millis));
    let sum = |at: Timestamp| {
        let powers = sessions.iter().filter_map(|(session, course)| power_at(session, course, at));
        let watts = powers.fold(Decimal::ZERO, Decimal::saturating_add);
        watts.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default()
    };
    instants.map(|at| (at, sum(at))).collect()
}

fn power_at(session: &Session, course: &Course, at: Timestamp) -> Option<Decimal> {
    if at < session.started_at || session.ended_at.is_some_and(|ended| at >= ended) {
        return None;
    }
    let before = course.curve.partition_point(|point| point.sampled_at <= at);
    let mut known = course.curve.get(..before)?.iter().rev();
    let sample = known.find(|point| point.power_w.is_some())?;
    let age = at.as_millis() - sample.sampled_at.as_millis();
    sample.power_w.filter(|_| age <= SAMPLE_STANDS_MILLIS)
}

/// What the stations are doing, all together.
#[derive(Clone, Default)]
pub(crate) struct Fleet {
    /// How many connectors are in which state: tone, word, count.
    pub(crate) shares: Vec<(Tone, String, u64)>,
    /// The sites, by how much power they draw.
    pub(crate) sites: Vec<SiteSum>,
}

/// A site and its stations.
#[derive(Clone)]
pub(crate) struct SiteSum {
    /// `None` for stations that have none.
    pub(crate) site_id: Option<SiteId>,
    pub(crate) stations: u64,
    pub(crate) connected: u64,
    pub(crate) power_w: Decimal,
}

/// The fleet, of late, so that several open dashboards count once.
#[derive(Default)]
pub(crate) struct CountedFleet(Mutex<Option<(Instant, Fleet)>>);

/// What up to [`STATIONS_MAX`] stations are doing.
pub(crate) async fn fleet(console: &Console) -> Result<Fleet, PageError> {
    let counted = &console.counted_fleet().0;
    let known = counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((read, fleet)) = known
        && read.elapsed() < COUNTS_FRESH_FOR
    {
        return Ok(fleet);
    }
    let mut stations = Vec::new();
    let mut paging = Paging { limit: Some(PAGE_ROWS_MAX), next: None };
    loop {
        let page = console.models().list_stations(&paging).await?;
        stations.extend(page.items);
        if page.next.is_none() || stations.len() >= STATIONS_MAX {
            break;
        }
        paging.next = page.next;
    }
    let fleet = Fleet { shares: shares(&stations), sites: sites(&stations) };
    let fresh = Some((Instant::now(), fleet.clone()));
    *counted.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    Ok(fleet)
}

fn sites(stations: &[Station]) -> Vec<SiteSum> {
    let mut sums: BTreeMap<Option<SiteId>, SiteSum> = BTreeMap::new();
    for station in stations {
        let site_id = station.site_id;
        let none = SiteSum { site_id, stations: 0, connected: 0, power_w: Decimal::ZERO };
        let sum = sums.entry(site_id).or_insert(none);
        sum.stations += 1;
        sum.connected += u64::from(station.connected);
        sum.power_w = sum.power_w.saturating_add(station.power_w());
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.power_w));
    sums
}

fn shares(stations: &[Station]) -> Vec<(Tone, String, u64)> {
    let mut counts: BTreeMap<(u8, String), (Tone, u64)> = BTreeMap::new();
    for station in stations {
        let own = station.connectors.iter().filter(|connector| connector.connector.0 > 0);
        let mut words: Vec<(Tone, String)> = own
            .map(|connector| match (&connector.status, station.connected) {
                (_, false) => (Tone::Quiet, "Offline".to_owned()),
                (Some(status), true) => {
                    (crate::components::status_tone(status), format::station_word(status))
                }
                (None, true) => (Tone::Quiet, "Not reported".to_owned()),
            })
            .collect();
        if words.is_empty() && !station.connected {
            words.push((Tone::Quiet, "Offline".to_owned()));
        }
        for (tone, word) in words {
            counts.entry((rank(tone), word)).or_insert((tone, 0)).1 += 1;
        }
    }
    counts.into_iter().map(|((_, word), (tone, count))| (tone, word, count)).collect()
}

fn rank(tone: Tone) -> u8 {
    match tone {
        Tone::Active => 0,
        Tone::Waiting => 1,
        Tone::Good => 2,
        Tone::Bad => 3,
        Tone::Quiet => 4,
    }
}

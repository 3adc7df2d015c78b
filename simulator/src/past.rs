//! Sessions that were over before the station connected, delivered as an offline charger
//! delivers them: the queued messages in order, with the time stamps of when they happened.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::fault::Fault;
use crate::plan::{Hardware, StationPlan};
use crate::random::SeededRandom;

/// Longest session drawn by [`past_sessions`].
const LONGEST_AC: Duration = Duration::from_secs(3 * 3_600);
const LONGEST_DC: Duration = Duration::from_secs(45 * 60);
/// Shortest session drawn.
const SHORTEST: Duration = Duration::from_secs(12 * 60);
/// A drawn session is over at least this long before now.
const SETTLED_BEFORE: Duration = Duration::from_secs(5 * 60);

/// One finished session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastSession {
    /// Connector number, from 1.
    pub connector: u32,
    /// The driver's token.
    pub tag: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// How long it lasted.
    pub duration: Duration,
    /// Energy delivered, in watt-hours.
    pub energy_wh: i64,
    /// Time between two samples.
    pub sample_interval: Duration,
    /// The fault to play while it is delivered.
    pub fault: Option<Fault>,
}

/// A finished session on connector 1, sampled every five minutes.
#[must_use]
pub fn past_session(
    tag: impl Into<String>,
    started_at: DateTime<Utc>,
    duration: Duration,
    energy_wh: i64,
) -> PastSession {
    PastSession {
        connector: 1,
        tag: tag.into(),
        started_at,
        duration,
        energy_wh,
        sample_interval: Duration::from_secs(300),
        fault: None,
    }
}

impl PastSession {
    /// Sets the connector, from 1.
    #[must_use]
    pub fn on_connector(mut self, connector: u32) -> Self {
        self.connector = connector;
        self
    }

    /// Plays `fault` while the session is delivered.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> DateTime<Utc> {
        self.started_at + self.duration
    }
}

/// `count` finished sessions for `station` between `now - window` and now, drawn by seed from
/// its tags and hardware, on its connectors in turn, none overlapping another of its
/// connector, in order of their start. Fewer when the window has no room for them; none
/// when the station has no tags.
#[must_use]
pub fn past_sessions(
    seed: u64,
    station: &StationPlan,
    count: u32,
    now: DateTime<Utc>,
    window: Duration,
) -> Vec<PastSession> {
    let connectors = station.connectors.max(1);
    let mut sessions = Vec::new();
    for connector in 1..=connectors {
        let on_this = count / connectors + u32::from(connector <= count % connectors);
        let usable = window.saturating_sub(SETTLED_BEFORE);
        let Some(slot) = usable.checked_div(on_this) else { continue };
        for place in 0..on_this {
            let ordinal = (u64::from(connector) << 32) | u64::from(place);
            let mut random = SeededRandom::for_thing(seed, &station.id, ordinal);
            let slot_start = now - window + slot * place;
            sessions.extend(draw(&mut random, station, connector, slot_start, slot));
        }
    }
    sessions.sort_by_key(|session| (session.started_at, session.connector));
    sessions
}

fn draw(
    random: &mut SeededRandom,
    station: &StationPlan,
    connector: u32,
    slot_start: DateTime<Utc>,
    slot: Duration,
) -> Option<PastSession> {
    let tag = random.pick(&station.tags)?.clone();
    let longest = match station.hardware {
        Hardware::AlternatingCurrent { .. } => LONGEST_AC,
        Hardware::DirectCurrent { .. } => LONGEST_DC,
    }
    .min(slot.mul_f64(0.9));
    if longest < SHORTEST {
        return None;
    }
    let duration = Duration::from_secs(random.duration_between(SHORTEST, longest).as_secs());
    let slack = Duration::from_secs(slot.saturating_sub(duration).as_secs());
    let wait = Duration::from_secs(random.duration_between(Duration::ZERO, slack).as_secs());
    let load = random.between(450, 950);
    let curve = crate::plan::live_curve(station.hardware, load, duration);
    let started_at = slot_start + wait;
    Some(PastSession {
        fault: station.live.faults.draw_fault(random),
        ..past_session(tag, started_at, duration, curve.total_energy_wh()).on_connector(connector)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeZone, Utc};

    use super::past_sessions;
    use crate::plan::{Hardware, StationPlan};

    #[test]
    fn drawn_sessions_fit_their_window_and_never_overlap_on_a_connector() {
        let now = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a valid time");
        let window = Duration::from_secs(48 * 3_600);
        let station =
            StationPlan::new("CP-1").with_hardware(Hardware::DC_50, 2).with_tags(["A", "B"]);
        let sessions = past_sessions(5, &station, 21, now, window);
        assert_eq!(sessions.len(), 21);
        assert_eq!(sessions, past_sessions(5, &station, 21, now, window));
        assert_ne!(sessions, past_sessions(6, &station, 21, now, window));
        for connector in [1, 2] {
            let on_it: Vec<_> = sessions.iter().filter(|one| one.connector == connector).collect();
            assert!(on_it.windows(2).all(|pair| pair[0].ended_at() <= pair[1].started_at));
        }
        for session in &sessions {
            assert!(session.started_at >= now - window && session.ended_at() < now);
            assert!(session.energy_wh > 0);
        }
    }

    #[test]
    fn a_window_without_room_or_a_station_without_tags_gives_none() {
        let now = Utc::now();
        let station = StationPlan::new("CP-1").with_tags(["A"]);
        assert!(past_sessions(1, &station, 5, now, Duration::from_secs(600)).is_empty());
        let untagged = StationPlan::new("CP-1");
        assert!(past_sessions(1, &untagged, 5, now, Duration::from_secs(90_000)).is_empty());
    }
}

//! What a fleet is to do: stations, their drivers' tokens, past sessions and live ones.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::curve::ChargingCurve;
use crate::fault::{FaultMix, Quirks};
use crate::past::PastSession;

/// Shortest wait a compressed plan can ask for.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

/// A whole fleet.
#[derive(Debug, Clone)]
pub struct FleetPlan {
    /// Base of the server's OCPP address, such as `ws://127.0.0.1:9000/ocpp`; a station
    /// connects to this, a slash, and its percent-encoded id.
    pub url: String,
    /// Everything drawn by chance follows from this.
    pub seed: u64,
    /// How much faster than planned all waits pass.
    pub pace: Pace,
    /// The stations' first connections are spread over this time.
    pub connect_spread: Duration,
    /// The stations.
    pub stations: Vec<StationPlan>,
}

impl FleetPlan {
    /// A fleet without stations yet, at real pace.
    #[must_use]
    pub fn new(url: impl Into<String>, seed: u64) -> Self {
        Self {
            url: url.into(),
            seed,
            pace: Pace::REAL,
            connect_spread: Duration::from_secs(1),
            stations: Vec::new(),
        }
    }

    /// Adds a station.
    #[must_use]
    pub fn with_station(mut self, station: StationPlan) -> Self {
        self.stations.push(station);
        self
    }

    /// Sets the pace.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// Divisor of every planned wait: sessions, pauses, sampling and heartbeat intervals.
///
/// Power stays that of the hardware, so a session shortened tenfold delivers a tenth of the
/// energy, and time stamps stay true: nothing happens in the future.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// As planned.
    pub const REAL: Self = Self(1.0);
    /// Fastest pace.
    pub const FASTEST: f64 = 10_000.0;

    /// Waits divided by `factor`; `None` unless it is from 0.01 to [`Pace::FASTEST`].
    #[must_use]
    pub fn faster(factor: f64) -> Option<Self> {
        (0.01..=Self::FASTEST).contains(&factor).then_some(Self(factor))
    }

    /// A planned wait, compressed.
    #[must_use]
    pub fn compress(self, wait: Duration) -> Duration {
        if wait.is_zero() {
            return wait;
        }
        let millis = wait.div_f64(self.0).as_millis();
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).max(SHORTEST_WAIT)
    }
}

/// What kind of charger a station is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// Three-phase alternating current; it cannot know the car's state of charge.
    AlternatingCurrent {
        /// Highest power of a connector, in watts.
        power_w: i64,
    },
    /// Direct current; it reads the car's state of charge.
    DirectCurrent {
        /// Highest power of a connector, in watts.
        power_w: i64,
    },
}

impl Hardware {
    /// A 22 kW post.
    pub const AC_22: Self = Self::AlternatingCurrent { power_w: 22_000 };
    /// An 11 kW wall box.
    pub const AC_11: Self = Self::AlternatingCurrent { power_w: 11_000 };
    /// A 50 kW fast charger.
    pub const DC_50: Self = Self::DirectCurrent { power_w: 50_000 };
    /// A 150 kW fast charger.
    pub const DC_150: Self = Self::DirectCurrent { power_w: 150_000 };

    /// Highest power of a connector, in watts.
    #[must_use]
    pub fn power_w(self) -> i64 {
        match self {
            Self::AlternatingCurrent { power_w } | Self::DirectCurrent { power_w } => power_w,
        }
    }

    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::AlternatingCurrent { .. } => "Sim AC",
            Self::DirectCurrent { .. } => "Sim DC",
        }
    }
}

/// One station.
#[derive(Debug, Clone)]
pub struct StationPlan {
    /// The OCPP identity.
    pub id: String,
    /// Basic-auth password; `None` connects without.
    pub password: Option<String>,
    /// Number of connectors, at least 1.
    pub connectors: u32,
    /// The kind of charger.
    pub hardware: Hardware,
    /// A connector that is out of order until somebody sets it operative.
    pub broken_connector: Option<u32>,
    /// Tokens of the drivers who charge here; none means no live sessions of its own.
    pub tags: Vec<String>,
    /// Finished sessions, sent on the first connection as an offline charger does.
    pub past: Vec<PastSession>,
    /// What it does afterwards.
    pub live: LivePlan,
    /// Habits; `None` draws them by seed from the live plan's fault mix.
    pub quirks: Option<Quirks>,
}

impl StationPlan {
    /// A station with one 22 kW connector, no password, no tags, nothing to do.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            password: None,
            connectors: 1,
            hardware: Hardware::AC_22,
            broken_connector: None,
            tags: Vec::new(),
            past: Vec::new(),
            live: LivePlan::default(),
            quirks: None,
        }
    }

    /// Sets the basic-auth password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the kind of charger and the number of its connectors (at least 1).
    #[must_use]
    pub fn with_hardware(mut self, hardware: Hardware, connectors: u32) -> Self {
        self.hardware = hardware;
        self.connectors = connectors.max(1);
        self
    }

    /// Puts a connector, from 1, out of order.
    #[must_use]
    pub fn with_broken_connector(mut self, connector: u32) -> Self {
        self.broken_connector = Some(connector);
        self
    }

    /// Sets the drivers' tokens.
    #[must_use]
    pub fn with_tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a session that is already over.
    #[must_use]
    pub fn with_past_session(mut self, session: PastSession) -> Self {
        self.past.push(session);
        self
    }

    /// Sets what it does live.
    #[must_use]
    pub fn with_live(mut self, live: LivePlan) -> Self {
        self.live = live;
        self
    }

    /// Fixes its habits instead of drawing them.
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = Some(quirks);
        self
    }
}

/// How many live sessions a station makes of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// So many, then it disconnects. `Sessions(0)` ends once the past is delivered.
    Sessions(u32),
    /// One after the other until the fleet is stopped.
    Endless,
    /// None, but it stays connected and obeys remote commands.
    Idle,
}

/// How live sessions are made.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePlan {
    /// How many.
    pub activity: Activity,
    /// Shortest session.
    pub shortest_session: Duration,
    /// Longest session.
    pub longest_session: Duration,
    /// Shortest pause of a connector between sessions.
    pub shortest_pause: Duration,
    /// Longest pause of a connector between sessions.
    pub longest_pause: Duration,
    /// Time between two samples, until the server configures another.
    pub sample_interval: Duration,
    /// Faults and quirks.
    pub faults: FaultMix,
}

impl Default for LivePlan {
    /// Idle; when told to, sessions of three to six minutes sampled every 10 s, no faults.
    fn default() -> Self {
        Self {
            activity: Activity::Idle,
            shortest_session: Duration::from_secs(180),
            longest_session: Duration::from_secs(360),
            shortest_pause: Duration::from_secs(15),
            longest_pause: Duration::from_secs(120),
            sample_interval: Duration::from_secs(10),
            faults: FaultMix::none(),
        }
    }
}

impl LivePlan {
    /// The default with this many sessions.
    #[must_use]
    pub fn with_activity(activity: Activity) -> Self {
        Self { activity, ..Self::default() }
    }

    /// Sets the faults and quirks.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultMix) -> Self {
        self.faults = faults;
        self
    }

    /// Sets the shortest and the longest session.
    #[must_use]
    pub fn with_session_length(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest_session = shortest;
        self.longest_session = longest;
        self
    }

    /// Sets the shortest and the longest pause between sessions of a connector.
    #[must_use]
    pub fn with_pause(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest_pause = shortest;
        self.longest_pause = longest;
        self
    }

    /// Sets the time between two samples.
    #[must_use]
    pub fn with_sample_interval(mut self, interval: Duration) -> Self {
        self.sample_interval = interval;
        self
    }
}

/// The register a meter shows at `at`, in watt-hours, so that it never falls from one run of
/// a fleet to the next: 40 Wh a second since 2026, plus an offset of its own.
pub(crate) fn register_at(at: DateTime<Utc>, offset_wh: i64) -> i64 {
    const START_OF_2026: i64 = 1_767_225_600;
    const WH_PER_SECOND: i64 = 40;
    /// Meters wrap, and OCPP 1.6 carries a 32-bit integer.
    const WRAP_WH: i64 = 2_000_000_000;
    let seconds = (at.timestamp() - START_OF_2026).max(0);
    (offset_wh + seconds * WH_PER_SECOND) % WRAP_WH
}

/// The curve of a live session on `hardware`, `load_per_mille` of its highest power.
pub(crate) fn live_curve(
    hardware: Hardware,
    load_per_mille: u64,
    duration: Duration,
) -> ChargingCurve {
    let load = i64::try_from(load_per_mille).unwrap_or(1_000);
    ChargingCurve::with_peak_power(hardware.power_w() / 1_000 * load, duration)
}

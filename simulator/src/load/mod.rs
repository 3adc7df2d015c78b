//! The benchmark's load generator and the bare server it compares with.
//!
//! It shares a small machine with the server it measures, so it is lean: one thread, prebuilt
//! frames patched in place, no typed decoding. It is no charge point: [`crate::Fleet`] is.
//! Its futures are not `Send`; run them on a current-thread runtime inside a `LocalSet`.

mod burst;
mod frames;
mod idle;
mod null_server;
mod sessions;
mod socket;

use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

pub use burst::Burst;
pub use idle::{IdleConnection, ReconnectReport, open_idle, reconnect_all};
pub use null_server::{NullServer, NullServerError};
pub use sessions::{Edge, LoadReport, Pacing, SessionLoad, run_sessions};

/// Calls in one charging session: boot, status, authorize, start, five meter values, stop; in
/// 2.x the last seven are TransactionEvents.
pub const CALLS_PER_SESSION: usize = frames::CALLS;
/// Longest latency recorded; longer ones count as this.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);
/// Significant digits of the latency histogram.
const LATENCY_DIGITS: u8 = 3;

/// An OCPP version that is loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadVersion {
    /// OCPP 1.6J.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

impl LoadVersion {
    /// Its sub-protocol.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }
}

/// The server under load and how its stations are named.
#[derive(Debug, Clone)]
pub struct LoadTarget {
    /// Where it listens for OCPP.
    pub address: SocketAddr,
    /// Path before a station's id, such as `/ocpp`.
    pub path: String,
    /// Stations are named this and a number of five digits.
    pub station_prefix: String,
    /// Tokens are named this and the same number; together at most 20 characters.
    pub tag_prefix: String,
    /// Basic-auth password of every station; `None` sends none.
    pub password: Option<String>,
    /// Whether the stations offer permessage-deflate; what they send themselves goes uncompressed.
    pub offers_compression: bool,
    /// Versions that the stations speak, in turn; 1.6 if there are none.
    pub versions: Vec<LoadVersion>,
}

impl LoadTarget {
    /// The id of station `number`.
    #[must_use]
    pub fn station_id(&self, number: usize) -> String {
        format!("{}{number:05}", self.station_prefix)
    }

    /// What station `number` speaks.
    #[must_use]
    pub fn version(&self, number: usize) -> LoadVersion {
        let place = number.checked_rem(self.versions.len()).unwrap_or(0);
        self.versions.get(place).copied().unwrap_or(LoadVersion::V16)
    }

    /// The token of the driver at station `number`.
    #[must_use]
    pub fn tag(&self, number: usize) -> String {
        format!("{}{number:05}", self.tag_prefix)
    }
}

/// Why a load could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The socket failed.
    #[error("station {station}: {source}")]
    Socket {
        /// The station's id.
        station: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The server did not upgrade the connection.
    #[error("station {station}: the server answered the handshake with {answer:?}")]
    Handshake {
        /// The station's id.
        station: String,
        /// First line of its answer.
        answer: String,
    },
    /// The server answered with something else than the CALLRESULT expected.
    #[error("station {station}: unexpected frame {frame:?}")]
    Reply {
        /// The station's id.
        station: String,
        /// The frame, cut at 200 characters.
        frame: String,
    },
    /// No connection stayed up.
    #[error("every connection failed; the first failure: {0}")]
    AllFailed(String),
}

/// Latencies of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct LatencySummary {
    /// Median, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// 99.9th percentile, in milliseconds.
    pub p99_9_ms: f64,
    /// Longest, in milliseconds.
    pub max_ms: f64,
}

/// A histogram of latencies in microseconds.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST_LATENCY.as_micros()).unwrap_or(u64::MAX);
        // The bounds are constants the library accepts; its fallback grows as needed.
        let histogram = Histogram::new_with_bounds(1, longest, LATENCY_DIGITS)
            .or_else(|_| Histogram::new(LATENCY_DIGITS));
        Self(histogram.unwrap_or_else(|_| unreachable!("constant bounds are valid")))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Adds all of `other`; both have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        // Equal bounds cannot fail; a differing histogram would only lose its out-of-range part.
        let _ = self.0.add(&other.0);
    }

    /// The percentiles.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| {
            Duration::from_micros(self.0.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
        };
        LatencySummary { p50_ms: at(0.5), p99_ms: at(0.99), p99_9_ms: at(0.999), max_ms: at(1.0) }
    }
}

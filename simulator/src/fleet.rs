//! Runs many stations at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connection::{ConnectError, handshake_request, run_station};
use crate::observe::{FleetCounters, FleetEvent, FleetReport, Observer};
use crate::plan::{FleetPlan, Pace};

/// A fleet ready to run.
pub struct Fleet {
    plan: FleetPlan,
    counters: Arc<FleetCounters>,
    observer: Option<Arc<dyn Observer>>,
}

/// What every station of a fleet shares.
#[derive(Clone)]
pub(crate) struct StationContext {
    pub(crate) url: Arc<str>,
    pub(crate) seed: u64,
    pub(crate) pace: Pace,
    pub(crate) connect_spread: Duration,
    counters: Arc<FleetCounters>,
    observer: Option<Arc<dyn Observer>>,
}

impl StationContext {
    pub(crate) fn publish(&self, station_id: &str, event: &FleetEvent) {
        self.counters.count(event);
        tracing::trace!(station_id, ?event, "simulated station");
        if let Some(observer) = &self.observer {
            observer.observe(station_id, event);
        }
    }
}

impl Fleet {
    /// A fleet that will do what `plan` says.
    #[must_use]
    pub fn new(plan: FleetPlan) -> Self {
        Self { plan, counters: Arc::default(), observer: None }
    }

    /// Reports every event to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Totals that keep running while the fleet does.
    #[must_use]
    pub fn counters(&self) -> Arc<FleetCounters> {
        Arc::clone(&self.counters)
    }

    /// Runs until every station has finished, or `stop` is cancelled: then each station ends
    /// its sessions, delivers what it holds within a few seconds, and disconnects.
    ///
    /// # Errors
    /// The plan's address or a password cannot be used at all. A server that is away is no
    /// error: stations try again, as chargers do.
    pub async fn run(self, stop: CancellationToken) -> Result<FleetReport, ConnectError> {
        for station in &self.plan.stations {
            handshake_request(&self.plan.url, &station.id, station.password.as_deref())?;
        }
        let context = StationContext {
            url: self.plan.url.as_str().into(),
            seed: self.plan.seed,
            pace: self.plan.pace,
            connect_spread: self.plan.connect_spread,
            counters: Arc::clone(&self.counters),
            observer: self.observer,
        };
        let mut stations = JoinSet::new();
        for station in self.plan.stations {
            stations.spawn(run_station(station, context.clone(), stop.clone()));
        }
        while let Some(ended) = stations.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a simulated station failed");
            }
        }
        Ok(self.counters.report())
    }
}

//! What a fleet reports while it runs: events for those who want each one, counters for the rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fault::Fault;

/// Something that happened at one station.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FleetEvent {
    /// The WebSocket is open, the sub-protocol agreed.
    Connected,
    /// The WebSocket is gone; the reason in words.
    Disconnected(String),
    /// A try to connect failed; the reason in words.
    ConnectFailed(String),
    /// The server accepted a BootNotification.
    Booted,
    /// A CALL left.
    Sent {
        /// The OCPP action.
        action: &'static str,
    },
    /// A CALL was answered with a CALLRESULT.
    Answered {
        /// The OCPP action.
        action: &'static str,
        /// Time from sending to the answer.
        latency: Duration,
    },
    /// A CALL was answered with a CALLERROR.
    Refused {
        /// The OCPP action.
        action: &'static str,
        /// The error code of the answer.
        code: String,
    },
    /// No answer came within the call timeout.
    TimedOut {
        /// The OCPP action.
        action: &'static str,
    },
    /// An answer could not be read, or a frame was none.
    Unreadable(String),
    /// The server asked something of the station.
    Commanded {
        /// The OCPP action, as received.
        action: String,
    },
    /// A live session got its transaction id.
    SessionStarted {
        /// Connector number, from 1.
        connector: u32,
        /// The server's transaction id.
        transaction_id: i32,
    },
    /// A StopTransaction was answered: the station is done with this session.
    SessionFinished {
        /// Connector number, from 1.
        connector: u32,
        /// Energy by the station's own meter, in watt-hours.
        energy_wh: i64,
        /// True for a session replayed from the past.
        replayed: bool,
    },
    /// A repeated StartTransaction was answered with another transaction id: the server took
    /// one session for two.
    TransactionIdChanged {
        /// The id of the first answer.
        first: i32,
        /// The id of the later answer.
        then: i32,
    },
    /// The server did not accept the driver's token.
    TokenRefused,
    /// A fault was played.
    FaultPlayed(Fault),
}

/// Receives every event of a fleet, from many tasks at once. Must be quick.
pub trait Observer: Send + Sync {
    /// One event at the station `station_id`.
    fn observe(&self, station_id: &str, event: &FleetEvent);
}

/// Running totals of a fleet, safe to read at any time.
#[derive(Debug, Default)]
pub struct FleetCounters {
    connects: AtomicU64,
    connect_failures: AtomicU64,
    disconnects: AtomicU64,
    boots: AtomicU64,
    sent: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    unreadable: AtomicU64,
    commands: AtomicU64,
    sessions_started: AtomicU64,
    sessions_finished: AtomicU64,
    sessions_replayed: AtomicU64,
    energy_wh: AtomicU64,
    transaction_ids_changed: AtomicU64,
    tokens_refused: AtomicU64,
    faults_played: AtomicU64,
}

/// The totals at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FleetReport {
    /// WebSockets opened.
    pub connects: u64,
    /// Tries to connect that failed.
    pub connect_failures: u64,
    /// WebSockets lost or closed.
    pub disconnects: u64,
    /// BootNotifications accepted.
    pub boots: u64,
    /// CALLs sent.
    pub sent: u64,
    /// CALLs answered with a CALLRESULT.
    pub answered: u64,
    /// CALLs answered with a CALLERROR.
    pub refused: u64,
    /// CALLs without an answer in time.
    pub timed_out: u64,
    /// Frames from the server that could not be read.
    pub unreadable: u64,
    /// CALLs of the server served.
    pub commands: u64,
    /// Live sessions that got a transaction id.
    pub sessions_started: u64,
    /// Live sessions whose end was answered.
    pub sessions_finished: u64,
    /// Past sessions whose end was answered.
    pub sessions_replayed: u64,
    /// Energy of all finished and replayed sessions, in watt-hours.
    pub energy_wh: u64,
    /// Repeated StartTransactions answered with another transaction id; a right server has 0.
    pub transaction_ids_changed: u64,
    /// Tokens the server did not accept.
    pub tokens_refused: u64,
    /// Faults played.
    pub faults_played: u64,
}

impl FleetCounters {
    /// The totals now.
    #[must_use]
    pub fn report(&self) -> FleetReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FleetReport {
            connects: read(&self.connects),
            connect_failures: read(&self.connect_failures),
            disconnects: read(&self.disconnects),
            boots: read(&self.boots),
            sent: read(&self.sent),
            answered: read(&self.answered),
            refused: read(&self.refused),
            timed_out: read(&self.timed_out),
            unreadable: read(&self.unreadable),
            commands: read(&self.commands),
            sessions_started: read(&self.sessions_started),
            sessions_finished: read(&self.sessions_finished),
            sessions_replayed: read(&self.sessions_replayed),
            energy_wh: read(&self.energy_wh),
            transaction_ids_changed: read(&self.transaction_ids_changed),
            tokens_refused: read(&self.tokens_refused),
            faults_played: read(&self.faults_played),
        }
    }

    pub(crate) fn count(&self, event: &FleetEvent) {
        let counter = match event {
            FleetEvent::Connected => &self.connects,
            FleetEvent::Disconnected(_) => &self.disconnects,
            FleetEvent::ConnectFailed(_) => &self.connect_failures,
            FleetEvent::Booted => &self.boots,
            FleetEvent::Sent { .. } => &self.sent,
            FleetEvent::Answered { .. } => &self.answered,
            FleetEvent::Refused { .. } => &self.refused,
            FleetEvent::TimedOut { .. } => &self.timed_out,
            FleetEvent::Unreadable(_) => &self.unreadable,
            FleetEvent::Commanded { .. } => &self.commands,
            FleetEvent::SessionStarted { .. } => &self.sessions_started,
            FleetEvent::SessionFinished { energy_wh, replayed, .. } => {
                let energy_wh = u64::try_from(*energy_wh).unwrap_or(0);
                self.energy_wh.fetch_add(energy_wh, Ordering::Relaxed);
                if *replayed { &self.sessions_replayed } else { &self.sessions_finished }
            }
            FleetEvent::TransactionIdChanged { .. } => &self.transaction_ids_changed,
            FleetEvent::TokenRefused => &self.tokens_refused,
            FleetEvent::FaultPlayed(_) => &self.faults_played,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

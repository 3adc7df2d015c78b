//! What a station says of what it watches, by itself or in answer to a CALL of ours.

use chargebook_domain::events::v1::{EventStream, EventStreamRate, Monitor};
use chargebook_domain::units::Timestamp;

/// What a station watches, and the streams that it tells what it sees by (2.x part 2, block N).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitoringNews {
    /// It has these monitors (SetVariableMonitoring, NotifyMonitoringReport).
    MonitorsTold(Vec<Monitor>),
    /// It has the monitors of these numbers no more (ClearVariableMonitoring).
    MonitorsCleared(Vec<i64>),
    /// It went back to one of its maker's sets of monitors (SetMonitoringBase).
    BaseSet(String),
    /// These streams are open (OpenPeriodicEventStream, GetPeriodicEventStream).
    StreamsTold {
        /// The streams.
        streams: Vec<EventStream>,
        /// Whether these are all.
        are_all: bool,
    },
    /// It tells the stream of this number at another rate (AdjustPeriodicEventStream).
    StreamAdjusted(i64, EventStreamRate),
    /// It ends the stream of this number (ClosePeriodicEventStream).
    StreamClosed(i64),
    /// What it sees (NotifyPeriodicEventStream).
    StreamContinued(StreamReport),
}

/// Values of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// The station's number of the stream.
    pub number: i64,
    /// How many values.
    pub values: u32,
    /// The last of them.
    pub last: String,
    /// When that was so, by the station's clock.
    pub last_at: Timestamp,
    /// How many more wait at the station.
    pub pending: u32,
}

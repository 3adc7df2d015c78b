//! What stations say of their monitors (OCPP 2.x part 2, block N), and of the streams that carry
//! what periodic ones see (2.1: N11 to N15).

use super::device_model::{ComponentName, VariableName};
use crate::ids::EventId;
use crate::sealed::SealedText;
use crate::units::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `station.monitors_told`: monitors that a station has: it was asked to set them and did
/// (SetVariableMonitoring), or reports them (NotifyMonitoringReport).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMonitorsTold {
    /// The monitors.
    pub monitors: Vec<Monitor>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// Something that a station watches of a variable (VariableMonitoringType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// The station's number of it.
    pub number: i64,
    /// Of which component.
    pub component: ComponentName,
    /// Which of its variables.
    pub variable: VariableName,
    /// What it waits for: `UpperThreshold`, `LowerThreshold`, `Delta`, `Periodic`,
    /// `PeriodicClockAligned`; 2.1 also `TargetDelta`, `TargetDeltaRelative`.
    pub kind: String,
    /// The threshold or the difference, in the variable's unit, or the interval in seconds.
    pub value: Decimal,
    /// From 0 (danger) to 9 (debugging).
    pub severity: u8,
    /// Whether it watches only while a transaction goes on.
    pub in_transactions_only: bool,
    /// Who made it: `HardWiredMonitor`, `PreconfiguredMonitor`, `CustomMonitor` (us); absent
    /// where the station does not say (2.0.1 reports).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// `station.monitors_cleared`: monitors that a station does not have any more, or never had
/// (ClearVariableMonitoring). In the stream of the command that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMonitorsCleared {
    /// Their numbers.
    pub numbers: Vec<i64>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.monitoring_base_set`: a station went back to one of its maker's sets of monitors
/// (SetMonitoringBase, N03). In the stream of the command that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMonitoringBaseSet {
    /// Which: `All`, `FactoryDefault`, `HardWiredOnly`.
    pub base: String,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.event_streams_told`: streams of what a periodic monitor sees that a station has
/// opened (OpenPeriodicEventStream), or has open (GetPeriodicEventStream).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEventStreamsTold {
    /// The streams.
    pub streams: Vec<EventStream>,
    /// Whether these are all that are open.
    pub are_all: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// A stream of what a periodic monitor sees (ConstantStreamDataType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStream {
    /// The station's number of it.
    pub number: i64,
    /// The number of the monitor.
    pub monitor: i64,
    /// How often it is told.
    pub rate: EventStreamRate,
}

/// How often a stream is told (PeriodicEventStreamParamsType).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStreamRate {
    /// After so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Once there are so many values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u32>,
}

/// `station.event_stream_adjusted`: a station tells a stream at another rate
/// (AdjustPeriodicEventStream). In the stream of the command that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEventStreamAdjusted {
    /// Which.
    pub number: i64,
    /// The new rate.
    pub rate: EventStreamRate,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.event_stream_closed`: a station ends a stream (ClosePeriodicEventStream).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEventStreamClosed {
    /// Which.
    pub number: i64,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.event_stream_continued`: a station told values of a stream
/// (NotifyPeriodicEventStream). The exchange holds all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEventStreamContinued {
    /// Which.
    pub number: i64,
    /// How many values.
    pub values: u32,
    /// The last of them; sealed, since it may be anything.
    pub last: SealedText,
    /// When that was so, by the station's clock.
    pub last_at: Timestamp,
    /// How many more wait at the station.
    pub pending: u32,
    /// The exchange that said so.
    pub exchange: EventId,
}

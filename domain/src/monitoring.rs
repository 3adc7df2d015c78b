//! What a station watches of its own variables, and the streams that it tells what it sees by: a
//! fold of what it was asked to watch and took on, and of what it reported (OCPP 2.x part 2,
//! block N).

use crate::events::Event;
use crate::events::v1::{EventStream, Monitor, StationEventStreamContinued};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// Monitors of one station that are kept; the oldest gives way.
const MONITORS_MAX: usize = 1024;
/// Streams of one station that are kept; the oldest gives way.
const STREAMS_MAX: usize = 64;
/// The word for a monitor that we have set, or changed (N04.FR.15).
pub const CUSTOM: &str = "CustomMonitor";
/// The word for a monitor that the maker has set and that can be switched off.
const PRECONFIGURED: &str = "PreconfiguredMonitor";
/// The base that leaves only what cannot be switched off (N03.FR.05).
const HARD_WIRED_ONLY: &str = "HardWiredOnly";
/// The base that takes our own monitors off (N03.FR.04).
const FACTORY_DEFAULT: &str = "FactoryDefault";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring {
    /// The maker's set of monitors that the station last went back to.
    pub base: Option<MonitoringBase>,
    /// The monitors that it has.
    pub monitors: Vec<KnownMonitor>,
    /// The streams that are open.
    pub streams: Vec<OpenStream>,
}

/// A maker's set of monitors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoringBase {
    /// Which: `All`, `FactoryDefault`, `HardWiredOnly`.
    pub base: String,
    /// When the station went back to it, by our clock.
    pub set_at: Timestamp,
}

/// A monitor that a station has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMonitor {
    /// The monitor.
    pub monitor: Monitor,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
    /// Where in the log that stands.
    pub position: u64,
}

/// A stream that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStream {
    /// The stream.
    pub stream: EventStream,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
    /// What it last told.
    pub last: Option<StreamedValue>,
}

/// The last value of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamedValue {
    /// The value.
    pub value: SealedText,
    /// When it was so, by the station's clock.
    pub at: Timestamp,
    /// How many more waited at the station.
    pub pending: u32,
}

impl Monitoring {
    /// Takes in one event of the station, or of a command to it, that stands at `position`.
    pub fn apply(&mut self, event: &Event, told_at: Timestamp, position: u64) {
        match event {
            Event::StationMonitorsTold(fact) => {
                for monitor in &fact.monitors {
                    self.keep(monitor, told_at, position);
                }
            }
            Event::StationMonitorsCleared(fact) => {
                self.monitors.retain(|known| !fact.numbers.contains(&known.monitor.number));
            }
            Event::StationMonitoringBaseSet(fact) => {
                self.go_back_to(&fact.base);
                self.base = Some(MonitoringBase { base: fact.base.clone(), set_at: told_at });
            }
            Event::StationEventStreamsTold(fact) => {
                if fact.are_all {
                    let is_open = |open: &OpenStream| {
                        fact.streams.iter().any(|stream| stream.number == open.stream.number)
                    };
                    self.streams.retain(is_open);
                }
                for stream in &fact.streams {
                    self.open(stream, told_at);
                }
            }
            Event::StationEventStreamAdjusted(fact) => {
                if let Some(open) = self.stream(fact.number) {
                    open.stream.rate = fact.rate;
                }
            }
            Event::StationEventStreamClosed(fact) => {
                self.streams.retain(|open| open.stream.number != fact.number);
            }
            Event::StationEventStreamContinued(fact) => self.continued(fact),
            _ => {}
        }
    }

    /// All monitors have been reported: what was told before `position` is there no more.
    pub fn all_told_since(&mut self, position: u64) {
        self.monitors.retain(|known| known.position >= position);
    }

    /// Who made a monitor is remembered where the station does not say it again.
    fn keep(&mut self, monitor: &Monitor, told_at: Timestamp, position: u64) {
        let mut monitor = monitor.clone();
        let is_it = |known: &KnownMonitor| known.monitor.number == monitor.number;
        if let Some(index) = self.monitors.iter().position(is_it) {
            let before = self.monitors.remove(index).monitor;
            let is_same = before.component == monitor.component
                && before.variable == monitor.variable
                && before.kind == monitor.kind;
            monitor.origin = monitor.origin.or(before.origin.filter(|_| is_same));
        }
        push(&mut self.monitors, MONITORS_MAX, KnownMonitor { monitor, told_at, position });
    }

    /// What is known to be ours goes with every base but `All`, what is known to be
    /// preconfigured with that which leaves only what is hard-wired (N03.FR.03 to FR.05).
    fn go_back_to(&mut self, base: &str) {
        let gone: &[&str] = match base {
            FACTORY_DEFAULT => &[CUSTOM],
            HARD_WIRED_ONLY => &[CUSTOM, PRECONFIGURED],
            _ => &[],
        };
        let is_gone = |known: &KnownMonitor| {
            known.monitor.origin.as_deref().is_some_and(|origin| gone.contains(&origin))
        };
        self.monitors.retain(|known| !is_gone(known));
    }

    fn open(&mut self, stream: &EventStream, told_at: Timestamp) {
        let is_it = |open: &OpenStream| open.stream.number == stream.number;
        let before = self.streams.iter().position(is_it).map(|index| self.streams.remove(index));
        let same = before.filter(|before| before.stream.monitor == stream.monitor);
        let last = same.and_then(|before| before.last);
        push(&mut self.streams, STREAMS_MAX, OpenStream { stream: stream.clone(), told_at, last });
    }

    fn continued(&mut self, fact: &StationEventStreamContinued) {
        let Some(open) = self.stream(fact.number) else { return };
        let (value, at, pending) = (fact.last.clone(), fact.last_at, fact.pending);
        open.last = Some(StreamedValue { value, at, pending });
    }

    fn stream(&mut self, number: i64) -> Option<&mut OpenStream> {
        self.streams.iter_mut().find(|open| open.stream.number == number)
    }
}

fn push<T>(kept: &mut Vec<T>, most: usize, new: T) {
    if kept.len() >= most {
        kept.remove(0);
    }
    kept.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::v1::{
        ComponentName, EventStreamRate, StationEventStreamsTold, StationMonitoringBaseSet,
        StationMonitorsCleared, StationMonitorsTold, VariableName,
    };
    use crate::ids::EventId;
    use rust_decimal::Decimal;
    use uuid::Uuid;

    const EXCHANGE: EventId = EventId(Uuid::nil());

    fn monitor(number: i64, origin: Option<&str>) -> Monitor {
        let component =
            ComponentName { name: "EVSE".to_owned(), instance: None, evse: None, connector: None };
        Monitor {
            number,
            component,
            variable: VariableName { name: "Power".to_owned(), instance: None },
            kind: "UpperThreshold".to_owned(),
            value: Decimal::ONE,
            severity: 4,
            in_transactions_only: false,
            origin: origin.map(str::to_owned),
        }
    }

    fn told(monitors: &[Monitor]) -> Event {
        StationMonitorsTold { monitors: monitors.to_vec(), exchange: EXCHANGE }.into()
    }

    fn base(base: &str) -> Event {
        StationMonitoringBaseSet { base: base.to_owned(), exchange: EXCHANGE }.into()
    }

    /// What is known after these events, at positions 1, 2, ….
    fn after(events: &[Event]) -> Monitoring {
        let now = Timestamp::from_millis(1_795_348_800_000).expect("an instant");
        let mut monitoring = Monitoring::default();
        for (position, event) in (1..).zip(events) {
            monitoring.apply(event, now, position);
        }
        monitoring
    }

    fn numbers(monitoring: &Monitoring) -> Vec<i64> {
        monitoring.monitors.iter().map(|known| known.monitor.number).collect()
    }

    #[test]
    fn monitors_are_told_again_and_cleared_by_their_numbers() {
        let cleared = StationMonitorsCleared { numbers: vec![1, 9], exchange: EXCHANGE }.into();
        let first = told(&[monitor(1, None), monitor(2, Some(CUSTOM))]);
        let known = after(&[first, told(&[monitor(2, None)]), cleared]);
        assert_eq!(numbers(&known), [2]);
        let origin = known.monitors[0].monitor.origin.as_deref();
        assert_eq!(origin, Some(CUSTOM), "a report of 2.0.1 does not say whose it is");
    }

    #[test]
    fn a_base_takes_off_what_is_not_of_it() {
        let all = [
            monitor(1, Some("HardWiredMonitor")),
            monitor(2, Some(PRECONFIGURED)),
            monitor(3, Some(CUSTOM)),
            monitor(4, None),
        ];
        let check = |word: &str, left: &[i64]| {
            let known = after(&[told(&all), base(word)]);
            assert_eq!(numbers(&known), left, "{word}");
            assert_eq!(known.base.map(|base| base.base).as_deref(), Some(word));
        };
        check("All", &[1, 2, 3, 4]);
        check("FactoryDefault", &[1, 2, 4]);
        check("HardWiredOnly", &[1, 4]);
    }

    #[test]
    fn a_report_of_all_replaces_what_was_told_before_it_was_asked_for() {
        let mut known = after(&[told(&[monitor(1, None)]), told(&[monitor(2, None)])]);
        known.all_told_since(2);
        assert_eq!(numbers(&known), [2]);
    }

    #[test]
    fn streams_are_opened_and_listed() {
        let stream = |number, monitor| EventStream {
            number,
            monitor,
            rate: EventStreamRate { interval_seconds: Some(10), values: None },
        };
        let streams_told = |streams: &[EventStream], are_all| {
            let streams = streams.to_vec();
            Event::from(StationEventStreamsTold { streams, are_all, exchange: EXCHANGE })
        };
        let opened = [stream(1, 7), stream(2, 8)].map(|it| streams_told(&[it], false));
        let known = after(&[opened[0].clone(), opened[1].clone()]);
        assert_eq!(known.streams.len(), 2);
        let listed = streams_told(&[stream(2, 8), stream(3, 9)], true);
        let known = after(&[opened[0].clone(), opened[1].clone(), listed]);
        let open: Vec<_> = known.streams.iter().map(|open| open.stream.number).collect();
        assert_eq!(open, [2, 3]);
    }
}

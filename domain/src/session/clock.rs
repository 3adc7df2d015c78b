//! Setting right the times of a station whose clock was wrong when its session began.

use super::basis::Doubt;
use super::beginning::Beginning;
use super::fold::Session;
use crate::events::v1::{ClockTrust, SessionSettled};
use crate::units::Timestamp;
use chrono::TimeDelta;

/// Two clocks that are wrong by the same amount, within this, can be set right.
const CLOCK_OFFSET_TOLERANCE: TimeDelta = TimeDelta::seconds(120);

/// When a session began, as far as its station's clock can be believed; else when we heard of
/// it.
pub fn began_at(started: &Beginning) -> Timestamp {
    match started.clock {
        ClockTrust::Plausible => started.started_at,
        ClockTrust::Implausible => started.received_at,
    }
}

/// From a station's times to right ones: those of the wrong clock are moved, and those that it
/// gave after its clock had been set stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockRepair {
    wrong_start: Timestamp,
    right_start: Timestamp,
}

impl ClockRepair {
    /// Finds out how wrong the clock was. It can be told where it was wrong by the same amount
    /// at start and stop, or where the start reached us before the session ended by a clock
    /// that was right by then: so it came when it was said.
    ///
    /// # Errors
    /// It cannot be told.
    pub(super) fn of(
        session: &Session,
        end_at: Timestamp,
        stop_clock: Option<ClockTrust>,
    ) -> Result<Self, Doubt> {
        let started = session.started().ok_or(Doubt::StartMissing)?;
        let repair = |right_start| Self { wrong_start: started.started_at, right_start };
        let start_wrong = started.clock == ClockTrust::Implausible;
        let stop_wrong = stop_clock == Some(ClockTrust::Implausible);
        match (start_wrong, stop_wrong) {
            (false, false) => Ok(repair(started.started_at)),
            (false, true) => Err(Doubt::ClockImplausible),
            (true, false) if end_at >= started.received_at => Ok(repair(started.received_at)),
            (true, false) => Err(Doubt::ClockImplausible),
            (true, true) => {
                let stop = session.stop().ok_or(Doubt::ClockImplausible)?;
                let at_start = started.received_at.utc() - started.started_at.utc();
                let at_stop = stop.received_at.utc() - stop.stopped_at.utc();
                let same = (at_start - at_stop).abs() <= CLOCK_OFFSET_TOLERANCE;
                same.then(|| repair(started.received_at)).ok_or(Doubt::ClockImplausible)
            }
        }
    }

    /// As a settlement has done it.
    pub(super) fn as_settled(session: &Session, settled: &SessionSettled) -> Self {
        let right_start = settled.started_at;
        let wrong_start = session.started().map_or(right_start, |started| started.started_at);
        Self { wrong_start, right_start }
    }

    /// Whether anything has to be set right.
    pub(super) fn was_wrong(&self) -> bool {
        self.wrong_start != self.right_start
    }

    /// The right time. A time is the wrong clock's where it lies nearer to the start by that
    /// clock than to the start by ours.
    pub(super) fn right(&self, at: Timestamp) -> Timestamp {
        let distance = |from: Timestamp| (at.utc() - from.utc()).abs();
        if distance(self.wrong_start) > distance(self.right_start) {
            return at;
        }
        Timestamp::new(at.utc() + (self.right_start.utc() - self.wrong_start.utc()))
    }
}

//! One charging session as its station sees it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ocpp_kit::v1_6::{ReadingContext, Reason};

use crate::curve::ChargingCurve;
use crate::fault::Fault;
use crate::past::PastSession;
use crate::plan::{Hardware, Pace, StationPlan, live_curve};
use crate::random::SeededRandom;
use crate::station::meter::Reading;

/// Part of a live session, in thousandths, that a car stays plugged in after it is full.
const STAY_PER_MILLE: u32 = 150;
/// Live sessions in a thousand in which it does.
const STAYS_PER_MILLE: u32 = 300;

/// Who began a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The station's own plan.
    Own,
    /// A RemoteStartTransaction.
    Remote,
    /// It was over before the station connected.
    Past,
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The token is being checked.
    Authorizing,
    /// StartTransaction is queued or answered, the end is not.
    Running,
    /// StopTransaction is queued.
    Ended,
}

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) connector: u32,
    pub(crate) tag: String,
    pub(crate) origin: Origin,
    pub(crate) phase: Phase,
    pub(crate) fault: Option<Fault>,
    pub(crate) transaction_id: Option<i32>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) begin_register_wh: i64,
    /// Energy at the end, once ended, in watt-hours.
    pub(crate) final_energy_wh: i64,
    pub(crate) curve: ChargingCurve,
    /// From the start to unplugging; the curve may end earlier.
    pub(crate) occupied: Duration,
    pub(crate) begin_soc_percent: i64,
    pub(crate) battery_wh: i64,
    pub(crate) reason: Reason,
}

impl Session {
    /// A live session, its length, power and fault drawn from `random`.
    pub(crate) fn live(
        random: &mut SeededRandom,
        plan: &StationPlan,
        pace: Pace,
        connector: u32,
        tag: String,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Self {
        let live = &plan.live;
        let planned = random.duration_between(live.shortest_session, live.longest_session);
        let occupied = pace.compress(planned);
        let stays = random.chance(STAYS_PER_MILLE);
        let charging = if stays { occupied * (1_000 - STAY_PER_MILLE) / 1_000 } else { occupied };
        let load = random.between(550, 950);
        let fault = live.faults.draw_fault(random);
        let reason =
            if stays || random.chance(300) { Reason::EVDisconnected } else { Reason::Local };
        Self {
            connector,
            tag,
            origin,
            phase: Phase::Authorizing,
            fault,
            transaction_id: None,
            started_at: now,
            begin_register_wh: 0,
            final_energy_wh: 0,
            curve: live_curve(plan.hardware, load, charging),
            occupied,
            begin_soc_percent: i64::try_from(random.between(12, 48)).unwrap_or(0),
            battery_wh: i64::try_from(random.between(42_000, 90_000)).unwrap_or(i64::MAX),
            reason,
        }
    }

    /// A session of the past, its begin register `begin_register_wh`.
    pub(crate) fn past(past: &PastSession, begin_register_wh: i64) -> Self {
        Self {
            connector: past.connector,
            tag: past.tag.clone(),
            origin: Origin::Past,
            phase: Phase::Ended,
            fault: past.fault,
            transaction_id: None,
            started_at: past.started_at,
            begin_register_wh,
            final_energy_wh: past.energy_wh,
            curve: ChargingCurve::delivering(past.energy_wh, past.duration),
            occupied: past.duration,
            begin_soc_percent: 20,
            battery_wh: past.energy_wh.max(1) * 10 / 6,
            reason: Reason::Local,
        }
    }

    /// The register `elapsed` after the start, in watt-hours.
    pub(crate) fn register_wh(&self, elapsed: Duration) -> i64 {
        self.begin_register_wh + self.curve.energy_wh(elapsed)
    }

    /// What `meterStart` says.
    pub(crate) fn meter_start_wh(&self) -> i64 {
        if self.fault == Some(Fault::ZeroMeterStart) { 0 } else { self.begin_register_wh }
    }

    /// Whether the sample of context `Transaction.Begin` is left out.
    pub(crate) fn lacks_begin_sample(&self) -> bool {
        matches!(self.fault, Some(Fault::NoBeginSample | Fault::ZeroMeterStart))
    }

    /// The reading `elapsed` after the start, by a clock `skew_seconds` ahead.
    pub(crate) fn reading(
        &self,
        hardware: Hardware,
        elapsed: Duration,
        context: ReadingContext,
        skew_seconds: i64,
    ) -> Reading {
        let energy_wh = self.curve.energy_wh(elapsed);
        let soc = self.begin_soc_percent + energy_wh * 100 / self.battery_wh.max(1);
        let knows_soc = matches!(hardware, Hardware::DirectCurrent { .. });
        Reading {
            at: self.started_at + elapsed + chrono::Duration::seconds(skew_seconds),
            register_wh: self.register_wh(elapsed),
            power_w: self.curve.power_w(elapsed),
            state_of_charge_percent: knows_soc.then(|| soc.min(99)),
            context,
        }
    }

    /// Time since the start at `now`, at most the planned length.
    pub(crate) fn elapsed(&self, now: DateTime<Utc>) -> Duration {
        (now - self.started_at).to_std().unwrap_or(Duration::ZERO).min(self.occupied)
    }
}

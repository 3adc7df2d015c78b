//! How a car charges over time: a ramp up, a plateau, a taper near the end.
//!
//! Everything is integer arithmetic, so that a curve ends at exactly the energy it was made
//! for and the same seed gives the same readings on every machine.

use std::time::Duration;

/// The level of the plateau; levels are thousandths of the highest power.
const FULL_LEVEL: i128 = 1_000;
/// The level at which the taper ends.
const LAST_LEVEL: i128 = 150;
/// Watt-milliseconds in a watt-hour.
const WATT_MS_PER_WH: i128 = 3_600_000;
/// The ramp takes this part of the session.
const RAMP_DIVISOR: i128 = 20;
/// The taper takes the last part of the session: 1 / this.
const TAPER_DIVISOR: i128 = 4;

/// The energy and power of one session as a function of the time since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargingCurve {
    duration_ms: i128,
    energy_wh: i64,
}

impl ChargingCurve {
    /// The curve that delivers exactly `energy_wh` in `duration` (at least a millisecond).
    #[must_use]
    pub fn delivering(energy_wh: i64, duration: Duration) -> Self {
        Self { duration_ms: millis(duration).max(1), energy_wh: energy_wh.max(0) }
    }

    /// The curve that reaches `power_w` on its plateau and lasts `duration`.
    #[must_use]
    pub fn with_peak_power(power_w: i64, duration: Duration) -> Self {
        let mut curve = Self::delivering(0, duration);
        let watt_ms = i128::from(power_w.max(0)) * curve.area(curve.duration_ms) / FULL_LEVEL;
        curve.energy_wh = i64::try_from(watt_ms / WATT_MS_PER_WH).unwrap_or(i64::MAX);
        curve
    }

    /// The whole duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(u64::MAX))
    }

    /// The energy of the whole curve, in watt-hours.
    #[must_use]
    pub fn total_energy_wh(&self) -> i64 {
        self.energy_wh
    }

    /// Energy delivered after `elapsed`, in watt-hours: never falls, ends at the total.
    #[must_use]
    pub fn energy_wh(&self, elapsed: Duration) -> i64 {
        let at = millis(elapsed).min(self.duration_ms);
        let part = i128::from(self.energy_wh) * self.area(at) / self.area(self.duration_ms).max(1);
        i64::try_from(part).unwrap_or(self.energy_wh)
    }

    /// Power at `elapsed`, in watts; zero once the curve has ended.
    #[must_use]
    pub fn power_w(&self, elapsed: Duration) -> i64 {
        let at = millis(elapsed);
        if at >= self.duration_ms {
            return 0;
        }
        let watt_ms = i128::from(self.energy_wh) * WATT_MS_PER_WH;
        let power = watt_ms * self.level(at) / self.area(self.duration_ms).max(1);
        i64::try_from(power).unwrap_or(i64::MAX)
    }

    fn ramp_ms(&self) -> i128 {
        (self.duration_ms / RAMP_DIVISOR).max(1)
    }

    fn taper_ms(&self) -> i128 {
        (self.duration_ms / TAPER_DIVISOR).max(1)
    }

    /// Level at `at` milliseconds, 0 to [`FULL_LEVEL`].
    fn level(&self, at: i128) -> i128 {
        let taper_from = self.duration_ms - self.taper_ms();
        if at < self.ramp_ms() && at < taper_from {
            FULL_LEVEL * at / self.ramp_ms()
        } else if at < taper_from {
            FULL_LEVEL
        } else {
            FULL_LEVEL - (FULL_LEVEL - LAST_LEVEL) * (at - taper_from) / self.taper_ms()
        }
    }

    /// Area under the level up to `at`, in level-milliseconds.
    fn area(&self, at: i128) -> i128 {
        let taper_from = self.duration_ms - self.taper_ms();
        let ramp_end = self.ramp_ms().min(taper_from.max(0));
        let in_ramp = at.min(ramp_end);
        let in_plateau = (at.min(taper_from) - ramp_end).max(0);
        let in_taper = (at - taper_from.max(0)).max(0);
        FULL_LEVEL * in_ramp * in_ramp / (2 * self.ramp_ms())
            + FULL_LEVEL * in_plateau
            + FULL_LEVEL * in_taper
            - (FULL_LEVEL - LAST_LEVEL) * in_taper * in_taper / (2 * self.taper_ms())
    }
}

fn millis(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap_or(i128::from(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ChargingCurve;

    #[test]
    fn ends_at_exactly_the_energy_asked_for() {
        for energy_wh in [0, 1, 999, 7_123, 54_321] {
            for seconds in [1, 59, 240, 5_400] {
                let duration = Duration::from_secs(seconds);
                let curve = ChargingCurve::delivering(energy_wh, duration);
                assert_eq!(curve.energy_wh(Duration::ZERO), 0);
                assert_eq!(curve.energy_wh(duration), energy_wh);
                assert_eq!(curve.energy_wh(duration * 2), energy_wh);
            }
        }
    }

    #[test]
    fn energy_never_falls_and_power_ramps_and_tapers() {
        let duration = Duration::from_secs(600);
        let curve = ChargingCurve::with_peak_power(22_000, duration);
        let readings: Vec<i64> =
            (0..=600).map(|second| curve.energy_wh(Duration::from_secs(second))).collect();
        assert!(readings.is_sorted());
        let power = |second| curve.power_w(Duration::from_secs(second));
        assert_eq!(power(0), 0);
        assert!((21_900..=22_000).contains(&power(300)), "{}", power(300));
        assert!(power(590) < power(460));
        assert_eq!(power(600), 0);
    }

    #[test]
    fn power_is_the_slope_of_the_energy() {
        let curve = ChargingCurve::with_peak_power(150_000, Duration::from_secs(1_200));
        let before = curve.energy_wh(Duration::from_secs(400));
        let after = curve.energy_wh(Duration::from_secs(436));
        // 36 s are a hundredth of an hour.
        assert!(((after - before) * 100 - curve.power_w(Duration::from_secs(418))).abs() < 200);
    }
}

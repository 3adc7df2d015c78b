//! How fast frames are taken from one connection: so many at once, and so many a second in the long
//! run. Who sends faster is read later; nothing is thrown away.
//!
//! It knows instants, and neither sockets nor messages. (The bucket is kept as the one instant at
//! which it would be full again, as in ITU-T I.371's generic cell rate algorithm.)

use crate::limits::Limits;
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Time between two frames in the long run.
    interval: Duration,
    /// How far the bucket's instant may lie ahead before a frame has to wait.
    tolerance: Duration,
    /// When the whole allowance is there again.
    full_at: Instant,
}

impl Pace {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let interval = limits.frame_interval;
        let further = limits.frames_at_once_max.saturating_sub(1);
        Self { interval, tolerance: interval.saturating_mul(further), full_at: now }
    }

    /// A frame is taken.
    pub(crate) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }

    /// From when on the next frame may be taken; none if at once.
    pub(crate) fn waits_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.full_at.saturating_duration_since(now);
        let wait = ahead.checked_sub(self.tolerance).filter(|wait| !wait.is_zero())?;
        Some(now + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(frames_at_once_max: u32, now: Instant) -> Pace {
        let frame_interval = Duration::from_millis(10);
        Pace::new(&Limits { frame_interval, frames_at_once_max, ..Limits::default() }, now)
    }

    /// Takes frames as soon as allowed, and says when, in milliseconds.
    fn taken(pace: &mut Pace, begun: Instant, from: Duration, count: usize) -> Vec<u128> {
        let mut now = begun + from;
        let take = |_| {
            now = pace.waits_until(now).unwrap_or(now);
            pace.take(now);
            (now - begun).as_millis()
        };
        (0..count).map(take).collect()
    }

    #[test]
    fn an_allowance_is_taken_at_once_and_the_rest_at_the_rate() {
        let begun = Instant::now();
        assert_eq!(taken(&mut pace(3, begun), begun, Duration::ZERO, 6), [0, 0, 0, 10, 20, 30]);
        assert_eq!(taken(&mut pace(1, begun), begun, Duration::ZERO, 3), [0, 10, 20]);
    }

    #[test]
    fn silence_brings_the_allowance_back_and_no_more() {
        let begun = Instant::now();
        let mut pace = pace(3, begun);
        taken(&mut pace, begun, Duration::ZERO, 6);
        let later = Duration::from_millis(50);
        assert_eq!(taken(&mut pace, begun, later, 3), [50, 50, 60]);
        let much_later = Duration::from_secs(1);
        assert_eq!(taken(&mut pace, begun, much_later, 4), [1000, 1000, 1000, 1010]);
    }
}

//! The faults and habits of real charge points, chosen by seed.
//!
//! A *fault* happens once in a session; a *quirk* is a lasting habit of a station.

use std::fmt;
use std::time::Duration;

use crate::random::SeededRandom;

/// Something that goes wrong once in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The answer to StartTransaction is lost inside the station: it sends the same again
    /// under a new message id.
    RepeatStart,
    /// As above, for one MeterValues.
    RepeatMeter,
    /// As above, for StopTransaction.
    RepeatStop,
    /// The connection breaks before the answer to StartTransaction; it is sent again.
    DropAtStart,
    /// The connection breaks before the answer to one MeterValues; it is sent again.
    DropAtMeter,
    /// The connection breaks before the answer to StopTransaction; it is sent again.
    DropAtStop,
    /// The connection is down for a third of the session; readings are queued and sent later.
    OfflineGap,
    /// No sample of context `Transaction.Begin` is sent; `meterStart` is right.
    NoBeginSample,
    /// `meterStart` is 0 though the register is not, and no begin sample is sent.
    ZeroMeterStart,
    /// `Charging` is reported before StartTransaction, `Finishing` before StopTransaction.
    StatusDisorder,
    /// StopTransaction is never sent.
    MissingStop,
}

impl Fault {
    /// The faults after which a careful server still bills the session right without a person.
    pub const RECOVERABLE: [Self; 9] = [
        Self::RepeatStart,
        Self::RepeatMeter,
        Self::RepeatStop,
        Self::DropAtStart,
        Self::DropAtMeter,
        Self::DropAtStop,
        Self::OfflineGap,
        Self::NoBeginSample,
        Self::StatusDisorder,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::RepeatStart => "repeated StartTransaction",
            Self::RepeatMeter => "repeated MeterValues",
            Self::RepeatStop => "repeated StopTransaction",
            Self::DropAtStart => "connection lost before the answer to StartTransaction",
            Self::DropAtMeter => "connection lost before the answer to MeterValues",
            Self::DropAtStop => "connection lost before the answer to StopTransaction",
            Self::OfflineGap => "offline in mid-session",
            Self::NoBeginSample => "no begin sample",
            Self::ZeroMeterStart => "meterStart of 0",
            Self::StatusDisorder => "status out of order",
            Self::MissingStop => "missing StopTransaction",
        })
    }
}

/// Unit in which a station writes its energy register into MeterValues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegisterUnit {
    /// Watt-hours, whole.
    #[default]
    WattHour,
    /// Kilowatt-hours with three decimals.
    KilowattHour,
}

/// Lasting habits of one station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// How far the station's clock is ahead (negative: behind), in seconds.
    pub clock_skew_seconds: i64,
    /// Unit of the energy register in MeterValues.
    pub register_unit: RegisterUnit,
    /// How long the station takes before each message of its own and each answer.
    pub slowness: Duration,
    /// Whether a plain reconnect is followed by a BootNotification.
    pub boots_on_reconnect: bool,
    /// Whether StopTransaction carries `transactionData`.
    pub sends_transaction_data: bool,
}

/// How often faults and quirks are drawn, and from which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultMix {
    /// Sessions in a thousand that have a fault.
    pub session_per_mille: u32,
    /// The faults drawn from.
    pub session_faults: Vec<Fault>,
    /// Stations in a thousand that have each of the quirks.
    pub quirk_per_mille: u32,
    /// Largest clock skew of a quirky station, either way.
    pub largest_clock_skew: Duration,
    /// Largest slowness of a quirky station.
    pub largest_slowness: Duration,
}

impl FaultMix {
    /// Well-behaved stations only.
    #[must_use]
    pub fn none() -> Self {
        Self {
            session_per_mille: 0,
            session_faults: Vec::new(),
            quirk_per_mille: 0,
            largest_clock_skew: Duration::ZERO,
            largest_slowness: Duration::ZERO,
        }
    }

    /// What a good public network sees: a recoverable fault in one of eight sessions, small
    /// clock errors, a few slow stations.
    #[must_use]
    pub fn everyday() -> Self {
        Self {
            session_per_mille: 125,
            session_faults: Fault::RECOVERABLE.to_vec(),
            quirk_per_mille: 200,
            largest_clock_skew: Duration::from_secs(8),
            largest_slowness: Duration::from_millis(800),
        }
    }

    /// Every session has one of `faults`; no quirks.
    #[must_use]
    pub fn always(faults: &[Fault]) -> Self {
        Self { session_per_mille: 1_000, session_faults: faults.to_vec(), ..Self::none() }
    }

    /// The fault of one session, drawn from its own stream.
    pub(crate) fn draw_fault(&self, random: &mut SeededRandom) -> Option<Fault> {
        if random.chance(self.session_per_mille) {
            random.pick(&self.session_faults).copied()
        } else {
            None
        }
    }

    /// The quirks of one station, drawn from its own stream.
    pub(crate) fn draw_quirks(&self, random: &mut SeededRandom) -> Quirks {
        let mut quirks = Quirks::default();
        if random.chance(self.quirk_per_mille) {
            let skew = random.duration_between(Duration::ZERO, self.largest_clock_skew);
            let seconds = i64::try_from(skew.as_secs()).unwrap_or(0);
            quirks.clock_skew_seconds = if random.chance(500) { seconds } else { -seconds };
        }
        if random.chance(self.quirk_per_mille) {
            quirks.register_unit = RegisterUnit::KilowattHour;
        }
        if random.chance(self.quirk_per_mille) {
            quirks.slowness = random.duration_between(Duration::ZERO, self.largest_slowness);
        }
        quirks.boots_on_reconnect = random.chance(self.quirk_per_mille);
        quirks.sends_transaction_data = random.chance(self.quirk_per_mille);
        quirks
    }
}

//! The site's local time, as a table of UTC offsets that is found once and then kept.

use super::RatingError;
use crate::units::Timestamp;
use chrono::{Days, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// The longest session that is rated.
pub const MAX_SESSION_DAYS: u64 = 400;

/// How far apart the zone is asked for its offset; no zone changes twice within it.
const PROBE_MILLIS: i64 = 3 * 3_600 * 1_000;

/// The offsets from UTC that hold during a session: all that rating needs to know of a zone.
///
/// It is part of the result, so a later rating of the same session reads the same local time
/// whatever has become of the time zone database since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// IANA name of the zone.
    pub time_zone: String,
    /// Release of the IANA database that the offsets were read from.
    pub tzdb_version: String,
    /// The offsets, in the order of time; the first also holds before its `from`.
    pub utc_offsets: Vec<UtcOffset>,
}

/// An offset and from when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtcOffset {
    /// From this instant on.
    pub from: Timestamp,
    /// Local time minus UTC, in seconds.
    pub offset_seconds: i32,
}

impl LocalTime {
    /// The offsets of `zone` from `from` to `to`, with every change between them to the second.
    ///
    /// # Errors
    /// [`RatingError::SessionTooLong`] or [`RatingError::OutOfOrder`].
    pub fn resolve(zone: Tz, from: Timestamp, to: Timestamp) -> Result<Self, RatingError> {
        if to < from {
            return Err(RatingError::OutOfOrder("the session ends before it begins"));
        }
        let longest = from.utc().checked_add_days(Days::new(MAX_SESSION_DAYS));
        if longest.is_none_or(|longest| longest < to.utc()) {
            return Err(RatingError::SessionTooLong);
        }
        let offset_at = |millis: i64| -> Option<i32> {
            let instant = Timestamp::from_millis(millis)?.utc().naive_utc();
            Some(zone.offset_from_utc_datetime(&instant).fix().local_minus_utc())
        };
        let out_of_calendar = RatingError::OutOfOrder("an instant lies outside the calendar");
        let mut current = offset_at(from.as_millis()).ok_or(out_of_calendar.clone())?;
        let mut utc_offsets = vec![UtcOffset { from, offset_seconds: current }];
        let mut known = from.as_millis();
        while known < to.as_millis() {
            let probe = known.saturating_add(PROBE_MILLIS).min(to.as_millis());
            let offset = offset_at(probe).ok_or(out_of_calendar.clone())?;
            if offset != current {
                // Narrow down to the first millisecond of the new offset.
                let (mut old, mut new) = (known, probe);
                while new - old > 1 {
                    let middle = old + (new - old) / 2;
                    if offset_at(middle) == Some(current) { old = middle } else { new = middle }
                }
                let from = Timestamp::from_millis(new).ok_or(out_of_calendar.clone())?;
                utc_offsets.push(UtcOffset { from, offset_seconds: offset });
                current = offset;
            }
            known = probe;
        }
        Ok(Self {
            time_zone: zone.name().to_owned(),
            tzdb_version: chrono_tz::IANA_TZDB_VERSION.to_owned(),
            utc_offsets,
        })
    }

    /// The local date and time at an instant.
    pub fn at(&self, instant: Timestamp) -> NaiveDateTime {
        let started = |entry: &&UtcOffset| entry.from <= instant;
        let entry = self.utc_offsets.iter().rev().find(started).or(self.utc_offsets.first());
        let offset = TimeDelta::seconds(entry.map_or(0, |entry| entry.offset_seconds).into());
        let utc = instant.utc().naive_utc();
        utc.checked_add_signed(offset).unwrap_or(utc)
    }

    /// The spans of one offset each within `from..to`: start, end, offset.
    pub(super) fn spans(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp, TimeDelta)> {
        let ends = self.utc_offsets.iter().skip(1).map(|entry| entry.from).chain([to]);
        self.utc_offsets.iter().zip(ends).enumerate().filter_map(move |(index, (entry, end))| {
            let start = if index == 0 { from } else { entry.from.max(from) };
            let end = end.min(to);
            let offset = TimeDelta::seconds(entry.offset_seconds.into());
            (start < end).then_some((start, end, offset))
        })
    }

    /// The instant at which it is `local` where that offset holds.
    pub(super) fn instant(local: NaiveDateTime, offset: TimeDelta) -> Option<Timestamp> {
        local.checked_sub_signed(offset).map(|utc| Timestamp::new(Utc.from_utc_datetime(&utc)))
    }
}

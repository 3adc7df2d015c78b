//! Quantities and instants as the log writes them: exact, with the unit in the type.

use chrono::{DateTime, Datelike, SecondsFormat, SubsecRound, Timelike, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// An instant in UTC, in whole milliseconds: `2026-11-22T12:00:00.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts to whole milliseconds.
    pub fn new(instant: DateTime<Utc>) -> Self {
        Self(instant.trunc_subsecs(3))
    }

    /// From milliseconds since 1970; `None` outside what a calendar holds.
    pub fn from_millis(millis: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(millis).map(Self)
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The instant.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Whole seconds from `earlier` to `self`, rounded down; 0 if `earlier` is later.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from((self.0 - earlier.0).num_seconds()).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year = u32::try_from(self.0.year()).ok().filter(|year| *year <= 9999);
        // A leap second is a second 59 with more than a thousand milliseconds.
        let millis = Some(self.0.timestamp_subsec_millis()).filter(|millis| *millis < 1000);
        let (Some(year), Some(millis)) = (year, millis) else {
            return f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true));
        };
        // By hand, since every event is full of them: chrono's own writing takes memory for each.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let parts = [
            (0..4, year),
            (5..7, self.0.month()),
            (8..10, self.0.day()),
            (11..13, self.0.hour()),
            (14..16, self.0.minute()),
            (17..19, self.0.second()),
            (20..23, millis),
        ];
        for (place, number) in parts {
            write_digits(&mut text[place], number);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills a place with a number's last digits.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// As RFC 3339, of any zone.
impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|instant| Self::new(instant.with_timezone(&Utc)))
    }
}

/// Energy in watt-hours, exact; a register's reading or a difference of two. A string in JSON.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WattHours(pub Decimal);

impl WattHours {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// From whole watt-hours.
    pub fn from_whole(energy_wh: i64) -> Self {
        Self(Decimal::from(energy_wh))
    }

    /// The difference to an earlier reading; `None` if the arithmetic overflows.
    pub fn since(self, earlier: Self) -> Option<Self> {
        self.0.checked_sub(earlier.0).map(Self)
    }
}

impl fmt::Display for WattHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.normalize().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    #[test]
    fn a_leap_second_and_a_far_year_are_written_as_they_were_read() {
        for text in
            ["2016-12-31T23:59:60.500Z", "2026-11-22T10:15:60.000Z", "0001-01-01T00:00:00.001Z"]
        {
            let json = format!("\"{text}\"");
            let instant: Timestamp = serde_json::from_str(&json).expect("an instant");
            assert_eq!(instant.to_string(), text);
            assert_eq!(serde_json::to_string(&instant).expect("JSON"), json);
        }
    }

    proptest! {
        #[test]
        fn an_instant_is_written_as_rfc_3339_says(
            millis in -70_000_000_000_000_i64..300_000_000_000_000,
        ) {
            let instant = Timestamp::from_millis(millis).expect("in range");
            let expected = instant.utc().to_rfc3339_opts(SecondsFormat::Millis, true);
            prop_assert_eq!(instant.to_string(), expected);
        }
    }
}

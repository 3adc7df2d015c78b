//! Instants as stations write them and as we write them.
//!
//! We write UTC with `Z` and three decimals: more decimals break real chargers.

use chargebook_domain::units::Timestamp;
use chrono::{DateTime, NaiveDateTime, Utc};

/// An instant that a station wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StationTime {
    /// The instant.
    pub(crate) instant: Timestamp,
    /// Whether it was read as meant rather than as written: no offset (taken as UTC), or an
    /// offset without its colon.
    pub(crate) is_repaired: bool,
}

/// Longest text that is looked at, in bytes: RFC 3339 with nanoseconds and offset has 35.
const TIME_BYTES_MAX: usize = 64;

/// Reads RFC 3339, with or without fraction; without an offset it counts as UTC.
pub(crate) fn read(text: &str) -> Option<StationTime> {
    if text.len() > TIME_BYTES_MAX {
        return None;
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(StationTime { instant: at(instant.to_utc()), is_repaired: false });
    }
    let meant = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map(|naive| naive.and_utc())
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z").map(|i| i.to_utc()));
    meant.ok().map(|instant| StationTime { instant: at(instant), is_repaired: true })
}

fn at(instant: DateTime<Utc>) -> Timestamp {
    Timestamp::new(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_stations_write_them() {
        for (text, expected) in [
            ("2026-11-22T12:00:00Z", Some(("2026-11-22T12:00:00.000Z", false))),
            ("2026-11-22T12:00:00.1Z", Some(("2026-11-22T12:00:00.100Z", false))),
            ("2026-11-22T12:00:00.123456789Z", Some(("2026-11-22T12:00:00.123Z", false))),
            ("2026-11-22T12:00:00+01:00", Some(("2026-11-22T11:00:00.000Z", false))),
            ("2026-11-22T12:00:00.5-05:30", Some(("2026-11-22T17:30:00.500Z", false))),
            ("2026-11-22t12:00:00z", Some(("2026-11-22T12:00:00.000Z", false))),
            ("2026-11-22T12:00:00", Some(("2026-11-22T12:00:00.000Z", true))),
            ("2026-11-22T12:00:00.25", Some(("2026-11-22T12:00:00.250Z", true))),
            ("2026-11-22 12:00:00", Some(("2026-11-22T12:00:00.000Z", true))),
            ("2026-11-22T12:00:00+0100", Some(("2026-11-22T11:00:00.000Z", true))),
            ("1970-01-01T00:00:07Z", Some(("1970-01-01T00:00:07.000Z", false))),
            ("2026-11-22", None),
            ("2026-13-22T12:00:00Z", None),
            ("2026-02-30T12:00:00Z", None),
            ("1763812800", None),
            ("", None),
            ("yesterday", None),
        ] {
            let read = read(text).map(|time| (time.instant.to_string(), time.is_repaired));
            let expected = expected.map(|(instant, repaired)| (instant.to_owned(), repaired));
            assert_eq!(read, expected, "{text}");
        }
        assert_eq!(read(&"2".repeat(1_000)), None);
    }
}

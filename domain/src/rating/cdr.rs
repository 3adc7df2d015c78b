//! Rating an OCPI 2.2.1 CDR or Session object: the door for other parties' records.
//!
//! How a record is read where OCPI leaves room:
//! - **Durations.** A period has two timestamps and volumes in hours. Hours are often rounded
//!   (`0.1667` for ten minutes), and `step_size` would bill the rounding. So where a volume of
//!   hours agrees with the time between the timestamps within its own last digit, the
//!   timestamps count, in whole seconds; where both TIME and PARKING_TIME together agree, each
//!   counts in whole seconds. Where they do not agree, the volume counts as it stands: the
//!   operator may mean less time than passed.
//! - **Power.** A period without MIN_POWER and MAX_POWER has its mean power: POWER where given,
//!   else its energy over its charging time. A current that is not given stays unknown.
//! - **Tariff.** The one given; else the one of the record's `tariffs` that its periods name;
//!   else the first that is valid at the start; else the first.
//! - **Zone.** The one given; else `time_zone` of the record or its location; else the zone of
//!   the location's country, where the country has only one. It is required only if the tariff
//!   asks for local time.
//! - **Reservation.** A record with nothing but reserved time is a reservation that ran out.
//! - **Credit CDR.** The cost is computed and limited, and then `total_cost` alone is negated.
//! - **Session object.** Without an end it is rated up to `last_updated`.

mod country;
mod read;
mod report;

pub use report::{RateReport, ZoneSource};

use super::{LocalTime, RatingError, RatingInput, rate};
use crate::tariff::document::Node;
use crate::tariff::{DocumentError, Tariff};
use chrono_tz::Tz;
use read::Record;

/// The largest record that is read, in bytes of JSON.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// Why a record cannot be rated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The CDR or Session cannot be used.
    #[error("the CDR cannot be used: {0}")]
    Record(DocumentError),
    /// The tariff cannot be used.
    #[error("the tariff cannot be used: {0}")]
    Tariff(DocumentError),
    /// Neither the record nor the caller brings a tariff.
    #[error("the CDR holds no tariff: pass one with --tariff")]
    NoTariff,
    /// A period names a tariff that the record does not hold.
    #[error(
        "a charging period names the tariff `{0}`, which the CDR does not hold: pass it with --tariff"
    )]
    UnknownTariff(String),
    /// The periods name more than one tariff.
    #[error(
        "the charging periods name more than one tariff ({0} and {1}): choose one with --tariff"
    )]
    SeveralTariffs(String, String),
    /// The tariff depends on local time, and the record does not tell the zone.
    #[error(
        "the tariff depends on the local time and the CDR names no time zone: pass --time-zone, such as Europe/Berlin"
    )]
    ZoneRequired,
    /// A zone that the IANA database does not know.
    #[error("`{0}` is not an IANA time zone such as Europe/Berlin")]
    UnknownZone(String),
    /// The rating itself failed.
    #[error(transparent)]
    Rating(#[from] RatingError),
}

/// Prices a CDR (or Session) object's charging periods against a tariff with [`rate`].
///
/// # Errors
/// [`RateError`], in words for the person at the command line.
pub fn rate_cdr(
    cdr_text: &str,
    tariff_text: Option<&str>,
    zone: Option<Tz>,
) -> Result<RateReport, RateError> {
    let record = Record::parse(cdr_text).map_err(RateError::Record)?;
    let mut notes = record.notes.clone();
    let tariff = match tariff_text {
        Some(text) => Tariff::parse(text).map_err(RateError::Tariff)?,
        None => choose_tariff(cdr_text, &record)?,
    };
    if !tariff.is_valid_at(record.started_at.utc()) {
        notes.push("the tariff is not valid at the start of the session".to_owned());
    }
    if record.currency.as_deref().is_some_and(|currency| currency != tariff.currency.code()) {
        notes.push(format!("the amounts are in the tariff's currency, {}", tariff.currency.code()));
    }
    let (zone, zone_source) = choose_zone(&record, zone, tariff.needs_local_time())?;
    let input = RatingInput {
        local_time: LocalTime::resolve(zone, record.started_at, record.ended_at)?,
        reservation_expired: record.periods.iter().all(|period| period.is_reservation()),
        periods: record.periods,
        ended_at: record.ended_at,
    };
    Ok(RateReport {
        rating: rate(&tariff, &input)?,
        record_id: record.id,
        tariff_id: tariff.id.clone(),
        credit: record.credit,
        zone_source,
        notes,
        ignored: tariff.ignored_members(),
    })
}

fn choose_tariff(cdr_text: &str, record: &Record) -> Result<Tariff, RateError> {
    let tariffs = read_tariffs(cdr_text).map_err(RateError::Record)?;
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b); // CiString
    if let [first, rest @ ..] = record.tariff_ids.as_slice() {
        if let Some(other) = rest.iter().find(|id| !same(id, first)) {
            return Err(RateError::SeveralTariffs(first.clone(), other.clone()));
        }
        if tariffs.is_empty() {
            return Err(RateError::NoTariff);
        }
        return tariffs
            .into_iter()
            .find(|tariff| tariff.id.as_deref().is_some_and(|id| same(id, first)))
            .ok_or_else(|| RateError::UnknownTariff(first.clone()));
    }
    let started_at = record.started_at.utc();
    let valid = tariffs.iter().position(|tariff| tariff.is_valid_at(started_at)).unwrap_or(0);
    tariffs.into_iter().nth(valid).ok_or(RateError::NoTariff)
}

fn read_tariffs(cdr_text: &str) -> Result<Vec<Tariff>, DocumentError> {
    match Node::document(cdr_text)?.object()?.optional("tariffs") {
        None => Ok(Vec::new()),
        Some(list) => list.array()?.iter().map(crate::tariff::parse::tariff).collect(),
    }
}

fn choose_zone(
    record: &Record,
    given: Option<Tz>,
    required: bool,
) -> Result<(Tz, ZoneSource), RateError> {
    if let Some(zone) = given {
        return Ok((zone, ZoneSource::Given));
    }
    if let Some(name) = &record.time_zone {
        let zone = name.parse().map_err(|_| RateError::UnknownZone(name.clone()))?;
        return Ok((zone, ZoneSource::Record));
    }
    if let Some(zone) = record.country.as_deref().and_then(country::sole_zone) {
        return Ok((zone, ZoneSource::Country));
    }
    if required { Err(RateError::ZoneRequired) } else { Ok((Tz::UTC, ZoneSource::NotNeeded)) }
}

//! From a CDR or Session object to charging periods.

use super::super::arithmetic::{SECONDS_PER_HOUR, mul, sum};
use super::super::input::whole_seconds;
use super::super::{ChargingPeriod, MAX_PERIODS};
use super::MAX_RECORD_BYTES;
use crate::tariff::document::{DocumentError, Node, Object, Problem, plain, round};
use crate::units::Timestamp;
use rust_decimal::Decimal;

/// How far hours may be from the timestamps and still be a rounding of them, in seconds,
/// however few digits they are written with: half of a hundredth of an hour.
const MAX_ROUNDING_SECONDS: Decimal = Decimal::from_parts(18, 0, 0, false, 0);
/// Digits of a mean power, in kW: a milliwatt.
const POWER_DECIMALS: u32 = 6;
/// From how much on a difference in energy is worth a note, in kWh.
const ENERGY_NOTE_KWH: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// What rating needs of a CDR or Session.
pub(super) struct Record {
    pub(super) id: Option<String>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) periods: Vec<ChargingPeriod>,
    /// The tariffs that periods name, in their order.
    pub(super) tariff_ids: Vec<String>,
    pub(super) currency: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) country: Option<String>,
    pub(super) credit: bool,
    /// What a reader should know.
    pub(super) notes: Vec<String>,
}

impl Record {
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(DocumentError {
                pointer: String::new(),
                problem: Problem::Rule(format!("is larger than {MAX_RECORD_BYTES} bytes")),
            });
        }
        let object = Node::document(text)?.object()?;
        let periods_node = object.required("charging_periods")?;
        let raw_periods = periods_node.array()?;
        if raw_periods.is_empty() {
            return Err(periods_node.rule("is empty: there is nothing to rate"));
        }
        if raw_periods.len() > MAX_PERIODS {
            return Err(periods_node.rule(format!("has more than {MAX_PERIODS} periods")));
        }
        let mut notes = Vec::new();
        let mut raw: Vec<RawPeriod> =
            raw_periods.iter().map(RawPeriod::parse).collect::<Result<_, _>>()?;
        if raw.windows(2).any(|pair| pair[1].started_at < pair[0].started_at) {
            raw.sort_by_key(|period| period.started_at);
            notes.push("the charging periods were not in the order of time".to_owned());
        }
        let last_start = raw.last().map(|period| period.started_at);
        let end_node = match object.optional("end_date_time") {
            Some(node) => node,
            None => object.required("last_updated").map_err(|_| missing("/end_date_time"))?,
        };
        let ended_at = Timestamp::new(end_node.instant()?);
        if last_start.is_some_and(|start| ended_at < start) {
            return Err(end_node.rule("is before the last charging period begins"));
        }
        let ends: Vec<Timestamp> =
            raw.iter().skip(1).map(|period| period.started_at).chain([ended_at]).collect();
        let tariff_ids = raw.iter().filter_map(|period| period.tariff_id.clone()).collect();
        let started_at = raw.first().map_or(ended_at, |period| period.started_at);
        let overflow = || periods_node.rule("holds a volume that is too large");
        let periods: Vec<ChargingPeriod> = raw
            .into_iter()
            .zip(&ends)
            .map(|(period, end)| period.into_charging_period(*end).ok_or_else(overflow))
            .collect::<Result<_, _>>()?;
        notes.extend(energy_note(&object, &periods)?);
        let location = object.optional("cdr_location").or_else(|| object.optional("location"));
        let location = location.map(|node| node.object()).transpose()?;
        let of_location = |name| match &location {
            Some(location) => text_of(location, name),
            None => Ok(None),
        };
        Ok(Self {
            id: text_of(&object, "id")?,
            started_at,
            ended_at,
            periods,
            tariff_ids,
            currency: text_of(&object, "currency")?,
            time_zone: match of_location("time_zone")? {
                Some(zone) => Some(zone),
                None => text_of(&object, "time_zone")?,
            },
            country: of_location("country")?,
            credit: match object.optional("credit") {
                Some(node) => node.boolean()?,
                None => false,
            },
            notes,
        })
    }
}

fn missing(pointer: &str) -> DocumentError {
    DocumentError { pointer: pointer.to_owned(), problem: Problem::Missing }
}

fn text_of(object: &Object<'_>, name: &str) -> Result<Option<String>, DocumentError> {
    object.optional(name).map(|node| node.string()).transpose()
}

/// Tells when the record's own total (`total_energy` of a CDR, `kwh` of a Session) is not what
/// its periods add up to: only the periods are priced.
fn energy_note(
    object: &Object<'_>,
    periods: &[ChargingPeriod],
) -> Result<Option<String>, DocumentError> {
    let stated = object.optional("total_energy").or_else(|| object.optional("kwh"));
    let Some(stated) = stated.map(|node| node.measured()).transpose()? else { return Ok(None) };
    let Ok(summed) = sum(periods.iter().map(|period| period.energy_kwh)) else { return Ok(None) };
    let difference = stated.checked_sub(summed).unwrap_or(Decimal::MAX).abs();
    Ok((difference > ENERGY_NOTE_KWH).then(|| {
        format!(
            "the charging periods add up to {} kWh, the record says {}; the periods are priced",
            plain(summed),
            plain(stated)
        )
    }))
}

/// Hours as written: their value and how many digits after the point they have.
#[derive(Clone, Copy, Default)]
struct Hours {
    value: Decimal,
    /// A duration that differs by no more may be the one that was rounded to these hours.
    rounding_seconds: Decimal,
}

/// A charging period as the record has it.
struct RawPeriod {
    started_at: Timestamp,
    tariff_id: Option<String>,
    energy_kwh: Option<Decimal>,
    imported_kwh: Decimal,
    exported_kwh: Decimal,
    charging: Hours,
    parking: Hours,
    reservation: Hours,
    min_power_kw: Option<Decimal>,
    max_power_kw: Option<Decimal>,
    min_current_a: Option<Decimal>,
    max_current_a: Option<Decimal>,
}

impl RawPeriod {
    fn parse(node: &Node<'_>) -> Result<Self, DocumentError> {
        let object = node.object()?;
        let mut period = Self {
            started_at: Timestamp::new(object.required("start_date_time")?.instant()?),
            tariff_id: text_of(&object, "tariff_id")?,
            energy_kwh: None,
            imported_kwh: Decimal::ZERO,
            exported_kwh: Decimal::ZERO,
            charging: Hours::default(),
            parking: Hours::default(),
            reservation: Hours::default(),
            min_power_kw: None,
            max_power_kw: None,
            min_current_a: None,
            max_current_a: None,
        };
        let (mut power_kw, mut current_a) = (None, None);
        for dimension in object.required("dimensions")?.array()? {
            let dimension = dimension.object()?;
            let kind = dimension.required("type")?.string()?;
            let volume_node = dimension.required("volume")?;
            let volume = volume_node.measured()?;
            let more = |sum: Decimal| {
                sum.checked_add(volume).ok_or_else(|| volume_node.rule("is too large"))
            };
            match kind.as_str() {
                "ENERGY" => period.energy_kwh = Some(more(period.energy_kwh.unwrap_or_default())?),
                "ENERGY_IMPORT" => period.imported_kwh = more(period.imported_kwh)?,
                "ENERGY_EXPORT" => period.exported_kwh = more(period.exported_kwh)?,
                "TIME" => period.charging.add(&volume_node, volume)?,
                "PARKING_TIME" => period.parking.add(&volume_node, volume)?,
                "RESERVATION_TIME" => period.reservation.add(&volume_node, volume)?,
                "MIN_POWER" => period.min_power_kw = Some(volume),
                "MAX_POWER" => period.max_power_kw = Some(volume),
                "MIN_CURRENT" => period.min_current_a = Some(volume),
                "MAX_CURRENT" => period.max_current_a = Some(volume),
                "POWER" => power_kw = Some(volume),
                "CURRENT" => current_a = Some(volume),
                _ => {} // STATE_OF_CHARGE and what other versions add: no price depends on it
            }
        }
        // The averages that a Session may have stand in where the range is not known.
        if period.min_power_kw.is_none() && period.max_power_kw.is_none() {
            period.min_power_kw = power_kw;
        }
        if period.min_current_a.is_none() && period.max_current_a.is_none() {
            period.min_current_a = current_a;
        }
        Ok(period)
    }

    /// `None` if a number overflows.
    fn into_charging_period(self, ended_at: Timestamp) -> Option<ChargingPeriod> {
        let elapsed = Decimal::from(whole_seconds(self.started_at, ended_at));
        let [charging_seconds, parking_seconds, reservation_seconds] =
            seconds([self.charging, self.parking, self.reservation], elapsed)?;
        let energy_kwh = match self.energy_kwh {
            Some(energy_kwh) => energy_kwh,
            None => self.imported_kwh.checked_sub(self.exported_kwh)?,
        };
        let mut mean_power_kw = None;
        if self.min_power_kw.is_none() && self.max_power_kw.is_none() {
            let seconds = if charging_seconds.is_zero() { elapsed } else { charging_seconds };
            mean_power_kw = mean_power(energy_kwh, seconds);
        }
        Some(ChargingPeriod {
            started_at: self.started_at,
            energy_kwh,
            charging_seconds,
            parking_seconds,
            reservation_seconds,
            min_power_kw: self.min_power_kw.or(mean_power_kw),
            max_power_kw: self.max_power_kw.or(mean_power_kw),
            min_current_a: self.min_current_a,
            max_current_a: self.max_current_a,
        })
    }
}

impl Hours {
    fn add(&mut self, node: &Node<'_>, volume: Decimal) -> Result<(), DocumentError> {
        if volume < Decimal::ZERO {
            return Err(node.rule("a duration is 0 or more"));
        }
        let too_large = || node.rule("is too large");
        self.value = self.value.checked_add(volume).ok_or_else(too_large)?;
        let last_digit = Decimal::new(1, fraction_digits(node.raw()));
        let rounding = last_digit.checked_mul(SECONDS_PER_HOUR).ok_or_else(too_large)?;
        let rounding = rounding.min(MAX_ROUNDING_SECONDS);
        self.rounding_seconds =
            self.rounding_seconds.checked_add(rounding).ok_or_else(too_large)?;
        Ok(())
    }
}

/// Digits after the point as written, so that `0.50` is finer than `0.5`.
fn fraction_digits(number: &str) -> u32 {
    let mantissa = number.trim_matches('"').split(['e', 'E']).next().unwrap_or_default();
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    u32::try_from(fraction).unwrap_or(u32::MAX).min(crate::tariff::document::MEASURED_DECIMALS)
}

/// Energy over time, in kW; `None` where it cannot be told.
fn mean_power(energy_kwh: Decimal, seconds: Decimal) -> Option<Decimal> {
    if energy_kwh.is_zero() || seconds <= Decimal::ZERO {
        return None;
    }
    let power_kw = mul(energy_kwh, SECONDS_PER_HOUR).ok()?.checked_div(seconds)?;
    Some(plain(round(power_kw, POWER_DECIMALS)))
}

/// The seconds of each volume: those between the timestamps where the hours are a rounding of
/// them, otherwise the hours as they stand. `None` if a number overflows.
fn seconds(volumes: [Hours; 3], elapsed: Decimal) -> Option<[Decimal; 3]> {
    let exact = |hours: Hours| mul(hours.value, SECONDS_PER_HOUR).ok();
    let [charging, parking, reservation] = volumes;
    let stated = [exact(charging)?, exact(parking)?, exact(reservation)?];
    let total = sum(stated).ok()?;
    let rounding = sum(volumes.map(|hours| hours.rounding_seconds)).ok()?;
    if total.is_zero() || total.checked_sub(elapsed)?.abs() > rounding {
        return Some(stated.map(plain));
    }
    // All in whole seconds; the largest takes what is left, so that they add up.
    let mut whole = stated.map(|seconds| round(seconds, 0));
    let largest = (0..3).max_by_key(|index| stated[*index])?;
    let others = sum((0..3).filter(|index| *index != largest).map(|index| whole[index])).ok()?;
    whole[largest] = elapsed.checked_sub(others)?.max(Decimal::ZERO);
    Some(whole.map(plain))
}

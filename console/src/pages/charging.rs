//! The charging plan on a station's page: what may be drawn in the next day, and the profiles that
//! the station keeps.

use crate::chart::{Line, LineChart};
use crate::components::When;
use crate::format;
use chargebook_domain::charging_plan::{ChargingPlan, Measure, Question, RateUnit};
use chargebook_domain::events::v1::{ChargingPlace, KeptProfile};
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// How far ahead limits are shown.
const SHOWN: TimeDelta = TimeDelta::hours(24);
/// Limits by amperes are shown as power by three phases of so many volts.
const MEASURE: Measure = Measure { unit: RateUnit::Watts, phases: 3, voltage_v: 230 };

/// What is shown of one place.
pub(super) struct PlanOfPlace {
    pub(super) name: String,
    /// What may be drawn in the next day, where that is limited at all.
    pub(super) chart: Option<LineChart>,
    pub(super) profiles: Vec<ProfileLine>,
    /// What the vehicle there needs, in words.
    pub(super) needs: Vec<String>,
}

/// A profile in words.
pub(super) struct ProfileLine {
    pub(super) what: String,
    pub(super) detail: String,
    pub(super) told: When,
}

/// Each place of which something is known, the whole station first.
pub(super) fn places(plan: &ChargingPlan, now: Timestamp, zone: Tz) -> Vec<PlanOfPlace> {
    let told = plan.told();
    let places: BTreeSet<ChargingPlace> = plan
        .profiles()
        .map(|kept| kept.place)
        .chain(told.limits.iter().map(|limit| limit.place))
        .chain(told.needs.iter().map(|needs| needs.place))
        .collect();
    places.into_iter().map(|place| of_place(plan, place, now, zone)).collect()
}

fn of_place(plan: &ChargingPlan, place: ChargingPlace, now: Timestamp, zone: Tz) -> PlanOfPlace {
    let name = match place {
        ChargingPlace { evse: None, connector: None } => "Whole station".to_owned(),
        ChargingPlace { evse, connector } => format::place(evse, connector),
    };
    let mut kept: Vec<&KeptProfile> = plan.profiles().filter(|kept| kept.place == place).collect();
    kept.sort_by_key(|kept| (kept.profile.purpose.clone(), kept.profile.profile_id));
    let needs = plan.needs_at(place).map(|told| {
        let needs = &told.needs;
        let energy = needs.energy_wh.map(|energy| format!("{} kWh", format::kwh(energy, 1)));
        let departure =
            needs.departure_at.map(|at| format!("leaves {}", format::local_time(at, now, zone)));
        let short = told
            .shortfall_wh
            .map(|short| format!("{} kWh of that cannot be had by then", format::kwh(short, 1)));
        let mode = format::station_word(&needs.transfer_mode.replace('_', " "));
        [Some(mode), energy, departure, short].into_iter().flatten().collect()
    });
    PlanOfPlace {
        chart: chart(plan, place, &name, now, zone),
        profiles: kept.into_iter().map(|kept| line(kept, now, zone)).collect(),
        needs: needs.unwrap_or_default(),
        name,
    }
}

fn line(kept: &KeptProfile, now: Timestamp, zone: Tz) -> ProfileLine {
    let profile = &kept.profile;
    let rates = profile.schedules.iter().flat_map(|schedule| {
        schedule.periods.iter().filter_map(|period| {
            Some(format!("{} {}", period.limit.or(period.setpoint)?.normalize(), schedule.unit))
        })
    });
    let rates: Vec<String> = rates.take(4).collect();
    let source = Some(format!("by {}", kept.source)).filter(|_| kept.source != "CSO");
    let parts = [
        Some(rates.join(", then ")).filter(|rates| !rates.is_empty()),
        Some(format!("level {}", profile.stack_level)),
        profile.transaction.as_ref().map(|name| format!("transaction {name}")),
        source,
    ];
    ProfileLine {
        what: format!("{} {}", profile.purpose, profile.profile_id),
        detail: parts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        told: When::new(kept.told_at, now, zone),
    }
}

/// A step for each change of what may be drawn. Where nothing limits it, the line is at the
/// highest limit there is, and says so where it is pointed at.
fn chart(
    plan: &ChargingPlan,
    place: ChargingPlace,
    name: &str,
    now: Timestamp,
    zone: Tz,
) -> Option<LineChart> {
    let until = Timestamp::new(now.utc() + SHOWN);
    let transaction = plan.needs_at(place).and_then(|needs| needs.transaction.as_ref());
    let transaction = transaction.map(|name| name.as_str());
    let (began_at, heard_at) = (now, now);
    let (remote_start_id, except) = (None, None);
    let asked = Question { place, transaction, began_at, heard_at, remote_start_id, except };
    let limit_at = |at| plan.limit_at(&asked, MEASURE, at);
    let steps: Vec<_> =
        plan.changes(&asked, now, until).into_iter().map(|at| (at, limit_at(at))).collect();
    let most = steps.iter().filter_map(|(_, limit)| *limit).max()?;
    let kilowatts = |limit: Option<u64>| {
        Decimal::from(limit.unwrap_or(most)).checked_div(Decimal::ONE_THOUSAND).unwrap_or_default()
    };
    let mut points = Vec::with_capacity(2 * steps.len() + 1);
    for (at, limit) in &steps {
        if let Some((_, before)) = points.last().copied() {
            points.push((*at, before));
        }
        points.push((*at, kilowatts(*limit)));
    }
    let (_, last) = *steps.last()?;
    points.push((until, kilowatts(last)));
    let words = |limit: Option<u64>| match limit {
        Some(watts) => format!("at most {}", format::kw(Decimal::from(watts))),
        None => "no limit known".to_owned(),
    };
    let time = |at: Timestamp| format::local_time(at, now, zone);
    let hint = |at: Timestamp| format!("from {}: {}", time(at), words(limit_at(at)));
    let now_words = words(steps.first().and_then(|(_, limit)| *limit));
    let line = Line { class: "power", name: "Limit, kW", filled: true, points };
    Some(LineChart::new(
        format!("{name}, the next 24 hours: {now_words} now"),
        (now, until),
        vec![line],
        vec![time(now), time(until)],
        hint,
        "No limit is known.",
    ))
}

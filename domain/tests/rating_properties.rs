//! Laws of rating, on generated tariffs and sessions.

use chargebook_domain::rating::{
    Activity, ActivityStart, ChargingPeriod, LineDimension, LocalTime, NetLine, Price, Rating,
    RatingInput, RegisterReading, SessionTimeline, invoice_lines, invoice_totals, rate, rate_cdr,
    split_at_boundaries,
};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::Timestamp;
use chrono_tz::Tz;
use proptest::prelude::*;
use rust_decimal::Decimal;

/// A fortnight that contains the night of 30 March 2025.
const BASE_MILLIS: i64 = 1_742_688_000_000;

fn a_component(kind: &'static str) -> impl Strategy<Value = String> {
    (
        0_u32..1_000_000,
        prop::sample::select(vec!["", r#""vat":0,"#, r#""vat":19,"#, r#""vat":5.5,"#]),
        prop::sample::select(vec![0, 1, 60, 500, 900]),
    )
        .prop_map(move |(price, vat, step)| {
            format!(r#"{{"type":"{kind}","price":{price}e-4,{vat}"step_size":{step}}}"#)
        })
}

fn an_element() -> impl Strategy<Value = String> {
    let components = (
        prop::option::of(a_component("ENERGY")),
        prop::option::of(a_component("TIME")),
        prop::option::of(a_component("PARKING_TIME")),
        a_component("FLAT"),
    );
    let restrictions = (
        prop::option::of((0_u32..24, 0_u32..24)),
        prop::option::of(0_u32..40),
        prop::option::of(1_u32..20_000),
        prop::option::of(1_u32..60),
        any::<bool>(),
    );
    (components, restrictions).prop_map(
        |((energy, time, parking, flat), (hours, kwh, duration, power, weekend))| {
            let components: Vec<String> =
                [energy, time, parking, Some(flat)].into_iter().flatten().collect();
            let mut members = Vec::new();
            members.extend(hours.map(|(from, to)| {
                format!(r#""start_time":"{from:02}:00","end_time":"{to:02}:30""#)
            }));
            members.extend(kwh.map(|kwh| format!(r#""min_kwh":{kwh}"#)));
            members.extend(duration.map(|seconds| format!(r#""max_duration":{seconds}"#)));
            members.extend(power.map(|kw| format!(r#""min_power":{kw}"#)));
            members.extend(weekend.then(|| r#""day_of_week":["SATURDAY","SUNDAY"]"#.to_owned()));
            format!(
                r#"{{"price_components":[{}],"restrictions":{{{}}}}}"#,
                components.join(","),
                members.join(",")
            )
        },
    )
}

fn a_tariff() -> impl Strategy<Value = Tariff> {
    let limits = prop::sample::select(vec![
        "",
        r#""max_price":{"excl_vat":5,"incl_vat":5.5},"#,
        r#""max_price":{"excl_vat":5},"#,
        r#""min_price":{"excl_vat":3,"incl_vat":3.57},"#,
        r#""min_price":{"excl_vat":3},"max_price":{"excl_vat":4,"incl_vat":4.2},"#,
    ]);
    (limits, prop::collection::vec(an_element(), 1..5)).prop_map(|(limits, elements)| {
        let text = format!(r#"{{"currency":"EUR",{limits}"elements":[{}]}}"#, elements.join(","));
        Tariff::parse(&text).expect("a tariff")
    })
}

fn a_timeline() -> impl Strategy<Value = SessionTimeline> {
    let readings = prop::collection::vec((1_i64..4_000_000, 0_i64..9_000), 1..8);
    let activities = prop::collection::vec((1_i64..4_000_000, 0..3_usize), 0..4);
    (0_i64..1_200_000_000, readings, activities, 0_i64..20_000_000).prop_map(
        |(start, readings, activities, length)| {
            let instant = |millis: i64| Timestamp::from_millis(millis).expect("in range");
            let start = BASE_MILLIS + start;
            let (mut at, mut register) = (start, 1_000);
            let mut registers = vec![RegisterReading {
                at: instant(at),
                register_wh: register.into(),
                current_a: None,
            }];
            for (gap, rise) in readings {
                (at, register) = (at + gap, register + rise);
                registers.push(RegisterReading {
                    at: instant(at),
                    register_wh: register.into(),
                    current_a: None,
                });
            }
            let mut begun =
                vec![ActivityStart { from: instant(start), activity: Activity::Charging }];
            let mut at = start;
            for (gap, kind) in activities {
                at += gap;
                let activity = [Activity::Charging, Activity::Parking, Activity::Withheld][kind];
                begun.push(ActivityStart { from: instant(at), activity });
            }
            let ended_at = instant(at.max(start + length));
            SessionTimeline { registers, activities: begun, ended_at }
        },
    )
}

fn rated(tariff: &Tariff, timeline: &SessionTimeline) -> (RatingInput, Rating) {
    let start = timeline.activities[0].from;
    let local_time =
        LocalTime::resolve(Tz::Europe__Berlin, start, timeline.ended_at).expect("a zone");
    let periods = split_at_boundaries(tariff, &local_time, timeline).expect("periods");
    let input = RatingInput {
        local_time,
        periods,
        ended_at: timeline.ended_at,
        reservation_expired: false,
    };
    let rating = rate(tariff, &input).expect("a rating");
    (input, rating)
}

/// Cuts a period in two halves of everything.
fn halved(period: &ChargingPeriod, end: Timestamp) -> [ChargingPeriod; 2] {
    let middle =
        period.started_at.as_millis() + (end.as_millis() - period.started_at.as_millis()) / 2;
    let half = |whole: Decimal| whole / Decimal::TWO;
    let mut first = period.clone();
    first.energy_kwh = half(period.energy_kwh);
    first.charging_seconds = half(period.charging_seconds);
    first.parking_seconds = half(period.parking_seconds);
    let mut second = first.clone();
    second.started_at = Timestamp::from_millis(middle).expect("in range");
    [first, second]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn lines_add_up_to_the_totals(tariff in a_tariff(), timeline in a_timeline()) {
        let (_, rating) = rated(&tariff, &timeline);
        let of_these = |of: &[LineDimension]| {
            let lines: Vec<_> =
                rating.lines.iter().filter(|l| of.contains(&l.dimension)).cloned().collect();
            lines
        };
        let sum = |of: &[LineDimension]| of_these(of).iter().fold(
            Price::default(),
            |sum, l| Price {
                excl_vat: sum.excl_vat + l.excl_vat,
                incl_vat: sum.incl_vat + l.incl_vat,
            },
        );
        prop_assert_eq!(sum(&[LineDimension::Energy]), rating.total_energy_cost);
        prop_assert_eq!(sum(&[LineDimension::Time]), rating.total_time_cost);
        prop_assert_eq!(sum(&[LineDimension::ParkingTime]), rating.total_parking_cost);
        prop_assert_eq!(sum(&[LineDimension::Flat]), rating.total_fixed_cost);
        let all: Vec<LineDimension> = rating.lines.iter().map(|l| l.dimension).collect();
        let unlimited = rating.limit.as_ref().map_or(rating.total_cost, |limit| limit.unlimited);
        prop_assert_eq!(sum(&all), unlimited);
        if let Some(max) = tariff.max_price {
            prop_assert!(rating.total_cost.excl_vat <= max.excl_vat);
            prop_assert!(max.incl_vat.is_none_or(|max| rating.total_cost.incl_vat <= max));
        }
        if let Some(min) = tariff.min_price {
            prop_assert!(rating.total_cost.excl_vat >= min.excl_vat);
        }
    }

    #[test]
    fn no_energy_and_no_second_is_lost_or_made(tariff in a_tariff(), timeline in a_timeline()) {
        let (input, rating) = rated(&tariff, &timeline);
        let registers = &timeline.registers;
        let used = registers[registers.len() - 1].register_wh - registers[0].register_wh;
        prop_assert_eq!(rating.total_energy_kwh * Decimal::ONE_THOUSAND, used);
        prop_assert!(input.periods.iter().all(|period| period.energy_kwh >= Decimal::ZERO));
        let withheld = timeline.activities.iter().any(|a| a.activity == Activity::Withheld);
        let spent = rating.total_charging_seconds + rating.total_parking_seconds;
        prop_assert!(spent <= rating.total_time_seconds.into());
        prop_assert!(withheld || spent == rating.total_time_seconds.into());
    }

    #[test]
    fn no_price_changes_within_a_period(tariff in a_tariff(), timeline in a_timeline()) {
        // Whoever cuts finer gets the same elements and, for an unchanged last period, the same
        // sum.
        let (input, rating) = rated(&tariff, &timeline);
        let mut finer = input.clone();
        finer.periods = input.periods.iter().enumerate().flat_map(|(index, period)| {
            let end = input.periods.get(index + 1).map_or(input.ended_at, |next| next.started_at);
            halved(period, end)
        }).collect();
        let again = rate(&tariff, &finer).expect("a rating");
        prop_assert_eq!(again.total_cost, rating.total_cost);
        prop_assert_eq!(again.lines, rating.lines);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(tariff in a_tariff(), timeline in a_timeline()) {
        let (_, first) = rated(&tariff, &timeline);
        let kept = Tariff::parse(&tariff.canonical_text()).expect("its own text");
        let (_, second) = rated(&kept, &timeline);
        let bytes = |rating: &Rating| serde_json::to_string(rating).expect("JSON");
        prop_assert_eq!(bytes(&first), bytes(&second));
        let read: Rating = serde_json::from_str(&bytes(&first)).expect("a rating");
        prop_assert_eq!(read, first);
    }

    #[test]
    fn invoices_keep_to_the_limits(tariff in a_tariff(), timeline in a_timeline()) {
        let (_, rating) = rated(&tariff, &timeline);
        let lines = invoice_lines(&rating).expect("lines");
        let net = |l: &chargebook_domain::rating::InvoiceLine| NetLine {
            excl_vat: l.excl_vat,
            vat_percent: l.vat_percent,
        };
        let nets: Vec<NetLine> = lines.iter().map(net).collect();
        let totals = invoice_totals(&nets, "EUR").expect("totals");
        prop_assert_eq!(totals.total_net_minor, totals.line_nets_minor.iter().sum::<i64>());
        prop_assert_eq!(totals.total_gross_minor, totals.total_net_minor + totals.total_vat_minor);
        if rating.limit.is_some() {
            if let Some(max) = tariff.max_price {
                prop_assert!(Decimal::new(totals.total_net_minor, 2) <= max.excl_vat);
                let gross = Decimal::new(totals.total_gross_minor, 2);
                prop_assert!(max.incl_vat.is_none_or(|max| gross <= max));
            } else if let Some(min) = tariff.min_price {
                prop_assert!(Decimal::new(totals.total_net_minor, 2) >= min.excl_vat);
                let gross = Decimal::new(totals.total_gross_minor, 2);
                prop_assert!(min.incl_vat.is_none_or(|min| gross >= min));
            }
        }
    }

    #[test]
    fn no_record_makes_it_panic(
        price in any::<i128>(), scale in 0_u32..=28, volume in "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,3})?",
        hours in "[0-9]{1,12}\\.[0-9]{0,20}[0-9]", step in any::<u32>(), vat in 0_u32..=100,
        start in "[0-9]{4}-0[1-9]-[0-2][0-9]T00:00:00Z",
    ) {
        let price = Decimal::try_from_i128_with_scale(price >> 32, scale).unwrap_or(Decimal::MAX);
        let tariff = format!(
            r#"{{"currency":"EUR","min_price":{{"excl_vat":1}},"elements":[{{"price_components":[
            {{"type":"ENERGY","price":{price},"vat":{vat},"step_size":{step}}},{{"type":"TIME","price":{price},"step_size":{step}}}]}}]}}"#
        );
        let cdr = format!(
            r#"{{"end_date_time":"2025-03-03T12:00:00Z","charging_periods":[{{"start_date_time":"{start}",
            "dimensions":[{{"type":"ENERGY","volume":{volume}}},{{"type":"TIME","volume":{hours}}}]}}]}}"#
        );
        if let Ok(report) = rate_cdr(&cdr, Some(&tariff), Some(Tz::Asia__Kolkata)) {
            let _ = report.to_json();
            let _ = invoice_lines(&report.rating);
        }
    }
}

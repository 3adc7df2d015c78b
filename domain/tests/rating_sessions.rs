//! Rating our own sessions: from meter readings to periods to a price.

use chargebook_domain::rating::{
    Activity, ActivityStart, LocalTime, Rating, RatingError, RatingInput, RegisterReading,
    SessionTimeline, UtcOffset, rate, rate_with, split_at_boundaries,
};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::Timestamp;
use chrono::DateTime;
use chrono_tz::Tz;
use rust_decimal::Decimal;

fn at(text: &str) -> Timestamp {
    Timestamp::new(DateTime::parse_from_rfc3339(text).expect("an instant").to_utc())
}

fn tariff(elements: &str) -> Tariff {
    Tariff::parse(&format!(r#"{{"currency":"EUR","elements":[{elements}]}}"#)).expect("a tariff")
}

fn timeline(
    readings: &[(&str, i64)],
    activities: &[(&str, Activity)],
    end: &str,
) -> SessionTimeline {
    let reading = |(time, register_wh): &(&str, i64)| RegisterReading {
        at: at(time),
        register_wh: Decimal::from(*register_wh),
        current_a: None,
    };
    let start =
        |(time, activity): &(&str, Activity)| ActivityStart { from: at(time), activity: *activity };
    SessionTimeline {
        registers: readings.iter().map(reading).collect(),
        activities: activities.iter().map(start).collect(),
        ended_at: at(end),
    }
}

fn rated(tariff: &Tariff, timeline: &SessionTimeline) -> Rating {
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
    rate(tariff, &input).expect("a rating")
}

#[track_caller]
fn costs(tariff: &Tariff, timeline: &SessionTimeline, expected: &str) {
    let rating = rated(tariff, timeline);
    assert_eq!(rating.total_cost.excl_vat.to_string(), expected, "{rating:#?}");
}

const NIGHT: &str = r#"{"price_components":[{"type":"ENERGY","price":1}],"restrictions":{"start_time":"22:00","end_time":"06:00"}},
    {"price_components":[{"type":"ENERGY","price":2}]}"#;

#[test]
fn energy_is_spread_evenly_and_cut_at_times_of_day() {
    // 6 kWh from 21:00 to 23:00 local: half before 22:00, half after.
    let session = timeline(
        &[("2025-03-03T20:00:00Z", 100_000), ("2025-03-03T22:00:00Z", 106_000)],
        &[("2025-03-03T20:00:00Z", Activity::Charging)],
        "2025-03-03T22:00:00Z",
    );
    costs(&tariff(NIGHT), &session, "9");
}

#[test]
fn a_night_over_midnight_is_one_night() {
    // 12 kWh from 20:00 to 08:00 local: 2 before, 8 in the night, 2 after.
    let session = timeline(
        &[("2025-03-03T19:00:00Z", 0), ("2025-03-04T07:00:00Z", 12_000)],
        &[("2025-03-03T19:00:00Z", Activity::Charging)],
        "2025-03-04T07:00:00Z",
    );
    costs(&tariff(NIGHT), &session, "16");
}

#[test]
fn the_night_of_spring_is_an_hour_shorter_and_that_of_autumn_longer() {
    // One kWh per hour from 20:00 to 08:00 local.
    let spring = timeline(
        &[("2025-03-29T19:00:00Z", 0), ("2025-03-30T06:00:00Z", 11_000)],
        &[("2025-03-29T19:00:00Z", Activity::Charging)],
        "2025-03-30T06:00:00Z",
    );
    costs(&tariff(NIGHT), &spring, "15"); // 4 by day, 7 at night
    let autumn = timeline(
        &[("2025-10-25T18:00:00Z", 0), ("2025-10-26T07:00:00Z", 13_000)],
        &[("2025-10-25T18:00:00Z", Activity::Charging)],
        "2025-10-26T07:00:00Z",
    );
    costs(&tariff(NIGHT), &autumn, "17"); // 4 by day, 9 at night
    assert_eq!(rated(&tariff(NIGHT), &autumn).local_time.utc_offsets.len(), 2);
}

#[test]
fn an_hour_that_is_skipped_or_comes_twice() {
    let half_past = r#"{"price_components":[{"type":"TIME","price":60,"step_size":1}],"restrictions":{"start_time":"02:30","end_time":"03:30"}}"#;
    let spring =
        timeline(&[], &[("2025-03-30T00:00:00Z", Activity::Charging)], "2025-03-30T04:00:00Z");
    costs(&tariff(half_past), &spring, "30"); // 03:00 to 03:30: 02:30 never comes
    let autumn =
        timeline(&[], &[("2025-10-25T23:00:00Z", Activity::Charging)], "2025-10-26T04:00:00Z");
    costs(&tariff(half_past), &autumn, "90"); // 02:30 to 03:00, then again until 03:30
}

#[test]
fn days_and_dates_begin_at_local_midnight() {
    let monday = r#"{"price_components":[{"type":"TIME","price":1,"step_size":1}],"restrictions":{"day_of_week":["MONDAY"]}}"#;
    let date = r#"{"price_components":[{"type":"TIME","price":1,"step_size":1}],"restrictions":{"start_date":"2025-03-03","end_date":"2025-03-04"}}"#;
    let session =
        timeline(&[], &[("2025-03-02T12:00:00Z", Activity::Charging)], "2025-03-05T12:00:00Z");
    costs(&tariff(monday), &session, "24");
    costs(&tariff(date), &session, "24");
}

#[test]
fn amounts_of_energy_are_cut_exactly() {
    let stages = r#"{"price_components":[{"type":"ENERGY","price":1}],"restrictions":{"max_kwh":3.3333}},
        {"price_components":[{"type":"ENERGY","price":10}],"restrictions":{"min_kwh":3.3333}}"#;
    let session = timeline(
        &[("2025-03-03T10:00:00Z", 500), ("2025-03-03T11:00:07Z", 7_500)],
        &[("2025-03-03T10:00:00Z", Activity::Charging)],
        "2025-03-03T12:00:00Z",
    );
    costs(&tariff(stages), &session, "40.0003"); // 3.3333 * 1 + 3.6667 * 10
    // Readings of one instant: the energy between them is priced where it arrives.
    let jump = timeline(
        &[
            ("2025-03-03T10:00:00Z", 0),
            ("2025-03-03T11:00:00Z", 0),
            ("2025-03-03T11:00:00Z", 5_000),
            ("2025-03-03T12:00:00Z", 6_000),
        ],
        &[("2025-03-03T10:00:00Z", Activity::Charging)],
        "2025-03-03T12:00:00Z",
    );
    costs(&tariff(stages), &jump, "15");
}

#[test]
fn durations_are_cut_to_the_second() {
    let stages = r#"{"price_components":[{"type":"ENERGY","price":0}],"restrictions":{"max_duration":1800}},
        {"price_components":[{"type":"ENERGY","price":1}]}"#;
    let session = timeline(
        &[("2025-03-03T10:00:00.700Z", 0), ("2025-03-03T11:00:00.700Z", 3_600)],
        &[("2025-03-03T10:00:00.700Z", Activity::Charging)],
        "2025-03-03T11:00:00.700Z",
    );
    // The session begins in the second 10:00:00, so the stage ends at 10:30:00.000.
    let rating = rated(&tariff(stages), &session);
    assert_eq!(rating.periods[1].started_at, at("2025-03-03T10:30:00Z"));
    assert_eq!(rating.total_time_seconds, 3_600);
    assert_eq!(rating.total_cost.excl_vat.to_string(), "1.8007");
}

#[test]
fn parking_is_charged_and_withheld_power_is_not() {
    let both = r#"{"price_components":[{"type":"TIME","price":60,"step_size":1},{"type":"PARKING_TIME","price":120,"step_size":1}]}"#;
    let session = timeline(
        &[],
        &[
            ("2025-03-03T10:00:00.9Z", Activity::Charging),
            ("2025-03-03T10:10:00.1Z", Activity::Withheld),
            ("2025-03-03T10:30:00Z", Activity::Charging),
            ("2025-03-03T10:40:00Z", Activity::Parking),
        ],
        "2025-03-03T10:45:00Z",
    );
    let rating = rated(&tariff(both), &session);
    assert_eq!(rating.total_time_cost.excl_vat, Decimal::from(20));
    assert_eq!(rating.total_parking_cost.excl_vat, Decimal::from(10));
    assert_eq!(rating.total_time_seconds, 45 * 60);
}

#[test]
fn power_is_the_mean_between_readings() {
    let fast = r#"{"price_components":[{"type":"ENERGY","price":1}],"restrictions":{"max_power":11}},
        {"price_components":[{"type":"ENERGY","price":2}]}"#;
    let session = timeline(
        &[
            ("2025-03-03T10:00:00Z", 0),
            ("2025-03-03T11:00:00Z", 50_000),
            ("2025-03-03T12:00:00Z", 60_000),
        ],
        &[("2025-03-03T10:00:00Z", Activity::Charging)],
        "2025-03-03T12:00:00Z",
    );
    costs(&tariff(fast), &session, "110");
}

#[test]
fn energy_outside_the_session_s_times_is_not_lost() {
    let session = timeline(
        &[
            ("2025-03-03T09:59:00Z", 1_000),
            ("2025-03-03T10:30:00Z", 2_000),
            ("2025-03-03T11:02:00Z", 4_000),
        ],
        &[("2025-03-03T10:00:00Z", Activity::Charging)],
        "2025-03-03T11:00:00Z",
    );
    costs(&tariff(NIGHT), &session, "6");
}

#[test]
fn a_session_that_has_just_begun_owes_its_fee() {
    let fee = r#"{"price_components":[{"type":"FLAT","price":0.5,"vat":20},{"type":"ENERGY","price":1}]}"#;
    let session = timeline(
        &[("2025-03-03T10:00:00Z", 1_000)],
        &[("2025-03-03T10:00:00Z", Activity::Charging)],
        "2025-03-03T10:00:00Z",
    );
    let rating = rated(&tariff(fee), &session);
    assert_eq!(rating.total_cost.incl_vat.to_string(), "0.6");
    assert_eq!(rating.lines.len(), 1);
}

#[test]
fn kept_offsets_give_the_same_rating_again() {
    let session = timeline(
        &[("2025-10-25T18:00:00Z", 0), ("2025-10-26T07:00:00Z", 13_000)],
        &[("2025-10-25T18:00:00Z", Activity::Charging)],
        "2025-10-26T07:00:00Z",
    );
    let tariff = tariff(NIGHT);
    let first = rated(&tariff, &session);
    // As an auditor would: from the stored rating, without a time zone database.
    let stored = serde_json::to_string(&first).expect("JSON");
    let stored: Rating = serde_json::from_str(&stored).expect("a rating");
    let periods = split_at_boundaries(&tariff, &stored.local_time, &session).expect("periods");
    let input = RatingInput {
        local_time: stored.local_time.clone(),
        periods,
        ended_at: session.ended_at,
        reservation_expired: false,
    };
    assert_eq!(rate(&tariff, &input), Ok(stored));
}

/// Rules of version 1 are released: this result is in logs and must come out for ever, byte by
/// byte. A change here needs a version 2 beside them.
#[test]
fn released_rules_give_the_same_bytes_for_ever() {
    let tariff = Tariff::parse(
        r#"{"id":"G1","currency":"EUR","max_price":{"excl_vat":9.5,"incl_vat":11.2},"elements":[
        {"price_components":[{"type":"TIME","price":0.9,"vat":19,"step_size":60},{"type":"FLAT","price":0.35,"vat":19,"step_size":1}],
         "restrictions":{"start_time":"22:00","end_time":"02:30"}},
        {"price_components":[{"type":"ENERGY","price":0.4321,"vat":7,"step_size":100}],"restrictions":{"max_kwh":10}},
        {"price_components":[{"type":"ENERGY","price":0.5,"vat":7,"step_size":500},{"type":"PARKING_TIME","price":1.8,"step_size":900}]}]}"#,
    )
    .expect("a tariff");
    let local_time = LocalTime {
        time_zone: "Europe/Berlin".to_owned(),
        tzdb_version: "2025b".to_owned(),
        utc_offsets: vec![
            UtcOffset { from: at("2025-10-25T19:30:00Z"), offset_seconds: 7_200 },
            UtcOffset { from: at("2025-10-26T01:00:00Z"), offset_seconds: 3_600 },
        ],
    };
    let session = timeline(
        &[
            ("2025-10-25T19:30:00Z", 1_234_567),
            ("2025-10-25T21:07:13Z", 1_241_000),
            ("2025-10-26T00:45:00Z", 1_251_111),
        ],
        &[
            ("2025-10-25T19:30:00Z", Activity::Charging),
            ("2025-10-26T00:45:00Z", Activity::Parking),
        ],
        "2025-10-26T02:11:05.5Z",
    );
    let periods = split_at_boundaries(&tariff, &local_time, &session).expect("periods");
    let input =
        RatingInput { local_time, periods, ended_at: session.ended_at, reservation_expired: false };
    let rating = rate_with("1", &tariff, &input).expect("a rating");
    let written = serde_json::to_string_pretty(&rating).expect("JSON");
    assert_eq!(written, include_str!("rating_cases/golden_rules_1.json").trim_end());
    assert_eq!(rate_with("0", &tariff, &input), Err(RatingError::UnknownRules("0".to_owned())));
}

#[test]
fn what_is_no_session_is_refused() {
    let local_time =
        LocalTime::resolve(Tz::UTC, at("2025-03-03T10:00:00Z"), at("2025-03-03T11:00:00Z"))
            .expect("a zone");
    let split =
        |timeline: &SessionTimeline| split_at_boundaries(&tariff(NIGHT), &local_time, timeline);
    let charging = [("2025-03-03T10:00:00Z", Activity::Charging)];
    let end = "2025-03-03T11:00:00Z";
    assert_eq!(split(&timeline(&[], &[], end)), Err(RatingError::NoPeriods));
    let backwards = [("2025-03-03T10:00:00Z", 5), ("2025-03-03T10:10:00Z", 4)];
    assert_eq!(split(&timeline(&backwards, &charging, end)), Err(RatingError::RegisterBackwards));
    let unordered = [("2025-03-03T10:10:00Z", 5), ("2025-03-03T10:00:00Z", 6)];
    assert!(matches!(
        split(&timeline(&unordered, &charging, end)),
        Err(RatingError::OutOfOrder(_))
    ));
    assert!(matches!(
        split(&timeline(&[], &charging, "2025-03-03T09:00:00Z")),
        Err(RatingError::OutOfOrder(_))
    ));
    assert_eq!(
        split(&timeline(&[], &charging, "2027-03-03T09:00:00Z")),
        Err(RatingError::SessionTooLong)
    );
    let resolved =
        LocalTime::resolve(Tz::UTC, at("1970-01-01T00:00:00Z"), at("2025-03-03T11:00:00Z"));
    assert_eq!(resolved, Err(RatingError::SessionTooLong));
}

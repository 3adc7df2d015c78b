//! What becomes of a plan by what a station says, what may be drawn by it, and what is planned.

use super::*;
use crate::events::v1::{
    ChargingProfile, SchedulePeriod, StationChargingLimitTold, StationChargingProfileSet,
    StationChargingProfilesReported,
};
use crate::ids::{EventId, EvseNumber};
use rust_decimal::Decimal;
use uuid::Uuid;

const EXCHANGE: EventId = EventId(Uuid::nil());
const AMPERES: Measure = Measure { unit: RateUnit::Milliamperes, phases: 3, voltage_v: 230 };
const WATTS: Measure = Measure { unit: RateUnit::Watts, phases: 3, voltage_v: 230 };

/// So many seconds after the beginning of all of them.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_348_800_000 + seconds * 1_000).expect("an instant")
}

fn evse(number: u32) -> ChargingPlace {
    ChargingPlace { evse: Some(EvseNumber(number)), connector: None }
}

fn name(transaction: &str) -> TransactionName {
    TransactionName::parse(transaction).expect("a name")
}

/// A schedule from [`at`] 0 on.
fn schedule(unit: &str, periods: &[(u32, i64)]) -> ChargingSchedule {
    let period = |(start_seconds, limit): &(u32, i64)| SchedulePeriod {
        start_seconds: *start_seconds,
        limit: Some(Decimal::from(*limit)),
        phases: None,
        operation_mode: None,
        setpoint: None,
        discharge_limit: None,
    };
    ChargingSchedule {
        starts_at: Some(at(0)),
        duration_seconds: None,
        unit: unit.to_owned(),
        min_rate: None,
        periods: periods.iter().map(period).collect(),
    }
}

fn profile(profile_id: i64, purpose: &str, stack_level: u32) -> ChargingProfile {
    ChargingProfile {
        profile_id,
        stack_level,
        purpose: purpose.to_owned(),
        kind: "Absolute".to_owned(),
        recurrency: None,
        valid_from: None,
        valid_to: None,
        transaction: None,
        schedules: vec![schedule("A", &[(0, 16)])],
    }
}

fn of_transaction(profile_id: i64, transaction: &str) -> ChargingProfile {
    let transaction = Some(transaction.to_owned());
    ChargingProfile { transaction, ..profile(profile_id, FOR_A_TRANSACTION, 0) }
}

fn set(plan: &mut ChargingPlan, place: ChargingPlace, profile: ChargingProfile) {
    let fact =
        StationChargingProfileSet { place, profile, remote_start_id: None, exchange: EXCHANGE };
    plan.apply(&fact.into(), at(0));
}

/// The numbers of the profiles that are kept, in order.
fn numbers(plan: &ChargingPlan) -> Vec<i64> {
    let mut numbers: Vec<i64> = plan.profiles().map(|kept| kept.profile.profile_id).collect();
    numbers.sort_unstable();
    numbers
}

fn needs(plan: &mut ChargingPlan, place: ChargingPlace, transaction: Option<&str>) {
    let needs = serde_json::json!({ "transfer_mode": "AC_three_phase" });
    let fact = StationChargingNeedsTold {
        place,
        needs: serde_json::from_value(needs).expect("needs"),
        exchange: EXCHANGE,
        transaction: transaction.map(name),
        remote_start_id: None,
        profile: None,
        shortfall_wh: None,
        allowed_modes: Vec::new(),
    };
    plan.apply(&fact.into(), at(0));
}

#[test]
fn a_profile_takes_the_place_of_its_number_or_of_its_level() {
    let mut plan = ChargingPlan::default();
    set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
    set(&mut plan, evse(1), profile(2, "TxDefaultProfile", 1));
    set(&mut plan, evse(2), profile(3, "TxDefaultProfile", 0));
    assert_eq!(numbers(&plan), [1, 2, 3]);
    set(&mut plan, evse(1), profile(4, "TxDefaultProfile", 0));
    assert_eq!(numbers(&plan), [2, 3, 4]);
    set(&mut plan, evse(2), profile(2, "TxProfile", 5));
    assert_eq!(numbers(&plan), [2, 3, 4]);
    let source = "EMS".to_owned();
    let profiles = vec![profile(9, "TxProfile", 5)];
    let (place, exchange) = (evse(2), EXCHANGE);
    let fact = StationChargingProfilesReported { place, source, profiles, exchange };
    plan.apply(&fact.into(), at(0));
    assert_eq!(numbers(&plan), [2, 3, 4, 9], "another's stands beside ours");
}

#[test]
fn what_is_for_a_transaction_goes_with_it() {
    let mut plan = ChargingPlan::default();
    set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
    set(&mut plan, evse(1), of_transaction(2, "tx-1"));
    set(&mut plan, evse(1), ChargingProfile { stack_level: 1, ..of_transaction(3, "tx-1") });
    set(&mut plan, evse(2), of_transaction(4, "tx-2"));
    assert_eq!(numbers(&plan), [1, 2, 3, 4], "levels of one transaction stand together");
    set(&mut plan, evse(1), of_transaction(5, "tx-3"));
    assert_eq!(numbers(&plan), [1, 4, 5], "another one at the EVSE");
    set(&mut plan, evse(1), profile(6, FOR_A_TRANSACTION, 4));
    needs(&mut plan, evse(1), Some("tx-3"));
    needs(&mut plan, evse(2), Some("tx-2"));
    let told = StationPriorityChargingTold {
        transaction: name("tx-3"),
        is_active: true,
        exchange: EXCHANGE,
    };
    plan.apply(&told.into(), at(0));
    plan.end_transaction("tx-1", None);
    assert_eq!((numbers(&plan).len(), plan.told().needs.len()), (4, 2), "a late end of an old one");
    plan.end_transaction("tx-3", Some(evse(1)));
    assert_eq!(numbers(&plan), [1, 4], "and what a remote start brought");
    assert_eq!(plan.told().needs.iter().map(|it| it.place).collect::<Vec<_>>(), [evse(2)]);
    assert_eq!(plan.told().priorities, []);
}

#[test]
fn what_a_remote_start_brought_is_for_its_own_transaction() {
    let mut plan = ChargingPlan::default();
    set(&mut plan, evse(1), profile(1, FOR_A_TRANSACTION, 4));
    let offered = |plan: &ChargingPlan, transaction, heard_at| {
        let (place, began_at) = (evse(1), at(0));
        let transaction = Some(transaction);
        let asked = Question {
            place,
            transaction,
            began_at,
            heard_at: at(heard_at),
            remote_start_id: None,
            except: None,
        };
        plan.limit_at(&asked, AMPERES, at(heard_at))
    };
    assert_eq!(offered(&plan, "tx-1", 600), Some(16_000), "the driver took ten minutes");
    assert_eq!(offered(&plan, "tx-2", 601), None, "it was for another one");
    set(&mut plan, evse(2), profile(2, FOR_A_TRANSACTION, 0));
    set(&mut plan, evse(1), profile(3, FOR_A_TRANSACTION, 0));
    assert_eq!(numbers(&plan), [2, 3], "the next one's takes its place");
    needs(&mut plan, evse(1), Some("tx-1"));
    assert_eq!(offered(&plan, "tx-1", 10), Some(16_000));
    assert_eq!(offered(&plan, "tx-2", 20), None, "it has its transaction");
    set(&mut plan, evse(1), of_transaction(4, "tx-2"));
    assert_eq!(numbers(&plan), [2, 4], "and goes with that");
}

/// However long the driver takes, and whoever began at the EVSE meanwhile.
#[test]
fn what_a_remote_start_with_a_number_brought_is_for_the_transaction_that_names_it() {
    let mut plan = ChargingPlan::default();
    let fact = StationChargingProfileSet {
        place: evse(1),
        profile: profile(1, FOR_A_TRANSACTION, 4),
        remote_start_id: Some(42),
        exchange: EXCHANGE,
    };
    plan.apply(&fact.into(), at(0));
    let offered = |plan: &ChargingPlan, transaction, remote_start_id, heard_at| {
        let (place, began_at, heard_at) = (evse(1), at(0), at(heard_at));
        let transaction = Some(transaction);
        let asked =
            Question { place, transaction, began_at, heard_at, remote_start_id, except: None };
        plan.limit_at(&asked, AMPERES, heard_at)
    };
    assert_eq!(offered(&plan, "tx-1", None, 1), None, "a card's, a second later");
    assert_eq!(offered(&plan, "tx-2", Some(43), 1), None, "another start's");
    assert_eq!(offered(&plan, "tx-3", Some(42), 3_600), Some(16_000), "an hour later");
    needs(&mut plan, evse(1), Some("tx-1"));
    assert_eq!(offered(&plan, "tx-1", None, 1), None, "its needs do not bind it");
    let mut told = StationChargingNeedsTold {
        place: evse(1),
        needs: plan.needs_at(evse(1)).expect("needs").needs.clone(),
        exchange: EXCHANGE,
        transaction: Some(name("tx-3")),
        remote_start_id: Some(42),
        profile: None,
        shortfall_wh: None,
        allowed_modes: Vec::new(),
    };
    plan.apply(&told.clone().into(), at(3_600));
    assert_eq!(offered(&plan, "tx-3", None, 3_600), Some(16_000), "it has its name now");
    told.transaction = Some(name("tx-4"));
    plan.apply(&told.into(), at(3_601));
    assert_eq!(offered(&plan, "tx-4", Some(42), 3_601), None, "and keeps it");
}

/// Of profiles, places and what is carried over there are no more than is said.
#[test]
fn profiles_and_what_is_told_at_places_are_bounded() {
    let mut plan = ChargingPlan::default();
    for number in 1..=u32::from(PROFILES_MAX) + 1 {
        set(&mut plan, evse(number), profile(i64::from(number), "TxDefaultProfile", 0));
        needs(&mut plan, evse(number), Some(&format!("tx-{number}")));
        let (transaction, is_active) = (name(&format!("tx-{number}")), true);
        let told = StationPriorityChargingTold { transaction, is_active, exchange: EXCHANGE };
        plan.apply(&told.into(), at(0));
    }
    assert_eq!((numbers(&plan).len(), plan.told().left_out), (usize::from(PROFILES_MAX), 1));
    assert_eq!(plan.told().needs.len(), PLACES_MAX);
    assert_eq!(plan.told().needs.last().map(|it| it.place), Some(evse(257)), "the newest stay");
    assert_eq!(plan.told().priorities.len(), PLACES_MAX);
}

#[test]
fn the_periods_of_all_profiles_are_bounded() {
    let mut plan = ChargingPlan::default();
    let periods: Vec<(u32, i64)> = (0..1_024).map(|second| (second, 16)).collect();
    for number in 1..=4 {
        let schedules = vec![schedule("A", &periods)];
        let long =
            ChargingProfile { schedules, ..profile(i64::from(number), "TxDefaultProfile", 0) };
        let (place, exchange) = (evse(number), EXCHANGE);
        let fact =
            StationChargingProfileSet { place, profile: long, remote_start_id: None, exchange };
        plan.apply(&fact.into(), at(i64::from(number)));
    }
    assert_eq!((numbers(&plan), plan.told().left_out), (vec![3, 4], 2));
}

#[test]
fn what_is_for_a_transaction_gives_way_first_and_that_is_said() {
    let mut plan = ChargingPlan::default();
    set(&mut plan, ChargingPlace::default(), profile(0, "ChargingStationMaxProfile", 0));
    for (number, profile_id) in (1_u32..=300).zip(1..) {
        set(&mut plan, evse(number), of_transaction(profile_id, &format!("tx-{number}")));
    }
    assert_eq!(numbers(&plan).len(), usize::from(PROFILES_MAX));
    assert!(numbers(&plan).contains(&0), "the limit of the whole station stands");
    assert!(numbers(&plan).contains(&300), "and what was set last");
    assert_eq!(plan.told().left_out, 45);
}

#[test]
fn what_is_cleared_is_what_was_named() {
    let check = |changes: fn(&mut StationChargingProfilesCleared), left: &[i64]| {
        let mut plan = ChargingPlan::default();
        set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
        set(&mut plan, evse(1), profile(2, "TxProfile", 1));
        set(&mut plan, ChargingPlace::default(), profile(3, "ChargingStationMaxProfile", 0));
        let mut fact = StationChargingProfilesCleared {
            profile_id: None,
            place: None,
            purpose: None,
            stack_level: None,
            exchange: EXCHANGE,
        };
        changes(&mut fact);
        plan.apply(&fact.into(), at(0));
        assert_eq!(numbers(&plan), left);
    };
    check(|_| {}, &[]);
    check(|fact| fact.profile_id = Some(2), &[1, 3]);
    check(|fact| fact.place = Some(evse(1)), &[3]);
    check(|fact| fact.purpose = Some("TxDefaultProfile".to_owned()), &[2, 3]);
    check(|fact| fact.stack_level = Some(0), &[2]);
}

#[test]
fn each_profile_lies_on_a_shelf_of_its_own() {
    let mut plan = ChargingPlan::default();
    set(&mut plan, evse(1), profile(1, "TxDefaultProfile", 0));
    set(&mut plan, evse(2), profile(2, "TxDefaultProfile", 0));
    assert_eq!(plan.take_changed(), BTreeSet::from([0, 1]));
    set(&mut plan, evse(2), profile(2, "TxDefaultProfile", 1));
    assert_eq!(plan.take_changed(), BTreeSet::from([1]), "the other one stays as it is");
    let shelves = [0, 1].map(|shelf| plan.on_shelf(shelf).cloned().map(|kept| (shelf, kept)));
    let again = ChargingPlan::kept(shelves.into_iter().flatten(), plan.told().clone());
    assert_eq!(numbers(&again), [1, 2]);
    let carried = ChargingPlan::carried(plan.carry().expect("something"));
    assert_eq!(numbers(&carried), [1, 2]);
    assert_eq!(ChargingPlan::default().carry(), None);
}

#[test]
fn a_dynamic_profile_takes_over_new_values() {
    let mut plan = ChargingPlan::default();
    let dynamic = ChargingProfile { kind: DYNAMIC.to_owned(), ..of_transaction(7, "tx-1") };
    set(&mut plan, evse(1), dynamic);
    set(&mut plan, evse(2), of_transaction(8, "tx-2"));
    for profile_id in [7, 8] {
        let told = StationChargingScheduleUpdated {
            profile_id,
            limit: Some(Decimal::from(10)),
            setpoint: None,
            discharge_limit: None,
            exchange: EXCHANGE,
        };
        plan.apply(&told.into(), at(60));
    }
    let limits: Vec<_> = plan
        .profiles()
        .map(|kept| (kept.told_at, kept.profile.schedules[0].periods[0].limit))
        .collect();
    assert_eq!(limits[0], (at(60), Some(Decimal::from(10))));
    assert_eq!(limits[1], (at(0), Some(Decimal::from(16))), "only a dynamic one does");
    assert!(plan.dynamic_profile(7).is_some() && plan.dynamic_profile(8).is_none());
}

/// What may be drawn at EVSE 1 by the transaction `tx-1`, which began at 0.
fn limit(plan: &ChargingPlan, measure: Measure, seconds: i64) -> Option<u64> {
    let (place, transaction) = (evse(1), Some("tx-1"));
    let asked = Question {
        place,
        transaction,
        began_at: at(0),
        heard_at: at(0),
        remote_start_id: None,
        except: None,
    };
    plan.limit_at(&asked, measure, at(seconds))
}

#[test]
fn limits_are_merged_as_the_standard_does() {
    let station = ChargingPlace::default();
    let limited = |profile: ChargingProfile, unit: &str, periods: &[(u32, i64)]| ChargingProfile {
        schedules: vec![schedule(unit, periods)],
        ..profile
    };
    let mut plan = ChargingPlan::default();
    assert_eq!(limit(&plan, AMPERES, 0), None, "nothing is known");
    set(&mut plan, evse(1), limited(profile(1, "TxDefaultProfile", 0), "A", &[(0, 10)]));
    assert_eq!(limit(&plan, AMPERES, -1), None, "before it begins");
    assert_eq!(limit(&plan, AMPERES, 0), Some(10_000));
    assert_eq!(limit(&plan, WATTS, 0), Some(6_900), "in another unit");
    let higher = limited(profile(2, "TxDefaultProfile", 1), "A", &[(0, 20), (60, 25)]);
    set(&mut plan, evse(1), ChargingProfile { valid_to: Some(at(120)), ..higher });
    assert_eq!(limit(&plan, AMPERES, 59), Some(20_000), "the highest level");
    assert_eq!(limit(&plan, AMPERES, 60), Some(25_000), "its next period");
    assert_eq!(limit(&plan, AMPERES, 120), Some(10_000), "it holds no more");
    set(&mut plan, evse(2), limited(profile(3, "TxDefaultProfile", 9), "A", &[(0, 1)]));
    set(&mut plan, evse(1), limited(of_transaction(4, "tx-9"), "A", &[(0, 1)]));
    assert_eq!(limit(&plan, AMPERES, 0), Some(20_000), "others' limits");
    set(&mut plan, evse(1), limited(of_transaction(4, "tx-1"), "A", &[(0, 32)]));
    assert_eq!(limit(&plan, AMPERES, 0), Some(32_000), "its own stands for the default");
    let most = limited(profile(5, "ChargingStationMaxProfile", 0), "W", &[(0, 11_000)]);
    set(&mut plan, station, most);
    assert_eq!(limit(&plan, AMPERES, 0), Some(15_942), "11 kW by three phases");
    let told = StationChargingLimitTold {
        place: evse(1),
        source: "SO".to_owned(),
        is_grid_critical: None,
        schedules: vec![schedule("A", &[(0, 8)])],
        exchange: EXCHANGE,
    };
    plan.apply(&told.into(), at(0));
    assert_eq!(limit(&plan, AMPERES, 0), Some(8_000), "a limit from outside");
}

#[test]
fn schedules_begin_as_their_kind_says() {
    let day = 24 * 3_600;
    let check = |kind: &str, recurrency: Option<&str>, expected: &[(i64, Option<u64>)]| {
        let mut plan = ChargingPlan::default();
        let profile = ChargingProfile {
            kind: kind.to_owned(),
            recurrency: recurrency.map(str::to_owned),
            schedules: vec![ChargingSchedule {
                duration_seconds: Some(3_600),
                starts_at: (kind != "Relative").then(|| at(-3_600)),
                ..schedule("A", &[(0, 6), (1_800, 7)])
            }],
            ..profile(1, "TxDefaultProfile", 0)
        };
        set(&mut plan, evse(1), profile);
        for (seconds, expected) in expected {
            assert_eq!(limit(&plan, AMPERES, *seconds), *expected, "{kind} {seconds}");
        }
    };
    check("Absolute", None, &[(-3_600, Some(6_000)), (-1, Some(7_000)), (0, None)]);
    check("Relative", None, &[(0, Some(6_000)), (1_800, Some(7_000)), (3_600, None)]);
    let daily = [(-1, Some(7_000)), (0, None), (day - 1, Some(7_000)), (day, None)];
    check("Recurring", Some("Daily"), &daily);
    check("Recurring", Some("Weekly"), &[(day - 1, None), (7 * day - 1, Some(7_000))]);
}

#[test]
fn a_vehicle_is_charged_as_fast_as_it_can_within_the_limits() {
    let check = |rate_max, steps_max, limits: &[(u32, Option<u64>)], expected: &[(u32, u64)]| {
        let demand = Demand { rate_max, rate_unlimited: 32_000, steps_max };
        let steps: Vec<_> = plan(demand, limits, 7_200)
            .iter()
            .map(|step| (step.start_seconds, step.rate))
            .collect();
        assert_eq!(steps, expected, "{rate_max:?} {limits:?}");
    };
    check(None, 9, &[(0, None)], &[(0, 32_000)]);
    check(Some(16_000), 9, &[(0, None)], &[(0, 16_000)]);
    check(Some(16_000), 9, &[(0, Some(10_000))], &[(0, 10_000)]);
    check(None, 9, &[(0, Some(40_000))], &[(0, 40_000)]);
    let limits = [(0, Some(20_000)), (600, Some(18_000)), (1_200, Some(6_000)), (3_600, None)];
    check(Some(16_000), 9, &limits, &[(0, 16_000), (1_200, 6_000), (3_600, 16_000)]);
    // In fewer periods: what is lost least is joined, and the lower rate holds.
    check(Some(16_000), 2, &limits, &[(0, 6_000), (3_600, 16_000)]);
    check(Some(16_000), 1, &limits, &[(0, 6_000)]);
    check(Some(16_000), 0, &limits, &[(0, 6_000)]);
}

#[test]
fn the_energy_of_a_plan_is_power_by_time() {
    let steps = [Step { start_seconds: 0, rate: 16_000 }, Step { start_seconds: 3_600, rate: 0 }];
    let check = |until, expected| assert_eq!(energy_wh(&steps, AMPERES, until), expected);
    check(0, 0);
    check(1_800, 5_520);
    check(36_000, 11_040);
    assert_eq!(energy_wh(&steps[..1], WATTS, 3_600), 16_000);
}

#[test]
fn drawing_more_than_the_limit_is_noticed() {
    let check = |drawn: &[(u32, i64)], begins: i64, expected: bool| {
        let mut plan = ChargingPlan::default();
        let limited = ChargingProfile {
            schedules: vec![schedule("A", &[(0, 16), (3_600, 6)])],
            ..of_transaction(1, "tx-1")
        };
        set(&mut plan, evse(1), limited);
        let (place, transaction) = (evse(1), Some("tx-1"));
        let asked = Question {
            place,
            transaction,
            began_at: at(0),
            heard_at: at(0),
            remote_start_id: None,
            except: None,
        };
        let changes = plan.changes(&asked, at(begins), at(86_400));
        let limit_at = |at| plan.limit_at(&asked, AMPERES, at);
        let own = schedule("A", drawn);
        let exceeded = exceeds(&own, at(begins), AMPERES, &changes, limit_at);
        assert_eq!(exceeded, expected, "{drawn:?} from {begins}");
    };
    check(&[(0, 16), (3_600, 6)], 0, false);
    check(&[(0, 10)], 0, true);
    check(&[(0, 6)], 0, false);
    check(&[(0, 17), (3_600, 6)], 0, true);
    check(&[(0, 16), (3_600, 6)], 20, false);
    check(&[(0, 16), (3_600, 6)], 300, true);
    check(&[(0, 99)], -300, true);
}

#[test]
fn where_nothing_limits_a_moment_later_nothing_is_exceeded() {
    let mut plan = ChargingPlan::default();
    let limited = of_transaction(1, "tx-1");
    set(&mut plan, evse(1), ChargingProfile { valid_to: Some(at(3_600)), ..limited });
    let (place, transaction) = (evse(1), Some("tx-1"));
    let asked = Question {
        place,
        transaction,
        began_at: at(0),
        heard_at: at(0),
        remote_start_id: None,
        except: None,
    };
    let limit_at = |at| plan.limit_at(&asked, AMPERES, at);
    let check = |rises_after: u32, expected| {
        let own = schedule("A", &[(0, 16), (rises_after, 32)]);
        let changes = plan.changes(&asked, at(0), at(86_400));
        assert_eq!(exceeds(&own, at(0), AMPERES, &changes, limit_at), expected, "{rises_after}");
    };
    check(3_600, false);
    check(3_590, false);
    check(3_500, true);
}

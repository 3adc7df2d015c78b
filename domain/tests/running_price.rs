//! The price so far runs into the bill: same function, same facts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Authorization, ClockTrust, Evidence, MeterReading, MeterSample, Quantity,
    SessionConnectorStatus, SessionMeterRecorded, SessionStarted, SessionStopped, StopMatch,
};
use chargebook_domain::ids::{
    ConnectorNumber, EventId, SessionId, StationId, StationIdentity, TransactionNumber,
};
use chargebook_domain::rating::RULES_VERSION;
use chargebook_domain::sealed::SealedText;
use chargebook_domain::session::{
    Session, Settlement, SettlementRules, rate_settled, running_price, settle,
};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::TimeDelta;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use uuid::Uuid;

const TARIFF: &str = r#"{"currency":"EUR","elements":[{"price_components":[
    {"type":"FLAT","price":0.50,"vat":19},{"type":"ENERGY","price":0.40,"vat":19},
    {"type":"PARKING_TIME","price":6,"vat":19,"step_size":60}]}]}"#;

fn at(clock: &str) -> Timestamp {
    serde_json::from_value(format!("2026-11-22T{clock}:00Z").into()).unwrap()
}

fn exchange() -> EventId {
    EventId(Uuid::nil())
}

fn evidence(register_wh: i64) -> Evidence {
    Evidence { event_id: exchange(), pointer: "/3".to_owned(), raw: register_wh.to_string() }
}

fn reading(register_wh: i64) -> MeterReading {
    let evidence = evidence(register_wh);
    MeterReading { register_wh: WattHours::from_whole(register_wh), evidence }
}

fn started(register_wh: i64) -> Event {
    Event::from(SessionStarted {
        session_id: SessionId(Uuid::from_u128(1)),
        station_id: StationId(Uuid::from_u128(2)),
        station: StationIdentity::parse("CP-1").unwrap(),
        connector: ConnectorNumber(1),
        transaction_id: TransactionNumber(7),
        site_id: None,
        time_zone: "UTC".to_owned(),
        id_tag: SealedText::plain("TAG"),
        token_id: None,
        account_id: None,
        authorization: Authorization::Accepted,
        meter_start: reading(register_wh),
        started_at: at("12:00"),
        received_at: at("12:00"),
        clock: ClockTrust::Plausible,
        reservation_id: None,
        register_before: None,
        follows: None,
        exchange: exchange(),
    })
}

fn metered(clock: &str, register_wh: i64) -> Event {
    let sample = MeterSample {
        sampled_at: at(clock),
        quantity: Quantity::EnergyImportRegisterWh,
        value: Decimal::from(register_wh),
        context: "Sample.Periodic".to_owned(),
        phase: None,
        evidence: evidence(register_wh),
    };
    Event::from(SessionMeterRecorded { samples: vec![sample], exchange: exchange() })
}

fn stopped(clock: &str, register_wh: i64) -> Event {
    Event::from(SessionStopped {
        meter_stop: reading(register_wh),
        stopped_at: at(clock),
        received_at: at(clock),
        clock: ClockTrust::Plausible,
        reason: None,
        id_tag: None,
        matched_by: StopMatch::TransactionId,
        exchange: exchange(),
    })
}

fn connector(status: &str, clock: &str) -> Event {
    Event::from(SessionConnectorStatus {
        evse: None,
        connector: ConnectorNumber(1),
        status: status.to_owned(),
        error_code: Some("NoError".to_owned()),
        at: at(clock),
        received_at: at(clock),
        exchange: exchange(),
    })
}

fn session(events: &[Event]) -> Session {
    let mut session = Session::default();
    for (version, event) in (0..).zip(events) {
        session.apply(EventId(Uuid::from_u128(version.into())), version, at("12:00"), event);
    }
    session
}

fn price(events: &[Event], now: &str) -> Option<String> {
    let tariff = Tariff::parse(TARIFF).unwrap();
    let rating = running_price(&session(events), &tariff, Tz::UTC, at(now)).unwrap();
    rating.map(|rating| rating.total_cost.excl_vat.normalize().to_string())
}

#[test]
fn it_grows_with_the_meter() {
    let mut events = vec![started(1_000)];
    assert_eq!(price(&events, "12:00").as_deref(), Some("0.5"));
    events.push(metered("12:10", 3_500));
    assert_eq!(price(&events, "12:15").as_deref(), Some("1.5"));
    events.push(metered("12:20", 6_000));
    assert_eq!(price(&events, "12:25").as_deref(), Some("2.5"));
}

#[test]
fn after_the_stop_parking_goes_on_until_the_connector_is_free() {
    let mut events = vec![started(1_000), stopped("13:00", 6_000)];
    assert_eq!(price(&events, "15:00").as_deref(), Some("2.5"), "nobody says it is still there");
    events.push(connector("Finishing", "13:00"));
    assert_eq!(price(&events, "13:00").as_deref(), Some("2.5"));
    assert_eq!(price(&events, "13:10").as_deref(), Some("3.5"));
    events.push(connector("Available", "13:20"));
    assert_eq!(price(&events, "15:00").as_deref(), Some("4.5"));
}

#[test]
fn it_ends_at_the_bill() {
    let facts = [
        started(1_000),
        metered("12:30", 4_000),
        stopped("13:00", 6_000),
        connector("Available", "13:20"),
    ];
    let session = session(&facts);
    let rules = SettlementRules { settle_after: TimeDelta::hours(24), occupancy_is_priced: true };
    let Settlement::Settled(settled) = settle(&session, at("13:20"), rules) else {
        panic!("complete facts settle");
    };
    let tariff = Tariff::parse(TARIFF).unwrap();
    let bill = rate_settled(RULES_VERSION, &session, &settled, &tariff, Tz::UTC).unwrap();
    let running = running_price(&session, &tariff, Tz::UTC, at("13:20")).unwrap();
    assert_eq!(running, Some(bill));
}

#[test]
fn what_does_not_add_up_has_no_price() {
    assert_eq!(price(&[metered("12:10", 500)], "12:10"), None);
    assert_eq!(price(&[started(1_000), stopped("13:00", 900)], "13:00"), None);
    // A begin of 0 that was none: no charger delivers 9 MWh in ten minutes.
    assert_eq!(price(&[started(0), metered("12:10", 9_000_000)], "12:10"), None);
}

//! Random histories, messy ones among them.

use crate::history::{History, Place, place};
use crate::reservations::{self, Turn};
use chargebook_domain::events::v1::{
    Anomaly, InvoiceKind, Outcome, ReservationEnd, SessionAnomalyNoted, SessionConnectorStatus,
    StationDisconnected, TokenChanged, TokenStatus,
};
use chargebook_domain::ids::{ConnectorNumber, EventId};
use chargebook_store::{CanonicalJson, StreamName};
use proptest::prelude::{Strategy, any, prop_oneof};
use serde_json::json;

/// Something that happens; to stations 1 to 3 and sessions 1 to 8, whether they are known or
/// not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Register(u64),
    Connect(u64, u64),
    Disconnect(u64, u64),
    Boot(u64),
    Status(u64, u32, bool),
    Heartbeat(u64),
    Start(u64, u64, i64),
    Meter(u64, i64),
    SessionStatus(u64),
    Stop(u64, i64),
    Anomaly(u64),
    Settle(u64, i64),
    Rate(u64),
    Invoice(u64, bool),
    Decide(u64, u8),
    Token(u64),
    Block(u64),
    Tariff,
    Reservation(u64, Turn),
    Poison(u64),
    Pass(i64),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let station = 1..=3_u64;
    let station_of_reservation = 1..=3_u64;
    let session = 1..=8_u64;
    let register = 1_000..9_000_i64;
    prop_oneof![
        station.clone().prop_map(Step::Register),
        (station.clone(), 1..=3_u64).prop_map(|(s, epoch)| Step::Connect(s, epoch)),
        (station.clone(), 1..=3_u64).prop_map(|(s, epoch)| Step::Disconnect(s, epoch)),
        station.clone().prop_map(Step::Boot),
        (station.clone(), 1..=2_u32, any::<bool>())
            .prop_map(|(s, connector, faulted)| Step::Status(s, connector, faulted)),
        station.clone().prop_map(Step::Heartbeat),
        (session.clone(), station, -4_000..=0_i64)
            .prop_map(|(s, station, ago)| Step::Start(s, station, ago)),
        (session.clone(), register.clone()).prop_map(|(s, wh)| Step::Meter(s, wh)),
        (session.clone(), register.clone()).prop_map(|(s, wh)| Step::Meter(s, wh)),
        session.clone().prop_map(Step::SessionStatus),
        (session.clone(), register.clone()).prop_map(|(s, wh)| Step::Stop(s, wh)),
        session.clone().prop_map(Step::Anomaly),
        (session.clone(), register).prop_map(|(s, wh)| Step::Settle(s, wh)),
        session.clone().prop_map(Step::Rate),
        (session.clone(), any::<bool>()).prop_map(|(s, credit)| Step::Invoice(s, credit)),
        (session.clone(), 0..=3_u8).prop_map(|(s, outcome)| Step::Decide(s, outcome)),
        (1..=2_u64).prop_map(Step::Token),
        (1..=2_u64).prop_map(Step::Block),
        proptest::strategy::Just(Step::Tariff),
        (station_of_reservation, turn()).prop_map(|(s, turn)| Step::Reservation(s, turn)),
        session.prop_map(Step::Poison),
        (1..3_000_i64).prop_map(Step::Pass),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        proptest::strategy::Just(Turn::Made),
        proptest::strategy::Just(Turn::Cancelled),
        proptest::strategy::Just(Turn::Ended(ReservationEnd::Expired)),
        (1..=8_u64).prop_map(Turn::Used),
    ]
}

/// Runs what a test that is not asynchronous waits for.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Writes a history.
pub(crate) async fn written(steps: &[Step]) -> History {
    let mut history = History::new();
    let mut tariff = history.tariff(1, 1).await;
    history.site(1, "Europe/Berlin").await;
    let mut sequence = 0;
    let mut versions = 1;
    let no_event = EventId(crate::history::uuid(8, 9));
    for step in steps {
        let now = history.now;
        match *step {
            Step::Register(s) => history.station(s, Some(1).filter(|_| s > 1)).await,
            Step::Connect(s, epoch) => history.connect(s, epoch).await,
            Step::Disconnect(s, epoch) => {
                let fact = StationDisconnected { epoch, reason: "silent".to_owned() };
                history.write(History::station_stream(s), fact).await;
            }
            Step::Boot(s) => history.boot(s).await,
            Step::Status(s, connector, faulted) => {
                let status = if faulted { "Faulted" } else { "Available" };
                history.status(s, connector, status).await;
            }
            Step::Heartbeat(s) => history.heartbeat(s).await,
            Step::Start(s, station, ago) => {
                let began = now.as_millis() + ago * 1_000;
                let started_at = chargebook_domain::units::Timestamp::from_millis(began);
                history.start(Place { started_at, ..place(s, station) }).await;
            }
            Step::Meter(s, wh) => history.meter(s, wh, wh / 2).await,
            Step::SessionStatus(s) => {
                let fact = SessionConnectorStatus {
                    evse: None,
                    connector: ConnectorNumber(1),
                    status: "Charging".to_owned(),
                    error_code: Some("NoError".to_owned()),
                    at: now,
                    received_at: now,
                    exchange: no_event,
                };
                history.write(History::session_stream(s), fact).await;
            }
            Step::Stop(s, wh) => history.stop(s, wh, Some("EVDisconnected")).await,
            Step::Anomaly(s) => {
                let fact = SessionAnomalyNoted {
                    anomaly: Anomaly::MeterBackwards,
                    detail: "it went backwards".to_owned(),
                    exchange: None,
                };
                history.write(History::session_stream(s), fact).await;
            }
            Step::Settle(s, wh) => {
                history.settle(s, now, (1_000, wh)).await;
            }
            Step::Rate(s) => {
                history.rate(s, no_event, "1.23").await;
            }
            Step::Invoice(s, credit) => {
                sequence += 1;
                let kind = if credit { InvoiceKind::CreditNote } else { InvoiceKind::Invoice };
                let number = history.invoice(s, sequence, kind, no_event, tariff.clone()).await;
                history.post(&number).await;
            }
            Step::Decide(s, outcome) => {
                let outcome = match outcome {
                    0 => Outcome::Invoiced,
                    1 => Outcome::Free,
                    2 => Outcome::Void,
                    _ => Outcome::NeedsReview,
                };
                history.decide(s, outcome, None).await;
            }
            Step::Token(t) => history.token(t).await,
            Step::Block(t) => {
                let fact = TokenChanged {
                    status: TokenStatus::Blocked,
                    expires_at: Some(now),
                    group: None,
                };
                let token = crate::history::token_id(t);
                history.write(StreamName::of("token", token.0), fact).await;
            }
            Step::Tariff => {
                versions += 1;
                tariff = history.tariff(1, versions).await;
            }
            Step::Reservation(s, turn) => reservations::write(&mut history, s, 7, turn).await,
            Step::Poison(s) => {
                let data = CanonicalJson::from_value(&json!({ "samples": 1 })).unwrap();
                let stream = History::session_stream(s);
                history.write_raw(stream, "session.meter_recorded", 1, data).await;
            }
            Step::Pass(seconds) => history.pass(seconds),
        }
    }
    history
}

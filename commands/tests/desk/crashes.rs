//! Killed at every append in turn, once with it kept and once without: the station says again
//! what was not answered, and everything is billed once.

use crate::support::{Service, Station, TAG, meter_at, start_at, status, stop_at};
use crate::transactions::{Telling, started, updated};
use chargebook_commands::clock::SystemClock;
use chargebook_commands::journal::{Draft, Journal, JournalError};
use chargebook_commands::message::{Answer, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::PolicyCheckpointed;
use chargebook_domain::events::v1::{InvoiceKind, Outcome, StopMatch};
use chargebook_domain::ids::TransactionNumber;
use chargebook_store::contract::{FailingStore, Fate};
use chargebook_store::{AppendError, Appended, ExpectedVersion, MemoryStore, StreamName};
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The story and its policies make fewer appends than this.
const APPENDS: i64 = 40;
/// Stories that run beside each other.
const AT_ONCE: usize = 16;
const TARIFF: &str = r#"{"id":"P","currency":"EUR","elements":[{"price_components":[
    {"type":"ENERGY","price":"0.40","step_size":1},
    {"type":"PARKING_TIME","price":6,"step_size":1}]}]}"#;

/// A server that may die, and a station that says again what was not answered.
struct World {
    service: Option<Service>,
    /// Appends that its first server still makes; below 0 it is dead.
    left: Arc<AtomicI64>,
    station: Option<Station>,
}

impl World {
    async fn new(appends: i64, keeps_the_last: bool) -> Self {
        let service = Service::start().await;
        service.chargebook.registry().publish_tariff("P", TARIFF).await.unwrap();
        service.pass(1);
        service.chargebook.registry().set_default_tariff("P").await.unwrap();
        service.pass(3600);
        let left = Arc::new(AtomicI64::new(appends));
        let counted = left.clone();
        let killed = || AppendError::Down("killed".to_owned());
        let fate = move || match counted.fetch_sub(1, Ordering::SeqCst) {
            1.. => Fate::Passes,
            0 if keeps_the_last => Fate::HappensUntold(killed()),
            _ => Fate::Fails(killed()),
        };
        let mortal = FailingStore::new(service.store.clone(), fate);
        let service = service.restart_over(Arc::new(mortal)).await;
        Self { service: Some(service), left, station: None }
    }

    async fn revive(&mut self) {
        self.station = None;
        let service = self.service.take().unwrap();
        self.service = Some(service.restart().await);
    }

    async fn say(&mut self, message: StationMessage) -> Answer {
        loop {
            if self.station.is_none() {
                self.station = self.service.as_ref().unwrap().try_station("CP-1").await;
            }
            let said = match &mut self.station {
                Some(station) => station.try_say(message.clone()).await,
                None => None,
            };
            match said {
                Some(answer) => return answer,
                None => self.revive().await,
            }
        }
    }

    async fn start(&mut self, clock: &str, register_wh: i64) -> TransactionNumber {
        let start = start_at(1, &format!("2026-11-22T{clock}:00Z"), register_wh);
        match self.say(StationMessage::Start(start)).await {
            Answer::Start { transaction_id, .. } => transaction_id,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(&mut self, id: TransactionNumber, clock: &str, register_wh: i64) {
        let stop = stop_at(id, &format!("2026-11-22T{clock}:00Z"), register_wh);
        self.say(StationMessage::Stop(stop)).await;
    }

    async fn status(&mut self, word: &str, clock: &str) {
        let status = status(1, word, &format!("2026-11-22T{clock}:00Z"));
        self.say(StationMessage::Status(status)).await;
    }

    /// Lets the policies work; if they died, somebody starts the server again.
    async fn rest(&mut self, seconds: i64) {
        self.service.as_ref().unwrap().pass(seconds);
        tokio::time::sleep(Duration::from_millis(300)).await;
        if self.left.load(Ordering::SeqCst) < 0 {
            self.revive().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

/// One session whose stop is lost, one whose stop comes first, and one that parks and is
/// corrected by a late word.
async fn tell(world: &mut World) {
    world.start("12:50", 1_000).await;
    world.stop(TransactionNumber(-1), "13:10", 21_000).await;
    world.rest(1).await;
    let id = world.start("13:20", 21_000).await;
    let meter = meter_at(1, Some(id), "2026-11-22T13:25:00Z", 25_000);
    world.say(StationMessage::Meter(meter)).await;
    let id = world.start("13:40", 31_000).await;
    world.rest(120).await;
    world.stop(id, "13:50", 41_000).await;
    world.status("Finishing", "13:50").await;
    world.rest(120).await;
    world.status("Available", "14:00").await;
    world.rest(1).await;
}

async fn check(appends: i64, keeps_the_last: bool) {
    let mut world = World::new(appends, keeps_the_last).await;
    tell(&mut world).await;
    let service = world.service.take().unwrap();
    // 20 + 10 + 10 kWh, and 10 min of parking.
    service.settled_bill(800 + 400 + 400 + 100).await;
    let case = format!("killed at append {appends}, kept: {keeps_the_last}");
    let outcomes = service.outcomes(3).await;
    assert!(outcomes.iter().all(|o| o.outcome == Outcome::Invoiced), "{case}: {outcomes:?}");
    let invoices = service
        .facts(|event| match event {
            Event::InvoiceIssued(invoice) => Some(invoice),
            _ => None,
        })
        .await;
    let numbers: Vec<u64> = invoices.iter().map(|invoice| invoice.sequence).collect();
    assert_eq!(numbers, (1..=invoices.len() as u64).collect::<Vec<_>>(), "{case}");
    let notes = invoices.iter().filter(|invoice| invoice.kind == InvoiceKind::CreditNote).count();
    assert_eq!(invoices.len(), 3 + 2 * notes, "{case}");
    let posted = service
        .facts(|event| match event {
            Event::LedgerPosted(posting) => {
                let sum: i64 = posting.legs.iter().map(|leg| leg.amount_minor).sum();
                assert_eq!(sum, 0);
                posting.invoice
            }
            _ => None,
        })
        .await;
    let mut numbers: Vec<_> = invoices.into_iter().map(|invoice| invoice.number).collect();
    numbers.sort_unstable();
    let mut posted = posted;
    posted.sort_unstable();
    assert_eq!(posted, numbers, "{case}: each is posted once");
    let stops = service
        .facts(|event| match event {
            Event::SessionStopped(stopped) => Some(stopped.matched_by),
            _ => None,
        })
        .await;
    assert_eq!(stops, [StopMatch::OnlyOpenSession, StopMatch::TransactionId], "{case}");
    let superseded =
        service.facts(|event| matches!(event, Event::SessionSuperseded(_)).then_some(())).await;
    assert_eq!(superseded.len(), 1, "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_append_it_bills_everything_once() {
    let cases = (0..APPENDS).flat_map(|appends| [(appends, false), (appends, true)]);
    futures::stream::iter(cases)
        .map(|(appends, keeps_the_last)| tokio::spawn(check(appends, keeps_the_last)))
        .buffer_unordered(AT_ONCE)
        .for_each(|outcome| async move { outcome.unwrap() })
        .await;
}

/// The register that a transaction began with comes by itself, and ends the one before it.
async fn check_begin_by_itself(appends: i64, keeps_the_last: bool) {
    let mut world = World::new(appends, keeps_the_last).await;
    let told = [
        started("12:50:00").by(TAG).reading(1_000, "Transaction.Begin"),
        updated(1, "12:55:00").reading(9_000, "Sample.Periodic"),
        started("12:58:00").by(TAG).named("tx-2"),
        updated(1, "12:59:00").named("tx-2").reading(11_000, "Transaction.Begin"),
    ];
    for report in told {
        world.say(StationMessage::Transaction(Box::new(report))).await;
    }
    for _ in 0..3 {
        world.rest(120).await;
    }
    world.service.take().unwrap().settled_bill(400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_append_a_begin_that_comes_by_itself_is_told() {
    let cases = (0..10).flat_map(|appends| [(appends, false), (appends, true)]);
    futures::stream::iter(cases)
        .map(|(appends, keeps)| tokio::spawn(check_begin_by_itself(appends, keeps)))
        .buffer_unordered(AT_ONCE)
        .for_each(|outcome| async move { outcome.unwrap() })
        .await;
}

/// One append over an engine that keeps it, loses its answer, and then refuses everything for so
/// many appends.
async fn append_untold(refusals: i64) -> Result<Appended, JournalError> {
    let asked = AtomicI64::new(0);
    let fate = move || match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Fate::HappensUntold(AppendError::Unknown("the answer was lost".to_owned())),
        again if again > refusals => Fate::Passes,
        again if again % 2 == 0 => Fate::Fails(AppendError::Overloaded),
        _ => Fate::Fails(AppendError::Down("it recovers".to_owned())),
    };
    let store = FailingStore::new(Arc::new(MemoryStore::new()), fate);
    let journal = Journal::new(Arc::new(store), Arc::new(SystemClock), "test");
    let fact = PolicyCheckpointed { position: "1".to_owned() };
    let draft = Draft::new(journal.fresh_id(), fact);
    let stream = StreamName::new("policy-test").unwrap();
    journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await
}

#[tokio::test]
async fn what_may_be_in_the_log_is_asked_for_until_it_is_known() {
    for refusals in 0..4 {
        let appended = append_untold(refusals).await.unwrap();
        assert!(appended.already, "{refusals}: {appended:?}");
    }
    let lost = append_untold(i64::MAX).await;
    let unknown = |error: &JournalError| matches!(error, JournalError::Append(AppendError::Unknown(reason)) if reason == "the answer was lost");
    assert!(lost.as_ref().is_err_and(unknown), "never `nothing was written`: {lost:?}");
}

//! A session that is rated more than once is billed once: wherever the pages end that billing
//! reads, however far it is behind, and whenever the server dies.

use crate::support::{Service, Station, TAG, TARIFF};
use crate::transactions::{Telling, ended, started, updated};
use async_trait::async_trait;
use chargebook_commands::journal::{Draft, Journal};
use chargebook_commands::message::{StationMessage, TransactionReport};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{InvoiceKind, SessionRated};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::rating::RULES_VERSION;
use chargebook_domain::session::{Session, Settlement, SettlementRules, rate_settled, settle};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::Timestamp;
use chargebook_store::contract::{FailingStore, Fate};
use chargebook_store::port::SubscriptionSource;
use chargebook_store::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, LookupKey, MemoryStore, Position,
    RecordedEvent, StoreError, StreamName, Subscription,
};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// 1.5 kWh at 0.40 plus 1.00 flat, 19 % VAT.
const BILL_MINOR: i64 = 190;
/// How often a subscription that is held back looks whether it still is.
const HELD_PAUSE: Duration = Duration::from_millis(2);
/// So long billing gets between two messages where it is to keep up.
const KEEPS_UP: Duration = Duration::from_millis(80);
/// Plans that are tried beside each other.
const AT_ONCE: usize = 12;
/// How long everything may take in the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine whose subscribers get pages of chosen sizes, one after the other, and nothing while
/// they are held back.
struct PagedStore {
    inner: Arc<dyn EventStore>,
    sizes: Vec<usize>,
    is_held: Arc<AtomicBool>,
    read_to: Arc<AtomicU64>,
}

struct PagedSource {
    inner: Arc<dyn EventStore>,
    sizes: Vec<usize>,
    pages: usize,
    is_held: Arc<AtomicBool>,
    /// All before it has been acted on.
    read_to: Arc<AtomicU64>,
    after: Position,
}

#[async_trait]
impl SubscriptionSource for PagedSource {
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
        self.read_to.store(self.after.as_u64(), Ordering::SeqCst);
        loop {
            if !self.is_held.load(Ordering::SeqCst) {
                let limit = self.sizes[self.pages % self.sizes.len()];
                let page = self.inner.read_all(self.after, limit).await?;
                if let Some(last) = page.last() {
                    self.after = last.position;
                    self.pages += 1;
                    return Ok(page);
                }
            }
            tokio::time::sleep(HELD_PAUSE).await;
        }
    }
}

#[async_trait]
impl EventStore for PagedStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_stream(stream, from_version, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        self.inner.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(PagedSource {
            inner: self.inner.clone(),
            sizes: self.sizes.clone(),
            pages: 0,
            is_held: self.is_held.clone(),
            read_to: self.read_to.clone(),
            after,
        })
    }
}

/// What happens before a message is said.
#[derive(Clone, Copy, Debug)]
enum Pause {
    None,
    KeepUp,
    Restart,
}

/// How billing gets to read, and when the server dies.
#[derive(Clone, Debug)]
struct Plan {
    sizes: Vec<usize>,
    is_held: bool,
    pauses: Vec<Pause>,
    /// So many appends are made; whether the one after them is kept as well.
    dies_after: Option<(i64, bool)>,
}

struct World {
    service: Option<Service>,
    station: Option<Station>,
    sizes: Vec<usize>,
    is_held: Arc<AtomicBool>,
    /// How far billing has got since the last restart.
    read_to: Arc<AtomicU64>,
    left: Arc<AtomicI64>,
}

impl World {
    async fn new(plan: &Plan) -> Self {
        let service = Service::start().await;
        let (appends, keeps_the_last) = plan.dies_after.unwrap_or((i64::MAX, false));
        let left = Arc::new(AtomicI64::new(appends));
        let counted = left.clone();
        let killed = || AppendError::Down("killed".to_owned());
        let fate = move || match counted.fetch_sub(1, Ordering::SeqCst) {
            1.. => Fate::Passes,
            0 if keeps_the_last => Fate::HappensUntold(killed()),
            _ => Fate::Fails(killed()),
        };
        let is_held = Arc::new(AtomicBool::new(plan.is_held));
        let mortal = Arc::new(FailingStore::new(service.store.clone(), fate));
        let read_to = Arc::default();
        let sizes = plan.sizes.clone();
        let mut world = Self { service: None, station: None, sizes, is_held, read_to, left };
        let paged = world.paged(mortal);
        world.service = Some(service.restart_over(paged).await);
        world
    }

    fn paged(&mut self, inner: Arc<dyn EventStore>) -> Arc<PagedStore> {
        self.read_to = Arc::default();
        let (sizes, is_held) = (self.sizes.clone(), self.is_held.clone());
        Arc::new(PagedStore { inner, sizes, is_held, read_to: self.read_to.clone() })
    }

    async fn restart(&mut self) {
        self.station = None;
        let service = self.service.take().unwrap();
        let store: Arc<MemoryStore> = service.store.clone();
        let paged = self.paged(store);
        self.service = Some(service.restart_over(paged).await);
    }

    async fn tell(&mut self, report: TransactionReport) {
        let message = StationMessage::Transaction(Box::new(report));
        loop {
            if self.station.is_none() {
                self.station = self.service.as_ref().unwrap().try_station("CP-1").await;
            }
            let said = match &mut self.station {
                Some(station) => station.try_say(message.clone()).await,
                None => None,
            };
            if said.is_some() {
                return;
            }
            self.restart().await;
        }
    }

    /// Lets billing read on, and waits until nothing more follows.
    async fn come_to_rest(&mut self) -> Vec<(EventId, Event)> {
        self.is_held.store(false, Ordering::SeqCst);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut quiet = 0;
        let mut length = 0;
        while quiet < 2 {
            assert!(tokio::time::Instant::now() < deadline, "it never comes to rest");
            if self.left.load(Ordering::SeqCst) < 0 {
                self.left.store(i64::MAX, Ordering::SeqCst);
                self.restart().await;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
            let events = self.service.as_ref().unwrap().events().await;
            let head = events.last().map_or(0, |last| last.position.as_u64());
            let is_read = self.read_to.load(Ordering::SeqCst) == head;
            quiet = if is_read && events.len() == length { quiet + 1 } else { 0 };
            length = events.len();
        }
        let events = self.service.as_ref().unwrap().events().await;
        let read = |e: &RecordedEvent| {
            let event = Event::read(&e.event_type, e.schema_version, e.data.as_str());
            (EventId(e.id), event.unwrap())
        };
        events.iter().map(read).collect()
    }
}

/// One that goes on, so that billing reads from before it after every restart; and one whose last
/// reading comes after its end.
fn story() -> [TransactionReport; 5] {
    let other = started("10:30:00").by(TAG).named("tx-0").at_evse(2);
    [
        other.reading(1_000, "Transaction.Begin"),
        started("11:00:00").by(TAG).while_in("Charging").reading(1_000, "Transaction.Begin"),
        updated(1, "11:10:00").reading(2_000, "Sample.Periodic"),
        ended(2, "11:20:00"),
        updated(3, "11:20:00").reading(2_500, "Transaction.End"),
    ]
}

/// Sums what was invoiced and posted by session: each is the bill of its last rating, and nothing
/// is posted that is not an invoice's.
fn check_law(events: &[(EventId, Event)], case: &str) {
    let mut sums: BTreeMap<SessionId, i64> = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    let mut posted = BTreeSet::new();
    let mut bills = BTreeMap::new();
    let mut corrected = BTreeSet::new();
    for (_, event) in events {
        match event {
            Event::InvoiceIssued(invoice) => {
                *sums.entry(invoice.session_id).or_default() += invoice.total_gross_minor;
                numbers.insert(invoice.number.clone());
                assert_eq!(invoice.sequence, numbers.len() as u64, "{case}");
                if invoice.kind == InvoiceKind::CreditNote {
                    let first = corrected.insert(invoice.corrects.clone());
                    assert!(first, "{case}: {:?} taken back twice", invoice.corrects);
                }
                bills.insert(invoice.session_id, 0);
            }
            Event::LedgerPosted(posting) => {
                assert!(posted.insert(posting.invoice.clone().unwrap()), "{case}");
            }
            _ => {}
        }
    }
    let rated = events.iter().rev().find_map(|(_, event)| match event {
        Event::SessionRated(rated) => Some(InvoiceFigures::of(&rated.rating).unwrap()),
        _ => None,
    });
    assert_eq!(rated.map(|figures| figures.total_gross_minor), Some(BILL_MINOR), "{case}");
    assert_eq!(sums.into_values().collect::<Vec<_>>(), [BILL_MINOR], "{case}");
    assert_eq!(posted, numbers, "{case}: each is posted once");
}

async fn check(plan: Plan) {
    let case = format!("{plan:?}");
    let mut world = World::new(&plan).await;
    for (report, pause) in story().into_iter().zip(&plan.pauses) {
        match pause {
            Pause::None => {}
            Pause::KeepUp => tokio::time::sleep(KEEPS_UP).await,
            Pause::Restart => world.restart().await,
        }
        world.tell(report).await;
    }
    let events = world.come_to_rest().await;
    check_law(&events, &case);
    // Read once more, in pages of one event: nothing to add.
    world.sizes = vec![1];
    world.restart().await;
    let again = world.come_to_rest().await;
    check_law(&again, &case);
    let added = again[events.len()..].iter();
    assert!(added.clone().all(|(_, e)| matches!(e, Event::PolicyCheckpointed(_))), "{case}");
}

/// The whole story is told while billing is behind, and then read again in single events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_in_one_page_and_then_in_many_is_billed_once() {
    let pauses = vec![Pause::None; 5];
    check(Plan { sizes: vec![1000], is_held: true, pauses, dies_after: None }).await;
}

/// Billing is behind by more than a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_billed_by_a_policy_that_is_behind_is_billed_once() {
    let pauses = vec![Pause::None; 5];
    check(Plan { sizes: vec![1], is_held: true, pauses, dies_after: None }).await;
}

/// What releases before wrote to a session that was rated and not invoiced yet: another rating.
async fn rate_as_before(service: &Service) {
    let mut streams: BTreeMap<StreamName, Session> = BTreeMap::new();
    for e in service.events().await {
        let event = Event::read(&e.event_type, e.schema_version, e.data.as_str()).unwrap();
        let session = streams.entry(e.stream.clone()).or_default();
        session.apply(EventId(e.id), e.version, Timestamp::new(e.recorded_at), &event);
    }
    let (stream, session) =
        streams.iter().find(|(_, session)| session.rated().is_some()).expect("it was rated");
    if !session.awaits_invoice() {
        return;
    }
    let rules = SettlementRules { settle_after: TimeDelta::zero(), occupancy_is_priced: false };
    let settled = match settle(session, service.now(), rules) {
        Settlement::Settled(settled) => settled,
        // Its outcome had come, and so it was rated again by billing.
        Settlement::Unchanged => return,
        other => panic!("not settled again: {other:?}"),
    };
    let tariff = Tariff::parse(TARIFF).unwrap();
    let rating = rate_settled(RULES_VERSION, session, &settled, &tariff, chrono_tz::UTC).unwrap();
    let journal = Journal::new(service.store.clone(), service.clock.clone(), "node-0");
    let settled = Draft::new(journal.fresh_id(), *settled);
    let (first, before) = session.rated().unwrap();
    let rated =
        SessionRated { rating, settled: settled.id(), corrects: Some(*first), ..before.clone() };
    let drafts = [settled, Draft::new(journal.fresh_id(), rated)];
    let expected = ExpectedVersion::Exact(session.version().unwrap());
    journal.append(stream, expected, &drafts).await.unwrap();
}

/// Billing dies on its way with the first rating; then a release before this one rates again.
async fn check_log_of_before(appends: i64, keeps_the_last: bool) {
    let plan = Plan {
        sizes: vec![1, 1000],
        is_held: true,
        pauses: Vec::new(),
        dies_after: Some((i64::MAX, keeps_the_last)),
    };
    let mut world = World::new(&plan).await;
    let [other, start, update, end, last] = story();
    for report in [other, start, update, end] {
        world.tell(report).await;
    }
    world.left.store(appends, Ordering::SeqCst);
    world.is_held.store(false, Ordering::SeqCst);
    tokio::time::sleep(KEEPS_UP * 4).await;
    world.is_held.store(true, Ordering::SeqCst);
    world.left.store(i64::MAX, Ordering::SeqCst);
    world.restart().await;
    world.tell(last).await;
    rate_as_before(world.service.as_ref().unwrap()).await;
    world.restart().await;
    let events = world.come_to_rest().await;
    check_law(&events, &format!("dead after {appends}, kept: {keeps_the_last}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rated_twice_before_it_was_invoiced_is_billed_once() {
    let cases = (0..4).flat_map(|appends| [(appends, false), (appends, true)]);
    let cases: Vec<_> =
        cases.map(|(appends, keeps)| tokio::spawn(check_log_of_before(appends, keeps))).collect();
    for case in cases {
        case.await.unwrap();
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let pause = prop_oneof![
        4 => Just(Pause::None),
        2 => Just(Pause::KeepUp),
        1 => Just(Pause::Restart),
    ];
    let size = prop_oneof![Just(1_usize), 2..6_usize, Just(1000)];
    let death = prop_oneof![
        1 => Just(None),
        3 => (0..24_i64, any::<bool>()).prop_map(Some),
    ];
    (prop::collection::vec(size, 1..8), any::<bool>(), prop::collection::vec(pause, 5), death)
        .prop_map(|(sizes, is_held, pauses, dies_after)| Plan {
            sizes,
            is_held,
            pauses,
            dies_after,
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    /// The law: for any pages, restarts and deaths, what was invoiced less what was taken back is
    /// one bill, that of the last rating.
    #[test]
    fn however_it_is_read_it_is_billed_once(plans in prop::collection::vec(plans(), AT_ONCE)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let checks: Vec<_> = plans.into_iter().map(|plan| tokio::spawn(check(plan))).collect();
            for check in checks {
                check.await.unwrap();
            }
        });
    }
}

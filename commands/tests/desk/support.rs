//! A service on the memory engine with a clock of its own, and a station to speak at its desk.

use chargebook_commands::clock::Clock;
use chargebook_commands::message::{
    Answer, Judged, MeterReport, Personal, Pointed, Receipt, RenderedReply, SampleReport,
    StartReport, StationMessage, StatusReport, StopReport,
};
use chargebook_commands::protocol::{ExactRefused, ExactRequest, StationProtocol};
use chargebook_commands::registry::{StationRegistration, TokenRegistration};
use chargebook_commands::{Chargebook, ConnectionInformation, Settings, StationDesk};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Dialect, Direction, Evidence, MeterSample, Quantity, SessionOutcomeDecided, TokenStatus,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, TransactionName, TransactionNumber};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, MemoryStore, Position, RecordedEvent};
use chrono::TimeDelta;
use rust_decimal::Decimal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const TAG: &str = "04A1B2C3";
pub(crate) const TARIFF: &str = r#"{"id":"T","currency":"EUR","elements":[{"price_components":[
    {"type":"ENERGY","price":0.40,"vat":19,"step_size":1},
    {"type":"FLAT","price":1.00,"vat":19,"step_size":1}]}]}"#;

/// The words of stations, as far as these tests need any: nothing is checked against a schema.
struct Words;

impl StationProtocol for Words {
    fn request(&self, _: &str, _: &str, payload: &str) -> Result<ExactRequest, ExactRefused> {
        Ok(ExactRequest {
            payload: payload.to_owned(),
            personal: Personal::Places(Vec::new()),
            follow_up: None,
            indivisible_items: None,
            waits: false,
        })
    }

    fn transaction_status(
        &self,
        _: &str,
        transaction: &TransactionName,
    ) -> Result<(&'static str, String), ExactRefused> {
        Ok(("GetTransactionStatus", format!(r#"{{"transactionId":"{transaction}"}}"#)))
    }

    fn read(&self, _: &str, _: String, _: Dialect, _: Timestamp) -> Option<(Receipt, Judged)> {
        None
    }
}

/// A clock that stands until it is moved.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(crate) struct Service {
    pub(crate) chargebook: Chargebook,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) vault: Arc<KeyVault>,
    pub(crate) clock: Arc<TestClock>,
    stop: CancellationToken,
}

pub(crate) fn at(text: &str) -> Timestamp {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).unwrap()
}

impl Service {
    pub(crate) async fn start() -> Self {
        let store = Arc::new(MemoryStore::new());
        let vault = Arc::new(KeyVault::in_memory().await.unwrap());
        let clock = Arc::new(TestClock(AtomicI64::new(at("2026-11-22T12:00:00Z").as_millis())));
        let service = Self::over(store, vault, clock).await;
        let registry = service.chargebook.registry();
        for id in ["CP-1", "CP-2"] {
            let registration = StationRegistration {
                id: id.to_owned(),
                password: Some("0123456789abcdef0123456789abcdef".to_owned()),
                ..StationRegistration::default()
            };
            assert!(registry.register_station(registration).await.unwrap().created);
        }
        assert!(registry.register_token(token(TAG)).await.unwrap().created);
        registry.publish_tariff("T", TARIFF).await.unwrap();
        registry.set_default_tariff("T").await.unwrap();
        service
    }

    async fn over(store: Arc<MemoryStore>, vault: Arc<KeyVault>, clock: Arc<TestClock>) -> Self {
        Self::over_engine(store.clone(), store, vault, clock).await
    }

    async fn over_engine(
        engine: Arc<dyn EventStore>,
        store: Arc<MemoryStore>,
        vault: Arc<KeyVault>,
        clock: Arc<TestClock>,
    ) -> Self {
        let settings = Settings { settle_after: TimeDelta::seconds(60), ..Settings::default() };
        let chargebook =
            Chargebook::open(engine, vault.clone(), clock.clone(), settings).await.unwrap();
        let chargebook = chargebook.speaking(Arc::new(Words));
        let stop = CancellationToken::new();
        let policies = chargebook.clone();
        let stopped = stop.clone();
        tokio::spawn(async move { policies.run_policies(stopped).await.unwrap() });
        Self { chargebook, store, vault, clock, stop }
    }

    /// A new process over the same log: nothing is remembered but what is in it.
    pub(crate) async fn restart(self) -> Self {
        self.stop.cancel();
        Self::over(self.store, self.vault, self.clock).await
    }

    /// The same, so many seconds after the old process has ended.
    pub(crate) async fn restart_after(self, seconds: i64) -> Self {
        self.stop.cancel();
        self.pass(seconds);
        Self::over(self.store, self.vault, self.clock).await
    }

    /// A new process that reaches the same log through another engine.
    pub(crate) async fn restart_over(self, engine: Arc<dyn EventStore>) -> Self {
        self.stop.cancel();
        Self::over_engine(engine, self.store, self.vault, self.clock).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) async fn station(&self, id: &str) -> Station {
        self.try_station(id).await.unwrap()
    }

    /// `None` where the log cannot be written to.
    pub(crate) async fn try_station(&self, id: &str) -> Option<Station> {
        let password = b"0123456789abcdef0123456789abcdef";
        let admitted = self.chargebook.admit(id, Some(password)).await.unwrap();
        let connection = ConnectionInformation {
            protocol: "ocpp1.6".to_owned(),
            remote: "127.0.0.1:1".to_owned(),
            security_profile: 1,
        };
        let desk = self.chargebook.open_desk(admitted, connection).await.ok()?;
        Some(Station { desk, clock: self.clock.clone() })
    }

    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        loop {
            let after = events.last().map_or(Position::START, |e: &RecordedEvent| e.position);
            let page = self.store.read_all(after, 1000).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    pub(crate) async fn facts<T>(&self, mut pick: impl FnMut(Event) -> Option<T>) -> Vec<T> {
        let events = self.events().await;
        events
            .iter()
            .filter_map(|e| {
                let read = Event::read(&e.event_type, e.schema_version, e.data.as_str()).unwrap();
                pick(read)
            })
            .collect()
    }

    /// Waits until the invoices and credit notes sum up to that, and nothing more follows.
    pub(crate) async fn settled_bill(&self, expected_minor: i64) {
        let mut invoiced = Vec::new();
        for _ in 0..20 {
            let before = self.events().await.len();
            tokio::time::sleep(Duration::from_millis(250)).await;
            invoiced = self
                .facts(|event| match event {
                    Event::InvoiceIssued(invoice) => Some(invoice.total_gross_minor),
                    _ => None,
                })
                .await;
            let is_quiet = self.events().await.len() == before;
            if is_quiet && invoiced.iter().sum::<i64>() == expected_minor {
                return;
            }
        }
        panic!("invoiced {invoiced:?}, expected {expected_minor} in all");
    }

    /// Every session's last outcome, once `count` sessions have one.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<SessionOutcomeDecided> {
        for _ in 0..200 {
            let mut last = std::collections::BTreeMap::new();
            for event in self.events().await {
                if &*event.event_type == "session.outcome_decided" {
                    let data = event.data.as_str();
                    last.insert(event.stream.clone(), serde_json::from_str(data).unwrap());
                }
            }
            if last.len() >= count {
                return last.into_values().collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {count} outcomes in time: {:#?}", self.facts(Some).await);
    }
}

pub(crate) fn token(uid: &str) -> TokenRegistration {
    TokenRegistration {
        uid: uid.to_owned(),
        kind: "RFID".to_owned(),
        driver: None,
        status: TokenStatus::Accepted,
        expires_at: None,
        group: None,
    }
}

pub(crate) struct Station {
    pub(crate) desk: StationDesk,
    clock: Arc<TestClock>,
}

impl Station {
    pub(crate) async fn say(&mut self, message: StationMessage) -> Answer {
        self.try_say(message).await.unwrap()
    }

    /// `None` where it was not answered.
    pub(crate) async fn try_say(&mut self, message: StationMessage) -> Option<Answer> {
        let receipt = Receipt {
            direction: Direction::FromStation,
            text: Some(format!("[2,\"{}\",\"Any\",{{}}]", Uuid::now_v7())),
            personal: Personal::Places(Vec::new()),
            message_id: Some("1".to_owned()),
            action: Some("Any".to_owned()),
            received_at: self.clock.now(),
            station_time: None,
            extra_members: 0,
            undelivered: None,
            dialect: Dialect::STANDARD,
            noticed: Dialect::STANDARD,
        };
        let said = std::sync::Mutex::new(None);
        let render = |answer: &Answer| {
            *said.lock().unwrap() = Some(answer.clone());
            RenderedReply { frame: "[3,\"1\",{}]".to_owned(), personal: Vec::new() }
        };
        self.desk.receive(receipt, Judged::Message(message), &render).await.ok()?;
        said.into_inner().unwrap()
    }

    pub(crate) async fn start(&mut self, start: StartReport) -> TransactionNumber {
        match self.say(StationMessage::Start(start)).await {
            Answer::Start { transaction_id, .. } => transaction_id,
            other => panic!("{other:?}"),
        }
    }
}

fn pointed(pointer: &str, register_wh: i64) -> Pointed<WattHours> {
    Pointed {
        value: WattHours::from_whole(register_wh),
        pointer: pointer.to_owned(),
        raw: register_wh.to_string(),
    }
}

pub(crate) fn start_at(connector: u32, started_at: &str, register_wh: i64) -> StartReport {
    StartReport {
        connector: ConnectorNumber(connector),
        id_tag: TAG.to_owned(),
        meter_start: pointed("/3/meterStart", register_wh),
        started_at: at(started_at),
        reservation_id: None,
    }
}

pub(crate) fn stop_at(
    transaction_id: TransactionNumber,
    stopped_at: &str,
    register_wh: i64,
) -> StopReport {
    StopReport {
        transaction_id,
        id_tag: Some(TAG.to_owned()),
        meter_stop: pointed("/3/meterStop", register_wh),
        stopped_at: at(stopped_at),
        reason: None,
        samples: Vec::new(),
    }
}

pub(crate) fn meter_at(
    connector: u32,
    transaction_id: Option<TransactionNumber>,
    sampled_at: &str,
    register_wh: i64,
) -> MeterReport {
    let sample = MeterSample {
        sampled_at: at(sampled_at),
        quantity: Quantity::EnergyImportRegisterWh,
        value: Decimal::from(register_wh),
        context: "Sample.Periodic".to_owned(),
        phase: None,
        evidence: Evidence {
            event_id: EventId(Uuid::nil()),
            pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
            raw: format!("\"{register_wh}\""),
        },
    };
    MeterReport {
        evse: None,
        connector: Some(ConnectorNumber(connector)),
        transaction_id,
        samples: vec![SampleReport { sample }],
    }
}

pub(crate) fn status(connector: u32, status: &str, at_text: &str) -> StatusReport {
    StatusReport {
        evse: None,
        connector: ConnectorNumber(connector),
        status: status.to_owned(),
        error_code: Some("NoError".to_owned()),
        vendor_error_code: None,
        at: Some(at(at_text)),
    }
}

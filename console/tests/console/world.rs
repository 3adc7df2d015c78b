//! A small world to show: a service over a store in memory, read models in a folder that goes
//! away, and stations that talk through their desks.

use chargebook_commands::clock::Clock;
use chargebook_commands::message::{
    Answer, Judged, MeterReport, Personal, Pointed, Receipt, RenderedReply, SampleReport,
    StartReport, StationMessage, StatusReport, StopReport,
};
use chargebook_commands::registry::{ConnectorDeclaration, StationRegistration, TokenRegistration};
use chargebook_commands::{Chargebook, ConnectionInformation, Settings, StationDesk};
use chargebook_console::{Console, ConsoleOptions, router};
use chargebook_domain::events::v1::{
    BootInformation, Dialect, Direction, Evidence, MeterSample, Outcome, Quantity, TokenStatus,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, TransactionNumber};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{Paging, ProjectorOptions, ReadModels, Session, SessionFilter};
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, MemoryStore};
use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const ADMIN_TOKEN: &str = "an-admin-token";
pub(crate) const CARD: &str = "04A1B2C3";
const TARIFF: &str = r#"{"id":"standard","currency":"EUR","min_price":{"excl_vat":0.5},
    "elements":[
    {"price_components":[{"type":"ENERGY","price":0.39,"vat":19,"step_size":1}],
     "restrictions":{"start_time":"22:00","end_time":"06:00"}},
    {"price_components":[{"type":"ENERGY","price":0.49,"vat":19,"step_size":1},
     {"type":"FLAT","price":0.35,"vat":19,"step_size":1},
     {"type":"PARKING_TIME","price":2.4,"vat":19,"step_size":60}]}],
    "x_origin":"spreadsheet"}"#;

/// Stands at an instant until it is moved, or runs beside the machine's.
pub(crate) struct WorldClock {
    /// Milliseconds since 1970; 0 runs.
    stands_at: AtomicI64,
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        match self.stands_at.load(Ordering::SeqCst) {
            0 => Timestamp::new(Utc::now()),
            millis => Timestamp::from_millis(millis).unwrap(),
        }
    }
}

impl WorldClock {
    pub(crate) fn set(&self, now: Timestamp) {
        self.stands_at.store(now.as_millis(), Ordering::SeqCst);
    }

    #[allow(dead_code, reason = "for the preview only")]
    pub(crate) fn run(&self) {
        self.stands_at.store(0, Ordering::SeqCst);
    }
}

pub(crate) struct World {
    pub(crate) chargebook: Chargebook,
    pub(crate) models: ReadModels,
    pub(crate) clock: Arc<WorldClock>,
    _folder: tempfile::TempDir,
}

/// Sunday, 22 November 2026, 12:00 UTC: 13:00 at the site.
#[allow(dead_code, reason = "the preview begins at another instant")]
pub(crate) fn noon() -> Timestamp {
    Timestamp::from_millis(1_795_348_800_000).unwrap()
}

pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::new(at.utc() + TimeDelta::seconds(seconds))
}

impl World {
    /// A service at an instant, with a site, a tariff and a card.
    pub(crate) async fn new(now: Timestamp) -> Self {
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        let vault = Arc::new(KeyVault::in_memory().await.unwrap());
        let clock = Arc::new(WorldClock { stands_at: AtomicI64::new(now.as_millis()) });
        let settings = Settings { settle_after: TimeDelta::hours(24), ..Settings::default() };
        let chargebook =
            Chargebook::open(store.clone(), vault, clock.clone(), settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = ProjectorOptions::default();
        let (models, projector) =
            chargebook_projections::open(store, folder.path(), options).await.unwrap();
        tokio::spawn(projector.run(std::future::pending()));
        let policies = chargebook.clone();
        tokio::spawn(async move { policies.run_policies(CancellationToken::new()).await });
        let registry = chargebook.registry();
        let address = Some("Am Kai 4, Hamburg".to_owned());
        let country = Some("DE".to_owned());
        let zone = "Europe/Berlin";
        registry.register_site("harbour", "Harbour garage", zone, address, country).await.unwrap();
        registry.publish_tariff("standard", TARIFF).await.unwrap();
        registry.set_default_tariff("standard").await.unwrap();
        registry.register_token(token(CARD)).await.unwrap();
        Self { chargebook, models, clock, _folder: folder }
    }

    pub(crate) fn router(&self) -> axum::Router {
        let authenticator = Arc::new(|token: &str| token == ADMIN_TOKEN);
        let options = ConsoleOptions::default();
        let (chargebook, models) = (self.chargebook.clone(), self.models.clone());
        router(Console::new(chargebook, models, authenticator, options))
    }

    /// Registers a station and connects it.
    pub(crate) async fn station(&self, id: &str) -> Station {
        let registry = self.chargebook.registry();
        let registration = StationRegistration {
            id: id.to_owned(),
            site: Some("harbour".to_owned()),
            ..StationRegistration::default()
        };
        registry.register_station(registration).await.unwrap();
        let declared = ConnectorDeclaration {
            evse: None,
            connector: 1,
            evse_id: Some("DE*CBK*E0001*1".to_owned()),
            plug: Some("IEC_62196_T2_COMBO".to_owned()),
            power_w_max: Some(150_000),
        };
        registry.declare_connector(id, declared).await.unwrap();
        self.connect(id).await
    }

    pub(crate) async fn connect(&self, id: &str) -> Station {
        let admitted = self.chargebook.admit(id, None).await.unwrap();
        let connection = ConnectionInformation {
            protocol: "ocpp1.6".to_owned(),
            remote: "127.0.0.1:51234".to_owned(),
            security_profile: 1,
        };
        let desk = self.chargebook.open_desk(admitted, connection).await.unwrap();
        Station { desk, clock: self.clock.clone() }
    }

    /// Returns once the pages can show everything that is in the log.
    pub(crate) async fn shown(&self) {
        let head = *self.chargebook.journal().store().head().borrow();
        self.models.wait_for(head, Duration::from_secs(10)).await.unwrap();
    }

    /// Returns once every session that has ended has an outcome.
    pub(crate) async fn billed(&self) {
        for _ in 0..500 {
            self.shown().await;
            if self.unbilled().await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("sessions stay without an outcome: {:#?}", self.unbilled().await);
    }

    /// Returns once the only session has its invoice.
    #[allow(dead_code, reason = "the preview needs none")]
    pub(crate) async fn invoiced(&self) {
        let (filter, paging) = (SessionFilter::default(), Paging::default());
        for _ in 0..500 {
            self.shown().await;
            let sessions = self.models.list_sessions(&filter, &paging).await.unwrap();
            if sessions.items[0].outcome == Some(Outcome::Invoiced) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no invoice in time");
    }

    async fn unbilled(&self) -> Vec<Session> {
        let filter = SessionFilter { open: Some(false), ..SessionFilter::default() };
        let paging = Paging { limit: Some(1_000), next: None };
        let sessions = self.models.list_sessions(&filter, &paging).await.unwrap().items;
        sessions.into_iter().filter(|session| session.outcome.is_none()).collect()
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

/// A station that talks.
pub(crate) struct Station {
    pub(crate) desk: StationDesk,
    clock: Arc<WorldClock>,
}

impl Station {
    pub(crate) async fn say(&mut self, message: StationMessage) -> Answer {
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
        self.desk.receive(receipt, Judged::Message(message), &render).await.unwrap();
        said.into_inner().unwrap().unwrap()
    }

    pub(crate) async fn boot(&mut self, vendor: &str, model: &str) {
        let boot = BootInformation {
            vendor: vendor.to_owned(),
            model: model.to_owned(),
            serial_number: Some("SN-004711".to_owned()),
            firmware_version: Some("2.4.1".to_owned()),
            iccid: None,
            imsi: None,
            meter_type: None,
            meter_serial_number: None,
            reason: None,
        };
        self.say(StationMessage::Boot(boot.into())).await;
    }

    pub(crate) async fn status(&mut self, connector: u32, status: &str, error_code: &str) {
        let report = StatusReport {
            evse: None,
            connector: ConnectorNumber(connector),
            status: status.to_owned(),
            error_code: Some(error_code.to_owned()),
            vendor_error_code: None,
            at: Some(self.clock.now()),
        };
        self.say(StationMessage::Status(report)).await;
    }

    pub(crate) async fn start(
        &mut self,
        connector: u32,
        uid: &str,
        meter_wh: i64,
    ) -> TransactionNumber {
        let report = StartReport {
            connector: ConnectorNumber(connector),
            id_tag: uid.to_owned(),
            meter_start: pointed("/3/meterStart", meter_wh),
            started_at: self.clock.now(),
            reservation_id: None,
        };
        match self.say(StationMessage::Start(report)).await {
            Answer::Start { transaction_id, .. } => transaction_id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn meter(
        &mut self,
        connector: u32,
        transaction_id: TransactionNumber,
        values: &[(Quantity, i64)],
    ) {
        let sample = |(quantity, value): &(Quantity, i64)| SampleReport {
            sample: MeterSample {
                sampled_at: self.clock.now(),
                quantity: *quantity,
                value: Decimal::from(*value),
                context: "Sample.Periodic".to_owned(),
                phase: None,
                evidence: Evidence {
                    event_id: EventId(Uuid::nil()),
                    pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
                    raw: format!("\"{value}\""),
                },
            },
        };
        let report = MeterReport {
            evse: None,
            connector: Some(ConnectorNumber(connector)),
            transaction_id: Some(transaction_id),
            samples: values.iter().map(sample).collect(),
        };
        self.say(StationMessage::Meter(report)).await;
    }

    pub(crate) async fn stop(&mut self, transaction_id: TransactionNumber, meter_wh: i64) {
        let report = StopReport {
            transaction_id,
            id_tag: Some(CARD.to_owned()),
            meter_stop: pointed("/3/meterStop", meter_wh),
            stopped_at: self.clock.now(),
            reason: Some("EVDisconnected".to_owned()),
            samples: Vec::new(),
        };
        self.say(StationMessage::Stop(report)).await;
    }
}

fn pointed(pointer: &str, register_wh: i64) -> Pointed<WattHours> {
    Pointed {
        value: WattHours::from_whole(register_wh),
        pointer: pointer.to_owned(),
        raw: register_wh.to_string(),
    }
}

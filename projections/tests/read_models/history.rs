//! Writes logs for the tests: events as commands would have decided them.

use chargebook_domain::events::v1::{
    AccountKind, AccountOpened, Authorization, BootInformation, ClockTrust, DefaultTariffSet,
    Evidence, ExchangeRecorded, InvoiceIssued, InvoiceKind, InvoiceLine, InvoiceVat, LedgerLeg,
    LedgerPosted, MeterReading, MeterSample, OrphanStop, Outcome, Quantity, Registration,
    SessionMeterRecorded, SessionOutcomeDecided, SessionSettled, SessionStarted, SessionStopped,
    SettledBecause, SiteRegistered, StationBooted, StationConnected, StationConnectorStatus,
    StationOrphanRecorded, StationRegistered, StopMatch, TariffReference, TariffVersionPublished,
    TokenRegistered, TokenStatus,
};
use chargebook_domain::events::{Event, Meta};
use chargebook_domain::ids::{
    AccountId, ConnectorNumber, EventId, SessionId, SiteId, StationId, StationIdentity, SubjectId,
    TariffId, TokenId, TransactionNumber,
};
use chargebook_domain::rating::{ChargingPeriod, LocalTime, Rating, RatingInput, rate};
use chargebook_domain::sealed::{Hole, SealedText};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{ProjectionError, Projector, ProjectorOptions, ReadModels, open};
use chargebook_store::{
    Append, CanonicalJson, EventStore, ExpectedVersion, MemoryStore, NewEvent, Position, StreamName,
};
use chrono::TimeDelta;
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Long enough for anything that happens at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-11-22T10:00:00Z.
pub(crate) const MORNING_MILLIS: i64 = 1_795_341_600_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(MORNING_MILLIS + seconds * 1_000).unwrap()
}

pub(crate) fn uuid(kind: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(kind, number)
}

pub(crate) fn station_id(number: u64) -> StationId {
    StationId(uuid(1, number))
}

pub(crate) fn session_id(number: u64) -> SessionId {
    SessionId(uuid(2, number))
}

pub(crate) fn site_id(number: u64) -> SiteId {
    SiteId(uuid(3, number))
}

pub(crate) fn account_id(number: u64) -> AccountId {
    AccountId(uuid(4, number))
}

pub(crate) fn token_id(number: u64) -> TokenId {
    TokenId(uuid(5, number))
}

pub(crate) fn tariff_id(number: u64) -> TariffId {
    TariffId(uuid(6, number))
}

pub(crate) fn identity(number: u64) -> StationIdentity {
    StationIdentity::parse(&format!("CP-{number}")).unwrap()
}

/// Personal data as the log keeps it.
pub(crate) fn sealed(subject: u64) -> SealedText {
    SealedText::hole(Hole {
        ciphertext: "c2VhbGVk".to_owned(),
        commitment: "00".repeat(32),
        subject: SubjectId(uuid(7, subject)),
    })
}

pub(crate) fn evidence(raw: &str) -> Evidence {
    Evidence { event_id: EventId(uuid(8, 0)), pointer: "/3".to_owned(), raw: raw.to_owned() }
}

/// A log being written.
pub(crate) struct History {
    pub(crate) log: MemoryStore,
    versions: HashMap<StreamName, u64>,
    events: u64,
    /// Our clock.
    pub(crate) now: Timestamp,
    /// What it said when events came that tell of an earlier `now`.
    pub(crate) recorded_at: Option<Timestamp>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            log: MemoryStore::new(),
            versions: HashMap::new(),
            events: 0,
            now: at(0),
            recorded_at: None,
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(self.log.clone())
    }

    pub(crate) fn head(&self) -> Position {
        *self.log.head().borrow()
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::new(self.now.utc() + TimeDelta::seconds(seconds));
    }

    pub(crate) async fn write(&mut self, stream: StreamName, event: impl Into<Event>) -> EventId {
        let event = event.into();
        let data = CanonicalJson::from_serialize(&event.data()).unwrap();
        self.write_raw(stream, event.event_type(), event.schema_version(), data).await
    }

    pub(crate) async fn write_raw(
        &mut self,
        stream: StreamName,
        event_type: &str,
        schema_version: u32,
        data: CanonicalJson,
    ) -> EventId {
        self.events += 1;
        let id = uuid(9, self.events);
        let version = self.versions.get(&stream).copied();
        let meta = Meta {
            actor: "test".into(),
            caused_by: None,
            correlation: None,
            station: None,
            node: "test".into(),
            keys: Vec::new(),
        };
        let append = Append {
            stream: stream.clone(),
            expected: version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact),
            events: vec![NewEvent {
                id,
                event_type: event_type.to_owned().into(),
                schema_version,
                recorded_at: self.recorded_at.unwrap_or(self.now).utc(),
                data,
                meta: CanonicalJson::from_serialize(&meta).unwrap(),
                keys: Vec::new(),
            }],
        };
        let appended = self.log.append(append).await.unwrap();
        self.versions.insert(stream, appended.version);
        EventId(id)
    }

    pub(crate) async fn site(&mut self, number: u64, time_zone: &str) {
        let fact = SiteRegistered {
            site_id: site_id(number),
            site: format!("site-{number}"),
            name: format!("Site {number}"),
            time_zone: time_zone.to_owned(),
            address: None,
            country: Some("DE".to_owned()),
        };
        self.write(StreamName::of("site", site_id(number).0), fact).await;
    }

    /// A tariff of 0.50 per kWh and 19 % VAT, and the default from now on.
    pub(crate) async fn tariff(&mut self, number: u64, version: u64) -> TariffReference {
        let content = "{\"currency\":\"EUR\",\"elements\":[{\"price_components\":[{\"price\":\
                       \"0.5\",\"step_size\":1,\"type\":\"ENERGY\",\"vat\":\"19\"}]}]}";
        let fact = TariffVersionPublished {
            tariff_id: tariff_id(number),
            tariff: format!("tariff-{number}"),
            version,
            content: content.to_owned(),
            content_sha256: "00".repeat(32),
        };
        let event_id = self.write(StreamName::of("tariff", tariff_id(number).0), fact).await;
        let fact =
            DefaultTariffSet { tariff_id: tariff_id(number), tariff: format!("tariff-{number}") };
        self.write(StreamName::new("settings-default").unwrap(), fact).await;
        TariffReference {
            tariff_id: tariff_id(number),
            tariff: format!("tariff-{number}"),
            version,
            event_id,
            content_sha256: "00".repeat(32),
        }
    }

    pub(crate) async fn token(&mut self, number: u64) {
        let account = AccountOpened { account_id: account_id(number), kind: AccountKind::PayLater };
        self.write(StreamName::of("account", account_id(number).0), account).await;
        let fact = TokenRegistered {
            token_id: token_id(number),
            subject_id: SubjectId(uuid(7, number)),
            uid: sealed(number),
            kind: "RFID".to_owned(),
            driver_id: None,
            account_id: account_id(number),
            status: TokenStatus::Accepted,
            expires_at: None,
            group: Some(sealed(number + 100)),
        };
        self.write(StreamName::of("token", token_id(number).0), fact).await;
    }

    pub(crate) fn station_stream(number: u64) -> StreamName {
        StreamName::new(format!("station-{}-2026-11", station_id(number))).unwrap()
    }

    pub(crate) fn session_stream(number: u64) -> StreamName {
        StreamName::of("session", session_id(number).0)
    }

    pub(crate) async fn station(&mut self, number: u64, site: Option<u64>) {
        let fact = StationRegistered {
            station_id: station_id(number),
            station: identity(number),
            password: None,
            site_id: site.map(site_id),
        };
        self.write(Self::station_stream(number), fact).await;
    }

    pub(crate) async fn connect(&mut self, number: u64, epoch: u64) {
        let fact = StationConnected {
            epoch,
            protocol: "ocpp1.6".to_owned(),
            remote: "127.0.0.1:40000".to_owned(),
            security_profile: 1,
            certificate_serial_number: None,
        };
        self.write(Self::station_stream(number), fact).await;
    }

    pub(crate) async fn boot(&mut self, number: u64) {
        let fact = StationBooted {
            boot: BootInformation {
                vendor: "Vendor".to_owned(),
                model: "Model".to_owned(),
                serial_number: None,
                firmware_version: Some("1.2".to_owned()),
                iccid: None,
                imsi: None,
                meter_type: None,
                meter_serial_number: None,
                reason: None,
            },
            registration: Registration::Accepted,
            exchange: EventId(uuid(8, 1)),
        };
        self.write(Self::station_stream(number), fact).await;
    }

    pub(crate) async fn status(&mut self, number: u64, connector: u32, status: &str) {
        let fact = StationConnectorStatus {
            evse: None,
            connector: ConnectorNumber(connector),
            status: status.to_owned(),
            error_code: Some("NoError".to_owned()),
            vendor_error_code: None,
            at: self.now,
            received_at: Some(self.now),
            exchange: EventId(uuid(8, 2)),
        };
        self.write(Self::station_stream(number), fact).await;
    }

    /// An exchange that the station began, as a heartbeat.
    pub(crate) async fn heartbeat(&mut self, number: u64) {
        use chargebook_domain::events::v1::{Dialect, Direction, Verdict};
        let fact = ExchangeRecorded {
            station: identity(number),
            station_id: station_id(number),
            protocol: "ocpp1.6".to_owned(),
            direction: Direction::FromStation,
            message_id: Some("1".to_owned()),
            action: Some("Heartbeat".to_owned()),
            request: Some(SealedText::plain("[2,\"1\",\"Heartbeat\",{}]")),
            reply: None,
            received_at: self.now,
            station_time: None,
            result_error: None,
            verdict: Verdict::Answered,
            error_code: None,
            duplicate_of: None,
            extra_members: 0,
            undelivered: None,
            dialect: Dialect::STANDARD,
        };
        self.write(Self::station_stream(number), fact).await;
    }

    pub(crate) async fn start(&mut self, place: Place) {
        let fact = SessionStarted {
            session_id: session_id(place.session),
            station_id: station_id(place.station),
            station: identity(place.station),
            connector: ConnectorNumber(place.connector),
            transaction_id: TransactionNumber(i32::try_from(place.session).unwrap()),
            site_id: place.site.map(site_id),
            time_zone: "Europe/Berlin".to_owned(),
            id_tag: sealed(1),
            token_id: Some(token_id(1)),
            account_id: Some(account_id(1)),
            authorization: Authorization::Accepted,
            meter_start: reading(place.register_wh),
            started_at: place.started_at.unwrap_or(self.now),
            received_at: self.now,
            clock: ClockTrust::Plausible,
            reservation_id: None,
            register_before: None,
            follows: None,
            exchange: EventId(uuid(8, 3)),
        };
        self.write(Self::session_stream(place.session), fact).await;
    }

    pub(crate) async fn meter(&mut self, session: u64, register_wh: i64, power_w: i64) {
        let sample = |quantity, value: i64| MeterSample {
            sampled_at: self.now,
            quantity,
            value: Decimal::from(value),
            context: "Sample.Periodic".to_owned(),
            phase: None,
            evidence: evidence("\"1\""),
        };
        let fact = SessionMeterRecorded {
            samples: vec![
                sample(Quantity::EnergyImportRegisterWh, register_wh),
                sample(Quantity::PowerImportW, power_w),
                sample(Quantity::StateOfChargePercent, 50),
            ],
            exchange: EventId(uuid(8, 4)),
        };
        self.write(Self::session_stream(session), fact).await;
    }

    pub(crate) async fn stop(&mut self, session: u64, register_wh: i64, reason: Option<&str>) {
        let fact = self.stopped(register_wh);
        let fact = SessionStopped { reason: reason.map(str::to_owned), ..fact };
        self.write(Self::session_stream(session), fact).await;
    }

    /// A session takes in a stop that came before its start.
    pub(crate) async fn stop_by_orphan(
        &mut self,
        session: u64,
        exchange: EventId,
        register_wh: i64,
    ) {
        let fact = self.stopped(register_wh);
        let matched_by = StopMatch::StartCameLater;
        let fact = SessionStopped { matched_by, exchange, ..fact };
        self.write(Self::session_stream(session), fact).await;
    }

    fn stopped(&self, register_wh: i64) -> SessionStopped {
        SessionStopped {
            meter_stop: reading(register_wh),
            stopped_at: self.now,
            received_at: self.now,
            clock: ClockTrust::Plausible,
            reason: None,
            id_tag: None,
            matched_by: StopMatch::TransactionId,
            exchange: EventId(uuid(8, 5)),
        }
    }

    /// A stop that belongs to no session; its exchange.
    pub(crate) async fn orphan(&mut self, station: u64, register_wh: i64) -> EventId {
        let exchange = EventId(uuid(10, self.events));
        let orphan = OrphanStop {
            transaction_id: TransactionNumber(77),
            meter_stop_wh: WattHours::from_whole(register_wh),
            meter_evidence: evidence(&register_wh.to_string()),
            stopped_at: self.now,
            received_at: self.now,
            reason: None,
            id_tag: Some(sealed(1)),
            id_tag_key: None,
            begin: None,
            samples: Vec::new(),
            is_foreign: false,
            exchange,
        };
        self.write(Self::station_stream(station), StationOrphanRecorded { orphan }).await;
        exchange
    }

    pub(crate) async fn settle(
        &mut self,
        session: u64,
        started_at: Timestamp,
        registers: (i64, i64),
    ) -> EventId {
        let fact = SessionSettled {
            because: SettledBecause::Complete,
            started_at,
            ended_at: self.now,
            register_start: reading(registers.0),
            register_end: reading(registers.1),
            energy_wh: WattHours::from_whole(registers.1 - registers.0),
            released_at: None,
            anomalies: Vec::new(),
            as_of_version: 0,
        };
        self.write(Self::session_stream(session), fact).await
    }

    pub(crate) async fn rate(&mut self, session: u64, settled: EventId, net: &str) -> EventId {
        let data = serde_json::json!({
            "tariff": {}, "time_zone": "Europe/Berlin", "settled": settled, "corrects": null,
            "rating": flat_rating(net),
        });
        let data = CanonicalJson::from_value(&data).unwrap();
        self.write_raw(Self::session_stream(session), "session.rated", 1, data).await
    }

    pub(crate) async fn invoice(
        &mut self,
        session: u64,
        sequence: u64,
        kind: InvoiceKind,
        rated: EventId,
        tariff: TariffReference,
    ) -> String {
        let number = format!("A-{sequence}");
        let fact = InvoiceIssued {
            number: number.clone(),
            series: "A".to_owned(),
            sequence,
            kind,
            corrects: None,
            session_id: session_id(session),
            account_id: account_id(1),
            issued_at: self.now,
            delivered_from: at(0),
            delivered_to: self.now,
            currency: "EUR".to_owned(),
            currency_exponent: 2,
            lines: vec![InvoiceLine {
                dimension: "ENERGY".to_owned(),
                quantity: Decimal::from(2),
                unit: "kWh".to_owned(),
                unit_price: Decimal::new(5, 1),
                vat_percent: Some(Decimal::from(19)),
                net_minor: 100,
            }],
            vat: vec![InvoiceVat {
                vat_percent: Some(Decimal::from(19)),
                net_minor: 100,
                vat_minor: 19,
            }],
            total_net_minor: 100,
            total_vat_minor: 19,
            total_gross_minor: 119,
            tariff,
            rated,
        };
        self.write(StreamName::new("invoice_series-A").unwrap(), fact).await;
        number
    }

    pub(crate) async fn post(&mut self, invoice: &str) {
        let leg = |account: String, amount_minor| LedgerLeg { account, amount_minor };
        let fact = LedgerPosted {
            purpose: "invoice".to_owned(),
            invoice: Some(invoice.to_owned()),
            currency: "EUR".to_owned(),
            legs: vec![
                leg(format!("receivable:{}", account_id(1)), 119),
                leg("revenue".to_owned(), -100),
                leg("vat:19".to_owned(), -19),
            ],
        };
        self.write(StreamName::of("account", account_id(1).0), fact).await;
    }

    pub(crate) async fn decide(&mut self, session: u64, outcome: Outcome, invoice: Option<&str>) {
        let fact = SessionOutcomeDecided {
            outcome,
            reason: None,
            detail: None,
            owner: None,
            resolved_by: None,
            invoice: invoice.map(str::to_owned),
            settlement: None,
        };
        self.write(Self::session_stream(session), fact).await;
    }
}

/// Where and with what a session starts.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) session: u64,
    pub(crate) station: u64,
    pub(crate) connector: u32,
    pub(crate) site: Option<u64>,
    pub(crate) register_wh: i64,
    pub(crate) started_at: Option<Timestamp>,
}

pub(crate) fn place(session: u64, station: u64) -> Place {
    Place { session, station, connector: 1, site: Some(1), register_wh: 1_000, started_at: None }
}

pub(crate) fn reading(register_wh: i64) -> MeterReading {
    MeterReading {
        register_wh: WattHours::from_whole(register_wh),
        evidence: evidence(&register_wh.to_string()),
    }
}

/// Read models with their projector running.
pub(crate) struct Running {
    pub(crate) models: ReadModels,
    task: JoinHandle<Result<(), ProjectionError>>,
}

impl Running {
    pub(crate) async fn begin(
        log: Arc<dyn EventStore>,
        directory: &Path,
        options: ProjectorOptions,
    ) -> Self {
        let (models, projector) = open(log, directory, options).await.unwrap();
        Self::over(models, projector)
    }

    pub(crate) fn over(models: ReadModels, projector: Projector) -> Self {
        Self { models, task: tokio::spawn(projector.run(pending())) }
    }

    pub(crate) async fn reach(&self, position: Position) {
        self.models.wait_for(position, PATIENCE).await.unwrap();
    }

    /// Ends it as a crash would: in the middle of whatever it is doing.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// What it ended with.
    pub(crate) async fn end(self) -> Result<(), ProjectionError> {
        self.task.await.unwrap()
    }
}

/// Batches of so many events.
pub(crate) fn batches_of(batch_events_max: usize) -> ProjectorOptions {
    ProjectorOptions { batch_events_max, ..ProjectorOptions::default() }
}

/// The read models of a log, caught up.
pub(crate) async fn caught_up(history: &History, directory: &Path) -> Running {
    let running = Running::begin(history.store(), directory, ProjectorOptions::default()).await;
    running.reach(history.head()).await;
    running
}

/// What a session costs by a tariff that only has a fee.
fn flat_rating(net: &str) -> Rating {
    let tariff = format!(
        r#"{{"currency":"EUR","elements":[{{"price_components":[{{"type":"FLAT","price":{net}}}]}}]}}"#
    );
    let tariff = Tariff::parse(&tariff).unwrap();
    let local_time = LocalTime::resolve(chrono_tz::Europe::Berlin, at(0), at(60)).unwrap();
    let input = RatingInput {
        local_time,
        periods: vec![ChargingPeriod::starting(at(0))],
        ended_at: at(60),
        reservation_expired: false,
    };
    rate(&tariff, &input).unwrap()
}

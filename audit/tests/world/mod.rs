//! A small log in memory: one charging session on it, from the charger's frames to the posting,
//! made with the domain's own functions; and a bundle of any of its events.

use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    AccountKind, AccountOpened, Authorization, ClockTrust, Dialect, Direction, Evidence,
    ExchangeRecorded, InvoiceIssued, InvoiceKind, MeterReading, MeterSample, Outcome, PriceByHand,
    Quantity, RegisterBefore, ReviewDecision, SessionConnectorStatus, SessionMeterRecorded,
    SessionOutcomeDecided, SessionRated, SessionReviewDecided, SessionStarted, SessionStopped,
    SessionSuperseded, StopMatch, TariffReference, TariffVersionPublished, Verdict,
};
use chargebook_domain::ids::{
    AccountId, ConnectorNumber, EventId, SessionId, StationId, StationIdentity, SubjectId,
    TariffId, TransactionNumber,
};
use chargebook_domain::invoice::{InvoiceFigures, posting_of};
use chargebook_domain::rating::RULES_VERSION;
use chargebook_domain::sealed::{Hole, Part, SealedText};
use chargebook_domain::session::{
    Session, Settlement, SettlementRules, rate_settled, settle, tariff_by_hand,
};
use chargebook_domain::tariff::Tariff;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_proof::bundle::{Bundle, BundleError, ProvenEvent};
use chargebook_proof::checkpoint::{Origin, SigningKey};
use chargebook_proof::disclosure::{Disclosure, SALT_BYTES};
use chargebook_proof::merkle::MemoryTree;
use chargebook_proof::{CanonicalJson, Envelope};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

/// What the driver's card says, sealed in every frame.
pub(crate) const TAG: &str = "04A1B2C3";
/// The transaction's number.
pub(crate) const TRANSACTION: i32 = 17;
/// The invoice's number.
pub(crate) const INVOICE: &str = "R2026-000001";

const TARIFF: &str = r#"{"currency":"EUR","elements":[
    {"price_components":[{"type":"ENERGY","price":0.45,"vat":19,"step_size":1}],
     "restrictions":{"start_time":"08:00","end_time":"20:00"}},
    {"price_components":[{"type":"ENERGY","price":0.35,"vat":19,"step_size":1}]},
    {"price_components":[{"type":"FLAT","price":0.5,"vat":19,"step_size":1},
                         {"type":"PARKING_TIME","price":6,"vat":19,"step_size":60}]}]}"#;

/// A log that is written event by event.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) events: Vec<Envelope>,
}

/// An instant of the day on which everything happens.
pub(crate) fn at(time: &str) -> Timestamp {
    let text = format!("2026-11-22T{time}Z");
    Timestamp::new(chrono::DateTime::parse_from_rfc3339(&text).unwrap().to_utc())
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_5000_0000_7000_8000_0000_0000_0000 + number)
}

pub(crate) fn session_stream() -> String {
    format!("session-{}", uuid(1))
}

pub(crate) fn session_id() -> SessionId {
    SessionId(uuid(1))
}

pub(crate) fn station_id() -> StationId {
    StationId(uuid(2))
}

pub(crate) fn account_id() -> AccountId {
    AccountId(uuid(3))
}

fn tariff_id() -> TariffId {
    TariffId(uuid(4))
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &[7; 32])
}

/// The disclosure that opens the card's uid.
pub(crate) fn disclosure() -> Disclosure {
    Disclosure::new([0x5a; SALT_BYTES], TAG)
}

fn hole() -> Hole {
    Hole {
        ciphertext: "AAAA".to_owned(),
        commitment: disclosure().commitment().to_owned(),
        subject: SubjectId(uuid(5)),
    }
}

pub(crate) fn sealed_tag() -> SealedText {
    SealedText::hole(hole())
}

/// A frame in which every occurrence of the card's uid is sealed.
fn sealed(frame: &str) -> SealedText {
    let mut parts = Vec::new();
    for (number, span) in frame.split(TAG).enumerate() {
        if number > 0 {
            parts.push(Part::Hole(hole()));
        }
        parts.push(Part::Plain(span.to_owned()));
    }
    SealedText::from_parts(parts)
}

/// The version of OCPP that has such a message.
fn protocol_of(action: &str, payload: &str) -> &'static str {
    let is_2x = action == "TransactionEvent" || payload.contains("\"evseId\"");
    if is_2x { "ocpp2.0.1" } else { "ocpp1.6" }
}

/// The stream of the session before, at the same connector.
pub(crate) fn session_before() -> String {
    format!("session-{}", uuid(8))
}

impl World {
    /// Appends an event to a stream; returns its id.
    pub(crate) fn append(
        &mut self,
        stream: &str,
        recorded: Timestamp,
        event: impl Into<Event>,
    ) -> EventId {
        let event = event.into();
        let version = self.events.iter().filter(|e| e.stream == stream).count() as u64;
        let id = self.next_id().0;
        self.events.push(Envelope {
            id,
            stream: stream.to_owned(),
            version,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            recorded_at: recorded.to_string(),
            data: CanonicalJson::from_serialize(&event.data()).unwrap(),
            meta: CanonicalJson::from_value(&json!({"actor":"station","node":"test"})).unwrap(),
        });
        EventId(id)
    }

    /// The id that the next event will get.
    pub(crate) fn next_id(&self) -> EventId {
        let last = self.events.iter().map(|envelope| envelope.id.as_u128()).max();
        EventId(last.map_or(uuid(1000), |last| Uuid::from_u128(last + 1)))
    }

    /// Appends the exchange of a frame that the charger sent, to the session's stream.
    pub(crate) fn exchange(
        &mut self,
        time: &str,
        action: &str,
        payload: &str,
        reply: &str,
    ) -> EventId {
        self.exchange_in(&session_stream(), time, action, payload, reply)
    }

    pub(crate) fn exchange_in(
        &mut self,
        stream: &str,
        time: &str,
        action: &str,
        payload: &str,
        reply: &str,
    ) -> EventId {
        let message_id = format!("m{}", self.events.len());
        let exchange = ExchangeRecorded {
            station: StationIdentity::parse("CP-1").unwrap(),
            station_id: station_id(),
            protocol: protocol_of(action, payload).to_owned(),
            direction: Direction::FromStation,
            message_id: Some(message_id.clone()),
            action: Some(action.to_owned()),
            request: Some(sealed(&format!("[2,\"{message_id}\",\"{action}\",{payload}]"))),
            reply: Some(SealedText::plain(format!("[3,\"{message_id}\",{reply}]"))),
            received_at: at(time),
            station_time: Some(format!("2026-11-22T{time}Z")),
            result_error: None,
            verdict: Verdict::Answered,
            error_code: None,
            duplicate_of: None,
            extra_members: 0,
            undelivered: None,
            dialect: Dialect::STANDARD,
        };
        self.append(stream, at(time), exchange)
    }

    /// The fold of the session's stream as it stands.
    fn session(&self) -> Session {
        let mut session = Session::default();
        for envelope in self.events.iter().filter(|e| e.stream == session_stream()) {
            let data = envelope.data.as_str();
            let event = Event::read(&envelope.event_type, envelope.schema_version, data).unwrap();
            let instant = chrono::DateTime::parse_from_rfc3339(&envelope.recorded_at).unwrap();
            let recorded = Timestamp::new(instant.to_utc());
            session.apply(EventId(envelope.id), envelope.version, recorded, &event);
        }
        session
    }

    /// A whole log: noise of other streams, the tariff, the session, its bill.
    pub(crate) fn billed() -> Self {
        let mut world = Self::default();
        let noise = AccountOpened { account_id: account_id(), kind: AccountKind::PayLater };
        world.append("account-noise", at("00:00:00"), noise);
        let tariff = world.publish_tariff();
        world.charge();
        world.exchange_in("station-noise", "10:00:30", "Heartbeat", "{}", "{}");
        world.bill(tariff);
        world
    }

    /// The tariff's first version.
    pub(crate) fn publish_tariff(&mut self) -> TariffReference {
        let tariff = Tariff::parse(TARIFF).unwrap();
        let published = TariffVersionPublished {
            tariff_id: tariff_id(),
            tariff: "AC".to_owned(),
            version: 1,
            content: tariff.canonical_text(),
            content_sha256: tariff.content_sha256(),
        };
        let stream = format!("tariff-{}", tariff_id());
        let event_id = self.append(&stream, at("00:00:01"), published);
        TariffReference {
            tariff_id: tariff_id(),
            tariff: "AC".to_owned(),
            version: 1,
            event_id,
            content_sha256: tariff.content_sha256(),
        }
    }

    /// Start, samples, a pause by the car, stop, car gone.
    pub(crate) fn charge(&mut self) {
        self.start("10:00:00", 1_000);
        self.sample("10:10:00", r#"{"value":"1500.5"}"#, "\"1500.5\"", Decimal::new(15005, 1));
        self.sample(
            "10:20:00",
            r#"{"value":"2.25","unit":"kWh","measurand":"Energy.Active.Import.Register"}"#,
            "\"2.25\"",
            Decimal::from(2250),
        );
        self.status("10:25:00", "SuspendedEV");
        self.stop("10:30:00", 2_500);
        self.status("10:42:00", "Available");
    }

    pub(crate) fn start(&mut self, time: &str, meter_start: i64) {
        self.start_after(time, meter_start, None);
    }

    /// A start, with the register that the session before left its connector at.
    pub(crate) fn start_after(
        &mut self,
        time: &str,
        meter_start: i64,
        before: Option<(EventId, i64)>,
    ) {
        let payload = format!(
            r#"{{"connectorId":1,"idTag":"{TAG}","meterStart":{meter_start},"timestamp":"2026-11-22T{time}Z"}}"#
        );
        let reply =
            format!(r#"{{"idTagInfo":{{"status":"Accepted"}},"transactionId":{TRANSACTION}}}"#);
        let exchange = self.exchange(time, "StartTransaction", &payload, &reply);
        let fact = SessionStarted {
            session_id: SessionId(uuid(1)),
            station_id: station_id(),
            station: StationIdentity::parse("CP-1").unwrap(),
            connector: ConnectorNumber(1),
            transaction_id: TransactionNumber(TRANSACTION),
            site_id: None,
            time_zone: "Europe/Berlin".to_owned(),
            id_tag: sealed_tag(),
            token_id: None,
            account_id: Some(account_id()),
            authorization: Authorization::Accepted,
            meter_start: reading(exchange, "/3/meterStart", meter_start),
            started_at: at(time),
            received_at: at(time),
            clock: ClockTrust::Plausible,
            reservation_id: None,
            register_before: before.map(|(exchange, register_wh)| RegisterBefore {
                session_id: SessionId(uuid(8)),
                register: reading(exchange, "/3/meterStop", register_wh),
            }),
            follows: None,
            exchange,
        };
        self.append(&session_stream(), at(time), fact);
    }

    pub(crate) fn sample(&mut self, time: &str, sampled_value: &str, raw: &str, value: Decimal) {
        let payload = format!(
            r#"{{"connectorId":1,"transactionId":{TRANSACTION},"meterValue":[{{"timestamp":"2026-11-22T{time}Z","sampledValue":[{sampled_value}]}}]}}"#
        );
        let exchange = self.exchange(time, "MeterValues", &payload, "{}");
        let sample = MeterSample {
            sampled_at: at(time),
            quantity: Quantity::EnergyImportRegisterWh,
            value,
            context: "Sample.Periodic".to_owned(),
            phase: None,
            evidence: Evidence {
                event_id: exchange,
                pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
                raw: raw.to_owned(),
            },
        };
        let fact = SessionMeterRecorded { samples: vec![sample], exchange };
        self.append(&session_stream(), at(time), fact);
    }

    pub(crate) fn status(&mut self, time: &str, status: &str) {
        let payload = format!(
            r#"{{"connectorId":1,"errorCode":"NoError","status":"{status}","timestamp":"2026-11-22T{time}Z"}}"#
        );
        let exchange = self.exchange(time, "StatusNotification", &payload, "{}");
        let fact = SessionConnectorStatus {
            evse: None,
            connector: ConnectorNumber(1),
            status: status.to_owned(),
            error_code: Some("NoError".to_owned()),
            at: at(time),
            received_at: at(time),
            exchange,
        };
        self.append(&session_stream(), at(time), fact);
    }

    /// The cable of a transaction is out, as the OCA has a station tell it over DataTransfer.
    /// `further` are members beside the transaction's number and the time.
    pub(crate) fn unplugged(&mut self, time: &str, transaction: &str, further: &str) {
        let data = format!(
            r#"{{\"transactionId\":{transaction},\"timestamp\":\"2026-11-22T{time}Z\"{further}}}"#
        );
        let payload = format!(
            r#"{{"vendorId":"org.openchargealliance.costmsg","messageId":"ConnectorUnplugged","data":"{data}"}}"#
        );
        let answer = r#"{"status":"Accepted"}"#;
        let exchange = self.exchange(time, "DataTransfer", &payload, answer);
        let fact = SessionConnectorStatus {
            evse: None,
            connector: ConnectorNumber(1),
            status: "Available".to_owned(),
            error_code: None,
            at: at(time),
            received_at: at(time),
            exchange,
        };
        self.append(&session_stream(), at(time), fact);
    }

    pub(crate) fn stop(&mut self, time: &str, meter_stop: i64) {
        let exchange = self.stop_frame(&session_stream(), time, meter_stop, TRANSACTION);
        self.stop_fact(exchange, time, meter_stop, StopMatch::TransactionId);
    }

    /// The exchange of a stop, in a stream of choice, naming a transaction of choice.
    pub(crate) fn stop_frame(
        &mut self,
        stream: &str,
        time: &str,
        meter_stop: i64,
        transaction: i32,
    ) -> EventId {
        let payload = format!(
            r#"{{"idTag":"{TAG}","meterStop":{meter_stop},"reason":"Local","timestamp":"2026-11-22T{time}Z","transactionId":{transaction}}}"#
        );
        self.exchange_in(stream, time, "StopTransaction", &payload, "{}")
    }

    /// The stop as a fact of the session.
    pub(crate) fn stop_fact(
        &mut self,
        exchange: EventId,
        time: &str,
        meter_stop: i64,
        matched_by: StopMatch,
    ) {
        let fact = SessionStopped {
            meter_stop: reading(exchange, "/3/meterStop", meter_stop),
            stopped_at: at(time),
            received_at: at(time),
            clock: ClockTrust::Plausible,
            reason: Some("Local".to_owned()),
            id_tag: Some(sealed_tag()),
            matched_by,
            exchange,
        };
        self.append(&session_stream(), at(time), fact);
    }

    /// Another session begins at the connector before this one's stop came; returns the
    /// exchange of its start, which lies in its own stream.
    pub(crate) fn superseded(&mut self, time: &str, meter_start: i64) -> EventId {
        let payload = format!(
            r#"{{"connectorId":1,"idTag":"{TAG}","meterStart":{meter_start},"timestamp":"2026-11-22T{time}Z"}}"#
        );
        let reply = r#"{"idTagInfo":{"status":"Accepted"},"transactionId":18}"#;
        let exchange = self.exchange_in("session-next", time, "StartTransaction", &payload, reply);
        let fact = SessionSuperseded {
            by: SessionId(uuid(9)),
            at: at(time),
            register: reading(exchange, "/3/meterStart", meter_start),
            start: None,
            is_refused: false,
        };
        self.append(&session_stream(), at(time), fact);
        exchange
    }

    /// A person decides that so much is billed from 10:00 to 10:30, at that price.
    pub(crate) fn decide(&mut self, energy_wh: i64, price: Option<PriceByHand>) -> EventId {
        let fact = SessionReviewDecided {
            decision: ReviewDecision::Bill {
                started_at: at("10:00:00"),
                ended_at: at("10:30:00"),
                energy_wh: WattHours::from_whole(energy_wh),
                price,
            },
            reason: SealedText::plain("the driver sent a photo"),
            decided_by: SealedText::plain("Ada"),
            as_of_version: self.session().version().unwrap(),
        };
        self.append(&session_stream(), at("10:42:30"), fact)
    }

    /// Billed as decided, but at the price that is claimed.
    pub(crate) fn bill_by_hand(&mut self, claimed: &PriceByHand) {
        let session = self.session();
        let mut decided = session.decided().unwrap().clone();
        if let ReviewDecision::Bill { price, .. } = &mut decided.fact.decision {
            *price = Some(claimed.clone());
        }
        let (reference, tariff) = tariff_by_hand(&session, &decided).unwrap().unwrap();
        self.bill_by(reference, &tariff);
    }

    /// Settled, rated, invoiced, posted; an invoice that was there before is taken back first.
    pub(crate) fn bill(&mut self, tariff: TariffReference) {
        self.bill_by(tariff, &Tariff::parse(TARIFF).unwrap());
    }

    fn bill_by(&mut self, tariff: TariffReference, content: &Tariff) {
        let rules = SettlementRules {
            settle_after: chrono::TimeDelta::hours(1),
            occupancy_is_priced: true,
        };
        let session = self.session();
        let Settlement::Settled(settled) = settle(&session, at("12:00:00"), rules) else {
            panic!("the session does not settle");
        };
        let zone = "Europe/Berlin".parse().unwrap();
        let rating = rate_settled(RULES_VERSION, &session, &settled, content, zone).unwrap();
        let settled_id = self.append(&session_stream(), at("10:43:00"), (*settled).clone());
        let rated = SessionRated {
            tariff,
            time_zone: "Europe/Berlin".to_owned(),
            rating: rating.clone(),
            settled: settled_id,
            corrects: session.rated().map(|(id, _)| *id),
        };
        let rated_id = self.append(&session_stream(), at("10:43:01"), rated.clone());
        let figures = InvoiceFigures::of(&rating).unwrap();
        let before = self.last_invoice();
        if let Some(before) = before {
            let taken_back = InvoiceFigures::of_issued(&before).negated();
            let kind = InvoiceKind::CreditNote;
            let content = (kind, before.account_id, taken_back);
            self.issue(content, Some(before.number), &rated, rated_id);
        }
        let content = (InvoiceKind::Invoice, session.payer().unwrap(), figures);
        let number = self.issue(content, None, &rated, rated_id);
        let decided = SessionOutcomeDecided {
            outcome: Outcome::Invoiced,
            reason: None,
            detail: None,
            owner: None,
            resolved_by: None,
            invoice: Some(number),
            settlement: None,
        };
        self.append(&session_stream(), at("10:43:03"), decided);
    }

    fn last_invoice(&self) -> Option<InvoiceIssued> {
        let issued = self.events.iter().rfind(|e| e.event_type == "invoice.issued")?;
        Some(serde_json::from_str(issued.data.as_str()).unwrap())
    }

    /// Puts an invoice or a credit note into the register, and posts it; returns its number.
    fn issue(
        &mut self,
        (kind, account_id, figures): (InvoiceKind, AccountId, InvoiceFigures),
        corrects: Option<String>,
        rated: &SessionRated,
        rated_id: EventId,
    ) -> String {
        let register = "invoice_series-R2026";
        let sequence = 1 + self.events.iter().filter(|e| e.stream == register).count() as u64;
        let invoice = InvoiceIssued {
            number: format!("R2026-{sequence:06}"),
            series: "R2026".to_owned(),
            sequence,
            kind,
            corrects,
            session_id: SessionId(uuid(1)),
            account_id,
            issued_at: at("10:43:02"),
            delivered_from: rated.rating.started_at,
            delivered_to: rated.rating.ended_at,
            currency: figures.currency,
            currency_exponent: figures.currency_exponent,
            lines: figures.lines,
            vat: figures.vat,
            total_net_minor: figures.total_net_minor,
            total_vat_minor: figures.total_vat_minor,
            total_gross_minor: figures.total_gross_minor,
            tariff: rated.tariff.clone(),
            rated: rated_id,
        };
        self.append(register, at("10:43:02"), invoice.clone());
        let stream = format!("account-{}", account_id);
        self.append(&stream, at("10:43:04"), posting_of(&invoice, AccountKind::PayLater));
        invoice.number
    }

    /// Changes the data of the `nth` event of a type, as a dishonest operator would before the
    /// log is sealed.
    pub(crate) fn forge(
        &mut self,
        event_type: &str,
        nth: usize,
        change: impl FnOnce(&mut serde_json::Value),
    ) {
        let envelope =
            self.events.iter_mut().filter(|e| e.event_type == event_type).nth(nth).unwrap();
        let mut data = serde_json::from_str(envelope.data.as_str()).unwrap();
        change(&mut data);
        envelope.data = CanonicalJson::from_value(&data).unwrap();
    }

    /// The same with the last event of a type.
    pub(crate) fn forge_last(
        &mut self,
        event_type: &str,
        change: impl FnOnce(&mut serde_json::Value),
    ) {
        let of_type = self.events.iter().filter(|e| e.event_type == event_type).count();
        self.forge(event_type, of_type - 1, change);
    }

    /// A bundle of the events that `belongs` picks, by the log as it stands.
    pub(crate) fn bundle_of(
        &self,
        belongs: impl Fn(&Envelope) -> bool,
        disclosures: Vec<Disclosure>,
    ) -> Result<String, BundleError> {
        let mut tree = MemoryTree::new();
        self.events.iter().for_each(|envelope| tree.append(envelope.leaf_hash()));
        let events = (0..)
            .zip(&self.events)
            .filter(|(_, envelope)| belongs(envelope))
            .map(|(index, envelope)| ProvenEvent { index, envelope: envelope.clone() })
            .collect();
        let bundle = Bundle::build(
            signing_key().verifier_key(),
            signing_key().sign(tree.size(), tree.root()),
            events,
            disclosures,
            &mut |address| tree.hash(address),
        )?;
        bundle.to_canonical().map(CanonicalJson::into_string)
    }

    /// The bundle of the invoice: everything but the noise.
    pub(crate) fn bundle(&self) -> String {
        self.bundle_of(|envelope| !envelope.stream.ends_with("noise"), Vec::new()).unwrap()
    }
}

pub(crate) fn reading(event_id: EventId, pointer: &str, register_wh: i64) -> MeterReading {
    MeterReading {
        register_wh: WattHours::from_whole(register_wh),
        evidence: Evidence { event_id, pointer: pointer.to_owned(), raw: register_wh.to_string() },
    }
}

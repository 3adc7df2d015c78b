//! A station at its desk, below any protocol: says what chargers say, and answers commands.

use crate::harness::TestApi;
use chargebook_commands::message::{
    Answer, Judged, MeterReport, Notice, NoticeContent, NoticeSubject, Personal, PersonalKind,
    PersonalPlace, Pointed, Receipt, RenderedReply, SampleReport, StartReport, StationMessage,
    StatusReport, StopReport,
};
use chargebook_commands::{
    CommandReply, CommandResult, ConnectionInformation, OpenedIntent, ReplyFrame, StationDesk,
};
use chargebook_domain::events::v1::{
    BootInformation, Dialect, Direction, Evidence, MeterSample, Quantity, TerminalPayment,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, TransactionName, TransactionNumber};
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use std::sync::Mutex;
use uuid::Uuid;

/// What the driver presents.
pub(crate) const TAG: &str = "04A1B2C3D4";

/// A connection of a station.
pub(crate) struct Station {
    desk: StationDesk,
}

/// Minutes after an hour ago.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    Timestamp::new(Utc::now() - TimeDelta::hours(1) + TimeDelta::minutes(minutes))
}

impl Station {
    /// Connects as a registered station without a password.
    pub(crate) async fn connected(api: &TestApi, id: &str) -> Self {
        let admitted = api.chargebook.admit(id, None).await.expect("admitted");
        let connection = ConnectionInformation {
            protocol: "ocpp1.6".to_owned(),
            remote: "127.0.0.1:1".to_owned(),
            security_profile: 0,
        };
        Self { desk: api.chargebook.open_desk(admitted, connection).await.expect("a desk") }
    }

    async fn say(&mut self, action: &str, text: String, message: StationMessage) -> Answer {
        let places = text.match_indices(TAG).map(|(at, tag)| PersonalPlace {
            range: at..at + tag.len(),
            kind: PersonalKind::IdTag(tag.to_owned()),
        });
        let receipt = Receipt {
            direction: Direction::FromStation,
            personal: Personal::Places(places.collect()),
            text: Some(text),
            message_id: Some("1".to_owned()),
            action: Some(action.to_owned()),
            received_at: Timestamp::new(Utc::now()),
            station_time: None,
            extra_members: 0,
            undelivered: None,
            dialect: Dialect::STANDARD,
            noticed: Dialect::STANDARD,
        };
        let said = Mutex::new(None);
        let render = |answer: &Answer| {
            *said.lock().expect("one thread") = Some(answer.clone());
            RenderedReply { frame: r#"[3,"1",{}]"#.to_owned(), personal: Vec::new() }
        };
        let judged = Judged::Message(message);
        self.desk.receive(receipt, judged, &render).await.expect("received");
        said.into_inner().expect("one thread").expect("an answer")
    }

    /// Boots; without it a station is sent no commands.
    pub(crate) async fn boot(&mut self) {
        let boot = BootInformation {
            vendor: "V".to_owned(),
            model: "M".to_owned(),
            serial_number: None,
            firmware_version: None,
            iccid: None,
            imsi: None,
            meter_type: None,
            meter_serial_number: None,
            reason: None,
        };
        let text = r#"[2,"1","BootNotification",{}]"#.to_owned();
        self.say("BootNotification", text, StationMessage::Boot(boot.into())).await;
    }

    /// Tells of a payment of 5.95 at its terminal, taken for a transaction.
    pub(crate) async fn settle(&mut self, transaction: &str, at: Timestamp) {
        let payment = TerminalPayment {
            status: "Settled".to_owned(),
            amount: Decimal::new(595, 2),
            at,
            reference: "PSP-1".to_owned(),
            receipt_id: None,
            receipt_url: None,
        };
        let notice = Notice {
            transaction_id: Some(TransactionName::parse(transaction).expect("a name")),
            content: NoticeContent::Payment(payment),
            ..Notice::about(NoticeSubject::NotifySettlement)
        };
        let text = r#"[2,"1","NotifySettlement",{}]"#.to_owned();
        self.say("NotifySettlement", text, StationMessage::Notice(notice)).await;
    }

    /// Starts a session with [`TAG`] and gives its transaction id.
    pub(crate) async fn start(&mut self, started_at: Timestamp, register_wh: i64) -> i32 {
        // Odd spacing and a number with a trailing zero: nothing of it may be lost.
        let meter = format!(r#""meterStart":{register_wh},"timestamp":"{started_at}","x":1.10"#);
        let payload = format!(r#"{{"connectorId":1,"idTag":"{TAG}",{meter}}}"#);
        let text = format!(r#"[2, "1","StartTransaction",{payload}]"#);
        let start = StartReport {
            connector: ConnectorNumber(1),
            id_tag: TAG.to_owned(),
            meter_start: pointed("/3/meterStart", register_wh),
            started_at,
            reservation_id: None,
        };
        match self.say("StartTransaction", text, StationMessage::Start(start)).await {
            Answer::Start { transaction_id, .. } => transaction_id.0,
            other => panic!("{other:?}"),
        }
    }

    /// Says something of so many bytes that means nothing.
    pub(crate) async fn boast(&mut self, bytes: usize) {
        let text = format!(r#"[2,"1","Heartbeat",{{"x":"{}"}}]"#, "x".repeat(bytes));
        self.say("Heartbeat", text, StationMessage::Heartbeat).await;
    }

    /// Samples the energy register.
    pub(crate) async fn meter(&mut self, id: i32, sampled_at: Timestamp, register_wh: i64) {
        let sample = MeterSample {
            sampled_at,
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
        let meter = MeterReport {
            evse: None,
            connector: Some(ConnectorNumber(1)),
            transaction_id: Some(TransactionNumber(id)),
            samples: vec![SampleReport { sample }],
        };
        let text = format!(r#"[2,"1","MeterValues",{{"transactionId":{id}}}]"#);
        self.say("MeterValues", text, StationMessage::Meter(meter)).await;
    }

    /// Stops a session and frees its connector.
    pub(crate) async fn stop(&mut self, id: i32, stopped_at: Timestamp, register_wh: i64) {
        let stop = StopReport {
            transaction_id: TransactionNumber(id),
            id_tag: None,
            meter_stop: pointed("/3/meterStop", register_wh),
            stopped_at,
            reason: Some("EVDisconnected".to_owned()),
            samples: Vec::new(),
        };
        let text = format!(r#"[2,"1","StopTransaction",{{"transactionId":{id}}}]"#);
        self.say("StopTransaction", text, StationMessage::Stop(stop)).await;
        let free = StatusReport {
            evse: None,
            connector: ConnectorNumber(1),
            status: "Available".to_owned(),
            error_code: Some("NoError".to_owned()),
            vendor_error_code: None,
            at: Some(stopped_at),
        };
        let text = r#"[2,"1","StatusNotification",{}]"#.to_owned();
        self.say("StatusNotification", text, StationMessage::Status(free)).await;
    }

    /// Answers the oldest command that is due with a status, and gives what it was asked.
    pub(crate) async fn answer_command(&mut self, payload: &str, status: &str) -> Value {
        let due = self.desk.due_commands().await.expect("commands");
        let command = due.first().expect("a command");
        let asked = told(&command.intent);
        let command_id = command.command_id;
        let request = RenderedReply { frame: r#"[2,"c","Any",{}]"#.to_owned(), personal: vec![] };
        let sent = self
            .desk
            .command_sent(command_id, "c", "Any", &request, None, &[])
            .await
            .expect("sent");
        assert!(sent, "{asked}");
        let outcome = CommandReply {
            message_id: "c".to_owned(),
            action: "Any".to_owned(),
            request,
            reply: ReplyFrame {
                text: format!(r#"[3,"c",{payload}]"#),
                personal: Personal::Places(Vec::new()),
            },
            result_error: None,
            received_at: Timestamp::new(Utc::now()),
            result: CommandResult::Result { status: Some(status.to_owned()) },
            nothing_follows: false,
            more_follow: false,
            effects: Vec::new(),
        };
        self.desk.command_answered(command_id, outcome).await.expect("answered");
        asked
    }

    /// What is due for the station.
    pub(crate) async fn due(&mut self) -> Vec<Value> {
        let due = self.desk.due_commands().await.expect("commands");
        due.iter().map(|command| told(&command.intent)).collect()
    }
}

/// An intent as the gateway gets it, without the ids that every test has others of.
fn told(intent: &OpenedIntent) -> Value {
    let mut told = serde_json::to_value(intent).expect("JSON");
    told.as_object_mut().expect("an object").remove("token_id");
    told
}

fn pointed(pointer: &str, register_wh: i64) -> Pointed<WattHours> {
    Pointed {
        value: WattHours::from_whole(register_wh),
        pointer: pointer.to_owned(),
        raw: register_wh.to_string(),
    }
}

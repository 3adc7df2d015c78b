//! The ten frames of one connection, built once, patched in place before each sending.
//!
//! The masking key is zero: the payload travels as built, and the server unmasks it all the
//! same, so prebuilding costs the server nothing and spares the generator.

use chrono::{DateTime, SecondsFormat, Utc};

use super::LoadVersion;

/// Calls in one session.
pub(crate) const CALLS: usize = 10;
/// Place of the call that tells a connector's status among them.
pub(crate) const STATUS: usize = 1;
/// Place of the call that starts the transaction among them.
pub(crate) const START: usize = 3;

/// Width of a message id.
const ID_WIDTH: usize = 12;
/// Width of a time stamp, `2026-03-01T12:00:00.000Z`.
const TIME_WIDTH: usize = 24;
/// Width of a transaction id: in 1.6 padded with spaces (a 32-bit integer has at most 11
/// characters), in 2.x digits of our own.
const TRANSACTION_WIDTH: usize = 11;
/// Width of a meter reading.
const METER_WIDTH: usize = 7;
/// Lowest and highest meter reading of that width.
const METER_FROM: u32 = 1_000_000;
const METER_WRAP: u32 = 9_900_000;
/// Energy between two of a session's readings, in watt-hours.
const METER_STEP: u32 = 350;

const ID: &str = "IIIIIIIIIIII";
const TIME: &str = "TTTTTTTTTTTTTTTTTTTTTTTT";
const TRANSACTION: &str = "NNNNNNNNNNN";
const METER: &str = "MMMMMMM";

/// One masked text frame and where its changing parts are.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    id: usize,
    times: Vec<usize>,
    transaction: Option<usize>,
    meter: Option<usize>,
}

impl Template {
    fn new(payload: &str) -> Self {
        let mut bytes = masked_text_frame(payload.as_bytes());
        let places = |bytes: &[u8], mark: &str| -> Vec<usize> {
            bytes
                .windows(mark.len())
                .enumerate()
                .filter(|(_, window)| *window == mark.as_bytes())
                .map(|(at, _)| at)
                .collect()
        };
        let id = places(&bytes, ID).first().copied().unwrap_or(0);
        let times = places(&bytes, TIME);
        let transaction = places(&bytes, TRANSACTION).first().copied();
        let meter = places(&bytes, METER).first().copied();
        if let Some(at) = transaction {
            bytes[at..at + TRANSACTION_WIDTH].fill(b' ');
            bytes[at + TRANSACTION_WIDTH - 1] = b'0';
        }
        Self { bytes, id, times, transaction, meter }
    }
}

/// A whole text frame as a client sends it, its masking key zero.
pub(crate) fn masked_text_frame(payload: &[u8]) -> Vec<u8> {
    masked_frame(0x81, payload)
}

/// A whole frame of `first_byte` (FIN and opcode), its masking key zero.
pub(crate) fn masked_frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut bytes = vec![first_byte];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(MASKED | length),
        _ => match u16::try_from(payload.len()) {
            Ok(length) => {
                bytes.push(MASKED | 126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(MASKED | 127);
                bytes.extend(u64::try_from(payload.len()).unwrap_or(u64::MAX).to_be_bytes());
            }
        },
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The frames of one connection.
#[derive(Debug)]
pub(crate) struct SessionFrames {
    version: LoadVersion,
    templates: [Template; CALLS],
    next_id: u64,
    meter_wh: u32,
    transaction: [u8; TRANSACTION_WIDTH],
    /// Numbers the transactions of a 2.x station.
    next_transaction: u64,
}

impl SessionFrames {
    /// Frames of a station whose driver presents `tag`.
    pub(crate) fn new(version: LoadVersion, tag: &str) -> Self {
        let templates = match version {
            LoadVersion::V16 => v16_templates(tag),
            LoadVersion::V201 | LoadVersion::V21 => v2_templates(tag),
        };
        // A later run begins later, so it numbers its transactions otherwise.
        let next_transaction = u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0);
        Self {
            version,
            templates,
            next_id: 0,
            meter_wh: METER_FROM,
            transaction: *b"          0",
            next_transaction,
        }
    }

    /// The frame of call `call` (below [`CALLS`]), and the message id in it.
    pub(crate) fn prepare(&mut self, call: usize, time: &TimeText) -> (&[u8], [u8; ID_WIDTH]) {
        self.next_id += 1;
        let id = hex_id(self.next_id);
        let meter_wh = self.advance_meter(call);
        if call == START && self.version != LoadVersion::V16 {
            self.number_transaction();
        }
        let template = &mut self.templates[call];
        template.bytes[template.id..template.id + ID_WIDTH].copy_from_slice(&id);
        for at in &template.times {
            template.bytes[*at..*at + TIME_WIDTH].copy_from_slice(&time.text);
        }
        if let Some(at) = template.transaction {
            template.bytes[at..at + TRANSACTION_WIDTH].copy_from_slice(&self.transaction);
        }
        if let Some(at) = template.meter {
            write_digits(&mut template.bytes[at..at + METER_WIDTH], meter_wh);
        }
        (&template.bytes, id)
    }

    /// Takes the transaction id that the server gave; in 2.x it gives none.
    pub(crate) fn started(&mut self, transaction: &[u8]) {
        if self.version == LoadVersion::V16 {
            self.transaction.fill(b' ');
            let length = transaction.len().min(TRANSACTION_WIDTH);
            self.transaction[TRANSACTION_WIDTH - length..].copy_from_slice(&transaction[..length]);
        }
    }

    fn number_transaction(&mut self) {
        self.next_transaction += 1;
        let mut rest = self.next_transaction;
        for digit in self.transaction.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }

    /// The register rises with every call that shows it, and wraps between sessions.
    fn advance_meter(&mut self, call: usize) -> u32 {
        if call > START {
            self.meter_wh += METER_STEP;
        } else if call == 0 && self.meter_wh >= METER_WRAP {
            self.meter_wh = METER_FROM;
        }
        self.meter_wh
    }
}

fn v16_templates(tag: &str) -> [Template; CALLS] {
    let meter_values = || {
        Template::new(&format!(
            r#"[2,"{ID}","MeterValues",{{"connectorId":1,"transactionId":{TRANSACTION},"meterValue":[{{"timestamp":"{TIME}","sampledValue":[{{"value":"{METER}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}},{{"value":"21000","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"}},{{"value":"57","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}}]}}]}}]"#
        ))
    };
    [
        Template::new(&boot_payload(LoadVersion::V16)),
        Template::new(&format!(
            r#"[2,"{ID}","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"{TIME}"}}]"#
        )),
        Template::new(&format!(r#"[2,"{ID}","Authorize",{{"idTag":"{tag}"}}]"#)),
        Template::new(&format!(
            r#"[2,"{ID}","StartTransaction",{{"connectorId":1,"idTag":"{tag}","meterStart":{METER},"timestamp":"{TIME}"}}]"#
        )),
        meter_values(),
        meter_values(),
        meter_values(),
        meter_values(),
        meter_values(),
        Template::new(&format!(
            r#"[2,"{ID}","StopTransaction",{{"transactionId":{TRANSACTION},"idTag":"{tag}","meterStop":{METER},"timestamp":"{TIME}","reason":"Local"}}]"#
        )),
    ]
}

/// The same session as 2.x tells it: the samples of a meter value are those of 1.6.
fn v2_templates(tag: &str) -> [Template; CALLS] {
    let token = format!(r#""idToken":{{"idToken":"{tag}","type":"ISO14443"}}"#);
    let register = |context: &str| {
        format!(
            r#"{{"value":{METER},"context":"{context}","measurand":"Energy.Active.Import.Register","unitOfMeasure":{{"unit":"Wh"}}}}"#
        )
    };
    let event = |kind: &str, trigger: &str, sequence: usize, transaction: &str, rest: &str| {
        Template::new(&format!(
            r#"[2,"{ID}","TransactionEvent",{{"eventType":"{kind}","timestamp":"{TIME}","triggerReason":"{trigger}","seqNo":{sequence},"transactionInfo":{{"transactionId":"{TRANSACTION}"{transaction}}},"evse":{{"id":1,"connectorId":1}}{rest}}}]"#
        ))
    };
    let values = |samples: &str| {
        format!(r#","meterValue":[{{"timestamp":"{TIME}","sampledValue":[{samples}]}}]"#)
    };
    let updated = |sequence: usize| {
        let samples = format!(
            r#"{},{{"value":21000,"context":"Sample.Periodic","measurand":"Power.Active.Import","unitOfMeasure":{{"unit":"W"}}}},{{"value":57,"context":"Sample.Periodic","measurand":"SoC","unitOfMeasure":{{"unit":"Percent"}}}}"#,
            register("Sample.Periodic")
        );
        event("Updated", "MeterValuePeriodic", sequence, "", &values(&samples))
    };
    let started = format!("{},{token}", values(&register("Transaction.Begin")));
    let ended = format!("{},{token}", values(&register("Transaction.End")));
    [
        Template::new(&boot_payload(LoadVersion::V201)),
        Template::new(&format!(
            r#"[2,"{ID}","StatusNotification",{{"timestamp":"{TIME}","connectorStatus":"Available","evseId":1,"connectorId":1}}]"#
        )),
        Template::new(&format!(r#"[2,"{ID}","Authorize",{{{token}}}]"#)),
        event("Started", "Authorized", 0, r#","chargingState":"Charging""#, &started),
        updated(1),
        updated(2),
        updated(3),
        updated(4),
        updated(5),
        event("Ended", "StopAuthorized", 6, r#","stoppedReason":"Local""#, &ended),
    ]
}

/// A BootNotification, its id yet to be filled in.
fn boot_payload(version: LoadVersion) -> String {
    let payload = match version {
        LoadVersion::V16 => r#"{"chargePointVendor":"Chargebook","chargePointModel":"Load"}"#,
        LoadVersion::V201 | LoadVersion::V21 => {
            r#"{"reason":"PowerUp","chargingStation":{"model":"Load","vendorName":"Chargebook"}}"#
        }
    };
    format!(r#"[2,"{ID}","BootNotification",{payload}]"#)
}

/// A BootNotification frame of its own, for connections that send nothing else.
pub(crate) fn boot_frame(version: LoadVersion) -> (Vec<u8>, [u8; ID_WIDTH]) {
    let id = hex_id(0);
    let mut template = Template::new(&boot_payload(version));
    template.bytes[template.id..template.id + ID_WIDTH].copy_from_slice(&id);
    (template.bytes, id)
}

fn hex_id(number: u64) -> [u8; ID_WIDTH] {
    let mut id = [b'0'; ID_WIDTH];
    let mut rest = number;
    for digit in id.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
    id
}

fn write_digits(field: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in field.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

/// The current time as text, formatted anew only once a second.
#[derive(Debug)]
pub(crate) struct TimeText {
    second: i64,
    text: [u8; TIME_WIDTH],
}

impl TimeText {
    pub(crate) fn new() -> Self {
        Self { second: i64::MIN, text: [b' '; TIME_WIDTH] }
    }

    /// Sets it to `at`.
    pub(crate) fn set(&mut self, at: DateTime<Utc>) {
        if at.timestamp() == self.second {
            write_digits(&mut self.text[20..23], at.timestamp_subsec_millis() % 1_000);
            return;
        }
        let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        if text.len() == TIME_WIDTH {
            self.text.copy_from_slice(text.as_bytes());
            self.second = at.timestamp();
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use serde_json::{Value, json};

    use super::{CALLS, LoadVersion, START, SessionFrames, TimeText, masked_text_frame};

    fn payload(frame: &[u8]) -> Value {
        let text = text(frame);
        assert_eq!(crate::wire::complaint_about(text), None);
        serde_json::from_str(text).expect("JSON")
    }

    fn text(frame: &[u8]) -> &str {
        let header = if frame[1] & 0x7f == 126 { 4 } else { 2 };
        std::str::from_utf8(&frame[header + 4..]).expect("UTF-8")
    }

    fn noon() -> TimeText {
        let mut time = TimeText::new();
        time.set(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a valid time"));
        time
    }

    /// A frame of both 2.x versions.
    fn v2_payload(frame: &[u8]) -> Value {
        use ocpp_kit::decode::DecodeOptions;
        let parts: Vec<Box<ocpp_kit::RawValue>> = serde_json::from_str(text(frame)).expect("JSON");
        let action: String = serde_json::from_str(parts[2].get()).expect("an action");
        let pedantic = DecodeOptions::pedantic();
        let v201 = ocpp_kit::v2_0_1::Action::from_wire(&action).expect("an action");
        ocpp_kit::v2_0_1::CsRequest::decode(v201, &parts[3], &pedantic).expect("2.0.1");
        let v21 = ocpp_kit::v2_1::Action::from_wire(&action).expect("an action");
        ocpp_kit::v2_1::CsRequest::decode(v21, &parts[3], &pedantic).expect("2.1");
        serde_json::from_str(text(frame)).expect("JSON")
    }

    #[test]
    fn the_ten_frames_make_a_session_of_2_x_as_well() {
        let mut frames = SessionFrames::new(LoadVersion::V201, "TAG");
        let time = noon();
        let mut told = || -> Vec<Value> {
            (0..CALLS).map(|call| v2_payload(frames.prepare(call, &time).0)).collect()
        };
        let (first, second) = (told(), told());
        let sequence: Vec<_> = first[START..].iter().map(|one| &one[3]["seqNo"]).collect();
        assert_eq!(sequence, [0, 1, 2, 3, 4, 5, 6]);
        let transactions = |told: &[Value]| -> Vec<String> {
            told[START..]
                .iter()
                .map(|one| one[3]["transactionInfo"]["transactionId"].to_string())
                .collect()
        };
        let (one, other) = (transactions(&first), transactions(&second));
        assert!(one.iter().all(|id| *id == one[0] && *id != other[0]), "{one:?} {other:?}");
        let register = |told: &Value| told[3]["meterValue"][0]["sampledValue"][0]["value"].clone();
        assert_eq!(register(&first[START]), 1_000_000);
        assert_eq!(register(&first[CALLS - 1]), 1_002_100);
        assert_eq!(register(&second[START]), 1_002_100);
    }

    #[test]
    fn the_ten_frames_make_a_session() {
        let mut frames = SessionFrames::new(LoadVersion::V16, "TAG");
        frames.started(b"-17");
        let time = noon();
        let first: Vec<Value> =
            (0..CALLS).map(|call| payload(frames.prepare(call, &time).0)).collect();
        let actions: Vec<&str> = first.iter().filter_map(|one| one[2].as_str()).collect();
        assert_eq!(
            actions[..4],
            ["BootNotification", "StatusNotification", "Authorize", "StartTransaction"]
        );
        assert!(actions[4..9].iter().all(|action| *action == "MeterValues"));
        assert_eq!(actions[9], "StopTransaction");
        assert_eq!(
            first[START][3],
            json!({
                "connectorId": 1, "idTag": "TAG", "meterStart": 1_000_000,
                "timestamp": "2026-03-01T12:00:00.000Z"
            })
        );
        assert_eq!(first[4][3]["transactionId"], -17);
        assert_eq!(first[4][3]["meterValue"][0]["sampledValue"][0]["value"], "1000350");
        assert_eq!(first[9][3]["meterStop"], 1_002_100);
        let (next, id) = frames.prepare(START, &time);
        assert_eq!(payload(next)[3]["meterStart"], 1_002_100);
        assert_eq!(&id, b"00000000000b");
    }

    #[test]
    fn the_time_text_follows_the_clock() {
        let mut time = TimeText::new();
        let at = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a valid time");
        for (millis, expected) in [
            (7, "2026-03-01T12:00:00.007Z"),
            (999, "2026-03-01T12:00:00.999Z"),
            (1_020, "2026-03-01T12:00:01.020Z"),
        ] {
            time.set(at + chrono::Duration::milliseconds(millis));
            assert_eq!(std::str::from_utf8(&time.text), Ok(expected));
        }
    }

    #[test]
    fn frame_lengths_take_the_three_forms() {
        assert_eq!(masked_text_frame(&[0; 125])[1], 0x80 | 125);
        assert_eq!(masked_text_frame(&[0; 126])[1..4], [0x80 | 126, 0, 126]);
        assert_eq!(masked_text_frame(&[0; 70_000])[1], 0x80 | 127);
    }
}

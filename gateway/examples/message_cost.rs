//! What a message with three samples costs in processor time, a MeterValues of 1.6 and a
//! TransactionEvent of 2.0.1: read and judged alone, and read, decided on, sealed and appended to
//! a log in memory, in a session that goes on.
//!
//! `cargo run --release -p chargebook-gateway --example message_cost`

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use chargebook_commands::clock::SystemClock;
use chargebook_commands::registry::{StationRegistration, TokenRegistration};
use chargebook_commands::{Chargebook, ConnectionInformation, Settings, StationDesk};
use chargebook_domain::events::v1::TokenStatus;
use chargebook_gateway::OcppVersions;
use chargebook_gateway::measure::{self, Version};
use chargebook_store::MemoryStore;
use chargebook_store::vault::KeyVault;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Messages that are measured; the kernel counts processor time in hundredths of a second.
const MESSAGES: u32 = 100_000;
/// When the samples were taken, as the station says.
const SAMPLED_AT: &str = "2026-11-23T12:00:00Z";
/// Messages of one session.
const SESSION_MESSAGES: u32 = 100;
/// The kernel's clock ticks in a second, which every Linux shows to programs (man 5 proc).
const TICKS_PER_SECOND: u64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    measured(Version::V16, "MeterValues of 1.6").await?;
    measured(Version::V201, "TransactionEvent of 2.0.1").await
}

/// Prints what the version's message with three samples costs.
async fn measured(version: Version, message: &str) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let vault = Arc::new(KeyVault::in_memory().await?);
    let chargebook = Chargebook::open(store, vault, Arc::new(SystemClock), Settings::default())
        .await?
        .speaking(Arc::new(OcppVersions));
    let mut desk = desk(&chargebook, version).await?;
    let now = chargebook.journal().now();

    let text = meter_values(version, 1, "1", 1_000);
    let before = cpu_time()?;
    let read = (0..MESSAGES).filter(|_| measure::read(version, &text, now)).count();
    print(&format!("{message} read and judged"), cpu_time()? - before, u32::try_from(read)?);

    let mut spent = Duration::ZERO;
    for session in 0..MESSAGES / SESSION_MESSAGES {
        let register = u64::from(session) * 1_000_000;
        let transaction = start(&mut desk, version, register, &chargebook).await?;
        let before = cpu_time()?;
        for number in 1..=SESSION_MESSAGES {
            let register = register + u64::from(number) * 100;
            let text = meter_values(version, number, &transaction, register);
            let now = chargebook.journal().now();
            let answer = measure::receive(&mut desk, version, &text, now).await?;
            answer.ok_or("a message was not answered")?;
        }
        spent += cpu_time()? - before;
    }
    print("  and decided on, sealed, appended, answered", spent, MESSAGES);
    Ok(())
}

/// A station that has started up, and a token that may charge there.
async fn desk(chargebook: &Chargebook, version: Version) -> Result<StationDesk, Box<dyn Error>> {
    let station = StationRegistration { id: "CP-1".to_owned(), ..StationRegistration::default() };
    chargebook.registry().register_station(station).await?;
    let token = TokenRegistration {
        uid: "TAG".to_owned(),
        kind: "RFID".to_owned(),
        driver: None,
        status: TokenStatus::Accepted,
        expires_at: None,
        group: None,
    };
    chargebook.registry().register_token(token).await?;
    let (protocol, boot) = match version {
        Version::V16 => ("ocpp1.6", r#"{"chargePointVendor":"V","chargePointModel":"M"}"#),
        Version::V201 => (
            "ocpp2.0.1",
            r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}"#,
        ),
    };
    let connection = ConnectionInformation {
        protocol: protocol.to_owned(),
        remote: "127.0.0.1:1".to_owned(),
        security_profile: 0,
    };
    let admitted = chargebook.admit("CP-1", None).await?;
    let mut desk = chargebook.open_desk(admitted, connection).await?;
    let boot = format!(r#"[2,"b","BootNotification",{boot}]"#);
    measure::receive(&mut desk, version, &boot, chargebook.journal().now()).await?;
    Ok(desk)
}

/// Begins a session and gives its transaction id.
async fn start(
    desk: &mut StationDesk,
    version: Version,
    register_wh: u64,
    chargebook: &Chargebook,
) -> Result<String, Box<dyn Error>> {
    let now = chargebook.journal().now();
    let start = match version {
        Version::V16 => format!(
            r#"[2,"s","StartTransaction",{{"connectorId":1,"idTag":"TAG","meterStart":{register_wh},"timestamp":"{now}"}}]"#
        ),
        Version::V201 => transaction_event(
            "Started",
            &now.to_string(),
            0,
            &register_wh.to_string(),
            &format!(
                r#""idToken":{{"idToken":"TAG","type":"ISO14443"}},{}"#,
                samples_2x(register_wh)
            ),
        ),
    };
    let answer = measure::receive(desk, version, &start, now).await?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer.ok_or("a start was not answered")?)?;
    Ok(match version {
        Version::V16 => answer[2]["transactionId"].to_string(),
        Version::V201 => register_wh.to_string(),
    })
}

fn meter_values(version: Version, number: u32, transaction: &str, register_wh: u64) -> String {
    match version {
        Version::V16 => format!(
            r#"[2,"m-{number}","MeterValues",{{"connectorId":1,"transactionId":{transaction},"meterValue":[{{"timestamp":"{SAMPLED_AT}","sampledValue":[{{"value":"{register_wh}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}},{{"value":"21000","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"}},{{"value":"57","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}}]}}]}}]"#
        ),
        Version::V201 => {
            transaction_event("Updated", SAMPLED_AT, number, transaction, &samples_2x(register_wh))
        }
    }
}

fn transaction_event(kind: &str, at: &str, sequence: u32, transaction: &str, rest: &str) -> String {
    format!(
        r#"[2,"m-{sequence}","TransactionEvent",{{"eventType":"{kind}","timestamp":"{at}","triggerReason":"MeterValuePeriodic","seqNo":{sequence},"transactionInfo":{{"transactionId":"{transaction}"}},"evse":{{"id":1,"connectorId":1}},{rest}}}]"#
    )
}

fn samples_2x(register_wh: u64) -> String {
    format!(
        r#""meterValue":[{{"timestamp":"{SAMPLED_AT}","sampledValue":[{{"value":{register_wh},"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unitOfMeasure":{{"unit":"Wh"}}}},{{"value":21000,"context":"Sample.Periodic","measurand":"Power.Active.Import","unitOfMeasure":{{"unit":"W"}}}},{{"value":57,"context":"Sample.Periodic","measurand":"SoC","unitOfMeasure":{{"unit":"Percent"}}}}]}}]"#
    )
}

fn print(what: &str, spent: Duration, messages: u32) {
    println!("{what:<48} {:>6.2} µs", spent.as_secs_f64() * 1e6 / f64::from(messages));
}

/// Processor time of this process so far.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, the name, is in parentheses and may hold anything.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

//! What a MeterValues with three samples costs in processor time: read and judged alone, and read,
//! decided on, sealed and appended to a log in memory, in a session that goes on.
//!
//! `cargo run --release -p chargebook-gateway --example message_cost`

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use chargebook_commands::clock::SystemClock;
use chargebook_commands::registry::{StationRegistration, TokenRegistration};
use chargebook_commands::{Chargebook, ConnectionInformation, Settings, StationDesk};
use chargebook_domain::events::v1::TokenStatus;
use chargebook_gateway::{OcppVersions, measure};
use chargebook_store::MemoryStore;
use chargebook_store::vault::KeyVault;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Messages that are measured; the kernel counts processor time in hundredths of a second.
const MESSAGES: u32 = 100_000;
/// Messages of one session.
const SESSION_MESSAGES: u32 = 100;
/// The kernel's clock ticks in a second, which every Linux shows to programs (man 5 proc).
const TICKS_PER_SECOND: u64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let vault = Arc::new(KeyVault::in_memory().await?);
    let chargebook = Chargebook::open(store, vault, Arc::new(SystemClock), Settings::default())
        .await?
        .speaking(Arc::new(OcppVersions));
    let mut desk = desk(&chargebook).await?;
    let now = chargebook.journal().now();

    let text = meter_values(1, 1, 1_000);
    let before = cpu_time()?;
    let read = (0..MESSAGES).filter(|_| measure::read(&text, now)).count();
    print("read and judged", cpu_time()? - before, u32::try_from(read)?);

    let mut spent = Duration::ZERO;
    for session in 0..MESSAGES / SESSION_MESSAGES {
        let register = u64::from(session) * 1_000_000;
        let transaction = start(&mut desk, register, &chargebook).await?;
        let before = cpu_time()?;
        for number in 0..SESSION_MESSAGES {
            let register = register + u64::from(number) * 100;
            let text = meter_values(number, transaction, register);
            let answer = measure::receive(&mut desk, &text, chargebook.journal().now()).await?;
            answer.ok_or("a MeterValues was not answered")?;
        }
        spent += cpu_time()? - before;
    }
    print("read, decided on, sealed, appended, answered", spent, MESSAGES);
    Ok(())
}

/// A station that has started up, and a token that may charge there.
async fn desk(chargebook: &Chargebook) -> Result<StationDesk, Box<dyn Error>> {
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
    let connection = ConnectionInformation {
        protocol: "ocpp1.6".to_owned(),
        remote: "127.0.0.1:1".to_owned(),
        security_profile: 0,
    };
    let admitted = chargebook.admit("CP-1", None).await?;
    let mut desk = chargebook.open_desk(admitted, connection).await?;
    let boot = r#"[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#;
    measure::receive(&mut desk, boot, chargebook.journal().now()).await?;
    Ok(desk)
}

/// Begins a session and gives its transaction id.
async fn start(
    desk: &mut StationDesk,
    register_wh: u64,
    chargebook: &Chargebook,
) -> Result<i64, Box<dyn Error>> {
    let now = chargebook.journal().now();
    let start = format!(
        r#"[2,"s","StartTransaction",{{"connectorId":1,"idTag":"TAG","meterStart":{register_wh},"timestamp":"{now}"}}]"#
    );
    let answer = measure::receive(desk, &start, now).await?.ok_or("a start was not answered")?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    Ok(answer[2]["transactionId"].as_i64().ok_or("a start got no transaction id")?)
}

fn meter_values(number: u32, transaction: i64, register_wh: u64) -> String {
    format!(
        r#"[2,"m-{number}","MeterValues",{{"connectorId":1,"transactionId":{transaction},"meterValue":[{{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{{"value":"{register_wh}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}},{{"value":"21000","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"}},{{"value":"57","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}}]}}]}}]"#
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

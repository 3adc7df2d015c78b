//! The console over a small invented world, on loopback: `cargo run -p chargebook-console
//! --example preview -- 8099`, then log in with `an-admin-token`.

#![allow(clippy::print_stdout, reason = "it says where it listens")]
#![allow(clippy::unwrap_used, reason = "the tests' world, where a fault is a panic")]

#[path = "../tests/console/world.rs"]
mod world;

use chargebook_domain::events::v1::Quantity;
use chargebook_domain::ids::TransactionNumber;
use chargebook_domain::units::Timestamp;
use chrono::Utc;
use std::net::SocketAddr;
use std::time::Duration;
use world::{ADMIN_TOKEN, CARD, Station, World, later, token};

const CARDS: [&str; 4] = [CARD, "04D4E5F6", "1A2B3C4D", "F00DCAFE01"];
const HOUR: i64 = 3_600;

/// A session at a station: when it begins, in seconds before now, how long it lasts and at
/// which power.
struct Visit {
    began: i64,
    lasts: i64,
    watts: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let now = Timestamp::new(Utc::now());
    let world = World::new(later(now, -27 * HOUR)).await;
    for card in &CARDS[1..] {
        world.chargebook.registry().register_token(token(card)).await?;
    }
    let mut meters = Vec::new();
    let mut live = Vec::new();
    for number in 1..=9_i64 {
        let mut station = world.station(&format!("HARBOUR-{number:02}")).await;
        station.boot("Nordlader", if number % 3 == 0 { "DC 150" } else { "Duo 22" }).await;
        for connector in 1..=2 {
            station.status(connector, "Available", "NoError").await;
        }
        let mut meter_wh = 1_000_000 + number * 77_000;
        past_visits(&world, &mut station, now, number, &mut meter_wh).await;
        meters.push(meter_wh);
        live.push(station);
    }
    messy(&world, &mut live, now).await;
    let open = present(&world, &mut live, &meters, now).await;
    world.clock.run();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/ token: {ADMIN_TOKEN}", listener.local_addr()?);
    tokio::spawn(go_on(live, open));
    let router = world.router().fallback(chargebook_console::not_found);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn past_visits(
    world: &World,
    station: &mut Station,
    now: Timestamp,
    number: i64,
    meter_wh: &mut i64,
) {
    for turn in 0..5_i64 {
        let visit = Visit {
            began: (25 - turn * 5) * HOUR - number * 1_111,
            lasts: 1_500 + (number * 7 + turn * 13) % 11 * 400,
            watts: if number % 3 == 0 { 61_000 } else { 10_800 },
        };
        if visit.began - visit.lasts < 1_200 {
            continue;
        }
        world.clock.set(later(now, -visit.began));
        let card = CARDS[usize::try_from((number + turn) % 4).unwrap_or(0)];
        let transaction = station.start(1, card, *meter_wh).await;
        station.status(1, "Charging", "NoError").await;
        charge(world, station, now, &visit, transaction, meter_wh).await;
        station.status(1, "Finishing", "NoError").await;
        station.stop(transaction, *meter_wh).await;
        world.clock.set(later(now, -visit.began + visit.lasts + 240));
        station.status(1, "Available", "NoError").await;
        world.billed().await;
    }
}

async fn charge(
    world: &World,
    station: &mut Station,
    now: Timestamp,
    visit: &Visit,
    transaction: TransactionNumber,
    meter_wh: &mut i64,
) {
    const STEP: i64 = 120;
    for gone in (STEP..=visit.lasts).step_by(120) {
        world.clock.set(later(now, -visit.began + gone));
        let taper = if gone * 10 > visit.lasts * 7 {
            100 - (gone * 100 / visit.lasts - 70) * 2
        } else {
            100
        };
        let ramp = (40 + gone / 4).min(100);
        let watts = visit.watts * taper.max(20) / 100 * ramp / 100 + gone % 7 * 30;
        *meter_wh += watts * STEP / HOUR;
        let values = [
            (Quantity::EnergyImportRegisterWh, *meter_wh),
            (Quantity::PowerImportW, watts),
            (Quantity::StateOfChargePercent, (22 + gone * 60 / visit.lasts).min(100)),
        ];
        station.meter(1, transaction, &values).await;
    }
}

/// What a person has to look at, and what charges without a known card.
async fn messy(world: &World, stations: &mut [Station], now: Timestamp) {
    world.clock.set(later(now, -2 * HOUR));
    let backwards = stations[4].start(2, CARD, 500_000).await;
    world.clock.set(later(now, -HOUR));
    stations[4].stop(backwards, 400_000).await;
    stations[4].status(2, "Available", "NoError").await;
    world.billed().await;
    let refused = stations[5].start(2, "UNKNOWN", 10_000).await;
    stations[5].stop(refused, 10_000).await;
    let mut odd = world.station("<b>ODD&1").await;
    odd.boot("<script>alert(1)</script>", "\"quoted\" & odd").await;
    odd.desk.close("silent").await.unwrap_or_default();
    stations[7].status(1, "Faulted", "GroundFailure").await;
    stations[8].status(2, "Unavailable", "NoError").await;
}

/// Sessions that run now.
async fn present(
    world: &World,
    stations: &mut [Station],
    meters: &[i64],
    now: Timestamp,
) -> Vec<(usize, TransactionNumber, i64, i64)> {
    let mut open = Vec::new();
    for (index, ago) in [(0, 3_100), (2, 1_300), (3, 2_400), (5, 700)] {
        let mut meter_wh = meters[index];
        let watts = if index % 3 == 2 { 74_000 } else { 10_800 };
        world.clock.set(later(now, -ago));
        let transaction = stations[index].start(1, CARDS[index % 4], meter_wh).await;
        stations[index].status(1, "Charging", "NoError").await;
        let visit = Visit { began: ago, lasts: ago, watts };
        charge(world, &mut stations[index], now, &visit, transaction, &mut meter_wh).await;
        open.push((index, transaction, meter_wh, watts / 2));
    }
    stations[6].status(2, "Preparing", "NoError").await;
    stations[3].status(2, "SuspendedEV", "NoError").await;
    world.shown().await;
    open
}

/// Meter values go on coming.
async fn go_on(mut stations: Vec<Station>, mut open: Vec<(usize, TransactionNumber, i64, i64)>) {
    loop {
        for (index, transaction, meter_wh, watts) in &mut open {
            *meter_wh += *watts * 3 / HOUR;
            *watts = *watts * 101 / 100 % 90_000;
            let values =
                [(Quantity::EnergyImportRegisterWh, *meter_wh), (Quantity::PowerImportW, *watts)];
            stations[*index].meter(1, *transaction, &values).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

//! A certificate that was promised is brought, whatever happens in between.

use crate::support::{Service, at};
use chargebook_commands::journal::{Draft, read_event};
use chargebook_commands::message::StationMessage;
use chargebook_commands::registry::StationChange;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    BootInformation, Intent, IssuedCertificate, StationCertificateRequested,
};
use chargebook_domain::ids::{CommandId, EventId};
use chargebook_store::{EventStore, ExpectedVersion, RecordedEvent};
use uuid::Uuid;

/// The commands that bring a certificate.
async fn deliveries(service: &Service) -> Vec<CommandId> {
    let events = service.events().await;
    let command = |recorded: &RecordedEvent| match read_event(recorded) {
        Ok(Event::CommandRequested(requested)) => Some(requested),
        _ => None,
    };
    let requested = events.iter().filter_map(command);
    let is_delivery = |intent: &Intent| matches!(intent, Intent::DeliverCertificate { .. });
    requested.filter(|one| is_delivery(&one.intent)).map(|one| one.command_id).collect()
}

/// What a desk leaves that dies between its promise and the command.
async fn promise(service: &Service) -> CommandId {
    let events = service.events().await;
    let station = events.iter().find(|event| &*event.event_type == "station.registered").unwrap();
    let of_stream = events.iter().filter(|event| event.stream == station.stream);
    let last = of_stream.map(|event| event.version).max().unwrap();
    let command_id = CommandId(Uuid::new_v4());
    let issued = IssuedCertificate {
        command_id,
        certificate_chain: "PEM".to_owned(),
        serial_number: "1".to_owned(),
        not_after: at("2027-11-22T12:00:00Z"),
    };
    let promised = StationCertificateRequested {
        csr: "PEM".to_owned(),
        exchange: EventId(Uuid::new_v4()),
        kind: None,
        request_id: None,
        issued: Some(issued),
        declined: None,
    };
    let journal = service.chargebook.journal();
    let draft = Draft::new(journal.fresh_id(), promised);
    journal.append(&station.stream, ExpectedVersion::Exact(last), &[draft]).await.unwrap();
    command_id
}

/// Waits until the policies have come as far as a promise.
async fn delivered(service: &Service, promise: CommandId) -> Vec<CommandId> {
    let mut head = service.store.head();
    loop {
        let deliveries = deliveries(service).await;
        if deliveries.contains(&promise) {
            return deliveries;
        }
        head.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_crash_before_its_command_delays_a_certificate_and_makes_no_second_one() {
    let service = Service::start().await;
    let first = promise(&service).await;
    assert_eq!(delivered(&service, first).await, [first]);
    // The next process reads the first promise again.
    let service = service.restart().await;
    let second = promise(&service).await;
    assert_eq!(delivered(&service, second).await, [first, second]);
}

/// A month, and so the opening of the next one.
const A_MONTH_SECONDS: i64 = 31 * 86_400;

fn boot(serial_number: &str) -> StationMessage {
    let boot = BootInformation {
        vendor: "V".to_owned(),
        model: "M".to_owned(),
        serial_number: Some(serial_number.to_owned()),
        firmware_version: None,
        iccid: None,
        imsi: None,
        meter_type: None,
        meter_serial_number: None,
        reason: None,
    };
    StationMessage::Boot(boot.into())
}

/// Whether a certificate that names the registered serial number would not be believed.
async fn has_other_serial_number(service: &Service) -> bool {
    let password = Some(&b"0123456789abcdef0123456789abcdef"[..]);
    service.chargebook.admit("CP-1", password).await.unwrap().has_other_serial_number
}

#[tokio::test]
async fn who_booted_with_another_serial_number_is_known_for_it_in_the_next_months() {
    let service = Service::start().await;
    let change = StationChange { serial_number: Some(Some("SN-17")), ..StationChange::default() };
    service.chargebook.change_station("CP-1", change).await.unwrap();
    service.station("CP-1").await.say(boot("SN-18")).await;
    for month in 0..3 {
        assert!(has_other_serial_number(&service).await, "after {month} months");
        service.pass(A_MONTH_SECONDS);
        service.station("CP-1").await;
    }
    service.station("CP-1").await.say(boot("SN-17")).await;
    assert!(!has_other_serial_number(&service).await);
}

#[tokio::test]
async fn the_certificates_that_count_are_carried_into_the_next_months() {
    let service = Service::start().await;
    promise(&service).await;
    for _ in 0..2 {
        service.pass(A_MONTH_SECONDS);
        service.station("CP-1").await;
    }
    let carried = service.facts(|event| match event {
        Event::StationMonthOpened(opened) => Some(opened.carried.certificates.clone()),
        _ => None,
    });
    assert_eq!(carried.await, [["1"], ["1"]]);
}

//! Registering the same thing from several places at once.

use crate::support::{Service, TARIFF, token};
use chargebook_commands::journal::Draft;
use chargebook_commands::registry::StationRegistration;
use chargebook_domain::events::v1::StationRegistered;
use chargebook_domain::ids::{StationId, StationIdentity};
use chargebook_store::{ExpectedVersion, StreamName};
use futures::future::join_all;
use uuid::Uuid;

/// A month, and so the opening of the next one.
const MONTH_SECONDS: i64 = 31 * 86_400;

/// Registers a station as it was done before a name was found in any case.
async fn register_as_of_old(service: &Service, id: &str) {
    let station_id = StationId(Uuid::new_v4());
    let station = StationIdentity::parse(id).unwrap();
    let journal = service.chargebook.journal();
    let fact = StationRegistered { station_id, station, password: None, site_id: None };
    let key = service.chargebook.personal().station_key(id);
    let draft = Draft::new(journal.fresh_id(), fact).about(station_id).keyed(key);
    let stream = StreamName::new(format!("station-{station_id}-2026-11")).unwrap();
    journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await.unwrap();
}

/// The station that is meant by a name whose case does not matter.
async fn found(service: &Service, id: &str) -> String {
    let identity = StationIdentity::parse(id).unwrap();
    service.chargebook.registered_in_any_case(identity).await.unwrap().as_str().to_owned()
}

#[tokio::test]
async fn a_station_of_old_is_found_in_any_case_once_it_has_come() {
    let service = Service::start().await;
    register_as_of_old(&service, "OLD-1").await;
    assert_eq!(found(&service, "old-1").await, "old-1");
    service.station("OLD-1").await;
    assert_eq!(found(&service, "old-1").await, "OLD-1");
    service.pass(MONTH_SECONDS);
    service.station("OLD-1").await;
    assert_eq!(found(&service, "old-1").await, "OLD-1");
}

#[tokio::test]
async fn of_two_stations_that_differ_in_case_the_first_is_found_in_any_other() {
    let service = Service::start().await;
    register_as_of_old(&service, "cp-1").await;
    for _ in 0..2 {
        for id in ["CP-1", "cp-1"] {
            service.station(id).await;
            assert_eq!(found(&service, "Cp-1").await, "CP-1");
            assert_eq!(found(&service, id).await, id);
        }
        service.pass(MONTH_SECONDS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_name_at_once_is_one_thing() {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    let created = |outcomes: Vec<bool>| outcomes.into_iter().filter(|created| *created).count();
    let stations = join_all((0..8).map(|_| async {
        let registration =
            StationRegistration { id: "CP-9".to_owned(), ..StationRegistration::default() };
        registry.register_station(registration).await.unwrap().created
    }));
    assert_eq!(created(stations.await), 1);
    let tokens = join_all(
        (0..8).map(|_| async { registry.register_token(token("NEW")).await.unwrap().created }),
    );
    assert_eq!(created(tokens.await), 1);
    let tariffs =
        join_all((0..8).map(|_| async {
            registry.publish_tariff("N", TARIFF).await.unwrap().registered.created
        }));
    assert_eq!(created(tariffs.await), 1);
    let drivers = join_all(
        (0..8)
            .map(|_| async { registry.register_driver("D", "Name", None).await.unwrap().created }),
    );
    assert_eq!(created(drivers.await), 1);
}

//! Registering the same thing from several places at once.

use crate::support::{Service, TARIFF, token};
use chargebook_commands::registry::StationRegistration;
use futures::future::join_all;

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

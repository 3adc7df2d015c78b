//! When the cable was out, as a 1.6 station tells it in a DataTransfer.

use crate::world::{self, TRANSACTION, World};
use chargebook_audit::verify;

#[test]
fn a_cable_that_was_out_is_proven_from_the_stations_message() {
    assert_eq!(TRANSACTION, 17);
    for (transaction, further, is_proven) in [
        ("17", "", true),
        ("17.0", "", true),
        ("1.7e1", r#",\"connectorId\":1"#, true),
        ("18", "", false),
        ("17.5", "", false),
        (r#"\"17\""#, "", false),
    ] {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        world.start("10:00:00", 1_000);
        world.stop("10:30:00", 2_500);
        world.unplugged("10:42:00", transaction, further);
        world.bill(tariff);
        let released_at = verify(&world.bundle(), None).ok().map(|it| it.settled.what.released_at);
        assert_eq!(released_at, is_proven.then_some(Some(world::at("10:42:00"))));
    }
}

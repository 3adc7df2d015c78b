//! What became of a reservation, told by facts in any order, and by the clock.

use crate::history::{History, at, caught_up, identity, sealed, session_id, station_id, uuid};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ReservationCancelled, ReservationEnd, ReservationEnded, ReservationMade, ReservationUsed,
};
use chargebook_domain::ids::{CommandId, ConnectorNumber, EventId, ReservationId};
use chargebook_projections::{Paging, ReservationStatus};
use chargebook_store::StreamName;

/// What happens to a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Made,
    Cancelled,
    Ended(ReservationEnd),
    Used(u64),
}

/// Writes it; each command has a stream of its own.
pub(crate) async fn write(history: &mut History, station: u64, number: i32, turn: Turn) {
    let (reservation_id, station_id) = (ReservationId(number), station_id(station));
    let exchange = EventId(uuid(8, 9));
    let command = CommandId(uuid(10, history.head().as_u64()));
    let command = StreamName::of("command", command.0);
    let (stream, event): (StreamName, Event) = match turn {
        Turn::Made => {
            let made = ReservationMade {
                reservation_id,
                station_id,
                station: identity(station),
                evse: None,
                connector: Some(ConnectorNumber(0)),
                token: sealed(1),
                group: Some(sealed(2)),
                expires_at: at(3_600),
                exchange,
            };
            (command, made.into())
        }
        Turn::Cancelled => {
            (command, ReservationCancelled { reservation_id, station_id, exchange }.into())
        }
        Turn::Ended(because) => {
            let fact = ReservationEnded { reservation_id, station_id, because, exchange };
            (History::station_stream(station), fact.into())
        }
        Turn::Used(session) => {
            let session_id = session_id(session);
            let fact = ReservationUsed { reservation_id, station_id, session_id, exchange };
            (History::session_stream(session), fact.into())
        }
    };
    history.write(stream, event).await;
}

#[tokio::test]
async fn what_becomes_of_a_reservation() {
    use ReservationStatus::*;
    use Turn::{Ended, Made, Used as UsedBy};
    let expired = Ended(ReservationEnd::Expired);
    let removed = Ended(ReservationEnd::Removed);
    let no_transaction = Ended(ReservationEnd::NoTransaction);
    let cases: &[(&[Turn], ReservationStatus, Option<u64>)] = &[
        (&[Made], Active, None),
        (&[Made, Turn::Cancelled], Cancelled, None),
        (&[Made, expired], Expired, None),
        (&[Made, removed], Removed, None),
        (&[Made, no_transaction], NoTransaction, None),
        (&[Made, UsedBy(1)], Used, Some(1)),
        // The first end holds; only that it was used is known best by the station.
        (&[Made, Turn::Cancelled, removed], Cancelled, None),
        (&[Made, expired, Turn::Cancelled], Expired, None),
        (&[Made, expired, UsedBy(1)], Used, Some(1)),
        (&[Made, UsedBy(1), UsedBy(2)], Used, Some(1)),
        (&[Made, UsedBy(1), Turn::Cancelled, removed], Used, Some(1)),
        // A number that is used again names the newest.
        (&[Made, Made], Active, None),
        (&[Made, UsedBy(1), Made], Active, None),
        (&[removed, Made], Active, None),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    for (number, (turns, ..)) in (1..).zip(cases) {
        for turn in *turns {
            write(&mut history, 1, number, *turn).await;
        }
    }
    // None of these is known: nothing comes of them, and nothing is parked.
    for turn in [Turn::Cancelled, removed, UsedBy(1)] {
        write(&mut history, 1, 1_000, turn).await;
    }
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;
    let paging = Paging::default();
    let listed = models.list_reservations(Some("CP-1"), None, at(0), &paging).await.unwrap();
    assert_eq!(listed.items.len(), cases.len());
    for (number, (turns, status, session)) in (1..).zip(cases) {
        let is_it = |one: &&_| {
            let one: &chargebook_projections::Reservation = one;
            one.reservation_id == ReservationId(number)
        };
        let found = listed.items.iter().find(is_it).unwrap();
        let session = session.map(session_id);
        assert_eq!((found.status, found.session_id), (*status, session), "{turns:?}");
        assert_eq!(found.ended_at.is_some(), *status != Active, "{turns:?}");
    }
    assert_eq!(models.list_parked_events(&paging).await.unwrap().items, []);

    // Its time is over at the very instant that it names.
    for (now, active, over) in [(at(3_599), 4, 2), (at(3_600), 0, 6)] {
        for (status, expected) in [(Active, active), (Expired, over)] {
            let found = models.list_reservations(None, Some(status), now, &paging).await.unwrap();
            assert_eq!(found.items.len(), expected, "{status:?} at {now}");
            assert!(found.items.iter().all(|one| one.status == status));
        }
    }
    let elsewhere = models.list_reservations(Some("CP-2"), None, at(0), &paging).await.unwrap();
    assert_eq!(elsewhere.items, []);
    running.crash().await;
}

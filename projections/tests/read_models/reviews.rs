//! What waits for a person: in one list, until it is resolved.

use crate::history::{History, at, caught_up, identity, place, session_id, station_id};
use chargebook_domain::events::v1::{Outcome, StationOrphanResolved};
use chargebook_domain::ids::EventId;
use chargebook_projections::{Paging, ReadModels, RebuildOptions, Review, rebuild};

/// The list, two to a page: sessions by their number, orphans by their exchange.
async fn listed(models: &ReadModels) -> Vec<Result<u64, EventId>> {
    let mut found = Vec::new();
    let mut paging = Paging { limit: Some(2), next: None };
    loop {
        let page = models.list_reviews(&paging).await.unwrap();
        found.extend(page.items.iter().map(|review| match review {
            Review::Session(session) => Ok(session.id.0.as_u64_pair().1),
            Review::OrphanStop(orphan) => Err(orphan.exchange),
            Review::EarlyPayment(told) => Err(told.exchange),
        }));
        match page.next {
            Some(next) => paging.next = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_stop_without_a_session_waits_until_it_is_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    history.station(2, None).await;
    history.start(place(1, 1)).await;
    let adopted = history.orphan(1, 5_000).await;
    history.start(place(2, 2)).await;
    let dismissed = history.orphan(2, 6_000).await;
    let open = history.orphan(1, 7_000).await;
    for session in [1, 2] {
        history.decide(session, Outcome::NeedsReview, None).await;
    }
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;
    let all = [Err(open), Err(dismissed), Ok(2), Err(adopted), Ok(1)];
    assert_eq!(listed(models).await, all, "the one that came up last first");
    let totals = models.totals(at(0), at(3_600)).await.unwrap();
    assert_eq!((totals.sessions_to_review, totals.orphan_stops), (2, 3));
    let of_one = models.list_orphan_stops(Some("CP-1"), &Paging::default()).await.unwrap();
    assert_eq!(of_one.items.len(), 2);
    let orphan = models.orphan_stop(open).await.unwrap().unwrap();
    assert_eq!((orphan.station, orphan.station_id), (identity(1), station_id(1)));
    assert_eq!((orphan.stopped_at, orphan.transaction_id.0), (history.now, 77));

    // The session that took a stop in says so itself; for a dismissed one its station does.
    history.stop_by_orphan(1, adopted, 5_000).await;
    let resolved = StationOrphanResolved {
        exchange: dismissed,
        session_id: None,
        reason: None,
        decided_by: None,
    };
    history.write(History::station_stream(2), resolved).await;
    history.decide(2, Outcome::Free, None).await;
    running.reach(history.head()).await;
    assert_eq!(listed(models).await, [Err(open), Ok(1)]);
    assert_eq!(models.orphan_stop(adopted).await.unwrap(), None);
    let resolved = StationOrphanResolved {
        exchange: adopted,
        session_id: Some(session_id(1)),
        reason: None,
        decided_by: None,
    };
    history.write(History::station_stream(1), resolved).await;
    running.reach(history.head()).await;
    assert_eq!(listed(models).await, [Err(open), Ok(1)]);
    running.crash().await;
    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    let comparison = report.comparison.unwrap();
    assert!(comparison.is_equal(), "{comparison:?}");
}

//! Events that cannot be taken in.

use crate::history::{History, caught_up, place, session_id};
use chargebook_projections::{Paging, RebuildOptions, rebuild};
use chargebook_store::{CanonicalJson, StreamName};
use serde_json::json;

#[tokio::test]
async fn poison_is_parked_and_what_follows_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let data = |value| CanonicalJson::from_value(&value).unwrap();
    let elsewhere = StreamName::new("thing-1").unwrap();
    history.write_raw(elsewhere.clone(), "thing.happened", 1, data(json!({}))).await;
    history.write_raw(elsewhere, "station.registered", 2, data(json!({}))).await;
    let nonsense = data(json!({ "samples": "none" }));
    history.write_raw(History::session_stream(9), "session.meter_recorded", 1, nonsense).await;
    history.meter(8, 2_000, 0).await;
    history.station(1, None).await;
    history.station(1, None).await;
    history.start(place(1, 1)).await;

    let running = caught_up(&history, folder.path()).await;
    let parked = running.models.list_parked_events(&Paging::default()).await.unwrap().items;
    let positions: Vec<_> = parked.iter().rev().map(|event| event.position).collect();
    assert_eq!(positions, [1, 2, 3, 4, 6]);
    let reason = |index: usize| parked[parked.len() - 1 - index].reason.as_str();
    assert!(reason(0).contains("`thing.happened` version 1 is not known"), "{}", reason(0));
    assert!(reason(1).contains("version 2 is not known"), "{}", reason(1));
    assert!(reason(2).contains("invalid type"), "{}", reason(2));
    assert!(reason(3).contains("has started"), "{}", reason(3));
    assert!(reason(4).contains("registered already"), "{}", reason(4));
    assert!(running.models.session(session_id(1)).await.unwrap().is_some());
    assert_eq!(
        running.models.totals(history.now, crate::history::at(60)).await.unwrap().parked_events,
        5
    );

    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert_eq!(report.parked_events, 5);
    assert_eq!(report.parked.first().map(|event| event.position), Some(1));
    assert!(report.comparison.unwrap().is_equal());
    running.crash().await;
}

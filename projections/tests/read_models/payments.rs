//! That another amount was paid than was rated is shown as long as it holds.

use crate::history::{History, caught_up, place, session_id};
use chargebook_domain::events::v1::{Anomaly, Outcome, SessionAnomalyNoted, SessionOutcomeDecided};
use chargebook_domain::ids::EventId;
use chargebook_projections::ReadModels;
use uuid::Uuid;

async fn shown(models: &ReadModels) -> Vec<Anomaly> {
    models.session(session_id(1)).await.unwrap().unwrap().anomalies
}

async fn paid(history: &mut History, settlement: u128, differs: bool) {
    let settlement = Some(EventId(Uuid::from_u128(settlement)));
    let decided = SessionOutcomeDecided {
        outcome: Outcome::ChargedElsewhere,
        reason: None,
        detail: None,
        owner: None,
        resolved_by: None,
        invoice: None,
        settlement,
    };
    history.write(History::session_stream(1), decided).await;
    if differs {
        let anomaly = Anomaly::PaymentDiffers;
        let noted =
            SessionAnomalyNoted { anomaly, detail: "other".to_owned(), exchange: settlement };
        history.write(History::session_stream(1), noted).await;
    }
}

#[tokio::test]
async fn a_payment_that_differs_is_shown_until_it_is_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    history.start(place(1, 1)).await;
    let settled = history.settle(1, history.now, (1_000, 2_000)).await;
    history.rate(1, settled, "1.00").await;
    let running = caught_up(&history, folder.path()).await;
    for (settlement, differs) in [(1, true), (2, false), (3, true), (4, true)] {
        paid(&mut history, settlement, differs).await;
        running.reach(history.head()).await;
        let expected: Vec<_> = differs.then_some(Anomaly::PaymentDiffers).into_iter().collect();
        assert_eq!(shown(&running.models).await, expected, "{settlement}");
    }
    history.rate(1, settled, "2.00").await;
    running.reach(history.head()).await;
    assert_eq!(shown(&running.models).await, []);
}

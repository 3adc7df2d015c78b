//! Alerts, from what stations say of themselves.

use crate::history::{History, at, caught_up, sealed, uuid};
use chargebook_domain::events::v1::{
    AlertAcknowledged, ComponentName, Condition, ReportedEvent, SeenBy, StationEventsReported,
    StationSecurityNoted, VariableName,
};
use chargebook_domain::ids::{AlertId, EventId};
use chargebook_projections::{Alert, AlertStatus, Paging, ReadModels, RebuildOptions, rebuild};

fn said(number: i64, variable: &str, condition: Option<Condition>) -> ReportedEvent {
    ReportedEvent {
        number,
        at: at(number),
        trigger: "Alerting".to_owned(),
        notification: "HardWiredMonitor".to_owned(),
        component: ComponentName {
            name: "Connector".to_owned(),
            instance: None,
            evse: None,
            connector: None,
        },
        variable: VariableName { name: variable.to_owned(), instance: None },
        value: sealed(1),
        condition,
        cause: None,
        severity: None,
        technical_code: None,
        technical_information: None,
        transaction: None,
        monitor: None,
    }
}

async fn report(history: &mut History, events: Vec<ReportedEvent>) {
    let exchange = EventId(uuid(8, 1));
    let fact = StationEventsReported { events, exchange };
    history.write(History::station_stream(1), fact).await;
}

async fn listed(models: &ReadModels, status: Option<AlertStatus>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut paging = Paging { limit: Some(1), next: None };
    loop {
        let page = models.list_alerts(Some("CP-1"), status, &paging).await.unwrap();
        alerts.extend(page.items);
        paging.next = page.next;
        if paging.next.is_none() {
            return alerts;
        }
    }
}

fn kinds(alerts: &[Alert]) -> Vec<(&str, AlertStatus, u32)> {
    alerts.iter().map(|alert| (alert.kind.as_str(), alert.status, alert.occurrences)).collect()
}

#[tokio::test]
async fn one_event_may_raise_several_and_a_rebuild_finds_them_all_again() {
    let (wrong, right) = (Some(Condition::Wrong), Some(Condition::Right));
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let three = [said(1, "A", wrong), said(2, "B", wrong), said(3, "C", None), said(4, "D", right)];
    report(&mut history, three.into()).await;
    let running = caught_up(&history, folder.path()).await;
    let alerts = listed(&running.models, None).await;
    let mut found = kinds(&alerts);
    found.sort_by_key(|(kind, ..)| *kind);
    assert_eq!(found, [("A", AlertStatus::Raised, 1), ("B", AlertStatus::Raised, 1)]);

    // What was said already is no second time, and what stands is known after a restart.
    running.crash().await;
    let running = caught_up(&history, folder.path()).await;
    report(&mut history, vec![said(1, "A", wrong), said(5, "B", wrong)]).await;
    report(&mut history, vec![said(6, "A", right)]).await;
    let a = alerts.iter().find(|alert| alert.kind == "A").unwrap();
    let fact = AlertAcknowledged { alert_id: a.alert_id, acknowledged_by: sealed(1), note: None };
    history.write(History::station_stream(1), fact).await;
    running.reach(history.head()).await;
    assert_eq!(
        kinds(&listed(&running.models, Some(AlertStatus::Cleared)).await),
        [("A", AlertStatus::Cleared, 1)],
        "one that is over can still be acknowledged"
    );
    assert!(running.models.alert(a.alert_id).await.unwrap().unwrap().acknowledged_at.is_some());
    let raised = listed(&running.models, Some(AlertStatus::Raised)).await;
    assert_eq!(kinds(&raised), [("B", AlertStatus::Raised, 2)]);

    running.crash().await;
    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert!(report.comparison.unwrap().is_equal());
}

#[tokio::test]
async fn what_a_station_can_have_wrong_at_once_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let flood = (0..600).map(|number| said(number, &format!("V{number}"), Some(Condition::Wrong)));
    let flood: Vec<_> = flood.collect();
    for part in flood.chunks(200) {
        report(&mut history, part.to_vec()).await;
    }
    let running = caught_up(&history, folder.path()).await;
    let paging = Paging { limit: Some(1_000), next: None };
    let page = running.models.list_alerts(None, None, &paging).await.unwrap();
    assert_eq!(page.items.len(), 512);
    running.crash().await;
}

#[tokio::test]
async fn an_acknowledgement_of_nothing_is_parked() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let noted = StationSecurityNoted {
        kind: "clone_suspected".to_owned(),
        seen_by: SeenBy::System,
        at: at(0),
        detail: None,
        exchange: None,
    };
    history.write(History::station_stream(1), noted).await;
    let alert_id = AlertId(uuid(12, 1));
    let fact = AlertAcknowledged { alert_id, acknowledged_by: sealed(1), note: None };
    history.write(History::station_stream(1), fact).await;
    let running = caught_up(&history, folder.path()).await;
    let alerts = listed(&running.models, None).await;
    assert_eq!(kinds(&alerts), [("clone_suspected", AlertStatus::Raised, 1)]);
    let parked = running.models.list_parked_events(&Paging::default()).await.unwrap();
    assert_eq!(parked.items.len(), 1);
    running.crash().await;
}

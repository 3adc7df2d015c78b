//! Alerts, from what stations say of themselves.

use crate::history::{History, Place, at, caught_up, place, sealed, uuid};
use chargebook_domain::events::v1::{
    AlertAcknowledged, ComponentName, Condition, ReportedEvent, SeenBy, SessionConnectorStatus,
    StationEventsReported, StationSecurityNoted, VariableName,
};
use chargebook_domain::ids::{AlertId, ConnectorNumber, EventId};
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
        key: None,
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

/// A variable that tells by its value tells whoever asked of the same trouble.
#[tokio::test]
async fn what_one_monitor_saw_another_may_see_cleared() {
    let (wrong, right) = (Some(Condition::Wrong), Some(Condition::Right));
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let by = |monitor, event| ReportedEvent { monitor, ..event };
    report(&mut history, vec![by(None, said(1, "Problem", wrong))]).await;
    report(&mut history, vec![by(Some(7), said(2, "Problem", right))]).await;
    report(&mut history, vec![by(Some(7), said(3, "Temperature", wrong))]).await;
    report(&mut history, vec![by(Some(8), said(4, "Temperature", right))]).await;
    let running = caught_up(&history, folder.path()).await;
    let mut alerts = listed(&running.models, None).await;
    alerts.sort_by_key(|alert| alert.began_at);
    let expected = [("Problem", AlertStatus::Cleared, 1), ("Temperature", AlertStatus::Raised, 1)];
    assert_eq!(kinds(&alerts), expected);
    running.crash().await;
}

#[tokio::test]
async fn an_older_status_that_a_late_start_claims_is_not_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let began_at = history.now;
    history.status(1, 1, "Faulted").await;
    history.pass(60);
    history.status(1, 1, "Available").await;
    let place = Place { started_at: Some(began_at), ..place(1, 1) };
    history.start(place).await;
    let claimed = SessionConnectorStatus {
        evse: None,
        connector: ConnectorNumber(1),
        status: "Faulted".to_owned(),
        error_code: Some("NoError".to_owned()),
        at: began_at,
        received_at: began_at,
        exchange: EventId(uuid(8, 2)),
    };
    history.write(History::session_stream(1), claimed).await;
    let running = caught_up(&history, folder.path()).await;
    let alerts = listed(&running.models, None).await;
    assert_eq!(kinds(&alerts), [("Faulted", AlertStatus::Cleared, 1)]);
    running.crash().await;
}

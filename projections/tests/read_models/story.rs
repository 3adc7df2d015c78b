//! One session's life, and what the queries say at every step.

use crate::history::{
    History, account_id, at, caught_up, identity, place, sealed, session_id, site_id, station_id,
};
use chargebook_domain::events::v1::{
    CommandAnswered, CommandFailed, CommandFailure, CommandRequested, Intent, InvoiceKind, Outcome,
    SeenBy, StationDisconnected, StationSecurityNoted, TokenChanged, TokenStatus,
};
use chargebook_domain::ids::{CommandId, ConnectorNumber, EventId};
use chargebook_domain::units::WattHours;
use chargebook_projections::{CommandState, InvoiceFilter, Paging, SessionFilter, SessionStatus};
use chargebook_store::StreamName;
use rust_decimal::Decimal;
use uuid::Uuid;

#[tokio::test]
async fn a_session_from_its_first_fact_to_its_invoice() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.site(1, "Europe/Berlin").await;
    let tariff = history.tariff(1, 1).await;
    history.token(1).await;
    history.station(1, Some(1)).await;
    history.connect(1, 1).await;
    history.boot(1).await;
    history.status(1, 1, "Preparing").await;
    history.pass(60);
    history.start(place(1, 1)).await;
    history.pass(600);
    history.meter(1, 2_000, 6_000).await;
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;

    let station = models.station("CP-1").await.unwrap().unwrap();
    assert_eq!(station.station_id, station_id(1));
    assert_eq!(station.site.as_deref(), Some("site-1"));
    assert!(station.connected && station.accepted);
    assert_eq!(station.boot.as_ref().unwrap().model, "Model");
    assert_eq!(station.last_seen, Some(history.now));
    assert_eq!(station.power_w(), Decimal::from(6_000));
    let [connector] = station.connectors.as_slice() else { panic!("{:?}", station.connectors) };
    assert_eq!(connector.status.as_deref(), Some("Preparing"));
    assert_eq!(connector.session, Some(session_id(1)));
    assert_eq!(connector.energy_wh, Some(WattHours::from_whole(1_000)));

    let session = models.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(session.status, SessionStatus::Open);
    assert_eq!(session.station, identity(1));
    assert_eq!(session.token, Some(sealed(1)));
    assert_eq!(session.energy_wh, WattHours::from_whole(1_000));
    assert_eq!(session.power_w, Some(Decimal::from(6_000)));
    assert_eq!((session.cost.as_ref(), session.ended_at, session.outcome), (None, None, None));

    let detail = models.session_detail(session_id(1), history.now).await.unwrap().unwrap();
    let running_cost = detail.running_cost.unwrap();
    assert_eq!(running_cost.net, Decimal::new(5, 1), "1 kWh at 0.50");
    assert_eq!(running_cost.gross, Decimal::new(60, 2), "and 19 % VAT, as an invoice rounds");
    assert_eq!(detail.curve.len(), 1);
    assert_eq!(detail.curve[0].energy_wh, Some(WattHours::from_whole(1_000)));

    history.pass(600);
    history.stop(1, 3_000, None).await;
    running.reach(history.head()).await;
    let session = models.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(session.status, SessionStatus::Stopped);
    assert_eq!(session.stop_reason.as_deref(), Some("Local"), "OCPP 1.6: absent means Local");
    assert_eq!(session.energy_wh, WattHours::from_whole(2_000));
    assert_eq!(session.power_w, None);
    let station = models.station("CP-1").await.unwrap().unwrap();
    assert_eq!(station.connectors[0].session, None);

    let settled = history.settle(1, at(60), (1_000, 3_000)).await;
    let rated = history.rate(1, settled, "1.00").await;
    let number = history.invoice(1, 1, InvoiceKind::Invoice, rated, tariff.clone()).await;
    history.post(&number).await;
    history.decide(1, Outcome::Invoiced, Some(&number)).await;
    running.reach(history.head()).await;

    let session = models.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(session.status, SessionStatus::Settled);
    assert_eq!(session.outcome, Some(Outcome::Invoiced));
    assert_eq!(session.invoice.as_deref(), Some("A-1"));
    assert_eq!(session.cost.as_ref().unwrap().net, Decimal::new(100, 2));
    assert_eq!(session.cost.as_ref().unwrap().currency, "EUR");

    let invoice = models.invoice("A-1").await.unwrap().unwrap();
    assert_eq!(invoice.issued.session_id, session_id(1));
    assert_eq!(invoice.issued.lines.len(), 1);
    assert_eq!(invoice.station, Some(identity(1)));
    let audit = models.audit_entry("A-1").await.unwrap().unwrap();
    assert_eq!(audit.session, session_id(1));
    assert_eq!((audit.rated_event, audit.settled_event), (rated, Some(settled)));
    assert_eq!(audit.tariff_event, tariff.event_id);
    assert!(audit.tariff_position < audit.started_position);
    assert!(audit.started_position < audit.rated_position);
    assert!(audit.rated_position < Some(audit.invoice_position));
    assert!(audit.tariff_position.is_some());

    let account = models.account(account_id(1)).await.unwrap().unwrap();
    assert_eq!(account.balances.len(), 1);
    assert_eq!(account.balances[0].balance_minor, 119);
    let all: i64 = models.list_balances(false).await.unwrap().iter().map(|b| b.balance_minor).sum();
    assert_eq!(all, 0, "postings sum to zero");

    let filter = InvoiceFilter { session_id: Some(session_id(1)), ..InvoiceFilter::default() };
    assert_eq!(models.list_invoices(&filter, &Paging::default()).await.unwrap().items.len(), 1);
    let tariffs = models.list_tariffs().await.unwrap();
    assert!(tariffs.len() == 1 && tariffs[0].is_default);
    assert_eq!(models.site("site-1").await.unwrap().unwrap().site_id, site_id(1));
    running.crash().await;
}

#[tokio::test]
async fn the_end_of_a_replaced_connection_disconnects_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    history.connect(1, 1).await;
    history.connect(1, 2).await;
    let gone = |epoch| StationDisconnected { epoch, reason: "replaced".to_owned() };
    history.write(History::station_stream(1), gone(1)).await;
    let running = caught_up(&history, folder.path()).await;
    assert!(running.models.station("CP-1").await.unwrap().unwrap().connected);

    history.write(History::station_stream(1), gone(2)).await;
    running.reach(history.head()).await;
    let station = running.models.station("CP-1").await.unwrap().unwrap();
    assert!(!station.connected);
    assert_eq!(station.disconnect_reason.as_deref(), Some("replaced"));
    running.crash().await;
}

#[tokio::test]
async fn a_heartbeat_is_a_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    history.connect(1, 1).await;
    history.pass(300);
    history.heartbeat(1).await;
    let running = caught_up(&history, folder.path()).await;
    let station = running.models.station("CP-1").await.unwrap().unwrap();
    assert_eq!(station.last_seen, Some(at(300)));
    running.crash().await;
}

#[tokio::test]
async fn an_old_session_replayed_late_does_not_hide_the_one_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    history.pass(3_600);
    history.start(place(2, 1)).await;
    history.start(crate::history::Place { started_at: Some(at(60)), ..place(1, 1) }).await;
    let running = caught_up(&history, folder.path()).await;
    let station = running.models.station("CP-1").await.unwrap().unwrap();
    assert_eq!(station.connectors[0].session, Some(session_id(2)));

    history.stop(1, 2_000, Some("PowerLoss")).await;
    running.reach(history.head()).await;
    let station = running.models.station("CP-1").await.unwrap().unwrap();
    assert_eq!(station.connectors[0].session, Some(session_id(2)));
    running.crash().await;
}

#[tokio::test]
async fn a_begin_register_that_is_missing_is_not_taken_for_zero() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    history.start(crate::history::Place { register_wh: 0, ..place(1, 1) }).await;
    history.pass(60);
    history.meter(1, 84_000_000, 7_000).await;
    history.pass(60);
    history.meter(1, 84_000_117, 7_000).await;
    let running = caught_up(&history, folder.path()).await;
    let session = running.models.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(session.energy_wh, WattHours::from_whole(117));
    running.crash().await;
}

#[tokio::test]
async fn a_command_from_the_wish_to_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let id = CommandId(Uuid::from_u128(77));
    let stream = StreamName::of("command", id.0);
    let requested = CommandRequested {
        command_id: id,
        station_id: station_id(1),
        station: identity(1),
        intent: Intent::Unlock { connector: ConnectorNumber(1), evse: None },
        expires_at: at(30),
        waits: false,
    };
    history.write(stream.clone(), requested).await;
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;
    assert_eq!(models.command(id).await.unwrap().unwrap().state, CommandState::Requested);

    let failed = CommandFailed {
        failure: CommandFailure::OutcomeUnknown,
        detail: "the connection ended".to_owned(),
        exchange: None,
    };
    history.write(stream.clone(), failed).await;
    running.reach(history.head()).await;
    let command = models.command(id).await.unwrap().unwrap();
    assert_eq!(command.state, CommandState::Failed);
    assert_eq!(command.failure, Some(CommandFailure::OutcomeUnknown));

    let exchange = EventId(Uuid::from_u128(78));
    let answered =
        CommandAnswered { status: Some("Unlocked".to_owned()), exchange, nothing_follows: None };
    history.write(stream, answered).await;
    running.reach(history.head()).await;
    let listed = models.list_commands(Some("CP-1"), &Paging::default()).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].state, CommandState::Answered, "a later answer tells more");
    assert_eq!(listed[0].reply_status.as_deref(), Some("Unlocked"));
    assert_eq!(listed[0].failure, None);
    running.crash().await;
}

#[tokio::test]
async fn a_token_that_is_blocked_and_a_security_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.token(1).await;
    history.station(1, None).await;
    let blocked =
        TokenChanged { status: TokenStatus::Blocked, expires_at: Some(at(5)), group: None };
    let token = crate::history::token_id(1);
    history.write(StreamName::of("token", token.0), blocked).await;
    let noted = StationSecurityNoted {
        kind: "foreign_transaction".to_owned(),
        seen_by: SeenBy::System,
        at: at(6),
        detail: Some(sealed(1)),
        exchange: None,
    };
    history.write(History::station_stream(1), noted).await;
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;
    let token = models.token(token).await.unwrap().unwrap();
    assert_eq!((token.status, token.expires_at), (TokenStatus::Blocked, Some(at(5))));
    assert_eq!(token.uid, sealed(1));
    let noted = models.list_security_events(Some("CP-1"), &Paging::default()).await.unwrap().items;
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0].kind, "foreign_transaction");
    assert_eq!(noted[0].station, Some(identity(1)));
    running.crash().await;
}

#[tokio::test]
async fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    for station in 1..=3 {
        history.station(station, Some(1)).await;
    }
    for session in 1..=7 {
        history.start(place(session, 1 + session % 3)).await;
    }
    history.stop(7, 2_000, Some("Remote")).await;
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;

    let mut paging = Paging { limit: Some(2), next: None };
    let mut seen = Vec::new();
    loop {
        let page = models.list_sessions(&SessionFilter::default(), &paging).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|session| session.id));
        paging.next = page.next;
        if paging.next.is_none() {
            break;
        }
    }
    let newest_first: Vec<_> = (1..=7).rev().map(session_id).collect();
    assert_eq!(seen, newest_first);

    let open = SessionFilter { open: Some(true), ..SessionFilter::default() };
    assert_eq!(models.list_sessions(&open, &Paging::default()).await.unwrap().items.len(), 6);
    let here = SessionFilter { station: Some("CP-2".to_owned()), ..SessionFilter::default() };
    assert_eq!(models.list_sessions(&here, &Paging::default()).await.unwrap().items.len(), 3);

    let of_sessions = Paging { limit: Some(1), next: None };
    let page = models.list_sessions(&SessionFilter::default(), &of_sessions).await.unwrap();
    let elsewhere = Paging { limit: None, next: page.next };
    assert!(models.list_stations(&elsewhere).await.is_err(), "`next` of another list");
    running.crash().await;
}

//! Groups of tokens: who may end whose session, and what a group's name is sealed under.

use crate::reviews::becomes;
use crate::support::{Service, Station, TAG, start_at, stop_at, token};
use crate::transactions::{Telling as _, ended, started, updated};
use chargebook_commands::erasure::Subject;
use chargebook_commands::message::{
    Answer, AuthorizeReport, PresentedToken, StartReport, StationMessage, StopReport,
    TransactionReport,
};
use chargebook_commands::registry::{
    SettingsChange, StationChange, TokenChange, TokenRegistration,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Anomaly, Authorization, Outcome, Registration};

/// Cards of the group FAMILY, and one of the service's.
const HERS: &str = "HERS0001";
const HIS: &str = "HIS00001";
const SERVICE: &str = "SERVICE1";

async fn service() -> Service {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    for (uid, group) in [(HERS, "FAMILY"), (HIS, "family"), (SERVICE, "HELPERS")] {
        let registration = TokenRegistration { group: Some(group.to_owned()), ..token(uid) };
        registry.register_token(registration).await.unwrap();
    }
    assert!(registry.set_master_pass_group(Some("Helpers")).await.unwrap().created);
    assert!(!registry.set_master_pass_group(Some("Helpers")).await.unwrap().created, "so before");
    service
}

async fn noted(service: &Service) -> Vec<Anomaly> {
    service
        .facts(|event| match event {
            Event::SessionAnomalyNoted(noted) => Some(noted.anomaly),
            _ => None,
        })
        .await
}

async fn start(station: &mut Station, uid: &str) -> Answer {
    let start = start_at(1, "2026-11-22T11:00:00Z", 1_000);
    station.say(StationMessage::Start(StartReport { id_tag: uid.to_owned(), ..start })).await
}

/// What is noted of a 1.6 session that one card begins and another ends; it is billed whoever did.
async fn noted_of_1_6(begun_by: &str, ended_by: &str) -> Vec<Anomaly> {
    let service = service().await;
    let mut station = service.station("CP-1").await;
    let Answer::Start { transaction_id, token } = start(&mut station, begun_by).await else {
        panic!("a start")
    };
    assert_eq!(token.authorization, Authorization::Accepted);
    let stop = stop_at(transaction_id, "2026-11-22T11:30:00Z", 11_000);
    let stop = StopReport { id_tag: Some(ended_by.to_owned()), ..stop };
    match station.say(StationMessage::Stop(stop)).await {
        Answer::Stop { token: Some(token) } => {
            assert_eq!(token.authorization, Authorization::Accepted, "what is true of the card");
        }
        other => panic!("{other:?}"),
    }
    service.settled_bill(595).await;
    noted(&service).await
}

#[tokio::test]
async fn the_card_its_group_and_the_master_pass_may_end_a_session_of_1_6() {
    assert_eq!(noted_of_1_6(HERS, HERS).await, []);
    assert_eq!(noted_of_1_6(HERS, &HERS.to_lowercase()).await, []);
    assert_eq!(noted_of_1_6(HERS, HIS).await, []);
    assert_eq!(noted_of_1_6(TAG, SERVICE).await, []);
    assert_eq!(noted_of_1_6(TAG, HERS).await, [Anomaly::StoppedByAnother]);
    assert_eq!(noted_of_1_6(HERS, TAG).await, [Anomaly::StoppedByAnother]);
}

#[tokio::test]
async fn the_card_its_group_and_the_master_pass_may_end_a_session_of_2_x() {
    for (ended_by, expected) in
        [(HERS, vec![]), (HIS, vec![]), (SERVICE, vec![]), (TAG, vec![Anomaly::StoppedByAnother])]
    {
        let service = service().await;
        let mut station = service.station("CP-1").await;
        let begin = started("11:00:00").by(HERS).reading(1_000, "Transaction.Begin");
        station.tell(begin).await;
        let end = ended(1, "11:30:00").by(ended_by).reading(11_000, "Transaction.End");
        let answer = station.tell(end).await;
        let authorization = answer.token.map(|token| token.authorization);
        assert_eq!(authorization, Some(Authorization::Accepted), "{ended_by}");
        service.settled_bill(595).await;
        assert_eq!(noted(&service).await, expected, "{ended_by}");
    }
}

#[tokio::test]
async fn nobody_pays_for_what_another_began_and_was_refused() {
    let begin = || started("11:00:00").by("STRANGER").reading(1_000, "Transaction.Begin");
    let end = || ended(1, "11:30:00").by(HIS).reading(11_000, "Transaction.End");
    for messages in [[begin(), end()], [end(), begin()]] {
        let service = service().await;
        let mut station = service.station("CP-1").await;
        for message in messages {
            station.tell(message).await;
        }
        becomes(&service, Outcome::NeedsReview, Some("refused_yet_charged")).await;
    }
}

#[tokio::test]
async fn a_master_pass_begins_no_session() {
    let service = service().await;
    let mut station = service.station("CP-1").await;
    // A 2.x station knows the group; one of 1.6 would begin to charge.
    for (kind, expected) in
        [(Some("ISO14443"), Authorization::Accepted), (None, Authorization::Blocked)]
    {
        let kind = kind.map(str::to_owned);
        let asked = AuthorizeReport {
            token: PresentedToken { kind, ..PresentedToken::id_tag(SERVICE) },
            certificate: None,
            takes_tariff: false,
            takes_energy_transfer: false,
            keeps_no_credit: false,
        };
        match station.say(StationMessage::Authorize(asked)).await {
            Answer::Authorize { token, .. } => {
                assert_eq!(token.authorization, expected);
                assert_eq!(token.group.map(|group| group.uid).as_deref(), Some("HELPERS"));
            }
            other => panic!("{other:?}"),
        }
    }
    match start(&mut station, SERVICE).await {
        Answer::Start { token, .. } => assert_eq!(token.authorization, Authorization::Blocked),
        other => panic!("{other:?}"),
    }
    let blocked = |answer: chargebook_commands::message::TransactionAnswer| {
        assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::Blocked));
    };
    blocked(station.tell(started("11:00:00").by(SERVICE)).await);
    let second = |report: TransactionReport| report.named("tx-2").at_evse(2);
    station.tell(second(started("11:00:00"))).await;
    blocked(station.tell(second(updated(1, "11:01:00")).by(SERVICE)).await);
    let registry = service.chargebook.registry();
    registry.set_master_pass_group(None).await.unwrap();
    let answer = station.tell(updated(1, "11:01:00").by(SERVICE)).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::Accepted));
}

#[tokio::test]
async fn a_groups_name_outlives_the_erasure_of_a_card_of_that_name() {
    let service = service().await;
    let registry = service.chargebook.registry();
    registry.register_token(token("FAMILY")).await.unwrap();
    let moved = TokenChange { group: Some(Some("FAMILY".to_owned())), ..TokenChange::default() };
    registry.change_token(TAG, moved).await.unwrap();
    crate::erasures::erase(&service, Subject::Token("FAMILY")).await;
    let service = service.restart().await;
    for uid in [HERS, TAG] {
        let known = service.chargebook.registry().token(uid).await.unwrap().unwrap();
        assert_eq!(known.group.as_deref(), Some("FAMILY"), "{uid}");
    }
    let master = service.chargebook.registry().master_pass_group().await.unwrap();
    assert_eq!(master.as_deref(), Some("Helpers"), "after a restart too");
}

#[tokio::test]
async fn a_start_at_a_station_that_waits_is_refused_and_still_says_who_would_pay() {
    let service = Service::start().await;
    let registration = Some(Registration::Pending);
    let settings = SettingsChange { registration, ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    service.chargebook.change_station("CP-1", change).await.unwrap();
    let mut station = service.station("CP-1").await;
    station.say(StationMessage::Boot(boot().into())).await;
    match start(&mut station, TAG).await {
        Answer::Start { token, .. } => assert_eq!(token.authorization, Authorization::Invalid),
        other => panic!("{other:?}"),
    }
    let known = service.chargebook.registry().token(TAG).await.unwrap().unwrap();
    let started = service.facts(|event| match event {
        Event::SessionStarted(started) => Some((started.authorization, started.account_id)),
        _ => None,
    });
    assert_eq!(started.await, [(Authorization::Invalid, Some(known.account_id))]);
}

fn boot() -> chargebook_domain::events::v1::BootInformation {
    let (vendor, model) = ("V".to_owned(), "M".to_owned());
    chargebook_domain::events::v1::BootInformation {
        vendor,
        model,
        serial_number: None,
        firmware_version: None,
        iccid: None,
        imsi: None,
        meter_type: None,
        meter_serial_number: None,
        reason: None,
    }
}

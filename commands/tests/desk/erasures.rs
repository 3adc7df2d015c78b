//! Forgetting a person: nothing is destroyed before it is billed and written down, and what was
//! begun is gone on with, whatever happened in between.

use crate::support::{Service, TAG, start_at, stop_at, token};
use chargebook_commands::alert::Acknowledgement;
use chargebook_commands::clock::SystemClock;
use chargebook_commands::erasure::{Erasure, ErasureWish, Subject};
use chargebook_commands::message::StationMessage;
use chargebook_commands::registry::{RegistryError, TokenRegistration};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Authorization, Intent, LocalToken, TokenStatus};
use chargebook_domain::ids::{AlertId, DriverId, SubjectId};
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use chargebook_store::AppendError;
use chargebook_store::contract::{FailingStore, Fate};
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// An erasure with its story makes fewer appends than this.
const APPENDS: i64 = 12;
/// Stories that run beside each other.
const AT_ONCE: usize = 8;

fn wish() -> ErasureWish {
    ErasureWish { reason: "requested_by_subject".to_owned(), ..ErasureWish::default() }
}

pub(crate) async fn erase(service: &Service, subject: Subject<'_>) -> Erasure {
    let (erasure, is_new) = service.chargebook.request_erasure(subject, &wish()).await.unwrap();
    assert!(is_new);
    completed(service, &erasure).await
}

async fn completed(service: &Service, erasure: &Erasure) -> Erasure {
    let id = erasure.requested.erasure_id;
    let wait = async {
        loop {
            let known = service.chargebook.erasure_settled(id, PATIENCE).await.unwrap().unwrap();
            if known.completed_at.is_some() {
                return known;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it is done in time")
}

async fn charge(service: &Service) {
    let mut station = service.station("CP-1").await;
    let transaction = station.start(start_at(1, "2026-11-22T12:00:00Z", 1_000)).await;
    let stop = stop_at(transaction, "2026-11-22T13:00:00Z", 11_000);
    station.say(StationMessage::Stop(stop)).await;
}

async fn driver(service: &Service, name: &str) -> DriverId {
    let registry = service.chargebook.registry();
    let email = Some("ada@example.org");
    registry.register_driver("ada", name, email).await.unwrap();
    let card = |uid: &str| TokenRegistration { driver: Some("ada".to_owned()), ..token(uid) };
    for uid in ["ADA-1", "ADA-2"] {
        registry.register_token(card(uid)).await.unwrap();
    }
    registry.driver("ada").await.unwrap().unwrap().driver_id
}

async fn is_erased(service: &Service, subject: SubjectId) -> bool {
    service.vault.is_erased(subject.0).await.unwrap()
}

#[tokio::test]
async fn a_driver_is_forgotten_with_all_tokens_and_gets_no_more() {
    let service = Service::start().await;
    let driver_id = driver(&service, "Ada Lovelace").await;
    let registry = service.chargebook.registry();
    let mut subjects = vec![registry.driver("ada").await.unwrap().unwrap().subject_id];
    for uid in ["ADA-1", "ADA-2"] {
        subjects.push(registry.token(uid).await.unwrap().unwrap().subject_id);
    }
    erase(&service, Subject::Driver(driver_id)).await;
    for subject in subjects {
        assert!(is_erased(&service, subject).await, "{subject}");
    }
    for uid in ["ADA-1", "ADA-2"] {
        assert!(registry.token(uid).await.unwrap().is_none(), "{uid}");
    }
    assert!(registry.token(TAG).await.unwrap().is_some(), "others stay");
    let late = TokenRegistration { driver: Some("ada".to_owned()), ..token("ADA-3") };
    for service in [service.restart().await] {
        let refused = service.chargebook.registry().register_token(late.clone()).await;
        assert!(matches!(refused, Err(RegistryError::Conflict(_))), "{refused:?}");
        let again = service.chargebook.request_erasure(Subject::Driver(driver_id), &wish()).await;
        assert!(!again.unwrap().1, "once is enough");
    }
}

#[tokio::test]
async fn a_running_session_is_billed_first_and_no_other_begins() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let transaction = station.start(start_at(1, "2026-11-22T12:00:00Z", 1_000)).await;
    let (erasure, _) =
        service.chargebook.request_erasure(Subject::Token(TAG), &wish()).await.unwrap();
    let id = erasure.requested.erasure_id;
    let waiting = service.chargebook.erasure_settled(id, PATIENCE).await.unwrap().unwrap();
    assert!(!waiting.is_decided);
    assert_eq!(service.chargebook.erasure_waits(id).sessions.len(), 1);
    let known = service.chargebook.registry().token(TAG).await.unwrap().unwrap();
    assert_eq!(known.authorization(service.now()), Authorization::Blocked);
    assert!(!is_erased(&service, known.subject_id).await);

    let stop = stop_at(transaction, "2026-11-22T13:00:00Z", 11_000);
    station.say(StationMessage::Stop(stop)).await;
    completed(&service, &erasure).await;
    assert!(is_erased(&service, known.subject_id).await);
    // 10 kWh at 0.40 and 1.00 flat, with 19 % VAT.
    service.settled_bill(595).await;
}

#[tokio::test]
async fn a_driver_whose_account_is_not_even_is_forgotten_only_if_it_is_said() {
    let service = Service::start().await;
    let driver_id = driver(&service, "Ada Lovelace").await;
    let registry = service.chargebook.registry();
    let account = registry.driver("ada").await.unwrap().unwrap().account_id;
    registry.pay_in(account, uuid::Uuid::now_v7(), 500, "EUR").await.unwrap();
    let subject = Subject::Driver(driver_id);
    let refused = service.chargebook.request_erasure(subject, &wish()).await;
    assert!(matches!(refused, Err(RegistryError::Conflict(_))), "{refused:?}");
    let wish = ErasureWish { even_if_unsettled: true, ..wish() };
    let (erasure, _) = service.chargebook.request_erasure(subject, &wish).await.unwrap();
    completed(&service, &erasure).await;
}

#[tokio::test]
async fn a_card_that_comes_again_is_somebody_new_and_can_be_forgotten_again() {
    let service = Service::start().await;
    let first = erase(&service, Subject::Token(TAG)).await;
    let again = service.chargebook.request_erasure(Subject::Token(TAG), &wish()).await.unwrap();
    assert_eq!(again.0.requested.erasure_id, first.requested.erasure_id);
    let nobody = service.chargebook.request_erasure(Subject::Token("NEVER"), &wish()).await;
    assert!(matches!(nobody, Err(RegistryError::NotFound(_))), "{nobody:?}");

    let seen = service.chargebook.personal().seal_uid(TAG).await.unwrap();
    assert_eq!(service.chargebook.personal().open(&seen).await, TAG);
    let second = erase(&service, Subject::Token(TAG)).await;
    assert_ne!(second.requested.subject_id, first.requested.subject_id);
    assert_eq!(service.chargebook.personal().open(&seen).await, HOLE_PLACEHOLDER);
}

/// What an operator typed, sealed for a station.
#[tokio::test]
async fn texts_of_others_that_name_them_are_forgotten_and_no_others() {
    let service = Service::start().await;
    let station = service.chargebook.registry().station("CP-1").await.unwrap().unwrap();
    let notes = ["it was 04a1b2c3, she says", "it was 04A1B2C3D4", "a slip"];
    let acknowledge = async |service: &Service, note: &str| {
        let acknowledgement =
            Acknowledgement { acknowledged_by: "Grace".to_owned(), note: Some(note.to_owned()) };
        let alert = AlertId(uuid::Uuid::now_v7());
        let id = station.station_id;
        let chargebook = &service.chargebook;
        chargebook.acknowledge_alert("CP-1", id, alert, &acknowledgement).await.unwrap();
    };
    for note in notes {
        acknowledge(&service, note).await;
    }
    let done = erase(&service, Subject::Token(TAG)).await;
    assert_eq!(done.texts(), 1);
    let service = service.restart().await;
    acknowledge(&service, "what comes later").await;
    let texts = service.facts(|event| match event {
        Event::AlertAcknowledged(fact) => Some((fact.note.unwrap(), fact.acknowledged_by)),
        _ => None,
    });
    let personal = service.chargebook.personal();
    let mut read = Vec::new();
    for (note, acknowledged_by) in texts.await {
        assert_eq!(personal.open(&acknowledged_by).await, "Grace");
        read.push(personal.open(&note).await);
    }
    assert_eq!(read, [HOLE_PLACEHOLDER, notes[1], notes[2], "what comes later"]);
}

#[tokio::test]
async fn stations_are_told_to_take_a_token_off_their_lists() {
    let service = Service::start().await;
    let personal = service.chargebook.personal();
    let listed = LocalToken {
        token: personal.seal_uid(TAG).await.unwrap(),
        token_type: None,
        allowed: Some(true),
        group: None,
        expires_at: None,
    };
    let intent = Intent::SendLocalList { version: 7, replace: true, tokens: vec![listed] };
    service.chargebook.request_command("CP-2", intent, "operator").await.unwrap();
    let (erasure, _) =
        service.chargebook.request_erasure(Subject::Token(TAG), &wish()).await.unwrap();
    let id = erasure.requested.erasure_id;
    let waiting = service.chargebook.erasure_settled(id, PATIENCE).await.unwrap().unwrap();
    assert!(!waiting.is_decided);
    let waits = service.chargebook.erasure_waits(id).stations;
    assert_eq!(waits.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["CP-2"]);
    let told = service.facts(|event| match event {
        Event::CommandRequested(fact) => match fact.intent {
            Intent::SendLocalList { version, replace: false, tokens } => {
                Some((version, tokens.iter().all(|token| token.allowed.is_none())))
            }
            _ => None,
        },
        _ => None,
    });
    assert_eq!(told.await, [(8, true)]);
    // It stays away: after a day nobody waits for it any more.
    service.pass(25 * 3600);
    let done = completed(&service, &erasure).await;
    let left: Vec<_> = done.stations_not_told.iter().map(|id| id.as_str()).collect();
    assert_eq!(left, ["CP-2"]);
}

#[tokio::test]
async fn what_was_erased_is_erased_again_in_a_vault_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let vault = chargebook_store::vault::KeyVault::open(folder.path()).await.unwrap();
    let before = folder.path().join("before.db");
    let store: Arc<dyn chargebook_store::EventStore> =
        Arc::new(chargebook_store::MemoryStore::new());
    let open = |vault: Arc<chargebook_store::vault::KeyVault>| {
        let settings = chargebook_commands::Settings::default();
        chargebook_commands::Chargebook::open(store.clone(), vault, Arc::new(SystemClock), settings)
    };
    let run = |chargebook: &chargebook_commands::Chargebook| {
        let stop = tokio_util::sync::CancellationToken::new();
        let (chargebook, stopped) = (chargebook.clone(), stop.clone());
        tokio::spawn(async move { chargebook.run_erasures(stopped).await });
        stop.drop_guard()
    };
    let chargebook = open(Arc::new(vault)).await.unwrap();
    chargebook.registry().register_token(token(TAG)).await.unwrap();
    let subject = chargebook.registry().token(TAG).await.unwrap().unwrap().subject_id;
    chargebook.personal().vault().back_up(&before).await.unwrap();
    let running = run(&chargebook);
    let (erasure, _) = chargebook.request_erasure(Subject::Token(TAG), &wish()).await.unwrap();
    let id = erasure.requested.erasure_id;
    let done = chargebook.erasure_settled(id, PATIENCE).await.unwrap().unwrap();
    assert!(done.completed_at.is_some());
    drop((running, chargebook));

    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(&before, elsewhere.path().join("keys.db")).unwrap();
    let vault = chargebook_store::vault::KeyVault::open(elsewhere.path()).await.unwrap();
    let vault = Arc::new(vault);
    assert!(vault.has_key(subject.0).await.unwrap(), "the copy holds the key");
    let chargebook = open(vault.clone()).await.unwrap();
    let _running = run(&chargebook);
    let erased = async {
        while !vault.is_erased(subject.0).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, erased).await.expect("it is erased again");
}

/// Killed at every append in turn, once with it kept and once without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_append_it_is_gone_on_with() {
    let stories = (0..APPENDS).flat_map(|appends| [(appends, true), (appends, false)]);
    let stories = stories.map(|(appends, keeps)| tokio::spawn(killed_after(appends, keeps)));
    let survived: Vec<_> = futures::stream::iter(stories).buffered(AT_ONCE).collect().await;
    let died = survived.into_iter().filter(|ended| *ended.as_ref().unwrap()).count();
    assert!(died > 6, "{died} were killed before the end");
}

/// Whether it was killed before the end.
async fn killed_after(appends: i64, keeps_the_last: bool) -> bool {
    let service = Service::start().await;
    charge(&service).await;
    service.settled_bill(595).await;
    let known = service.chargebook.registry().token(TAG).await.unwrap().unwrap();
    let left = Arc::new(AtomicI64::new(appends));
    let counted = left.clone();
    let killed = || AppendError::Down("killed".to_owned());
    let fate = move || match counted.fetch_sub(1, Ordering::SeqCst) {
        1.. => Fate::Passes,
        0 if keeps_the_last => Fate::HappensUntold(killed()),
        _ => Fate::Fails(killed()),
    };
    let mortal = FailingStore::new(service.store.clone(), fate);
    let service = service.restart_over(Arc::new(mortal)).await;
    let requested = service.chargebook.request_erasure(Subject::Token(TAG), &wish()).await;
    if let Ok((erasure, _)) = &requested {
        let id = erasure.requested.erasure_id;
        let short = Duration::from_millis(500);
        let _ = service.chargebook.erasure_settled(id, short).await.unwrap();
    }
    let was_killed = left.load(Ordering::SeqCst) < 0;
    let service = service.restart().await;
    // Whoever asked and got no answer asks again.
    let asked = service.chargebook.request_erasure(Subject::Token(TAG), &wish()).await;
    completed(&service, &asked.unwrap().0).await;
    assert!(is_erased(&service, known.subject_id).await);
    let said = service.facts(|event| match event {
        Event::ErasureRequested(_) => Some("requested"),
        Event::ErasureDecided(_) => Some("decided"),
        Event::ErasureCompleted(_) => Some("completed"),
        Event::SubjectErased(_) => Some("erased"),
        Event::TokenChanged(fact) => {
            assert_eq!(fact.status, TokenStatus::Blocked);
            Some("blocked")
        }
        _ => None,
    });
    let said = said.await;
    assert_eq!(said, ["requested", "blocked", "decided", "erased", "completed"], "{appends}");
    service.settled_bill(595).await;
    was_killed
}

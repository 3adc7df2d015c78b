//! What makes a wish come true, step by step, each in the log or in the vault before the next: who
//! is to be forgotten may charge no more; what they have charged is billed; the lists of stations
//! are told; what is to be destroyed is written down; the keys are destroyed. A crash in between
//! is gone on with at the next start, and so is a vault that was put back from a backup.

use super::Waits;
use super::register::{self, Erasure};
use super::scan::{Found, Person, holes};
use crate::Chargebook;
use crate::clock::derived_id;
use crate::desk::load_session;
use crate::intent::CommandStage;
use crate::journal::{Draft, JournalError};
use crate::registry::RegistryError;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ErasureCompleted, ErasureDecided, Intent, LocalToken, Outcome, SubjectErased, TextErased,
};
use chargebook_domain::ids::{
    CommandId, ErasureId, EventId, SessionId, StationIdentity, SubjectId,
};
use chargebook_domain::session::Session;
use chargebook_store::vault::{ErasedText, VaultError};
use chargebook_store::{Position, StoreError, StreamName};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a wish that waits is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often the vault's own backup is made anew where nobody is forgotten.
const BACKUP_EVERY: Duration = Duration::from_secs(3600);
/// How long a station that is not there is waited for, to take a token off its list.
const LISTS_PATIENCE: TimeDelta = TimeDelta::hours(24);
/// A text that was sealed before its subject got another key is in the log by then.
const IN_FLIGHT_MAX: Duration = Duration::from_secs(3);
/// Texts that one event tells of.
const TEXTS_PER_EVENT_MAX: usize = 4000;
/// Events read at a time, and texts kept at a time.
const PAGE_EVENTS: usize = 1000;

/// Why a step failed. The wish stays in the log, and the step is tried again.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What is being worked on: the log is not searched anew each time.
#[derive(Default)]
struct Desk {
    found: HashMap<ErasureId, Found>,
}

/// Forgets whoever is to be forgotten, until cancelled.
pub(crate) async fn run(chargebook: Chargebook, stop: CancellationToken) {
    let mut desk = Desk::default();
    let mut is_vault_held_against_log = false;
    loop {
        let begun = async {
            if !is_vault_held_against_log {
                erase_again(&chargebook).await?;
                back_up(&chargebook).await?;
            }
            work(&chargebook, &mut desk).await
        };
        let pause = match begun.await {
            Ok(open) => {
                is_vault_held_against_log = true;
                if open > 0 { LOOK_AGAIN } else { BACKUP_EVERY }
            }
            Err(error) => {
                tracing::error!(%error, "forgetting does not go on; it is tried again");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = chargebook.erasures().woken() => {}
            () = tokio::time::sleep(pause) => {
                if pause == BACKUP_EVERY && let Err(error) = back_up(&chargebook).await {
                    tracing::error!(%error, "the backup of the keys was not made");
                }
            }
        }
    }
}

/// Goes on with every wish that is not fulfilled, as far as it can; says how many are left.
async fn work(chargebook: &Chargebook, desk: &mut Desk) -> Result<usize, WorkError> {
    let mut open = 0;
    for erasure in register::read(chargebook.journal()).await? {
        let id = erasure.requested.erasure_id;
        if erasure.completed_at.is_some() {
            continue;
        }
        let waits = match erasure.is_decided {
            true => Waits::default(),
            false => prepare(chargebook, &erasure, desk.found.entry(id).or_default()).await?,
        };
        let is_waiting = !waits.is_nothing();
        chargebook.erasures().tell(id, waits);
        if is_waiting {
            open += 1;
            continue;
        }
        fulfil(chargebook, id).await?;
        desk.found.remove(&id);
        chargebook.erasures().tell(id, Waits::default());
    }
    Ok(open)
}

/// Searches the log, and decides what is to be destroyed once nothing has to be waited for.
async fn prepare(
    chargebook: &Chargebook,
    erasure: &Erasure,
    found: &mut Found,
) -> Result<Waits, WorkError> {
    let (journal, personal) = (chargebook.journal(), chargebook.personal());
    if found.position == Position::START {
        *found = Found::begin(journal, personal, &Person::of(erasure)).await?;
    }
    for token in found.tokens.keys() {
        chargebook.registry().block_token(*token).await?;
    }
    found.catch_up(journal, personal).await?;
    let mut waits = Waits::default();
    for stream in &found.sessions {
        if let Some(session) = unbilled(chargebook, stream).await? {
            waits.sessions.insert(session);
        }
    }
    let (not_told, waiting) = tell_stations(chargebook, erasure, found).await?;
    waits.stations = waiting;
    if waits.is_nothing() {
        decide(chargebook, erasure, found, &not_told).await?;
    }
    Ok(waits)
}

/// The session, unless it is clear what becomes of it.
async fn unbilled(
    chargebook: &Chargebook,
    stream: &StreamName,
) -> Result<Option<SessionId>, JournalError> {
    let mut session = Session::default();
    load_session(chargebook.journal(), stream, &mut session).await?;
    let is_clear = session.outcome().is_some_and(|decided| decided.outcome != Outcome::NeedsReview);
    Ok(session.identity().map(|(id, _, _)| id).filter(|_| !is_clear))
}

/// Has the stations that were given a token of theirs for offline use take it off their lists.
/// Answers which stations were not told, and which may still be.
async fn tell_stations(
    chargebook: &Chargebook,
    erasure: &Erasure,
    found: &Found,
) -> Result<(BTreeSet<StationIdentity>, BTreeSet<StationIdentity>), WorkError> {
    let (mut not_told, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    let now = chargebook.journal().now().utc();
    let is_late = now - erasure.requested_at.utc() > LISTS_PATIENCE;
    let mut tokens: Vec<LocalToken> =
        found.tokens.values().map(|token| off_the_list(&token.uid, Some(&token.kind))).collect();
    if erasure.requested.driver_id.is_none() && tokens.is_empty() {
        tokens.extend(erasure.requested.words.first().map(|uid| off_the_list(uid, None)));
    }
    for (station, list) in found.lists.iter().filter(|(_, list)| list.names_them) {
        let rule = format!("local_list {station}");
        let id = derived_id(EventId(erasure.requested.erasure_id.0), &rule, 0);
        let id = CommandId(id.0);
        let stream = StreamName::of("command", id.0);
        let told = chargebook.command_state(&stream).await?;
        match told {
            Some((view, _)) if view.stage == CommandStage::Finished => {
                if view.status.as_deref() != Some("Accepted") {
                    not_told.insert(station.clone());
                }
            }
            _ if is_late => {
                not_told.insert(station.clone());
            }
            Some(_) => {
                waiting.insert(station.clone());
            }
            None => {
                let state = chargebook.registry().station(station.as_str()).await?;
                let Some(state) = state.filter(|state| !state.settings.quiet) else {
                    not_told.insert(station.clone());
                    continue;
                };
                let version = list.version.saturating_add(1);
                let tokens = tokens.clone();
                let intent = Intent::SendLocalList { version, replace: false, tokens };
                chargebook.request_once(&state, id, intent).await?;
                waiting.insert(station.clone());
            }
        }
    }
    Ok((not_told, waiting))
}

fn off_the_list(uid: &chargebook_domain::sealed::SealedText, kind: Option<&str>) -> LocalToken {
    LocalToken {
        token: uid.clone(),
        token_type: kind.map(str::to_owned),
        allowed: None,
        group: None,
        expires_at: None,
    }
}

/// Writes down what is to be destroyed: afterwards nobody could find it.
async fn decide(
    chargebook: &Chargebook,
    erasure: &Erasure,
    found: &Found,
    not_told: &BTreeSet<StationIdentity>,
) -> Result<(), JournalError> {
    let erasure_id = erasure.requested.erasure_id;
    let parts: Vec<&[TextErased]> = match found.texts.is_empty() {
        true => vec![&[]],
        false => found.texts.chunks(TEXTS_PER_EVENT_MAX).collect(),
    };
    for (ordinal, texts) in (1..).zip(&parts) {
        let is_first = ordinal == 1;
        let fact = ErasureDecided {
            erasure_id,
            subjects: found.subjects.iter().copied().filter(|_| is_first).collect(),
            tokens: found.tokens.keys().copied().filter(|_| is_first).collect(),
            stations_not_told: not_told.iter().filter(|_| is_first).cloned().collect(),
            texts: texts.to_vec(),
            more_follow: ordinal < parts.len(),
        };
        let draft = Draft::new(chargebook.journal().fresh_id(), fact);
        register::append(chargebook.journal(), draft).await?;
    }
    Ok(())
}

/// Destroys what was decided, and says so.
async fn fulfil(chargebook: &Chargebook, id: ErasureId) -> Result<(), WorkError> {
    let journal = chargebook.journal();
    let Some(erasure) = register::find(journal, id).await?.filter(|known| known.is_decided) else {
        return Ok(());
    };
    destroy(chargebook, &erasure).await?;
    back_up(chargebook).await?;
    for token in &erasure.tokens {
        say_erased(chargebook, StreamName::of("token", token.0), &erasure).await?;
    }
    if let Some(driver) = erasure.requested.driver_id {
        say_erased(chargebook, StreamName::of("driver", driver.0), &erasure).await?;
    }
    let done = Draft::following(EventId(id.0), 0, ErasureCompleted { erasure_id: id });
    register::append(journal, done).await?;
    tracing::info!(erasure = %id, "a person is forgotten");
    Ok(())
}

/// Destroys the keys and the texts. The same again changes nothing.
async fn destroy(chargebook: &Chargebook, erasure: &Erasure) -> Result<(), WorkError> {
    let vault = chargebook.personal().vault();
    let subjects: Vec<Uuid> = erasure.subjects.iter().map(|subject| subject.0).collect();
    vault.erase_all(&subjects).await?;
    chargebook.registry().forget_tokens();
    if erasure.texts.is_empty() {
        return Ok(());
    }
    let owners: BTreeSet<SubjectId> = erasure.texts.iter().map(|text| text.subject_id).collect();
    let owner_ids: Vec<Uuid> = owners.iter().map(|subject| subject.0).collect();
    vault.retire_keys(&owner_ids).await?;
    tokio::time::sleep(IN_FLIGHT_MAX).await;
    let erased: HashSet<&str> = erasure.texts.iter().map(|text| &*text.commitment).collect();
    let ciphertexts = keep_others(chargebook, &owners, &erased).await?;
    let texts: Vec<ErasedText<'_>> = erasure
        .texts
        .iter()
        .map(|text| ErasedText {
            subject: text.subject_id.0,
            commitment: &text.commitment,
            ciphertext: ciphertexts.get(&text.commitment).map(String::as_str),
        })
        .collect();
    Ok(vault.forget_texts(&owner_ids, &texts).await?)
}

/// Keeps what opens the other texts of the owners; answers the ciphertexts of those that go.
async fn keep_others(
    chargebook: &Chargebook,
    owners: &BTreeSet<SubjectId>,
    erased: &HashSet<&str>,
) -> Result<BTreeMap<String, String>, WorkError> {
    let store = chargebook.journal().store();
    let mut going = BTreeMap::new();
    let mut after = Position::START;
    loop {
        let page = store.read_all(after, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { return Ok(going) };
        after = last.position;
        let mut staying = Vec::new();
        for hole in page.iter().flat_map(holes) {
            if erased.contains(&*hole.commitment) {
                going.insert(hole.commitment, hole.ciphertext);
            } else if owners.contains(&hole.subject) {
                staying.push(hole);
            }
        }
        let staying: Vec<_> = staying
            .iter()
            .map(|hole| (hole.subject.0, hole.ciphertext.as_str(), hole.commitment.as_str()))
            .collect();
        if !staying.is_empty() {
            chargebook.personal().vault().keep_texts(&staying).await?;
        }
    }
}

/// Says in a thing's own stream that nobody can read it any more.
async fn say_erased(
    chargebook: &Chargebook,
    stream: StreamName,
    erasure: &Erasure,
) -> Result<(), WorkError> {
    let reason = &erasure.requested.reason;
    let said = chargebook.registry().decide(&stream, |events| {
        let is_said = events.iter().any(|event| matches!(event, Event::SubjectErased(_)));
        let subject_id = events.iter().find_map(|event| match event {
            Event::TokenRegistered(fact) => Some(fact.subject_id),
            Event::DriverRegistered(fact) => Some(fact.subject_id),
            _ => None,
        });
        let fact = SubjectErased { subject_id: subject_id?, reason: reason.clone() };
        let id = derived_id(EventId(erasure.requested.erasure_id.0), stream.as_str(), 0);
        (!is_said).then(|| Draft::new(id, fact).by("operator"))
    });
    said.await?;
    chargebook.registry().forget_tokens();
    Ok(())
}

/// Where the vault was put back from a copy that is older than an erasure, that is done again.
async fn erase_again(chargebook: &Chargebook) -> Result<(), WorkError> {
    let vault = chargebook.personal().vault();
    for erasure in register::read(chargebook.journal()).await? {
        if erasure.completed_at.is_none() {
            continue;
        }
        let mut is_erased = true;
        for subject in &erasure.subjects {
            is_erased &= vault.is_erased(subject.0).await?;
        }
        if let Some(text) = erasure.texts.first() {
            is_erased &= vault.is_text_erased(&text.commitment).await?;
        }
        if !is_erased {
            tracing::warn!(
                erasure = %erasure.requested.erasure_id,
                "the keys are older than an erasure, which is done again"
            );
            destroy(chargebook, &erasure).await?;
        }
    }
    Ok(())
}

async fn back_up(chargebook: &Chargebook) -> Result<(), VaultError> {
    match &chargebook.settings().keys_backup {
        Some(path) => chargebook.personal().vault().back_up(path).await,
        None => Ok(()),
    }
}

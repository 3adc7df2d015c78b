//! Finding in the log what is somebody's: their tokens and sessions, the stations that hold a
//! token of theirs for offline use, and the texts of others that name them.

use super::register::Erasure;
use super::words::Words;
use crate::journal::{Journal, JournalError, read_event};
use crate::personal::PersonalData;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{CommandRequested, Intent, TextErased, TokenRegistered};
use chargebook_domain::ids::{DriverId, StationIdentity, SubjectId, TokenId};
use chargebook_domain::sealed::{HOLE_PLACEHOLDER, Hole, SealedText};
use chargebook_store::vault::Unsealable;
use chargebook_store::{Position, RecordedEvent, StreamName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Events read at a time.
const PAGE_EVENTS: usize = 1000;
/// What every sealed text has in its JSON.
const SEALED_MARK: &str = "\"ciphertext\"";
/// Events whose sealed texts are all somebody's own, also where another is called the same: a
/// group may be called by a token's uid.
const OWN_TEXTS: [&str; 5] = [
    "driver.registered",
    "erasure.requested",
    "settings.master_pass_group_set",
    "token.changed",
    "token.registered",
];
/// The request that gives a station tokens for offline use, in every version.
const SEND_LOCAL_LIST: &str = "SendLocalList";

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// How far the log was searched.
    pub(super) position: Position,
    /// Whose keys seal what is theirs.
    pub(super) subjects: BTreeSet<SubjectId>,
    /// Their registered tokens.
    pub(super) tokens: BTreeMap<TokenId, TokenRegistered>,
    /// Where something of theirs stands in a session.
    pub(super) sessions: BTreeSet<StreamName>,
    /// Texts of others that name them.
    pub(super) texts: Vec<TextErased>,
    /// The lists of tokens that stations were sent.
    pub(super) lists: BTreeMap<StationIdentity, LocalList>,
    words: Words,
}

/// What a station was sent for offline use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LocalList {
    /// The latest version that was sent.
    pub(super) version: i32,
    /// Whether a token of theirs was ever on it.
    pub(super) names_them: bool,
}

/// What an erasure or an export is about.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) subject_id: SubjectId,
    pub(super) driver_id: Option<DriverId>,
    pub(super) token_id: Option<TokenId>,
    /// What they are called by.
    pub(super) words: Vec<SealedText>,
}

impl Person {
    pub(super) fn of(erasure: &Erasure) -> Self {
        let requested = &erasure.requested;
        Self {
            subject_id: requested.subject_id,
            driver_id: requested.driver_id,
            token_id: requested.token_id,
            words: requested.words.clone(),
        }
    }
}

impl Found {
    /// Begins with who they are: their tokens, and what they are called by.
    pub(super) async fn begin(
        journal: &Journal,
        personal: &PersonalData,
        person: &Person,
    ) -> Result<Self, JournalError> {
        let mut found = Self::default();
        found.subjects.insert(person.subject_id);
        for word in &person.words {
            found.call(personal, word).await;
        }
        let mut after = Position::START;
        loop {
            let page = journal.store().read_all(after, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.position;
            for recorded in page.iter().filter(|event| &*event.event_type == "token.registered") {
                let Event::TokenRegistered(token) = read_event(recorded)? else { continue };
                let is_theirs = person.driver_id.is_some() && token.driver_id == person.driver_id;
                if is_theirs || Some(token.token_id) == person.token_id {
                    found.call(personal, &token.uid).await;
                    found.subjects.insert(token.subject_id);
                    found.tokens.insert(token.token_id, *token);
                }
            }
        }
    }

    async fn call(&mut self, personal: &PersonalData, word: &SealedText) {
        let word = personal.open(word).await;
        if word != HOLE_PLACEHOLDER {
            self.words.add(&word);
        }
    }

    /// Adds what they are called by.
    pub(super) fn call_by(&mut self, word: &str) {
        self.words.add(word);
    }

    /// Searches what has come since.
    pub(super) async fn catch_up(
        &mut self,
        journal: &Journal,
        personal: &PersonalData,
    ) -> Result<(), JournalError> {
        loop {
            let page = journal.store().read_all(self.position, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let position = last.position;
            for recorded in &page {
                self.take(personal, recorded).await?;
            }
            self.position = position;
        }
    }

    async fn take(
        &mut self,
        personal: &PersonalData,
        recorded: &RecordedEvent,
    ) -> Result<(), JournalError> {
        let holes = holes(recorded);
        if recorded.stream.category() == "session"
            && holes.iter().any(|hole| self.subjects.contains(&hole.subject))
        {
            self.sessions.insert(recorded.stream.clone());
        }
        if &*recorded.event_type == "command.requested"
            && let Event::CommandRequested(requested) = read_event(recorded)?
        {
            self.take_list(&requested, &holes);
        }
        if OWN_TEXTS.contains(&&*recorded.event_type) {
            return Ok(());
        }
        for hole in holes {
            if !self.subjects.contains(&hole.subject) && self.is_named_in(personal, &hole).await? {
                let Hole { subject: subject_id, commitment, .. } = hole;
                self.texts.push(TextErased { subject_id, commitment });
            }
        }
        Ok(())
    }

    fn take_list(&mut self, requested: &CommandRequested, holes: &[Hole]) {
        let (version, may_name) = match &requested.intent {
            Intent::SendLocalList { version, tokens, .. } => {
                (*version, tokens.iter().any(|token| token.allowed.is_some()))
            }
            Intent::Exact { action, payload, .. } if action == SEND_LOCAL_LIST => {
                let payload: Value = serde_json::from_str(&payload.redacted()).unwrap_or_default();
                let version = payload.get("listVersion").or_else(|| payload.get("versionNumber"));
                let version = version.and_then(Value::as_i64).unwrap_or_default();
                (i32::try_from(version).unwrap_or_default(), true)
            }
            _ => return,
        };
        let list = self.lists.entry(requested.station.clone()).or_default();
        list.version = list.version.max(version);
        list.names_them |=
            may_name && holes.iter().any(|hole| self.subjects.contains(&hole.subject));
    }

    /// Whether a text of another names them. A uid that is another token's own is that one's.
    async fn is_named_in(
        &self,
        personal: &PersonalData,
        hole: &Hole,
    ) -> Result<bool, JournalError> {
        let vault = personal.vault();
        match vault.unseal(hole.subject.0, &hole.ciphertext, &hole.commitment).await {
            Ok(opened) => Ok(self.words.are_in(&opened.plaintext)
                && !personal.is_uid_of(&opened.plaintext, hole.subject)),
            // What nobody can read names nobody.
            Err(Unsealable::Erased | Unsealable::Unknown | Unsealable::Damaged) => Ok(false),
            Err(Unsealable::Unavailable(reason)) => {
                Err(chargebook_store::StoreError::Engine(reason).into())
            }
        }
    }
}

/// The sealed texts in an event.
pub(super) fn holes(recorded: &RecordedEvent) -> Vec<Hole> {
    let mut holes = Vec::new();
    let data = recorded.data.as_str();
    if data.contains(SEALED_MARK)
        && let Ok(data) = serde_json::from_str::<Value>(data)
    {
        gather(&data, &mut holes);
    }
    holes
}

fn gather(value: &Value, holes: &mut Vec<Hole>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, holes)),
        Value::Object(members) => {
            if members.contains_key("ciphertext")
                && let Ok(hole) = serde_json::from_value(value.clone())
            {
                holes.push(hole);
                return;
            }
            members.values().for_each(|member| gather(member, holes));
        }
        _ => {}
    }
}

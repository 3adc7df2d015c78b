//! All that is held of a person, in the open: what they registered, what they charged and were
//! billed, and every other record that they stand in. What is somebody else's stays sealed.

use super::scan::{Found, Person, holes};
use super::{Known, Subject};
use crate::Chargebook;
use crate::journal::{Journal, JournalError};
use crate::personal::PersonalData;
use crate::registry::RegistryError;
use chargebook_domain::ids::{AccountId, SubjectId};
use chargebook_domain::sealed::{HOLE_PLACEHOLDER, Hole, SealedText};
use chargebook_domain::units::Timestamp;
use chargebook_store::{Position, RecordedEvent};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The form that is written.
const FORMAT: &str = "chargebook-subject/1";
/// Events read at a time.
const PAGE_EVENTS: usize = 1000;
/// The most that is exported at once, in bytes of the log's data.
pub const EXPORT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// All that is held of somebody.
#[derive(Debug, Serialize)]
pub struct SubjectExport {
    /// The form: `chargebook-subject/1`.
    pub format: &'static str,
    /// Where the log stood.
    pub position: u64,
    /// The driver as registered; null where it is a token alone.
    pub driver: Option<Value>,
    /// Their tokens as registered.
    pub tokens: Vec<Value>,
    /// The sessions that they stand in, each with all that was recorded.
    pub sessions: Vec<Exported>,
    /// Their invoices and credit notes.
    pub invoices: Vec<Value>,
    /// Their accounts, each with its postings.
    pub accounts: Vec<Exported>,
    /// Everything else that they stand in.
    pub records: Vec<ExportedEvent>,
}

/// A stream of the log.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// Our id of it, as in the stream's name.
    pub id: String,
    /// What was recorded, oldest first.
    pub events: Vec<ExportedEvent>,
}

/// An event with what is theirs opened.
#[derive(Clone, Debug, Serialize)]
pub struct ExportedEvent {
    /// Where it stands in the log.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// Its type, as in `docs/events.md`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When we recorded it.
    pub recorded_at: Timestamp,
    /// The fact.
    pub data: Value,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is more than is exported at once.
    #[error("more than {} MiB is held of them: more than one export takes", EXPORT_BYTES_MAX >> 20)]
    TooLarge,
    /// Nobody of that name, or the log.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<JournalError> for ExportError {
    fn from(error: JournalError) -> Self {
        Self::Registry(error.into())
    }
}

impl Chargebook {
    /// All that is held of somebody.
    ///
    /// # Errors
    /// Nobody of that name, more than is exported at once, or the log.
    pub async fn export_subject(&self, subject: Subject<'_>) -> Result<SubjectExport, ExportError> {
        let known = match subject {
            Subject::Driver(driver_id) => self.known_driver(driver_id).await?,
            Subject::Token(uid) => {
                let (known, _) = self.known_token(uid.trim()).await?;
                known.ok_or_else(super::nothing_held)?
            }
        };
        let Known { subject_id, driver_id, token_id, words } = known;
        let person = Person { subject_id, driver_id, token_id, words: Vec::new() };
        let (journal, personal) = (self.journal(), self.personal());
        let mut found = Found::begin(journal, personal, &person).await?;
        words.iter().for_each(|word| found.call_by(word));
        found.catch_up(journal, personal).await?;
        let mut accounts: BTreeSet<AccountId> =
            found.tokens.values().map(|token| token.account_id).collect();
        if let Some(driver_id) = driver_id
            && let Some(driver) = self.registry().driver_by_id(driver_id).await?
        {
            accounts.insert(driver.account_id);
        }
        let theirs = Theirs { personal, found: &found, accounts };
        theirs.export(journal).await
    }
}

/// Tells what is theirs.
struct Theirs<'a> {
    personal: &'a PersonalData,
    found: &'a Found,
    accounts: BTreeSet<AccountId>,
}

impl Theirs<'_> {
    async fn export(&self, journal: &Journal) -> Result<SubjectExport, ExportError> {
        let mut export = SubjectExport {
            format: FORMAT,
            position: 0,
            driver: None,
            tokens: Vec::new(),
            sessions: Vec::new(),
            invoices: Vec::new(),
            accounts: Vec::new(),
            records: Vec::new(),
        };
        let named: HashSet<&str> = self.found.texts.iter().map(|text| &*text.commitment).collect();
        let mut streams: BTreeMap<String, Vec<ExportedEvent>> = BTreeMap::new();
        let (mut bytes, mut after) = (0, Position::START);
        loop {
            let page = journal.store().read_all(after, PAGE_EVENTS).await;
            let page = page.map_err(JournalError::from)?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for recorded in &page {
                let Some(place) = self.place_of(recorded, &named) else { continue };
                bytes += recorded.data.as_str().len();
                if bytes > EXPORT_BYTES_MAX {
                    return Err(ExportError::TooLarge);
                }
                let event = self.opened(recorded, &named).await;
                match place {
                    Place::Driver => export.driver = Some(event.data),
                    Place::Token => export.tokens.push(event.data),
                    Place::Invoice => export.invoices.push(event.data),
                    Place::Stream => {
                        streams.entry(event.stream.clone()).or_default().push(event);
                    }
                    Place::Record => export.records.push(event),
                }
            }
        }
        export.position = after.as_u64();
        for (stream, events) in streams {
            let (category, id) = stream.split_once('-').unwrap_or(("", &stream));
            let exported = Exported { id: id.to_owned(), events };
            match category {
                "session" => export.sessions.push(exported),
                _ => export.accounts.push(exported),
            }
        }
        Ok(export)
    }

    /// Where in the export an event belongs; `None`: nowhere, it is not about them.
    fn place_of(&self, recorded: &RecordedEvent, named: &HashSet<&str>) -> Option<Place> {
        if self.found.sessions.contains(&recorded.stream) {
            return Some(Place::Stream);
        }
        if recorded.stream.category() == "account" {
            let id = recorded.stream.as_str().strip_prefix("account-")?.parse().ok()?;
            return self.accounts.contains(&id).then_some(Place::Stream);
        }
        if &*recorded.event_type == "invoice.issued" {
            let invoice: Value = serde_json::from_str(recorded.data.as_str()).ok()?;
            let session = format!("session-{}", invoice["session_id"].as_str()?);
            let is_theirs = self.found.sessions.iter().any(|stream| stream.as_str() == session);
            return is_theirs.then_some(Place::Invoice);
        }
        let is_theirs = |hole: &Hole| {
            self.found.subjects.contains(&hole.subject) || named.contains(&*hole.commitment)
        };
        match (holes(recorded).iter().any(is_theirs), &*recorded.event_type) {
            (false, _) => None,
            (true, "driver.registered") => Some(Place::Driver),
            (true, "token.registered") => Some(Place::Token),
            (true, _) => Some(Place::Record),
        }
    }

    async fn opened(&self, recorded: &RecordedEvent, named: &HashSet<&str>) -> ExportedEvent {
        let mut opened = BTreeMap::new();
        for hole in holes(recorded) {
            let is_theirs = self.found.subjects.contains(&hole.subject);
            if is_theirs || named.contains(&*hole.commitment) {
                let text = self.personal.open(&SealedText::hole(hole.clone())).await;
                if text != HOLE_PLACEHOLDER {
                    opened.insert((hole.subject, hole.commitment), text);
                }
            }
        }
        // The log holds nothing that is no JSON.
        let data: Value = serde_json::from_str(recorded.data.as_str()).unwrap_or_default();
        ExportedEvent {
            position: recorded.position.as_u64(),
            stream: recorded.stream.as_str().to_owned(),
            event_type: recorded.event_type.clone().into_owned(),
            recorded_at: Timestamp::new(recorded.recorded_at),
            data: in_the_open(data, &opened),
        }
    }
}

/// Where an event belongs.
enum Place {
    Driver,
    Token,
    Invoice,
    /// With the others of its stream.
    Stream,
    Record,
}

/// The same value with each sealed text as a string: what was opened in it, and a placeholder for
/// what is another's.
fn in_the_open(value: Value, opened: &BTreeMap<(SubjectId, String), String>) -> Value {
    let is_sealed = |items: &[Value]| items.iter().any(|item| item.get("ciphertext").is_some());
    match value {
        Value::Array(items) if is_sealed(&items) => {
            let text: Result<SealedText, _> = serde_json::from_value(Value::Array(items));
            let filled = text.map(|text| {
                text.filled(|hole| opened.get(&(hole.subject, hole.commitment.clone())).cloned())
            });
            filled.map_or(Value::Null, Value::String)
        }
        Value::Array(items) => {
            items.into_iter().map(|item| in_the_open(item, opened)).collect::<Vec<_>>().into()
        }
        Value::Object(members) => {
            let open = |(name, member)| (name, in_the_open(member, opened));
            Value::Object(members.into_iter().map(open).collect::<Map<_, _>>())
        }
        other => other,
    }
}

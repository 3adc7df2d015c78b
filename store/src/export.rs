//! A log as a file, for whoever keeps, moves or checks one without an engine: a line for each
//! event with its leaf, and at the end the signed checkpoint over exactly these events. The form
//! is described in docs/trust.md; only the one spelling that is written is read.
//!
//! It is the log and nothing beside it: personal data stays sealed, and no key is in it but the
//! public one.

use crate::port::{EVENT_BYTES_MAX, Position, RecordedEvent, StreamName, format_instant};
use crate::sealer::SignedCheckpoint;
use chargebook_proof::checkpoint::{Checkpoint, KeyError, NoteError, VerifierKey};
use chargebook_proof::merkle::{Frontier, NodeHash};
use chargebook_proof::{CanonicalJson, Envelope, LeafHash};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};

/// Name and version of the form.
pub const FORMAT: &str = "chargebook-log/1";

/// Longest line that is read, in bytes: an event, and its envelope around it.
const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX + 4096;
/// What stands before and after the envelope in the line of an event.
const BEFORE_ENVELOPE: &str = "{\"event\":";
const BEFORE_LEAF: &str = ",\"leaf\":\"";
const AFTER_LEAF: &str = "\"}";

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    checkpoint: String,
    events: u64,
    key: String,
}

/// Why a file is not the log that it says it is. Events are named by their ordinal, from 1, which
/// is the line before the one that they stand in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The file itself.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// Another kind of file.
    #[error("this is no log that `chargebook log export` wrote: its first line is another one")]
    Foreign,
    /// It ends too early.
    #[error(
        "the file is cut off after {events} events: its last line, with the checkpoint, is \
             missing"
    )]
    CutOff {
        /// Whole events before.
        events: u64,
    },
    /// An event is not what it was.
    #[error("event {number} (line {}) is damaged: {reason}", number + 1)]
    Event {
        /// Its ordinal, from 1.
        number: u64,
        /// What does not fit.
        reason: String,
    },
    /// The last line is not what it was.
    #[error("the last line (after {events} events) is damaged: {reason}")]
    Foot {
        /// Events before it.
        events: u64,
        /// What does not fit.
        reason: String,
    },
    /// Something follows the last line.
    #[error("something stands after the last line")]
    Trailing,
    /// Events were removed, added, moved or changed together with their leaves.
    #[error(
        "the events of the file give the root {found}, its checkpoint says {published}: at least \
         one of them was changed, removed, added or moved"
    )]
    Root {
        /// The root of the checkpoint.
        published: NodeHash,
        /// The root over the events.
        found: NodeHash,
    },
}

/// Writes a log as a file.
pub struct ExportWriter<W> {
    out: W,
    tree: Frontier,
}

impl<W: Write> ExportWriter<W> {
    /// Begins with the first line.
    pub fn begin(mut out: W) -> io::Result<Self> {
        write_line(&mut out, &Head { format: FORMAT.to_owned() })?;
        Ok(Self { out, tree: Frontier::new() })
    }

    /// Adds the next event, whose leaf the caller has verified.
    pub fn event(&mut self, event: &RecordedEvent) -> io::Result<()> {
        let envelope = event.envelope().canonical();
        let (envelope, leaf) = (envelope.as_str(), hex::encode(event.leaf.0));
        writeln!(self.out, "{BEFORE_ENVELOPE}{envelope}{BEFORE_LEAF}{leaf}{AFTER_LEAF}")?;
        self.tree.append(event.leaf, |_, _| {});
        Ok(())
    }

    /// Size and root so far.
    pub fn tree(&self) -> (u64, NodeHash) {
        (self.tree.size(), self.tree.root())
    }

    /// Ends with the checkpoint over all the events.
    pub fn finish(mut self, key: &VerifierKey, sealed: SignedCheckpoint) -> io::Result<W> {
        let events = sealed.checkpoint.size;
        let foot = Foot { checkpoint: sealed.note, events, key: key.to_string() };
        write_line(&mut self.out, &foot)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(line).map_err(io::Error::from)?;
    writeln!(out, "{text}")
}

/// What the last line says, and the events before it bear out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportEnd {
    /// The checkpoint over all the events, signed with the key.
    pub sealed: SignedCheckpoint,
    /// The key that the file names. It vouches for itself: compare it with one from elsewhere.
    pub key: VerifierKey,
}

/// Reads a log from a file, and holds each line against what was before.
pub struct ExportReader<R> {
    lines: R,
    line: Vec<u8>,
    bytes: u64,
    tree: Frontier,
    /// The version that the next event of each stream has to have.
    streams: HashMap<StreamName, u64>,
    end: Option<ExportEnd>,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the first line.
    pub fn begin(lines: R) -> Result<Self, ExportError> {
        let mut reader = Self {
            lines,
            line: Vec::new(),
            bytes: 0,
            tree: Frontier::new(),
            streams: HashMap::new(),
            end: None,
        };
        let whole = reader.read_line()?;
        let head = serde_json::from_slice(&reader.line);
        match head {
            Ok(Head { format }) if whole && format == FORMAT => Ok(reader),
            _ => Err(ExportError::Foreign),
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Events read so far.
    pub fn events(&self) -> u64 {
        self.tree.size()
    }

    /// What the last line says, once it was read.
    pub fn end(&self) -> Option<&ExportEnd> {
        self.end.as_ref()
    }

    /// The next event, its position being its ordinal; `None` after the last one, when the last
    /// line was read and everything fits it.
    pub fn next_event(&mut self) -> Result<Option<RecordedEvent>, ExportError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let number = self.events() + 1;
        if !self.read_line()? {
            return Err(ExportError::CutOff { events: self.events() });
        }
        if !self.line.starts_with(BEFORE_ENVELOPE.as_bytes()) {
            let end = self.read_foot()?;
            if !self.lines.fill_buf().map_err(unreadable)?.is_empty() {
                return Err(ExportError::Trailing);
            }
            self.end = Some(end);
            return Ok(None);
        }
        let damaged = |reason: String| ExportError::Event { number, reason };
        let event = event_of(&self.line, Position::from_u64(number)).map_err(damaged)?;
        let next = self.streams.entry(event.stream.clone()).or_default();
        if event.version != *next {
            let reason = format!("version {} of its stream, where {next} follows", event.version);
            return Err(damaged(reason));
        }
        *next += 1;
        self.tree.append(event.leaf, |_, _| {});
        Ok(Some(event))
    }

    /// Reads a line without its end; false where there is none that has one.
    fn read_line(&mut self) -> Result<bool, ExportError> {
        self.line.clear();
        let mut bounded = (&mut self.lines).take(LINE_BYTES_MAX as u64);
        let read = bounded.read_until(b'\n', &mut self.line).map_err(unreadable)?;
        self.bytes += read as u64;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(true);
        }
        if self.line.len() < LINE_BYTES_MAX {
            return Ok(false);
        }
        let reason = format!("its line is longer than {LINE_BYTES_MAX} bytes");
        Err(ExportError::Event { number: self.events() + 1, reason })
    }

    fn read_foot(&self) -> Result<ExportEnd, ExportError> {
        let (events, found) = (self.tree.size(), self.tree.root());
        let damaged = |reason: String| ExportError::Foot { events, reason };
        let foot: Foot =
            serde_json::from_slice(&self.line).map_err(|error| damaged(error.to_string()))?;
        let mut spelt = Vec::new();
        write_line(&mut spelt, &foot).map_err(|error| damaged(error.to_string()))?;
        if spelt.strip_suffix(b"\n") != Some(&self.line[..]) {
            return Err(damaged("it is spelt in another way than it is written".to_owned()));
        }
        let key: VerifierKey =
            foot.key.parse().map_err(|error: KeyError| damaged(error.to_string()))?;
        let checkpoint = Checkpoint::verify(&foot.checkpoint, &key)
            .map_err(|error: NoteError| damaged(error.to_string()))?;
        if checkpoint.size != events || foot.events != events {
            let reason = format!("it speaks of {} events", foot.events.max(checkpoint.size));
            return Err(damaged(reason));
        }
        if checkpoint.root != found {
            return Err(ExportError::Root { published: checkpoint.root, found });
        }
        Ok(ExportEnd { sealed: SignedCheckpoint { checkpoint, note: foot.checkpoint }, key })
    }
}

fn unreadable(error: io::Error) -> ExportError {
    ExportError::Unreadable(error.to_string())
}

/// The event in a line, which has to be written as we write it.
fn event_of(line: &[u8], position: Position) -> Result<RecordedEvent, String> {
    let text = str::from_utf8(line).map_err(|error| format!("no UTF-8: {error}"))?;
    let not_written = || "the line is not written as it should be".to_owned();
    let (envelope, leaf) = text
        .strip_prefix(BEFORE_ENVELOPE)
        .and_then(|rest| rest.strip_suffix(AFTER_LEAF))
        .and_then(|rest| rest.rsplit_once(BEFORE_LEAF))
        .ok_or_else(not_written)?;
    let leaf = NodeHash::from_hex(leaf).ok_or_else(not_written)?;
    if NodeHash::from(LeafHash::of(envelope.as_bytes())) != leaf {
        return Err(format!("its bytes do not hash to its leaf {leaf}"));
    }
    let value = serde_json::from_str(envelope).map_err(|error| error.to_string())?;
    let read = Envelope::from_value(&value).map_err(|error| error.to_string())?;
    if read.canonical() != CanonicalJson::from_stored(envelope) {
        return Err(not_written());
    }
    let recorded_at: DateTime<Utc> = DateTime::parse_from_rfc3339(&read.recorded_at)
        .map_err(|error| format!("its time: {error}"))?
        .to_utc();
    if format_instant(recorded_at) != read.recorded_at {
        return Err(not_written());
    }
    Ok(RecordedEvent {
        position,
        id: read.id,
        stream: StreamName::new(read.stream).map_err(|error| error.to_string())?,
        version: read.version,
        event_type: read.event_type.into(),
        schema_version: read.schema_version,
        recorded_at,
        data: read.data,
        meta: read.meta,
        leaf: LeafHash(leaf.0),
    })
}

//! How an event of the log stands in KurrentDB: its data as it is, and in the metadata what
//! KurrentDB has no place for, with the log's own metadata word for word.

use crate::port::{Position, RecordedEvent, StoreError, StreamName, format_instant};
use chargebook_proof::{CanonicalJson, LeafHash};
use chrono::DateTime;
use eventstore::EventData;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What the metadata of an event holds.
#[derive(Serialize, Deserialize)]
struct Metadata<'a> {
    /// In hexadecimal.
    #[serde(borrow)]
    leaf: Cow<'a, str>,
    #[serde(borrow)]
    meta: &'a RawValue,
    #[serde(borrow)]
    recorded_at: Cow<'a, str>,
    schema_version: u32,
}

/// An event as it is sent.
pub(super) fn encode(event: &RecordedEvent) -> Result<EventData, serde_json::Error> {
    let data: &RawValue = serde_json::from_str(event.data.as_str())?;
    let metadata = Metadata {
        leaf: hex::encode(event.leaf.0).into(),
        meta: serde_json::from_str(event.meta.as_str())?,
        recorded_at: format_instant(event.recorded_at).into(),
        schema_version: event.schema_version,
    };
    let event_type = event.event_type.clone().into_owned();
    EventData::json(event_type, &data)?.id(event.id).metadata_as_json(&metadata)
}

/// An event of the log whose streams begin with a prefix; `None` for anything else that is in the
/// database. Checks the shape only; the leaf is what proves the content.
pub(super) fn decode(
    prefix: &str,
    recorded: &eventstore::RecordedEvent,
) -> Option<Result<RecordedEvent, StoreError>> {
    let stream = recorded.stream_id.strip_prefix(prefix)?;
    let position = Position::from_u64(recorded.position.commit);
    let damaged = |reason| StoreError::Damaged { position, reason };
    Some(decode_at(position, stream, recorded).map_err(damaged))
}

fn decode_at(
    position: Position,
    stream: &str,
    recorded: &eventstore::RecordedEvent,
) -> Result<RecordedEvent, String> {
    if recorded.position.prepare != recorded.position.commit {
        return Err("it was written by an explicit transaction, which no log is".to_owned());
    }
    let said = |error: serde_json::Error| error.to_string();
    let metadata: Metadata<'_> = serde_json::from_slice(&recorded.custom_metadata).map_err(said)?;
    let leaf = hex::decode(&*metadata.leaf).ok().and_then(|leaf| leaf.try_into().ok());
    let recorded_at = DateTime::parse_from_rfc3339(&metadata.recorded_at);
    let data = std::str::from_utf8(&recorded.data).map_err(|_| "its data is not UTF-8")?;
    Ok(RecordedEvent {
        position,
        id: recorded.id,
        stream: StreamName::new(stream).map_err(|error| error.to_string())?,
        version: recorded.revision,
        event_type: recorded.event_type.clone().into(),
        schema_version: metadata.schema_version,
        recorded_at: recorded_at.map_err(|_| "its time is none")?.to_utc(),
        data: CanonicalJson::from_stored(data),
        meta: CanonicalJson::from_stored(metadata.meta.get()),
        leaf: LeafHash(leaf.ok_or("its leaf is not 32 bytes")?),
    })
}

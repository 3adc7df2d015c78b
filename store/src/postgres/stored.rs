//! What the database holds of streams and of ids, for the decision of a batch.
//!
//! Other processes write too, so what this one remembers of a stream may be old. It is asked anew
//! for every stream where the batch does not simply go on from what is remembered: so nobody is
//! refused because of an old memory. Where the batch goes on from an old memory, the unique
//! indexes refuse it, and it is decided again under the lock.

use crate::group_commit::plan::{StoredLog, StoredStream, StreamCache};
use crate::port::{Position, RecordedEvent, StoreError, StreamName};
use crate::prepare::{Content, Known, Prepared};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Which streams are looked up although they are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those where an append does not go on from what is remembered.
    Memory,
    /// All of them, and all ids.
    Nothing,
}

/// What was looked up for one batch.
#[derive(Default)]
pub(super) struct Loaded {
    streams: HashMap<StreamName, StoredStream>,
    events: HashMap<(i64, Uuid), StoredEvent>,
}

struct StoredEvent {
    version: u64,
    position: Position,
    event_type: String,
    schema_version: i64,
    data: String,
    meta: String,
}

impl StoredLog for Loaded {
    fn streams(
        &mut self,
        names: &[&StreamName],
    ) -> Result<Vec<(StreamName, StoredStream)>, StoreError> {
        let found = |name: &&StreamName| Some(((*name).clone(), *self.streams.get(name)?));
        Ok(names.iter().filter_map(found).collect())
    }

    fn known(
        &mut self,
        stream: StoredStream,
        events: &[Arc<RecordedEvent>],
    ) -> Result<HashMap<Uuid, Known>, StoreError> {
        let known = |event: &Arc<RecordedEvent>| {
            let stored = self.events.get(&(stream.id, event.id))?;
            let content = Content {
                event_type: &stored.event_type,
                schema_version: stored.schema_version,
                data: &stored.data,
                meta: &stored.meta,
            };
            let StoredEvent { version, position, .. } = *stored;
            let same_content = content == Content::of(event);
            Some((event.id, Known { version, position, same_content }))
        };
        Ok(events.iter().filter_map(known).collect())
    }
}

/// Looks up what the decision of a batch needs, and remembers where its streams stand.
pub(super) async fn load(
    connection: &mut PgConnection,
    cache: &mut StreamCache,
    appends: &[&mut Prepared],
    trust: Trust,
) -> Result<Loaded, sqlx::Error> {
    let mut loaded = Loaded::default();
    let names = match trust {
        Trust::Memory => strays(cache, appends),
        Trust::Nothing => appends.iter().map(|append| &append.stream).collect(),
    };
    if names.is_empty() {
        return Ok(loaded);
    }
    loaded.streams = load_streams(connection, &names).await?;
    for (name, stream) in &loaded.streams {
        cache.put(name.clone(), *stream);
    }
    let names = match trust {
        Trust::Memory => strays(cache, appends),
        Trust::Nothing => names,
    };
    let of_names = appends.iter().filter(|append| names.contains(&append.stream));
    let ids = of_names.flat_map(|append| {
        let stream = loaded.streams.get(&append.stream);
        stream.into_iter().flat_map(|stream| append.events.iter().map(|it| (it.id, stream.id)))
    });
    let (ids, stream_ids): (Vec<Uuid>, Vec<i64>) = ids.unzip();
    if !ids.is_empty() {
        loaded.events = load_events(connection, &ids, &stream_ids).await?;
    }
    Ok(loaded)
}

/// The streams where an append does not go on from what is remembered and from the appends before
/// it.
fn strays<'a>(cache: &mut StreamCache, appends: &'a [&mut Prepared]) -> HashSet<&'a StreamName> {
    let mut next_versions: HashMap<&StreamName, Option<u64>> = HashMap::new();
    let mut strays = HashSet::new();
    for append in appends {
        let next = next_versions
            .entry(&append.stream)
            .or_insert_with(|| cache.get(&append.stream).map(|stream| stream.next_version));
        match next {
            Some(version) if *version == append.expected.next() => {
                *version += append.events.len() as u64;
            }
            _ => {
                strays.insert(&append.stream);
            }
        }
    }
    strays
}

async fn load_streams(
    connection: &mut PgConnection,
    names: &HashSet<&StreamName>,
) -> Result<HashMap<StreamName, StoredStream>, sqlx::Error> {
    const SQL: &str = "SELECT s.name, s.id, (SELECT coalesce(max(i.version) + 1, 0) \
                       FROM event_index i WHERE i.stream_id = s.id) \
                       FROM stream s WHERE s.name = ANY($1)";
    let texts: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let mut found = HashMap::new();
    for row in sqlx::query(SQL).bind(texts).fetch_all(connection).await? {
        let name = row.try_get::<&str, _>(0)?;
        let Ok(name) = StreamName::new(name) else { continue };
        let next_version = row.try_get::<i64, _>(2)?.unsigned_abs();
        found.insert(name, StoredStream { id: row.try_get(1)?, next_version });
    }
    Ok(found)
}

async fn load_events(
    connection: &mut PgConnection,
    ids: &[Uuid],
    stream_ids: &[i64],
) -> Result<HashMap<(i64, Uuid), StoredEvent>, sqlx::Error> {
    const SQL: &str = "SELECT i.stream_id, i.id, i.version, i.position, e.type, \
                       e.schema_version, e.data, e.meta \
                       FROM unnest($1::uuid[], $2::bigint[]) AS k (id, stream_id) \
                       JOIN event_index i ON i.id = k.id AND i.stream_id = k.stream_id \
                       JOIN event e ON e.position = i.position";
    let rows = sqlx::query(SQL).bind(ids).bind(stream_ids).fetch_all(connection).await?;
    rows.iter().map(stored_event).collect()
}

fn stored_event(row: &PgRow) -> Result<((i64, Uuid), StoredEvent), sqlx::Error> {
    let position = row.try_get::<i64, _>(3)?.unsigned_abs();
    let event = StoredEvent {
        version: row.try_get::<i64, _>(2)?.unsigned_abs(),
        position: Position::from_u64(position),
        event_type: row.try_get(4)?,
        schema_version: row.try_get(5)?,
        data: row.try_get(6)?,
        meta: row.try_get(7)?,
    };
    Ok(((row.try_get(0)?, row.try_get(1)?), event))
}

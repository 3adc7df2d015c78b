//! From an event of the log to what the folds need of it. Most events are exchanges: those are
//! not parsed at all; of frequent facts only the needed members are.

use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, ClockTrust, FollowUp, Quantity, StopMatch, TransactionEventKind,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, EvseNumber, StationId};
use chargebook_domain::rating::Rating;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{Position, RecordedEvent, StreamName};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use uuid::Uuid;

/// An exchange names its direction behind its action (members are sorted): within so many
/// bytes for every action that OCPP knows, with the longest dialect between them.
const DIRECTION_BYTES_MAX: usize = 512;

/// An event, as far as the folds need it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) recorded_at: Timestamp,
    /// The uuid in the stream's name, where there is one.
    pub(crate) stream_id: Option<Uuid>,
    pub(crate) stream: StreamName,
    pub(crate) event_type: Cow<'static, str>,
    pub(crate) schema_version: u32,
    /// What it says, or why that cannot be told.
    pub(crate) fact: Result<Fact, String>,
}

/// What an event says.
#[derive(Debug)]
pub(crate) enum Fact {
    /// Nothing that a read model shows.
    Nothing,
    /// Only that the station is alive.
    Heard(StationId),
    Meter(Metered),
    Reported(Reported),
    Stopped(Stopped),
    Settled(Settled),
    Rated(Box<Rated>),
    Sent(Sent),
    Other(Event),
}

/// `session.meter_recorded`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metered {
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) sampled_at: Timestamp,
    pub(crate) quantity: Quantity,
    pub(crate) value: Decimal,
    pub(crate) phase: Option<String>,
}

/// `session.transaction_reported`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    pub(crate) kind: TransactionEventKind,
    pub(crate) at: Timestamp,
    pub(crate) clock: ClockTrust,
    pub(crate) evse: Option<EvseNumber>,
    pub(crate) connector: Option<ConnectorNumber>,
    pub(crate) stopped_reason: Option<String>,
    #[serde(default)]
    pub(crate) samples: Vec<Sample>,
}

/// `session.stopped`.
#[derive(Debug, Deserialize)]
pub(crate) struct Stopped {
    pub(crate) meter_stop: Register,
    pub(crate) stopped_at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) matched_by: StopMatch,
    pub(crate) exchange: EventId,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Register {
    pub(crate) register_wh: WattHours,
}

/// `session.settled`.
#[derive(Debug, Deserialize)]
pub(crate) struct Settled {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) energy_wh: WattHours,
    pub(crate) anomalies: Vec<Anomaly>,
}

/// `session.rated`.
#[derive(Debug, Deserialize)]
pub(crate) struct Rated {
    pub(crate) rating: Rating,
    pub(crate) settled: EventId,
}

/// `command.sent`.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) action: String,
    #[serde(default)]
    pub(crate) follow_up: Option<FollowUp>,
}

/// What the folds need of an event.
pub(crate) fn decode(event: RecordedEvent) -> Decoded {
    let stream_id = uuid_of(event.stream.as_str());
    let fact = read(&event, stream_id);
    Decoded {
        position: event.position,
        id: EventId(event.id),
        recorded_at: Timestamp::new(event.recorded_at),
        stream_id,
        stream: event.stream,
        event_type: event.event_type,
        schema_version: event.schema_version,
        fact,
    }
}

fn read(event: &RecordedEvent, stream_id: Option<Uuid>) -> Result<Fact, String> {
    let data = event.data.as_str();
    let station = || {
        stream_id
            .filter(|_| event.stream.category() == "station")
            .map_or(Fact::Nothing, |id| Fact::Heard(StationId(id)))
    };
    if event.schema_version != 1 {
        return other(event);
    }
    match &*event.event_type {
        "exchange.recorded" if is_from_station(data) => Ok(station()),
        // What was understood by reading again is told by the facts beside it.
        "exchange.recorded" | "exchange.reread" => Ok(Fact::Nothing),
        "session.meter_recorded" => parse(data).map(Fact::Meter),
        "session.transaction_reported" => parse(data).map(Fact::Reported),
        "session.stopped" => parse(data).map(Fact::Stopped),
        "session.settled" => parse(data).map(Fact::Settled),
        "session.rated" => parse(data).map(|rated| Fact::Rated(Box::new(rated))),
        "command.sent" => parse(data).map(Fact::Sent),
        // In a command's stream they tell how far the command is.
        "station.notified" if event.stream.category() == "command" => other(event),
        "station.meter_recorded" | "station.notified" => Ok(station()),
        // What follows from a person's decision is decided in events of its own.
        "session.review_decided" => Ok(Fact::Nothing),
        // What a month carries forward is what the months before it said.
        "log.created"
        | "policy.checkpointed"
        | "session.delivery_told"
        | "session.preceded"
        | "settings.master_pass_group_set"
        | "settings.model_dialect_set"
        | "settings.trust_anchor_added"
        | "settings.trust_anchor_withdrawn"
        | "settings.v2g_authority_set"
        | "station.message_limits_told"
        | "station.month_opened"
        | "station.password_changed"
        | "station.password_declined"
        | "station.password_offered"
        | "transaction_ids.leased" => Ok(Fact::Nothing),
        _ => other(event),
    }
}

fn other(event: &RecordedEvent) -> Result<Fact, String> {
    Event::read(&event.event_type, event.schema_version, event.data.as_str())
        .map(Fact::Other)
        .map_err(|e| e.to_string())
}

fn parse<T: DeserializeOwned>(data: &str) -> Result<T, String> {
    serde_json::from_str(data).map_err(|e| e.to_string())
}

/// Whether an exchange is one that the station began. In canonical JSON the quotes of this
/// needle cannot stand inside a string.
fn is_from_station(data: &str) -> bool {
    let head = &data.as_bytes()[..data.len().min(DIRECTION_BYTES_MAX)];
    let needle = b"\"direction\":\"from_station\"";
    head.windows(needle.len()).any(|window| window == needle)
}

/// The uuid behind the first `-` of a stream's name.
fn uuid_of(stream: &str) -> Option<Uuid> {
    let (_, identity) = stream.split_once('-')?;
    Uuid::try_parse(identity.get(..36)?).ok()
}

impl Sample {
    /// `L1`, `L2`, `L3`: the power of the whole is their sum.
    pub(crate) fn is_single_phase(&self) -> bool {
        matches!(self.phase.as_deref(), Some("L1" | "L2" | "L3" | "L1-N" | "L2-N" | "L3-N"))
    }
}

/// Cut to what one column should hold.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

//! What went over the wire, verbatim, whatever became of it.

use super::treatment::Dialect;
use crate::ids::{EventId, StationId, StationIdentity};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `exchange.recorded`: one message and its answer, as they were on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRecorded {
    /// Who spoke: its name in the URL.
    pub station: StationIdentity,
    /// Who spoke: our id.
    pub station_id: StationId,
    /// Sub-protocol of the connection: `ocpp1.6`.
    pub protocol: String,
    /// Whose message it was.
    pub direction: Direction,
    /// The message id, where one could be read.
    pub message_id: Option<String>,
    /// The action, where one could be read.
    pub action: Option<String>,
    /// The message, verbatim; `None` where the transport could not deliver it.
    pub request: Option<SealedText>,
    /// The answer, verbatim; `None` where there is none.
    pub reply: Option<SealedText>,
    /// Where the station's answer to a message of ours could not be used: what it was told about
    /// that, verbatim (CALLRESULTERROR, OCPP 2.1 part 4, 4.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_error: Option<SealedText>,
    /// When the message (or, for a message of ours, its answer) reached us.
    pub received_at: Timestamp,
    /// The message's own time stamp, as the station wrote it.
    pub station_time: Option<String>,
    /// What we made of it.
    pub verdict: Verdict,
    /// The CALLERROR code of the answer.
    pub error_code: Option<String>,
    /// The exchange that this one repeats; a repeat changes nothing.
    pub duplicate_of: Option<EventId>,
    /// Members that the standard does not know and that we accepted.
    pub extra_members: u32,
    /// What could not be delivered, and why.
    pub undelivered: Option<Undelivered>,
    /// The dialect that the station was understood in; the standard if absent.
    #[serde(default, skip_serializing_if = "Dialect::is_standard")]
    pub dialect: Dialect,
}

/// `exchange.reread`: a message that was refused when it came was read again on an operator's wish,
/// in the dialect that the station is understood in by now. The facts that follow it in the same
/// append come from that message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeReread {
    /// The `exchange.recorded` with the message; facts name it as where they come from.
    pub exchange: EventId,
    /// The stream that holds it.
    pub stream: String,
    /// What the message was read in.
    pub dialect: Dialect,
    /// The exchange that this message repeats: then nothing follows from it but samples that the
    /// station has not given otherwise.
    pub duplicate_of: Option<EventId>,
}

/// Whose message an exchange began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The station's CALL, or something it sent that is none.
    FromStation,
    /// Our CALL.
    ToStation,
}

/// What we made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Answered with a CALLRESULT.
    Answered,
    /// Answered with a CALLERROR.
    Refused,
    /// No answer is due: a result that nobody waits for, an unknown message type.
    Ignored,
    /// No answer is possible: it could not be read.
    Unreadable,
}

/// A message that the transport could not deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// Its size in bytes, as far as it was seen.
    pub size_bytes: u64,
    /// Why: `binary`, `oversized`, `not_utf8`.
    pub reason: String,
}

/// Where a fact comes from: a place in an exchange's request, and what stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The `exchange.recorded` event.
    pub event_id: EventId,
    /// JSON pointer (RFC 6901) into the request's frame.
    pub pointer: String,
    /// The JSON text at that place.
    pub raw: String,
}

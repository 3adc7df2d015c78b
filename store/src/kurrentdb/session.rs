//! One long call to KurrentDB, over which appends are sent, and what comes back of each.

use super::follow::{Awaited, Seen};
use super::link::{OwnTask, text_of};
use super::read::Reader;
use super::record::encode;
use crate::port::ExpectedVersion;
use crate::prepare::Prepared;
use eventstore::{BatchAppendClient, BatchAppendOptions, Error, EventData, ExpectedRevision};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a call may take to come about.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long KurrentDB may take to acknowledge.
pub(super) const ACKNOWLEDGE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long what was acknowledged may take to be seen, before the subscription is begun anew; and
/// after that once more.
pub(super) const SEEN_WAIT_MAX: Duration = Duration::from_secs(3);
/// Bytes of one append on the wire: KurrentDB takes messages of less than 16 MiB.
const WIRE_BYTES_MAX: usize = 15 * 1024 * 1024;

/// Why an append that is in the log is not answered so.
pub(super) const NOT_SEEN: &str = "it is in KurrentDB, and has not been seen in the log yet";
/// What the client says of an append that it gave up together with another one.
const GIVEN_UP: &str = "Batch-append stream has been closed";

/// One long call. The client gives it up after the first append that is refused.
pub(super) struct Session {
    client: BatchAppendClient,
    reader: Arc<Reader>,
    link_number: u64,
    acknowledge_wait: Duration,
}

/// What came of sending one append.
pub(super) enum Sent {
    /// It is in the log.
    Seen(Seen),
    /// Nothing of it was written: its version does not fit, or something like it was there.
    Refused,
    /// Nothing of it was written, nor will be.
    OutOfBounds(String),
    /// Nothing of it was written now.
    NotWritten(String),
    /// It may be in the log, or get there.
    Unknown(String),
}

impl Session {
    /// Begins a call. Before that the database shows that it has the log.
    pub(super) async fn begin(
        reader: Arc<Reader>,
        acknowledge_wait: Duration,
    ) -> Result<Self, String> {
        reader.check_history().await?;
        let (link_number, client) = reader.link.client()?;
        let mut call = OwnTask(tokio::spawn(async move {
            let options = BatchAppendOptions::default().requires_leader(true);
            client.batch_append(&options).await
        }));
        match timeout(CONNECT_WAIT_MAX, &mut call.0).await {
            Ok(Ok(Ok(client))) => Ok(Self { client, reader, link_number, acknowledge_wait }),
            Ok(Ok(Err(error))) => {
                reader.link.note(link_number, &error);
                Err(text_of(&error))
            }
            Ok(Err(_)) => Err("the client does not understand KurrentDB's answer".to_owned()),
            Err(_) => {
                reader.link.note_silence(link_number);
                Err("KurrentDB does not answer".to_owned())
            }
        }
    }

    /// Sends an append as soon as it is polled, and waits until it is seen, or will not be.
    pub(super) async fn send(
        &self,
        append: &Prepared,
        seen: Option<oneshot::Receiver<Seen>>,
        awaited: &Awaited,
    ) -> Sent {
        let (Some(mut seen), Some(last)) = (seen, append.events.last()) else {
            return Sent::OutOfBounds("an append without events".to_owned());
        };
        if append.weight_bytes() > WIRE_BYTES_MAX {
            let reason = format!("more than {WIRE_BYTES_MAX} bytes in one message to KurrentDB");
            return Sent::OutOfBounds(reason);
        }
        let leaf = last.leaf;
        let events: Result<Vec<EventData>, _> =
            append.events.iter().map(|event| encode(event)).collect();
        let events = match events {
            Ok(events) => events,
            Err(error) => return Sent::OutOfBounds(format!("an event is no JSON: {error}")),
        };
        let expected = match append.expected {
            ExpectedVersion::NoStream => ExpectedRevision::NoStream,
            ExpectedVersion::Exact(version) => ExpectedRevision::Exact(version),
        };
        let ours = |seen: Result<Seen, oneshot::error::RecvError>| match seen {
            Ok(seen) if seen.leaf == leaf => Sent::Seen(seen),
            // The same id with something else: how it is to be answered is decided anew.
            Ok(_) => Sent::Refused,
            Err(_) => Sent::Unknown("nobody follows the log any more".to_owned()),
        };
        let name = format!("{}{}", self.reader.prefix(), append.stream);
        let acknowledged = self.client.append_to_stream(name, expected, events);
        let acknowledged = tokio::select! {
            biased;
            acknowledged = timeout(self.acknowledge_wait, acknowledged) => acknowledged,
            seen = &mut seen => return ours(seen),
        };
        match acknowledged {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let reason = text_of(&error);
                // Where the client has given the call up after another append, nothing is lost.
                if !reason.contains(GIVEN_UP) {
                    self.reader.link.note(self.link_number, &error);
                }
                return judge(&error);
            }
            Err(_) => {
                self.reader.link.note_silence(self.link_number);
                return Sent::Unknown("KurrentDB has not answered".to_owned());
            }
        }
        for _ in 0..2 {
            match timeout(SEEN_WAIT_MAX, &mut seen).await {
                Ok(seen) => return ours(seen),
                Err(_) => awaited.is_late.notify_one(),
            }
        }
        Sent::Unknown(NOT_SEEN.to_owned())
    }
}

/// What KurrentDB's refusals mean. It answers an append with a code and a word, and everything
/// else ends the call.
fn judge(error: &Error) -> Sent {
    let Error::Grpc { code: _, message } = error else {
        return match error {
            Error::AccessDenied => Sent::NotWritten(text_of(error)),
            error => Sent::Unknown(text_of(error)),
        };
    };
    match message.as_str() {
        "WrongExpectedVersion" => Sent::Refused,
        "MaximumAppendSizeExceeded" | "MaximumAppendEventSizeExceeded" => Sent::OutOfBounds(
            "it is larger than KurrentDB is set to take (MaxAppendSize)".to_owned(),
        ),
        "StreamDeleted" => Sent::NotWritten("the stream was deleted in KurrentDB".to_owned()),
        "AccessDenied" => Sent::NotWritten("KurrentDB denies access".to_owned()),
        "Server Is Not Ready" | "Server Is Busy" | "No leader info available in response" => {
            Sent::NotWritten(format!("KurrentDB: {message}"))
        }
        _ => Sent::Unknown(text_of(error)),
    }
}

//! The way of one message without its socket, behind a door that a measurement can open
//! (`examples/message_cost.rs`). It does what a session does with a text, and nothing else.

use crate::message::{ForDesk, Inbound};
use crate::protocol::Protocol;
use chargebook_commands::message::Answer;
use chargebook_commands::{DeskError, StationDesk};
use chargebook_domain::events::v1::Dialect;
use chargebook_domain::units::Timestamp;

/// The version whose messages are measured.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// OCPP 1.6.
    V16,
    /// OCPP 2.0.1.
    V201,
}

impl Version {
    fn protocol(self) -> Protocol {
        match self {
            Self::V16 => Protocol::V16,
            Self::V201 => Protocol::V201,
        }
    }
}

/// Reads and judges a text in the standard's words; true if it is for the desk.
pub fn read(version: Version, text: &str, received_at: Timestamp) -> bool {
    let read = version.protocol().read(text.to_owned(), Dialect::STANDARD, received_at);
    matches!(read, Inbound::ForDesk(_))
}

/// Reads a text and has the desk decide on it; the frame that answers it.
///
/// # Errors
/// The log.
pub async fn receive(
    desk: &mut StationDesk,
    version: Version,
    text: &str,
    received_at: Timestamp,
) -> Result<Option<String>, DeskError> {
    let protocol = version.protocol();
    let read = protocol.read(text.to_owned(), Dialect::STANDARD, received_at);
    let Inbound::ForDesk(message) = read else { return Ok(None) };
    let ForDesk { receipt, judged, declined, .. } = *message;
    let message_id = receipt.message_id.clone().unwrap_or_default();
    let render = move |answer: &Answer| protocol.render(&message_id, answer, declined.as_ref());
    desk.receive(receipt, judged, &render).await
}

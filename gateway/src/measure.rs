//! The way of one message without its socket, behind a door that a measurement can open
//! (`examples/message_cost.rs`). It does what a session does with a text, and nothing else.

use crate::message::{ForDesk, Inbound};
use crate::protocol::Protocol;
use chargebook_commands::message::Answer;
use chargebook_commands::{DeskError, StationDesk};
use chargebook_domain::events::v1::Dialect;
use chargebook_domain::units::Timestamp;

/// Reads and judges a text of 1.6 in the standard's words; true if it is for the desk.
pub fn read(text: &str, received_at: Timestamp) -> bool {
    let read = Protocol::V16.read(text.to_owned(), Dialect::STANDARD, received_at);
    matches!(read, Inbound::ForDesk(_))
}

/// Reads a text of 1.6 and has the desk decide on it; the frame that answers it.
///
/// # Errors
/// The log.
pub async fn receive(
    desk: &mut StationDesk,
    text: &str,
    received_at: Timestamp,
) -> Result<Option<String>, DeskError> {
    let protocol = Protocol::V16;
    let read = protocol.read(text.to_owned(), Dialect::STANDARD, received_at);
    let Inbound::ForDesk(message) = read else { return Ok(None) };
    let ForDesk { receipt, judged, declined, .. } = *message;
    let message_id = receipt.message_id.clone().unwrap_or_default();
    let render = move |answer: &Answer| protocol.render(&message_id, answer, declined.as_ref());
    desk.receive(receipt, judged, &render).await
}

//! Asking a 2.x station of a transaction that seems not to be told to its end (2.x: part 2, E14):
//! nothing was heard of it for a while, and messages of it are missing. What the station answers is
//! the session's, however it came to be asked.
//!
//! Of our own accord, so never at a quiet station, and only one that is connected; once for each
//! state that a transaction is left in.

use crate::Chargebook;
use crate::clock::derived_id;
use crate::intent::ExactError;
use chargebook_domain::events::v1::{Intent, SessionOpened};
use chargebook_domain::ids::{CommandId, EventId};
use chargebook_domain::session::{Session, SettlementRules};
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;

/// Of the time that a session is waited for, this part passes before its station is asked: the
/// other is left for the answer, and for what it makes the station send.
const ASKED_AFTER_PARTS: i32 = 2;
/// What is on its way, or in a queue that is being delivered, is here by then.
const ASKED_AFTER_MIN: TimeDelta = TimeDelta::seconds(20);

/// When its station is to be asked of a session; `None` where nothing is to be asked.
pub(super) fn ask_at(session: &Session, rules: SettlementRules) -> Option<Timestamp> {
    let transaction = session.transaction()?;
    let is_told = transaction.is_complete() || transaction.is_delivered();
    let heard_at = session.last_heard_at().filter(|_| !is_told)?;
    let silence = (rules.settle_after / ASKED_AFTER_PARTS).max(ASKED_AFTER_MIN);
    Some(Timestamp::new(heard_at.utc() + silence))
}

/// Asks, unless that was done for this state of the transaction. Should it fail, the session is
/// settled or reviewed in its time all the same.
pub(super) async fn ask(chargebook: &Chargebook, session: &Session) {
    let Some(transaction) = session.transaction() else { return };
    let Some(opened) = transaction.opened() else { return };
    if !chargebook.board().is_present(opened.station_id) {
        return;
    }
    let Some(heard_at) = session.last_heard_at() else { return };
    if let Err(error) = ask_about(chargebook, opened, heard_at).await {
        let station = &opened.station;
        tracing::warn!(%station, %error, "a station could not be asked of a transaction");
    }
}

async fn ask_about(
    chargebook: &Chargebook,
    opened: &SessionOpened,
    heard_at: Timestamp,
) -> Result<(), ExactError> {
    let station = chargebook.known_station(opened.station.as_str()).await?;
    let Some(protocol) = station.protocol.clone().filter(|_| !station.settings.quiet) else {
        return Ok(());
    };
    let words = chargebook.station_protocol();
    // A version without the question leaves it at that.
    let Ok((action, payload)) = words.transaction_status(&protocol, &opened.transaction_id) else {
        return Ok(());
    };
    let request = words.request(&protocol, action, &payload)?;
    let personal = chargebook.personal();
    let payload =
        personal.seal_frame(station.station_id, &request.payload, &request.personal).await;
    let payload = payload.map_err(crate::registry::RegistryError::from)?;
    let intent = Intent::Exact { protocol, action: action.to_owned(), payload };
    let asked = format!("transaction_status_asked {}", heard_at.as_millis());
    let id = derived_id(EventId(opened.session_id.0), &asked, 0);
    Ok(chargebook.request_once(&station, CommandId(id.0), intent).await?)
}

//! Which sessions of a connector (1.6) come before and after one that is told, by when they
//! began. Stations deliver late what they had queued: the last one told need not be the latest.

use super::sessions::Bay;
use super::{DeskError, StationDesk};
use chargebook_domain::events::v1::SessionSuperseded;
use chargebook_domain::ids::SessionId;
use chargebook_domain::session::{Beginning, Session, began_at};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{LookupKey, StreamName};
use std::sync::Arc;

/// Sessions that are gone back through for the place of one that is told late.
const NEIGHBOURS_SEARCHED_MAX: u32 = 64;

/// The sessions that began next to one at its connector, as far as they are known.
pub(super) struct Neighbours {
    /// The last one before it.
    pub(super) before: Option<Arc<Session>>,
    /// The first one after it; none where it is the latest.
    pub(super) after: Option<Arc<Session>>,
}

impl Neighbours {
    /// How the one before it began.
    pub(super) fn began_before(&self) -> Option<&Beginning> {
        self.before.as_ref().and_then(|session| session.started())
    }

    /// How the one after it began.
    pub(super) fn began_after(&self) -> Option<&Beginning> {
        self.after.as_ref().and_then(|session| session.started())
    }

    /// Unless the one after it had ended when its start came: by the order in which they came it
    /// is the later one, by time and register it is not. Which of them is wrong nobody knows.
    fn in_order(self, beginning: &Beginning) -> Option<Self> {
        let is_over = self.after.as_deref().is_some_and(|after| was_over(after, beginning));
        (!is_over).then_some(self)
    }
}

impl StationDesk {
    /// The place of a session among those of its connector: after the latest one, but for a start
    /// that was delivered late. For that it is gone back from the latest one. `None` where its
    /// place is not known: it then has no neighbours, and is nobody's.
    pub(super) async fn neighbours(
        &mut self,
        beginning: &Beginning,
    ) -> Result<Option<Neighbours>, DeskError> {
        let mut neighbours = Neighbours { before: None, after: None };
        let Some(connector) = beginning.connector else { return Ok(None) };
        let mut stream = self.latest_at(Bay::Connector(connector)).await?;
        for _ in 0..NEIGHBOURS_SEARCHED_MAX {
            let session = match &stream {
                Some(known) => self.session(known).await?.map(Arc::clone),
                None => None,
            };
            let Some(session) = session else { return Ok(neighbours.in_order(beginning)) };
            let Some(started) = session.started() else { return Ok(None) };
            if !beginning.was_late() || is_before(&session, started, beginning) {
                neighbours.before = Some(session);
                return Ok(neighbours.in_order(beginning));
            }
            // One that was told after it, and began before it.
            let told_late = self.lookup(&self.before_key(started.session_id)).await?;
            let follows = started.follows.map(|id| StreamName::of("session", id.0));
            stream = told_late.or(follows);
            neighbours.after = Some(session);
        }
        Ok(None)
    }

    /// Finds the session before one where that was told after it.
    pub(super) fn before_key(&self, session: SessionId) -> LookupKey {
        self.chargebook.personal().name_key("session-before", &session.to_string())
    }
}

/// Whether a session of the connector began before another. One whose stop had come by then, with
/// a register that the other began at or above, did, whatever the station's clock says: it was
/// set back.
fn is_before(session: &Session, started: &Beginning, other: &Beginning) -> bool {
    let at_stop = session.stop().and_then(|stop| stop.meter_stop.as_ref());
    let begin = other.meter_start.as_ref();
    let goes_on = at_stop.zip(begin).is_some_and(|(at_stop, begin)| {
        begin.register_wh >= at_stop.register_wh && was_over(session, other)
    });
    goes_on || place(started) <= place(other)
}

/// Whether a session's stop had come when the start of another did.
fn was_over(session: &Session, other: &Beginning) -> bool {
    session.stop().is_some_and(|stop| stop.received_at <= other.received_at)
}

/// What orders the sessions of a connector. A clock that counts whole seconds or stands still may
/// give several the same time; the register still rises.
fn place(started: &Beginning) -> (Timestamp, Option<WattHours>, SessionId) {
    let register = started.meter_start.as_ref().map(|reading| reading.register_wh);
    (began_at(started), register, started.session_id)
}

/// What the start of the next session tells of one whose stop has not come.
pub(super) fn superseded_by(next: &Beginning) -> Option<SessionSuperseded> {
    let register = next.meter_start.clone()?;
    Some(SessionSuperseded { by: next.session_id, at: next.started_at, register })
}

//! Which sessions in a bay (a connector of 1.6, an EVSE of 2.x) come before and after one that is
//! told, by when they began. Stations deliver late what they had queued: the last one told need
//! not be the latest.

use super::sessions::Bay;
use super::{DeskError, StationDesk};
use chargebook_domain::events::v1::SessionSuperseded;
use chargebook_domain::ids::SessionId;
use chargebook_domain::session::{
    Beginning, Session, began_at, begin_reading, is_ended_by, registers_as_told, superseding,
};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{LookupKey, StreamName};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// Sessions that are gone back through for the place of one that is told late.
const NEIGHBOURS_SEARCHED_MAX: u32 = 64;

/// The sessions that began next to one in its bay, as far as they are known.
pub(super) struct Neighbours {
    /// The last one before it.
    pub(super) before: Option<Arc<Session>>,
    /// The first one after it; none where it is the latest.
    pub(super) after: Option<Arc<Session>>,
}

impl Neighbours {
    /// Which one is before it.
    pub(super) fn id_before(&self) -> Option<SessionId> {
        self.before.as_ref().and_then(|session| id_of(session))
    }

    /// Which one is after it.
    pub(super) fn id_after(&self) -> Option<SessionId> {
        self.after.as_ref().and_then(|session| id_of(session))
    }

    /// What the one after it tells a session, where that has to be told: its stop has not come, or
    /// that one's start gives no register that counts, and is to be told of the session's.
    pub(super) fn superseding(&self, session: &Session) -> Option<SessionSuperseded> {
        let told = self.after.as_deref().and_then(superseding)?;
        let asks = told.register.register_wh <= WattHours::ZERO
            && session.started().is_some_and(|began| began.meter_start.is_some())
            && session.may_be_superseded(&told);
        (asks || is_ended_by(session, &told)).then_some(told)
    }

    /// Unless the one after it had ended when its start came, and its register does not say as
    /// well that it began before: by the order in which they came it is the later one. Which is
    /// wrong nobody knows.
    fn in_order(self, place: &Place) -> Option<Self> {
        let Some(after) = self.after.as_deref() else { return Some(self) };
        let register_after = Place::of(after).and_then(|after| after.register);
        let is_below = match place.register {
            // Of two that began at the same register, or where the one after it gives none that
            // counts, the meter says what the clock says: else it would stand where that one's
            // stop has left it.
            Some(register) if register > WattHours::ZERO => {
                register_after.is_none_or(|after| after <= WattHours::ZERO || register <= after)
            }
            // A meter that counts each session from 0 does not tell; of one that counts on the
            // clock alone does.
            Some(_) => register_after.is_some_and(|after| after > WattHours::ZERO),
            None => true,
        };
        (is_below || !was_over(after, place)).then_some(self)
    }
}

/// What orders the sessions of a bay. A clock that counts whole seconds or stands still may give
/// several the same time; the register still rises.
struct Place {
    began_at: Timestamp,
    register: Option<WattHours>,
    session_id: SessionId,
    received_at: Timestamp,
    was_late: bool,
}

impl Place {
    /// As far as its beginning is known.
    fn of(session: &Session) -> Option<Self> {
        let began: Cow<'_, Beginning> = session.beginning_so_far()?;
        let given = began.meter_start.as_ref().map(|reading| reading.register_wh);
        let register = given.or_else(|| begin_reading(session).map(|read| read.register_wh));
        Some(Self {
            began_at: began_at(&began),
            register,
            session_id: began.session_id,
            received_at: began.received_at,
            was_late: began.was_late(),
        })
    }

    /// Whether a known session of the bay comes before this one. One whose stop had come by then,
    /// with a register that this one began at or above, does, whatever the station's clock says:
    /// it was set back. So does one that goes on with a lower register than this one began with:
    /// where the clock says otherwise it errs, and the meter does not. One that was not delivered
    /// late is put back only behind one that goes on, and only where its register says the same
    /// as its clock. Of two that began at the same time with the same register the one that was
    /// over when the other came is the first.
    fn is_after(&self, session: &Session, known: &Self) -> bool {
        let is_over = was_over(session, self);
        let at_stop = registers_as_told(session).filter(|_| is_over).map(|(_, at_stop)| at_stop);
        let goes_on = at_stop.is_some_and(|at_stop| self.register >= Some(at_stop));
        // A meter that counts each session from 0 tells nothing.
        let is_counted =
            known.register.filter(|known| !is_over && *known > WattHours::ZERO).is_some();
        let rises = is_counted && known.register < self.register;
        let order = |place: &Self| (place.began_at, place.register);
        let comes_first = match order(known).cmp(&order(self)) {
            Ordering::Equal => is_over || known.session_id < self.session_id,
            unequal => unequal.is_lt(),
        };
        let is_above = self.register.is_none_or(|register| known.register <= Some(register))
            && known.began_at != self.began_at;
        goes_on || rises || comes_first || !self.was_late && (is_over || is_above)
    }
}

impl StationDesk {
    /// The place of a session among those of its bay: after the latest one, but for one that was
    /// delivered late. For that it is gone back from the latest one. `None` where its place is not
    /// known, it then has no neighbours, and is nobody's; nor where it has its place already.
    pub(super) async fn neighbours(
        &mut self,
        session: &Session,
        bay: Bay,
    ) -> Result<Option<Neighbours>, DeskError> {
        let mut neighbours = Neighbours { before: None, after: None };
        let Some(place) = Place::of(session) else { return Ok(None) };
        let mut stream = self.latest_at(bay).await?;
        for _ in 0..NEIGHBOURS_SEARCHED_MAX {
            let known = match &stream {
                Some(stream) => self.session(stream).await?.map(Arc::clone),
                None => None,
            };
            let Some(known) = known else { return Ok(neighbours.in_order(&place)) };
            let Some(its_place) = Place::of(&known) else { return Ok(None) };
            if its_place.session_id == place.session_id {
                return Ok(None);
            }
            if place.is_after(&known, &its_place) {
                neighbours.before = Some(known);
                return Ok(neighbours.in_order(&place));
            }
            stream = self.before(&known).await?;
            neighbours.after = Some(known);
        }
        Ok(None)
    }

    /// The session of a bay that something of an instant belongs to, by what it says itself: the
    /// latest one, or where that began after it, one before. Stations deliver late what they had
    /// queued.
    pub(super) async fn holding(
        &mut self,
        bay: Bay,
        at: Timestamp,
        holds: impl Fn(&Session) -> bool,
    ) -> Result<Option<StreamName>, DeskError> {
        let mut stream = self.latest_at(bay).await?;
        for _ in 0..NEIGHBOURS_SEARCHED_MAX {
            let Some(known) = stream else { return Ok(None) };
            let Some(session) = self.session(&known).await?.map(Arc::clone) else {
                return Ok(None);
            };
            if holds(&session) {
                return Ok(Some(known));
            }
            let began_later = session.beginning_so_far().is_some_and(|began| began_at(&began) > at);
            if !began_later {
                return Ok(None);
            }
            stream = self.before(&session).await?;
        }
        Ok(None)
    }

    /// The session before one in its bay: one that was told after it, and began before it; else
    /// the one that it followed when it was told.
    pub(super) async fn before(
        &mut self,
        session: &Session,
    ) -> Result<Option<StreamName>, DeskError> {
        let Some(began) = session.beginning_so_far() else { return Ok(None) };
        let told_late = self.lookup(&self.before_key(began.session_id)).await?;
        Ok(told_late.or(began.follows.map(|id| StreamName::of("session", id.0))))
    }

    /// Finds the session before one where that was told after it.
    pub(super) fn before_key(&self, session: SessionId) -> LookupKey {
        self.chargebook.personal().name_key("session-before", &session.to_string())
    }
}

/// Whether a session's stop had come when the start of another did.
fn was_over(session: &Session, other: &Place) -> bool {
    session.stop().is_some_and(|stop| stop.received_at <= other.received_at)
}

fn id_of(session: &Session) -> Option<SessionId> {
    session.identity().map(|(id, ..)| id)
}

//! Reservations: a place that a station keeps for a token, and what became of it.
//!
//! A station may name a reservation that is not known here, as after an answer that was lost:
//! that changes nothing.

use super::{Decoded, Refusal, State, stream_id};
use crate::tables::{Json, ReservationRow, Word};
use crate::views::ReservationStatus;
use chargebook_domain::events::v1::{
    ReservationCancelled, ReservationEnd, ReservationEnded, ReservationMade, ReservationUsed,
};
use chargebook_domain::ids::{CommandId, ReservationId, StationId};

/// A reservation is known by its number at its station.
pub(crate) type ReservationKey = (StationId, ReservationId);

impl State {
    /// The number of one that stands, or of one that is over, names the new one from here on.
    pub(super) fn reservation_made(
        &mut self,
        event: &Decoded,
        fact: &ReservationMade,
    ) -> Result<(), Refusal> {
        let command_id = CommandId(stream_id(event)?);
        self.reservations.insert(
            (fact.station_id, fact.reservation_id),
            ReservationRow {
                station_id: fact.station_id,
                reservation_id: fact.reservation_id,
                position: event.position.as_u64(),
                station: fact.station.clone(),
                evse: fact.evse,
                connector: fact.connector,
                token: Json(fact.token.clone()),
                group_token: fact.group.clone().map(Json),
                expires_at: fact.expires_at,
                made_at: event.recorded_at,
                command_id,
                status: Word(ReservationStatus::Active),
                session_id: None,
                ended_at: None,
            },
        );
        Ok(())
    }

    pub(super) fn reservation_cancelled(&mut self, event: &Decoded, fact: &ReservationCancelled) {
        let key = (fact.station_id, fact.reservation_id);
        self.end_reservation(event, key, ReservationStatus::Cancelled);
    }

    pub(super) fn reservation_ended(&mut self, event: &Decoded, fact: &ReservationEnded) {
        let status = match fact.because {
            ReservationEnd::Expired => ReservationStatus::Expired,
            ReservationEnd::Removed => ReservationStatus::Removed,
            ReservationEnd::NoTransaction => ReservationStatus::NoTransaction,
        };
        self.end_reservation(event, (fact.station_id, fact.reservation_id), status);
    }

    /// Of several ends the first holds.
    fn end_reservation(&mut self, event: &Decoded, key: ReservationKey, status: ReservationStatus) {
        let is_active = |row: &ReservationRow| row.status.0 == ReservationStatus::Active;
        if !self.reservations.get(key).is_some_and(is_active) {
            return;
        }
        if let Some(row) = self.reservations.touch(key) {
            row.status = Word(status);
            row.ended_at = Some(event.recorded_at);
        }
    }

    /// That it was used is known best by the station: its word holds, also where it comes late.
    pub(super) fn reservation_used(&mut self, event: &Decoded, fact: &ReservationUsed) {
        let key = (fact.station_id, fact.reservation_id);
        let is_used = |row: &ReservationRow| row.session_id.is_some();
        if self.reservations.get(key).is_none_or(is_used) {
            return;
        }
        if let Some(row) = self.reservations.touch(key) {
            row.status = Word(ReservationStatus::Used);
            row.session_id = Some(fact.session_id);
            row.ended_at = Some(event.recorded_at);
        }
    }
}

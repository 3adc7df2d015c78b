//! Reservations as they are given out.

use chargebook_domain::ids::{
    CommandId, ConnectorNumber, EvseNumber, ReservationId, SessionId, StationId, StationIdentity,
};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    /// The station keeps the place.
    Active,
    /// A session that names it began.
    Used,
    /// The station accepted our CancelReservation.
    Cancelled,
    /// Its time is over.
    Expired,
    /// The station took it away (2.x).
    Removed,
    /// It was used, but no transaction began (2.1).
    NoTransaction,
}

/// A place that a station keeps for a token, or kept. A number that is used again names the
/// newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// What the station calls itself.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// What became of it, at the instant that was asked for.
    pub status: ReservationStatus,
    /// At which EVSE (2.x).
    pub evse: Option<EvseNumber>,
    /// At which connector (1.6); 0 is the whole station.
    pub connector: Option<ConnectorNumber>,
    /// For which token, sealed.
    pub token: SealedText,
    /// The group whose other tokens may use it too, sealed.
    pub group: Option<SealedText>,
    /// Until when it is kept.
    pub expires_at: Timestamp,
    /// When the station accepted it.
    pub made_at: Timestamp,
    /// When it was used or ended; the end of its time where that is what ended it.
    pub ended_at: Option<Timestamp>,
    /// The command that made it.
    pub command_id: CommandId,
    /// The session that used it.
    pub session_id: Option<SessionId>,
    /// Position of `reservation.made`.
    pub position: u64,
}

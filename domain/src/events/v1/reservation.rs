//! A place at a station that is kept for a token, from the station's word to its end.

use crate::ids::{
    ConnectorNumber, EventId, EvseNumber, ReservationId, SessionId, StationId, StationIdentity,
};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `reservation.made`: a station accepted our ReserveNow. One with the number of a reservation
/// that stands takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationMade {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// The station.
    pub station_id: StationId,
    /// The station's name.
    pub station: StationIdentity,
    /// At which EVSE (2.x); at any one of the station if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// At which connector (1.6); 0 is the whole station.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorNumber>,
    /// For which token.
    pub token: SealedText,
    /// The group whose other tokens may use it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SealedText>,
    /// Until when.
    pub expires_at: Timestamp,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// `reservation.cancelled`: a station accepted our CancelReservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationCancelled {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// The station.
    pub station_id: StationId,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// `reservation.used`: a session began that names it, and whose token may charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationUsed {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// The station.
    pub station_id: StationId,
    /// The session.
    pub session_id: SessionId,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// `reservation.ended`: the station says that it keeps the place no more
/// (ReservationStatusUpdate, 2.x).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationEnded {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// The station.
    pub station_id: StationId,
    /// Why.
    pub because: ReservationEnd,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// Why a station keeps a place no more (ReservationUpdateStatusEnumType).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationEnd {
    /// Its time is over.
    Expired,
    /// The station took it away: the place is out of order, or not available.
    Removed,
    /// It was used, but no transaction began (2.1).
    NoTransaction,
}

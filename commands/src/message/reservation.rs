//! Reservations, in words that no OCPP version owns.

use super::PresentedToken;
use chargebook_domain::events::v1::ReservationEnd;
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, ReservationId};
use chargebook_domain::units::Timestamp;

/// What a station agreed to with its answer to ReserveNow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationTerms {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// At which EVSE (2.x); at any one of the station if absent.
    pub evse: Option<EvseNumber>,
    /// At which connector (1.6); 0 is the whole station.
    pub connector: Option<ConnectorNumber>,
    /// For which token.
    pub token: PresentedToken,
    /// The group whose other tokens may use it too.
    pub group: Option<PresentedToken>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// ReservationStatusUpdate (2.x): the station keeps a place no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservationReport {
    /// Its number at the station.
    pub reservation_id: ReservationId,
    /// Why.
    pub because: ReservationEnd,
}

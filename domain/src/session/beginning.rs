//! How a session began and ended, in words that no OCPP version owns.

use super::fold::late;
use crate::events::v1::{
    Authorization, ClockTrust, MeterReading, RegisterBefore, SessionStarted, SessionStopped,
    SessionTransactionReported, StopMatch,
};
use crate::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, SiteId, StationId, StationIdentity,
    TokenId, TransactionId,
};
use crate::sealed::SealedText;
use crate::units::Timestamp;

/// How a session began: a 1.6 StartTransaction, or what the messages of a 2.x transaction come
/// to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The session.
    pub session_id: SessionId,
    /// The station.
    pub station_id: StationId,
    /// The station's name.
    pub station: StationIdentity,
    /// The EVSE (2.x), as far as it is known.
    pub evse: Option<EvseNumber>,
    /// The connector: always known in 1.6; in 2.x once the cable is plugged.
    pub connector: Option<ConnectorNumber>,
    /// The transaction's id.
    pub transaction_id: TransactionId,
    /// The site, whose time zone the tariff's hours are read in.
    pub site_id: Option<SiteId>,
    /// IANA name of that zone.
    pub time_zone: String,
    /// What the driver presented, where anybody did.
    pub id_tag: Option<SealedText>,
    /// The token, where it is known.
    pub token_id: Option<TokenId>,
    /// Who pays.
    pub account_id: Option<AccountId>,
    /// What we said to the token; `None` where none was presented.
    pub authorization: Option<Authorization>,
    /// The register that the start itself names (1.6).
    pub meter_start: Option<MeterReading>,
    /// The register that the connector's session before ended with (1.6), where the start gives
    /// none that counts.
    pub register_before: Option<RegisterBefore>,
    /// The station's time.
    pub started_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Whether the station's time can be believed.
    pub clock: ClockTrust,
    /// The reservation it used.
    pub reservation_id: Option<i32>,
    /// The session before it at the connector, or the EVSE (2.x), as known when that was told.
    pub follows: Option<SessionId>,
    /// The exchange that said so.
    pub exchange: EventId,
}

impl Beginning {
    /// Whether somebody who may charge began it. A station that lets everybody charge (a start
    /// button, the token type `NoAuthorization` of 2.x) names nobody, and is not contradicted.
    pub fn is_accepted(&self) -> bool {
        self.authorization == Some(Authorization::Accepted) && self.id_tag.is_some()
    }

    /// Whether nobody who presented a token for it was let.
    pub fn is_refused(&self) -> bool {
        self.authorization.is_some_and(|said| said != Authorization::Accepted)
    }

    /// Whether the start came so long after its time that the station must have been offline.
    pub fn was_late(&self) -> bool {
        late(self.received_at, self.started_at)
    }
}

impl From<&SessionStarted> for Beginning {
    fn from(fact: &SessionStarted) -> Self {
        Self {
            session_id: fact.session_id,
            station_id: fact.station_id,
            station: fact.station.clone(),
            evse: None,
            connector: Some(fact.connector),
            transaction_id: TransactionId::Number(fact.transaction_id),
            site_id: fact.site_id,
            time_zone: fact.time_zone.clone(),
            id_tag: Some(fact.id_tag.clone()),
            token_id: fact.token_id,
            account_id: fact.account_id,
            authorization: Some(fact.authorization),
            meter_start: Some(fact.meter_start.clone()),
            register_before: fact.register_before.clone(),
            started_at: fact.started_at,
            received_at: fact.received_at,
            clock: fact.clock,
            reservation_id: fact.reservation_id,
            follows: fact.follows,
            exchange: fact.exchange,
        }
    }
}

/// How a session ended: a 1.6 StopTransaction, or the end of a 2.x transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The register that the stop itself names (1.6).
    pub meter_stop: Option<MeterReading>,
    /// The station's time.
    pub stopped_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Whether the station's time can be believed.
    pub clock: ClockTrust,
    /// The station's word for why.
    pub reason: Option<String>,
    /// How the stop found its session.
    pub matched_by: StopMatch,
    /// Whether the car had left by then.
    pub has_left: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

impl From<&SessionStopped> for Stop {
    fn from(fact: &SessionStopped) -> Self {
        Self {
            meter_stop: Some(fact.meter_stop.clone()),
            stopped_at: fact.stopped_at,
            received_at: fact.received_at,
            clock: fact.clock,
            reason: fact.reason.clone(),
            matched_by: fact.matched_by,
            has_left: false,
            exchange: fact.exchange,
        }
    }
}

impl From<&SessionTransactionReported> for Stop {
    fn from(fact: &SessionTransactionReported) -> Self {
        let is = |word: &Option<String>, expected| word.as_deref() == Some(expected);
        Self {
            meter_stop: None,
            stopped_at: fact.at,
            received_at: fact.received_at,
            clock: fact.clock,
            reason: fact.stopped_reason.clone(),
            matched_by: StopMatch::TransactionId,
            has_left: is(&fact.stopped_reason, "EVDisconnected")
                || is(&fact.charging_state, "Idle"),
            exchange: fact.exchange,
        }
    }
}

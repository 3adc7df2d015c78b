//! The port to what knows the OCPP versions' words: whether a request in those words may be sent
//! to a station, and what a message in them means. This room passes the words on and does not look
//! into them.

use crate::message::{Judged, Personal, Receipt, StationTariff};
use crate::web_payment::WebPaymentSettings;
use chargebook_domain::events::v1::{Dialect, FollowUp, Intent};
use chargebook_domain::ids::{EvseNumber, TransactionName};
use chargebook_domain::units::Timestamp;

/// What knows the words of the OCPP versions.
pub trait StationProtocol: Send + Sync + 'static {
    /// Checks a request to a station against the schema of a version, given by its WebSocket
    /// sub-protocol, and brings it into the form in which it will be sent.
    ///
    /// What only the station can judge (an unknown connector, a reservation that is not there)
    /// is not judged here.
    ///
    /// # Errors
    /// What the version's standard does not allow.
    fn request(
        &self,
        protocol: &str,
        action: &str,
        payload: &str,
    ) -> Result<ExactRequest, ExactRefused>;

    /// The request that has a station compute its costs by a tariff where it is told no other:
    /// its action and payload, yet to be checked as any [`request`](Self::request). All EVSEs if
    /// none is said.
    ///
    /// # Errors
    /// A version without such a request, or a tariff that it has no words for.
    fn default_tariff(
        &self,
        protocol: &str,
        _evse: Option<EvseNumber>,
        _tariff: &StationTariff,
    ) -> Result<(&'static str, String), ExactRefused> {
        Err(ExactRefused::UnknownAction(protocol.to_owned()))
    }

    /// The request that has a station show QR codes that lead to a page for payments: its action
    /// and payload, yet to be checked as any [`request`](Self::request).
    ///
    /// # Errors
    /// A version without such codes.
    fn web_payments(
        &self,
        protocol: &str,
        _settings: &WebPaymentSettings,
    ) -> Result<(&'static str, String), ExactRefused> {
        Err(ExactRefused::UnknownAction(protocol.to_owned()))
    }

    /// The request that has a station tell whether a transaction of its goes on, and whether
    /// messages of it wait: its action and payload, yet to be checked as any
    /// [`request`](Self::request).
    ///
    /// # Errors
    /// A version without that question.
    fn transaction_status(
        &self,
        protocol: &str,
        _transaction: &TransactionName,
    ) -> Result<(&'static str, String), ExactRefused> {
        Err(ExactRefused::UnknownAction(protocol.to_owned()))
    }

    /// Whether a verb says all that a version, given by its WebSocket sub-protocol, needs to know.
    /// What else is against the version is found out when the verb is sent.
    ///
    /// # Errors
    /// What is missing.
    fn is_whole(&self, _protocol: &str, _verb: &Intent) -> Result<(), Lack> {
        Ok(())
    }

    /// Reads a message that a station sent over a connection of a version, given by its WebSocket
    /// sub-protocol, as it is read when it comes. `None` for a version that is not spoken here,
    /// and for what is no message of its own.
    fn read(
        &self,
        protocol: &str,
        text: String,
        dialect: Dialect,
        received_at: Timestamp,
    ) -> Option<(Receipt, Judged)>;
}

/// A request that the standard allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactRequest {
    /// The payload: JSON, members in the schema's order.
    pub payload: String,
    /// Where personal data and secrets stand in it.
    pub personal: Personal,
    /// What the station will report on it.
    pub follow_up: Option<FollowUp>,
    /// How many items it has of what stations limit, where it cannot be cut into several requests.
    pub indivisible_items: Option<usize>,
    /// Whether it may wait for a station that is not connected: settings do, deeds do not.
    pub waits: bool,
}

/// What a verb does not say, and must in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// JSON pointer (RFC 6901) to the missing member of the verb.
    pub pointer: &'static str,
    /// What to say there, and why.
    pub rule: &'static str,
}

/// Why a request may not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExactRefused {
    /// A version that is not spoken here.
    #[error("`{0}` is not spoken here")]
    UnknownProtocol(String),
    /// The version has no such action.
    #[error("{0} has no action of that name")]
    UnknownAction(String),
    /// A station sends that action, and only a station.
    #[error("{0} has this action for stations to send, not for a management system")]
    FromStationsOnly(String),
    /// The version cannot say what is meant, and why.
    #[error("{standard} has no words for this: {why}")]
    Inexpressible {
        /// The version's standard.
        standard: String,
        /// What it cannot say.
        why: String,
    },
    /// The payload is against the schema.
    #[error("{pointer}: {rule}")]
    Invalid {
        /// JSON pointer (RFC 6901) into the payload.
        pointer: String,
        /// The rule that it breaks.
        rule: String,
    },
}

/// Where no protocol was given: a service without stations, as in tests.
pub(crate) struct NoProtocol;

impl StationProtocol for NoProtocol {
    fn request(&self, protocol: &str, _: &str, _: &str) -> Result<ExactRequest, ExactRefused> {
        Err(ExactRefused::UnknownProtocol(protocol.to_owned()))
    }

    fn read(&self, _: &str, _: String, _: Dialect, _: Timestamp) -> Option<(Receipt, Judged)> {
        None
    }
}

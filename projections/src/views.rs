//! What the query API gives out: plain rows. Personal data stays sealed in them; who may see
//! it opens it at read time.

mod alert;
mod analytics;
mod billing;
mod command;
mod registry;
mod reservation;
mod session;
mod station;

pub use alert::{Alert, AlertSource, AlertStatus};
pub use analytics::{AnalyticsBucket, Revenue, Totals};
pub use billing::{Account, AccountLimit, AuditEntry, Balance, Invoice, TariffVersion};
pub use command::{Command, CommandState};
pub use registry::{Driver, Site, Token};
pub use reservation::{Reservation, ReservationStatus};
pub use session::{
    Cost, CurvePoint, EarlyPayment, OrphanStop, Review, Session, SessionDetail, SessionStatus,
    TimelineEntry,
};
pub use station::{
    Connector, OwnCertificate, OwnCertificateStatus, SecurityEvent, Station, StationCertificate,
    StationCertificates,
};

use chargebook_domain::ids::EventId;
use serde::Serialize;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque: give it back to get the next page; `None` on the last one.
    pub next: Option<String>,
}

/// An event that the read models could not take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParkedEvent {
    /// Its position.
    pub position: u64,
    /// Its id.
    pub event_id: EventId,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// Its schema version.
    pub schema_version: u32,
    /// Why.
    pub reason: String,
}

//! What an operator registered, as it is given out.

use chargebook_domain::events::v1::TokenStatus;
use chargebook_domain::ids::{AccountId, DriverId, SiteId, SubjectId, TokenId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use serde::Serialize;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Our id.
    pub token_id: TokenId,
    /// Whose key seals the uid.
    pub subject_id: SubjectId,
    /// What the reader reads, sealed.
    pub uid: SealedText,
    /// OCPI or OCPP word: `RFID`, `ISO15693`, ….
    pub kind: String,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Its group, sealed.
    pub group: Option<SealedText>,
    /// Whose it is.
    pub driver_id: Option<DriverId>,
    /// Who pays.
    pub account_id: AccountId,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// A driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Our id.
    pub driver_id: DriverId,
    /// Whose key seals the fields below.
    pub subject_id: SubjectId,
    /// Name, sealed.
    pub name: SealedText,
    /// E-mail address, sealed.
    pub email: Option<SealedText>,
    /// Who pays.
    pub account_id: AccountId,
    /// When they were registered.
    pub registered_at: Timestamp,
    /// Whether their key was destroyed: name and address are nobody's to read any more.
    pub erased: bool,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Its name in the API.
    pub id: String,
    /// Our id.
    pub site_id: SiteId,
    /// What people read.
    pub name: String,
    /// IANA name.
    pub time_zone: String,
    /// Postal address, one line.
    pub address: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

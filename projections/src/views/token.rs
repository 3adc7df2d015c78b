//! Tokens as they are given out.

use chargebook_domain::events::v1::TokenStatus;
use chargebook_domain::ids::{AccountId, DriverId, SubjectId, TokenId};
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
    /// OCPI word: `RFID`, ….
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

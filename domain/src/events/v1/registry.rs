//! Things that an operator registers: sites, drivers, tokens, tariffs, settings.

use crate::ids::{AccountId, DriverId, SiteId, SubjectId, TariffId, TokenId};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `site.registered`: a place where stations stand, with its local time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRegistered {
    /// Our id.
    pub site_id: SiteId,
    /// Its name in the API.
    pub site: String,
    /// What people read.
    pub name: String,
    /// IANA name.
    pub time_zone: String,
    /// Postal address, one line.
    pub address: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// `driver.registered`: a person who charges; name and address are sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverRegistered {
    /// Our id.
    pub driver_id: DriverId,
    /// Whose key seals the fields below.
    pub subject_id: SubjectId,
    /// Name.
    pub name: SealedText,
    /// E-mail address.
    pub email: Option<SealedText>,
    /// Who pays for this driver.
    pub account_id: AccountId,
}

/// `token.registered`: a card, or another thing that a driver presents, and who pays for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRegistered {
    /// Our id.
    pub token_id: TokenId,
    /// Whose key seals the uid.
    pub subject_id: SubjectId,
    /// What the reader reads.
    pub uid: SealedText,
    /// OCPI word: `RFID`, `APP_USER`, `AD_HOC_USER`, `OTHER`; or OCPP's for what a reader reads:
    /// `ISO14443`, `ISO15693`, `KeyCode`, `MacAddress`, `eMAID`, ….
    pub kind: String,
    /// Whose it is.
    pub driver_id: Option<DriverId>,
    /// Who pays.
    pub account_id: AccountId,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The group whose tokens may stop what another of it began (parentIdTag, groupIdToken).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SealedText>,
}

/// `token.changed`: the whole of what can change about a token, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenChanged {
    /// Whether it may charge.
    pub status: TokenStatus,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The group whose tokens may stop what another of it began (parentIdTag, groupIdToken).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SealedText>,
}

/// Whether a token may charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may.
    Accepted,
    /// It may not.
    Blocked,
}

/// `tariff.version_published`: a version of a tariff, which never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffVersionPublished {
    /// The tariff.
    pub tariff_id: TariffId,
    /// Its name in the API.
    pub tariff: String,
    /// From 1.
    pub version: u64,
    /// The canonical text of the OCPI tariff, decimals exact.
    pub content: String,
    /// SHA-256 of that text, in hex.
    pub content_sha256: String,
}

/// `settings.default_tariff_set`: another tariff is the default from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultTariffSet {
    /// The tariff for sessions that have no other.
    pub tariff_id: TariffId,
    /// Its name in the API.
    pub tariff: String,
}

/// `settings.master_pass_group_set`: the group of tokens that may end anybody's session from now
/// on, and begin none (OCPP 2.x part 2, C16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterPassGroupSet {
    /// The group; null: there is none.
    pub group: Option<SealedText>,
}

/// `subject.erased`: a person's key is destroyed; what it sealed can be read by nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectErased {
    /// Whose.
    pub subject_id: SubjectId,
    /// Why, in a word: `requested_by_subject`, ….
    pub reason: String,
}

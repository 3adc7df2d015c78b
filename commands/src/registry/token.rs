//! Tokens: what a driver presents, and whether it may charge.

use super::{Registered, Registry, RegistryError};
use crate::journal::{Draft, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    AccountKind, Authorization, TokenChanged, TokenRegistered, TokenStatus,
};
use chargebook_domain::ids::{AccountId, DriverId, SubjectId, TokenId};
use chargebook_domain::sealed::{HOLE_PLACEHOLDER, SealedText};
use chargebook_domain::units::Timestamp;
use chargebook_store::{ExpectedVersion, LookupKey, Position, StreamName};
use std::sync::Arc;

/// Longest uid: OCPI's CiString(36) holds OCPP 1.6's 20 and 2.x's 36.
const UID_CHARACTERS_MAX: usize = 36;
/// Longest name of a group: OCPP 1.6's CiString20, so that stations of every version take it.
const GROUP_CHARACTERS_MAX: usize = 20;
/// OCPI TokenType.
const OCPI_KINDS: &[&str] = &["AD_HOC_USER", "APP_USER", "OTHER", "RFID"];
/// What OCPP 2.0.1 and 2.1 call tokens that may be registered (part 2, IdTokenEnumType): a station
/// finds one in its list only by the kind that its reader says.
pub const OCPP_TOKEN_KINDS: &[&str] =
    &["Central", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "eMAID"];
/// Those that 2.1 has besides.
pub const OCPP_TOKEN_KINDS_OF_2_1: &[&str] = &["EVCCID", "VIN"];

/// A token to be registered.
#[derive(Clone, Debug)]
pub struct TokenRegistration {
    /// What the reader reads.
    pub uid: String,
    /// OCPI or OCPP word.
    pub kind: String,
    /// Whose it is; an account of its own if nobody's.
    pub driver: Option<String>,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Its group: whose tokens may stop what another of it began.
    pub group: Option<String>,
}

/// A change to a token; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct TokenChange {
    /// Whether it may charge.
    pub status: Option<TokenStatus>,
    /// Until when; `Some(None)` means for ever.
    pub expires_at: Option<Option<Timestamp>>,
    /// Its group; `Some(None)` means none.
    pub group: Option<Option<String>>,
}

/// A token as it is now.
#[derive(Clone, Debug)]
pub struct KnownToken {
    /// Our id.
    pub token_id: TokenId,
    /// Whose key seals its uid.
    pub subject_id: SubjectId,
    /// OCPI or OCPP word.
    pub kind: String,
    /// Whose it is.
    pub driver_id: Option<DriverId>,
    /// Who pays.
    pub account_id: AccountId,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Its group.
    pub group: Option<String>,
    /// The same, as the log has it.
    sealed_group: Option<SealedText>,
}

impl KnownToken {
    /// The answer to it at an instant.
    pub fn authorization(&self, at: Timestamp) -> Authorization {
        match self.status {
            TokenStatus::Blocked => Authorization::Blocked,
            TokenStatus::Accepted if self.expires_at.is_some_and(|until| until <= at) => {
                Authorization::Expired
            }
            TokenStatus::Accepted => Authorization::Accepted,
        }
    }

    /// What its events come to, with its group still sealed.
    fn of(events: &[Event]) -> Option<Self> {
        events.iter().fold(None, |token, event| match (token, event) {
            (_, Event::TokenRegistered(fact)) => Some(Self {
                token_id: fact.token_id,
                subject_id: fact.subject_id,
                kind: fact.kind.clone(),
                driver_id: fact.driver_id,
                account_id: fact.account_id,
                status: fact.status,
                expires_at: fact.expires_at,
                group: None,
                sealed_group: fact.group.clone(),
            }),
            (Some(token), Event::TokenChanged(fact)) => Some(Self {
                status: fact.status,
                expires_at: fact.expires_at,
                sealed_group: fact.group.clone(),
                ..token
            }),
            (token, Event::SubjectErased(_)) => {
                token.map(|token| Self { status: TokenStatus::Blocked, ..token })
            }
            (token, _) => token,
        })
    }
}

impl Registry {
    /// Registers a token; the same again is the same.
    pub async fn register_token(
        &self,
        registration: TokenRegistration,
    ) -> Result<Registered, RegistryError> {
        let uid = checked_uid(&registration.uid)?;
        let kinds = [OCPI_KINDS, OCPP_TOKEN_KINDS, OCPP_TOKEN_KINDS_OF_2_1].concat();
        if !kinds.contains(&registration.kind.as_str()) {
            return Err(RegistryError::invalid("/type", format!("one of {}", kinds.join(", "))));
        }
        let group = registration.group.as_deref().map(checked_group).transpose()?;
        let leaving = self.leaving().read().await;
        let (driver_id, account_id) = match &registration.driver {
            None => (None, None),
            Some(name) => {
                let driver = self.driver(name).await?.ok_or_else(|| {
                    RegistryError::invalid("/driver", format!("driver `{name}` is not registered"))
                })?;
                if leaving.contains(&driver.driver_id) {
                    let detail = format!("driver `{name}` is to be forgotten");
                    return Err(RegistryError::Conflict(detail));
                }
                (Some(driver.driver_id), Some(driver.account_id))
            }
        };
        let key = self.personal.token_key(uid);
        let _held = self.registering(&key).await;
        if let Some(known) = self.token(uid).await? {
            let same = known.kind == registration.kind
                && known.driver_id == driver_id
                && known.status == registration.status
                && known.expires_at == registration.expires_at
                && known.group.as_deref() == group;
            let position = *self.journal.store().head().borrow();
            return match same {
                true => Ok(Registered { created: false, position }),
                false => Err(RegistryError::Conflict(
                    "this token is registered already, with other content; change it with PATCH"
                        .to_owned(),
                )),
            };
        }
        let account_id = match account_id {
            Some(account_id) => account_id,
            None => self.open_account(AccountKind::PayLater).await?,
        };
        let subject_id = self.personal.token_subject(uid).await?;
        let fact = TokenRegistered {
            token_id: TokenId(self.journal.clock().fresh_id()),
            subject_id,
            uid: self.personal.seal(subject_id, uid).await?,
            kind: registration.kind,
            driver_id,
            account_id,
            status: registration.status,
            expires_at: registration.expires_at,
            group: self.sealed_group(subject_id, group).await?,
        };
        let stream = StreamName::of("token", fact.token_id.0);
        let draft = Draft::new(self.journal.fresh_id(), fact).by("operator").keyed(key);
        let appended = self.journal.append(&stream, ExpectedVersion::NoStream, &[draft]).await?;
        Ok(Registered { created: true, position: appended.position })
    }

    /// Changes a token; in force at once.
    pub async fn change_token(
        &self,
        uid: &str,
        change: TokenChange,
    ) -> Result<Position, RegistryError> {
        let uid = checked_uid(uid)?;
        let key = self.personal.token_key(uid);
        let stream = self.journal.lookup(&key).await?;
        let stream = stream.ok_or_else(|| RegistryError::NotFound("no such token".to_owned()))?;
        let group = match &change.group {
            Some(group) => {
                let group = group.as_deref().map(checked_group).transpose()?;
                match self.load_token(&stream).await? {
                    Some(known) if known.group.as_deref() != group => {
                        Some(self.sealed_group(known.subject_id, group).await?)
                    }
                    _ => None,
                }
            }
            None => None,
        };
        let position = self
            .decide(&stream, |events| {
                let known = KnownToken::of(events)?;
                let status = change.status.unwrap_or(known.status);
                let expires_at = change.expires_at.unwrap_or(known.expires_at);
                let is_other = (status, expires_at) != (known.status, known.expires_at);
                (is_other || group.is_some()).then(|| {
                    let group = group.clone().unwrap_or(known.sealed_group);
                    let fact = TokenChanged { status, expires_at, group };
                    Draft::new(self.journal.fresh_id(), fact).by("operator")
                })
            })
            .await?;
        self.tokens.forget(&cache_name(&key));
        Ok(position)
    }

    /// Lets a token charge no more, whatever is said of it later; in force at once.
    pub(crate) async fn block_token(&self, token_id: TokenId) -> Result<(), RegistryError> {
        let stream = StreamName::of("token", token_id.0);
        let mut is_new = false;
        self.decide(&stream, |events| {
            let known = KnownToken::of(events)?;
            is_new = known.status != TokenStatus::Blocked;
            is_new.then(|| {
                let KnownToken { expires_at, sealed_group: group, .. } = known;
                let fact = TokenChanged { status: TokenStatus::Blocked, expires_at, group };
                Draft::new(self.journal.fresh_id(), fact)
            })
        })
        .await?;
        if is_new {
            self.tokens.forget_all();
        }
        Ok(())
    }

    /// A token by its uid. Asked at every authorisation, so what was found once is kept until
    /// it changes; what was not found is looked for again.
    pub async fn token(&self, uid: &str) -> Result<Option<Arc<KnownToken>>, RegistryError> {
        let key = self.personal.token_key(uid);
        let name = cache_name(&key);
        if let Some(known) = self.tokens.get(&name) {
            return Ok(Some(known));
        }
        let seen = self.tokens.changes();
        let Some(stream) = self.journal.lookup(&key).await? else { return Ok(None) };
        let known = self.load_token(&stream).await?;
        if let Some(token) = &known {
            self.tokens.put_unchanged(&name, Arc::clone(token), seen);
        }
        Ok(known)
    }

    async fn load_token(
        &self,
        stream: &StreamName,
    ) -> Result<Option<Arc<KnownToken>>, RegistryError> {
        let mut events = Vec::new();
        self.journal
            .replay(stream, 0, |recorded| {
                events.push(read_event(recorded)?);
                Ok(())
            })
            .await?;
        let erased = events.iter().any(|event| matches!(event, Event::SubjectErased(_)));
        let Some(mut known) = KnownToken::of(&events).filter(|_| !erased) else { return Ok(None) };
        if let Some(group) = &known.sealed_group {
            let opened = self.personal.open(group).await;
            known.group = (opened != HOLE_PLACEHOLDER).then_some(opened);
        }
        Ok(Some(Arc::new(known)))
    }

    /// Under the token's own key: the group's name may be another token's uid, and no erasure of
    /// that one takes its group from this one.
    async fn sealed_group(
        &self,
        subject: SubjectId,
        group: Option<&str>,
    ) -> Result<Option<SealedText>, RegistryError> {
        match group {
            Some(group) => Ok(Some(self.personal.seal(subject, group).await?)),
            None => Ok(None),
        }
    }
}

fn cache_name(key: &LookupKey) -> String {
    hex::encode(key.0)
}

fn checked_uid(uid: &str) -> Result<&str, RegistryError> {
    checked(uid, UID_CHARACTERS_MAX).ok_or_else(|| {
        let detail = format!("a uid has 1 to {UID_CHARACTERS_MAX} printable characters");
        RegistryError::invalid("/uid", detail)
    })
}

pub(super) fn checked_group(group: &str) -> Result<&str, RegistryError> {
    checked(group, GROUP_CHARACTERS_MAX).ok_or_else(|| {
        let detail = format!("a group has 1 to {GROUP_CHARACTERS_MAX} printable characters");
        RegistryError::invalid("/group", detail)
    })
}

fn checked(text: &str, characters_max: usize) -> Option<&str> {
    let text = text.trim();
    let is_long_enough = (1..=characters_max).contains(&text.chars().count());
    (is_long_enough && !text.chars().any(char::is_control)).then_some(text)
}

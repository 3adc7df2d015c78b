//! Stations' passwords: kept as keyed hashes, changed by operators and over OCPP.
//!
//! Over OCPP a new password counts beside the old one from the moment it leaves for the station:
//! whether it arrived is known only once the station has answered, or has logged in with it. So
//! no answer that is lost, late or in force only after a reboot locks a station out.

use super::{Registered, Registry, RegistryError};
use crate::station::StationState;
use chargebook_domain::events::v1::{
    PasswordVerifier, StationPasswordChanged, StationPasswordDeclined, StationPasswordOffered,
};
use chargebook_domain::ids::{ConfigurationSlot, StationId};
use std::fmt;
use subtle::ConstantTimeEq;

/// A hex password of this many digits also counts as the bytes it spells (OCPP 1.6
/// AuthorizationKey: 16 to 20 bytes).
const HEX_PASSWORD_DIGITS: std::ops::RangeInclusive<usize> = 32..=40;

/// What a password is to a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PasswordMatch {
    /// Its own, or one of its network connection profiles'.
    Current,
    /// One that was offered to it, and that it has taken over, as is seen now; and for which of
    /// its network connection profiles, if it is not to be its own.
    Offered(PasswordVerifier, Option<ConfigurationSlot>),
    /// Neither.
    None,
}

/// A password on its way to a station.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword {
    /// The text.
    pub text: String,
    /// The network connection profile whose it is to be; the station's own if absent.
    pub configuration_slot: Option<ConfigurationSlot>,
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPassword")
            .field("configuration_slot", &self.configuration_slot)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// What a password is to a station, wherever it stands there.
    pub(crate) fn match_password(&self, state: &StationState, password: &[u8]) -> PasswordMatch {
        let own = self.match_own(state, password);
        if own == PasswordMatch::Current {
            return own;
        }
        match (own, self.match_profiles(state, None, password)) {
            (PasswordMatch::None, of_profile) => of_profile,
            (_, PasswordMatch::Current) => PasswordMatch::Current,
            (own, _) => own,
        }
    }

    fn match_own(&self, state: &StationState, password: &[u8]) -> PasswordMatch {
        let verifies =
            |verifier: &&PasswordVerifier| self.verifies(state.station_id, verifier, password);
        if state.password.iter().any(|current| verifies(&current)) {
            return PasswordMatch::Current;
        }
        let offered = state.passwords_offered.iter().find(verifies);
        offered.map_or(PasswordMatch::None, |offered| PasswordMatch::Offered(offered.clone(), None))
    }

    /// The same among the passwords of one network connection profile, or of all.
    fn match_profiles(
        &self,
        state: &StationState,
        slot: Option<ConfigurationSlot>,
        password: &[u8],
    ) -> PasswordMatch {
        let mut offered = PasswordMatch::None;
        for known in state.passwords_of(slot) {
            if !self.verifies(state.station_id, &known.password, password) {
                continue;
            }
            if !known.is_offered {
                return PasswordMatch::Current;
            }
            let slot = Some(known.configuration_slot);
            offered = PasswordMatch::Offered(known.password.clone(), slot);
        }
        offered
    }

    /// What a new password is where it is to stand.
    fn match_new(&self, state: &StationState, new: &NewPassword) -> PasswordMatch {
        match new.configuration_slot {
            Some(slot) => self.match_profiles(state, Some(slot), new.text.as_bytes()),
            None => self.match_own(state, new.text.as_bytes()),
        }
    }

    /// A new password leaves for the station.
    pub(crate) async fn offer_password(
        &self,
        id: &str,
        new: &NewPassword,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "system", |state| {
            let is_new = self.match_new(state, new) == PasswordMatch::None;
            let offered = || StationPasswordOffered {
                password: self.verifier(state.station_id, &new.text),
                configuration_slot: new.configuration_slot,
            };
            is_new.then(|| offered().into()).into_iter().collect()
        })
        .await
    }

    /// The station has taken over a new password: what stood in its place counts no more.
    pub(crate) async fn accept_password(
        &self,
        id: &str,
        new: &NewPassword,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let password = match self.match_new(state, new) {
                PasswordMatch::Offered(offered, _) => offered,
                PasswordMatch::Current | PasswordMatch::None => {
                    self.verifier(state.station_id, &new.text)
                }
            };
            let (password, configuration_slot) = (Some(password), new.configuration_slot);
            vec![StationPasswordChanged { password, configuration_slot }.into()]
        })
        .await
    }

    /// The station has not taken over a password that was offered to it.
    pub(crate) async fn decline_password(
        &self,
        id: &str,
        new: &NewPassword,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let declined = match self.match_new(state, new) {
                PasswordMatch::Offered(password, _) => Some(StationPasswordDeclined { password }),
                PasswordMatch::Current | PasswordMatch::None => None,
            };
            declined.map(Into::into).into_iter().collect()
        })
        .await
    }

    /// The station has logged in with a password that was offered to it: the one whose place it
    /// takes counts no more.
    pub(crate) async fn take_offered_password(
        &self,
        id: &str,
        offered: &PasswordVerifier,
        configuration_slot: Option<ConfigurationSlot>,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let is_offered = match configuration_slot {
                Some(slot) => state
                    .passwords_of(Some(slot))
                    .any(|known| known.is_offered && known.password == *offered),
                None => state.passwords_offered.contains(offered),
            };
            let password = Some(offered.clone());
            let taken = StationPasswordChanged { password, configuration_slot };
            is_offered.then(|| taken.clone().into()).into_iter().collect()
        })
        .await
    }

    /// What a password is checked against from now on.
    pub(super) fn verifier(&self, station_id: StationId, password: &str) -> PasswordVerifier {
        let salt = self.journal.clock().fresh_id().to_string();
        let hashed = |bytes: &[u8]| hex::encode(self.password_hash(station_id, &salt, bytes));
        let keyed_hash = hashed(password.as_bytes());
        let keyed_hash_of_bytes = bytes_spelt(password).map(|bytes| hashed(&bytes));
        PasswordVerifier { salt, keyed_hash, keyed_hash_of_bytes }
    }

    fn password_hash(&self, station_id: StationId, salt: &str, password: &[u8]) -> [u8; 32] {
        self.personal
            .vault()
            .keyed_hash("station-password", &[station_id.0.as_bytes(), salt.as_bytes(), password])
    }

    /// Whether these bytes are the password; also where it is hex and they are what it spells.
    pub(super) fn verifies(
        &self,
        station_id: StationId,
        verifier: &PasswordVerifier,
        password: &[u8],
    ) -> bool {
        let is_hash_of = |expected: &str, candidate: &[u8]| {
            let Ok(expected) = hex::decode(expected) else { return false };
            let hash = self.password_hash(station_id, &verifier.salt, candidate);
            bool::from(hash.as_slice().ct_eq(&expected))
        };
        let matches = |candidate: &[u8]| is_hash_of(&verifier.keyed_hash, candidate);
        if matches(password) {
            return true;
        }
        if let Some(of_bytes) = &verifier.keyed_hash_of_bytes {
            return is_hash_of(of_bytes, password);
        }
        // Before bytes had a hash of their own: spelt in one case or the other.
        let spelt_lower = hex::encode(password);
        HEX_PASSWORD_DIGITS.contains(&spelt_lower.len())
            && (matches(spelt_lower.as_bytes()) || matches(spelt_lower.to_uppercase().as_bytes()))
    }
}

/// The bytes of a password that is hexadecimal digits in either case, or in both.
fn bytes_spelt(password: &str) -> Option<Vec<u8>> {
    let is_as_long = HEX_PASSWORD_DIGITS.contains(&password.len());
    is_as_long.then(|| hex::decode(password).ok())?
}

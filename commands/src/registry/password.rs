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
use chargebook_domain::ids::StationId;
use subtle::ConstantTimeEq;

/// A hex password of this many digits is also tried as the bytes it spells (OCPP 1.6
/// AuthorizationKey: 16 to 20 bytes).
const HEX_PASSWORD_DIGITS: std::ops::RangeInclusive<usize> = 32..=40;

/// What a password is to a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PasswordMatch {
    /// Its own.
    Current,
    /// One that was offered to it, and that it has taken over, as is seen now.
    Offered(PasswordVerifier),
    /// Neither.
    None,
}

impl Registry {
    /// What a password is to a station.
    pub(crate) fn match_password(&self, state: &StationState, password: &[u8]) -> PasswordMatch {
        let verifies =
            |verifier: &&PasswordVerifier| self.verifies(state.station_id, verifier, password);
        if state.password.iter().any(|current| verifies(&current)) {
            return PasswordMatch::Current;
        }
        let offered = state.passwords_offered.iter().find(verifies);
        offered.map_or(PasswordMatch::None, |offered| PasswordMatch::Offered(offered.clone()))
    }

    /// A new password leaves for the station.
    pub(crate) async fn offer_password(
        &self,
        id: &str,
        password: &str,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "system", |state| {
            let is_new = self.match_password(state, password.as_bytes()) == PasswordMatch::None;
            let offered =
                || StationPasswordOffered { password: self.verifier(state.station_id, password) };
            is_new.then(|| offered().into()).into_iter().collect()
        })
        .await
    }

    /// The station has not taken over a password that was offered to it.
    pub(crate) async fn decline_password(
        &self,
        id: &str,
        password: &str,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let declined = match self.match_password(state, password.as_bytes()) {
                PasswordMatch::Offered(password) => Some(StationPasswordDeclined { password }),
                PasswordMatch::Current | PasswordMatch::None => None,
            };
            declined.map(Into::into).into_iter().collect()
        })
        .await
    }

    /// The station has logged in with a password that was offered to it: the old one counts no
    /// more.
    pub(crate) async fn take_offered_password(
        &self,
        id: &str,
        offered: &PasswordVerifier,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let is_offered = state.passwords_offered.contains(offered);
            let taken = || StationPasswordChanged { password: Some(offered.clone()) };
            is_offered.then(|| taken().into()).into_iter().collect()
        })
        .await
    }

    /// What a password is checked against from now on.
    pub(super) fn verifier(&self, station_id: StationId, password: &str) -> PasswordVerifier {
        let salt = self.journal.clock().fresh_id().to_string();
        let keyed_hash = hex::encode(self.password_hash(station_id, &salt, password.as_bytes()));
        PasswordVerifier { salt, keyed_hash }
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
        let Ok(expected) = hex::decode(&verifier.keyed_hash) else { return false };
        let matches = |candidate: &[u8]| {
            let hash = self.password_hash(station_id, &verifier.salt, candidate);
            bool::from(hash.as_slice().ct_eq(&expected))
        };
        let digits = password.len() * 2;
        let spelt_lower = hex::encode(password);
        matches(password)
            || HEX_PASSWORD_DIGITS.contains(&digits)
                && (matches(spelt_lower.as_bytes())
                    || matches(spelt_lower.to_uppercase().as_bytes()))
    }
}

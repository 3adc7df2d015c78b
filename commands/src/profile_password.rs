//! The passwords of a station's network connection profiles (2.1: part 2, B09).
//!
//! A station holds several profiles and goes by one after the other
//! (`NetworkConfigurationPriority`, B10), each with a password of its own or with the station's.
//! Which of them it uses is its own choice, and it falls back where one does not lead to us. So the
//! password of a profile counts beside the station's own and those of other profiles; it gives way
//! to another one of the same profile, and to an operator's word.

use crate::station::StationState;
use chargebook_domain::events::v1::{
    PasswordVerifier, ProfilePassword, StationPasswordChanged, StationPasswordOffered,
};
use chargebook_domain::ids::ConfigurationSlot;

/// Most passwords of profiles that are kept of one station; the oldest gives way, first of those
/// that were offered only.
const PROFILE_PASSWORDS_MAX: usize = 16;

impl StationState {
    /// The passwords of one profile; of all without one.
    pub(crate) fn passwords_of(
        &self,
        slot: Option<ConfigurationSlot>,
    ) -> impl Iterator<Item = &ProfilePassword> {
        let is_asked_for = move |known: &&ProfilePassword| {
            slot.is_none_or(|slot| known.configuration_slot == slot)
        };
        self.profile_passwords.iter().filter(is_asked_for)
    }

    pub(crate) fn offer_to_profile(
        &mut self,
        configuration_slot: ConfigurationSlot,
        fact: &StationPasswordOffered,
    ) {
        self.add(configuration_slot, fact.password.clone(), true);
    }

    pub(crate) fn change_of_profile(
        &mut self,
        configuration_slot: ConfigurationSlot,
        fact: &StationPasswordChanged,
    ) {
        self.profile_passwords.retain(|known| known.configuration_slot != configuration_slot);
        if let Some(password) = &fact.password {
            self.add(configuration_slot, password.clone(), false);
        }
    }

    fn add(&mut self, slot: ConfigurationSlot, password: PasswordVerifier, is_offered: bool) {
        if self.profile_passwords.len() >= PROFILE_PASSWORDS_MAX {
            let offered = self.profile_passwords.iter().position(|known| known.is_offered);
            self.profile_passwords.remove(offered.unwrap_or(0));
        }
        let configuration_slot = slot;
        self.profile_passwords.push(ProfilePassword { configuration_slot, password, is_offered });
    }
}

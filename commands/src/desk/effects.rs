//! What a station's answer to a CALL of ours changes on our side.

use super::{DeskError, StationDesk};
use crate::registry::StationChange;

/// What a station has taken over or given up with its answer to a CALL of ours, whichever way
/// the CALL was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StationEffect {
    /// It logs in with this password from now on (1.6: security white paper, A01; 2.x: part 2,
    /// A01).
    NewPassword(String),
}

impl StationDesk {
    pub(super) async fn take_effect(&self, effect: &StationEffect) -> Result<(), DeskError> {
        match effect {
            StationEffect::NewPassword(password) => {
                let identity = self.state.identity.as_str();
                let change = StationChange { password: Some(password), ..StationChange::default() };
                self.chargebook.registry().change_station(identity, change).await?;
            }
        }
        Ok(())
    }
}

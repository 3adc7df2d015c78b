//! The serial number that an operator knows a station by: what a certificate of the station's may
//! name instead of its identity (2.x part 2, A00.FR.405), and what its boots are held against.

use super::{Registry, RegistryError};
use crate::station::StationState;
use chargebook_domain::ids::{StationId, StationIdentity};
use tokio::sync::RwLockWriteGuard;

/// Longest serial number, in characters: as long as a boot can name it (1.6 CiString25Type, 2.x
/// string[25]).
const SERIAL_NUMBER_CHARACTERS_MAX: usize = 25;

impl Registry {
    /// Holds a number for a station, until it is written, once it was checked.
    pub(super) async fn holding_serial_number(
        &self,
        serial_number: Option<&str>,
        station_id: Option<StationId>,
    ) -> Result<Option<RwLockWriteGuard<'_, ()>>, RegistryError> {
        let Some(serial_number) = serial_number else { return Ok(None) };
        let held = self.serial_numbers.write().await;
        self.check_serial_number(serial_number, station_id).await?;
        Ok(Some(held))
    }

    /// Checks a number that a station is to have: of two that had the same, or one the other's
    /// name, each could come with the certificate of the other. `station_id` is `None` where it is
    /// registered now.
    async fn check_serial_number(
        &self,
        serial_number: &str,
        station_id: Option<StationId>,
    ) -> Result<(), RegistryError> {
        let is_blank = serial_number.trim().is_empty();
        let is_visible = !is_blank && !serial_number.chars().any(char::is_control);
        let length = serial_number.chars().count();
        if !(1..=SERIAL_NUMBER_CHARACTERS_MAX).contains(&length) || !is_visible {
            let detail =
                format!("a serial number has 1 to {SERIAL_NUMBER_CHARACTERS_MAX} characters");
            return Err(RegistryError::invalid("/serial_number", detail));
        }
        let is_another = |holder: &StationState| Some(holder.station_id) != station_id;
        if let Some(holder) = self.holder_of(serial_number).await?.filter(is_another) {
            let detail = format!("station `{}` has that serial number", holder.identity);
            return Err(RegistryError::Conflict(detail));
        }
        let Ok(name) = StationIdentity::parse(serial_number) else { return Ok(()) };
        let name = self.station_in_any_case(&name).await?.unwrap_or(name);
        match self.station(name.as_str()).await?.filter(is_another) {
            Some(_) => Err(RegistryError::Conflict(format!(
                "a certificate of that serial number would name station `{name}`"
            ))),
            None => Ok(()),
        }
    }

    /// The same the other way round: checks the name of a station that is registered now.
    pub(super) async fn check_is_no_serial_number(
        &self,
        identity: &StationIdentity,
    ) -> Result<(), RegistryError> {
        match self.holder_of(identity.as_str()).await? {
            Some(holder) => Err(RegistryError::Conflict(format!(
                "station `{}` has the serial number `{identity}`",
                holder.identity
            ))),
            None => Ok(()),
        }
    }

    /// The station that an operator knows by a serial number, in whatever case.
    async fn holder_of(&self, serial_number: &str) -> Result<Option<StationState>, RegistryError> {
        let key = self.personal.serial_number_key(serial_number);
        let Some(stream) = self.journal.lookup(&key).await? else { return Ok(None) };
        let holder = self.station_of_stream(&stream).await?;
        Ok(holder.filter(|holder| {
            let number = holder.serial_number_registered.as_deref();
            number.is_some_and(|number| number.eq_ignore_ascii_case(serial_number))
        }))
    }
}

//! What an operator says of an alert: written into the log, with who.

use crate::Chargebook;
use crate::registry::{Registered, RegistryError};
use chargebook_domain::events::v1::AlertAcknowledged;
use chargebook_domain::ids::{AlertId, StationId, SubjectId};

/// Longest note, in characters.
const NOTE_CHARACTERS_MAX: usize = 500;
/// Longest name of who acknowledges, in characters.
const NAME_CHARACTERS_MAX: usize = 100;

/// Who has seen an alert, and what they have to say to it: kept sealed.
#[derive(Clone, Debug)]
pub struct Acknowledgement {
    /// Their name.
    pub acknowledged_by: String,
    /// In their words.
    pub note: Option<String>,
}

impl Chargebook {
    /// Writes down that somebody has seen an alert of a station. Which alerts there are, the
    /// caller knows: an alert is read out of what stations say.
    ///
    /// # Errors
    /// No such station, a name or a note that is none, or the log.
    pub async fn acknowledge_alert(
        &self,
        station: &str,
        station_id: StationId,
        alert_id: AlertId,
        acknowledgement: &Acknowledgement,
    ) -> Result<Registered, RegistryError> {
        check(acknowledgement)?;
        let subject = SubjectId(station_id.0);
        let fact = AlertAcknowledged {
            alert_id,
            acknowledged_by: self
                .personal()
                .seal(subject, &acknowledgement.acknowledged_by)
                .await?,
            note: match &acknowledgement.note {
                Some(note) => Some(self.personal().seal(subject, note).await?),
                None => None,
            },
        };
        let amend = |_: &_| vec![fact.clone().into()];
        self.registry().amend_station(station, "operator", amend).await
    }
}

fn check(acknowledgement: &Acknowledgement) -> Result<(), RegistryError> {
    let fits = |text: &str, characters_max: usize| {
        !text.trim().is_empty() && text.chars().count() <= characters_max
    };
    if !fits(&acknowledgement.acknowledged_by, NAME_CHARACTERS_MAX) {
        let detail = format!("say who acknowledges it, in 1 to {NAME_CHARACTERS_MAX} characters");
        return Err(RegistryError::invalid("/acknowledged_by", detail));
    }
    if !acknowledgement.note.as_deref().is_none_or(|note| fits(note, NOTE_CHARACTERS_MAX)) {
        let detail = format!("a note has 1 to {NOTE_CHARACTERS_MAX} characters");
        return Err(RegistryError::invalid("/note", detail));
    }
    Ok(())
}

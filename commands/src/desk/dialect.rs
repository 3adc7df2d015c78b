//! What a station does otherwise than the standard, noted once for its operator.

use super::{DeskError, StationDesk};
use crate::journal::{Draft, JournalError};
use crate::registry;
use chargebook_domain::events::v1::{Dialect, Quirk};
use chargebook_domain::ids::EventId;
use chargebook_store::AppendError;

impl StationDesk {
    /// Notes what was noticed, as far as it was not noted before. Nothing rests on it, so a
    /// failure is only logged: it will be noticed again.
    pub async fn notice(&mut self, quirks: Dialect, exchange: Option<EventId>) {
        let quirks = std::mem::take(&mut self.noticed).union(quirks);
        if quirks.without(self.state.noticed).is_standard() {
            return;
        }
        if let Err(error) = self.write_noticed(quirks, exchange).await {
            let station = self.identity();
            tracing::warn!(%station, ?quirks, %error, "a station's quirk was not noted");
        }
    }

    async fn write_noticed(
        &mut self,
        quirks: Dialect,
        exchange: Option<EventId>,
    ) -> Result<(), DeskError> {
        for _ in 0..super::DECISION_RETRIES_MAX {
            let facts = registry::noticed(&self.state, quirks, exchange);
            let journal = self.chargebook.journal();
            let drafts: Vec<_> =
                facts.map(|fact| Draft::new(journal.fresh_id(), fact).by("system")).collect();
            if drafts.is_empty() {
                return Ok(());
            }
            let registry = self.chargebook.registry();
            match registry.append_to_station(&mut self.state, drafts).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.load_state().await?;
                }
                appended => return Ok(appended.map(|_| ())?),
            }
        }
        Err(DeskError::Contended)
    }

    /// A uid with its bytes in reverse order, where the station may be one that reads them so.
    pub(super) async fn known_in_reverse(
        &mut self,
        uid: &str,
    ) -> Result<Option<String>, DeskError> {
        let Some(reversed) = reversed(uid) else { return Ok(None) };
        if self.chargebook.registry().token(&reversed).await?.is_none() {
            return Ok(None);
        }
        self.noticed.insert(Quirk::ReversedUid);
        let dialect = self.chargebook.registry().settings_of(&self.state).await?.dialect;
        Ok(Some(reversed).filter(|_| dialect.has(Quirk::ReversedUid)))
    }
}

/// Shortest uid that is turned round, in hexadecimal digits: cards have 4, 7 or 10 bytes.
const UID_DIGITS_MIN: usize = 8;

/// The bytes that hexadecimal digits spell, in reverse order; `None` where they are none, or are
/// the same from both ends.
fn reversed(uid: &str) -> Option<String> {
    let is_hex = uid.len().is_multiple_of(2) && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || uid.len() < UID_DIGITS_MIN {
        return None;
    }
    let bytes = uid.as_bytes().chunks(2).rev().flatten();
    let turned: String = bytes.map(|digit| char::from(*digit)).collect();
    (!turned.eq_ignore_ascii_case(uid)).then_some(turned)
}

#[cfg(test)]
mod tests {
    use super::reversed;

    #[test]
    fn the_bytes_of_a_uid_are_turned_round_and_not_its_digits() {
        for (uid, turned) in [
            ("04A1B2C3", Some("C3B2A104")),
            ("04a1b2c3d4e5f6", Some("f6e5d4c3b2a104")),
            ("04A1B2C", None),
            ("04A1B2", None),
            ("DE-ABC-C1", None),
            ("0404040404", None),
            ("aAbbBbAA", None),
            ("", None),
        ] {
            assert_eq!(reversed(uid).as_deref(), turned, "{uid}");
        }
    }
}

//! The alarm about a station that may exist twice.
//!
//! A station that lost its connection leaves a dead one behind. Where the replaced connection
//! still answers, somebody is at each of two ends: a copy with the same password, or a station
//! that opened a second connection beside its first. Whoever reads the alarm can tell by the
//! addresses of the connections, which are in the log.

use super::{DECISION_RETRIES_MAX, DeskError, StationDesk};
use crate::journal::{Draft, JournalError};
use crate::station::CLONE_SUSPECTED;
use chargebook_domain::events::v1::{SeenBy, StationSecurityNoted};
use chargebook_store::AppendError;
use chrono::TimeDelta;

/// Twins take the connection from each other all the time; one alarm is enough for so long.
const SILENT_FOR: TimeDelta = TimeDelta::hours(1);

impl StationDesk {
    /// Raises the alarm, unless it was raised lately.
    ///
    /// # Errors
    /// The log.
    pub async fn suspect_clone(&mut self) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let journal = self.chargebook.journal();
            let at = journal.now();
            let raised_at = self.state.clone_suspected_at;
            if raised_at.is_some_and(|raised_at| at.utc() - raised_at.utc() < SILENT_FOR) {
                return Ok(());
            }
            let fact = StationSecurityNoted {
                kind: CLONE_SUSPECTED.to_owned(),
                seen_by: SeenBy::System,
                at,
                detail: None,
                exchange: None,
            };
            let drafts = vec![Draft::new(journal.fresh_id(), fact).by("system")];
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
}

//! What several connectors are, told in one message (a NotifyEvent of 2.x, G01): each is decided
//! as if its own StatusNotification had come.
//!
//! The message itself, and what is about no session, is one append in the station's stream. What
//! belongs to sessions is written there afterwards and before the answer: should that fail, the
//! station says it all again, and what is there already is recognized.

use super::{Case, DECISION_RETRIES_MAX, DeskError, StationDesk, Target};
use crate::journal::{Draft, JournalError};
use crate::message::{Judged, Notice, NoticeContent, StationMessage, StatusReport};
use chargebook_domain::events::Event;
use chargebook_store::AppendError;

impl StationDesk {
    /// The facts about connectors that no session holds.
    pub(super) async fn statuses_of_no_session(
        &mut self,
        case: &Case<'_>,
        notice: &Notice,
    ) -> Result<Vec<Event>, DeskError> {
        let NoticeContent::Events { statuses, .. } = &notice.content else {
            return Ok(Vec::new());
        };
        let mut facts = Vec::new();
        for status in statuses {
            let decision = self.decide_status(case, status).await?;
            if matches!(decision.target, Target::Station) {
                facts.extend(decision.facts);
            }
        }
        Ok(facts)
    }

    /// Writes down what is about connectors that sessions hold.
    pub(super) async fn take_statuses(&mut self, case: &Case<'_>) -> Result<(), DeskError> {
        let Judged::Message(StationMessage::Notice(notice)) = case.judged else { return Ok(()) };
        let NoticeContent::Events { statuses, .. } = &notice.content else { return Ok(()) };
        for (ordinal, status) in (0..).zip(statuses) {
            self.take_status(case, ordinal, status).await?;
        }
        Ok(())
    }

    async fn take_status(
        &mut self,
        case: &Case<'_>,
        ordinal: u32,
        status: &StatusReport,
    ) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            self.follow_other_desks().await?;
            let mut decision = self.decide_status(case, status).await?;
            if matches!(decision.target, Target::Station) {
                return Ok(());
            }
            let Some(fact) = decision.facts.pop() else { return Ok(()) };
            let station_id = self.state.station_id;
            let draft = Draft::following(case.receipt_id, ordinal, fact.clone());
            decision.facts.push(fact);
            match self.write(vec![draft.by("station").about(station_id)], &decision).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    if let Target::Session(stream) = &decision.target {
                        self.sessions.forget(stream);
                    }
                }
                written => return Ok(written?),
            }
        }
        Err(DeskError::Contended)
    }
}

//! What several connectors are, told in one message (a NotifyEvent of 2.x, G01): each is decided
//! as if its own StatusNotification had come.
//!
//! The message itself, and what is about no session, is one append in the station's stream. What
//! belongs to sessions is written there afterwards and before the answer: should that fail, the
//! station says it all again, and what is there already is recognized.

use super::{Case, DECISION_RETRIES_MAX, Decision, DeskError, StationDesk, Target};
use crate::journal::{Draft, JournalError};
use crate::message::{Judged, NoticeContent, StationMessage, StatusReport};
use chargebook_domain::events::Event;
use chargebook_domain::ids::EventId;
use chargebook_store::AppendError;

/// What the statuses of one message say.
#[derive(Default)]
pub(super) struct StatusesTold {
    /// Whether one of them was not told before: then the message is no repeat.
    pub(super) has_news: bool,
    /// The exchange that told the first of them that was.
    pub(super) repeats: Option<EventId>,
    /// The facts about connectors that no session holds.
    pub(super) of_no_session: Vec<Event>,
}

impl StationDesk {
    /// Decides each of them, and writes nothing yet.
    pub(super) async fn decide_statuses(
        &mut self,
        case: &Case<'_>,
        statuses: &[StatusReport],
    ) -> Result<StatusesTold, DeskError> {
        let mut told = StatusesTold::default();
        for status in statuses {
            let decision = self.decide_status(case, status).await?;
            told.has_news |= !decision.facts.is_empty();
            told.repeats = told.repeats.or(decision.duplicate_of);
            if matches!(decision.target, Target::Station) {
                told.of_no_session.extend(decision.facts);
            }
        }
        Ok(told)
    }

    /// Writes down what is about connectors that sessions hold. A repeat says nothing new, and no
    /// fact may rest on it.
    pub(super) async fn take_statuses(
        &mut self,
        case: &Case<'_>,
        message: &Decision,
    ) -> Result<(), DeskError> {
        if message.duplicate_of.is_some() {
            return Ok(());
        }
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
            match self.write(vec![draft.by("station").about(station_id)], &decision.target).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    if let Target::Session(stream) = &decision.target {
                        self.sessions.forget(stream);
                    }
                }
                written => {
                    written?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }
}

//! A session that is ended by a token: whether it is the one that began it, one of its group, or
//! the master pass (OCPP 1.6 section 4.10; 2.x part 2, C09 and C16).
//!
//! Who may end a session is the station's to judge, from what it was answered about the tokens. An
//! end by anybody else is an end all the same, and is noted.

use super::sessions::Bay;
use super::{DeskError, StationDesk};
use crate::message::{PresentedToken, TokenAnswer};
use chargebook_domain::events::v1::{Anomaly, Authorization, SessionAnomalyNoted};
use chargebook_domain::ids::{EventId, SubjectId};
use chargebook_domain::sealed::{Part, SealedText};
use chargebook_domain::session::Session;
use std::collections::BTreeSet;
use std::sync::Arc;

impl StationDesk {
    /// What is to be noted where a token has ended a session that another one `began`, by what was
    /// answered about it.
    pub(super) async fn ended_by_another(
        &self,
        began: &SealedText,
        answer: &TokenAnswer,
        exchange: EventId,
    ) -> Result<Option<SessionAnomalyNoted>, DeskError> {
        if self.may_end(began, answer).await? {
            return Ok(None);
        }
        let detail = "a token ended it that neither began it nor is of its group".to_owned();
        let anomaly = Anomaly::StoppedByAnother;
        Ok(Some(SessionAnomalyNoted { anomaly, detail, exchange: Some(exchange) }))
    }

    /// Whether a session that was let charge goes on here that a token, or one of its group, has
    /// begun. To end it the station needs the token accepted, whatever its account has left.
    pub(super) async fn may_end_one_here(
        &mut self,
        token: &PresentedToken,
        answer: &TokenAnswer,
    ) -> Result<bool, DeskError> {
        let accepted = TokenAnswer { authorization: Authorization::Accepted, ..answer.clone() };
        let subject = self.chargebook.personal().token_subject(&token.uid).await?;
        let outlets = self.state.connectors.keys();
        let bays = outlets.map(|at| at.evse.map_or(Bay::Connector(at.connector), Bay::Evse));
        let bays: BTreeSet<Bay> = bays.chain(self.sessions.bays()).collect();
        for bay in bays {
            let Some(stream) = self.latest_at(bay).await? else { continue };
            let Some(session) = self.session(&stream).await?.map(Arc::clone) else { continue };
            let started = session.started().filter(|started| started.is_accepted());
            let Some(began) = started.and_then(|started| started.id_tag.as_ref()) else { continue };
            if session.stop().is_none()
                && (is_sealed_for(began, subject) || self.may_end(began, &accepted).await?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it is the master pass, or of the group of the token that began the session.
    async fn may_end(&self, began: &SealedText, answer: &TokenAnswer) -> Result<bool, DeskError> {
        if answer.authorization != Authorization::Accepted {
            return Ok(false);
        }
        let Some(group) = answer.group.as_ref().map(|group| group.uid.as_str()) else {
            return Ok(false);
        };
        let registry = self.chargebook.registry();
        if registry.is_master_pass(Some(group)).await? {
            return Ok(true);
        }
        let began = self.chargebook.personal().open(began).await;
        let known = registry.token(&began).await?;
        let its_group = known.as_ref().and_then(|token| token.group.as_deref());
        Ok(its_group.is_some_and(|its_group| its_group.to_lowercase() == group.to_lowercase()))
    }
}

/// The token that began a session, where it is another one than this.
pub(super) fn began_by_another(session: &Session, token: &SealedText) -> Option<SealedText> {
    let began = session.started()?.id_tag.as_ref()?;
    let is_the_same = subject_of(token).is_some_and(|subject| is_sealed_for(began, subject));
    (!is_the_same).then(|| began.clone())
}

/// Whether a token's uid is sealed under that subject's key.
pub(super) fn is_sealed_for(id_tag: &SealedText, subject: SubjectId) -> bool {
    id_tag.parts().iter().any(|part| matches!(part, Part::Hole(hole) if hole.subject == subject))
}

fn subject_of(token: &SealedText) -> Option<SubjectId> {
    token.parts().iter().find_map(|part| match part {
        Part::Hole(hole) => Some(hole.subject),
        Part::Plain(_) => None,
    })
}

//! What a session's payer may still spend, and what follows when that is spent: the station is
//! told the limit where its version has a place for it (2.1, E16 and C17), and is otherwise asked
//! to end the session.

use super::{Case, Decision, DeskError, StationDesk, Target};
use crate::clock::derived_id;
use crate::intent::CommandStage;
use crate::settling::tariff_so_far;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Intent;
use chargebook_domain::ids::{
    AccountId, CommandId, EventId, SessionId, TransactionId, TransactionNumber,
};
use chargebook_domain::session::Session;
use chargebook_store::StreamName;
use rust_decimal::Decimal;
use std::sync::Arc;

/// How often a station is asked to end a session whose payer has nothing left; again only with
/// the session's next message, and after the last time has failed or was refused.
const STOPS_ASKED_MAX: u32 = 3;

impl StationDesk {
    /// Whether an account may spend anything, in the currency of the tariff in force.
    pub(super) async fn has_credit(
        &self,
        account_id: AccountId,
        case: &Case<'_>,
    ) -> Result<bool, DeskError> {
        let (registry, now) = (self.chargebook.registry(), case.receipt.received_at);
        let Some(choice) = registry.tariff_for(now, now).await? else { return Ok(true) };
        let headroom = registry.headroom(account_id, choice.tariff.currency).await?;
        Ok(headroom.is_none_or(|headroom| headroom > Decimal::ZERO))
    }

    /// Whether there is an end to what a session's payer may spend.
    pub(super) async fn has_limit(&self, session: &Session) -> Result<bool, DeskError> {
        match payer(session) {
            Some(account_id) => Ok(self.chargebook.registry().is_limited(account_id).await?),
            None => Ok(false),
        }
    }

    /// What a session may cost at most, including taxes, in its tariff's currency; `None`: any
    /// amount.
    pub(super) async fn cost_limit(&self, session: &Session) -> Result<Option<Decimal>, DeskError> {
        let Some(account_id) = payer(session) else { return Ok(None) };
        let Some((choice, _)) = tariff_so_far(&self.chargebook, session).await? else {
            return Ok(None);
        };
        let registry = self.chargebook.registry();
        let headroom = registry.headroom(account_id, choice.tariff.currency).await?;
        Ok(headroom.map(|headroom| headroom.max(Decimal::ZERO)))
    }

    /// The limit that a message of a 2.1 station is answered with; its repeat is answered as it
    /// was.
    pub(super) async fn cost_limit_to_answer(
        &self,
        session: &Session,
        repeats: Option<EventId>,
    ) -> Result<Option<Decimal>, DeskError> {
        let Some(transaction) = session.transaction() else { return Ok(None) };
        if let Some(exchange) = repeats {
            return Ok(transaction.cost_limit_answered_in(exchange));
        }
        let limit = self.cost_limit(session).await?;
        let (answered, said) = (transaction.cost_limit_answered(), transaction.cost_limit());
        Ok(limit.filter(|limit| is_to_be_answered(*limit, answered, said)))
    }

    /// Whether a session has come to what it may cost.
    pub(super) async fn is_spent(&self, session: &Session) -> Result<bool, DeskError> {
        let Some(limit) = self.cost_limit(session).await? else { return Ok(false) };
        let cost = self.cost_so_far(session).await?.unwrap_or_default();
        Ok(cost >= limit)
    }

    /// Asks the station to end the session that a message was about, if its payer has nothing
    /// left. Should this fail, the session's next message does it.
    pub(super) async fn stop_if_spent(&mut self, decision: &Decision) {
        let (Target::Session(stream) | Target::NewSession(stream)) = &decision.target else {
            return;
        };
        let goes_on = |fact: &Event| {
            matches!(fact, Event::SessionMeterRecorded(_) | Event::SessionTransactionReported(_))
        };
        if self.state.settings.quiet || !decision.facts.iter().any(goes_on) {
            return;
        }
        let session = match self.session(stream).await {
            Ok(Some(session)) => Arc::clone(session),
            Ok(None) => return,
            Err(error) => return tell_not_ended(&error),
        };
        match self.has_limit(&session).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return tell_not_ended(&error),
        }
        // Boxed: hardly any session has a limit.
        if let Err(error) = Box::pin(self.ask_to_stop_if_spent(&session)).await {
            tell_not_ended(&error);
        }
    }

    async fn ask_to_stop_if_spent(&self, session: &Session) -> Result<(), DeskError> {
        if session.stop().is_some() {
            return Ok(());
        }
        let told = session.transaction().and_then(|transaction| transaction.cost_limit());
        let is_kept_by_station = told.is_some() && told <= self.cost_limit(session).await?;
        if is_kept_by_station || !self.is_spent(session).await? {
            return Ok(());
        }
        match session.beginning_so_far() {
            Some(began) => self.ask_to_stop(began.session_id, &began.transaction_id).await,
            None => Ok(()),
        }
    }

    async fn ask_to_stop(
        &self,
        session_id: SessionId,
        transaction: &TransactionId,
    ) -> Result<(), DeskError> {
        let intent = match transaction {
            TransactionId::Number(number) => {
                Intent::Stop { transaction_id: *number, transaction: None }
            }
            TransactionId::Name(name) => Intent::Stop {
                transaction_id: TransactionNumber(0),
                transaction: Some(name.clone()),
            },
        };
        for ordinal in 0..STOPS_ASKED_MAX {
            let id = derived_id(EventId(session_id.0), "credit_spent", ordinal);
            let command_id = CommandId(id.0);
            let stream = StreamName::of("command", command_id.0);
            let Some((view, _)) = self.chargebook.command_state(&stream).await? else {
                return Ok(self.chargebook.request_once(&self.state, command_id, intent).await?);
            };
            let is_over = view.stage == CommandStage::Finished;
            if !is_over || view.status.as_deref() == Some("Accepted") {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn tell_not_ended(error: &DeskError) {
    tracing::warn!(%error, "a session whose payer has nothing left could not be ended");
}

/// Whether a station has to be told a limit, by what it was `answered` last and what it has `said`
/// last that it keeps to. A lower one that it says and was not answered is the driver's, and
/// stands.
fn is_to_be_answered(limit: Decimal, answered: Option<Decimal>, said: Option<Decimal>) -> bool {
    match said {
        Some(said) if said > limit => true,
        Some(said) if Some(said) != answered => false,
        _ => answered != Some(limit),
    }
}

/// Who pays for a session that was let charge, though its start may be yet to come.
fn payer(session: &Session) -> Option<AccountId> {
    session.beginning_so_far().filter(|began| began.is_accepted())?.account_id
}

#[cfg(test)]
mod tests {
    use super::is_to_be_answered;
    use rust_decimal::Decimal;

    #[test]
    fn a_limit_is_answered_once_and_never_above_the_drivers() {
        for (limit, answered, said, expected) in [
            (5, None, None, true),
            (5, Some(5), None, false),
            (5, Some(5), Some(5), false),
            (6, Some(5), Some(5), true),
            (4, Some(5), Some(5), true),
            (4, Some(5), None, true),
            (5, Some(5), Some(3), false),
            (6, Some(5), Some(3), false),
            (2, Some(5), Some(3), true),
            (5, None, Some(3), false),
            (5, None, Some(8), true),
            (5, Some(5), Some(8), true),
        ] {
            let is = is_to_be_answered(
                Decimal::from(limit),
                answered.map(Decimal::from),
                said.map(Decimal::from),
            );
            assert_eq!(is, expected, "{limit}, answered {answered:?}, said {said:?}");
        }
    }
}

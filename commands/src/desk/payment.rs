//! Payments at a station's own terminal (2.1, C18 to C24): what the station tells of one belongs to
//! the session that it paid for. No money of ours moves by it.

use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, PresentedToken};
use chargebook_domain::events::v1::{
    Intent, SessionPaymentSettled, TerminalPayment, TransactionLimit,
};
use chargebook_domain::ids::SubjectId;
use chargebook_store::StreamName;
use std::sync::Arc;

impl StationDesk {
    /// A payment for the session of a stream; one that was told before changes nothing.
    pub(super) async fn decide_payment(
        &mut self,
        case: &Case<'_>,
        told: &TerminalPayment<String>,
        stream: StreamName,
    ) -> Result<Decision, DeskError> {
        let session = self.session(&stream).await?.map(Arc::clone);
        let transaction = session.as_ref().and_then(|session| session.transaction());
        let known = transaction.and_then(|transaction| transaction.exchange_of_payment(told));
        if known.is_some() {
            let decision = Decision::session(stream, Answer::Empty, Vec::new());
            return Ok(decision.repeating(known));
        }
        let payment = self.seal_payment(told).await?;
        let fact = SessionPaymentSettled { payment, exchange: case.receipt_id };
        Ok(Decision::session(stream, Answer::Empty, vec![fact.into()]))
    }

    /// What a session may come to that begins with a payment, where somebody who took the payment
    /// asked us to begin it and said so (C24, C25).
    pub(super) async fn limit_of_payment(
        &self,
        token: &PresentedToken,
    ) -> Result<TransactionLimit, DeskError> {
        let key = self.chargebook.personal().payment_key(self.state.station_id, &token.uid);
        let Some(stream) = self.lookup(&key).await? else { return Ok(TransactionLimit::default()) };
        let asked = self.chargebook.command_state(&stream).await?;
        Ok(match asked.map(|(view, _)| view.requested.intent) {
            Some(Intent::StartPaid { limit: Some(limit), .. }) => limit,
            _ => TransactionLimit::default(),
        })
    }

    async fn seal_payment(
        &self,
        told: &TerminalPayment<String>,
    ) -> Result<TerminalPayment, DeskError> {
        let subject = SubjectId(self.state.station_id.0);
        let personal = self.chargebook.personal();
        let (receipt_id, receipt_url) = (&told.receipt_id, &told.receipt_url);
        Ok(TerminalPayment {
            status: told.status.clone(),
            amount: told.amount,
            at: told.at,
            reference: personal.seal(subject, &told.reference).await?,
            receipt_id: match receipt_id {
                Some(number) => Some(personal.seal(subject, number).await?),
                None => None,
            },
            receipt_url: match receipt_url {
                Some(address) => Some(personal.seal(subject, address).await?),
                None => None,
            },
        })
    }
}

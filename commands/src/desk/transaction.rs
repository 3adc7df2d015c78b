//! TransactionEvent: each message tells a part of a transaction.

use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, TransactionAnswer, TransactionReport};

impl StationDesk {
    /// Kept verbatim; the token is answered.
    pub(super) async fn decide_transaction(
        &mut self,
        case: &Case<'_>,
        report: &TransactionReport,
    ) -> Result<Decision, DeskError> {
        let token = match &report.token {
            Some(token) => Some(self.present_token(token, case).await?.answer),
            None => None,
        };
        let answer = Answer::Transaction(TransactionAnswer { token, total_cost: None });
        Ok(Decision::station(answer, Vec::new()))
    }
}

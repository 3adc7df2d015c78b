//! Payments at a station's own terminal (2.1, C18 to C24): what the station tells of one belongs to
//! the session that it paid for. No money of ours moves by it.

use super::reports::notified;
use super::transaction::OCCURRENCES_SEARCHED_MAX;
use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, Notice, PresentedToken, TransactionReport};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Intent, SessionPaymentSettled, StationPaymentTold, TerminalPayment, TransactionLimit,
};
use chargebook_domain::ids::{SubjectId, TransactionName};
use chargebook_domain::session::is_taken;
use chargebook_store::{LookupKey, StreamName};
use std::sync::Arc;

impl StationDesk {
    /// A payment is told to the session that it is for. Where that has not begun, or is not found,
    /// it is kept with the station until it has; one without a transaction was over before one
    /// began (C19). What was told before changes nothing.
    pub(super) async fn decide_payment(
        &mut self,
        case: &Case<'_>,
        notice: &Notice,
        told: &TerminalPayment<String>,
    ) -> Result<Decision, DeskError> {
        let transaction = notice.transaction_id.as_ref();
        let key = self.payment_told_key(told, transaction);
        if let Some(stream) = self.lookup(&key).await? {
            return self.payment_again(told, stream, &key).await;
        }
        let latest = match transaction {
            Some(transaction) => self.latest_of_transaction(transaction).await?,
            None => None,
        };
        if let Some((transaction, latest)) = transaction.zip(latest)
            && let Some(stream) = self.session_of_payment(transaction, told, latest).await?
        {
            let mut decision = self.decide_payment_of(case, told, stream).await?;
            decision.keys.push(key);
            return Ok(decision);
        }
        let mut facts = vec![notified(notice, case.receipt_id).into()];
        let mut keys = vec![key];
        if let Some(transaction) = transaction {
            keys.push(self.early_payment_key(transaction));
            if is_taken(told) {
                keys.push(self.early_settlement_key(transaction));
            }
            let (transaction, payment) = (transaction.clone(), self.seal_payment(told).await?);
            let exchange = case.receipt_id;
            // The first of the facts carries the keys.
            facts.insert(0, StationPaymentTold { transaction, payment, exchange }.into());
        }
        let mut decision = Decision::station(Answer::Empty, facts);
        decision.keys = keys;
        Ok(decision)
    }

    /// What was told before, to the session that has it, or else to the station.
    async fn payment_again(
        &mut self,
        told: &TerminalPayment<String>,
        stream: StreamName,
        key: &LookupKey,
    ) -> Result<Decision, DeskError> {
        let session = self.session(&stream).await?;
        let transaction = session.and_then(|session| session.transaction());
        let known = transaction.and_then(|transaction| transaction.exchange_of_payment(told));
        Ok(match known {
            Some(_) => Decision::session(stream, Answer::Empty, Vec::new()).repeating(known),
            None => {
                let told_by = self.first_told(&stream, key).await?;
                Decision::station(Answer::Empty, Vec::new()).repeating(told_by)
            }
        })
    }

    /// Of all sessions with a transaction's id the last one that had begun, by the station's
    /// clock, when the payment was settled; the first one where none had, since clocks err.
    async fn session_of_payment(
        &mut self,
        transaction: &TransactionName,
        told: &TerminalPayment<String>,
        latest: StreamName,
    ) -> Result<Option<StreamName>, DeskError> {
        let personal = self.chargebook.personal().clone();
        let mut stream = latest;
        for _ in 0..OCCURRENCES_SEARCHED_MAX {
            let session = self.session(&stream).await?;
            let Some(known) = session.and_then(|session| session.transaction()) else { break };
            if known.first_at().is_none_or(|first_at| first_at <= told.at) {
                return Ok(Some(stream));
            }
            let occurrence = known.opened().map(|opened| opened.occurrence);
            let Some(before) = occurrence.and_then(|number| number.checked_sub(1)) else {
                return Ok(Some(stream));
            };
            let (station, name) = (self.state.station_id, transaction.as_str());
            stream =
                StreamName::of("session", personal.session_id_of_name(station, name, before).0);
        }
        Ok(None)
    }

    async fn decide_payment_of(
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

    /// The payments that were told for a transaction before any of its messages came. Of those that
    /// have given way to others the last one by which money was taken, whatever was told after it,
    /// and the last one of all; as far as the log is looked through for them, and unless they were
    /// dismissed.
    pub(super) async fn payments_told_early(
        &self,
        first: &TransactionReport,
    ) -> Result<Vec<Event>, DeskError> {
        let is_of_it = |told: &&StationPaymentTold| told.transaction == first.transaction_id;
        let mut told: Vec<_> = self.state.payments.iter().filter(is_of_it).cloned().collect();
        if self.state.have_payments_given_way {
            let transaction = &first.transaction_id;
            for key in [self.early_settlement_key(transaction), self.early_payment_key(transaction)]
            {
                let found = self.payment_given_way(&key).await?;
                let is_news = |found: &StationPaymentTold| {
                    told.iter().all(|told| told.exchange != found.exchange)
                };
                let found = found.filter(is_news);
                told.extend(found);
            }
        }
        let settled = |told: StationPaymentTold| {
            SessionPaymentSettled { payment: told.payment, exchange: told.exchange }.into()
        };
        Ok(told.into_iter().map(settled).collect())
    }

    async fn payment_given_way(
        &self,
        key: &LookupKey,
    ) -> Result<Option<StationPaymentTold>, DeskError> {
        let Some(stream) = self.lookup(key).await? else { return Ok(None) };
        let Some(Event::StationPaymentTold(told)) = self.find_told(&stream, key).await? else {
            return Ok(None);
        };
        let dismissed = self.chargebook.personal().dismissal_key(told.exchange);
        Ok(self.lookup(&dismissed).await?.is_none().then_some(*told))
    }

    /// Whether a session has just taken in what its station had told before.
    pub(super) fn is_told_early(&self, settled: &SessionPaymentSettled) -> bool {
        self.state.payments.iter().any(|told| told.exchange == settled.exchange)
    }

    /// Finds what was told of a transaction's payment before the transaction.
    fn early_payment_key(&self, transaction: &TransactionName) -> LookupKey {
        let words = (self.state.station_id, transaction.as_str());
        self.chargebook.personal().name_key("payment-told-early", &format!("{words:?}"))
    }

    /// Finds what was told of such a payment by which money was taken: a later word that it failed
    /// does not hide it.
    fn early_settlement_key(&self, transaction: &TransactionName) -> LookupKey {
        let words = (self.state.station_id, transaction.as_str());
        self.chargebook.personal().name_key("payment-taken-early", &format!("{words:?}"))
    }

    /// Finds again what was told of a payment whose session is not known, or that has none.
    fn payment_told_key(
        &self,
        told: &TerminalPayment<String>,
        transaction: Option<&TransactionName>,
    ) -> LookupKey {
        let station_id = self.state.station_id;
        let transaction = transaction.map(TransactionName::as_str);
        let (at, amount) = (told.at.as_millis(), told.amount.normalize());
        let words = (station_id, transaction, at, &told.status, amount, &told.reference);
        self.chargebook.personal().name_key("payment-told", &format!("{words:?}"))
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

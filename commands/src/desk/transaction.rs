//! TransactionEvent: each message tells a part of a transaction's story, in any order. The
//! station's id of the transaction names the session, from whichever message comes first.

use super::meter::new_samples;
use super::other_token::began_by_another;
use super::sessions::Bay;
use super::start::clock_trust;
use super::{Case, Decision, DeskError, StationDesk, Target};
use crate::clock::derived_id;
use crate::message::{
    Answer, TokenAnswer, TransactionAnswer, TransactionEventKind, TransactionReport,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Authorization, ClockTrust, MeterSample, SessionMeterRecorded, SessionOpened,
    SessionTokenPresented, SessionTransactionReported, TransactionLimit,
};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::session::{
    Beginning, Fit, Session, Transaction, is_begin_register, superseding,
};
use chargebook_store::{LookupKey, StreamName};
use std::sync::Arc;
use uuid::Uuid;

/// Transactions with the same id that are looked through for the one a late message is of.
pub(super) const OCCURRENCES_SEARCHED_MAX: u32 = 16;

/// The station's word for a token that was accepted to end the transaction.
const STOP_AUTHORIZED: &str = "StopAuthorized";

/// Which session a message is of.
enum Whose {
    /// One that is known; with the exchange that brought this very message before, if one did.
    Known { stream: StreamName, repeats: Option<EventId> },
    /// One that begins with this message.
    New { occurrence: u32 },
}

impl StationDesk {
    pub(super) async fn decide_transaction(
        &mut self,
        case: &Case<'_>,
        report: &TransactionReport,
    ) -> Result<Decision, DeskError> {
        let presented = match &report.token {
            Some(token) => {
                let mut presented = self.present_token(token, case).await?;
                if report.keeps_no_credit {
                    presented = self.for_this_moment(presented, case).await?;
                }
                Some((token, presented))
            }
            None => None,
        };
        let whose = self.whose_transaction(case, report).await?;
        let mut facts: Vec<Event> = Vec::new();
        let mut keys = Vec::new();
        let (stream, session) = match &whose {
            Whose::Known { stream, .. } => {
                let session = self.session(stream).await?.ok_or(DeskError::Contended)?;
                (stream.clone(), Arc::clone(session))
            }
            Whose::New { occurrence } => {
                let opened = self.opening(case, report, *occurrence).await?;
                let personal = self.chargebook.personal();
                let name = report.transaction_id.as_str();
                keys.push(personal.named_transaction_key(self.state.station_id, name));
                let stream = StreamName::of("session", opened.session_id.0);
                facts.push(opened.into());
                // What was told before any session had that id is of the first one that has it.
                if *occurrence == 0 {
                    facts.extend(self.payments_told_early(report).await?);
                }
                (stream, Arc::default())
            }
        };
        let ends = report.kind == TransactionEventKind::Ended || report.trigger == STOP_AUTHORIZED;
        let began = session.transaction().and_then(|known| known.token());
        let is_begun = began
            .is_some_and(|token| token.authorization == Authorization::Accepted && !token.ends);
        let presented = presented.map(|(token, presented)| match ends || is_begun {
            true => (token, presented),
            false => (token, presented.beginning()),
        });
        let repeats = match whose {
            Whose::Known { repeats, .. } => repeats,
            Whose::New { .. } => None,
        };
        let samples = new_samples(case, &session, &report.samples);
        if repeats.is_some() && !samples.is_empty() {
            facts.push(SessionMeterRecorded { samples, exchange: case.receipt_id }.into());
        } else if repeats.is_none() {
            facts.push(reported(case, report, samples).into());
            if let Some((token, presented)) = &presented {
                let id_tag = match token.is_no_authorization() {
                    true => None,
                    false => Some(self.chargebook.personal().seal_uid(&token.uid).await?),
                };
                let began = id_tag.as_ref().filter(|_| ends);
                let began = began.and_then(|id_tag| began_by_another(&session, id_tag));
                if let Some(began) = began {
                    let answer = &presented.answer;
                    let noted = self.ended_by_another(&began, answer, case.receipt_id).await?;
                    facts.extend(noted.map(Event::from));
                }
                let fact = SessionTokenPresented {
                    sequence: report.sequence,
                    at: report.at,
                    id_tag,
                    kind: token.kind.clone(),
                    token_id: presented.token_id,
                    // A master pass pays for nothing.
                    account_id: presented.account_id.filter(|_| !presented.is_master_pass),
                    authorization: presented.answer.authorization,
                    ends,
                    exchange: case.receipt_id,
                };
                facts.push(fact.into());
            }
        }
        let was_placed = session.transaction().is_some_and(Transaction::is_placed);
        let has_limit = self.has_limit(&session).await?;
        if was_placed && !has_limit && only_goes_on(report) && !brings_begin(&facts) {
            let token = presented.map(|(_, presented)| presented.answer);
            let answer = TransactionAnswer { token, ..TransactionAnswer::default() };
            let answer = Answer::Transaction(answer);
            return Ok(Decision::session(stream, answer, facts).repeating(repeats));
        }
        let mut after = Session::clone(&session);
        self.take_in(&mut after, &facts);
        if repeats.is_none() {
            facts.extend(self.reservation_used_by(case, report, &after));
        }
        if report.kind == TransactionEventKind::Started && repeats.is_none() {
            let claimed = self.claim_early_of_evse(&after);
            self.take_in(&mut after, &claimed);
            facts.extend(claimed);
        }
        if !was_placed && after.transaction().is_some_and(Transaction::is_placed) {
            keys.extend(self.take_evse(&after, &mut facts).await?);
        } else if after.started().is_some_and(Beginning::is_refused) {
            self.follow_at_evse(&after, &mut facts).await?;
        }
        let token = presented.map(|(_, presented)| presented.answer);
        let answer = Box::pin(self.transaction_answer(&after, report, token, repeats)).await?;
        for fact in &mut facts {
            if let Event::SessionTransactionReported(reported) = fact {
                reported.cost_limit_answered = answer.limit.cost;
            }
        }
        let answer = Answer::Transaction(answer);
        let mut decision = Decision::session(stream.clone(), answer, facts).repeating(repeats);
        decision.keys = keys;
        if matches!(whose, Whose::New { .. }) {
            decision.target = Target::NewSession(stream);
        }
        Ok(decision)
    }

    /// What the session costs and may cost, where the answer has places for it; and that its
    /// payer has nothing left, where it has none.
    async fn transaction_answer(
        &mut self,
        session: &Session,
        report: &TransactionReport,
        token: Option<TokenAnswer>,
        repeats: Option<EventId>,
    ) -> Result<TransactionAnswer, DeskError> {
        let total_cost = self.total_cost(session, report).await?;
        let mut answer = TransactionAnswer { token, total_cost, ..TransactionAnswer::default() };
        if report.kind == TransactionEventKind::Ended {
            return Ok(answer);
        }
        if report.is_priced_on_the_way {
            answer.limit = match report.token.as_ref().filter(|token| token.is_direct_payment()) {
                Some(payment) => self.limit_of_payment(payment).await?,
                None => TransactionLimit {
                    cost: self.cost_limit_to_answer(session, repeats).await?,
                    ..TransactionLimit::default()
                },
            };
        } else if answer.token.is_none() && self.is_spent(session).await? {
            answer.token = Some(TokenAnswer::plain(Authorization::NoCredit));
        }
        Ok(answer)
    }

    /// The reservation that a message names, used up once, and by nobody who was refused.
    fn reservation_used_by(
        &self,
        case: &Case<'_>,
        report: &TransactionReport,
        session: &Session,
    ) -> Option<Event> {
        let number = report.reservation_id?;
        let transaction = session.transaction()?;
        let opened = transaction.opened()?;
        if transaction.used().is_some() {
            return None;
        }
        (!transaction.is_refused()).then(|| self.reservation_used(case, number, opened.session_id))
    }

    /// The session that a message is of: of all transactions with its id the latest one that it
    /// fits.
    async fn whose_transaction(
        &mut self,
        case: &Case<'_>,
        report: &TransactionReport,
    ) -> Result<Whose, DeskError> {
        let name = &report.transaction_id;
        // A first message is nearly always that of a new transaction: the append tells where it
        // is not, and spares a look into the log.
        let is_first = report.kind == TransactionEventKind::Started && report.sequence == 0;
        if is_first && case.met.is_none() && !self.sessions.is_named(name) {
            return Ok(Whose::New { occurrence: 0 });
        }
        let Some(latest) = self.latest_of_transaction(name).await? else {
            return Ok(Whose::New { occurrence: 0 });
        };
        let (fit, occurrence) = self.fit(&latest, report).await?.ok_or(DeskError::Contended)?;
        if let Some(whose) = known(&latest, fit) {
            return Ok(whose);
        }
        let earlier = (0..occurrence).rev();
        for occurrence in earlier.take(usize::try_from(OCCURRENCES_SEARCHED_MAX).unwrap_or(0)) {
            let id = self.session_of_name(report, occurrence);
            let stream = StreamName::of("session", id.0);
            let Some((fit, _)) = self.fit(&stream, report).await? else { continue };
            if let Some(whose) = known(&stream, fit) {
                return Ok(whose);
            }
        }
        // Its time lies before the start, and no earlier transaction takes it: then a clock has
        // been set.
        match fit {
            Fit::Earlier => Ok(Whose::Known { stream: latest, repeats: None }),
            _ => Ok(Whose::New { occurrence: occurrence + 1 }),
        }
    }

    async fn fit(
        &mut self,
        stream: &StreamName,
        report: &TransactionReport,
    ) -> Result<Option<(Fit, u32)>, DeskError> {
        let Some(session) = self.session(stream).await? else { return Ok(None) };
        let Some(transaction) = session.transaction() else { return Ok(None) };
        let occurrence = transaction.opened().map(|opened| opened.occurrence);
        let fit = transaction.fit(report.sequence, report.at, report.kind);
        Ok(occurrence.map(|occurrence| (fit, occurrence)))
    }

    fn session_of_name(&self, report: &TransactionReport, occurrence: u32) -> SessionId {
        let name = report.transaction_id.as_str();
        let personal = self.chargebook.personal();
        personal.session_id_of_name(self.state.station_id, name, occurrence)
    }

    async fn opening(
        &self,
        case: &Case<'_>,
        report: &TransactionReport,
        occurrence: u32,
    ) -> Result<SessionOpened, DeskError> {
        let (site_id, time_zone) = self.place().await?;
        Ok(SessionOpened {
            session_id: self.session_of_name(report, occurrence),
            station_id: self.state.station_id,
            station: self.state.identity.clone(),
            transaction_id: report.transaction_id.clone(),
            occurrence,
            site_id,
            time_zone,
            received_at: case.receipt.received_at,
            exchange: case.receipt_id,
        })
    }

    /// Folds facts that are yet to be written.
    pub(super) fn take_in(&self, session: &mut Session, facts: &[Event]) {
        let first = session.version().map_or(0, |version| version + 1);
        let now = self.chargebook.journal().now();
        for (version, fact) in (first..).zip(facts) {
            session.apply(EventId(Uuid::nil()), version, now, fact);
        }
    }

    /// What the connectors of its EVSE said of the session before its start came, as far as it
    /// is kept.
    fn claim_early_of_evse(&self, session: &Session) -> Vec<Event> {
        let Some(started) = session.started() else { return Vec::new() };
        if started.evse.is_none() || started.clock != ClockTrust::Plausible {
            return Vec::new();
        }
        let is_its_own = |connector| started.connector.is_none_or(|own| own == connector);
        let of_evse = self
            .state
            .connectors
            .iter()
            .filter(|(outlet, _)| outlet.evse == started.evse && is_its_own(outlet.connector));
        of_evse
            .flat_map(|(_, known)| &known.early.statuses)
            .filter(|status| session.holds_connector_at(status.at))
            .map(|status| status.clone().into())
            .collect()
    }

    /// Tells the session before it at its EVSE what this message, the fact of that number, shows of
    /// how this one began.
    pub(super) async fn after_transaction(
        &mut self,
        case: &Case<'_>,
        decision: &Decision,
        ordinal: u32,
    ) {
        let (Target::Session(stream) | Target::NewSession(stream)) = &decision.target else {
            return;
        };
        let Some(fact) = decision.facts.get(ordinal as usize) else { return };
        let tells = is_start(fact) || takes_evse(fact) || brings_begin(std::slice::from_ref(fact));
        if !tells && decision.keys.is_empty() {
            return;
        }
        let Ok(Some(session)) = self.session(stream).await.map(|known| known.map(Arc::clone))
        else {
            return;
        };
        let Some(evse) = session.transaction().and_then(Transaction::evse) else { return };
        let bay = Bay::Evse(evse);
        if decision.keys.contains(&self.bay_key(bay)) {
            self.sessions.set_latest(bay, stream.clone());
            self.has_moved();
        }
        if let Some(superseded) = superseding(&session).filter(|_| tells)
            && let Ok(Some(before)) = self.before(&session).await
        {
            let cause = derived_id(case.cause, fact.event_type(), ordinal);
            self.supersede(before, superseded, cause).await;
        }
    }

    /// Puts a session in its place at the EVSE that it has just named, or whose token has just been
    /// let after one that was refused. The key by which it is found there; what is told of the
    /// session before it, and by the one after it, is added.
    async fn take_evse(
        &mut self,
        session: &Session,
        facts: &mut Vec<Event>,
    ) -> Result<Option<LookupKey>, DeskError> {
        let Some(evse) = session.transaction().and_then(Transaction::evse) else { return Ok(None) };
        let bay = Bay::Evse(evse);
        let Some(neighbours) = self.neighbours(session, bay).await? else { return Ok(None) };
        for fact in facts.iter_mut() {
            if let Event::SessionTransactionReported(reported) = fact {
                reported.follows = neighbours.id_before();
            }
        }
        facts.extend(neighbours.superseding(session).map(Event::from));
        Ok(Some(match neighbours.id_after() {
            None => self.bay_key(bay),
            Some(after) => self.before_key(after),
        }))
    }

    /// Who was refused takes no place at the EVSE, and yet is not to draw what another pays: it is
    /// noted once whom it follows.
    async fn follow_at_evse(
        &mut self,
        session: &Session,
        facts: &mut [Event],
    ) -> Result<(), DeskError> {
        let Some(evse) = session.transaction().and_then(Transaction::evse) else { return Ok(()) };
        if session.started().is_some_and(|started| started.follows.is_some()) {
            return Ok(());
        }
        let Some(neighbours) = self.neighbours(session, Bay::Evse(evse)).await? else {
            return Ok(());
        };
        for fact in facts {
            if let Event::SessionTransactionReported(reported) = fact {
                reported.follows = neighbours.id_before();
            }
        }
        Ok(())
    }
}

fn is_start(fact: &Event) -> bool {
    matches!(fact, Event::SessionTransactionReported(report)
        if report.kind == TransactionEventKind::Started)
}

fn takes_evse(fact: &Event) -> bool {
    matches!(fact, Event::SessionTransactionReported(report) if report.follows.is_some())
}

/// Whether a register that a session began with comes by itself.
fn brings_begin(facts: &[Event]) -> bool {
    let samples = |fact: &Event| match fact {
        Event::SessionTransactionReported(report) => report.samples.iter().any(is_begin_register),
        Event::SessionMeterRecorded(fact) => fact.samples.iter().any(is_begin_register),
        _ => false,
    };
    facts.iter().any(samples)
}

/// Whether what follows from a message of a session at a known EVSE does not depend on how the
/// session stands after it.
fn only_goes_on(report: &TransactionReport) -> bool {
    report.kind == TransactionEventKind::Updated
        && report.reservation_id.is_none()
        && !report.is_priced_on_the_way
}

fn known(stream: &StreamName, fit: Fit) -> Option<Whose> {
    let stream = stream.clone();
    match fit {
        Fit::Repeats(exchange) => Some(Whose::Known { stream, repeats: Some(exchange) }),
        Fit::Belongs => Some(Whose::Known { stream, repeats: None }),
        Fit::Earlier | Fit::Another => None,
    }
}

fn reported(
    case: &Case<'_>,
    report: &TransactionReport,
    samples: Vec<MeterSample>,
) -> SessionTransactionReported {
    let received_at = case.receipt.received_at;
    SessionTransactionReported {
        kind: report.kind,
        sequence: report.sequence,
        at: report.at,
        received_at,
        clock: clock_trust(report.at, received_at),
        trigger: report.trigger.clone(),
        is_offline: report.is_offline,
        evse: report.evse,
        connector: report.connector,
        charging_state: report.charging_state.clone(),
        stopped_reason: report.stopped_reason.clone(),
        reservation_id: report.reservation_id,
        remote_start_id: report.remote_start_id,
        phases: report.phases,
        time_spent_charging_seconds: report.time_spent_charging_seconds,
        samples,
        limit: report.limit.clone(),
        cost: report.cost.clone(),
        cost_limit_answered: None,
        follows: None,
        exchange: case.receipt_id,
    }
}

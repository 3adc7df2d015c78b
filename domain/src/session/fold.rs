//! The state of a session: its facts, sorted by what they say and not by when they came.

use super::basis::Basis;
use super::beginning::{Beginning, Stop};
use super::by_hand::Decided;
use super::succession::{counts, place};
use super::transaction::Transaction;
use crate::events::Event;
use crate::events::v1::{
    Anomaly, MeterSample, Outcome, Quantity, RegisterBefore, SessionConnectorStatus,
    SessionOutcomeDecided, SessionPreceded, SessionRated, SessionSettled, SessionSuperseded,
    StopMatch, TransactionEventKind,
};
use crate::ids::{AccountId, EventId, SessionId, StationId};
use crate::units::{Timestamp, WattHours};
use chrono::TimeDelta;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What makes a sample the same sample when it comes again.
type SampleKey = (Timestamp, Quantity, Option<String>, String, Decimal);

/// The context of readings that are made by the clock, whether or not a session goes on.
const SAMPLE_CLOCK: &str = "Sample.Clock";

/// A message of a station that is online is here within this time.
const DELIVERY_DELAY_MAX: TimeDelta = TimeDelta::minutes(5);

/// A session, folded from its stream.
#[derive(Clone, Debug, Default)]
pub struct Session {
    beginning: Option<Beginning>,
    transaction: Option<Box<Transaction>>,
    stops: Vec<Stop>,
    samples: BTreeMap<SampleKey, MeterSample>,
    highest_register_wh: Option<Decimal>,
    statuses: Vec<SessionConnectorStatus>,
    superseded: Option<SessionSuperseded>,
    /// By one whose token was refused.
    superseded_by_refused: Option<SessionSuperseded>,
    preceded: Option<SessionPreceded>,
    anomalies: BTreeSet<Anomaly>,
    settled: Option<(EventId, SessionSettled)>,
    rated: Option<(EventId, SessionRated)>,
    /// Who was to pay when it was rated last.
    rated_payer: Option<AccountId>,
    open_ratings: Vec<EventId>,
    outcome: Option<SessionOutcomeDecided>,
    outcome_version: Option<u64>,
    decided: Option<Decided>,
    last_heard_at: Option<Timestamp>,
    last_fact_version: Option<u64>,
    version: Option<u64>,
}

impl Session {
    /// Takes in one event of the session's stream; events that are no facts of a session (the
    /// exchanges) only move the version on.
    pub fn apply(&mut self, id: EventId, version: u64, recorded_at: Timestamp, event: &Event) {
        self.version = Some(version);
        // What a connector says after it was free again keeps nobody waiting for more, nor does a
        // meter that stands still.
        let is_afterthought = match event {
            Event::SessionConnectorStatus(fact) => {
                self.released_at().is_some_and(|released| fact.at > released)
            }
            Event::SessionMeterRecorded(fact) => self.stands_still(&fact.samples),
            _ => false,
        };
        match event {
            Event::SessionStarted(fact) => self.beginning = Some(fact.as_ref().into()),
            Event::SessionStopped(fact) => self.add_stop(fact.as_ref().into()),
            Event::SessionOpened(_) | Event::SessionTokenPresented(_) => self.tell(event),
            Event::SessionTransactionReported(fact) => {
                self.tell(event);
                self.add_samples(&fact.samples);
            }
            Event::ReservationUsed(fact) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.use_up(fact);
                }
            }
            Event::SessionPaymentSettled(fact) => {
                self.transaction.get_or_insert_default().pay(fact);
            }
            Event::SessionDeliveryTold(fact) => {
                self.transaction.get_or_insert_default().deliver(fact);
            }
            Event::SessionMeterRecorded(fact) => self.add_samples(&fact.samples),
            Event::SessionConnectorStatus(fact) => self.add_status(fact),
            Event::SessionSuperseded(fact) => {
                if self.may_be_superseded(fact) {
                    let told = Some(fact.as_ref().clone());
                    match fact.is_refused {
                        true => self.superseded_by_refused = told,
                        false => self.superseded = told,
                    }
                }
            }
            Event::SessionPreceded(fact) => {
                if self.may_be_preceded(fact) {
                    self.preceded = Some(fact.as_ref().clone());
                }
            }
            Event::SessionAnomalyNoted(fact) => {
                self.anomalies.insert(fact.anomaly);
            }
            Event::SessionSettled(fact) => self.settled = Some((id, fact.as_ref().clone())),
            Event::SessionRated(fact) => {
                self.anomalies.remove(&Anomaly::PaymentDiffers);
                self.rate(id, fact);
            }
            Event::SessionOutcomeDecided(fact) => {
                if replaces_settlement(self.outcome.as_ref().map(|last| last.outcome), fact) {
                    self.anomalies.remove(&Anomaly::PaymentDiffers);
                }
                self.outcome = Some(fact.as_ref().clone());
                self.outcome_version = Some(version);
                self.open_ratings.clear();
            }
            Event::SessionReviewDecided(fact) => {
                self.decided = Some(Decided { id, version, fact: fact.as_ref().clone() });
            }
            _ => return,
        }
        // Judgements of ours, and what nothing billed rests on.
        let changes_no_bill = matches!(
            event,
            Event::SessionPaymentSettled(_)
                | Event::SessionDeliveryTold(_)
                | Event::SessionSettled(_)
                | Event::SessionRated(_)
                | Event::SessionOutcomeDecided(_)
                | Event::SessionReviewDecided(_)
        ) || is_judged_sum(event);
        if changes_no_bill {
            return;
        }
        self.last_fact_version = Some(version);
        if !is_afterthought {
            self.last_heard_at = self.last_heard_at.max(Some(recorded_at));
        }
    }

    /// Moves the version on past an event that is no fact.
    pub fn skip(&mut self, version: u64) {
        self.version = Some(version);
    }

    /// A part of a 2.x transaction's story.
    fn tell(&mut self, event: &Event) {
        let transaction = self.transaction.get_or_insert_default();
        let is_about_the_beginning = match event {
            Event::SessionOpened(fact) => {
                transaction.open(fact);
                true
            }
            Event::SessionTokenPresented(fact) => {
                transaction.present(fact);
                true
            }
            Event::SessionTransactionReported(fact) => {
                let (evse, connector) = (transaction.evse(), transaction.connector());
                transaction.report(fact);
                if fact.kind == TransactionEventKind::Ended {
                    self.add_stop(fact.as_ref().into());
                }
                let transaction = self.transaction.get_or_insert_default();
                fact.kind == TransactionEventKind::Started
                    || (evse, connector) != (transaction.evse(), transaction.connector())
            }
            _ => false,
        };
        if is_about_the_beginning {
            self.beginning = self.transaction.as_ref().and_then(|known| known.beginning());
        }
    }

    fn rate(&mut self, id: EventId, fact: &SessionRated) {
        self.rated = Some((id, fact.clone()));
        self.rated_payer = self.payer();
        let was_invoiced = self.outcome.as_ref().is_some_and(|outcome| outcome.invoice.is_some());
        if was_invoiced || !self.is_paid_directly() {
            self.open_ratings.push(id);
        }
    }

    fn add_stop(&mut self, stop: Stop) {
        let register = |stop: &Stop| stop.meter_stop.as_ref().map(|reading| reading.register_wh);
        let key = |stop: &Stop| (stop.stopped_at, register(stop));
        if self.stops.iter().all(|known| key(known) != key(&stop)) {
            self.stops.push(stop);
            self.stops.sort_by_key(key);
        }
    }

    /// Whether readings show an idle connector: nothing flows, and they were read after it was
    /// free again, or by the clock, which goes on without a session.
    fn stands_still(&self, samples: &[MeterSample]) -> bool {
        let given = self.beginning.as_ref().and_then(|began| began.meter_start.as_ref());
        let known = self.highest_register_wh.max(given.map(|given| given.register_wh.0));
        let flows = |sample: &MeterSample| match sample.quantity {
            Quantity::EnergyImportRegisterWh => {
                sample.phase.is_none() && Some(sample.value) > known
            }
            Quantity::PowerImportW | Quantity::CurrentImportA => sample.value > Decimal::ZERO,
            _ => false,
        };
        if samples.is_empty() || samples.iter().any(flows) {
            return false;
        }
        let is_by_the_clock = |sample: &MeterSample| sample.context == SAMPLE_CLOCK;
        samples.iter().all(is_by_the_clock)
            || self
                .released_at()
                .is_some_and(|released| samples.iter().all(|sample| sample.sampled_at > released))
    }

    fn add_samples(&mut self, samples: &[MeterSample]) {
        for sample in samples {
            if sample.quantity == Quantity::EnergyImportRegisterWh && sample.phase.is_none() {
                self.highest_register_wh = self.highest_register_wh.max(Some(sample.value));
            }
            self.samples.entry(key_of(sample)).or_insert_with(|| sample.clone());
        }
    }

    fn add_status(&mut self, fact: &SessionConnectorStatus) {
        let key = |s: &SessionConnectorStatus| (s.at, s.connector, s.status.clone());
        if self.statuses.iter().all(|status| key(status) != key(fact)) {
            self.statuses.push(fact.clone());
            self.statuses.sort_by_key(key);
        }
    }

    /// Version of the last event folded in; `None` for a stream that does not exist.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// How it began; `None` until its start has come.
    pub fn started(&self) -> Option<&Beginning> {
        self.beginning.as_ref()
    }

    /// How it began as far as is known: while a 2.x start is yet to come, as if with the first
    /// message that has come. For what is told on the way; a bill waits for the start.
    pub fn beginning_so_far(&self) -> Option<Cow<'_, Beginning>> {
        let so_far = || self.transaction.as_ref()?.beginning_so_far().map(Cow::Owned);
        self.beginning.as_ref().map(Cow::Borrowed).or_else(so_far)
    }

    /// What a 2.x station has told of it; `None` for 1.6.
    pub fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_deref()
    }

    /// Which session it is, whose, and the exchange that it began with here: known from its
    /// first fact on, though its start may be yet to come.
    pub fn identity(&self) -> Option<(SessionId, StationId, EventId)> {
        let opened = self.transaction.as_ref().and_then(|transaction| transaction.opened());
        let of_start = self.beginning.as_ref();
        opened
            .map(|opened| (opened.session_id, opened.station_id, opened.exchange))
            .or_else(|| of_start.map(|start| (start.session_id, start.station_id, start.exchange)))
    }

    /// The stops that differ, earliest first; one in all but contradictory cases.
    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// The stops that count, earliest first: those that name the transaction; only where none
    /// does, those that were matched by a guess.
    pub fn holding_stops(&self) -> impl Iterator<Item = &Stop> {
        let named = self.is_stopped_by_name();
        self.stops.iter().filter(move |stop| !named || names_transaction(stop))
    }

    /// Whether a stop that names the transaction is known.
    pub fn is_stopped_by_name(&self) -> bool {
        self.stops.iter().any(names_transaction)
    }

    /// The stop that the bill would rest on.
    pub fn stop(&self) -> Option<&Stop> {
        self.holding_stops().next()
    }

    /// The session that began at the connector before this one's stop came, the nearest one. Who
    /// was refused there contradicts no stop.
    pub fn superseded(&self) -> Option<&SessionSuperseded> {
        let refused = self.superseded_by_refused.as_ref().filter(|_| self.stop().is_none());
        match (&self.superseded, refused) {
            (Some(next), Some(refused)) if place(refused) < place(next) => Some(refused),
            (Some(next), _) => Some(next),
            (None, refused) => refused,
        }
    }

    /// The nearest one that was let and began after this one, whether or not its stop has come.
    pub(super) fn next(&self) -> Option<&SessionSuperseded> {
        self.superseded.as_ref()
    }

    /// What the session before it told of itself after this one's start.
    pub(super) fn preceded(&self) -> Option<&SessionPreceded> {
        self.preceded.as_ref()
    }

    /// Whether what a session before it tells is news: it began nearer before this one than any
    /// that is known, or tells of itself what it had not told.
    pub fn may_be_preceded(&self, before: &SessionPreceded) -> bool {
        let place = |fact: &SessionPreceded| (fact.at, fact.by);
        let is_telling = before.register.is_some() || before.begin_wh > WattHours::ZERO;
        let was_told = self.beginning.as_ref().is_some_and(|began| began.register_before.is_some());
        match &self.preceded {
            Some(known) if known.by == before.by => known != before,
            Some(known) => place(known) < place(before),
            None => is_telling || was_told,
        }
    }

    fn superseded_like(&self, next: &SessionSuperseded) -> Option<&SessionSuperseded> {
        match next.is_refused {
            true => self.superseded_by_refused.as_ref(),
            false => self.superseded.as_ref(),
        }
    }

    /// Whether that very session has told before that it began after this one.
    pub fn is_told_by(&self, next: &SessionSuperseded) -> bool {
        self.superseded_like(next).is_some_and(|known| known.by == next.by)
    }

    /// Whether that one began nearer after this one, in its place, than any that is known; or
    /// tells of itself what it had not told.
    pub fn may_be_superseded(&self, next: &SessionSuperseded) -> bool {
        counts(next, self.superseded_like(next))
    }

    /// What has been noted as odd.
    pub fn anomalies(&self) -> impl Iterator<Item = Anomaly> + '_ {
        self.anomalies.iter().copied()
    }

    /// What its connector said, earliest first.
    pub fn statuses(&self) -> &[SessionConnectorStatus] {
        &self.statuses
    }

    /// The last settlement.
    pub fn settled(&self) -> Option<&(EventId, SessionSettled)> {
        self.settled.as_ref()
    }

    /// The last rating.
    pub fn rated(&self) -> Option<&(EventId, SessionRated)> {
        self.rated.as_ref()
    }

    /// The account that is to pay for it, as far as is known.
    pub fn payer(&self) -> Option<AccountId> {
        self.beginning.as_ref()?.account_id
    }

    /// The account that was to pay for it when it was rated last: the one that this rating is
    /// invoiced to.
    pub fn rated_payer(&self) -> Option<AccountId> {
        self.rated_payer
    }

    /// The ratings that ask for an invoice and have no outcome yet, earliest first. There is one
    /// at most: a session is not rated again before it has been invoiced. Logs of releases before
    /// that rule may hold more.
    pub fn open_ratings(&self) -> &[EventId] {
        &self.open_ratings
    }

    /// Whether it was rated and no invoice has followed yet, nor another outcome. Until then
    /// nothing else is decided of it: that would be billed beside the invoice.
    pub fn awaits_invoice(&self) -> bool {
        !self.open_ratings.is_empty()
    }

    /// What became of it, so far.
    pub fn outcome(&self) -> Option<&SessionOutcomeDecided> {
        self.outcome.as_ref()
    }

    /// What a person has decided about it last.
    pub fn decided(&self) -> Option<&Decided> {
        self.decided.as_ref()
    }

    /// The version of its stream at which it was decided last what became of it.
    pub fn outcome_version(&self) -> Option<u64> {
        self.outcome_version
    }

    /// Whether what became of it was decided after that version of its stream.
    pub fn has_outcome_after(&self, version: u64) -> bool {
        self.outcome_version > Some(version)
    }

    /// Whether a fact of it came after that version of its stream.
    pub fn heard_after(&self, version: u64) -> bool {
        self.last_fact_version > Some(version)
    }

    /// When we last recorded a fact of it that more may follow.
    pub fn last_heard_at(&self) -> Option<Timestamp> {
        self.last_heard_at
    }

    /// Whether this very sample is known.
    pub fn knows_sample(&self, sample: &MeterSample) -> bool {
        // Most samples are later than all that are known.
        let last = self.samples.last_key_value().map(|((sampled_at, ..), _)| *sampled_at);
        last >= Some(sample.sampled_at) && self.samples.contains_key(&key_of(sample))
    }

    /// The exchange that first brought this very sample.
    pub fn exchange_of(&self, sample: &MeterSample) -> Option<EventId> {
        self.samples.get(&key_of(sample)).map(|known| known.evidence.event_id)
    }

    /// The same status, where it is known.
    pub fn status_like(&self, status: &SessionConnectorStatus) -> Option<&SessionConnectorStatus> {
        let key = |s: &SessionConnectorStatus| (s.at, s.connector, s.status.clone());
        self.statuses.iter().find(|known| key(known) == key(status))
    }

    /// The exchange of the same stop, where it is known.
    pub fn same_stop(&self, stopped_at: Timestamp, register: WattHours) -> Option<&Stop> {
        self.stops.iter().find(|stop| {
            let at_stop = stop.meter_stop.as_ref().map(|reading| reading.register_wh);
            stop.stopped_at == stopped_at && at_stop == Some(register)
        })
    }

    /// All samples, by the station's time.
    pub fn samples(&self) -> impl Iterator<Item = &MeterSample> {
        self.samples.values()
    }

    /// The samples of the import register, by the station's time, then by value. Samples of
    /// single phases are no register of the whole.
    pub fn registers(&self) -> impl DoubleEndedIterator<Item = &MeterSample> {
        self.samples.values().filter(|sample| sample.is_import_register())
    }

    /// When its connector was free again, as far as is known: the first word after the stop
    /// (without one: after the start) that no car is connected, or the next session's start.
    ///
    /// A station that was offline says after it came back how things stand, not since when. So
    /// where the stop came late and the word that the connector is free did not, nothing proves
    /// that the car stayed beyond the stop.
    pub fn released_at(&self) -> Option<Timestamp> {
        let began_at = self.beginning.as_ref()?.started_at;
        let stop = self.stop();
        if let Some(stop) = stop.filter(|stop| stop.has_left) {
            return Some(stop.stopped_at);
        }
        let ended_at = stop.map(|stop| stop.stopped_at);
        let stop_was_late = self.stop_was_late();
        let by_status = self
            .statuses
            .iter()
            .filter(|status| status.at >= ended_at.unwrap_or(began_at))
            .find(|status| matches!(status.status.as_str(), "Available" | "Reserved"))
            .map(|status| match ended_at {
                Some(ended) if stop_was_late && !late(status.received_at, status.at) => ended,
                _ => status.at,
            });
        let by_next = self.superseded().map(|next| next.at).filter(|at| *at >= began_at);
        match (by_status, by_next) {
            (Some(status), Some(next)) => Some(status.min(next)),
            (status, next) => status.or(next),
        }
    }

    /// The register that it left its connector's meter at by an instant. `None` where its stop is
    /// not known, came later or before its own start; or where it began at 0 itself: then the
    /// meter may count each session from 0.
    pub fn register_left_at(&self, at: Timestamp) -> Option<RegisterBefore> {
        let session_id = self.beginning.as_ref()?.session_id;
        let basis = Basis::of(self).ok()?;
        let stop = self.stop().filter(|stop| stop.stopped_at <= at)?;
        let counts_on = basis.register_start.register_wh > WattHours::ZERO;
        let is_told = stop.matched_by != StopMatch::StartCameLater;
        let register = stop.meter_stop.clone()?;
        (counts_on && is_told && basis.register_end == register)
            .then_some(RegisterBefore { session_id, register })
    }

    /// Whether the stop came so long after its time that the station must have been offline.
    pub fn stop_was_late(&self) -> bool {
        self.stop().is_some_and(|stop| late(stop.received_at, stop.stopped_at))
    }

    /// No stop yet, and nothing says that it is over.
    pub fn is_open(&self) -> bool {
        self.identity().is_some() && self.stops.is_empty() && self.superseded().is_none()
    }

    /// Whether what its connector said at an instant belongs to it: whenever the word arrives,
    /// it does from the start until the connector was free again or another session began.
    /// Without a stop, an `Available` in between may be a slip, and does not end it.
    pub fn holds_connector_at(&self, at: Timestamp) -> bool {
        let until = match self.stop() {
            Some(_) => self.released_at(),
            None => self.superseded().map(|next| next.at),
        };
        self.began_before(at) && until.is_none_or(|until| at <= until)
    }

    /// Whether a reading of its connector's meter at an instant belongs to it: whenever it
    /// arrives, it does from the start until the stop or the next session's start.
    pub fn holds_meter_at(&self, at: Timestamp) -> bool {
        let stopped_at = self.stop().map(|stop| stop.stopped_at);
        let until = stopped_at.or_else(|| self.superseded().map(|next| next.at));
        self.began_before(at) && until.is_none_or(|until| at <= until)
    }

    fn began_before(&self, at: Timestamp) -> bool {
        self.beginning.as_ref().is_some_and(|started| started.started_at <= at)
    }
}

/// Whether another settlement of a payment counts from now on than the one that did: what was
/// noted of that one's amount is taken back, and noted again where the new one differs as well.
pub fn replaces_settlement(last: Option<Outcome>, decided: &SessionOutcomeDecided) -> bool {
    last == Some(Outcome::ChargedElsewhere) && decided.settlement.is_some()
}

/// Whether it is what our rating has shown about a sum that the station told.
fn is_judged_sum(event: &Event) -> bool {
    let Event::SessionAnomalyNoted(noted) = event else { return false };
    matches!(noted.anomaly, Anomaly::StationCostDiffers | Anomaly::PaymentDiffers)
}

fn names_transaction(stop: &Stop) -> bool {
    stop.matched_by == StopMatch::TransactionId
}

/// Whether a message was delivered so long after its time that the station must have been
/// offline.
pub(super) fn late(received_at: Timestamp, at: Timestamp) -> bool {
    received_at.utc() - at.utc() > DELIVERY_DELAY_MAX
}

fn key_of(sample: &MeterSample) -> SampleKey {
    (sample.sampled_at, sample.quantity, sample.phase.clone(), sample.context.clone(), sample.value)
}

//! A 2.x transaction as its messages tell it: sorted by their numbers, never by when they came.

use super::beginning::Beginning;
use super::direct_payment::{PaymentTold, is_a_payment};
use crate::events::v1::{
    Authorization, ReservationUsed, SessionDeliveryTold, SessionOpened, SessionPaymentSettled,
    SessionTokenPresented, SessionTransactionReported, StationCost, TerminalPayment,
    TransactionEventKind, TransactionLimit,
};
use crate::ids::{ConnectorNumber, EventId, EvseNumber, ReservationId, SessionId, TransactionId};
use crate::units::Timestamp;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What makes a message of a transaction the same message when it comes again.
type ReportKey = (u32, Timestamp, TransactionEventKind);

/// What makes a settled payment the same one when it is told again.
type PaymentKey = (Timestamp, String, Decimal);

/// The station's word for energy flowing.
const CHARGING: &str = "Charging";

/// Whether a message is of a transaction: ids are used again by stations that forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It has come before, in this exchange.
    Repeats(EventId),
    /// It belongs to it.
    Belongs,
    /// Its time lies before the transaction's start: it is of an earlier one, if there was any.
    Earlier,
    /// It belongs to another transaction that has the same id.
    Another,
}

/// What is known of a transaction.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    opened: Option<SessionOpened>,
    reports: BTreeMap<ReportKey, EventId>,
    sequences: BTreeSet<u32>,
    started: Option<SessionTransactionReported>,
    /// The first of its messages, as long as its start is yet to come.
    before_start: Option<SessionTransactionReported>,
    tokens: BTreeMap<(u32, Timestamp), SessionTokenPresented>,
    states: BTreeMap<(Timestamp, u32), String>,
    evses: BTreeMap<u32, EvseNumber>,
    connectors: BTreeMap<u32, ConnectorNumber>,
    used: Option<ReservationId>,
    limits: BTreeMap<(u32, Timestamp), TransactionLimit>,
    costs: BTreeMap<(u32, Timestamp), StationCost>,
    payments: BTreeMap<PaymentKey, EventId>,
    limits_answered: Vec<(EventId, Decimal)>,
    is_delivered: bool,
    remote_start_id: Option<i32>,
    follows: Option<SessionId>,
}

impl Transaction {
    pub(super) fn open(&mut self, fact: &SessionOpened) {
        self.opened.get_or_insert_with(|| fact.clone());
    }

    pub(super) fn report(&mut self, fact: &SessionTransactionReported) {
        self.reports.entry((fact.sequence, fact.at, fact.kind)).or_insert(fact.exchange);
        self.sequences.insert(fact.sequence);
        let place = |told: &SessionTransactionReported| (told.sequence, told.at);
        let is_first = |known: &Option<SessionTransactionReported>| {
            known.as_ref().is_none_or(|known| place(fact) < place(known))
        };
        if fact.kind == TransactionEventKind::Started {
            self.before_start = None;
            if is_first(&self.started) {
                self.started = Some(fact.clone());
            }
        } else if self.started.is_none() && is_first(&self.before_start) {
            self.before_start = Some(fact.clone());
        }
        // A station says it once (2.x: part 2, F01.FR.25).
        self.remote_start_id = self.remote_start_id.or(fact.remote_start_id);
        // Who was refused, and let later, has its place from then on.
        self.follows = fact.follows.or(self.follows);
        if let Some(state) = &fact.charging_state {
            self.states.entry((fact.at, fact.sequence)).or_insert_with(|| state.clone());
        }
        if let Some(limit) = &fact.limit {
            self.limits.entry((fact.sequence, fact.at)).or_insert_with(|| limit.clone());
        }
        if let Some(cost) = &fact.cost {
            self.costs.entry((fact.sequence, fact.at)).or_insert_with(|| cost.clone());
        }
        if let Some(limit) = fact.cost_limit_answered {
            self.limits_answered.push((fact.exchange, limit));
        }
        if let Some(evse) = fact.evse {
            first_only(&mut self.evses, fact.sequence, evse);
        }
        if let Some(connector) = fact.connector {
            first_only(&mut self.connectors, fact.sequence, connector);
        }
    }

    pub(super) fn present(&mut self, fact: &SessionTokenPresented) {
        self.tokens.entry((fact.sequence, fact.at)).or_insert_with(|| fact.clone());
    }

    pub(super) fn pay(&mut self, fact: &SessionPaymentSettled) {
        self.payments.entry(payment_key(&fact.payment)).or_insert(fact.exchange);
    }

    /// What a station says before its end has come is disproven by the end.
    pub(super) fn deliver(&mut self, fact: &SessionDeliveryTold) {
        let is_over = !fact.is_ongoing && self.end().is_some();
        self.is_delivered |= is_over && !fact.has_messages;
    }

    pub(super) fn use_up(&mut self, fact: &ReservationUsed) {
        self.used.get_or_insert(fact.reservation_id);
    }

    /// The number of the remote start that began it, where the station has said it.
    pub fn remote_start_id(&self) -> Option<i32> {
        self.remote_start_id
    }

    /// The reservation that it has used up.
    pub fn used(&self) -> Option<ReservationId> {
        self.used
    }

    /// What it may cost at most, as the station has said last.
    pub fn cost_limit(&self) -> Option<Decimal> {
        self.limits.last_key_value().and_then(|(_, limit)| limit.cost)
    }

    /// What it has cost, as the station has said last.
    pub fn cost_told(&self) -> Option<&StationCost> {
        self.costs.last_key_value().map(|(_, cost)| cost)
    }

    /// The exchange that told of this very payment before.
    pub fn exchange_of_payment<Text>(&self, payment: &TerminalPayment<Text>) -> Option<EventId> {
        self.payments.get(&payment_key(payment)).copied()
    }

    /// How its payment at a terminal ended: what the station says of the latest moment.
    pub fn payment_told(&self) -> Option<PaymentTold<'_>> {
        let ((_, status, amount), exchange) = self.payments.last_key_value()?;
        Some(PaymentTold { status, amount: *amount, exchange: *exchange })
    }

    /// What we answered last that it may cost at most.
    pub fn cost_limit_answered(&self) -> Option<Decimal> {
        self.limits_answered.last().map(|(_, limit)| *limit)
    }

    /// What we answered in an exchange that it may cost at most.
    pub fn cost_limit_answered_in(&self, exchange: EventId) -> Option<Decimal> {
        let answered = self.limits_answered.iter().find(|(known, _)| *known == exchange);
        answered.map(|(_, limit)| *limit)
    }

    /// How it was opened.
    pub fn opened(&self) -> Option<&SessionOpened> {
        self.opened.as_ref()
    }

    /// Its start, once that has come.
    pub fn started(&self) -> Option<&SessionTransactionReported> {
        self.started.as_ref()
    }

    /// The EVSE that it first named.
    pub fn evse(&self) -> Option<EvseNumber> {
        self.evses.first_key_value().map(|(_, evse)| *evse)
    }

    /// The connector that it first named.
    pub fn connector(&self) -> Option<ConnectorNumber> {
        self.connectors.first_key_value().map(|(_, connector)| *connector)
    }

    /// The exchange that first brought this very message.
    pub fn exchange_of(
        &self,
        sequence: u32,
        at: Timestamp,
        kind: TransactionEventKind,
    ) -> Option<EventId> {
        self.reports.get(&(sequence, at, kind)).copied()
    }

    /// Whether a message is of this transaction. A second start is another transaction's; so is
    /// what has a number that is taken, and a time after the end.
    pub fn fit(&self, sequence: u32, at: Timestamp, kind: TransactionEventKind) -> Fit {
        if let Some(exchange) = self.exchange_of(sequence, at, kind) {
            return Fit::Repeats(exchange);
        }
        let is_over = self.end().is_some_and(|(last, ended_at)| {
            at > ended_at && sequence <= last && self.sequences.contains(&sequence)
        });
        let starts = kind == TransactionEventKind::Started;
        let starts_after_end = starts && self.end().is_some_and(|(_, ended_at)| at > ended_at);
        match &self.started {
            Some(_) if starts => Fit::Another,
            _ if is_over || starts_after_end => Fit::Another,
            Some(started) if at < started.at => Fit::Earlier,
            _ => Fit::Belongs,
        }
    }

    /// Number and time of the last end that has come.
    fn end(&self) -> Option<(u32, Timestamp)> {
        self.ends().last()
    }

    /// When the earliest of its messages was said, by the station's clock.
    pub fn first_at(&self) -> Option<Timestamp> {
        self.reports.keys().map(|(_, at, _)| *at).min()
    }

    /// Whether every message from the start to the end has come.
    pub fn is_complete(&self) -> bool {
        let (Some(started), Some((last, _))) = (&self.started, self.end()) else { return false };
        let Some(span) = last.checked_sub(started.sequence) else { return false };
        let come = self.sequences.range(started.sequence..=last).count();
        u64::try_from(come).ok() == Some(u64::from(span) + 1)
    }

    /// Whether the station has said after the end that nothing more of it is to come.
    pub fn is_delivered(&self) -> bool {
        self.is_delivered
    }

    /// What the car was doing, earliest first: since when, in the station's words. A message
    /// that names no state confirms the one before it; from the last message before a gap in the
    /// numbers on nothing is known (`None`), until a state is told again.
    pub fn states(&self) -> impl Iterator<Item = (Timestamp, Option<&str>)> {
        let mut states: Vec<_> = self
            .states
            .iter()
            .map(|((at, sequence), state)| ((*at, *sequence), Some(state.as_str())))
            .chain(self.gaps().map(|last_before| (last_before, None)))
            .collect();
        // Stable: what the last message before a gap says itself held at its time.
        states.sort_by_key(|(place, _)| *place);
        states.into_iter().map(|((at, _), state)| (at, state))
    }

    /// Time and number of the last message before each gap in the numbers.
    fn gaps(&self) -> impl Iterator<Item = (Timestamp, u32)> {
        let messages = self.reports.keys().map(|(sequence, at, _)| (*sequence, *at));
        let is_gap = |last: u32, next: u32| next > last.saturating_add(1);
        messages
            .clone()
            .zip(messages.skip(1))
            .filter(move |((last, _), (next, _))| is_gap(*last, *next))
            .map(|((last, at), _)| (at, last))
    }

    /// Whether energy ever flowed, by the station's words.
    pub fn has_charged(&self) -> bool {
        self.states.values().any(|state| state == CHARGING)
    }

    fn ends(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.reports
            .keys()
            .filter(|(.., kind)| *kind == TransactionEventKind::Ended)
            .map(|(sequence, at, _)| (*sequence, *at))
    }

    /// Who pays: the first token that we let charge and can charge, or that is a payment itself;
    /// where none was let, the first of all. One that was presented to end it counts only where
    /// none was to begin it.
    pub fn token(&self) -> Option<&SessionTokenPresented> {
        let is_begun = self.tokens.values().any(|token| !token.ends);
        let counts = |token: &&SessionTokenPresented| !(is_begun && token.ends);
        let accepted = |token: &&SessionTokenPresented| {
            let is_billed = token.account_id.is_some();
            token.authorization == Authorization::Accepted && (is_billed || is_a_payment(token))
        };
        let mut tokens = self.tokens.values().filter(counts);
        tokens.clone().find(accepted).or_else(|| tokens.next())
    }

    /// Whether it has been told its EVSE, and takes a place there: who was refused takes none.
    pub fn is_placed(&self) -> bool {
        self.evse().is_some() && !self.is_refused()
    }

    /// Whether nobody who presented a token was let.
    pub fn is_refused(&self) -> bool {
        self.token().is_some_and(|token| token.authorization != Authorization::Accepted)
    }

    /// How the session began; `None` until the start has come.
    pub(super) fn beginning(&self) -> Option<Beginning> {
        self.begun_with(self.started.as_ref()?)
    }

    /// As if it had begun with the first of its messages that has come.
    pub(super) fn beginning_so_far(&self) -> Option<Beginning> {
        self.begun_with(self.started.as_ref().or(self.before_start.as_ref())?)
    }

    fn begun_with(&self, started: &SessionTransactionReported) -> Option<Beginning> {
        let opened = self.opened.as_ref()?;
        let token = self.token();
        Some(Beginning {
            session_id: opened.session_id,
            station_id: opened.station_id,
            station: opened.station.clone(),
            evse: self.evse(),
            connector: self.connector(),
            transaction_id: TransactionId::Name(opened.transaction_id.clone()),
            site_id: opened.site_id,
            time_zone: opened.time_zone.clone(),
            id_tag: token.and_then(|token| token.id_tag.clone()),
            token_id: token.and_then(|token| token.token_id),
            account_id: token.and_then(|token| token.account_id),
            authorization: token.map(|token| token.authorization),
            meter_start: None,
            register_before: None,
            follows: self.follows,
            started_at: started.at,
            received_at: started.received_at,
            clock: started.clock,
            reservation_id: started.reservation_id,
            exchange: started.exchange,
        })
    }
}

/// Keeps only the entry with the lowest number.
fn first_only<T>(entries: &mut BTreeMap<u32, T>, sequence: u32, value: T) {
    if entries.first_key_value().is_none_or(|(first, _)| sequence < *first) {
        entries.clear();
        entries.insert(sequence, value);
    }
}

fn payment_key<Text>(payment: &TerminalPayment<Text>) -> PaymentKey {
    (payment.at, payment.status.clone(), payment.amount)
}

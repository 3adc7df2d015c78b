//! When the bill may be made, and what happens where it may not.

use super::basis::{Basis, Doubt};
use super::by_hand::{Decided, settled_by_hand};
use super::direct_payment::{settle_directly, taken_elsewhere};
use super::fold::Session;
use super::transaction::Transaction;
use crate::events::v1::{
    Anomaly, Authorization, Outcome, ReviewDecision, SessionSettled, SettledBecause,
};
use crate::ids::EventId;
use crate::invoice::InvoiceFigures;
use crate::rating::Rating;
use crate::units::{Timestamp, WattHours};
use chrono::TimeDelta;

/// The reason of a review that more facts do not resolve: the tariff cannot be applied.
pub const NOT_RATABLE: &str = "not_ratable";

/// The operator's rules for settling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementRules {
    /// After the last fact of a session that is over or silent, this long is waited for more.
    pub settle_after: TimeDelta,
    /// Whether the time after the stop costs anything: if not, nothing is gained by waiting for
    /// the connector.
    pub occupancy_is_priced: bool,
}

/// What to do about a session now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing yet; look again then, or when a fact comes.
    NotYet {
        /// When to look again.
        look_again_at: Timestamp,
    },
    /// The basis of the bill stands.
    Settled(Box<SessionSettled>),
    /// It stands as it stood: nothing new follows.
    Unchanged,
    /// Nothing to pay, and nothing to settle.
    Free {
        /// In a word.
        reason: &'static str,
    },
    /// No session at all: refused, or never ended by the station, and nothing flowed.
    Void {
        /// In a word.
        reason: &'static str,
    },
    /// Its payer has paid directly.
    ChargedElsewhere {
        /// The exchange in which the station told that the payment was settled.
        settlement: EventId,
    },
    /// A person has to look.
    Review(Review),
}

/// What a person has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Review {
    /// In a word.
    pub reason: &'static str,
    /// In words.
    pub detail: &'static str,
    /// What would resolve it.
    pub resolved_by: &'static str,
}

/// What is to be said of a stop whose session is not known.
pub const ORPHAN_STOP_REVIEW: Review = Review {
    reason: "start_missing",
    detail: "a stop came for a session whose start is not known",
    resolved_by: "its start arrives, or an operator dismisses the stop",
};

/// What is to be said of a stop that names a transaction of another station.
pub const FOREIGN_STOP_REVIEW: Review = Review {
    reason: "foreign_transaction",
    detail: "a stop named a transaction of another station; nothing was changed there",
    resolved_by: "an operator finds out whose session it was, and dismisses the stop",
};

/// Between two messages of a queue that is delivered late, no more time passes than this.
const LATE_DELIVERY: TimeDelta = TimeDelta::seconds(10);

/// Judges a session at an instant. After facts that came late it may say `Settled` again;
/// whether that [`changes_the_bill`] is seen when it is priced.
pub fn settle(session: &Session, now: Timestamp, rules: SettlementRules) -> Settlement {
    if let Some(decided) = session.decided() {
        return settle_by_hand(session, decided);
    }
    let judged = settle_by_facts(session, now, rules);
    taken_elsewhere(session, &judged).unwrap_or(judged)
}

fn settle_by_facts(session: &Session, now: Timestamp, rules: SettlementRules) -> Settlement {
    let last_heard_at = session.last_heard_at();
    let deadline = later(last_heard_at.unwrap_or(now), rules.settle_after);
    let overdue = now >= deadline;
    let Some(started) = session.started() else {
        return match overdue && session.identity().is_some() {
            true => review_once(session, Doubt::StartMissing),
            false => Settlement::NotYet { look_again_at: deadline.max(now) },
        };
    };
    let last_heard_at = last_heard_at.unwrap_or(started.received_at);
    let accepted = started.is_accepted();
    let basis = match Basis::of(session) {
        Ok(basis) => basis,
        Err(Doubt::StopMissing) if overdue && !accepted && nothing_drawn(session) => {
            return void_once(session, refusal(session));
        }
        Err(Doubt::NothingMetered) => {
            return void_once(session, if accepted { NEVER_RAN } else { refusal(session) });
        }
        Err(doubt) if final_doubt(session, doubt) || overdue => {
            return review_once(session, doubt);
        }
        Err(_) => return Settlement::NotYet { look_again_at: deadline },
    };
    // What a gap's messages would say, beside how much was drawn, may yet come.
    let has_gap = basis.anomalies.contains(&Anomaly::MessagesMissing);
    let is_delivered = session.transaction().is_some_and(Transaction::is_delivered);
    if has_gap && !is_delivered && !overdue {
        return Settlement::NotYet { look_again_at: deadline };
    }
    let stop_known = session.stop().is_some();
    // Who was refused pays no parking either: nothing is gained by waiting for the connector.
    let occupancy_matters = rules.occupancy_is_priced && accepted;
    // A station that was offline delivers what it had queued in one go; what did not come with
    // it will not come any more.
    let delivered_at = later(last_heard_at, LATE_DELIVERY).min(deadline);
    let all_delivered = session.stop_was_late() && now >= delivered_at;
    let occupancy_known = !occupancy_matters || basis.released_at.is_some() || all_delivered;
    if !(overdue || stop_known && occupancy_known) {
        let look_again_at = if session.stop_was_late() { delivered_at } else { deadline };
        return Settlement::NotYet { look_again_at };
    }
    let was_invoiced = session.outcome().is_some_and(|outcome| outcome.invoice.is_some());
    if basis.energy_wh == WattHours::ZERO && !was_invoiced {
        if !accepted {
            return void_once(session, refusal(session));
        }
        if !stop_known {
            return void_once(session, NEVER_RAN);
        }
    }
    if !accepted {
        return refused_yet_charged(session);
    }
    let because = match session.settled() {
        Some((_, before))
            if session.is_paid_directly() && rests_on_all(session, before, &basis) =>
        {
            return settle_directly(session, deadline, overdue);
        }
        Some((_, before)) if stands(session, before, &basis) => return Settlement::Unchanged,
        Some(_) => SettledBecause::LateFacts,
        None if stop_known && occupancy_known && (!has_gap || is_delivered) => {
            SettledBecause::Complete
        }
        None => SettledBecause::Deadline,
    };
    Settlement::Settled(Box::new(SessionSettled {
        because,
        started_at: basis.started_at,
        ended_at: basis.ended_at,
        register_start: basis.register_start,
        register_end: basis.register_end,
        energy_wh: basis.energy_wh,
        released_at: basis.released_at,
        anomalies: basis.anomalies,
        as_of_version: session.version().unwrap_or(0),
    }))
}

/// A person's decision holds, whatever the station says after it; a later decision corrects it.
fn settle_by_hand(session: &Session, decided: &Decided) -> Settlement {
    let is_invoiced = session.outcome().is_some_and(|outcome| outcome.invoice.is_some());
    let is_settled =
        session.settled().is_some_and(|(_, settled)| settled.as_of_version >= decided.version);
    if is_settled || session.has_outcome_after(decided.version) {
        return Settlement::Unchanged;
    }
    match (&decided.fact.decision, settled_by_hand(session, decided)) {
        (ReviewDecision::Void, _) => Settlement::Void { reason: DECIDED_BY_HAND },
        (ReviewDecision::Free, _) if !is_invoiced => Settlement::Free { reason: DECIDED_BY_HAND },
        (_, Some(settled)) => Settlement::Settled(Box::new(settled)),
        (_, None) => Settlement::Free { reason: DECIDED_BY_HAND },
    }
}

/// A person has decided so.
const DECIDED_BY_HAND: &str = "decided_by_hand";
/// Nothing flowed to a token that had been refused.
const TOKEN_REFUSED: &str = "token_refused";
/// Nothing flowed, and nobody had presented a token.
const NOT_AUTHORIZED: &str = "not_authorized";
/// The station never ended it, and nothing flowed: a start that came to nothing, or was said
/// again in other words.
const NEVER_RAN: &str = "never_ran";

/// Why nobody could be charged for it.
fn refusal(session: &Session) -> &'static str {
    match session.started().and_then(|started| started.authorization) {
        Some(Authorization::Accepted) | None => NOT_AUTHORIZED,
        Some(_) => TOKEN_REFUSED,
    }
}

fn later(at: Timestamp, by: TimeDelta) -> Timestamp {
    Timestamp::new(at.utc() + by)
}

/// With a stop in hand, these doubts do not go away by waiting; a later fact may still settle
/// them, and then the session is judged again.
fn final_doubt(session: &Session, doubt: Doubt) -> bool {
    session.stop().is_some() && !matches!(doubt, Doubt::StartMissing | Doubt::MessagesMissing)
}

/// Whether the last settlement stands as it stood: no fact came after it, and no doubt.
fn stands(session: &Session, before: &SessionSettled, basis: &Basis) -> bool {
    !is_doubted(session) && rests_on_all(session, before, basis)
}

/// Whether no fact came after a settlement, and it says what it would say now.
fn rests_on_all(session: &Session, before: &SessionSettled, basis: &Basis) -> bool {
    !session.heard_after(before.as_of_version)
        && before.started_at == basis.started_at
        && before.ended_at == basis.ended_at
        && before.register_start.register_wh == basis.register_start.register_wh
        && before.register_end.register_wh == basis.register_end.register_wh
        && before.released_at == basis.released_at
}

/// Whether a person was asked to look, for a reason that facts can resolve.
fn is_doubted(session: &Session) -> bool {
    session.outcome().is_some_and(|outcome| {
        outcome.outcome == Outcome::NeedsReview && outcome.reason.as_deref() != Some(NOT_RATABLE)
    })
}

/// Whether settling and rating a session once more, after late facts, says anything that the
/// last time did not: other spans or registers, another sum, another payer, or that a doubt is
/// gone. Of one that waits for its payment each fact is taken in: else the payment would not be
/// waited for.
pub fn changes_the_bill(session: &Session, settled: &SessionSettled, rating: &Rating) -> bool {
    let (Some((_, before)), Some((_, rated))) = (session.settled(), session.rated()) else {
        return true;
    };
    let same_spans = before.started_at == settled.started_at
        && before.ended_at == settled.ended_at
        && before.register_start.register_wh == settled.register_start.register_wh
        && before.register_end.register_wh == settled.register_end.register_wh;
    let figures = |rating| InvoiceFigures::of(rating).ok();
    is_doubted(session)
        || session.awaits_payment()
        || session.payer() != session.rated_payer()
        || !same_spans
        || figures(&rated.rating) != figures(rating)
}

/// Whether no register rose above the one it began with.
fn nothing_drawn(session: &Session) -> bool {
    let Some(started) = session.started() else { return false };
    let first = session.registers().next().map(|sample| sample.value);
    let begin = started.meter_start.as_ref().map(|reading| reading.register_wh.0).or(first);
    session.registers().all(|sample| begin.is_some_and(|begin| sample.value <= begin))
}

fn void_once(session: &Session, reason: &'static str) -> Settlement {
    match session.outcome() {
        Some(outcome) if outcome.invoice.is_some() => reviewed(session, INVOICED_YET_VOID),
        Some(outcome) if outcome.outcome == Outcome::Void => Settlement::Unchanged,
        _ => Settlement::Void { reason },
    }
}

/// What was invoiced is not undone without a credit note.
const INVOICED_YET_VOID: Review = Review {
    reason: "invoiced_yet_void",
    detail: "it has been invoiced, and by what came later it was no session",
    resolved_by: "an operator frees it, which takes the invoice back",
};

fn refused_yet_charged(session: &Session) -> Settlement {
    let (reason, detail) = match refusal(session) {
        TOKEN_REFUSED => ("refused_yet_charged", "energy flowed though the token had been refused"),
        _ => ("nobody_to_charge", "energy flowed though nobody had presented a token"),
    };
    let has_payer = session.started().is_some_and(|started| started.account_id.is_some());
    let resolved_by = match has_payer {
        true => "an operator charges it to the token's account or writes it off",
        false => "an operator writes it off: no account could be billed for it",
    };
    reviewed(session, Review { reason, detail, resolved_by })
}

fn review_once(session: &Session, doubt: Doubt) -> Settlement {
    reviewed(session, review_of(doubt))
}

/// The review, unless it was asked for already.
pub(super) fn reviewed(session: &Session, review: Review) -> Settlement {
    match session.outcome() {
        Some(outcome) if outcome.reason.as_deref() == Some(review.reason) => Settlement::Unchanged,
        _ => Settlement::Review(review),
    }
}

fn review_of(doubt: Doubt) -> Review {
    let (reason, detail, resolved_by) = match doubt {
        Doubt::StartMissing => (
            "start_missing",
            "messages came of a session whose start is not known",
            "the start arrives, or an operator enters the begin register",
        ),
        Doubt::MessagesMissing => (
            "messages_missing",
            "messages of the transaction have not come, and no registers of both its ends",
            "the missing messages arrive, or an operator enters the energy",
        ),
        Doubt::RegisterMissing => (
            "register_missing",
            "energy flowed, and no two readings of the register tell how much",
            "a reading arrives, or an operator enters the energy",
        ),
        Doubt::NothingMetered => (
            "nothing_metered",
            "no register was read, and by the station's words no energy flowed",
            "a reading arrives, or an operator enters the energy",
        ),
        Doubt::StopMissing => (
            "stop_missing",
            "no stop came, and nothing shows when it ended",
            "the stop arrives, or the next session at the connector shows the register",
        ),
        Doubt::BeginMissing => (
            "begin_missing",
            "the start gave no register, and nothing tells what it was",
            "a corrected begin register, or an operator enters the energy",
        ),
        Doubt::RegistersDoNotJoin => (
            "registers_do_not_join",
            "the register fell on the way, or ends below where it began",
            "a corrected reading, or an operator enters the energy",
        ),
        Doubt::RegisterFrozen => (
            "register_frozen",
            "by the readings of power energy flowed, and the register stood still",
            "a corrected reading, or an operator enters the energy",
        ),
        Doubt::EnergyImplausible => (
            "energy_implausible",
            "more energy than any charger delivers in that time",
            "a corrected begin register, or an operator enters the energy",
        ),
        Doubt::ClockImplausible => (
            "clock_implausible",
            "the station's clock cannot be believed and cannot be set right",
            "an operator enters when it began and ended",
        ),
        Doubt::StopContradicted => (
            "stop_contradicted",
            "two stops with different registers",
            "an operator says which stop holds",
        ),
        Doubt::StartAmbiguous => (
            "start_ambiguous",
            "the same start came again after the stop; it may be another session",
            "an operator says whether it was a repeat",
        ),
        Doubt::RegistersOverlap => (
            "registers_overlap",
            "its registers overlap those of the next session at the connector",
            "an operator says which session drew the energy",
        ),
    };
    Review { reason, detail, resolved_by }
}

//! One charging session as a fold of its facts, and what follows from them: when the bill may
//! be made, what it rests on, and what becomes of the session.
//!
//! Every judgement here rests on the *set* of facts, never on their order of arrival or their
//! number: any permutation and any duplication of a session's messages gives the same bill.

mod basis;
mod beginning;
mod by_hand;
mod clock;
mod direct_payment;
mod fold;
mod periods;
mod running;
mod settlement;
mod station_cost;
mod succession;
mod transaction;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transaction_tests;

pub use basis::{Basis, Doubt, POWER_PLAUSIBLE_W_MAX};
pub use beginning::{Beginning, Stop};
pub use by_hand::{
    Decided, DecisionRefused, TARIFF_BY_HAND, may_decide, settled_by_hand, span_as_told,
    tariff_by_hand,
};
pub use clock::began_at;
pub use direct_payment::{
    DIRECT_PAYMENT, EARLY_PAYMENT_REVIEW, PAYMENT_MISSING_REVIEW, PaymentTold, is_taken,
    payment_differs,
};
pub use fold::{Session, replaces_settlement};
pub use periods::{billing_input, rate_settled};
pub use running::{begin_reading, price_at_end, registers_as_told, running_price};
pub use settlement::{
    FOREIGN_STOP_REVIEW, NOT_RATABLE, ORPHAN_STOP_REVIEW, Review, Settlement, SettlementRules,
    changes_the_bill, settle,
};
pub use station_cost::station_cost_differs;
pub use succession::{
    has_drawn, is_begin_register, is_ended_by, preceding, preceding_at, superseding,
};
pub use transaction::{Fit, Transaction};

//! What becomes of a session that is paid for directly, at a terminal or on a web page (OCPP 2.1,
//! C18 to C25): its payer has no account here, and the money does not come by us. Its station
//! tells how the payment ended.

use super::fold::Session;
use super::settlement::{Review, Settlement, reviewed};
use crate::events::v1::{
    Anomaly, Authorization, Outcome, SessionAnomalyNoted, SessionTokenPresented, TerminalPayment,
};
use crate::ids::EventId;
use crate::invoice::InvoiceFigures;
use crate::rating::Rating;
use crate::units::Timestamp;
use rust_decimal::Decimal;

/// The type of a token that stands for a payment (IdTokenEnumStringType): its text is the payment
/// provider's reference.
pub const DIRECT_PAYMENT: &str = "DirectPayment";

/// The station's words for how a payment ended (PaymentStatusEnumType).
const SETTLED: &str = "Settled";
const CANCELED: &str = "Canceled";
const REJECTED: &str = "Rejected";

/// A payment as its station told of it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentTold<'a> {
    /// The station's word: `Settled`, `Canceled`, `Rejected`, `Failed`.
    pub status: &'a str,
    /// What was settled, or was to be, in major units.
    pub amount: Decimal,
    /// The exchange that said so.
    pub exchange: EventId,
}

impl PaymentTold<'_> {
    /// Whether money was taken.
    fn is_taken(&self) -> bool {
        is_settled(self.status, self.amount)
    }
}

/// What is to be said of a payment that was taken for a transaction which has not come.
pub const EARLY_PAYMENT_REVIEW: Review = Review {
    reason: "transaction_missing",
    detail: "a payment was taken at the station for a transaction of which nothing has come",
    resolved_by: "the transaction arrives, or an operator finds out what it was for",
};

/// Whether money was taken.
pub fn is_taken<Text>(payment: &TerminalPayment<Text>) -> bool {
    is_settled(&payment.status, payment.amount)
}

fn is_settled(status: &str, amount: Decimal) -> bool {
    status == SETTLED && amount > Decimal::ZERO
}

/// Whether a token stands for a payment that was let charge.
pub(super) fn is_a_payment(token: &SessionTokenPresented) -> bool {
    token.kind.as_deref() == Some(DIRECT_PAYMENT) && token.authorization == Authorization::Accepted
}

impl Session {
    /// Whether its payer is nobody here, and pays at a terminal or on a web page.
    pub fn is_paid_directly(&self) -> bool {
        self.transaction().and_then(|transaction| transaction.token()).is_some_and(is_a_payment)
    }

    /// Whether it is paid directly and nothing tells yet how that ended.
    pub(super) fn awaits_payment(&self) -> bool {
        self.is_paid_directly() && self.outcome().is_none()
    }
}

/// What becomes of a session that is paid for directly and stands as it was settled; until its
/// station tells how the payment ended, it is waited for until `deadline`.
pub(super) fn settle_directly(
    session: &Session,
    deadline: Timestamp,
    is_overdue: bool,
) -> Settlement {
    let outcome = session.outcome().map(|outcome| outcome.outcome);
    let is_free = matches!(outcome, Some(Outcome::Free | Outcome::Void));
    let told = session.transaction().and_then(|transaction| transaction.payment_told());
    match told {
        Some(told) if told.is_taken() => charged_by(session, told),
        _ if is_free => Settlement::Unchanged,
        None if is_overdue => reviewed(session, PAYMENT_MISSING_REVIEW),
        None => Settlement::NotYet { look_again_at: deadline },
        Some(told) if told.status == REJECTED => reviewed(session, DECLINED),
        Some(told) if told.status == SETTLED || told.status == CANCELED => {
            reviewed(session, RELEASED)
        }
        Some(_) => reviewed(session, FAILED),
    }
}

/// Where a session is over and its payment was taken, nobody can bill it any more: whatever is in
/// doubt about its energy, and though by our rating it cost nothing, it is charged elsewhere.
/// `None`: what is judged by the facts stands.
pub(super) fn taken_elsewhere(session: &Session, judged: &Settlement) -> Option<Settlement> {
    session.stop().filter(|_| session.is_paid_directly())?;
    let told = session.transaction()?.payment_told().filter(PaymentTold::is_taken)?;
    let outcome = session.outcome().map(|outcome| outcome.outcome);
    let is_closed = matches!(outcome, Some(Outcome::Free | Outcome::Void | Outcome::NeedsReview));
    let closes = match judged {
        Settlement::Review(_) | Settlement::Void { .. } | Settlement::Free { .. } => true,
        Settlement::Unchanged => is_closed,
        // It was settled before; settled again it would cost nothing as before.
        Settlement::Settled(_) => is_closed && session.rated().is_some(),
        Settlement::NotYet { .. } | Settlement::ChargedElsewhere { .. } => return None,
    };
    closes.then(|| charged_by(session, told))
}

/// The outcome names the settlement that holds: a later one takes the place of the one before.
fn charged_by(session: &Session, told: PaymentTold<'_>) -> Settlement {
    let is_said = session.outcome().is_some_and(|outcome| {
        outcome.outcome == Outcome::ChargedElsewhere
            && outcome.settlement.is_none_or(|settlement| settlement == told.exchange)
    });
    match is_said {
        true => Settlement::Unchanged,
        false => Settlement::ChargedElsewhere { settlement: told.exchange },
    }
}

/// What to note where another amount was paid directly than was rated, taxes included. The message
/// names no currency: it is taken to be the rating's. What was paid is whole minor units, so any
/// difference is one. It holds until the session is rated again, or another settlement counts.
pub fn payment_differs(session: &Session, rating: &Rating) -> Option<SessionAnomalyNoted> {
    if !session.is_paid_directly() {
        return None;
    }
    let told = session.transaction()?.payment_told().filter(PaymentTold::is_taken)?;
    let rated = InvoiceFigures::of(rating).ok()?;
    let (paid, due) = (told.amount, rated.total_gross());
    let detail = format!("paid were {paid}, rated are {due} {}", rated.currency);
    let anomaly = Anomaly::PaymentDiffers;
    let noted = SessionAnomalyNoted { anomaly, detail, exchange: Some(told.exchange) };
    (paid != due).then_some(noted)
}

/// What resolves a payment that did not come about.
const RESOLVED_BY: &str = "the amount is captured with the payment provider by the payment's \
    reference and the station tells so, or an operator writes it off";

/// What is to be said where nothing was told of a direct payment.
pub const PAYMENT_MISSING_REVIEW: Review = Review {
    reason: "payment_missing",
    detail: "it was paid for directly, and nothing tells how the payment ended",
    resolved_by: "the station tells how the payment was settled, or an operator writes it off",
};

/// The payment provider declined it (C22).
const DECLINED: Review = Review {
    reason: "payment_rejected",
    detail: "the payment provider declined the payment",
    resolved_by: RESOLVED_BY,
};

/// The amount that was held was let go (C19, C20), though the session costs something.
const RELEASED: Review = Review {
    reason: "payment_released",
    detail: "the payment was released, and the session costs something",
    resolved_by: RESOLVED_BY,
};

/// It did not come about for technical reasons (C22).
const FAILED: Review = Review {
    reason: "payment_failed",
    detail: "the payment could not be settled",
    resolved_by: RESOLVED_BY,
};

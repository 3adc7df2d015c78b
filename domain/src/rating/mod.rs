//! Rating: what a tariff makes of a session, as one pure function.
//!
//! [`rate`] is the only place where a price is computed. The running cost, the final cost, the
//! invoice, the CDR and the auditor's check all call it, with the same input and so with the
//! same result. It takes an OCPI 2.2.1 [`Tariff`] and a [`RatingInput`]: charging periods with
//! exact quantities, and the UTC offsets that local time is read with. It asks no clock and no
//! time zone database: [`LocalTime`] is resolved once, kept in the result, and can be used
//! again for ever.
//!
//! This room knows nothing of stations, frames, accounts or invoices' numbers.
//!
//! How a session is priced (OCPI 2.2.1 `mod_tariffs`, `mod_cdrs`; rules version 1):
//! 1. For each period and dimension the first element wins that prices the dimension and whose
//!    restrictions hold at the period's start. No element, no cost.
//! 2. Quantities are added up per dimension and element; a FLAT fee is charged once, by the
//!    first period in which one holds.
//! 3. `step_size` rounds the *priced* total of ENERGY up once, and that of the time dimensions
//!    once: PARKING_TIME if any was priced, otherwise TIME. The step is that of the last priced
//!    period, and the surplus is billed there. Reserved time is rounded by itself.
//! 4. One line per dimension and element: quantity × price, VAT on top, each rounded to
//!    [`AMOUNT_DECIMALS`] digits. Totals are sums of lines.
//! 5. `min_price` and `max_price` limit the totals without and with VAT, each by itself.
//!
//! Arithmetic is decimal and checked; what overflows is a [`RatingError`]. Results of products
//! keep 28 significant digits, far beyond what is rounded to.

mod arithmetic;
pub mod cdr;
mod input;
mod invoice;
mod local_time;
mod result;
mod split;
mod v1;

pub use cdr::{RateError, RateReport, rate_cdr};
pub use input::{ChargingPeriod, MAX_PERIODS, RatingInput};
pub use invoice::{InvoiceLine, InvoiceTotals, NetLine, VatTotal, invoice_lines, invoice_totals};
pub use local_time::{LocalTime, MAX_SESSION_DAYS, UtcOffset};
pub use result::{
    AppliedLimit, LimitKind, LineDimension, PeriodQuantity, PeriodRating, Price, Rating,
    RatingLine, Unit,
};
pub use split::{Activity, ActivityStart, RegisterReading, SessionTimeline, split_at_boundaries};

use crate::tariff::Tariff;

/// The rules that [`rate`] follows. Each released version stays callable through [`rate_with`].
pub const RULES_VERSION: &str = v1::VERSION;

/// Digits after the point that amounts are rounded to, half away from zero: fine enough that no
/// sum of lines can differ by a minor unit from the unrounded one, short enough to be read.
pub const AMOUNT_DECIMALS: u32 = 10;

/// Why a session cannot be rated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// A number grew beyond what a decimal holds.
    #[error("an amount or quantity is too large to be computed exactly")]
    Overflow,
    /// Nothing to rate.
    #[error("there are no charging periods")]
    NoPeriods,
    /// More periods than [`MAX_PERIODS`].
    #[error("there are more than {MAX_PERIODS} charging periods")]
    TooManyPeriods,
    /// Periods or readings are not in the order of time, or end before they begin.
    #[error("times are out of order: {0}")]
    OutOfOrder(&'static str),
    /// A time that went by is negative.
    #[error("a charging period has a negative duration")]
    NegativeDuration,
    /// The register counted backwards.
    #[error("the meter register goes backwards")]
    RegisterBackwards,
    /// Longer than [`MAX_SESSION_DAYS`].
    #[error("the session is longer than {MAX_SESSION_DAYS} days")]
    SessionTooLong,
    /// The tariff's currency has no minor unit that an invoice could be in.
    #[error("`{0}` is not a currency that can be invoiced")]
    UnknownCurrency(String),
    /// A version of the rules that this program does not have.
    #[error("there are no rating rules of version `{0}`")]
    UnknownRules(String),
}

/// Prices a session by the current rules.
///
/// # Errors
/// [`RatingError`] where the input is not a session or a number overflows; never a panic.
pub fn rate(tariff: &Tariff, input: &RatingInput) -> Result<Rating, RatingError> {
    rate_with(RULES_VERSION, tariff, input)
}

/// Prices a session by the rules of that version: `rating.rules_version` of an earlier result.
///
/// # Errors
/// As [`rate`], and [`RatingError::UnknownRules`].
pub fn rate_with(
    rules_version: &str,
    tariff: &Tariff,
    input: &RatingInput,
) -> Result<Rating, RatingError> {
    match rules_version {
        v1::VERSION => v1::rate(tariff, input),
        unknown => Err(RatingError::UnknownRules(unknown.to_owned())),
    }
}

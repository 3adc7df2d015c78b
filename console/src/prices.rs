//! Prices and curves of sessions that run, kept for a moment so that several open dashboards
//! read each session's stream once.

use crate::error::PageError;
use crate::state::Console;
use chargebook_domain::events::v1::{Authorization, Outcome};
use chargebook_domain::ids::SessionId;
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::units::WattHours;
use chargebook_projections::{Cost, CurvePoint, Session, SessionStatus};
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions that are remembered; beyond that it begins anew.
const SESSIONS_MAX: usize = 1_000;
/// What runs is looked at again after this, also if nothing was said: time may cost.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// What is over is looked at again after this.
const OVER_FRESH_FOR: Duration = Duration::from_secs(60);

/// How a session goes.
pub(crate) struct Course {
    /// What it costs so far.
    pub(crate) cost: Option<Cost>,
    /// Its curve.
    pub(crate) curve: Vec<CurvePoint>,
}

/// What was read lately.
#[derive(Default)]
pub(crate) struct Prices {
    entries: Mutex<HashMap<SessionId, Entry>>,
}

#[derive(Clone)]
struct Entry {
    /// What the session's row was.
    of: Session,
    read: Instant,
    course: Arc<Course>,
}

impl Prices {
    fn entries(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The registers of a session that a person has to judge, believed or not; `None` for every
/// other, whose energy stands in its row.
pub(crate) async fn doubted_registers(
    console: &Console,
    session: &Session,
) -> Result<Option<(WattHours, WattHours)>, PageError> {
    match session.outcome {
        Some(Outcome::NeedsReview) => {
            Ok(console.chargebook().registers_as_told(session.id).await?)
        }
        _ => Ok(None),
    }
}

/// A session's energy: what the row says, or end less begin where that is in doubt, which may
/// be less than nothing.
pub(crate) fn energy(session: &Session, doubted: Option<(WattHours, WattHours)>) -> WattHours {
    doubted.and_then(|(begin, end)| end.since(begin)).unwrap_or(session.energy_wh)
}

/// How a session goes; `None` where the read models do not know it any more.
pub(crate) async fn course(
    console: &Console,
    session: &Session,
) -> Result<Option<Arc<Course>>, PageError> {
    let fresh_for = match session.status {
        SessionStatus::Open => FRESH_FOR,
        SessionStatus::Stopped | SessionStatus::Settled => OVER_FRESH_FOR,
    };
    let known = console.prices().entries().get(&session.id).cloned();
    if let Some(known) = known
        && known.of == *session
        && known.read.elapsed() < fresh_for
    {
        return Ok(Some(known.course));
    }
    let detail = console.models().session_detail(session.id, console.now()).await?;
    let Some(detail) = detail else { return Ok(None) };
    // A refused card pays nothing, whatever its session would cost.
    let priced = session.authorization == Some(Authorization::Accepted);
    let cost = match priced {
        true => console.chargebook().running_cost(session.id).await?,
        false => None,
    };
    // As an invoice would have it, so that the price does not jump when there is one.
    let cost = cost.and_then(|cost| InvoiceFigures::of(&cost.rating).ok()).map(|figures| {
        let amount = |minor| Decimal::try_new(minor, figures.currency_exponent).unwrap_or_default();
        Cost {
            net: amount(figures.total_net_minor),
            gross: amount(figures.total_gross_minor),
            currency: figures.currency.clone(),
        }
    });
    let course = Arc::new(Course { cost, curve: detail.curve });
    let mut entries = console.prices().entries();
    if entries.len() >= SESSIONS_MAX {
        entries.clear();
    }
    let entry = Entry { of: session.clone(), read: Instant::now(), course: Arc::clone(&course) };
    entries.insert(session.id, entry);
    Ok(Some(course))
}

//! Prices and curves of sessions that run, kept for a moment so that several open dashboards
//! read each session's stream once.

use crate::error::PageError;
use crate::state::Console;
use chargebook_domain::ids::SessionId;
use chargebook_projections::{Cost, CurvePoint, Session, SessionStatus};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions that are remembered; beyond that it begins anew.
const SESSIONS_MAX: usize = 1_000;
/// What runs is looked at again after this.
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
    entries: Mutex<HashMap<SessionId, (Instant, Arc<Course>)>>,
}

impl Prices {
    fn entries(&self) -> MutexGuard<'_, HashMap<SessionId, (Instant, Arc<Course>)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    if let Some((read, course)) = known
        && read.elapsed() < fresh_for
    {
        return Ok(Some(course));
    }
    let detail = console.models().session_detail(session.id, console.now()).await?;
    let Some(detail) = detail else { return Ok(None) };
    let cost = detail.session.cost.or(detail.running_cost);
    let course = Arc::new(Course { cost, curve: detail.curve });
    let mut entries = console.prices().entries();
    if entries.len() >= SESSIONS_MAX {
        entries.clear();
    }
    entries.insert(session.id, (Instant::now(), Arc::clone(&course)));
    Ok(Some(course))
}

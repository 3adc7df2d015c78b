//! The final cost on a 1.6 station's display (OCA, "OCPP & California Pricing Requirements":
//! FinalCost), once what a session costs stands: with its stop, or later where the time at the
//! connector costs something. A 2.x station has it in the answer to the end.

use crate::Chargebook;
use crate::clock::derived_id;
use crate::registry::RegistryError;
use crate::running::{FREE, gross};
use crate::settling::tariff_of;
use chargebook_domain::events::v1::{Intent, Outcome};
use chargebook_domain::ids::{CommandId, EventId, TransactionId};
use chargebook_domain::session::{Beginning, Session};
use chrono::TimeDelta;
use rust_decimal::Decimal;

/// Who has charged has gone when nothing was heard of the session for so long.
const SHOWN_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// Shows what sessions have cost, each once: what is corrected later is not shown again.
pub(super) async fn show_final_costs(
    chargebook: &Chargebook,
    sessions: impl Iterator<Item = &Session>,
) {
    let now = chargebook.journal().now();
    for session in sessions {
        let Some(started) = session.started().filter(|started| started.is_accepted()) else {
            continue;
        };
        let heard_at = session.last_heard_at().unwrap_or(started.received_at);
        let board = chargebook.board();
        let is_watched = board.may_have_display(started.station_id)
            && board.is_present(started.station_id)
            && now.utc() - heard_at.utc() <= SHOWN_WITHIN;
        if is_watched && let Err(error) = show_final_cost(chargebook, session, started).await {
            tracing::warn!(%error, "a station could not be told what a session has cost");
        }
    }
}

async fn show_final_cost(
    chargebook: &Chargebook,
    session: &Session,
    started: &Beginning,
) -> Result<(), RegistryError> {
    let TransactionId::Number(transaction_id) = started.transaction_id else { return Ok(()) };
    let Some(cost) = final_cost(session) else { return Ok(()) };
    let Some(station) = chargebook.registry().station(started.station.as_str()).await? else {
        return Ok(());
    };
    if !station.shows_costs() || station.settings.quiet {
        return Ok(());
    }
    let tariff = tariff_of(chargebook, session).await?;
    let text = tariff.map(|choice| choice.tariff.price_text());
    let intent = Intent::ShowCost { transaction_id, transaction: None, cost, so_far: None, text };
    let id = derived_id(EventId(started.session_id.0), "final_cost_shown", 0);
    chargebook.request_once(&station, CommandId(id.0), intent).await
}

/// Including taxes; `None` where a person has to look first.
fn final_cost(session: &Session) -> Option<Decimal> {
    match session.rated() {
        Some((_, rated)) => gross(&rated.rating),
        None => match session.outcome()?.outcome {
            Outcome::Free | Outcome::Void => Some(FREE),
            _ => None,
        },
    }
}

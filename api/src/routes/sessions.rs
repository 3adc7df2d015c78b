//! Charging sessions: what happened, what it came to, what became of the bill.

use crate::answer::{Exact, Page, amount};
use crate::problem::Problem;
use crate::request::{PageParameters, PathText, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::events::v1::{Authorization, Outcome as DomainOutcome, TerminalPayment};
use chargebook_domain::ids::{AccountId, SessionId, SiteId, TokenId, TransactionId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_projections::Session as SessionRow;
use chargebook_projections::{
    Cost, CurvePoint, SessionDetail, SessionFilter, SessionStatus, TimelineEntry,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A transaction's id.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says in the document what the id is written as")]
pub(crate) enum TransactionIdentity {
    /// OCPP 1.6: a number of ours.
    Number(i32),
    /// OCPP 2.x: a text of the station's.
    Name(String),
}

/// A session as far as it is known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its id, as in stream names.
    id: Uuid,
    /// Where, by the station's id.
    station: String,
    /// The EVSE, at a station that counts them (OCPP 2.x), as far as it is known.
    evse: Option<u32>,
    /// The connector, as far as it is known: at the station in OCPP 1.6, at the EVSE in 2.x.
    connector: Option<u32>,
    /// The transaction's id: a number in OCPP 1.6, a text in 2.x.
    #[schema(value_type = TransactionIdentity)]
    transaction_id: TransactionId,
    /// What the driver presented; null where nobody did, and once erased.
    token: Option<String>,
    /// Our own id of that token, where it is known.
    token_id: Option<Uuid>,
    /// Who pays.
    account_id: Option<Uuid>,
    /// What was said to the token: `accepted`, `blocked`, `expired`, `invalid`; null where none
    /// was presented.
    #[schema(value_type = Option<String>, example = "accepted")]
    authorization: Value,
    /// The site's id.
    site: Option<String>,
    /// IANA zone that its tariff's hours are read in.
    time_zone: String,
    /// How far it is: `open`, `stopped`, `settled`.
    #[schema(value_type = String, example = "settled")]
    status: SessionStatus,
    /// When it began: by the station's clock, or as settled.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended: by the station's clock, or as settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The station's word for why it ended; `Local` where it gave none.
    stop_reason: Option<String>,
    /// Energy in Wh: so far while it runs, as settled after that.
    energy_wh: Exact,
    /// Energy in Wh that flowed back from the vehicle so far; null where the station does not meter
    /// that. It is no part of `energy_wh`, and of no bill.
    exported_wh: Option<Exact>,
    /// Power as last metered, in W; null once it has ended.
    power_w: Option<Exact>,
    /// The car's state of charge as last metered, in percent.
    state_of_charge_percent: Option<Exact>,
    /// When it was last metered, by the station's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    metered_at: Option<Timestamp>,
    /// What it costs with VAT, in major units, once rated: exact, where an invoice rounds.
    #[schema(example = "5.95")]
    cost: Option<String>,
    /// What it costs without VAT, in major units, once rated: exact, where an invoice rounds.
    #[schema(example = "5.00")]
    cost_net: Option<String>,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: Option<String>,
    /// What became of it, once decided.
    outcome: Option<Outcome>,
    /// A word for why.
    reason: Option<String>,
    /// In words, for a person.
    detail: Option<String>,
    /// Who has to look at it, where somebody has to.
    owner: Option<String>,
    /// What would resolve it.
    resolved_by: Option<String>,
    /// Number of the last invoice or credit note to it.
    invoice: Option<String>,
    /// What was odd about it.
    #[schema(value_type = Vec<String>)]
    anomalies: Value,
    /// What the station said last of a payment at its terminal (OCPP 2.1).
    settlement: Option<Settlement>,
    /// Position of its `session.started`.
    position: u64,
}

/// A payment at a station's terminal, as the station tells of it; no money of ours moves by it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Settlement {
    /// The station's word: `Settled`, `Canceled`, `Rejected`, `Failed`.
    status: String,
    /// What was settled, or was to be, in major units.
    #[schema(example = "5.95")]
    amount: String,
    /// When, by the station's clock.
    #[schema(value_type = String, format = DateTime)]
    settled_at: Timestamp,
    /// The payment provider's reference; null once erased.
    reference: Option<String>,
    /// The receipt's number, where the station or the terminal made one.
    receipt_id: Option<String>,
    /// Where that receipt is.
    receipt_url: Option<String>,
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Billed by us.
    Invoiced,
    /// Billed elsewhere: roaming, a payment terminal.
    ChargedElsewhere,
    /// Nothing to pay.
    Free,
    /// No session at all.
    Void,
    /// A person has to look.
    NeedsReview,
}

impl From<DomainOutcome> for Outcome {
    fn from(outcome: DomainOutcome) -> Self {
        match outcome {
            DomainOutcome::Invoiced => Self::Invoiced,
            DomainOutcome::ChargedElsewhere => Self::ChargedElsewhere,
            DomainOutcome::Free => Self::Free,
            DomainOutcome::Void => Self::Void,
            DomainOutcome::NeedsReview => Self::NeedsReview,
        }
    }
}

impl From<Outcome> for DomainOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Invoiced => Self::Invoiced,
            Outcome::ChargedElsewhere => Self::ChargedElsewhere,
            Outcome::Free => Self::Free,
            Outcome::Void => Self::Void,
            Outcome::NeedsReview => Self::NeedsReview,
        }
    }
}

/// A session with what its stream tells beyond the row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionInFull {
    #[serde(flatten)]
    session: Session,
    /// What it costs so far with VAT, in major units; null once it is rated.
    #[schema(example = "1.23")]
    running_cost: Option<String>,
    /// Currency of the running cost (ISO 4217).
    running_currency: Option<String>,
    /// The meter curve, by the station's clock.
    curve: Vec<MeterPoint>,
    /// What happened, in the order of the log; meter values left out. The events themselves:
    /// `/v1/events?stream=session-{id}`.
    timeline: Vec<Step>,
    /// True where the session is too long to be read whole: curve and timeline are cut.
    truncated: bool,
}

/// A point of a meter curve.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeterPoint {
    /// By the station's clock.
    #[schema(value_type = String, format = DateTime)]
    sampled_at: Timestamp,
    /// Energy since the session began, in Wh.
    energy_wh: Option<Exact>,
    /// Power in W.
    power_w: Option<Exact>,
    /// The car's state of charge in percent.
    state_of_charge_percent: Option<Exact>,
}

/// A step in a session's life.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Its event's position.
    position: u64,
    /// Its event.
    event_id: Uuid,
    /// Its event's type.
    #[serde(rename = "type")]
    #[schema(example = "session.stopped")]
    event_type: String,
    /// Our clock.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// What the type alone does not say.
    detail: Option<String>,
}

/// Which sessions; each parameter narrows the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionParameters {
    /// At this station, by its id.
    station: Option<String>,
    /// At this site, by its id.
    site: Option<String>,
    /// By this token, by our own id.
    token_id: Option<Uuid>,
    /// Paid by this account.
    account_id: Option<Uuid>,
    /// With this outcome.
    outcome: Option<Outcome>,
    /// Still running, or not.
    open: Option<bool>,
    /// With this transaction id.
    transaction_id: Option<i32>,
}

/// The sessions, the one that became known last first.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    params(SessionParameters, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Session>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(parameters): Query<SessionParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Session>>, Problem> {
    let site_id = match &parameters.site {
        None => None,
        Some(site) => match state.read_models.site(site).await? {
            Some(site) => Some(site.site_id),
            None => return Ok(Json(Page { items: Vec::new(), next: None })),
        },
    };
    let filter = SessionFilter {
        station: parameters.station,
        site_id,
        token_id: parameters.token_id.map(TokenId),
        account_id: parameters.account_id.map(AccountId),
        outcome: parameters.outcome.map(DomainOutcome::from),
        open: parameters.open,
        transaction_id: parameters.transaction_id,
    };
    let page = state.read_models.list_sessions(&filter, &page.paging()?).await?;
    let sites = site_names(&state, &page.items).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(session(&state, row, &sites).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One session as the API shows it.
pub(super) async fn session_of(state: &ApiState, row: SessionRow) -> Result<Session, Problem> {
    let sites = site_names(state, std::slice::from_ref(&row)).await?;
    session(state, row, &sites).await
}

/// One session with its meter curve and what happened in it.
#[utoipa::path(
    get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "get_session",
    params(("id" = Uuid, Path, description = "The session's id"), WaitParameters),
    responses(
        (status = 200, description = "The session", body = SessionInFull),
        (status = 404, description = "No such session", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<SessionInFull>, Problem> {
    let no_session = || Problem::not_found(format!("no session `{id}`"));
    let session_id: SessionId = id.parse().map_err(|_| no_session())?;
    let now = state.now();
    let found = state.found(|| state.read_models.session_detail(session_id, now)).await?;
    let SessionDetail { session: row, curve, timeline, running_cost, truncated } =
        found.ok_or_else(no_session)?;
    // Who was refused pays nothing, whatever the session would cost.
    let is_let = row.authorization.is_none_or(|said| said == Authorization::Accepted);
    let running_cost = running_cost.filter(|_| is_let);
    let sites = site_names(&state, std::slice::from_ref(&row)).await?;
    Ok(Json(SessionInFull {
        session: session(&state, row, &sites).await?,
        running_cost: running_cost.as_ref().map(|cost| amount(cost.gross)),
        running_currency: running_cost.map(|cost| cost.currency),
        curve: curve.into_iter().map(MeterPoint::from).collect(),
        timeline: timeline.into_iter().map(Step::from).collect(),
        truncated,
    }))
}

async fn session(
    state: &ApiState,
    row: SessionRow,
    sites: &HashMap<SiteId, String>,
) -> Result<Session, Problem> {
    let word = |value: Result<Value, serde_json::Error>| value.map_err(|e| Problem::internal(&e));
    let (net, gross, currency) = match row.cost {
        Some(Cost { net, gross, currency }) => {
            (Some(amount(net)), Some(amount(gross)), Some(currency))
        }
        None => (None, None, None),
    };
    Ok(Session {
        id: row.id.0,
        station: row.station.as_str().to_owned(),
        evse: row.evse.map(|evse| evse.0),
        connector: row.connector.map(|connector| connector.0),
        transaction_id: row.transaction_id,
        token: opened(state, row.token.as_ref()).await,
        token_id: row.token_id.map(|token| token.0),
        account_id: row.account_id.map(|account| account.0),
        authorization: word(serde_json::to_value(row.authorization))?,
        site: row.site_id.and_then(|site| sites.get(&site).cloned()),
        time_zone: row.time_zone,
        status: row.status,
        started_at: row.started_at,
        ended_at: row.ended_at,
        stop_reason: row.stop_reason,
        energy_wh: Exact(row.energy_wh.0),
        exported_wh: row.exported_wh.map(|energy| Exact(energy.0)),
        power_w: row.power_w.map(Exact),
        state_of_charge_percent: row.state_of_charge_percent.map(Exact),
        metered_at: row.metered_at,
        cost: gross,
        cost_net: net,
        currency,
        outcome: row.outcome.map(Outcome::from),
        reason: row.reason,
        detail: row.detail,
        owner: row.owner,
        resolved_by: row.resolved_by,
        invoice: row.invoice,
        anomalies: word(serde_json::to_value(row.anomalies))?,
        settlement: match &row.payment {
            Some(payment) => Some(settlement(state, payment).await),
            None => None,
        },
        position: row.position,
    })
}

pub(crate) async fn settlement(state: &ApiState, payment: &TerminalPayment) -> Settlement {
    Settlement {
        status: payment.status.clone(),
        amount: amount(payment.amount),
        settled_at: payment.at,
        reference: state.opened(&payment.reference).await,
        receipt_id: opened(state, payment.receipt_id.as_ref()).await,
        receipt_url: opened(state, payment.receipt_url.as_ref()).await,
    }
}

async fn opened(state: &ApiState, text: Option<&SealedText>) -> Option<String> {
    match text {
        Some(text) => state.opened(text).await,
        None => None,
    }
}

/// The sites' names in the API, where any of the sessions has a site.
async fn site_names(
    state: &ApiState,
    sessions: &[SessionRow],
) -> Result<HashMap<SiteId, String>, Problem> {
    if sessions.iter().all(|session| session.site_id.is_none()) {
        return Ok(HashMap::new());
    }
    let sites = state.read_models.list_sites().await?;
    Ok(sites.into_iter().map(|site| (site.site_id, site.id)).collect())
}

impl From<CurvePoint> for MeterPoint {
    fn from(point: CurvePoint) -> Self {
        Self {
            sampled_at: point.sampled_at,
            energy_wh: point.energy_wh.map(|energy| Exact(energy.0)),
            power_w: point.power_w.map(Exact),
            state_of_charge_percent: point.state_of_charge_percent.map(Exact),
        }
    }
}

impl From<TimelineEntry> for Step {
    fn from(entry: TimelineEntry) -> Self {
        Self {
            position: entry.position,
            event_id: entry.event_id.0,
            event_type: entry.event_type,
            recorded_at: entry.recorded_at,
            detail: entry.detail,
        }
    }
}

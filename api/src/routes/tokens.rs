//! Tokens: what drivers present, and whether it may charge.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PageParameters, PathText, Query, WaitParameters, present};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::registry::{KnownToken, TokenChange, TokenRegistration};
use chargebook_domain::events::v1::TokenStatus;
use chargebook_domain::ids::{DriverId, TokenId};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Token as TokenRow;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A token as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    /// What the reader reads; null once erased.
    uid: Option<String>,
    /// Our own id of it, as in stream names.
    token_id: Uuid,
    /// OCPI word: `RFID`, `APP_USER`, `AD_HOC_USER`, `OTHER`; or OCPP's for what a reader reads:
    /// `ISO14443`, `ISO15693`, `KeyCode`, `MacAddress`, `eMAID`, `Local`, `Central`, in 2.1 also
    /// `EVCCID`, `VIN`. OCPP's goes to 2.x stations as it is; of OCPI's, `RFID` goes as `ISO14443`
    /// and any other as `Central`.
    #[serde(rename = "type")]
    #[schema(example = "RFID")]
    kind: String,
    /// Whether it may charge.
    status: Status,
    /// Until when it may.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Its group: whose tokens may stop what another of it began.
    group: Option<String>,
    /// Our own id of whose it is.
    driver_id: Option<Uuid>,
    /// Who pays.
    account_id: Uuid,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
}

/// Whether a token may charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenStatus)]
pub(crate) enum Status {
    /// It may.
    Accepted,
    /// It may not.
    Blocked,
}

impl From<TokenStatus> for Status {
    fn from(status: TokenStatus) -> Self {
        match status {
            TokenStatus::Accepted => Self::Accepted,
            TokenStatus::Blocked => Self::Blocked,
        }
    }
}

impl From<Status> for TokenStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Accepted => Self::Accepted,
            Status::Blocked => Self::Blocked,
        }
    }
}

/// A token to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What the reader reads: 1 to 36 printable characters, case-insensitive.
    #[schema(example = "04A1B2C3")]
    uid: String,
    /// OCPI word: `RFID`, `APP_USER`, `AD_HOC_USER`, `OTHER`; or OCPP's for what a reader reads:
    /// `ISO14443`, `ISO15693`, `KeyCode`, `MacAddress`, `eMAID`, `Local`, `Central`, in 2.1 also
    /// `EVCCID`, `VIN`. OCPP's goes to 2.x stations as it is; of OCPI's, `RFID` goes as `ISO14443`
    /// and any other as `Central`.
    #[serde(rename = "type")]
    #[schema(example = "RFID")]
    kind: String,
    /// Whose it is, by the driver's id; without one it gets an account of its own.
    driver: Option<String>,
    /// Whether it may charge; `accepted` if absent.
    status: Option<Status>,
    /// Until when it may, also in the past; for ever if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Its group: whose tokens may stop what another of it began, and use what is reserved for
    /// it (parentIdTag, groupIdToken). 1 to 20 printable characters. OCPI's `group_id` is read too.
    #[serde(alias = "group_id")]
    group: Option<String>,
}

/// What may change about a token; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenChangeBody {
    /// Whether it may charge.
    status: Option<Status>,
    /// Until when it may, also in the past; null means for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// Its group; null means none.
    #[serde(default, alias = "group_id", deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    group: Option<Option<String>>,
}

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenFilter {
    /// Of this driver, by our own id.
    driver_id: Option<Uuid>,
}

/// The tokens, newest first.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens", operation_id = "list_tokens",
    params(TokenFilter, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Token>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(filter): Query<TokenFilter>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Token>>, Problem> {
    let driver = filter.driver_id.map(DriverId);
    let page = state.read_models.list_tokens(driver, &page.paging()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(token(&state, row).await);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One token.
#[utoipa::path(
    get, path = "/v1/tokens/{uid}", tag = "tokens", operation_id = "get_token",
    params(("uid" = String, Path, description = "What the reader reads"), WaitParameters),
    responses(
        (status = 200, description = "The token", body = Token),
        (status = 404, description = "No such token", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(uid): PathText,
) -> Result<Json<Token>, Problem> {
    let known = known(&state, &uid).await?;
    let id: TokenId = known.token_id;
    let row = state.found(|| state.read_models.token(id)).await?.ok_or_else(no_token)?;
    Ok(Json(token(&state, row).await))
}

/// Registers a token; the same again is the same.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", operation_id = "register_token",
    request_body = NewToken,
    responses(
        (status = 201, description = "Registered, and in force", body = Written),
        (status = 200, description = "It was registered so before", body = Written),
        (status = 409, description = "It is registered with other content", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn register(
    State(state): State<ApiState>,
    Body(token): Body<NewToken>,
) -> Result<Response, Problem> {
    let NewToken { uid, kind, driver, status, expires_at, group } = token;
    let status = status.unwrap_or(Status::Accepted).into();
    let registration =
        TokenRegistration { uid: uid.clone(), kind, driver, status, expires_at, group };
    let _alone = state.alone_with("token", &uid).await;
    let registered = state.chargebook.registry().register_token(registration).await?;
    Ok(Written::registered(registered, "/v1/tokens", uid.trim()))
}

/// Blocks a token, accepts it again, sets until when it may charge, or its group; in force at once.
#[utoipa::path(
    patch, path = "/v1/tokens/{uid}", tag = "tokens", operation_id = "change_token",
    params(("uid" = String, Path, description = "What the reader reads")),
    request_body = TokenChangeBody,
    responses(
        (status = 200, description = "Changed, or so before", body = Written),
        (status = 404, description = "No such token", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    PathText(uid): PathText,
    Body(change): Body<TokenChangeBody>,
) -> Result<Response, Problem> {
    let known = known(&state, &uid).await?;
    let change = TokenChange {
        status: change.status.map(TokenStatus::from),
        expires_at: change.expires_at,
        group: change.group,
    };
    let changed = change.status.is_some_and(|status| status != known.status)
        || change.expires_at.is_some_and(|expires_at| expires_at != known.expires_at)
        || change
            .group
            .as_ref()
            .is_some_and(|group| group.as_deref().map(str::trim) != known.group.as_deref());
    let position = state.chargebook.registry().change_token(&uid, change).await?;
    Ok(Written::changed(changed, position, &uid))
}

async fn token(state: &ApiState, row: TokenRow) -> Token {
    let group = match &row.group {
        Some(group) => state.opened(group).await,
        None => None,
    };
    Token {
        uid: state.opened(&row.uid).await,
        token_id: row.token_id.0,
        kind: row.kind,
        status: row.status.into(),
        expires_at: row.expires_at,
        group,
        driver_id: row.driver_id.map(|driver| driver.0),
        account_id: row.account_id.0,
        registered_at: row.registered_at,
    }
}

async fn known(state: &ApiState, uid: &str) -> Result<Arc<KnownToken>, Problem> {
    state.chargebook.registry().token(uid).await?.ok_or_else(no_token)
}

fn no_token() -> Problem {
    Problem::not_found("no such token")
}

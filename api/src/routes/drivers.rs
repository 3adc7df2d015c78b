//! Drivers: who charges and pays. The id that an operator gives a driver is known to the log as
//! a keyed hash only, like everything else that could name a person.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PageParameters, PathText, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::AccountKind;
use chargebook_domain::ids::DriverId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::Driver as DriverRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A driver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Driver {
    /// Our own id of them, as in stream names; it stands for their id in paths too.
    driver_id: Uuid,
    /// Their name; null once erased.
    name: Option<String>,
    /// Their e-mail address; null where there is none, and once erased.
    email: Option<String>,
    /// Who pays for them.
    account_id: Uuid,
    /// When they were registered.
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    /// Whether they were erased.
    erased: bool,
}

/// A driver to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDriver {
    /// What they are called in the API, for a token to name them; a random one if absent.
    id: Option<String>,
    /// Their name.
    name: String,
    /// Their e-mail address.
    email: Option<String>,
    /// How they pay: `pay_later` (the default) or `wallet`.
    #[serde(default)]
    account: Payer,
}

/// How an account pays.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payer {
    /// It owes, and settles invoices later.
    #[default]
    PayLater,
    /// It has paid in before.
    Wallet,
}

impl From<Payer> for AccountKind {
    fn from(payer: Payer) -> Self {
        match payer {
            Payer::PayLater => Self::PayLater,
            Payer::Wallet => Self::Wallet,
        }
    }
}

/// The drivers, newest first.
#[utoipa::path(
    get, path = "/v1/drivers", tag = "drivers", operation_id = "list_drivers",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Driver>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Driver>>, Problem> {
    let page = state.read_models.list_drivers(&page.paging()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(driver(&state, row).await);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One driver.
#[utoipa::path(
    get, path = "/v1/drivers/{id}", tag = "drivers", operation_id = "get_driver",
    params(
        ("id" = String, Path, description = "The driver's id, or our own `driver_id`"),
        WaitParameters,
    ),
    responses(
        (status = 200, description = "The driver", body = Driver),
        (status = 404, description = "No such driver", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Driver>, Problem> {
    let registered = state.chargebook.registry().driver(&id).await?;
    let driver_id = registered.map(|known| known.driver_id).or_else(|| id.parse().ok());
    let driver_id: DriverId = driver_id.ok_or_else(no_driver)?;
    let row = state.found(|| state.read_models.driver(driver_id)).await?;
    Ok(Json(driver(&state, row.ok_or_else(no_driver)?).await))
}

/// Registers a driver, with an account of their own; the same again is the same.
#[utoipa::path(
    post, path = "/v1/drivers", tag = "drivers", operation_id = "register_driver",
    request_body = NewDriver,
    responses(
        (status = 201, description = "Registered", body = Written),
        (status = 200, description = "They were registered so before", body = Written),
        (status = 409, description = "They are registered with other content", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn register(
    State(state): State<ApiState>,
    Body(driver): Body<NewDriver>,
) -> Result<Response, Problem> {
    let NewDriver { id, name, email, account } = driver;
    let id = id.unwrap_or_else(|| state.fresh_name());
    let _alone = state.alone_with("driver", &id).await;
    let registry = state.chargebook.registry();
    let registered =
        registry.register_driver_paying(&id, &name, email.as_deref(), account.into()).await?;
    Ok(Written::registered(registered, "/v1/drivers", &id))
}

async fn driver(state: &ApiState, row: DriverRow) -> Driver {
    let email = match &row.email {
        Some(email) => state.opened(email).await,
        None => None,
    };
    Driver {
        driver_id: row.driver_id.0,
        name: state.opened(&row.name).await,
        email,
        account_id: row.account_id.0,
        registered_at: row.registered_at,
        erased: row.erased,
    }
}

fn no_driver() -> Problem {
    Problem::not_found("no such driver")
}

//! Accounts: who owes, what was paid in, and how much may be owed.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PageParameters, PathText, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::AccountKind;
use chargebook_domain::ids::AccountId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::Account as AccountRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An account, with what its ledger says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    /// Its id, as in stream names.
    account_id: Uuid,
    /// How it pays: `pay_later`, `wallet`.
    #[schema(example = "pay_later")]
    kind: &'static str,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// What it owes and has.
    balances: Vec<Balance>,
    /// How much it may owe, by currency; in others any amount, and a wallet nothing.
    limits: Vec<Limit>,
}

/// How much an account may owe.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountLimit)]
pub(crate) struct Limit {
    /// ISO 4217.
    currency: String,
    /// In minor units.
    limit_minor: i64,
}

/// The sum of a ledger account's postings in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Balance {
    /// `receivable:{account}`, `wallet:{account}`.
    ledger_account: String,
    /// ISO 4217.
    currency: String,
    /// In minor units; what the account owes is positive.
    balance_minor: i64,
    /// How many legs of postings that is the sum of.
    legs: u64,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let balances = row.balances.into_iter().map(|balance| Balance {
            ledger_account: balance.ledger_account,
            currency: balance.currency,
            balance_minor: balance.balance_minor,
            legs: balance.legs,
        });
        let limits = row
            .limits
            .into_iter()
            .map(|limit| Limit { currency: limit.currency, limit_minor: limit.limit_minor });
        Self {
            account_id: row.account_id.0,
            kind: match row.kind {
                AccountKind::PayLater => "pay_later",
                AccountKind::Wallet => "wallet",
            },
            opened_at: row.opened_at,
            balances: balances.collect(),
            limits: limits.collect(),
        }
    }
}

/// Accounts with their balances, newest first.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", operation_id = "list_accounts",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Account>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Account>>, Problem> {
    let page = state.read_models.list_accounts(&page.paging()?).await?;
    let items = page.items.into_iter().map(Account::from).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// One account with its balances.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "accounts", operation_id = "get_account",
    params(("id" = Uuid, Path, description = "The account's id"), WaitParameters),
    responses(
        (status = 200, description = "The account", body = Account),
        (status = 404, description = "No such account", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Account>, Problem> {
    let account_id = account_id(&id)?;
    let found = state.found(|| state.read_models.account(account_id)).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| no_account(&id))
}

/// Money that somebody has paid in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payment {
    /// The payment's own id: the same again is the same posting; a random one if absent.
    payment_id: Option<Uuid>,
    /// How much, in minor units.
    amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// Books a payment: into a wallet, or against what a pay-later account owes.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/payments", tag = "accounts", operation_id = "book_payment",
    params(("id" = Uuid, Path, description = "The account's id")),
    request_body = Payment,
    responses(
        (status = 201, description = "Booked", body = Written),
        (status = 200, description = "It was booked so before", body = Written),
        (status = 404, description = "No such account", body = Problem),
        (status = 409, description = "It is booked with other content", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn pay_in(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Body(payment): Body<Payment>,
) -> Result<Response, Problem> {
    let Payment { payment_id, amount_minor, currency } = payment;
    let payment_id = payment_id.unwrap_or_else(Uuid::new_v4);
    let registry = state.chargebook.registry();
    let booked = registry.pay_in(account_id(&id)?, payment_id, amount_minor, &currency).await?;
    let payments = format!("/v1/accounts/{id}/payments");
    Ok(Written::registered(booked, &payments, &payment_id.to_string()))
}

/// A limit to be set, or lifted.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewAccountLimit)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLimit {
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// How much it may owe, in minor units; null lifts the limit: any amount, and a wallet
    /// nothing.
    limit_minor: Option<i64>,
}

/// Limits how much an account may owe, or lifts the limit. Who has reached it is not let charge;
/// a session that comes to it is ended.
#[utoipa::path(
    put, path = "/v1/accounts/{id}/limit", tag = "accounts", operation_id = "set_account_limit",
    params(("id" = Uuid, Path, description = "The account's id")),
    request_body = NewLimit,
    responses(
        (status = 200, description = "Set, or so before", body = Written),
        (status = 404, description = "No such account", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn set_limit(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Body(NewLimit { currency, limit_minor }): Body<NewLimit>,
) -> Result<Response, Problem> {
    let registry = state.chargebook.registry();
    let set = registry.set_account_limit(account_id(&id)?, &currency, limit_minor).await?;
    Ok(Written::changed(set.created, set.position, &id))
}

fn account_id(text: &str) -> Result<AccountId, Problem> {
    text.parse().map_err(|_| no_account(text))
}

fn no_account(id: &str) -> Problem {
    Problem::not_found(format!("no account `{id}`"))
}

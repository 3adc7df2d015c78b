//! Invoices and their proof.

use crate::answer::{Page, major};
use crate::problem::Problem;
use crate::request::{PageParameters, PathText, Query, WaitParameters};
use crate::state::{ApiState, BundleFailure};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chargebook_domain::events::v1::{InvoiceKind, InvoiceLine, InvoiceVat};
use chargebook_domain::ids::{AccountId, SessionId};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Invoice as InvoiceRow;
use chargebook_projections::InvoiceFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// An invoice or a credit note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invoice {
    /// Its number.
    #[schema(example = "INV-000001")]
    number: String,
    /// `invoice`, or `credit_note` to one.
    kind: Kind,
    /// The invoice that a credit note corrects.
    corrects: Option<String>,
    /// The session that it bills.
    session: Uuid,
    /// The station of that session.
    station: Option<String>,
    /// Who pays.
    account_id: Uuid,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    issued_at: Timestamp,
    /// When the session began, as billed.
    #[schema(value_type = String, format = DateTime)]
    delivered_from: Timestamp,
    /// When the session ended, as billed.
    #[schema(value_type = String, format = DateTime)]
    delivered_to: Timestamp,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Digits of the minor unit.
    #[schema(example = 2)]
    currency_exponent: u32,
    /// What is billed.
    lines: Vec<Line>,
    /// VAT per rate, on the sum of that rate's nets (EN 16931).
    vat: Vec<Vat>,
    /// The sums.
    totals: Totals,
    /// The tariff version that it was rated by.
    tariff: TariffUsed,
    /// Its event.
    event_id: Uuid,
    /// Its event's position.
    position: u64,
}

/// Money owed, or money owed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = InvoiceKind)]
pub(crate) enum Kind {
    /// Money owed to the operator.
    Invoice,
    /// Money owed back.
    CreditNote,
}

/// A line: one dimension at one price.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
pub(crate) struct Line {
    /// OCPI word: `ENERGY`, `TIME`, `PARKING_TIME`, `FLAT`, or `ADJUSTMENT` (minimum or
    /// maximum price).
    #[schema(example = "ENERGY")]
    dimension: String,
    /// How much, in `unit`, as billed; a decimal string.
    #[schema(example = "10")]
    quantity: String,
    /// `kWh`, `h`, `session`.
    #[schema(example = "kWh")]
    unit: String,
    /// Net price of one unit; a decimal string.
    #[schema(example = "0.50")]
    unit_price: String,
    /// VAT in percent, a decimal string; null where the tariff names none.
    #[schema(example = "19")]
    vat_percent: Option<String>,
    /// Net, in major units.
    #[schema(example = "5.00")]
    net: String,
    /// Net, in minor units.
    #[schema(example = 500)]
    net_minor: i64,
}

/// VAT of one rate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceVat)]
pub(crate) struct Vat {
    /// In percent, a decimal string; null where the tariff names none.
    #[schema(example = "19")]
    vat_percent: Option<String>,
    /// Sum of the nets, in major units.
    #[schema(example = "5.00")]
    net: String,
    /// Sum of the nets, in minor units.
    net_minor: i64,
    /// VAT on it, in major units.
    #[schema(example = "0.95")]
    vat: String,
    /// VAT on it, in minor units.
    vat_minor: i64,
}

/// The sums of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceTotals)]
pub(crate) struct Totals {
    /// In major units.
    #[schema(example = "5.00")]
    net: String,
    /// In major units.
    #[schema(example = "0.95")]
    vat: String,
    /// In major units.
    #[schema(example = "5.95")]
    gross: String,
    /// In minor units.
    net_minor: i64,
    /// In minor units.
    vat_minor: i64,
    /// In minor units.
    gross_minor: i64,
}

/// A tariff version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TariffUsed {
    /// Its name in the API.
    id: String,
    /// From 1.
    version: u64,
    /// The event that published it.
    event_id: Uuid,
    /// SHA-256 of its canonical text, in hexadecimal.
    content_sha256: String,
}

impl From<InvoiceRow> for Invoice {
    fn from(row: InvoiceRow) -> Self {
        let issued = row.issued;
        let exponent = issued.currency_exponent;
        Self {
            number: issued.number,
            kind: match issued.kind {
                InvoiceKind::Invoice => Kind::Invoice,
                InvoiceKind::CreditNote => Kind::CreditNote,
            },
            corrects: issued.corrects,
            session: issued.session_id.0,
            station: row.station.map(|station| station.as_str().to_owned()),
            account_id: issued.account_id.0,
            issued_at: issued.issued_at,
            delivered_from: issued.delivered_from,
            delivered_to: issued.delivered_to,
            currency: issued.currency,
            currency_exponent: exponent,
            lines: issued.lines.into_iter().map(|line| Line::of(line, exponent)).collect(),
            vat: issued.vat.into_iter().map(|vat| Vat::of(&vat, exponent)).collect(),
            totals: Totals {
                net: major(issued.total_net_minor, exponent),
                vat: major(issued.total_vat_minor, exponent),
                gross: major(issued.total_gross_minor, exponent),
                net_minor: issued.total_net_minor,
                vat_minor: issued.total_vat_minor,
                gross_minor: issued.total_gross_minor,
            },
            tariff: TariffUsed {
                id: issued.tariff.tariff,
                version: issued.tariff.version,
                event_id: issued.tariff.event_id.0,
                content_sha256: issued.tariff.content_sha256,
            },
            event_id: row.event_id.0,
            position: row.position,
        }
    }
}

impl Line {
    fn of(line: InvoiceLine, exponent: u32) -> Self {
        Self {
            dimension: line.dimension,
            quantity: line.quantity.normalize().to_string(),
            unit: line.unit,
            unit_price: line.unit_price.to_string(),
            vat_percent: line.vat_percent.map(|percent| percent.normalize().to_string()),
            net: major(line.net_minor, exponent),
            net_minor: line.net_minor,
        }
    }
}

impl Vat {
    fn of(vat: &InvoiceVat, exponent: u32) -> Self {
        Self {
            vat_percent: vat.vat_percent.map(|percent| percent.normalize().to_string()),
            net: major(vat.net_minor, exponent),
            net_minor: vat.net_minor,
            vat: major(vat.vat_minor, exponent),
            vat_minor: vat.vat_minor,
        }
    }
}

/// Which invoices; each parameter narrows the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvoiceParameters {
    /// To this session.
    session: Option<Uuid>,
    /// To this account.
    account_id: Option<Uuid>,
}

/// Invoices and credit notes, newest first.
#[utoipa::path(
    get, path = "/v1/invoices", tag = "invoices", operation_id = "list_invoices",
    params(InvoiceParameters, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Invoice>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(parameters): Query<InvoiceParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Invoice>>, Problem> {
    let filter = InvoiceFilter {
        session_id: parameters.session.map(SessionId),
        account_id: parameters.account_id.map(AccountId),
    };
    let page = state.read_models.list_invoices(&filter, &page.paging()?).await?;
    let items = page.items.into_iter().map(Invoice::from).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// One invoice or credit note.
#[utoipa::path(
    get, path = "/v1/invoices/{number}", tag = "invoices", operation_id = "get_invoice",
    params(("number" = String, Path, description = "The invoice's number"), WaitParameters),
    responses(
        (status = 200, description = "The invoice", body = Invoice),
        (status = 404, description = "No such invoice", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(number): PathText,
) -> Result<Json<Invoice>, Problem> {
    let found = state.found(|| state.read_models.invoice(&number)).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| no_invoice(&number))
}

/// The proof of an invoice, for `chargebook audit verify`: canonical JSON (RFC 8785).
#[utoipa::path(
    get, path = "/v1/invoices/{number}/bundle", tag = "invoices",
    operation_id = "get_invoice_bundle",
    params(("number" = String, Path, description = "The invoice's number"), WaitParameters),
    responses(
        (status = 200, description = "The bundle, as a file", body = Object),
        (status = 404, description = "No such invoice", body = Problem),
        (status = 503, description = "No signed checkpoint covers it yet", body = Problem),
    ),
)]
pub(crate) async fn bundle(
    State(state): State<ApiState>,
    PathText(number): PathText,
) -> Result<Response, Problem> {
    let source = state.bundles.as_ref();
    let source = source.ok_or_else(|| Problem::not_found("this server does not export bundles"))?;
    // Its spelling is ours from here on, so it can stand in a header.
    let found = state.found(|| state.read_models.invoice(&number)).await?;
    let number = found.ok_or_else(|| no_invoice(&number))?.issued.number;
    let bundle = source.bundle(&number).await.map_err(|failure| match failure {
        BundleFailure::NotFound => no_invoice(&number),
        BundleFailure::NotSealedYet => {
            Problem::unavailable("no signed checkpoint covers this invoice yet")
        }
        BundleFailure::Failed(error) => Problem::internal(&error),
    })?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = number.chars().map(plain).collect();
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"bundle-{name}.json\"")),
    ];
    Ok((headers, bundle).into_response())
}

fn no_invoice(number: &str) -> Problem {
    Problem::not_found(format!("no invoice `{number}`"))
}

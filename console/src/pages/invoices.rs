//! Issued invoices and credit notes, and how anybody can verify one.

use super::lines::Bill;
use super::{Asked, PAGE_ROWS, Pager, render};
use crate::components::{Fact, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::{self, Zones};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use chargebook_domain::events::v1::InvoiceKind;
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Invoice, InvoiceFilter, Paging};
use chrono_tz::Tz;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "invoices.html")]
struct InvoicesPage {
    frame: Frame,
    rows: Vec<InvoiceRow>,
    pager: Pager,
}

struct InvoiceRow {
    number: String,
    part: String,
    credit: bool,
    issued: When,
    session: String,
    station: String,
    net: String,
    vat: String,
    gross: String,
    currency: String,
}

#[derive(Deserialize)]
pub(crate) struct InvoicesQuery {
    next: Option<String>,
}

/// The list.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<InvoicesQuery>,
) -> Result<Response, PageError> {
    let now = console.now();
    let zone = Zones::read(&console).await?.common();
    let frame = Frame::inside(&console, &operator, "Invoices", "invoices", "invoice").await?;
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_invoices(&InvoiceFilter::default(), &paging).await?;
    let rows = page.items.iter().map(|invoice| row_of(invoice, now, zone)).collect();
    let pager = Pager::new("/invoices", query.next.as_deref(), page.next.as_deref());
    render(&InvoicesPage { frame, rows, pager })
}

fn row_of(invoice: &Invoice, now: Timestamp, zone: Tz) -> InvoiceRow {
    let issued = &invoice.issued;
    let minor = |amount| format::minor(amount, issued.currency_exponent);
    let station = invoice.station.as_ref().map(ToString::to_string);
    InvoiceRow {
        number: issued.number.clone(),
        part: address_part(&issued.number),
        credit: issued.kind == InvoiceKind::CreditNote,
        issued: When::new(issued.issued_at, now, zone),
        session: issued.session_id.to_string(),
        station: station.unwrap_or_else(|| "session".to_owned()),
        net: minor(issued.total_net_minor),
        vat: minor(issued.total_vat_minor),
        gross: minor(issued.total_gross_minor),
        currency: issued.currency.clone(),
    }
}

#[derive(Template)]
#[template(path = "invoice.html")]
struct InvoicePage {
    frame: Frame,
    number: String,
    credit: bool,
    /// Number, and as a part of an address.
    corrects: Option<(String, String)>,
    issued: When,
    from: When,
    to: When,
    zone: &'static str,
    bill: Bill,
    file: String,
    facts: Vec<Fact>,
    session: String,
    /// Station, the same as a part of an address, connector; `None` where they are not known.
    place: Option<(String, String, String)>,
}

/// One invoice.
pub(crate) async fn show(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(number): Path<String>,
) -> Result<Response, PageError> {
    let invoice = console.models().invoice(&number).await?;
    let invoice =
        invoice.ok_or_else(|| PageError::NotFound(format!("There is no invoice {number}.")))?;
    let facts = facts_of(&console, &invoice).await?;
    let issued = invoice.issued;
    let session = console.models().session(issued.session_id).await?;
    let zone = session.as_ref().map_or(Tz::UTC, |session| zones::parse(&session.time_zone));
    let frame = Frame::inside(&console, &operator, issued.number.clone(), "invoices", "").await?;
    render(&InvoicePage {
        frame,
        credit: issued.kind == InvoiceKind::CreditNote,
        corrects: issued.corrects.clone().map(|number| {
            let part = address_part(&number);
            (number, part)
        }),
        issued: When::dated(issued.issued_at, zone),
        from: When::dated(issued.delivered_from, zone),
        to: When::dated(issued.delivered_to, zone),
        zone: zone.name(),
        bill: Bill::new(&InvoiceFigures::of_issued(&issued)),
        file: format!("{}.json", issued.number),
        facts,
        session: issued.session_id.to_string(),
        place: session.map(|session| {
            let part = address_part(session.station.as_str());
            (session.station.to_string(), part, super::place_of(&session))
        }),
        number: issued.number,
    })
}

/// What the invoice rests on, as the audit index tells it.
async fn facts_of(console: &Console, invoice: &Invoice) -> Result<Vec<Fact>, PageError> {
    let issued = &invoice.issued;
    let mut facts = vec![
        Fact::new("Tariff", format!("{}, version {}", issued.tariff.tariff, issued.tariff.version)),
        Fact::new("Log position", invoice.position),
        Fact::id("Invoice event", invoice.event_id),
        Fact::id("Rating event", issued.rated),
    ];
    if let Some(entry) = console.models().audit_entry(&issued.number).await? {
        facts.extend(entry.settled_event.map(|id| Fact::id("Settlement event", id)));
        facts.push(Fact::id("Tariff event", entry.tariff_event));
    }
    facts.push(Fact::id("Tariff's SHA-256", &issued.tariff.content_sha256));
    facts.push(Fact::id("Payer's account", issued.account_id));
    Ok(facts)
}

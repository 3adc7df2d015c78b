//! What is wrong at stations, or was; and that somebody has seen it.

use super::{Asked, PAGE_ROWS, Pager, SHOWN_WITHIN, StatusChoice, StatusOffer, choose, render};
use crate::components::{Badge, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use chargebook_commands::alert::Acknowledgement;
use chargebook_domain::ids::AlertId;
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Alert, AlertSource, AlertStatus, Paging};
use chrono_tz::Tz;
use serde::Deserialize;

/// What the list can be narrowed to.
const OFFERS: &[StatusOffer<Option<AlertStatus>>] = &[
    ("", "any", None),
    ("raised", "raised", Some(AlertStatus::Raised)),
    ("acknowledged", "acknowledged", Some(AlertStatus::Acknowledged)),
    ("cleared", "cleared", Some(AlertStatus::Cleared)),
];

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    csrf: String,
    choices: Vec<StatusChoice>,
    rows: Vec<AlertLine>,
    pager: Pager,
}

pub(super) struct AlertLine {
    station: String,
    /// The station's page.
    address: String,
    pub(super) badge: Badge,
    pub(super) what: String,
    pub(super) about: String,
    pub(super) detail: String,
    facts: Vec<(&'static str, String)>,
    pub(super) raised: When,
    repeated: When,
    occurrences: u32,
    cleared: Option<When>,
    seen: Option<(When, String)>,
    /// Where it can be acknowledged, as long as nobody has.
    acknowledged_at: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct AlertsQuery {
    next: Option<String>,
    status: Option<String>,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<AlertsQuery>,
) -> Result<Response, PageError> {
    let ((key, _, status), choices) = choose(OFFERS, query.status.as_deref())?;
    let now = console.now();
    let zone = Zones::read(&console).await?.common();
    let frame = Frame::inside(&console, &operator, "Alerts", "alerts", "alert").await?;
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_alerts(None, status, &paging).await?;
    let mut rows = Vec::with_capacity(page.items.len());
    for alert in page.items {
        rows.push(line(&console, alert, now, zone).await);
    }
    let address = format!("/alerts?status={key}");
    let pager = Pager::new(&address, query.next.as_deref(), page.next.as_deref());
    render(&AlertsPage { frame, csrf: operator.csrf().to_owned(), choices, rows, pager })
}

/// One of them in words.
pub(super) async fn line(console: &Console, alert: Alert, now: Timestamp, zone: Tz) -> AlertLine {
    let mut facts = Vec::new();
    if let Some(reported) = &alert.reported {
        facts.push(("Value", opened(console, Some(&reported.value)).await));
        if let Some(severity) = reported.severity {
            facts.push(("Severity", severity.to_string()));
        }
    }
    if let Some(code) = &alert.technical_code {
        facts.push(("Maker's code", code.clone()));
    }
    let seen = match alert.acknowledged_at {
        Some(at) => {
            let who = opened(console, alert.acknowledged_by.as_ref()).await;
            let note = opened(console, alert.note.as_ref()).await;
            let said = [who, note].into_iter().filter(|text| !text.is_empty());
            Some((When::new(at, now, zone), said.collect::<Vec<_>>().join(": ")))
        }
        None => None,
    };
    AlertLine {
        address: format!("/stations/{}", address_part(alert.station.as_str())),
        badge: Badge::alert(alert.status),
        what: format::station_word(&format::words(&alert.kind)),
        about: about(&alert),
        detail: opened(console, alert.detail.as_ref()).await,
        facts,
        raised: When::new(alert.raised_at, now, zone),
        repeated: When::new(alert.repeated_at, now, zone),
        occurrences: alert.occurrences,
        cleared: alert.cleared_at.map(|at| When::new(at, now, zone)),
        seen,
        acknowledged_at: match alert.acknowledged_at {
            Some(_) => None,
            None => Some(format!("/alerts/{}", alert.alert_id)),
        },
        station: alert.station.to_string(),
    }
}

/// What it is about, for people.
fn about(alert: &Alert) -> String {
    match alert.source {
        AlertSource::Component => {
            let component = alert.reported.as_ref().map(|reported| &reported.component);
            let name = component.map(|component| component.name.clone()).unwrap_or_default();
            match alert.evse {
                None => name,
                evse => format!("{name}, {}", format::place(evse, alert.connector)),
            }
        }
        AlertSource::Connector => match alert.connector {
            Some(connector) if connector.0 == 0 => "station itself".to_owned(),
            connector => format::place(alert.evse, connector),
        },
        AlertSource::Grid => "grid".to_owned(),
        AlertSource::Firmware => "firmware update".to_owned(),
        AlertSource::Diagnostics => "upload of diagnostics".to_owned(),
        AlertSource::Log => "upload of a log".to_owned(),
        AlertSource::Security => "security".to_owned(),
    }
}

async fn opened(console: &Console, text: Option<&SealedText>) -> String {
    match text {
        Some(text) => console.chargebook().personal().open(text).await,
        None => String::new(),
    }
}

#[derive(Deserialize)]
pub(crate) struct AcknowledgeForm {
    csrf: String,
    acknowledged_by: String,
    note: Option<String>,
}

/// Takes the form, writes that the alert was seen, shows the list.
pub(crate) async fn acknowledge(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    form: Result<Form<AcknowledgeForm>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) =
        form.map_err(|_| PageError::BadRequest("The form could not be read.".to_owned()))?;
    operator.check(&form.csrf)?;
    let unknown = || PageError::NotFound("There is no such alert.".to_owned());
    let alert_id: AlertId = id.parse().map_err(|_| unknown())?;
    let alert = console.models().alert(alert_id).await?.ok_or_else(unknown)?;
    if alert.acknowledged_at.is_none() {
        let acknowledgement = Acknowledgement {
            acknowledged_by: form.acknowledged_by,
            note: form.note.filter(|note| !note.trim().is_empty()),
        };
        let (station, station_id) = (alert.station.as_str(), alert.station_id);
        let acknowledged = console
            .chargebook()
            .acknowledge_alert(station, station_id, alert_id, &acknowledgement)
            .await?;
        // Slower read models are no fault: the page then shows it when they have it.
        let _ = console.models().wait_for(acknowledged.position, SHOWN_WITHIN).await;
    }
    Ok(Redirect::to("/alerts").into_response())
}

/// To the list: a page that shows a refused form is read again at the form's address.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/alerts")
}

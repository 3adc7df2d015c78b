//! What an operator asks a station for: a form becomes an intent in the log. The answer shows
//! up by itself.

use super::station;
use crate::components::{Badge, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use chargebook_commands::registry::RegistryError;
use chargebook_domain::events::v1::Intent;
use chargebook_domain::ids::{ConnectorNumber, TransactionNumber};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Command;
use chrono_tz::Tz;
use serde::Deserialize;
use std::time::Duration;

/// Longest idTag (OCPP 1.6 CiString20Type).
const UID_CHARACTERS_MAX: usize = 20;
/// How long the read models are waited for before the page is shown again.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(crate) struct CommandForm {
    csrf: String,
    verb: String,
    connector: Option<String>,
    transaction: Option<i32>,
    uid: Option<String>,
}

/// Takes the form, writes the intent, shows the station again; with the reason above it where
/// the form makes no sense.
pub(crate) async fn request(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(station): Path<String>,
    form: Result<Form<CommandForm>, FormRejection>,
) -> Result<Response, PageError> {
    let refusal = match ask(&console, &operator, &station, form).await {
        Err(refusal @ (PageError::BadRequest(_) | PageError::Conflict(_))) => refusal,
        other => return other,
    };
    let (status, reason) = (refusal.status(), refusal.to_string());
    let page = station::page(&console, &operator, station, None, Some(reason)).await?;
    Ok((status, page).into_response())
}

/// To the station: a page that shows a refused form is read again at the form's address.
pub(crate) async fn back(Path(station): Path<String>) -> Redirect {
    Redirect::to(&format!("/stations/{}", address_part(&station)))
}

async fn ask(
    console: &Console,
    operator: &Operator,
    station: &str,
    form: Result<Form<CommandForm>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| bad("The form could not be read."))?;
    operator.check(&form.csrf)?;
    let intent = intent_of(console, &form).await?;
    let asked = console.chargebook().request_command(station, intent, "operator").await?;
    let (command_id, registered) = asked;
    // Slower read models are no fault: the page then shows the command when they have it.
    let _ = console.models().wait_for(registered.position, SHOWN_WITHIN).await;
    let address = format!("/stations/{}?command={command_id}", address_part(station));
    Ok(Redirect::to(&address).into_response())
}

async fn intent_of(console: &Console, form: &CommandForm) -> Result<Intent, PageError> {
    let intent = match form.verb.as_str() {
        "start" => return start(console, form).await,
        "stop" => {
            let id = form.transaction.ok_or_else(|| bad("Say which transaction is to end."))?;
            Intent::Stop { transaction_id: TransactionNumber(id), transaction: None }
        }
        "unlock" => match connector(form)? {
            None | Some(ConnectorNumber(0)) => {
                return Err(bad("Choose the connector whose cable is to be unlocked."));
            }
            Some(connector) => Intent::Unlock { connector, evse: None },
        },
        "soft_reset" => Intent::Reset { hard: false, evse: None },
        "hard_reset" => Intent::Reset { hard: true, evse: None },
        "operative" | "inoperative" => Intent::SetAvailability {
            connector: connector(form)?.unwrap_or(ConnectorNumber(0)),
            operative: form.verb == "operative",
            evse: None,
        },
        _ => return Err(bad("No station can be asked for that here.")),
    };
    Ok(intent)
}

async fn start(console: &Console, form: &CommandForm) -> Result<Intent, PageError> {
    let uid = form.uid.as_deref().map(str::trim).unwrap_or_default();
    let fits = !uid.is_empty()
        && uid.chars().count() <= UID_CHARACTERS_MAX
        && !uid.chars().any(char::is_control);
    if !fits {
        return Err(bad("A card's number has 1 to 20 characters."));
    }
    let token = console.chargebook().registry().token(uid).await?;
    let id_tag = console.chargebook().personal().seal_uid(uid).await;
    Ok(Intent::Start {
        connector: connector(form)?.filter(|connector| connector.0 > 0),
        id_tag: id_tag.map_err(RegistryError::from)?,
        token_id: token.as_ref().map(|token| token.token_id),
        evse: None,
        token_type: token.map(|token| token.kind.clone()),
    })
}

fn connector(form: &CommandForm) -> Result<Option<ConnectorNumber>, PageError> {
    match form.connector.as_deref().unwrap_or_default() {
        "" => Ok(None),
        number => number
            .parse()
            .map(|number| Some(ConnectorNumber(number)))
            .map_err(|_| bad("A connector is a whole number.")),
    }
}

fn bad(detail: &str) -> PageError {
    PageError::BadRequest(detail.to_owned())
}

/// A command in a table.
pub(crate) struct CommandLine {
    pub(crate) what: String,
    pub(crate) badge: Badge,
    pub(crate) at: When,
    pub(crate) detail: String,
    /// The one that was just asked for.
    pub(crate) highlight: bool,
}

impl CommandLine {
    pub(crate) fn new(command: &Command, asked: Option<&str>, now: Timestamp, zone: Tz) -> Self {
        let id = command.command_id.to_string();
        Self {
            what: what(&command.intent),
            badge: Badge::command(command),
            at: When::precise(command.requested_at, now, zone),
            detail: command.detail.clone().unwrap_or_default(),
            highlight: asked == Some(id.as_str()),
        }
    }
}

fn what(intent: &Intent) -> String {
    match intent {
        Intent::Start { connector: Some(connector), .. } => {
            format!("Start charging at connector {connector}")
        }
        Intent::Start { connector: None, .. } => "Start charging".to_owned(),
        Intent::Stop { transaction: Some(transaction), .. } => {
            format!("Stop transaction {transaction}")
        }
        Intent::Stop { transaction_id, .. } => format!("Stop transaction {transaction_id}"),
        Intent::Reset { hard: true, .. } => "Hard reset".to_owned(),
        Intent::Reset { hard: false, .. } => "Soft reset".to_owned(),
        Intent::Unlock { connector, .. } => format!("Unlock connector {connector}"),
        Intent::SetAvailability { connector, operative, .. } => {
            let place = match connector.0 {
                0 => "station".to_owned(),
                number => format!("connector {number}"),
            };
            let verb = if *operative { "Put" } else { "Take" };
            let into = if *operative { "in service" } else { "out of service" };
            format!("{verb} {place} {into}")
        }
        Intent::GetConfiguration { keys } if keys.is_empty() => "Read all settings".to_owned(),
        Intent::GetConfiguration { keys } => format!("Read {}", keys.join(", ")),
        Intent::ChangeConfiguration { key, .. } => format!("Change {key}"),
        Intent::Trigger { message, .. } => format!("Ask for {}", format::station_word(message)),
        Intent::Exact { action, .. } => format::station_word(action),
        further => further_what(further).to_owned(),
    }
}

/// What an intent that no button asks for is called.
fn further_what(intent: &Intent) -> &'static str {
    match intent {
        Intent::Reserve { .. } => "Reserve",
        Intent::CancelReservation { .. } => "Cancel a reservation",
        Intent::ClearCache => "Forget remembered cards",
        Intent::SendLocalList { .. } => "Send the list of cards",
        Intent::GetLocalListVersion => "Ask for the list's version",
        Intent::SetChargingProfile { .. } => "Charge by a profile",
        Intent::AllowEnergyTransfer { .. } => "Say which ways energy may flow",
        Intent::SetChargingLimit { .. } => "Limit the power",
        Intent::ClearChargingLimit { .. } => "Lift power limits",
        Intent::GetCompositeSchedule { .. } => "Ask what may be drawn",
        Intent::UpdateFirmware { .. } => "Update the firmware",
        Intent::GetLog { .. } => "Upload a log",
        Intent::ShowMessage { .. } => "Show a message",
        Intent::RemoveMessage { .. } => "Remove a message",
        Intent::ShowPrice { .. } => "Show a price",
        Intent::ShowCost { .. } => "Show a cost",
        Intent::StartPaid { .. } => "Start charging that is paid directly",
        Intent::AnnounceWebPayment { .. } => "Announce a payment on the web",
        Intent::ListMessages => "Ask for the messages shown",
        Intent::InstallCertificate { .. } => "Install a certificate",
        Intent::DeliverCertificate { .. } => "Deliver a certificate",
        Intent::DeleteCertificate { .. } => "Delete a certificate",
        Intent::ListCertificates { .. } => "Ask for the certificates",
        Intent::DataTransfer { .. } => "Send vendor data",
        _ => "Command",
    }
}

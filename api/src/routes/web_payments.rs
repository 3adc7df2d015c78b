//! Payments on web pages that a station's QR codes lead to (OCPP 2.1, C25). The page itself, and
//! the payment provider behind it, are the operator's: it asks here whether a code is good, before
//! it takes any money.

use super::commands::followed_by;
use super::stations::no_station;
use crate::answer::Exact;
use crate::problem::Problem;
use crate::request::{Body, PathText};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chargebook_commands::web_payment::{
    OneTimePasswords, PASSWORD_CHARACTERS, TOTP_VERSION, VALIDITY_SECONDS,
};
use chargebook_projections::Station;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The component whose variables a station makes its codes with.
const COMPONENT: &str = "WebPaymentsCtrlr";
/// Longest template, in characters (a variable's value).
const TEMPLATE_CHARACTERS_MAX: usize = 1_000;
/// What a template has to have places for, in any case, and what may stand instead (C25.FR.50); a
/// station without several EVSEs needs none for them.
const PLACES: &[&[&str]] =
    &[&["{chargingstationid}", "{roamingevseid}"], &["{totp}"], &["{version}"]];
/// How long a password is good where nobody says, in seconds.
const VALIDITY_SECONDS_DEFAULT: u32 = 60;
/// How many characters a password has where nobody says.
const LENGTH_DEFAULT: u32 = 20;

/// How a station's QR codes are made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct WebPayments {
    /// The operator's page, with places that the station fills in: `{chargingStationId}` (or
    /// `{roamingEvseId}`), `{totp}` and `{version}`, and `{evse}` where it has several.
    #[schema(example = "https://pay.example.com/{chargingStationId}/{evse}?c={totp}&v={version}")]
    url_template: String,
    /// How long a code is good, in seconds, from 6 to 3600; 60 if absent.
    validity_seconds: Option<u32>,
    /// How many characters its one-time password has, from 6 to 36; 20 if absent.
    length: Option<u32>,
}

/// What a QR code said, as the station filled it in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ScannedCode {
    /// The station's id.
    #[schema(example = "HARBOUR-AC-1")]
    station: String,
    /// The EVSE.
    evse: u32,
    /// The one-time password.
    totp: String,
    /// Its version.
    #[schema(example = "v1")]
    version: String,
    /// What the driver wants to pay at most, in major units, where the code says so (`maxcost`).
    #[schema(value_type = Option<String>, example = "20.00")]
    max_cost: Option<Decimal>,
    /// The energy that the driver wants at most, in Wh (`maxenergy`).
    #[schema(value_type = Option<String>)]
    max_energy_wh: Option<Decimal>,
    /// How long the driver wants to charge at most, in seconds (`maxtime`).
    max_time_seconds: Option<i64>,
}

/// A code that is good now.
#[derive(Serialize, ToSchema)]
pub(crate) struct GoodCode {
    /// The station's id.
    station: String,
    /// The EVSE.
    evse: u32,
    /// What the session may come to, as the `limit` of the `start_paid` verb.
    limit: WishedLimit,
}

/// What a driver wants a session to come to at most; what is absent has no limit.
#[derive(Serialize, ToSchema)]
pub(crate) struct WishedLimit {
    /// What it may cost, including taxes, in major units.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Exact>,
    /// The energy, in Wh.
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_wh: Option<Exact>,
    /// How long it may last, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<i64>,
}

/// Has a 2.1 station show QR codes that lead to a page for payments: it gets the page's address and
/// what its one-time passwords are made with, a secret that is the station's own and is shown to
/// nobody. The codes are good from its `Accepted` on.
#[utoipa::path(
    put, path = "/v1/stations/{id}/web-payments", tag = "commands",
    operation_id = "set_web_payments",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("Prefer" = Option<String>, Header,
            description = "`wait=10`: answer when the station has, at most 60 s later"),
    ),
    request_body = WebPayments,
    responses(
        (status = 202, description = "In the log; its resource tells the rest",
            body = super::commands::Command),
        (status = 200, description = "Waited for, and finished", body = super::commands::Command),
        (status = 404, description = "No such station", body = Problem),
        (status = 409, description = "Too many open commands; or the station has never connected, \
            so its version is not known", body = Problem),
        (status = 422, description = "The content is not valid, or the station's version has no \
            web payments", body = Problem),
    ),
)]
pub(crate) async fn set_web_payments(
    State(state): State<ApiState>,
    PathText(station): PathText,
    headers: HeaderMap,
    Body(wished): Body<WebPayments>,
) -> Result<Response, Problem> {
    let WebPayments { url_template, validity_seconds, length } = wished;
    check_template(&url_template)?;
    let passwords = OneTimePasswords {
        validity_seconds: validity_seconds.unwrap_or(VALIDITY_SECONDS_DEFAULT),
        length: length.unwrap_or(LENGTH_DEFAULT),
    };
    for (pointer, given, allowed) in [
        ("/validity_seconds", passwords.validity_seconds, VALIDITY_SECONDS),
        ("/length", passwords.length, PASSWORD_CHARACTERS),
    ] {
        if !allowed.contains(&given) {
            let detail = format!("from {} to {}", allowed.start(), allowed.end());
            return Err(Problem::invalid(pointer, detail));
        }
    }
    let requested =
        state.chargebook.request_web_payments(&station, url_template, passwords, "operator");
    followed_by(&state, requested.await?, &headers).await
}

fn check_template(template: &str) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::invalid("/url_template", detail));
    let known = template.to_ascii_lowercase();
    if template.chars().count() > TEMPLATE_CHARACTERS_MAX {
        return refuse(format!("at most {TEMPLATE_CHARACTERS_MAX} characters"));
    }
    if !known.starts_with("https://") || known.contains(char::is_whitespace) {
        return refuse("the address of a page, beginning with https://".to_owned());
    }
    let has_one = |places: &[&str]| places.iter().any(|place| known.contains(*place));
    match PLACES.iter().find(|places| !has_one(places)) {
        Some(missing) => refuse(format!("it has no place for `{}`", missing.join("` or `"))),
        None => Ok(()),
    }
}

/// Whether what a QR code said is good now: its station shows such codes, the EVSE is one of it,
/// and the one-time password is of this moment. What is wrong is said and nothing else happens; of
/// a good code the page takes the payment, and then asks for `start_paid`.
#[utoipa::path(
    post, path = "/v1/web-payments/validate", tag = "commands",
    operation_id = "validate_web_payment",
    request_body = ScannedCode,
    responses(
        (status = 200, description = "It is good", body = GoodCode),
        (status = 404, description = "No such station", body = Problem),
        (status = 409, description = "The station shows no such codes", body = Problem),
        (status = 422, description = "A parameter or the one-time password is wrong",
            body = Problem),
    ),
)]
pub(crate) async fn validate(
    State(state): State<ApiState>,
    Body(code): Body<ScannedCode>,
) -> Result<Json<GoodCode>, Problem> {
    let station = state.found(|| state.read_models.station(&code.station)).await?;
    let station = station.ok_or_else(|| no_station(&code.station))?;
    if code.version != TOTP_VERSION {
        return Err(Problem::invalid("/version", format!("only `{TOTP_VERSION}` is known")));
    }
    if !has_evse(&station, code.evse) {
        return Err(Problem::invalid("/evse", "the station has no such EVSE"));
    }
    for (pointer, limit) in [
        ("/max_cost", code.max_cost),
        ("/max_energy_wh", code.max_energy_wh),
        ("/max_time_seconds", code.max_time_seconds.map(Decimal::from)),
    ] {
        if limit.is_some_and(|limit| limit <= Decimal::ZERO) {
            return Err(Problem::invalid(pointer, "more than 0"));
        }
    }
    let passwords = passwords_of(&state, &code.station).await?;
    if !state.chargebook.is_one_time_password(station.station_id, passwords, &code.totp) {
        return Err(Problem::invalid("/totp", "not a one-time password of this moment"));
    }
    Ok(Json(GoodCode {
        station: code.station,
        evse: code.evse,
        limit: WishedLimit {
            cost: code.max_cost.map(Exact),
            energy_wh: code.max_energy_wh.map(Exact),
            duration_seconds: code.max_time_seconds,
        },
    }))
}

/// One that has told of no EVSE yet may have any.
fn has_evse(station: &Station, evse: u32) -> bool {
    let mut known = station.connectors.iter().filter_map(|connector| connector.evse).peekable();
    evse != 0 && (known.peek().is_none() || known.any(|known| known.0 == evse))
}

/// How a station makes its passwords, as it has accepted to or has said since.
async fn passwords_of(state: &ApiState, station: &str) -> Result<OneTimePasswords, Problem> {
    let mut validity_seconds = None;
    let mut length = None;
    let mut has_secret = false;
    let mut is_enabled = true;
    let variables = state.read_models.variables_of_component(station, COMPONENT).await?;
    for variable in variables.into_iter().filter(|variable| variable.attribute == "Actual") {
        let value = match &variable.value {
            Some(value) => state.opened(value).await,
            None => None,
        };
        let number = || value.as_deref().and_then(|value| value.trim().parse().ok());
        match variable.variable.name.as_str() {
            "ValidityTime" => validity_seconds = number(),
            "Length" => length = number(),
            "SharedSecret" => has_secret = true,
            "Enabled" => {
                let says = |word: &str| word.trim().eq_ignore_ascii_case("false");
                is_enabled = !value.as_deref().is_some_and(says);
            }
            _ => {}
        }
    }
    match (validity_seconds, length) {
        // What a station says is believed within the standard's bounds only.
        (Some(validity_seconds), Some(length))
            if has_secret
                && is_enabled
                && VALIDITY_SECONDS.contains(&validity_seconds)
                && PASSWORD_CHARACTERS.contains(&length) =>
        {
            Ok(OneTimePasswords { validity_seconds, length })
        }
        _ => Err(Problem::conflict(format!("station `{station}` shows no codes for payments"))),
    }
}

//! Charge points: registering, changing, describing and reading them.

use super::sessions::TransactionIdentity;
use crate::answer::{Exact, Page, Written, at_position};
use crate::problem::Problem;
use crate::request::{Body, PageParameters, PathText, Query, WaitParameters, present};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::SECURITY_PROFILE_MAX;
use chargebook_commands::registry::{
    ConnectorDeclaration, Registered, SettingsChange, StationChange as Change, StationRegistration,
};
use chargebook_commands::reread::{RereadMessage, RereadOutcome, RereadRequest};
use chargebook_domain::events::v1::{Dialect, Quirk, Registration};
use chargebook_domain::ids::TransactionId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::Connector as ConnectorRow;
use chargebook_projections::Station as StationRow;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use utoipa::ToSchema;
use uuid::Uuid;

/// Characters of a password (2.x: part 2, A00.FR.205, A00.FR.304; 1.6: 16 to 20 bytes, which are
/// 32 to 40 hexadecimal digits where they are written so).
const PASSWORD_CHARACTERS: RangeInclusive<usize> = 16..=40;
/// Longest EVSE id or word for a plug, in characters: OCPI's EVSE id has 48.
const WORD_CHARACTERS_MAX: usize = 48;

/// A charge point as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Station {
    /// What it calls itself in its URL.
    #[schema(example = "CP-1")]
    id: String,
    /// Our own id of it, as in stream names.
    station_id: Uuid,
    /// The site it stands at.
    site: Option<String>,
    /// Whether it is connected.
    connected: bool,
    /// Whether a boot of it was ever accepted.
    accepted: bool,
    /// The answer to its last boot: `accepted`, `pending`, `rejected`.
    #[schema(value_type = Option<String>)]
    registration: Option<Registration>,
    /// What its next boot is answered: `accepted`, `pending`, `rejected`.
    #[schema(value_type = String)]
    registration_policy: Registration,
    /// Whether it is sent nothing but what somebody asked for.
    quiet: bool,
    /// Whether its messages may be compressed, where it offers that.
    compression: bool,
    /// Whether it shows drivers what charging costs, and is told.
    shows_cost: bool,
    /// Who says so: `operator`, or `station` by its own variables; null where nobody has.
    #[schema(example = "station")]
    shows_cost_said_by: Option<&'static str>,
    /// Whether a 2.1 station is told the tariff in force with each Authorize.
    local_tariffs: bool,
    /// Whether energy may flow back from vehicles there (2.1).
    allows_discharging: bool,
    /// What it does otherwise than the standard and is understood in.
    #[schema(value_type = Vec<String>, example = json!(["decimal_comma"]))]
    dialect: Vec<Quirk>,
    /// What its model does otherwise than the standard and is understood in besides.
    #[schema(value_type = Vec<String>, example = json!(["unit_missing_is_kwh"]))]
    model_dialect: Vec<Quirk>,
    /// What it was seen to do otherwise than the standard and is not understood in: to be put into
    /// `dialect` if that is wanted.
    #[schema(value_type = Vec<String>, example = json!(["null_members"]))]
    suggested_dialect: Vec<Quirk>,
    /// What it is made by, in its own word.
    vendor: Option<String>,
    /// Its model, in its own word.
    model: Option<String>,
    /// Its firmware, in its own word.
    firmware_version: Option<String>,
    /// When it last booted, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    booted_at: Option<Timestamp>,
    /// The sub-protocol of its last connection.
    #[schema(example = "ocpp1.6")]
    protocol: Option<String>,
    /// The lowest OCPP security profile that it is let in with; 0: any.
    #[schema(example = 1)]
    security_profile: u8,
    /// The one that it has accepted to use, until it has come with it.
    security_profile_agreed: Option<u8>,
    /// The OCPP security profile of its last connection, as far as it could be seen.
    connection_security_profile: Option<u8>,
    /// When it last connected, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    connected_at: Option<Timestamp>,
    /// When it last went, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    disconnected_at: Option<Timestamp>,
    /// Why it last went, in a word.
    disconnect_reason: Option<String>,
    /// When it last said anything, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    /// The serial number that an operator knows it by; what it says itself is in its boots.
    serial_number: Option<String>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    /// The sum of its connectors' power now, in W.
    power_w: Exact,
    /// Its connectors, by number; 0 is the station itself.
    connectors: Vec<Connector>,
}

/// A connector as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Connector {
    /// The EVSE it is of, at a station that counts them (OCPP 2.x).
    evse: Option<u32>,
    /// Its number; in OCPP 1.6, 0 is the station itself.
    connector: u32,
    /// The station's word: `Available`, `Charging`, ….
    status: Option<String>,
    /// The station's word: `NoError`, ….
    error_code: Option<String>,
    /// The vendor's own error code.
    vendor_error_code: Option<String>,
    /// When it said so, by its clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    status_at: Option<Timestamp>,
    /// EVSE id (eMI3) shown to drivers.
    evse_id: Option<String>,
    /// OCPI word for the plug.
    plug: Option<String>,
    /// What it can deliver at most, in W.
    power_w_max: Option<u32>,
    /// The session that is open at it.
    session: Option<Uuid>,
    /// That session's transaction id: a number in OCPP 1.6, a text in 2.x.
    #[schema(value_type = Option<TransactionIdentity>)]
    transaction_id: Option<TransactionId>,
    /// Its power now, in W, as last metered.
    power_w: Option<Exact>,
    /// That session's energy so far, in Wh.
    energy_wh: Option<Exact>,
}

impl Station {
    async fn of(state: &ApiState, row: StationRow) -> Result<Self, Problem> {
        let power_w = Exact(row.power_w());
        let boot = row.boot;
        let model_dialect = match &boot {
            Some(boot) => {
                let registry = state.chargebook.registry();
                registry.model_dialect(&boot.vendor, &boot.model).await?
            }
            None => Dialect::STANDARD,
        };
        let understood = row.settings.dialect.union(model_dialect);
        let said_by_operator = row.settings.shows_cost.map(|_| "operator");
        let said_by_station = || row.cost_display.cost.is_shown().map(|_| "station");
        Ok(Self {
            id: row.id.as_str().to_owned(),
            station_id: row.station_id.0,
            site: row.site,
            connected: row.connected,
            accepted: row.accepted,
            registration: row.registration,
            registration_policy: row.settings.registration,
            quiet: row.settings.quiet,
            compression: row.settings.compression,
            shows_cost: row.settings.shows_costs(row.cost_display),
            shows_cost_said_by: said_by_operator.or_else(said_by_station),
            local_tariffs: row.settings.local_tariffs,
            allows_discharging: row.settings.allows_discharging,
            dialect: row.settings.dialect.into(),
            model_dialect: model_dialect.into(),
            suggested_dialect: row.noticed.without(understood).into(),
            vendor: boot.as_ref().map(|boot| boot.vendor.clone()),
            model: boot.as_ref().map(|boot| boot.model.clone()),
            firmware_version: boot.and_then(|boot| boot.firmware_version),
            booted_at: row.booted_at,
            protocol: row.protocol,
            security_profile: row.security_profile_required,
            security_profile_agreed: row.security_profile_agreed,
            connection_security_profile: row.security_profile,
            connected_at: row.connected_at,
            disconnected_at: row.disconnected_at,
            disconnect_reason: row.disconnect_reason,
            last_seen: row.last_seen,
            registered_at: row.registered_at,
            serial_number: row.serial_number,
            power_w,
            connectors: row.connectors.into_iter().map(Connector::from).collect(),
        })
    }
}

impl From<ConnectorRow> for Connector {
    fn from(row: ConnectorRow) -> Self {
        Self {
            evse: row.evse.map(|evse| evse.0),
            connector: row.connector.0,
            status: row.status,
            error_code: row.error_code,
            vendor_error_code: row.vendor_error_code,
            status_at: row.status_at,
            evse_id: row.evse_id,
            plug: row.plug,
            power_w_max: row.power_w_max,
            session: row.session.map(|session| session.0),
            transaction_id: row.transaction_id,
            power_w: row.power_w.map(Exact),
            energy_wh: row.energy_wh.map(|energy| Exact(energy.0)),
        }
    }
}

/// A station to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStation {
    /// What it calls itself in its URL: 1 to 48 printable characters without `:` and `/`.
    #[schema(example = "CP-1")]
    id: String,
    /// Its password for basic auth, as text of 16 to 40 characters; without one it is let in
    /// without one. Where it is 32 to 40 hexadecimal digits, the bytes they spell are accepted too.
    #[schema(min_length = 16, max_length = 40)]
    password: Option<String>,
    /// The site it stands at.
    site: Option<String>,
    /// Its serial number, of 1 to 25 characters: its certificate may name it instead of `id`, and a
    /// boot with another one is an alert; where its certificate names it, the boot is rejected.
    #[schema(min_length = 1, max_length = 25)]
    serial_number: Option<String>,
    /// What its next BootNotification is answered: `accepted`, `pending`, `rejected`.
    #[schema(value_type = Option<String>, example = "accepted")]
    registration: Option<Registration>,
    /// Whether it is sent nothing but what somebody asked for.
    quiet: Option<bool>,
    /// Whether its messages may be compressed (permessage-deflate), where it offers that.
    compression: Option<bool>,
    /// Whether it shows drivers what charging costs, and is told: in 1.6 over DataTransfer (OCA,
    /// "OCPP & California Pricing Requirements"), in 2.0.1 by CostUpdated. Where it is absent, the
    /// station's own variables say it.
    shows_cost: Option<bool>,
    /// Whether a 2.1 station is told the tariff in force with each Authorize, to compute costs by
    /// it itself; a tariff that OCPP 2.1 has no words for is left out.
    local_tariffs: Option<bool>,
    /// Whether energy may flow back from vehicles there (2.1), which are told so.
    allows_discharging: Option<bool>,
    /// What it does otherwise than the standard and is understood in, all of it: `other_path`,
    /// `loose_sub_protocol`, `null_members`, `numbers_as_strings`, `decimal_comma`,
    /// `unit_missing_is_kwh`, `measurand_missing`, `reversed_uid`, `no_pong`,
    /// `plug_and_charge_data`, `unknown_words`, `fractional_registers`.
    #[schema(value_type = Option<Vec<String>>, example = json!(["decimal_comma"]))]
    dialect: Option<Vec<Quirk>>,
}

/// What may change about a station; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StationChange {
    /// The new password, of 16 to 40 characters; the old one counts no more.
    #[schema(min_length = 16, max_length = 40)]
    password: Option<String>,
    /// The site it stands at now.
    site: Option<String>,
    /// Its serial number, of 1 to 25 characters; with null none is known any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 25)]
    serial_number: Option<Option<String>>,
    /// The lowest OCPP security profile that it is let in with, 0 (any) to 3. It is raised by
    /// itself when the station comes with a profile that it has accepted; only here it is lowered.
    security_profile: Option<u8>,
    /// What its next BootNotification is answered: `accepted`, `pending`, `rejected`.
    #[schema(value_type = Option<String>, example = "accepted")]
    registration: Option<Registration>,
    /// Whether it is sent nothing but what somebody asked for.
    quiet: Option<bool>,
    /// Whether its messages may be compressed (permessage-deflate), where it offers that.
    compression: Option<bool>,
    /// Whether it shows drivers what charging costs, and is told: in 1.6 over DataTransfer (OCA,
    /// "OCPP & California Pricing Requirements"), in 2.0.1 by CostUpdated. With null the station's
    /// own variables say it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<bool>)]
    shows_cost: Option<Option<bool>>,
    /// Whether a 2.1 station is told the tariff in force with each Authorize, to compute costs by
    /// it itself; a tariff that OCPP 2.1 has no words for is left out.
    local_tariffs: Option<bool>,
    /// Whether energy may flow back from vehicles there (2.1), which are told so.
    allows_discharging: Option<bool>,
    /// What it does otherwise than the standard and is understood in, all of it: `other_path`,
    /// `loose_sub_protocol`, `null_members`, `numbers_as_strings`, `decimal_comma`,
    /// `unit_missing_is_kwh`, `measurand_missing`, `reversed_uid`, `no_pong`,
    /// `plug_and_charge_data`, `unknown_words`, `fractional_registers`.
    #[schema(value_type = Option<Vec<String>>, example = json!(["decimal_comma"]))]
    dialect: Option<Vec<Quirk>>,
}

/// What came of changing a station.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationChanged {
    /// The station's id.
    id: String,
    /// Whether anything is different now; false where it was so before.
    changed: bool,
    /// Where the log stands with it, as in the header `Chargebook-Position`.
    position: u64,
    /// Where a dialect was given: what of the station's refused messages it makes understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    rereadable: Option<Rereadable>,
}

/// Refused messages of a station, of the last 31 days, that would be understood now:
/// `POST /v1/stations/{id}/reread` takes them in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rereadable {
    /// How many.
    messages: usize,
    /// Whether there may be more than were looked at.
    may_be_more: bool,
}

/// A connector as an operator describes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnector {
    /// The number of its EVSE, at a 2.x station: there connectors count anew at each.
    evse: Option<u32>,
    /// EVSE id (eMI3) shown to drivers.
    #[schema(example = "DE*ABC*E1234")]
    evse_id: Option<String>,
    /// OCPI word for the plug.
    #[schema(example = "IEC_62196_T2")]
    plug: Option<String>,
    /// What it can deliver at most, in W.
    power_w_max: Option<u32>,
}

/// The stations, by id.
#[utoipa::path(
    get, path = "/v1/stations", tag = "stations", operation_id = "list_stations",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Station>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Station>>, Problem> {
    let page = state.read_models.list_stations(&page.paging()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(Station::of(&state, row).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One station.
#[utoipa::path(
    get, path = "/v1/stations/{id}", tag = "stations", operation_id = "get_station",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "The station", body = Station),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Station>, Problem> {
    let found = state.found(|| state.read_models.station(&id)).await?;
    Ok(Json(Station::of(&state, found.ok_or_else(|| no_station(&id))?).await?))
}

/// Registers a station; the same again is the same.
#[utoipa::path(
    post, path = "/v1/stations", tag = "stations", operation_id = "register_station",
    request_body = NewStation,
    responses(
        (status = 201, description = "Registered, and may connect", body = Written),
        (status = 200, description = "It was registered so before", body = Written),
        (status = 409, description = "It is registered with other content", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn register(
    State(state): State<ApiState>,
    Body(station): Body<NewStation>,
) -> Result<Response, Problem> {
    let NewStation {
        id,
        password,
        site,
        serial_number,
        registration,
        quiet,
        compression,
        shows_cost,
        local_tariffs,
        allows_discharging,
        dialect,
    } = station;
    check_password(password.as_deref())?;
    let dialect = dialect.map(Dialect::from);
    let settings = SettingsChange {
        registration,
        quiet,
        compression,
        dialect,
        shows_cost: shows_cost.map(Some),
        local_tariffs,
        allows_discharging,
    };
    let registration =
        StationRegistration { id: id.clone(), password, site, serial_number, settings };
    let _alone = state.alone_with("station", &id).await;
    let registered = state.chargebook.register_station(registration).await?;
    Ok(Written::registered(registered, "/v1/stations", &id))
}

/// Changes a station's password, site or settings; in force at once.
#[utoipa::path(
    patch, path = "/v1/stations/{id}", tag = "stations", operation_id = "change_station",
    params(("id" = String, Path, description = "The station's id")),
    request_body = StationChange,
    responses(
        (status = 200, description = "Changed, or so before", body = StationChanged),
        (status = 404, description = "No such station", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Body(change): Body<StationChange>,
) -> Result<Response, Problem> {
    let StationChange {
        password,
        site,
        serial_number,
        security_profile,
        registration,
        quiet,
        compression,
        shows_cost,
        local_tariffs,
        allows_discharging,
        dialect,
    } = change;
    if security_profile.is_some_and(|profile| profile > SECURITY_PROFILE_MAX) {
        let detail = format!("a security profile is 0 to {SECURITY_PROFILE_MAX}");
        return Err(Problem::invalid("/security_profile", detail));
    }
    check_password(password.as_deref())?;
    let has_dialect = dialect.is_some();
    let dialect = dialect.map(Dialect::from);
    let settings = SettingsChange {
        registration,
        quiet,
        compression,
        dialect,
        shows_cost,
        local_tariffs,
        allows_discharging,
    };
    let (password, site) = (password.as_deref(), site.as_deref());
    let serial_number = serial_number.as_ref().map(Option::as_deref);
    let change = Change { password, site, serial_number, security_profile, settings };
    let changed = state.chargebook.change_station(&id, change).await?;
    let Registered { created: changed, position } = changed;
    let rereadable = if has_dialect { rereadable(&state, &id).await } else { None };
    let body = StationChanged { id, changed, position: position.as_u64(), rereadable };
    Ok(at_position(position, Json(body)))
}

/// A station that authenticates by a password needs one that cannot be guessed.
fn check_password(password: Option<&str>) -> Result<(), Problem> {
    let fits = |password: &str| PASSWORD_CHARACTERS.contains(&password.chars().count());
    if password.is_none_or(fits) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_CHARACTERS.start(), PASSWORD_CHARACTERS.end());
    let detail = format!("a password has {least} to {most} characters (OCPP security profiles)");
    Err(Problem::invalid("/password", detail))
}

/// What a station was refused and would be understood in now; that it cannot be told is no
/// reason to fail a change that was made.
async fn rereadable(state: &ApiState, id: &str) -> Option<Rereadable> {
    let dry_run = RereadRequest { dry_run: true, ..RereadRequest::default() };
    let report = match state.chargebook.reread(id, dry_run).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(station = id, %error, "refused messages could not be looked at");
            return None;
        }
    };
    let is_understood = |message: &&RereadMessage| message.outcome == RereadOutcome::Understood;
    let messages = report.messages.iter().filter(is_understood).count();
    Some(Rereadable { messages, may_be_more: report.next_from.is_some() })
}

/// Describes a connector.
#[utoipa::path(
    put, path = "/v1/stations/{id}/connectors/{connector}", tag = "stations",
    operation_id = "declare_connector",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("connector" = u32, Path, description = "The connector's number, from 1"),
    ),
    request_body = NewConnector,
    responses(
        (status = 200, description = "Described, or so before", body = Written),
        (status = 404, description = "No such station", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn declare_connector(
    State(state): State<ApiState>,
    PathText((id, connector)): PathText<(String, u32)>,
    Body(described): Body<NewConnector>,
) -> Result<Response, Problem> {
    if connector == 0 {
        return Err(Problem::not_found("connector 0 is the station itself; connectors begin at 1"));
    }
    let NewConnector { evse, evse_id, plug, power_w_max } = described;
    if evse == Some(0) {
        let detail = "EVSE 0 is the station itself; EVSEs begin at 1";
        return Err(Problem::invalid("/evse", detail.to_owned()));
    }
    for (pointer, word) in [("/evse_id", &evse_id), ("/plug", &plug)] {
        if word.as_ref().is_some_and(|word| !is_word(word)) {
            let detail = format!("1 to {WORD_CHARACTERS_MAX} printable characters");
            return Err(Problem::invalid(pointer, detail));
        }
    }
    let declaration = ConnectorDeclaration { evse, connector, evse_id, plug, power_w_max };
    let declared = state.chargebook.registry().declare_connector(&id, declaration).await?;
    Ok(Written::changed(declared.created, declared.position, &connector.to_string()))
}

fn is_word(word: &str) -> bool {
    let length = word.chars().count();
    (1..=WORD_CHARACTERS_MAX).contains(&length) && !word.chars().any(char::is_control)
}

pub(crate) fn no_station(id: &str) -> Problem {
    Problem::not_found(format!("no station `{id}`"))
}

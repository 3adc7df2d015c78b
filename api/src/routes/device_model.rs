//! What stations say of their variables: the device model (2.x), the configuration (1.6).

use super::stations::no_station;
use crate::answer::{Exact, Page};
use crate::problem::Problem;
use crate::request::{PageParameters, PathText, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::events::v1::{ComponentName, VariableCharacteristics, VariableName};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Variable as VariableRow;
use serde::Serialize;
use utoipa::ToSchema;

/// One value of a variable of a station's device model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Variable {
    /// Of which component.
    component: Component,
    /// Which of its variables.
    variable: NameOfVariable,
    /// Which of its values: `Actual`, `Target`, `MinSet`, `MaxSet`.
    #[schema(example = "Actual")]
    attribute: String,
    /// The value, in the station's word; null where it can only be written, was not said, or is
    /// erased.
    #[schema(example = "300")]
    value: Option<String>,
    /// `ReadOnly`, `WriteOnly`, `ReadWrite`, where the station says.
    #[schema(example = "ReadWrite")]
    mutability: Option<String>,
    /// Whether it outlives a restart of the station, where it says.
    persistent: Option<bool>,
    /// Whether it never changes, where the station says.
    constant: Option<bool>,
    /// What it can be, where the station says.
    characteristics: Option<Characteristics>,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    reported_at: Timestamp,
}

/// A component of a station.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Component {
    /// Its name, of the standard's list or the maker's.
    #[schema(example = "OCPPCommCtrlr")]
    name: String,
    /// Which of several of that name.
    instance: Option<String>,
    /// The EVSE it is part of; null where it is the station's own.
    evse: Option<u32>,
    /// The connector of that EVSE that it is part of.
    connector: Option<u32>,
}

/// The name of a variable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VariableName)]
pub(crate) struct NameOfVariable {
    /// Its name, of the standard's list or the maker's.
    #[schema(example = "HeartbeatInterval")]
    name: String,
    /// Which of several of that name.
    instance: Option<String>,
}

/// What a variable can be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VariableCharacteristics)]
pub(crate) struct Characteristics {
    /// `string`, `decimal`, `integer`, `dateTime`, `boolean`, `OptionList`, `SequenceList`,
    /// `MemberList`.
    #[schema(example = "integer")]
    data_type: String,
    /// The unit of its values.
    unit: Option<String>,
    /// The least that it can be.
    min_limit: Option<Exact>,
    /// The most that it can be; of a text, its characters.
    max_limit: Option<Exact>,
    /// Most members of a list.
    max_elements: Option<u32>,
    /// The values that it can have.
    values_list: Option<Vec<String>>,
    /// Whether monitors can be set on it.
    supports_monitoring: bool,
}

impl From<ComponentName> for Component {
    fn from(component: ComponentName) -> Self {
        Self {
            name: component.name,
            instance: component.instance,
            evse: component.evse.map(|evse| evse.0),
            connector: component.connector.map(|connector| connector.0),
        }
    }
}

impl From<VariableName> for NameOfVariable {
    fn from(variable: VariableName) -> Self {
        Self { name: variable.name, instance: variable.instance }
    }
}

impl From<VariableCharacteristics> for Characteristics {
    fn from(can_be: VariableCharacteristics) -> Self {
        let listed = |list: String| list.split(',').map(|item| item.trim().to_owned()).collect();
        Self {
            data_type: can_be.data_type,
            unit: can_be.unit,
            min_limit: can_be.min_limit.map(Exact),
            max_limit: can_be.max_limit.map(Exact),
            max_elements: can_be.max_elements,
            values_list: can_be.values_list.map(listed),
            supports_monitoring: can_be.supports_monitoring,
        }
    }
}

/// The variables of a station, by component and name, as it last said them: in reports (OCPP 2.x),
/// in answers to questions for values, and by accepting new ones. The configuration keys of an OCPP
/// 1.6 station stand under the component `Configuration`. A full inventory (`GetBaseReport`)
/// replaces all that was there once its last part has come. Passwords are never shown.
#[utoipa::path(
    get, path = "/v1/stations/{id}/variables", tag = "stations", operation_id = "list_variables",
    params(
        ("id" = String, Path, description = "The station's id"), PageParameters, WaitParameters,
    ),
    responses(
        (status = 200, description = "A page", body = Page<Variable>),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn list_variables(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Variable>>, Problem> {
    let paging = page.paging()?;
    let known = state.found(|| state.read_models.station(&id)).await?;
    known.ok_or_else(|| no_station(&id))?;
    let page = state.read_models.list_variables(&id, &paging).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(variable(&state, row).await);
    }
    Ok(Json(Page { items, next: page.next }))
}

async fn variable(state: &ApiState, row: VariableRow) -> Variable {
    Variable {
        component: row.component.into(),
        variable: row.variable.into(),
        attribute: row.attribute,
        value: match &row.value {
            Some(value) => state.opened(value).await,
            None => None,
        },
        mutability: row.mutability,
        persistent: row.persistent,
        constant: row.constant,
        characteristics: row.characteristics.map(Characteristics::from),
        reported_at: row.reported_at,
    }
}

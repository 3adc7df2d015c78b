//! The device model in 2.x payloads: components, variables and what is said of them. What is
//! left out is what the standard says it is then.

use crate::meter::json_number;
use crate::payload::Payload;
use chargebook_domain::events::v1::{
    ComponentName, ReportedVariable, VariableAttribute, VariableCharacteristics, VariableName,
};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber};
use rust_decimal::Decimal;

/// The word for a value that cannot be read.
const WRITE_ONLY: &str = "WriteOnly";

/// The variables that a NotifyReport tells of (ReportDataType).
pub(super) fn variables(payload: &Payload<'_, '_>) -> Option<Vec<ReportedVariable<String>>> {
    let variable = |data: Payload<'_, '_>| {
        let characteristics = data.object("variableCharacteristics");
        Some(ReportedVariable {
            component: component(&data)?,
            variable: variable_name(&data)?,
            attributes: data.objects("variableAttribute").map(|data| attribute(&data)).collect(),
            characteristics: match characteristics {
                Some(characteristics) => Some(self::characteristics(&characteristics)?),
                None => None,
            },
        })
    };
    payload.objects("reportData").map(variable).collect()
}

/// The component that something is said of.
pub(crate) fn component(data: &Payload<'_, '_>) -> Option<ComponentName> {
    let component = data.object("component")?;
    let evse = component.object("evse");
    Some(ComponentName {
        name: component.text("name")?,
        instance: component.text("instance"),
        evse: evse.and_then(|evse| evse.integer("id")).map(EvseNumber),
        connector: evse.and_then(|evse| evse.integer("connectorId")).map(ConnectorNumber),
    })
}

/// The variable that something is said of.
pub(crate) fn variable_name(data: &Payload<'_, '_>) -> Option<VariableName> {
    let variable = data.object("variable")?;
    Some(VariableName { name: variable.text("name")?, instance: variable.text("instance") })
}

fn attribute(data: &Payload<'_, '_>) -> VariableAttribute<String> {
    let mutability = data.text("mutability").unwrap_or_else(|| "ReadWrite".to_owned());
    VariableAttribute {
        attribute: data.text("type").unwrap_or_else(|| "Actual".to_owned()),
        value: data.text("value").filter(|_| mutability != WRITE_ONLY),
        mutability,
        persistent: data.boolean("persistent").unwrap_or(false),
        constant: data.boolean("constant").unwrap_or(false),
    }
}

fn characteristics(data: &Payload<'_, '_>) -> Option<VariableCharacteristics> {
    Some(VariableCharacteristics {
        data_type: data.text("dataType")?,
        unit: data.text("unit"),
        min_limit: decimal(data, "minLimit"),
        max_limit: decimal(data, "maxLimit"),
        max_elements: data.integer("maxElements"),
        values_list: data.text("valuesList"),
        supports_monitoring: data.boolean("supportsMonitoring").unwrap_or(false),
    })
}

/// A number, exactly; `None` where it is beyond what a decimal holds.
fn decimal(data: &Payload<'_, '_>, name: &str) -> Option<Decimal> {
    json_number(data.document.number(data.member(name)?)?)
}

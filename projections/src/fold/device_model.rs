//! What stations say of their device model.

use super::{Decoded, Refusal, State, stream_id};
use crate::tables::{InventoryRow, Json, LearntValueRow, VariableRow};
use chargebook_domain::events::v1::{
    ComponentName, ReportTopic, StationValuesLearnt, StationVariablesReported, VariableName,
};
use chargebook_domain::ids::{CommandId, StationId};

impl State {
    /// Each value replaces what was said of it before.
    pub(super) fn variables_reported(
        &mut self,
        event: &Decoded,
        fact: &StationVariablesReported,
    ) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        for reported in &fact.variables {
            for attribute in &reported.attributes {
                self.written.variables.push(VariableRow {
                    station_id,
                    path: path(&reported.component, &reported.variable, &attribute.attribute)?,
                    position: event.position.as_u64(),
                    reported_at: event.recorded_at,
                    component: Json(reported.component.clone()),
                    variable: Json(reported.variable.clone()),
                    attribute: attribute.attribute.clone(),
                    value: attribute.value.clone().map(Json),
                    mutability: attribute.mutability.clone(),
                    persistent: attribute.persistent,
                    constant: attribute.constant,
                    characteristics: reported.characteristics.clone().map(Json),
                });
            }
        }
        self.heard(station_id, event.recorded_at);
        Ok(())
    }

    /// What an answer tells stands beside what was reported: it knows the value alone.
    pub(super) fn values_learnt(
        &mut self,
        event: &Decoded,
        fact: &StationValuesLearnt,
    ) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        for learnt in &fact.values {
            self.written.learnt_values.push(LearntValueRow {
                station_id,
                path: path(&learnt.component, &learnt.variable, &learnt.attribute)?,
                position: event.position.as_u64(),
                learnt_at: event.recorded_at,
                component: Json(learnt.component.clone()),
                variable: Json(learnt.variable.clone()),
                attribute: learnt.attribute.clone(),
                value: learnt.value.clone().map(Json),
                read_only: learnt.read_only,
            });
        }
        Ok(())
    }

    /// Once all of an inventory is there, what was said before it was asked for is no more.
    pub(super) fn inventory_reported(&mut self, command_id: CommandId) {
        let Some(row) = self.commands.get(command_id) else { return };
        let Some(Json(gathering)) = &row.gathering else { return };
        let Some(follow_up) = gathering.follow_up() else { return };
        if follow_up.is_inventory != Some(true) || gathering.is_complete() != Some(true) {
            return;
        }
        let (station_id, since) = (row.station_id, row.position);
        match follow_up.topic {
            ReportTopic::Monitors => self.all_monitors_told(station_id, since),
            _ => self.written.inventories.push(InventoryRow { station_id, since }),
        }
    }

    /// The station that an event is about, in its own stream or in that of a command to it.
    pub(super) fn reporting_station(&self, event: &Decoded) -> Result<StationId, Refusal> {
        let id = stream_id(event)?;
        if event.stream.category() != "command" {
            return Ok(StationId(id));
        }
        let command = self.commands.get(CommandId(id));
        command.map(|row| row.station_id).ok_or_else(|| format!("no command {id} was requested"))
    }
}

/// What tells a value of a variable from all others of the station, in the order of lists.
fn path(
    component: &ComponentName,
    variable: &VariableName,
    attribute: &str,
) -> Result<String, Refusal> {
    let parts = (
        (&component.name, &component.instance, component.evse, component.connector),
        (&variable.name, &variable.instance),
        attribute,
    );
    serde_json::to_string(&parts).map_err(|error| error.to_string())
}

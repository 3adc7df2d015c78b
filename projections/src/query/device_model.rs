//! What stations have said of their device model.

use super::Paging;
use super::select::{Cursor, Select};
use crate::device_model::Variable;
use crate::error::QueryError;
use crate::read_models::ReadModels;
use crate::tables::{Json, Row as _, VariableRow};
use crate::views::Page;

impl ReadModels {
    /// The variables of a station, by component and name: what it said since it was last asked
    /// for all of them and told them all.
    pub async fn list_variables(
        &self,
        station: &str,
        paging: &Paging,
    ) -> Result<Page<Variable>, QueryError> {
        let cursor = Cursor::new("variables", paging)?;
        let mut select = Select::new(format!(
            "SELECT {} FROM station_variables v JOIN stations s ON s.station_id = v.station_id",
            VariableRow::TABLE.column_list("v."),
        ));
        select.filter("s.station = ?", Some(&station.to_owned()))?;
        select.condition(
            "v.position >= (SELECT COALESCE(MAX(i.since), 0) FROM inventories i \
             WHERE i.station_id = v.station_id)",
        );
        select.filter("v.path > ?", cursor.after())?;
        select.push(" ORDER BY v.path");
        cursor.limit(&mut select)?;
        let rows: Vec<VariableRow> = select.read(&self.pool()).await?;
        let page = cursor.page(rows, |row| row.path.clone());
        let items = page.items.into_iter().map(variable_view).collect();
        Ok(Page { items, next: page.next })
    }
}

fn variable_view(row: VariableRow) -> Variable {
    Variable {
        component: row.component.0,
        variable: row.variable.0,
        attribute: row.attribute,
        value: row.value.map(|Json(value)| value),
        mutability: row.mutability,
        persistent: row.persistent,
        constant: row.constant,
        characteristics: row.characteristics.map(|Json(characteristics)| characteristics),
        reported_at: row.reported_at,
        position: row.position,
    }
}

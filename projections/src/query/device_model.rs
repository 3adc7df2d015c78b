//! What stations have said of their device model.

use super::Paging;
use super::select::{Cursor, Select, column, optional};
use crate::device_model::Variable;
use crate::error::QueryError;
use crate::read_models::ReadModels;
use crate::tables::{Json, LearntValueRow, Row as _, VariableRow};
use crate::views::Page;

const VARIABLE_COLUMNS: usize = VariableRow::TABLE.columns.len();
const LEARNT_COLUMNS: usize = LearntValueRow::TABLE.columns.len();

/// The asked station, in both arms of the union: else it would be made over all stations.
const STATION: &str = "(SELECT station_id FROM stations WHERE station = ?)";
/// Since when a station's words on its variables count.
const SINCE: &str = "(SELECT COALESCE(MAX(i.since), 0) FROM inventories i WHERE i.station_id = \
     s.station_id)";
/// The word for a value that cannot be read.
const WRITE_ONLY: &str = "WriteOnly";

impl ReadModels {
    /// The variables of a station, by component and name: what it said since it was last asked
    /// for all of them and told them all. Of what it reported and what its answers tell, the
    /// later holds.
    pub async fn list_variables(
        &self,
        station: &str,
        paging: &Paging,
    ) -> Result<Page<Variable>, QueryError> {
        let cursor = Cursor::new("variables", paging)?;
        let mut select = select_variables(station)?;
        select.filter("p.path > ?", cursor.after())?;
        select.push(" ORDER BY p.path");
        cursor.limit(&mut select)?;
        let found = self.read_variables(select).await?;
        let page = cursor.page(found, |(path, _)| path.clone());
        let items = page.items.into_iter().map(|(_, variable)| variable).collect();
        Ok(Page { items, next: page.next })
    }

    /// The variables of one of a station's components, wherever at the station that is.
    pub async fn variables_of_component(
        &self,
        station: &str,
        component: &str,
    ) -> Result<Vec<Variable>, QueryError> {
        // How a path begins: see `path` of the fold.
        let beginning = format!("[[{},", serde_json::Value::from(component));
        let mut select = select_variables(station)?;
        select.filter("p.path >= ?", Some(&beginning))?;
        select.filter("p.path < ?", Some(&format!("{beginning}{}", char::MAX)))?;
        select.push(" ORDER BY p.path");
        let found = self.read_variables(select).await?;
        Ok(found.into_iter().map(|(_, variable)| variable).collect())
    }

    /// Each with its path.
    async fn read_variables(&self, select: Select) -> Result<Vec<(String, Variable)>, QueryError> {
        let mut found = Vec::new();
        for row in select.rows(&self.pool()).await? {
            let reported: Option<VariableRow> = optional(&row, 0)?;
            let learnt: Option<LearntValueRow> = optional(&row, VARIABLE_COLUMNS)?;
            let path: String = column(&row, VARIABLE_COLUMNS + LEARNT_COLUMNS)?;
            let variable = match (reported, learnt) {
                (Some(reported), learnt) => updated(reported_view(reported), learnt),
                (None, Some(learnt)) => learnt_view(learnt),
                (None, None) => continue,
            };
            found.push((path, variable));
        }
        Ok(found)
    }
}

/// What a station has said of its variables, whichever way it did.
fn select_variables(station: &str) -> Result<Select, QueryError> {
    let mut select = Select::new(format!(
        "SELECT {}, {}, p.path FROM stations s JOIN \
         (SELECT station_id, path FROM station_variables WHERE station_id = {STATION} UNION \
         SELECT station_id, path FROM learnt_values WHERE station_id = {STATION}) p \
         ON p.station_id = s.station_id \
         LEFT JOIN station_variables v ON v.station_id = p.station_id AND v.path = p.path \
         AND v.position >= {SINCE} \
         LEFT JOIN learnt_values l ON l.station_id = p.station_id AND l.path = p.path \
         AND l.position >= {SINCE}",
        VariableRow::TABLE.column_list("v."),
        LearntValueRow::TABLE.column_list("l."),
    ));
    for _arm in 0..2 {
        select.bind(&station.to_owned())?;
    }
    select.filter("s.station = ?", Some(&station.to_owned()))?;
    select.condition("(v.path IS NOT NULL OR l.path IS NOT NULL)");
    Ok(select)
}

/// What can only be written is nobody's to read, wherever it was learnt from.
fn updated(reported: Variable, learnt: Option<LearntValueRow>) -> Variable {
    let is_secret = reported.mutability.as_deref() == Some(WRITE_ONLY);
    match learnt.filter(|learnt| learnt.position > reported.position) {
        Some(learnt) => Variable {
            value: learnt.value.map(|Json(value)| value).filter(|_| !is_secret),
            reported_at: learnt.learnt_at,
            position: learnt.position,
            ..reported
        },
        None => reported,
    }
}

fn reported_view(row: VariableRow) -> Variable {
    Variable {
        component: row.component.0,
        variable: row.variable.0,
        attribute: row.attribute,
        value: row.value.map(|Json(value)| value),
        mutability: Some(row.mutability),
        persistent: Some(row.persistent),
        constant: Some(row.constant),
        characteristics: row.characteristics.map(|Json(characteristics)| characteristics),
        reported_at: row.reported_at,
        position: row.position,
    }
}

fn learnt_view(row: LearntValueRow) -> Variable {
    let mutability = |read_only| if read_only { "ReadOnly" } else { "ReadWrite" };
    Variable {
        component: row.component.0,
        variable: row.variable.0,
        attribute: row.attribute,
        value: row.value.map(|Json(value)| value),
        mutability: row.read_only.map(|read_only| mutability(read_only).to_owned()),
        persistent: None,
        constant: None,
        characteristics: None,
        reported_at: row.learnt_at,
        position: row.position,
    }
}

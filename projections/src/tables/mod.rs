//! The tables: each is a struct, from which its DDL, its upsert, its reads and its place in
//! the canonical dump follow.

mod cell;
mod rows;
mod schema;

pub(crate) use cell::{Cell, EvseKey, Json, SiteKey, Value, Word};
pub(crate) use rows::*;
pub(crate) use schema::{DUMPED, INDEXES, SCHEMA_VERSION, create_statements};

use crate::error::ProjectionError;
use sqlx::sqlite::SqliteRow;

/// Rows with more columns are wide.
const NARROW_COLUMNS_MAX: usize = 6;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) sql_type: &'static str,
    pub(crate) nullable: bool,
}

/// What follows from a table's struct, apart from its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// The primary key: the first so many columns.
    pub(crate) key_columns: usize,
    /// Columns whose new value is added to the old one instead of replacing it.
    pub(crate) summed: &'static [&'static str],
}

/// A row of a table.
pub(crate) trait Row: Sized + Send {
    const TABLE: Table;

    /// The columns' values, in order.
    fn values(&self) -> Result<Vec<Value>, ProjectionError>;

    /// From a result whose columns begin at `offset` with this table's, in order.
    fn read(row: &SqliteRow, offset: usize) -> Result<Self, ProjectionError>;
}

impl Table {
    /// The columns' names, each behind `alias.` where there is one.
    pub(crate) fn column_list(&self, alias: &str) -> String {
        let names = self.columns.iter().map(|column| format!("{alias}{}", column.name));
        names.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn key_list(&self) -> String {
        let names = self.columns.iter().take(self.key_columns).map(|column| column.name);
        names.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn create(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{null}", column.name, column.sql_type)
        });
        format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({})) STRICT{}",
            self.name,
            columns.collect::<Vec<_>>().join(", "),
            self.key_list(),
            if self.is_narrow() { ", WITHOUT ROWID" } else { "" },
        )
    }

    /// Narrow rows live in the key's own tree; wide ones would make it deep.
    fn is_narrow(&self) -> bool {
        self.columns.len() <= NARROW_COLUMNS_MAX
    }

    /// An upsert of so many rows at once.
    pub(crate) fn upsert(&self, rows: usize) -> String {
        let one = format!("({})", vec!["?"; self.columns.len()].join(","));
        let updates = self.columns.iter().skip(self.key_columns).map(|column| {
            let name = column.name;
            if self.summed.contains(&name) {
                format!("{name} = {name} + excluded.{name}")
            } else {
                format!("{name} = excluded.{name}")
            }
        });
        let updates = updates.collect::<Vec<_>>().join(", ");
        let on_conflict =
            if updates.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {updates}") };
        format!(
            "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO {on_conflict}",
            self.name,
            self.column_list(""),
            vec![one.as_str(); rows].join(","),
            self.key_list(),
        )
    }
}

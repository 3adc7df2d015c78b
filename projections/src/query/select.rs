//! Building and running one SELECT: fixed text with bound values, pages by an opaque `next`.

use super::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Paging};
use crate::error::{ProjectionError, QueryError};
use crate::tables::{Cell, Row};
use crate::views::Page;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, SqliteExecutor};

/// A statement under way. Its text is only ever made of this crate's own words.
pub(crate) struct Select {
    sql: String,
    arguments: SqliteArguments,
    conditions: usize,
}

impl Select {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), arguments: SqliteArguments::default(), conditions: 0 }
    }

    /// Adds text.
    pub(crate) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Adds a value for the next `?`.
    pub(crate) fn bind(&mut self, value: &impl Cell) -> Result<(), ProjectionError> {
        value.to_value()?.bind(&mut self.arguments)
    }

    /// Adds a condition without a value.
    pub(crate) fn condition(&mut self, condition: &str) {
        self.push(if self.conditions == 0 { " WHERE " } else { " AND " });
        self.push(condition);
        self.conditions += 1;
    }

    /// Adds a condition with one `?`, where there is a value for it.
    pub(crate) fn filter(
        &mut self,
        condition: &str,
        value: Option<&impl Cell>,
    ) -> Result<(), ProjectionError> {
        let Some(value) = value else { return Ok(()) };
        self.condition(condition);
        self.bind(value)
    }

    pub(crate) async fn rows<'e>(
        self,
        executor: impl SqliteExecutor<'e>,
    ) -> Result<Vec<SqliteRow>, ProjectionError> {
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        Ok(query.fetch_all(executor).await?)
    }

    pub(crate) async fn read<'e, R: Row>(
        self,
        executor: impl SqliteExecutor<'e>,
    ) -> Result<Vec<R>, ProjectionError> {
        self.rows(executor).await?.iter().map(|row| R::read(row, 0)).collect()
    }
}

/// The row whose columns begin at `offset`, or `None` where an outer join found none.
pub(crate) fn optional<R: Row>(
    row: &SqliteRow,
    offset: usize,
) -> Result<Option<R>, ProjectionError> {
    if crate::tables::Value::read(row, offset)? == crate::tables::Value::Null {
        return Ok(None);
    }
    R::read(row, offset).map(Some)
}

/// One column.
pub(crate) fn column<T: Cell>(row: &SqliteRow, index: usize) -> Result<T, ProjectionError> {
    T::from_value(crate::tables::Value::read(row, index)?)
}

/// A page under way: how many rows, after which key.
pub(crate) struct Cursor {
    list: &'static str,
    limit: u32,
    after: Option<String>,
}

impl Cursor {
    /// Of a list; `next` of another list is refused.
    pub(crate) fn new(list: &'static str, paging: &Paging) -> Result<Self, QueryError> {
        let limit = paging.limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX);
        let after = paging.next.as_deref().map(|next| decode(list, next)).transpose()?;
        Ok(Self { list, limit, after })
    }

    /// The key of the last row of the page before, as text.
    pub(crate) fn after(&self) -> Option<&String> {
        self.after.as_ref()
    }

    /// The key of the last row of the page before, as a position.
    pub(crate) fn after_position(&self) -> Result<Option<u64>, QueryError> {
        self.after.as_deref().map(|key| key.parse().map_err(|_| QueryError::BadNext)).transpose()
    }

    /// Asks for one row more than the page holds, which tells whether there is another page.
    pub(crate) fn limit(&self, select: &mut Select) -> Result<(), ProjectionError> {
        select.push(" LIMIT ?");
        select.bind(&(self.limit + 1))
    }

    /// The page, from the rows found; `key` gives what the list is ordered by.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| hex::encode(format!("{}\n{}", self.list, key(last))));
        Page { items, next }
    }
}

fn decode(list: &str, next: &str) -> Result<String, QueryError> {
    let bytes = hex::decode(next).map_err(|_| QueryError::BadNext)?;
    let text = String::from_utf8(bytes).map_err(|_| QueryError::BadNext)?;
    match text.split_once('\n') {
        Some((of, key)) if of == list => Ok(key.to_owned()),
        _ => Err(QueryError::BadNext),
    }
}

//! The read models: folds of the log into tables that answer questions. Live status, sessions,
//! billing, analytics and the audit index.
//!
//! They are disposable: dropping them loses nothing, and any rebuild, in batches of any size
//! and over any number of crashes, gives the same rows (see [`canonical_dump`]).
//!
//! This room knows events and SQL. It does not know how events come about (commands), what
//! spoke to a charger (gateway), who asks (api, console), or how to open sealed text.

mod changes;
mod error;
mod query;
mod read_models;
mod tables;
mod views;

pub use changes::{CHANGES_KEPT_MAX, Change, ChangeFeed, ChangeItem, ChangeKind};
pub use error::{ProjectionError, QueryError, WaitError};
pub use query::{
    ANALYTICS_DAYS_MAX, AnalyticsQuery, Bucket, InvoiceFilter, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX,
    Paging, SessionFilter,
};
pub use read_models::ReadModels;
pub use views::*;

//! The read models: folds of the log into tables that answer questions. Live status, sessions,
//! billing, analytics and the audit index.
//!
//! They are disposable: dropping them loses nothing, and any rebuild, in batches of any size
//! and over any number of crashes, gives the same rows (see [`CanonicalDump`]).
//!
//! This room knows events and SQL. It does not know how events come about (commands), what
//! spoke to a charger (gateway), who asks (api, console), or how to open sealed text.

mod changes;
mod device_model;
mod dump;
mod error;
mod fold;
mod generation;
mod past;
mod projector;
mod query;
mod read_models;
mod rebuild;
mod tables;
mod views;
mod writer;

pub use changes::{CHANGES_KEPT_MAX, Change, ChangeFeed, ChangeItem, ChangeKind};
pub use device_model::Variable;
pub use dump::CanonicalDump;
pub use error::{ProjectionError, QueryError, WaitError};
pub use past::{Moment, PASTS_KEPT_MAX, Past, PastModels, When, WhenError};
pub use projector::{
    BATCH_EVENTS_DEFAULT, CACHED_ROWS_DEFAULT, FLUSH_INTERVAL_DEFAULT, Projector, ProjectorOptions,
    open,
};
pub use query::{
    ANALYTICS_DAYS_MAX, AnalyticsQuery, Bucket, DETAIL_EVENTS_MAX, InvoiceFilter,
    PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Paging, SessionFilter,
};
pub use read_models::ReadModels;
pub use rebuild::{
    Comparison, PARKED_REPORTED_MAX, RebuildOptions, RebuildProgress, RebuildReport, rebuild,
};
pub use views::*;

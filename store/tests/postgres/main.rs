//! The PostgreSQL engine: the contract of all engines, and what is this one's own.

mod contract;
mod database;
mod failures;
mod nodes;
mod settings;
mod silence;
mod sole;
mod terms;

//! The API through its router, as a client sees it.

mod accounts;
mod commands;
mod document;
mod events;
mod harness;
mod input;
mod live;
mod registering;
mod server;
mod serving;
mod sessions;
mod station;

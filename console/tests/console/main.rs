//! The console through its router: who may come in, what it shows, what it refuses.

#![expect(clippy::unwrap_used, reason = "a fault in a test is a panic")]

mod access;
mod client;
mod pages;
mod world;

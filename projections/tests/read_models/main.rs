//! The read models through their public doors, over a log in memory.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod alerts;
mod certificates;
mod disposable;
mod feed;
mod history;
mod parked;
mod past;
mod payments;
mod random;
mod reservations;
mod reviews;
mod story;
mod switching;
mod totals;

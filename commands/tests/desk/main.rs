//! The desk, the register and the policies through their public doors, on the memory engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certificates;
mod charging;
mod clock_set_back;
mod crashes;
mod credit;
mod delivery;
mod erasures;
mod expiry;
mod groups;
mod idle;
mod open_commands;
mod payers;
mod payments;
mod registering;
mod repeats;
mod reservations;
mod reviews;
mod sessions;
mod statuses;
mod stories;
mod succession;
mod support;
mod transactions;
mod twice_rated;
mod unended;
mod unstopped;

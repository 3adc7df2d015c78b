//! The gateway through its public door: real sockets, the real desk, the memory engine.

mod bursts;
mod certificates;
mod commands;
mod compression;
mod contracts;
mod counted;
mod credit;
mod dialects;
mod display;
mod ending;
mod fuzz;
mod handshake;
mod message_limits;
mod messages;
mod passwords;
mod profiles;
mod reports;
mod rereading;
mod signing;
mod support;
mod takeover;
mod tls;
mod treatment;
mod unaccepted;
mod v2g;
mod vehicles;

//! The integration tests: the real binary, real clients, public doors only.
//!
//! Every scenario starts `chargebook serve` on free loopback ports with a data folder of its own,
//! speaks OCPP to it with independent implementations (PyPI's `ocpp` on `websockets`, npm's
//! `ocpp-rpc`) and reads the outcome over HTTP. `cargo xtask test` prepares what they need.

mod alerts;
mod api_input;
mod architecture;
mod backup;
mod certificates;
mod charging_plan;
mod compression;
mod console;
mod database_down;
mod demo;
mod deployment;
mod durable_before_reply;
mod erasure;
mod every_request;
mod full_session;
mod harness;
mod hundred_messy_sessions;
mod kill_under_load;
#[cfg(feature = "kurrentdb")]
mod kurrentdb_log;
mod log_proofs;
mod messages;
mod messy_sessions;
mod monitors;
mod ocpp_2x_input;
mod ocpp_2x_session;
mod ocpp_input;
mod offline_replay;
mod personal_data;
mod plug_and_charge;
mod postgres_log;
mod rate_command;
mod read_models;
mod rereading;
mod reservations;
mod restart;
mod retransmission;
mod security_cases;
mod station_commands;
mod station_reports;
mod strict_charge_point;
mod subcommands;
mod test_cases_16;
mod test_cases_2x;
mod time_travel;
mod tls;

//! The integration tests: the real binary, real clients, public doors only.
//!
//! Every scenario starts `chargebook serve` on free loopback ports with a data folder of its own,
//! speaks OCPP to it with an independent implementation (PyPI's `ocpp` on `websockets`) and reads
//! the outcome over HTTP. `cargo xtask test` prepares what they need.

mod architecture;

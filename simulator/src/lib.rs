//! Simulated charge points (OCPP 1.6J over real WebSockets), and the benchmark's load.
//!
//! A [`Fleet`] runs [`StationPlan`]s: finished sessions delivered as an offline charger
//! delivers them, live sessions with realistic meter readings, answers to remote commands that
//! really act, and the faults of real chargers, all chosen by seed.
//! It must not know anything of the server but OCPP: it drives any 1.6J system.
//!
//! ```no_run
//! use chargebook_simulator::{Activity, Fleet, FleetPlan, Hardware, LivePlan, StationPlan};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run() -> Result<(), chargebook_simulator::ConnectError> {
//! let station = StationPlan::new("CP-1")
//!     .with_password("correct horse battery")
//!     .with_hardware(Hardware::DC_50, 2)
//!     .with_tags(["04A1B2C3"])
//!     .with_live(LivePlan::with_activity(Activity::Sessions(3)));
//! let plan = FleetPlan::new("ws://127.0.0.1:9000/ocpp", 42).with_station(station);
//! let report = Fleet::new(plan).run(CancellationToken::new()).await?;
//! assert_eq!(report.transaction_ids_changed, 0);
//! # Ok(())
//! # }
//! ```

mod connection;
mod curve;
mod fault;
mod fleet;
pub mod load;
mod observe;
mod past;
mod plan;
mod random;
mod station;
mod wire;

pub use connection::ConnectError;
pub use curve::ChargingCurve;
pub use fault::{Fault, FaultMix, Quirks, RegisterUnit};
pub use fleet::Fleet;
pub use observe::{FleetCounters, FleetEvent, FleetReport, Observer};
pub use past::{PastSession, past_session, past_sessions};
pub use plan::{Activity, FleetPlan, Hardware, LivePlan, Pace, StationPlan};
pub use random::SeededRandom;

//! Schema version 1 of every event. Frozen: a field is never renamed, retyped or removed here;
//! what must change gets a `v2` beside it and an upcaster.

mod account;
mod alert;
mod certificate;
mod charging;
mod command;
mod device_model;
mod exchange;
mod intent;
mod local_tariff;
mod notice;
mod registry;
mod reservation;
mod session;
mod station;
mod transaction;
mod treatment;
mod trust;

pub use account::*;
pub use alert::*;
pub use certificate::*;
pub use charging::*;
pub use command::*;
pub use device_model::*;
pub use exchange::*;
pub use intent::*;
pub use local_tariff::*;
pub use notice::*;
pub use registry::*;
pub use reservation::*;
pub use session::*;
pub use station::*;
pub use transaction::*;
pub use treatment::*;
pub use trust::*;

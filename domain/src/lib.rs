//! Pure facts and decisions: what a station, a session, a tariff and an invoice are, and what
//! follows from what.
//!
//! No async, no I/O, no clock, no randomness, no OCPP, no SQL, no HTTP: time and ids come in
//! as arguments, refusals go out as values.

pub mod alert;
pub mod charging_plan;
pub mod cost_display;
pub mod events;
pub mod follow_up;
pub mod ids;
pub mod invoice;
pub mod local_tariffs;
pub mod message_limit;
pub mod monitoring;
pub mod rating;
pub mod sealed;
pub mod session;
pub mod station_energy;
pub mod tariff;
pub mod units;
pub mod vat_number;

//! The source of the event types, embedded, so that a reference of them can be printed that says
//! what the code says: the comments, names and types that the compiler sees.
//!
//! This room gives the texts; it does not read them.

/// An event type as a reference shows it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Past tense, dotted.
    pub event_type: &'static str,
    /// The schema version that the data is in.
    pub schema_version: u32,
    /// The name of the data's struct in [`SOURCES`].
    pub data_type: &'static str,
    /// The golden example: data in its canonical form.
    pub example: &'static str,
}

/// A source file.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its place in this package.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! sources {
    ($($path:literal)*) => {
        /// Every file that defines something which an event's data or meta is made of.
        pub const SOURCES: &[Source] = &[
            $(Source { path: concat!("src/", $path), text: include_str!(concat!("../", $path)) },)*
        ];
    };
}

sources! {
    "events/mod.rs"
    "events/v1/account.rs"
    "events/v1/alert.rs"
    "events/v1/certificate.rs"
    "events/v1/charging.rs"
    "events/v1/command.rs"
    "events/v1/device_model.rs"
    "events/v1/energy.rs"
    "events/v1/erasure.rs"
    "events/v1/exchange.rs"
    "events/v1/intent.rs"
    "events/v1/local_tariff.rs"
    "events/v1/monitoring.rs"
    "events/v1/notice.rs"
    "events/v1/registry.rs"
    "events/v1/reservation.rs"
    "events/v1/session.rs"
    "events/v1/station.rs"
    "events/v1/transaction.rs"
    "events/v1/treatment.rs"
    "events/v1/trust.rs"
    "ids.rs"
    "rating/local_time.rs"
    "rating/result.rs"
    "sealed.rs"
    "units.rs"
}

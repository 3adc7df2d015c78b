//! Time and fresh ids come through here, so that nothing below reads a clock or a random
//! source by itself.

use chargebook_domain::ids::EventId;
use chargebook_domain::units::Timestamp;
use chrono::Utc;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The clock and the source of fresh ids.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// A fresh id, later ones greater (UUIDv7).
    fn fresh_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(Utc::now())
    }
}

/// Bytes of an id that hold its time: a UUIDv7's milliseconds.
const ID_TIME_BYTES: usize = 6;

/// The id of what follows from `cause` by `rule`: the same every time, so that deciding twice
/// is absorbed by the log. It keeps the time of its cause, so that ids that come into being
/// together lie together in the log's index.
pub fn derived_id(cause: EventId, rule: &str, ordinal: u32) -> EventId {
    let mut hasher = Sha256::new();
    hasher.update(cause.0.as_bytes());
    hasher.update(rule.as_bytes());
    hasher.update([0]);
    hasher.update(ordinal.to_be_bytes());
    let mut hash: [u8; 32] = hasher.finalize().into();
    hash[..ID_TIME_BYTES].copy_from_slice(&cause.0.as_bytes()[..ID_TIME_BYTES]);
    EventId(uuid_from(&hash))
}

/// A UUID (version 8) of the first 16 bytes of a hash.
pub(crate) fn uuid_from(hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: a policy that does its work again must come to the same ids.
    #[test]
    fn a_derived_id_is_the_same_for_ever() {
        let cause = EventId("019ab3c4-d5e6-7f01-8203-040506070809".parse().unwrap());
        let derived = |rule, ordinal| derived_id(cause, rule, ordinal).0.to_string();
        assert_eq!(derived("invoice.issued", 0), "019ab3c4-d5e6-80f6-8ea6-f68caf3cb917");
        assert_eq!(derived("invoice.issued", 1), "019ab3c4-d5e6-872b-bca7-8c44567603e6");
        assert_eq!(derived("ledger.posted", 0), "019ab3c4-d5e6-88d1-8540-dc16dcf75834");
    }
}

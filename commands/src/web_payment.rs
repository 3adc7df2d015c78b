//! Payments on web pages that a station's QR codes lead to (OCPP 2.1, C25): what its codes are made
//! with, and whether a one-time password in one is of this moment.
//!
//! The secret that a station shares is derived from its id by the vault's key: nothing keeps it,
//! and nobody but the station is told.

use crate::Chargebook;
use crate::intent::ExactError;
use crate::registry::Registered;
use chargebook_domain::ids::{CommandId, StationId};
use chargebook_domain::units::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The version of the one-time passwords that are made and checked here.
pub const TOTP_VERSION: &str = "v1";
/// How long a one-time password may be good, in seconds.
pub const VALIDITY_SECONDS: std::ops::RangeInclusive<u32> = 6..=3_600;
/// How many characters a one-time password may have: six at least (2.1, WebPaymentsCtrlr), and no
/// more than a token.
pub const PASSWORD_CHARACTERS: std::ops::RangeInclusive<u32> = 6..=36;
/// What the characters of a one-time password are taken from, in this order.
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What a station makes its QR codes with (the variables of `WebPaymentsCtrlr`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPaymentSettings {
    /// The page, with places for the station, the EVSE, the password and its version.
    pub url_template: String,
    /// How its passwords are made.
    pub passwords: OneTimePasswords,
    /// What they are made with.
    pub shared_secret: String,
}

/// How a station's one-time passwords are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimePasswords {
    /// How long one is good, in seconds.
    pub validity_seconds: u32,
    /// How many characters it has.
    pub length: u32,
}

impl OneTimePasswords {
    /// The password of an interval, counted from 1970.
    fn of_interval(self, secret: &str, interval: i64) -> String {
        // A key of any length is one to HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            return String::new();
        };
        mac.update(&interval.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash[hash.len() - 1] & 0x0f);
        let byte = |place: usize| usize::from(hash[(offset + place) % hash.len()]);
        let places = 0..self.length as usize;
        places.map(|place| char::from(ALPHABET[byte(place) % ALPHABET.len()])).collect()
    }

    /// Whether a password is of this interval, the one before or the one after: whoever scans a
    /// code takes a moment, and no two clocks are the same.
    fn accept(self, secret: &str, password: &str, now: Timestamp) -> bool {
        // First, for none longer than what was sent is ever made.
        if !PASSWORD_CHARACTERS.contains(&self.length) || password.len() != self.length as usize {
            return false;
        }
        let interval = now.utc().timestamp().div_euclid(i64::from(self.validity_seconds.max(1)));
        (interval - 1..=interval + 1).any(|interval| {
            let good = self.of_interval(secret, interval);
            bool::from(good.as_bytes().ct_eq(password.as_bytes()))
        })
    }
}

impl Chargebook {
    /// Has a 2.1 station show QR codes that lead to a page where whoever wants to charge pays.
    ///
    /// # Errors
    /// As [`Chargebook::request_exact`]; a version without such codes.
    pub async fn request_web_payments(
        &self,
        station: &str,
        url_template: String,
        passwords: OneTimePasswords,
        actor: &str,
    ) -> Result<(CommandId, Registered), ExactError> {
        let state = self.known_station(station).await?;
        let protocol = state.protocol.ok_or(ExactError::NeverConnected)?;
        let shared_secret = self.web_payment_secret(state.station_id);
        let settings = WebPaymentSettings { url_template, passwords, shared_secret };
        let (action, payload) = self.station_protocol().web_payments(&protocol, &settings)?;
        self.request_exact(station, action, &payload, actor).await
    }

    /// Whether a one-time password is of a station and of this moment.
    pub fn is_one_time_password(
        &self,
        station: StationId,
        passwords: OneTimePasswords,
        password: &str,
    ) -> bool {
        let secret = self.web_payment_secret(station);
        passwords.accept(&secret, password, self.journal().now())
    }

    /// In hex: 64 characters.
    fn web_payment_secret(&self, station: StationId) -> String {
        let vault = self.personal().vault();
        hex::encode(vault.keyed_hash("web-payment-secret", &[station.0.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000).expect("an instant")
    }

    /// Values of independent implementations of the standard's algorithm.
    #[test]
    fn passwords_are_the_standards() {
        let passwords = |length| OneTimePasswords { validity_seconds: 30, length };
        let made = |secret, length, interval| passwords(length).of_interval(secret, interval);
        assert_eq!(made("MySharedSecret", 8, 59_000_000), "5AViTp52");
        assert_eq!(made("MySharedSecret", 8, 59_000_001), "8M9BjBLF");
        assert_eq!(made("ABCDEFGH12345678", 6, 1), "gXEOrp");
    }

    #[test]
    fn a_password_is_good_in_its_interval_and_the_two_beside_it() {
        let passwords = OneTimePasswords { validity_seconds: 30, length: 8 };
        let begin = 59_000_000 * 30;
        for (seconds, is_good) in [
            (begin - 31, false),
            (begin - 30, true),
            (begin + 29, true),
            (begin + 59, true),
            (begin + 60, false),
        ] {
            let accepted = passwords.accept("MySharedSecret", "5AViTp52", at(seconds));
            assert_eq!(accepted, is_good, "{seconds}");
        }
        assert!(!passwords.accept("MySharedSecret", "5AViTp53", at(begin)));
        assert!(!passwords.accept("AnotherSecret", "5AViTp52", at(begin)));
        for (length, password) in [(8, ""), (0, ""), (u32::MAX, "5AViTp52")] {
            let passwords = OneTimePasswords { length, ..passwords };
            assert!(!passwords.accept("MySharedSecret", password, at(begin)), "{length}");
        }
    }
}

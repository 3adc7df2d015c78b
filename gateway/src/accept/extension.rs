//! The offer of permessage-deflate in a handshake (RFC 7692 section 7.1), and our answer.
//!
//! The first offer that can be met is taken. Both sides are held to begin every message anew,
//! which a server may ask for unasked. An offer with a parameter that is unknown, repeated or
//! ill-formed is passed over; without one that can be met, nothing is compressed.

use crate::socket::Deflate;
use hyper::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};
use std::ops::RangeInclusive;

/// Most offers that are looked at.
const OFFERS_MAX: usize = 16;

/// Windows that the RFC allows, as base-2 logarithms.
const WINDOW_BITS: RangeInclusive<u8> = 8..=15;

/// The smallest window that our compressor can keep to.
const OWN_WINDOW_BITS_MIN: u8 = 9;

/// The extension as it was agreed on, and how that is said in `Sec-WebSocket-Extensions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) deflate: Deflate,
    pub(super) answer: String,
}

/// The first offer that can be met.
pub(super) fn deflate(headers: &HeaderMap) -> Option<Agreed> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .take(OFFERS_MAX)
        .find_map(agree)
}

fn agree(offer: &str) -> Option<Agreed> {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut window_bits = None;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (part, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None)
            | ("client_max_window_bits", None) => {}
            // Our inflater has room for the largest window, so any is fine.
            ("client_max_window_bits", Some(value)) => {
                bits(value)?;
            }
            ("server_max_window_bits", Some(value)) => {
                window_bits = Some(bits(value).filter(|bits| *bits >= OWN_WINDOW_BITS_MIN)?);
            }
            _ => return None,
        }
    }
    let mut answer =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(bits) = window_bits {
        answer.push_str(&format!("; server_max_window_bits={bits}"));
    }
    let window_bits = window_bits.unwrap_or(*WINDOW_BITS.end());
    Some(Agreed { deflate: Deflate { window_bits }, answer })
}

/// A value may be written in quotes (RFC 6455 section 9.1).
fn unquoted(value: &str) -> &str {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(value)
}

/// A decimal number without leading zeros, from 8 to 15.
fn bits(value: &str) -> Option<u8> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| is_plain && WINDOW_BITS.contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const PLAIN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[track_caller]
    fn check(offers: &[&'static str], expected: Option<(&str, u8)>) {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer));
        }
        let agreed = deflate(&headers);
        let found = agreed.as_ref().map(|a| (a.answer.as_str(), a.deflate.window_bits));
        assert_eq!(found, expected, "{offers:?}");
    }

    #[test]
    fn the_first_offer_that_can_be_met_is_taken() {
        let nine = format!("{PLAIN}; server_max_window_bits=9");
        for (offers, expected) in [
            (&["permessage-deflate"][..], Some((PLAIN, 15))),
            (&["permessage-deflate; client_max_window_bits"], Some((PLAIN, 15))),
            (&["permessage-deflate; client_max_window_bits=10"], Some((PLAIN, 15))),
            (&["permessage-deflate;server_no_context_takeover"], Some((PLAIN, 15))),
            (&["permessage-deflate; client_no_context_takeover"], Some((PLAIN, 15))),
            (&["permessage-deflate; server_max_window_bits=9"], Some((nine.as_str(), 9))),
            (&["permessage-deflate; server_max_window_bits=\"9\""], Some((nine.as_str(), 9))),
            (&["x-webkit-deflate-frame, permessage-deflate"], Some((PLAIN, 15))),
            (&["x-webkit-deflate-frame", "permessage-deflate"], Some((PLAIN, 15))),
            (
                &["permessage-deflate; server_max_window_bits=8, permessage-deflate"],
                Some((PLAIN, 15)),
            ),
            (&["permessage-deflate; server_max_window_bits=8"], None),
            (&["permessage-deflate; server_max_window_bits"], None),
            (&["permessage-deflate; server_max_window_bits=16"], None),
            (&["permessage-deflate; server_max_window_bits=09"], None),
            (&["permessage-deflate; client_max_window_bits=7"], None),
            (&["permessage-deflate; client_no_context_takeover=1"], None),
            (&["permessage-deflate; client_max_window_bits; client_max_window_bits"], None),
            (&["permessage-deflate; something_else"], None),
            (&["permessage-deflate;"], None),
            (&["permessage-bzip2"], None),
            (&[""], None),
            (&[], None),
        ] {
            check(offers, expected);
        }
    }

    #[test]
    fn an_endless_offer_is_not_read_to_its_end() {
        let offers = vec!["x"; OFFERS_MAX];
        check(&[offers.as_slice(), &["permessage-deflate"]].concat(), None);
    }
}

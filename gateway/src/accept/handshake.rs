//! What a request must be to become a station's connection. Pure: heads in, verdicts out.
//!
//! Checked in this order: the path, the upgrade, the credentials' form. Whether the station
//! and its password are known is asked afterwards, and the sub-protocol comes last.

use super::answer::Refusal;
use crate::protocol::Protocol;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chargebook_commands::SecurityProfileSeen;
use chargebook_domain::ids::StationIdentity;
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Uri, Version};
use percent_encoding::percent_decode_str;
use std::str;

/// Where stations connect to: this, and their identity.
const PATH_PREFIX: &str = "/ocpp/";

/// The station named by a path: one percent-encoded segment (OCPP-J 1.6 section 3.1.1).
pub(crate) fn identity(uri: &Uri) -> Result<StationIdentity, Refusal> {
    let segment = uri.path().strip_prefix(PATH_PREFIX).ok_or(Refusal::NoSuchPath)?;
    if segment.is_empty() || segment.contains('/') {
        return Err(Refusal::NoSuchPath);
    }
    let decoded =
        percent_decode_str(segment).decode_utf8().map_err(|_| Refusal::NoStationIdentity)?;
    StationIdentity::parse(&decoded).map_err(|_| Refusal::NoStationIdentity)
}

/// The station that a path names in another way than [`identity`] reads: by its last segment
/// that is not empty.
pub(crate) fn identity_in_other_path(uri: &Uri) -> Option<StationIdentity> {
    let segment = uri.path().rsplit('/').find(|segment| !segment.is_empty())?;
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    StationIdentity::parse(&decoded).ok()
}

/// Checks that a request asks for a WebSocket (RFC 6455 section 4.2.1), and gives the value
/// that accepts it.
pub(super) fn accept_key(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<String, Refusal> {
    if method != Method::GET {
        return Err(Refusal::MethodNotAllowed);
    }
    let is_upgrade = has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket")
        && version == Version::HTTP_11;
    if !is_upgrade {
        return Err(Refusal::UpgradeRequired);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION)? != Some("13") {
        return Err(Refusal::UnsupportedWebSocketVersion);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY)?.ok_or(Refusal::BadWebSocketKey)?;
    let nonce = BASE64.decode(key).map_err(|_| Refusal::BadWebSocketKey)?;
    if nonce.len() != WEBSOCKET_NONCE_BYTES {
        return Err(Refusal::BadWebSocketKey);
    }
    Ok(tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes()))
}

const WEBSOCKET_NONCE_BYTES: usize = 16;

/// Real chargers leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The password of basic auth: bytes, for a 1.6 AuthorizationKey is no text. The user name must
/// be the identity of the path (security white paper, section 3.2), in any case where identities
/// have none.
pub(super) fn password(
    headers: &HeaderMap,
    identity: &StationIdentity,
    has_case: bool,
) -> Result<Option<Vec<u8>>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::RepeatedHeader);
    }
    let value = value.to_str().map_err(|_| Refusal::BadCredentials)?;
    let (scheme, encoded) = value.trim().split_once(' ').ok_or(Refusal::BadCredentials)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::BadCredentials);
    }
    let credentials = BASE64.decode(encoded.trim()).map_err(|_| Refusal::BadCredentials)?;
    let colon = credentials.iter().position(|byte| *byte == b':');
    let (user, password) = colon
        .map(|at| (&credentials[..at], &credentials[at + 1..]))
        .ok_or(Refusal::BadCredentials)?;
    let identity = identity.as_str().as_bytes();
    if user != identity && (has_case || !user.eq_ignore_ascii_case(identity)) {
        return Err(Refusal::OtherUser);
    }
    Ok(Some(password.to_vec()))
}

/// What is known of the TLS that a connection came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// There is none.
    NoTls,
    /// The server has proved itself.
    Tls,
    /// The station has, too: with a certificate of its own that was checked.
    Certificate,
}

/// What a proxy tells of a connection in the header that the operator has named for it.
pub(super) fn told(headers: &HeaderMap, header: &str) -> Told {
    match only_named(headers, header) {
        Some("2") => Told::Tls,
        Some("3") => Told::Certificate,
        _ => Told::NoTls,
    }
}

/// The OCPP security profile of a connection. Of profiles 1 and 2 the password must have been
/// checked; where nothing is known of TLS, only the password can be seen.
pub(super) fn security_profile(told: Option<Told>, has_password: bool) -> SecurityProfileSeen {
    let profile = match (told, has_password) {
        (Some(Told::Certificate), _) => 3,
        (Some(Told::Tls), true) => 2,
        (_, true) => 1,
        (_, false) => 0,
    };
    SecurityProfileSeen { profile, is_tls_visible: told.is_some() }
}

/// A header of the operator's choice; `None` where it is missing or came twice.
fn only_named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok().map(str::trim)
}

/// A protocol that can be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) protocol: Protocol,
    /// How the client spells it; `None` where it names none at all.
    pub(super) name: Option<String>,
}

impl Offered {
    /// Whether it is offered as the standard has it: by a name, which is in lower case.
    pub(super) fn is_standard(&self) -> bool {
        self.name.as_deref() == Some(self.protocol.name())
    }
}

/// The protocol to be spoken; `None` if there is none. One whose name is spelt as the standard
/// has it comes before the others.
pub(super) fn protocol(headers: &HeaderMap) -> Option<Offered> {
    let lines = || {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','))
    };
    let is_lower_case = |name: &&str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let chosen = Protocol::choose(lines().filter(is_lower_case));
    let named = chosen.or_else(|| Protocol::choose(lines()));
    if let Some((protocol, name)) = named {
        return Some(Offered { protocol, name: Some(name.to_owned()) });
    }
    let names_none = lines().all(|name| name.trim().is_empty());
    names_none.then_some(Offered { protocol: Protocol::V16, name: None })
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// A header that may come once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::RepeatedHeader);
    }
    Ok(value.to_str().ok().map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[track_caller]
    fn check_identity(path: &str, expected: Result<&str, Refusal>) {
        let uri: Uri = path.parse().expect("a path");
        let found = identity(&uri).map(|identity| identity.as_str().to_owned());
        assert_eq!(found, expected.map(str::to_owned), "{path}");
    }

    #[test]
    fn one_segment_names_the_station() {
        check_identity("/ocpp/CP-1", Ok("CP-1"));
        check_identity("/ocpp/CP%201", Ok("CP 1"));
        check_identity("/ocpp/caf%C3%A9", Ok("café"));
        check_identity("/ocpp/CP-1?token=x", Ok("CP-1"));
        for path in ["/", "/ocpp", "/ocpp/", "/ocpp/CP-1/", "/ocpp//CP-1", "/OCPP/CP-1", "/x/CP-1"]
        {
            check_identity(path, Err(Refusal::NoSuchPath));
        }
        let long = format!("/ocpp/{}", "x".repeat(49));
        for path in ["/ocpp/%FF", "/ocpp/a%2Fb", "/ocpp/a%3Ab", "/ocpp/%20a", "/ocpp/%00", &long] {
            check_identity(path, Err(Refusal::NoStationIdentity));
        }
    }

    fn upgrade_headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers
    }

    fn accepts(headers: &HeaderMap) -> Result<String, Refusal> {
        accept_key(&Method::GET, Version::HTTP_11, headers)
    }

    #[test]
    fn the_rfcs_own_example_is_accepted() {
        assert_eq!(accepts(&upgrade_headers()).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn what_is_no_upgrade_is_refused() {
        let headers = upgrade_headers();
        let post = accept_key(&Method::POST, Version::HTTP_11, &headers);
        assert_eq!(post, Err(Refusal::MethodNotAllowed));
        let old = accept_key(&Method::GET, Version::HTTP_10, &headers);
        assert_eq!(old, Err(Refusal::UpgradeRequired));
        for name in [CONNECTION, UPGRADE] {
            let mut headers = upgrade_headers();
            headers.remove(name);
            assert_eq!(accepts(&headers), Err(Refusal::UpgradeRequired));
        }
        let mut headers = upgrade_headers();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        assert_eq!(accepts(&headers), Err(Refusal::UnsupportedWebSocketVersion));
        for key in ["", "x", "dGhlIHNhbXBsZQ==", "not base64 at all!!!!!!!!"] {
            let mut headers = upgrade_headers();
            headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(key).expect("a value"));
            assert_eq!(accepts(&headers), Err(Refusal::BadWebSocketKey), "{key}");
        }
        let mut headers = upgrade_headers();
        headers.remove(SEC_WEBSOCKET_KEY);
        assert_eq!(accepts(&headers), Err(Refusal::BadWebSocketKey));
        let mut headers = upgrade_headers();
        headers.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accepts(&headers), Err(Refusal::RepeatedHeader));
    }

    #[test]
    fn a_security_profile_is_what_a_proxy_tells_and_only_where_one_was_named() {
        let seen = |values: &[&'static str], has_password, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-profile", HeaderValue::from_static(value));
            }
            let told = header.map(|header| told(&headers, header));
            let seen = security_profile(told, has_password);
            (seen.profile, seen.is_tls_visible)
        };
        let named = Some("X-Profile");
        assert_eq!(seen(&["3"], true, None), (1, false), "anybody could have sent it");
        assert_eq!(seen(&[], false, None), (0, false));
        assert_eq!(seen(&[" 2 "], true, named), (2, true));
        assert_eq!(seen(&["2"], false, named), (0, true), "TLS without a password is no profile");
        assert_eq!(seen(&["3"], false, named), (3, true));
        for values in [&[][..], &["4"], &["tls"], &["3", "3"]] {
            assert_eq!(seen(values, true, named), (1, true), "{values:?}");
        }
    }

    #[test]
    fn the_user_is_the_station_in_any_case_where_identities_have_none() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", BASE64.encode("cp-1:secret"));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).expect("a value"));
        let identity = StationIdentity::parse("CP-1").expect("an identity");
        assert_eq!(password(&headers, &identity, true), Err(Refusal::OtherUser));
        assert_eq!(password(&headers, &identity, false), Ok(Some(b"secret".to_vec())));
        let other = StationIdentity::parse("CP-2").expect("an identity");
        assert_eq!(password(&headers, &other, false), Err(Refusal::OtherUser));
    }

    #[track_caller]
    fn check_password(authorization: Option<&str>, expected: Result<Option<&[u8]>, Refusal>) {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
        }
        let identity = StationIdentity::parse("CP-1").expect("an identity");
        let found = password(&headers, &identity, true);
        assert_eq!(found, expected.map(|bytes| bytes.map(<[u8]>::to_vec)), "{authorization:?}");
    }

    #[test]
    fn the_password_is_bytes_and_the_user_is_the_station() {
        let basic = |bytes: &[u8]| format!("Basic {}", BASE64.encode(bytes));
        check_password(None, Ok(None));
        check_password(Some(&basic(b"CP-1:secret")), Ok(Some(b"secret")));
        check_password(Some(&basic(b"CP-1:a:b")), Ok(Some(b"a:b")));
        check_password(Some(&basic(b"CP-1:")), Ok(Some(b"")));
        check_password(Some(&basic(b"CP-1:\xff\x00\x80")), Ok(Some(b"\xff\x00\x80")));
        check_password(Some("bAsIc  Q1AtMTpzZWNyZXQ="), Ok(Some(b"secret")));
        check_password(Some("Basic Q1AtMTpzZWNyZXQ"), Ok(Some(b"secret")));
        check_password(Some(&basic(b"CP-2:secret")), Err(Refusal::OtherUser));
        check_password(Some(&basic(b"cp-1:secret")), Err(Refusal::OtherUser));
        check_password(Some(&basic(b"CP-1")), Err(Refusal::BadCredentials));
        check_password(Some("Bearer abc"), Err(Refusal::BadCredentials));
        check_password(Some("Basic"), Err(Refusal::BadCredentials));
        check_password(Some("Basic !!!"), Err(Refusal::BadCredentials));
    }
}

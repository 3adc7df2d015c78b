//! The answers to upgrade requests.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

/// Why a request does not become a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSuchPath,
    NoStationIdentity,
    UnknownStation,
    MethodNotAllowed,
    UpgradeRequired,
    UnsupportedWebSocketVersion,
    BadWebSocketKey,
    RepeatedHeader,
    BadCredentials,
    OtherUser,
    OtherCertificate,
    WithdrawnCertificate,
    PasswordRequired,
    WrongPassword,
    LowerSecurityProfile,
    TooManyFailures,
    Unavailable,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoStationIdentity | Self::UnknownStation => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeRequired | Self::UnsupportedWebSocketVersion => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::BadWebSocketKey | Self::RepeatedHeader => StatusCode::BAD_REQUEST,
            Self::BadCredentials
            | Self::OtherUser
            | Self::OtherCertificate
            | Self::WithdrawnCertificate
            | Self::PasswordRequired
            | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::LowerSecurityProfile => StatusCode::FORBIDDEN,
            Self::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What a person at the other end should know; nothing about which half was wrong.
    fn body(self) -> &'static str {
        match self {
            Self::NoSuchPath => "Charge points connect to /ocpp/{station id}.\n",
            Self::NoStationIdentity => "That is no station id.\n",
            Self::UnknownStation => "No station of this id is registered here.\n",
            Self::MethodNotAllowed => "A WebSocket begins with GET.\n",
            Self::UpgradeRequired => "This is a WebSocket endpoint for charge points.\n",
            Self::UnsupportedWebSocketVersion => "Only WebSocket version 13 is spoken here.\n",
            Self::BadWebSocketKey => "Sec-WebSocket-Key must be 16 bytes in base64.\n",
            Self::RepeatedHeader => "A header came twice that may come once.\n",
            Self::BadCredentials
            | Self::OtherUser
            | Self::PasswordRequired
            | Self::WrongPassword => {
                "Basic auth with the station id as user name and its password is required.\n"
            }
            Self::OtherCertificate => "The certificate is another station's.\n",
            Self::WithdrawnCertificate => "The certificate was withdrawn or replaced.\n",
            Self::LowerSecurityProfile => "A higher OCPP security profile is required.\n",
            Self::TooManyFailures => "Too many failed attempts from this address.\n",
            Self::Unavailable => "The server cannot decide this now.\n",
        }
    }

    /// A word for logs and metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoSuchPath => "no_such_path",
            Self::NoStationIdentity => "no_station_identity",
            Self::UnknownStation => "unknown_station",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::UnsupportedWebSocketVersion => "unsupported_websocket_version",
            Self::BadWebSocketKey => "bad_websocket_key",
            Self::RepeatedHeader => "repeated_header",
            Self::BadCredentials => "bad_credentials",
            Self::OtherUser => "other_user",
            Self::OtherCertificate => "other_certificate",
            Self::WithdrawnCertificate => "withdrawn_certificate",
            Self::PasswordRequired => "password_required",
            Self::WrongPassword => "wrong_password",
            Self::LowerSecurityProfile => "lower_security_profile",
            Self::TooManyFailures => "too_many_failures",
            Self::Unavailable => "unavailable",
        }
    }

    /// The response; the connection ends after it.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(self.body().as_bytes())));
        *response.status_mut() = self.status();
        let mut put = |name: HeaderName, value: &'static str| {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        };
        put(CONTENT_TYPE, "text/plain; charset=utf-8");
        put(CONNECTION, "close");
        match self.status() {
            StatusCode::UNAUTHORIZED => {
                put(WWW_AUTHENTICATE, "Basic realm=\"OCPP\", charset=\"UTF-8\"");
            }
            StatusCode::METHOD_NOT_ALLOWED => put(ALLOW, "GET"),
            StatusCode::UPGRADE_REQUIRED => {
                put(UPGRADE, "websocket");
                put(SEC_WEBSOCKET_VERSION, "13");
                put(CONNECTION, "upgrade, close");
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                put(RETRY_AFTER, "10");
            }
            _ => {}
        }
        response
    }
}

/// The response that turns the connection into a WebSocket. A protocol or extension that was not
/// agreed on has no header (OCPP-J 1.6 section 3.1.2, RFC 6455 section 4.2.2).
pub(super) fn switching(
    accept_key: &str,
    protocol: Option<&str>,
    extension: Option<&str>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let spoken = [
        (SEC_WEBSOCKET_ACCEPT, Some(accept_key)),
        (SEC_WEBSOCKET_PROTOCOL, protocol),
        (SEC_WEBSOCKET_EXTENSIONS, extension),
    ];
    for (name, value) in spoken {
        // All are ASCII: base64, a name that came in a header, and words of ours.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

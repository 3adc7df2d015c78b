//! Problems: what a request is answered with where it cannot be done (RFC 9457).

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chargebook_commands::journal::JournalError;
use chargebook_commands::protocol::ExactRefused;
use chargebook_commands::registry::RegistryError;
use chargebook_commands::{DeskError, ExactError};
use chargebook_projections::{QueryError, WaitError};
use chargebook_store::{AppendError, StoreError};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Media type of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// When to come again where the log or the read models are only slow.
const RETRY_SOON_SECONDS: u32 = 1;
/// When to come again where the log cannot be written.
const RETRY_LATER_SECONDS: u32 = 5;

/// What is wrong, in the form of RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// URI reference that names the kind of problem: `/problems/{code}`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/conflict")]
    kind: String,
    /// The kind of problem, in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// What is wrong this time, in words.
    detail: Cow<'static, str>,
    /// The kind of problem, for programs.
    #[schema(example = "conflict")]
    code: &'static str,
    /// Which members of the request are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

/// A member of the request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Fault {
    /// Which member of the body, as a JSON pointer (RFC 6901); empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Which parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// What is wrong with it.
    detail: String,
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: format!("/problems/{}", code.replace('_', "-")),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// 400: the body is no JSON.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The body is not JSON", detail)
    }

    /// 400: the path or the query cannot be read.
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be read", detail)
    }

    /// 400: a parameter of the query is wrong.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            "A parameter of the query is not valid",
            format!("`{name}`: {detail}"),
        );
        let fault = Fault { pointer: None, parameter: Some(name.to_owned()), detail };
        Self { errors: vec![fault], ..problem }
    }

    /// 400: the route takes no parameter of that name.
    pub(crate) fn unknown_parameter(name: &str, known: &[String]) -> Self {
        let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
        let known = match known.is_empty() {
            true => "none".to_owned(),
            false => known.join(", "),
        };
        Self::parameter(name, format!("there is no such parameter; this request takes {known}"))
    }

    /// 422: a parameter of the query is none of the words that it can be.
    pub(crate) fn unknown_word(name: &str, found: &str, words: &[String]) -> Self {
        let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        let detail = format!("`{found}` is none of {}", words.join(", "));
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_parameter",
            "A parameter of the query is not valid",
            format!("`{name}`: {detail}"),
        );
        let fault = Fault { pointer: None, parameter: Some(name.to_owned()), detail };
        Self { errors: vec![fault], ..problem }
    }

    /// 401: no token, or none of ours.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "A valid API token is needed",
            "send `Authorization: Bearer TOKEN` with a token of this server",
        )
    }

    /// 404: nothing of that name.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// 405: not this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This method is not allowed here",
            "the `Allow` header lists the methods that are",
        )
    }

    /// 409: there is one already, and it is different.
    pub(crate) fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "There is one already, with other content",
            detail,
        )
    }

    /// 409: the station has never said which version it speaks.
    pub(crate) fn version_unknown(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "version_unknown",
            "The station's OCPP version is not known",
            detail,
        )
    }

    /// 409: what a request is to be known by is another one's.
    pub(crate) fn number_in_use(detail: impl Into<Cow<'static, str>>) -> Self {
        let title = "The number is another request's";
        Self::new(StatusCode::CONFLICT, "number_in_use", title, detail)
    }

    /// 413: too much.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "The body is too large",
            format!("a body has at most {bytes_max} bytes"),
        )
    }

    /// 415: not JSON by its own word.
    pub(crate) fn media_type(given: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body is not JSON",
            format!("send the body with `Content-Type: application/json`, not `{given}`"),
        )
    }

    /// 422: a member of the body is wrong.
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let said = match pointer.as_str() {
            "" => detail.clone(),
            pointer => format!("{pointer}: {detail}"),
        };
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "The content is not valid",
            said,
        );
        let fault = Fault { pointer: Some(pointer), parameter: None, detail };
        Self { errors: vec![fault], ..problem }
    }

    /// 500: our fault; the log of the server says more.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here",
            "the server's log says more",
        )
    }

    /// 503: not now.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail)
            .retry_after(RETRY_SOON_SECONDS)
    }

    /// 503: the log cannot be written or read.
    fn log_down(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "the log failed a request");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "log_unavailable",
            "The log cannot be used now",
            "nothing was written; the same request can be sent again",
        )
        .retry_after(RETRY_LATER_SECONDS)
    }

    /// 504: the read models did not come as far as they were asked to wait for.
    fn behind(reached: u64) -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "behind",
            "The read models have not reached the position yet",
            format!("they stand at {reached}"),
        )
        .retry_after(RETRY_SOON_SECONDS)
    }

    fn of_append(error: &AppendError) -> Self {
        match error {
            AppendError::Overloaded => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too much to write at once",
                "nothing was written; the same request can be sent again",
            )
            .retry_after(RETRY_SOON_SECONDS),
            AppendError::WrongVersion { .. } => {
                Self::conflict("somebody else changed it at the same time; look and decide again")
            }
            AppendError::Down(_) => Self::log_down(error),
            AppendError::Unknown(_) => {
                tracing::error!(%error, "the log failed a request");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "outcome_unknown",
                    "The log did not say whether it was written",
                    "look whether it happened before the request is sent again",
                )
                .retry_after(RETRY_LATER_SECONDS)
            }
            AppendError::OutOfBounds(reason) => Self::invalid("", reason.clone()),
            AppendError::IdConflict { .. } => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Conflict(detail) => Self::conflict(detail),
            RegistryError::NotFound(detail) => Self::not_found(detail),
            RegistryError::Invalid { pointer, detail } => Self::invalid(pointer, detail),
            RegistryError::Journal(error) => error.into(),
            RegistryError::Vault(error) => error.into(),
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Journal(error) => error.into(),
            DeskError::Vault(error) => error.into(),
            DeskError::Registry(error) => error.into(),
            DeskError::Contended => Self::of_append(&AppendError::Overloaded),
        }
    }
}

impl From<ExactError> for Problem {
    fn from(error: ExactError) -> Self {
        match error {
            ExactError::NeverConnected => Self::version_unknown(error.to_string()),
            ExactError::Refused(ExactRefused::UnknownProtocol(_)) => {
                Self::version_unknown(error.to_string())
            }
            ExactError::Refused(ExactRefused::Invalid { pointer, rule }) => {
                Self::invalid(pointer, rule)
            }
            ExactError::Refused(refused) => Self::invalid("", refused.to_string()),
            ExactError::TooLarge { .. } => Self::invalid("", error.to_string()),
            ExactError::NumberInUse { .. } => Self::number_in_use(error.to_string()),
            ExactError::Registry(error) => error.into(),
        }
    }
}

impl From<chargebook_store::vault::VaultError> for Problem {
    fn from(error: chargebook_store::vault::VaultError) -> Self {
        tracing::error!(%error, "the key vault failed a request");
        Self::unavailable("the key vault cannot be used now")
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Store(error) => error.into(),
            JournalError::Append(error) => Self::of_append(&error),
            JournalError::Event { .. } | JournalError::Unwritable(_) => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Engine(_) => Self::log_down(&error),
            StoreError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadNext => {
                Self::parameter("after", "not a `next` that a page of this list gave")
            }
            QueryError::BadSpan { .. } => Self::parameter("to", error.to_string()),
            QueryError::Projection(error) => {
                tracing::error!(%error, "the read models failed a request");
                Self::unavailable("the read models cannot be read now")
            }
        }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Timeout { reached } => Self::behind(reached.as_u64()),
            WaitError::Ended { .. } => {
                Self::unavailable("the read models have stopped following the log")
            }
        }
    }
}

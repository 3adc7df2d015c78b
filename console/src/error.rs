//! Errors as pages: what is wrong, in words, and where to go from there.

use crate::components::Frame;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use chargebook_commands::registry::RegistryError;
use chargebook_projections::QueryError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// 400.
    #[error("{0}")]
    BadRequest(String),
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 409.
    #[error("{0}")]
    Conflict(String),
    /// 503.
    #[error("{0}")]
    Busy(String),
    /// 500; the words are for the log, not for the page.
    #[error("{0}")]
    Internal(String),
}

impl PageError {
    /// The answer's status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn headline(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "That was not understood",
            Self::Forbidden(_) => "Not allowed",
            Self::NotFound(_) => "Nothing here",
            Self::Conflict(_) => "That cannot be done now",
            Self::Busy(_) => "Too busy",
            Self::Internal(_) => "Something went wrong",
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    headline: &'static str,
    detail: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = self.status();
        let headline = self.headline();
        let detail = match self {
            Self::Internal(reason) => {
                tracing::error!(reason, "a console page failed");
                "The server's log says what happened. Nothing that was recorded is lost.".to_owned()
            }
            other => other.to_string(),
        };
        let page = ErrorPage {
            frame: Frame::outside(headline),
            status: status.as_u16(),
            headline,
            detail,
        };
        match page.render() {
            Ok(page) => (status, Html(page)).into_response(),
            Err(_) => (status, headline).into_response(),
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("a template: {error}"))
    }
}

impl From<QueryError> for PageError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadNext => {
                Self::BadRequest("This is no page of this list. Begin at its first.".to_owned())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<RegistryError> for PageError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Conflict(detail) => Self::Conflict(detail),
            RegistryError::NotFound(detail) => Self::NotFound(detail),
            RegistryError::Invalid { detail, .. } => Self::BadRequest(detail),
            other => Self::Internal(other.to_string()),
        }
    }
}

//! Who may use the API: whoever holds a token of this server.

use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// Knows the API tokens by their SHA-256 only. Cheap to clone, to be shared by everything that
/// asks people or machines for a token.
#[derive(Clone, Default)]
pub struct Authenticator {
    digests: Arc<[[u8; 32]]>,
}

impl Authenticator {
    /// Over the tokens that are valid; empty ones are left out, and with none nobody is let in.
    pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Self {
        let tokens = tokens.into_iter();
        let digests = tokens.filter_map(|token| {
            let token = token.as_ref();
            (!token.is_empty()).then(|| digest(token))
        });
        Self { digests: digests.collect() }
    }

    /// Whether a token is valid. How long it takes tells nothing about the valid ones.
    pub fn accepts(&self, token: &str) -> bool {
        let given = digest(token);
        let matches = self.digests.iter().map(|known| known.ct_eq(&given));
        matches.fold(Choice::from(0), |any, one| any | one).into()
    }

    /// Whether a request carries a valid token as `Authorization: Bearer` (RFC 6750).
    pub fn accepts_headers(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = given.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("Bearer") && self.accepts(token.trim())
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authenticator({} tokens)", self.digests.len())
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Lets requests with a valid token through.
pub(crate) async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    match state.authenticator.accepts_headers(request.headers()) {
        true => {
            let mut response = next.run(request).await;
            // What is asked for with a token is for nobody to keep, unless it says otherwise.
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
            response
        }
        false => Problem::unauthenticated().into_response(),
    }
}

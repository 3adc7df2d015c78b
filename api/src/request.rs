//! Reading requests: every way in which one cannot be read ends in a problem.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use chargebook_projections::Paging;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use utoipa::IntoParams;

/// Largest body, in bytes: a tariff with thousands of elements fits.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Tells null from absent: called only where the member is there.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A JSON body. What it may hold is its type's to say: those of writes refuse members that they
/// do not know.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Text(text) = Text::from_request(request, state).await?;
        read_json(&text).map(Self)
    }
}

/// A JSON body that may be missing.
pub(crate) struct MaybeBody<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let text = read_text(request, state).await?;
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&headers)?;
        read_json(&text).map(|read| Self(Some(read)))
    }
}

/// A JSON body as it came, for whoever reads its numbers as text.
pub(crate) struct Text(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let text = read_text(request, state).await?;
        match text.trim().is_empty() {
            true => Err(Problem::malformed("the body is empty")),
            false => Ok(Self(text)),
        }
    }
}

async fn read_text<S: Send + Sync>(request: Request, state: &S) -> Result<String, Problem> {
    let bytes = Bytes::from_request(request, state).await.map_err(body_problem)?;
    String::from_utf8(bytes.into())
        .map_err(|error| Problem::malformed(format!("it is not UTF-8: {error}")))
}

/// The query as `T`, which takes its own of the parameters; those that nobody takes are refused
/// before.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| query_problem(&rejection.body_text()))
    }
}

/// Says which parameter is wrong, and what would be right; the parser's own words are for
/// programmers of this server.
fn query_problem(said: &str) -> Problem {
    let said = said.strip_prefix(QUERY_REJECTED).unwrap_or(said);
    let Some((name, said)) = said.split_once(": ") else {
        return Problem::bad_request("the query is not `name=value&…`, percent-encoded");
    };
    if let Some((found, words)) = unknown_word(said) {
        return Problem::unknown_word(name, &found, &words);
    }
    let expected = match said {
        _ if said.contains("digit") || said.contains("integer") => "a whole number, 0 or more",
        _ if said.contains("number too large") => "a smaller number",
        _ if said.contains("`true` or `false`") => "`true` or `false`",
        _ if said.contains("UUID") => "a UUID",
        _ if said.contains("duplicate field") => "given once only",
        _ => "of another form",
    };
    Problem::parameter(name, format!("expected {expected}"))
}

/// How axum begins to say what is wrong with a query.
const QUERY_REJECTED: &str = "Failed to deserialize query string: ";

/// From serde's words about a word outside an enumeration: what was found, and the words there
/// are.
fn unknown_word(said: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = said.strip_prefix("unknown variant ")?.split('`').skip(1).step_by(2);
    let found = quoted.next()?.to_owned();
    Some((found, quoted.map(str::to_owned).collect()))
}

/// The variable part of the path, percent-decoded.
pub(crate) struct PathText<T = String>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathText<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// At most so many items: 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

impl PageParameters {
    /// In the words of the read models.
    pub(crate) fn paging(&self) -> Result<Paging, Problem> {
        if self.limit == Some(0) {
            return Err(Problem::parameter("limit", "a page has at least 1 item"));
        }
        let next = self.after.clone().filter(|after| !after.is_empty());
        Ok(Paging { limit: self.limit, next })
    }
}

/// Which moment a read must have seen.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitParameters {
    /// Answer once everything up to this `Chargebook-Position` can be read; at most 10 s, then
    /// 504.
    pub(crate) wait_for: Option<u64>,
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    // Without a word it is taken for what it can only be.
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or("(not text)");
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    match subtype == "json" || subtype.ends_with("+json") {
        true => Ok(()),
        false => Err(Problem::media_type(given)),
    }
}

fn body_problem(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_BYTES_MAX),
        _ => Problem::bad_request("the body could not be read to its end"),
    }
}

/// Reads a JSON object: 400 where the text is no JSON, 422 with a pointer where it is another one.
pub(crate) fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    // A list would be read as the members in their order.
    if !text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Err(Problem::invalid("", "the body has to be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, error) = (error.path().clone(), error.into_inner());
        match (error.classify(), serde_json::from_str::<IgnoredAny>(text)) {
            (Category::Data, Ok(IgnoredAny)) => invalid(&path, &error),
            (Category::Data, Err(malformed)) => Problem::malformed(malformed.to_string()),
            (_, _) => Problem::malformed(error.to_string()),
        }
    })?;
    deserializer.end().map_err(|error| Problem::malformed(error.to_string()))?;
    Ok(read)
}

fn invalid(path: &Path, error: &serde_json::Error) -> Problem {
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&escaped(&name));
    }
    let said = error.to_string();
    // The place in the text is said by the pointer.
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    if let Some(missing) = said.strip_prefix("missing field `").and_then(|s| s.strip_suffix('`')) {
        return Problem::invalid(format!("{pointer}/{missing}"), "this member is missing");
    }
    if let Some((name, expected)) = said.strip_prefix("unknown field `").and_then(split_name) {
        let name = format!("/{}", escaped(name));
        let pointer = if pointer.ends_with(&name) { pointer } else { pointer + &name };
        return Problem::invalid(pointer, format!("there is no such member: {expected}"));
    }
    Problem::invalid(pointer, said)
}

/// A name up to its closing quote, and what is said after the comma behind it.
fn split_name(said: &str) -> Option<(&str, &str)> {
    said.split_once("`, ")
}

/// A name as a part of a JSON pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Thing {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        id: u8,
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let problem = read_json::<Thing>(text).expect_err("wrong");
        let problem = serde_json::to_value(problem).expect("JSON");
        let pointer = &problem["errors"][0]["pointer"];
        let said = format!("{} {}", problem["status"], pointer.as_str().unwrap_or("-"));
        assert_eq!(said, expect, "{problem:#}");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        check(r#"{"inner":[{"id":1},{"id":"2"}]}"#, "422 /inner/1/id");
        check(r#"{"inner":[{}]}"#, "422 /inner/0/id");
        check(r#"{"inner":[{"id":1,"i/d":2}]}"#, "422 /inner/0/i~1d");
        check("{}", "422 /inner");
        check("[[]]", "422 ");
        check("null", "422 ");
        check("{", "400 -");
        check(r#"{"inner":[]} {"#, "400 -");
    }

    #[test]
    fn media_types_of_json_are_accepted() {
        let check = |given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(given));
            check_media_type(&headers).is_ok()
        };
        assert!(check("application/json"));
        assert!(check("Application/JSON; charset=utf-8"));
        assert!(check("application/vnd.ocpi+json"));
        assert!(!check("application/x-www-form-urlencoded"));
        assert!(!check("text/plain"));
        assert!(check_media_type(&HeaderMap::new()).is_ok());
    }
}

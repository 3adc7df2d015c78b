//! What is told about requests: a log line and two metrics each, by the route's template and
//! never by what stands in its place, which may be somebody's card.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;

const REQUESTS: &str = "chargebook_http_requests_total";
const SECONDS: &str = "chargebook_http_request_duration_seconds";
/// Stands for the template where no route fits.
const NO_ROUTE: &str = "(none)";

/// Tells the metrics' recorder what they mean; to be called once it is installed.
pub fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, "HTTP requests answered, by method, route and status");
    metrics::describe_histogram!(
        SECONDS,
        metrics::Unit::Seconds,
        "Time from an HTTP request's head to its answer's head, by route"
    );
}

/// Logs and counts a request.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let method = word(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let latency = begun.elapsed();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let status = response.status().as_u16();
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!(REQUESTS, &labels).increment(1);
    metrics::histogram!(SECONDS, "route" => route.to_owned()).record(latency.as_secs_f64());
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    match route.starts_with("/v1") {
        true => tracing::info!(method, route, status, latency_ms, "request"),
        false => tracing::debug!(method, route, status, latency_ms, "request"),
    }
    response
}

/// A method as a label: whatever else a client makes up is one word.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

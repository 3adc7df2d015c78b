//! The stylesheet, the script and the icon, inside the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// Where the stylesheet is served.
pub const STYLESHEET_PATH: &str = "/assets/console.css";

const STYLESHEET: &str = include_str!("../assets/console.css");
const SCRIPT: &str = include_str!("../assets/console.js");
const ICON: &str = include_str!("../assets/favicon.svg");

/// Changes whenever an asset does, so that a browser may keep what it has for a long time.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (STYLESHEET, SCRIPT).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// See [`VERSION`].
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// Serves an asset by its name.
pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    match file.as_str() {
        "console.css" => asset("text/css; charset=utf-8", STYLESHEET),
        "console.js" => asset("text/javascript; charset=utf-8", SCRIPT),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Serves the icon.
pub(crate) async fn favicon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, content).into_response()
}

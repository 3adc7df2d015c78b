//! Who is in: a pasted API token becomes a random cookie, kept here until it expires. Nothing
//! of it survives a restart, and the token itself is never kept.

use crate::components::Frame;
use crate::error::PageError;
use crate::state::Console;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Logins that are kept at once; one more ends the oldest.
pub const LOGINS_MAX: usize = 1_000;
/// Wrong tokens that one source may try within [`FAILURES_WITHIN`].
pub const FAILED_LOGINS_MAX: u32 = 10;
/// After this a source's failures are forgotten.
const FAILURES_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Sources whose failures are counted; beyond that all further ones share one count.
const SOURCES_MAX: usize = 10_000;
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 1_024;
/// Longest address that a login leads back to, in bytes.
const NEXT_BYTES_MAX: usize = 512;
const COOKIE: &str = "chargebook_console";

/// Somebody who is in.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    id: String,
    csrf: String,
}

impl Operator {
    /// What a form of this login has to carry.
    pub(crate) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Refuses a form that does not carry it.
    pub(crate) fn check(&self, given: &str) -> Result<(), PageError> {
        if bool::from(self.csrf.as_bytes().ct_eq(given.as_bytes())) {
            return Ok(());
        }
        let detail = "This form belongs to another login. Reload the page and try again.";
        Err(PageError::Forbidden(detail.to_owned()))
    }
}

/// The logins of this process.
pub(crate) struct Logins {
    lifetime: Duration,
    entries: Mutex<HashMap<String, Login>>,
}

#[derive(Clone)]
struct Login {
    csrf: String,
    since: Instant,
}

impl Logins {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Login>> {
        // Entries are put in and taken out whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Operator {
        let (id, csrf) = (random_text(), random_text());
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|_, login| now.duration_since(login.since) < self.lifetime);
        while entries.len() >= LOGINS_MAX {
            let oldest = entries.iter().min_by_key(|(_, login)| login.since);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            entries.remove(&oldest);
        }
        entries.insert(id.clone(), Login { csrf: csrf.clone(), since: now });
        Operator { id, csrf }
    }

    fn find(&self, id: &str) -> Option<Operator> {
        let login = self.entries().get(id).cloned()?;
        let valid = login.since.elapsed() < self.lifetime;
        valid.then(|| Operator { id: id.to_owned(), csrf: login.csrf })
    }

    /// Whether a login still stands.
    pub(crate) fn stands(&self, operator: &Operator) -> bool {
        self.find(&operator.id).is_some()
    }

    fn end(&self, operator: &Operator) {
        self.entries().remove(&operator.id);
    }
}

/// Counts wrong tokens by where they come from.
#[derive(Default)]
pub(crate) struct LoginThrottle {
    failures: Mutex<HashMap<Option<IpAddr>, (u32, Instant)>>,
}

impl LoginThrottle {
    fn failures(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, (u32, Instant)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self, source: Option<IpAddr>) -> bool {
        let failures = self.failures();
        let key = if failures.contains_key(&source) || failures.len() < SOURCES_MAX {
            source
        } else {
            None
        };
        failures.get(&key).is_none_or(|(count, since)| {
            *count < FAILED_LOGINS_MAX || since.elapsed() >= FAILURES_WITHIN
        })
    }

    fn failed(&self, source: Option<IpAddr>) {
        let mut failures = self.failures();
        failures.retain(|_, (_, since)| since.elapsed() < FAILURES_WITHIN);
        let known = failures.contains_key(&source) || failures.len() < SOURCES_MAX;
        let entry = failures.entry(source.filter(|_| known)).or_insert((0, Instant::now()));
        entry.0 = entry.0.saturating_add(1);
    }
}

fn random_text() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Lets those in who are logged in; sends the others to the login.
pub(crate) async fn require_operator(
    State(console): State<Console>,
    mut request: Request,
    next: Next,
) -> Response {
    let operator = cookie_of(request.headers()).and_then(|id| console.logins().find(&id));
    if let Some(operator) = operator {
        request.extensions_mut().insert(operator);
        return next.run(request).await;
    }
    let by_script = request.headers().contains_key("x-console-refresh");
    if request.method() == Method::GET && !by_script && request.uri().path() != "/live" {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Redirect::to(&login_address(path)).into_response();
    }
    (StatusCode::UNAUTHORIZED, "log in first").into_response()
}

fn login_address(next: &str) -> String {
    if next == "/" || !leads_inside(next) {
        return "/login".to_owned();
    }
    let escaped = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
    format!("/login?next={escaped}")
}

/// Whether an address is one of this site's own: a login must not send anybody elsewhere.
fn leads_inside(next: &str) -> bool {
    next.len() <= NEXT_BYTES_MAX
        && next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control)
}

fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.to_owned())
    })
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    next: String,
    problem: Option<&'static str>,
}

#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    next: Option<String>,
}

/// The login form.
pub(crate) async fn form(Query(query): Query<LoginQuery>) -> Result<Response, PageError> {
    login_page(StatusCode::OK, query.next, None)
}

fn login_page(
    status: StatusCode,
    next: Option<String>,
    problem: Option<&'static str>,
) -> Result<Response, PageError> {
    let next = next.filter(|next| leads_inside(next)).unwrap_or_else(|| "/".to_owned());
    let page = LoginPage { frame: Frame::outside("Log in"), next, problem };
    Ok((status, Html(page.render()?)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    token: String,
    next: Option<String>,
}

/// Takes a token and gives a cookie for it.
pub(crate) async fn log_in(
    State(console): State<Console>,
    source: Result<ConnectInfo<SocketAddr>, axum::extract::rejection::ExtensionRejection>,
    form: Result<Form<LoginForm>, FormRejection>,
) -> Result<Response, PageError> {
    let source = source.ok().map(|ConnectInfo(address)| address.ip());
    let Ok(Form(form)) = form else {
        return login_page(StatusCode::BAD_REQUEST, None, Some("The form could not be read."));
    };
    if !console.throttle().admits(source) {
        let problem = "Too many wrong tokens. Wait five minutes, then try again.";
        return login_page(StatusCode::TOO_MANY_REQUESTS, form.next, Some(problem));
    }
    let token = form.token.trim();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !console.authenticates(token) {
        console.throttle().failed(source);
        tracing::warn!(
            source = source.map(tracing::field::display),
            "console login refused: wrong token"
        );
        let problem = "This token is not known here. Check that it was pasted whole.";
        return login_page(StatusCode::UNAUTHORIZED, form.next, Some(problem));
    }
    let operator = console.logins().begin();
    let next = form.next.filter(|next| leads_inside(next)).unwrap_or_else(|| "/".to_owned());
    let lifetime = console.options().login_lifetime.as_secs();
    let mut response = Redirect::to(&next).into_response();
    set_cookie(&console, &mut response, &operator.id, lifetime)?;
    Ok(response)
}

#[derive(Deserialize)]
pub(crate) struct LogoutForm {
    csrf: String,
}

/// Ends the login.
pub(crate) async fn log_out(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Form(form): Form<LogoutForm>,
) -> Result<Response, PageError> {
    operator.check(&form.csrf)?;
    console.logins().end(&operator);
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&console, &mut response, "", 0)?;
    Ok(response)
}

fn set_cookie(
    console: &Console,
    response: &mut Response,
    value: &str,
    lifetime_seconds: u64,
) -> Result<(), PageError> {
    let secure = if console.options().secure_cookie { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lifetime_seconds}{secure}"
    );
    let cookie = HeaderValue::from_str(&cookie)
        .map_err(|_| PageError::Internal("the cookie cannot be written".to_owned()))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(())
}

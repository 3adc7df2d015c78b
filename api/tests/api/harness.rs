//! The router over a log in memory and real read models, called without a network.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response};
use chargebook_api::{ApiState, Authenticator, router};
use chargebook_commands::clock::SystemClock;
use chargebook_commands::message::{Judged, Personal, PersonalKind, PersonalPlace, Receipt};
use chargebook_commands::protocol::{ExactRefused, ExactRequest, StationProtocol};
use chargebook_commands::{Chargebook, Settings};
use chargebook_domain::events::v1::Dialect;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{ProjectorOptions, ReadModels};
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, MemoryStore};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The token of every test's server.
pub(crate) const TOKEN: &str = "a token of the tests";

/// A protocol in which `Exact` is the one action, and `{"member":…}` its one payload.
struct AnyAction;

impl StationProtocol for AnyAction {
    fn request(
        &self,
        protocol: &str,
        action: &str,
        payload: &str,
    ) -> Result<ExactRequest, ExactRefused> {
        if action != "Exact" {
            return Err(ExactRefused::UnknownAction(protocol.to_owned()));
        }
        let Some(start) = payload.find(r#"{"member":""#) else {
            let (pointer, rule) = ("/member".to_owned(), "it is missing".to_owned());
            return Err(ExactRefused::Invalid { pointer, rule });
        };
        let (start, end) = (start + r#"{"member":""#.len(), payload.len() - 2);
        let place = PersonalPlace { range: start..end, kind: PersonalKind::FreeText };
        let personal = Personal::Places(vec![place]);
        let payload = payload.to_owned();
        Ok(ExactRequest {
            payload,
            personal,
            follow_up: None,
            indivisible_items: None,
            waits: true,
        })
    }

    fn read(&self, _: &str, _: String, _: Dialect, _: Timestamp) -> Option<(Receipt, Judged)> {
        None
    }
}

/// A server without a network.
pub(crate) struct TestApi {
    pub(crate) chargebook: Chargebook,
    pub(crate) read_models: ReadModels,
    pub(crate) router: Router,
    pub(crate) shutdown: CancellationToken,
    pub(crate) folder: TempDir,
    projector: JoinHandle<()>,
}

impl TestApi {
    pub(crate) async fn start() -> Self {
        Self::start_with(|state| state).await
    }

    /// With a state that the test has changed.
    pub(crate) async fn start_with(change: impl FnOnce(ApiState) -> ApiState) -> Self {
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        Self::start_on(store, change).await
    }

    /// On a log of the test's own.
    pub(crate) async fn start_on(
        store: Arc<dyn EventStore>,
        change: impl FnOnce(ApiState) -> ApiState,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let read = folder.path().join("read");
        Self::start_in(store, folder, &read, change).await
    }

    /// A new process on a log and read models that are there.
    pub(crate) async fn start_over(store: Arc<dyn EventStore>, read: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(store, folder, read, |state| state).await
    }

    async fn start_in(
        store: Arc<dyn EventStore>,
        folder: TempDir,
        read: &Path,
        change: impl FnOnce(ApiState) -> ApiState,
    ) -> Self {
        let vault = Arc::new(KeyVault::in_memory().await.expect("a vault"));
        let clock = Arc::new(SystemClock);
        let chargebook = Chargebook::open(Arc::clone(&store), vault, clock, Settings::default())
            .await
            .expect("a log")
            .speaking(Arc::new(AnyAction));
        let options = ProjectorOptions::default();
        let (read_models, projector) =
            chargebook_projections::open(store, read, options).await.expect("read models");
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone().cancelled_owned();
        let projector = tokio::spawn(async move { projector.run(stop).await.expect("it follows") });
        let state = ApiState::new(
            chargebook.clone(),
            read_models.clone(),
            Authenticator::new([TOKEN]),
            shutdown.clone(),
        );
        let router = router(change(state));
        Self { chargebook, read_models, router, shutdown, folder, projector }
    }

    /// Runs the policies, which settle, rate and invoice.
    pub(crate) fn run_policies(&self) {
        let (chargebook, stop) = (self.chargebook.clone(), self.shutdown.clone());
        tokio::spawn(async move { chargebook.run_policies(stop).await.expect("they run") });
    }

    /// What a list holds, once `is_there` says that it is.
    pub(crate) async fn list_until(
        &self,
        path: &str,
        is_there: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let mut level = self.read_models.position();
        let found = async {
            loop {
                level.borrow_and_update();
                let items = self.list(path).await;
                if is_there(&items) {
                    return items;
                }
                level.changed().await.expect("the projector runs");
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("it is there in time")
    }

    /// Stops following the log.
    pub(crate) async fn stop_projector(&self) {
        self.shutdown.cancel();
        while !self.projector.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], &body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, &[], &body.to_string()).await
    }

    /// A request with the token and a JSON body; headers given here come on top.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let authorization = format!("Bearer {TOKEN}");
        let mut all =
            vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        self.send_raw(method, path, &all, body).await
    }

    /// A request with these headers and no others.
    pub(crate) async fn send_raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        Answer::of(self.response(method, path, headers, body).await).await
    }

    /// The answer's head, its body still to be read.
    pub(crate) async fn response(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    /// All items of a list, page by page.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut page = path.to_owned();
        loop {
            let answer = self.get(&page).await.expect(200).json();
            items.extend(answer["items"].as_array().expect("items").iter().cloned());
            match answer["next"].as_str() {
                Some(next) => page = format!("{path}{joint}after={next}"),
                None => return items,
            }
        }
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self { status: head.status.as_u16(), headers: head.headers, text }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a plain header"))
    }

    /// The position of a write.
    #[track_caller]
    pub(crate) fn position(&self) -> u64 {
        self.header("chargebook-position").parse().unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// A problem of this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:#?}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem:#}");
        assert_eq!(problem["code"], code, "{problem:#}");
        let kind = format!("/problems/{}", code.replace('_', "-"));
        assert_eq!(problem["type"], kind, "{problem:#}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem:#}");
        problem
    }
}

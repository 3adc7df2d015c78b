//! Live changes.

use crate::harness::{PATIENCE, TOKEN, TestApi};
use axum::body::Body;
use axum::http::{Method, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

/// A stream being read.
struct Stream {
    response: Response<Body>,
    read: String,
}

/// One event of a stream.
#[derive(Debug)]
struct Told {
    name: String,
    id: u64,
    data: Value,
}

impl Stream {
    async fn open(api: &TestApi, path: &str, last_event_id: Option<u64>) -> Self {
        let authorization = format!("Bearer {TOKEN}");
        let last = last_event_id.map(|id| id.to_string());
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(last.as_deref().map(|last| ("last-event-id", last)));
        let response = api.response(Method::GET, path, &headers, "").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                return Some(Told::parse(&event));
            }
            let frame = tokio::time::timeout(PATIENCE, self.response.body_mut().frame());
            let frame = frame.await.expect("in time")?.expect("a frame");
            let bytes = frame.into_data().expect("data");
            self.read.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// The next event that says what changed, up to the one that reaches a position.
    async fn changes_until(&mut self, position: u64) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let told = self.next().await.expect("an event");
            assert_eq!(told.name, "changed", "{told:?}");
            assert_eq!(told.data["position"], told.id);
            all.extend(told.data["changes"].as_array().expect("changes").iter().cloned());
            if told.id >= position {
                return all;
            }
        }
    }
}

impl Told {
    fn parse(event: &str) -> Self {
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            event.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default()
        };
        Self {
            name: field("event").to_owned(),
            id: field("id").parse().expect("a position"),
            data: serde_json::from_str(field("data")).expect("JSON"),
        }
    }
}

async fn register(api: &TestApi, id: &str) -> u64 {
    api.post("/v1/stations", &json!({ "id": id })).await.expect(201).position()
}

#[tokio::test]
async fn who_watches_is_told_and_can_resume_where_the_stream_broke() {
    let api = TestApi::start().await;
    let mut stream = Stream::open(&api, "/v1/stream", None).await;
    let begin = stream.next().await.expect("an event");
    assert_eq!(begin.name, "position");
    let first = register(&api, "CP-1").await;
    let changes = stream.changes_until(first).await;
    assert!(changes.contains(&json!({ "kind": "station", "id": "CP-1" })), "{changes:?}");
    drop(stream);

    let second = register(&api, "CP-2").await;
    let mut stream = Stream::open(&api, "/v1/stream", Some(first)).await;
    let changes = stream.changes_until(second).await;
    assert_eq!(changes, [json!({ "kind": "station", "id": "CP-2" })]);
    // From where the first stream began, as a parameter.
    let path = format!("/v1/stream?after={}", begin.id);
    let mut stream = Stream::open(&api, &path, None).await;
    assert_eq!(stream.changes_until(second).await.len(), 2);
}

#[tokio::test]
async fn who_comes_back_too_late_is_told_to_read_anew() {
    let api = TestApi::start().await;
    let position = register(&api, "CP-1").await;
    api.get(&format!("/v1/stations?wait_for={position}")).await.expect(200);
    // A process that starts anew knows no changes from before; a position before its own begin
    // stands for one.
    let folder = api.folder.path().join("read");
    api.stop_projector().await;
    let store = api.chargebook.journal().store().clone();
    let api = TestApi::start_over(store, &folder).await;
    let mut stream = Stream::open(&api, "/v1/stream", Some(1)).await;
    let told = stream.next().await.expect("an event");
    assert_eq!((told.name.as_str(), told.id), ("reset", position));
    let position = register(&api, "CP-2").await;
    assert_eq!(stream.changes_until(position).await.len(), 1);
}

#[tokio::test]
async fn streams_end_when_the_server_does() {
    let api = TestApi::start().await;
    let mut stream = Stream::open(&api, "/v1/stream", None).await;
    stream.next().await.expect("an event");
    api.shutdown.cancel();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_last_event_id_that_is_not_ours_is_refused() {
    let api = TestApi::start().await;
    let headers = [("last-event-id", "x")];
    api.send(Method::GET, "/v1/stream", &headers, "").await.problem(400, "bad_request");
}

//! Health, metrics, the log's status and checkpoint.

use crate::harness::TestApi;
use axum::http::Method;
use chargebook_api::{BundleFailure, BundleSource};
use chargebook_store::MemoryStore;
use chargebook_store::contract::FailingStore;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn health_and_metrics_need_no_token() {
    let api = TestApi::start_with(|mut state| {
        let recorder = PrometheusBuilder::new().build_recorder();
        state.metrics = Some(recorder.handle());
        state
    })
    .await;
    let get = async |path: &str| api.send_raw(Method::GET, path, &[], "").await;
    assert_eq!(get("/health/live").await.expect(200).json(), json!({ "status": "live" }));
    let mut level = api.read_models.position();
    level.wait_for(|at| *at >= api.read_models.head()).await.expect("they follow");
    assert_eq!(get("/health/ready").await.expect(200).json(), json!({ "status": "ready" }));
    let metrics = get("/metrics").await.expect(200);
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    api.shutdown.cancel();
    get("/health/ready").await.problem(503, "unavailable");
    get("/health/live").await.expect(200);
}

#[tokio::test]
async fn asking_whether_it_is_ready_writes_nothing() {
    let api = TestApi::start().await;
    let head = api.read_models.head();
    let mut level = api.read_models.position();
    level.wait_for(|at| *at >= head).await.expect("they follow");
    api.get("/health/ready").await.expect(200);
    assert_eq!(api.read_models.head(), head);
}

#[tokio::test]
async fn a_log_that_takes_no_writes_is_said_and_nothing_is_acknowledged() {
    let is_down = Arc::new(AtomicBool::new(false));
    let store = FailingStore::switched(Arc::new(MemoryStore::new()), is_down.clone());
    let api = TestApi::start_on(Arc::new(store), |state| state).await;
    let mut level = api.read_models.position();
    level.wait_for(|at| *at >= api.read_models.head()).await.expect("they follow");
    is_down.store(true, Ordering::SeqCst);
    api.get("/health/ready").await.problem(503, "unavailable");
    let answer = api.post("/v1/stations", &json!({ "id": "CP-1" })).await;
    assert_eq!(answer.header("retry-after"), "5");
    let problem = answer.problem(503, "log_unavailable");
    assert!(!problem.to_string().contains("disk"), "{problem:#}");
    is_down.store(false, Ordering::SeqCst);
    api.get("/v1/stations/CP-1").await.problem(404, "not_found");
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
}

#[tokio::test]
async fn the_logs_key_and_checkpoint_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoint");
    let path = file.clone();
    let api = TestApi::start_with(move |mut state| {
        state.checkpoint_file = Some(path);
        state
    })
    .await;
    let key = api.chargebook.personal().vault().verifier_key();
    let status = api.get("/v1/log").await.expect(200).json();
    assert_eq!(status["origin"], key.origin().as_str());
    assert_eq!(status["verifier_key"], key.to_string());
    assert_eq!(status["position"], api.read_models.head().as_u64());
    api.get("/v1/log/checkpoint").await.problem(404, "not_found");
    std::fs::write(&file, "the note\n").expect("written");
    let note = api.get("/v1/log/checkpoint").await.expect(200);
    assert_eq!(note.text, "the note\n");
    assert!(note.header("content-type").starts_with("text/plain"), "{note:?}");
}

/// Knows no proof of anything.
struct Nothing;

#[async_trait::async_trait]
impl BundleSource for Nothing {
    async fn bundle(&self, _: &str) -> Result<Vec<u8>, BundleFailure> {
        panic!("asked for an invoice that is not there")
    }
}

#[tokio::test]
async fn no_bundle_is_made_of_an_invoice_that_is_not_there() {
    let api = TestApi::start_with(|mut state| {
        state.bundles = Some(Arc::new(Nothing));
        state
    })
    .await;
    api.get("/v1/invoices/INV-1/bundle").await.problem(404, "not_found");
}

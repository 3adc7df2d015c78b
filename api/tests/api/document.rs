//! The OpenAPI document: what is committed is what the code says, and says what there is.

use crate::harness::TestApi;
use axum::http::Method;
use serde_json::Value;
use std::path::Path;

#[test]
fn the_committed_document_is_what_the_code_gives() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi.json");
    let text = chargebook_api::openapi();
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "openapi.json is not what the code gives: run `cargo xtask docs` and look at the difference"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(&chargebook_api::openapi()).expect("JSON");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.push(reference.clone());
            }
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn document_and_page_need_no_token() {
    let api = TestApi::start().await;
    let get = async |path: &str| api.send_raw(Method::GET, path, &[], "").await;
    let document = get("/openapi.json").await.expect(200);
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.text, chargebook_api::openapi());
    get("/docs").await.expect(303);
    let page = get("/docs/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let script = get("/docs/swagger-initializer.js").await.expect(200);
    assert!(script.text.contains("/openapi.json"), "{script:?}");
}

#[tokio::test]
async fn every_path_of_the_document_answers_and_is_guarded() {
    let api = TestApi::start().await;
    let document: Value = serde_json::from_str(&chargebook_api::openapi()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        for method in item.as_object().expect("methods").keys() {
            let Ok(verb) = method.to_uppercase().parse::<Method>() else { continue };
            let path = path.replace(['{', '}'], "");
            let answer = api.send_raw(verb, &path, &[], "").await;
            let expect = if path.starts_with("/v1") { 401 } else { 200 };
            let ready = path == "/health/ready" && answer.status == 503;
            assert!(answer.status == expect || ready, "{method} {path}: {answer:?}");
        }
    }
}

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

/// A misspelt filter would give the whole list: every route names what it does not take, and takes
/// what the document says.
#[tokio::test]
async fn every_route_refuses_parameters_that_the_document_does_not_have() {
    let api = TestApi::start().await;
    let document: Value = serde_json::from_str(&chargebook_api::openapi()).expect("JSON");
    let mut known = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        if !path.starts_with("/v1/") {
            continue;
        }
        for (method, operation) in item.as_object().expect("methods") {
            let Ok(verb) = method.to_uppercase().parse::<Method>() else { continue };
            let path = path.replace(['{', '}'], "");
            let refused = api.send(verb.clone(), &format!("{path}?statoin=CP-1"), &[], "").await;
            let problem = refused.problem(400, "invalid_parameter");
            assert_eq!(problem["errors"][0]["parameter"], "statoin", "{method} {path}");
            let said = problem["detail"].as_str().expect("words").to_owned();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
                known += 1;
                let name = parameter["name"].as_str().expect("a name");
                assert!(said.contains(&format!("`{name}`")), "{method} {path}: {said}");
                // Whatever is wrong with the value, the name is not.
                let answer = api.send(verb.clone(), &format!("{path}?{name}="), &[], "").await;
                assert!(!answer.text.contains("no such parameter"), "{method} {path}: {answer:?}");
            }
            if verb == Method::GET {
                assert!(said.contains("`wait_for`"), "{path}: {said}");
            }
        }
    }
    assert!(known > 50, "{known}");
    let head = api.send(Method::HEAD, "/v1/stations?limit=1", &[], "").await;
    assert_eq!(head.status, 200, "{head:?}");
}

/// A filter by a thing that there is not narrows a list to nothing, in every list.
#[tokio::test]
async fn a_filter_by_an_unknown_thing_gives_an_empty_list() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &serde_json::json!({ "id": "CP-1" })).await.expect(201);
    let document: Value = serde_json::from_str(&chargebook_api::openapi()).expect("JSON");
    let mut filtered = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        // Sums are no list: a site also says in which zone its days are.
        if path == "/v1/analytics" {
            continue;
        }
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let value = match parameter["name"].as_str().expect("a name") {
                "station" | "site" => "nowhere",
                "token_id" | "account_id" | "driver_id" | "session" => {
                    "018f0000-0000-7000-8000-000000000000"
                }
                _ => continue,
            };
            filtered += 1;
            let path = format!("{path}?{}={value}", parameter["name"].as_str().expect("a name"));
            assert_eq!(api.list(&path).await, Vec::<Value>::new(), "{path}");
        }
    }
    assert!(filtered >= 10, "{filtered}");
}

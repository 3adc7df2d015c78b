//! Requests that cannot be done: each gets the answer the standards expect, as a problem.

use crate::harness::{TOKEN, TestApi};
use axum::http::Method;
use chargebook_api::BODY_BYTES_MAX;
use serde_json::json;

#[tokio::test]
async fn bodies_that_are_no_json_are_400_and_wrong_ones_422() {
    let api = TestApi::start().await;
    let cases = [
        ("{", 400, "malformed", None),
        ("", 400, "malformed", None),
        ("{}{}", 400, "malformed", None),
        ("[]", 422, "invalid", Some("")),
        ("null", 422, "invalid", Some("")),
        ("{}", 422, "invalid", Some("/id")),
        (r#"{"id":7}"#, 422, "invalid", Some("/id")),
        (r#"{"id":null}"#, 422, "invalid", Some("/id")),
        (r#"{"id":""}"#, 422, "invalid", Some("/id")),
        (r#"{"id":"a:b"}"#, 422, "invalid", Some("/id")),
        (r#"{"id":"CP-1","password":""}"#, 422, "invalid", Some("/password")),
        (r#"{"id":"CP-1","password":"15 characters !"}"#, 422, "invalid", Some("/password")),
        (r#"{"id":"CP-1","pasword":"at-least-16-characters"}"#, 422, "invalid", Some("/pasword")),
        (r#"{"id":"CP-1","site":"nowhere"}"#, 422, "invalid", Some("/site")),
    ];
    for (body, status, code, pointer) in cases {
        let answer = api.send(Method::POST, "/v1/stations", &[], body).await;
        let problem = answer.problem(status, code);
        let pointed = problem["errors"][0]["pointer"].as_str();
        assert_eq!(pointed, pointer, "{body}: {problem:#}");
    }
    // As deep as a body can be: read or refused, but nothing overflows.
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    for deep in [format!(r#"{{"id":{open}{close}}}"#), format!(r#"{{"elements":{open}{close}}}"#)] {
        api.send(Method::POST, "/v1/stations", &[], &deep).await.problem(422, "invalid");
        let tariff = api.send(Method::PUT, "/v1/tariffs/t", &[], &deep).await;
        assert!(matches!(tariff.status, 400 | 422), "{tariff:?}");
    }
}

/// A misspelt member would be a wish that nobody hears: every write names it.
#[tokio::test]
async fn members_that_are_not_known_are_refused_by_name_in_every_write() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let id = "01935000-0000-7000-8000-000000000001";
    let by_hand = json!({ "decision": "bill", "reason": "r", "decided_by": "d",
        "price": { "net": "1", "currency": "EUR", "colour": 1 } });
    let list = json!({ "verb": "send_local_list", "version": 1, "replace": true,
        "tokens": [{ "token": "A" }, { "token": "B", "colour": 1 }] });
    let cases = [
        (Method::POST, "/v1/stations".to_owned(), json!({ "id": "CP-2" })),
        (Method::PATCH, "/v1/stations/CP-1".to_owned(), json!({})),
        (Method::PUT, "/v1/stations/CP-1/connectors/1".to_owned(), json!({})),
        (Method::POST, "/v1/stations/CP-1/reread".to_owned(), json!({})),
        (Method::POST, "/v1/tokens".to_owned(), json!({ "uid": "A", "type": "RFID" })),
        (Method::PATCH, "/v1/tokens/A".to_owned(), json!({})),
        (Method::POST, "/v1/drivers".to_owned(), json!({ "id": "ada", "name": "Ada" })),
        (Method::POST, "/v1/sites".to_owned(), json!({ "id": "yard", "time_zone": "UTC" })),
        (Method::PUT, "/v1/settings/default-tariff".to_owned(), json!({ "tariff": "t" })),
        (Method::PUT, "/v1/settings/dialects".to_owned(), json!({ "vendor": "V", "dialect": [] })),
        (Method::PUT, "/v1/settings/master-pass".to_owned(), json!({ "group": "G" })),
        (Method::POST, format!("/v1/accounts/{id}/payments"), json!({})),
        (Method::PUT, format!("/v1/accounts/{id}/limit"), json!({})),
        (Method::POST, format!("/v1/alerts/{id}/acknowledge"), json!({})),
        (Method::POST, "/v1/trust-anchors".to_owned(), json!({})),
        (Method::POST, format!("/v1/reviews/{id}/resolve"), json!({})),
        (Method::POST, "/v1/stations/CP-1/commands".to_owned(), json!({ "verb": "clear_cache" })),
        (Method::POST, "/v1/stations/CP-1/commands".to_owned(), json!({ "verb": "reset" })),
    ];
    for (method, path, mut body) in cases {
        body["pasword"] = json!("at-least-16-characters");
        let answer = api.send(method, &path, &[], &body.to_string()).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/pasword", "{path}: {problem:#}");
    }
    for (path, body, pointer) in [
        ("/v1/stations/CP-1/commands".to_owned(), &list, "/tokens/1/colour"),
        (format!("/v1/reviews/{id}/resolve"), &by_hand, "/price/colour"),
    ] {
        let problem = api.post(&path, body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
}

#[tokio::test]
async fn too_much_is_413_and_what_is_not_json_415() {
    let api = TestApi::start().await;
    let body = format!(r#"{{"id":"{}"}}"#, "x".repeat(BODY_BYTES_MAX));
    let answer = api.send(Method::POST, "/v1/stations", &[], &body).await;
    answer.problem(413, "too_large");
    let authorization = format!("Bearer {TOKEN}");
    let form = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let answer = api.send_raw(Method::POST, "/v1/stations", &form, r#"{"id":"CP-1"}"#).await;
    answer.problem(415, "unsupported_media_type");
    let bare = [("authorization", authorization.as_str())];
    api.send_raw(Method::POST, "/v1/stations", &bare, r#"{"id":"CP-1"}"#).await.expect(201);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let api = TestApi::start().await;
    for path in ["/", "/v2", "/v1/nothing", "/v1/stations/a/b", "/openapi.yaml"] {
        api.get(path).await.problem(404, "not_found");
    }
    let uuid = "018f0000-0000-7000-8000-000000000000";
    for kind in ["sessions", "commands", "accounts", "drivers", "invoices", "sites", "tariffs"] {
        api.get(&format!("/v1/{kind}/{uuid}")).await.problem(404, "not_found");
        api.get(&format!("/v1/{kind}/no-such-thing")).await.problem(404, "not_found");
    }
    let answer = api.send(Method::DELETE, "/v1/stations", &[], "").await;
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    answer.problem(405, "method_not_allowed");
    api.send(Method::POST, "/health/live", &[], "").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn without_a_valid_token_nothing_under_v1_answers() {
    let api = TestApi::start().await;
    let basic = format!("Basic {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    for value in ["", "Bearer", "Bearer ", "Bearer a guess", &longer, TOKEN, &basic] {
        for path in ["/v1/stations", "/v1/events", "/v1/stream"] {
            let headers = [("authorization", value)];
            let answer = api.send_raw(Method::GET, path, &headers, "").await;
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            answer.problem(401, "unauthenticated");
        }
    }
    let post = api.send_raw(Method::POST, "/v1/stations", &[], r#"{"id":"CP-1"}"#).await;
    post.problem(401, "unauthenticated");
    let headers = [("authorization", format!("bearer {TOKEN}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = api.send_raw(Method::GET, "/v1/stations", &headers, "").await.expect(200);
    assert_eq!(answer.json()["items"], json!([]));
}

#[tokio::test]
async fn parameters_that_are_wrong_are_named() {
    let api = TestApi::start().await;
    for (path, parameter) in [
        ("/v1/stations?limit=0", "limit"),
        ("/v1/stations?after=nonsense", "after"),
        ("/v1/events?limit=0", "limit"),
        ("/v1/events?stream=a%20b", "stream"),
        ("/v1/analytics?from=yesterday", "from"),
        ("/v1/analytics?time_zone=Mars", "time_zone"),
        ("/v1/analytics?site=nowhere", "site"),
        ("/v1/analytics?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
    ] {
        let problem = api.get(path).await.problem(400, "invalid_parameter");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}: {problem:#}");
    }
    for (path, parameter, expected) in [
        ("/v1/stations?limit=many", "limit", "a whole number"),
        ("/v1/stations?wait_for=x", "wait_for", "a whole number"),
        ("/v1/events?after=-1", "after", "a whole number"),
        ("/v1/sessions?open=perhaps", "open", "`true` or `false`"),
        ("/v1/sessions?token_id=7", "token_id", "a UUID"),
    ] {
        let problem = api.get(path).await.problem(400, "invalid_parameter");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}: {problem:#}");
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains(expected), "{path}: {detail}");
        for leaked in ["deserialize", "digit", "parsing"] {
            assert!(!detail.contains(leaked), "{path}: {detail}");
        }
    }
    for (path, parameter, words) in [
        ("/v1/sessions?outcome=lost", "outcome", "`needs_review`"),
        ("/v1/analytics?bucket=week", "bucket", "`day`"),
    ] {
        let problem = api.get(path).await.problem(422, "invalid_parameter");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}: {problem:#}");
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains(words) && !detail.contains("variant"), "{path}: {detail}");
    }
    api.get("/v1/stations/%FF").await.problem(400, "bad_request");
}

#[tokio::test]
async fn what_is_wrong_with_a_tariff_is_pointed_at() {
    let api = TestApi::start().await;
    let tariff = |kind: &str, price: &str| {
        let component = format!(r#"{{"type":"{kind}","price":{price},"step_size":1}}"#);
        format!(
            r#"{{"id":"t","currency":"EUR","elements":[{{"price_components":[{component}]}}]}}"#
        )
    };
    for (body, pointer) in [
        (tariff("WEATHER", "1"), "/elements/0/price_components/0/type"),
        (tariff("ENERGY", "\"much\""), "/elements/0/price_components/0/price"),
        (r#"{"id":"t","currency":"EUR"}"#.to_owned(), "/elements"),
    ] {
        let answer = api.send(Method::PUT, "/v1/tariffs/t", &[], &body).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
}

#[tokio::test]
async fn a_read_that_would_wait_too_long_is_504() {
    let api = TestApi::start().await;
    tokio::time::pause();
    let problem = api.get("/v1/stations?wait_for=1000000").await;
    assert_eq!(problem.header("retry-after"), "1");
    problem.problem(504, "behind");
}

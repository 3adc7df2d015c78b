//! The log as it is read over the API.

use crate::harness::TestApi;
use crate::station::{Station, TAG, minute};
use serde_json::{Value, json};

async fn with_sessions(api: &TestApi) -> i32 {
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    api.post("/v1/tokens", &json!({ "uid": TAG, "type": "RFID" })).await.expect(201);
    let mut station = Station::connected(api, "CP-1").await;
    let id = station.start(minute(0), 1_000).await;
    station.meter(id, minute(10), 2_000).await;
    id
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().expect("a position")).collect()
}

#[tokio::test]
async fn the_log_is_read_page_by_page_without_a_gap() {
    let api = TestApi::start().await;
    with_sessions(&api).await;
    let whole = api.list("/v1/events?limit=1000").await;
    assert!(whole.len() > 6, "{whole:#?}");
    for limit in [1, 2, 3, whole.len()] {
        let pages = api.list(&format!("/v1/events?limit={limit}")).await;
        assert_eq!(pages, whole, "pages of {limit}");
    }
    assert!(positions(&whole).is_sorted());
    let first = &whole[0];
    assert_eq!(first["type"], "log.created");
    assert_eq!(first["version"], 0);
    assert_eq!(first["schema_version"], 1);
    assert!(first["id"].is_string() && first["recorded_at"].is_string(), "{first:#}");
    assert!(first["meta"]["actor"].is_string(), "{first:#}");
}

#[tokio::test]
async fn large_events_make_short_pages_and_nothing_is_left_out() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let mut station = Station::connected(&api, "CP-1").await;
    // Together more than the store reads at once.
    for _ in 0..40 {
        station.boast(900 * 1024).await;
    }
    let page = api.get("/v1/events?limit=1000").await.expect(200).json();
    let items = page["items"].as_array().expect("items");
    assert!(items.len() < 40, "{}", items.len());
    assert_eq!(page["next"], items.last().expect("one")["position"].to_string());
    let whole = api.list("/v1/events?limit=1000").await;
    let exchanges = whole.iter().filter(|event| event["type"] == "exchange.recorded");
    assert_eq!(exchanges.count(), 40);
    let stream = items.last().expect("one")["stream"].as_str().expect("a name").to_owned();
    let of_stream = api.list(&format!("/v1/events?limit=1000&stream={stream}")).await;
    assert_eq!(of_stream.len(), whole.iter().filter(|event| event["stream"] == stream).count());
}

#[tokio::test]
async fn a_stream_is_read_from_any_position_on() {
    let api = TestApi::start().await;
    with_sessions(&api).await;
    let whole = api.list("/v1/events?limit=1000").await;
    let is_session = |event: &&Value| event["type"] == "session.started";
    let stream = whole.iter().find(is_session).expect("a session")["stream"].clone();
    let of_stream: Vec<Value> =
        whole.iter().filter(|event| event["stream"] == stream).cloned().collect();
    assert!(of_stream.len() >= 4, "{of_stream:#?}");
    let stream = stream.as_str().expect("a name");
    for after in 0..=positions(&whole).into_iter().max().expect("events") {
        let path = format!("/v1/events?stream={stream}&limit=2&after={after}");
        let page = api.get(&path).await.expect(200).json();
        let expected: Vec<&Value> = of_stream
            .iter()
            .filter(|event| event["position"].as_u64() > Some(after))
            .take(2)
            .collect();
        let items = page["items"].as_array().expect("items");
        assert_eq!(items.iter().collect::<Vec<_>>(), expected, "after {after}");
        assert_eq!(page["next"].is_null(), expected.len() < 2, "after {after}: {page:#}");
    }
    assert_eq!(api.list("/v1/events?stream=session-none").await, Vec::<Value>::new());
}

#[tokio::test]
async fn frames_are_verbatim_and_sealed_only_where_asked_for() {
    let api = TestApi::start().await;
    with_sessions(&api).await;
    let exchange = async |path: &str| {
        let events = api.list(path).await;
        let is_start = |event: &&Value| event["data"]["action"] == "StartTransaction";
        events.iter().find(is_start).expect("the exchange")["data"].clone()
    };
    let opened = exchange("/v1/events?limit=1000").await;
    let text = opened["request"].as_str().expect("a text");
    assert!(text.starts_with(r#"[2, "1","StartTransaction",{"connectorId":1,"idTag":"04A1"#));
    assert!(text.ends_with(r#","x":1.10}]"#), "{text}");
    assert_eq!(opened["reply"], r#"[3,"1",{}]"#);
    assert_eq!(opened["station"], "CP-1");
    assert_eq!(opened["direction"], "from_station");
    assert_eq!(opened["message_id"], "1");
    assert!(opened["received_at"].is_string(), "{opened:#}");
    assert!(opened["duplicate_of"].is_null(), "{opened:#}");

    let sealed = exchange("/v1/events?limit=1000&sealed=true").await;
    assert!(sealed["request"].is_array(), "{sealed:#}");
    let sealed = api.get("/v1/events?limit=1000&sealed=true").await.expect(200);
    assert!(!sealed.text.contains(TAG), "personal data in a sealed answer");
    let started = api.list("/v1/events?limit=1000").await;
    let started = started.iter().find(|event| event["type"] == "session.started");
    assert!(started.expect("a start")["data"]["id_tag"].is_array(), "facts stay sealed");

    let token = api.chargebook.registry().token(TAG).await.expect("read").expect("known");
    let vault = api.chargebook.personal().vault();
    vault.erase(token.subject_id.0).await.expect("erased");
    let erased = exchange("/v1/events?limit=1000").await;
    let text = erased["request"].as_str().expect("a text");
    assert!(text.contains(r#""idTag":"(sealed)""#), "{text}");
}

#[tokio::test]
async fn an_empty_page_can_be_waited_with() {
    let api = TestApi::start().await;
    let end = api.get("/v1/events?limit=1000").await.expect(200).json();
    assert_eq!(end["next"], Value::Null);
    let after = end["position"].as_u64().expect("a position");
    let empty = api.get(&format!("/v1/events?after={after}")).await.expect(200).json();
    assert_eq!((&empty["items"], &empty["position"]), (&json!([]), &json!(after)));
    let waiting = format!("/v1/events?after={after}&wait=60");
    let write = json!({ "id": "CP-1" });
    let (page, written) = tokio::join!(api.get(&waiting), api.post("/v1/stations", &write));
    let page = page.expect(200).json();
    assert_eq!(page["items"][0]["type"], "station.registered", "{page:#}");
    assert_eq!(page["position"], written.expect(201).position());
}

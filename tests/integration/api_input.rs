//! Bad input on the HTTP side: a careful answer, one clear line, nothing lost.

use serde_json::{Value, json};

use crate::harness::{Answer, TestCsms, eventually};

#[track_caller]
fn problem(answer: Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{answer:?}");
    assert!(answer.content_type.starts_with("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert!(problem["title"].is_string(), "{problem:#}");
    assert_eq!(problem["status"], answer.status, "{problem:#}");
}

#[test]
fn bodies_that_are_wrong_are_refused_with_a_problem() {
    let csms = TestCsms::start();
    let cases = [
        ("POST", "/v1/stations", "{"),
        ("POST", "/v1/stations", "[]"),
        ("POST", "/v1/stations", "{}"),
        ("POST", "/v1/stations", r#"{"id":"","password":"long enough for it"}"#),
        ("POST", "/v1/stations", r#"{"id":7,"password":"long enough for it"}"#),
        ("POST", "/v1/tokens", r#"{"uid":"","type":"RFID"}"#),
        ("POST", "/v1/tokens", r#"{"uid":"04A1","type":"TELEPATHY"}"#),
        ("PUT", "/v1/tariffs/t", r#"{"id":"t"}"#),
        ("PUT", "/v1/settings/default-tariff", r#"{"tariff":"nobody knows it"}"#),
    ];
    for (method, path, body) in cases {
        let answer = csms.send(method, path, &[], body);
        println!("{method} {path} {body}");
        problem(answer, &[400, 404, 409, 422]);
    }
    assert_eq!(csms.list("/v1/stations"), Vec::<Value>::new());
}

#[test]
fn the_same_fact_again_is_200_and_another_one_is_409() {
    let csms = TestCsms::start();
    let station = json!({ "id": "CP-1", "password": "a password of CP-1" });
    let first = csms.post("/v1/stations", &station).expect(201);
    assert!(first.position.is_some(), "{first:?}");
    csms.post("/v1/stations", &station).expect(200);
    let other = json!({ "id": "CP-1", "password": "another password" });
    problem(csms.post("/v1/stations", &other), &[409]);

    let token = json!({ "uid": "04A1B2C3", "type": "RFID" });
    csms.post("/v1/tokens", &token).expect(201);
    csms.post("/v1/tokens", &token).expect(200);
}

#[test]
fn a_read_can_wait_for_a_write() {
    let csms = TestCsms::start();
    for number in 0..20 {
        let id = format!("CP-{number}");
        let body = json!({ "id": id, "password": "a password of 16" });
        let position = csms.post("/v1/stations", &body).expect(201).position.expect("a position");
        let stations = csms.list(&format!("/v1/stations?wait_for={position}&limit=1000"));
        assert!(stations.iter().any(|station| station["id"] == id), "{id}: {stations:#?}");
    }
}

#[test]
fn what_is_not_there_is_404_and_without_a_token_401() {
    let csms = TestCsms::start();
    problem(csms.get("/v1/stations/nobody"), &[404]);
    problem(csms.anonymous().get("/v1/stations"), &[401]);
    problem(csms.with_token("a guess").get("/v1/stations"), &[401]);
    problem(csms.anonymous().post("/v1/stations", &json!({ "id": "CP-1" })), &[401]);
}

#[test]
fn health_and_metrics_need_no_token() {
    let csms = TestCsms::start();
    let anonymous = csms.anonymous();
    anonymous.get("/health/live").expect(200);
    eventually("readiness", || (anonymous.get("/health/ready").status == 200).then_some(()));
    let metrics = anonymous.get("/metrics").expect(200);
    assert!(metrics.text.contains("# TYPE"), "{metrics:?}");
    let document = anonymous.get("/openapi.json").expect(200).json();
    assert!(document["paths"]["/v1/stations"].is_object(), "{document:#}");
}

#[test]
fn a_second_server_on_the_same_folder_says_so_and_ends() {
    let csms = TestCsms::start();
    let data = csms.data();
    let data = data.to_str().expect("a UTF-8 path");
    let arguments = ["serve", "--data", data, "--ocpp", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let second = csms.run(&arguments);
    assert!(!second.status.success(), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(data), "the folder is not named: {said}");
    csms.get("/health/live").expect(200);
}

#[test]
fn a_port_in_use_is_said_in_one_line() {
    let csms = TestCsms::start();
    let data = csms.scratch().join("another");
    let data = data.to_str().expect("a UTF-8 path");
    let taken = csms.http_address();
    let second = csms.run(&["serve", "--data", data, "--ocpp", "127.0.0.1:0", "--http", taken]);
    assert!(!second.status.success(), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    let said = format!("{said}{}", String::from_utf8_lossy(&second.stdout));
    assert!(said.contains(taken), "the address is not named: {said}");
}

#[test]
fn the_log_says_ready_once_and_each_line_is_json() {
    let mut csms = TestCsms::start();
    assert!(csms.terminate().success());
    let log = csms.log();
    let lines: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let ready = lines.iter().filter(|line| line.to_string().contains(r#""ready""#)).count();
    assert_eq!(ready, 1, "{log:#?}");
}

#[test]
fn a_redirect_says_in_words_where_it_leads() {
    let csms = TestCsms::start();
    let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.max_redirects_will_error(false).build());
    for (path, place) in [("/docs", "/docs/"), ("/", "/login")] {
        let url = format!("http://{}{path}", csms.http_address());
        let mut answer = agent.get(url).call().expect("an answer");
        assert_eq!(answer.status(), 303, "{path}");
        let words = answer.body_mut().read_to_string().expect("a text");
        assert_eq!(words, format!("go on at {place}\n"));
    }
}

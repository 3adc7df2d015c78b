//! Stations, tokens and tariffs through the router.

use crate::harness::{Answer, TestApi};
use axum::http::Method;
use serde_json::{Value, json};

pub(crate) fn tariff(price: &str) -> String {
    format!(
        r#"{{"country_code":"DE","party_id":"CHB","id":"day","currency":"EUR","elements":[
        {{"price_components":[{{"type":"ENERGY","price":{price},"vat":19,"step_size":1}}]}}],
        "last_updated":"2026-01-01T00:00:00Z"}}"#
    )
}

async fn put_tariff(api: &TestApi, content: &str) -> Answer {
    api.send(Method::PUT, "/v1/tariffs/day", &[], content).await
}

#[tokio::test]
async fn a_station_is_registered_once_and_read_back() {
    let api = TestApi::start().await;
    let station = json!({ "id": "CP 1/ä".replace('/', "-"), "password": "the password of CP-1" });
    let first = api.post("/v1/stations", &station).await.expect(201);
    assert_eq!(first.header("location"), "/v1/stations/CP%201-%C3%A4");
    assert_eq!(first.json()["changed"], true);
    assert_eq!(first.json()["position"], first.position());
    let again = api.post("/v1/stations", &station).await.expect(200);
    assert_eq!(again.json()["changed"], false);
    let other = json!({ "id": "CP 1-ä", "password": "another password" });
    api.post("/v1/stations", &other).await.problem(409, "conflict");

    let read = api.get(first.header("location")).await.expect(200).json();
    assert_eq!(read["id"], "CP 1-ä");
    assert_eq!(read["connected"], false);
    assert_eq!(read["power_w"], 0);
    assert!(!read.to_string().contains("password"), "{read:#}");
    api.get("/v1/stations/nobody").await.problem(404, "not_found");
}

#[tokio::test]
async fn the_dialect_of_a_model_is_set_read_back_and_taken_away() {
    let api = TestApi::start().await;
    let path = "/v1/settings/dialects";
    let set = json!({ "vendor": "Voltwerk", "model": "Duo 22", "dialect": ["null_members"] });
    assert_eq!(api.put(path, &set).await.expect(200).json()["changed"], true);
    assert_eq!(api.put(path, &set).await.expect(200).json()["changed"], false);
    let all = json!({ "vendor": "Voltwerk", "dialect": ["no_pong"] });
    api.put(path, &all).await.expect(200);
    let read = api.get(path).await.expect(200).json();
    let every_model = json!({ "vendor": "Voltwerk", "model": null, "dialect": ["no_pong"] });
    assert_eq!(read["items"], json!([every_model, set]));
    let none = json!({ "vendor": "VOLTWERK", "model": "duo 22", "dialect": [] });
    assert_eq!(api.put(path, &none).await.expect(200).json()["changed"], true);
    assert_eq!(api.get(path).await.expect(200).json()["items"], json!([every_model]));
    for (wrong, pointer) in [
        (json!({ "vendor": "", "dialect": [] }), "/vendor"),
        (json!({ "vendor": "V", "model": "x".repeat(51), "dialect": [] }), "/model"),
        (json!({ "vendor": "V", "dialect": ["bavarian"] }), "/dialect/0"),
        (json!({ "vendor": "V" }), "/dialect"),
    ] {
        let problem = api.put(path, &wrong).await;
        assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn how_a_station_is_treated_is_set_at_once_or_later_and_read_back() {
    let api = TestApi::start().await;
    let shown = async |id: &str, written: &Answer| {
        let path = format!("/v1/stations/{id}?wait_for={}", written.position());
        let read = api.get(&path).await.expect(200).json();
        let (policy, suggested) = ("registration_policy", "suggested_dialect");
        let further = ["dialect", suggested, "shows_cost", "allows_discharging"];
        let [dialect, suggested, cost, discharging] = further;
        let names = [policy, "quiet", "compression", dialect, suggested, cost, discharging];
        names.map(|name| read[name].clone())
    };
    let registered = api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let no = json!(false);
    let (none, accepted) = (json!([]), json!("accepted"));
    let standard = [accepted, no.clone(), json!(true), none.clone(), none, no.clone(), no.clone()];
    assert_eq!(shown("CP-1", &registered).await, standard);

    let quirks = ["no_pong", "decimal_comma", "no_pong"];
    let change = json!({ "registration": "pending", "dialect": quirks });
    assert_eq!(api.patch("/v1/stations/CP-1", &change).await.expect(200).json()["changed"], true);
    assert_eq!(api.patch("/v1/stations/CP-1", &change).await.expect(200).json()["changed"], false);
    let change = json!({ "quiet": true, "compression": false, "shows_cost": true,
        "allows_discharging": true });
    let written = api.patch("/v1/stations/CP-1", &change).await.expect(200);
    let dialect = json!(["decimal_comma", "no_pong"]);
    let yes = json!(true);
    let changed = [json!("pending"), yes.clone(), no, dialect, json!([]), yes.clone(), yes];
    assert_eq!(shown("CP-1", &written).await, changed);
    for (said, expected) in [
        (json!(true), json!([true, "operator"])),
        (json!(false), json!([false, "operator"])),
        (Value::Null, json!([false, null])),
    ] {
        let written = api.patch("/v1/stations/CP-1", &json!({ "shows_cost": said })).await;
        let path = format!("/v1/stations/CP-1?wait_for={}", written.expect(200).position());
        let read = api.get(&path).await.expect(200).json();
        assert_eq!(json!([read["shows_cost"], read["shows_cost_said_by"]]), expected, "{said}");
    }

    let rejected = json!({ "id": "CP-2", "registration": "rejected", "quiet": true });
    let written = api.post("/v1/stations", &rejected).await.expect(201);
    api.post("/v1/stations", &rejected).await.expect(200);
    api.post("/v1/stations", &json!({ "id": "CP-2" })).await.problem(409, "conflict");
    assert_eq!(shown("CP-2", &written).await[0], "rejected");

    for (change, pointer) in [
        (json!({ "registration": "perhaps" }), "/registration"),
        (json!({ "quiet": "yes" }), "/quiet"),
        (json!({ "dialect": ["bavarian"] }), "/dialect/0"),
        (json!({ "dialect": "decimal_comma" }), "/dialect"),
    ] {
        let problem = api.patch("/v1/stations/CP-1", &change).await;
        assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], pointer);
    }
}

/// A station of before stations could say themselves whether they show costs: that it does not was
/// the default, and not kept.
#[tokio::test]
async fn a_station_that_was_not_to_show_costs_is_registered_so_again() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let said = json!({ "id": "CP-1", "shows_cost": false });
    for _ in 0..2 {
        let again = api.post("/v1/stations", &said).await.expect(200);
        assert_eq!(again.json()["changed"], false);
        let path = format!("/v1/stations/CP-1?wait_for={}", again.position());
        assert_eq!(api.get(&path).await.expect(200).json()["shows_cost_said_by"], "operator");
    }
    let otherwise = json!({ "id": "CP-1", "shows_cost": true });
    api.post("/v1/stations", &otherwise).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_serial_number_is_one_stations() {
    let api = TestApi::start().await;
    let station = json!({ "id": "CP-1", "serial_number": "SN-17" });
    let registered = api.post("/v1/stations", &station).await.expect(201);
    assert_eq!(api.post("/v1/stations", &station).await.expect(200).json()["changed"], false);
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.problem(409, "conflict");
    let path = format!("/v1/stations/CP-1?wait_for={}", registered.position());
    assert_eq!(api.get(&path).await.expect(200).json()["serial_number"], "SN-17");

    let second = json!({ "id": "CP-2", "serial_number": "SN-17" });
    api.post("/v1/stations", &second).await.problem(409, "conflict");
    api.post("/v1/stations", &json!({ "id": "CP-2" })).await.expect(201);
    let same = json!({ "serial_number": "SN-17" });
    api.patch("/v1/stations/CP-2", &same).await.problem(409, "conflict");
    assert_eq!(api.patch("/v1/stations/CP-1", &same).await.expect(200).json()["changed"], false);
    // Nor is it the name of another, in whatever case; its own it may be.
    for theirs in ["sn-17", "CP-1", "cp-1"] {
        let change = json!({ "serial_number": theirs });
        api.patch("/v1/stations/CP-2", &change).await.problem(409, "conflict");
    }
    api.post("/v1/stations", &json!({ "id": "sn-17" })).await.problem(409, "conflict");
    let own = json!({ "id": "CP-3", "serial_number": "CP-3" });
    api.post("/v1/stations", &own).await.expect(201);
    for wrong in ["", "  ", &"7".repeat(26), "SN\n17"] {
        let change = json!({ "serial_number": wrong });
        let problem = api.patch("/v1/stations/CP-2", &change).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/serial_number", "{wrong:?}");
    }

    let none = json!({ "serial_number": null });
    let taken_back = api.patch("/v1/stations/CP-1", &none).await.expect(200);
    let path = format!("/v1/stations/CP-1?wait_for={}", taken_back.position());
    assert_eq!(api.get(&path).await.expect(200).json()["serial_number"], Value::Null);
    assert_eq!(api.patch("/v1/stations/CP-2", &same).await.expect(200).json()["changed"], true);
    api.patch("/v1/stations/CP-1", &same).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_station_is_changed_and_its_connectors_described() {
    let api = TestApi::start().await;
    let site = json!({ "id": "yard", "name": "The yard", "time_zone": "Europe/Berlin" });
    let problem =
        api.patch("/v1/stations/CP-1", &json!({ "password": "the password of CP-1" })).await;
    problem.problem(404, "not_found");
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let problem = api.patch("/v1/stations/CP-1", &json!({ "site": "yard" })).await;
    assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], "/site");
    for password in ["", "15 characters !", &"41 characters".repeat(4)[..41]] {
        let problem = api.patch("/v1/stations/CP-1", &json!({ "password": password })).await;
        assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], "/password");
    }

    api.post("/v1/sites", &site).await.expect(201);
    let change = json!({ "site": "yard", "password": "another of CP-1 !" });
    assert_eq!(api.patch("/v1/stations/CP-1", &change).await.expect(200).json()["changed"], true);
    let connector = json!({ "plug": "IEC_62196_T2", "power_w_max": 22_000 });
    let path = "/v1/stations/CP-1/connectors/1";
    let put = api.put(path, &connector).await.expect(200);
    assert_eq!(put.json()["changed"], true);
    assert_eq!(api.put(path, &connector).await.expect(200).json()["changed"], false);
    api.put("/v1/stations/CP-1/connectors/0", &connector).await.problem(404, "not_found");
    api.put("/v1/stations/CP-1/connectors/x", &connector).await.problem(400, "bad_request");

    let path = format!("/v1/stations/CP-1?wait_for={}", put.position());
    let read = api.get(&path).await.expect(200).json();
    assert_eq!(read["site"], "yard");
    assert_eq!(read["connectors"][0]["connector"], 1);
    assert_eq!(read["connectors"][0]["power_w_max"], 22_000);
}

#[tokio::test]
async fn a_tokens_group_is_read_in_ocpis_word_too() {
    let api = TestApi::start().await;
    let token = json!({ "uid": "04A1", "type": "RFID", "group_id": "FAMILY" });
    let registered = api.post("/v1/tokens", &token).await.expect(201);
    let path = format!("/v1/tokens/04A1?wait_for={}", registered.position());
    assert_eq!(api.get(&path).await.expect(200).json()["group"], "FAMILY");
    let changed = api.patch("/v1/tokens/04A1", &json!({ "group_id": null })).await.expect(200);
    let path = format!("/v1/tokens/04A1?wait_for={}", changed.position());
    assert_eq!(api.get(&path).await.expect(200).json()["group"], json!(null));
}

#[tokio::test]
async fn a_token_is_registered_changed_and_erased() {
    let api = TestApi::start().await;
    let token = json!({ "uid": "04A1B2C3", "type": "RFID" });
    api.post("/v1/tokens", &token).await.expect(201);
    api.post("/v1/tokens", &token).await.expect(200);
    let blocked = json!({ "uid": "04A1B2C3", "type": "RFID", "status": "blocked" });
    api.post("/v1/tokens", &blocked).await.problem(409, "conflict");
    let read = api.get("/v1/tokens/04a1b2c3").await.expect(200).json();
    assert_eq!(read["uid"], "04A1B2C3");
    assert_eq!(read["status"], "accepted");
    assert_eq!(read["expires_at"], Value::Null);

    let change = json!({ "status": "blocked", "expires_at": "2020-01-01T00:00:00+01:00" });
    let changed = api.patch("/v1/tokens/04A1B2C3", &change).await.expect(200);
    assert_eq!(changed.json()["changed"], true);
    let again = api.patch("/v1/tokens/04A1B2C3", &change).await.expect(200);
    assert_eq!(again.json()["changed"], false);
    let path = format!("/v1/tokens?wait_for={}", changed.position());
    let listed = api.list(&path).await;
    assert_eq!(listed[0]["status"], "blocked");
    assert_eq!(listed[0]["expires_at"], "2019-12-31T23:00:00.000Z");
    let forever =
        api.patch("/v1/tokens/04A1B2C3", &json!({ "expires_at": null })).await.expect(200);
    let path = format!("/v1/tokens/04A1B2C3?wait_for={}", forever.position());
    assert_eq!(api.get(&path).await.expect(200).json()["expires_at"], Value::Null);

    api.run_policies();
    let erase = api.send(Method::POST, "/v1/tokens/04A1B2C3/erase", &[], "").await.expect(200);
    api.get("/v1/tokens/04A1B2C3").await.problem(404, "not_found");
    api.patch("/v1/tokens/nobody", &change).await.problem(404, "not_found");
    let listed = api.list(&format!("/v1/tokens?wait_for={}", erase.position())).await;
    assert_eq!(listed[0]["uid"], Value::Null, "{listed:#?}");
}

#[tokio::test]
async fn a_token_is_of_a_kind_of_ocpi_or_of_ocpp() {
    let api = TestApi::start().await;
    for (number, kind) in
        ["APP_USER", "ISO15693", "KeyCode", "MacAddress", "eMAID", "EVCCID"].iter().enumerate()
    {
        let uid = format!("T-{number}");
        let token = json!({ "uid": uid, "type": kind });
        let registered = api.post("/v1/tokens", &token).await.expect(201);
        let path = format!("/v1/tokens/{uid}?wait_for={}", registered.position());
        assert_eq!(api.get(&path).await.expect(200).json()["type"], *kind);
    }
    for kind in ["NoAuthorization", "DirectPayment", "iso15693"] {
        let token = json!({ "uid": "T-9", "type": kind });
        let problem = api.post("/v1/tokens", &token).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/type", "{kind}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_with_a_pointer() {
    let api = TestApi::start().await;
    let cases = [
        (json!({ "uid": "", "type": "RFID" }), "/uid"),
        (json!({ "uid": "04A1", "type": "TELEPATHY" }), "/type"),
        (json!({ "uid": "04A1" }), "/type"),
        (json!({ "uid": 4, "type": "RFID" }), "/uid"),
        (json!({ "uid": "04A1", "type": "RFID", "expires_at": "soon" }), "/expires_at"),
        (json!({ "uid": "04A1", "type": "RFID", "status": "maybe" }), "/status"),
        (json!({ "uid": "04A1", "type": "RFID", "driver": "nobody" }), "/driver"),
    ];
    for (body, pointer) in cases {
        let problem = api.post("/v1/tokens", &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    assert_eq!(api.list("/v1/tokens").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_tariff_has_versions_and_keeps_its_digits() {
    let api = TestApi::start().await;
    let first = put_tariff(&api, &tariff("0.10")).await.expect(201);
    assert_eq!(first.json()["version"], 1);
    let same = put_tariff(&api, &tariff("0.1")).await.expect(200);
    assert_eq!((&same.json()["version"], &same.json()["changed"]), (&json!(1), &json!(false)));
    // More digits than a float holds.
    let price = "0.1234567890123456789";
    let second = put_tariff(&api, &tariff(price)).await.expect(200);
    assert_eq!((&second.json()["version"], &second.json()["changed"]), (&json!(2), &json!(true)));
    let path = format!("/v1/tariffs/day?wait_for={}", second.position());
    let read = api.get(&path).await.expect(200);
    assert!(read.text.contains(price), "{read:#?}");
    assert_eq!(read.json()["version"], 2);
    assert_eq!(api.get("/v1/tariffs/day?version=1").await.expect(200).json()["version"], 1);
    api.get("/v1/tariffs/day?version=3").await.problem(404, "not_found");
    api.get("/v1/tariffs/night").await.problem(404, "not_found");
    put_tariff(&api, r#"{"id":"day"}"#).await.problem(422, "invalid");
    put_tariff(&api, "{").await.problem(400, "malformed");
    assert_eq!(api.list("/v1/tariffs").await.len(), 1);
}

#[tokio::test]
async fn what_a_tariff_is_not_priced_by_is_told_to_who_publishes_it() {
    let api = TestApi::start().await;
    let misspelt = tariff("0.10").replace(r#""vat""#, r#""vatt""#);
    let place = "/elements/0/price_components/0/vatt";
    for status in [201, 200] {
        let answer = put_tariff(&api, &misspelt).await.expect(status).json();
        assert_eq!(answer["ignored"], json!([place]), "it is taken, and told: {answer:#}");
    }
    let right = put_tariff(&api, &tariff("0.10")).await.expect(200).json();
    assert_eq!(right["ignored"], json!([]));
}

#[tokio::test]
async fn the_default_tariff_is_set_among_those_published() {
    let api = TestApi::start().await;
    let path = "/v1/settings/default-tariff";
    api.get(path).await.problem(404, "not_found");
    let choice = json!({ "tariff": "day" });
    let problem = api.put(path, &choice).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/tariff");
    put_tariff(&api, &tariff("0.50")).await.expect(201);
    let set = api.put(path, &choice).await.expect(200);
    assert_eq!(set.json()["changed"], true);
    assert_eq!(api.put(path, &choice).await.expect(200).json()["changed"], false);
    let read = api.get(&format!("{path}?wait_for={}", set.position())).await.expect(200).json();
    assert_eq!((&read["id"], &read["is_default"]), (&json!("day"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_at_the_same_time_is_registered_once() {
    let api = std::sync::Arc::new(TestApi::start().await);
    let kinds = [
        (
            "stations",
            json!({ "id": "CP-1", "password": "the password of CP-1" }),
            "station.registered",
        ),
        ("tokens", json!({ "uid": "04A1B2C3", "type": "RFID" }), "token.registered"),
        ("drivers", json!({ "id": "ada", "name": "Ada" }), "driver.registered"),
        ("sites", json!({ "id": "yard", "time_zone": "UTC" }), "site.registered"),
    ];
    for (kind, body, event_type) in kinds {
        let posts = (0..8).map(|_| {
            let (api, body) = (api.clone(), body.clone());
            tokio::spawn(async move { api.post(&format!("/v1/{kind}"), &body).await.status })
        });
        let mut statuses = Vec::new();
        for post in posts.collect::<Vec<_>>() {
            statuses.push(post.await.expect("answered"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201], "{kind}");
        let events = api.list("/v1/events?limit=1000").await;
        let registered = events.iter().filter(|event| event["type"] == event_type).count();
        assert_eq!(registered, 1, "{kind}");
    }
    let puts = (0..8).map(|_| {
        let api = api.clone();
        tokio::spawn(async move { put_tariff(&api, &tariff("0.50")).await.status })
    });
    let mut statuses = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        statuses.push(put.await.expect("answered"));
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn an_operator_sets_the_security_profile_that_a_station_must_come_with() {
    let api = TestApi::start().await;
    api.post("/v1/stations", &json!({ "id": "CP-1" })).await.expect(201);
    let path = "/v1/stations/CP-1";
    let problem = api.patch(path, &json!({ "security_profile": 4 })).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/security_profile");
    for profile in [2, 0] {
        let changed = api.patch(path, &json!({ "security_profile": profile })).await.expect(200);
        let read = api.get(&format!("{path}?wait_for={}", changed.position())).await.expect(200);
        assert_eq!(read.json()["security_profile"], profile);
        assert_eq!(read.json()["security_profile_agreed"], Value::Null);
    }
}

#[tokio::test]
async fn a_master_pass_group_is_set_and_taken_away() {
    let api = TestApi::start().await;
    let path = "/v1/settings/master-pass";
    assert_eq!(api.get(path).await.expect(200).json(), json!({ "group": null }));
    api.put(path, &json!({ "group": "SERVICE" })).await.expect(200);
    assert_eq!(api.get(path).await.expect(200).json(), json!({ "group": "SERVICE" }));
    api.put(path, &json!({ "group": "" })).await.problem(422, "invalid");
    api.put(path, &json!({ "group": null })).await.expect(200);
    assert_eq!(api.get(path).await.expect(200).json(), json!({ "group": null }));
}

#[tokio::test]
async fn a_root_is_trusted_listed_and_withdrawn() {
    let api = TestApi::start().await;
    let path = "/v1/trust-anchors";
    let authority = api.get("/v1/certificate-authority").await.expect(200).json();
    let (certificate, fingerprint) = (&authority["certificate"], &authority["fingerprint_sha256"]);
    let root = json!({ "purpose": "mo_root", "certificate": certificate });
    let added = api.post(path, &root).await.expect(201);
    let own_path = format!("{path}/{}", fingerprint.as_str().expect("text"));
    assert_eq!(added.header("location"), own_path);
    api.post(path, &root).await.expect(200);
    let other = json!({ "purpose": "v2g_root", "certificate": certificate });
    api.post(path, &other).await.problem(409, "conflict");
    let listed = api.get(path).await.expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(&listed["items"][0]["fingerprint_sha256"], fingerprint);
    assert_eq!(&listed["items"][0]["not_after"], &authority["not_after"]);

    api.send(Method::DELETE, &own_path, &[], "").await.expect(200);
    api.send(Method::DELETE, &own_path, &[], "").await.problem(404, "not_found");
    assert_eq!(api.get(path).await.expect(200).json()["items"], json!([]));
    let pem = certificate.as_str().expect("text").trim();
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----";
    for wrong in [
        "",
        "no certificate",
        &format!("{pem}\n{key}"),
        &format!("{key}\n{pem}"),
        &format!("the root:\n{pem}"),
        &format!("{pem}\n{pem}"),
        &pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
        &pem[..pem.len() - 1],
    ] {
        let wrong = json!({ "purpose": "mo_root", "certificate": wrong });
        api.post(path, &wrong).await.problem(422, "invalid");
    }
    // However its lines are broken, it is kept as what it says.
    let broken = pem.replace('\n', "\r\n\r\n ");
    let broken = json!({ "purpose": "mo_root", "certificate": broken });
    api.post(path, &broken).await.expect(201);
    let listed = api.get(path).await.expect(200).json();
    assert_eq!(listed["items"][0]["certificate"], pem);
}

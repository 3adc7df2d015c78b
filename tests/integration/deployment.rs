//! The files to deploy with: the compose file, the image, the proxy, what is watched and how.
//!
//! No container engine runs here. Each file is held against its specification by an independent
//! checker, the proxy's is run by nginx itself, and the dashboard is held against the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::{
    ADMIN_TOKEN, ChargePoint, Http, Proxy, Settings, TestCsms, eventually, eventually_ok,
    new_postgres_log, python, python_interpreter,
};
use crate::messages::{an_hour_ago, begin, boot, end, only_session, prepare, time};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let output = python("yaml_to_json.py").arg(root().join(path)).output().expect("Python runs");
    assert!(output.status.success(), "{path}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Whether a file holds to the Compose Specification.
fn checked_compose(file: &Path) -> Output {
    let mut check = Command::new(python_interpreter());
    check.args(["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]);
    check.arg(file).output().expect("the checker runs")
}

/// What the linter of Dockerfiles says.
fn checked_image(file: &Path) -> Output {
    let linter = python_interpreter().with_file_name("hadolint");
    Command::new(linter).arg(file).output().expect("the linter runs")
}

#[test]
fn the_compose_file_and_the_image_hold_to_their_specifications() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |path: &str, right: &str, wrong: &str| -> PathBuf {
        let text = text_of(path);
        assert!(text.contains(right), "{right}");
        let file = folder.path().join(path);
        std::fs::write(&file, text.replacen(right, wrong, 1)).expect("written");
        file
    };
    let compose = checked_compose(&root().join("docker-compose.yml"));
    assert!(compose.status.success(), "{compose:?}");
    let wrong = with("docker-compose.yml", "    restart:", "    restarts:");
    assert!(!checked_compose(&wrong).status.success(), "the checker finds a wrong member");

    let image = checked_image(&root().join("Dockerfile"));
    assert!(image.status.success(), "{image:?}");
    let wrong = with("Dockerfile", "FROM debian:bookworm-slim", "FROM debian:latest");
    assert!(!checked_image(&wrong).status.success(), "the linter finds a floating image");
    assert!(text_of("Dockerfile").contains("\nUSER 10001\n"), "it does not run as root");
}

#[test]
fn what_the_compose_file_names_is_there() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("services");
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().expect("in short form");
            let source = volume.split(':').next().expect("a source");
            let exists = match source.strip_prefix("./") {
                Some(path) => root().join(path).exists(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(exists, "{name}: {volume}");
        }
        for network in service["networks"].as_array().into_iter().flatten() {
            let network = network.as_str().expect("a name");
            assert!(compose["networks"].get(network).is_some(), "{name}: {network}");
        }
    }

    // What the server is told, it knows.
    let help = Command::new(env!("CARGO_BIN_EXE_chargebook")).args(["serve", "--help"]).output();
    let help = String::from_utf8(help.expect("the binary runs").stdout).expect("UTF-8");
    let told = services["chargebook"]["environment"].as_object().expect("settings");
    let image = text_of("Dockerfile");
    let in_image = words(&image).filter_map(|word| word.split_once('=')).map(|(name, _)| name);
    let names = told.keys().map(String::as_str);
    for name in names.chain(in_image).filter(|name| name.starts_with("CHARGEBOOK_")) {
        assert!(help.contains(&format!("[env: {name}")), "no setting {name}");
    }

    // Who is asked is asked where the image listens.
    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    let targets = &prometheus["scrape_configs"][0]["static_configs"][0]["targets"];
    assert_eq!(targets, &json!(["chargebook:8080"]));
    assert!(image.contains("CHARGEBOOK_HTTP=0.0.0.0:8080"));
    assert!(image.contains("CHARGEBOOK_OCPP=0.0.0.0:9000"));

    // Every secret that is asked for is in the example, without a value.
    let example = text_of("deploy/example.env");
    let text = text_of("docker-compose.yml");
    let secrets: BTreeSet<&str> = text
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once(":?"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(secrets.len(), 3, "{secrets:?}");
    for secret in secrets {
        assert!(example.lines().any(|line| line == format!("{secret}=")), "{secret}");
    }
}

#[test]
fn the_image_is_built_from_every_room() {
    let ignored = text_of(".dockerignore");
    let taken: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest: toml::Table = text_of("Cargo.toml").parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    let members = members.iter().filter_map(toml::Value::as_str);
    let rooms = members.map(|path| path.split('/').next().unwrap_or(path));
    for needed in rooms.chain([".cargo", "Cargo.lock", "Cargo.toml", "src", "tests"]) {
        assert!(taken.contains(needed), "{needed} is not in the image's sources");
    }
    for taken in taken {
        assert!(root().join(taken).exists(), "{taken} is not there");
    }
}

#[test]
fn stations_and_people_reach_the_server_through_the_proxy() {
    let csms = TestCsms::start();
    prepare(&csms, &["CP-1"]);
    let proxy = Proxy::before(&csms);
    let mut station = ChargePoint::new("CP-1");
    let url = format!("ws://{}/ocpp/", proxy.address());
    let reply = station.try_connect(&csms, json!({ "url": url }));
    assert_eq!(reply["subprotocol"], "ocpp1.6", "{reply}");
    station.call("BootNotification", boot());
    let people = Http::new(proxy.address(), Some(ADMIN_TOKEN));
    people.get("/health/ready").expect(200);
    eventually("the station is shown", || {
        let shown = people.get("/v1/stations/CP-1").expect(200).json();
        (shown["connected"] == true).then_some(())
    });
    people.get("/metrics").expect(404);
    csms.get("/metrics").expect(200);
}

#[test]
fn the_proxy_holds_back_who_sends_too_much_or_asks_for_logins_too_often() {
    let csms = TestCsms::start();
    let proxy = Proxy::before(&csms);
    let people = Http::new(proxy.address(), Some(ADMIN_TOKEN));
    let body = "x".repeat(2 * 1024 * 1024);
    let refused = people.send("POST", "/v1/tokens", &[], &body).expect(413);
    assert!(refused.text.contains("nginx"), "{refused:?}");

    // One, and ten at once; the next one has to wait for two seconds.
    let asked: Vec<u16> = (0..30).map(|_| people.get("/login").status).collect();
    assert!(asked[..11].iter().all(|status| *status == 200), "{asked:?}");
    assert!(asked.contains(&429), "{asked:?}");
    people.get("/v1/stations").expect(200);
}

#[test]
fn the_file_of_secrets_is_nobody_elses() {
    assert!(text_of(".gitignore").lines().any(|line| line == "/.env"));
}

#[test]
fn every_metric_of_the_dashboard_is_one_that_the_server_tells() {
    let dashboard: Value =
        serde_json::from_str(&text_of("deploy/grafana/dashboards/chargebook.json")).expect("JSON");
    let source = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let uid = &source["datasources"][0]["uid"];
    let mut named = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(&panel["datasource"]["uid"], uid, "{panel:#}");
            let words: Vec<&str> = words(target["expr"].as_str().expect("a question")).collect();
            let metrics = words.into_iter().filter(|word| word.starts_with("chargebook_"));
            named.extend(metrics.map(str::to_owned));
        }
    }
    assert!(named.len() > 10, "{named:?}");

    for log in ["sqlite:".to_owned(), new_postgres_log()] {
        let arguments = vec!["--store".to_owned(), log];
        let csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
        prepare(&csms, &["CP-1"]);
        let mut station = ChargePoint::connected(&csms, "CP-1");
        station.call("BootNotification", boot());
        let begun = an_hour_ago();
        let transaction = begin(&mut station, 1_000, begun);
        end(&mut station, transaction, 2_000, &time(begun));
        only_session(&csms, "CP-1");
        eventually_ok(|| {
            let told = csms.get("/metrics").expect(200).text;
            let told: BTreeSet<&str> = told.lines().filter_map(|line| words(line).next()).collect();
            let missing = named.iter().filter(|name| !told.contains(name.as_str()));
            match missing.collect::<Vec<_>>() {
                missing if missing.is_empty() => Ok(()),
                missing => Err(format!("{missing:?}")),
            }
        });
    }
}

/// What stands between spaces, brackets and commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\n', '\\', '{', '}', '(', ')', '[', ']', ',']).filter(|word| !word.is_empty())
}

//! The arrows between the rooms, read from `cargo metadata`: a new one is a decision, not a slip.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which rooms of ours each package may use. Tests' own helpers (dev-dependencies) are free.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "chargebook",
        &[
            "chargebook-api",
            "chargebook-audit",
            "chargebook-commands",
            "chargebook-console",
            "chargebook-domain",
            "chargebook-gateway",
            "chargebook-projections",
            "chargebook-proof",
            "chargebook-simulator",
            "chargebook-store",
        ],
    ),
    (
        "chargebook-api",
        &[
            "chargebook-audit",
            "chargebook-commands",
            "chargebook-domain",
            "chargebook-projections",
            "chargebook-store",
        ],
    ),
    ("chargebook-audit", &["chargebook-domain", "chargebook-proof"]),
    ("chargebook-commands", &["chargebook-domain", "chargebook-store"]),
    ("chargebook-console", &["chargebook-commands", "chargebook-domain", "chargebook-projections"]),
    ("chargebook-domain", &[]),
    ("chargebook-gateway", &["chargebook-commands", "chargebook-domain"]),
    ("chargebook-kurrentdb-stand-in", &[]),
    ("chargebook-projections", &["chargebook-domain", "chargebook-store"]),
    ("chargebook-proof", &[]),
    ("chargebook-simulated-disk", &[]),
    ("chargebook-simulator", &[]),
    ("chargebook-store", &["chargebook-proof"]),
    ("xtask", &[]),
];

/// Packages that must not appear anywhere below a room, however deep.
const ABSENT_BELOW: &[(&str, &[&str])] = &[
    ("chargebook-domain", &["tokio", "sqlx", "axum", "hyper", "ocpp-kit", "rand"]),
    ("chargebook-proof", &["tokio", "sqlx", "axum", "hyper", "ocpp-kit"]),
    ("chargebook-audit", &["tokio", "sqlx", "axum", "hyper", "ocpp-kit"]),
    ("chargebook-simulator", &["sqlx", "axum"]),
    (
        "chargebook",
        &[
            "rust-ocpp",
            "ocpp_rs",
            "ocpi-tariffs",
            "ocpi-kit",
            "openssl-sys",
            // Behind the feature `kurrentdb`.
            "eventstore",
            "tonic",
            "aws-lc-sys",
        ],
    ),
];

/// The only packages that may name OCPP's wire types.
const OCPP_SPEAKERS: &[&str] = &["chargebook-gateway", "chargebook-simulator"];

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(room, uses)| (*room, uses.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for (room, uses) in declared_dependencies() {
        let Some(may_use) = allowed.get(room.as_str()) else {
            wrong.push(format!("{room} is not in the table of rooms"));
            continue;
        };
        for used in uses.iter().filter(|name| allowed.contains_key(name.as_str())) {
            if !may_use.contains(used.as_str()) {
                wrong.push(format!("{room} -> {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not allow: {wrong:#?}");
}

#[test]
fn the_table_names_every_room_and_no_ghost() {
    let rooms: BTreeSet<String> = declared_dependencies().into_keys().collect();
    let table: BTreeSet<String> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, table);
}

#[test]
fn only_the_edge_names_ocpp_wire_types() {
    let speakers: Vec<String> = declared_dependencies()
        .into_iter()
        .filter(|(_, uses)| uses.contains("ocpp-kit"))
        .map(|(room, _)| room)
        .collect();
    assert_eq!(speakers, OCPP_SPEAKERS);
}

#[test]
fn pure_rooms_rest_on_nothing_that_does_io() {
    let mut wrong = Vec::new();
    for (room, absent) in ABSENT_BELOW {
        let below = everything_below(room);
        assert!(below.contains(*room), "`cargo tree` tells nothing about {room}");
        for name in absent.iter().filter(|name| below.contains(**name)) {
            wrong.push(format!("{room} ... -> {name}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every package of the workspace with what its manifest names as normal or build dependency.
fn declared_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let linked = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
            (name_of(package), linked.map(name_of).collect())
        })
        .collect()
}

/// The names of all packages that a package links, itself included.
fn everything_below(package: &str) -> BTreeSet<String> {
    let edges = "normal,build";
    let text =
        cargo(&["tree", "--package", package, "--edges", edges, "--prefix", "none", "-f", "{p}"]);
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn name_of(package: &Value) -> String {
    package["name"].as_str().expect("a name").to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

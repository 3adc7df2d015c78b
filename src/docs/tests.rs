use super::page::{anchor, events, meaning_of};
use super::schema::{Form, Schema, Shape};
use super::source::{Body, items};
use chargebook_domain::events::EVENT_REFERENCE;
use chargebook_domain::events::reference::{SOURCES, Source};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The words of every enumeration as serde itself reads them; the domain's tests hold them.
const WORDS: &str = include_str!("../../domain/tests/golden/words.json");

fn complete() -> Schema {
    let mut schema = Schema::new(items(SOURCES).unwrap());
    for entry in EVENT_REFERENCE {
        schema.include(entry.data_type).unwrap();
    }
    schema
}

/// A schema with the type `Example` in it, or why there is none.
fn example(text: &'static str) -> anyhow::Result<Schema> {
    let mut schema = Schema::new(items(&[Source { path: "example.rs", text }])?);
    schema.include("Example")?;
    Ok(schema)
}

fn complaint<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("nobody complained"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn every_link_in_the_page_leads_to_one_heading() {
    let page = events().unwrap();
    let mut headings: BTreeMap<String, usize> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with('#')) {
        *headings.entry(anchor(line.trim_start_matches('#').trim())).or_default() += 1;
    }
    let links: BTreeSet<&str> =
        page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > EVENT_REFERENCE.len(), "each event is linked to, and more");
    for link in links {
        assert_eq!(headings.get(link), Some(&1), "#{link}");
    }
}

#[test]
fn each_event_has_a_section_with_a_row_for_every_member() {
    let page = events().unwrap();
    for entry in EVENT_REFERENCE {
        let heading = format!("\n## `{}`\n", entry.event_type);
        let (_, section) = page.split_once(&heading).expect(entry.event_type);
        let table = section.split("\n##").next().unwrap();
        let example: Value = serde_json::from_str(entry.example).unwrap();
        for name in example.as_object().unwrap().keys() {
            let row = format!("\n| `{name}` | ");
            assert!(table.contains(&row), "{}: {name}", entry.event_type);
        }
    }
}

#[test]
fn words_are_those_that_serde_reads() {
    let schema = complete();
    let described: BTreeMap<&String, Vec<&str>> = schema
        .types
        .iter()
        .filter_map(|(name, of)| match &of.shape {
            Shape::Object(_) => None,
            Shape::Words(words) | Shape::Choice { words, .. } => {
                Some((name, words.iter().map(|word| word.word.as_str()).collect()))
            }
        })
        .collect();
    let golden: Value = serde_json::from_str(WORDS).unwrap();
    assert_eq!(serde_json::to_value(described).unwrap(), golden);
}

#[test]
fn nothing_is_declared_for_events_that_no_event_is_made_of() {
    let frozen: Vec<Source> =
        SOURCES.iter().copied().filter(|source| source.path.contains("/v1/")).collect();
    let schema = complete();
    for name in items(&frozen).unwrap().keys() {
        let is_described = schema.types.contains_key(name) || schema.simple.contains_key(name);
        assert!(is_described, "{name}");
    }
}

#[test]
fn an_object_is_read_as_serde_writes_it() {
    let schema = example(
        "/// Something: [`Other`](super::other) or `None`.\n///\n/// More.\n\
         #[derive(\n    Clone,\n)]\npub struct Example {\n    /// How many.\n    pub count: u32,\n\
         \x20   /// Perhaps\n    /// some.\n    pub names: Option<Vec<String>>,\n}\n",
    )
    .unwrap();
    assert_eq!(schema.types["Example"].meaning, "Something: `Other` or null.\n\nMore.");
    let Shape::Object(members) = &schema.types["Example"].shape else { panic!() };
    assert_eq!(members[1].meaning, "Perhaps some.");
    assert_eq!(members[1].form, Form::List(Box::new(Form::Text)));
    let check = |value| schema.check(&Form::Type("Example".to_owned()), &value);
    check(json!({"count": 1, "names": ["a"]})).unwrap();
    check(json!({"count": 1, "names": null})).unwrap();
    let wrong = |value| complaint(check(value));
    assert!(wrong(json!({"count": 1})).contains("`names` is missing"));
    assert!(wrong(json!({"count": 1, "names": null, "x": 1})).contains("`x` is described nowhere"));
    assert!(wrong(json!({"count": null, "names": null})).contains("in the member `count`"));
    assert!(wrong(json!({"count": 1, "names": [1]})).contains("in the member `names`"));
}

#[test]
fn what_has_no_comment_is_an_error_that_names_it() {
    let text = "/// It.\npub struct Example {\n    pub count: u32,\n}\n";
    assert!(complaint(example(text)).contains("the field `count` has no comment"));
    let text = "pub struct Example {\n    /// Many.\n    pub count: u32,\n}\n";
    assert!(complaint(example(text)).contains("the type `Example` has no comment"));
    let text = "/// It.\npub enum Example {\n    First,\n}\n";
    assert!(complaint(example(text)).contains("the variant `First` has no comment"));
    for comment in ["`a.b`.", "`a.b`", "`a.b`:", "Something else."] {
        assert!(complaint(meaning_of("a.b", comment)).contains("must begin with its name"));
    }
    assert_eq!(meaning_of("a.b", "`a.b`: it is so.").unwrap(), "It is so.");
}

#[test]
fn what_cannot_be_read_is_an_error_that_shows_it() {
    let cases = [
        ("/// It.\npub struct Example<T> {\n    /// T.\n    pub t: T,\n}\n", "`Example`"),
        (
            "/// It.\npub struct Example {\n    /// T.\n    pub t: HashMap<A, B>,\n}\n",
            "HashMap<A, B>",
        ),
        ("/// It.\npub struct Example {\n    /// T.\n    t: u8,\n}\n", "`t: u8,`"),
        ("/// It.\npub struct Example {\n    /// T.\n    pub t: f64,\n}\n", "`f64`"),
        ("/// It.\npub struct Example(u8, u8);\n", "transparent"),
        ("/// It.\npub enum Example {\n    /// A.\n    A(u8),\n}\n", "`A(u8),`"),
        (
            "/// It.\npub enum Example {\n    /// A.\n    A {\n        /// B.\n        b: u8,\n    },\n}\n",
            "tag",
        ),
        ("/// It.\n#[serde(flatten)]\npub struct Example {\n}\n", "`flatten`"),
        (
            "/// It.\n#[serde(rename_all = \"kebab-case\")]\npub enum Example {\n    /// A.\n    A,\n}\n",
            "kebab-case",
        ),
    ];
    for (text, shown) in cases {
        let complaint = complaint(example(text));
        assert!(complaint.contains(shown), "{complaint}");
    }
}

#[test]
fn the_same_name_twice_is_an_error() {
    let text = "/// It.\npub struct Example {\n}\n";
    let sources = [Source { path: "a.rs", text }, Source { path: "b.rs", text }];
    assert!(complaint(items(&sources)).contains("`Example` is defined twice"));
}

#[test]
fn ids_of_the_macro_are_simple_values() {
    let sources = items(SOURCES).unwrap();
    assert_eq!(sources["EventId"].body, Body::Newtype("Uuid".to_owned()));
    assert!(sources["EventId"].comment.starts_with("An event"));
}

//! The reader against serde_json, which is another's work.

use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// What the nodes say, as a value; a later member of the same name wins, as in serde_json.
fn value(document: &Document<'_>, node: NodeId) -> Value {
    match document.kind(node) {
        Kind::Object => {
            let mut map = Map::new();
            for (name, member) in document.members(node) {
                let name = document.string(name).expect("a name is a string").into_owned();
                map.insert(name, value(document, member));
            }
            Value::Object(map)
        }
        Kind::Array => {
            Value::Array(document.children(node).map(|item| value(document, item)).collect())
        }
        Kind::String | Kind::EscapedString => {
            Value::String(document.string(node).expect("a string").into_owned())
        }
        Kind::Number | Kind::Boolean | Kind::Null => {
            serde_json::from_str(document.raw(node)).expect("a scalar's own text is JSON")
        }
    }
}

fn agrees_with_serde_json(text: &str) -> Result<(), TestCaseError> {
    let (document, outcome) = Document::read(text);
    match serde_json::from_str::<Value>(text) {
        Ok(expected) => {
            if matches!(outcome, Err(JsonError::Depth | JsonError::Size)) {
                return Ok(());
            }
            prop_assert_eq!(outcome, Ok(()), "{:?}", text);
            prop_assert_eq!(value(&document, document.root().expect("a root")), expected);
        }
        // A number's size is not our reader's business; what stands behind it is.
        Err(error) if error.to_string().contains("number out of range") => {
            let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            prop_assert!(is_json || outcome.is_err(), "{:?}", text);
        }
        Err(_) => prop_assert!(outcome.is_err(), "{:?}", text),
    }
    Ok(())
}

#[test]
fn the_size_of_a_number_is_nobodys_business() {
    assert_eq!(Document::read("[1E310]").1, Ok(()));
    assert_eq!(Document::read("1E310r").1, Err(JsonError::Syntax));
}

#[test]
fn texts_that_are_easy_to_get_wrong() {
    for text in [
        "",
        " ",
        "null",
        " true ",
        "nul",
        "truex",
        "[]",
        "[ ]",
        "{}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "[[[]]]",
        "-",
        "-0",
        "0",
        "00",
        "01",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+5",
        "1e",
        "1e-",
        "-1.25e-3",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"tab\\t\"",
        "\"\\/\\b\\f\\n\\r\"",
        "\"ü€😀\"",
        "[1]]",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"a\":2}",
        "1e999",
        "\u{feff}[]",
        "[1]\u{0}",
    ] {
        agrees_with_serde_json(text).expect(text);
    }
}

#[test]
fn a_broken_text_keeps_what_was_read_before() {
    let (document, outcome) = Document::read(r#"[2,"id","Heartbeat",{"a":tru"#);
    assert_eq!(outcome, Err(JsonError::Syntax));
    let root = document.root().expect("the array began");
    assert!(!document.is_finished(root));
    let parts: Vec<_> = document.children(root).collect();
    assert_eq!(document.raw(parts[0]), "2");
    assert_eq!(document.string(parts[1]).as_deref(), Some("id"));
    assert_eq!(document.string(parts[2]).as_deref(), Some("Heartbeat"));
    assert!(!document.is_finished(parts[3]));
    assert_eq!(parts.len(), 4);
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(Document::read(&nested(JSON_DEPTH_MAX)).1, Ok(()));
    assert_eq!(Document::read(&nested(JSON_DEPTH_MAX + 1)).1, Err(JsonError::Depth));
    let wide = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(Document::read(&wide(JSON_NODES_MAX - 1)).1, Ok(()));
    assert_eq!(Document::read(&wide(JSON_NODES_MAX)).1, Err(JsonError::Size));
}

#[test]
fn a_name_written_with_escapes_is_found() {
    let (document, outcome) = Document::read(r#"{"id\u0054ag":"x"}"#);
    assert_eq!(outcome, Ok(()));
    let root = document.root().expect("a root");
    assert!(document.member(root, "idTag").is_some());
}

proptest! {
    #[test]
    fn any_text_is_read_as_serde_json_reads_it(text in any::<String>()) {
        agrees_with_serde_json(&text)?;
    }

    #[test]
    fn json_like_texts_are_read_as_serde_json_reads_them(
        text in r#"[\[\]{}:, "\\untrfalse0-9eE.+\-]{0,40}"#,
    ) {
        agrees_with_serde_json(&text)?;
    }

    #[test]
    fn real_json_is_read_as_serde_json_reads_it(value in json()) {
        agrees_with_serde_json(&value.to_string())?;
        agrees_with_serde_json(&serde_json::to_string_pretty(&value).expect("a value"))?;
    }

    #[test]
    fn places_lie_in_their_parents(value in json()) {
        let text = value.to_string();
        let (document, outcome) = Document::read(&text);
        prop_assert_eq!(outcome, Ok(()));
        check_places(&document, document.root().expect("a root"))?;
    }
}

fn check_places(document: &Document<'_>, node: NodeId) -> Result<(), TestCaseError> {
    let outer = document.range(node);
    let mut last = outer.start;
    for child in document.children(node) {
        let inner = document.range(child);
        prop_assert!(last < inner.start && inner.end < outer.end);
        last = inner.end - 1;
        check_places(document, child)?;
    }
    Ok(())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

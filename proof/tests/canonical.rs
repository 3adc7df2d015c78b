//! The canonical form: the same whether it is written from a typed value or from JSON, sorted
//! by RFC 8785, and refusing what the log may not hold.

use chargebook_proof::{CanonicalError, CanonicalJson, NESTING_DEPTH_MAX};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Pair(i8, &'static str);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Shape {
    Unit,
    New(u16),
    Tuple(u8, bool),
    Struct { zebra: i64, ant: Option<u32> },
}

#[derive(Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Point { y: i32, x: i32 },
}

#[derive(Serialize)]
struct Everything {
    zulu: Vec<Shape>,
    alpha: Unit,
    mike: Pair,
    letter: char,
    numbers: BTreeMap<i32, &'static str>,
    tagged: Tagged,
    #[serde(flatten)]
    rest: BTreeMap<&'static str, Value>,
    address: std::net::Ipv4Addr,
    nothing: Option<()>,
}

fn everything() -> Everything {
    let shapes = vec![
        Shape::Unit,
        Shape::New(7),
        Shape::Tuple(1, true),
        Shape::Struct { zebra: -9, ant: None },
    ];
    Everything {
        zulu: shapes,
        alpha: Unit,
        mike: Pair(-1, "\"\\\u{1}\n"),
        letter: 'ß',
        numbers: BTreeMap::from([(10, "ten"), (9, "nine")]),
        tagged: Tagged::Point { y: 2, x: 1 },
        rest: BTreeMap::from([("beta", json!([{"b": 1, "a": {}}])), ("yankee", json!(null))]),
        address: std::net::Ipv4Addr::LOCALHOST,
        nothing: None,
    }
}

#[test]
fn every_shape_that_serde_knows() {
    let expected = concat!(
        r#"{"address":"127.0.0.1","alpha":null,"beta":[{"a":{},"b":1}],"letter":"ß","#,
        r#""mike":[-1,"\"\\\u0001\n"],"nothing":null,"numbers":{"10":"ten","9":"nine"},"#,
        r#""tagged":{"kind":"Point","x":1,"y":2},"yankee":null,"#,
        r#""zulu":["unit",{"new":7},{"tuple":[1,true]},{"struct":{"ant":null,"zebra":-9}}]}"#,
    );
    let typed = CanonicalJson::from_serialize(&everything()).unwrap();
    assert_eq!(typed.as_str(), expected);
    assert_eq!(CanonicalJson::parse(expected), Ok(typed));
}

#[test]
fn members_are_sorted_by_utf16_units() {
    // U+1F600 is D83D DE00 in UTF-16, so it stands before U+FB33 though it is the larger
    // character (the example of RFC 8785 section 3.2.3).
    let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "\u{20ac}": 3, "\r": 4, "1": 5});
    let canonical = CanonicalJson::from_value(&value).unwrap();
    let expected = "{\"\\r\":4,\"1\":5,\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}";
    assert_eq!(canonical.as_str(), expected);
}

#[test]
fn what_the_log_may_not_hold() {
    let number = |text: &str| Err(CanonicalError::Number(text.to_owned()));
    assert_eq!(CanonicalJson::from_serialize(&1.0), number("1.0"));
    assert_eq!(CanonicalJson::from_value(&json!(0.5)), number("0.5"));
    assert_eq!(CanonicalJson::from_serialize(&(1_u64 << 53)), number("9007199254740992"));
    assert_eq!(CanonicalJson::from_serialize(&-(1_i64 << 53)), number("-9007199254740992"));
    assert!(CanonicalJson::from_serialize(&((1_u64 << 53) - 1)).is_ok());
    let nested = |levels: usize| (0..levels).fold(json!(1), |inside, _| json!([inside]));
    assert!(CanonicalJson::from_value(&nested(NESTING_DEPTH_MAX)).is_ok());
    let too_deep = CanonicalJson::from_value(&nested(NESTING_DEPTH_MAX + 1));
    assert_eq!(too_deep, Err(CanonicalError::TooDeep));
    let named_by_list = BTreeMap::from([(vec![1], 1)]);
    assert!(matches!(
        CanonicalJson::from_serialize(&named_by_list),
        Err(CanonicalError::NotJson(_))
    ));
}

#[test]
fn a_member_that_occurs_twice_is_refused() {
    #[derive(Serialize)]
    struct Twice {
        name: u8,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    let twice = Twice { name: 1, rest: BTreeMap::from([("name", 2)]) };
    let refused = CanonicalJson::from_serialize(&twice);
    assert_eq!(refused, Err(CanonicalError::NotJson("member `name` occurs twice".to_owned())));
}

/// The rules of RFC 8785 once more, written as simply as they can be.
fn by_the_book(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(by_the_book).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let written = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), by_the_book(value)));
            format!("{{{}}}", written.collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let name = "[a-c\u{e000}\u{1f600}\"\\\\\u{0}-\u{1f}]{0,3}";
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
        ".*".prop_map(Value::from),
        name.prop_map(Value::from),
    ];
    plain.prop_recursive(5, 64, 6, move |inside| {
        prop_oneof![
            vec(inside.clone(), 0..6).prop_map(Value::from),
            btree_map(name, inside, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_written_by_the_book(value in any_value()) {
        let canonical = CanonicalJson::from_value(&value).unwrap();
        prop_assert_eq!(canonical.as_str(), by_the_book(&value));
        prop_assert_eq!(serde_json::from_str::<Value>(canonical.as_str()).unwrap(), value);
    }
}

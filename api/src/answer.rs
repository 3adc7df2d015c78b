//! What requests are answered with: pages, writes, and the forms of numbers.

use axum::Json;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chargebook_commands::registry::Registered;
use chargebook_store::Position;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

/// Header of every write's answer: where the log stands with it, to be given to `wait_for`.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("chargebook-position");

/// What need not be escaped in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Greatest integer that every JSON reader keeps exact (RFC 8259 section 6).
const EXACT_INTEGER_MAX: i64 = (1 << 53) - 1;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Opaque: send it as `after` to get the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// What came of a write.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Written {
    /// What was written about: the id that the path or the body gave.
    pub(crate) id: String,
    /// Whether anything is different now; false where it was so before.
    pub(crate) changed: bool,
    /// Where the log stands with it, as in the header `Chargebook-Position`.
    pub(crate) position: u64,
}

impl Written {
    /// Something registered: 201 with its place where it is new, 200 where it was there.
    pub(crate) fn registered(registered: Registered, collection: &str, id: &str) -> Response {
        let Registered { created, position } = registered;
        let body = Self { id: id.to_owned(), changed: created, position: position.as_u64() };
        match created {
            true => {
                let location = located(&Self::path(collection, id));
                at_position(position, (StatusCode::CREATED, location, Json(body)))
            }
            false => at_position(position, Json(body)),
        }
    }

    /// Where a thing of a collection is.
    pub(crate) fn path(collection: &str, id: &str) -> String {
        format!("{collection}/{}", utf8_percent_encode(id, SEGMENT))
    }

    /// Something changed: 200.
    pub(crate) fn changed(changed: bool, position: Position, id: &str) -> Response {
        let body = Self { id: id.to_owned(), changed, position: position.as_u64() };
        at_position(position, Json(body))
    }
}

/// A `Location` header.
pub(crate) fn located(path: &str) -> [(HeaderName, HeaderValue); 1] {
    // Percent-encoded paths are always valid header values.
    let value = HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/"));
    [(LOCATION, value)]
}

/// An answer with the position of a write.
pub(crate) fn at_position(position: Position, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(POSITION_HEADER, HeaderValue::from(position.as_u64()));
    response
}

/// An exact quantity: a JSON integer where it is whole, else a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exact(pub(crate) Decimal);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0.normalize();
        match value.to_i64().filter(|_| value.is_integer()) {
            Some(whole) if whole.abs() <= EXACT_INTEGER_MAX => serializer.serialize_i64(whole),
            _ => serializer.collect_str(&value),
        }
    }
}

impl utoipa::PartialSchema for Exact {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^-?\d+\.\d+$"));
        OneOfBuilder::new()
            .item(integer)
            .item(text)
            .description(Some("Exact: an integer where it is whole, else a decimal string."))
            .into()
    }
}

impl ToSchema for Exact {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Exact")
    }
}

/// Minor units as a decimal string in major units: 595 with exponent 2 is `5.95`.
pub(crate) fn major(minor: i64, exponent: u32) -> String {
    Decimal::try_new(minor, exponent).map_or_else(|_| minor.to_string(), |sum| sum.to_string())
}

/// An amount as a decimal string, exact, with at least two digits after the point.
pub(crate) fn amount(value: Decimal) -> String {
    let mut value = value.normalize();
    if value.scale() < 2 {
        value.rescale(2);
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_quantities_are_integers_and_others_decimal_strings() {
        let check = |text: &str, expect: &str| {
            let exact = Exact(text.parse().expect("a decimal"));
            assert_eq!(serde_json::to_string(&exact).expect("JSON"), expect);
        };
        check("10000", "10000");
        check("10000.000", "10000");
        check("-3", "-3");
        check("0.5", r#""0.5""#);
        check("9007199254740992", r#""9007199254740992""#);
        check("123456789012345678901234567", r#""123456789012345678901234567""#);
    }

    #[test]
    fn money_is_a_decimal_string_in_major_units() {
        assert_eq!(major(595, 2), "5.95");
        assert_eq!(major(-5, 2), "-0.05");
        assert_eq!(major(500, 0), "500");
        assert_eq!(major(1500, 3), "1.500");
        assert_eq!(amount("5.9500".parse().expect("a decimal")), "5.95");
        assert_eq!(amount("5".parse().expect("a decimal")), "5.00");
        assert_eq!(amount("0.12345".parse().expect("a decimal")), "0.12345");
    }
}

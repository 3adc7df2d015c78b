//! The check of a payload against a wire type: what `shape` does by tables, done by the types
//! that stand for the standard's schemas.
//!
//! A wire type says by its `Deserialize` which members an object has and what they hold, and by
//! its `Validate` how long and how many they may be. So the payload is read from the nodes of
//! its document straight into the type, and on the way the walk notes what no type keeps:
//! where something is wrong, what the standard does not know, and where personal data stands.
//! The value itself is not kept; what a message says is read from the document, by place.
//!
//! The rules beside the schema's are those of `shape`: `null` is an empty payload, and as a member
//! a value of a wrong type; unknown members are counted, accepted and sealed.

use super::error::ErrorCode;
use super::json::{Children, Document, Kind, NodeId};
use super::shape::{Findings, Step, Violation, is_payload, pointer, seal_strings};
use chargebook_commands::message::PersonalKind;
use ocpp_kit::validate::{Validate, ViolationKind};
use rust_decimal::prelude::ToPrimitive;
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use std::borrow::Cow;

/// Tells which members of an object are about a person; the object is named as its wire type
/// is.
pub(crate) type PersonalMembers = fn(&str) -> Sensitive;

/// What is about a person in an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensitive {
    /// The members; everything below them counts.
    pub(crate) members: &'static [&'static str],
    /// The member that holds a token's uid: then what is personal here is the token holder's.
    pub(crate) uid: Option<&'static str>,
    /// More members, where something says so of the object.
    pub(crate) further: Option<Further>,
}

/// Members that are about a person in some objects of a type only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Further {
    /// In which objects.
    pub(crate) applies: fn(&Document<'_>, NodeId) -> bool,
    /// The members.
    pub(crate) members: &'static [&'static str],
}

impl Sensitive {
    /// Nothing is.
    pub(crate) const NOTHING: Self = Self::members(&[]);

    /// These members, always; the station's own key seals them.
    pub(crate) const fn members(members: &'static [&'static str]) -> Self {
        Self { members, uid: None, further: None }
    }
}

/// Checks a payload against the wire type `T`.
pub(crate) fn check<T: DeserializeOwned + Validate>(
    document: &Document<'_>,
    payload: NodeId,
    personal: PersonalMembers,
) -> Result<Findings, Violation> {
    let mut walk = Walk {
        document,
        findings: Findings::default(),
        path: Vec::new(),
        personal,
        is_sealed: false,
        uid: None,
    };
    if !is_payload(document, payload) {
        return Err(
            walk.violation(Failure::new(ErrorCode::FormatViolation, "the payload is no object"))
        );
    }
    let value = match T::deserialize(Value { walk: &mut walk, node: payload }) {
        Ok(value) => value,
        Err(failure) => return Err(walk.violation(failure)),
    };
    match value.validate() {
        Ok(()) => Ok(walk.findings),
        Err(violations) => Err(violations.first().map_or_else(
            || walk.violation(Failure::new(ErrorCode::ProtocolError, "not a valid payload")),
            broken_rule,
        )),
    }
}

/// A rule that the schema sets besides the types of members. The pointer holds names of the
/// standard only; the reason may hold values and is left out.
fn broken_rule(violation: &ocpp_kit::validate::Violation) -> Violation {
    let (code, rule) = match violation.kind {
        ViolationKind::Occurrence => {
            (ErrorCode::OccurrenceConstraintViolation, "the list is too short or too long")
        }
        ViolationKind::Type => (ErrorCode::TypeConstraintViolation, "of a wrong type"),
        ViolationKind::UnknownEnumValue => {
            (ErrorCode::PropertyConstraintViolation, "not a word of the standard")
        }
        ViolationKind::Property => {
            (ErrorCode::PropertyConstraintViolation, "too long or out of range")
        }
        _ => (ErrorCode::ProtocolError, "breaks a rule of the standard"),
    };
    Violation { code, pointer: violation.path.clone(), rule }
}

/// What went wrong at the place where the walk stands, or in a member of it.
#[derive(Debug)]
struct Failure {
    code: ErrorCode,
    rule: &'static str,
    member: Option<&'static str>,
}

impl Failure {
    fn new(code: ErrorCode, rule: &'static str) -> Self {
        Self { code, rule, member: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.rule)
    }
}

impl std::error::Error for Failure {}

/// Messages of wire types may hold a station's values, so they are dropped here.
impl de::Error for Failure {
    fn custom<T: std::fmt::Display>(_message: T) -> Self {
        Self::new(ErrorCode::PropertyConstraintViolation, "not a value of the standard")
    }

    fn invalid_type(_unexpected: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self::new(ErrorCode::TypeConstraintViolation, "of a wrong type")
    }

    fn invalid_value(_unexpected: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self::new(ErrorCode::PropertyConstraintViolation, "out of range")
    }

    fn invalid_length(_length: usize, _expected: &dyn de::Expected) -> Self {
        Self::new(ErrorCode::OccurrenceConstraintViolation, "too few or too many")
    }

    fn missing_field(field: &'static str) -> Self {
        let rule = "a required member is missing";
        let code = ErrorCode::OccurrenceConstraintViolation;
        Self { code, rule, member: Some(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { code: ErrorCode::FormatViolation, rule: "given twice", member: Some(field) }
    }
}

struct Walk<'d, 'a> {
    document: &'d Document<'a>,
    findings: Findings,
    /// Where it stands; kept as it was when something goes wrong.
    path: Vec<Step>,
    personal: PersonalMembers,
    /// Within something that is sealed as a whole.
    is_sealed: bool,
    /// The uid of the token whose object it is in.
    uid: Option<String>,
}

impl Walk<'_, '_> {
    fn violation(&self, failure: Failure) -> Violation {
        let mut path = self.path.clone();
        path.extend(failure.member.map(Step::Name));
        Violation { code: failure.code, pointer: pointer(&path), rule: failure.rule }
    }

    fn kind(&self, node: NodeId) -> Kind {
        self.document.kind(node)
    }

    /// Everything in an open place: sealed, unless it has been already.
    fn seal(&mut self, node: NodeId) {
        if self.is_sealed {
            return;
        }
        match &self.uid {
            None => seal_strings(self.document, node, &mut self.findings.personal),
            Some(uid) => {
                let mut places = Vec::new();
                seal_strings(self.document, node, &mut places);
                for mut place in places {
                    place.kind = PersonalKind::IdTag(uid.clone());
                    self.findings.personal.push(place);
                }
            }
        }
    }
}

/// A value of the document, for whoever deserializes it.
struct Value<'w, 'd, 'a> {
    walk: &'w mut Walk<'d, 'a>,
    node: NodeId,
}

/// Under this name a wire type asks for a number as it is written, not rounded to binary; the
/// protocol is `serde_json`'s for raw values.
const NUMBER_AS_WRITTEN: &str = "$serde_json::private::RawValue";

impl<'de> Value<'_, '_, '_> {
    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Some(raw) = self.walk.document.number(self.node) else {
            return Err(Failure::new(ErrorCode::TypeConstraintViolation, "not an integer"));
        };
        match integer(raw) {
            Integer::Fits(integer) => visitor.visit_i64(integer),
            Integer::TooLarge => {
                Err(Failure::new(ErrorCode::PropertyConstraintViolation, "out of range"))
            }
            Integer::Not => Err(Failure::new(ErrorCode::TypeConstraintViolation, "not an integer")),
        }
    }

    fn object<V: Visitor<'de>>(
        self,
        members: Known,
        sensitive: Sensitive,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let Self { walk, node } = self;
        let fits = match walk.path.is_empty() {
            true => is_payload(walk.document, node),
            false => walk.kind(node) == Kind::Object,
        };
        if !fits {
            return Err(Failure::new(ErrorCode::TypeConstraintViolation, "not an object"));
        }
        let further = sensitive.further.filter(|further| (further.applies)(walk.document, node));
        let personal = [sensitive.members, further.map_or(&[], |further| further.members)];
        let uid = sensitive.uid.and_then(|name| walk.document.member(node, name));
        let uid = uid.and_then(|uid| walk.document.string(uid)).filter(|uid| !uid.is_empty());
        let uid = uid.map(Cow::into_owned);
        let outer_uid = uid.map(|uid| walk.uid.replace(uid));
        let parts = walk.document.children(node);
        let object = Object { walk: &mut *walk, parts, members, personal, seen: 0, value: None };
        let value = visitor.visit_map(object)?;
        if let Some(outer_uid) = outer_uid {
            walk.uid = outer_uid;
        }
        Ok(value)
    }
}

/// What a JSON number is as an integer.
enum Integer {
    Fits(i64),
    TooLarge,
    Not,
}

/// A number without a fraction is an integer, however it is written (JSON Schema draft 6).
fn integer(raw: &str) -> Integer {
    if let Ok(integer) = raw.parse() {
        return Integer::Fits(integer);
    }
    if raw.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return Integer::TooLarge;
    }
    match crate::meter::json_number(raw) {
        Some(number) if number.fract().is_zero() => {
            number.to_i64().map_or(Integer::TooLarge, Integer::Fits)
        }
        _ => Integer::Not,
    }
}

impl<'de> de::Deserializer<'de> for Value<'_, '_, '_> {
    type Error = Failure;

    /// An open place: the schema lets anything stand there.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.walk.seal(self.node);
        visitor.visit_unit()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let sensitive = (self.walk.personal)(name);
        self.object(Known::These(fields), sensitive, visitor)
    }

    /// An object that the schema leaves open: `customData`.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.object(Known::Open, Sensitive::NOTHING, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Self { walk, node } = self;
        if walk.kind(node) != Kind::Array {
            return Err(Failure::new(ErrorCode::TypeConstraintViolation, "not a list"));
        }
        let items = walk.document.children(node);
        visitor.visit_seq(List { walk, items, index: 0 })
    }

    /// Whether `null` may stand there is for the type inside to say.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name != NUMBER_AS_WRITTEN {
            return visitor.visit_newtype_struct(self);
        }
        let document = self.walk.document;
        let raw = document.number(self.node).unwrap_or_else(|| document.raw(self.node));
        visitor.visit_map(AsWritten { raw: Some(raw) })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Some(text) = self.walk.document.string(self.node) else {
            return Err(Failure::new(ErrorCode::TypeConstraintViolation, "not a string"));
        };
        match repaired_time(&text) {
            Some(time) => {
                self.walk.findings.repaired_times += 1;
                visitor.visit_str(&time)
            }
            None => visitor.visit_str(&text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.walk.document.string(self.node) {
            Some(text) => visitor.visit_str(&text),
            None => Err(Failure::new(ErrorCode::TypeConstraintViolation, "not a string")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.walk.kind(self.node) {
            Kind::Boolean => visitor.visit_bool(self.walk.document.raw(self.node) == "true"),
            _ => Err(Failure::new(ErrorCode::TypeConstraintViolation, "not true or false")),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

/// A text that is an instant in all but its spelling (no offset, say), spelt as the standard
/// has it: it is read as meant, and counted.
fn repaired_time(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let may_be_time = bytes.len() > 10 && bytes[4] == b'-' && bytes[0].is_ascii_digit();
    if !may_be_time {
        return None;
    }
    let time = crate::time::read(text).filter(|time| time.is_repaired)?;
    Some(time.instant.to_string())
}

/// Which members an object may have.
#[derive(Clone, Copy)]
enum Known {
    These(&'static [&'static str]),
    /// Any; those that the wire type does not name are open.
    Open,
}

/// Most members of one object of the standard: a bit each tells which were seen.
const OBJECT_MEMBERS_MAX: usize = 64;

struct Object<'w, 'd, 'a> {
    walk: &'w mut Walk<'d, 'a>,
    parts: Children<'d>,
    members: Known,
    personal: [&'static [&'static str]; 2],
    seen: u64,
    value: Option<(&'static str, NodeId)>,
}

impl<'d, 'a> Object<'_, 'd, 'a> {
    /// The next member that the type knows; the others are counted and sealed on the way.
    fn next_known(
        &mut self,
        fields: &'static [&'static str],
    ) -> Result<Option<&'static str>, Failure> {
        debug_assert!(fields.len() <= OBJECT_MEMBERS_MAX);
        let document: &'d Document<'a> = self.walk.document;
        while let (Some(name), Some(value)) = (self.parts.next(), self.parts.next()) {
            let name = document.string(name).unwrap_or_default();
            let known = fields.iter().position(|field| *field == name);
            let Some((index, field)) = known.and_then(|i| Some((i, *fields.get(i)?))) else {
                self.walk.findings.extra_members =
                    self.walk.findings.extra_members.saturating_add(1);
                self.walk.seal(value);
                continue;
            };
            if document.is_left_out(value) {
                continue;
            }
            if self.seen & (1 << index) != 0 {
                return Err(de::Error::duplicate_field(field));
            }
            self.seen |= 1 << index;
            self.value = Some((field, value));
            return Ok(Some(field));
        }
        Ok(None)
    }
}

impl<'de> de::MapAccess<'de> for Object<'_, '_, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        match self.members {
            Known::These(fields) => match self.next_known(fields)? {
                Some(field) => seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some),
                None => Ok(None),
            },
            Known::Open => {
                let (Some(name), Some(value)) = (self.parts.next(), self.parts.next()) else {
                    return Ok(None);
                };
                let name = self.walk.document.string(name).unwrap_or_default();
                self.value = Some((VENDOR_ID, value));
                seed.deserialize(StrDeserializer::new(&name)).map(Some)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((name, node)) = self.value.take() else {
            return Err(Failure::new(ErrorCode::FormatViolation, "a member without a value"));
        };
        self.walk.path.push(Step::Name(name));
        let was_sealed = self.walk.is_sealed;
        if self.personal.iter().any(|members| members.contains(&name)) {
            self.walk.seal(node);
            self.walk.is_sealed = true;
        }
        let value = seed.deserialize(Value { walk: &mut *self.walk, node })?;
        self.walk.is_sealed = was_sealed;
        self.walk.path.pop();
        Ok(value)
    }
}

/// The one member of an open object that has a shape, and so the only one that can be wrong.
const VENDOR_ID: &str = "vendorId";

struct List<'w, 'd, 'a> {
    walk: &'w mut Walk<'d, 'a>,
    items: Children<'d>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for List<'_, '_, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.items.next() else { return Ok(None) };
        self.walk.path.push(Step::Index(self.index));
        let item = seed.deserialize(Value { walk: &mut *self.walk, node })?;
        self.walk.path.pop();
        self.index += 1;
        Ok(Some(item))
    }
}

/// A number as it is written, in the shape of `serde_json`'s raw values.
struct AsWritten<'a> {
    raw: Option<&'a str>,
}

impl<'de> de::MapAccess<'de> for AsWritten<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        match self.raw {
            Some(_) => seed.deserialize(BorrowedStrDeserializer::new(NUMBER_AS_WRITTEN)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(StrDeserializer::new(self.raw.take().unwrap_or_default()))
    }
}

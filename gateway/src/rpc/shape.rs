//! The shape of a payload, and the check of a payload against it: exact error codes, what is
//! not known counted, and the places of personal data, all in one walk.
//!
//! A shape says what the standard's schema says. Three things are read as follows, here and
//! nowhere else:
//! * `null` for the whole payload is a payload without members: "no payload" may be written
//!   `null` or `{}` (OCPP-J 1.6 sections 4.2.1 and 4.2.2, OCPP 2.0.1 Part 4 section 4.1.5).
//! * `null` for a member that the standard knows is a value of a wrong type
//!   (`TypeConstraintViolation`): what is absent is left out (OCPP-J 1.6 section 4.2.1).
//! * Members that the standard does not know are counted and accepted. All strings in them
//!   count as personal, for nobody can say what they are.

use super::error::ErrorCode;
use super::json::{Document, Kind, NodeId};
use crate::meter::json_number;
use chargebook_commands::message::{PersonalKind, PersonalPlace};
use chargebook_domain::events::v1::Quirk;
use std::ops::RangeInclusive;

/// The members of an object.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In the schema's order.
    pub(crate) members: &'static [Member],
}

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// What it holds.
    pub(crate) content: Content,
    /// Whether that is about a person.
    pub(crate) personal: Sensitivity,
}

/// What a member holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Text of at most so many characters.
    Text(usize),
    /// Text of any length (the frame's own bound holds).
    LongText,
    /// A JSON number without fraction and exponent that fits an `i64`: the standard sets no
    /// bound, and registers of large sites pass 2^31 Wh. Where the dialect has fractions of
    /// registers, any exact JSON number.
    Register,
    /// A JSON number without fraction and exponent that fits an `i32`.
    Integer32,
    /// The same from 0 to 2^31 - 1: the number of a connector.
    Connector,
    /// An instant; see [`crate::time`].
    Time,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of at least so many objects.
    List(&'static Shape, usize),
}

/// Whether a member tells about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sensitivity {
    /// No.
    None,
    /// It is a token's uid.
    IdTag,
    /// It is free text.
    FreeText,
    /// Beside `"format":"SignedData"`: such records carry the user's identification.
    WhenSigned,
}

impl Member {
    /// A member that must be there.
    pub(crate) const fn required(name: &'static str, content: Content) -> Self {
        Self { name, required: true, content, personal: Sensitivity::None }
    }

    /// A member that may be left out.
    pub(crate) const fn optional(name: &'static str, content: Content) -> Self {
        Self { name, required: false, content, personal: Sensitivity::None }
    }

    /// The same member, holding personal data.
    pub(crate) const fn personal(mut self, personal: Sensitivity) -> Self {
        self.personal = personal;
        self
    }
}

/// Why a payload does not fit: the code, and where. Holds names of the standard only, so it
/// may be sent, logged and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The code.
    pub(crate) code: ErrorCode,
    /// JSON pointer into the payload.
    pub(crate) pointer: String,
    /// The rule that was broken.
    pub(crate) rule: &'static str,
}

/// What the walk found besides.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Members that the standard does not know.
    pub(crate) extra_members: u32,
    /// Times that were read as meant rather than as written.
    pub(crate) repaired_times: u32,
    /// Personal data, in the order of the text.
    pub(crate) personal: Vec<PersonalPlace>,
}

/// Checks a payload against its shape.
pub(crate) fn check(
    document: &Document<'_>,
    payload: NodeId,
    shape: &'static Shape,
) -> Result<Findings, Violation> {
    let mut walk = Walk { document, findings: Findings::default(), path: Vec::new() };
    if !is_payload(document, payload) {
        return Err(walk.violation(ErrorCode::FormatViolation, "the payload is no object"));
    }
    walk.object(payload, shape)?;
    Ok(walk.findings)
}

/// Whether a value may stand for a payload: an object, or `null`, which is one without members.
pub(crate) fn is_payload(document: &Document<'_>, value: NodeId) -> bool {
    matches!(document.kind(value), Kind::Object | Kind::Null)
}

/// Takes all strings in a value as personal.
pub(crate) fn seal_strings(
    document: &Document<'_>,
    value: NodeId,
    personal: &mut Vec<PersonalPlace>,
) {
    match document.kind(value) {
        Kind::String | Kind::EscapedString => {
            push(document, value, PersonalKind::FreeText, personal)
        }
        Kind::Array => {
            document.children(value).for_each(|item| seal_strings(document, item, personal));
        }
        Kind::Object => {
            document.members(value).for_each(|(_, item)| seal_strings(document, item, personal));
        }
        Kind::Number | Kind::Boolean | Kind::Null => {}
    }
}

/// Whether a JSON number has neither fraction nor exponent, as an integer of 1.6 (JSON Schema
/// draft 4) has not.
fn is_plain_integer(raw: &str) -> bool {
    raw.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
}

/// Takes a string's inside as personal; an empty one has nothing to hide.
fn push(
    document: &Document<'_>,
    value: NodeId,
    kind: PersonalKind,
    personal: &mut Vec<PersonalPlace>,
) {
    if let Some(range) = document.saying(value).filter(|range| !range.is_empty()) {
        personal.push(PersonalPlace { range, kind });
    }
}

/// A step of the way from a payload to a place in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Into a member.
    Name(&'static str),
    /// Into an element.
    Index(usize),
}

/// The JSON pointer of a place.
pub(crate) fn pointer(path: &[Step]) -> String {
    use std::fmt::Write as _;
    let mut pointer = String::new();
    for step in path {
        // Writing to a `String` cannot fail; names of the standard need no escaping.
        let _ = match step {
            Step::Name(name) => write!(pointer, "/{name}"),
            Step::Index(index) => write!(pointer, "/{index}"),
        };
    }
    pointer
}

struct Walk<'d, 'a> {
    document: &'d Document<'a>,
    findings: Findings,
    path: Vec<Step>,
}

/// Most members of one object of the standard: a bit each tells which were seen.
const SHAPE_MEMBERS_MAX: usize = 32;

impl Walk<'_, '_> {
    fn object(&mut self, object: NodeId, shape: &'static Shape) -> Result<(), Violation> {
        debug_assert!(shape.members.len() <= SHAPE_MEMBERS_MAX);
        let document = self.document;
        let mut seen = 0_u32;
        for (name, value) in document.members(object) {
            // Read once: the comparison is the hottest line of the gateway.
            let name = document.string(name).unwrap_or_default();
            let known = shape.members.iter().position(|member| member.name == name);
            let Some((index, member)) = known.and_then(|i| Some((i, shape.members.get(i)?))) else {
                self.findings.extra_members = self.findings.extra_members.saturating_add(1);
                seal_strings(document, value, &mut self.findings.personal);
                continue;
            };
            if document.is_left_out(value) {
                continue;
            }
            self.path.push(Step::Name(member.name));
            if seen & (1 << index) != 0 {
                return Err(self.violation(ErrorCode::FormatViolation, "given twice"));
            }
            seen |= 1 << index;
            if self.is_unknown_word(value, member) {
                // It may be anything, a name too.
                seal_strings(document, value, &mut self.findings.personal);
                self.path.pop();
                continue;
            }
            self.content(value, &member.content)?;
            self.note_personal(object, value, member.personal);
            self.path.pop();
        }
        for (index, member) in shape.members.iter().enumerate() {
            if member.required && seen & (1 << index) == 0 {
                self.path.push(Step::Name(member.name));
                return Err(self.violation(
                    ErrorCode::OccurrenceConstraintViolation,
                    "a required member is missing",
                ));
            }
        }
        Ok(())
    }

    fn content(&mut self, value: NodeId, content: &'static Content) -> Result<(), Violation> {
        match content {
            Content::Text(characters_max) => self.text(value, *characters_max),
            Content::LongText => self.text(value, usize::MAX),
            Content::Register => self.register(value),
            Content::Integer32 => self.integer(value, i32::MIN.into()..=i32::MAX.into()),
            Content::Connector => self.integer(value, 0..=i32::MAX.into()),
            Content::Time => self.time(value),
            Content::OneOf(words) => {
                let Some(word) = self.document.string(value) else {
                    return Err(self.wrong_type("not a string"));
                };
                self.allowed(words.contains(&word.as_ref()), "not a word of the standard")
            }
            Content::List(shape, count_min) => self.list(value, shape, *count_min),
        }
    }

    fn text(&mut self, value: NodeId, characters_max: usize) -> Result<(), Violation> {
        let Some(text) = self.document.string(value) else {
            return Err(self.wrong_type("not a string"));
        };
        // A character has at least one byte, so most texts need no counting.
        let fits = text.len() <= characters_max || text.chars().count() <= characters_max;
        self.allowed(fits, "too long")
    }

    fn integer(&self, value: NodeId, range: RangeInclusive<i64>) -> Result<(), Violation> {
        let digits = self.document.number(value);
        let Some(raw) = digits.filter(|raw| is_plain_integer(raw)) else {
            return Err(self.wrong_type("not an integer"));
        };
        let is_in_range = raw.parse().is_ok_and(|integer: i64| range.contains(&integer));
        self.allowed(is_in_range, "out of range")
    }

    fn register(&self, value: NodeId) -> Result<(), Violation> {
        let number = self.document.number(value);
        let is_exact =
            number.is_some_and(|raw| !is_plain_integer(raw) && json_number(raw).is_some());
        if is_exact && self.document.meets(Quirk::FractionalRegisters) {
            return Ok(());
        }
        self.integer(value, i64::MIN..=i64::MAX)
    }

    /// Whether a member is left out in the dialect, since nobody knows its word.
    fn is_unknown_word(&self, value: NodeId, member: &Member) -> bool {
        let Content::OneOf(words) = &member.content else { return false };
        let word = self.document.string(value).filter(|_| !member.required);
        word.is_some_and(|word| !words.contains(&word.as_ref()))
            && self.document.meets(Quirk::UnknownWords)
    }

    fn time(&mut self, value: NodeId) -> Result<(), Violation> {
        let Some(text) = self.document.string(value) else {
            return Err(self.wrong_type("not a string"));
        };
        let time = crate::time::read(&text);
        self.findings.repaired_times += u32::from(time.is_some_and(|time| time.is_repaired));
        self.allowed(time.is_some(), "not an RFC 3339 time")
    }

    fn list(
        &mut self,
        value: NodeId,
        shape: &'static Shape,
        count_min: usize,
    ) -> Result<(), Violation> {
        if self.document.kind(value) != Kind::Array {
            return Err(self.wrong_type("not a list"));
        }
        let mut count = 0;
        for item in self.document.children(value) {
            self.path.push(Step::Index(count));
            if self.document.kind(item) != Kind::Object {
                return Err(self.wrong_type("not an object"));
            }
            self.object(item, shape)?;
            self.path.pop();
            count += 1;
        }
        if count < count_min {
            return Err(
                self.violation(ErrorCode::OccurrenceConstraintViolation, "the list is too short")
            );
        }
        Ok(())
    }

    fn note_personal(&mut self, object: NodeId, value: NodeId, sensitivity: Sensitivity) {
        let document = self.document;
        let kind = match sensitivity {
            Sensitivity::None => return,
            Sensitivity::IdTag => {
                PersonalKind::IdTag(document.string(value).unwrap_or_default().into_owned())
            }
            Sensitivity::FreeText => PersonalKind::FreeText,
            Sensitivity::WhenSigned => {
                // A format that nobody knows may hold as much as a signed record.
                let format = document.member(object, "format");
                if format.is_none_or(|format| document.is_text(format, "Raw")) {
                    return;
                }
                PersonalKind::FreeText
            }
        };
        push(document, value, kind, &mut self.findings.personal);
    }

    fn allowed(&self, is_allowed: bool, rule: &'static str) -> Result<(), Violation> {
        if is_allowed {
            return Ok(());
        }
        Err(self.violation(ErrorCode::PropertyConstraintViolation, rule))
    }

    fn wrong_type(&self, rule: &'static str) -> Violation {
        self.violation(ErrorCode::TypeConstraintViolation, rule)
    }

    fn violation(&self, code: ErrorCode, rule: &'static str) -> Violation {
        Violation { code, pointer: pointer(&self.path), rule }
    }
}

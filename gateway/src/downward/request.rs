//! A request's payload: checked, put in order, its personal places found.

use super::{order, personal, standard};
use crate::message::Unsendable;
use crate::rpc::error::ErrorCode;
use crate::rpc::json::{Document, Kind, NodeId};
use chargebook_commands::message::{PERSONAL_PLACES_MAX, Personal, PersonalKind, PersonalPlace};
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use ocpp_kit::decode::{DecodeError, DecodeErrorKind};
use ocpp_kit::{RawValue, Version};

/// A payload that the standard allows.
#[derive(Debug)]
pub(super) struct Checked {
    /// The action.
    pub(super) action: &'static str,
    /// JSON, members in the schema's order.
    pub(super) payload: String,
    /// What is personal or secret in it.
    pub(super) personal: Personal,
    /// Whether what stands for erased data stands where personal data belongs.
    pub(super) has_erased: bool,
}

/// Why a payload is not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The version has no such action.
    UnknownAction,
    /// A station's action.
    FromStationsOnly,
    /// Against the schema.
    Invalid {
        /// JSON pointer into the payload.
        pointer: String,
        /// The kind of rule, in words that repeat nothing of the payload.
        rule: &'static str,
        /// The rule and what breaks it, for whoever wrote the payload.
        reason: String,
    },
}

impl Refused {
    fn invalid(pointer: String, rule: &'static str) -> Self {
        Self::Invalid { pointer, rule, reason: rule.to_owned() }
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        let rule = rule(&error);
        Self::Invalid { pointer: pointer_of(&error), rule, reason: error.reason }
    }
}

impl From<Refused> for Unsendable {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownAction | Refused::FromStationsOnly => Self::NoSuchRequest,
            Refused::Invalid { pointer, rule, .. } => Self::Invalid { pointer, rule },
        }
    }
}

/// A kind of violation in words that repeat nothing of the text.
pub(super) fn rule(error: &DecodeError) -> &'static str {
    match error.kind {
        DecodeErrorKind::Occurrence if missing_member(error).is_some() => {
            "a required member is missing"
        }
        DecodeErrorKind::Occurrence => "too few or too many items",
        DecodeErrorKind::Type => "of the wrong type",
        DecodeErrorKind::Property => "not an allowed value",
        DecodeErrorKind::UnknownField => "not a member of the standard",
        DecodeErrorKind::Protocol => "does not go with the other members",
        _ => "not as the standard has it",
    }
}

/// The same as the code that a frame names it by.
pub(super) fn code(error: &DecodeError) -> ErrorCode {
    match error.kind {
        DecodeErrorKind::Format => ErrorCode::FormatViolation,
        DecodeErrorKind::Occurrence => ErrorCode::OccurrenceConstraintViolation,
        DecodeErrorKind::Type => ErrorCode::TypeConstraintViolation,
        DecodeErrorKind::Property => ErrorCode::PropertyConstraintViolation,
        _ => ErrorCode::ProtocolError,
    }
}

/// Where the error is. What is missing is told as missing from its object; here it is named.
pub(super) fn pointer_of(error: &DecodeError) -> String {
    match missing_member(error) {
        Some(member) if !error.path.ends_with(&format!("/{member}")) => {
            format!("{}/{member}", error.path)
        }
        _ => error.path.clone(),
    }
}

fn missing_member(error: &DecodeError) -> Option<&str> {
    error.reason.strip_prefix("missing field `")?.split('`').next()
}

/// Checks a payload, and writes it as it will be sent.
pub(super) fn check(version: Version, action: &str, payload: &str) -> Result<Checked, Refused> {
    let (action, sender) = standard::action(version, action).ok_or(Refused::UnknownAction)?;
    if sender == standard::Sender::Stations {
        return Err(Refused::FromStationsOnly);
    }
    let (document, outcome) = Document::read(payload);
    outcome.map_err(|error| Refused::invalid(String::new(), error.words()))?;
    let root = document.root().filter(|root| document.kind(*root) == Kind::Object);
    let root = root.ok_or_else(|| Refused::invalid(String::new(), "the payload is no object"))?;
    let raw = RawValue::from_string(document.raw(root).to_owned())
        .map_err(|_| Refused::invalid(String::new(), "not JSON"))?;
    let mut writer = Writer {
        document: &document,
        version,
        action,
        text: String::with_capacity(payload.len()),
        places: Vec::new(),
        is_secret: false,
        has_erased: false,
        path: Vec::new(),
    };
    writer.value(root, "", false)?;
    standard::check_request(version, action, &raw)?;
    let Writer { text, places, is_secret, has_erased, .. } = writer;
    let personal = match is_secret || places.len() > PERSONAL_PLACES_MAX {
        true => Personal::Anywhere,
        false => Personal::Places(places),
    };
    Ok(Checked { action, payload: text, personal, has_erased })
}

/// Writes the document again, in the schema's order and without spaces; numbers and strings stay
/// as they are spelt.
struct Writer<'d, 'a> {
    document: &'d Document<'a>,
    version: Version,
    action: &'static str,
    text: String,
    places: Vec<PersonalPlace>,
    /// Whether a secret stands where no hole can be.
    is_secret: bool,
    has_erased: bool,
    path: Vec<String>,
}

impl Writer<'_, '_> {
    /// `name` is the member that the value stands at, also for each item of a list; `is_open`
    /// where the schema does not go any further.
    fn value(&mut self, node: NodeId, name: &str, is_open: bool) -> Result<(), Refused> {
        let document = self.document;
        match document.kind(node) {
            Kind::Object => self.object(node, name, is_open),
            Kind::Array => self.array(node, name, is_open),
            Kind::String | Kind::EscapedString => {
                self.string(node, name, is_open);
                Ok(())
            }
            Kind::Null if !is_open => {
                let rule = "null is no value; what is absent is left out";
                Err(Refused::invalid(self.path.concat(), rule))
            }
            kind @ (Kind::Number | Kind::Boolean | Kind::Null) => {
                self.is_secret |= kind == Kind::Number && personal::is_secret_number(name);
                self.text.push_str(document.raw(node));
                Ok(())
            }
        }
    }

    fn object(&mut self, node: NodeId, name: &str, is_open: bool) -> Result<(), Refused> {
        let document = self.document;
        let mut members: Vec<_> = document
            .members(node)
            .map(|(key, value)| (document.string(key).unwrap_or_default(), key, value))
            .collect();
        if !is_open {
            let order = order::of(self.version, self.action, name);
            members.sort_by_key(|(name, ..)| order.place(name));
            if let Some([(twice, ..), _]) =
                members.array_windows().find(|[(a, ..), (b, ..)]| a == b)
            {
                let pointer = format!("{}/{}", self.path.concat(), escaped(twice));
                return Err(Refused::invalid(pointer, "given twice"));
            }
        }
        self.text.push('{');
        for (index, (name, key, value)) in members.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.text.push_str(document.raw(*key));
            self.text.push(':');
            self.path.push(format!("/{}", escaped(name)));
            self.value(*value, name, is_open || personal::is_open(name))?;
            self.path.pop();
        }
        self.text.push('}');
        Ok(())
    }

    fn array(&mut self, node: NodeId, name: &str, is_open: bool) -> Result<(), Refused> {
        self.text.push('[');
        for (index, item) in self.document.children(node).enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.path.push(format!("/{index}"));
            self.value(item, name, is_open)?;
            self.path.pop();
        }
        self.text.push(']');
        Ok(())
    }

    fn string(&mut self, node: NodeId, name: &str, is_open: bool) {
        let raw = self.document.raw(node);
        let start = self.text.len();
        self.text.push_str(raw);
        let said = || self.document.string(node).unwrap_or_default();
        let kind = match personal::of_request(self.version, name) {
            Some(personal::Sensitivity::Token) => PersonalKind::IdTag(said().into_owned()),
            Some(personal::Sensitivity::Text) => {
                let token = personal::token_in_data(name, &said());
                token.map_or(PersonalKind::FreeText, PersonalKind::IdTag)
            }
            None if is_open => PersonalKind::FreeText,
            None => return,
        };
        let range = start + 1..self.text.len() - 1;
        self.has_erased |= self.text.get(range.clone()) == Some(HOLE_PLACEHOLDER);
        if !range.is_empty() {
            self.places.push(PersonalPlace { range, kind });
        }
    }
}

/// A name as a part of a JSON pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

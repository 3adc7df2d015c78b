//! A station's answer to a CALL of ours: what it says, and what is personal in it.
//!
//! Whatever is wrong with an answer is noted, and not complained of as long as it can be used; only
//! a status that is missing or no word of the standard makes an answer unreadable.

use super::plug_and_charge::{self, CarriedAnswer};
use super::{effect, follow_up, personal, request, standard};
use crate::message::ReplyReading;
use crate::payload::Payload;
use crate::rpc::error::ErrorCode;
use crate::rpc::frame::Frame;
use crate::rpc::json::{Document, Kind, NodeId};
use crate::rpc::shape::{is_payload, seal_strings};
use chargebook_commands::CommandResult;
use chargebook_commands::message::{PERSONAL_PLACES_MAX, Personal, PersonalPlace, RenderedReply};
use ocpp_kit::decode::DecodeOptions;
use ocpp_kit::{RawValue, Version};

/// Longest error code and description that are kept in words, in characters.
const ERROR_CHARACTERS_MAX: usize = 255;

/// Where an answer tells one status for each thing it was asked for, by 2.x action: the list and
/// the member of its items.
const STATUS_LISTS: &[(&str, &str)] = &[
    ("clearMonitoringResult", "status"),
    ("clearTariffsResult", "status"),
    ("getVariableResult", "attributeStatus"),
    ("setMonitoringResult", "status"),
    ("setVariableResult", "attributeStatus"),
];

/// Reads an answer to `request`, a CALL of ours with that action.
pub(crate) fn read_reply(
    version: Version,
    text: &str,
    action: &str,
    request: &RenderedReply,
) -> ReplyReading {
    let (document, outcome) = Document::read(text);
    let frame = Frame::read(&document);
    let mut effects = Vec::new();
    let mut unusable = None;
    let mut nothing_follows = false;
    let (result, personal) = match (outcome, frame) {
        (Ok(()), Frame::Result { payload: Some(payload), .. })
            if is_payload(&document, payload) =>
        {
            let answer = Payload { document: &document, node: payload };
            nothing_follows = follow_up::has_nothing(version, action, &answer);
            let confirmed = confirmation(&document, payload, version, action);
            let (result, places) = (confirmed.result, confirmed.places);
            unusable = confirmed.unusable;
            match carried(version, action, request, &answer) {
                Some(carried) => {
                    effects = carried.effects;
                    (carried.result.unwrap_or(result), places)
                }
                None => {
                    effects = effect::of_answer(version, action, &request.frame, &answer);
                    (result, places)
                }
            }
        }
        (Ok(()), Frame::Error { code, description, .. }) => {
            effects = effect::of_error(version, action, &request.frame);
            let description = description.and_then(|description| document.string(description));
            let error = CommandResult::Error {
                code: in_words(&code, request),
                description: in_words(&description.unwrap_or_default(), request),
            };
            (error, after_code(&document))
        }
        _ => {
            unusable = Some(ErrorCode::FormatViolation);
            (unreadable("the payload is no object"), None)
        }
    };
    let personal = match personal {
        Some(places) if places.len() <= PERSONAL_PLACES_MAX => Personal::Places(places),
        _ => Personal::Anywhere,
    };
    ReplyReading { personal, result, nothing_follows, effects, unusable }
}

/// What an answer says that stands in the data of another.
fn carried(
    version: Version,
    action: &str,
    request: &RenderedReply,
    answer: &Payload<'_, '_>,
) -> Option<CarriedAnswer> {
    let (document, _) = Document::read(&request.frame);
    let Frame::Call(call) = Frame::read(&document) else { return None };
    let call = Payload { document: &document, node: call.payload? };
    plug_and_charge::of_answer(version, action, &call, answer)
}

fn unreadable(detail: &str) -> CommandResult {
    CommandResult::Unreadable { detail: detail.to_owned() }
}

/// A CALLRESULT, read.
struct Confirmation {
    result: CommandResult,
    /// What is personal in it, where that could be told.
    places: Option<Vec<PersonalPlace>>,
    unusable: Option<ErrorCode>,
}

fn confirmation(
    document: &Document<'_>,
    payload: NodeId,
    version: Version,
    action: &str,
) -> Confirmation {
    // `null` is a payload without members.
    let json = if document.kind(payload) == Kind::Null { "{}" } else { document.raw(payload) };
    let Ok(raw) = RawValue::from_string(json.to_owned()) else {
        let result = unreadable("the payload is not JSON");
        let unusable = Some(ErrorCode::FormatViolation);
        return Confirmation { result, places: None, unusable };
    };
    let check = |options| standard::check_response(version, action, &raw, &options);
    let is_clean = check(DecodeOptions::pedantic()).is_ok();
    let (result, unusable) = match check(DecodeOptions::strict()) {
        Err(error) if request::pointer_of(&error) == "/status" => {
            let result = unreadable(&format!("/status: {}", request::rule(&error)));
            (result, Some(request::code(&error)))
        }
        Ok(()) | Err(_) => (CommandResult::Result { status: status(document, payload) }, None),
    };
    let mut walk = Walk { document, places: Vec::new(), is_clean };
    let status_is_a_word = unusable.is_none();
    for (name, value) in document.members(payload) {
        let is_status = status_is_a_word && document.is_text(name, "status");
        if !is_status {
            walk.member(&document.string(name).unwrap_or_default(), value);
        }
    }
    Confirmation { result, places: Some(walk.places), unusable }
}

/// The status: the payload's own, or the one that all things that were asked for have.
fn status(document: &Document<'_>, payload: NodeId) -> Option<String> {
    let word = |object, name| {
        let word = document.member(object, name).and_then(|status| document.string(status))?;
        is_a_word(&word).then(|| word.into_owned())
    };
    if let Some(status) = word(payload, "status") {
        return Some(status);
    }
    STATUS_LISTS.iter().find_map(|(list, member)| {
        let list = document.member(payload, list)?;
        let mut statuses = document.children(list).map(|item| word(item, member));
        let first = statuses.next()??;
        statuses.all(|status| status.as_ref() == Some(&first)).then_some(first)
    })
}

/// Whether a status looks like one; a station may write anything into an answer.
pub(super) fn is_a_word(status: &str) -> bool {
    (1..=STATUS_BYTES_MAX).contains(&status.len())
        && status.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Longest status that is kept as such, in bytes.
const STATUS_BYTES_MAX: usize = 40;

/// Finds the texts that may be anything.
struct Walk<'d, 'a> {
    document: &'d Document<'a>,
    places: Vec<PersonalPlace>,
    /// Whether the answer is as the standard has it, with no members of its own.
    is_clean: bool,
}

impl Walk<'_, '_> {
    fn member(&mut self, name: &str, value: NodeId) {
        match self.document.kind(value) {
            _ if personal::is_open(name) => self.seal(value),
            Kind::Object if name == "configurationKey" => self.setting(value),
            Kind::Object => self.object(value),
            Kind::Array => {
                self.document.children(value).for_each(|item| self.member(name, item));
            }
            Kind::String | Kind::EscapedString => {
                if !(self.is_clean && personal::is_plain_in_answers(name)) {
                    self.seal(value);
                }
            }
            Kind::Number | Kind::Boolean | Kind::Null => {}
        }
    }

    fn object(&mut self, object: NodeId) {
        let document = self.document;
        for (name, value) in document.members(object) {
            self.member(&document.string(name).unwrap_or_default(), value);
        }
    }

    /// A setting of 1.6: its key is plain, and so is the value of the standard's own keys.
    fn setting(&mut self, setting: NodeId) {
        let document = self.document;
        let key = document.member(setting, "key").and_then(|key| document.string(key));
        let is_plain_setting = key.is_some_and(|key| personal::is_plain_setting(&key));
        for (name, value) in document.members(setting) {
            let is_plain = document.is_text(name, "key")
                || (is_plain_setting && document.is_text(name, "value"));
            if !is_plain {
                self.seal(value);
            }
        }
    }

    fn seal(&mut self, value: NodeId) {
        seal_strings(self.document, value, &mut self.places);
    }
}

/// Everything after a CALLERROR's code: a station may write anything there.
fn after_code(document: &Document<'_>) -> Option<Vec<PersonalPlace>> {
    let mut places = Vec::new();
    let parts = document.children(document.root()?);
    parts.skip(3).for_each(|part| seal_strings(document, part, &mut places));
    Some(places)
}

/// A station's words as they may be kept in plain: cut, and withheld where they repeat what was
/// personal in the request.
fn in_words(text: &str, request: &RenderedReply) -> String {
    let cut: String = text.chars().take(ERROR_CHARACTERS_MAX).collect();
    let lower = text.to_lowercase();
    let repeats = request.personal.iter().any(|place| {
        request
            .frame
            .get(place.range.clone())
            .is_some_and(|secret| lower.contains(&secret.to_lowercase()))
    });
    if repeats { "(withheld: it repeats personal data)".to_owned() } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chargebook_commands::message::PersonalKind;

    fn request() -> RenderedReply {
        let frame = r#"[2,"1","RemoteStartTransaction",{"idTag":"04A1B2C3"}]"#.to_owned();
        let start = frame.find("04A1").expect("the tag");
        let kind = PersonalKind::IdTag("04A1B2C3".into());
        RenderedReply { personal: vec![PersonalPlace { range: start..start + 8, kind }], frame }
    }

    #[track_caller]
    fn check(action: &str, text: &str, expected: CommandResult, holes: Option<&[&str]>) {
        check_version(Version::V1_6, action, text, expected, holes);
    }

    #[track_caller]
    fn check_version(
        version: Version,
        action: &str,
        text: &str,
        expected: CommandResult,
        holes: Option<&[&str]>,
    ) {
        let ReplyReading { personal, result, .. } = read_reply(version, text, action, &request());
        assert_eq!(result, expected, "{text}");
        let found = match &personal {
            Personal::Anywhere => None,
            Personal::Places(places) => {
                Some(places.iter().map(|place| &text[place.range.clone()]).collect::<Vec<_>>())
            }
        };
        assert_eq!(found.as_deref(), holes, "{text}");
    }

    fn status(status: &str) -> CommandResult {
        CommandResult::Result { status: Some(status.to_owned()) }
    }

    fn error(code: &str, description: &str) -> CommandResult {
        CommandResult::Error { code: code.to_owned(), description: description.to_owned() }
    }

    #[test]
    fn confirmations() {
        check("Reset", r#"[3,"1",{"status":"Accepted"}]"#, status("Accepted"), Some(&[]));
        check(
            "RemoteStartTransaction",
            r#"[3,"1",{"status":"Rejected","note":"Bob's card"}]"#,
            status("Rejected"),
            Some(&["Bob's card"]),
        );
        check("UnlockConnector", r#"[3,"1",{"status":"Unlocked"}]"#, status("Unlocked"), Some(&[]));
        let missing = unreadable("/status: a required member is missing");
        check("Reset", r#"[3,"1",{}]"#, missing, Some(&[]));
        let wrong = unreadable("/status: not an allowed value");
        check("Reset", r#"[3,"1",{"status":"Bob"}]"#, wrong, Some(&["Bob"]));
        check(
            "Reset",
            r#"[3,"1",{"status":7}]"#,
            unreadable("/status: of the wrong type"),
            Some(&[]),
        );
        let no_object = || unreadable("the payload is no object");
        check("Reset", r#"[3,"1"]"#, no_object(), None);
        check("Reset", r#"[3,"1",[]]"#, no_object(), None);
    }

    #[test]
    fn null_is_a_payload_without_members() {
        let missing = unreadable("/status: a required member is missing");
        check("Reset", r#"[3,"1",null]"#, missing, Some(&[]));
        let done = CommandResult::Result { status: None };
        check("UpdateFirmware", r#"[3,"1",null]"#, done.clone(), Some(&[]));
        for version in [Version::V2_0_1, Version::V2_1] {
            check_version(version, "CostUpdated", r#"[3,"1",null]"#, done.clone(), Some(&[]));
        }
    }

    #[test]
    fn settings_of_the_standard_stay_plain() {
        let text = r#"[3,"1",{"configurationKey":[
            {"key":"HeartbeatInterval","readonly":false,"value":"300"},
            {"key":"FreeVendTag","readonly":false,"value":"04A1B2C3"},
            {"key":"AuthorizationKey","readonly":false,"value":"secret"}],
            "unknownKey":["Foo"]}]"#;
        let none = CommandResult::Result { status: None };
        check("GetConfiguration", text, none, Some(&["04A1B2C3", "secret"]));
    }

    #[test]
    fn answers_of_2_have_one_status_where_all_things_have_the_same() {
        let set = |first: &str, second: &str| {
            let result = |status: &str| {
                format!(
                    r#"{{"attributeStatus":"{status}","component":{{"name":"C"}},"variable":{{"name":"V"}}}}"#
                )
            };
            let (first, second) = (result(first), result(second));
            format!(r#"[3,"1",{{"setVariableResult":[{first},{second}]}}]"#)
        };
        let check = |text: &str, expected, holes: &[&str]| {
            let version = Version::V2_0_1;
            check_version(version, "SetVariables", text, expected, Some(holes));
        };
        check(&set("Accepted", "Accepted"), status("Accepted"), &[]);
        check(&set("Accepted", "Rejected"), CommandResult::Result { status: None }, &[]);
        let said = r#"[3,"1",{"status":"Rejected","statusInfo":{"reasonCode":"NoPerm",
            "additionalInfo":"Bob's card"}}]"#;
        let rejected = status("Rejected");
        let holes: &[&str] = &["Bob's card"];
        check_version(Version::V2_1, "RequestStartTransaction", said, rejected, Some(holes));
    }

    #[test]
    fn a_vendors_excess_does_not_hide_what_an_answer_says() {
        // A value longer than the standard allows; everything in it may be anything then.
        let value = "x".repeat(501);
        let text = format!(
            r#"[3,"1",{{"configurationKey":[{{"key":"K","readonly":true,"value":"{value}"}}]}}]"#
        );
        let none = CommandResult::Result { status: None };
        check("GetConfiguration", &text, none, Some(&[&value]));
        let text = r#"[3,"1",{"status":"Accepted","reasonCode":"Bob"}]"#;
        check("ClearCache", text, status("Accepted"), Some(&["Bob"]));
    }

    #[test]
    fn errors() {
        check(
            "Reset",
            r#"[4,"1","InternalError","out of memory",{"at":["main"]}]"#,
            error("InternalError", "out of memory"),
            Some(&["out of memory", "main"]),
        );
        check(
            "Reset",
            r#"[4,"1","GenericError","tag 04a1b2c3 is unknown",{}]"#,
            error("GenericError", "(withheld: it repeats personal data)"),
            Some(&["tag 04a1b2c3 is unknown"]),
        );
        check("Reset", r#"[4,"1"]"#, error("", ""), Some(&[]));
    }
}

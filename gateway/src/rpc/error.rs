//! CALLERROR and CALLRESULTERROR: the codes, and the frames.

/// Longest `errorDescription`, in characters (OCPP-J 1.6 section 4.2.3).
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 255;

/// Stands for a message id that could not be read (OCPP 2.0.1 Part 4 section 4.2.3).
pub(crate) const UNREADABLE_MESSAGE_ID: &str = "-1";

/// Why a CALL is refused; the spelling on the wire is the version's (OCPP-J 1.6 table 7, OCPP
/// 2.0.1 Part 4 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// The action is not known.
    NotImplemented,
    /// The action is known, and not for a station to send.
    NotSupported,
    /// The message is incomplete: its payload is missing.
    ProtocolError,
    /// The payload is no JSON object, or names a member twice.
    FormatViolation,
    /// A member has the right type and a value that is not allowed.
    PropertyConstraintViolation,
    /// A required member is missing, or a list is too short.
    OccurrenceConstraintViolation,
    /// A member has the wrong JSON type; `null` is one too.
    TypeConstraintViolation,
    /// The station may not send this now.
    SecurityError,
    /// The message around the payload is wrong: 2.x has a code of its own for that.
    RpcFrameworkError,
    /// The message type number is none of the version's; 2.x only, as 1.6 leaves such a message
    /// unanswered.
    MessageTypeNotSupported,
}

impl ErrorCode {
    /// The code as OCPP-J 1.6 spells it, `FormationViolation` and `Occurence…` included.
    pub(crate) fn v16(self) -> &'static str {
        match self {
            Self::NotImplemented => "NotImplemented",
            Self::NotSupported => "NotSupported",
            Self::ProtocolError => "ProtocolError",
            Self::FormatViolation => "FormationViolation",
            Self::PropertyConstraintViolation => "PropertyConstraintViolation",
            Self::OccurrenceConstraintViolation => "OccurenceConstraintViolation",
            Self::TypeConstraintViolation => "TypeConstraintViolation",
            Self::SecurityError => "SecurityError",
            Self::RpcFrameworkError | Self::MessageTypeNotSupported => "GenericError",
        }
    }

    /// The code as OCPP 2.0.1 and 2.1 spell it.
    pub(crate) fn v2(self) -> &'static str {
        match self {
            Self::FormatViolation => "FormatViolation",
            Self::OccurrenceConstraintViolation => "OccurrenceConstraintViolation",
            Self::RpcFrameworkError => "RpcFrameworkError",
            Self::MessageTypeNotSupported => "MessageTypeNotSupported",
            same => same.v16(),
        }
    }
}

/// A CALLERROR frame. `description` names members and rules, never a station's values.
pub(crate) fn call_error(message_id: &str, code: &str, description: &str) -> String {
    error_frame('4', message_id, code, description)
}

/// A CALLRESULTERROR frame (OCPP 2.1 Part 4 section 4.2.3): what is wrong with a CALLRESULT.
/// `description` as there.
pub(crate) fn call_result_error(message_id: &str, code: &str, description: &str) -> String {
    error_frame('5', message_id, code, description)
}

fn error_frame(message_type: char, message_id: &str, code: &str, description: &str) -> String {
    let end = description.char_indices().nth(DESCRIPTION_CHARACTERS_MAX);
    let description = end.map_or(description, |(end, _)| &description[..end]);
    let mut frame = String::with_capacity(message_id.len() + code.len() + description.len() + 24);
    frame.push('[');
    frame.push(message_type);
    frame.push(',');
    push_string(&mut frame, message_id);
    frame.push(',');
    push_string(&mut frame, code);
    frame.push(',');
    push_string(&mut frame, description);
    frame.push_str(",{}]");
    frame
}

/// A CALLRESULT frame around a payload that is JSON already.
pub(crate) fn call_result(message_id: &str, payload: &str) -> String {
    let mut frame = String::with_capacity(message_id.len() + payload.len() + 8);
    frame.push_str("[3,");
    push_string(&mut frame, message_id);
    frame.push(',');
    frame.push_str(payload);
    frame.push(']');
    frame
}

/// Writes `text` as a JSON string, and gives the bytes inside its quotes.
pub(crate) fn push_string(frame: &mut String, text: &str) -> std::ops::Range<usize> {
    use std::fmt::Write as _;
    frame.push('"');
    let start = frame.len();
    for character in text.chars() {
        match character {
            '"' => frame.push_str("\\\""),
            '\\' => frame.push_str("\\\\"),
            '\n' => frame.push_str("\\n"),
            '\r' => frame.push_str("\\r"),
            '\t' => frame.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a `String` cannot fail.
                let _ = write!(frame, "\\u{:04x}", u32::from(control));
            }
            other => frame.push(other),
        }
    }
    let end = frame.len();
    frame.push('"');
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_spelt_as_an_independent_library_spells_them() {
        use ocpp_kit::rpc::ErrorCode as Theirs;
        for (ours, theirs) in [
            (ErrorCode::NotImplemented, Theirs::NotImplemented),
            (ErrorCode::NotSupported, Theirs::NotSupported),
            (ErrorCode::ProtocolError, Theirs::ProtocolError),
            (ErrorCode::FormatViolation, Theirs::FormatViolation),
            (ErrorCode::PropertyConstraintViolation, Theirs::PropertyConstraintViolation),
            (ErrorCode::OccurrenceConstraintViolation, Theirs::OccurrenceConstraintViolation),
            (ErrorCode::TypeConstraintViolation, Theirs::TypeConstraintViolation),
        ] {
            assert_eq!(ours.v16(), theirs.as_wire(ocpp_kit::Version::V1_6));
            assert_eq!(ours.v2(), theirs.as_wire(ocpp_kit::Version::V2_0_1));
            assert_eq!(ours.v2(), theirs.as_wire(ocpp_kit::Version::V2_1));
        }
        for (ours, theirs) in [
            (ErrorCode::RpcFrameworkError, Theirs::RpcFrameworkError),
            (ErrorCode::MessageTypeNotSupported, Theirs::MessageTypeNotSupported),
        ] {
            assert_eq!(ours.v16(), "GenericError");
            assert_eq!(ours.v2(), theirs.as_wire(ocpp_kit::Version::V2_0_1));
        }
    }

    #[test]
    fn a_long_description_is_cut_between_characters() {
        let frame = call_error("1", "GenericError", &"é".repeat(300));
        let parts: serde_json::Value = serde_json::from_str(&frame).expect("JSON");
        assert_eq!(parts[3].as_str().expect("text").chars().count(), DESCRIPTION_CHARACTERS_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_a_json_string(text in any::<String>()) {
            let mut frame = String::new();
            let inside = push_string(&mut frame, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&frame).expect("JSON"), text);
            prop_assert_eq!(inside, 1..frame.len() - 1);
        }
    }
}

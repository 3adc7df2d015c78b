//! A station's answer to a CALL of ours: what it says, and what is personal in it.
//!
//! An answer is never answered, so whatever is wrong with it is only noted.

use crate::message::ReplyReading;
use crate::rpc::frame::Frame;
use crate::rpc::json::{Document, Kind, NodeId};
use crate::rpc::shape::seal_strings;
use chargebook_commands::CommandResult;
use chargebook_commands::message::{PERSONAL_PLACES_MAX, Personal, PersonalPlace, RenderedReply};
use ocpp_kit::v1_6::{
    Action, AvailabilityStatus, ConfigurationStatus, RemoteStartStopStatus, ResetStatus,
    TriggerMessageStatus, UnlockStatus,
};

/// Longest error code and description that are kept in words, in characters.
const ERROR_CHARACTERS_MAX: usize = 255;

/// Reads an answer to `request`, a CALL of ours with that action.
pub(crate) fn read_reply(text: &str, action: &str, request: &RenderedReply) -> ReplyReading {
    match Action::from_wire(action) {
        Some(action) => read(text, action, request),
        None => ReplyReading {
            personal: Personal::Anywhere,
            result: unreadable("an answer to no action of the standard"),
        },
    }
}

fn read(text: &str, action: Action, request: &RenderedReply) -> ReplyReading {
    let (document, outcome) = Document::read(text);
    let frame = Frame::read(&document);
    let (result, personal) = match (outcome, frame) {
        (Ok(()), Frame::Result { payload: Some(payload), .. })
            if document.kind(payload) == Kind::Object =>
        {
            (confirmation(&document, payload, action), personal_places(&document, payload, action))
        }
        (Ok(()), Frame::Error { code, description, .. }) => {
            let description = description.and_then(|description| document.string(description));
            let error = CommandResult::Error {
                code: in_words(&code, request),
                description: in_words(&description.unwrap_or_default(), request),
            };
            (error, after_code(&document))
        }
        _ => (unreadable("the payload is no object"), None),
    };
    let personal = match personal {
        Some(places) if places.len() <= PERSONAL_PLACES_MAX => Personal::Places(places),
        _ => Personal::Anywhere,
    };
    ReplyReading { personal, result }
}

fn unreadable(detail: &str) -> CommandResult {
    CommandResult::Unreadable { detail: detail.to_owned() }
}

fn confirmation(document: &Document<'_>, payload: NodeId, action: Action) -> CommandResult {
    let Some(words) = statuses(action) else { return CommandResult::Result { status: None } };
    match document.member(payload, "status").map(|status| document.string(status)) {
        None => unreadable("/status: a required member is missing"),
        Some(None) => unreadable("/status: not a string"),
        Some(Some(status)) if words.contains(&status.as_ref()) => {
            CommandResult::Result { status: Some(status.into_owned()) }
        }
        Some(Some(_)) => unreadable("/status: not a word of the standard"),
    }
}

/// The statuses that a confirmation may have; `None` if it has no status.
fn statuses(action: Action) -> Option<&'static [&'static str]> {
    match action {
        Action::ChangeAvailability => Some(AvailabilityStatus::VARIANTS),
        Action::ChangeConfiguration => Some(ConfigurationStatus::VARIANTS),
        Action::RemoteStartTransaction | Action::RemoteStopTransaction => {
            Some(RemoteStartStopStatus::VARIANTS)
        }
        Action::Reset => Some(ResetStatus::VARIANTS),
        Action::TriggerMessage => Some(TriggerMessageStatus::VARIANTS),
        Action::UnlockConnector => Some(UnlockStatus::VARIANTS),
        _ => None,
    }
}

/// Strings that are not the standard's: everything but `status`, and in a configuration
/// everything but the names of keys and the values of the standard's own keys.
fn personal_places(
    document: &Document<'_>,
    payload: NodeId,
    action: Action,
) -> Option<Vec<PersonalPlace>> {
    let mut places = Vec::new();
    for (name, value) in document.members(payload) {
        if statuses(action).is_some() && document.is_text(name, "status") {
            // A status that is no word of the standard may be anything.
            let status = document.string(value)?;
            statuses(action)?.contains(&status.as_ref()).then_some(())?;
        } else if action == Action::GetConfiguration && document.is_text(name, "configurationKey") {
            document.children(value).for_each(|key| setting(document, key, &mut places));
        } else if !(action == Action::GetConfiguration && document.is_text(name, "unknownKey")) {
            seal_strings(document, value, &mut places);
        }
    }
    Some(places)
}

fn setting(document: &Document<'_>, setting: NodeId, places: &mut Vec<PersonalPlace>) {
    let key = document.member(setting, "key").and_then(|key| document.string(key));
    let is_standard = key.is_some_and(|key| STANDARD_KEYS.binary_search(&key.as_ref()).is_ok());
    for (name, value) in document.members(setting) {
        let is_plain =
            document.is_text(name, "key") || (is_standard && document.is_text(name, "value"));
        if !is_plain {
            seal_strings(document, value, places);
        }
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

/// The configuration keys of OCPP 1.6 (section 9) and of the security white paper whose values
/// tell nothing about a person and are no secrets, in order.
const STANDARD_KEYS: &[&str] = &[
    "AdditionalRootCertificateCheck",
    "AllowOfflineTxForUnknownId",
    "AuthorizationCacheEnabled",
    "AuthorizeRemoteTxRequests",
    "BlinkRepeat",
    "CertificateSignedMaxChainSize",
    "CertificateStoreMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "ConnectorPhaseRotationMaxLength",
    "ConnectorSwitch3to1PhaseSupported",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LightIntensity",
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MaxChargingProfilesInstalled",
    "MaxEnergyOnInvalidId",
    "MeterValueSampleInterval",
    "MeterValuesAlignedData",
    "MeterValuesAlignedDataMaxLength",
    "MeterValuesSampledData",
    "MeterValuesSampledDataMaxLength",
    "MinimumStatusDuration",
    "NumberOfConnectors",
    "ReserveConnectorZeroSupported",
    "ResetRetries",
    "SecurityProfile",
    "SendLocalListMaxLength",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnAlignedDataMaxLength",
    "StopTxnSampledData",
    "StopTxnSampledDataMaxLength",
    "SupportedFeatureProfiles",
    "SupportedFeatureProfilesMaxLength",
    "SupportedFileTransferProtocols",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
    "WebSocketPingInterval",
];

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
    fn check(action: Action, text: &str, expected: CommandResult, holes: Option<&[&str]>) {
        let ReplyReading { personal, result } = read_reply(text, action.as_str(), &request());
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
        use Action::*;
        check(Reset, r#"[3,"1",{"status":"Accepted"}]"#, status("Accepted"), Some(&[]));
        check(
            RemoteStartTransaction,
            r#"[3,"1",{"status":"Rejected","note":"Bob's card"}]"#,
            status("Rejected"),
            Some(&["Bob's card"]),
        );
        check(UnlockConnector, r#"[3,"1",{"status":"Unlocked"}]"#, status("Unlocked"), Some(&[]));
        let missing = unreadable("/status: a required member is missing");
        check(Reset, r#"[3,"1",{}]"#, missing, Some(&[]));
        let wrong = unreadable("/status: not a word of the standard");
        check(Reset, r#"[3,"1",{"status":"Bob"}]"#, wrong, None);
        check(Reset, r#"[3,"1",{"status":7}]"#, unreadable("/status: not a string"), None);
        let no_object = || unreadable("the payload is no object");
        check(Reset, r#"[3,"1",null]"#, no_object(), None);
        check(Reset, r#"[3,"1"]"#, no_object(), None);
    }

    #[test]
    fn settings_of_the_standard_stay_plain() {
        let text = r#"[3,"1",{"configurationKey":[
            {"key":"HeartbeatInterval","readonly":false,"value":"300"},
            {"key":"FreeVendTag","readonly":false,"value":"04A1B2C3"},
            {"key":"AuthorizationKey","readonly":false,"value":"secret"}],
            "unknownKey":["Foo"]}]"#;
        let none = CommandResult::Result { status: None };
        check(Action::GetConfiguration, text, none, Some(&["04A1B2C3", "secret"]));
        assert!(STANDARD_KEYS.is_sorted());
    }

    #[test]
    fn errors() {
        check(
            Action::Reset,
            r#"[4,"1","InternalError","out of memory",{"at":["main"]}]"#,
            error("InternalError", "out of memory"),
            Some(&["out of memory", "main"]),
        );
        check(
            Action::Reset,
            r#"[4,"1","GenericError","tag 04a1b2c3 is unknown",{}]"#,
            error("GenericError", "(withheld: it repeats personal data)"),
            Some(&["tag 04a1b2c3 is unknown"]),
        );
        check(Action::Reset, r#"[4,"1"]"#, error("", ""), Some(&[]));
    }
}

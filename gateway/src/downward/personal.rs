//! Which members of requests and answers are about a person, or are secrets.

use ocpp_kit::Version;
use serde::Deserialize;

/// By whose key a text is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sensitivity {
    /// A token's uid.
    Token,
    /// Free text, or a secret.
    Text,
}

/// Members of requests that hold a token's uid.
const TOKENS: &[&str] = &["additionalIdToken", "idTag", "idToken", "parentIdTag"];

/// Members of requests that may name a person or hold a secret, in every version. Addresses are
/// among them: they may hold a user's name and password (RFC 3986 section 3.2.1).
const TEXTS: &[&str] = &[
    "apn",
    "apnPassword",
    "apnUserName",
    "attributeValue",
    "basicAuthPassword",
    "content",
    "customerIdentifier",
    "data",
    "group",
    "identity",
    "location",
    "ocppCsmsUrl",
    "password",
    "remoteLocation",
    "server",
    "user",
];

/// Members below which everything is a vendor's.
const OPEN: &[&str] = &["customData", "data"];

/// What a request's member holds, if that is personal.
pub(super) fn of_request(version: Version, name: &str) -> Option<Sensitivity> {
    // The value of a setting in 1.6; the key of a tunnel in 2.x.
    let of_the_version = if version == Version::V1_6 { "value" } else { "key" };
    if TOKENS.contains(&name) {
        Some(Sensitivity::Token)
    } else if TEXTS.contains(&name) || name == of_the_version {
        Some(Sensitivity::Text)
    } else {
        None
    }
}

/// What a vendor's text says of a token, where it is JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenNamed {
    id_token: String,
}

/// The uid of the token that a vendor's text is about, as SetUserPrice is (OCA, "OCPP & California
/// Pricing Requirements"): such a text is about its holder, all of it.
pub(super) fn token_in_data(name: &str, text: &str) -> Option<String> {
    let named = (name == "data").then(|| serde_json::from_str::<TokenNamed>(text).ok());
    named.flatten().map(|named| named.id_token)
}

/// Whether the standard leaves open what stands below a member.
pub(super) fn is_open(name: &str) -> bool {
    OPEN.contains(&name)
}

/// Whether a number is a secret. A hole covers the inside of a string, so such a text is sealed
/// as a whole.
pub(super) fn is_secret_number(name: &str) -> bool {
    name == "simPin"
}

/// Members of answers whose texts are names and words of the standard, or mere numbers of
/// things; any other text may be anything.
const PLAIN_IN_ANSWERS: &[&str] = &[
    "attributeStatus",
    "attributeType",
    "certificateType",
    "chargingRateUnit",
    "controlId",
    "controlType",
    "hashAlgorithm",
    "instance",
    "issuerKeyHash",
    "issuerNameHash",
    "key",
    "name",
    "reasonCode",
    "scheduleStart",
    "serialNumber",
    "severity",
    "startSchedule",
    "status",
    "supersededIds",
    "tariffId",
    "tariffKind",
    "transactionId",
    "type",
    "unknownKey",
];

/// Whether the text of an answer's member may be kept in plain, where the answer is as the
/// standard has it.
pub(super) fn is_plain_in_answers(name: &str) -> bool {
    PLAIN_IN_ANSWERS.binary_search(&name).is_ok()
}

/// Whether a 1.6 configuration key's value tells nothing about a person and is no secret.
pub(super) fn is_plain_setting(key: &str) -> bool {
    PLAIN_SETTINGS.binary_search(&key).is_ok()
}

/// The configuration keys of OCPP 1.6 (section 9) and of the security white paper whose values
/// tell nothing about a person and are no secrets, in order.
const PLAIN_SETTINGS: &[&str] = &[
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

    #[test]
    fn the_lists_are_in_order() {
        assert!(PLAIN_IN_ANSWERS.is_sorted());
        assert!(PLAIN_SETTINGS.is_sorted());
    }
}

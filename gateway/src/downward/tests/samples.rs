//! A payload for every action of every version.

/// Every action that we may send, with the least payload that its schema allows, and with the
/// most members where the least has none.
pub(super) const SAMPLES_16: &[(&str, &str)] = &[
    ("CancelReservation", r#"{"reservationId":1}"#),
    ("CertificateSigned", r#"{"certificateChain":"PEM"}"#),
    ("ChangeAvailability", r#"{"connectorId":0,"type":"Operative"}"#),
    ("ChangeConfiguration", r#"{"key":"K","value":"V"}"#),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", r#"{"id":1,"connectorId":0,"stackLevel":3}"#),
    ("DataTransfer", r#"{"vendorId":"V"}"#),
    (
        "DeleteCertificate",
        r#"{"certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1"}}"#,
    ),
    ("ExtendedTriggerMessage", r#"{"requestedMessage":"SignChargePointCertificate"}"#),
    ("GetCompositeSchedule", r#"{"connectorId":1,"duration":60}"#),
    ("GetConfiguration", r#"{"key":["A"]}"#),
    ("GetDiagnostics", r#"{"location":"ftp://host/"}"#),
    ("GetInstalledCertificateIds", r#"{"certificateType":"CentralSystemRootCertificate"}"#),
    ("GetLocalListVersion", "{}"),
    ("GetLog", r#"{"log":{"remoteLocation":"ftp://host/"},"logType":"SecurityLog","requestId":1}"#),
    (
        "InstallCertificate",
        r#"{"certificateType":"ManufacturerRootCertificate","certificate":"PEM"}"#,
    ),
    ("RemoteStartTransaction", r#"{"idTag":"T"}"#),
    ("RemoteStopTransaction", r#"{"transactionId":1}"#),
    (
        "ReserveNow",
        r#"{"connectorId":0,"expiryDate":"2026-11-22T10:00:00Z","idTag":"T","reservationId":7}"#,
    ),
    ("Reset", r#"{"type":"Soft"}"#),
    (
        "SendLocalList",
        r#"{"listVersion":1,"localAuthorizationList":[{"idTag":"T","idTagInfo":{"status":"Accepted"}}],"updateType":"Full"}"#,
    ),
    (
        "SetChargingProfile",
        r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}}"#,
    ),
    (
        "SignedUpdateFirmware",
        r#"{"requestId":1,"firmware":{"location":"https://host/f","retrieveDateTime":"2026-11-22T10:00:00Z","signingCertificate":"PEM","signature":"sig"}}"#,
    ),
    ("TriggerMessage", r#"{"requestedMessage":"Heartbeat"}"#),
    ("UnlockConnector", r#"{"connectorId":1}"#),
    ("UpdateFirmware", r#"{"location":"https://host/f","retrieveDate":"2026-11-22T10:00:00Z"}"#),
];

/// The same of 2.0.1 and 2.1.
pub(super) const SAMPLES_2: &[(&str, &str)] = &[
    ("CancelReservation", r#"{"reservationId":1}"#),
    ("CertificateSigned", r#"{"certificateChain":"PEM"}"#),
    ("ChangeAvailability", r#"{"operationalStatus":"Inoperative"}"#),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", r#"{"chargingProfileCriteria":{"evseId":1,"stackLevel":2}}"#),
    ("ClearDisplayMessage", r#"{"id":1}"#),
    ("ClearVariableMonitoring", r#"{"id":[1]}"#),
    ("CostUpdated", r#"{"totalCost":1.25,"transactionId":"t"}"#),
    ("CustomerInformation", r#"{"requestId":1,"report":true,"clear":false}"#),
    ("DataTransfer", r#"{"vendorId":"V"}"#),
    (
        "DeleteCertificate",
        r#"{"certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1"}}"#,
    ),
    ("GetBaseReport", r#"{"requestId":1,"reportBase":"FullInventory"}"#),
    ("GetChargingProfiles", r#"{"requestId":1,"chargingProfile":{"stackLevel":1}}"#),
    ("GetCompositeSchedule", r#"{"duration":60,"evseId":0}"#),
    ("GetDisplayMessages", r#"{"requestId":1}"#),
    ("GetInstalledCertificateIds", "{}"),
    ("GetLocalListVersion", "{}"),
    ("GetLog", r#"{"log":{"remoteLocation":"ftp://host/"},"logType":"SecurityLog","requestId":1}"#),
    ("GetMonitoringReport", r#"{"requestId":1}"#),
    ("GetReport", r#"{"requestId":1}"#),
    ("GetTransactionStatus", "{}"),
    ("GetVariables", r#"{"getVariableData":[{"component":{"name":"C"},"variable":{"name":"V"}}]}"#),
    ("InstallCertificate", r#"{"certificateType":"CSMSRootCertificate","certificate":"PEM"}"#),
    ("PublishFirmware", r#"{"location":"https://host/f","checksum":"c","requestId":1}"#),
    (
        "RequestStartTransaction",
        r#"{"idToken":{"idToken":"T","type":"ISO14443"},"remoteStartId":1}"#,
    ),
    ("RequestStopTransaction", r#"{"transactionId":"t"}"#),
    (
        "ReserveNow",
        r#"{"id":1,"expiryDateTime":"2026-11-22T10:00:00Z","idToken":{"idToken":"T","type":"ISO14443"}}"#,
    ),
    ("Reset", r#"{"type":"OnIdle"}"#),
    ("SendLocalList", r#"{"versionNumber":1,"updateType":"Full"}"#),
    (
        "SetChargingProfile",
        r#"{"evseId":1,"chargingProfile":{"id":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":[{"id":1,"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}]}}"#,
    ),
    (
        "SetDisplayMessage",
        r#"{"message":{"id":1,"priority":"NormalCycle","message":{"format":"UTF8","content":"Hello"}}}"#,
    ),
    ("SetMonitoringBase", r#"{"monitoringBase":"All"}"#),
    ("SetMonitoringLevel", r#"{"severity":5}"#),
    (
        "SetVariableMonitoring",
        r#"{"setMonitoringData":[{"value":1.5,"type":"Delta","severity":5,"component":{"name":"C"},"variable":{"name":"V"}}]}"#,
    ),
    (
        "SetVariables",
        r#"{"setVariableData":[{"attributeValue":"x","component":{"name":"C"},"variable":{"name":"V"}}]}"#,
    ),
    ("TriggerMessage", r#"{"requestedMessage":"Heartbeat"}"#),
    ("UnlockConnector", r#"{"evseId":1,"connectorId":1}"#),
    ("UnpublishFirmware", r#"{"checksum":"c"}"#),
    (
        "UpdateFirmware",
        r#"{"requestId":1,"firmware":{"location":"https://host/f","retrieveDateTime":"2026-11-22T10:00:00Z"}}"#,
    ),
];

/// Those whose order is another in 2.0.1.
pub(super) const SAMPLES_201: &[(&str, &str)] = &[(
    "SetNetworkProfile",
    r#"{"configurationSlot":1,"connectionData":{"ocppVersion":"OCPP20","ocppTransport":"JSON","ocppCsmsUrl":"wss://host","messageTimeout":30,"securityProfile":2,"ocppInterface":"Wired0"}}"#,
)];

/// Actions and payloads that 2.1 has and 2.0.1 has not.
pub(super) const SAMPLES_21: &[(&str, &str)] = &[
    (
        "SetNetworkProfile",
        r#"{"configurationSlot":1,"connectionData":{"ocppInterface":"Wired0","ocppTransport":"JSON","messageTimeout":30,"ocppCsmsUrl":"wss://host","securityProfile":2,"identity":"CP","basicAuthPassword":"secret"}}"#,
    ),
    ("AFRRSignal", r#"{"timestamp":"2026-11-22T10:00:00Z","signal":-5}"#),
    ("AdjustPeriodicEventStream", r#"{"id":1,"params":{"interval":60}}"#),
    (
        "ChangeTransactionTariff",
        r#"{"tariff":{"tariffId":"a","currency":"EUR"},"transactionId":"t"}"#,
    ),
    ("ClearDERControl", r#"{"isDefault":true}"#),
    ("ClearTariffs", r#"{"tariffIds":["a"]}"#),
    ("GetDERControl", r#"{"requestId":1}"#),
    ("GetPeriodicEventStream", "{}"),
    ("GetTariffs", r#"{"evseId":1}"#),
    ("NotifyAllowedEnergyTransfer", r#"{"transactionId":"t","allowedEnergyTransfer":["DC"]}"#),
    ("NotifyWebPaymentStarted", r#"{"evseId":1,"timeout":60}"#),
    ("RequestBatterySwap", r#"{"idToken":{"idToken":"T","type":"ISO14443"},"requestId":1}"#),
    (
        "SetDERControl",
        r#"{"isDefault":true,"controlId":"c","controlType":"Gradients","gradient":{"priority":0,"gradient":1.0,"softGradient":2.0}}"#,
    ),
    ("SetDefaultTariff", r#"{"evseId":0,"tariff":{"tariffId":"a","currency":"EUR"}}"#),
    ("UpdateDynamicSchedule", r#"{"chargingProfileId":1,"scheduleUpdate":{"limit":7.5}}"#),
    ("UsePriorityCharging", r#"{"transactionId":"t","activate":true}"#),
];

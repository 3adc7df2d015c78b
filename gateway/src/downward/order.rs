//! The order in which the schemas list the members of each object that we send. JSON has no
//! order, but some stations read as if it had, so requests go out as the schemas have them.
//!
//! An object is found by the member that it stands at, a payload by its action. Where objects at
//! members of the same name differ, the order holds for all of them if it can; where it cannot,
//! the name stands behind the action's. Objects with one member need no order.

use ocpp_kit::Version;

/// Names of objects, sorted, and their members.
type Table = &'static [(&'static str, &'static [&'static str])];

/// The order of one object's members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    members: &'static [&'static str],
    is_custom_data_first: bool,
}

impl Order {
    /// A member's place. What is not in the schema comes last; `customData` comes first in 2.0.1
    /// and last in 2.1.
    pub(super) fn place(&self, member: &str) -> usize {
        if member == "customData" {
            return if self.is_custom_data_first { 0 } else { usize::MAX };
        }
        let place = self.members.iter().position(|known| *known == member);
        place.map_or(usize::MAX - 1, |place| place + 1)
    }
}

/// The order of the members of the object at `member` of an action's request; of the payload
/// itself where `member` is empty.
pub(super) fn of(version: Version, action: &str, member: &str) -> Order {
    let tables: &[Table] = match version {
        Version::V1_6 => &[V16],
        Version::V2_0_1 => &[V201, V21],
        _ => &[V21],
    };
    let in_action = format!("{action}/{member}");
    let names = if member.is_empty() { [action, action] } else { [in_action.as_str(), member] };
    let found = names.iter().find_map(|name| tables.iter().find_map(|table| find(table, name)));
    Order { members: found.unwrap_or_default(), is_custom_data_first: version == Version::V2_0_1 }
}

fn find(table: Table, name: &str) -> Option<&'static [&'static str]> {
    let index = table.binary_search_by_key(&name, |(known, _)| known).ok()?;
    table.get(index).map(|(_, members)| *members)
}

/// OCPP 1.6 with the security extension.
const V16: Table = &[
    ("ChangeAvailability", &["connectorId", "type"]),
    ("ChangeConfiguration", &["key", "value"]),
    ("ClearChargingProfile", &["id", "connectorId", "chargingProfilePurpose", "stackLevel"]),
    ("DataTransfer", &["vendorId", "messageId", "data"]),
    ("ExtendedTriggerMessage", &["requestedMessage", "connectorId"]),
    ("GetCompositeSchedule", &["connectorId", "duration", "chargingRateUnit"]),
    ("GetDiagnostics", &["location", "retries", "retryInterval", "startTime", "stopTime"]),
    ("GetLog", &["log", "logType", "requestId", "retries", "retryInterval"]),
    ("InstallCertificate", &["certificateType", "certificate"]),
    ("RemoteStartTransaction", &["connectorId", "idTag", "chargingProfile"]),
    ("ReserveNow", &["connectorId", "expiryDate", "idTag", "parentIdTag", "reservationId"]),
    ("SendLocalList", &["listVersion", "localAuthorizationList", "updateType"]),
    ("SetChargingProfile", &["connectorId", "csChargingProfiles"]),
    ("SignedUpdateFirmware", &["retries", "retryInterval", "requestId", "firmware"]),
    ("TriggerMessage", &["requestedMessage", "connectorId"]),
    ("UpdateFirmware", &["location", "retries", "retrieveDate", "retryInterval"]),
    ("certificateHashData", &["hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber"]),
    (
        "chargingProfile",
        &[
            "chargingProfileId",
            "transactionId",
            "stackLevel",
            "chargingProfilePurpose",
            "chargingProfileKind",
            "recurrencyKind",
            "validFrom",
            "validTo",
            "chargingSchedule",
        ],
    ),
    (
        "chargingSchedule",
        &[
            "duration",
            "startSchedule",
            "chargingRateUnit",
            "chargingSchedulePeriod",
            "minChargingRate",
        ],
    ),
    ("chargingSchedulePeriod", &["startPeriod", "limit", "numberPhases"]),
    (
        "csChargingProfiles",
        &[
            "chargingProfileId",
            "transactionId",
            "stackLevel",
            "chargingProfilePurpose",
            "chargingProfileKind",
            "recurrencyKind",
            "validFrom",
            "validTo",
            "chargingSchedule",
        ],
    ),
    (
        "firmware",
        &["location", "retrieveDateTime", "installDateTime", "signingCertificate", "signature"],
    ),
    ("idTagInfo", &["expiryDate", "parentIdTag", "status"]),
    ("localAuthorizationList", &["idTag", "idTagInfo"]),
    ("log", &["remoteLocation", "oldestTimestamp", "latestTimestamp"]),
];

/// Where OCPP 2.0.1 has another order than 2.1.
const V201: Table = &[
    (
        "chargingProfile",
        &[
            "id",
            "stackLevel",
            "chargingProfilePurpose",
            "chargingProfileKind",
            "recurrencyKind",
            "validFrom",
            "validTo",
            "chargingSchedule",
            "transactionId",
        ],
    ),
    (
        "chargingSchedule",
        &[
            "id",
            "startSchedule",
            "duration",
            "chargingRateUnit",
            "chargingSchedulePeriod",
            "minChargingRate",
            "salesTariff",
        ],
    ),
    (
        "connectionData",
        &[
            "apn",
            "ocppVersion",
            "ocppTransport",
            "ocppCsmsUrl",
            "messageTimeout",
            "securityProfile",
            "ocppInterface",
            "vpn",
        ],
    ),
    (
        "idTokenInfo",
        &[
            "status",
            "cacheExpiryDateTime",
            "chargingPriority",
            "language1",
            "evseId",
            "groupIdToken",
            "language2",
            "personalMessage",
        ],
    ),
];

/// OCPP 2.1; 2.0.1 but for what [`V201`] says.
const V21: Table = &[
    ("AFRRSignal", &["timestamp", "signal"]),
    ("AdjustPeriodicEventStream", &["id", "params"]),
    ("CertificateSigned", &["certificateChain", "certificateType", "requestId"]),
    ("ChangeAvailability", &["evse", "operationalStatus"]),
    ("ChangeTransactionTariff", &["tariff", "transactionId"]),
    ("ClearChargingProfile", &["chargingProfileId", "chargingProfileCriteria"]),
    ("ClearDERControl", &["isDefault", "controlType", "controlId"]),
    ("ClearTariffs", &["tariffIds", "evseId"]),
    ("CostUpdated", &["totalCost", "transactionId"]),
    (
        "CustomerInformation",
        &["customerCertificate", "idToken", "requestId", "report", "clear", "customerIdentifier"],
    ),
    ("DataTransfer", &["messageId", "data", "vendorId"]),
    ("GetBaseReport", &["requestId", "reportBase"]),
    ("GetChargingProfiles", &["requestId", "evseId", "chargingProfile"]),
    (
        "GetChargingProfiles/chargingProfile",
        &["chargingProfilePurpose", "stackLevel", "chargingProfileId", "chargingLimitSource"],
    ),
    ("GetCompositeSchedule", &["duration", "chargingRateUnit", "evseId"]),
    ("GetDERControl", &["requestId", "isDefault", "controlType", "controlId"]),
    ("GetDisplayMessages", &["id", "requestId", "priority", "state"]),
    ("GetLog", &["log", "logType", "requestId", "retries", "retryInterval"]),
    ("GetMonitoringReport", &["componentVariable", "requestId", "monitoringCriteria"]),
    ("GetReport", &["componentVariable", "requestId", "componentCriteria"]),
    ("InstallCertificate", &["certificateType", "certificate"]),
    ("NotifyAllowedEnergyTransfer", &["transactionId", "allowedEnergyTransfer"]),
    ("NotifyWebPaymentStarted", &["evseId", "timeout"]),
    ("PublishFirmware", &["location", "retries", "checksum", "requestId", "retryInterval"]),
    ("RequestBatterySwap", &["idToken", "requestId"]),
    (
        "RequestStartTransaction",
        &["evseId", "groupIdToken", "idToken", "remoteStartId", "chargingProfile"],
    ),
    ("ReserveNow", &["id", "expiryDateTime", "connectorType", "idToken", "evseId", "groupIdToken"]),
    ("Reset", &["type", "evseId"]),
    ("SendLocalList", &["localAuthorizationList", "versionNumber", "updateType"]),
    ("SetChargingProfile", &["evseId", "chargingProfile"]),
    (
        "SetDERControl",
        &[
            "isDefault",
            "controlId",
            "controlType",
            "curve",
            "enterService",
            "fixedPFAbsorb",
            "fixedPFInject",
            "fixedVar",
            "freqDroop",
            "gradient",
            "limitMaxDischarge",
        ],
    ),
    ("SetDefaultTariff", &["evseId", "tariff"]),
    ("SetNetworkProfile", &["configurationSlot", "connectionData"]),
    ("TriggerMessage", &["evse", "requestedMessage", "customTrigger"]),
    ("UnlockConnector", &["evseId", "connectorId"]),
    ("UpdateDynamicSchedule", &["chargingProfileId", "scheduleUpdate"]),
    ("UpdateFirmware", &["retries", "retryInterval", "requestId", "firmware"]),
    ("UsePriorityCharging", &["transactionId", "activate"]),
    (
        "absolutePriceSchedule",
        &[
            "timeAnchor",
            "priceScheduleID",
            "priceScheduleDescription",
            "currency",
            "language",
            "priceAlgorithm",
            "minimumCost",
            "maximumCost",
            "priceRuleStacks",
            "taxRules",
            "overstayRuleList",
            "additionalSelectedServices",
        ],
    ),
    ("additionalInfo", &["additionalIdToken", "type"]),
    ("additionalSelectedServices", &["serviceFee", "serviceName"]),
    (
        "apn",
        &[
            "apn",
            "apnUserName",
            "apnPassword",
            "simPin",
            "preferredNetwork",
            "useOnlyPreferredNetwork",
            "apnAuthentication",
        ],
    ),
    ("certificateHashData", &["hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber"]),
    (
        "chargingProfile",
        &[
            "id",
            "stackLevel",
            "chargingProfilePurpose",
            "chargingProfileKind",
            "recurrencyKind",
            "validFrom",
            "validTo",
            "transactionId",
            "maxOfflineDuration",
            "chargingSchedule",
            "invalidAfterOfflineDuration",
            "dynUpdateInterval",
            "dynUpdateTime",
            "priceScheduleSignature",
        ],
    ),
    ("chargingProfileCriteria", &["evseId", "chargingProfilePurpose", "stackLevel"]),
    (
        "chargingSchedule",
        &[
            "id",
            "limitAtSoC",
            "startSchedule",
            "duration",
            "chargingRateUnit",
            "minChargingRate",
            "powerTolerance",
            "signatureId",
            "digestValue",
            "useLocalTime",
            "chargingSchedulePeriod",
            "randomizedDelay",
            "salesTariff",
            "absolutePriceSchedule",
            "priceLevelSchedule",
        ],
    ),
    (
        "chargingSchedulePeriod",
        &[
            "startPeriod",
            "limit",
            "limit_L2",
            "limit_L3",
            "numberPhases",
            "phaseToUse",
            "dischargeLimit",
            "dischargeLimit_L2",
            "dischargeLimit_L3",
            "setpoint",
            "setpoint_L2",
            "setpoint_L3",
            "setpointReactive",
            "setpointReactive_L2",
            "setpointReactive_L3",
            "preconditioningRequest",
            "evseSleep",
            "v2xBaseline",
            "operationMode",
            "v2xFreqWattCurve",
            "v2xSignalWattCurve",
        ],
    ),
    ("chargingTime", &["prices", "taxRates"]),
    ("component", &["evse", "name", "instance"]),
    ("componentVariable", &["component", "variable"]),
    (
        "conditions",
        &[
            "startTimeOfDay",
            "endTimeOfDay",
            "dayOfWeek",
            "validFromDate",
            "validToDate",
            "evseKind",
            "minEnergy",
            "maxEnergy",
            "minCurrent",
            "maxCurrent",
            "minPower",
            "maxPower",
            "minTime",
            "maxTime",
            "minChargingTime",
            "maxChargingTime",
            "minIdleTime",
            "maxIdleTime",
            "paymentBrand",
            "paymentRecognition",
        ],
    ),
    (
        "connectionData",
        &[
            "apn",
            "ocppVersion",
            "ocppInterface",
            "ocppTransport",
            "messageTimeout",
            "ocppCsmsUrl",
            "securityProfile",
            "identity",
            "basicAuthPassword",
            "vpn",
        ],
    ),
    ("consumptionCost", &["startValue", "cost"]),
    ("cost", &["costKind", "amount", "amountMultiplier"]),
    (
        "curve",
        &[
            "curveData",
            "hysteresis",
            "priority",
            "reactivePowerParams",
            "voltageParams",
            "yUnit",
            "responseTime",
            "startTime",
            "duration",
        ],
    ),
    ("curveData", &["x", "y"]),
    ("customerCertificate", &["hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber"]),
    ("description", &["format", "language", "content"]),
    ("display", &["evse", "name", "instance"]),
    ("energy", &["prices", "taxRates"]),
    ("energyFee", &["exponent", "value"]),
    (
        "enterService",
        &[
            "priority",
            "highVoltage",
            "lowVoltage",
            "highFreq",
            "lowFreq",
            "delay",
            "randomDelay",
            "rampRate",
        ],
    ),
    ("evse", &["id", "connectorId"]),
    (
        "firmware",
        &["location", "retrieveDateTime", "installDateTime", "signingCertificate", "signature"],
    ),
    ("fixedFee", &["prices", "taxRates"]),
    ("fixedPFAbsorb", &["priority", "displacement", "excitation", "startTime", "duration"]),
    ("fixedPFInject", &["priority", "displacement", "excitation", "startTime", "duration"]),
    ("fixedVar", &["priority", "setpoint", "unit", "startTime", "duration"]),
    (
        "freqDroop",
        &[
            "priority",
            "overFreq",
            "underFreq",
            "overDroop",
            "underDroop",
            "responseTime",
            "startTime",
            "duration",
        ],
    ),
    ("getVariableData", &["attributeType", "component", "variable"]),
    ("gradient", &["priority", "gradient", "softGradient"]),
    ("groupIdToken", &["additionalInfo", "idToken", "type"]),
    ("hysteresis", &["hysteresisHigh", "hysteresisLow", "hysteresisDelay", "hysteresisGradient"]),
    ("idToken", &["additionalInfo", "idToken", "type"]),
    (
        "idTokenInfo",
        &[
            "status",
            "cacheExpiryDateTime",
            "chargingPriority",
            "groupIdToken",
            "language1",
            "language2",
            "evseId",
            "personalMessage",
        ],
    ),
    ("idleTime", &["prices", "taxRates"]),
    ("limitAtSoC", &["soc", "limit"]),
    (
        "limitMaxDischarge",
        &["priority", "pctMaxDischargePower", "powerMonitoringMustTrip", "startTime", "duration"],
    ),
    ("localAuthorizationList", &["idToken", "idTokenInfo"]),
    ("log", &["remoteLocation", "oldestTimestamp", "latestTimestamp"]),
    ("maxCost", &["exclTax", "inclTax", "taxRates"]),
    ("maximumCost", &["exponent", "value"]),
    (
        "message",
        &[
            "display",
            "id",
            "priority",
            "state",
            "startDateTime",
            "endDateTime",
            "transactionId",
            "message",
            "messageExtra",
            "format",
            "language",
            "content",
        ],
    ),
    ("messageExtra", &["format", "language", "content"]),
    ("minCost", &["exclTax", "inclTax", "taxRates"]),
    ("minimumCost", &["exponent", "value"]),
    ("overstayFee", &["exponent", "value"]),
    ("overstayPowerThreshold", &["exponent", "value"]),
    ("overstayRule", &["overstayFee", "overstayRuleDescription", "startTime", "overstayFeePeriod"]),
    ("overstayRuleList", &["overstayPowerThreshold", "overstayRule", "overstayTimeThreshold"]),
    ("params", &["interval", "values"]),
    ("parkingFee", &["exponent", "value"]),
    ("periodicEventStream", &["interval", "values"]),
    ("personalMessage", &["format", "language", "content"]),
    (
        "powerMonitoringMustTrip",
        &[
            "curveData",
            "hysteresis",
            "priority",
            "reactivePowerParams",
            "voltageParams",
            "yUnit",
            "responseTime",
            "startTime",
            "duration",
        ],
    ),
    ("powerRangeStart", &["exponent", "value"]),
    (
        "priceLevelSchedule",
        &[
            "priceLevelScheduleEntries",
            "timeAnchor",
            "priceScheduleId",
            "priceScheduleDescription",
            "numberOfPriceLevels",
        ],
    ),
    ("priceLevelScheduleEntries", &["duration", "priceLevel"]),
    (
        "priceRule",
        &[
            "parkingFeePeriod",
            "carbonDioxideEmission",
            "renewableGenerationPercentage",
            "energyFee",
            "parkingFee",
            "powerRangeStart",
        ],
    ),
    ("priceRuleStacks", &["duration", "priceRule"]),
    ("prices", &["priceMinute", "priceKwh", "conditions", "priceFixed"]),
    ("reactivePowerParams", &["vRef", "autonomousVRefEnable", "autonomousVRefTimeConstant"]),
    ("relativeTimeInterval", &["start", "duration"]),
    ("reservationFixed", &["prices", "taxRates"]),
    ("reservationTime", &["prices", "taxRates"]),
    ("salesTariff", &["id", "salesTariffDescription", "numEPriceLevels", "salesTariffEntry"]),
    ("salesTariffEntry", &["relativeTimeInterval", "ePriceLevel", "consumptionCost"]),
    (
        "scheduleUpdate",
        &[
            "limit",
            "limit_L2",
            "limit_L3",
            "dischargeLimit",
            "dischargeLimit_L2",
            "dischargeLimit_L3",
            "setpoint",
            "setpoint_L2",
            "setpoint_L3",
            "setpointReactive",
            "setpointReactive_L2",
            "setpointReactive_L3",
        ],
    ),
    ("serviceFee", &["exponent", "value"]),
    (
        "setMonitoringData",
        &[
            "id",
            "periodicEventStream",
            "transaction",
            "value",
            "type",
            "severity",
            "component",
            "variable",
        ],
    ),
    ("setVariableData", &["attributeType", "attributeValue", "component", "variable"]),
    (
        "tariff",
        &[
            "tariffId",
            "description",
            "currency",
            "energy",
            "validFrom",
            "chargingTime",
            "idleTime",
            "fixedFee",
            "reservationTime",
            "reservationFixed",
            "minCost",
            "maxCost",
        ],
    ),
    ("taxRate", &["exponent", "value"]),
    ("taxRates", &["type", "tax", "stack"]),
    (
        "taxRules",
        &[
            "taxRuleID",
            "taxRuleName",
            "taxIncludedInPrice",
            "appliesToEnergyFee",
            "appliesToParkingFee",
            "appliesToOverstayFee",
            "appliesToMinimumMaximumCost",
            "taxRate",
        ],
    ),
    ("v2xFreqWattCurve", &["frequency", "power"]),
    ("v2xSignalWattCurve", &["signal", "power"]),
    ("variable", &["name", "instance"]),
    ("voltageParams", &["hv10MinMeanValue", "hv10MinMeanTripDelay", "powerDuringCessation"]),
    ("vpn", &["server", "user", "group", "password", "key", "type"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_name_each_member_once() {
        for table in [V16, V201, V21] {
            assert!(table.is_sorted_by_key(|(name, _)| name));
            for (name, members) in table {
                let mut sorted = members.to_vec();
                sorted.sort_unstable();
                assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "{name}");
            }
        }
    }
}

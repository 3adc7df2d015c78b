//! What each version's standard has: its actions, who sends them, and its schemas. The one place
//! here that knows `ocpp-kit`'s actions.

use ocpp_kit::decode::{DecodeError, DecodeOptions};
use ocpp_kit::{RawValue, Version, v1_6, v2_0_1, v2_1};

/// Who sends an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// A management system, perhaps among others.
    Us,
    /// Stations only.
    Stations,
}

/// An action of 2.1 that goes to the station (section C24: it tells the station to take the QR
/// code off its display), though the library takes it for one from the station.
const SENT_BY_US: &str = "NotifyWebPaymentStarted";

/// Actions that are worth something now or not at all. They do not wait for a station that is
/// not connected; everything else (settings, lists, profiles, firmware, reports) does.
const DEEDS: &[&str] = &[
    "AFRRSignal",
    "CancelReservation",
    "CostUpdated",
    "DataTransfer",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetTransactionStatus",
    "NotifyAllowedEnergyTransfer",
    "NotifyWebPaymentStarted",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "Reset",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
];

/// Whether a request may wait for a station that is not connected.
pub(super) fn waits(action: &str) -> bool {
    DEEDS.binary_search(&action).is_err()
}

/// An action by its name, and who sends it; `None` where the version has none of that name.
pub(super) fn action(version: Version, name: &str) -> Option<(&'static str, Sender)> {
    let (name, origin) = match version {
        Version::V1_6 => v1_6::Action::from_wire(name).map(|a| (a.as_str(), a.origin())),
        Version::V2_0_1 => v2_0_1::Action::from_wire(name).map(|a| (a.as_str(), a.origin())),
        Version::V2_1 => v2_1::Action::from_wire(name).map(|a| (a.as_str(), a.origin())),
        _ => None,
    }?;
    let is_ours = origin.from_csms() || name == SENT_BY_US;
    Some((name, if is_ours { Sender::Us } else { Sender::Stations }))
}

/// The names of a version's actions, in both directions.
pub(crate) fn actions(version: Version) -> impl Iterator<Item = &'static str> {
    let names: Vec<&'static str> = match version {
        Version::V1_6 => v1_6::Action::ALL.iter().map(|action| action.as_str()).collect(),
        Version::V2_0_1 => v2_0_1::Action::ALL.iter().map(|action| action.as_str()).collect(),
        Version::V2_1 => v2_1::Action::ALL.iter().map(|action| action.as_str()).collect(),
        _ => Vec::new(),
    };
    names.into_iter()
}

/// Holds a request against its schema; members that the schema does not have are against it.
pub(super) fn check_request(
    version: Version,
    action: &str,
    payload: &RawValue,
) -> Result<(), DecodeError> {
    let options = DecodeOptions::pedantic();
    let unknown = || DecodeError::unsupported_action(action);
    match version {
        Version::V1_6 => {
            let action = v1_6::Action::from_wire(action).ok_or_else(unknown)?;
            v1_6::transcode_request(action, payload, &options).map(drop)
        }
        Version::V2_0_1 => {
            let action = v2_0_1::Action::from_wire(action).ok_or_else(unknown)?;
            v2_0_1::transcode_request(action, payload, &options).map(drop)
        }
        Version::V2_1 => {
            let action = v2_1::Action::from_wire(action).ok_or_else(unknown)?;
            v2_1::transcode_request(action, payload, &options).map(drop)
        }
        _ => Err(unknown()),
    }
}

/// Holds an answer against its schema.
pub(super) fn check_response(
    version: Version,
    action: &str,
    payload: &RawValue,
    options: &DecodeOptions,
) -> Result<(), DecodeError> {
    let unknown = || DecodeError::unsupported_action(action);
    match version {
        Version::V1_6 => {
            let action = v1_6::Action::from_wire(action).ok_or_else(unknown)?;
            v1_6::transcode_response(action, payload, options).map(drop)
        }
        Version::V2_0_1 => {
            let action = v2_0_1::Action::from_wire(action).ok_or_else(unknown)?;
            v2_0_1::transcode_response(action, payload, options).map(drop)
        }
        Version::V2_1 => {
            let action = v2_1::Action::from_wire(action).ok_or_else(unknown)?;
            v2_1::transcode_response(action, payload, options).map(drop)
        }
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_kit::v1_6::Action as Action16;
    use ocpp_kit::v2_0_1::Action as Action201;
    use ocpp_kit::v2_1::Action as Action21;

    #[test]
    fn the_standards_have_so_many_actions_for_us_to_send() {
        let ours = |version, names: Vec<&str>| {
            let sent = |name: &&&str| action(version, name).map(|(_, sender)| sender);
            names.iter().filter(|name| sent(name) == Some(Sender::Us)).count()
        };
        let names16 = Action16::ALL.iter().map(|action| action.as_str()).collect();
        let names201 = Action201::ALL.iter().map(|action| action.as_str()).collect();
        let names21 = Action21::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(ours(Version::V1_6, names16), 26);
        assert_eq!(ours(Version::V2_0_1, names201), 40);
        assert_eq!(ours(Version::V2_1, names21), 55);
    }

    #[test]
    fn deeds_are_actions_and_in_order() {
        assert!(DEEDS.is_sorted());
        for deed in DEEDS {
            let known = Version::ALL.iter().any(|version| action(*version, deed).is_some());
            assert!(known, "{deed}");
        }
    }
}

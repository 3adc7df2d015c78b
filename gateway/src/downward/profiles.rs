//! What becomes of a station's charging profiles with its answers to requests of ours.

use crate::charging;
use crate::payload::Payload;
use chargebook_commands::message::DynamicValues;
use chargebook_commands::{ClearedProfiles, StationEffect};
use chargebook_domain::events::v1::ChargingPlace;
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, TransactionName};

/// The word for it.
const ACCEPTED: &str = "Accepted";

/// What the station keeps, or keeps no more; the actions have one name in every version.
pub(super) fn of_answer(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    if answer.string("status")? != ACCEPTED {
        return None;
    }
    match action {
        // One that a remote start brings is for the transaction that it begins.
        "RemoteStartTransaction" | "RequestStartTransaction" => {
            let profile = charging::profile(&call.object("chargingProfile")?)?;
            let place = place(call).unwrap_or_default();
            let remote_start_id = call.integer("remoteStartId");
            Some(StationEffect::ChargingProfileSet { place, profile, remote_start_id })
        }
        "UpdateDynamicSchedule" => {
            let update = call.object("scheduleUpdate")?;
            let values = DynamicValues {
                limit: update.decimal("limit"),
                setpoint: update.decimal("setpoint"),
                discharge_limit: update.decimal("dischargeLimit"),
            };
            let profile_id = call.integer("chargingProfileId")?;
            Some(StationEffect::ChargingScheduleUpdated(profile_id, values))
        }
        "UsePriorityCharging" => {
            let transaction = TransactionName::parse(&call.string("transactionId")?).ok()?;
            Some(StationEffect::PriorityCharging(transaction, call.boolean("activate")?))
        }
        "SetChargingProfile" => {
            let members = ["chargingProfile", "csChargingProfiles"];
            let data = members.iter().find_map(|name| call.object(name))?;
            let (place, profile) = (place(call).unwrap_or_default(), charging::profile(&data)?);
            Some(StationEffect::ChargingProfileSet { place, profile, remote_start_id: None })
        }
        "ClearChargingProfile" => Some(StationEffect::ChargingProfilesCleared(cleared(call))),
        _ => None,
    }
}

/// By number, or by what they are for: members of the request in 1.6, of its criteria in 2.x.
fn cleared(call: &Payload<'_, '_>) -> ClearedProfiles {
    let criteria = call.object("chargingProfileCriteria").unwrap_or(*call);
    ClearedProfiles {
        profile_id: call.integer("chargingProfileId").or_else(|| call.integer("id")),
        place: place(&criteria),
        purpose: criteria.text("chargingProfilePurpose"),
        stack_level: criteria.integer("stackLevel"),
    }
}

/// EVSE 0 and connector 0 are the whole station; `None` where none is named.
fn place(data: &Payload<'_, '_>) -> Option<ChargingPlace> {
    let (evse, connector) = (data.integer("evseId"), data.integer("connectorId"));
    (evse.is_some() || connector.is_some()).then(|| ChargingPlace {
        evse: evse.filter(|number| *number != 0).map(EvseNumber),
        connector: connector.filter(|number| *number != 0).map(ConnectorNumber),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    fn effect(action: &str, call: &str, answer: &str) -> Option<StationEffect> {
        let (call, _) = Document::read(call);
        let (answer, _) = Document::read(answer);
        let call = Payload { document: &call, node: call.root().expect("a call") };
        let answer = Payload { document: &answer, node: answer.root().expect("an answer") };
        of_answer(action, &call, &answer)
    }

    const YES: &str = r#"{"status":"Accepted"}"#;

    #[test]
    fn an_accepted_profile_is_kept_in_every_version() {
        let of_1_6 = r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":7,
            "transactionId":42,"stackLevel":1,"chargingProfilePurpose":"TxProfile",
            "chargingProfileKind":"Relative","chargingSchedule":{"chargingRateUnit":"A",
            "chargingSchedulePeriod":[{"startPeriod":0,"limit":16.5,"numberPhases":3}]}}}"#;
        let of_2_x = r#"{"evseId":0,"chargingProfile":{"id":7,"stackLevel":1,
            "chargingProfilePurpose":"ChargingStationMaxProfile","chargingProfileKind":"Absolute",
            "chargingSchedule":[{"id":1,"chargingRateUnit":"W",
            "chargingSchedulePeriod":[{"startPeriod":0,"limit":11000}]}]}}"#;
        let refused = r#"{"status":"Rejected"}"#;
        assert_eq!(effect("SetChargingProfile", of_1_6, refused), None);
        let Some(StationEffect::ChargingProfileSet { place, profile, .. }) =
            effect("SetChargingProfile", of_1_6, YES)
        else {
            panic!("a profile")
        };
        assert_eq!(place.connector, Some(ConnectorNumber(1)));
        assert_eq!(profile.transaction.as_deref(), Some("42"));
        let period = &profile.schedules[0].periods[0];
        assert_eq!(period.limit.map(|limit| limit.to_string()).as_deref(), Some("16.5"));
        let Some(StationEffect::ChargingProfileSet { place, profile, .. }) =
            effect("SetChargingProfile", of_2_x, YES)
        else {
            panic!("a profile")
        };
        assert_eq!((place, profile.profile_id), (ChargingPlace::default(), 7));
    }

    #[test]
    fn what_is_cleared_is_named_in_the_words_of_every_version() {
        let check = |call: &str, expected: ClearedProfiles| {
            let expected = StationEffect::ChargingProfilesCleared(expected);
            assert_eq!(effect("ClearChargingProfile", call, YES), Some(expected), "{call}");
        };
        let none = ClearedProfiles::default;
        check("{}", none());
        check(r#"{"id":7}"#, ClearedProfiles { profile_id: Some(7), ..none() });
        check(r#"{"chargingProfileId":7}"#, ClearedProfiles { profile_id: Some(7), ..none() });
        let place = Some(ChargingPlace::default());
        let purpose = Some("TxProfile".to_owned());
        check(
            r#"{"connectorId":0,"chargingProfilePurpose":"TxProfile"}"#,
            ClearedProfiles { place, purpose, ..none() },
        );
        let place = Some(ChargingPlace { evse: Some(EvseNumber(1)), connector: None });
        check(
            r#"{"chargingProfileCriteria":{"evseId":1,"stackLevel":2}}"#,
            ClearedProfiles { place, stack_level: Some(2), ..none() },
        );
        let unknown = r#"{"status":"Unknown"}"#;
        assert_eq!(effect("ClearChargingProfile", "{}", unknown), None);
    }
}

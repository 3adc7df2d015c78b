//! What a station says of charging: limits from outside, profiles, what vehicles want.

use crate::message::{Notice, NoticeContent};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ChargingPlace, StationChargingLimitCleared, StationChargingLimitTold, StationChargingNeedsTold,
    StationChargingProfilesReported, StationVehicleScheduleTold,
};
use chargebook_domain::ids::EventId;

/// The fact that a notification about charging is; `None` where it is about something else.
pub(super) fn fact_of(notice: &Notice, exchange: EventId) -> Option<Event> {
    // EVSE 0 is the whole station (part 2, K).
    let evse = notice.evse.filter(|evse| evse.0 != 0);
    let place = ChargingPlace { evse, connector: None };
    Some(match notice.content.clone() {
        NoticeContent::ChargingProfiles { source, profiles } => {
            StationChargingProfilesReported { place, source, profiles, exchange }.into()
        }
        NoticeContent::ChargingLimit { source, is_grid_critical, schedules } => {
            let told =
                StationChargingLimitTold { place, source, is_grid_critical, schedules, exchange };
            told.into()
        }
        NoticeContent::ChargingLimitOver { source } => {
            StationChargingLimitCleared { place, source, exchange }.into()
        }
        NoticeContent::ChargingNeeds(needs) => {
            StationChargingNeedsTold { place, needs: *needs, exchange }.into()
        }
        NoticeContent::VehicleSchedule { time_base, schedule } => {
            let schedule = *schedule;
            StationVehicleScheduleTold { place, time_base, schedule, exchange }.into()
        }
        NoticeContent::Verbatim
        | NoticeContent::Events { .. }
        | NoticeContent::Monitoring(_)
        // One that belongs to no session of ours is in the exchange, and no fact of one.
        | NoticeContent::Payment(_)
        | NoticeContent::Variables(_)
        | NoticeContent::CertificateStatus(_)
        | NoticeContent::CertificateChain(_)
        | NoticeContent::ContractRequest(_)

        | NoticeContent::VatNumber(_) => return None,
    })
}

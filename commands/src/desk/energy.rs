//! What a station says of its service to the grid and of swapped batteries, as facts.

use super::{DeskError, StationDesk};
use crate::message::{EnergyNews, ReportedBattery};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    StationBatteriesSwapped, StationDerAlarmTold, StationDerControlTold,
    StationDerControlsReported, SwappedBattery,
};
use chargebook_domain::ids::{EventId, SubjectId};
use chargebook_domain::sealed::SealedText;

impl StationDesk {
    pub(super) async fn energy_told(
        &self,
        news: &EnergyNews,
        exchange: EventId,
    ) -> Result<Event, DeskError> {
        Ok(match news.clone() {
            EnergyNews::Alarm { control_type, fault, has_ended, at, detail } => {
                let detail = self.sealed_words(detail.as_deref()).await?;
                StationDerAlarmTold { control_type, fault, has_ended, at, detail, exchange }.into()
            }
            EnergyNews::ControlTold { control_id, has_started, superseded, at } => {
                StationDerControlTold { control_id, has_started, superseded, at, exchange }.into()
            }
            EnergyNews::ControlsReported(controls) => {
                StationDerControlsReported { controls, exchange }.into()
            }
            EnergyNews::Swapped { kind, request_id, token, batteries } => {
                let token = self.chargebook.personal().seal_uid(&token.uid).await?;
                let batteries = self.swapped(batteries).await?;
                StationBatteriesSwapped { kind, request_id, token, batteries, exchange }.into()
            }
        })
    }

    async fn swapped(
        &self,
        batteries: Vec<ReportedBattery>,
    ) -> Result<Vec<SwappedBattery>, DeskError> {
        let mut swapped = Vec::with_capacity(batteries.len());
        for battery in batteries {
            let vendor_information = battery.vendor_information.as_deref();
            swapped.push(SwappedBattery {
                evse: battery.evse,
                vendor_information: self.sealed_words(vendor_information).await?,
                serial_number: battery.serial_number,
                state_of_charge_percent: battery.state_of_charge_percent,
                state_of_health_percent: battery.state_of_health_percent,
                produced_at: battery.produced_at,
            });
        }
        Ok(swapped)
    }

    /// Free text may be anything; it is the station's where it is nobody else's.
    async fn sealed_words(&self, text: Option<&str>) -> Result<Option<SealedText>, DeskError> {
        let Some(text) = text else { return Ok(None) };
        let subject = SubjectId(self.state.station_id.0);
        Ok(Some(self.chargebook.personal().seal(subject, text).await?))
    }
}

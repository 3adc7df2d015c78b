//! What a station says of charging: limits from outside, profiles, what vehicles want; and what
//! it is answered and sent for that (2.x: part 2, K15 to K20, K28).
//!
//! A profile that is promised stands in the fact that promises it. Its command has an id of that
//! fact's exchange, so it is asked for once, by the desk or, had this died, by a policy.

use super::sessions::Bay;
use super::{Decision, DeskError, StationDesk};
use crate::charging::{self, Ongoing};
use crate::intent::CommandStage;
use crate::message::{Answer, DynamicValues, Notice, NoticeContent};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ChargingNeeds, ChargingPlace, ChargingSchedule, StationChargingLimitCleared,
    StationChargingLimitTold, StationChargingNeedsTold, StationChargingProfilesReported,
    StationChargingScheduleUpdated, StationPriorityChargingTold, StationVehicleScheduleTold,
};
use chargebook_domain::ids::{EventId, TransactionName};
use chargebook_domain::session::Session;
use chargebook_domain::units::Timestamp;
use chargebook_store::StreamName;

/// How often a vehicle that means to draw more than it may is sent a profile again, since it last
/// said what it needs.
const RENEGOTIATIONS_MAX: u32 = 3;

/// What follows from what a station says of charging.
pub(super) struct Meaning {
    pub(super) answer: Answer,
    pub(super) facts: Vec<Event>,
    /// The exchange that said the same, where it is a repeat.
    pub(super) repeats: Option<EventId>,
}

impl Meaning {
    fn of(answer: Answer, fact: impl Into<Event>) -> Self {
        Self { answer, facts: vec![fact.into()], repeats: None }
    }
}

impl StationDesk {
    /// What follows from a notification about charging that is decided on; `None` where it is
    /// about something else.
    pub(super) async fn meaning_of_charging(
        &mut self,
        notice: &Notice,
        exchange: EventId,
    ) -> Result<Option<Meaning>, DeskError> {
        let place = place_of(notice);
        Ok(Some(match &notice.content {
            NoticeContent::ChargingNeeds(needs) => self.needs_told(place, needs, exchange).await?,
            NoticeContent::VehicleSchedule { time_base, schedule } => {
                self.vehicle_schedule_told(place, *time_base, schedule, exchange).await?
            }
            NoticeContent::DynamicScheduleWanted { profile_id } => {
                self.dynamic_schedule_wanted(*profile_id, exchange).await?
            }
            _ => return Ok(None),
        }))
    }

    /// Answered with the promise of a profile where there is one to give: for a transaction in
    /// progress. A quiet station gets it too, it has asked for it. Energy flows back only where
    /// the operator allows it (2.1: Q01.FR.04, Q01.FR.07).
    async fn needs_told(
        &mut self,
        place: ChargingPlace,
        needs: &ChargingNeeds,
        exchange: EventId,
    ) -> Result<Meaning, DeskError> {
        let ongoing = self.ongoing_at(place).await?;
        let mut fact = StationChargingNeedsTold {
            place,
            needs: needs.clone(),
            exchange,
            transaction: ongoing.as_ref().map(|ongoing| ongoing.transaction.clone()),
            remote_start_id: ongoing.as_ref().and_then(|ongoing| ongoing.remote_start_id),
            profile: None,
            shortfall_wh: None,
            allowed_modes: Vec::new(),
        };
        if let Some(known) = self.state.charging.needs_at(place)
            && known.needs == *needs
            && known.transaction == fact.transaction
            && self.is_profile_on_its_way(known.exchange)
        {
            let repeats = Some(known.exchange);
            return Ok(Meaning { answer: Answer::Accepted, facts: Vec::new(), repeats });
        }
        let may_discharge = self.state.settings.allows_discharging;
        if charging::is_bidirectional(&needs.transfer_mode) && !may_discharge {
            return Ok(Meaning::of(Answer::Rejected, fact));
        }
        let Some(ongoing) = ongoing.filter(|_| self.may_promise()) else {
            return Ok(Meaning::of(Answer::Declined, fact));
        };
        let now = self.chargebook.journal().now();
        let planned = charging::plan_for(&self.state, &ongoing, place, needs, now);
        fact.profile = Some(Box::new(planned.profile));
        fact.shortfall_wh = planned.shortfall_wh;
        if may_discharge {
            fact.allowed_modes = charging::further_modes(needs);
        }
        Ok(Meaning::of(Answer::Accepted, fact))
    }

    /// Refused where it goes beyond the limits that hold; then it is negotiated anew (K15.FR.11 to
    /// K15.FR.13).
    async fn vehicle_schedule_told(
        &mut self,
        place: ChargingPlace,
        time_base: Timestamp,
        schedule: &ChargingSchedule,
        exchange: EventId,
    ) -> Result<Meaning, DeskError> {
        let ongoing = self.ongoing_at(place).await?;
        let needs = self.state.charging.needs_at(place);
        let is_within_limits = ongoing.as_ref().and_then(|ongoing| {
            let is_on_its_way = needs.is_some_and(|needs| {
                needs.transaction.as_ref() == Some(&ongoing.transaction)
                    && self.is_profile_on_its_way(needs.exchange)
            });
            let (state, is_sent) = (&self.state, is_on_its_way);
            charging::is_within_limits(state, ongoing, place, schedule, time_base, is_sent)
        });
        let mut fact = StationVehicleScheduleTold {
            place,
            time_base,
            schedule: schedule.clone(),
            exchange,
            transaction: ongoing.as_ref().map(|ongoing| ongoing.transaction.clone()),
            is_within_limits,
            profile: None,
        };
        if is_within_limits != Some(false) {
            return Ok(Meaning::of(Answer::Accepted, fact));
        }
        if let (Some(ongoing), Some(needs)) = (ongoing, needs)
            && self.may_promise()
            && needs.transaction.as_ref() == Some(&ongoing.transaction)
            && needs.refused < RENEGOTIATIONS_MAX
        {
            let now = self.chargebook.journal().now();
            let planned = charging::plan_for(&self.state, &ongoing, place, &needs.needs, now);
            fact.profile = Some(Box::new(planned.profile));
        }
        Ok(Meaning::of(Answer::Rejected, fact))
    }

    /// The values that hold of a dynamic profile; from now on they count as told (K28.FR.09).
    async fn dynamic_schedule_wanted(
        &mut self,
        profile_id: i64,
        exchange: EventId,
    ) -> Result<Meaning, DeskError> {
        let now = self.chargebook.journal().now();
        let kept = self.state.charging.dynamic_profile(profile_id);
        let kept = kept.filter(|kept| kept.profile.valid_to.is_none_or(|to| now < to));
        let period = kept.and_then(|kept| kept.profile.schedules.first()?.periods.first());
        let values = period.map(|period| DynamicValues {
            limit: period.limit,
            setpoint: period.setpoint,
            discharge_limit: period.discharge_limit,
        });
        let transaction = kept.and_then(|kept| kept.profile.transaction.clone());
        let is_over = match transaction.and_then(|name| TransactionName::parse(&name).ok()) {
            Some(name) => !self.is_in_progress(&name).await?,
            None => false,
        };
        Ok(match values.filter(|_| !is_over) {
            Some(values) => {
                let (limit, setpoint, discharge_limit) = (None, None, None);
                let told = StationChargingScheduleUpdated {
                    profile_id,
                    limit,
                    setpoint,
                    discharge_limit,
                    exchange,
                };
                Meaning::of(Answer::DynamicSchedule(values), told)
            }
            None => Meaning { answer: Answer::Declined, facts: Vec::new(), repeats: None },
        })
    }

    /// Asks for what a message was answered that the station will get. Should this fail, a policy
    /// does it.
    pub(super) async fn send_promised(&self, decision: &Decision) {
        for fact in &decision.facts {
            if let Err(error) = self.chargebook.send_promised(&self.state, fact).await {
                tracing::warn!(%error, "a charging profile could not be asked for");
            }
        }
    }

    fn may_promise(&self) -> bool {
        self.chargebook.has_room_for_promise(self.state.station_id)
    }

    fn is_profile_on_its_way(&self, exchange: EventId) -> bool {
        let command_id = charging::command_of(exchange);
        self.chargebook.board().stage(command_id) != CommandStage::Finished
    }

    /// The transaction in progress at an EVSE.
    async fn ongoing_at(&mut self, place: ChargingPlace) -> Result<Option<Ongoing>, DeskError> {
        let Some(evse) = place.evse else { return Ok(None) };
        let Some(stream) = self.latest_at(Bay::Evse(evse)).await? else { return Ok(None) };
        self.ongoing(&stream).await
    }

    async fn is_in_progress(&mut self, transaction: &TransactionName) -> Result<bool, DeskError> {
        let Some(stream) = self.latest_of_transaction(transaction).await? else {
            return Ok(false);
        };
        Ok(self.ongoing(&stream).await?.is_some())
    }

    async fn ongoing(&mut self, stream: &StreamName) -> Result<Option<Ongoing>, DeskError> {
        let session = self.session(stream).await?;
        Ok(session.and_then(|session| in_progress(session)))
    }
}

/// The transaction that a session is, as long as it is not over.
fn in_progress(session: &Session) -> Option<Ongoing> {
    let transaction = session.transaction()?;
    let opened = transaction.opened()?;
    let is_over = session.stop().is_some() || session.superseded().is_some();
    (!is_over).then(|| Ongoing {
        session_id: opened.session_id,
        transaction: opened.transaction_id.clone(),
        began_at: transaction.first_at().unwrap_or(opened.received_at),
        heard_at: opened.received_at,
        remote_start_id: transaction.remote_start_id(),
    })
}

/// EVSE 0 is the whole station (part 2, K).
fn place_of(notice: &Notice) -> ChargingPlace {
    ChargingPlace { evse: notice.evse.filter(|evse| evse.0 != 0), connector: None }
}

/// The fact that a notification about charging is; `None` where it is about something else.
pub(super) fn fact_of(notice: &Notice, exchange: EventId) -> Option<Event> {
    let place = place_of(notice);
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
        NoticeContent::PriorityCharging { is_active } => {
            let transaction = notice.transaction_id.clone()?;
            StationPriorityChargingTold { transaction, is_active, exchange }.into()
        }
        // These are decided on, and not only taken note of.
        NoticeContent::ChargingNeeds(_)
        | NoticeContent::VehicleSchedule { .. }
        | NoticeContent::DynamicScheduleWanted { .. } => return None,
        NoticeContent::Verbatim
        | NoticeContent::Energy(_)
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

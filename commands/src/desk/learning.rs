//! What the station's desk goes by of what its variables tell: how much it takes in one request of
//! ours and of charging profiles, and whether it shows prices and costs. Learnt from whatever tells
//! their values, and kept in the station's own stream.

use super::display::note_display;
use super::{DECISION_RETRIES_MAX, DeskError, StationDesk};
use crate::journal::{Draft, JournalError};
use crate::message::{Judged, Notice, NoticeContent, StationMessage};
use chargebook_domain::cost_display;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ChargingAbilities, ComponentName, CostDisplay, LearntValue, MessageLimit,
    StationCostDisplayTold, StationMessageLimitsTold, VariableName,
};
use chargebook_domain::message_limit;
use chargebook_store::AppendError;

/// The word for what a variable is now.
const ACTUAL: &str = "Actual";

/// What a variable is now.
#[derive(Clone, Copy)]
struct Told<'a> {
    component: &'a ComponentName,
    variable: &'a VariableName,
    value: &'a str,
}

impl StationDesk {
    /// What the station takes in one request of an action, where it has said so.
    pub fn message_limit(&self, action: &str) -> Option<MessageLimit> {
        self.state.message_limits.iter().find(|limit| limit.action == action).cloned()
    }

    /// Learns from the values that an answer told.
    pub(super) async fn learn_from_values(
        &mut self,
        values: &[LearntValue<String>],
    ) -> Result<(), DeskError> {
        let told = values.iter().filter_map(|learnt| {
            let value = learnt.value.as_deref().filter(|_| learnt.attribute == ACTUAL)?;
            Some(Told { component: &learnt.component, variable: &learnt.variable, value })
        });
        self.learn(&told.collect::<Vec<_>>()).await
    }

    /// Learns from a report. The report itself is in the log already: should this fail, the
    /// station is not bothered with it, and says it again in its next one.
    pub(super) async fn learn_from_report(&mut self, judged: &Judged) {
        let Judged::Message(StationMessage::Notice(Notice {
            content: NoticeContent::Variables(variables),
            ..
        })) = judged
        else {
            return;
        };
        let told = variables.iter().flat_map(|reported| {
            let actual = reported.attributes.iter().filter(|it| it.attribute == ACTUAL);
            let values = actual.filter_map(|it| it.value.as_deref());
            let (component, variable) = (&reported.component, &reported.variable);
            values.map(move |value| Told { component, variable, value })
        });
        if let Err(error) = self.learn(&told.collect::<Vec<_>>()).await {
            let station = &self.state.identity;
            tracing::warn!(%station, %error, "what a station told of itself was not noted");
        }
    }

    async fn learn(&mut self, told: &[Told<'_>]) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let facts = self.news_of(told);
            if facts.is_empty() {
                return Ok(());
            }
            let draft = |fact| {
                let draft = Draft::new(self.chargebook.journal().fresh_id(), fact);
                draft.by("station").about(self.state.station_id)
            };
            let drafts = facts.into_iter().map(draft).collect();
            let registry = self.chargebook.registry();
            match registry.append_to_station(&mut self.state, drafts).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.load_state().await?;
                }
                appended => {
                    appended?;
                    note_display(&self.chargebook, &self.state);
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }

    /// What was not known before, as facts.
    fn news_of(&self, told: &[Told<'_>]) -> Vec<Event> {
        let limits = self.new_limits(told).map(Event::from);
        limits.into_iter().chain(self.new_display(told).map(Event::from)).collect()
    }

    fn new_limits(&self, told: &[Told<'_>]) -> Option<StationMessageLimitsTold> {
        let mut known = self.state.message_limits.clone();
        let mut abilities = self.state.charging_abilities.clone();
        let (mut limits, mut charging) = (Vec::new(), None);
        for Told { component, variable, value } in told.iter().copied() {
            if let Some(limit) = message_limit::told_by(component, variable, value) {
                if message_limit::learn(&mut known, &limit) {
                    limits.push(limit);
                }
            } else if let Some(told) = ChargingAbilities::told_by(component, variable, value)
                && abilities.learn(&told)
            {
                charging.get_or_insert_with(ChargingAbilities::default).learn(&told);
            }
        }
        let is_new = !limits.is_empty() || charging.is_some();
        is_new.then_some(StationMessageLimitsTold { limits, charging })
    }

    fn new_display(&self, told: &[Told<'_>]) -> Option<StationCostDisplayTold> {
        let known = self.state.cost_display;
        let said = |it: &Told<'_>| cost_display::told_by(it.component, it.variable, it.value);
        let display = told.iter().filter_map(said).fold(known, CostDisplay::followed_by);
        (display != known).then_some(StationCostDisplayTold { display })
    }
}

//! How much the station takes in one request of ours, and of charging profiles: learnt from
//! whatever tells the values of its variables, kept in its own stream, and asked for before a
//! request leaves.

use super::{DECISION_RETRIES_MAX, DeskError, StationDesk};
use crate::journal::{Draft, JournalError};
use crate::message::{Judged, Notice, NoticeContent, StationMessage};
use crate::station::StationState;
use chargebook_domain::events::v1::{
    ChargingAbilities, ComponentName, LearntValue, MessageLimit, ReportedVariable,
    StationMessageLimitsTold, VariableName,
};
use chargebook_domain::message_limit::{learn, told_by};
use chargebook_store::AppendError;

/// The word for what a variable is now.
const ACTUAL: &str = "Actual";

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
            told(&learnt.component, &learnt.variable, &learnt.attribute, learnt.value.as_deref())
        });
        self.learn_limits(told.collect()).await
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
        let of_variable = |reported: &ReportedVariable<String>| -> Vec<Told> {
            let told = reported.attributes.iter().filter_map(|it| {
                told(&reported.component, &reported.variable, &it.attribute, it.value.as_deref())
            });
            told.collect()
        };
        let told = variables.iter().flat_map(of_variable).collect();
        if let Err(error) = self.learn_limits(told).await {
            let station = &self.state.identity;
            tracing::warn!(%station, %error, "what a station takes in one request was not noted");
        }
    }

    async fn learn_limits(&mut self, told: Vec<Told>) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let Some(fact) = news(&self.state, &told) else { return Ok(()) };
            let draft = Draft::new(self.chargebook.journal().fresh_id(), fact);
            let drafts = vec![draft.by("station").about(self.state.station_id)];
            let registry = self.chargebook.registry();
            match registry.append_to_station(&mut self.state, drafts).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.load_state().await?;
                }
                appended => {
                    appended?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }
}

/// What a value says.
enum Told {
    Limit(MessageLimit),
    Charging(ChargingAbilities),
}

fn told(
    component: &ComponentName,
    variable: &VariableName,
    attribute: &str,
    value: Option<&str>,
) -> Option<Told> {
    let value = value.filter(|_| attribute == ACTUAL)?;
    let charging = || ChargingAbilities::told_by(component, variable, value);
    told_by(component, variable, value).map(Told::Limit).or_else(|| charging().map(Told::Charging))
}

/// What of it was not known of the station; `None` where all was.
fn news(state: &StationState, told: &[Told]) -> Option<StationMessageLimitsTold> {
    let mut known = state.message_limits.clone();
    let mut abilities = state.charging_abilities.clone();
    let (mut limits, mut charging) = (Vec::new(), None);
    for told in told {
        match told {
            Told::Limit(limit) if learn(&mut known, limit) => limits.push(limit.clone()),
            Told::Charging(told) if abilities.learn(told) => {
                charging.get_or_insert_with(ChargingAbilities::default).learn(told);
            }
            Told::Limit(_) | Told::Charging(_) => {}
        }
    }
    let is_new = !limits.is_empty() || charging.is_some();
    is_new.then_some(StationMessageLimitsTold { limits, charging })
}

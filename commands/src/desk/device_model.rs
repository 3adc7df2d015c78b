//! What a station says of its device model, sealed and cut into facts.

use super::{DeskError, StationDesk};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    LearntValue, ReportedVariable, StationValuesLearnt, StationVariablesReported, VariableAttribute,
};
use chargebook_domain::ids::{EventId, SubjectId};

/// Variables of one event: with their holes they fit into what the log takes as one.
const VARIABLES_PER_EVENT_MAX: usize = 200;

impl StationDesk {
    /// What a station said its variables are, as facts.
    pub(super) async fn variables_reported(
        &self,
        reported: &[ReportedVariable<String>],
        exchange: EventId,
    ) -> Result<Vec<Event>, DeskError> {
        let mut facts = Vec::new();
        for reported in reported.chunks(VARIABLES_PER_EVENT_MAX) {
            let mut variables = Vec::with_capacity(reported.len());
            for variable in reported {
                variables.push(self.seal_variable(variable).await?);
            }
            facts.push(StationVariablesReported { variables, exchange }.into());
        }
        Ok(facts)
    }

    /// What an answer tells of the values of variables, as a fact.
    pub(super) async fn values_learnt(
        &self,
        learnt: &[LearntValue<String>],
        exchange: EventId,
    ) -> Result<StationValuesLearnt, DeskError> {
        let subject = SubjectId(self.state.station_id.0);
        let mut values = Vec::with_capacity(learnt.len());
        for learnt in learnt {
            values.push(LearntValue {
                component: learnt.component.clone(),
                variable: learnt.variable.clone(),
                attribute: learnt.attribute.clone(),
                value: match &learnt.value {
                    Some(value) => Some(self.chargebook.personal().seal(subject, value).await?),
                    None => None,
                },
                read_only: learnt.read_only,
            });
        }
        Ok(StationValuesLearnt { values, exchange })
    }

    /// Values may be anything: names of networks, numbers of cards, texts of the owner.
    async fn seal_variable(
        &self,
        reported: &ReportedVariable<String>,
    ) -> Result<ReportedVariable, DeskError> {
        let subject = SubjectId(self.state.station_id.0);
        let mut attributes = Vec::with_capacity(reported.attributes.len());
        for attribute in &reported.attributes {
            attributes.push(VariableAttribute {
                attribute: attribute.attribute.clone(),
                value: match &attribute.value {
                    Some(value) => Some(self.chargebook.personal().seal(subject, value).await?),
                    None => None,
                },
                mutability: attribute.mutability.clone(),
                persistent: attribute.persistent,
                constant: attribute.constant,
            });
        }
        Ok(ReportedVariable {
            component: reported.component.clone(),
            variable: reported.variable.clone(),
            attributes,
            characteristics: reported.characteristics.clone(),
        })
    }
}

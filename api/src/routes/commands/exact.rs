//! The same intents for programs that speak OCPP 1.6's words: an action and its payload, with
//! the schema's names and nothing beside them. Only names are known here, no messages.

use super::intent::{NewCommand, ResetKind, Spelling, Verb};
use crate::problem::Problem;
use serde::Deserialize;

/// A payload of any of the actions.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExactRequest {
    connector_id: Option<u32>,
    id_tag: Option<String>,
    transaction_id: Option<i32>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    key: Option<OneOrMany>,
    value: Option<String>,
    requested_message: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
enum Kind {
    Hard,
    Soft,
    Operative,
    Inoperative,
}

/// `key` is one in ChangeConfiguration and a list in GetConfiguration.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl ExactRequest {
    /// The request as this API says it.
    pub(super) fn in_our_words(mut self, action: &str) -> Result<NewCommand, Problem> {
        let mut command = NewCommand { spelling: Spelling::Exact, ..NewCommand::default() };
        let required = |member: &str| {
            Problem::invalid(format!("/payload/{member}"), "this member is missing or wrong")
        };
        let verb = match action {
            "RemoteStartTransaction" => {
                command.connector = self.connector_id.take();
                command.token = self.id_tag.take();
                Verb::Start
            }
            "RemoteStopTransaction" => {
                command.transaction_id = self.transaction_id.take();
                Verb::Stop
            }
            "Reset" => {
                command.kind = Some(match self.kind.take() {
                    Some(Kind::Hard) => ResetKind::Hard,
                    Some(Kind::Soft) => ResetKind::Soft,
                    _ => return Err(required("type")),
                });
                Verb::Reset
            }
            "UnlockConnector" => {
                command.connector = self.connector_id.take();
                Verb::Unlock
            }
            "ChangeAvailability" => {
                let connector = self.connector_id.take();
                command.connector = Some(connector.ok_or_else(|| required("connectorId"))?);
                command.operative = Some(match self.kind.take() {
                    Some(Kind::Operative) => true,
                    Some(Kind::Inoperative) => false,
                    _ => return Err(required("type")),
                });
                Verb::SetAvailability
            }
            "GetConfiguration" => {
                command.keys = match self.key.take() {
                    Some(OneOrMany::Many(keys)) => Some(keys),
                    Some(OneOrMany::One(_)) => return Err(required("key")),
                    None => None,
                };
                Verb::GetConfiguration
            }
            "ChangeConfiguration" => {
                command.key = match self.key.take() {
                    Some(OneOrMany::One(key)) => Some(key),
                    _ => return Err(required("key")),
                };
                command.value = self.value.take();
                Verb::ChangeConfiguration
            }
            "TriggerMessage" => {
                command.message = self.requested_message.take();
                command.connector = self.connector_id.take();
                Verb::Trigger
            }
            _ => return Err(Problem::invalid("/action", "not an action that can be asked for")),
        };
        if self != Self::default() {
            let detail = format!("a member that {action} does not have");
            return Err(Problem::invalid("/payload", detail));
        }
        command.verb = Some(verb);
        Ok(command)
    }
}

//! A command as the API shows it: the same whether it comes from the log or from the read
//! models.

use crate::state::ApiState;
use chargebook_commands::{CommandStage, CommandView, Notification as NotificationView};
use chargebook_domain::events::v1::{CommandFailure, Intent};
use chargebook_domain::sealed::{HOLE_PLACEHOLDER, TextKind};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Command as CommandRow;
use chargebook_projections::CommandState;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// An intent to a station, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Command {
    /// Its id, as in stream names.
    id: Uuid,
    /// To which station, by its id.
    station: String,
    /// What the station is to do.
    intent: IntentView,
    /// What an operator should know of it before it fails.
    warnings: Vec<&'static str>,
    /// How far it is.
    state: State,
    /// The status of the station's answer; null where it has none yet, or its answer has none.
    #[schema(example = "Accepted")]
    status: Option<String>,
    /// The payload of the station's answer, as it wrote it; of a CALLERROR its code,
    /// description and details in a list. Where the request was more than the station takes in
    /// one message, its answers to all of the messages, joined. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    reply: Option<Box<RawValue>>,
    /// What the station has said of it since it answered: parts of a report, statuses of a job;
    /// the first of them first. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<Vec<Notification>>,
    /// Whether all of that is there: every part of a report, the end of a job. Null where the
    /// station says nothing of it later.
    complete: Option<bool>,
    /// Why it failed.
    failure: Option<Failure>,
    /// Why it failed, in words.
    detail: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// After this it is not sent any more.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When it was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// When it was answered, or failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// What a station said of a command after it had answered it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommandNotification)]
pub(crate) struct Notification {
    /// The OCPP action.
    #[schema(example = "NotifyReport")]
    action: String,
    /// When it reached us.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The station's word for how it stands.
    #[schema(example = "Uploaded")]
    status: Option<String>,
    /// Which part of a report it is (`seqNo`), from 0.
    sequence: Option<u32>,
    /// The payload, as the station wrote it.
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
}

impl From<NotificationView> for Notification {
    fn from(view: NotificationView) -> Self {
        Self {
            action: view.action,
            at: view.received_at,
            status: view.status,
            sequence: view.sequence,
            payload: view.frame.as_deref().and_then(call_payload),
        }
    }
}

/// What a station is to do, members as in the request.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Intent)]
pub(crate) struct IntentView {
    /// What.
    #[schema(example = "unlock")]
    #[serde(skip_serializing_if = "str::is_empty")]
    verb: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evse: Option<u32>,
    /// Null once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hard: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operative: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    /// The setting; its value may be a secret and is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// `exact`: the OCPP version in whose words it is, by its WebSocket sub-protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ocpp1.6")]
    protocol: Option<String>,
    /// `exact`: the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// `exact`: the payload; what is personal or secret in it is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
    /// The members of the other verbs; secrets and free texts are null.
    #[serde(flatten)]
    #[schema(value_type = Option<Object>)]
    further: Map<String, Value>,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CommandState)]
enum State {
    /// In the log, not sent.
    Requested,
    /// Sent, no answer yet.
    Sent,
    /// The station answered.
    Answered,
    /// It came to no answer; see `failure`.
    Failed,
}

/// Why a command did not come to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CommandFailure)]
enum Failure {
    /// The station is not connected, and this kind of command does not wait.
    StationOffline,
    /// Its time passed before it could be sent.
    Expired,
    /// The station answered with a CALLERROR.
    CallError,
    /// It was sent, and whether it had an effect is not known.
    OutcomeUnknown,
    /// The station's OCPP version has no such message.
    NotSupported,
}

impl From<CommandFailure> for Failure {
    fn from(failure: CommandFailure) -> Self {
        match failure {
            CommandFailure::StationOffline => Self::StationOffline,
            CommandFailure::Expired => Self::Expired,
            CommandFailure::CallError => Self::CallError,
            CommandFailure::OutcomeUnknown => Self::OutcomeUnknown,
            CommandFailure::NotSupported => Self::NotSupported,
        }
    }
}

impl Command {
    /// From the log.
    pub(super) async fn of_view(state: &ApiState, view: CommandView) -> Self {
        let stage = match (view.stage, &view.failure) {
            (CommandStage::Requested, _) => State::Requested,
            (CommandStage::Sent, _) => State::Sent,
            (CommandStage::Finished, None) => State::Answered,
            (CommandStage::Finished, Some(_)) => State::Failed,
        };
        let requested = view.requested;
        Self {
            warnings: warnings_of(&requested.intent),
            id: requested.command_id.0,
            station: requested.station.as_str().to_owned(),
            intent: IntentView::of(state, requested.intent).await,
            state: stage,
            status: view.status,
            reply: view.reply.as_deref().and_then(|last| joined(&view.replies_before, last)),
            complete: view.gathering.is_complete(),
            notifications: Some(view.notifications.into_iter().map(Notification::from).collect()),
            failure: view.failure.as_ref().map(|failed| failed.failure.into()),
            detail: view.failure.map(|failed| failed.detail),
            requested_at: view.requested_at,
            expires_at: requested.expires_at,
            sent_at: view.sent_at,
            finished_at: view.finished_at,
        }
    }

    /// From the read models.
    pub(super) async fn of_row(state: &ApiState, row: CommandRow) -> Self {
        Self {
            warnings: warnings_of(&row.intent),
            id: row.command_id.0,
            station: row.station.as_str().to_owned(),
            intent: IntentView::of(state, row.intent).await,
            state: match row.state {
                CommandState::Requested => State::Requested,
                CommandState::Sent => State::Sent,
                CommandState::Answered => State::Answered,
                CommandState::Failed => State::Failed,
            },
            status: row.reply_status,
            reply: None,
            notifications: None,
            complete: row.complete,
            failure: row.failure.map(Failure::from),
            detail: row.detail,
            requested_at: row.requested_at,
            expires_at: row.expires_at,
            sent_at: row.sent_at,
            finished_at: row.finished_at,
        }
    }
}

fn warnings_of(intent: &Intent) -> Vec<&'static str> {
    match intent {
        Intent::Start { token_id: None, .. } => vec![
            "the token was not registered when this was asked for: a station that asks for its \
             authorization is told that it is invalid, and nobody can be billed",
        ],
        _ => Vec::new(),
    }
}

impl IntentView {
    async fn of(state: &ApiState, intent: Intent) -> Self {
        match intent {
            Intent::Start { connector, evse, id_tag, .. } => Self {
                verb: "start",
                connector: connector.map(|connector| connector.0),
                evse: evse.map(|evse| evse.0),
                token: Some(state.opened(&id_tag).await),
                ..Self::default()
            },
            Intent::Stop { transaction: Some(name), .. } => Self {
                verb: "stop",
                transaction: Some(name.as_str().to_owned()),
                ..Self::default()
            },
            Intent::Stop { transaction_id, .. } => {
                Self { verb: "stop", transaction_id: Some(transaction_id.0), ..Self::default() }
            }
            Intent::Reset { hard, evse } => {
                let evse = evse.map(|evse| evse.0);
                Self { verb: "reset", hard: Some(hard), evse, ..Self::default() }
            }
            Intent::Unlock { connector, evse } => {
                let (connector, evse) = (Some(connector.0), evse.map(|evse| evse.0));
                Self { verb: "unlock", connector, evse, ..Self::default() }
            }
            Intent::SetAvailability { connector, operative, evse } => Self {
                verb: "set_availability",
                connector: Some(connector.0),
                evse: evse.map(|evse| evse.0),
                operative: Some(operative),
                ..Self::default()
            },
            Intent::GetConfiguration { keys } => {
                Self { verb: "get_configuration", keys: Some(keys), ..Self::default() }
            }
            Intent::ChangeConfiguration { key, .. } => {
                Self { verb: "change_configuration", key: Some(key), ..Self::default() }
            }
            Intent::Trigger { message, connector, evse } => Self {
                verb: "trigger",
                message: Some(message),
                connector: connector.map(|connector| connector.0),
                evse: evse.map(|evse| evse.0),
                ..Self::default()
            },
            Intent::Exact { protocol, action, payload } => Self {
                verb: "exact",
                protocol: Some(protocol),
                action: Some(action),
                payload: RawValue::from_string(payload.redacted()).ok(),
                ..Self::default()
            },
            further => Self { further: shown(state, further).await, ..Self::default() },
        }
    }
}

/// The members of an intent, `verb` included: tokens are shown until they are erased, other
/// sealed texts are not.
async fn shown(state: &ApiState, intent: Intent) -> Map<String, Value> {
    let opened = state.chargebook.personal().open_intent(intent).await;
    let shown = opened.map(&mut |kind, text| {
        (kind == TextKind::Token && text != HOLE_PLACEHOLDER).then_some(text)
    });
    match serde_json::to_value(shown) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// What a frame says after its type and id: of an answer its payload, whatever follows that, of an
/// error the rest. `None` for what is no frame.
fn payload(frame: &str) -> Option<Box<RawValue>> {
    let parts: Vec<Box<RawValue>> = serde_json::from_str(frame).ok()?;
    let rest = parts.get(2..).filter(|rest| !rest.is_empty())?;
    match parts.first()?.get() {
        "3" => rest.first().cloned(),
        _ => serde_json::value::to_raw_value(rest).ok(),
    }
}

/// The answers to several requests as one: their lists are joined, of anything else the last holds.
/// Where the last is an error, nothing but that.
fn joined(before: &[String], last: &str) -> Option<Box<RawValue>> {
    type Members = BTreeMap<String, Box<RawValue>>;
    let members = |payload: &RawValue| serde_json::from_str::<Members>(payload.get()).ok();
    let last = payload(last)?;
    let Some(mut all) = members(&last).filter(|_| !before.is_empty()) else { return Some(last) };
    for reply in before.iter().rev().filter_map(|reply| members(payload(reply).as_deref()?)) {
        for (name, value) in reply {
            let after = all.remove(&name);
            all.insert(name, after.map_or(value.clone(), |after| appended(&value, after)));
        }
    }
    serde_json::value::to_raw_value(&all).ok()
}

/// A list with the items of another behind its own; of what is no list, the other.
fn appended(list: &RawValue, other: Box<RawValue>) -> Box<RawValue> {
    let items = |list: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(list.get()).ok();
    let Some((mut list, further)) = items(list).zip(items(&other)) else { return other };
    list.extend(further);
    serde_json::value::to_raw_value(&list).unwrap_or(other)
}

/// What a CALL or SEND says after its type, id and action.
fn call_payload(frame: &str) -> Option<Box<RawValue>> {
    let parts: Vec<Box<RawValue>> = serde_json::from_str(frame).ok()?;
    parts.into_iter().nth(3)
}

#[cfg(test)]
mod tests {
    use super::{call_payload, joined, payload};

    #[test]
    fn the_answers_to_several_requests_are_one() {
        let check = |before: &[&str], last: &str, expect: &str| {
            let before: Vec<_> = before.iter().map(|frame| (*frame).to_owned()).collect();
            let joined = joined(&before, last).map(|raw| raw.get().to_owned());
            assert_eq!(joined.as_deref(), Some(expect));
        };
        let list = |items: &str| format!(r#"[3,"id",{{"list":[{items}],"status":"S{items}"}}]"#);
        let (one, two, three) = (list("1.0"), list("2"), list("3"));
        check(&[], &one, r#"{"list":[1.0],"status":"S1.0"}"#);
        check(&[&one, &two], &three, r#"{"list":[1.0,2,3],"status":"S3"}"#);
        check(&[&one], r#"[4,"id","Code","",{}]"#, r#"["Code","",{}]"#);
    }

    #[test]
    fn the_payload_is_what_the_station_wrote() {
        let check = |frame: &str, expect: Option<&str>| {
            assert_eq!(payload(frame).map(|raw| raw.get().to_owned()).as_deref(), expect);
        };
        check(
            r#"[3,"id",{"status": "Accepted","n":1.10}]"#,
            Some(r#"{"status": "Accepted","n":1.10}"#),
        );
        check(r#"[3,"id",{"status":"Accepted"},"x",1]"#, Some(r#"{"status":"Accepted"}"#));
        check(r#"[4,"id","GenericError","no",{}]"#, Some(r#"["GenericError","no",{}]"#));
        check(r#"[4,"id","GenericError"]"#, Some(r#"["GenericError"]"#));
        check("[3]", None);
        check("hello", None);
        let further = r#"[2,"id","NotifyReport",{"seqNo":0},null]"#;
        let notified = call_payload(further).map(|raw| raw.get().to_owned());
        assert_eq!(notified.as_deref(), Some(r#"{"seqNo":0}"#), "more than a CALL has");
    }
}

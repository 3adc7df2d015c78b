//! Intents as OCPP 1.6 requests, members in the schema's order.

use crate::message::{Downward, Unsendable};
use crate::rpc::error::push_string;
use chargebook_commands::OpenedIntent;
use chargebook_commands::message::{PersonalKind, PersonalPlace, RenderedReply};
use chargebook_domain::ids::ConnectorNumber;
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use ocpp_kit::v1_6::{Action, MessageTrigger};
use std::fmt::Write as _;

/// Writes the CALL for an intent.
pub(crate) fn downward(message_id: &str, intent: &OpenedIntent) -> Result<Downward, Unsendable> {
    let action = action(intent);
    let mut writer = Writer::new(message_id, action);
    match intent {
        OpenedIntent::Start { connector, id_tag } => {
            if let Some(connector) = connector {
                writer.connector("connectorId", *connector, 1)?;
            }
            limited("idTag", id_tag, 20)?;
            not_erased(id_tag)?;
            writer.personal_text("idTag", id_tag, PersonalKind::IdTag(id_tag.clone()));
        }
        OpenedIntent::Stop { transaction_id } => {
            writer.integer("transactionId", transaction_id.0);
        }
        OpenedIntent::Reset { hard } => {
            writer.text("type", if *hard { "Hard" } else { "Soft" });
        }
        OpenedIntent::Unlock { connector } => writer.connector("connectorId", *connector, 1)?,
        OpenedIntent::SetAvailability { connector, operative } => {
            writer.connector("connectorId", *connector, 0)?;
            writer.text("type", if *operative { "Operative" } else { "Inoperative" });
        }
        OpenedIntent::GetConfiguration { keys } => writer.keys(keys)?,
        OpenedIntent::ChangeConfiguration { key, value } => {
            limited("key", key, 50)?;
            limited("value", value, 500)?;
            not_erased(value)?;
            writer.text("key", key);
            // A setting may be a secret or name a card (free-vend tags).
            writer.personal_text("value", value, PersonalKind::FreeText);
        }
        OpenedIntent::Trigger { message, connector } => {
            if !MessageTrigger::VARIANTS.contains(&message.as_str()) {
                return Err(Unsendable::UnknownTrigger);
            }
            writer.text("requestedMessage", message);
            if let Some(connector) = connector {
                writer.connector("connectorId", *connector, 1)?;
            }
        }
    }
    Ok(Downward { action: action.as_str(), frame: writer.finish() })
}

fn action(intent: &OpenedIntent) -> Action {
    match intent {
        OpenedIntent::Start { .. } => Action::RemoteStartTransaction,
        OpenedIntent::Stop { .. } => Action::RemoteStopTransaction,
        OpenedIntent::Reset { .. } => Action::Reset,
        OpenedIntent::Unlock { .. } => Action::UnlockConnector,
        OpenedIntent::SetAvailability { .. } => Action::ChangeAvailability,
        OpenedIntent::GetConfiguration { .. } => Action::GetConfiguration,
        OpenedIntent::ChangeConfiguration { .. } => Action::ChangeConfiguration,
        OpenedIntent::Trigger { .. } => Action::TriggerMessage,
    }
}

fn limited(member: &'static str, text: &str, characters_max: usize) -> Result<(), Unsendable> {
    if text.chars().count() > characters_max {
        return Err(Unsendable::TooLong { member, characters_max });
    }
    Ok(())
}

/// What stands for an erased text must not be taken for a text.
fn not_erased(text: &str) -> Result<(), Unsendable> {
    if text == HOLE_PLACEHOLDER { Err(Unsendable::Erased) } else { Ok(()) }
}

struct Writer {
    frame: String,
    personal: Vec<PersonalPlace>,
    is_first: bool,
}

impl Writer {
    fn new(message_id: &str, action: Action) -> Self {
        let mut frame = String::with_capacity(128);
        frame.push_str("[2,");
        push_string(&mut frame, message_id);
        frame.push(',');
        push_string(&mut frame, action.as_str());
        frame.push_str(",{");
        Self { frame, personal: Vec::new(), is_first: true }
    }

    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.frame.push(',');
        }
        self.is_first = false;
        push_string(&mut self.frame, name);
        self.frame.push(':');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        push_string(&mut self.frame, text);
    }

    fn personal_text(&mut self, name: &str, text: &str, kind: PersonalKind) {
        self.name(name);
        let range = push_string(&mut self.frame, text);
        if !range.is_empty() {
            self.personal.push(PersonalPlace { range, kind });
        }
    }

    fn integer(&mut self, name: &str, integer: i32) {
        self.name(name);
        // Writing to a `String` cannot fail.
        let _ = write!(self.frame, "{integer}");
    }

    fn connector(
        &mut self,
        name: &str,
        connector: ConnectorNumber,
        least: i32,
    ) -> Result<(), Unsendable> {
        let number = i32::try_from(connector.0).map_err(|_| Unsendable::Connector)?;
        if number < least {
            return Err(Unsendable::ConnectorZero);
        }
        self.integer(name, number);
        Ok(())
    }

    /// No keys means all, and then the member is left out (section 5.8).
    fn keys(&mut self, keys: &[String]) -> Result<(), Unsendable> {
        if keys.is_empty() {
            return Ok(());
        }
        self.name("key");
        self.frame.push('[');
        for (index, key) in keys.iter().enumerate() {
            limited("key", key, 50)?;
            if index > 0 {
                self.frame.push(',');
            }
            push_string(&mut self.frame, key);
        }
        self.frame.push(']');
        Ok(())
    }

    fn finish(mut self) -> RenderedReply {
        self.frame.push_str("}]");
        RenderedReply { frame: self.frame, personal: self.personal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chargebook_domain::ids::TransactionNumber;
    use ocpp_kit::decode::DecodeOptions;
    use ocpp_kit::rpc::Frame;
    use ocpp_kit::v1_6::CsmsRequest;

    /// Writes an intent, has an independent library read it, and shows payload and holes.
    #[track_caller]
    fn check(intent: OpenedIntent, action: &str, payload: &str, holes: &[&str]) {
        let Downward { frame, .. } = downward("id-1", &intent).expect("sendable");
        assert_eq!(frame.frame, format!(r#"[2,"id-1","{action}",{payload}]"#));
        let found: Vec<_> =
            frame.personal.iter().map(|place| &frame.frame[place.range.clone()]).collect();
        assert_eq!(found, holes);
        let parsed = Frame::parse(&frame.frame, ocpp_kit::Version::V1_6).expect("a frame");
        let known = Action::from_wire(action).expect("an action");
        CsmsRequest::decode(
            known,
            parsed.payload().expect("a payload"),
            &DecodeOptions::pedantic(),
        )
        .expect("a request of the standard");
    }

    #[test]
    fn every_intent_is_a_request_of_the_standard() {
        let one = ConnectorNumber(1);
        let id_tag = "04A1\"B".to_owned();
        check(
            OpenedIntent::Start { connector: Some(one), id_tag },
            "RemoteStartTransaction",
            r#"{"connectorId":1,"idTag":"04A1\"B"}"#,
            &[r#"04A1\"B"#],
        );
        check(
            OpenedIntent::Start { connector: None, id_tag: "T".into() },
            "RemoteStartTransaction",
            r#"{"idTag":"T"}"#,
            &["T"],
        );
        check(
            OpenedIntent::Stop { transaction_id: TransactionNumber(-1) },
            "RemoteStopTransaction",
            r#"{"transactionId":-1}"#,
            &[],
        );
        check(OpenedIntent::Reset { hard: true }, "Reset", r#"{"type":"Hard"}"#, &[]);
        check(OpenedIntent::Reset { hard: false }, "Reset", r#"{"type":"Soft"}"#, &[]);
        check(
            OpenedIntent::Unlock { connector: one },
            "UnlockConnector",
            r#"{"connectorId":1}"#,
            &[],
        );
        check(
            OpenedIntent::SetAvailability { connector: ConnectorNumber(0), operative: false },
            "ChangeAvailability",
            r#"{"connectorId":0,"type":"Inoperative"}"#,
            &[],
        );
        check(OpenedIntent::GetConfiguration { keys: vec![] }, "GetConfiguration", "{}", &[]);
        check(
            OpenedIntent::GetConfiguration { keys: vec!["A".into(), "B".into()] },
            "GetConfiguration",
            r#"{"key":["A","B"]}"#,
            &[],
        );
        check(
            OpenedIntent::ChangeConfiguration {
                key: "AuthorizationKey".into(),
                value: "secret".into(),
            },
            "ChangeConfiguration",
            r#"{"key":"AuthorizationKey","value":"secret"}"#,
            &["secret"],
        );
        check(
            OpenedIntent::Trigger { message: "MeterValues".into(), connector: Some(one) },
            "TriggerMessage",
            r#"{"requestedMessage":"MeterValues","connectorId":1}"#,
            &[],
        );
    }

    #[test]
    fn what_the_standard_has_no_words_for_is_not_sent() {
        let refused = |intent: OpenedIntent| downward("1", &intent).expect_err("unsendable");
        let long = OpenedIntent::Start { connector: None, id_tag: "x".repeat(21) };
        assert_eq!(refused(long), Unsendable::TooLong { member: "idTag", characters_max: 20 });
        let zero = OpenedIntent::Unlock { connector: ConnectorNumber(0) };
        assert_eq!(refused(zero), Unsendable::ConnectorZero);
        let large = OpenedIntent::Unlock { connector: ConnectorNumber(u32::MAX) };
        assert_eq!(refused(large), Unsendable::Connector);
        let erased = OpenedIntent::Start { connector: None, id_tag: HOLE_PLACEHOLDER.into() };
        assert_eq!(refused(erased), Unsendable::Erased);
        let unknown = OpenedIntent::Trigger { message: "Nonsense".into(), connector: None };
        assert_eq!(refused(unknown), Unsendable::UnknownTrigger);
    }
}

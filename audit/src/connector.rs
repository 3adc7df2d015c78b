//! What a charger's event (NotifyEvent of OCPP 2.x) tells of its connectors: it may come instead
//! of a StatusNotification (2.x part 2, G01).

use crate::frame::{Frame, FrameError};
use chargebook_domain::events::v1::SessionConnectorStatus;
use serde_json::Value;

/// The component and its variable that tell what a connector is.
const CONNECTOR: &str = "Connector";
/// See [`CONNECTOR`].
const AVAILABILITY: &str = "AvailabilityState";

impl Frame {
    /// Whether any event of the message tells what a connector is.
    pub(crate) fn tells_of_connectors(&self) -> bool {
        (0..self.events().len()).any(|index| self.is_of_connector(index))
    }

    /// Refuses a message of which no event says what the fact says of the connector.
    pub(crate) fn tells_of_connector(
        &self,
        fact: &SessionConnectorStatus,
    ) -> Result<(), FrameError> {
        let says_it = |(index, event): (usize, &Value)| {
            let number = |name: &str| self.integer_at(&format!("{}/evse/{name}", at(index)));
            self.is_of_connector(index)
                && number("id") == fact.evse.map(|evse| i64::from(evse.0))
                && number("connectorId") == Some(i64::from(fact.connector.0))
                && event.get("actualValue").and_then(Value::as_str) == Some(fact.status.as_str())
                && self.says_instant("the time", event, fact.at).is_ok()
        };
        if self.events().iter().enumerate().any(says_it) {
            return Ok(());
        }
        let (connector, status, at) = (fact.connector, &fact.status, fact.at);
        Err(FrameError::WrongMessage(format!(
            "no event of the message says that connector {connector} was {status} at {at}"
        )))
    }

    fn events(&self) -> &[Value] {
        self.payload().get("eventData").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn is_of_connector(&self, index: usize) -> bool {
        let is = |pointer: String, word: &str| {
            self.text_at(&pointer).is_some_and(|text| text.eq_ignore_ascii_case(word))
        };
        is(format!("{}/name", at(index)), CONNECTOR)
            && is(format!("/eventData/{index}/variable/name"), AVAILABILITY)
    }
}

/// Where an event's component stands in the payload.
fn at(index: usize) -> String {
    format!("/eventData/{index}/component")
}

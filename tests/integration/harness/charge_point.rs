//! Independent charge points, each in a process of its own: PyPI's `ocpp` on `websockets`, and
//! npm's `ocpp-rpc` in strict mode.
//!
//! The process (`tests/python/charge_point.py`, `tests/node/strict_charge_point.js`) takes one JSON
//! request a line and answers with one JSON line; it validates the messages in both directions
//! against its own schemas.

use serde_json::{Value, json};

use super::csms::{TestCsms, password_of};
use super::line_process::LineProcess;
use super::node::node;
use super::python::python;

/// A CALLERROR as the charge point received it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) code: String,
    pub(crate) description: String,
}

/// One charge point; ends with its process when dropped.
pub(crate) struct ChargePoint {
    id: String,
    process: LineProcess,
}

impl ChargePoint {
    /// A charge point that is not connected yet.
    pub(crate) fn new(id: &str) -> Self {
        let process = LineProcess::start(id, &mut python("charge_point.py"));
        Self { id: id.to_owned(), process }
    }

    /// A strict charge point that is not connected yet: it notes whatever its schemas have against
    /// a message of either side ([`Self::violations`]). It sends no frames as they come.
    pub(crate) fn strict(id: &str) -> Self {
        let process = LineProcess::start(id, &mut node("strict_charge_point.js"));
        Self { id: id.to_owned(), process }
    }

    /// A charge point, connected with its password.
    #[track_caller]
    pub(crate) fn connected(csms: &TestCsms, id: &str) -> Self {
        let mut station = Self::new(id);
        station.connect(csms);
        station
    }

    /// Connects as a charge point does: OCPP 1.6, basic auth with its own id.
    #[track_caller]
    pub(crate) fn connect(&mut self, csms: &TestCsms) {
        let reply = self.try_connect(csms, json!({}));
        assert_eq!(reply["subprotocol"], "ocpp1.6", "{reply}");
    }

    /// Connects in another version: `ocpp2.0.1`, `ocpp2.1`.
    #[track_caller]
    pub(crate) fn connect_as(&mut self, csms: &TestCsms, version: &str) {
        let reply = self.try_connect(csms, json!({ "subprotocols": [version] }));
        assert_eq!(reply["subprotocol"], version, "{reply}");
    }

    /// The same for sending frames as they come: no schemas, no message loop.
    #[track_caller]
    pub(crate) fn connect_raw_as(&mut self, csms: &TestCsms, version: &str) {
        let reply = self.try_connect(csms, json!({ "subprotocols": [version], "raw": true }));
        assert_eq!(reply["subprotocol"], version, "{reply}");
    }

    /// Connects for sending frames as they come: no schemas, no message loop.
    #[track_caller]
    pub(crate) fn connect_raw(&mut self, csms: &TestCsms) {
        let reply = self.try_connect(csms, json!({ "raw": true }));
        assert_eq!(reply["subprotocol"], "ocpp1.6", "{reply}");
    }

    /// Connects with some settings changed (`id_in_url`, `user`, `password`, `subprotocols`, `raw`,
    /// `deflate`, `url`, `tls` with the files `authority`, `certificate` and `key`); returns
    /// `{"subprotocol": …, "extensions": […]}` or `{"status": …}`. Compression is offered as the
    /// package does it, unless `deflate` holds parameters for the offer, or is null.
    pub(crate) fn try_connect(&mut self, csms: &TestCsms, changes: Value) -> Value {
        let mut request = json!({
            "op": "connect",
            "url": csms.ocpp_url(),
            "id_in_url": self.id,
            "user": self.id,
            "password": password_of(&self.id),
            "subprotocols": ["ocpp1.6"],
            "raw": false,
        });
        let settings = request.as_object_mut().expect("an object");
        settings.extend(changes.as_object().expect("an object").clone());
        self.ask(&request)
    }

    /// Sends a CALL and returns the payload of its CALLRESULT.
    #[track_caller]
    pub(crate) fn call(&mut self, action: &str, payload: Value) -> Value {
        match self.try_call(action, payload, None) {
            Ok(result) => result,
            Err(error) => panic!("{action} was answered with {error:?}"),
        }
    }

    /// Sends a CALL with a message id of the test's choice.
    #[track_caller]
    pub(crate) fn call_with_id(&mut self, id: &str, action: &str, payload: Value) -> Value {
        match self.try_call(action, payload, Some(id)) {
            Ok(result) => result,
            Err(error) => panic!("{action} was answered with {error:?}"),
        }
    }

    pub(crate) fn try_call(
        &mut self,
        action: &str,
        payload: Value,
        message_id: Option<&str>,
    ) -> Result<Value, CallError> {
        let request = json!({
            "op": "call", "action": action, "payload": payload, "message_id": message_id,
        });
        let reply = self.ask(&request);
        if let Some(result) = reply.get("result") {
            return Ok(result.clone());
        }
        let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
        assert!(reply.get("code").is_some(), "{action} was not answered: {reply}");
        Err(CallError { code: text("code"), description: text("description") })
    }

    /// From now on the station answers this action of the CSMS with this payload.
    pub(crate) fn will_answer(&mut self, action: &str, payload: Value) {
        self.ask(&json!({ "op": "will_answer", "action": action, "payload": payload }));
    }

    /// The CALLs of the CSMS so far, each `{"action", "payload"}`.
    pub(crate) fn received_calls(&mut self) -> Vec<Value> {
        let reply = self.ask(&json!({ "op": "received_calls" }));
        reply["calls"].as_array().expect("calls").clone()
    }

    /// Every text frame so far, each `{"direction": "sent" | "received", "text"}`.
    pub(crate) fn frames(&mut self) -> Vec<Value> {
        let reply = self.ask(&json!({ "op": "frames" }));
        reply["frames"].as_array().expect("frames").clone()
    }

    /// What a strict charge point's schemas have against the messages so far.
    pub(crate) fn violations(&mut self) -> Vec<Value> {
        let reply = self.ask(&json!({ "op": "violations" }));
        reply["violations"].as_array().expect("violations").clone()
    }

    /// Sends one text frame as it is (raw connections).
    pub(crate) fn send_text(&mut self, text: &str) {
        self.ask(&json!({ "op": "send_text", "text": text }));
    }

    /// Sends one binary frame (raw connections).
    pub(crate) fn send_binary(&mut self, text: &str) {
        self.ask(&json!({ "op": "send_binary", "text": text }));
    }

    /// The next frame as JSON (raw connections), or `{"closed": CODE}`.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Value {
        let reply = self.ask(&json!({ "op": "receive" }));
        match reply.get("text") {
            Some(text) => {
                let text = text.as_str().expect("a text");
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
            }
            None => reply,
        }
    }

    /// Sends a text frame and returns the next frame.
    #[track_caller]
    pub(crate) fn exchange(&mut self, text: &str) -> Value {
        self.send_text(text);
        self.receive()
    }

    /// Closes the connection in order.
    pub(crate) fn disconnect(&mut self) {
        self.ask(&json!({ "op": "disconnect" }));
    }

    /// Drops the connection without a closing handshake, as a lost network does.
    pub(crate) fn drop_connection(&mut self) {
        self.ask(&json!({ "op": "drop" }));
    }

    /// Waits until the other side has ended the connection.
    pub(crate) fn wait_closed(&mut self) -> Value {
        self.ask(&json!({ "op": "wait_closed" }))
    }

    #[track_caller]
    fn ask(&mut self, request: &Value) -> Value {
        self.process.ask(request)
    }
}

//! The official schemas as an independent judge: `tests/python/schemas.py`, in a process of its
//! own.

use serde_json::{Value, json};

use super::line_process::LineProcess;
use super::python::python;

/// The schemas of one OCPP version, by the name of its folder: `v16`, `v201`, `v21`.
pub(crate) struct Schemas {
    version: &'static str,
    process: LineProcess,
}

impl Schemas {
    pub(crate) fn of(version: &'static str) -> Self {
        Self { version, process: LineProcess::start(version, &mut python("schemas.py")) }
    }

    /// Requests of charge points, valid ones and ones with a single thing wrong, each
    /// `{"action", "payload", "code", "change"}`; `code` is null for a valid one. Of what can be
    /// wrong, every `every`-th thing.
    pub(crate) fn cases(&mut self, every: usize) -> Vec<Value> {
        let request = json!({ "op": "cases", "version": self.version, "every": every });
        let reply = self.process.ask(&request);
        reply["cases"].as_array().expect("cases").clone()
    }

    /// Two valid requests of each action that goes in this direction, one with every member and
    /// one with the required ones, each with an answer of the same kind: `{"action", "request",
    /// "response"}`.
    pub(crate) fn samples(&mut self, direction: Direction) -> Vec<Value> {
        let direction = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        let request = json!({ "op": "samples", "version": self.version, "direction": direction });
        let reply = self.process.ask(&request);
        reply["samples"].as_array().expect("samples").clone()
    }

    /// What the schema of a response has against a payload.
    pub(crate) fn complaint(&mut self, action: &str, payload: &Value) -> Option<String> {
        self.judge("Response", action, payload)
    }

    /// What the schema of a request has against a payload.
    pub(crate) fn complaint_of_request(&mut self, action: &str, payload: &Value) -> Option<String> {
        self.judge("Request", action, payload)
    }

    fn judge(&mut self, message: &str, action: &str, payload: &Value) -> Option<String> {
        let reply = self.process.ask(&json!({
            "op": "judge", "version": self.version, "message": message, "action": action,
            "payload": payload,
        }));
        reply["complaint"].as_str().map(str::to_owned)
    }
}

/// Which way a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// From the station to us.
    Up,
    /// From us to the station.
    Down,
}

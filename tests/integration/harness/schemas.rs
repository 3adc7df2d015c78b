//! The official schemas as an independent judge: `tests/python/schemas.py`, in a process of its
//! own.

use serde_json::{Value, json};

use super::line_process::LineProcess;
use super::python::python;

/// The schemas of one OCPP version, by the name of its folder: `v201`, `v21`.
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

    /// What the schema of a response has against a payload.
    pub(crate) fn complaint(&mut self, action: &str, payload: &Value) -> Option<String> {
        let reply = self.process.ask(&json!({
            "op": "judge_response", "version": self.version, "action": action, "payload": payload,
        }));
        reply["complaint"].as_str().map(str::to_owned)
    }
}

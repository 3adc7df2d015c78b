//! The gateway's metrics, by name. Labels come from small fixed sets, never from a station.

use std::time::Duration;

/// Connections open now.
const CONNECTIONS: &str = "chargebook_gateway_connections";
/// Handshakes by outcome.
const HANDSHAKES: &str = "chargebook_gateway_handshakes_total";
/// Connections that ended, by reason.
const DISCONNECTIONS: &str = "chargebook_gateway_disconnections_total";
/// Messages from stations, by action and verdict.
const MESSAGES: &str = "chargebook_gateway_messages_total";
/// Times that a station had sent so fast that its next frame was made to wait.
const PAUSES: &str = "chargebook_gateway_pauses_total";
/// Seconds from a CALL's arrival to its answer on the way.
const CALL_SECONDS: &str = "chargebook_gateway_call_seconds";
/// CALLs of ours, by action and outcome.
const COMMANDS: &str = "chargebook_gateway_commands_total";
/// Times without an offset and the like that were read as meant.
const REPAIRED_TIMES: &str = "chargebook_gateway_repaired_times_total";
/// Failures of the desk: nothing was acknowledged.
const DESK_ERRORS: &str = "chargebook_gateway_desk_errors_total";

/// Shows what is counted before it occurs, so that whoever watches it sees the first as a step.
pub(crate) fn announce() {
    metrics::gauge!(CONNECTIONS).increment(0);
    for counter in [PAUSES, REPAIRED_TIMES, DESK_ERRORS] {
        metrics::counter!(counter).increment(0);
    }
}

/// Counts a connection for as long as it lives.
pub(crate) struct ConnectionGauge;

impl ConnectionGauge {
    pub(crate) fn new() -> Self {
        metrics::gauge!(CONNECTIONS).increment(1);
        Self
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        metrics::gauge!(CONNECTIONS).decrement(1);
    }
}

pub(crate) fn handshake(outcome: &'static str) {
    metrics::counter!(HANDSHAKES, "outcome" => outcome).increment(1);
}

pub(crate) fn disconnected(reason: &'static str) {
    metrics::counter!(DISCONNECTIONS, "reason" => reason).increment(1);
}

pub(crate) fn message(action: &'static str, verdict: &'static str) {
    metrics::counter!(MESSAGES, "action" => action, "verdict" => verdict).increment(1);
}

pub(crate) fn paused() {
    metrics::counter!(PAUSES).increment(1);
}

pub(crate) fn answered(action: &'static str, after: Duration) {
    metrics::histogram!(CALL_SECONDS, "action" => action).record(after.as_secs_f64());
}

pub(crate) fn command(action: &'static str, outcome: &'static str) {
    metrics::counter!(COMMANDS, "action" => action, "outcome" => outcome).increment(1);
}

pub(crate) fn repaired_times(count: u32) {
    if count > 0 {
        metrics::counter!(REPAIRED_TIMES).increment(u64::from(count));
    }
}

pub(crate) fn desk_error() {
    metrics::counter!(DESK_ERRORS).increment(1);
}

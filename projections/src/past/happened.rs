//! When what an event says happened: by the station's own time where it can be believed, and at the
//! latest when the event was recorded.

use chargebook_domain::units::Timestamp;
use chargebook_store::{CanonicalJson, RecordedEvent};
use serde_json::Value;

/// The event, as far as it had happened by a time; `None` where nothing of it had.
pub(super) fn happened_by(mut event: RecordedEvent, time: Timestamp) -> Option<RecordedEvent> {
    let recorded_at = Timestamp::new(event.recorded_at);
    let Some(own_time) = own_time(&event.event_type) else {
        return (recorded_at <= time).then_some(event);
    };
    if recorded_at <= time {
        return Some(event);
    }
    // What cannot be read is for the fold to refuse.
    let Ok(mut data) = serde_json::from_str::<Value>(event.data.as_str()) else { return None };
    if data["clock"] == "implausible" {
        return None;
    }
    if let Some(member) = own_time.member {
        let happened = data.pointer(member).and_then(time_of)?;
        if happened > time {
            return None;
        }
    }
    let Some(samples) = data.get_mut("samples").and_then(Value::as_array_mut) else {
        return own_time.member.map(|_| event);
    };
    let told = samples.len();
    samples.retain(|sample| time_of(&sample["sampled_at"]).is_some_and(|at| at <= time));
    if samples.is_empty() && own_time.member.is_none() {
        return None;
    }
    if samples.len() < told {
        event.data = CanonicalJson::from_value(&data).ok()?;
    }
    Some(event)
}

/// Where an event says when it happened.
struct OwnTime {
    /// JSON pointer to the time; `None` where only its samples have one.
    member: Option<&'static str>,
}

/// Facts that a station tells of, and may tell late. All others happen as they are recorded.
fn own_time(event_type: &str) -> Option<OwnTime> {
    let member = match event_type {
        "session.meter_recorded" => None,
        "session.started" => Some("/started_at"),
        "session.stopped" => Some("/stopped_at"),
        "session.transaction_reported" | "session.token_presented" | "station.connector_status" => {
            Some("/at")
        }
        "station.orphan_recorded" => Some("/orphan/stopped_at"),
        _ => return None,
    };
    Some(OwnTime { member })
}

fn time_of(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

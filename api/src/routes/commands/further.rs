//! Verbs whose members are the intent's own: the body is the intent with its texts in plain. What
//! may be left out is filled in here, and every text is sealed before it goes any further.

use crate::problem::Problem;
use crate::request::read_json;
use crate::state::ApiState;
use chargebook_commands::StationState;
use chargebook_domain::events::v1::Intent;
use serde_json::{Map, Value, json};

/// Longest text of an intent, in characters: a certificate chain fits.
const TEXT_CHARACTERS_MAX: usize = 10_000;

/// The intent that a body is.
pub(super) async fn intent(
    state: &ApiState,
    station: &StationState,
    text: &str,
) -> Result<Intent, Problem> {
    let mut members: Map<String, Value> = read_json(text)?;
    complete(state, station, &mut members).await?;
    let given = Value::Object(members);
    let intent: Intent<String> = read_json(&given.to_string())?;
    if let Some(pointer) = lost_member(&given, &json!(intent)) {
        return Err(Problem::invalid(pointer, "there is no such member of this verb"));
    }
    let mut too_long = false;
    let intent = intent.map(&mut |_, text: String| {
        too_long |= text.chars().count() > TEXT_CHARACTERS_MAX;
        text
    });
    if too_long {
        let detail = format!("a text has at most {TEXT_CHARACTERS_MAX} characters");
        return Err(Problem::invalid("", detail));
    }
    Ok(state.chargebook.personal().seal_intent(station.station_id, intent).await?)
}

/// A member that was given and did not become a part of what was read; null is as good as absent.
fn lost_member(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(name, value)| {
            let lost = match read.get(name) {
                _ if value.is_null() => None,
                Some(read) => lost_member(value, read),
                None => Some(String::new()),
            };
            lost.map(|rest| format!("/{name}{rest}"))
        }),
        (Value::Array(given), Value::Array(read)) => {
            let mut pairs = given.iter().zip(read).enumerate();
            pairs.find_map(|(index, (given, read))| {
                lost_member(given, read).map(|rest| format!("/{index}{rest}"))
            })
        }
        _ => None,
    }
}

/// Fills in what may be left out.
async fn complete(
    state: &ApiState,
    station: &StationState,
    members: &mut Map<String, Value>,
) -> Result<(), Problem> {
    let verb = members.get("verb").and_then(Value::as_str).unwrap_or_default().to_owned();
    let now = state.chargebook.journal().now();
    let mut absent = |name: &str, value: Value| {
        members.entry(name).or_insert(value);
    };
    match verb.as_str() {
        "reserve" => absent("reservation_id", fresh_number(state)),
        "set_charging_limit" => {
            let number = station.charging_abilities.profile_number(1, fresh_seed(state));
            absent("profile_id", json!(number));
            absent("starts_at", json!(now));
        }
        "update_firmware" => absent("retrieve_at", json!(now)),
        "show_message" => {
            absent("message_id", fresh_number(state));
            absent("priority", json!("normal_cycle"));
        }
        _ => {}
    }
    // Amounts are decimals, which are kept as text.
    match members.get_mut("limit") {
        Some(limit @ Value::Number(_)) => *limit = json!(limit.to_string()),
        Some(Value::Object(limit)) => {
            for name in ["cost", "energy_wh"] {
                if let Some(amount @ Value::Number(_)) = limit.get_mut(name) {
                    *amount = json!(amount.to_string());
                }
            }
        }
        _ => {}
    }
    if verb == "reserve" {
        name_kind_and_group(state, members).await?;
    }
    if let Some(tokens) = members.get_mut("tokens").and_then(Value::as_array_mut) {
        for token in tokens.iter_mut().filter_map(Value::as_object_mut) {
            name_kind_and_group(state, token).await?;
        }
    }
    Ok(())
}

/// Says what kind of token it is and which group it belongs to, where it is registered and
/// nobody has said otherwise.
async fn name_kind_and_group(
    state: &ApiState,
    members: &mut Map<String, Value>,
) -> Result<(), Problem> {
    let uid = members.get("token").and_then(Value::as_str).map(|uid| uid.trim().to_owned());
    let Some(uid) = uid else { return Ok(()) };
    let Some(known) = state.chargebook.registry().token(&uid).await? else { return Ok(()) };
    members.entry("token_type").or_insert(json!(known.kind));
    if let Some(group) = &known.group {
        members.entry("group").or_insert(json!(group));
    }
    Ok(())
}

/// A number for a thing at a station that nobody has numbered: positive, of 31 random bits.
fn fresh_number(state: &ApiState) -> Value {
    json!((fresh_seed(state) & 0x7fff_ffff).max(1))
}

/// 32 random bits.
fn fresh_seed(state: &ApiState) -> u32 {
    let [.., a, b, c, d] = state.chargebook.journal().clock().fresh_id().into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

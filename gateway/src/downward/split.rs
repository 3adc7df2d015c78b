//! Requests with more items than the station takes in one message, cut into several.
//!
//! Cut is what means the same in pieces. A report is not: its parts find it by its number, and a
//! criterion holds for all of it. Nor is a change to a list of tokens, whose version would come
//! out another one than was asked for.

use super::request::{self, Checked};
use crate::message::Unsendable;
use chargebook_domain::events::v1::MessageLimit;
use ocpp_kit::{RawValue, Version};
use serde_json::value::to_raw_value;
use std::collections::BTreeMap;

/// Bytes of a CALL beside its action and payload: brackets, quotes, commas, an id of 36.
const FRAME_BYTES: usize = 36 + 10;
/// Most requests that one is cut into: a hundred of the smallest of stations are enough.
const PARTS_MAX: usize = 1_000;
/// The list of tokens that a station keeps.
const LOCAL_LIST: &str = "SendLocalList";
/// The list in it.
const TOKENS: &str = "localAuthorizationList";

/// The members of a payload.
type Members = BTreeMap<String, Box<RawValue>>;

/// The list of a request that stations limit.
fn limited_list(version: Version, action: &str) -> Option<&'static str> {
    Some(match (version, action) {
        (_, LOCAL_LIST) => TOKENS,
        (Version::V1_6, "GetConfiguration") => "key",
        (Version::V1_6, _) => return None,
        (_, "ClearVariableMonitoring") => "id",
        (_, "GetReport" | "GetMonitoringReport") => "componentVariable",
        (_, "GetVariables") => "getVariableData",
        (_, "SetVariableMonitoring") => "setMonitoringData",
        (_, "SetVariables") => "setVariableData",
        _ => return None,
    })
}

/// How many items a request has of what stations limit, where it cannot be cut.
pub(super) fn indivisible_items(version: Version, checked: &Checked) -> Option<usize> {
    let name = limited_list(version, checked.action)?;
    let members: Members = serde_json::from_str(&checked.payload).ok()?;
    let items: Vec<&RawValue> = serde_json::from_str(members.get(name)?.get()).ok()?;
    (!is_divisible(checked.action, &members)).then_some(items.len())
}

fn is_divisible(action: &str, members: &Members) -> bool {
    match action {
        "GetReport" | "GetMonitoringReport" => false,
        LOCAL_LIST => is_full(members),
        _ => true,
    }
}

/// Whether a list replaces that which the station has.
fn is_full(members: &Members) -> bool {
    members.get("updateType").is_some_and(|kind| kind.get() == r#""Full""#)
}

/// The requests that one is sent as.
pub(super) fn split(
    version: Version,
    checked: Checked,
    limit: Option<MessageLimit>,
) -> Result<Vec<Checked>, Unsendable> {
    let (Some(limit), Some(name)) = (limit, limited_list(version, checked.action)) else {
        return Ok(vec![checked]);
    };
    let members = serde_json::from_str::<Members>(&checked.payload).unwrap_or_default();
    let items = members
        .get(name)
        .and_then(|list| serde_json::from_str::<Vec<Box<RawValue>>>(list.get()).ok());
    let Some(items) = items else { return Ok(vec![checked]) };
    let listed: usize = items.iter().map(|item| item.get().len() + 1).sum();
    let overhead = FRAME_BYTES + checked.action.len() + checked.payload.len() - listed;
    let parts = cut(items, overhead, &limit);
    if parts.len() <= 1 {
        return Ok(vec![checked]);
    }
    if parts.len() > PARTS_MAX || !is_divisible(checked.action, &members) {
        return Err(Unsendable::TooLarge);
    }
    let count = parts.len();
    let parts = parts.into_iter().enumerate().map(|(index, items)| {
        let mut part = members.clone();
        part.insert(name.to_owned(), raw(&items)?);
        if checked.action == LOCAL_LIST {
            number_list(&mut part, index, count)?;
        }
        Ok(request::check(version, checked.action, raw(&part)?.get())?)
    });
    parts.collect()
}

/// As many items in each as fit, and at least one.
fn cut(
    items: Vec<Box<RawValue>>,
    overhead: usize,
    limit: &MessageLimit,
) -> Vec<Vec<Box<RawValue>>> {
    let most = |limit: Option<u32>| limit.and_then(|most| usize::try_from(most).ok());
    let items_max = most(limit.items_max).unwrap_or(usize::MAX);
    let bytes_max = most(limit.bytes_max).unwrap_or(usize::MAX);
    let mut parts: Vec<Vec<Box<RawValue>>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let more = item.get().len() + 1;
        match parts.last_mut().filter(|part| part.len() < items_max && bytes + more <= bytes_max) {
            Some(part) => {
                bytes += more;
                part.push(item);
            }
            None => {
                bytes = overhead + more;
                parts.push(vec![item]);
            }
        }
    }
    parts
}

/// A list begins anew and is added to (D01.FR.15), under versions that rise up to that which was
/// asked for: one that does not rise is refused (D01.FR.19).
fn number_list(part: &mut Members, index: usize, count: usize) -> Result<(), Unsendable> {
    let name = if part.contains_key("listVersion") { "listVersion" } else { "versionNumber" };
    let last: i64 = part.get(name).and_then(|raw| raw.get().parse().ok()).unwrap_or_default();
    let before = i64::try_from(count - 1 - index).map_err(|_| Unsendable::TooLarge)?;
    let version = last - before;
    if version <= 0 {
        return Err(Unsendable::TooLarge);
    }
    part.insert(name.to_owned(), raw(&version)?);
    if index > 0 {
        part.insert("updateType".to_owned(), raw("Differential")?);
    }
    Ok(())
}

/// What was read can be written.
fn raw(value: &(impl serde::Serialize + ?Sized)) -> Result<Box<RawValue>, Unsendable> {
    to_raw_value(value).map_err(|_| Unsendable::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(
        version: Version,
        action: &str,
        payload: &str,
        (items_max, bytes_max): (Option<u32>, Option<u32>),
    ) -> Result<Vec<String>, Unsendable> {
        let limit = MessageLimit { action: action.to_owned(), items_max, bytes_max };
        let checked = request::check(version, action, payload).expect("valid");
        let parts = split(version, checked, Some(limit))?;
        Ok(parts.into_iter().map(|part| part.payload).collect())
    }

    #[track_caller]
    fn check(
        version: Version,
        action: &str,
        payload: &str,
        limit: (Option<u32>, Option<u32>),
        expected: &[&str],
    ) {
        assert_eq!(parts(version, action, payload, limit).expect("sendable"), expected);
    }

    #[test]
    fn a_request_is_cut_into_as_few_as_the_station_takes() {
        let clear = "ClearVariableMonitoring";
        let five = r#"{"id":[1,2,3,4,5]}"#;
        let cut = [r#"{"id":[1,2]}"#, r#"{"id":[3,4]}"#, r#"{"id":[5]}"#];
        for version in [Version::V2_0_1, Version::V2_1] {
            check(version, clear, five, (Some(2), None), &cut);
            check(version, clear, five, (Some(5), Some(1_000)), &[five]);
        }
        // Two of these numbers fit, and one too large for it goes alone.
        let frame = FRAME_BYTES + clear.len() + r#"{"id":[,]}"#.len();
        let bytes = Some(u32::try_from(frame + 3).expect("few"));
        check(Version::V2_1, clear, five, (None, bytes), &cut);
        check(
            Version::V2_1,
            clear,
            r#"{"id":[1,2]}"#,
            (None, Some(1)),
            &["{\"id\":[1]}", "{\"id\":[2]}"],
        );
        let keys = r#"{"key":["A","B","C"]}"#;
        let cut = [r#"{"key":["A","B"]}"#, r#"{"key":["C"]}"#];
        check(Version::V1_6, "GetConfiguration", keys, (Some(2), None), &cut);
    }

    #[test]
    fn a_list_of_tokens_begins_anew_and_is_added_to_up_to_its_version() {
        let list = |kind: &str, version: u32, tokens: &[&str]| {
            let tokens: Vec<_> =
                tokens.iter().map(|token| format!(r#"{{"idTag":"{token}"}}"#)).collect();
            let tokens = tokens.join(",");
            format!(
                r#"{{"listVersion":{version},"localAuthorizationList":[{tokens}],"updateType":"{kind}"}}"#
            )
        };
        let (all, two) = (["A", "B", "C"], (Some(2), None));
        let cut = [list("Full", 6, &["A", "B"]), list("Differential", 7, &["C"])];
        let cut: Vec<_> = cut.iter().map(String::as_str).collect();
        check(Version::V1_6, LOCAL_LIST, &list("Full", 7, &all), two, &cut);
        for refused in [list("Differential", 7, &all), list("Full", 1, &all)] {
            let parts = parts(Version::V1_6, LOCAL_LIST, &refused, two);
            assert_eq!(parts, Err(Unsendable::TooLarge), "{refused}");
        }
    }

    #[test]
    fn a_report_is_asked_for_as_a_whole() {
        let of = r#"{"component":{"name":"C"}}"#;
        let report = format!(r#"{{"componentVariable":[{of},{of}],"requestId":1}}"#);
        let checked = request::check(Version::V2_0_1, "GetReport", &report).expect("valid");
        assert_eq!(indivisible_items(Version::V2_0_1, &checked), Some(2));
        let parts = parts(Version::V2_0_1, "GetReport", &report, (Some(1), None));
        assert_eq!(parts, Err(Unsendable::TooLarge));
    }
}

//! The order in which the schemas list the members of each object that we send. JSON has no
//! order, but some stations read as if it had, so requests go out as the schemas have them.
//!
//! An object is found by the member that it stands at, a payload by its action. Where objects at
//! members of the same name differ, the order holds for all of them if it can; where it cannot,
//! the name stands behind the action's. Objects with one member need no order.

mod tables;

use ocpp_kit::Version;
use tables::{V16, V21, V201};

/// Names of objects, sorted, and their members.
type Table = &'static [(&'static str, &'static [&'static str])];

/// The order of one object's members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    members: &'static [&'static str],
    is_custom_data_first: bool,
}

impl Order {
    /// A member's place. What is not in the schema comes last; `customData` comes first in 2.0.1
    /// and last in 2.1.
    pub(super) fn place(&self, member: &str) -> usize {
        if member == "customData" {
            return if self.is_custom_data_first { 0 } else { usize::MAX };
        }
        let place = self.members.iter().position(|known| *known == member);
        place.map_or(usize::MAX - 1, |place| place + 1)
    }
}

/// The order of the members of the object at `member` of an action's request; of the payload
/// itself where `member` is empty.
pub(super) fn of(version: Version, action: &str, member: &str) -> Order {
    let tables: &[Table] = match version {
        Version::V1_6 => &[V16],
        Version::V2_0_1 => &[V201, V21],
        _ => &[V21],
    };
    let in_action = format!("{action}/{member}");
    let names = if member.is_empty() { [action, action] } else { [in_action.as_str(), member] };
    let found = names.iter().find_map(|name| tables.iter().find_map(|table| find(table, name)));
    Order { members: found.unwrap_or_default(), is_custom_data_first: version == Version::V2_0_1 }
}

fn find(table: Table, name: &str) -> Option<&'static [&'static str]> {
    let index = table.binary_search_by_key(&name, |(known, _)| known).ok()?;
    table.get(index).map(|(_, members)| *members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_name_each_member_once() {
        for table in [V16, V201, V21] {
            assert!(table.is_sorted_by_key(|(name, _)| name));
            for (name, members) in table {
                let mut sorted = members.to_vec();
                sorted.sort_unstable();
                assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "{name}");
            }
        }
    }
}

//! Which entry of a history holds for a session.

use crate::units::Timestamp;

/// The entry that is in force at `at`; where none was yet, the first that was by `known_at`: a
/// session that an offline station replays may be older than the first tariff. The history is in
/// the order in which its entries came into force, and `since` tells when.
pub fn in_force<T>(
    history: &[T],
    since: impl Fn(&T) -> Timestamp,
    at: Timestamp,
    known_at: Timestamp,
) -> Option<&T> {
    let held = history.iter().rev().find(|entry| since(entry) <= at);
    held.or_else(|| history.iter().find(|entry| since(entry) <= known_at))
}

#[cfg(test)]
mod tests {
    use super::in_force;
    use crate::units::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000).unwrap_or_else(|| panic!("{second} s is an instant"))
    }

    #[test]
    fn the_last_one_before_holds_else_the_first_known_one() {
        let history = [10, 20, 30];
        let held =
            |began, known| in_force(&history, |entry| at(*entry), at(began), at(known)).copied();
        assert_eq!(held(25, 40), Some(20));
        assert_eq!(held(20, 20), Some(20), "from its own instant on");
        assert_eq!(held(40, 40), Some(30));
        assert_eq!(held(5, 25), Some(10), "older than the first, and known later");
        assert_eq!(held(5, 5), None, "nothing was known yet");
    }
}

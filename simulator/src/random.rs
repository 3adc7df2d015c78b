//! A small seeded generator whose numbers never change.
//!
//! The same seed must give the same fleet for ever, so the algorithm (SplitMix64) is written
//! here instead of taken from a library whose generators may change between versions.
//! Not for secrets.

use std::time::Duration;

/// A seeded stream of numbers.
#[derive(Debug, Clone)]
pub struct SeededRandom {
    state: u64,
}

impl SeededRandom {
    /// A stream for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for one named thing (a station, a connector, a session), so that
    /// what one thing draws never moves the numbers of another.
    #[must_use]
    pub fn for_thing(seed: u64, name: &str, ordinal: u64) -> Self {
        // FNV-1a over the name, then the ordinal mixed in by one step.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut mixed = Self::new(hash ^ ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let state = mixed.next_u64();
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from `low` to `high`, both included; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None | Some(0) => low,
            Some(u64::MAX) => self.next_u64(),
            Some(width) => low + self.next_u64() % (width + 1),
        }
    }

    /// A duration from `low` to `high` in whole milliseconds.
    pub fn duration_between(&mut self, low: Duration, high: Duration) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.between(millis(low), millis(high)))
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.between(0, 999) < u64::from(per_mille)
    }

    /// One of `items`, or `None` of an empty list.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let last = u64::try_from(items.len()).ok()?.checked_sub(1)?;
        let index = usize::try_from(self.between(0, last)).ok()?;
        items.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::SeededRandom;

    #[test]
    fn the_numbers_of_a_seed_are_fixed() {
        // The reference values of SplitMix64 for seed 0.
        let mut random = SeededRandom::new(0);
        assert_eq!(random.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn things_have_streams_of_their_own() {
        let first = SeededRandom::for_thing(7, "CP-1", 0).next_u64();
        assert_eq!(first, SeededRandom::for_thing(7, "CP-1", 0).next_u64());
        assert_ne!(first, SeededRandom::for_thing(7, "CP-2", 0).next_u64());
        assert_ne!(first, SeededRandom::for_thing(7, "CP-1", 1).next_u64());
        assert_ne!(first, SeededRandom::for_thing(8, "CP-1", 0).next_u64());
    }

    #[test]
    fn ranges_include_both_ends() {
        let mut random = SeededRandom::new(3);
        let drawn: std::collections::BTreeSet<u64> =
            (0..200).map(|_| random.between(5, 7)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(random.between(9, 2), 9);
    }
}

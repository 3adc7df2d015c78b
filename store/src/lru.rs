//! A bounded cache: when it is full, the least recently used half goes.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key, at most so many.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, (V, u64)>,
    uses: u64,
    entries_max: usize,
}

impl<K: Eq + Hash, V: Clone> Lru<K, V> {
    /// Empty, for at most `entries_max` entries.
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), uses: 0, entries_max }
    }

    /// The value, which counts as used.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        self.uses += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.uses;
        Some(value.clone())
    }

    /// Adds or replaces.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.uses += 1;
        self.entries.insert(key, (value, self.uses));
        if self.entries.len() > self.entries_max {
            self.evict_half();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    fn evict_half(&mut self) {
        let mut uses: Vec<u64> = self.entries.values().map(|(_, used)| *used).collect();
        let middle = uses.len() / 2;
        let median = *uses.select_nth_unstable(middle).1;
        self.entries.retain(|_, (_, used)| *used >= median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_forgets_the_least_recently_used() {
        let mut cache = Lru::new(100);
        for number in 0..100 {
            cache.put(number, number);
        }
        assert_eq!(cache.get(&0), Some(0));
        cache.put(100, 100);
        assert!(cache.entries.len() <= 51, "half of it went");
        assert_eq!(cache.get(&0), Some(0), "used a moment ago");
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get(&100), Some(100));
        cache.clear();
        assert_eq!(cache.get(&100), None);
    }
}

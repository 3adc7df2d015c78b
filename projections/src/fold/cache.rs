//! Rows in memory, with what has to be written marked.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Rows by key. A row is written at the end of a batch if it was touched.
#[derive(Debug)]
pub(crate) struct Cache<K, R> {
    rows: HashMap<K, R>,
    dirty: HashSet<K>,
}

impl<K, R> Default for Cache<K, R> {
    fn default() -> Self {
        Self { rows: HashMap::new(), dirty: HashSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord, R> Cache<K, R> {
    pub(crate) fn get(&self, key: K) -> Option<&R> {
        self.rows.get(&key)
    }

    /// For changing; the row will be written.
    pub(crate) fn touch(&mut self, key: K) -> Option<&mut R> {
        let row = self.rows.get_mut(&key)?;
        self.dirty.insert(key);
        Some(row)
    }

    /// For changing, made where it is not there; the row will be written.
    pub(crate) fn touch_or_insert(&mut self, key: K, make: impl FnOnce() -> R) -> &mut R {
        self.dirty.insert(key);
        self.rows.entry(key).or_insert_with(make)
    }

    /// A new row, to be written.
    pub(crate) fn insert(&mut self, key: K, row: R) {
        self.dirty.insert(key);
        self.rows.insert(key, row);
    }

    /// A row as the database has it.
    pub(crate) fn loaded(&mut self, key: K, row: R) {
        self.rows.insert(key, row);
    }

    /// The rows to be written, by key.
    pub(crate) fn dirty(&self) -> impl Iterator<Item = &R> {
        let mut keys: Vec<K> = self.dirty.iter().copied().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.rows.get(&key))
    }

    /// All has been written.
    pub(crate) fn clean(&mut self) {
        self.dirty.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets rows; only after all has been written.
    pub(crate) fn retain(&mut self, keep: impl Fn(&R) -> bool) {
        self.rows.retain(|_, row| keep(row));
    }
}

//! What a crash leaves of a history.

use crate::history::{File, FileId, History, Operation};
use crate::random::Random;
use std::collections::BTreeMap;

/// What a disk writes at once, in bytes: of a longer write some pieces may get there and others
/// not.
const PIECE_BYTES: [u64; 2] = [512, 4096];
/// How many of a hundred pieces of what was not synced get there, from none to all.
const SURVIVING_PERCENT: [u64; 5] = [0, 10, 50, 90, 100];
/// How many of a hundred pieces that get there are torn.
const TORN_PERCENT: u64 = 5;

/// The files after a crash, by name.
pub type Survivors = BTreeMap<String, Vec<u8>>;

impl History {
    /// The files if the machine had crashed before operation `end`: what was synced is there, and
    /// of the rest what `random` will have, in pieces, whatever their order was.
    pub fn crash(&self, end: usize, random: &mut Random) -> Survivors {
        let percent = SURVIVING_PERCENT[random.below(SURVIVING_PERCENT.len() as u64) as usize];
        self.crash_with(end, percent, random)
    }

    /// The same where nothing is left but what was synced.
    pub fn crash_to_synced(&self, end: usize) -> Survivors {
        self.crash_with(end, 0, &mut Random::new(0))
    }

    fn crash_with(&self, end: usize, percent: u64, random: &mut Random) -> Survivors {
        let mut survivors = Survivors::new();
        for (index, file) in self.files.iter().enumerate() {
            if let Some(bytes) = self.crash_file(FileId(index), end, percent, random) {
                // A later file of the same name stands in the earlier one's place.
                survivors.insert(file.name.clone(), bytes);
            }
        }
        survivors
    }

    fn crash_file(
        &self,
        file: FileId,
        end: usize,
        percent: u64,
        random: &mut Random,
    ) -> Option<Vec<u8>> {
        let File { found, created, .. } = &self.files[file.0];
        if *created > 0 && end <= *created {
            return None;
        }
        let mut is_named = found.is_some();
        let mut is_deleted = false;
        let mut disk = found.clone().unwrap_or_default();
        let mut unsynced: Vec<(usize, &Operation)> = Vec::new();
        for (index, operation) in self.operations[..end].iter().enumerate() {
            if let Operation::Sync { with_names: true, .. } = operation
                && index >= *created
            {
                is_named = true;
                if is_deleted {
                    return None;
                }
            }
            match operation {
                Operation::Write { file: written, .. }
                | Operation::Truncate { file: written, .. }
                    if *written == file =>
                {
                    unsynced.push((index, operation));
                }
                Operation::Sync { file: synced, covers, .. }
                | Operation::SyncFailed { file: synced, covers, loses: false, .. }
                    if *synced == file =>
                {
                    for (_, operation) in unsynced.extract_if(.., |(index, _)| *index < *covers) {
                        apply(&mut disk, operation);
                    }
                }
                Operation::SyncFailed { file: failed, covers, .. } if *failed == file => {
                    for (_, operation) in unsynced.extract_if(.., |(index, _)| *index < *covers) {
                        apply_by_chance(&mut disk, operation, percent, random);
                    }
                }
                Operation::Delete { file: deleted, is_durable } if *deleted == file => {
                    is_deleted = true;
                    if *is_durable {
                        return None;
                    }
                }
                _ => {}
            }
        }
        for (_, operation) in unsynced {
            apply_by_chance(&mut disk, operation, percent, random);
        }
        let is_there = match (is_named, is_deleted) {
            (true, false) => true,
            (true, true) => random.percent(50),
            (false, false) => random.percent(percent),
            (false, true) => false,
        };
        is_there.then_some(disk)
    }
}

fn apply(disk: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes, .. } => put(disk, *offset, bytes, 0),
        Operation::Truncate { size_bytes, .. } => disk.resize(*size_bytes as usize, 0),
        _ => {}
    }
}

fn apply_by_chance(disk: &mut Vec<u8>, operation: &Operation, percent: u64, random: &mut Random) {
    let Operation::Write { offset, bytes, .. } = operation else {
        if random.percent(percent) {
            apply(disk, operation);
        }
        return;
    };
    let piece_bytes = PIECE_BYTES[random.below(PIECE_BYTES.len() as u64) as usize];
    // A file that has grown without its bytes holds zeros, or what was there before it.
    let filler = if random.percent(50) { 0 } else { random.number() as u8 };
    let (mut begin, end) = (0, bytes.len() as u64);
    while begin < end {
        let boundary = ((offset + begin) / piece_bytes + 1) * piece_bytes;
        let piece_end = end.min(boundary - offset);
        if random.percent(percent) {
            let mut kept_end = piece_end;
            if percent < 100 && random.percent(TORN_PERCENT) {
                kept_end = begin + random.below(piece_end - begin);
            }
            let piece = &bytes[begin as usize..kept_end as usize];
            put(disk, offset + begin, piece, filler);
        }
        begin = piece_end;
    }
}

fn put(disk: &mut Vec<u8>, offset: u64, bytes: &[u8], filler: u8) {
    let (begin, end) = (offset as usize, offset as usize + bytes.len());
    if bytes.is_empty() {
        return;
    }
    if disk.len() < begin {
        disk.resize(begin, filler);
    }
    disk.resize(disk.len().max(end), 0);
    disk[begin..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HandleId;

    const FILE: FileId = FileId(0);

    fn write(offset: u64, bytes: &[u8]) -> Operation {
        Operation::Write { file: FILE, offset, bytes: bytes.to_vec() }
    }

    fn sync(covers: usize) -> Operation {
        Operation::Sync { file: FILE, handle: HandleId(0), covers, with_names: true }
    }

    fn history(operations: Vec<Operation>) -> History {
        History { files: vec![File { name: "a".to_owned(), found: None, created: 0 }], operations }
    }

    fn left(operations: Vec<Operation>) -> Option<Vec<u8>> {
        let end = operations.len();
        history(operations).crash_to_synced(end).remove("a")
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_is_lost() {
        assert_eq!(left(vec![write(0, b"one")]), None);
        assert_eq!(left(vec![write(0, b"one"), sync(1)]), Some(b"one".to_vec()));
        let rewritten = vec![write(0, b"one"), sync(1), write(1, b"xyz")];
        assert_eq!(left(rewritten), Some(b"one".to_vec()));
        let during = vec![write(0, b"one"), write(3, b"two"), sync(1)];
        assert_eq!(left(during), Some(b"one".to_vec()), "written while the sync was under way");
    }

    #[test]
    fn what_a_failed_sync_lost_no_later_one_brings_back() {
        let failed =
            Operation::SyncFailed { file: FILE, handle: HandleId(0), covers: 2, loses: true };
        let operations = vec![write(0, b"one"), write(3, b"two"), failed, sync(3), sync(4)];
        assert_eq!(left(operations), Some(Vec::new()));
    }

    #[test]
    fn deleted_files_are_gone() {
        let delete = Operation::Delete { file: FILE, is_durable: true };
        assert_eq!(left(vec![write(0, b"one"), sync(1), delete]), None);
    }

    #[test]
    fn a_deleted_file_may_come_back_until_the_folder_is_synced() {
        let delete = Operation::Delete { file: FILE, is_durable: false };
        let operations = vec![write(0, b"one"), sync(1), delete, sync(3)];
        let history = history(operations);
        let left = |end, seed| history.crash(end, &mut Random::new(seed)).contains_key("a");
        assert!((0..100).any(|seed| left(3, seed)) && !(0..100).all(|seed| left(3, seed)));
        assert!(!(0..100).any(|seed| left(4, seed)));
    }

    #[test]
    fn chance_keeps_tears_and_reorders_pieces_the_same_way_for_the_same_seed() {
        let pages = (1..=8).map(|page| write((page - 1) * 4096, &[page as u8; 4096])).collect();
        let history = history(pages);
        let crash = |seed| history.crash(8, &mut Random::new(seed)).remove("a");
        let (mut lost_before_kept, mut torn) = (false, false);
        for seed in 0..100 {
            let left = crash(seed);
            assert_eq!(left, crash(seed));
            let Some(left) = left else { continue };
            let is_whole = |page: usize| {
                left.get(page * 4096..(page + 1) * 4096)
                    .is_some_and(|bytes| bytes.iter().all(|byte| *byte == page as u8 + 1))
            };
            lost_before_kept |= !is_whole(0) && (1..8).any(is_whole);
            torn |= (0..8).any(|page| !is_whole(page) && left.contains(&(page as u8 + 1)));
        }
        assert!(lost_before_kept && torn);
    }
}

//! Tiles: their paths as C2SP tlog-tiles spells them, and every subtree found in exactly one.

#![allow(clippy::unwrap_used)]

use chargebook_proof::LeafHash;
use chargebook_proof::merkle::{MemoryTree, NodeAddress, NodeHash, inclusion_proof};
use chargebook_proof::tile::Tile;
use std::collections::HashMap;

fn check_path(level: u8, index: u64, width: u16, path: &str) {
    let tile = Tile::new(level, index, width).unwrap();
    assert_eq!(tile.path(), path);
    assert_eq!(path.parse(), Ok(tile));
}

#[test]
fn paths_are_spelled_as_the_specification_says() {
    check_path(0, 0, 256, "tile/0/000");
    check_path(0, 273, 112, "tile/0/273.p/112");
    check_path(1, 1, 17, "tile/1/001.p/17");
    check_path(0, 1234067, 256, "tile/0/x001/x234/067");
    check_path(2, 1000, 1, "tile/2/x001/000.p/1");
}

#[test]
fn every_other_spelling_is_refused() {
    for path in [
        "",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/00/000",
        "tile/+0/000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/7/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000",
    ] {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
}

/// The content of each tile that a log of growing size writes, keyed by path.
fn write_tiles(tree: &MemoryTree, sizes: &[u64]) -> HashMap<String, Vec<u8>> {
    let mut tiles = HashMap::new();
    let mut old = 0;
    for &size in sizes {
        for tile in Tile::grown(old, size) {
            let hashes = tile.addresses().map(|address| tree.hash(address).unwrap().0);
            let content = hashes.collect::<Vec<_>>().concat();
            assert!(tiles.insert(tile.path(), content).is_none(), "{tile} was written twice");
        }
        old = size;
    }
    tiles
}

#[test]
fn proofs_read_from_tiles_are_those_of_the_tree() {
    const SIZES: [u64; 6] = [1, 2, 255, 256, 700, 66_000];
    let mut tree = MemoryTree::new();
    (0..66_000u64).for_each(|index| tree.append(LeafHash::of(&index.to_be_bytes())));
    let tiles = write_tiles(&tree, &SIZES);
    assert!(tiles.contains_key("tile/0/000.p/255") && tiles.contains_key("tile/2/000.p/1"));
    for size in SIZES {
        let mut reader = |address: NodeAddress| -> Result<NodeHash, String> {
            let tile = Tile::holding(address, size).ok_or("incomplete")?;
            let content = tiles.get(&tile.path()).ok_or(tile.path())?;
            tile.hash_in(content, address).ok_or(format!("{tile} does not hold {address:?}"))
        };
        for index in (0..size).step_by(97) {
            let proof = inclusion_proof(index, size, &mut reader).unwrap();
            assert_eq!(proof, tree.inclusion_proof(index, size).unwrap());
        }
    }
}

#[test]
fn a_subtree_that_is_not_complete_is_in_no_tile() {
    assert_eq!(Tile::holding(NodeAddress { level: 0, index: 5 }, 5), None);
    assert_eq!(Tile::holding(NodeAddress { level: 3, index: 0 }, 7), None);
    assert_eq!(Tile::holding(NodeAddress { level: 63, index: 1 }, u64::MAX), None);
    assert_eq!(Tile::holding(NodeAddress { level: 200, index: 0 }, u64::MAX), None);
    assert_eq!(Tile::holding(NodeAddress { level: 4, index: u64::MAX }, u64::MAX), None);
}

#[test]
fn content_of_another_length_or_place_gives_no_hash() {
    let tile = Tile::new(0, 1, 2).unwrap();
    let address = |level, index| NodeAddress { level, index };
    assert_eq!(tile.hash_in(&[7; 64], address(0, 257)), Some(NodeHash([7; 32])));
    assert!(tile.hash_in(&[7; 64], address(1, 128)).is_some());
    assert_eq!(tile.hash_in(&[7; 63], address(0, 257)), None);
    assert_eq!(tile.hash_in(&[7; 64], address(0, 258)), None);
    assert_eq!(tile.hash_in(&[7; 64], address(0, 0)), None);
    assert_eq!(tile.hash_in(&[7; 64], address(8, 0)), None);
    assert_eq!(tile.hash_in(&[7; 64], address(1, u64::MAX)), None);
}

#[test]
fn unchanged_tiles_are_not_written_again() {
    assert_eq!(Tile::grown(700, 700), []);
    let grown: Vec<String> = Tile::grown(511, 513).iter().map(Tile::path).collect();
    assert_eq!(grown, ["tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2"]);
}

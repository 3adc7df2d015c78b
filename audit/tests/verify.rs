//! An honest log's bundle is proven; nothing else is.

#![allow(clippy::unwrap_used)]

mod world;

use chargebook_audit::{AuditError, verify};
use world::{World, signing_key};

#[test]
fn an_honest_bill_is_proven() {
    let report = verify(&World::billed().bundle(), None).unwrap();
    println!("{report}");
}

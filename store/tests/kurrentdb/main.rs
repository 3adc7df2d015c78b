//! The log in KurrentDB: against the stand-in, which speaks its protocol and fails on demand, or,
//! as far as the contract goes, against the cluster that `CHARGEBOOK_TEST_KURRENTDB_URL` names.

mod cluster;
mod contract;
mod failures;
mod nodes;
mod sharing;

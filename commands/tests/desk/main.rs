//! The desk, the register and the policies through their public doors, on the memory engine.

mod sessions;
mod support;

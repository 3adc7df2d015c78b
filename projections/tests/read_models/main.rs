//! The read models through their public doors, over a log in memory.

mod disposable;
mod feed;
mod history;
mod parked;
mod random;
mod story;
mod switching;
mod totals;

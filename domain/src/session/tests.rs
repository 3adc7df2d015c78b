//! Given facts, what follows.

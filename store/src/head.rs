//! The last durable position, as a level that goes only forward and that can be waited on.

use crate::port::Position;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The head of a log.
#[derive(Debug)]
pub(crate) struct Head {
    /// `None` once the store is closed: whoever waits for the head learns that it ended.
    sender: Mutex<Option<watch::Sender<Position>>>,
    receiver: watch::Receiver<Position>,
}

impl Head {
    pub(crate) fn new(position: Position) -> Self {
        let (sender, receiver) = watch::channel(position);
        Self { sender: Mutex::new(Some(sender)), receiver }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.receiver.clone()
    }

    /// Moves the head forward, never back.
    pub(crate) fn raise(&self, position: Position) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = &*sender else { return };
        sender.send_if_modified(|known| {
            let moved = position > *known;
            if moved {
                *known = position;
            }
            moved
        });
    }

    /// Nobody will learn of a later head.
    pub(crate) fn end(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

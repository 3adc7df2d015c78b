//! A station that sends as fast as it can, many calls in flight: what the others feel of it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use chrono::Utc;
use tokio::task::JoinHandle;

use super::frames::{STATUS, SessionFrames, TimeText};
use super::idle::open_booted;
use super::socket::LoadSocket;
use super::{LoadError, LoadTarget};

/// Bytes that are got ready for sending at once.
const CHUNK_BYTES: usize = 16 * 1_024;

/// A station that sends without end, until it is dropped.
#[derive(Debug)]
pub struct Burst {
    sending: JoinHandle<Result<(), LoadError>>,
    answered: Rc<Cell<u64>>,
}

impl Burst {
    /// Connects and boots station `number`; from now on it keeps `in_flight` calls unanswered.
    ///
    /// # Errors
    /// It was not let in.
    pub async fn begin(
        target: &LoadTarget,
        number: usize,
        in_flight: usize,
    ) -> Result<Self, LoadError> {
        let socket = open_booted(target, number).await?;
        let frames = SessionFrames::new(target.version(number), &target.tag(number));
        let answered = Rc::new(Cell::new(0));
        let sending =
            tokio::task::spawn_local(send(socket, frames, in_flight, Rc::clone(&answered)));
        Ok(Self { sending, answered })
    }

    /// Calls answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.get()
    }

    /// Ends it.
    ///
    /// # Errors
    /// It had ended before: the connection broke, or an answer was missing or out of its order.
    pub async fn end(mut self) -> Result<u64, LoadError> {
        if self.sending.is_finished() {
            let joined = (&mut self.sending).await;
            joined.map_err(|error| LoadError::AllFailed(error.to_string()))??;
        }
        Ok(self.answered())
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

async fn send(
    mut socket: LoadSocket,
    mut frames: SessionFrames,
    in_flight: usize,
    answered: Rc<Cell<u64>>,
) -> Result<(), LoadError> {
    let mut time = TimeText::new();
    let mut unsent = Vec::with_capacity(2 * CHUNK_BYTES);
    let mut unanswered = VecDeque::with_capacity(in_flight);
    loop {
        time.set(Utc::now());
        while unanswered.len() < in_flight && unsent.len() < CHUNK_BYTES {
            let (frame, id) = frames.prepare(STATUS, &time);
            unsent.extend_from_slice(frame);
            unanswered.push_back(id);
        }
        socket.exchange(&mut unsent).await?;
        while let Some(id) = unanswered.front() {
            if !socket.take_answer(id, &mut unsent)? {
                break;
            }
            unanswered.pop_front();
            answered.set(answered.get() + 1);
        }
    }
}

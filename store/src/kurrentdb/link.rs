//! The connection to KurrentDB, made anew where its client gives up.
//!
//! The client (4.0.0) ends for good when it has not found a node, and stays with a node of a
//! cluster that is gone. So it is replaced: always where it has ended, and in a cluster whenever a
//! node fails. Its faults stay here: every call runs in a task of its own, so that a panic of the
//! client is an answer that failed, and has an end.

use super::address::KurrentDbUrl;
use crate::port::StoreError;
use eventstore::{Client, Error};
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often a read is tried.
const READ_ATTEMPTS_MAX: u32 = 3;
/// Pause after the first failed attempt; it grows with each.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The client, as long as it is one.
pub(super) struct Link {
    address: KurrentDbUrl,
    client: Mutex<Option<(u64, Client)>>,
}

/// Why a call was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// There is no such stream.
    #[error("there is no such stream")]
    NoStream,
    /// The call cannot succeed, however often it is made.
    #[error("{0}")]
    Refused(String),
    /// It may succeed another time.
    #[error("{0}")]
    Failed(String),
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        Self::Engine(error.to_string())
    }
}

impl Link {
    pub(super) fn new(address: &KurrentDbUrl) -> Self {
        Self { address: address.clone(), client: Mutex::new(None) }
    }

    /// The client, and its number among those that there were.
    pub(super) fn client(&self) -> Result<(u64, Client), String> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, client)) = &*client {
            return Ok((*number, client.clone()));
        }
        let new = Client::new(self.address.settings().clone()).map_err(|error| text_of(&error))?;
        let number = rand::random();
        *client = Some((number, new.clone()));
        Ok((number, new))
    }

    /// Tells what came of a call. A client that is of no more use is let go.
    pub(super) fn note(&self, number: u64, error: &Error) {
        let has_ended = match error {
            Error::ConnectionClosed | Error::GrpcConnectionError(_) => true,
            Error::ServerError(_) | Error::DeadlineExceeded => self.address.is_cluster(),
            _ => false,
        };
        if has_ended {
            self.let_go(number);
        }
    }

    /// A call has had no answer.
    pub(super) fn note_silence(&self, number: u64) {
        if self.address.is_cluster() {
            self.let_go(number);
        }
    }

    fn let_go(&self, number: u64) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.take_if(|(current, _)| *current == number);
    }

    /// One read, tried a few times, each of them in a task of its own.
    pub(super) async fn read<T, Work>(
        &self,
        wait: Duration,
        work: impl Fn(Client) -> Work + Send + Sync,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.read_once(wait, &work).await {
                Err(CallError::Failed(reason)) => reason,
                done => return done,
            };
            if attempt >= READ_ATTEMPTS_MAX {
                return Err(CallError::Failed(error));
            }
            sleep(RETRY_PAUSE * attempt).await;
        }
    }

    async fn read_once<T, Work>(
        &self,
        wait: Duration,
        work: impl Fn(Client) -> Work + Send + Sync,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (number, client) = self.client().map_err(CallError::Failed)?;
        let mut task = OwnTask(tokio::spawn(work(client)));
        let error = match timeout(wait, &mut task.0).await {
            Ok(Ok(Ok(answer))) => return Ok(answer),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => {
                let reason = "the client does not understand KurrentDB's answer";
                return Err(CallError::Refused(reason.to_owned()));
            }
            Err(_) => {
                self.note_silence(number);
                let seconds = wait.as_secs_f32();
                let silence = format!("KurrentDB has not answered for {seconds} s");
                return Err(CallError::Failed(silence));
            }
        };
        self.note(number, &error);
        Err(match error {
            Error::ResourceNotFound => CallError::NoStream,
            Error::AccessDenied | Error::ResourceDeleted | Error::UnsupportedFeature => {
                CallError::Refused(text_of(&error))
            }
            error => CallError::Failed(text_of(&error)),
        })
    }
}

/// What a failure of the client is called in our words; its own say less.
pub(super) fn text_of(error: &Error) -> String {
    match error {
        Error::ConnectionClosed => "there is no connection to KurrentDB".to_owned(),
        Error::NotLeaderException(leader) => {
            format!("another node leads: {}:{}", leader.host, leader.port)
        }
        Error::AccessDenied => "KurrentDB denies access".to_owned(),
        Error::ResourceDeleted => "the stream was deleted in KurrentDB".to_owned(),
        error => format!("KurrentDB: {error}"),
    }
}

/// A task that ends where nobody waits for it any more.
pub(super) struct OwnTask<T>(pub(super) JoinHandle<T>);

impl<T> Drop for OwnTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

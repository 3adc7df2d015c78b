//! Connections that only boot: for memory at rest, and for the storm after a restart.

use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::frames::boot_frame;
use super::socket::LoadSocket;
use super::{LoadError, LoadTarget};

/// Handshakes at once while idle connections are opened at leisure.
const OPENS_AT_ONCE: usize = 64;
/// Handshakes at once in a storm: less than a listener's accept queue commonly holds, so that it
/// is the server that is measured, not the kernel's one-second SYN retries.
const STORM_AT_ONCE: usize = 500;
/// Wait of a station before it tries again.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// A booted connection, held open until dropped.
#[derive(Debug)]
pub struct IdleConnection {
    holding: JoinHandle<()>,
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        self.holding.abort();
    }
}

impl IdleConnection {
    /// Whether the server has closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.holding.is_finished()
    }
}

/// How a storm went.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ReconnectReport {
    /// Stations connected and booted in time.
    pub booted: usize,
    /// Time until the last of them was.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
    /// Tries that failed meanwhile.
    pub failed_tries: u64,
}

fn as_seconds<S: serde::Serializer>(elapsed: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(elapsed.as_secs_f64())
}

/// Opens and boots the stations 0 to `count`, calling `progress` with the number done.
///
/// # Errors
/// The first failure of any.
pub async fn open_idle(
    target: &LoadTarget,
    count: usize,
    mut progress: impl FnMut(usize),
) -> Result<Vec<IdleConnection>, LoadError> {
    let mut held = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    let mut next = 0;
    while held.len() < count {
        while next < count && opening.len() < OPENS_AT_ONCE {
            let target = target.clone();
            let number = next;
            opening.spawn_local(async move { open_booted(&target, number).await });
            next += 1;
        }
        match opening.join_next().await {
            Some(Ok(opened)) => held.push(hold(opened?)),
            Some(Err(error)) => return Err(LoadError::AllFailed(error.to_string())),
            None => break,
        }
        progress(held.len());
    }
    Ok(held)
}

/// Connects and boots the stations 0 to `count` all at once, each trying again until
/// `deadline` has passed.
pub async fn reconnect_all(
    target: &LoadTarget,
    count: usize,
    deadline: Duration,
) -> (ReconnectReport, Vec<IdleConnection>) {
    let begin = Instant::now();
    let give_up_at = begin + deadline;
    let permits = std::rc::Rc::new(tokio::sync::Semaphore::new(STORM_AT_ONCE));
    let mut stations = JoinSet::new();
    for number in 0..count {
        let target = target.clone();
        let permits = std::rc::Rc::clone(&permits);
        stations.spawn_local(async move {
            let mut failed = 0_u64;
            while Instant::now() < give_up_at {
                let permit = permits.acquire().await;
                let tried = tokio::time::timeout_at(give_up_at, open_booted(&target, number)).await;
                drop(permit);
                match tried {
                    Ok(Ok(socket)) => return (Some((socket, begin.elapsed())), failed),
                    Ok(Err(_)) => {
                        failed += 1;
                        tokio::time::sleep(RETRY_WAIT).await;
                    }
                    Err(_) => break,
                }
            }
            (None, failed)
        });
    }
    let mut held = Vec::with_capacity(count);
    let mut report = ReconnectReport { booted: 0, elapsed: Duration::ZERO, failed_tries: 0 };
    while let Some(joined) = stations.join_next().await {
        let Ok((opened, failed)) = joined else { continue };
        report.failed_tries += failed;
        if let Some((socket, at)) = opened {
            report.booted += 1;
            report.elapsed = report.elapsed.max(at);
            held.push(hold(socket));
        }
    }
    (report, held)
}

/// Connects and boots a station.
pub(super) async fn open_booted(
    target: &LoadTarget,
    number: usize,
) -> Result<LoadSocket, LoadError> {
    let mut socket = LoadSocket::open(target, number).await?;
    let (frame, id) = boot_frame(target.version(number));
    socket.call(&frame, &id).await?;
    Ok(socket)
}

fn hold(mut socket: LoadSocket) -> IdleConnection {
    IdleConnection { holding: tokio::task::spawn_local(async move { socket.hold().await }) }
}

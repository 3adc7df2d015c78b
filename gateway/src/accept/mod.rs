//! Sockets in, sessions out: the accept loop, its bounds, and the orderly end.
//!
//! One task per connection, from the accepted socket to its end. What a handshake needed is
//! gone when the session begins.

mod answer;
mod extension;
pub(crate) mod handshake;
mod throttle;
mod tls;
mod upgrade;

use crate::connections::Connections;
use crate::limits::{ACCEPT_PAUSE, Limits};
use crate::metrics::{self, ConnectionGauge};
use crate::session;
use crate::socket::Socket;
use crate::stream::Stream;
use chargebook_commands::{Chargebook, CommandDispatch};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use throttle::{Source, Throttle};
pub use tls::{CertificatePlace, Tls, TlsCertificate, TlsError, TlsMaterial};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use upgrade::{Arrival, Handshakes, Transport};

/// Where charge points come in.
pub struct Doors {
    /// Without TLS, or with a proxy in front that has ended it.
    pub plain: TcpListener,
    /// Over TLS of our own.
    pub tls: Option<(TcpListener, Tls)>,
}

impl From<TcpListener> for Doors {
    fn from(plain: TcpListener) -> Self {
        Self { plain, tls: None }
    }
}

impl Doors {
    /// The next connection, and the TLS that it is to shake hands with. Cancel safe.
    async fn next(&self) -> io::Result<(TcpStream, SocketAddr, Option<Tls>)> {
        let over_tls = async {
            match &self.tls {
                Some((listener, tls)) => Ok((listener.accept().await?, tls.clone())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.plain.accept() => {
                accepted.map(|(stream, remote)| (stream, remote, None))
            }
            accepted = over_tls => {
                accepted.map(|((stream, remote), tls)| (stream, remote, Some(tls)))
            }
        }
    }
}

/// Serves charge points until `shutdown`; then stops accepting, lets every connection finish
/// the message in hand and close (1001), and returns, within [`Limits::drain_timeout`].
pub async fn serve(
    doors: impl Into<Doors>,
    chargebook: Chargebook,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let doors = doors.into();
    crate::metrics::announce();
    let connections = Arc::new(Connections::default());
    let feed = chargebook.command_feed();
    let service = Arc::new(Service {
        handshakes: Handshakes {
            chargebook: chargebook.clone(),
            throttle: Arc::new(Throttle::default()),
            guess_hold: limits.guess_hold,
            head_timeout: limits.handshake_timeout,
            security_profile_header: limits.security_profile_header.clone(),
            has_tls_door: doors.tls.is_some(),
        },
        chargebook,
        connections: Arc::clone(&connections),
        pending: Pending::default(),
        shutdown: shutdown.clone(),
        limits,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(route_commands(feed, connections, shutdown.clone()));
    accept(&doors, &service, &mut tasks).await;
    drop(doors);
    let drained = tokio::time::timeout(service.limits.drain_timeout, async {
        while tasks.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(left = tasks.len(), "connections were cut off: they took too long to end");
        tasks.shutdown().await;
    }
}

async fn accept(doors: &Doors, service: &Arc<Service>, tasks: &mut JoinSet<()>) {
    let room = Arc::new(Semaphore::new(service.limits.connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            biased;
            () = service.shutdown.cancelled() => return,
            accepted = doors.next() => accepted,
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
        };
        match accepted {
            Ok((stream, remote, tls)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => {
                    tasks.spawn(Arc::clone(service).connection(stream, tls, remote, permit));
                }
                Err(_) => {
                    metrics::handshake("too_many_connections");
                    tracing::warn!(%remote, "connection refused: there are too many");
                }
            },
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task failed; the others go on");
    }
}

/// Tells a station's live connection that a command is due. A station without one needs no
/// telling: it looks for itself when it comes.
async fn route_commands(
    mut feed: mpsc::Receiver<CommandDispatch>,
    connections: Arc<Connections>,
    shutdown: CancellationToken,
) {
    let routed = async {
        while let Some(dispatch) = feed.recv().await {
            connections.tell_commands_due(dispatch.station_id);
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = routed => {}
    }
}

struct Service {
    handshakes: Handshakes,
    chargebook: Chargebook,
    connections: Arc<Connections>,
    pending: Pending,
    shutdown: CancellationToken,
    limits: Limits,
}

impl Service {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        tls: Option<Tls>,
        remote: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        // Answers are small and waited for: never hold one back to fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%remote, %error, "the socket was gone at once");
            return;
        }
        // Boxed, so that the memory of a handshake is not kept for the life of the session.
        let Some(arrival) = Box::pin(self.handshake(stream, tls, remote)).await else { return };
        let _gauge = ConnectionGauge::new();
        let connection = session::Connection {
            chargebook: self.chargebook.clone(),
            connections: Arc::clone(&self.connections),
            limits: self.limits.clone(),
            shutdown: self.shutdown.clone(),
            admitted: arrival.admitted,
            coming: arrival.coming,
            remote,
            security_profile: arrival.security_profile,
        };
        drop(self);
        let socket = Socket::new(arrival.stream, &arrival.read_already, arrival.deflate).await;
        drop(arrival.read_already);
        let is_refuted = Box::pin(connection.run(socket, arrival.protocol)).await;
        if let Some(let_in) = arrival.let_in.filter(|_| is_refuted) {
            let_in.was_refuted();
        }
        drop(permit);
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        tls: Option<Tls>,
        remote: SocketAddr,
    ) -> Option<Arrival> {
        let source = Source::of(remote.ip());
        let Some(_place) = self.pending.enter(source, self.limits.handshakes_per_source_max) else {
            metrics::handshake("too_many_handshakes");
            tracing::warn!(%remote, "connection refused: too many handshakes from this address");
            return None;
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            served = tokio::time::timeout(
                self.limits.handshake_timeout,
                self.shake_hands(stream, tls, remote),
            ) => served.unwrap_or_else(|_| {
                metrics::handshake("timeout");
                tracing::warn!(%remote, "a handshake took too long");
                None
            }),
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        tls: Option<Tls>,
        remote: SocketAddr,
    ) -> Option<Arrival> {
        let Some(tls) = tls else {
            return self.handshakes.serve(Stream::Plain(stream), Transport::Plain, remote).await;
        };
        match tls.accept(stream).await {
            Ok(stream) => {
                let transport = Transport::Tls { certificate: tls::certificate_of(&stream) };
                self.handshakes.serve(Stream::Tls(Box::new(stream)), transport, remote).await
            }
            Err(error) => {
                metrics::handshake("no_tls");
                tracing::warn!(%remote, %error, "connection refused: no TLS was agreed on");
                None
            }
        }
    }
}

/// Handshakes going on, by source; bounded by the number of connections.
#[derive(Default)]
struct Pending {
    by_source: Mutex<HashMap<Source, usize>>,
}

impl Pending {
    fn enter(&self, source: Source, most: usize) -> Option<PendingPlace<'_>> {
        let mut by_source = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_source.entry(source).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(PendingPlace { pending: self, source })
    }
}

struct PendingPlace<'p> {
    pending: &'p Pending,
    source: Source,
}

impl Drop for PendingPlace<'_> {
    fn drop(&mut self) {
        let mut by_source = self.pending.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_of_one_source_are_bounded_and_places_come_back() {
        let pending = Pending::default();
        let source = |text: &str| Source::of(text.parse().expect("an address"));
        let first = pending.enter(source("192.0.2.1"), 2);
        let second = pending.enter(source("192.0.2.1"), 2);
        assert!(first.is_some() && second.is_some());
        assert!(pending.enter(source("192.0.2.1"), 2).is_none());
        assert!(pending.enter(source("192.0.2.2"), 2).is_some());
        drop(first);
        assert!(pending.enter(source("192.0.2.1"), 2).is_some());
    }
}

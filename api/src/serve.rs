//! Serving a router on a listener until told to stop: bounded in connections, in patience with
//! slow heads, and in how long the last requests may take.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Most connections at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long a client may take to send a request's head, and to begin the next one.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(30);
/// How long requests that have begun may take to end once the server is to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted: usually too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a router (the API's, with whatever stands beside it) until `shutdown` is cancelled;
/// then lets the requests that have begun end, at most [`DRAIN_MAX`]. Handlers find the client's
/// address as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// None after it has begun: what goes wrong with one connection stays with it.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, remote)) => {
                let serving = connection(stream, remote, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, ended).await.is_err() {
        tracing::warn!("some HTTP requests did not end in time and are cut off");
        connections.shutdown().await;
    }
    Ok(())
}

/// Serves one connection: until it ends, or until the request in hand is answered once the
/// server is to stop.
async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket kept its delay");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(remote));
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        // Clients break off all the time; it is theirs to know why.
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

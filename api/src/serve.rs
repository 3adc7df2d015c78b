//! Serving a router on a listener until told to stop.

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that have begun may take to end once the server is to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves a router (the API's, with whatever stands beside it) until `shutdown` is cancelled;
/// then lets the requests that have begun end, at most [`DRAIN_MAX`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let service: IntoMakeServiceWithConnectInfo<Router, SocketAddr> =
        router.into_make_service_with_connect_info();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = serving => served,
        () = drained => {
            tracing::warn!("some HTTP requests did not end in time and are cut off");
            Ok(())
        }
    }
}

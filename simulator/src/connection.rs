//! Carries one station over real WebSockets: connects, sends, receives, reconnects.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures::{SinkExt, StreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message as WebSocketMessage};
use tokio_util::sync::CancellationToken;

use crate::fleet::StationContext;
use crate::plan::{Pace, StationPlan};
use crate::random::SeededRandom;
use crate::station::{LinkWish, Outgoing, Station};

/// A connection must be open within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Wait before the first new try to connect; it doubles up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Longest wait between tries to connect.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A station that is told to stop delivers what it still holds within this time.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Largest frame read from a server.
const MAX_FRAME: usize = 1024 * 1024;
/// Read buffer of a connection.
const READ_BUFFER: usize = 4 * 1024;
/// Longest sleep without anything due.
const IDLE_SLEEP: Duration = Duration::from_secs(3_600);
/// Left unencoded in the id of the URL: RFC 3986's unreserved characters.
const ID_IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a station cannot connect at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or not of the form `ws://HOST[:PORT]/PATH`.
    #[error("{url:?} is no usable address; it must look like ws://HOST:PORT/ocpp")]
    Address {
        /// The URL.
        url: String,
    },
    /// The password cannot be written into a header.
    #[error("the password cannot be written into a header")]
    Password,
    /// The host could not be reached.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The WebSocket handshake failed.
    #[error("handshake refused: {0}")]
    Handshake(Box<WebSocketError>),
    /// Nothing happened in time.
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
}

/// The handshake of the station `id` under the base address `url`, and the address to dial.
pub(crate) fn handshake_request(
    url: &str,
    id: &str,
    password: Option<&str>,
) -> Result<(Request, String), ConnectError> {
    let bad = || ConnectError::Address { url: url.to_owned() };
    let rest = url.strip_prefix("ws://").ok_or_else(bad)?;
    let authority = rest.split('/').next().filter(|part| !part.is_empty()).ok_or_else(bad)?;
    let has_port = authority.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
    let dial = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let full = format!("{}/{}", url.trim_end_matches('/'), utf8_percent_encode(id, ID_IN_URL));
    let mut request = full.into_client_request().map_err(|_| bad())?;
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("ocpp1.6"));
    if let Some(password) = password {
        let credentials = STANDARD.encode(format!("{id}:{password}"));
        let value = HeaderValue::from_str(&format!("Basic {credentials}"))
            .map_err(|_| ConnectError::Password)?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok((request, dial))
}

/// Maps the monotonic clock to UTC, so that a change of the machine's clock moves nothing.
#[derive(Debug, Clone, Copy)]
struct RunClock {
    started: Instant,
    started_at: DateTime<Utc>,
}

impl RunClock {
    fn start() -> Self {
        Self { started: Instant::now(), started_at: Utc::now() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.started_at + self.started.elapsed()
    }

    fn instant_of(&self, at: DateTime<Utc>) -> Instant {
        self.started + (at - self.started_at).to_std().unwrap_or(Duration::ZERO)
    }
}

/// Runs `plan` until it is finished or `stop` is cancelled and what was open is delivered.
pub(crate) async fn run_station(
    plan: StationPlan,
    context: StationContext,
    stop: CancellationToken,
) {
    let mut runner = Runner::new(plan, context);
    if runner.wait(runner.first_wait, &stop).await {
        return;
    }
    let work = runner.work(&stop);
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        () = work => {}
        () = deadline => {}
    }
}

struct Runner {
    id: String,
    context: StationContext,
    pace: Pace,
    station: Station,
    clock: RunClock,
    random: SeededRandom,
    first_wait: Duration,
    failed_tries: u32,
    stopping: bool,
}

/// How a connection ended.
enum LinkEnd {
    /// The station has nothing left to do.
    Finished,
    /// It is to be renewed.
    Renew,
}

impl Runner {
    fn new(plan: StationPlan, context: StationContext) -> Self {
        let clock = RunClock::start();
        let mut random = SeededRandom::for_thing(context.seed, &plan.id, 2);
        let first_wait = random.duration_between(Duration::ZERO, context.connect_spread);
        let pace = context.pace;
        Self {
            id: plan.id.clone(),
            station: Station::new(plan, context.seed, pace, clock.now()),
            pace,
            clock,
            random,
            first_wait,
            failed_tries: 0,
            stopping: false,
            context,
        }
    }

    /// Sleeps; true when told to stop meanwhile.
    async fn wait(&self, wait: Duration, stop: &CancellationToken) -> bool {
        if self.stopping {
            tokio::time::sleep(wait).await;
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = stop.cancelled() => true,
        }
    }

    fn publish(&mut self) {
        for event in self.station.take_events() {
            self.context.publish(&self.id, &event);
        }
    }

    /// Time passes for the station, connected or not.
    fn tick(&mut self, stop: &CancellationToken) {
        let now = self.clock.now();
        if stop.is_cancelled() && !std::mem::replace(&mut self.stopping, true) {
            self.station.shut_down(now);
        }
        self.station.on_time(now);
        self.publish();
    }

    async fn work(&mut self, stop: &CancellationToken) {
        loop {
            self.tick(stop);
            match self.station.link_wish(self.clock.now()) {
                LinkWish::Finished => return,
                LinkWish::DownUntil(until) => {
                    let due = self.station.next_deadline().map_or(until, |at| at.min(until));
                    let wait = self.clock.instant_of(due).saturating_duration_since(Instant::now());
                    self.wait(wait.max(Duration::from_millis(1)), stop).await;
                }
                LinkWish::Up => match self.connect().await {
                    Ok(socket) => {
                        self.failed_tries = 0;
                        if let LinkEnd::Finished = self.serve(socket, stop).await {
                            return;
                        }
                    }
                    Err(error) => {
                        let event = crate::FleetEvent::ConnectFailed(error.to_string());
                        self.context.publish(&self.id, &event);
                        let wait = self.backoff();
                        self.wait(wait, stop).await;
                    }
                },
            }
        }
    }

    /// Doubling waits with a seeded part, so that stations do not come back in step.
    fn backoff(&mut self) -> Duration {
        let doubled = FIRST_BACKOFF * (1 << self.failed_tries.min(6));
        self.failed_tries += 1;
        let longest = doubled.min(LONGEST_BACKOFF);
        self.pace.compress(self.random.duration_between(longest / 2, longest))
    }

    async fn connect(&self) -> Result<WebSocketStream<TcpStream>, ConnectError> {
        let (request, address) =
            handshake_request(&self.context.url, &self.id, self.station.password())?;
        let open = async {
            let socket = TcpStream::connect(&address)
                .await
                .and_then(|socket| socket.set_nodelay(true).map(|()| socket))
                .map_err(|source| ConnectError::Unreachable { address, source })?;
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(Some(MAX_FRAME))
                .max_frame_size(Some(MAX_FRAME));
            tokio_tungstenite::client_async_with_config(request, socket, Some(config))
                .await
                .map(|(socket, _)| socket)
                .map_err(|error| ConnectError::Handshake(Box::new(error)))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, open).await.unwrap_or(Err(ConnectError::Timeout))
    }

    /// One connection, from opening to its end.
    async fn serve(
        &mut self,
        mut socket: WebSocketStream<TcpStream>,
        stop: &CancellationToken,
    ) -> LinkEnd {
        self.station.on_connected(self.clock.now());
        let (end, reason) = self.converse(&mut socket, stop).await;
        self.station.on_disconnected(self.clock.now(), &reason);
        self.publish();
        end
    }

    async fn converse(
        &mut self,
        socket: &mut WebSocketStream<TcpStream>,
        stop: &CancellationToken,
    ) -> (LinkEnd, String) {
        loop {
            self.tick(stop);
            while let Some(Outgoing { text, drop_link }) = self.station.next_frame(self.clock.now())
            {
                self.publish();
                if let Err(error) = socket.send(WebSocketMessage::text(text)).await {
                    return (LinkEnd::Renew, error.to_string());
                }
                if drop_link {
                    return (LinkEnd::Renew, "cut by the simulation".to_owned());
                }
            }
            match self.station.link_wish(self.clock.now()) {
                LinkWish::Up => {}
                wish => {
                    // The server's part of the closing handshake is not waited for.
                    let closed = socket.close(None).await;
                    let reason = match closed {
                        Ok(()) => "closed by the station".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    let end = match wish {
                        LinkWish::Finished => LinkEnd::Finished,
                        _ => LinkEnd::Renew,
                    };
                    return (end, reason);
                }
            }
            let due = match self.station.next_deadline() {
                Some(at) => self.clock.instant_of(at),
                None => Instant::now() + IDLE_SLEEP,
            };
            tokio::select! {
                received = socket.next() => match received {
                    Some(Ok(WebSocketMessage::Text(text))) => {
                        self.station.on_text(&text, self.clock.now());
                    }
                    Some(Ok(WebSocketMessage::Close(_))) | None => {
                        return (LinkEnd::Renew, "closed by the server".to_owned());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return (LinkEnd::Renew, error.to_string()),
                },
                () = tokio::time::sleep_until(due) => {}
                () = stop.cancelled(), if !self.stopping => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::handshake_request;

    #[test]
    fn the_id_is_percent_encoded_and_the_credentials_name_it() {
        let (request, dial) =
            handshake_request("ws://127.0.0.1:9000/ocpp/", "CP 1/ö", Some("secret"))
                .expect("a good address");
        assert_eq!(dial, "127.0.0.1:9000");
        assert_eq!(request.uri().path(), "/ocpp/CP%201%2F%C3%B6");
        assert_eq!(request.headers()["sec-websocket-protocol"], "ocpp1.6");
        // base64 of "CP 1/ö:secret"
        assert_eq!(request.headers()["authorization"], "Basic Q1AgMS/DtjpzZWNyZXQ=");
    }

    #[test]
    fn the_port_defaults_and_other_schemes_are_refused() {
        let (_, dial) = handshake_request("ws://[::1]/ocpp", "A", None).expect("a good address");
        assert_eq!(dial, "[::1]:80");
        for url in ["http://127.0.0.1/ocpp", "ws:///ocpp", "127.0.0.1:9000", "ws://a b/"] {
            assert!(handshake_request(url, "A", None).is_err(), "{url}");
        }
    }
}

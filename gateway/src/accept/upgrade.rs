//! From an accepted socket to a station's WebSocket: one HTTP/1.1 request, and nothing kept of
//! it afterwards.

use super::answer::{Refusal, switching};
use super::throttle::{Gate, Source, Throttle};
use super::{extension, handshake};
use crate::limits::REQUEST_HEAD_BYTES_MAX;
use crate::metrics;
use crate::protocol::Protocol;
use crate::socket::Deflate;
use chargebook_commands::{AdmissionRefused, Admitted, Chargebook};
use chargebook_domain::ids::StationIdentity;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Who came in, and over what.
pub(super) struct Arrival {
    /// The socket, and what the client had sent already after its request.
    pub(super) stream: TcpStream,
    /// See `stream`.
    pub(super) read_already: Bytes,
    /// The station.
    pub(super) admitted: Admitted,
    /// What is spoken; `None`: nothing was agreed, and the connection is to be closed at once.
    pub(super) protocol: Option<Protocol>,
    /// Compression, where it was agreed on.
    pub(super) deflate: Option<Deflate>,
    /// OCPP security profile: 0 none, 1 basic auth.
    pub(super) security_profile: u8,
}

/// What a handshake needs to know.
pub(super) struct Handshakes {
    pub(super) chargebook: Chargebook,
    pub(super) throttle: Arc<Throttle>,
    pub(super) head_timeout: Duration,
}

/// A request that was granted, until the socket is ours.
struct Granted {
    upgrade: OnUpgrade,
    admitted: Admitted,
    protocol: Option<Protocol>,
    deflate: Option<Deflate>,
    security_profile: u8,
}

impl Handshakes {
    /// Serves the one request. `None`: it was refused, or never came.
    pub(super) async fn serve(&self, stream: TcpStream, remote: SocketAddr) -> Option<Arrival> {
        let granted: Mutex<Option<Granted>> = Mutex::new(None);
        let service = service_fn(|request| self.respond(request, remote, &granted));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(REQUEST_HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            metrics::handshake("broken");
            tracing::debug!(%remote, %error, "a handshake broke off");
        }
        let granted = granted.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let upgraded: Upgraded = granted.upgrade.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        Some(Arrival {
            stream: parts.io.into_inner(),
            read_already: parts.read_buf,
            admitted: granted.admitted,
            protocol: granted.protocol,
            deflate: granted.deflate,
            security_profile: granted.security_profile,
        })
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        remote: SocketAddr,
        slot: &Mutex<Option<Granted>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (refusal, station) = match handshake::identity(request.uri()) {
            Err(refusal) => (refusal, None),
            Ok(identity) => match self.grant(request, &identity, remote).await {
                Ok((response, granted)) => {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
                    return Ok(response);
                }
                Err(refusal) => (refusal, Some(identity)),
            },
        };
        metrics::handshake(refusal.word());
        let station = station.as_ref().map_or("", StationIdentity::as_str);
        tracing::warn!(%remote, station, reason = refusal.word(), "connection refused");
        Ok(refusal.response())
    }

    async fn grant(
        &self,
        mut request: Request<Incoming>,
        identity: &StationIdentity,
        remote: SocketAddr,
    ) -> Result<(Response<Full<Bytes>>, Granted), Refusal> {
        let headers = request.headers();
        let accept_key = handshake::accept_key(request.method(), request.version(), headers)?;
        let password = handshake::password(headers, identity)?;
        let protocol = handshake::protocol(headers);
        let admitted = self.admit(identity, password.as_deref(), remote).await?;
        let agreed = match admitted.settings.compression {
            true => extension::deflate(request.headers()),
            false => None,
        };
        let outcome = if protocol.is_some() { "accepted" } else { "no_common_protocol" };
        metrics::handshake(outcome);
        let name = protocol.as_ref().map(|(_, name)| name.as_str());
        let response = switching(&accept_key, name, agreed.as_ref().map(|a| a.answer.as_str()));
        let granted = Granted {
            upgrade: hyper::upgrade::on(&mut request),
            admitted,
            protocol: protocol.map(|(protocol, _)| protocol),
            deflate: agreed.map(|agreed| agreed.deflate),
            security_profile: u8::from(password.is_some()),
        };
        Ok((response, granted))
    }

    async fn admit(
        &self,
        identity: &StationIdentity,
        password: Option<&[u8]>,
        remote: SocketAddr,
    ) -> Result<Admitted, Refusal> {
        let source = Source::of(remote.ip());
        match self.throttle.gate(source, identity.as_str(), Instant::now()) {
            Gate::Open => {}
            Gate::Hold(hold, held) => {
                tokio::time::sleep(hold).await;
                drop(held);
            }
            Gate::Refuse => return Err(Refusal::TooManyFailures),
        }
        let refused = match self.chargebook.admit(identity.as_str(), password).await {
            Ok(admitted) => {
                self.throttle.succeeded(source, identity.as_str());
                return Ok(admitted);
            }
            Err(refused) => refused,
        };
        match refused {
            AdmissionRefused::UnknownStation => {
                self.throttle.failed(source, identity.as_str(), Instant::now());
                Err(Refusal::UnknownStation)
            }
            AdmissionRefused::WrongPassword => {
                self.throttle.failed(source, identity.as_str(), Instant::now());
                Err(Refusal::WrongPassword)
            }
            // Some clients send a password only when asked for one, so this is no failure.
            AdmissionRefused::PasswordRequired => Err(Refusal::PasswordRequired),
            AdmissionRefused::Unavailable(reason) => {
                tracing::error!(station = %identity, %reason, "admission cannot be decided");
                Err(Refusal::Unavailable)
            }
        }
    }
}

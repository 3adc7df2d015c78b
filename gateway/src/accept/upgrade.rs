//! From an accepted socket to a station's WebSocket: one HTTP/1.1 request, and nothing kept of
//! it afterwards.

use super::answer::{Refusal, switching};
use super::handshake::Told;
use super::throttle::{Gate, LetIn, Source, Throttle};
use super::tls::ShownCertificate;
use super::{extension, handshake};
use crate::limits::REQUEST_HEAD_BYTES_MAX;
use crate::metrics;
use crate::protocol::Protocol;
use crate::socket::Deflate;
use crate::stream::Stream;
use chargebook_commands::{AdmissionRefused, Admitted, Chargebook, Coming, SecurityProfileSeen};
use chargebook_domain::events::v1::Quirk;
use chargebook_domain::ids::StationIdentity;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who came in, and over what.
pub(super) struct Arrival {
    /// The socket, and what the client had sent already after its request.
    pub(super) stream: Stream,
    /// See `stream`.
    pub(super) read_already: Bytes,
    /// The station.
    pub(super) admitted: Admitted,
    /// Where its boot may yet contradict its certificate.
    pub(super) let_in: Option<Box<LetIn>>,
    /// Takes commands for it until it has a desk.
    pub(super) coming: Coming,
    /// What is spoken; `None`: nothing was agreed, and the connection is to be closed at once.
    pub(super) protocol: Option<Protocol>,
    /// Compression, where it was agreed on.
    pub(super) deflate: Option<Deflate>,
    /// OCPP security profile: 0 none, 1 basic auth, 2 that over TLS, 3 a certificate of its own.
    pub(super) security_profile: u8,
}

/// What a handshake needs to know.
pub(super) struct Handshakes {
    pub(super) chargebook: Chargebook,
    pub(super) throttle: Arc<Throttle>,
    pub(super) guess_hold: Duration,
    pub(super) head_timeout: Duration,
    pub(super) security_profile_header: Option<String>,
    /// Whether stations could come over TLS of our own: then who comes without it has none.
    pub(super) has_tls_door: bool,
}

/// What a request came over.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// As it is; a proxy in front of us may tell more.
    Plain,
    /// TLS of our own.
    Tls {
        /// The station's certificate, if it has shown one.
        certificate: Option<ShownCertificate>,
    },
}

/// How a path names a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    /// As the standard has it.
    Path,
    /// In a way that only some stations' dialects know.
    OtherPath,
}

impl NamedBy {
    /// Whoever asks for something else at another path asked for what is not there.
    fn refusal(self, refusal: Refusal) -> Refusal {
        let is_about_password =
            matches!(refusal, Refusal::PasswordRequired | Refusal::WrongPassword);
        if self == Self::Path || is_about_password { refusal } else { Refusal::NoSuchPath }
    }
}

/// The station that a request's path names.
fn named(uri: &Uri) -> Result<(StationIdentity, NamedBy), Refusal> {
    handshake::identity(uri).map(|identity| (identity, NamedBy::Path)).or_else(|refusal| {
        let identity = handshake::identity_in_other_path(uri).ok_or(refusal)?;
        if refusal == Refusal::NoSuchPath {
            Ok((identity, NamedBy::OtherPath))
        } else {
            Err(refusal)
        }
    })
}

/// What a station proves itself with.
#[derive(Clone, Copy)]
enum Credentials<'c> {
    /// The password of basic auth, or nothing.
    Password(Option<&'c [u8]>),
    /// A certificate of its own, that was checked already, where we have seen it.
    Certificate(Option<&'c ShownCertificate>),
}

/// Who asks to be let in, as which station.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    source: Source,
    /// As the path has it.
    named: &'a StationIdentity,
    /// Whether identities that differ in case alone are different ones in the protocol spoken.
    has_case: bool,
}

impl Attempt<'_> {
    fn is_certified(self, identity: &StationIdentity, shown: &ShownCertificate) -> bool {
        shown.name.as_deref().is_some_and(|name| self.is_named(identity, name))
    }

    fn is_named(self, identity: &StationIdentity, name: &str) -> bool {
        match self.has_case {
            true => name == identity.as_str(),
            false => name.eq_ignore_ascii_case(identity.as_str()),
        }
    }
}

/// A request that was granted, until the socket is ours.
struct Granted {
    upgrade: OnUpgrade,
    admitted: Admitted,
    let_in: Option<Box<LetIn>>,
    coming: Coming,
    protocol: Option<Protocol>,
    deflate: Option<Deflate>,
    security_profile: u8,
}

impl Handshakes {
    /// Serves the one request. `None`: it was refused, or never came.
    pub(super) async fn serve(
        &self,
        stream: Stream,
        transport: Transport,
        remote: SocketAddr,
    ) -> Option<Arrival> {
        let granted: Mutex<Option<Granted>> = Mutex::new(None);
        let service = service_fn(|request| self.respond(request, &transport, remote, &granted));
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
        let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
        Some(Arrival {
            stream: parts.io.into_inner(),
            read_already: parts.read_buf,
            admitted: granted.admitted,
            let_in: granted.let_in,
            coming: granted.coming,
            protocol: granted.protocol,
            deflate: granted.deflate,
            security_profile: granted.security_profile,
        })
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        transport: &Transport,
        remote: SocketAddr,
        slot: &Mutex<Option<Granted>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (refusal, station) = match named(request.uri()) {
            Err(refusal) => (refusal, None),
            Ok((identity, path)) => {
                match self.grant(request, &identity, path, transport, remote).await {
                    Ok((response, granted)) => {
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
                        return Ok(response);
                    }
                    Err(refusal) => (refusal, Some(identity)),
                }
            }
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
        path: NamedBy,
        transport: &Transport,
        remote: SocketAddr,
    ) -> Result<(Response<Full<Bytes>>, Granted), Refusal> {
        let headers = request.headers();
        let accept_key = handshake::accept_key(request.method(), request.version(), headers)
            .map_err(|refusal| path.refusal(refusal))?;
        let protocol = handshake::protocol(headers);
        let has_case = protocol.as_ref().is_none_or(|offered| offered.protocol.has_case());
        let password = handshake::password(headers, identity, has_case);
        let password = password.map_err(|refusal| path.refusal(refusal))?;
        let attempt = Attempt { source: Source::of(remote.ip()), named: identity, has_case };
        self.wait_for_turn(attempt).await?;
        let identity = &self.registered(attempt).await?;
        let told = self.told_profile(headers, transport);
        let credentials = self.credentials(attempt, identity, transport, told, password.as_deref());
        let credentials = credentials.await.map_err(|refusal| path.refusal(refusal))?;
        let admitted = self.admit(attempt, identity, credentials).await;
        let admitted = admitted.map_err(|refusal| path.refusal(refusal))?;
        if path == NamedBy::OtherPath && !self.speaks(&admitted, Quirk::OtherPath).await {
            return Err(Refusal::NoSuchPath);
        }
        let protocol = match protocol {
            Some(offered)
                if offered.is_standard()
                    || self.speaks(&admitted, Quirk::LooseSubProtocol).await =>
            {
                Some(offered)
            }
            _ => None,
        };
        let seen = handshake::security_profile(told, admitted.is_password_verified);
        self.check_security_profile(&admitted, seen, password.is_some()).await?;
        let agreed = match admitted.settings.compression {
            true => extension::deflate(request.headers()),
            false => None,
        };
        let outcome = if protocol.is_some() { "accepted" } else { "no_common_protocol" };
        metrics::handshake(outcome);
        let name = protocol.as_ref().and_then(|offered| offered.name.as_deref());
        let response = switching(&accept_key, name, agreed.as_ref().map(|a| a.answer.as_str()));
        let granted = Granted {
            upgrade: hyper::upgrade::on(&mut request),
            let_in: admitted.is_named_by_serial_number.then(|| {
                let (throttle, source) = (Arc::clone(&self.throttle), attempt.source);
                Box::new(LetIn { throttle, source, identity: attempt.named.clone() })
            }),
            coming: self.chargebook.coming(admitted.station_id),
            admitted,
            protocol: protocol.map(|offered| offered.protocol),
            deflate: agreed.map(|agreed| agreed.deflate),
            security_profile: seen.profile,
        };
        Ok((response, granted))
    }

    /// Holds an attempt of a source with too many failures, before anything is looked up for it.
    async fn wait_for_turn(&self, attempt: Attempt<'_>) -> Result<(), Refusal> {
        match self.throttle.gate(attempt.source, attempt.named.as_str(), Instant::now()) {
            Gate::Open => {}
            Gate::Hold(held) => {
                tokio::time::sleep(self.guess_hold).await;
                drop(held);
            }
            Gate::Refuse => return Err(Refusal::TooManyFailures),
        }
        Ok(())
    }

    fn failed(&self, attempt: Attempt<'_>) {
        self.throttle.failed(attempt.source, attempt.named.as_str(), Instant::now());
    }

    /// The identity by which the station is registered.
    async fn registered(&self, attempt: Attempt<'_>) -> Result<StationIdentity, Refusal> {
        let Attempt { named, has_case, .. } = attempt;
        if has_case {
            return Ok(named.clone());
        }
        let registered = self.chargebook.registered_in_any_case(named.clone()).await;
        registered.map_err(|error| {
            tracing::error!(station = %named, %error, "admission cannot be decided");
            Refusal::Unavailable
        })
    }

    /// The profile that TLS makes possible, where it can be seen: our own, or a proxy's by what
    /// that tells. What a client says of itself over our own TLS counts for nothing.
    fn told_profile(&self, headers: &HeaderMap, transport: &Transport) -> Option<Told> {
        match (transport, &self.security_profile_header) {
            (Transport::Tls { certificate: Some(_) }, _) => Some(Told::Certificate),
            (Transport::Tls { certificate: None }, _) => Some(Told::Tls),
            (Transport::Plain, Some(header)) => Some(handshake::told(headers, header)),
            (Transport::Plain, None) => self.has_tls_door.then_some(Told::NoTls),
        }
    }

    /// What the station proves itself with. A certificate that has been checked and names another
    /// station is that one's, in the wrong hands.
    async fn credentials<'c>(
        &self,
        attempt: Attempt<'_>,
        identity: &StationIdentity,
        transport: &'c Transport,
        told: Option<Told>,
        password: Option<&'c [u8]>,
    ) -> Result<Credentials<'c>, Refusal> {
        let shown = match transport {
            Transport::Tls { certificate } => certificate.as_ref(),
            Transport::Plain => None,
        };
        if let Some(shown) = shown.filter(|shown| !attempt.is_certified(identity, shown))
            && !self.is_its_own(identity, shown).await?
        {
            self.failed(attempt);
            self.chargebook.note_foreign_certificate(identity.as_str()).await;
            return Err(Refusal::OtherCertificate);
        }
        Ok(match told {
            Some(Told::Certificate) => Credentials::Certificate(shown),
            _ => Credentials::Password(password),
        })
    }

    /// Whether a certificate that does not name the station is its own all the same.
    async fn is_its_own(
        &self,
        identity: &StationIdentity,
        shown: &ShownCertificate,
    ) -> Result<bool, Refusal> {
        let Some(name) = &shown.name else { return Ok(false) };
        let is_its_own = self.chargebook.has_certificate(identity.as_str(), name, &shown.der).await;
        is_its_own.map_err(|error| {
            tracing::error!(station = %identity, %error, "admission cannot be decided");
            Refusal::Unavailable
        })
    }

    /// Whether a quirk is in the station's dialect. Where it is not, it is noted for the operator;
    /// nothing rests on that.
    async fn speaks(&self, admitted: &Admitted, quirk: Quirk) -> bool {
        let is_known = admitted.settings.dialect.has(quirk);
        if !is_known {
            let station = &admitted.identity;
            let noticed = self.chargebook.registry().notice_quirk(station.as_str(), quirk).await;
            if let Err(error) = noticed {
                tracing::warn!(%station, ?quirk, %error, "a station's quirk was not noted");
            }
        }
        is_known
    }

    /// A station that gave no password is asked for it: some send it only then.
    async fn check_security_profile(
        &self,
        admitted: &Admitted,
        seen: SecurityProfileSeen,
        has_password: bool,
    ) -> Result<(), Refusal> {
        let checked = self.chargebook.check_security_profile(admitted, seen).await;
        checked.map_err(|_| match has_password {
            true => Refusal::LowerSecurityProfile,
            false => Refusal::PasswordRequired,
        })
    }

    async fn admit(
        &self,
        attempt: Attempt<'_>,
        identity: &StationIdentity,
        credentials: Credentials<'_>,
    ) -> Result<Admitted, Refusal> {
        let admitted = match credentials {
            Credentials::Password(password) => {
                self.chargebook.admit(identity.as_str(), password).await
            }
            Credentials::Certificate(shown) => {
                let der = shown.map(|shown| &*shown.der);
                self.chargebook.admit_by_certificate(identity.as_str(), der).await
            }
        };
        let refused = match admitted {
            Ok(mut admitted) => {
                // Also where that is its identity as well; what is neither names the number that it
                // was known by.
                if let Credentials::Certificate(Some(shown)) = credentials {
                    admitted.is_named_by_serial_number = !attempt.is_certified(identity, shown)
                        || shown.name == admitted.serial_number_registered;
                }
                if !admitted.is_refuted() {
                    self.throttle.succeeded(attempt.source, attempt.named.as_str());
                }
                return Ok(admitted);
            }
            Err(refused) => refused,
        };
        match refused {
            AdmissionRefused::UnknownStation => {
                self.failed(attempt);
                Err(Refusal::UnknownStation)
            }
            AdmissionRefused::WrongPassword => {
                self.failed(attempt);
                Err(Refusal::WrongPassword)
            }
            AdmissionRefused::WithdrawnCertificate => {
                self.failed(attempt);
                Err(Refusal::WithdrawnCertificate)
            }
            // Some clients send a password only when asked for one, so this is no failure.
            AdmissionRefused::PasswordRequired => Err(Refusal::PasswordRequired),
            AdmissionRefused::LowerSecurityProfile { .. } => Err(Refusal::LowerSecurityProfile),
            AdmissionRefused::Unavailable(reason) => {
                tracing::error!(station = %identity, %reason, "admission cannot be decided");
                Err(Refusal::Unavailable)
            }
        }
    }
}

//! A gateway on a loopback port, and a station to speak to it.

use crate::counted::CountedStore;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chargebook_commands::clock::SystemClock;
use chargebook_commands::registry::{
    SettingsChange, StationChange, StationRegistration, TokenRegistration,
};
use chargebook_commands::{Chargebook, Settings};
use chargebook_domain::events::v1::{Quirk, TokenStatus};
use chargebook_gateway::{Doors, Limits, OcppVersions, Tls, TlsCertificate, TlsMaterial, serve};
use chargebook_store::contract::FailingStore;
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, MemoryStore, Position, RecordedEvent};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const TAG: &str = "04A1B2C3";

/// Failures of one address that cost nothing.
pub(crate) const FREE_FAILURES: usize = 20;
/// Attempts of one address that are held at once.
pub(crate) const HELD_MAX: usize = 32;

/// Limits by which whoever is held stays so: what is answered was not held.
pub(crate) fn held_for_ever() -> Limits {
    let for_ever = Duration::from_secs(3_600);
    Limits { guess_hold: for_ever, handshake_timeout: for_ever, ..Limits::default() }
}

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Gateway {
    pub(crate) chargebook: Chargebook,
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<MemoryStore>,
    /// While it is on, nothing can be written.
    pub(crate) is_down: Arc<AtomicBool>,
    counted: Arc<CountedStore>,
    /// Where the TLS door is, if there is one.
    pub(crate) tls_address: Option<SocketAddr>,
    tls: Option<Tls>,
    vault: Arc<KeyVault>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    /// With stations `CP-1` and `CP-2` (with a password) and `OPEN` (without).
    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_at(limits, None).await
    }

    /// With a TLS door beside the plain one.
    pub(crate) async fn start_over_tls(files: TlsFiles) -> Self {
        Self::start_over_tls_with(files, Limits::default()).await
    }

    pub(crate) async fn start_over_tls_with(files: TlsFiles, limits: Limits) -> Self {
        Self::start_at(limits, Some(files)).await
    }

    async fn start_at(limits: Limits, files: Option<TlsFiles>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let vault = Arc::new(KeyVault::in_memory().await.expect("a vault"));
        let gateway = Self::over(store, vault, limits, files).await;
        let registry = gateway.chargebook.registry();
        for (id, password) in [("CP-1", Some(PASSWORD)), ("CP-2", Some(PASSWORD)), ("OPEN", None)] {
            let registration = StationRegistration {
                id: id.to_owned(),
                password: password.map(str::to_owned),
                ..StationRegistration::default()
            };
            registry.register_station(registration).await.expect("registered");
        }
        let token = TokenRegistration {
            uid: TAG.to_owned(),
            kind: "RFID".to_owned(),
            driver: None,
            status: TokenStatus::Accepted,
            expires_at: None,
            group: None,
        };
        registry.register_token(token).await.expect("registered");
        gateway
    }

    async fn over(
        store: Arc<MemoryStore>,
        vault: Arc<KeyVault>,
        limits: Limits,
        files: Option<TlsFiles>,
    ) -> Self {
        let is_down = Arc::new(AtomicBool::new(false));
        let failing = FailingStore::switched(store.clone(), is_down.clone());
        let counted = Arc::new(CountedStore::over(failing));
        let clock = Arc::new(SystemClock);
        let chargebook =
            Chargebook::open(counted.clone(), vault.clone(), clock, Settings::default())
                .await
                .expect("a service")
                .speaking(Arc::new(OcppVersions));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let mut doors = Doors::from(listener);
        if let Some(files) = files {
            let tls = Tls::new(&files.material(&chargebook).await).expect("usable");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            doors.tls = Some((listener, tls));
        }
        let door = doors.tls.as_ref();
        let tls_address = door.map(|(listener, _)| listener.local_addr().expect("an address"));
        let tls = door.map(|(_, tls)| tls.clone());
        let serving = tokio::spawn(serve(doors, chargebook.clone(), limits, shutdown.clone()));
        Self {
            chargebook,
            address,
            store,
            is_down,
            counted,
            tls_address,
            tls,
            vault,
            shutdown,
            serving,
        }
    }

    /// Gives the TLS door other files.
    pub(crate) async fn renew_tls(&self, files: TlsFiles) {
        let tls = self.tls.as_ref().expect("a TLS door");
        tls.replace(&files.material(&self.chargebook).await).expect("usable");
    }

    /// Stops the gateway in order; it must be done in time.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, &mut self.serving)
            .await
            .expect("the gateway stops")
            .expect("it does not panic");
    }

    /// A new process over the same log.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(Limits::default()).await
    }

    pub(crate) async fn restart_with(mut self, limits: Limits) -> Self {
        self.stop().await;
        Self::over(self.store, self.vault, limits, None).await
    }

    /// How often something was looked up in the log.
    pub(crate) fn lookups(&self) -> usize {
        self.counted.lookups()
    }

    /// Every event so far.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(Position::START, |event| event.position);
            let page = self.store.read_all(after, 1000).await.expect("the log");
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// The data of all events of a type.
    pub(crate) async fn facts(&self, event_type: &str) -> Vec<Value> {
        let events = self.events().await;
        let of_type = events.iter().filter(|event| &*event.event_type == event_type);
        of_type.map(|event| serde_json::from_str(event.data.as_str()).expect("JSON")).collect()
    }

    /// The data of all events of a type, once there are `count`.
    pub(crate) async fn facts_once(&self, event_type: &str, count: usize) -> Vec<Value> {
        let mut head = self.store.head();
        let waiting = async {
            loop {
                let facts = self.facts(event_type).await;
                if facts.len() >= count {
                    return facts;
                }
                head.changed().await.expect("the store lives");
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("no {count} of {event_type} in time"))
    }

    /// `OPEN`, over a connection that compresses.
    pub(crate) async fn compressing_station(&self) -> Station {
        let offer = "permessage-deflate; client_max_window_bits";
        let (web_socket, response) = self.offering(Knock::at("OPEN"), offer).await;
        assert_eq!(
            response.headers()["sec-websocket-extensions"],
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        );
        Station { web_socket }
    }

    /// Sets a station's dialect, and nothing else.
    pub(crate) async fn speaks(&self, id: &str, quirks: &[Quirk]) {
        let dialect = Some(quirks.iter().copied().collect());
        let settings = SettingsChange { dialect, ..SettingsChange::default() };
        let change = StationChange { settings, ..StationChange::default() };
        self.chargebook.change_station(id, change).await.expect("changed");
    }

    /// The quirks that were noticed so far, in their order.
    pub(crate) async fn noticed(&self) -> Vec<Value> {
        let facts = self.facts("station.quirk_noticed").await;
        facts.iter().map(|fact| fact["quirk"].clone()).collect()
    }

    /// What is answered to an offer of an extension.
    pub(crate) async fn extension_agreed(&self, id: &str, offer: &'static str) -> Option<String> {
        let (_, response) = self.offering(Knock::at(id), offer).await;
        let agreed = response.headers().get("sec-websocket-extensions");
        agreed.map(|agreed| agreed.to_str().expect("ASCII").to_owned())
    }

    async fn offering(&self, knock: Knock<'_>, offer: &'static str) -> Opened {
        let knock = Knock { extensions: Some(offer), ..knock };
        self.knock(knock).await.expect("let in")
    }

    /// Connects with the right credentials.
    pub(crate) async fn station(&self, id: &str) -> Station {
        let password = (id != "OPEN").then_some(PASSWORD.as_bytes());
        let opened = self.connect(id, password, Some("ocpp1.6")).await;
        let (web_socket, response) = opened.expect("let in");
        let protocol = response.headers().get("sec-websocket-protocol");
        assert_eq!(protocol, Some(&HeaderValue::from_static("ocpp1.6")));
        Station { web_socket }
    }

    /// `CP-1` in another version than 1.6, booted.
    pub(crate) async fn station_of(&self, protocol: &'static str) -> Station {
        let opened = self.connect("CP-1", Some(PASSWORD.as_bytes()), Some(protocol)).await;
        let mut station = Station { web_socket: opened.expect("let in").0 };
        station.boot_of(protocol).await;
        station
    }

    pub(crate) async fn connect(
        &self,
        id: &str,
        password: Option<&[u8]>,
        protocols: Option<&'static str>,
    ) -> Result<Opened, Error> {
        self.knock(Knock { password, protocols, ..Knock::at(id) }).await
    }

    pub(crate) async fn knock(&self, knock: Knock<'_>) -> Result<Opened, Error> {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        tokio_tungstenite::client_async(knock.request(self.address), stream).await
    }

    /// Sends bytes as they are and gives all that comes back.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // An end by reset is an end.
        let _ = read.expect("the gateway ends the connection");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// An open connection and the answer that opened it.
pub(crate) type Opened = (WebSocketStream<TcpStream>, Response<Option<Vec<u8>>>);

/// How a client asks to be let in.
pub(crate) struct Knock<'k> {
    pub(crate) id: &'k str,
    pub(crate) path: String,
    pub(crate) password: Option<&'k [u8]>,
    pub(crate) protocols: Option<&'static str>,
    pub(crate) extensions: Option<&'static str>,
    /// What a proxy would tell.
    pub(crate) security_profile: Option<&'static str>,
}

impl<'k> Knock<'k> {
    /// As the standard has it, with the right password.
    pub(crate) fn at(id: &'k str) -> Self {
        Self {
            id,
            path: format!("/ocpp/{id}"),
            password: (id != "OPEN").then_some(PASSWORD.as_bytes()),
            protocols: Some("ocpp1.6"),
            extensions: None,
            security_profile: None,
        }
    }

    /// The request that asks for it.
    pub(crate) fn request(&self, address: SocketAddr) -> Request<()> {
        let url = format!("ws://{address}{}", self.path);
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in [
            ("sec-websocket-protocol", self.protocols),
            ("sec-websocket-extensions", self.extensions),
            ("x-security-profile", self.security_profile),
        ] {
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        if let Some(password) = self.password {
            let user = percent_encoding::percent_decode_str(self.id).decode_utf8();
            let mut credentials = format!("{}:", user.expect("UTF-8")).into_bytes();
            credentials.extend_from_slice(password);
            let value = format!("Basic {}", BASE64.encode(credentials));
            let value = HeaderValue::from_str(&value).expect("a value");
            request.headers_mut().insert("authorization", value);
        }
        request
    }
}

/// The files of a TLS door, in PEM.
pub(crate) struct TlsFiles {
    /// A certificate, with those of its issuers, and its key.
    pub(crate) first: (String, String),
    /// The same with a key of another kind.
    pub(crate) second: Option<(String, String)>,
    /// Whom stations' certificates are from; the gateway's own authority if absent.
    pub(crate) client_authority: Option<String>,
}

impl TlsFiles {
    async fn material(self, chargebook: &Chargebook) -> TlsMaterial {
        let client_authorities = match self.client_authority {
            Some(authority) => authority,
            None => chargebook.authority().await.expect("an authority").root().pem.clone(),
        };
        let pair = |(chain, key): (String, String)| TlsCertificate {
            chain: chain.into_bytes(),
            key: key.into_bytes(),
        };
        TlsMaterial {
            first: pair(self.first),
            second: self.second.map(pair),
            client_authorities: client_authorities.into_bytes(),
        }
    }
}

/// A station, over whatever it came.
pub(crate) struct Station<S = TcpStream> {
    pub(crate) web_socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Station<S> {
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        let text: String = text.into();
        self.web_socket.send(Message::Text(text.into())).await.expect("sent");
    }

    /// Sends a frame of at most 64 KiB as it is; `first` is its first byte.
    pub(crate) async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("at most 64 KiB").to_be_bytes();
        // Masked, as a client's frames are; a mask of zeros changes nothing.
        let mut frame = vec![first, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.web_socket.get_mut().write_all(&frame).await.expect("written");
    }

    /// The next message that is no ping or pong.
    pub(crate) async fn next(&mut self) -> Message {
        let next = async {
            loop {
                match self.web_socket.next().await.expect("not ended").expect("a message") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a message in time")
    }

    pub(crate) async fn text(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("a text: {other:?}"),
        }
    }

    /// Sends a CALL and gives its answer.
    pub(crate) async fn call(&mut self, id: &str, action: &str, payload: &str) -> Value {
        self.send(format!(r#"[2,"{id}","{action}",{payload}]"#)).await;
        let answer = self.text().await;
        assert_eq!(answer[1], id, "{answer}");
        answer
    }

    pub(crate) async fn boot(&mut self) {
        let payload = r#"{"chargePointVendor":"V","chargePointModel":"M"}"#;
        let answer = self.call("boot", "BootNotification", payload).await;
        assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    }

    /// Boots in the words of a version, and is accepted.
    pub(crate) async fn boot_of(&mut self, protocol: &str) {
        if protocol == "ocpp1.6" {
            return self.boot().await;
        }
        let payload = r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}"#;
        let answer = self.call("boot", "BootNotification", payload).await;
        assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    }

    /// Answers the CALL that comes next, and gives it.
    pub(crate) async fn answer(&mut self, payload: &Value) -> Value {
        let call = self.text().await;
        assert_eq!(call[0], 2, "{call}");
        self.send(serde_json::json!([3, call[1], payload]).to_string()).await;
        call
    }

    /// The code of the closing frame that comes next; 1005 if it has none.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.next().await {
            Message::Close(frame) => frame.map_or(1005, |frame| frame.code.into()),
            other => panic!("a closing frame: {other:?}"),
        }
    }
}

/// The fields of an `exchange.recorded` that a test names, as `field=value`.
pub(crate) fn of_exchange(exchange: &Value, fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| format!("{field}={}", exchange[*field])).collect()
}

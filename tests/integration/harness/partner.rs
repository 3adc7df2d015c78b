//! Somebody outside that the server asks over HTTP or HTTPS: a real listener, with answers of the
//! test's.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection, secured or not.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /path HTTP/1.1`.
    pub(crate) line: String,
    /// The other lines of the head, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// Listens until the test's process ends.
pub(crate) struct Partner {
    /// `host:port`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Partner {
    /// Answers every request with the status line's rest and the body that `answer` gives.
    pub(crate) fn answering(
        answer: impl Fn(&Asked) -> (&'static str, Vec<u8>) + Send + 'static,
    ) -> Self {
        Self::over(|stream| Some(Box::new(stream)), answer)
    }

    /// The same over TLS, with this certificate and key (PEM).
    pub(crate) fn answering_over_tls(
        certificate: &str,
        key: &str,
        answer: impl Fn(&Asked) -> (&'static str, Vec<u8>) + Send + 'static,
    ) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        let config = Arc::new(config);
        let secured = move |stream| {
            let tls = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(tls, stream)) as Box<dyn Stream>)
        };
        Self::over(secured, answer)
    }

    fn over(
        open: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + 'static,
        answer: impl Fn(&Asked) -> (&'static str, Vec<u8>) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(request) = stream.ok().and_then(&open).and_then(read) else { continue };
                let (mut stream, request) = request;
                seen.lock().expect("the requests").push(request.clone());
                let (status, body) = answer(&request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                // Who has gone away needs no answer.
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
                let _ = stream.flush();
            }
        });
        Self { address, asked }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the requests").clone()
    }
}

fn read(stream: Box<dyn Stream>) -> Option<(Box<dyn Stream>, Asked)> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<String> = lines.iter().skip(1).map(|line| line.to_lowercase()).collect();
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let line = lines.into_iter().next()?;
    Some((reader.into_inner(), Asked { line, headers, body }))
}

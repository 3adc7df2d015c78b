//! Somebody outside that the server asks over HTTP: a real listener, with answers of the test's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

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
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(request) = stream.ok().and_then(read) else { continue };
                let (mut stream, request) = request;
                seen.lock().expect("the requests").push(request.clone());
                let (status, body) = answer(&request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                // Who has gone away needs no answer.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { address, asked }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the requests").clone()
    }
}

fn read(stream: TcpStream) -> Option<(TcpStream, Asked)> {
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

//! The bare server the benchmark compares with: it understands nothing of OCPP but the shape
//! of its answers, appends every frame to one file, and, with `fsync`, answers only once
//! `fdatasync` has returned for the batch the frame was in. What any durable server on this
//! machine and this WebSocket library could at best do.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Frames waiting for the writer; beyond it, connections wait.
const QUEUE: usize = 16 * 1_024;
/// Frames in one batch at most.
const MAX_BATCH: usize = 4 * 1_024;
/// Read buffer of a connection.
const READ_BUFFER: usize = 4 * 1_024;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum NullServerError {
    /// The file cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// No connection can be accepted.
    #[error("cannot accept connections: {0}")]
    Accept(std::io::Error),
}

struct Pending {
    frame: Utf8Bytes,
    durable: oneshot::Sender<()>,
}

/// The bare server.
#[derive(Debug)]
pub struct NullServer {
    file: File,
    fsync: bool,
}

impl NullServer {
    /// Appends to a new file in `dir`; with `fsync`, answers after `fdatasync`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(dir: &Path, fsync: bool) -> Result<Self, NullServerError> {
        let path = dir.join("frames.log");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| NullServerError::File { path, source })?;
        Ok(Self { file, fsync })
    }

    /// Serves until accepting fails.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, listener: TcpListener) -> Result<(), NullServerError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new().name("null-writer".to_owned());
        writer.spawn(move || self.write(receiver)).map_err(NullServerError::Accept)?;
        let transactions = Arc::new(AtomicU32::new(1));
        loop {
            let (socket, _) = listener.accept().await.map_err(NullServerError::Accept)?;
            tokio::spawn(converse(socket, sender.clone(), Arc::clone(&transactions)));
        }
    }

    /// The writer's thread: one write and one sync for all that queued meanwhile. When the
    /// disk fails it ends, and no frame is answered any more.
    fn write(mut self, mut receiver: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        let mut bytes = Vec::new();
        while receiver.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            bytes.clear();
            for pending in &batch {
                bytes.extend_from_slice(pending.frame.as_bytes());
                bytes.push(b'\n');
            }
            if let Err(error) = self.append(&bytes) {
                tracing::error!(%error, "the bare server cannot write");
                return;
            }
            for pending in batch.drain(..) {
                // A connection that is gone needs no answer.
                let _ = pending.durable.send(());
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        if self.fsync { self.file.sync_data() } else { Ok(()) }
    }
}

async fn converse(socket: TcpStream, writer: mpsc::Sender<Pending>, transactions: Arc<AtomicU32>) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let opened =
        tokio_tungstenite::accept_hdr_async_with_config(socket, accept, Some(config)).await;
    let Ok(mut socket) = opened else { return };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(frame) = message else { continue };
        let answer = answer_to(&frame, &transactions);
        let (durable, written) = oneshot::channel();
        if writer.send(Pending { frame, durable }).await.is_err() || written.await.is_err() {
            return;
        }
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
fn accept(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    // Whatever is offered: nothing of it is understood here.
    if let Some(protocol) = request.headers().get("Sec-WebSocket-Protocol") {
        response.headers_mut().insert("Sec-WebSocket-Protocol", protocol.clone());
    }
    Ok(response)
}

/// The answer's shape follows from the action's name; nothing is decoded.
fn answer_to(frame: &str, transactions: &AtomicU32) -> String {
    let mut quoted = frame.split('"');
    let id = quoted.nth(1).unwrap_or_default();
    let action = quoted.nth(1).unwrap_or_default();
    match action {
        "BootNotification" => format!(
            r#"[3,"{id}",{{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}}]"#
        ),
        "Authorize" => format!(r#"[3,"{id}",{{"idTagInfo":{{"status":"Accepted"}}}}]"#),
        "StartTransaction" => {
            let transaction = transactions.fetch_add(1, Ordering::Relaxed);
            format!(
                r#"[3,"{id}",{{"idTagInfo":{{"status":"Accepted"}},"transactionId":{transaction}}}]"#
            )
        }
        "Heartbeat" => format!(r#"[3,"{id}",{{"currentTime":"2026-01-01T00:00:00Z"}}]"#),
        _ => format!(r#"[3,"{id}",{{}}]"#),
    }
}

//! A WebSocket as the session sees it: texts, signs of life, and what could not be delivered.
//!
//! It knows RFC 6455 through its library, adds compression (RFC 7692) to it, and knows nothing
//! of OCPP.

pub(crate) mod deflate;
mod wire;

pub(crate) use deflate::Deflate;

use crate::limits::{
    CLOSE_DISCARD_BYTES_MAX, CLOSE_TIMEOUT, MESSAGE_BYTES_MAX, READ_BUFFER_BYTES,
    WRITE_BUFFER_BYTES_MAX, WRITE_TIMEOUT,
};
use crate::stream::Stream;
use deflate::InflateError;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use wire::Wire;

/// What came over a socket.
#[derive(Debug)]
pub(crate) enum Received {
    /// A text message.
    Text(String),
    /// A ping; it has been answered.
    Ping,
    /// A pong.
    Pong,
    /// A message that cannot be delivered; the connection is to be closed with `close`.
    Undelivered {
        /// Its size, as far as it was seen.
        size_bytes: u64,
        /// Why: `binary`, `oversized`, `not_deflate`, `not_utf8`.
        reason: &'static str,
        /// The closing code that says so.
        close: u16,
    },
    /// The other side closed the connection in order.
    Closed,
    /// The connection broke off, or spoke no WebSocket.
    Broken,
}

/// The connection cannot be written to any more.
#[derive(Debug, thiserror::Error)]
#[error("the connection cannot be written to")]
pub(crate) struct Unwritable;

/// See the module.
pub(crate) struct Socket {
    web_socket: WebSocketStream<Wire<Stream>>,
    /// Compression, where it was agreed on.
    deflate: Option<Deflate>,
    /// Bytes read when the last message had been delivered.
    delivered_at: u64,
    /// Whether the library's reader can be used: after some errors it cannot.
    is_readable: bool,
}

impl Socket {
    /// The server's end of an upgraded connection, with what the client had sent already.
    pub(crate) async fn new(stream: Stream, read_already: &[u8], deflate: Option<Deflate>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let mut part = read_already.to_vec();
        let stream = Wire::new(stream, deflate.is_some(), &mut part);
        let web_socket =
            WebSocketStream::from_partially_read(stream, part, Role::Server, Some(config)).await;
        Self { web_socket, deflate, delivered_at: 0, is_readable: true }
    }

    /// The next thing that comes in. Cancel safe. Not to be called again after
    /// [`Received::Closed`], [`Received::Broken`] or [`Received::Undelivered`].
    pub(crate) async fn next(&mut self) -> Received {
        let message = match self.web_socket.next().await {
            Some(Ok(message)) => message,
            None => return Received::Closed,
            Some(Err(error)) => return self.failed(&error),
        };
        let seen_bytes = self.web_socket.get_ref().read_bytes();
        let size_bytes = seen_bytes.saturating_sub(self.delivered_at);
        self.delivered_at = seen_bytes;
        match message {
            Message::Text(text) => Received::Text(text.as_str().to_owned()),
            Message::Binary(bytes) if self.web_socket.get_mut().take_compressed_text() => {
                inflated(&bytes)
            }
            Message::Binary(bytes) => Received::Undelivered {
                size_bytes: u64::try_from(bytes.len()).unwrap_or(size_bytes),
                reason: "binary",
                close: CloseCode::Unsupported.into(),
            },
            Message::Ping(_) => Received::Ping,
            // A bare frame is never read, only written.
            Message::Pong(_) | Message::Frame(_) => Received::Pong,
            Message::Close(_) => {
                // The library has the answer ready. Whether it arrives changes nothing here.
                let _ = timeout(CLOSE_TIMEOUT, self.web_socket.flush()).await;
                Received::Closed
            }
        }
    }

    fn failed(&mut self, error: &Error) -> Received {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Received::Closed,
            Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
                self.is_readable = false;
                Received::Undelivered {
                    size_bytes: u64::try_from(*size).unwrap_or(u64::MAX),
                    reason: "oversized",
                    close: CloseCode::Size.into(),
                }
            }
            Error::Utf8(_) => {
                self.is_readable = false;
                let seen_bytes = self.web_socket.get_ref().read_bytes();
                Received::Undelivered {
                    size_bytes: seen_bytes.saturating_sub(self.delivered_at),
                    reason: "not_utf8",
                    close: CloseCode::Invalid.into(),
                }
            }
            other => {
                self.is_readable = false;
                tracing::debug!(error = %other, "a connection broke off");
                Received::Broken
            }
        }
    }

    /// Sends a text, and waits until the operating system has it.
    pub(crate) async fn send(&mut self, text: String) -> Result<(), Unwritable> {
        let compressed = self.deflate.and_then(|deflate| deflate.compress(text.as_bytes()));
        let message = match compressed {
            Some(payload) => {
                let mut frame = Frame::message(payload, OpCode::Data(Data::Text), true);
                frame.header_mut().rsv1 = true;
                Message::Frame(frame)
            }
            None => Message::Text(text.into()),
        };
        self.write(message).await
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), Unwritable> {
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Unwritable> {
        match timeout(WRITE_TIMEOUT, self.web_socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unwritable),
        }
    }

    /// Says good-bye, and gives the other side a moment to say so too. What it still sends
    /// meanwhile is not answered, so a station will say it again.
    pub(crate) async fn close(mut self, code: u16, reason: &'static str) {
        let frame =
            CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        let farewell = async {
            if self.web_socket.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            if self.is_readable {
                while let Some(Ok(_)) = self.web_socket.next().await {}
            } else {
                self.discard().await;
            }
            // Over TLS the end is said in its own words too; whether it arrives changes nothing.
            let _ = self.web_socket.get_mut().shutdown().await;
        };
        // A connection that does not end in order is ended all the same.
        let _ = timeout(CLOSE_TIMEOUT, farewell).await;
    }

    /// Reads and forgets, so that the rest of a message does not make the operating system
    /// reset the connection before the closing frame has arrived.
    async fn discard(&mut self) {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut discarded_bytes = 0;
        while discarded_bytes < CLOSE_DISCARD_BYTES_MAX {
            match self.web_socket.get_mut().read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read_bytes) => discarded_bytes += read_bytes,
            }
        }
    }
}

/// The text of a compressed message.
fn inflated(payload: &[u8]) -> Received {
    let undelivered = |size_bytes: usize, reason, close: CloseCode| Received::Undelivered {
        size_bytes: u64::try_from(size_bytes).unwrap_or(u64::MAX),
        reason,
        close: close.into(),
    };
    match deflate::inflate(payload, MESSAGE_BYTES_MAX).map(String::from_utf8) {
        Ok(Ok(text)) => Received::Text(text),
        Ok(Err(error)) => undelivered(error.as_bytes().len(), "not_utf8", CloseCode::Invalid),
        Err(InflateError::Oversized { inflated_bytes }) => {
            undelivered(inflated_bytes, "oversized", CloseCode::Size)
        }
        Err(InflateError::NotDeflate) => {
            undelivered(payload.len(), "not_deflate", CloseCode::Invalid)
        }
    }
}

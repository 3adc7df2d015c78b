//! A WebSocket as the session sees it: texts, signs of life, and what could not be delivered.
//!
//! It knows RFC 6455 through its library, and nothing of OCPP.

use crate::limits::{
    CLOSE_DISCARD_BYTES_MAX, CLOSE_TIMEOUT, MESSAGE_BYTES_MAX, READ_BUFFER_BYTES,
    WRITE_BUFFER_BYTES_MAX, WRITE_TIMEOUT,
};
use futures::{SinkExt as _, StreamExt as _};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

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
        /// Why: `binary`, `oversized`, `not_utf8`.
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
    web_socket: WebSocketStream<Counting<TcpStream>>,
    /// Bytes read when the last message had been delivered.
    delivered_at: u64,
    /// Whether the library's reader can be used: after some errors it cannot.
    is_readable: bool,
}

impl Socket {
    /// The server's end of an upgraded connection, with what the client had sent already.
    pub(crate) async fn new(stream: TcpStream, read_already: &[u8]) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = Counting { inner: stream, read_bytes: 0 };
        let part = read_already.to_vec();
        let web_socket =
            WebSocketStream::from_partially_read(stream, part, Role::Server, Some(config)).await;
        Self { web_socket, delivered_at: 0, is_readable: true }
    }

    /// The next thing that comes in. Cancel safe. Not to be called again after
    /// [`Received::Closed`], [`Received::Broken`] or [`Received::Undelivered`].
    pub(crate) async fn next(&mut self) -> Received {
        let message = match self.web_socket.next().await {
            Some(Ok(message)) => message,
            None => return Received::Closed,
            Some(Err(error)) => return self.failed(&error),
        };
        let seen_bytes = self.web_socket.get_ref().read_bytes;
        let size_bytes = seen_bytes.saturating_sub(self.delivered_at);
        self.delivered_at = seen_bytes;
        match message {
            Message::Text(text) => Received::Text(text.as_str().to_owned()),
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
                let seen_bytes = self.web_socket.get_ref().read_bytes;
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
        self.write(Message::Text(text.into())).await
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

/// Counts the bytes that were read: the only way to tell how large a message was that the
/// library refused.
struct Counting<S> {
    inner: S,
    read_bytes: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let read_bytes = buffer.filled().len().saturating_sub(before);
        self.read_bytes += u64::try_from(read_bytes).unwrap_or(0);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

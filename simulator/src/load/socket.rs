//! The least WebSocket client that can hold an OCPP conversation.
//!
//! Enough of RFC 6455 for a benchmark: one unfragmented text frame at a time, pings answered.
//! A server's own CALLs are refused politely.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use super::frames::{masked_frame, masked_text_frame};
use super::{LoadError, LoadTarget};

/// Bytes read at once; an answer fits many times.
const READ_SIZE: usize = 1_024;
/// Longest answer to a handshake, and longest frame.
const MAX_MESSAGE: usize = 256 * 1_024;
/// Any 16 bytes do; the server's proof of having read them is not checked.
const WEBSOCKET_KEY: &str = "Y2hhcmdlYm9vay1sb2FkIQ==";

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PING: u8 = 0x9;
const OPCODE_PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// An open connection of one station.
#[derive(Debug)]
pub(crate) struct LoadSocket {
    stream: TcpStream,
    received: Vec<u8>,
    /// Start of what is not yet consumed.
    consumed: usize,
    station: String,
}

/// What an answer told.
pub(crate) struct Answer {
    transaction: [u8; 11],
    transaction_length: usize,
}

impl Answer {
    /// The digits of `transactionId`, empty when there is none.
    pub(crate) fn transaction(&self) -> &[u8] {
        &self.transaction[..self.transaction_length]
    }
}

impl LoadSocket {
    /// Connects and upgrades as the station of this number.
    pub(crate) async fn open(target: &LoadTarget, number: usize) -> Result<Self, LoadError> {
        let station = target.station_id(number);
        let failed = |source| LoadError::Socket { station: station.clone(), source };
        let mut stream = TcpStream::connect(target.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut request = format!(
            "GET {}/{station} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\
             Sec-WebSocket-Protocol: {}\r\n",
            target.path,
            target.address,
            target.version(number).protocol()
        );
        if let Some(password) = &target.password {
            let credentials = STANDARD.encode(format!("{station}:{password}"));
            request.push_str(&format!("Authorization: Basic {credentials}\r\n"));
        }
        if target.offers_compression {
            request.push_str("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut socket = Self { stream, received: Vec::new(), consumed: 0, station };
        socket.read_handshake(target.offers_compression).await?;
        Ok(socket)
    }

    async fn read_handshake(&mut self, offers_compression: bool) -> Result<(), LoadError> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let first_line = head.lines().next().unwrap_or_default();
        if first_line.split(' ').nth(1) != Some("101") {
            let answer = first_line.to_owned();
            return Err(LoadError::Handshake { station: self.station.clone(), answer });
        }
        let agreed = head.to_ascii_lowercase().contains("permessage-deflate");
        if offers_compression && !agreed {
            let answer = "no permessage-deflate".to_owned();
            return Err(LoadError::Handshake { station: self.station.clone(), answer });
        }
        self.consumed = end + 4;
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), LoadError> {
        let failed = |source| LoadError::Socket { station: self.station.clone(), source };
        if self.consumed > 0 && self.consumed == self.received.len() {
            self.received.clear();
            self.consumed = 0;
        }
        if self.received.len() > MAX_MESSAGE {
            return Err(failed(io::Error::other("an answer longer than the generator reads")));
        }
        self.received.reserve(READ_SIZE);
        match self.stream.read_buf(&mut self.received).await.map_err(failed)? {
            0 => Err(failed(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// Sends a CALL already framed, and waits for its answer.
    pub(crate) async fn call(&mut self, frame: &[u8], id: &[u8]) -> Result<Answer, LoadError> {
        self.write(frame).await?;
        loop {
            let Some((opcode, from, to)) = self.next_frame()? else {
                self.fill().await?;
                continue;
            };
            self.consumed = to;
            match opcode {
                OPCODE_TEXT => {
                    let text = &self.received[from..to];
                    match message_type(text) {
                        Some(b'3') if find(&text[..text.len().min(64)], id).is_some() => {
                            return Ok(transaction_in(text));
                        }
                        Some(b'2') => self.refuse_call(from, to).await?,
                        _ => return Err(self.unexpected(from, to)),
                    }
                }
                OPCODE_PING => {
                    let pong = masked_frame(FIN | OPCODE_PONG, &self.received[from..to]);
                    self.write(&pong).await?;
                }
                OPCODE_PONG => {}
                OPCODE_CLOSE => {
                    let source = io::ErrorKind::ConnectionAborted.into();
                    return Err(LoadError::Socket { station: self.station.clone(), source });
                }
                _ => return Err(self.unexpected(from, to)),
            }
        }
    }

    /// Writes what can be written of `unsent` and reads what is there, waiting until there is
    /// something of either to do.
    pub(crate) async fn exchange(&mut self, unsent: &mut Vec<u8>) -> Result<(), LoadError> {
        let station = &self.station;
        let failed = |source| LoadError::Socket { station: station.clone(), source };
        let readable_or_writable = match unsent.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = self.stream.ready(readable_or_writable).await.map_err(failed)?;
        if ready.is_writable() {
            match self.stream.try_write(unsent) {
                Ok(written) => drop(unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if ready.is_readable() {
            self.received.drain(..self.consumed);
            self.consumed = 0;
            self.received.reserve(READ_SIZE);
            match self.stream.try_read_buf(&mut self.received) {
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Takes the answer to the CALL of this id out of what was read; false if it is not there yet.
    /// What the server asks meanwhile is answered behind `unsent`.
    pub(crate) fn take_answer(
        &mut self,
        id: &[u8],
        unsent: &mut Vec<u8>,
    ) -> Result<bool, LoadError> {
        while let Some((opcode, from, to)) = self.next_frame()? {
            self.consumed = to;
            let text = &self.received[from..to];
            match (opcode, message_type(text)) {
                (OPCODE_TEXT, Some(b'3')) if find(&text[..text.len().min(64)], id).is_some() => {
                    return Ok(true);
                }
                (OPCODE_TEXT, Some(b'2')) => {
                    let refusal = self.refusal(from, to)?;
                    unsent.extend(refusal);
                }
                (OPCODE_PING, _) => unsent.extend(masked_frame(FIN | OPCODE_PONG, text)),
                (OPCODE_PONG, _) => {}
                _ => return Err(self.unexpected(from, to)),
            }
        }
        Ok(false)
    }

    /// Waits until the server closes, answering its pings and refusing its calls.
    pub(crate) async fn hold(&mut self) {
        loop {
            match self.next_frame() {
                Ok(None) => {
                    if self.fill().await.is_err() {
                        return;
                    }
                }
                Ok(Some((opcode, from, to))) => {
                    self.consumed = to;
                    let done = match opcode {
                        OPCODE_PING => {
                            let pong = masked_frame(FIN | OPCODE_PONG, &self.received[from..to]);
                            self.write(&pong).await.is_err()
                        }
                        OPCODE_TEXT if message_type(&self.received[from..to]) == Some(b'2') => {
                            self.refuse_call(from, to).await.is_err()
                        }
                        OPCODE_CLOSE => true,
                        _ => false,
                    };
                    if done {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let station = &self.station;
        let failed = |source| LoadError::Socket { station: station.clone(), source };
        self.stream.write_all(bytes).await.map_err(failed)
    }

    /// Opcode and payload range of the next whole frame; `None` when it is not all here.
    fn next_frame(&self) -> Result<Option<(u8, usize, usize)>, LoadError> {
        let rest = &self.received[self.consumed..];
        let [first, second, ..] = rest else { return Ok(None) };
        if first & FIN == 0 || second & 0x80 != 0 {
            let source = io::Error::other("a fragmented or masked frame from the server");
            return Err(LoadError::Socket { station: self.station.clone(), source });
        }
        let (header, length) = match second & 0x7f {
            126 => match rest.get(2..4) {
                Some(bytes) => {
                    (4, bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
                }
                None => return Ok(None),
            },
            127 => {
                let source = io::Error::other("a frame longer than the generator reads");
                return Err(LoadError::Socket { station: self.station.clone(), source });
            }
            short => (2, usize::from(short)),
        };
        let from = self.consumed + header;
        let whole = self.received.len() >= from + length;
        Ok(whole.then_some((first & 0x0f, from, from + length)))
    }

    async fn refuse_call(&mut self, from: usize, to: usize) -> Result<(), LoadError> {
        let refusal = self.refusal(from, to)?;
        self.write(&refusal).await
    }

    /// The frame that refuses a CALL of the server.
    fn refusal(&self, from: usize, to: usize) -> Result<Vec<u8>, LoadError> {
        let parts: Result<Vec<serde_json::Value>, _> =
            serde_json::from_slice(&self.received[from..to]);
        let Some(id) = parts.ok().and_then(|parts| parts.get(1).cloned()) else {
            return Err(self.unexpected(from, to));
        };
        let refusal = serde_json::json!([4, id, "NotSupported", "", {}]).to_string();
        Ok(masked_text_frame(refusal.as_bytes()))
    }

    fn unexpected(&self, from: usize, to: usize) -> LoadError {
        let frame: String =
            String::from_utf8_lossy(&self.received[from..to]).chars().take(200).collect();
        LoadError::Reply { station: self.station.clone(), frame }
    }
}

/// The digit after the opening bracket.
fn message_type(text: &[u8]) -> Option<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).nth(1)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn transaction_in(text: &[u8]) -> Answer {
    const FIELD: &[u8] = b"\"transactionId\"";
    let mut answer = Answer { transaction: [0; 11], transaction_length: 0 };
    let Some(at) = find(text, FIELD) else { return answer };
    let digits = text[at + FIELD.len()..]
        .iter()
        .skip_while(|byte| matches!(byte, b':' | b' '))
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
        .take(answer.transaction.len());
    for (place, digit) in digits.enumerate() {
        answer.transaction[place] = *digit;
        answer.transaction_length = place + 1;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::{message_type, transaction_in};

    #[test]
    fn answers_are_read_with_and_without_spaces() {
        for text in [
            &br#"[3,"a",{"idTagInfo":{"status":"Accepted"},"transactionId":4711}]"#[..],
            br#"[ 3, "a", {"transactionId" : 4711, "idTagInfo": {"status": "Accepted"}}]"#,
        ] {
            assert_eq!(message_type(text), Some(b'3'));
            assert_eq!(transaction_in(text).transaction(), b"4711");
        }
        assert_eq!(transaction_in(br#"[3,"a",{}]"#).transaction(), b"");
    }
}

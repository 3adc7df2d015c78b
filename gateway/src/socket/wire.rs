//! The bytes of a connection, followed just far enough to know where frames begin.
//!
//! The WebSocket library knows no extensions and refuses a frame whose RSV1 bit is set. Where
//! permessage-deflate was agreed on, a compressed text is passed on to it as an uncompressed
//! binary message: one byte of its first frame's head is changed (RFC 7692 section 6, RFC 6455
//! section 5.2). So fragments, masks, control frames in between and all bounds stay the
//! library's work, and what it delivers as binary is inflated afterwards.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// "The payload is compressed", in the first byte of a frame.
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 0x01;
const BINARY: u8 = 0x02;
/// "A mask follows", in the second byte of a frame.
const MASKED: u8 = 0x80;
const MASK_BYTES: u8 = 4;

/// A stream that counts what is read from it, and passes compressed texts on as binary.
///
/// The count is the only way to tell how large a message was that the library refused.
pub(super) struct Wire<S> {
    inner: S,
    read_bytes: u64,
    frames: Option<Frames>,
}

impl<S> Wire<S> {
    /// `read_already` is what had been read from the stream before.
    pub(super) fn new(inner: S, is_deflated: bool, read_already: &mut [u8]) -> Self {
        let frames = is_deflated.then(Frames::default);
        let mut wire = Self { inner, read_bytes: 0, frames };
        wire.came_in(read_already);
        wire
    }

    /// Bytes that were read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Whether the binary message that the library delivers now is a compressed text.
    pub(super) fn take_compressed_text(&mut self) -> bool {
        self.frames.as_mut().is_some_and(Frames::take_compressed_text)
    }

    fn came_in(&mut self, bytes: &mut [u8]) {
        self.read_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        if let Some(frames) = &mut self.frames {
            frames.follow(bytes);
        }
    }
}

/// Where in its frames a stream of bytes is.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes of the payload that are still to come.
    payload_left: u64,
    /// The length as far as it was read.
    length: u64,
    /// Bytes of the extended length, and of the mask, that are still to come.
    length_left: u8,
    mask_left: u8,
    part: Part,
    /// Compressed texts that have begun and were not delivered yet.
    compressed_texts: u32,
    /// Whether a true binary message has begun: the connection ends with it, so nothing after
    /// it counts.
    is_over: bool,
}

#[derive(Debug, Default)]
enum Part {
    /// The byte with the opcode comes next.
    #[default]
    First,
    /// The byte with the length comes next.
    Second,
    /// The extended length and the mask.
    Rest,
}

impl Frames {
    fn follow(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(byte) = bytes.get_mut(at) {
            if self.payload_left > 0 {
                let there = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX);
                let skipped = self.payload_left.min(there);
                self.payload_left -= skipped;
                at += usize::try_from(skipped).unwrap_or(usize::MAX);
                continue;
            }
            self.head(byte);
            at += 1;
        }
    }

    fn head(&mut self, byte: &mut u8) {
        match self.part {
            Part::First => {
                *byte = self.first(*byte);
                self.part = Part::Second;
                return;
            }
            Part::Second => {
                let length = *byte & !MASKED;
                self.mask_left = if *byte & MASKED == 0 { 0 } else { MASK_BYTES };
                (self.length, self.length_left) = match length {
                    126 => (0, 2),
                    127 => (0, 8),
                    _ => (length.into(), 0),
                };
                self.part = Part::Rest;
            }
            Part::Rest if self.length_left > 0 => {
                self.length = self.length << 8 | u64::from(*byte);
                self.length_left -= 1;
            }
            Part::Rest => self.mask_left -= 1,
        }
        if self.length_left == 0 && self.mask_left == 0 {
            self.payload_left = self.length;
            self.part = Part::First;
        }
    }

    /// The first byte of a frame as the library shall see it. RSV1 anywhere else than on the
    /// first frame of a data message stays, and is refused there.
    fn first(&mut self, byte: u8) -> u8 {
        match (byte & OPCODE, byte & RSV1 != 0) {
            (TEXT, true) => {
                if !self.is_over {
                    self.compressed_texts += 1;
                }
                byte & !RSV1 & !OPCODE | BINARY
            }
            (BINARY, is_compressed) => {
                self.is_over = true;
                if is_compressed { byte & !RSV1 } else { byte }
            }
            _ => byte,
        }
    }

    fn take_compressed_text(&mut self) -> bool {
        let is_one = self.compressed_texts > 0;
        self.compressed_texts -= u32::from(is_one);
        is_one
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Some(bytes) = buffer.filled_mut().get_mut(before..) {
            self.came_in(bytes);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A masked frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(MASKED | u8::try_from(length).expect("short")),
            length @ 126..=0xffff => {
                frame.push(MASKED | 126);
                frame.extend(u16::try_from(length).expect("short").to_be_bytes());
            }
            length => {
                frame.push(MASKED | 127);
                frame.extend(u64::try_from(length).expect("short").to_be_bytes());
            }
        }
        frame.extend([0xc1, 0x81, 0x42, 0xc2]);
        frame.extend(payload);
        frame
    }

    /// What the library gets to see as the first bytes of these frames, and how many compressed
    /// texts there are, however the bytes are cut.
    fn check(frames: &[(u8, usize)], expected: &[u8], compressed_texts: u32, cut: usize) {
        let sent: Vec<Vec<u8>> =
            frames.iter().map(|(first, length)| frame(*first, &vec![0xc1; *length])).collect();
        let mut bytes = sent.concat();
        let mut follower = Frames::default();
        bytes.chunks_mut(cut).for_each(|chunk| follower.follow(chunk));
        let mut at = 0;
        let mut firsts = Vec::new();
        for frame in &sent {
            firsts.push(bytes[at]);
            assert_eq!(bytes[at + 1..at + frame.len()], frame[1..], "only the first byte changes");
            at += frame.len();
        }
        assert_eq!(firsts, expected, "cut at {cut}");
        assert_eq!(follower.compressed_texts, compressed_texts);
    }

    #[test]
    fn only_the_first_frame_of_a_compressed_message_is_changed() {
        for cut in [1, 2, 3, 7, 100_000] {
            check(&[(0x81, 5), (0xc1, 5), (0x81, 0)], &[0x81, 0x82, 0x81], 1, cut);
            check(&[(0xc1, 0), (0xc1, 126), (0xc1, 70_000)], &[0x82, 0x82, 0x82], 3, cut);
            // Fragments, with a ping between them.
            check(
                &[(0x41, 9), (0x89, 2), (0x00, 300), (0x80, 1)],
                &[0x02, 0x89, 0x00, 0x80],
                1,
                cut,
            );
            // RSV1 where it may not stand, and the other reserved bits, are left to be refused.
            check(&[(0xc0, 1), (0xc9, 1), (0xc8, 1)], &[0xc0, 0xc9, 0xc8], 0, cut);
            check(&[(0xe1, 1), (0x91, 1)], &[0xa2, 0x91], 1, cut);
        }
    }

    #[test]
    fn what_comes_after_a_true_binary_message_is_not_taken_for_it() {
        check(&[(0xc1, 1), (0x82, 1), (0xc1, 1)], &[0x82, 0x82, 0x82], 1, 100);
        check(&[(0xc2, 1), (0xc1, 1)], &[0x82, 0x82], 0, 100);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_followed(mut bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            Frames::default().follow(&mut bytes);
        }
    }
}

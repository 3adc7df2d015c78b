//! permessage-deflate (RFC 7692): what was agreed, and texts to and from their compressed form.
//!
//! Every message stands for itself (`no_context_takeover` both ways), so a connection keeps no
//! window between two messages and an idle one costs nothing. It knows bytes, and neither
//! frames nor sockets.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What the sender leaves out at the end of every message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Shorter texts are sent as they are: most answers are, and would hardly shrink.
const COMPRESSED_FROM_BYTES: usize = 256;

/// Smallest first room for an inflated message, in bytes.
const INFLATED_BYTES_MIN: usize = 1024;

/// Texts shrink to about a quarter; a better guess spares growing the room.
const USUAL_RATIO: usize = 4;

/// The extension as it was agreed on for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// Base-2 logarithm of the largest window that we may use to compress: 9 to 15.
    pub(crate) window_bits: u8,
}

/// Why a compressed message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InflateError {
    /// It grows beyond what a message may have; inflating was stopped there.
    #[error("it inflates to more than a message may have")]
    Oversized {
        /// Bytes that had been inflated by then.
        inflated_bytes: usize,
    },
    /// Not DEFLATE (RFC 1951).
    #[error("it is not DEFLATE")]
    NotDeflate,
}

impl Deflate {
    /// The payload of a compressed message; `None` where the text is short, or would not get
    /// shorter.
    pub(crate) fn compress(self, text: &[u8]) -> Option<Vec<u8>> {
        if text.len() < COMPRESSED_FROM_BYTES {
            return None;
        }
        let mut deflater =
            Compress::new_with_window_bits(Compression::fast(), false, self.window_bits);
        let mut payload = Vec::with_capacity(text.len());
        deflater.compress_vec(text, &mut payload, FlushCompress::Sync).ok()?;
        // Room that is left says that everything was written.
        let is_whole = payload.len() < payload.capacity().min(text.len());
        if !is_whole || !payload.ends_with(&TAIL) {
            return None;
        }
        payload.truncate(payload.len() - TAIL.len());
        Some(payload)
    }
}

/// Inflates a message of at most `bytes_max` bytes.
pub(crate) fn inflate(payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Decompress::new(false);
    let room = payload.len().saturating_mul(USUAL_RATIO);
    let mut text = Vec::with_capacity(room.clamp(INFLATED_BYTES_MIN, bytes_max + 1));
    for part in [payload, &TAIL] {
        inflate_part(&mut inflater, part, &mut text, bytes_max)?;
    }
    Ok(text)
}

fn inflate_part(
    inflater: &mut Decompress,
    mut part: &[u8],
    text: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), InflateError> {
    // Every round takes bytes in, gives bytes out, or is the last one; both are bounded.
    loop {
        if text.len() > bytes_max {
            return Err(InflateError::Oversized { inflated_bytes: text.len() });
        }
        if text.len() == text.capacity() {
            text.reserve_exact(text.len().min(bytes_max + 1 - text.len()));
        }
        let (taken_before, given_before) = (inflater.total_in(), text.len());
        let status = inflater
            .decompress_vec(part, text, FlushDecompress::Sync)
            .map_err(|_| InflateError::NotDeflate)?;
        let taken = usize::try_from(inflater.total_in() - taken_before).unwrap_or(part.len());
        part = part.get(taken..).unwrap_or_default();
        if status == Status::StreamEnd {
            // A sender may end its last block as if nothing followed (RFC 7692 section 7.2.3.4).
            inflater.reset(false);
        }
        let is_full = text.len() == text.capacity();
        if part.is_empty() && !is_full {
            return Ok(());
        }
        if taken == 0 && text.len() == given_before && !is_full {
            return Err(InflateError::NotDeflate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANY: usize = 1 << 20;

    /// The RFC's own examples (section 7.2.3), all of which say `Hello`.
    #[test]
    fn the_rfcs_examples_are_read() {
        for payload in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflate(payload, ANY).as_deref(), Ok(&b"Hello"[..]), "{payload:x?}");
        }
        assert_eq!(inflate(&[0x00], ANY).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_bound() {
        let bomb = Deflate { window_bits: 15 }.compress(&vec![b' '; 10_000_000]).expect("small");
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let Err(InflateError::Oversized { inflated_bytes }) = inflate(&bomb, 100_000) else {
            panic!("it was inflated");
        };
        assert_eq!(inflated_bytes, 100_001);
    }

    #[test]
    fn the_bound_itself_is_allowed() {
        let text = vec![b'x'; 100_000];
        let payload = Deflate { window_bits: 15 }.compress(&text).expect("shorter");
        assert_eq!(inflate(&payload, text.len()), Ok(text.clone()));
        let oversized = InflateError::Oversized { inflated_bytes: text.len() };
        assert_eq!(inflate(&payload, text.len() - 1), Err(oversized));
    }

    #[test]
    fn garbage_is_refused() {
        assert_eq!(inflate(&[0xff; 64], ANY), Err(InflateError::NotDeflate));
        assert_eq!(inflate(b"[2,\"1\",\"Heartbeat\",{}]", ANY), Err(InflateError::NotDeflate));
    }

    #[test]
    fn what_would_not_get_shorter_is_sent_as_it_is() {
        let deflate = Deflate { window_bits: 15 };
        assert_eq!(deflate.compress(&[b'x'; COMPRESSED_FROM_BYTES - 1]), None);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .take(4096)
        .collect();
        assert_eq!(deflate.compress(&noise), None);
    }

    proptest! {
        #[test]
        fn what_was_compressed_is_inflated_to_the_same(
            text in "([a-z]{1,6}|\\PC{0,9}){40,400}",
            window_bits in 9_u8..=15,
        ) {
            if let Some(payload) = (Deflate { window_bits }).compress(text.as_bytes()) {
                prop_assert!(payload.len() < text.len());
                prop_assert_eq!(inflate(&payload, ANY), Ok(text.into_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_read_within_the_bound(
            payload in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            if let Ok(text) = inflate(&payload, 5_000) {
                prop_assert!(text.len() <= 5_000);
            }
        }
    }
}

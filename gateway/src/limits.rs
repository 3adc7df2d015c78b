//! Every bound of the gateway that somebody may want to set, and the fixed ones beside them.

use std::time::Duration;

/// Largest frame and message that is read, in bytes. The largest 1.6 message that makes sense
/// (StopTransaction with a day's samples) has about half of it.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// First size of a connection's read buffer, in bytes: most messages fit, and thousands of idle
/// connections stay small.
pub const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Most bytes that wait to be written to one connection.
pub const WRITE_BUFFER_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Largest head of an upgrade request, in bytes (hyper's least).
pub(crate) const REQUEST_HEAD_BYTES_MAX: usize = 8 * 1024;

/// How long a write may take before the connection counts as dead: the operating system takes
/// a small answer at once, unless many have piled up unread.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the other side may take to answer our closing frame.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Most bytes that are read and thrown away while waiting for that answer: without it the
/// operating system would reset the connection, and the closing frame could get lost.
pub(crate) const CLOSE_DISCARD_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// Pause after the operating system refused to hand out a connection (out of descriptors).
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most connections at once, handshakes included; more are closed unanswered.
    pub connections_max: usize,
    /// Most handshakes at once from one address (many stations may share one).
    pub handshakes_per_source_max: usize,
    /// How long a handshake may take, from the accepted socket to the 101.
    pub handshake_timeout: Duration,
    /// How long an attempt is held that comes from where too many wrong passwords came from.
    pub guess_hold: Duration,
    /// Silence after which a connection is pinged; if the ping is not answered within as long
    /// again, it is closed as `silent`.
    pub ping_interval: Duration,
    /// The same silence, for a station whose dialect knows no pongs: longer than its heartbeats
    /// are apart.
    pub silence_without_pong: Duration,
    /// How long a station that was never seen booting may take to boot of its own accord, before
    /// it is asked to.
    pub boot_grace: Duration,
    /// How long a station may take to answer a CALL of ours. Long, for mobile networks.
    pub call_timeout: Duration,
    /// Most frames that are taken from a connection at once, after a while of silence.
    pub frames_at_once_max: u32,
    /// Time between two frames of a connection in the long run; who sends faster is read later.
    pub frame_interval: Duration,
    /// How long a replaced connection may live on beside its successor.
    pub replaced_grace: Duration,
    /// The header in which a proxy in front of this port tells a connection's OCPP security
    /// profile; without one nothing is known of TLS. Whoever can reach the port can send it.
    pub security_profile_header: Option<String>,
    /// How long all connections together may take to end when the service stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            handshakes_per_source_max: 8_192,
            handshake_timeout: Duration::from_secs(20),
            guess_hold: Duration::from_secs(2),
            ping_interval: Duration::from_secs(60),
            silence_without_pong: Duration::from_secs(1_800),
            boot_grace: Duration::from_secs(15),
            call_timeout: Duration::from_secs(30),
            frames_at_once_max: 500,
            frame_interval: Duration::from_millis(1),
            replaced_grace: Duration::from_secs(10),
            security_profile_header: None,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

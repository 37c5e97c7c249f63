//! How much of anything a peer can make this side hold or do.

use crate::MemoryBudget;

/// Bounds on what a peer may ask for. Every default is finite.
///
/// ```
/// let mut limits = towline_tunnel_proto::Limits::default();
/// limits.max_channels = 64;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Payload of one DATA frame that the peer may send, in bytes (4,096 to 65,535). Told to the peer in HELLO.
    pub max_frame_bytes: u16,
    /// Payload of a HELLO, OPEN or ACCEPT, in bytes.
    pub max_control_bytes: usize,
    /// The target of an OPEN, in bytes.
    pub max_target_bytes: usize,
    /// The reason in RESET, STOP and CLOSE, in bytes; what this side sends is cut to it.
    pub max_reason_bytes: usize,
    /// Channels the peer may have opened at once. Told to the peer in HELLO.
    pub max_channels: u32,
    /// Channels the peer may open in a second; more are refused with [`Code::TOO_FAST`](crate::Code::TOO_FAST).
    pub max_opens_per_second: u32,
    /// Frames the peer may send in a second that carry less than 64 bytes of data: each costs work, but hardly any credit.
    pub max_small_frames_per_second: u32,
    /// Data of one channel that waits here to be sent, in bytes. Not part of the [`MemoryBudget`].
    pub max_unsent_bytes: usize,
    /// A channel's window grows up to this, in bytes, while its data is consumed as fast as it can arrive.
    pub max_channel_window_bytes: u32,
    /// Sum of the receive windows of all channels of the session, in bytes: what the peer can make this side hold.
    /// A channel that does not fit is refused with [`Code::BUDGET`](crate::Code::BUDGET).
    pub max_buffered_bytes: u64,
    /// The same over all sessions of the process that share it, and what they keep of what they sent. The default has no bound of
    /// its own.
    pub budget: MemoryBudget,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: u16::MAX,
            max_control_bytes: 8 * 1024,
            max_target_bytes: 1024,
            max_reason_bytes: 256,
            max_channels: 1024,
            max_opens_per_second: 1000,
            max_small_frames_per_second: 100_000,
            max_unsent_bytes: 128 * 1024,
            max_channel_window_bytes: 8 * 1024 * 1024,
            max_buffered_bytes: 64 * 1024 * 1024,
            budget: MemoryBudget::new(usize::MAX),
        }
    }
}

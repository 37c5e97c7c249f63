//! What the peer may send: the windows of the channels, the one of the session, and how they move on and grow.
//!
//! Spec: PROTOCOL.md §6.

use super::Connection;
use crate::{ChannelId, Error};

impl Connection {
    /// Gives back the credit of bytes that have left this side. This is what lets the peer send more.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if more is given back than arrived. A channel that is gone is no error.
    pub fn consumed(&mut self, id: ChannelId, bytes: usize) -> Result<(), Error> {
        let Some(channel) = self.mine(id)? else { return Ok(()) };
        if channel.stopped {
            return Ok(());
        }
        let bytes = bytes as u64;
        if bytes > channel.parked() {
            return Err(Error::Misuse("more consumed than received"));
        }
        channel.consumed += bytes;
        let due = channel.credit_is_due();
        channel.credit_unsaid |= due;
        self.consumed += bytes;
        if due {
            self.grow_window(id);
            self.schedule_control(id);
        }
        self.remove_if_over(id);
        Ok(())
    }

    /// Bytes received and not yet consumed, over all channels: what the peer makes this side hold.
    pub fn buffered_bytes(&self) -> u64 {
        self.received.saturating_sub(self.consumed)
    }

    /// Sets a window aside for a new channel.
    pub(super) fn promise(&mut self, window: u64) -> bool {
        self.windows.bytes().saturating_add(window) <= self.limits.max_buffered_bytes && self.windows.begin(window)
    }

    /// Doubles a channel's window if it, and not the path or the reader, is what slows the peer down: half of it went in less
    /// than two round trips.
    fn grow_window(&mut self, id: ChannelId) {
        let now = self.last_heard;
        let Some(round_trip) = self.pace.round_trip() else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let is_fast = now.0.saturating_sub(channel.granted_at.0) < round_trip.saturating_mul(2);
        channel.granted_at = now;
        let more = channel.window.min(self.limits.max_channel_window_bytes.saturating_sub(channel.window));
        let has_room = self.windows.bytes().saturating_add(more.into()) <= self.limits.max_buffered_bytes;
        if is_fast && has_room && self.windows.grow(more.into()) {
            channel.window += more;
        }
    }

    /// The session's limit is what was consumed, a window of its own, and the window of every channel: however many
    /// channels stall with full windows, the others still have the session's own window.
    pub(super) fn next_receive_limit(&self) -> u64 {
        self.consumed + u64::from(self.config.connection_window_bytes) + self.windows.bytes()
    }

    pub(super) fn connection_credit_is_due(&self) -> bool {
        self.next_receive_limit().saturating_sub(self.receive_limit)
            >= u64::from(self.config.connection_window_bytes / 2).max(1)
    }
}

//! To the peer: control frames from what is still unsaid, then DATA, cut only when the carrier can take it.

use alloc::{collections::VecDeque, string::String};

use bytes::{Buf, Bytes, BytesMut};

use super::{Connection, Event, Micros, Phase, channel::Fin};
use crate::{
    ChannelId, FieldKey, Fields, Frame, FrameHeader, FrameType, HEADER_BYTES, Hello, VERSION,
    frame::{FLAG, MIN_MAX_FRAME_BYTES},
};

impl Connection {
    /// The next bytes for the carrier, in order; `None` when there is nothing now. DATA is cut so that no frame carries
    /// more than `max_bytes`; with 0 only control frames come.
    pub fn poll_transmit(&mut self, _now: Micros, max_bytes: usize) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.output.pop_front() {
                return Some(piece);
            }
            if !self.cut_control() && !self.cut_data(max_bytes) {
                return None;
            }
        }
    }

    fn put(&mut self, frame: &Frame) {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.output.push_back(out.freeze());
    }

    /// Puts one control frame into the output, if there is something to say.
    fn cut_control(&mut self) -> bool {
        if !self.introduced {
            self.introduced = true;
            self.put(&Frame::Hello(Hello {
                version_min: VERSION,
                version_max: VERSION,
                max_frame_bytes: self.limits.max_frame_bytes.max(MIN_MAX_FRAME_BYTES),
                capabilities: 0,
                channel_credit: self.config.channel_window_bytes.into(),
                connection_credit: self.config.connection_window_bytes.into(),
                max_channels: self.limits.max_channels,
                keepalive_millis: self.config.keepalive_millis,
                fields: Fields::new().with(FieldKey::IMPLEMENTATION, Bytes::from(self.config.implementation.clone())),
            }));
            return true;
        }
        if let Some((code, reason)) = self.farewell.take() {
            self.put(&Frame::Close { code, reason });
            return true;
        }
        if self.phase == Phase::Ended {
            return false;
        }
        if let Some(id) = self.pong_unsaid.take() {
            self.put(&Frame::Ping { id, pong: true });
            return true;
        }
        if core::mem::take(&mut self.ping_unsaid) {
            let id = self.ping.unwrap_or_default();
            self.put(&Frame::Ping { id, pong: false });
            return true;
        }
        if self.phase == Phase::Hello {
            return false;
        }
        if let Some((retry_after_millis, reason)) = self.drain_unsaid.take() {
            self.put(&Frame::Drain { retry_after_millis, reason });
            return true;
        }
        if self.connection_credit_is_due() {
            self.receive_limit = self.next_receive_limit();
            self.put(&Frame::Credit { channel: ChannelId::SESSION, limit: self.receive_limit });
            return true;
        }
        if let Some((channel, code)) = self.refusals.pop_front() {
            self.put(&Frame::Reset { channel, code, reason: String::new() });
            return true;
        }
        self.cut_channel_control()
    }

    fn cut_channel_control(&mut self) -> bool {
        while let Some(id) = self.control.pop_front() {
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            channel.in_control = false;
            let window = channel.window;
            let unsaid = &mut channel.unsaid;
            let frame = if let Some(open) = unsaid.open.take() {
                Frame::Open { channel: id, credit: window, open }
            } else if let Some(fields) = unsaid.accept.take() {
                channel.receive_limit = channel.receive_limit.max(channel.next_limit());
                Frame::Accept { channel: id, credit: channel.receive_limit, fields }
            } else if let Some((code, reason)) = unsaid.reset.take() {
                self.remove(id);
                self.put(&Frame::Reset { channel: id, code, reason });
                return true;
            } else if let Some((code, reason)) = unsaid.stop.take() {
                Frame::Stop { channel: id, code, reason }
            } else if core::mem::take(&mut unsaid.credit) {
                channel.receive_limit = channel.receive_limit.max(channel.next_limit());
                Frame::Credit { channel: id, limit: channel.receive_limit }
            } else {
                continue;
            };
            self.put(&frame);
            self.schedule_control(id);
            self.remove_if_over(id);
            return true;
        }
        false
    }

    /// Puts one DATA frame of the next channel in turn into the output, if credit and `max_bytes` allow.
    fn cut_data(&mut self, max_bytes: usize) -> bool {
        if self.phase != Phase::Running {
            return false;
        }
        let session_credit = self.send_limit.saturating_sub(self.sent);
        let max_frame = usize::from(self.config.frame_bytes.min(self.peer_max_frame)).min(max_bytes);
        // Each channel is looked at once at most: those that the session's credit holds up keep their turn.
        for _ in 0..self.data.len() {
            let Some(id) = self.data.pop_front() else { return false };
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            let credit = session_credit.min(channel.send_limit.saturating_sub(channel.sent));
            let length = channel.unsent_bytes.min(max_frame).min(usize::try_from(credit).unwrap_or(usize::MAX));
            let fin = channel.fin == Fin::Wanted && length == channel.unsent_bytes;
            if length == 0 && !fin {
                if channel.has_sendable() {
                    // Only the session's credit or `max_bytes` is missing.
                    self.data.push_back(id);
                } else {
                    channel.in_data = false;
                }
                continue;
            }

            channel.in_data = false;
            channel.sent += length as u64;
            channel.unsent_bytes -= length;
            self.sent += length as u64;
            if fin {
                channel.fin = Fin::Sent;
            }
            self.headers.reserve(HEADER_BYTES);
            let header = FrameHeader {
                frame_type: FrameType::DATA,
                flags: if fin { FLAG } else { 0 },
                length: u16::try_from(length).unwrap_or(u16::MAX),
                channel: id,
            };
            header.encode(&mut self.headers);
            self.output.push_back(self.headers.split().freeze());
            let mut left = length;
            while left > 0 {
                let Some(front) = channel.unsent.front_mut() else { break };
                let piece = front.split_to(left.min(front.len()));
                left -= piece.len();
                if !front.has_remaining() {
                    channel.unsent.pop_front();
                }
                self.output.push_back(piece);
            }
            if channel.unsent.is_empty() {
                channel.unsent = VecDeque::new();
            }
            if channel.wants_room {
                channel.wants_room = false;
                self.events.push_back(Event::Writable { channel: id });
            }
            self.schedule_data(id);
            self.remove_if_over(id);
            return true;
        }
        false
    }
}

//! To the peer: control frames from what is still unsaid, then DATA, cut only when the carrier can take it.

use alloc::string::String;

use bytes::{Bytes, BytesMut};

use super::{Connection, Event, Micros, Phase, channel::Fin};
use crate::{
    ChannelId, FieldKey, Fields, Frame, FrameHeader, FrameType, HEADER_BYTES, Hello, Resumption, Urgency, VERSION,
    frame::{self, FLAG, MIN_MAX_FRAME_BYTES},
};

impl Connection {
    /// The next bytes for the carrier, in order; `None` when there is nothing now. DATA is cut so that no frame carries
    /// more than `max_bytes`; with 0 only control frames come.
    pub fn poll_transmit(&mut self, now: Micros, max_bytes: usize) -> Option<Bytes> {
        loop {
            if !self.replay.is_in_frame() {
                if let Some(bytes) = self.uncounted(now) {
                    return Some(bytes);
                }
                if self.phase != Phase::Running {
                    return None;
                }
            }
            if let Some(piece) = self.replay.next() {
                return Some(piece);
            }
            if self.replay.is_full() || !(self.cut_control() || self.cut_data(now, max_bytes)) {
                return None;
            }
            if self.agreed.is_some() {
                self.pace.sent(now, self.replay.sent(), self.replay.acknowledged());
            }
        }
    }

    /// Whether [`Connection::uncounted`] has something.
    pub(super) fn wants_uncounted(&self) -> bool {
        match self.phase {
            Phase::Waiting => false,
            Phase::Ended => self.farewell.is_some(),
            _ => {
                self.preamble_unsaid
                    || !self.introduced
                    || self.pong_unsaid.is_some()
                    || self.ping_unsaid
                    || self.agreed.as_ref().is_some_and(|agreed| agreed.unsaid.is_some())
                    || self.wants_acknowledgement()
            }
        }
    }

    /// Alone if it is due, and otherwise along with what is sent anyway.
    fn wants_acknowledgement(&self) -> bool {
        let has_nothing_new = self.replay.is_full() || (self.control.is_empty() && self.data.is_empty());
        let sends = self.replay.has_next() || !has_nothing_new;
        self.phase == Phase::Running
            && self.agreed.is_some()
            && self.acknowledgement.is_due(self.input.counted(), sends)
    }

    /// A frame that belongs to this carrier alone, if there is something to say.
    fn uncounted(&mut self, now: Micros) -> Option<Bytes> {
        if !self.wants_uncounted() {
            return None;
        }
        if core::mem::take(&mut self.preamble_unsaid) {
            return Some(frame::preamble());
        }
        let frame = if !core::mem::replace(&mut self.introduced, true) {
            Frame::Hello(self.hello())
        } else if self.phase == Phase::Ended {
            let (code, reason) = self.farewell.take()?;
            Frame::Close { code, reason }
        } else if let Some(frame) = self.agreed.as_mut().and_then(|agreed| agreed.unsaid.take()) {
            frame
        } else if let Some(id) = self.pong_unsaid.take() {
            Frame::Ping { id, pong: true }
        } else if core::mem::take(&mut self.ping_unsaid) {
            self.ping_said_at = Some(now);
            Frame::Ping { id: self.ping.unwrap_or_default(), pong: false }
        } else {
            self.acknowledgement.say(self.input.counted())
        };
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        Some(out.freeze())
    }

    fn hello(&self) -> Hello {
        Hello {
            version_min: VERSION,
            version_max: VERSION,
            max_frame_bytes: self.limits.max_frame_bytes.max(MIN_MAX_FRAME_BYTES),
            capabilities: 0,
            channel_credit: self.config.channel_window_bytes.into(),
            connection_credit: self.config.connection_window_bytes.into(),
            max_channels: self.limits.max_channels,
            keepalive_millis: self.config.keepalive_millis,
            resumption: self
                .config
                .resumption
                .clone()
                .map(|resumption| Resumption { session: self.offer.clone(), ..resumption }),
            fields: Fields::new().with(FieldKey::IMPLEMENTATION, Bytes::from(self.config.implementation.clone())),
        }
    }

    fn put(&mut self, frame: &Frame) {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.replay.push(out.freeze(), true);
    }

    /// Cuts one control frame, if there is something to say.
    fn cut_control(&mut self) -> bool {
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
            let frame = if let Some(open) = channel.say(|unsaid| &mut unsaid.open) {
                Frame::Open { channel: id, credit: channel.window.into(), open }
            } else if let Some(fields) = channel.say(|unsaid| &mut unsaid.accept) {
                channel.receive_limit = channel.receive_limit.max(channel.next_limit());
                Frame::Accept { channel: id, credit: channel.receive_limit, fields }
            } else if let Some((code, reason)) = channel.say(|unsaid| &mut unsaid.reset) {
                self.remove(id);
                self.put(&Frame::Reset { channel: id, code, reason });
                return true;
            } else if let Some((code, reason)) = channel.say(|unsaid| &mut unsaid.stop) {
                Frame::Stop { channel: id, code, reason }
            } else if core::mem::take(&mut channel.credit_unsaid) {
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

    /// Cuts one DATA frame of the most urgent channel whose turn it is, if credit and `max_bytes` allow.
    fn cut_data(&mut self, now: Micros, max_bytes: usize) -> bool {
        let session_credit = self.send_limit.saturating_sub(self.sent);
        let max_frame = usize::from(self.config.frame_bytes.min(self.peer_max_frame)).min(max_bytes);
        let is_shared = self.urgent_count > 0 && self.agreed.is_some();
        let bulk_at = if is_shared { self.pace.next_at(now, self.replay.under_way()) } else { Some(now) };
        self.bulk_at = None;
        for (urgency, count) in self.data.order(now) {
            let is_bulk = urgency >= Urgency::NORMAL;
            if is_bulk && bulk_at != Some(now) {
                self.bulk_at = bulk_at;
                self.pace.held_back();
                continue;
            }
            let max_frame = if is_bulk && is_shared { max_frame.min(self.pace.frame_bytes()) } else { max_frame };
            // Each channel is looked at once at most: those that the session's credit holds up keep their turn.
            for _ in 0..count {
                let Some(id) = self.data.pop(urgency) else { break };
                let before = self.replay.sent();
                if self.cut_data_of(now, id, session_credit, max_frame) {
                    if is_bulk && is_shared {
                        self.pace.bulk_sent(now, self.replay.sent() - before);
                    }
                    self.data.served(now, urgency);
                    return true;
                }
            }
        }
        false
    }

    /// Cuts one DATA frame of a channel that has just been taken out of the schedule.
    fn cut_data_of(&mut self, now: Micros, id: ChannelId, session_credit: u64, max_frame: usize) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let credit = session_credit.min(channel.send_limit.saturating_sub(channel.sent));
        let length = channel.unsent_bytes().min(max_frame).min(usize::try_from(credit).unwrap_or(usize::MAX));
        let fin = channel.fin == Fin::Wanted && length == channel.unsent_bytes();
        if length == 0 && !fin {
            channel.in_data = channel.has_sendable();
            if channel.in_data {
                // Only the session's credit or `max_bytes` is missing.
                self.data.push(now, channel.urgency, id, false);
            }
            return false;
        }

        // A turn is as many bytes for each, however small its frames are.
        if channel.turn_bytes == 0 {
            channel.turn_bytes = self.config.frame_bytes.into();
        }
        channel.turn_bytes = match channel.unsent_bytes() > length {
            true => channel.turn_bytes.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX)),
            false => 0,
        };
        channel.in_data = false;
        channel.sent += length as u64;
        channel.used(now);
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
        self.replay.push(self.headers.split().freeze(), length == 0);
        let mut left = length;
        while left > 0 {
            let Some(piece) = channel.pop_unsent(left) else { break };
            left -= piece.len();
            self.replay.push(piece, left == 0);
        }
        if channel.wants_room {
            channel.wants_room = false;
            self.events.push_back(Event::Writable { channel: id });
        }
        if !channel.has_sendable() {
            channel.turn_bytes = 0;
        }
        self.schedule_data(id);
        self.remove_if_over(id);
        true
    }
}

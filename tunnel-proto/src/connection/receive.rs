//! From the peer: frames change the state and become events.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::{String, ToString},
};

use bytes::Bytes;

use super::{
    Connection, Event, MAX_REFUSALS, Micros, Phase, Role,
    channel::{Channel, Stage, Times},
    input::Piece,
    schedule::Schedule,
};
use crate::{ChannelId, Code, Error, Frame, Hello, Open, frame::MIN_MAX_FRAME_BYTES};

/// DATA below this is not worth its frame.
const SMALL_FRAME_BYTES: u16 = 64;

impl Connection {
    /// Stores what the carrier delivered. Drain [`Connection::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, now: Micros, input: Bytes) {
        if matches!(self.phase, Phase::Ended | Phase::Waiting) || input.is_empty() {
            return;
        }
        self.last_heard = now;
        if now >= self.opens_counted_from.plus_millis(1000) {
            self.opens_counted_from = now;
            self.opens_left = self.limits.max_opens_per_second;
            self.small_frames = 0;
        }
        self.input.push(input);
    }

    /// The next event; `Ok(None)` until more has arrived or changed.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats. [`Connection::poll_transmit`] has a farewell for the peer: send it, then
    /// drop the carrier.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.failed {
                return Err(error);
            }
            if self.phase == Phase::Ended {
                return Ok(None);
            }
            match self.input.next(&self.limits) {
                Ok(None) => return Ok(None),
                Ok(Some(piece)) => {
                    if let Err(error) = self.handle_piece(piece) {
                        self.fail(error);
                    }
                }
                Err(error) => self.fail(error),
            }
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.end(error.code(), error.to_string());
    }

    pub(super) fn end(&mut self, code: Code, reason: String) {
        self.phase = Phase::Ended;
        self.farewell = Some((code, reason));
        self.forget();
    }

    pub(super) fn forget(&mut self) {
        self.input.clear();
        self.channels = BTreeMap::new();
        self.timed.clear();
        self.next_end = None;
        self.windows.give_back(self.windows.bytes());
        self.control = VecDeque::new();
        self.data = Schedule::default();
        self.refusals = VecDeque::new();
        self.replay.forget();
        self.agreed = None;
        self.offer = None;
    }

    fn handle_piece(&mut self, piece: Piece) -> Result<(), Error> {
        if !matches!(piece, Piece::Data { .. } | Piece::DataBegins { length: SMALL_FRAME_BYTES.., .. }) {
            let (got, max) = (u64::from(self.small_frames) + 1, self.limits.max_small_frames_per_second);
            if got > max.into() {
                return Err(Error::LimitExceeded { what: "max_small_frames_per_second", got, max: max.into() });
            }
            self.small_frames += 1;
        }
        match self.phase {
            Phase::Hello => {
                return match piece {
                    Piece::Frame(Frame::Hello(hello)) => {
                        self.handle_hello(hello);
                        Ok(())
                    }
                    Piece::Frame(Frame::Resume(resume)) => self.handle_resume(resume),
                    // Whoever turns us down at once does not have to introduce itself.
                    Piece::Frame(Frame::Close { code, reason }) => {
                        self.handle_close(code, reason);
                        Ok(())
                    }
                    _ => Err(Error::Malformed { what: "session", reason: "the first frame is not HELLO" }),
                };
            }
            Phase::Resuming => {
                if let Piece::Frame(frame) = piece {
                    return self.handle_frame_while_resuming(frame);
                }
                return Err(Error::Malformed { what: "session", reason: "data before RESUMED" });
            }
            Phase::Yielded => {
                return Err(Error::Malformed { what: "session", reason: "more after RESUME, before the answer" });
            }
            Phase::Running | Phase::Waiting | Phase::Ended => {}
        }
        if let Some(agreed) = &mut self.agreed {
            agreed.heard();
        }
        match piece {
            Piece::DataBegins { channel, length } => self.handle_data_header(channel, length.into())?,
            Piece::Data { channel, data, fin } => self.handle_data(channel, data, fin),
            Piece::Frame(frame) => self.handle_frame(frame)?,
        }
        if self.agreed.is_some() {
            self.acknowledgement.arrived(self.input.counted(), self.last_heard);
        }
        Ok(())
    }

    fn handle_hello(&mut self, mut hello: Hello) {
        self.phase = Phase::Running;
        self.peer_max_frame = hello.max_frame_bytes.max(MIN_MAX_FRAME_BYTES);
        self.peer_channel_credit = hello.channel_credit;
        self.peer_max_channels = hello.max_channels;
        self.send_limit = hello.connection_credit;
        self.agree(&mut hello);
        self.events.push_back(Event::Connected(hello));
        // Channels opened before now start with what the peer grants each.
        let ids: VecDeque<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.send_limit = self.peer_channel_credit;
            }
            self.schedule_data(id);
        }
    }

    pub(super) fn handle_close(&mut self, code: Code, reason: String) {
        self.phase = Phase::Ended;
        self.forget();
        self.events.push_back(Event::Closed { code, reason });
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Hello(_) => return Err(Error::Malformed { what: "session", reason: "a second HELLO" }),
            Frame::Close { code, reason } => self.handle_close(code, reason),
            Frame::Drain { retry_after_millis, reason } => {
                self.peer_drains = true;
                self.events.push_back(Event::Draining { retry_after_millis, reason });
            }
            Frame::Ping { id, pong: false } => self.pong_unsaid = Some(id),
            Frame::Ping { id, pong: true } => {
                if self.ping == Some(id) {
                    self.ping = None;
                    if let Some(asked_at) = self.ping_said_at.take() {
                        self.pace.note_round_trip(self.last_heard, self.last_heard.0.saturating_sub(asked_at.0));
                    }
                }
            }
            Frame::Open { channel, credit, open } => self.handle_open(channel, credit, open)?,
            Frame::Accept { channel: id, credit, fields } => {
                if let Some(channel) = self.known(id)? {
                    if channel.stage != Stage::Opening {
                        return Err(Error::Malformed { what: "ACCEPT", reason: "for a channel that is not opening" });
                    }
                    channel.stage = Stage::Open;
                    channel.send_limit = channel.send_limit.max(credit);
                    self.schedule_data(id);
                    self.events.push_back(Event::Accepted { channel: id, fields });
                }
            }
            Frame::Credit { channel: ChannelId::SESSION, limit } => self.send_limit = self.send_limit.max(limit),
            Frame::Credit { channel: id, limit } => {
                if let Some(channel) = self.known(id)? {
                    channel.send_limit = channel.send_limit.max(limit);
                    self.schedule_data(id);
                }
            }
            Frame::Stop { channel: id, code, reason } => {
                if let Some(channel) = self.known(id)? {
                    // Nobody reads it any more, so nothing of it may wait for credit and hold up our FIN.
                    channel.drop_unsent();
                    channel.stopped_by_peer = true;
                    self.schedule_data(id);
                    self.events.push_back(Event::Stopped { channel: id, code, reason });
                }
            }
            Frame::Reset { channel: id, code, reason } => {
                if self.known(id)?.is_some() {
                    self.remove(id);
                    self.events.push_back(Event::Reset { channel: id, code, reason });
                }
            }
            Frame::Ack { received, arrived_at } => {
                if self.agreed.is_none() {
                    return Err(Error::Malformed { what: "ACK", reason: "without resumption" });
                }
                let outcome = self.replay.acknowledge(received);
                outcome.map_err(|reason| Error::Malformed { what: "ACK", reason })?;
                self.pace.acknowledged(self.last_heard, received, arrived_at, self.replay.sent());
            }
            Frame::Resume(_) => return Err(Error::Malformed { what: "RESUME", reason: "not at the beginning" }),
            Frame::Resumed { .. } => return Err(Error::Malformed { what: "RESUMED", reason: "without a RESUME" }),
            // The input hands these out as pieces of their own, or not at all.
            Frame::Data { .. } | Frame::Ignored(_) => {}
        }
        Ok(())
    }

    fn handle_open(&mut self, id: ChannelId, credit: u64, open: Open) -> Result<(), Error> {
        if self.is_local(id) {
            return Err(Error::Malformed { what: "OPEN", reason: "with a number of ours" });
        }
        if id.0 <= self.last_remote {
            return Err(Error::Malformed { what: "OPEN", reason: "with a number that was used before" });
        }
        self.last_remote = id.0;

        let window = self.config.channel_window_bytes;
        let refusal = if self.remote_count >= self.limits.max_channels {
            Some(Code::LIMIT)
        } else if self.opens_left == 0 {
            Some(Code::TOO_FAST)
        } else if !self.promise(window.into()) {
            Some(Code::BUDGET)
        } else {
            None
        };
        if let Some(code) = refusal {
            if self.refusals.len() >= MAX_REFUSALS {
                return Err(Error::LimitExceeded {
                    what: "refused channels",
                    got: self.refusals.len() as u64 + 1,
                    max: MAX_REFUSALS as u64,
                });
            }
            self.refusals.push_back((id, code));
            return Ok(());
        }

        self.opens_left -= 1;
        self.remote_count += 1;
        let mut channel = Channel::new(Stage::Offered, open.urgency, window, credit);
        if open.idle_millis > 0 || open.deadline_millis > 0 {
            channel.times = Some(Box::new(Times {
                idle_millis: open.idle_millis,
                used_at: self.last_heard,
                deadline: (open.deadline_millis > 0).then(|| self.last_heard.plus_millis(open.deadline_millis)),
            }));
        }
        self.time(id, &channel);
        self.insert(id, channel);
        self.events.push_back(Event::Opened { channel: id, open });
        Ok(())
    }

    /// Holds a DATA frame against both credits, before its bytes are waited for.
    fn handle_data_header(&mut self, id: ChannelId, length: u64) -> Result<(), Error> {
        let over = |got, max| Err(Error::LimitExceeded { what: "credit", got, max });
        let received = self.received + length;
        if received > self.receive_limit {
            return over(received, self.receive_limit);
        }
        if let Some(channel) = self.known(id)? {
            if channel.finished {
                return Err(Error::Malformed { what: "DATA", reason: "after the last" });
            }
            let received = channel.received + length;
            if received > channel.receive_limit && !channel.stopped {
                return over(received, channel.receive_limit);
            }
        }
        Ok(())
    }

    fn handle_data(&mut self, id: ChannelId, data: Bytes, fin: bool) {
        let length = data.len() as u64;
        self.received += length;
        let Some(channel) = self.channels.get_mut(&id) else {
            // Data under way to a channel that is gone still costs credit of the session: give it back.
            self.consumed += length;
            return;
        };
        channel.received += length;
        channel.used(self.last_heard);
        channel.finished = channel.finished || fin;
        if channel.stopped {
            channel.consumed += length;
            self.consumed += length;
        } else if !data.is_empty() {
            self.events.push_back(Event::Data { channel: id, data });
        }
        if fin {
            self.events.push_back(Event::Finished { channel: id });
            self.remove_if_over(id);
        }
    }

    /// The channel if it lives, `None` if it is gone, an error if it never was.
    pub(super) fn known(&mut self, id: ChannelId) -> Result<Option<&mut Channel>, Error> {
        let was_opened = if self.is_local(id) { id.0 < self.next_local } else { id.0 <= self.last_remote };
        if !was_opened {
            return Err(Error::Malformed { what: "channel id", reason: "of a channel that was never opened" });
        }
        Ok(self.channels.get_mut(&id).map(|channel| &mut **channel))
    }

    pub(super) fn is_local(&self, id: ChannelId) -> bool {
        let odd = id.0 % 2 == 1;
        odd == (self.config.role == Role::Dialer)
    }
}

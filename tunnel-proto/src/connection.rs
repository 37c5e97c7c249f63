//! The session's machine: frames in, events out; commands in, bytes out.
//!
//! ```text
//!                 handle_input ──► Input ──► frames ──► channels ──► poll_event
//!   peer                                                   ▲                        application
//!                 poll_transmit ◄── frames ◄── control, then data ◄── open, send, consumed …
//! ```
//!
//! What is still to be said is kept as state, not as a queue of frames: one answer to a ping, one limit, one reset per
//! channel. DATA is cut into frames only when the carrier can take it.
//!
//! ```text
//!           HELLO                        carrier lost
//!   Hello ─────────► Running ───────────────────────────────► Waiting ── too long ──► Ended
//!     │                 ▲  ▲                                    │  ▲
//!     │ RESUME          │  └── resume_with (acceptor) ──────────┤  │ carrier lost
//!     ▼                 │                          (dialer)     ▼  │
//!   Yielded             └──────────── RESUMED ────────────── Resuming
//! ```
//!
//! Without resumption, `Running` goes straight to `Ended`.

mod channel;
mod credit;
mod input;
mod pace;
mod receive;
mod replay;
mod resumption;
mod schedule;
mod timeout;
mod transmit;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
};

use bytes::{Bytes, BytesMut};

use self::{
    channel::{Channel, Fin, Stage},
    input::Input,
    pace::Pace,
    replay::Replay,
    resumption::{Acknowledgement, Agreed},
    schedule::Schedule,
};
use crate::{
    ChannelId, Code, Error, Fields, Limits, Open, Resume, Resumption, Secret, SessionId, Urgency,
    budget::Promised,
    frame::{self, Hello},
};

/// A point in time, in microseconds since whatever moment the caller counts from. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    fn plus_millis(self, millis: u32) -> Self {
        Self(self.0.saturating_add(u64::from(millis) * 1000))
    }
}

/// Who made the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// This side dialled. Its channels have odd numbers.
    Dialer,
    /// This side was dialled. Its channels have even numbers.
    Acceptor,
}

/// How the two sides know that the carrier carries this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CarrierKind {
    /// By the first eight bytes: plain byte carriers.
    Magic,
    /// By a WebSocket subprotocol or ALPN `towline.tunnel.v1`.
    Negotiated,
}

/// What this side is like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Who made the carrier.
    pub role: Role,
    /// How the protocol was agreed on.
    pub carrier: CarrierKind,
    /// Ask for a sign of life after hearing nothing for this long, in milliseconds. Default 10 s.
    pub keepalive_millis: u32,
    /// Give up after hearing nothing for this long, in milliseconds. Default 15 s.
    pub dead_after_millis: u32,
    /// How much the peer may have under way on one channel, in bytes. Default 256 KiB.
    pub channel_window_bytes: u32,
    /// How much the peer may have under way beyond the windows of its channels, in bytes. Default 256 KiB.
    pub connection_window_bytes: u32,
    /// The largest DATA payload to send, in bytes, if the peer takes that much. Default 32 KiB.
    pub frame_bytes: u16,
    /// How the session outlives its carrier; `None`, the default: it does not. Both sides have to want it.
    pub resumption: Option<Resumption>,
    /// Name and version of the program, told to the peer.
    pub implementation: String,
}

impl Config {
    /// The defaults for the side that dialled.
    pub fn dialer(carrier: CarrierKind) -> Self {
        Self {
            role: Role::Dialer,
            carrier,
            keepalive_millis: 10_000,
            dead_after_millis: 15_000,
            channel_window_bytes: 256 * 1024,
            connection_window_bytes: 256 * 1024,
            frame_bytes: 32 * 1024,
            resumption: None,
            implementation: concat!("towline/", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// The defaults for the side that was dialled.
    pub fn acceptor(carrier: CarrierKind) -> Self {
        Self { role: Role::Acceptor, ..Self::dialer(carrier) }
    }
}

/// What happened, in the order of the peer's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer has introduced itself; channels can be opened from now on (before, they wait).
    Connected(Hello),
    /// The peer wants a channel: answer with [`Connection::accept`] or [`Connection::reset`]. Data may follow at once.
    Opened {
        /// Its number.
        channel: ChannelId,
        /// What for.
        open: Open,
    },
    /// The peer accepted.
    Accepted {
        /// Which channel.
        channel: ChannelId,
        /// What it said about it.
        fields: Fields,
    },
    /// Bytes of a channel. Give back the credit with [`Connection::consumed`] when they have left.
    Data {
        /// Which channel.
        channel: ChannelId,
        /// Never empty.
        data: Bytes,
    },
    /// The peer has sent its last byte on a channel.
    Finished {
        /// Which channel.
        channel: ChannelId,
    },
    /// There is room again after [`Connection::send`] could not take everything.
    Writable {
        /// Which channel.
        channel: ChannelId,
    },
    /// The peer will not read more of a channel: finish or reset it.
    Stopped {
        /// Which channel.
        channel: ChannelId,
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
    /// The peer ended or refused a channel. It is gone.
    Reset {
        /// Which channel.
        channel: ChannelId,
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
    /// The peer will go away soon: nothing more can be opened, what is open goes on until it ends or the peer closes.
    Draining {
        /// When to come back, in milliseconds from now.
        retry_after_millis: u32,
        /// Why, for a person.
        reason: String,
    },
    /// The carrier is lost and the session waits for another. The dialer makes one and calls [`Connection::resume`].
    Lost,
    /// The session goes on, on another carrier.
    Resumed,
    /// The peer made this carrier to go on with another session: find it by its id and call
    /// [`Connection::resume_with`] there, or say no with [`Connection::close`].
    Resuming(Resume),
    /// This side ended a channel because its time was over, as the peer had asked for when it opened it. It is gone.
    TimedOut {
        /// Which channel.
        channel: ChannelId,
        /// [`Code::IDLE_TIMEOUT`] or [`Code::DEADLINE`].
        code: Code,
    },
    /// The peer ended the session. Nothing follows.
    Closed {
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
}

/// How the session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the peer's HELLO.
    Hello,
    Running,
    /// Without a carrier.
    Waiting,
    /// Dialer: on a new carrier, until the acceptor agrees.
    Resuming,
    /// Acceptor: the carrier is for another session.
    Yielded,
    /// Ended; a CLOSE may still wait in `farewell`.
    Ended,
}

/// One session, over one carrier at a time. See the [crate's documentation](crate) for the loop around it.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    limits: Limits,
    phase: Phase,
    failed: Option<Error>,
    preamble_unsaid: bool,
    /// HELLO is out.
    introduced: bool,
    farewell: Option<(Code, String)>,
    drain_unsaid: Option<(u32, String)>,
    /// The peer has said that it will go away.
    peer_drains: bool,
    input: Input,
    /// Counted frames already cut.
    replay: Replay,
    headers: BytesMut,
    events: VecDeque<Event>,

    channels: BTreeMap<ChannelId, Box<Channel>>,
    /// The number of the next channel that we open.
    next_local: u32,
    /// The highest number that the peer has opened.
    last_remote: u32,
    local_count: u32,
    remote_count: u32,
    /// Refusals of channels that never came to be. INVARIANT: at most `MAX_REFUSALS`.
    refusals: VecDeque<(ChannelId, Code)>,
    /// Channels with something unsaid, each at most once.
    control: VecDeque<ChannelId>,
    data: Schedule,
    pace: Pace,
    /// Channels that end by themselves, and a time before which none does.
    timed: BTreeSet<ChannelId>,
    next_end: Option<Micros>,
    /// When bulk that is held back may go on, if nothing is acknowledged before.
    bulk_at: Option<Micros>,
    /// Channels that live and are more urgent than [`Urgency::NORMAL`].
    urgent_count: u32,

    /// Introduced by HELLO; zero before.
    peer_max_frame: u16,
    peer_channel_credit: u64,
    peer_max_channels: u32,
    /// INVARIANT: sent <= send_limit.
    sent: u64,
    send_limit: u64,
    /// INVARIANT: consumed <= received <= receive_limit.
    received: u64,
    consumed: u64,
    receive_limit: u64,
    /// The windows of all channels. INVARIANT: their sum is <= limits.max_buffered_bytes.
    windows: Promised,

    /// Resumption, once both sides have said that they want it.
    agreed: Option<Agreed>,
    /// What an acceptor offers in its HELLO.
    offer: Option<(SessionId, Secret)>,
    acknowledgement: Acknowledgement,

    last_heard: Micros,
    ping: Option<u64>,
    ping_unsaid: bool,
    ping_said_at: Option<Micros>,
    pings: u64,
    pong_unsaid: Option<u64>,
    opens_left: u32,
    /// In this second.
    small_frames: u32,
    opens_counted_from: Micros,
}

/// Refusals that may wait to be said before the peer is taken for hostile.
const MAX_REFUSALS: usize = 256;

impl Connection {
    /// A session at its very beginning: `poll_transmit` has the HELLO.
    pub fn new(mut config: Config, limits: Limits, now: Micros) -> Self {
        let with_preamble = config.carrier == CarrierKind::Magic;
        let replay = Replay::new(limits.budget.clone());
        Self {
            offer: config.resumption.as_mut().and_then(|resumption| resumption.session.take()),
            next_local: match config.role {
                Role::Dialer => 1,
                Role::Acceptor => 2,
            },
            receive_limit: config.connection_window_bytes.into(),
            opens_left: limits.max_opens_per_second,
            windows: Promised::new(limits.budget.clone()),
            config,
            limits,
            phase: Phase::Hello,
            failed: None,
            preamble_unsaid: with_preamble,
            introduced: false,
            farewell: None,
            drain_unsaid: None,
            peer_drains: false,
            input: Input::new(with_preamble),
            replay,
            headers: BytesMut::new(),
            events: VecDeque::new(),
            channels: BTreeMap::new(),
            last_remote: 0,
            local_count: 0,
            remote_count: 0,
            refusals: VecDeque::new(),
            control: VecDeque::new(),
            data: Schedule::default(),
            pace: Pace::default(),
            timed: BTreeSet::new(),
            next_end: None,
            bulk_at: None,
            urgent_count: 0,
            peer_max_frame: 0,
            peer_channel_credit: 0,
            peer_max_channels: 0,
            sent: 0,
            send_limit: 0,
            received: 0,
            consumed: 0,
            agreed: None,
            acknowledgement: Acknowledgement::default(),
            last_heard: now,
            ping: None,
            ping_unsaid: false,
            ping_said_at: None,
            pings: 0,
            pong_unsaid: None,
            small_frames: 0,
            opens_counted_from: now,
        }
    }

    /// Asks the peer for a channel. Data may be sent at once: it goes out as far as the peer grants credit to every new channel.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the peer's number of channels, this side's memory or the numbers are used up;
    /// [`Error::Misuse`] after the end.
    pub fn open(&mut self, open: Open) -> Result<ChannelId, Error> {
        if self.phase == Phase::Ended {
            return Err(Error::Misuse("open after the session has ended"));
        }
        let window = self.config.channel_window_bytes;
        if self.phase != Phase::Hello && self.local_count >= self.peer_max_channels {
            return Err(Error::Refused { by: "the peer", reason: "as many channels are open as it allows" });
        }
        if self.peer_drains {
            return Err(Error::Refused { by: "the peer", reason: "it is going down" });
        }
        if self.next_local > 0x7fff_ffff {
            return Err(Error::Refused { by: "this side", reason: "the session's channel numbers are used up" });
        }
        if !self.promise(window.into()) {
            return Err(Error::Refused { by: "this side", reason: "the memory set aside for windows is used up" });
        }
        let id = ChannelId(self.next_local);
        self.next_local += 2;
        self.local_count += 1;
        let mut channel = Channel::new(Stage::Opening, open.urgency, window, self.peer_channel_credit);
        channel.unsaid().open = Some(open);
        self.insert(id, channel);
        self.schedule_control(id);
        Ok(id)
    }

    /// Says yes to a channel that the peer opened. No is [`Connection::reset`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if the channel is not waiting for an answer. A channel that is gone is no error.
    pub fn accept(&mut self, id: ChannelId, fields: Fields) -> Result<(), Error> {
        let Some(channel) = self.mine(id)? else { return Ok(()) };
        if channel.stage != Stage::Offered {
            return Err(Error::Misuse("accept of a channel that waits for no answer"));
        }
        channel.stage = Stage::Open;
        channel.unsaid().accept = Some(fields);
        self.schedule_control(id);
        Ok(())
    }

    /// Takes as much of the front of `data` as there is room for, and returns how many bytes that was. After less than
    /// all of it, [`Event::Writable`] follows once there is room. On a channel that is gone, or that the peer stopped,
    /// everything is taken and thrown away.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] after [`Connection::finish`], or before the peer's channel was accepted.
    pub fn send(&mut self, id: ChannelId, data: &mut Bytes) -> Result<usize, Error> {
        let max_unsent = self.limits.max_unsent_bytes;
        let Some(channel) = self.mine(id)? else { return Ok(core::mem::take(data).len()) };
        if channel.fin != Fin::No {
            return Err(Error::Misuse("send after finish"));
        }
        if channel.stage == Stage::Offered {
            return Err(Error::Misuse("send before accept"));
        }
        if channel.stopped_by_peer {
            return Ok(core::mem::take(data).len());
        }
        let room = max_unsent.saturating_sub(channel.unsent_bytes());
        let taken = data.split_to(room.min(data.len()));
        let length = taken.len();
        channel.wants_room = !data.is_empty();
        if length > 0 {
            channel.push_unsent(taken);
            self.schedule_data(id);
        }
        Ok(length)
    }

    /// How many bytes [`Connection::send`] would take now.
    pub fn room(&self, id: ChannelId) -> usize {
        self.channels.get(&id).map_or(0, |channel| self.limits.max_unsent_bytes.saturating_sub(channel.unsent_bytes()))
    }

    /// Ends our direction of a channel, after what was sent.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before the peer's channel was accepted. A second call, or one for a channel that is gone,
    /// changes nothing.
    pub fn finish(&mut self, id: ChannelId) -> Result<(), Error> {
        let Some(channel) = self.mine(id)? else { return Ok(()) };
        if channel.stage == Stage::Offered {
            return Err(Error::Misuse("finish before accept"));
        }
        if channel.fin == Fin::No {
            channel.fin = Fin::Wanted;
            self.schedule_data(id);
        }
        Ok(())
    }

    /// Tells the peer that nothing more is read from a channel; what still comes is thrown away.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a channel that never was.
    pub fn stop(&mut self, id: ChannelId, code: Code, reason: &str) -> Result<(), Error> {
        let reason = self.cut_reason(reason);
        let Some(channel) = self.mine(id)? else { return Ok(()) };
        let parked = channel.parked();
        channel.consumed = channel.received;
        if !channel.stopped && !channel.finished {
            channel.unsaid().stop = Some((code, reason));
        }
        channel.stopped = true;
        self.consumed += parked;
        self.schedule_control(id);
        self.remove_if_over(id);
        Ok(())
    }

    /// Ends both directions of a channel at once, or refuses it. What was not yet sent is thrown away.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a channel that never was.
    pub fn reset(&mut self, id: ChannelId, code: Code, reason: &str) -> Result<(), Error> {
        let reason = self.cut_reason(reason);
        let Some(channel) = self.mine(id)? else { return Ok(()) };
        if channel.is_open_unsaid() {
            // The peer never heard of it.
            self.remove(id);
            return Ok(());
        }
        let parked = channel.parked();
        channel.consumed = channel.received;
        channel.stopped = true;
        channel.drop_unsent();
        channel.fin = Fin::Sent;
        channel.only_reset(code, reason);
        self.consumed += parked;
        self.schedule_control(id);
        Ok(())
    }

    /// Tells the peer that this side will go away soon, and when to come back. It opens nothing more; what is open goes
    /// on. The last call counts.
    pub fn drain(&mut self, retry_after_millis: u32, reason: &str) {
        if self.phase != Phase::Ended {
            self.drain_unsaid = Some((retry_after_millis, self.cut_reason(reason)));
        }
    }

    /// Ends the session. [`Connection::poll_transmit`] has the farewell; what was not yet sent is thrown away.
    pub fn close(&mut self, code: Code, reason: &str) {
        if self.phase != Phase::Ended {
            let reason = self.cut_reason(reason);
            self.end(code, reason);
        }
    }

    /// Whether the session has ended, by whomever.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether [`Connection::poll_transmit`] has something that does not have to wait for credit, an acknowledgement or a
    /// carrier.
    pub fn wants_transmit(&self) -> bool {
        self.replay.is_in_frame()
            || self.wants_uncounted()
            || (self.phase == Phase::Running
                && (self.replay.has_next()
                    || (!self.replay.is_full()
                        && (self.drain_unsaid.is_some()
                            || !self.control.is_empty()
                            || !self.refusals.is_empty()
                            || self.connection_credit_is_due()
                            || !self.data.is_empty()))))
    }

    /// Whether data, or the end of a direction, still waits here for credit or for the carrier. What
    /// [`Connection::poll_transmit`] has handed out counts as sent; with resumption only what the peer has.
    pub fn has_unsent(&self) -> bool {
        self.phase != Phase::Ended
            && (!self.replay.is_empty()
                || self.channels.values().any(|channel| channel.unsent_bytes() > 0 || channel.fin == Fin::Wanted))
    }

    /// Bytes sent and kept until the peer has them, with what keeping them costs.
    pub fn replay_bytes(&self) -> usize {
        self.replay.held_bytes()
    }

    /// Channels that live, of both sides.
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    fn mine(&mut self, id: ChannelId) -> Result<Option<&mut Channel>, Error> {
        if self.phase == Phase::Ended {
            return Ok(None);
        }
        let channel = self.known(id).map_err(|_| Error::Misuse("a channel that never was"))?;
        Ok(channel.filter(|channel| !channel.is_reset_unsaid()))
    }

    fn cut_reason(&self, reason: &str) -> String {
        frame::cut_at_character(reason, self.limits.max_reason_bytes.min(256)).into()
    }

    fn schedule_control(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id)
            && !channel.in_control
            && channel.has_unsaid()
        {
            channel.in_control = true;
            self.control.push_back(id);
        }
    }

    fn schedule_data(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id)
            && !channel.in_data
            && channel.has_sendable()
        {
            channel.in_data = true;
            self.data.push(self.last_heard, channel.urgency, id, channel.turn_bytes > 0);
        }
    }

    fn insert(&mut self, id: ChannelId, channel: Channel) {
        self.urgent_count += u32::from(channel.urgency < Urgency::NORMAL);
        self.channels.insert(id, Box::new(channel));
    }

    fn remove_if_over(&mut self, id: ChannelId) {
        if self.channels.get(&id).is_some_and(|channel| channel.is_over()) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        self.consumed += channel.parked();
        self.windows.give_back(channel.window.into());
        self.timed.remove(&id);
        self.urgent_count = self.urgent_count.saturating_sub(u32::from(channel.urgency < Urgency::NORMAL));
        match self.is_local(id) {
            true => self.local_count = self.local_count.saturating_sub(1),
            false => self.remote_count = self.remote_count.saturating_sub(1),
        }
        // What stands in `control` and `data` is skipped when its turn comes; each channel stands there at most once.
    }
}

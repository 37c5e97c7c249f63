//! What comes in: tokens change state, and become events.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "mccp")]
use super::compression::Compression;
use super::{COPY_BYTES, Config, Event, is_small, output::Output, transmit::Slots};
use crate::{
    Change, Command, Error, Limits, Negotiator, OptionCode, QState, Side, Subnegotiation, Verb,
    newline::Folder,
    option::{
        charset::Charset,
        linemode::{Linemode, Mode, Table},
        naws::WindowSize,
        new_environ::Environment,
        status::Status,
        terminal_speed::TerminalSpeed,
        terminal_type::{Collector, Cycle, TerminalType},
        x_display::XDisplay,
    },
};

/// Everything but the bytes that came: what the parser's tokens act on.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) config: Config,
    pub(super) limits: Limits,
    pub(super) negotiator: Negotiator,
    pub(super) output: Output,
    pub(super) slots: Slots,
    folder: Folder,
    /// Data whose newlines have not been looked at.
    data: Bytes,
    /// How much memory `data` keeps.
    data_chunk_bytes: usize,
    copies: BytesMut,
    pub(super) in_synch: bool,
    /// Marks that the peer has not come to.
    pub(super) timing_marks: u32,
    cycle: Cycle,
    pub(super) collector: Collector,
    pub(super) peer_window: Option<WindowSize>,
    pub(super) told_window: Option<WindowSize>,
    /// The peer wanted to know, or this side would have offered it, when there was no size.
    pub(super) window_was_asked: bool,
    /// The peer's next byte is TLS.
    pub(super) tls_follows: bool,
    pub(super) linemode: Option<Mode>,
    pub(super) keys: Table,
    pub(super) charset: Option<String>,
    /// The names that this side has asked for, while the peer has not answered.
    pub(super) charsets_asked: Vec<String>,
    #[cfg(feature = "mccp")]
    pub(super) compression: Compression,
}

impl Receiver {
    pub(super) fn new(config: Config, limits: Limits) -> Self {
        let mut policy = config.policy.clone();
        if config.window.is_none() {
            policy.local.remove(OptionCode::NAWS);
        }
        for option in [OptionCode::MCCP1, OptionCode::MCCP2, OptionCode::MCCP3] {
            if !can_be_kept(option) {
                policy.local.remove(option);
                policy.remote.remove(option);
            }
        }
        Self {
            negotiator: Negotiator::new(policy, &limits),
            output: Output::default(),
            slots: Slots::default(),
            folder: Folder::new(config.incoming),
            data: Bytes::new(),
            data_chunk_bytes: 0,
            copies: BytesMut::new(),
            in_synch: false,
            timing_marks: 0,
            cycle: Cycle::new(config.terminal_types.clone()),
            collector: Collector::default(),
            peer_window: None,
            told_window: None,
            window_was_asked: false,
            tls_follows: false,
            linemode: None,
            keys: Table::new(&config.special_characters),
            charset: None,
            charsets_asked: Vec::new(),
            #[cfg(feature = "mccp")]
            compression: Compression::default(),
            config,
            limits,
        }
    }

    pub(super) fn speak_first(&mut self) {
        if !self.config.speak_first {
            return;
        }
        for (side, options) in [(Side::Local, self.config.offer), (Side::Remote, self.config.ask)] {
            for option in options.iter().filter(|option| can_be_kept(*option)) {
                if side == Side::Local && option == OptionCode::NAWS && self.config.window.is_none() {
                    self.window_was_asked = true;
                    continue;
                }
                let said = self.negotiator.enable(side, option);
                self.say(option, said);
            }
        }
    }

    #[inline]
    pub(super) fn say(&mut self, option: OptionCode, verb: Option<Verb>) {
        if let Some(verb) = verb {
            self.output.negotiation(verb, option);
        }
    }

    /// Whether no more input is looked at: it would make more answers than may wait, or it is TLS.
    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        self.tls_follows || self.output.said_bytes >= self.limits.max_unsent_answer_bytes
    }

    /// Whether there is something for [`Receiver::next_data`].
    #[inline]
    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// What of the last token has not been handed out.
    #[inline]
    pub(super) fn next_data(&mut self) -> Option<Bytes> {
        if self.data.is_empty() {
            return None;
        }
        let binary = self.is_binary();
        let piece = self.folder.take(&mut self.data, binary)?;
        match is_small(piece.len(), self.data_chunk_bytes) {
            true => Some(self.copy(&piece)),
            false => Some(piece),
        }
    }

    /// Takes data of a chunk, and returns what of it comes out first; the rest is for [`Receiver::next_data`].
    pub(super) fn data(&mut self, chunk: &Bytes, data: Range<usize>) -> Option<Bytes> {
        self.negotiator.data_passed();
        if self.in_synch {
            return self.folder.skip();
        }
        self.data = chunk.slice(data);
        self.data_chunk_bytes = chunk.len();
        self.next_data()
    }

    /// Whether data comes out in one piece as it is; then it counts as taken.
    #[inline]
    pub(super) fn passes(&mut self, chunk: &[u8], data: Range<usize>) -> bool {
        if self.in_synch {
            return false;
        }
        let binary = self.is_binary();
        let passes = self.folder.passes(chunk.get(data).unwrap_or_default(), binary);
        if passes {
            self.negotiator.data_passed();
        }
        passes
    }

    /// Whether the peer's bytes are binary: until it has agreed to a no of this side, too.
    #[inline]
    fn is_binary(&self) -> bool {
        use QState::{WantNo, WantNoOpposite, Yes};
        matches!(self.negotiator.state(Side::Remote, OptionCode::BINARY), Yes | WantNo | WantNoOpposite)
    }

    fn copy(&mut self, data: &[u8]) -> Bytes {
        if self.copies.capacity() < data.len() {
            self.copies.reserve(data.len().max(COPY_BYTES));
        }
        self.copies.extend_from_slice(data);
        self.copies.split().freeze()
    }

    pub(super) fn command(&mut self, command: Command) -> Event {
        match command {
            Command::DM => {
                self.in_synch = false;
                Event::DataMark
            }
            command => Event::Command(command),
        }
    }

    /// Not an option that can be on: each DO is a question, each WILL or WONT an answer, and both say "I am here". RFC 860.
    pub(super) fn timing_mark(&mut self, verb: Verb) -> Option<Event> {
        match verb {
            Verb::Do => {
                let is_allowed = self.config.policy.local.contains(OptionCode::TIMING_MARK);
                let answer = if is_allowed { Verb::Will } else { Verb::Wont };
                self.output.negotiation(answer, OptionCode::TIMING_MARK);
                Some(Event::TimingMarkAsked)
            }
            Verb::Will | Verb::Wont if self.timing_marks > 0 => {
                self.timing_marks -= 1;
                Some(Event::TimingMarkReached { done: verb == Verb::Will })
            }
            // An answer without a question needs none.
            Verb::Will | Verb::Wont | Verb::Dont => None,
        }
    }

    /// What the peer said about any other option, and what changed by it.
    #[inline]
    pub(super) fn negotiation(&mut self, verb: Verb, option: OptionCode) -> Option<(Change, Side)> {
        let side = verb.performer();
        let outcome = self.negotiator.receive(verb, option);
        self.say(option, outcome.reply);
        let change = outcome.change?;
        self.changed(change, side, option);
        Some((change, side))
    }

    /// What else follows from a change.
    #[inline]
    fn changed(&mut self, change: Change, side: Side, option: OptionCode) {
        match option {
            OptionCode::TERMINAL_TYPE if side == Side::Local => self.cycle.restart(),
            OptionCode::NAWS if side == Side::Local => self.window_changed(change),
            OptionCode::LINEMODE => self.linemode_changed(change, side),
            // What was asked for is not answered any more.
            OptionCode::CHARSET if change == Change::Disabled => self.charsets_asked.clear(),
            OptionCode::TERMINAL_TYPE
            | OptionCode::TERMINAL_SPEED
            | OptionCode::X_DISPLAY_LOCATION
            | OptionCode::NEW_ENVIRON
            | OptionCode::OLD_ENVIRON => self.details_changed(change, side, option),
            #[cfg(feature = "mccp")]
            OptionCode::MCCP2 | OptionCode::MCCP3 => self.compression_changed(change, side, option),
            _ => {}
        }
    }

    fn window_changed(&mut self, change: Change) {
        match change {
            Change::Enabled => self.slots.window = true,
            Change::Disabled => self.told_window = None,
            Change::Declined => self.window_was_asked = true,
            Change::Refused => {}
        }
    }

    fn linemode_changed(&mut self, change: Change, side: Side) {
        match (change, side) {
            (Change::Enabled, Side::Local) => {
                let keys = self.keys.supported();
                if !keys.is_empty() {
                    self.output.subnegotiation(&Subnegotiation::Linemode(Linemode::SpecialCharacters(keys)));
                }
            }
            (Change::Disabled, _) => self.linemode = None,
            _ => {}
        }
    }

    /// Asks the peer for what it can tell now.
    fn details_changed(&mut self, change: Change, side: Side, option: OptionCode) {
        if (change, side) != (Change::Enabled, Side::Remote) || !self.config.ask_details {
            return;
        }
        let question = match option {
            OptionCode::TERMINAL_TYPE => {
                self.collector = Collector::default();
                Subnegotiation::TerminalType(TerminalType::Send)
            }
            OptionCode::TERMINAL_SPEED => Subnegotiation::TerminalSpeed(TerminalSpeed::Send),
            OptionCode::X_DISPLAY_LOCATION => Subnegotiation::XDisplay(XDisplay::Send),
            OptionCode::NEW_ENVIRON => Subnegotiation::Environment(Environment::Send(Default::default())),
            OptionCode::OLD_ENVIRON => Subnegotiation::OldEnvironment(Environment::Send(Default::default())),
            _ => return,
        };
        self.output.subnegotiation(&question);
    }

    #[inline(always)]
    pub(super) fn subnegotiation(&mut self, option: OptionCode, payload: &[u8]) -> Event {
        // What was on its way when this side said no is no fault.
        if Side::ALL.into_iter().all(|side| self.negotiator.state(side, option) == QState::No) {
            let error = Error::Malformed { what: "subnegotiation", reason: "its option is off" };
            return Event::Faulty { option: Some(option), error };
        }
        match Subnegotiation::decode(option, payload, &self.limits) {
            Ok(subnegotiation) => {
                self.answer(&subnegotiation);
                Event::Subnegotiation(subnegotiation)
            }
            Err(error) => Event::Faulty { option: Some(option), error },
        }
    }

    fn answer(&mut self, asked: &Subnegotiation) {
        let here = self.negotiator.is_on(Side::Local, asked.option());
        match asked {
            Subnegotiation::TerminalType(TerminalType::Send) if here => {
                self.output.terminal_type(self.cycle.advance());
            }
            Subnegotiation::TerminalType(TerminalType::Is(name)) => {
                let has_more = self.collector.add(name, &self.limits);
                if has_more && self.config.ask_details {
                    self.output.subnegotiation(&Subnegotiation::TerminalType(TerminalType::Send));
                }
            }
            Subnegotiation::Status(Status::Send) => self.slots.status = true,
            Subnegotiation::TerminalSpeed(TerminalSpeed::Send) => self.slots.speed = true,
            Subnegotiation::XDisplay(XDisplay::Send) => self.slots.display = true,
            Subnegotiation::Environment(Environment::Send(wanted)) => self.slots.environment = Some(wanted.clone()),
            Subnegotiation::OldEnvironment(Environment::Send(wanted)) => {
                self.slots.old_environment = Some(wanted.clone());
            }
            Subnegotiation::WindowSize(size) => self.peer_window = Some(*size),
            Subnegotiation::Charset(charset) => self.charset(charset),
            Subnegotiation::Linemode(linemode) => self.linemode(linemode, here),
            Subnegotiation::StartTls(_) => self.tls_follows = true,
            #[cfg(feature = "mccp")]
            Subnegotiation::Other { option, .. } => self.compression.follows = self.may_compress(*option),
            _ => {}
        }
    }

    fn charset(&mut self, charset: &Charset) {
        let answer = match charset {
            // Both have asked: were both to agree, each would agree to the other's wish.
            Charset::Request { .. } if !self.charsets_asked.is_empty() => Some(Charset::Rejected),
            Charset::Request { .. } => charset.answer(&self.config.charsets),
            _ => {
                let asked = core::mem::take(&mut self.charsets_asked);
                if let Charset::Accepted(name) = charset
                    && asked.iter().any(|asked| asked.eq_ignore_ascii_case(name))
                {
                    self.charset = Some(name.clone());
                }
                charset.answer(&[])
            }
        };
        if let Some(Charset::Accepted(name)) = &answer {
            self.charset = Some(name.clone());
        }
        if let Some(answer) = answer {
            self.output.subnegotiation(&Subnegotiation::Charset(answer));
        }
    }

    fn linemode(&mut self, linemode: &Linemode, is_client: bool) {
        let answer = match linemode {
            // The server sets the mode, the client says the same with ACK, unless it knew. RFC 1184 §2.2.
            Linemode::Mode(mode) if is_client => {
                let wanted = mode.without(Mode::ACK);
                if mode.contains(Mode::ACK) || self.linemode == Some(wanted) {
                    return;
                }
                self.linemode = Some(wanted);
                Linemode::Mode(wanted.with(Mode::ACK))
            }
            Linemode::Mode(mode) => {
                self.linemode = Some(mode.without(Mode::ACK));
                return;
            }
            Linemode::ForwardMask { verb: Verb::Do, .. } if is_client => {
                Linemode::ForwardMask { verb: Verb::Wont, mask: Bytes::new() }
            }
            Linemode::ForwardMask { .. } => return,
            Linemode::SpecialCharacters(characters) => {
                let answer = self.keys.receive(characters);
                if answer.is_empty() {
                    return;
                }
                Linemode::SpecialCharacters(answer)
            }
        };
        self.output.subnegotiation(&Subnegotiation::Linemode(answer));
    }

    /// MCCP2 is the server's stream, MCCP3 the client's; the server performs both.
    #[cfg(feature = "mccp")]
    fn compression_changed(&mut self, change: Change, side: Side, option: OptionCode) {
        if !matches!((option, side), (OptionCode::MCCP2, Side::Local) | (OptionCode::MCCP3, Side::Remote)) {
            return;
        }
        match change {
            Change::Enabled if self.compression.option.is_none() => {
                self.compression.option = Some(option);
                self.output.compression_starts(option);
            }
            Change::Disabled if self.compression.option == Some(option) => {
                self.compression.option = None;
                self.output.compression_ends();
            }
            _ => {}
        }
    }

    /// Whether the option is one for which the peer may begin to compress now: also when this side's wish to end it has not
    /// reached the peer.
    #[cfg(feature = "mccp")]
    fn may_compress(&self, option: OptionCode) -> bool {
        let side = match option {
            OptionCode::MCCP2 => Side::Remote,
            OptionCode::MCCP3 => Side::Local,
            _ => return false,
        };
        self.negotiator.state(side, option) != QState::No
    }
}

/// Whether an option can be agreed to at all: the first MCCP is ambiguous on the wire, the others are a feature.
pub(super) fn can_be_kept(option: OptionCode) -> bool {
    let is_a_stream = matches!(option, OptionCode::MCCP2 | OptionCode::MCCP3);
    option != OptionCode::MCCP1 && (cfg!(feature = "mccp") || !is_a_stream)
}

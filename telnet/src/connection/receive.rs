//! What comes in: tokens change state, and become events.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
};

use bytes::{Buf, Bytes};

use super::{
    Config, Event,
    transmit::{Output, Slots},
};
use crate::{
    Change, Command, Error, Limits, Negotiator, OptionCode, QState, Side, Subnegotiation, Token, Verb,
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

/// A slice shorter than this part of its chunk is copied, so that whoever keeps it does not keep the whole chunk.
const COPIED_BELOW: usize = 32;

fn is_small(length: usize, chunk_bytes: usize) -> bool {
    length.saturating_mul(COPIED_BELOW) < chunk_bytes
}

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
    /// It keeps no chunk in memory.
    data_is_copy: bool,
    /// INVARIANT: at most two, those of one token.
    events: VecDeque<Event>,
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
}

impl Receiver {
    pub(super) fn new(config: Config, limits: Limits) -> Self {
        let mut policy = config.policy.clone();
        if config.window.is_none() {
            policy.local.remove(OptionCode::NAWS);
        }
        Self {
            negotiator: Negotiator::new(policy, &limits),
            output: Output::default(),
            slots: Slots::default(),
            folder: Folder::new(config.incoming),
            data: Bytes::new(),
            data_is_copy: false,
            events: VecDeque::new(),
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
            config,
            limits,
        }
    }

    pub(super) fn speak_first(&mut self) {
        if !self.config.speak_first {
            return;
        }
        for (side, options) in [(Side::Local, self.config.offer), (Side::Remote, self.config.ask)] {
            for option in options.iter() {
                if side == Side::Local && option == OptionCode::NAWS && self.config.window.is_none() {
                    self.window_was_asked = true;
                    continue;
                }
                let said = self.negotiator.enable(side, option);
                self.say(option, said);
            }
        }
    }

    pub(super) fn say(&mut self, option: OptionCode, verb: Option<Verb>) {
        if let Some(verb) = verb {
            self.output.negotiation(verb, option);
        }
    }

    /// Whether more input would make more answers than may wait.
    pub(super) fn is_congested(&self) -> bool {
        self.output.said_bytes >= self.limits.max_unsent_answer_bytes
    }

    /// What of the last token has not been handed out.
    pub(super) fn next_event(&mut self, chunk_bytes: usize) -> Option<Event> {
        if !self.data.is_empty() {
            let binary = self.negotiator.is_on(Side::Remote, OptionCode::BINARY);
            if let Some(piece) = self.folder.take(&mut self.data, binary) {
                let is_copied = self.data_is_copy || !is_small(piece.len(), chunk_bytes);
                return Some(Event::Data(if is_copied { piece } else { Bytes::copy_from_slice(&piece) }));
            }
        }
        self.events.pop_front()
    }

    /// Takes data off the front of a chunk.
    pub(super) fn hold_data(&mut self, chunk: &mut Bytes, length: usize, chunk_bytes: usize) {
        self.data_is_copy = is_small(length, chunk_bytes);
        let length = length.min(chunk.len());
        self.data = match chunk.get(..length) {
            Some(data) if self.data_is_copy => {
                let data = Bytes::copy_from_slice(data);
                chunk.advance(length);
                data
            }
            _ => chunk.split_to(length),
        };
    }

    /// Acts on a token; returns how many bytes of data it has.
    pub(super) fn receive(&mut self, token: Option<Token<'_>>) -> usize {
        match token {
            None => {}
            Some(Token::Data(data)) => {
                self.negotiator.data_passed();
                if !self.in_synch {
                    return data.len();
                }
            }
            Some(Token::Command(Command::DM)) => {
                self.in_synch = false;
                self.events.push_back(Event::DataMark);
            }
            Some(Token::Command(command)) => self.events.push_back(Event::Command(command)),
            Some(Token::Negotiation { verb, option: OptionCode::TIMING_MARK }) => self.timing_mark(verb),
            Some(Token::Negotiation { verb, option }) => self.negotiation(verb, option),
            Some(Token::Subnegotiation { option, payload }) => self.subnegotiation(option, payload),
            Some(Token::Spoilt { option, error }) => self.events.push_back(Event::Faulty { option, error }),
        }
        0
    }

    /// Not an option that can be on: each DO is a question, each WILL or WONT an answer, and both say "I am here". RFC 860.
    fn timing_mark(&mut self, verb: Verb) {
        match verb {
            Verb::Do => {
                let is_allowed = self.config.policy.local.contains(OptionCode::TIMING_MARK);
                let answer = if is_allowed { Verb::Will } else { Verb::Wont };
                self.output.negotiation(answer, OptionCode::TIMING_MARK);
                self.events.push_back(Event::TimingMarkAsked);
            }
            Verb::Will | Verb::Wont if self.timing_marks > 0 => {
                self.timing_marks -= 1;
                self.events.push_back(Event::TimingMarkReached { done: verb == Verb::Will });
            }
            // An answer without a question needs none.
            Verb::Will | Verb::Wont | Verb::Dont => {}
        }
    }

    fn negotiation(&mut self, verb: Verb, option: OptionCode) {
        let side = match verb {
            Verb::Will | Verb::Wont => Side::Remote,
            Verb::Do | Verb::Dont => Side::Local,
        };
        let outcome = self.negotiator.receive(verb, option);
        self.say(option, outcome.reply);
        let Some(change) = outcome.change else { return };
        self.events.push_back(match change {
            Change::Enabled => Event::Enabled { side, option },
            Change::Disabled => Event::Disabled { side, option },
            Change::Refused => Event::Refused { side, option },
            Change::Declined => Event::Declined { side, option },
        });
        match (change, side) {
            (Change::Enabled, Side::Local) => self.enabled_here(option),
            (Change::Enabled, Side::Remote) => self.enabled_there(option),
            (Change::Declined, Side::Local) if option == OptionCode::NAWS => self.window_was_asked = true,
            (Change::Disabled, _) if option == OptionCode::LINEMODE => self.linemode = None,
            (Change::Disabled, Side::Local) if option == OptionCode::NAWS => self.told_window = None,
            _ => {}
        }
    }

    fn enabled_here(&mut self, option: OptionCode) {
        match option {
            OptionCode::NAWS => self.slots.window = true,
            OptionCode::TERMINAL_TYPE => self.cycle = Cycle::new(self.config.terminal_types.clone()),
            OptionCode::LINEMODE => {
                let keys = self.keys.supported();
                if !keys.is_empty() {
                    self.output.subnegotiation(&Subnegotiation::Linemode(Linemode::SpecialCharacters(keys)));
                }
            }
            _ => {}
        }
    }

    fn enabled_there(&mut self, option: OptionCode) {
        if !self.config.ask_details {
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

    fn subnegotiation(&mut self, option: OptionCode, payload: &[u8]) {
        let expected = |side| matches!(self.negotiator.state(side, option), QState::Yes | QState::WantYes);
        if !Side::ALL.into_iter().any(expected) {
            let error = Error::Malformed { what: "subnegotiation", reason: "its option is off" };
            self.events.push_back(Event::Faulty { option: Some(option), error });
            return;
        }
        match Subnegotiation::decode(option, payload, &self.limits) {
            Ok(subnegotiation) => {
                self.answer(&subnegotiation);
                self.events.push_back(Event::Subnegotiation(subnegotiation));
            }
            Err(error) => self.events.push_back(Event::Faulty { option: Some(option), error }),
        }
    }

    fn answer(&mut self, asked: &Subnegotiation) {
        let here = self.negotiator.is_on(Side::Local, asked.option());
        match asked {
            Subnegotiation::TerminalType(TerminalType::Send) if here => {
                let name = self.cycle.advance().to_string();
                self.output.subnegotiation(&Subnegotiation::TerminalType(TerminalType::Is(name)));
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
            Subnegotiation::Charset(charset) => {
                let answer = charset.answer(&self.config.charsets);
                if let Charset::Accepted(name) = answer.as_ref().unwrap_or(charset) {
                    self.charset = Some(name.clone());
                }
                if let Some(answer) = answer {
                    self.output.subnegotiation(&Subnegotiation::Charset(answer));
                }
            }
            Subnegotiation::Linemode(linemode) => self.linemode(linemode, here),
            Subnegotiation::StartTls(_) => self.tls_follows = true,
            _ => {}
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
}

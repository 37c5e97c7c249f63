//! What goes out: one queue of whole sequences, and slots for answers.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::{Bytes, BytesMut};

use super::receive::Receiver;
use crate::{
    Command, OptionCode, Side, Subnegotiation, Token, Verb,
    newline::{self, Outgoing},
    option::{
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable, Wanted},
        status::{Item, Status},
        terminal_speed::TerminalSpeed,
        x_display::XDisplay,
    },
};

#[derive(Debug)]
enum Piece {
    Data {
        wire: Bytes,
        /// Its length before escaping.
        plain_bytes: usize,
    },
    Said(BytesMut),
    /// IAC DM, whose last byte is urgent.
    Mark,
}

#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Piece>,
    /// INVARIANT: the sum of `plain_bytes` in `queue`.
    pub(super) data_bytes: usize,
    /// INVARIANT: the sum of the lengths of what is said in `queue`.
    pub(super) said_bytes: usize,
}

/// Answers of which one is enough, however often it was asked for.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) window: bool,
    pub(super) status: bool,
    pub(super) speed: bool,
    pub(super) display: bool,
    /// The last list that was asked for.
    pub(super) environment: Option<Vec<Wanted>>,
    pub(super) old_environment: Option<Vec<Wanted>>,
}

impl Output {
    fn said(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if !matches!(self.queue.back(), Some(Piece::Said(_))) {
            self.queue.push_back(Piece::Said(BytesMut::new()));
        }
        if let Some(Piece::Said(bytes)) = self.queue.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.said_bytes += bytes.len() - before;
        }
    }

    pub(super) fn negotiation(&mut self, verb: Verb, option: OptionCode) {
        self.said(|out| Token::Negotiation { verb, option }.encode(out));
    }

    pub(super) fn command(&mut self, command: Command) {
        self.said(|out| Token::Command(command).encode(out));
    }

    pub(super) fn subnegotiation(&mut self, subnegotiation: &Subnegotiation) {
        self.said(|out| subnegotiation.encode(out));
    }

    pub(super) fn synch(&mut self) {
        // One mark is as good as many.
        if !matches!(self.queue.back(), Some(Piece::Mark)) {
            self.queue.push_back(Piece::Mark);
            self.said_bytes += 2;
        }
    }

    pub(super) fn data(&mut self, data: Bytes, mode: Outgoing) {
        let plain_bytes = data.len();
        let wire = match newline::is_plain(mode, &data) {
            true => data,
            false => {
                let mut wire = BytesMut::with_capacity(data.len() + 16);
                newline::encode(mode, &data, &mut wire);
                wire.freeze()
            }
        };
        self.data_bytes += plain_bytes;
        self.queue.push_back(Piece::Data { wire, plain_bytes });
    }

    pub(super) fn drop_data(&mut self) {
        self.queue.retain(|piece| !matches!(piece, Piece::Data { .. }));
        self.data_bytes = 0;
    }

    pub(super) fn next_is_urgent(&self) -> bool {
        matches!(self.queue.front(), Some(Piece::Mark))
    }

    fn says_something(&self) -> bool {
        self.said_bytes > 0
    }

    fn pop(&mut self) -> Option<Bytes> {
        Some(match self.queue.pop_front()? {
            Piece::Data { wire, plain_bytes } => {
                self.data_bytes -= plain_bytes;
                wire
            }
            Piece::Said(bytes) => {
                self.said_bytes -= bytes.len();
                bytes.freeze()
            }
            Piece::Mark => {
                self.said_bytes -= 2;
                Bytes::from_static(&[crate::IAC, Command::DM.0])
            }
        })
    }
}

impl Receiver {
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        if !self.output.says_something() {
            let mut answers = BytesMut::new();
            self.answer_slots(&mut answers);
            if !answers.is_empty() {
                return Some(answers.freeze());
            }
        }
        self.output.pop()
    }

    /// All slots, now that the peer has been told whatever was agreed on.
    fn answer_slots(&mut self, out: &mut BytesMut) {
        let slots = core::mem::take(&mut self.slots);
        let on = |option| self.negotiator.is_on(Side::Local, option);
        if slots.window
            && on(OptionCode::NAWS)
            && let Some(size) = self.config.window
        {
            let size = if self.config.avoid_255 { size.without_255() } else { size };
            if self.told_window != Some(size) {
                self.told_window = Some(size);
                Subnegotiation::WindowSize(size).encode(out);
            }
        }
        if slots.status && on(OptionCode::STATUS) {
            let stands = |(side, option)| Item::Stands {
                verb: match side {
                    Side::Local => Verb::Will,
                    Side::Remote => Verb::Do,
                },
                option,
            };
            Subnegotiation::Status(Status::Is(self.negotiator.all_on().map(stands).collect())).encode(out);
        }
        if slots.speed && on(OptionCode::TERMINAL_SPEED) {
            let (transmit, receive) = self.config.terminal_speed;
            Subnegotiation::TerminalSpeed(TerminalSpeed::Is { transmit, receive }).encode(out);
        }
        if slots.display && on(OptionCode::X_DISPLAY_LOCATION) {
            let display = self.config.x_display.clone().unwrap_or_default();
            Subnegotiation::XDisplay(XDisplay::Is(display)).encode(out);
        }
        if let Some(wanted) = slots.environment.filter(|_| on(OptionCode::NEW_ENVIRON)) {
            Subnegotiation::Environment(Environment::Is(told(&wanted, &self.config.environment))).encode(out);
        }
        if let Some(wanted) = slots.old_environment.filter(|_| on(OptionCode::OLD_ENVIRON)) {
            Subnegotiation::OldEnvironment(Environment::Is(told(&wanted, &self.config.environment))).encode(out);
        }
    }

    pub(super) fn resize(&mut self, size: WindowSize) {
        let is_first = self.config.window.replace(size).is_none();
        self.slots.window = true;
        if is_first && self.config.policy.local.contains(OptionCode::NAWS) {
            self.negotiator.allow(Side::Local, OptionCode::NAWS);
            if self.window_was_asked {
                let said = self.negotiator.enable(Side::Local, OptionCode::NAWS);
                self.say(OptionCode::NAWS, said);
            }
        }
    }

    pub(super) fn room(&self) -> usize {
        self.limits.max_unsent_bytes.saturating_sub(self.output.data_bytes)
    }

    pub(super) fn send(&mut self, data: &mut Bytes) -> usize {
        let taken = data.split_to(self.room().min(data.len()));
        let length = taken.len();
        if length > 0 {
            let binary = self.negotiator.is_on(Side::Local, OptionCode::BINARY);
            let mode = if binary { Outgoing::Raw } else { self.config.outgoing };
            self.output.data(taken, mode);
        }
        length
    }
}

/// What of `configured` was asked for; nothing at all being asked for is everything. What is asked for by name and not
/// there is told as such, each name once.
fn told(wanted: &[Wanted], configured: &[Variable]) -> Vec<Variable> {
    if wanted.is_empty() {
        return configured.to_vec();
    }
    let asked = |kind: Kind, name: &Bytes| {
        wanted.iter().any(|wanted| wanted.kind == kind && (wanted.name.is_empty() || wanted.name == name))
    };
    let mut told: Vec<Variable> =
        configured.iter().filter(|variable| asked(variable.kind, &variable.name)).cloned().collect();
    for wanted in wanted.iter().filter(|wanted| !wanted.name.is_empty()) {
        if !told.iter().any(|variable| variable.kind == wanted.kind && variable.name == wanted.name) {
            told.push(Variable { kind: wanted.kind, name: wanted.name.clone(), value: None });
        }
    }
    told
}

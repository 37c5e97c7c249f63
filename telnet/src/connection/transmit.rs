//! What goes out: the queue, slots for answers, compression.

use alloc::{collections::BTreeSet, vec::Vec};

use bytes::{Bytes, BytesMut};

#[cfg(feature = "mccp")]
use super::compression::{Deflate, PIECE_BYTES};
use super::{output::Piece, receive::Receiver};
use crate::{
    Command, IAC, OptionCode, Side, Subnegotiation, Verb,
    newline::Outgoing,
    option::{
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable, Wanted},
        status::{Item, Status},
        terminal_speed::TerminalSpeed,
        x_display::XDisplay,
    },
};

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

impl Slots {
    fn are_empty(&self) -> bool {
        let is_asked = self.window | self.status | self.speed | self.display;
        !is_asked && self.environment.is_none() && self.old_environment.is_none()
    }
}

impl Receiver {
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        #[cfg(feature = "mccp")]
        if self.compression.deflate.is_some() {
            return self.poll_compressed();
        }
        self.poll_plain()
    }

    pub(super) fn next_is_urgent(&self) -> bool {
        // Within a compressed stream no byte is a mark.
        #[cfg(feature = "mccp")]
        if self.compression.deflate.is_some() {
            return false;
        }
        self.output.next_is_urgent()
    }

    /// The next piece as it is; the one that starts compression is the last.
    fn poll_plain(&mut self) -> Option<Bytes> {
        if self.output.said_bytes == 0 && !self.slots.are_empty() {
            let mut answers = BytesMut::new();
            self.answer_slots(&mut answers);
            if !answers.is_empty() {
                return Some(answers.freeze());
            }
        }
        Some(match self.output.pop()? {
            Piece::Bytes(bytes) => bytes,
            Piece::Mark => Bytes::from_static(&[IAC, Command::DM.0]),
            #[cfg(feature = "mccp")]
            Piece::CompressionStarts(option) => {
                self.compression.deflate = Some(Deflate::new());
                let mut start = BytesMut::new();
                Subnegotiation::Other { option, payload: Bytes::new() }.encode(&mut start);
                start.freeze()
            }
            #[cfg(feature = "mccp")]
            Piece::CompressionEnds => return self.poll_plain(),
        })
    }

    /// What there is up to a piece's length, compressed, so that the peer can unfold all of it at once.
    #[cfg(feature = "mccp")]
    fn poll_compressed(&mut self) -> Option<Bytes> {
        let mut deflate = self.compression.deflate.take()?;
        let (mut plain, mut out, mut has_ended) = (BytesMut::new(), BytesMut::new(), false);
        while plain.len() < PIECE_BYTES && !has_ended {
            if self.output.next_ends_compression() {
                has_ended = true;
                self.output.pop();
            } else if let Some(piece) = self.poll_plain() {
                plain.extend_from_slice(&piece);
            } else {
                break;
            }
        }
        if has_ended || !plain.is_empty() {
            deflate.push(&plain, has_ended, &mut out);
        }
        if !has_ended {
            self.compression.deflate = Some(deflate);
        }
        (!out.is_empty()).then(|| out.freeze())
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
        let mut length = self.room().min(data.len());
        // A pair is one newline: its second half finds room too.
        if let Some(at) = length.checked_sub(1)
            && data.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n"))
        {
            length += 1;
        }
        let taken = data.split_to(length);
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
    let asked: BTreeSet<(Kind, &[u8])> = wanted.iter().map(|wanted| (wanted.kind, &wanted.name[..])).collect();
    let is_asked = |kind, name| asked.contains(&(kind, &[])) || asked.contains(&(kind, name));
    let mut told: Vec<Variable> =
        configured.iter().filter(|variable| is_asked(variable.kind, &variable.name)).cloned().collect();
    let mut names: BTreeSet<(Kind, Bytes)> =
        told.iter().map(|variable| (variable.kind, variable.name.clone())).collect();
    for wanted in wanted.iter().filter(|wanted| !wanted.name.is_empty()) {
        if names.insert((wanted.kind, wanted.name.clone())) {
            told.push(Variable { kind: wanted.kind, name: wanted.name.clone(), value: None });
        }
    }
    told
}

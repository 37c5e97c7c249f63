//! What goes out: one queue of whole sequences.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    Command, IAC, OptionCode, Subnegotiation, Token, Verb,
    newline::{self, Outgoing},
    option::terminal_type,
    parser::{SB, escape},
};

/// Data in a slice of its own from here on; what is smaller is gathered, so that keys do not wait in a piece each.
const OWN_PIECE_BYTES: usize = 512;

/// What [`Output::pop`] hands out.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// IAC DM, whose last byte is urgent.
    Mark,
    /// What comes after the start of the option's compression is compressed.
    #[cfg(feature = "mccp")]
    CompressionStarts(OptionCode),
    #[cfg(feature = "mccp")]
    CompressionEnds,
}

#[derive(Debug)]
struct Queued {
    piece: Piece,
    /// Bytes of data before escaping; `None`: it is no data.
    plain_bytes: Option<usize>,
}

/// Data and what is said, in order.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Queued>,
    /// What comes after the queue, still open: one kind of bytes.
    tail: BytesMut,
    /// `None`: the tail is no data.
    tail_plain_bytes: Option<usize>,
    /// INVARIANT: the sum of `plain_bytes`.
    pub(super) data_bytes: usize,
    /// INVARIANT: the sum of the lengths of everything else.
    pub(super) said_bytes: usize,
}

impl Output {
    #[inline]
    pub(super) fn negotiation(&mut self, verb: Verb, option: OptionCode) {
        if self.tail_plain_bytes.is_some() {
            self.close_tail();
        }
        let said = [IAC, verb.byte(), option.0];
        self.tail.extend_from_slice(&said);
        self.said_bytes += said.len();
    }

    pub(super) fn command(&mut self, command: Command) {
        self.said(|out| Token::Command(command).encode(out));
    }

    pub(super) fn subnegotiation(&mut self, subnegotiation: &Subnegotiation) {
        self.said(|out| subnegotiation.encode(out));
    }

    /// The answer that nearly every server asks for.
    pub(super) fn terminal_type(&mut self, name: &str) {
        self.said(|out| {
            out.extend_from_slice(&[IAC, SB, OptionCode::TERMINAL_TYPE.0, terminal_type::IS]);
            escape(name.as_bytes(), out);
            out.extend_from_slice(&[IAC, Command::SE.0]);
        });
    }

    #[inline]
    fn said(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.tail_plain_bytes.is_some() {
            self.close_tail();
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.said_bytes += self.tail.len() - before;
    }

    pub(super) fn data(&mut self, data: Bytes, mode: Outgoing) {
        let plain_bytes = data.len();
        self.data_bytes += plain_bytes;
        if self.tail_plain_bytes.is_none() || plain_bytes >= OWN_PIECE_BYTES {
            self.close_tail();
        }
        if plain_bytes >= OWN_PIECE_BYTES && newline::is_plain(mode, &data) {
            self.queue.push_back(Queued { piece: Piece::Bytes(data), plain_bytes: Some(plain_bytes) });
            return;
        }
        newline::encode(mode, &data, &mut self.tail);
        *self.tail_plain_bytes.get_or_insert(0) += plain_bytes;
    }

    /// A piece that stands alone, and is no data.
    fn alone(&mut self, piece: Piece) {
        self.close_tail();
        self.said_bytes += bytes_of(&piece);
        self.queue.push_back(Queued { piece, plain_bytes: None });
    }

    pub(super) fn synch(&mut self) {
        // One mark is as good as many.
        let is_marked = matches!(self.queue.back(), Some(Queued { piece: Piece::Mark, .. }));
        if !is_marked || !self.tail.is_empty() {
            self.alone(Piece::Mark);
        }
    }

    #[cfg(feature = "mccp")]
    pub(super) fn compression_starts(&mut self, option: OptionCode) {
        self.alone(Piece::CompressionStarts(option));
    }

    #[cfg(feature = "mccp")]
    pub(super) fn compression_ends(&mut self) {
        self.alone(Piece::CompressionEnds);
    }

    #[cfg(feature = "mccp")]
    pub(super) fn next_ends_compression(&self) -> bool {
        matches!(self.queue.front(), Some(Queued { piece: Piece::CompressionEnds, .. }))
    }

    pub(super) fn drop_data(&mut self) {
        self.queue.retain(|queued| queued.plain_bytes.is_none());
        if self.tail_plain_bytes.take().is_some() {
            self.tail.clear();
        }
        self.data_bytes = 0;
    }

    pub(super) fn next_is_urgent(&self) -> bool {
        matches!(self.queue.front(), Some(Queued { piece: Piece::Mark, .. }))
    }

    pub(super) fn pop(&mut self) -> Option<Piece> {
        if self.queue.is_empty() {
            self.close_tail();
        }
        let Queued { piece, plain_bytes } = self.queue.pop_front()?;
        match plain_bytes {
            Some(bytes) => self.data_bytes -= bytes,
            None => self.said_bytes -= bytes_of(&piece),
        }
        Some(piece)
    }

    fn close_tail(&mut self) {
        let plain_bytes = self.tail_plain_bytes.take();
        if !self.tail.is_empty() {
            let piece = Piece::Bytes(self.tail.split().freeze());
            self.queue.push_back(Queued { piece, plain_bytes });
        }
    }
}

fn bytes_of(piece: &Piece) -> usize {
    match piece {
        Piece::Bytes(bytes) => bytes.len(),
        _ => 2,
    }
}

//! Cuts the peer's bytes into pieces of frames, without waiting for DATA to be whole.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    Error, Frame, FrameHeader, FrameType, Limits,
    frame::{self, ChannelId, FLAG, HEADER_BYTES},
};

/// What the input yields, in order.
#[derive(Debug)]
pub(super) enum Piece {
    /// A whole frame that is not DATA.
    Frame(Frame),
    /// A DATA frame begins: its length is to be charged before its bytes are waited for.
    DataBegins { channel: ChannelId, length: u16 },
    /// Some bytes of the DATA frame; `fin` on its last piece if the frame carries the flag.
    Data { channel: ChannelId, data: Bytes, fin: bool },
}

#[derive(Debug)]
enum State {
    Preamble,
    Header,
    Control(FrameHeader),
    Data { channel: ChannelId, remaining: usize, fin: bool },
    Skip { remaining: usize },
}

#[derive(Debug)]
pub(super) struct Input {
    state: State,
    /// What the carrier delivered and is not yet used, each with the length it came with.
    chunks: VecDeque<(Bytes, usize)>,
    /// INVARIANT: the sum of the lengths in `chunks`.
    available: usize,
}

impl Input {
    pub(super) fn new(with_preamble: bool) -> Self {
        Self {
            state: if with_preamble { State::Preamble } else { State::Header },
            chunks: VecDeque::new(),
            available: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.available += chunk.len();
            let length = chunk.len();
            self.chunks.push_back((chunk, length));
        }
    }

    /// Forgets everything: after an error or an end nothing more is read.
    pub(super) fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.available = 0;
    }

    /// The next piece; `Ok(None)` until more has arrived.
    pub(super) fn next(&mut self, limits: &Limits) -> Result<Option<Piece>, Error> {
        loop {
            match self.state {
                State::Preamble => {
                    let Some(bytes) = self.take(8) else { return Ok(None) };
                    frame::check_preamble(bytes)?;
                    self.state = State::Header;
                }
                State::Header => {
                    let Some(bytes) = self.take(HEADER_BYTES) else { return Ok(None) };
                    let Some(header) = FrameHeader::decode(&mut &bytes[..])? else { return Ok(None) };
                    frame::check_length(&header, limits)?;
                    let remaining = usize::from(header.length);
                    if header.frame_type == FrameType::DATA {
                        let channel = header.channel;
                        self.state = State::Data { channel, remaining, fin: header.flags & FLAG != 0 };
                        return Ok(Some(Piece::DataBegins { channel, length: header.length }));
                    }
                    self.state = match header.frame_type.is_ignorable() {
                        true => State::Skip { remaining },
                        false => State::Control(header),
                    };
                }
                State::Control(header) => {
                    let Some(payload) = self.take(usize::from(header.length)) else { return Ok(None) };
                    self.state = State::Header;
                    return frame::decode_control(header, &payload, limits).map(|frame| Some(Piece::Frame(frame)));
                }
                State::Data { channel, remaining, fin } => {
                    let data = self.take_up_to(remaining);
                    if data.is_empty() && remaining > 0 {
                        return Ok(None);
                    }
                    let remaining = remaining - data.len();
                    self.state = match remaining {
                        0 => State::Header,
                        _ => State::Data { channel, remaining, fin },
                    };
                    return Ok(Some(Piece::Data { channel, data, fin: fin && remaining == 0 }));
                }
                State::Skip { remaining } => {
                    let skipped = self.take_up_to(remaining).len();
                    match remaining - skipped {
                        0 => self.state = State::Header,
                        _ if skipped == 0 => return Ok(None),
                        remaining => self.state = State::Skip { remaining },
                    }
                }
            }
        }
    }

    /// Exactly `length` bytes, gathered only if they straddle chunks.
    fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.available < length {
            return None;
        }
        match self.chunks.front() {
            Some((front, _)) if front.len() < length => {
                let mut whole = BytesMut::with_capacity(length);
                while whole.len() < length {
                    whole.extend_from_slice(&self.take_up_to(length - whole.len()));
                }
                Some(whole.freeze())
            }
            _ => Some(self.take_front(length)),
        }
    }

    /// The rest of the first chunk, at most `length` bytes; a small part of a big chunk is copied, so that it does
    /// not keep the whole chunk in memory.
    fn take_up_to(&mut self, length: usize) -> Bytes {
        let Some(&(_, chunk_bytes)) = self.chunks.front() else { return Bytes::new() };
        let part = self.take_front(length);
        if part.len() < chunk_bytes / 4 { Bytes::copy_from_slice(&part) } else { part }
    }

    fn take_front(&mut self, length: usize) -> Bytes {
        let Some((front, _)) = self.chunks.front_mut() else { return Bytes::new() };
        let part = front.split_to(length.min(front.len()));
        self.available -= part.len();
        if !front.has_remaining() {
            self.chunks.pop_front();
        }
        part
    }
}

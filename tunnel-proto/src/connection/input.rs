//! Cuts the peer's bytes into pieces of frames, without waiting for DATA to be whole, and counts what resumption counts.
//!
//! A DATA frame that a lost carrier cut short is the first counted frame on the next one. What of it was passed on
//! already is skipped.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    Error, Frame, FrameHeader, FrameType, Limits,
    frame::{self, ChannelId, FLAG, HEADER_BYTES},
};

/// Chunks that wait for the rest of a frame, before they are gathered in one.
const MAX_CHUNKS: usize = 16;

/// A slice shorter than this part of its chunk is copied, so that it does not keep the chunk in memory: what waits somewhere may keep
/// so many times its length. A full frame is a quarter of the driver's biggest chunk.
const COPIED_BELOW: usize = 8;

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
    Data {
        header: FrameHeader,
        remaining: usize,
    },
    /// Payload that was passed on before the carrier was lost.
    Again {
        header: FrameHeader,
        remaining: usize,
        skip: usize,
    },
    Skip {
        remaining: usize,
    },
}

#[derive(Debug)]
pub(super) struct Input {
    state: State,
    /// What the carrier delivered and is not yet used, each with the length it came with.
    chunks: VecDeque<(Bytes, usize)>,
    /// INVARIANT: the sum of the lengths in `chunks`.
    available: usize,
    /// Bytes of counted frames that have arrived whole.
    counted: u64,
    /// The DATA frame that was cut short, and how many bytes of its payload have been passed on.
    cut_short: Option<(FrameHeader, usize)>,
}

impl Input {
    pub(super) fn new(with_preamble: bool) -> Self {
        Self {
            state: if with_preamble { State::Preamble } else { State::Header },
            chunks: VecDeque::new(),
            available: 0,
            counted: 0,
            cut_short: None,
        }
    }

    /// What has arrived, in bytes of counted frames.
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    pub(super) fn has_unread(&self) -> bool {
        self.available > 0
    }

    /// The carrier is gone: forgets what was not read of it, and notes what was passed on of an unfinished frame.
    pub(super) fn interrupt(&mut self, with_preamble: bool) {
        if let State::Data { header, remaining } = self.state {
            self.cut_short = Some((header, usize::from(header.length) - remaining));
        }
        self.state = if with_preamble { State::Preamble } else { State::Header };
        self.clear();
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        if self.chunks.len() >= MAX_CHUNKS {
            // A frame that comes byte by byte is not to cost many times its length.
            let whole = self.take(self.available).unwrap_or_default();
            self.available = whole.len();
            self.chunks.push_back((whole.clone(), whole.len()));
        }
        self.available += chunk.len();
        let length = chunk.len();
        self.chunks.push_back((chunk, length));
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
                    let Some(bytes) = self.take(frame::PREAMBLE_BYTES) else { return Ok(None) };
                    frame::check_preamble(bytes)?;
                    self.state = State::Header;
                }
                State::Header => {
                    let Some(bytes) = self.take(HEADER_BYTES) else { return Ok(None) };
                    let Some(header) = FrameHeader::decode(&mut &bytes[..])? else { return Ok(None) };
                    frame::check_length(&header, limits)?;
                    let remaining = usize::from(header.length);
                    if let Some((begun, skip)) = self.cut_short
                        && header.frame_type.is_counted()
                    {
                        if header != begun {
                            return Err(Error::Malformed {
                                what: "replay",
                                reason: "another frame than was cut short",
                            });
                        }
                        self.state = State::Again { header, remaining, skip };
                        continue;
                    }
                    if header.frame_type == FrameType::DATA {
                        self.state = State::Data { header, remaining };
                        return Ok(Some(Piece::DataBegins { channel: header.channel, length: header.length }));
                    }
                    self.state = match header.frame_type.is_ignorable() {
                        true => State::Skip { remaining },
                        false => State::Control(header),
                    };
                }
                State::Control(header) => {
                    let Some(payload) = self.take(usize::from(header.length)) else { return Ok(None) };
                    self.state = State::Header;
                    self.count(header);
                    return frame::decode_control(header, &payload, limits).map(|frame| Some(Piece::Frame(frame)));
                }
                State::Data { header, remaining } => {
                    let data = self.take_up_to(remaining);
                    if data.is_empty() && remaining > 0 {
                        return Ok(None);
                    }
                    let remaining = remaining - data.len();
                    self.state = State::Data { header, remaining };
                    if remaining == 0 {
                        self.state = State::Header;
                        self.count(header);
                    }
                    let fin = header.flags & FLAG != 0 && remaining == 0;
                    return Ok(Some(Piece::Data { channel: header.channel, data, fin }));
                }
                State::Again { header, remaining, skip } => {
                    let skipped = self.take_front(skip).len();
                    let (remaining, skip) = (remaining - skipped, skip - skipped);
                    self.state = match skip {
                        0 => {
                            self.cut_short = None;
                            State::Data { header, remaining }
                        }
                        _ if skipped == 0 => return Ok(None),
                        _ => State::Again { header, remaining, skip },
                    };
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

    fn count(&mut self, header: FrameHeader) {
        if header.frame_type.is_counted() {
            self.counted += HEADER_BYTES as u64 + u64::from(header.length);
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
        if part.len() < chunk_bytes / COPIED_BELOW { Bytes::copy_from_slice(&part) } else { part }
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

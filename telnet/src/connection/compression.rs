//! MCCP2 and MCCP3: a zlib stream within the connection. What the server sends is compressed with the one, what the client
//! sends with the other; both are the server's to offer.
//!
//! A stream is unfolded a piece at a time, when the piece before has been used: a few bytes that stand for gigabytes make
//! this side hold no more than one piece, and [`Limits::max_inflation_ratio`] ends them.

use alloc::{boxed::Box, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};
use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    deflate::{
        core::{CompressorOxide, create_comp_flags_from_zip_params},
        stream::deflate,
    },
    inflate::stream::{InflateState, inflate},
};

use crate::{Error, Limits, OptionCode, limits::wide};

/// What is unfolded, or compressed, at a time.
pub(super) const PIECE_BYTES: usize = 16 * 1024;
/// So much may come of anything.
const FREE_BYTES: u64 = 64 * 1024;
const LEVEL: i32 = 6;

/// How this side compresses, and whether the peer does.
#[derive(Debug, Default)]
pub(super) struct Compression {
    /// The option this side compresses for once everything queued before has left.
    pub(super) option: Option<OptionCode>,
    /// What it compresses with, from the next byte on.
    pub(super) deflate: Option<Deflate>,
    /// The peer's next byte begins a stream.
    pub(super) follows: bool,
    /// What the streams that have ended came to.
    pub(super) unfolded: Unfolded,
}

/// How much came of how much, over all streams of a connection: a stream that ends and begins anew is no new beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfolded {
    used_bytes: u64,
    made_bytes: u64,
}

/// What one step of [`Inflate`] came to.
pub(super) enum Inflated {
    /// Bytes, never none.
    Piece(Bytes),
    /// The input is used up.
    Wanting,
    /// The stream has ended: what is left of the input is as it is.
    Ended,
}

/// What the peer compresses.
pub(super) struct Inflate {
    state: Box<InflateState>,
    /// Where a piece is unfolded, before it is copied: a few bytes must not keep the room for many.
    scratch: Vec<u8>,
    pub(super) unfolded: Unfolded,
    /// Without more input no more comes out.
    is_drained: bool,
}

impl Inflate {
    pub(super) fn new(unfolded: Unfolded) -> Self {
        let state = InflateState::new_boxed(DataFormat::Zlib);
        Self { state, scratch: alloc::vec![0; PIECE_BYTES], unfolded, is_drained: true }
    }

    /// Unfolds the front of `input`.
    pub(super) fn pull(&mut self, input: &mut Bytes, limits: &Limits) -> Result<Inflated, Error> {
        while !input.is_empty() || !self.is_drained {
            let result = inflate(&mut self.state, input, &mut self.scratch, MZFlush::None);
            input.advance(result.bytes_consumed.min(input.len()));
            let Unfolded { used_bytes, made_bytes } = &mut self.unfolded;
            *used_bytes += wide(result.bytes_consumed);
            *made_bytes += wide(result.bytes_written);
            let is_going_on = matches!(result.status, Ok(MZStatus::Ok) | Err(MZError::Buf));
            self.is_drained = is_going_on && input.is_empty() && result.bytes_written < PIECE_BYTES;
            let max = limits.max_inflation_ratio;
            if *made_bytes > FREE_BYTES && *made_bytes > used_bytes.saturating_mul(max) {
                let got = made_bytes.div_ceil((*used_bytes).max(1));
                return Err(Error::LimitExceeded { what: "max_inflation_ratio", got, max });
            }
            if result.bytes_written > 0 {
                // What the status says is said again once the output is used.
                let piece = self.scratch.get(..result.bytes_written).unwrap_or_default();
                return Ok(Inflated::Piece(Bytes::copy_from_slice(piece)));
            }
            match result.status {
                Ok(MZStatus::StreamEnd) => return Ok(Inflated::Ended),
                Ok(MZStatus::Ok) if result.bytes_consumed > 0 => {}
                Ok(MZStatus::Ok) | Err(MZError::Buf) => break,
                _ => return Err(Error::Malformed { what: "MCCP", reason: "the compressed stream is damaged" }),
            }
        }
        Ok(Inflated::Wanting)
    }
}

/// What this side compresses.
pub(super) struct Deflate(Box<CompressorOxide>);

impl Deflate {
    pub(super) fn new() -> Self {
        Self(Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, 15, 0))))
    }

    /// Appends `input`, and whatever was held back, so that the peer can unfold all of it; `is_last` ends the stream.
    pub(super) fn push(&mut self, mut input: &[u8], is_last: bool, out: &mut BytesMut) {
        let flush = if is_last { MZFlush::Finish } else { MZFlush::Sync };
        let mut piece = [0; 1024];
        loop {
            let result = deflate(&mut self.0, input, &mut piece, flush);
            input = input.get(result.bytes_consumed..).unwrap_or_default();
            out.extend_from_slice(piece.get(..result.bytes_written).unwrap_or_default());
            let is_done = match result.status {
                Ok(MZStatus::StreamEnd) | Err(_) => true,
                Ok(_) => !is_last && input.is_empty() && result.bytes_written < piece.len(),
            };
            if is_done {
                return;
            }
        }
    }
}

impl core::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inflate").field("unfolded", &self.unfolded).finish()
    }
}

impl core::fmt::Debug for Deflate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Deflate")
    }
}

//! Counted frames on their way to the peer, kept until it has them.
//!
//! ```text
//!        acknowledged            sent on this carrier                      cut
//!  ───────────┼────────────────────────────┼────────────────────────────────┼───►
//!             │◄──────────────────────────  kept  ─────────────────────────►│
//! ```
//!
//! A frame is kept in the pieces it was cut in, so payload is not copied. Without resumption nothing is kept.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::{MemoryBudget, budget::Kept};

/// What a kept frame costs beyond its bytes, so that many small ones are not free.
const FRAME_COST_BYTES: usize = 64;

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    ends_frame: bool,
}

#[derive(Debug)]
pub(super) struct Replay {
    pieces: VecDeque<Piece>,
    /// How many of `pieces` were handed out on this carrier.
    handed_out: usize,
    /// Between two pieces of a frame nothing else may be said.
    in_frame: bool,
    /// `None`: nothing is kept.
    max_bytes: Option<usize>,
    /// What is kept, costs included.
    held_bytes: usize,
    /// The same, in the budget of the process.
    kept: Kept,
    /// In bytes of counted frames. INVARIANT: acknowledged <= sent.
    acknowledged: u64,
    sent: u64,
}

impl Replay {
    pub(super) fn new(budget: MemoryBudget) -> Self {
        Self {
            pieces: VecDeque::new(),
            handed_out: 0,
            in_frame: false,
            max_bytes: None,
            held_bytes: 0,
            kept: Kept::new(budget),
            acknowledged: 0,
            sent: 0,
        }
    }

    /// From now on frames are kept, up to about `max_bytes`: the frame that reaches it is the last.
    pub(super) fn keep(&mut self, max_bytes: usize) {
        self.max_bytes = Some(max_bytes);
    }

    pub(super) fn push(&mut self, bytes: Bytes, ends_frame: bool) {
        self.sent += bytes.len() as u64;
        self.held_bytes += bytes.len() + if ends_frame { FRAME_COST_BYTES } else { 0 };
        self.pieces.push_back(Piece { bytes, ends_frame });
        if self.max_bytes.is_some() {
            self.kept.set(self.held_bytes);
        }
    }

    /// The next piece for the carrier.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.handed_out)?;
        self.in_frame = !piece.ends_frame;
        let bytes = piece.bytes.clone();
        match self.max_bytes {
            Some(_) => self.handed_out += 1,
            None => {
                self.acknowledged += bytes.len() as u64;
                self.drop_front();
            }
        }
        Some(bytes)
    }

    pub(super) fn has_next(&self) -> bool {
        self.handed_out < self.pieces.len()
    }

    pub(super) fn is_in_frame(&self) -> bool {
        self.in_frame
    }

    /// Whether nothing more may be cut until the peer acknowledges.
    pub(super) fn is_full(&self) -> bool {
        self.max_bytes.is_some_and(|max| self.held_bytes >= max || self.kept.is_full())
    }

    /// Counted bytes cut so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Bytes that are not acknowledged, or were just handed out if nothing ever is.
    pub(super) fn under_way(&self) -> u64 {
        self.sent - self.acknowledged
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What the peer does not have yet, as far as this side knows.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The peer has everything up to `received`. Fails if that is not the end of a frame that was sent.
    pub(super) fn acknowledge(&mut self, received: u64) -> Result<(), &'static str> {
        let count = self.pieces_up_to(received)?;
        if count > self.handed_out {
            return Err("more than was sent");
        }
        self.drop_up_to(received, count);
        Ok(())
    }

    /// The number of pieces up to the end of the frame that ends at `received`.
    pub(super) fn pieces_up_to(&self, received: u64) -> Result<usize, &'static str> {
        if received < self.acknowledged {
            return Err("less than before");
        }
        let (mut at, mut ends_frame, mut count) = (self.acknowledged, true, 0);
        while at < received {
            let Some(piece) = self.pieces.get(count) else { return Err("more than was sent") };
            at += piece.bytes.len() as u64;
            ends_frame = piece.ends_frame;
            count += 1;
        }
        match at == received && ends_frame {
            true => Ok(count),
            false => Err("not the end of a frame"),
        }
    }

    fn drop_up_to(&mut self, received: u64, count: usize) {
        for _ in 0..count {
            self.drop_front();
        }
        self.kept.set(self.held_bytes);
        self.handed_out = self.handed_out.saturating_sub(count);
        self.acknowledged = received;
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }

    fn drop_front(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.held_bytes -= piece.bytes.len() + if piece.ends_frame { FRAME_COST_BYTES } else { 0 };
        }
    }

    /// A new carrier, to a peer that has everything up to `received`: the rest is handed out again.
    pub(super) fn rewind(&mut self, received: u64) -> Result<(), &'static str> {
        let count = self.pieces_up_to(received)?;
        self.drop_up_to(received, count);
        self.handed_out = 0;
        self.in_frame = false;
        Ok(())
    }

    /// The carrier is gone, and a frame that was under way with it.
    pub(super) fn interrupt(&mut self) {
        self.handed_out = 0;
        self.in_frame = false;
    }

    /// The session has ended: only a frame that is under way is still sent to its end.
    pub(super) fn forget(&mut self) {
        let mut rest = VecDeque::new();
        if self.in_frame {
            let under_way = self.pieces.drain(..).skip(self.handed_out);
            for piece in under_way {
                let ends_frame = piece.ends_frame;
                rest.push_back(piece);
                if ends_frame {
                    break;
                }
            }
        }
        self.held_bytes = rest.iter().map(|piece| piece.bytes.len() + FRAME_COST_BYTES).sum();
        (self.pieces, self.handed_out, self.max_bytes) = (rest, 0, None);
        self.kept.set(0);
    }
}

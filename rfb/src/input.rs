//! What the peer sent and is not yet used.

use alloc::collections::VecDeque;
use core::mem::take;

use bytes::{Buf, Bytes, BytesMut};

#[derive(Debug, Default)]
pub(crate) struct Input {
    chunks: VecDeque<Bytes>,
    /// INVARIANT: the sum of the lengths in `chunks`.
    available: usize,
}

/// A chunk of less than this is copied to the end of the last one: a peer that sends byte by byte shall not make this
/// side hold a buffer for each.
const SMALL_BYTES: usize = 4 * 1024;

impl Input {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.available += chunk.len();
        if chunk.len() >= SMALL_BYTES {
            self.chunks.push_back(chunk);
            return;
        }
        if let Some(last) = self.chunks.back_mut() {
            match take(last).try_into_mut() {
                Ok(mut joined) => {
                    joined.extend_from_slice(&chunk);
                    *last = joined.freeze();
                    return;
                }
                Err(shared) => *last = shared,
            }
        }
        if !chunk.is_empty() {
            self.chunks.push_back(Bytes::copy_from_slice(&chunk));
        }
    }

    /// Forgets everything: after an error nothing more is read.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn available(&self) -> usize {
        self.available
    }

    /// Copies the first bytes into `head` without using them; returns how many there are, at most what fits.
    pub(crate) fn peek<'a>(&self, head: &'a mut [u8]) -> &'a [u8] {
        let mut filled = 0;
        for chunk in &self.chunks {
            let room = head.get_mut(filled..).unwrap_or_default();
            for (to, from) in room.iter_mut().zip(chunk) {
                *to = *from;
                filled += 1;
            }
            if filled == head.len() {
                break;
            }
        }
        head.get(..filled).unwrap_or_default()
    }

    /// The first chunk, or nothing.
    pub(crate) fn front(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| &**chunk)
    }

    /// Exactly `length` bytes, gathered only if they straddle chunks; `None` until all have arrived.
    pub(crate) fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.available < length {
            return None;
        }
        if self.front().len() >= length {
            return Some(self.take_front(length));
        }
        let mut whole = BytesMut::with_capacity(length);
        while whole.len() < length {
            whole.extend_from_slice(&self.take_front(length - whole.len()));
        }
        Some(whole.freeze())
    }

    /// A fixed number of bytes; `None` until all have arrived.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut array = [0; N];
        if self.available < N {
            return None;
        }
        self.peek(&mut array);
        self.skip(N);
        Some(array)
    }

    /// Drops up to `length` bytes; returns how many there were.
    pub(crate) fn skip(&mut self, length: usize) -> usize {
        let mut skipped = 0;
        while skipped < length {
            match self.take_front(length - skipped).len() {
                0 => break,
                more => skipped += more,
            }
        }
        skipped
    }

    /// Everything.
    pub(crate) fn take_all(&mut self) -> Bytes {
        self.take(self.available).unwrap_or_default()
    }

    /// The front of the first chunk, at most `length` bytes.
    pub(crate) fn take_front(&mut self, length: usize) -> Bytes {
        let Some(front) = self.chunks.front_mut() else { return Bytes::new() };
        let part = front.split_to(length.min(front.len()));
        self.available -= part.len();
        if !front.has_remaining() {
            self.chunks.pop_front();
        }
        part
    }
}

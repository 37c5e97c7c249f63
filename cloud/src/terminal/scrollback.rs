//! What a terminal has shown last, counted from its first byte.

use std::collections::VecDeque;

use bytes::Bytes;

/// How much is kept for a page that comes back. More than a page may be behind.
const KEPT_BYTES: usize = 512 * 1024;

#[derive(Debug, Default)]
pub(super) struct Scrollback {
    bytes: VecDeque<u8>,
    /// Where `bytes` begins.
    start: u64,
    /// How far the last page has drawn.
    drawn: u64,
}

impl Scrollback {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(KEPT_BYTES);
        self.bytes.drain(..excess);
        self.start += excess as u64;
    }

    /// Where the next byte will stand.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn drawn(&self) -> u64 {
        self.drawn
    }

    pub(super) fn drawn_to(&mut self, drawn: u64) {
        self.drawn = self.drawn.max(drawn);
    }

    /// Where a page goes on that has received so much; everything that is kept, for a page that says nothing or is too far
    /// behind.
    pub(super) fn from(&self, received: Option<u64>) -> u64 {
        received.filter(|received| (self.start..=self.end()).contains(received)).unwrap_or_else(|| self.whole_line())
    }

    /// The beginning of what is kept: behind the first line's end, if a part of that line is gone.
    fn whole_line(&self) -> u64 {
        if self.start == 0 {
            return 0;
        }
        let line = self.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.start + line as u64
    }

    /// At most `max` bytes from a place on.
    pub(super) fn read(&self, from: u64, max: usize) -> Bytes {
        let skipped = usize::try_from(from.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        let length = (self.bytes.len() - skipped).min(max);
        self.bytes.range(skipped..skipped + length).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_where_it_was_and_a_new_one_begins_with_a_whole_line() {
        let mut scrollback = Scrollback::default();
        scrollback.push(b"first\nsecond\n");
        assert_eq!((scrollback.from(Some(6)), scrollback.from(None)), (6, 0));
        assert_eq!(scrollback.read(6, 100), "second\n");
        assert_eq!(scrollback.from(Some(99)), 0, "nobody has received what was not sent");

        scrollback.push(&b"third line\n".repeat(KEPT_BYTES / 11 + 1));
        let from = scrollback.from(Some(0));
        assert!(from > 13, "{from}");
        assert!(scrollback.read(from, 11).ends_with(b"third line\n"));
        assert_eq!(scrollback.end() - scrollback.start, KEPT_BYTES as u64);
    }
}

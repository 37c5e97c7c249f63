//! A slice that is read from the front and cannot panic.

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Everything before the first byte that `ends` it, which stays.
    pub(crate) fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().position(|byte| ends(*byte)).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        head
    }
}

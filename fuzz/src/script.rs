//! Bytes read as decisions: how an oracle turns any input into valid messages and operations.

/// Decisions off the front of an input; zeroes when it is used up.
#[derive(Clone, Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// Reads decisions from `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether no decision is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number from 0 to 255.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let value = usize::from(self.byte()) << 8 | usize::from(self.byte());
        value % bound
    }

    /// What is left, as bytes.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

//! How much of anything a peer can make this side hold or do.

use crate::Error;

/// Bounds on what a peer may ask for. Every default is finite.
///
/// ```
/// let mut limits = towline_telnet::Limits::default();
/// limits.max_subnegotiation_bytes = 1024;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Payload of one subnegotiation, in bytes, after doubled 0xFF are single again. What is longer is thrown away up to its end.
    pub max_subnegotiation_bytes: usize,
    /// Variables, names, triplets or other parts of one subnegotiation.
    pub max_list_items: usize,
    /// Depth of tables and arrays inside one another (MSDP).
    pub max_nesting: usize,
    /// Terminal types that a server asks a client for.
    pub max_terminal_types: usize,
    /// The peer's wishes about options that are answered in a row, without a byte of data between them. More are
    /// not answered: this is what ends a quarrel with a peer that takes every answer for a new question.
    pub max_answers_in_a_row: u32,
    /// A line that is edited on this side by a [`Keyboard`](crate::Keyboard), in bytes.
    pub max_line_bytes: usize,
    /// How many bytes may come of one, over all compressed streams of a connection, beyond the first 64 KiB (MCCP, with feature `mccp`).
    pub max_inflation_ratio: u64,
    /// Data that waits here to be sent, in bytes, before escaping. With 0 nothing is ever sent.
    pub max_unsent_bytes: usize,
    /// Answers that wait here to be sent, in bytes. While there are as many, no further input is looked at; with 0 none ever is.
    pub max_unsent_answer_bytes: usize,
    /// Input that may wait, in bytes, before [`Connection::handle_input`](crate::Connection::handle_input) is an error. A
    /// driver that reads no more while [`Connection::wants_input`](crate::Connection::wants_input) is false never meets it.
    pub max_waiting_input_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_subnegotiation_bytes: 64 * 1024,
            max_list_items: 512,
            max_nesting: 16,
            max_terminal_types: 16,
            max_answers_in_a_row: 1024,
            max_line_bytes: 4096,
            max_inflation_ratio: 256,
            max_unsent_bytes: 128 * 1024,
            max_unsent_answer_bytes: 16 * 1024,
            max_waiting_input_bytes: 1024 * 1024,
        }
    }
}

impl Limits {
    pub(crate) fn list_items(&self, count: usize) -> Result<(), Error> {
        check("max_list_items", count, self.max_list_items)
    }

    pub(crate) fn nesting(&self, depth: usize) -> Result<(), Error> {
        check("max_nesting", depth, self.max_nesting)
    }
}

pub(crate) fn check(what: &'static str, got: usize, max: usize) -> Result<(), Error> {
    if got > max {
        return Err(Error::LimitExceeded { what, got: wide(got), max: wide(max) });
    }
    Ok(())
}

/// A length as the errors have it.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

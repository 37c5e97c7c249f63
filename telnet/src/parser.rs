//! Bytes to tokens and back: RFC 854 and RFC 855, nothing else.
//!
//! ```text
//!            ┌──────┐  IAC   ┌─────────┐ WILL WONT DO DONT ┌─────────────┐
//!  bytes ───►│ Data │───────►│ Command │──────────────────►│ Negotiation │──► Data
//!            └──────┘◄───────└─────────┘                   └─────────────┘
//!               ▲   IAC, NOP …    │ SB
//!               │                 ▼
//!               │            ┌────────┐ option ┌─────────┐ IAC ┌────────────┐
//!               │            │ Option │───────►│ Payload │◄───►│ PayloadIac │ IAC: one 0xFF of payload
//!               │            └────────┘        └─────────┘     └────────────┘ a byte that is no command: spoils it
//!               └────────────────────────────────────────────────── SE: its end
//!                                                                    another command: it was cut off
//! ```

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use crate::{
    Command, Error, IAC, Limits, OptionCode, Verb,
    limits::{check, wide},
    near::find,
};

/// The beginning of a subnegotiation.
pub(crate) const SB: u8 = 250;
const SE: u8 = Command::SE.0;
/// Room for payloads that a parser keeps from one subnegotiation to the next, in bytes.
const KEPT_BYTES: usize = 4096;

/// One piece of the stream, in order. Data, and payloads that came in one piece, are slices of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token<'a> {
    /// Bytes for the application, 0xFF no longer doubled. Never empty; may be cut anywhere.
    Data(&'a [u8]),
    /// IAC and a byte that is neither a verb nor SB.
    Command(Command),
    /// WILL, WONT, DO or DONT.
    Negotiation {
        /// What is said.
        verb: Verb,
        /// About what.
        option: OptionCode,
    },
    /// IAC SB … IAC SE.
    Subnegotiation {
        /// Whose.
        option: OptionCode,
        /// What is between, 0xFF no longer doubled.
        payload: &'a [u8],
    },
    /// A subnegotiation that cannot be used. Nothing of it comes out as data.
    ///
    /// One that is longer than [`Limits::max_subnegotiation_bytes`] is reported when that is known, and thrown away up
    /// to its end. One with IAC and a byte below 236 in it (a 0xFF that was not doubled) is thrown away
    /// as a whole. One with another command in it was cut off: it is dropped, and the command counts.
    Spoilt {
        /// Whose, unless it ended before that was said.
        option: Option<OptionCode>,
        /// What is wrong with it.
        error: Error,
    },
}

impl Token<'_> {
    /// Appends the token's bytes, 0xFF doubled. A spoilt subnegotiation has none.
    pub fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Data(data) => escape(data, out),
            Self::Command(command) => out.extend_from_slice(&[IAC, command.0]),
            Self::Negotiation { verb, option } => out.extend_from_slice(&[IAC, verb.byte(), option.0]),
            Self::Subnegotiation { option, payload } => {
                out.reserve(payload.len() + 5);
                out.extend_from_slice(&[IAC, SB]);
                escape(&[option.0], out);
                escape(payload, out);
                out.extend_from_slice(&[IAC, SE]);
            }
            Self::Spoilt { .. } => {}
        }
    }
}

/// Appends `data` with every 0xFF doubled.
pub fn escape(data: &[u8], out: &mut BytesMut) {
    out.reserve(data.len());
    let mut rest = data;
    while let Some((before, after)) = find(IAC, rest).and_then(|at| rest.split_at_checked(at + 1)) {
        out.extend_from_slice(before);
        out.put_u8(IAC);
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Command,
    Negotiation(Verb),
    Option,
    OptionIac,
    Payload(OptionCode),
    PayloadIac(OptionCode),
}

/// Whether the payload under way can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Kept,
    /// To be reported at its end.
    Spoilt,
    /// Reported already.
    TooLong,
}

/// Cuts the peer's bytes into tokens, however they arrive. Holds the start of one subnegotiation, and nothing else.
#[derive(Clone, Debug)]
pub struct Parser {
    state: State,
    usable: Use,
    /// The payload so far. INVARIANT: at most `max_payload`.
    payload: Vec<u8>,
    max_payload: usize,
}

impl Parser {
    /// A parser at the beginning of a stream.
    pub fn new(limits: &Limits) -> Self {
        let max_payload = limits.max_subnegotiation_bytes;
        Self { state: State::Data, usable: Use::Kept, payload: Vec::new(), max_payload }
    }

    /// Takes a token off the front of `input`; `None` when all of it is used and the next token has not arrived. Each byte is
    /// looked at once, whatever it is.
    #[inline(always)]
    pub fn decode<'p, 'i: 'p>(&'p mut self, input: &mut &'i [u8]) -> Option<Token<'p>> {
        if self.state != State::Data {
            return self.step(input);
        }
        // What is here in one piece, as nearly everything is, needs no way through the states.
        if let Some((verb, option, rest)) = self.negotiation(input) {
            *input = rest;
            return Some(Token::Negotiation { verb, option });
        }
        if let Some((option, payload, rest)) = self.subnegotiation(input) {
            *input = rest;
            return Some(Token::Subnegotiation { option, payload });
        }
        match **input {
            [IAC, SB, option @ ..=254, ref body @ ..] => match until_iac(body) {
                Some((_, [IAC, ..])) if let Some(rest) = self.undouble(body) => {
                    *input = rest;
                    Some(Token::Subnegotiation { option: OptionCode(option), payload: &self.payload })
                }
                _ => self.step(input),
            },
            [IAC, IAC, ref rest @ ..] => {
                // A doubled 0xFF: the second one is data, and so is what follows.
                let end = find(IAC, rest).map(|at| at + 1);
                *input = input.get(1..)?;
                Some(data(input, end))
            }
            [IAC, command @ ..SB, ref rest @ ..] => {
                *input = rest;
                Some(Token::Command(Command(command)))
            }
            [IAC, ..] => self.step(input),
            [] => None,
            _ => Some(data(input, find(IAC, input))),
        }
    }

    /// What is said about an option, if that comes next and is here in one piece, and what follows it.
    #[inline(always)]
    pub(crate) fn negotiation<'i>(&self, input: &'i [u8]) -> Option<(Verb, OptionCode, &'i [u8])> {
        match *input {
            [IAC, verb @ 251..=254, option, ref rest @ ..] if self.state == State::Data => {
                Some((Verb::from_byte(verb)?, OptionCode(option), rest))
            }
            _ => None,
        }
    }

    /// A payload without a 0xFF, if it comes next and is here in one piece, whose it is, and what follows it.
    #[inline(always)]
    pub(crate) fn subnegotiation<'i>(&self, input: &'i [u8]) -> Option<(OptionCode, &'i [u8], &'i [u8])> {
        match *input {
            [IAC, SB, option @ ..=254, ref body @ ..] if self.state == State::Data => match until_iac(body)? {
                (payload, [SE, rest @ ..]) if payload.len() <= self.max_payload => {
                    Some((OptionCode(option), payload, rest))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// How many bytes there are before the next IAC, if any.
    #[inline(always)]
    pub(crate) fn data(&self, input: &[u8]) -> Option<usize> {
        match *input {
            [] | [IAC, ..] => None,
            _ if self.state != State::Data => None,
            _ => Some(find(IAC, input).unwrap_or(input.len())),
        }
    }

    /// Keeps the payload that is in front of IAC SE, if that is here and nothing is wrong with it; what follows it.
    fn undouble<'i>(&mut self, body: &'i [u8]) -> Option<&'i [u8]> {
        self.clear_payload();
        let mut rest = body;
        loop {
            let (part, after) = until_iac(rest)?;
            if self.payload.len() + part.len() > self.max_payload {
                return None;
            }
            self.payload.extend_from_slice(part);
            match after {
                [SE, after @ ..] => return Some(after),
                [IAC, after @ ..] if self.payload.len() < self.max_payload => {
                    self.payload.push(IAC);
                    rest = after;
                }
                _ => return None,
            }
        }
    }

    /// The same, a state at a time.
    fn step<'p, 'i: 'p>(&'p mut self, input: &mut &'i [u8]) -> Option<Token<'p>> {
        loop {
            let (&first, rest) = input.split_first()?;
            match self.state {
                State::Data if first == IAC => {
                    *input = rest;
                    self.state = State::Command;
                }
                State::Data => return Some(data(input, find(IAC, input))),
                State::Command => {
                    self.state = State::Data;
                    if first == IAC {
                        return Some(data(input, find(IAC, rest).map(|at| at + 1)));
                    }
                    *input = rest;
                    match Verb::from_byte(first) {
                        Some(verb) => self.state = State::Negotiation(verb),
                        None if first == SB => self.state = State::Option,
                        None => return Some(Token::Command(Command(first))),
                    }
                }
                State::Negotiation(verb) => {
                    self.state = State::Data;
                    *input = rest;
                    return Some(Token::Negotiation { verb, option: OptionCode(first) });
                }
                State::Option => {
                    *input = rest;
                    match first {
                        IAC => self.state = State::OptionIac,
                        option => self.begin(OptionCode(option)),
                    }
                }
                State::OptionIac => match first {
                    IAC => {
                        *input = rest;
                        self.begin(OptionCode(IAC));
                    }
                    SE => {
                        *input = rest;
                        self.state = State::Data;
                        return Some(spoilt(None, "it names no option"));
                    }
                    _ => {
                        self.state = State::Command;
                        return Some(spoilt(None, "it was cut off by another command"));
                    }
                },
                State::Payload(option) => {
                    let (part, rest, ended) = match until_iac(input) {
                        Some((part, rest)) => (part, rest, true),
                        None => (*input, &[][..], false),
                    };
                    *input = rest;
                    if ended {
                        self.state = State::PayloadIac(option);
                    }
                    if let Some(error) = self.keep(part) {
                        return Some(Token::Spoilt { option: Some(option), error });
                    }
                }
                State::PayloadIac(option) => match first {
                    IAC => {
                        *input = rest;
                        self.state = State::Payload(option);
                        if let Some(error) = self.keep(&[IAC]) {
                            return Some(Token::Spoilt { option: Some(option), error });
                        }
                    }
                    SE => {
                        *input = rest;
                        self.state = State::Data;
                        match self.usable {
                            Use::Kept => return Some(Token::Subnegotiation { option, payload: &self.payload }),
                            Use::Spoilt => return Some(spoilt(Some(option), "a 0xFF in it is not doubled")),
                            Use::TooLong => {}
                        }
                    }
                    0..236 => {
                        *input = rest;
                        self.state = State::Payload(option);
                        if self.usable == Use::Kept {
                            self.usable = Use::Spoilt;
                        }
                    }
                    _ => {
                        self.state = State::Command;
                        if self.usable != Use::TooLong {
                            return Some(spoilt(Some(option), "it was cut off by another command"));
                        }
                    }
                },
            }
        }
    }

    /// Whether the input so far ends between two tokens.
    pub fn is_between_tokens(&self) -> bool {
        self.state == State::Data
    }

    /// Bytes of an unfinished subnegotiation that are held.
    pub fn held_bytes(&self) -> usize {
        match self.state {
            State::Payload(_) | State::PayloadIac(_) => self.payload.len(),
            _ => 0,
        }
    }

    fn begin(&mut self, option: OptionCode) {
        self.state = State::Payload(option);
        self.usable = Use::Kept;
        self.clear_payload();
    }

    fn clear_payload(&mut self) {
        self.payload.clear();
        if self.payload.capacity() > KEPT_BYTES {
            self.payload = Vec::new();
        }
    }

    /// Adds to the payload, unless it is of no use any more; an error when it becomes too long.
    fn keep(&mut self, part: &[u8]) -> Option<Error> {
        if self.usable == Use::TooLong {
            return None;
        }
        if let Err(error) = check("max_subnegotiation_bytes", self.payload.len() + part.len(), self.max_payload) {
            self.usable = Use::TooLong;
            self.payload = Vec::new();
            // However much arrived at once, the error is the same: one byte too many.
            let max = wide(self.max_payload);
            return Some(match error {
                Error::LimitExceeded { what, .. } => Error::LimitExceeded { what, got: max.saturating_add(1), max },
                other => other,
            });
        }
        self.payload.extend_from_slice(part);
        None
    }
}

/// The data before `end`, or all of it.
#[inline]
fn data<'a>(input: &mut &'a [u8], end: Option<usize>) -> Token<'a> {
    let (data, rest) = end.and_then(|end| input.split_at_checked(end)).unwrap_or((input, &[]));
    *input = rest;
    Token::Data(data)
}

/// The bytes before the first IAC, and those after it.
#[inline]
fn until_iac(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find(IAC, input)?;
    Some((input.get(..at)?, input.get(at + 1..)?))
}

fn spoilt(option: Option<OptionCode>, reason: &'static str) -> Token<'static> {
    Token::Spoilt { option, error: Error::Malformed { what: "subnegotiation", reason } }
}

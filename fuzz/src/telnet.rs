//! telnet: the parser against a framer written for clarity, one connection against any bytes, two against each other, the
//! payloads of the options.

mod compression;
mod reference;
mod session;

use bytes::{Bytes, BytesMut};
use towline_telnet::{
    Command, Config, Connection, Error, Event, Limits, OptionCode, OptionSet, Parser, Side, Subnegotiation, Token,
    Verb, newline::Incoming, option::naws::WindowSize,
};

pub use self::{compression::compression, session::valid_session};
use crate::{law, script::Script};

/// A token that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes for the application.
    Data(Vec<u8>),
    /// A command that stands alone.
    Command(Command),
    /// WILL, WONT, DO or DONT.
    Negotiation(Verb, OptionCode),
    /// A payload.
    Subnegotiation(OptionCode, Vec<u8>),
    /// A subnegotiation that cannot be used.
    Spoilt(Option<OptionCode>, Error),
}

impl From<Token<'_>> for Piece {
    fn from(token: Token<'_>) -> Self {
        match token {
            Token::Data(data) => Self::Data(data.into()),
            Token::Command(command) => Self::Command(command),
            Token::Negotiation { verb, option } => Self::Negotiation(verb, option),
            Token::Subnegotiation { option, payload } => Self::Subnegotiation(option, payload.into()),
            Token::Spoilt { option, error } => Self::Spoilt(option, error),
            other => panic!("a token that the oracle does not know: {other:?}"),
        }
    }
}

/// The parser, shaped as a machine.
struct Framer {
    parser: Parser,
    input: Bytes,
}

impl Framer {
    fn new(limits: &Limits) -> Self {
        Self { parser: Parser::new(limits), input: Bytes::new() }
    }
}

impl law::Machine for Framer {
    type Event = Piece;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        assert!(self.input.is_empty(), "all input is used");
        self.input = input;
    }

    fn poll_event(&mut self) -> Result<Option<Piece>, Error> {
        let mut rest = &self.input[..];
        let piece = self.parser.decode(&mut rest).map(Piece::from);
        let used = self.input.len() - rest.len();
        assert!(!matches!(&piece, Some(Piece::Data(data)) if data.is_empty()), "data is never empty");
        drop(self.input.split_to(used));
        Ok(piece)
    }

    fn join(last: &mut Piece, next: Piece) -> Option<Piece> {
        match (last, next) {
            (Piece::Data(data), Piece::Data(more)) => {
                data.extend(more);
                None
            }
            (_, next) => Some(next),
        }
    }
}

/// Any bytes, and a valid session, cut in two places each: the parser gives the same for every cut, and the same as a framer
/// of a few lines.
///
/// # Panics
///
/// If it does not.
pub fn parse(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(256), script.below(256)];
    let mut limits = Limits::default();
    limits.max_subnegotiation_bytes = 1 + script.below(40);
    let rest = script.rest();
    for bytes in [rest.to_vec(), valid_session(rest)] {
        law::chunking(|| Framer::new(&limits), &bytes, &cuts);
        let (pieces, _) = law::run(Framer::new(&limits), [Bytes::from(bytes.clone())]);
        assert_eq!(pieces, reference::frame(&bytes, limits.max_subnegotiation_bytes), "not as the reference has it");
    }
}

/// Tokens of the script's choice: what was encoded is decoded again.
///
/// # Panics
///
/// If it is not.
pub fn round_trip(input: &[u8]) {
    let pieces = session::pieces(input);
    let wire = session::wire(&pieces);
    let (decoded, _) = law::run(Framer::new(&Limits::default()), [Bytes::from(wire)]);
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        let rest = match joined.last_mut() {
            Some(last) => <Framer as law::Machine>::join(last, piece),
            None => Some(piece),
        };
        joined.extend(rest);
    }
    joined.retain(|piece| !matches!(piece, Piece::Data(data) if data.is_empty()));
    assert_eq!(decoded, joined);
}

/// A payload of the option in the first byte: what can be read is written back, and reads as the same again.
///
/// # Panics
///
/// If that does not hold.
pub fn subnegotiation(input: &[u8]) {
    let Some((option, payload)) = input.split_first() else { return };
    let limits = Limits::default();
    let Ok(value) = Subnegotiation::decode(OptionCode(*option), payload, &limits) else { return };
    let mut again = BytesMut::new();
    value.encode_payload(&mut again);
    assert_eq!(Subnegotiation::decode(OptionCode(*option), &again, &limits).as_ref(), Ok(&value));

    // And within its frame.
    let mut wire = BytesMut::new();
    value.encode(&mut wire);
    let (pieces, _) = law::run(Framer::new(&limits), [wire.freeze()]);
    assert_eq!(pieces, [Piece::Subnegotiation(OptionCode(*option), again.to_vec())]);
}

/// A configuration that agrees to everything, so that every answer is tried.
fn agreeable(newlines: u8) -> Config {
    let mut config = Config::client("xterm");
    // After START-TLS a connection is over, which has a test of its own.
    let all: OptionSet = (0..=255).map(OptionCode).filter(|option| *option != OptionCode::START_TLS).collect();
    config.policy.local = all;
    config.policy.remote = all;
    config.incoming = match newlines % 4 {
        0 => Incoming::Raw,
        1 => Incoming::Screen,
        2 => Incoming::Keys,
        _ => Incoming::Lines,
    };
    config.window = Some(WindowSize { columns: 80, rows: 24 });
    config.charsets = vec!["UTF-8".into()];
    config.ask_details = newlines & 4 != 0;
    config
}

/// A connection whose driver is always quick to send, and that counts what it says.
struct Victim {
    connection: Connection,
    heard: usize,
    said: usize,
}

impl Victim {
    fn new(config: Config) -> Self {
        let mut limits = Limits::default();
        // Where exactly a bomb is noticed depends on how the input was cut.
        limits.max_inflation_ratio = u64::MAX;
        Self { connection: Connection::new(config, limits), heard: 0, said: 0 }
    }
}

impl law::Machine for Victim {
    type Event = Event;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.heard += input.len();
        self.connection.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let event = self.connection.poll_event()?;
            let mut transmitted = false;
            while let Some(piece) = self.connection.poll_transmit() {
                assert!(!piece.is_empty());
                self.said += piece.len();
                transmitted = true;
            }
            // The largest answer to a few bytes is the STATUS of everything that can be on.
            assert!(self.said <= 100 + self.heard * 200, "{} bytes made {}", self.heard, self.said);
            if event.is_some() || !transmitted {
                assert!(event.is_some() || self.connection.wants_input(), "it stopped for no reason");
                return Ok(event);
            }
        }
    }

    fn join(last: &mut Event, next: Event) -> Option<Event> {
        match (last, next) {
            (Event::Data(data), Event::Data(more)) => {
                *data = [&data[..], &more[..]].concat().into();
                None
            }
            (_, next) => Some(next),
        }
    }
}

/// One connection: the input as it is, and as a script for a valid session, cut in two places each. What it says is bounded by what it
/// hears.
///
/// # Panics
///
/// If the chunking law is broken, or the bound.
pub fn connection(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(1024), script.below(1024)];
    let newlines = script.byte();
    let rest = script.rest();
    for bytes in [rest.to_vec(), valid_session(rest)] {
        law::chunking(|| Victim::new(agreeable(newlines)), &bytes, &cuts);
        law::chunking(|| Victim::new(Config::server()), &bytes, &cuts);
    }
}

/// Two connections whose applications do what the script says, on a wire that delivers when the script says: in the end
/// they fall silent, of one opinion about every option, and no data was lost or doubled.
///
/// # Panics
///
/// If they do not.
pub fn negotiate(input: &[u8]) {
    let mut script = Script::new(input);
    let newlines = script.byte();
    // What CR NUL does to data, the other end undoes, unless the two are not of one opinion where BINARY begins and ends.
    let plain = |config: Config| {
        let mut config = config;
        config.incoming = Incoming::Screen;
        config.outgoing = towline_telnet::newline::Outgoing::CrNul;
        config
    };
    let mut near = Connection::new(plain(agreeable(newlines)), Limits::default());
    let mut far = Connection::new(plain(Config::server()), Limits::default());
    let (mut forth, mut back) = (Vec::new(), Vec::new());
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    let mut steps = 0;
    while !script.is_empty() && steps < 500 {
        steps += 1;
        let what = script.byte();
        let end = if what & 1 == 0 { &mut near } else { &mut far };
        let side = if what & 2 == 0 { Side::Local } else { Side::Remote };
        match what >> 2 & 7 {
            0 | 1 => {
                let option = option(&mut script);
                // Whoever offers BINARY begins when it hears a yes, which the other end cannot see. RFC 856 leaves it at that.
                let side = if option == OptionCode::BINARY { Side::Remote } else { side };
                end.enable(side, option);
            }
            2 | 3 => end.disable(side, option(&mut script)),
            4 => {
                let byte = script.byte();
                let data: Vec<u8> = if byte & 1 == 0 {
                    vec![byte; script.below(20)]
                } else {
                    (0..script.below(20)).map(|at| b"\r\0\n\r\r\n\xFF"[(at + usize::from(byte)) % 7]).collect()
                };
                if what & 1 == 0 {
                    sent.extend_from_slice(&data);
                }
                let mut data = Bytes::from(data);
                end.send(&mut data);
                assert!(data.is_empty(), "there is room");
            }
            5 => end.resize(WindowSize { columns: script.byte().into(), rows: 24 }),
            6 => end.timing_mark(),
            _ => {
                forth.extend(transmit(&mut near));
                back.extend(transmit(&mut far));
                let bytes = usize::from(script.byte());
                if what & 1 == 0 {
                    hear(&mut near, &take(&mut back, bytes));
                } else {
                    got.extend(hear(&mut far, &take(&mut forth, bytes)));
                }
            }
        }
    }
    let mut rounds = 0;
    loop {
        forth.extend(transmit(&mut near));
        back.extend(transmit(&mut far));
        if forth.is_empty() && back.is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds < 100, "they never fall silent");
        got.extend(hear(&mut far, &core::mem::take(&mut forth)));
        hear(&mut near, &core::mem::take(&mut back));
    }
    assert_eq!(got, sent);
    for option in (0..=255).map(OptionCode) {
        assert_eq!(near.is_on(Side::Local, option), far.is_on(Side::Remote, option), "{option}");
        assert_eq!(near.is_on(Side::Remote, option), far.is_on(Side::Local, option), "{option}");
    }
}

fn option(script: &mut Script<'_>) -> OptionCode {
    let byte = script.byte();
    OptionCode::ALL.get(usize::from(byte)).copied().unwrap_or(OptionCode(byte))
}

fn transmit(connection: &mut Connection) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(piece) = connection.poll_transmit() {
        said.extend_from_slice(&piece);
    }
    said
}

fn take(wire: &mut Vec<u8>, bytes: usize) -> Vec<u8> {
    wire.drain(..bytes.min(wire.len())).collect()
}

/// Gives a connection its input; returns the data in it.
fn hear(connection: &mut Connection, input: &[u8]) -> Vec<u8> {
    connection.handle_input(Bytes::copy_from_slice(input));
    let mut data = Vec::new();
    while let Some(event) = connection.poll_event().expect("no input is an error") {
        if let Event::Data(bytes) = event {
            data.extend_from_slice(&bytes);
        }
    }
    data
}

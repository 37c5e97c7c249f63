//! Sessions that keep every rule, as a script decides.

use bytes::{Bytes, BytesMut};
use towline_telnet::{
    Command, OptionCode, Subnegotiation, Token, Verb,
    option::{
        charset::Charset,
        com_port::{ComPort, ComPortCommand},
        gmcp::Gmcp,
        linemode::{Function, Level, Linemode, Mode, SpecialCharacter},
        msdp::{Msdp, Value},
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable},
        status::Status,
        terminal_speed::TerminalSpeed,
        terminal_type::TerminalType,
        x_display::XDisplay,
    },
};

use super::Piece;
use crate::script::Script;

/// What a peer sends that keeps every rule, as bytes: options are on before their payloads come.
pub fn valid_session(script: &[u8]) -> Vec<u8> {
    let on = [5, 24, 31, 32, 34, 35, 39, 42, 44, 69, 201].map(OptionCode);
    let mut all: Vec<Piece> =
        on.iter().flat_map(|option| [Verb::Will, Verb::Do].map(|verb| Piece::Negotiation(verb, *option))).collect();
    all.extend(pieces(script));
    wire(&all)
}

/// The script's tokens: text with every byte, signals, negotiation, and payloads that are correct.
pub(super) fn pieces(script: &[u8]) -> Vec<Piece> {
    let mut script = Script::new(script);
    let mut pieces = Vec::new();
    while !script.is_empty() && pieces.len() < 200 {
        pieces.push(match script.byte() % 8 {
            0 | 1 => Piece::Data((0..=script.below(30)).map(|_| script.byte()).collect()),
            2 => {
                let text = [&b"\r\n"[..], b"\r\0", b"\r", b"\xFF", b"\n\r", b"\0"];
                Piece::Data(text[script.below(text.len())].into())
            }
            3 => Piece::Command(Command(236 + script.byte() % 14)),
            4 | 5 => Piece::Negotiation(Verb::ALL[script.below(4)], OptionCode(script.byte())),
            _ => {
                let value = subnegotiation(&mut script);
                let mut payload = BytesMut::new();
                value.encode_payload(&mut payload);
                Piece::Subnegotiation(value.option(), payload.to_vec())
            }
        });
    }
    // 240 is the end of a subnegotiation, which stands alone nowhere in a valid session.
    pieces.retain(|piece| *piece != Piece::Command(Command::SE));
    pieces
}

fn subnegotiation(script: &mut Script<'_>) -> Subnegotiation {
    let word = |script: &mut Script<'_>| "x".repeat(script.below(12));
    match script.byte() % 14 {
        0 => Subnegotiation::WindowSize(WindowSize {
            columns: script.byte().into(),
            rows: u16::from(script.byte()) << 8,
        }),
        1 => Subnegotiation::TerminalType(TerminalType::Send),
        2 => Subnegotiation::TerminalType(TerminalType::Is(word(script))),
        3 => Subnegotiation::TerminalSpeed(TerminalSpeed::Send),
        4 => Subnegotiation::XDisplay(XDisplay::Send),
        5 => Subnegotiation::Environment(Environment::Send(Vec::new())),
        6 => {
            let name = Bytes::from(vec![script.byte(); script.below(6)]);
            let value = Some(Bytes::from(vec![script.byte(); script.below(6)]));
            Subnegotiation::Environment(Environment::Is(vec![Variable { kind: Kind::User, name, value }]))
        }
        7 => Subnegotiation::Status(Status::Send),
        8 => Subnegotiation::Linemode(Linemode::Mode(Mode(script.byte()))),
        9 => {
            let levels = [Level::NoSupport, Level::CannotChange, Level::Value, Level::Default];
            let mut triplet =
                || SpecialCharacter::new(Function(script.byte() % 40), levels[script.below(4)], script.byte());
            Subnegotiation::Linemode(Linemode::SpecialCharacters(vec![triplet(), triplet(), triplet()]))
        }
        10 => Subnegotiation::Charset(Charset::Request { ttable_version: None, names: vec!["UTF-8".into()] }),
        11 => Subnegotiation::ComPort(ComPort::from_client(ComPortCommand::BaudRate(script.byte().into()))),
        12 => Subnegotiation::Gmcp(Gmcp { name: "Core.Hello".into(), json: Some(word(script)) }),
        _ => {
            let value = Value::Array(vec![Value::Text("a".into()), Value::Text(word(script).into())]);
            Subnegotiation::Msdp(Msdp { variables: vec![("LIST".into(), value)] })
        }
    }
}

pub(super) fn wire(pieces: &[Piece]) -> Vec<u8> {
    let mut wire = BytesMut::new();
    for piece in pieces {
        match piece {
            Piece::Data(data) => Token::Data(data).encode(&mut wire),
            Piece::Command(command) => Token::Command(*command).encode(&mut wire),
            Piece::Negotiation(verb, option) => Token::Negotiation { verb: *verb, option: *option }.encode(&mut wire),
            Piece::Subnegotiation(option, payload) => {
                Token::Subnegotiation { option: *option, payload }.encode(&mut wire);
            }
            Piece::Spoilt(..) => {}
        }
    }
    wire.to_vec()
}

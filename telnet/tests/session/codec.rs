//! The tokio-util codec is the parser, with frames that own their bytes.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};
use towline_telnet::{
    Command, Limits, OptionCode, Parser, Subnegotiation, Token, Verb,
    codec::{Codec, Frame},
    option::naws::WindowSize,
};

fn frames() -> Vec<Frame> {
    vec![
        Frame::Data(Bytes::from_static(b"a\xFFb")),
        Frame::Negotiation { verb: Verb::Will, option: OptionCode::NAWS },
        Frame::Subnegotiation(Subnegotiation::WindowSize(WindowSize { columns: 255, rows: 65_535 })),
        Frame::Command(Command::AYT),
        Frame::Data(Bytes::from_static(b"end")),
    ]
}

/// All frames, data joined, of an input that comes in pieces of `step` bytes.
fn decode(input: &[u8], step: usize) -> Vec<Frame> {
    let mut codec = Codec::new(Limits::default());
    let mut buffer = BytesMut::new();
    let mut frames: Vec<Frame> = Vec::new();
    for piece in input.chunks(step) {
        buffer.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut buffer).unwrap() {
            match (frames.last_mut(), frame) {
                (Some(Frame::Data(data)), Frame::Data(more)) => *data = [&data[..], &more[..]].concat().into(),
                (_, frame) => frames.push(frame),
            }
        }
        assert!(buffer.is_empty(), "the parser keeps what it needs");
    }
    assert_eq!(codec.decode_eof(&mut buffer).unwrap(), None);
    frames
}

#[test]
fn frames_survive_the_wire_in_pieces_of_any_size() {
    let (mut codec, mut wire) = (Codec::new(Limits::default()), BytesMut::new());
    for frame in frames() {
        codec.encode(frame, &mut wire).unwrap();
    }
    for step in 1..=wire.len() {
        assert_eq!(decode(&wire, step), frames(), "pieces of {step}");
    }
}

#[test]
fn a_stream_that_ends_within_a_sequence_ends() {
    assert_eq!(decode(b"a\xFF\xFA\x1F\0", 2), [Frame::Data(Bytes::from_static(b"a"))]);
}

#[test]
fn a_command_that_would_begin_something_else_is_not_sent() {
    let (mut codec, mut wire) = (Codec::new(Limits::default()), BytesMut::new());
    for byte in 250..=255 {
        let error = codec.encode(Frame::Command(Command(byte)), &mut wire).unwrap_err();
        assert_eq!(error.to_string(), "telnet: a command that does not stand alone");
    }
    assert!(wire.is_empty());
}

/// The frame of a token.
fn frame(token: Token<'_>, limits: &Limits) -> Frame {
    match token {
        Token::Data(data) => Frame::Data(Bytes::copy_from_slice(data)),
        Token::Command(command) => Frame::Command(command),
        Token::Negotiation { verb, option } => Frame::Negotiation { verb, option },
        Token::Subnegotiation { option, payload } => match Subnegotiation::decode(option, payload, limits) {
            Ok(subnegotiation) => Frame::Subnegotiation(subnegotiation),
            Err(error) => Frame::Faulty { option: Some(option), error },
        },
        Token::Spoilt { option, error } => Frame::Faulty { option, error },
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_tokens_of_the_parser_whatever_comes(
        input in proptest::collection::vec(prop_oneof![Just(255u8), 236u8..=255, any::<u8>()], 0..200),
        step in 1usize..20,
    ) {
        let limits = Limits::default();
        let (mut parser, mut rest) = (Parser::new(&limits), &input[..]);
        let mut expected: Vec<Frame> = Vec::new();
        while let Some(token) = parser.decode(&mut rest) {
            match (expected.last_mut(), frame(token, &limits)) {
                (Some(Frame::Data(data)), Frame::Data(more)) => *data = [&data[..], &more[..]].concat().into(),
                (_, frame) => expected.push(frame),
            }
        }
        prop_assert_eq!(decode(&input, step), expected);
    }
}

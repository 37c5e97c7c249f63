//! The tokio-util codec is the parser, with frames that own their bytes.

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};
use towline_telnet::{
    Command, Limits, OptionCode, Subnegotiation, Verb,
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

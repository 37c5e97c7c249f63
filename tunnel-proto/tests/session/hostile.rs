//! One machine against bytes that no machine of ours would send.

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Code, Config, Connection, Error, Event, Fields, Frame, FrameHeader, FrameType, Hello,
    Limits, Micros, Open,
};

use crate::pair::{self, error, events, transmit, wire};

const NOW: Micros = Micros(0);

fn hello() -> Frame {
    Frame::Hello(Hello { resumption: None, ..pair::hello() })
}

fn open(channel: u32) -> Frame {
    Frame::Open { channel: ChannelId(channel), credit: 1000, open: Open::to("x") }
}

fn data(channel: u32, bytes: usize) -> Frame {
    Frame::Data { channel: ChannelId(channel), data: Bytes::from(vec![0; bytes]), fin: false }
}

/// An acceptor that has heard HELLO.
fn victim(limits: Limits) -> Connection {
    let mut machine = Connection::new(Config::acceptor(CarrierKind::Negotiated), limits, NOW);
    transmit(&mut machine, NOW);
    machine.handle_input(NOW, wire(&[hello()]));
    events(&mut machine);
    machine
}

fn error_after(frames: &[Frame]) -> Error {
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, wire(frames));
    let error = error(&mut machine);
    // Whatever it was, the peer is told, and then nothing more is said or listened to.
    let farewell = transmit(&mut machine, NOW);
    match Frame::decode(&mut &farewell[..], &Limits::default()) {
        Ok(Some(Frame::Close { code, .. })) => assert_eq!(code, error.code()),
        other => panic!("no farewell: {other:?}"),
    }
    machine.handle_input(NOW, wire(&[Frame::Ping { id: 1, pong: false }]));
    assert!(transmit(&mut machine, NOW).is_empty());
    error
}

fn malformed(error: Error) -> &'static str {
    match error {
        Error::Malformed { what, .. } => what,
        other => panic!("not malformed: {other}"),
    }
}

#[test]
fn something_else_than_a_tunnel_is_recognised_by_its_first_bytes() {
    let mut machine = Connection::new(Config::acceptor(CarrierKind::Magic), Limits::default(), NOW);
    machine.handle_input(NOW, Bytes::from_static(b"GET / HTTP/1.1\r\n"));
    assert_eq!(malformed(error(&mut machine)), "preamble");
}

#[test]
fn the_first_frame_has_to_be_hello_and_the_only_one() {
    let mut machine = Connection::new(Config::acceptor(CarrierKind::Negotiated), Limits::default(), NOW);
    machine.handle_input(NOW, wire(&[open(1)]));
    assert_eq!(malformed(error(&mut machine)), "session");
    assert_eq!(malformed(error_after(&[hello()])), "session");
}

#[test]
fn data_beyond_the_channels_credit_is_refused_before_it_arrives() {
    let window = 256 * 1024;
    let mut frames = vec![open(1)];
    frames.extend((0..window / 32_768).map(|_| data(1, 32_768)));
    let mut one_more = BytesMut::from(&wire(&frames)[..]);
    FrameHeader { frame_type: FrameType::DATA, flags: 0, length: 1, channel: ChannelId(1) }.encode(&mut one_more);

    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, one_more.freeze());
    assert_eq!(error(&mut machine), Error::LimitExceeded { what: "credit", got: window + 1, max: window });
    assert_eq!(Error::LimitExceeded { what: "credit", got: 1, max: 0 }.code(), Code::FLOW_CONTROL);
}

#[test]
fn data_beyond_the_sessions_credit_is_refused() {
    // A channel that is gone has no credit of its own any more: what is sent to it counts for the session alone.
    let reset = Frame::Reset { channel: ChannelId(1), code: Code::CANCEL, reason: String::new() };
    let mut frames = vec![open(1), reset];
    frames.extend((0..9).map(|_| data(1, 32_768)));
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, wire(&frames));
    let (got, max) = (9 * 32_768, 256 * 1024);
    assert_eq!(error(&mut machine), Error::LimitExceeded { what: "credit", got, max });
}

#[test]
fn numbers_that_are_not_the_peers_to_give_are_refused() {
    assert_eq!(malformed(error_after(&[open(2)])), "OPEN");
    assert_eq!(malformed(error_after(&[open(3), open(1)])), "OPEN");
    assert_eq!(malformed(error_after(&[open(1), open(1)])), "OPEN");
    assert_eq!(malformed(error_after(&[data(1, 1)])), "channel id");
    assert_eq!(malformed(error_after(&[Frame::Credit { channel: ChannelId(2), limit: 5 }])), "channel id");
    assert_eq!(malformed(error_after(&[open(0x8000_0001)])), "channel id");
}

#[test]
fn data_after_the_last_and_empty_data_are_refused() {
    let last = Frame::Data { channel: ChannelId(1), data: Bytes::from_static(b"x"), fin: true };
    assert_eq!(malformed(error_after(&[open(1), last, data(1, 1)])), "DATA");
    assert_eq!(malformed(error_after(&[open(1), data(1, 0)])), "DATA");
}

#[test]
fn an_accept_that_answers_nothing_is_refused() {
    let accept = Frame::Accept { channel: ChannelId(1), credit: 0, fields: Fields::new() };
    assert_eq!(malformed(error_after(&[open(1), accept])), "ACCEPT");
}

#[test]
fn credit_that_could_overflow_a_sum_is_refused() {
    let error = error_after(&[open(1), Frame::Credit { channel: ChannelId(1), limit: (1 << 62) + 1 }]);
    assert!(matches!(error, Error::LimitExceeded { what: "granted credit", .. }));
    let error = error_after(&[Frame::Open { channel: ChannelId(1), credit: u64::MAX, open: Open::to("x") }]);
    assert!(matches!(error, Error::LimitExceeded { what: "granted credit", .. }));
}

#[test]
fn credit_never_falls_back() {
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, wire(&[open(1)]));
    events(&mut machine);
    machine.accept(ChannelId(1), Fields::new()).unwrap();
    machine.handle_input(NOW, wire(&[Frame::Credit { channel: ChannelId(1), limit: 5 }]));
    machine.send(ChannelId(1), &mut Bytes::from(vec![0; 1000])).unwrap();
    let sent = transmit(&mut machine, NOW);
    assert!(sent.len() > 1000, "the thousand bytes granted at the beginning still hold");
}

#[test]
fn frames_that_are_too_long_are_refused_by_their_header_alone() {
    let mut limits = Limits::default();
    limits.max_frame_bytes = 4096;
    for (frame_type, channel, what) in [
        (FrameType::DATA, 1, "max_frame_bytes"),
        (FrameType::OPEN, 1, "max_control_bytes"),
        (FrameType::RESET, 1, "max_reason_bytes"),
        (FrameType::CLOSE, 0, "max_reason_bytes"),
    ] {
        let mut machine = victim(limits.clone());
        let mut header = BytesMut::new();
        FrameHeader { frame_type, flags: 0, length: 60_000, channel: ChannelId(channel) }.encode(&mut header);
        machine.handle_input(NOW, header.freeze());
        assert!(matches!(error(&mut machine), Error::LimitExceeded { what: named, .. } if named == what), "{what}");
    }
}

#[test]
fn a_target_that_is_too_long_or_not_text_is_refused() {
    let long = Frame::Open { channel: ChannelId(1), credit: 0, open: Open::to("x".repeat(2000)) };
    assert!(matches!(error_after(&[long]), Error::LimitExceeded { what: "max_target_bytes", got: 2000, .. }));

    let mut bytes = wire(&[open(1)]).to_vec();
    let last = bytes.len() - 1;
    bytes[last] = 0xff;
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, bytes.into());
    assert_eq!(malformed(error(&mut machine)), "OPEN");
}

#[test]
fn types_that_may_be_skipped_are_and_others_are_not() {
    let skipped = Frame::Ignored(FrameHeader {
        frame_type: FrameType(0x55),
        flags: 0xff,
        length: 50_000,
        channel: ChannelId(77),
    });
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, wire(&[skipped, open(1)]));
    assert!(matches!(events(&mut machine)[..], [Event::Opened { .. }]));

    for unknown in [0x06, 0x07, 0x0e, 0x20, 0x80, 0xff] {
        let mut header = BytesMut::new();
        FrameHeader { frame_type: FrameType(unknown), flags: 0, length: 0, channel: ChannelId(0) }.encode(&mut header);
        let mut machine = victim(Limits::default());
        machine.handle_input(NOW, header.freeze());
        assert_eq!(error(&mut machine), Error::Unsupported { what: "frame type", value: unknown.into() });
    }
}

#[test]
fn unknown_flags_and_types_in_the_wrong_place_are_refused() {
    for (frame_type, flags, channel) in [
        (FrameType::DATA, 0x02, 1),
        (FrameType::OPEN, 0x01, 1),
        (FrameType::DATA, 0x01, 0),
        (FrameType::OPEN, 0, 0),
        (FrameType::PING, 0, 1),
        (FrameType::CLOSE, 0, 1),
        (FrameType::DRAIN, 0, 1),
    ] {
        let mut header = BytesMut::new();
        FrameHeader { frame_type, flags, length: 0, channel: ChannelId(channel) }.encode(&mut header);
        let mut machine = victim(Limits::default());
        machine.handle_input(NOW, header.freeze());
        assert_eq!(malformed(error(&mut machine)), "frame");
    }
}

#[test]
fn a_flood_of_pings_makes_one_answer_and_no_memory() {
    let mut machine = victim(Limits::default());
    for id in 0..10_000 {
        machine.handle_input(NOW, wire(&[Frame::Ping { id, pong: false }]));
        assert_eq!(events(&mut machine), []);
    }
    assert_eq!(transmit(&mut machine, NOW), wire(&[Frame::Ping { id: 9_999, pong: true }]));
}

#[test]
fn a_flood_of_opens_from_a_peer_that_does_not_read_ends_the_session() {
    let mut limits = Limits::default();
    limits.max_channels = 10;
    let mut machine = victim(limits);
    let frames: Vec<Frame> = (0..1000).map(|n| open(2 * n + 1)).collect();
    machine.handle_input(NOW, wire(&frames));
    assert!(matches!(error(&mut machine), Error::LimitExceeded { what: "refused channels", max: 256, .. }));
}

#[test]
fn opening_and_resetting_without_end_holds_nothing() {
    let mut limits = Limits::default();
    limits.max_opens_per_second = 100;
    let mut machine = victim(limits);
    for n in 0..200 {
        let channel = ChannelId(2 * n + 1);
        let reset = Frame::Reset { channel, code: Code::CANCEL, reason: String::new() };
        machine.handle_input(NOW, wire(&[open(channel.0), reset]));
        events(&mut machine);
    }
    assert_eq!(machine.channel_count(), 0);
    let refusals = transmit(&mut machine, NOW);
    let mut input = &refusals[..];
    let mut count = 0;
    while let Some(frame) = Frame::decode(&mut input, &Limits::default()).unwrap() {
        assert!(matches!(frame, Frame::Reset { code: Code::TOO_FAST, .. }));
        count += 1;
    }
    assert_eq!(count, 100);
}

#[test]
fn a_reason_that_is_not_text_is_shown_with_marks() {
    let mut bytes = wire(&[Frame::Close { code: Code(77), reason: "x".into() }]).to_vec();
    let last = bytes.len() - 1;
    bytes[last] = 0xff;
    let mut machine = victim(Limits::default());
    machine.handle_input(NOW, bytes.into());
    assert_eq!(events(&mut machine), [Event::Closed { code: Code(77), reason: "\u{fffd}".into() }]);
}

#[test]
fn a_flood_of_data_frames_of_one_byte_ends_the_session() {
    let mut limits = Limits::default();
    limits.max_small_frames_per_second = 1000;
    let mut machine = victim(limits);
    let mut frames = vec![open(1)];
    frames.extend((0..1000).map(|_| data(1, 1)));
    machine.handle_input(NOW, wire(&frames));
    let max = 1000;
    assert_eq!(error(&mut machine), Error::LimitExceeded { what: "max_small_frames_per_second", got: max + 1, max });
}

#[test]
fn a_flood_of_resets_and_credits_for_channels_that_are_gone_ends_the_session() {
    let mut limits = Limits::default();
    limits.max_small_frames_per_second = 1000;
    let mut machine = victim(limits);
    let reset = Frame::Reset { channel: ChannelId(1), code: Code::CANCEL, reason: String::new() };
    let credit = Frame::Credit { channel: ChannelId(1), limit: 1 };
    let mut frames = vec![open(1)];
    frames.extend((0..600).flat_map(|_| [reset.clone(), credit.clone()]));
    machine.handle_input(NOW, wire(&frames));
    assert!(matches!(error(&mut machine), Error::LimitExceeded { what: "max_small_frames_per_second", .. }));
}

#[test]
fn a_small_piece_does_not_keep_the_buffer_that_it_came_in() {
    let mut machine = victim(Limits::default());
    let mut frames = vec![open(1)];
    frames.extend((0..1000).map(|_| data(1, 64)));
    let input = wire(&frames);
    let buffer = input.as_ptr_range();
    machine.handle_input(NOW, input);
    for event in events(&mut machine) {
        if let Event::Data { data, .. } = event {
            assert!(!buffer.contains(&data.as_ptr()), "64 bytes hold on to {} KiB", 72);
        }
    }
}

#[test]
fn an_open_with_data_beyond_its_credit_makes_no_channel_that_stays() {
    let mut machine = victim(Limits::default());
    let mut bytes = BytesMut::from(&wire(&[open(1)])[..]);
    FrameHeader { frame_type: FrameType::DATA, flags: 0, length: 65_535, channel: ChannelId(3) }.encode(&mut bytes);
    machine.handle_input(NOW, bytes.freeze());
    assert_eq!(malformed(error(&mut machine)), "channel id");
    assert_eq!(machine.channel_count(), 0);
}

//! What has brought other multiplexers down, one test each. Some are told more fully elsewhere:
//!
//! | elsewhere | here |
//! |---|---|
//! | yamux, CVE-2024-32984: answers pile up | `answers_do_not_pile_up_…`; `hostile`: `a_flood_of_pings_…`, `a_flood_of_opens_…` |
//! | yamux, CVE-2026-31814: credit overflows | `credit_at_its_highest_…`; `hostile`: `credit_that_could_overflow_…`, `credit_never_falls_back` |
//! | yamux, CVE-2026-32314: state before validation | `data_for_a_channel_that_nobody_opened_…`; `hostile`: `data_beyond_the_channels_credit_…` |
//! | HTTP/2, CVE-2023-44487: rapid reset | `channels_that_are_opened_and_reset_…`, `channels_that_are_refused_…` |
//! | HTTP/2, VU#421664: endless headers | `metadata_that_comes_byte_by_byte_…`; `hostile`: `frames_that_are_too_long_…` |
//! | h2 0.4.16: floods of small DATA | `hostile`: `a_flood_of_data_frames_of_one_byte_…`, `data_after_the_last_and_empty_data_…` |
//! | h2 0.4.15: edges of a parser | `hostile`: `unknown_flags_and_types_…`; the oracle `tunnel_frame` |
//! | quinn, CVE-2024-45311, CVE-2026-31812: panics in a handshake | `a_handshake_with_any_byte_changed_…`, `a_handshake_of_extremes_…` |
//! | quinn, RUSTSEC-2026-0185: what a fragment costs | `metadata_that_comes_byte_by_byte_…`; `hostile`: `a_small_piece_does_not_keep_…` |
//! | mplex: no flow control | `urgency`: `windows_grow_only_as_far_as_the_budget_…`; `two_machines`: `channels_beyond_the_memory_…` |
//! | tungstenite: defaults without bounds | `towline-transport`, `websocket`: `a_message_beyond_the_limit_…`, `a_flood_of_pings_…`, `a_peer_that_reads_nothing_…` |

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Code, Config, Connection, Error, Event, Fields, Frame, FrameHeader, FrameType, Hello,
    Limits, MemoryBudget, Micros, Open, Resumption, Secret, SessionId,
};

use crate::pair::{error, events, hello, transmit, wire};

const NOW: Micros = Micros(0);

/// An acceptor that can be resumed and has heard this.
fn victim(hello: Hello, limits: Limits) -> Connection {
    let mut config = Config::acceptor(CarrierKind::Negotiated);
    config.resumption = Some(Resumption::acceptor(SessionId([1; 16]), Secret::new([2; 32])));
    let mut machine = Connection::new(config, limits, NOW);
    transmit(&mut machine, NOW);
    machine.handle_input(NOW, wire(&[Frame::Hello(hello)]));
    events(&mut machine);
    machine
}

fn open(channel: u32) -> Frame {
    Frame::Open { channel: ChannelId(channel), credit: 1000, open: Open::to("x") }
}

fn reset(channel: u32) -> Frame {
    Frame::Reset { channel: ChannelId(channel), code: Code::CANCEL, reason: String::new() }
}

fn frames(mut input: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = Frame::decode(&mut input, &Limits::default()).unwrap() {
        frames.push(frame);
    }
    frames
}

#[test]
fn answers_do_not_pile_up_for_a_peer_that_reads_nothing() {
    let mut machine = victim(hello(), Limits::default());
    let channels: Vec<u32> = (0..50).map(|n| 2 * n + 1).collect();
    machine.handle_input(NOW, wire(&channels.iter().copied().map(open).collect::<Vec<_>>()));
    events(&mut machine);
    for channel in &channels {
        machine.accept(ChannelId(*channel), Fields::new()).unwrap();
    }
    for id in 0..1000 {
        let channel = ChannelId(channels[id as usize % channels.len()]);
        let data = Frame::Data { channel, data: Bytes::from(vec![0; 100]), fin: false };
        machine.handle_input(NOW, wire(&[Frame::Ping { id, pong: false }, data]));
        for event in events(&mut machine) {
            let Event::Data { channel, data } = event else { panic!("{event:?}") };
            machine.consumed(channel, data.len()).unwrap();
        }
    }
    let mut answers = frames(&transmit(&mut machine, NOW));
    answers.retain(|frame| !matches!(frame, Frame::Accept { .. }));
    assert!(answers.len() <= 2 + channels.len(), "{} answers to 2,000 frames: {answers:?}", answers.len());
}

#[test]
fn credit_at_its_highest_is_sent_by_without_an_overflow() {
    let highest = 1 << 62;
    let generous = Hello { channel_credit: highest, connection_credit: highest, ..hello() };
    let mut machine = victim(generous, Limits::default());
    let credit = |channel| Frame::Credit { channel: ChannelId(channel), limit: highest };
    machine.handle_input(NOW, wire(&[open(1), credit(1), credit(0), credit(1), credit(0)]));
    events(&mut machine);
    machine.accept(ChannelId(1), Fields::new()).unwrap();
    machine.send(ChannelId(1), &mut Bytes::from(vec![7; 100_000])).unwrap();
    assert!(transmit(&mut machine, NOW).len() > 100_000);
}

#[test]
fn data_for_a_channel_that_nobody_opened_makes_none() {
    let mut machine = victim(hello(), Limits::default());
    let mut header = BytesMut::new();
    FrameHeader { frame_type: FrameType::DATA, flags: 0, length: 65_535, channel: ChannelId(1) }.encode(&mut header);
    machine.handle_input(NOW, header.freeze());
    assert!(matches!(error(&mut machine), Error::Malformed { what: "channel id", .. }));
    assert_eq!(machine.channel_count(), 0);
}

#[test]
fn channels_that_are_opened_and_reset_at_once_reach_the_application_no_more_often_than_opens_are_allowed() {
    let mut limits = Limits::default();
    limits.max_opens_per_second = 100;
    limits.budget = MemoryBudget::new(1 << 30);
    let budget = limits.budget.clone();
    let mut machine = victim(hello(), limits);
    let before = budget.promised_bytes();
    let mut next = 1;
    for second in 0..3u64 {
        let now = Micros(second * 1_000_000);
        let (mut opened, mut refused) = (0, 0);
        for _ in 0..1000 {
            machine.handle_input(now, wire(&[open(next), reset(next)]));
            next += 2;
            opened += events(&mut machine).iter().filter(|event| matches!(event, Event::Opened { .. })).count();
            let answers = frames(&transmit(&mut machine, now));
            refused +=
                answers.iter().filter(|frame| matches!(frame, Frame::Reset { code: Code::TOO_FAST, .. })).count();
            assert_eq!(machine.channel_count(), 0);
            // What was answered is kept until it is acknowledged, in a ring that has an end.
            assert_eq!(budget.promised_bytes(), before + machine.replay_bytes(), "a window is still set aside");
        }
        assert_eq!((opened, refused), (100, 900));
    }
}

#[test]
fn channels_that_are_refused_again_and_again_count_as_small_frames() {
    let mut limits = Limits::default();
    limits.max_channels = 1;
    limits.max_small_frames_per_second = 500;
    let mut machine = victim(hello(), limits);
    for n in 0.. {
        machine.handle_input(NOW, wire(&[open(2 * n + 1)]));
        match machine.poll_event() {
            Ok(event) => assert_eq!(event.is_some(), n == 0),
            Err(error) => {
                assert!(matches!(error, Error::LimitExceeded { what: "max_small_frames_per_second", .. }), "{error}");
                assert!(n <= 500);
                return;
            }
        }
        transmit(&mut machine, NOW);
    }
}

/// Counts how many of the chunks that a carrier delivered are still held.
struct Held(Arc<AtomicUsize>, [u8; 1]);

impl Held {
    fn chunk(count: &Arc<AtomicUsize>, byte: u8) -> Bytes {
        count.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Self(count.clone(), [byte]))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn metadata_that_comes_byte_by_byte_costs_no_more_than_its_bytes() {
    let mut machine = victim(hello(), Limits::default());
    let mut fields = Fields::new();
    fields.insert(towline_tunnel_proto::FieldKey::TRACE, vec![b't'; 8000]);
    let open = Open { fields, ..Open::to("x") };
    let bytes = wire(&[Frame::Open { channel: ChannelId(1), credit: 0, open: open.clone() }]);
    let held = Arc::new(AtomicUsize::new(0));
    let mut last = Vec::new();
    for byte in &bytes {
        machine.handle_input(NOW, Held::chunk(&held, *byte));
        last = events(&mut machine);
        assert!(held.load(Ordering::Relaxed) <= 16, "{} chunks are held", held.load(Ordering::Relaxed));
    }
    assert_eq!(last, [Event::Opened { channel: ChannelId(1), open }]);
}

#[test]
fn a_handshake_with_any_byte_changed_is_refused_or_works() {
    let bytes = wire(&[Frame::Hello(hello())]);
    for at in 0..bytes.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            for length in [changed.len(), at] {
                let mut machine = Connection::new(Config::acceptor(CarrierKind::Negotiated), Limits::default(), NOW);
                machine.handle_input(NOW, Bytes::copy_from_slice(&changed[..length]));
                while let Ok(Some(_)) = machine.poll_event() {}
                assert!(!transmit(&mut machine, NOW).is_empty(), "it says HELLO, or why not");
                machine.handle_timeout(Micros(u64::MAX));
            }
        }
    }
}

#[test]
fn a_handshake_of_extremes_makes_a_session_that_works() {
    for (small, large) in [(0, 0), (u32::MAX, u64::MAX >> 2)] {
        let resumption = Resumption { replay_bytes: small, max_age_millis: small, session: None };
        let mut machine = victim(
            Hello {
                max_channels: small,
                keepalive_millis: small,
                channel_credit: large,
                connection_credit: large,
                resumption: Some(resumption),
                ..hello()
            },
            Limits::default(),
        );
        let data = Frame::Data { channel: ChannelId(1), data: Bytes::from_static(b"x"), fin: true };
        machine.handle_input(NOW, wire(&[open(1), data]));
        assert_eq!(events(&mut machine).len(), 3);
        assert_eq!(machine.open(Open::to("y")).is_ok(), small > 0, "as many channels as it allows");
        assert!(!transmit(&mut machine, NOW).is_empty());
        assert!(machine.carrier_lost(Micros(1)));
        let at = machine.poll_timeout().expect("it does not wait for ever");
        machine.handle_timeout(at);
        while matches!(machine.poll_event(), Ok(Some(_))) {}
        assert!(machine.is_ended());
    }
}

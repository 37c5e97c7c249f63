use bytes::Bytes;
use towline_tunnel_proto::{Code, Config, Connection, Error, Event, FieldKey, Fields, Limits, Micros, Open};

use crate::pair::{Pair, data_of, error, events, transmit};

#[test]
fn a_channel_carries_bytes_both_ways_and_each_direction_ends_by_itself() {
    let mut pair = Pair::connected();
    let mut open = Open::to("tcp://127.0.0.1:22");
    open.fields.insert(FieldKey::SESSION_ID, "4711");
    let id = pair.near.open(open.clone()).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(far, [Event::Opened { channel: id, open }]);

    pair.far.accept(id, Fields::new().with(FieldKey::PEER_ADDRESS, "127.0.0.1:22")).unwrap();
    pair.near.send(id, &mut Bytes::from_static(b"question")).unwrap();
    pair.near.finish(id).unwrap();
    let (near, far) = pair.settle();
    assert!(
        matches!(&near[..], [Event::Accepted { fields, .. }] if fields.text(FieldKey::PEER_ADDRESS) == Some("127.0.0.1:22"))
    );
    assert_eq!(data_of(&far, id), b"question");
    assert_eq!(far.last(), Some(&Event::Finished { channel: id }));
    pair.far.consumed(id, 8).unwrap();

    pair.far.send(id, &mut Bytes::from_static(b"answer")).unwrap();
    pair.far.finish(id).unwrap();
    let (near, _) = pair.settle();
    assert_eq!(data_of(&near, id), b"answer");
    assert_eq!(near.last(), Some(&Event::Finished { channel: id }));
    pair.near.consumed(id, 6).unwrap();

    assert_eq!((pair.near.channel_count(), pair.far.channel_count()), (0, 0));
}

#[test]
fn data_may_follow_an_open_at_once() {
    let mut pair = Pair::new();
    let id = pair.near.open(Open::to("echo")).unwrap();
    pair.near.send(id, &mut Bytes::from_static(b"early")).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(data_of(&far, id), b"early");
}

#[test]
fn both_sides_can_open_channels_and_their_numbers_never_meet() {
    let mut pair = Pair::connected();
    let ours = pair.near.open(Open::to("a")).unwrap();
    let theirs = pair.far.open(Open::to("b")).unwrap();
    let (near, far) = pair.settle();
    assert_ne!(ours, theirs);
    assert!(matches!(near[..], [Event::Opened { .. }]));
    assert!(matches!(far[..], [Event::Opened { .. }]));
}

#[test]
fn a_refusal_carries_its_code_and_reason_and_leaves_nothing_behind() {
    let mut pair = Pair::connected();
    let id = pair.near.open(Open::to("tcp://127.0.0.1:1")).unwrap();
    pair.near.send(id, &mut Bytes::from_static(b"early")).unwrap();
    pair.settle();
    pair.far.reset(id, Code::CONNECT_REFUSED, "nothing listens on 127.0.0.1:1").unwrap();
    let (near, _) = pair.settle();
    let reason = "nothing listens on 127.0.0.1:1".into();
    assert_eq!(near, [Event::Reset { channel: id, code: Code::CONNECT_REFUSED, reason }]);
    assert_eq!((pair.near.channel_count(), pair.far.channel_count()), (0, 0));
    assert_eq!(pair.far.buffered_bytes(), 0);
}

#[test]
fn a_reader_that_does_not_consume_stops_the_sender_at_the_window() {
    let mut pair = Pair::with(|config| config.channel_window_bytes = 10_000, |_| {});
    let id = pair.near.open(Open::to("sink")).unwrap();
    let mut data = Bytes::from(vec![7; 50_000]);
    pair.near.send(id, &mut data).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(data_of(&far, id).len(), 10_000);

    pair.far.accept(id, Fields::new()).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(data_of(&far, id).len(), 0, "accepting grants nothing that was not consumed");

    pair.far.consumed(id, 10_000).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(data_of(&far, id).len(), 10_000);
}

#[test]
fn channels_that_stall_with_full_windows_never_stop_another() {
    let mut pair = Pair::with(
        |config| {
            config.channel_window_bytes = 64 * 1024;
            config.connection_window_bytes = 64 * 1024;
        },
        |limits| limits.max_buffered_bytes = 1 << 30,
    );
    pair.settle();
    for _ in 0..400 {
        let id = pair.near.open(Open::to("stalled")).unwrap();
        pair.near.send(id, &mut Bytes::from(vec![0; 128 * 1024])).unwrap();
        pair.settle();
        pair.far.accept(id, Fields::new()).unwrap();
    }
    pair.settle();
    assert!(pair.far.buffered_bytes() >= 400 * 64 * 1024);

    let id = pair.near.open(Open::to("lively")).unwrap();
    pair.settle();
    pair.far.accept(id, Fields::new()).unwrap();
    let mut arrived = 0;
    for _ in 0..100 {
        pair.near.send(id, &mut Bytes::from(vec![1; 10_000])).unwrap();
        let (_, far) = pair.settle();
        let length = data_of(&far, id).len();
        pair.far.consumed(id, length).unwrap();
        arrived += length;
    }
    pair.settle();
    assert_eq!(arrived, 1_000_000);
}

#[test]
fn channels_take_turns() {
    let mut pair = Pair::connected();
    let a = pair.near.open(Open::to("a")).unwrap();
    let b = pair.near.open(Open::to("b")).unwrap();
    for id in [a, b] {
        pair.near.send(id, &mut Bytes::from(vec![0; 100_000])).unwrap();
    }
    let (_, far) = pair.settle();
    let order: Vec<_> = far
        .iter()
        .filter_map(|event| match event {
            Event::Data { channel, .. } => Some(*channel),
            _ => None,
        })
        .collect();
    assert_eq!(order[..4], [a, b, a, b]);
}

#[test]
fn stop_throws_away_what_is_still_to_come_and_lets_the_other_direction_go_on() {
    let mut pair = Pair::with(|config| config.channel_window_bytes = 10_000, |_| {});
    let id = pair.near.open(Open::to("flood")).unwrap();
    pair.near.send(id, &mut Bytes::from(vec![0; 50_000])).unwrap();
    pair.settle();
    pair.far.accept(id, Fields::new()).unwrap();
    pair.far.stop(id, Code::CANCEL, "enough").unwrap();
    let (near, _) = pair.settle();
    assert_eq!(near.last(), Some(&Event::Stopped { channel: id, code: Code::CANCEL, reason: "enough".into() }));
    assert_eq!(pair.far.buffered_bytes(), 0);

    pair.near.finish(id).unwrap();
    pair.far.send(id, &mut Bytes::from_static(b"the other direction")).unwrap();
    pair.far.finish(id).unwrap();
    let (near, _) = pair.settle();
    assert_eq!(data_of(&near, id), b"the other direction");
    pair.near.consumed(id, 19).unwrap();
    assert_eq!((pair.near.channel_count(), pair.far.channel_count()), (0, 0));
}

#[test]
fn data_under_way_to_a_channel_that_was_reset_gives_its_credit_back() {
    let mut pair = Pair::connected();
    for _ in 0..100 {
        let id = pair.near.open(Open::to("short-lived")).unwrap();
        pair.near.send(id, &mut Bytes::from(vec![0; 100_000])).unwrap();
        let flying = transmit(&mut pair.near, pair.now);
        pair.far.handle_input(pair.now, flying.slice(..flying.len() / 2));
        events(&mut pair.far);
        pair.far.reset(id, Code::CANCEL, "").unwrap();
        pair.far.handle_input(pair.now, flying.slice(flying.len() / 2..));
        events(&mut pair.far);
        pair.settle();
    }
    assert_eq!(pair.far.buffered_bytes(), 0);
}

#[test]
fn the_peers_number_of_channels_is_respected_and_named() {
    let mut pair = Pair::with(|_| {}, |limits| limits.max_channels = 2);
    pair.settle();
    pair.near.open(Open::to("a")).unwrap();
    pair.near.open(Open::to("b")).unwrap();
    assert!(matches!(pair.near.open(Open::to("c")), Err(Error::Refused { by: "the peer", .. })));
}

#[test]
fn channels_beyond_the_memory_set_aside_are_refused_and_can_be_tried_again() {
    let mut far = Limits::default();
    far.max_buffered_bytes = 256 * 1024;
    let mut pair = Pair::connected();
    pair.far = Connection::new(Config::acceptor(towline_tunnel_proto::CarrierKind::Magic), far, Micros(0));
    pair.near = Connection::new(Config::dialer(towline_tunnel_proto::CarrierKind::Magic), Limits::default(), Micros(0));
    pair.settle();
    let first = pair.near.open(Open::to("a")).unwrap();
    let second = pair.near.open(Open::to("b")).unwrap();
    let (near, _) = pair.settle();
    assert!(matches!(near[..], [Event::Reset { channel, code: Code::BUDGET, .. }] if channel == second));

    pair.near.reset(first, Code::CANCEL, "").unwrap();
    pair.near.open(Open::to("b")).unwrap();
    let (near, _) = pair.settle();
    assert_eq!(near, []);
}

#[test]
fn opening_too_fast_is_refused_and_works_again_a_second_later() {
    let mut pair = Pair::with(|_| {}, |limits| limits.max_opens_per_second = 3);
    pair.settle();
    for _ in 0..4 {
        pair.near.open(Open::to("x")).unwrap();
    }
    let (near, _) = pair.settle();
    assert!(matches!(near[..], [Event::Reset { code: Code::TOO_FAST, .. }]), "{near:?}");
    pair.now = Micros(1_100_000);
    pair.near.open(Open::to("x")).unwrap();
    let (near, _) = pair.settle();
    assert_eq!(near, []);
}

#[test]
fn a_quiet_peer_is_asked_for_a_sign_of_life_and_given_up_after_the_time_limit() {
    let mut pair = Pair::connected();
    pair.now = pair.near.poll_timeout().unwrap();
    assert_eq!(pair.now, Micros(10_000_000));
    pair.near.handle_timeout(pair.now);
    pair.settle();
    assert_eq!(pair.near.poll_timeout(), Some(Micros(20_000_000)), "the answer counts as life");

    pair.now = Micros(20_000_000);
    pair.near.handle_timeout(pair.now);
    assert!(!transmit(&mut pair.near, pair.now).is_empty(), "the ping gets lost");
    pair.now = pair.near.poll_timeout().unwrap();
    assert_eq!(pair.now, Micros(25_000_000));
    pair.near.handle_timeout(pair.now);
    assert_eq!(error(&mut pair.near), Error::Silent { millis: 15_000 });
    assert_eq!(pair.near.poll_timeout(), None);
}

#[test]
fn a_close_reaches_the_peer_with_its_reason_and_ends_everything() {
    let mut pair = Pair::connected();
    pair.near.open(Open::to("x")).unwrap();
    pair.settle();
    pair.far.close(Code::REPLACED, "the same device connected again");
    let (near, _) = pair.settle();
    let reason = "the same device connected again".into();
    assert_eq!(near, [Event::Closed { code: Code::REPLACED, reason }]);
    assert!(pair.near.is_ended() && pair.far.is_ended());
    assert_eq!(pair.near.poll_event(), Ok(None));
    assert!(pair.near.open(Open::to("y")).is_err());
}

#[test]
fn a_peer_with_no_version_in_common_is_told_so() {
    let mut near =
        Connection::new(Config::dialer(towline_tunnel_proto::CarrierKind::Negotiated), Limits::default(), Micros(0));
    let ours = transmit(&mut near, Micros(0));
    // The same HELLO, from a program that speaks versions 2 to 3 only.
    let mut theirs = ours.to_vec();
    theirs[8] = 2;
    theirs[9] = 3;
    near.handle_input(Micros(0), theirs.into());
    assert_eq!(error(&mut near), Error::Unsupported { what: "version", value: 3 });

    let mut far =
        Connection::new(Config::acceptor(towline_tunnel_proto::CarrierKind::Negotiated), Limits::default(), Micros(0));
    transmit(&mut far, Micros(0));
    far.handle_input(Micros(0), ours);
    events(&mut far);
    far.handle_input(Micros(0), transmit(&mut near, Micros(0)));
    assert!(matches!(&events(&mut far)[..], [Event::Closed { code: Code::VERSION, .. }]));
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let mut pair = Pair::connected();
    pair.near.close(Code::INTERNAL, &"ü".repeat(300));
    let (_, far) = pair.settle();
    assert_eq!(far, [Event::Closed { code: Code::INTERNAL, reason: "ü".repeat(128) }]);
}

#[test]
fn misuse_is_told_apart_from_channels_that_are_gone() {
    let mut pair = Pair::connected();
    let id = pair.near.open(Open::to("x")).unwrap();
    pair.settle();
    assert!(matches!(pair.far.send(id, &mut Bytes::from_static(b"x")), Err(Error::Misuse(_))));
    pair.far.accept(id, Fields::new()).unwrap();
    assert!(matches!(pair.far.accept(id, Fields::new()), Err(Error::Misuse(_))));
    assert!(matches!(pair.far.consumed(id, 1), Err(Error::Misuse(_))));
    pair.near.finish(id).unwrap();
    assert!(matches!(pair.near.send(id, &mut Bytes::from_static(b"x")), Err(Error::Misuse(_))));

    pair.far.reset(id, Code::CANCEL, "").unwrap();
    pair.settle();
    assert_eq!(pair.near.send(id, &mut Bytes::from_static(b"gone")), Ok(4));
    assert_eq!(pair.near.finish(id), Ok(()));
    assert_eq!(pair.far.consumed(id, 1000), Ok(()));
    assert!(matches!(pair.near.finish(towline_tunnel_proto::ChannelId(99)), Err(Error::Misuse(_))));
}

#[test]
fn a_side_that_goes_away_soon_says_when_to_come_back_and_what_is_open_goes_on() {
    let mut pair = Pair::connected();
    let id = pair.near.open(Open::to("x")).unwrap();
    pair.settle();
    pair.far.accept(id, Fields::new()).unwrap();
    pair.far.drain(7_000, "an update");
    let (near, _) = pair.settle();
    assert!(near.contains(&Event::Draining { retry_after_millis: 7_000, reason: "an update".into() }));
    assert!(matches!(pair.near.open(Open::to("y")), Err(Error::Refused { by: "the peer", .. })));
    pair.near.send(id, &mut Bytes::from_static(b"still here")).unwrap();
    let (_, far) = pair.settle();
    assert_eq!(data_of(&far, id), b"still here");
}

#[test]
fn a_side_opens_no_more_channels_than_its_own_memory_has_room_for() {
    let mut pair = Pair::with(|_| {}, |limits| limits.max_buffered_bytes = 2 * 256 * 1024);
    pair.settle();
    let first = pair.near.open(Open::to("a")).unwrap();
    pair.near.open(Open::to("b")).unwrap();
    assert!(matches!(pair.near.open(Open::to("c")), Err(Error::Refused { by: "this side", .. })));

    // A channel that the peer never heard of gives its room back at once.
    pair.near.reset(first, Code::CANCEL, "").unwrap();
    pair.near.open(Open::to("c")).unwrap();
}

#[test]
fn a_machine_says_whether_it_has_something_to_say_and_whether_anything_waits() {
    let mut pair = Pair::new();
    assert!(pair.near.wants_transmit(), "HELLO");
    pair.settle();
    assert!(!pair.near.wants_transmit() && !pair.near.has_unsent() && !pair.near.is_ended());

    let id = pair.near.open(Open::to("x")).unwrap();
    assert!(pair.near.wants_transmit());
    pair.settle();
    pair.far.accept(id, Fields::new()).unwrap();
    pair.settle();
    assert_eq!((pair.near.channel_count(), pair.far.channel_count()), (1, 1));
    assert!(!pair.near.wants_transmit());

    pair.near.send(id, &mut Bytes::from_static(b"x")).unwrap();
    assert!(pair.near.wants_transmit() && pair.near.has_unsent());
    pair.settle();
    pair.near.finish(id).unwrap();
    assert!(pair.near.wants_transmit() && pair.near.has_unsent());
    pair.settle();
    assert!(!pair.near.wants_transmit() && !pair.near.has_unsent());

    pair.near.close(Code::NO_ERROR, "");
    assert!(pair.near.wants_transmit() && pair.near.is_ended());
    pair.settle();
    assert!(!pair.near.wants_transmit());
}

#[test]
fn a_channel_ends_when_nothing_was_sent_for_as_long_as_was_asked() {
    let mut pair = Pair::connected();
    let channel = pair.near.open(Open { idle_millis: 1000, ..Open::to("x") }).unwrap();
    pair.settle();
    pair.far.accept(channel, Fields::new()).unwrap();
    pair.settle();
    pair.now = Micros(900_000);
    pair.near.send(channel, &mut Bytes::from_static(b"still here")).unwrap();
    pair.settle();
    pair.far.handle_timeout(Micros(1_000_000));
    assert_eq!(pair.far.channel_count(), 1);
    let at = pair.far.poll_timeout().unwrap();
    assert_eq!(at, Micros(1_900_000));
    pair.now = at;
    pair.far.handle_timeout(at);
    let (near, far) = pair.settle();
    let code = Code::IDLE_TIMEOUT;
    assert_eq!(far, [Event::TimedOut { channel, code }]);
    assert_eq!(near, [Event::Reset { channel, code, reason: String::new() }]);
    assert_eq!((pair.near.channel_count(), pair.far.channel_count()), (0, 0));
}

#[test]
fn a_channel_ends_at_its_deadline_however_much_it_is_used() {
    let mut pair = Pair::connected();
    let channel = pair.near.open(Open { deadline_millis: 3000, idle_millis: 2000, ..Open::to("x") }).unwrap();
    pair.settle();
    for second in 1..=2 {
        pair.now = Micros(second * 1_000_000);
        pair.near.send(channel, &mut Bytes::from_static(b"busy")).unwrap();
        pair.settle();
        pair.far.handle_timeout(pair.now);
    }
    pair.now = Micros(3_000_000);
    pair.far.handle_timeout(pair.now);
    let (near, _) = pair.settle();
    assert_eq!(near, [Event::Reset { channel, code: Code::DEADLINE, reason: String::new() }]);
}

//! Sessions that outlive their carriers: the machines, and who may come back.

use bytes::Bytes;
use towline_tunnel_proto::{
    Binding, CarrierKind, ChannelId, Code, Config, Connection, Error, Event, Fields, Frame, Limits, Micros, Open,
    Resume, Resumption, Secret, SessionId,
};

use crate::pair::{data_of, error, events, transmit, wire};

const NOW: Micros = Micros(0);
const ID: SessionId = SessionId([7; 16]);

/// A dialer and an acceptor that have agreed on resumption, and a channel between them.
struct Session {
    near: Connection,
    far: Connection,
    channel: ChannelId,
    carriers: u8,
}

fn dialer(replay_bytes: u32) -> Connection {
    let mut config = Config::dialer(CarrierKind::Magic);
    config.resumption = Some(Resumption { replay_bytes, ..Resumption::dialer() });
    Connection::new(config, Limits::default(), NOW)
}

fn acceptor(id: SessionId, secret: u8, replay_bytes: u32) -> Connection {
    let mut config = Config::acceptor(CarrierKind::Magic);
    let resumption = Resumption::acceptor(id, Secret::new([secret; 32]));
    config.resumption = Some(Resumption { replay_bytes, ..resumption });
    Connection::new(config, Limits::default(), NOW)
}

impl Session {
    fn new() -> Self {
        Self::with_ring(1 << 20)
    }

    fn with_ring(replay_bytes: u32) -> Self {
        let (mut near, mut far) = (dialer(replay_bytes), acceptor(ID, 1, replay_bytes));
        let channel = near.open(Open::to("x")).unwrap();
        exchange(&mut near, &mut far, NOW);
        far.accept(channel, Fields::new()).unwrap();
        exchange(&mut near, &mut far, NOW);
        // What waits to be acknowledged until then.
        near.handle_timeout(Micros(20_000));
        far.handle_timeout(Micros(20_000));
        exchange(&mut near, &mut far, NOW);
        assert_eq!(near.session_id(), Some(ID));
        assert_eq!(far.session_id(), Some(ID));
        Self { near, far, channel, carriers: 0 }
    }

    /// The carrier is lost on both sides.
    fn lose(&mut self, now: Micros) {
        assert!(self.near.carrier_lost(now));
        assert!(self.far.carrier_lost(now));
        assert_eq!(events(&mut self.near), [Event::Lost]);
        assert_eq!(events(&mut self.far), [Event::Lost]);
    }

    /// The dialer makes a carrier; returns the acceptor's machine for it, what the dialer asks there, and what that is bound to.
    fn ask(&mut self, exporter: Option<[u8; 32]>) -> (Connection, Resume, Binding) {
        self.carriers += 1;
        let offered = SessionId([100 + self.carriers; 16]);
        let mut fresh = acceptor(offered, 99, 1 << 20);
        self.near.resume(NOW, exporter).unwrap();
        let (_, seen) = exchange(&mut self.near, &mut fresh, NOW);
        let [Event::Resuming(resume)] = &seen[..] else { panic!("{seen:?}") };
        let resume = resume.clone();
        (fresh, resume, Binding { offered, exporter })
    }

    fn resume(&mut self) {
        let (_, resume, binding) = self.ask(Some([5; 32]));
        self.far.resume_with(NOW, &resume, &binding, Secret::new([50 + self.carriers; 32])).unwrap();
    }

    fn exchange(&mut self) -> (Vec<Event>, Vec<Event>) {
        exchange(&mut self.near, &mut self.far, NOW)
    }
}

/// Carries bytes both ways until both are silent; returns what each side saw.
fn exchange(near: &mut Connection, far: &mut Connection, now: Micros) -> (Vec<Event>, Vec<Event>) {
    let (mut of_near, mut of_far) = (events(near), events(far));
    loop {
        let (forth, back) = (transmit(near, now), transmit(far, now));
        if forth.is_empty() && back.is_empty() {
            return (of_near, of_far);
        }
        far.handle_input(now, forth);
        of_far.extend(events(far));
        near.handle_input(now, back);
        of_near.extend(events(near));
    }
}

fn refusal(outcome: Result<(), Error>) -> &'static str {
    match outcome {
        Err(error @ Error::ResumeRefused { reason }) => {
            assert_eq!(error.code(), Code::RESUME_REFUSED);
            reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_was_under_way_when_the_carrier_was_lost_arrives_once_and_in_order() {
    let sent: Vec<u8> = (0..10_000).map(|n| (n % 251) as u8).collect();
    // The carrier is lost after so many bytes, in the middle of headers and payloads.
    for arrived in [0, 1, 7, 8, 9, 500, 4999, 5007, 5008, 5009, 10_015, 10_016] {
        let mut session = Session::new();
        let channel = session.channel;
        session.near.send(channel, &mut Bytes::from(sent[..5000].to_vec())).unwrap();
        let mut wire = transmit(&mut session.near, NOW).to_vec();
        session.near.send(channel, &mut Bytes::from(sent[5000..].to_vec())).unwrap();
        session.near.finish(channel).unwrap();
        wire.extend_from_slice(&transmit(&mut session.near, NOW));
        assert_eq!(wire.len(), 10_016);
        session.far.handle_input(NOW, Bytes::from(wire).slice(..arrived));
        let mut seen = events(&mut session.far);

        session.lose(NOW);
        session.resume();
        let (near, far) = session.exchange();
        seen.extend(far);
        assert!(near.contains(&Event::Resumed) && seen.contains(&Event::Resumed));
        assert!(data_of(&seen, channel) == sent, "lost after {arrived}");
        assert_eq!(seen.iter().filter(|event| **event == Event::Finished { channel }).count(), 1);
    }
}

#[test]
fn what_is_done_while_there_is_no_carrier_arrives_when_there_is_one() {
    let mut session = Session::new();
    session.lose(NOW);
    let other = session.near.open(Open::to("later")).unwrap();
    session.near.send(other, &mut Bytes::from_static(b"hello")).unwrap();
    assert!(transmit(&mut session.near, NOW).is_empty(), "something is said to nobody");
    assert!(!session.near.wants_transmit());
    session.resume();
    let (_, far) = session.exchange();
    assert_eq!(data_of(&far, other), b"hello");
}

#[test]
fn a_full_ring_stops_the_sender_until_the_peer_has_something() {
    let mut session = Session::with_ring(4000);
    let channel = session.channel;
    session.near.send(channel, &mut Bytes::from(vec![1; 100_000])).unwrap();
    let first = {
        let mut wire = Vec::new();
        while let Some(piece) = session.near.poll_transmit(NOW, 1000) {
            wire.extend_from_slice(&piece);
        }
        wire
    };
    assert!(first.len() < 6000, "{} bytes went out", first.len());
    assert!(session.near.replay_bytes() < 6000);
    session.far.handle_input(NOW, first.into());
    events(&mut session.far);
    let acknowledgement = transmit(&mut session.far, NOW);
    assert_eq!(acknowledgement.first(), Some(&0x09), "a quarter of the ring is acknowledged at once");
    session.near.handle_input(NOW, acknowledgement);
    events(&mut session.near);
    assert_eq!(session.near.replay_bytes(), 0);
    assert!(session.near.poll_transmit(NOW, 1000).is_some());
}

#[test]
fn a_little_data_is_acknowledged_after_a_moment_so_that_nothing_is_kept() {
    let mut session = Session::new();
    session.exchange();
    session.near.send(session.channel, &mut Bytes::from_static(b"x")).unwrap();
    session.exchange();
    assert!(session.near.replay_bytes() > 0);
    let at = session.far.poll_timeout().unwrap();
    assert!(at <= Micros(20_000), "{at:?}");
    session.far.handle_timeout(at);
    session.exchange();
    assert_eq!(session.near.replay_bytes(), 0);
    assert!(session.far.poll_timeout().unwrap() > Micros(1_000_000), "the timer goes on for nothing");
}

#[test]
fn a_session_resumes_again_and_again_even_if_an_answer_never_arrives() {
    let mut session = Session::new();
    let channel = session.channel;
    for n in 0..50u8 {
        session.near.send(channel, &mut Bytes::from(vec![n; 100])).unwrap();
        transmit(&mut session.near, NOW);
        assert!(session.near.carrier_lost(NOW));
        if n % 3 == 0 {
            // The acceptor agrees, and its answer is lost. It has not heard of that when the dialer comes again.
            session.resume();
            assert!(session.near.carrier_lost(NOW));
        }
        session.resume();
        let (_, far) = session.exchange();
        assert_eq!(data_of(&far, channel), vec![n; 100]);
        session.far.consumed(channel, 100).unwrap();
    }
}

#[test]
fn a_wish_is_good_for_its_carrier_alone() {
    let mut session = Session::new();
    session.lose(NOW);
    let (_, resume, binding) = session.ask(Some([5; 32]));
    let elsewhere = Binding { exporter: Some([6; 32]), ..binding };
    let unbound = Binding { exporter: None, ..binding };
    let another = Binding { offered: SessionId([1; 16]), ..binding };
    for wrong in [elsewhere, unbound, another] {
        let next = Secret::new([3; 32]);
        assert_eq!(refusal(session.far.resume_with(NOW, &resume, &wrong, next)), "the proof does not fit");
    }
    session.far.resume_with(NOW, &resume, &binding, Secret::new([3; 32])).unwrap();
}

#[test]
fn a_wish_that_was_changed_or_made_by_another_is_refused_and_the_session_is_as_it_was() {
    let mut session = Session::new();
    session.lose(NOW);
    let (_, resume, binding) = session.ask(None);
    let mut proof = resume.proof;
    proof[31] ^= 1;
    for wrong in [
        Resume { proof, ..resume.clone() },
        Resume { epoch: resume.epoch + 1, ..resume.clone() },
        Resume { received: resume.received + 1, ..resume.clone() },
        Resume { session: SessionId([8; 16]), ..resume.clone() },
    ] {
        assert_eq!(
            refusal(session.far.resume_with(NOW, &wrong, &binding, Secret::new([3; 32]))),
            "the proof does not fit"
        );
    }
    session.far.resume_with(NOW, &resume, &binding, Secret::new([3; 32])).unwrap();
    let (near, _) = session.exchange();
    assert_eq!(near, [Event::Resumed]);
}

#[test]
fn a_wish_that_was_granted_is_refused_when_it_comes_again() {
    let mut session = Session::new();
    session.lose(NOW);
    let (_, resume, binding) = session.ask(None);
    session.far.resume_with(NOW, &resume, &binding, Secret::new([3; 32])).unwrap();
    let again = session.far.resume_with(NOW, &resume, &binding, Secret::new([4; 32]));
    assert_eq!(refusal(again), "its epoch has been used");

    // Once the dialer has spoken, the secret that proved it is dead.
    session.near.send(session.channel, &mut Bytes::from_static(b"x")).unwrap();
    session.exchange();
    let again = session.far.resume_with(NOW, &resume, &binding, Secret::new([4; 32]));
    assert_eq!(refusal(again), "the proof does not fit");
}

#[test]
fn nothing_may_be_said_between_a_wish_and_its_answer() {
    let mut session = Session::new();
    session.lose(NOW);
    let (mut fresh, ..) = session.ask(None);
    fresh.handle_input(NOW, Bytes::from_static(b"\x08\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\x01"));
    assert!(matches!(error(&mut fresh), Error::Malformed { what: "session", .. }));
}

#[test]
fn a_wish_where_nothing_was_offered_is_refused() {
    let mut session = Session::new();
    session.lose(NOW);
    session.near.resume(NOW, None).unwrap();
    let mut fresh = Connection::new(Config::acceptor(CarrierKind::Magic), Limits::default(), NOW);
    let hello = transmit(&mut fresh, NOW);
    session.near.handle_input(NOW, hello);
    assert!(matches!(error(&mut session.near), Error::ResumeRefused { .. }));
}

#[test]
fn a_side_that_does_not_want_resumption_loses_the_session_with_its_carrier() {
    let mut near = Connection::new(Config::dialer(CarrierKind::Magic), Limits::default(), NOW);
    let mut far = acceptor(ID, 1, 1 << 20);
    exchange(&mut near, &mut far, NOW);
    assert_eq!((near.session_id(), far.session_id()), (None, None));
    assert!(!near.carrier_lost(NOW) && !far.carrier_lost(NOW));
}

#[test]
fn a_session_that_waited_too_long_is_over() {
    let mut session = Session::new();
    session.lose(Micros(1_000_000));
    assert_eq!(session.far.poll_timeout(), Some(Micros(601_000_000)));
    session.far.handle_timeout(Micros(600_999_999));
    assert!(!session.far.is_ended());
    session.far.handle_timeout(Micros(601_000_000));
    let over = error(&mut session.far);
    assert_eq!((over, over.code()), (Error::ResumeExpired { millis: 600_000 }, Code::RESUME_EXPIRED));

    // The time counts from the first loss, however many carriers fail in between.
    session.near.resume(Micros(500_000_000), None).unwrap();
    assert!(session.near.carrier_lost(Micros(510_000_000)));
    session.near.handle_timeout(Micros(601_000_000));
    assert!(matches!(session.near.poll_event(), Ok(Some(Event::Lost))));
    assert_eq!(error(&mut session.near).code(), Code::RESUME_EXPIRED);
}

#[test]
fn a_carrier_on_which_nothing_is_heard_is_lost_and_the_session_waits() {
    let mut session = Session::new();
    session.exchange();
    session.near.handle_timeout(Micros(10_000_000));
    session.near.handle_timeout(Micros(15_000_000));
    assert_eq!(events(&mut session.near), [Event::Lost]);
    assert!(!session.near.is_ended());
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_or_not_the_end_of_a_frame_is_refused() {
    for wrong in [1u64, 1 << 40] {
        let mut session = Session::new();
        session.near.send(session.channel, &mut Bytes::from_static(b"hello")).unwrap();
        transmit(&mut session.near, NOW);
        session.near.handle_input(NOW, wire(&[Frame::Ack { received: wrong, arrived_at: NOW }]));
        assert!(matches!(error(&mut session.near), Error::Malformed { what: "ACK", .. }));
    }
}

#[test]
fn secrets_are_not_shown() {
    let secret = Secret::new([0xab; 32]);
    let resumption = Resumption::acceptor(ID, secret.clone());
    for shown in [format!("{secret:?}"), format!("{resumption:?}"), format!("{:?}", acceptor(ID, 0xab, 1000))] {
        assert!(!shown.contains("171, 171") && !shown.contains("abab"), "{shown}");
    }
    let (mut near, mut far) = (dialer(1000), acceptor(ID, 0xab, 1000));
    let (seen, _) = exchange(&mut near, &mut far, NOW);
    let [Event::Connected(hello)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(hello.resumption.as_ref().map(|resumption| resumption.session.is_some()), Some(false));
}

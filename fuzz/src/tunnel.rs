//! tunnel-proto: frames, one machine against any bytes, two and three machines against each other.

mod leg;
mod pair;
mod relay;
mod side;

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Code, Config, Connection, Error, Event, FieldKey, Fields, Frame, FrameHeader, FrameType,
    Hello, Limits, Micros, Open, Urgency,
};

pub use self::{pair::two_connections, relay::three_connections};
use crate::{law, script::Script};

/// Any bytes as frames: what can be read is written back, and reads as the same again.
///
/// # Panics
///
/// If that does not hold.
pub fn frame(input: &[u8]) {
    let limits = Limits::default();
    let mut rest = input;
    loop {
        let before = rest;
        match Frame::decode(&mut rest, &limits) {
            Ok(Some(frame)) => {
                assert!(rest.len() < before.len(), "a frame takes bytes");
                let mut wire = BytesMut::new();
                frame.encode(&mut wire);
                assert_eq!(Frame::decode(&mut &wire[..], &limits), Ok(Some(frame)));
            }
            Ok(None) | Err(_) => {
                assert_eq!(rest.len(), before.len(), "nothing is consumed unless all has arrived");
                return;
            }
        }
    }
}

/// One machine: the input as it is, after a HELLO, and as a script for a valid session, cut in two places each.
///
/// # Panics
///
/// If the chunking law is broken, or a valid session is refused.
pub fn connection(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(1024), script.below(1024)];
    let rest = script.rest();

    law::chunking(|| Victim::new(CarrierKind::Magic), rest, &cuts);
    let mut greeted = wire(&[hello()]);
    greeted.extend_from_slice(rest);
    law::chunking(|| Victim::new(CarrierKind::Negotiated), &greeted, &cuts);

    let valid = valid_session(rest);
    law::chunking(|| Victim::new(CarrierKind::Negotiated), &valid, &cuts);
    let (_, error) = law::run(Victim::new(CarrierKind::Negotiated), [Bytes::from(valid)]);
    assert_eq!(error, None, "a valid session was refused");
}

/// An acceptor whose application accepts everything and consumes at once.
struct Victim(Connection);

impl Victim {
    fn new(carrier: CarrierKind) -> Self {
        let mut config = Config::acceptor(carrier);
        // Nothing is transmitted here, so no credit is ever given back: the windows have to last.
        config.channel_window_bytes = 1 << 30;
        config.connection_window_bytes = 1 << 30;
        let mut limits = Limits::default();
        limits.max_buffered_bytes = u64::MAX;
        Self(Connection::new(config, limits, Micros(0)))
    }
}

impl law::Machine for Victim {
    type Event = Event;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_input(Micros(0), input);
    }

    fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        let event = self.0.poll_event()?;
        match &event {
            Some(Event::Opened { channel, .. }) => self.0.accept(*channel, Fields::new()).expect("it was offered"),
            Some(Event::Data { channel, data }) => {
                assert!(!data.is_empty(), "data events are never empty");
                self.0.consumed(*channel, data.len()).expect("it was received");
            }
            _ => {}
        }
        Ok(event)
    }

    fn join(last: &mut Event, next: Event) -> Option<Event> {
        match (last, next) {
            (Event::Data { channel, data }, Event::Data { channel: other, data: more }) if *channel == other => {
                let mut joined = BytesMut::from(core::mem::take(data));
                joined.extend_from_slice(&more);
                *data = joined.freeze();
                None
            }
            (_, next) => Some(next),
        }
    }
}

fn hello() -> Frame {
    Frame::Hello(Hello {
        version_min: 1,
        version_max: 1,
        max_frame_bytes: 65_535,
        capabilities: 0,
        channel_credit: 1 << 20,
        connection_credit: 1 << 20,
        max_channels: 100,
        keepalive_millis: 10_000,
        resumption: None,
        fields: Fields::new(),
    })
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    let mut wire = BytesMut::new();
    for frame in frames {
        frame.encode(&mut wire);
    }
    wire.to_vec()
}

/// A dialer's half of a session that keeps every rule, as the script decides.
pub fn valid_session(script: &[u8]) -> Vec<u8> {
    let mut script = Script::new(script);
    let mut frames = vec![hello()];
    // Channels that may still get DATA, and the number of the next.
    let mut open: Vec<ChannelId> = Vec::new();
    let mut next = 1;
    while !script.is_empty() && frames.len() < 200 {
        let pick = |script: &mut Script<'_>| open.get(script.below(open.len().max(1))).copied();
        match script.byte() % 10 {
            0 | 1 => {
                let channel = ChannelId(next);
                next += 2 * (1 + u32::from(script.byte() % 3));
                let mut wanted = Open::to("x".repeat(script.below(64)));
                wanted.urgency = Urgency(script.byte() % 8);
                if script.byte().is_multiple_of(2) {
                    wanted.fields.insert(FieldKey(script.byte()), vec![script.byte(); script.below(40)]);
                }
                frames.push(Frame::Open { channel, credit: script.below(10_000) as u64, open: wanted });
                open.push(channel);
            }
            2..=4 => {
                let Some(channel) = pick(&mut script) else { continue };
                let fin = script.byte().is_multiple_of(8);
                let data = Bytes::from(vec![script.byte(); script.below(300).max(1)]);
                frames.push(Frame::Data { channel, data, fin });
                open.retain(|other| !(fin && *other == channel));
            }
            5 => {
                let Some(channel) = pick(&mut script) else { continue };
                frames.push(Frame::Reset { channel, code: Code(script.byte().into()), reason: "why".into() });
                open.retain(|other| *other != channel);
            }
            6 => {
                let channel = pick(&mut script).unwrap_or(ChannelId::SESSION);
                frames.push(Frame::Credit { channel, limit: 1 << (script.byte() % 62) });
            }
            7 => frames.push(Frame::Ping { id: script.byte().into(), pong: script.byte().is_multiple_of(2) }),
            8 => frames.push(Frame::Drain { retry_after_millis: script.byte().into(), reason: "an update".into() }),
            _ => frames.push(Frame::Ignored(FrameHeader {
                frame_type: FrameType(0x40 + script.byte() % 0x40),
                flags: script.byte(),
                length: script.byte().into(),
                channel: ChannelId(script.byte().into()),
            })),
        }
    }
    wire(&frames)
}

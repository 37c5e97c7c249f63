//! Two machines and the wire between them, with a clock that stands still unless it is moved.

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Config, Connection, Error, Event, Fields, Frame, Hello, Limits, Micros, Resumption, Role,
};

pub(crate) struct Pair {
    pub(crate) near: Connection,
    pub(crate) far: Connection,
    pub(crate) now: Micros,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    pub(crate) fn with(near: impl FnOnce(&mut Config), limits: impl FnOnce(&mut Limits)) -> Self {
        let mut config = Config::dialer(CarrierKind::Magic);
        near(&mut config);
        let mut far = config.clone();
        far.role = Role::Acceptor;
        let mut bounds = Limits::default();
        limits(&mut bounds);
        Self {
            near: Connection::new(config, bounds.clone(), Micros(0)),
            far: Connection::new(far, bounds, Micros(0)),
            now: Micros(0),
        }
    }

    pub(crate) fn with_both(configs: impl FnOnce(&mut Config, &mut Config), limits: impl FnOnce(&mut Limits)) -> Self {
        let (mut near, mut far) = (Config::dialer(CarrierKind::Magic), Config::acceptor(CarrierKind::Magic));
        configs(&mut near, &mut far);
        let mut bounds = Limits::default();
        limits(&mut bounds);
        Self {
            near: Connection::new(near, bounds.clone(), Micros(0)),
            far: Connection::new(far, bounds, Micros(0)),
            now: Micros(0),
        }
    }

    /// A pair that has introduced itself.
    pub(crate) fn connected() -> Self {
        let mut pair = Self::new();
        let (near, far) = pair.settle();
        assert!(matches!(near[..], [Event::Connected(_)]), "{near:?}");
        assert!(matches!(far[..], [Event::Connected(_)]), "{far:?}");
        pair
    }

    /// Carries bytes both ways until both are silent; returns what each side saw.
    pub(crate) fn settle(&mut self) -> (Vec<Event>, Vec<Event>) {
        let (mut near, mut far) = (Vec::new(), Vec::new());
        loop {
            let forth = transmit(&mut self.near, self.now);
            let back = transmit(&mut self.far, self.now);
            if forth.is_empty() && back.is_empty() {
                near.extend(events(&mut self.near));
                far.extend(events(&mut self.far));
                return (near, far);
            }
            self.far.handle_input(self.now, forth);
            far.extend(events(&mut self.far));
            self.near.handle_input(self.now, back);
            near.extend(events(&mut self.near));
        }
    }
}

/// Everything a machine has to say now.
pub(crate) fn transmit(machine: &mut Connection, now: Micros) -> Bytes {
    let mut wire = BytesMut::new();
    while let Some(piece) = machine.poll_transmit(now, 1 << 20) {
        wire.extend_from_slice(&piece);
    }
    wire.freeze()
}

/// All events that are there; an error is a failure of the test.
pub(crate) fn events(machine: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = machine.poll_event().expect("the peer is well-behaved") {
        events.push(event);
    }
    events
}

/// All events up to the error that has to come.
pub(crate) fn error(machine: &mut Connection) -> Error {
    loop {
        match machine.poll_event() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error came"),
            Err(error) => {
                assert_eq!(machine.poll_event(), Err(error), "the first error is final");
                return error;
            }
        }
    }
}

/// The data of one channel among events, joined.
pub(crate) fn data_of(events: &[Event], id: ChannelId) -> Vec<u8> {
    let mut all = Vec::new();
    for event in events {
        if let Event::Data { channel, data } = event
            && *channel == id
        {
            all.extend_from_slice(data);
        }
    }
    all
}

pub(crate) fn wire(frames: &[Frame]) -> Bytes {
    let mut wire = BytesMut::new();
    for frame in frames {
        frame.encode(&mut wire);
    }
    wire.freeze()
}

/// What a peer that is written by hand begins with.
pub(crate) fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        max_frame_bytes: 65_535,
        capabilities: 0,
        channel_credit: 1 << 20,
        connection_credit: 1 << 20,
        max_channels: 100,
        keepalive_millis: 10_000,
        resumption: Some(Resumption::dialer()),
        fields: Fields::new(),
    }
}

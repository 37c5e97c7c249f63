//! Connections in tests: what one side has to say, and a perfect wire.

use bytes::{Bytes, BytesMut};
use towline_telnet::{Config, Connection, Event, Limits, OptionCode, Side, Subnegotiation};

/// A client that waits, and has a window of 80 by 24.
pub(crate) fn client() -> Connection {
    Connection::new(client_config(), Limits::default())
}

pub(crate) fn client_config() -> Config {
    let mut config = Config::client("xterm");
    config.window = Some(towline_telnet::option::naws::WindowSize { columns: 80, rows: 24 });
    config
}

pub(crate) fn server() -> Connection {
    Connection::new(Config::server(), Limits::default())
}

/// Gives the connection bytes and returns all events.
pub(crate) fn receive(connection: &mut Connection, input: &[u8]) -> Vec<Event> {
    connection.handle_input(Bytes::copy_from_slice(input));
    events(connection)
}

pub(crate) fn events(connection: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = connection.poll_event().expect("no input is an error") {
        events.push(event);
    }
    events
}

/// Everything there is to say.
pub(crate) fn transmit(connection: &mut Connection) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(piece) = connection.poll_transmit() {
        assert!(!piece.is_empty(), "an empty piece");
        said.extend_from_slice(&piece);
    }
    said
}

/// What the connection says to `input`, and nothing else.
pub(crate) fn answer(connection: &mut Connection, input: &[u8]) -> Vec<u8> {
    receive(connection, input);
    transmit(connection)
}

pub(crate) fn data(events: &[Event]) -> Vec<u8> {
    let pieces = events.iter().filter_map(|event| match event {
        Event::Data(data) => Some(&data[..]),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

pub(crate) fn wire(subnegotiation: &Subnegotiation) -> Vec<u8> {
    let mut wire = BytesMut::new();
    subnegotiation.encode(&mut wire);
    wire.to_vec()
}

/// Carries everything both ways until both are silent; returns their events and how many bytes went each way.
pub(crate) fn settle(near: &mut Connection, far: &mut Connection) -> (Vec<Event>, Vec<Event>, usize) {
    let (mut near_events, mut far_events, mut carried) = (Vec::new(), Vec::new(), 0);
    loop {
        let (forth, back) = (transmit(near), transmit(far));
        if forth.is_empty() && back.is_empty() {
            return (near_events, far_events, carried);
        }
        carried += forth.len() + back.len();
        assert!(carried < 1_000_000, "they never fall silent");
        far_events.extend(receive(far, &forth));
        near_events.extend(receive(near, &back));
    }
}

/// Makes an option be on, from both ends' points of view.
pub(crate) fn turn_on(connection: &mut Connection, side: Side, option: OptionCode) {
    connection.enable(side, option);
    transmit(connection);
    let verb = match side {
        Side::Local => 253,
        Side::Remote => 251,
    };
    receive(connection, &[255, verb, option.0]);
    transmit(connection);
    assert!(connection.is_on(side, option));
}

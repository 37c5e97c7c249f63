//! CR LF, CR NUL, BINARY.

use bytes::Bytes;
use towline_telnet::{
    Config, Connection, Limits, OptionCode, Side,
    newline::{Incoming, Outgoing},
};

use crate::pair::{data, receive, transmit, turn_on};

/// What an application gets of `input`, in whatever pieces.
fn incoming(mode: Incoming, input: &[u8]) -> Vec<u8> {
    let mut config = Config::client("x");
    config.incoming = mode;
    let mut whole = Connection::new(config.clone(), Limits::default());
    let expected = data(&receive(&mut whole, input));
    for cut in 0..=input.len() {
        let mut connection = Connection::new(config.clone(), Limits::default());
        let mut got = data(&receive(&mut connection, &input[..cut]));
        got.extend(data(&receive(&mut connection, &input[cut..])));
        assert_eq!(got, expected, "cut at {cut}");
    }
    expected
}

fn outgoing(mode: Outgoing, input: &'static [u8]) -> Vec<u8> {
    let mut config = Config::client("x");
    config.outgoing = mode;
    let mut connection = Connection::new(config, Limits::default());
    assert_eq!(connection.send(&mut Bytes::from_static(input)), input.len());
    transmit(&mut connection)
}

#[test]
fn each_incoming_mode_folds_what_it_says_and_nothing_else() {
    let input = b"a\r\nb\r\0c\rd\ne\0f\r\r\n\r\0\0g\r\xFF\xF1\nh";
    assert_eq!(incoming(Incoming::Raw, input), b"a\r\nb\r\0c\rd\ne\0f\r\r\n\r\0\0g\r\nh");
    assert_eq!(incoming(Incoming::Screen, input), b"a\r\nb\rc\rd\ne\0f\r\r\n\r\0g\r\nh");
    assert_eq!(incoming(Incoming::Keys, input), b"a\rb\rc\rd\ne\0f\r\r\r\0g\rh");
    assert_eq!(incoming(Incoming::Lines, input), b"a\nb\rc\rd\ne\0f\r\n\r\0g\nh");
}

#[test]
fn each_outgoing_mode_writes_what_it_says_and_doubles_0xff() {
    let input = b"a\rb\r\nc\nd\xFF\r";
    assert_eq!(outgoing(Outgoing::Raw, input), b"a\rb\r\nc\nd\xFF\xFF\r");
    assert_eq!(outgoing(Outgoing::CrNul, input), b"a\r\0b\r\nc\nd\xFF\xFF\r\0");
    assert_eq!(outgoing(Outgoing::CrLf, input), b"a\r\nb\r\nc\nd\xFF\xFF\r\n");
    assert_eq!(outgoing(Outgoing::Lf, input), b"a\nb\nc\nd\xFF\xFF\n");
    assert_eq!(outgoing(Outgoing::Lines, input), b"a\r\0b\r\nc\r\nd\xFF\xFF\r\0");
}

#[test]
fn with_binary_on_a_direction_has_no_newline_rules() {
    let mut connection = Connection::new(Config::client("x"), Limits::default());
    turn_on(&mut connection, Side::Remote, OptionCode::BINARY);
    assert_eq!(data(&receive(&mut connection, b"a\r\0b\r\n")), b"a\r\0b\r\n");
    // The other direction has them still.
    connection.send(&mut Bytes::from_static(b"\r"));
    assert_eq!(transmit(&mut connection), b"\r\0");
    turn_on(&mut connection, Side::Local, OptionCode::BINARY);
    connection.send(&mut Bytes::from_static(b"\r\xFF"));
    assert_eq!(transmit(&mut connection), b"\r\xFF\xFF");
}

#[test]
fn the_rules_change_exactly_where_binary_does() {
    let mut connection = Connection::new(Config::client("x"), Limits::default());
    let input = b"a\r\0\xFF\xFB\0b\r\0\xFF\xFC\0c\r\0d";
    assert_eq!(data(&receive(&mut connection, input)), b"a\rb\r\0c\rd");
}

#[test]
fn a_pair_of_cr_and_lf_is_one_newline_wherever_there_is_no_more_room() {
    for (mode, expected) in [
        (Outgoing::CrNul, "a\r\nb\r\0c"),
        (Outgoing::CrLf, "a\r\nb\r\nc"),
        (Outgoing::Lf, "a\nb\nc"),
        (Outgoing::Lines, "a\r\nb\r\0c"),
    ] {
        for room in 1..8 {
            let mut limits = Limits::default();
            limits.max_unsent_bytes = room;
            let mut config = Config::client("x");
            config.outgoing = mode;
            let mut connection = Connection::new(config, limits);
            let (mut left, mut sent) = (Bytes::from_static(b"a\r\nb\rc"), Vec::new());
            while !left.is_empty() {
                assert!(connection.send(&mut left) > 0);
                sent.extend(transmit(&mut connection));
            }
            assert_eq!(sent, expected.as_bytes(), "{mode:?} with room for {room}");
        }
    }
}

#[test]
fn what_is_on_its_way_is_binary_until_the_peer_has_agreed_that_it_is_not() {
    let mut connection = Connection::new(Config::client("x"), Limits::default());
    turn_on(&mut connection, Side::Remote, OptionCode::BINARY);
    connection.disable(Side::Remote, OptionCode::BINARY);
    assert_eq!(transmit(&mut connection), b"\xFF\xFE\0");
    // Sent before the peer has heard of it.
    assert_eq!(data(&receive(&mut connection, b"a\r\0b\r\n")), b"a\r\0b\r\n");
    assert_eq!(data(&receive(&mut connection, b"c\r\0\xFF\xFC\0d\r\0e")), b"c\r\0d\re");
    // And if this side has changed its mind again meanwhile.
    turn_on(&mut connection, Side::Remote, OptionCode::BINARY);
    connection.disable(Side::Remote, OptionCode::BINARY);
    connection.enable(Side::Remote, OptionCode::BINARY);
    assert_eq!(data(&receive(&mut connection, b"a\r\0\xFF\xFC\0b\r\0\xFF\xFB\0c\r\0")), b"a\r\0b\rc\r\0");
}

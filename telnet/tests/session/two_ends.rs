//! Two connections of this crate on a perfect wire.

use bytes::Bytes;
use proptest::prelude::*;
use towline_telnet::{
    Config, Connection, Event, Limits, OptionCode, Side, Subnegotiation,
    newline::{Incoming, Outgoing},
    option::{
        charset::Charset,
        linemode::{Function, Level, Linemode, Mode, SpecialCharacter},
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable},
        terminal_type::Mtts,
    },
};

use crate::pair::{answer, client, client_config, data, receive, server, settle, transmit, turn_on, wire};

#[test]
fn a_client_and_a_server_agree_and_fall_silent() {
    let (mut near, mut far) = (client(), server());
    let (_, _, carried) = settle(&mut near, &mut far);
    assert!(carried < 120, "{carried}");
    for option in [OptionCode::ECHO, OptionCode::SGA] {
        assert!(near.is_on(Side::Remote, option) && far.is_on(Side::Local, option), "{option}");
    }
    assert_eq!(far.peer_window(), Some(WindowSize { columns: 80, rows: 24 }));
    assert_eq!(far.peer_terminal_types(), ["xterm"]);
}

#[test]
fn both_may_speak_first() {
    let mut config = client_config();
    config.speak_first = true;
    let (mut near, mut far) = (Connection::new(config, Limits::default()), server());
    settle(&mut near, &mut far);
    assert!(far.is_on(Side::Remote, OptionCode::NAWS) && near.is_on(Side::Local, OptionCode::NAWS));
    assert_eq!(far.peer_window(), Some(WindowSize { columns: 80, rows: 24 }));
}

#[test]
fn a_resize_is_told_once_and_only_the_last() {
    let (mut near, mut far) = (client(), server());
    settle(&mut near, &mut far);
    for columns in 81..200 {
        near.resize(WindowSize { columns, rows: 50 });
    }
    assert_eq!(transmit(&mut near), b"\xFF\xFA\x1F\0\xC7\0\x32\xFF\xF0");
    near.resize(WindowSize { columns: 199, rows: 50 });
    assert_eq!(transmit(&mut near), b"", "it has not changed");
}

#[test]
fn a_size_that_is_known_later_is_offered_to_a_server_that_asked() {
    for speak_first in [false, true] {
        let mut config = Config::client("xterm");
        config.speak_first = speak_first;
        let (mut near, mut far) = (Connection::new(config, Limits::default()), server());
        settle(&mut near, &mut far);
        assert!(!near.is_on(Side::Local, OptionCode::NAWS), "there is nothing to tell");
        near.resize(WindowSize { columns: 120, rows: 40 });
        settle(&mut near, &mut far);
        assert_eq!(far.peer_window(), Some(WindowSize { columns: 120, rows: 40 }));
    }
    // A server that has not asked is told nothing, until it does.
    let mut connection = Connection::new(Config::client("xterm"), Limits::default());
    connection.resize(WindowSize { columns: 1, rows: 2 });
    assert_eq!(transmit(&mut connection), b"");
    let said = answer(&mut connection, b"\xFF\xFD\x1F");
    assert_eq!(said, b"\xFF\xFB\x1F\xFF\xFA\x1F\0\x01\0\x02\xFF\xF0");
}

#[test]
fn a_size_of_255_goes_out_as_254_unless_the_peer_is_known_to_be_good() {
    for (avoid_255, told) in [(true, 254), (false, 255)] {
        let mut config = client_config();
        config.avoid_255 = avoid_255;
        let (mut near, mut far) = (Connection::new(config, Limits::default()), server());
        near.resize(WindowSize { columns: 255, rows: 255 });
        settle(&mut near, &mut far);
        assert_eq!(far.peer_window(), Some(WindowSize { columns: told, rows: told }));
    }
}

#[test]
fn a_client_tells_all_its_terminal_types_and_what_it_can_do() {
    let mut config = client_config();
    config.terminal_types = vec!["TOWLINE".into(), "XTERM-256COLOR".into(), "MTTS 13".into()];
    let (mut near, mut far) = (Connection::new(config, Limits::default()), server());
    settle(&mut near, &mut far);
    assert_eq!(far.peer_terminal_types(), ["TOWLINE", "XTERM-256COLOR", "MTTS 13"]);
    let mtts = far.peer_capabilities().unwrap();
    assert!(mtts.contains(Mtts::UTF8) && mtts.contains(Mtts::COLOURS_256) && !mtts.contains(Mtts::MOUSE));
}

#[test]
fn a_server_that_asks_is_told_speed_display_and_the_configured_variables() {
    let mut config = client_config();
    for option in [OptionCode::TERMINAL_SPEED, OptionCode::X_DISPLAY_LOCATION, OptionCode::NEW_ENVIRON] {
        config.policy.local.insert(option);
    }
    config.x_display = Some("desk:0".into());
    let user = Variable { kind: Kind::WellKnown, name: "USER".into(), value: Some("ada".into()) };
    config.environment = vec![user.clone()];
    let mut asks = Config::server();
    for option in [OptionCode::TERMINAL_SPEED, OptionCode::X_DISPLAY_LOCATION, OptionCode::NEW_ENVIRON] {
        asks.ask.insert(option);
    }
    let (mut near, mut far) = (Connection::new(config, Limits::default()), Connection::new(asks, Limits::default()));
    let (_, told, _) = settle(&mut near, &mut far);
    let told: Vec<Subnegotiation> = told
        .into_iter()
        .filter_map(|event| match event {
            Event::Subnegotiation(subnegotiation) => Some(subnegotiation),
            _ => None,
        })
        .collect();
    assert!(told.contains(&Subnegotiation::Environment(Environment::Is(vec![user]))));
    assert!(told.iter().any(|told| told.option() == OptionCode::TERMINAL_SPEED));
    assert!(told.iter().any(|told| told.option() == OptionCode::X_DISPLAY_LOCATION));
}

#[test]
fn a_character_set_is_agreed_on_by_name() {
    let mut config = client_config();
    config.policy.local.insert(OptionCode::CHARSET);
    config.charsets = vec!["UTF-8".into(), "SHIFT_JIS".into()];
    let mut asks = Config::server();
    asks.ask.insert(OptionCode::CHARSET);
    let (mut near, mut far) = (Connection::new(config, Limits::default()), Connection::new(asks, Limits::default()));
    settle(&mut near, &mut far);
    let names = vec!["EUC-JP".into(), "Shift_JIS".into()];
    far.subnegotiate(&Subnegotiation::Charset(Charset::Request { ttable_version: None, names })).unwrap();
    settle(&mut near, &mut far);
    assert_eq!((near.charset(), far.charset()), (Some("Shift_JIS"), Some("Shift_JIS")));
}

fn with_charsets(mut config: Config, names: &[&str]) -> Connection {
    config.policy.local.insert(OptionCode::CHARSET);
    config.policy.remote.insert(OptionCode::CHARSET);
    config.charsets = names.iter().map(|name| (*name).into()).collect();
    Connection::new(config, Limits::default())
}

fn request(names: &[&str]) -> Subnegotiation {
    let names = names.iter().map(|name| (*name).into()).collect();
    Subnegotiation::Charset(Charset::Request { ttable_version: None, names })
}

#[test]
fn two_sides_that_ask_for_a_character_set_at_once_never_think_of_two() {
    let (mut near, mut far) =
        (with_charsets(client_config(), &["A", "B"]), with_charsets(Config::server(), &["A", "B"]));
    near.enable(Side::Local, OptionCode::CHARSET);
    settle(&mut near, &mut far);
    near.subnegotiate(&request(&["A", "B"])).unwrap();
    far.subnegotiate(&request(&["B", "A"])).unwrap();
    settle(&mut near, &mut far);
    assert_eq!(near.charset(), far.charset());
    // One after the other they agree.
    near.subnegotiate(&request(&["B", "A"])).unwrap();
    settle(&mut near, &mut far);
    assert_eq!((near.charset(), far.charset()), (Some("B"), Some("B")));
}

#[test]
fn a_character_set_that_was_not_asked_for_is_not_agreed_on() {
    let mut connection = with_charsets(client_config(), &["UTF-8"]);
    turn_on(&mut connection, Side::Local, OptionCode::CHARSET);
    receive(&mut connection, b"\xFF\xFA\x2A\x02KLINGON\xFF\xF0");
    assert_eq!(connection.charset(), None);
    connection.subnegotiate(&request(&["UTF-8"])).unwrap();
    receive(&mut connection, b"\xFF\xFA\x2A\x02KLINGON\xFF\xF0");
    assert_eq!(connection.charset(), None);
    connection.subnegotiate(&request(&["UTF-8"])).unwrap();
    receive(&mut connection, b"\xFF\xFA\x2A\x02utf-8\xFF\xF0");
    assert_eq!(connection.charset(), Some("utf-8"));
}

#[test]
fn a_request_for_a_character_set_ends_with_its_option() {
    let mut connection = with_charsets(client_config(), &["UTF-8"]);
    turn_on(&mut connection, Side::Local, OptionCode::CHARSET);
    connection.subnegotiate(&request(&["UTF-8"])).unwrap();
    transmit(&mut connection);
    // It is turned off before it is answered, and on again.
    receive(&mut connection, b"\xFF\xFE\x2A\xFF\xFD\x2A");
    transmit(&mut connection);
    assert_eq!(answer(&mut connection, &wire(&request(&["UTF-8"]))), b"\xFF\xFA\x2A\x02UTF-8\xFF\xF0");
}

#[test]
fn linemode_is_set_by_the_server_and_acknowledged_by_the_client() {
    let mut config = client_config();
    config.policy.local.insert(OptionCode::LINEMODE);
    config.special_characters = vec![
        SpecialCharacter::new(Function::IP, Level::Value, 3),
        SpecialCharacter::new(Function::EC, Level::Value, 127),
    ];
    let mut asks = Config::server();
    asks.ask.insert(OptionCode::LINEMODE);
    asks.special_characters = config.special_characters.clone();
    let (mut near, mut far) = (Connection::new(config, Limits::default()), Connection::new(asks, Limits::default()));
    settle(&mut near, &mut far);
    let mode = Mode::EDIT.with(Mode::TRAP_SIGNALS);
    far.subnegotiate(&Subnegotiation::Linemode(Linemode::Mode(mode))).unwrap();
    settle(&mut near, &mut far);
    assert_eq!((near.linemode(), far.linemode()), (Some(mode), Some(mode)));
    assert!(!near.is_character_mode());
    far.subnegotiate(&Subnegotiation::Linemode(Linemode::Mode(Mode(0)))).unwrap();
    settle(&mut near, &mut far);
    assert!(near.is_character_mode());
}

#[test]
fn ten_megabytes_with_every_byte_arrive_unharmed() {
    let make = || {
        let mut config = Config::server();
        config.outgoing = Outgoing::Raw;
        config.incoming = Incoming::Raw;
        Connection::new(config, Limits::default())
    };
    let (mut near, mut far) = (make(), make());
    settle(&mut near, &mut far);
    let sent: Vec<u8> = (0..10_000_000u32)
        .map(|at| if at % 3 == 0 { 255 } else { (at.wrapping_mul(2_654_435_761) >> 24) as u8 })
        .collect();
    let mut left = Bytes::from(sent.clone());
    let mut got = Vec::new();
    while got.len() < sent.len() {
        near.send(&mut left);
        let (_, events, _) = settle(&mut near, &mut far);
        got.extend(data(&events));
    }
    assert!(got == sent);
}

/// What an application may do at any time.
#[derive(Clone, Debug)]
enum Whim {
    Enable(bool, u8),
    Disable(bool, u8),
    Send(Vec<u8>),
    Resize(u16, u16),
    Deliver(u8),
    Synch,
    Abort,
    Mark,
}

fn whim() -> impl Strategy<Value = Whim> {
    let option = prop_oneof![Just(0u8), Just(1), Just(3), Just(5), Just(24), Just(31), Just(34), Just(42), any::<u8>()];
    prop_oneof![
        (any::<bool>(), option.clone()).prop_map(|(local, option)| Whim::Enable(local, option)),
        (any::<bool>(), option).prop_map(|(local, option)| Whim::Disable(local, option)),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Whim::Send),
        any::<(u16, u16)>().prop_map(|(columns, rows)| Whim::Resize(columns, rows)),
        any::<u8>().prop_map(Whim::Deliver),
        Just(Whim::Synch),
        Just(Whim::Abort),
        Just(Whim::Mark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_ends_fall_silent_and_agree_whatever_their_applications_do(
        whims in proptest::collection::vec((any::<bool>(), whim()), 0..60),
    ) {
        let (mut near, mut far) = (client(), server());
        // What is on its way, each way.
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        for (is_near, whim) in whims {
            let end = if is_near { &mut near } else { &mut far };
            let side = |local| if local { Side::Local } else { Side::Remote };
            match whim {
                Whim::Enable(local, option) => end.enable(side(local), OptionCode(option)),
                Whim::Disable(local, option) => end.disable(side(local), OptionCode(option)),
                Whim::Send(data) => drop(end.send(&mut Bytes::from(data))),
                Whim::Resize(columns, rows) => end.resize(WindowSize { columns, rows }),
                Whim::Synch => end.synch(),
                Whim::Abort => end.abort_output(),
                Whim::Mark => end.timing_mark(),
                Whim::Deliver(bytes) => {
                    forth.extend(transmit(&mut near));
                    back.extend(transmit(&mut far));
                    let (wire, to) = if is_near { (&mut back, &mut near) } else { (&mut forth, &mut far) };
                    let part: Vec<u8> = wire.drain(..usize::from(bytes).min(wire.len())).collect();
                    receive(to, &part);
                }
            }
        }
        receive(&mut far, &forth);
        receive(&mut near, &back);
        settle(&mut near, &mut far);
        for option in (0..=255).map(OptionCode) {
            prop_assert_eq!(near.is_on(Side::Local, option), far.is_on(Side::Remote, option), "{}", option);
            prop_assert_eq!(near.is_on(Side::Remote, option), far.is_on(Side::Local, option), "{}", option);
        }
    }
}

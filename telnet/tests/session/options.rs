//! Payloads of the options: vectors of the RFCs, and every value both ways.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use towline_telnet::{
    Error, Limits, OptionCode, Subnegotiation, Verb,
    option::{
        authentication::{Authentication, Method},
        charset::Charset,
        com_port::{ComPort, ComPortCommand, Control, Parity},
        encryption::Encryption,
        flow_control::FlowControl,
        gmcp::Gmcp,
        linemode::{Function, Level, Linemode, Mode, SpecialCharacter, Table},
        msdp::{Msdp, Value},
        mssp::Mssp,
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable, Wanted},
        start_tls::StartTls,
        status::{Item, Status},
        terminal_speed::TerminalSpeed,
        terminal_type::{Collector, Cycle, TerminalType},
        x_display::XDisplay,
    },
};

fn decode(option: OptionCode, payload: &[u8]) -> Result<Subnegotiation, Error> {
    Subnegotiation::decode(option, payload, &Limits::default())
}

/// The value has this payload, and the payload this value.
fn both_ways(value: Subnegotiation, payload: &[u8]) {
    let mut encoded = BytesMut::new();
    value.encode_payload(&mut encoded);
    assert_eq!(encoded, payload);
    assert_eq!(decode(value.option(), payload), Ok(value));
}

fn variable(kind: Kind, name: &'static str, value: Option<&'static str>) -> Variable {
    Variable { kind, name: name.into(), value: value.map(Bytes::from) }
}

#[test]
fn every_option_has_the_bytes_of_its_specification() {
    both_ways(Subnegotiation::WindowSize(WindowSize { columns: 80, rows: 24 }), b"\0\x50\0\x18");
    both_ways(Subnegotiation::TerminalType(TerminalType::Send), b"\x01");
    both_ways(Subnegotiation::TerminalType(TerminalType::Is("IBM-3278-2".into())), b"\0IBM-3278-2");
    both_ways(Subnegotiation::TerminalSpeed(TerminalSpeed::Send), b"\x01");
    both_ways(Subnegotiation::TerminalSpeed(TerminalSpeed::Is { transmit: 1200, receive: 9600 }), b"\x001200,9600");
    both_ways(Subnegotiation::XDisplay(XDisplay::Send), b"\x01");
    both_ways(Subnegotiation::XDisplay(XDisplay::Is("desk:0.0".into())), b"\0desk:0.0");
    both_ways(Subnegotiation::FlowControl(FlowControl::RESTART_ANY), b"\x02");
    both_ways(Subnegotiation::StartTls(StartTls::Follows), b"\x01");
    // RFC 859's example, and an SE within.
    both_ways(
        Subnegotiation::Status(Status::Is(vec![
            Item::Stands { verb: Verb::Will, option: OptionCode::ECHO },
            Item::Stands { verb: Verb::Do, option: OptionCode::SGA },
            Item::Agreed { option: OptionCode::NAWS, payload: Bytes::from_static(b"a\xF0b") },
        ])),
        b"\0\xFB\x01\xFD\x03\xFA\x1Fa\xF0\xF0b\xF0",
    );
    both_ways(Subnegotiation::Status(Status::Send), b"\x01");
    // RFC 1572's examples.
    both_ways(
        Subnegotiation::Environment(Environment::Send(vec![
            Wanted { kind: Kind::WellKnown, name: "USER".into() },
            Wanted { kind: Kind::WellKnown, name: "ACCT".into() },
            Wanted { kind: Kind::WellKnown, name: Bytes::new() },
            Wanted { kind: Kind::User, name: Bytes::new() },
        ])),
        b"\x01\0USER\0ACCT\0\x03",
    );
    both_ways(
        Subnegotiation::Environment(Environment::Is(vec![
            variable(Kind::WellKnown, "DISPLAY", Some("foo:0.0")),
            variable(Kind::User, "SYSTEMTYPE", Some("")),
            variable(Kind::User, "GONE", None),
            variable(Kind::User, "ESC\x02APED", Some("\0\x01\x02\x03")),
        ])),
        b"\0\0DISPLAY\x01foo:0.0\x03SYSTEMTYPE\x01\x03GONE\x03ESC\x02\x02APED\x01\x02\0\x02\x01\x02\x02\x02\x03",
    );
    both_ways(
        Subnegotiation::Charset(Charset::Request {
            ttable_version: None,
            names: vec!["UTF-8".into(), "US-ASCII".into()],
        }),
        b"\x01;UTF-8;US-ASCII",
    );
    both_ways(
        Subnegotiation::Charset(Charset::Request { ttable_version: Some(1), names: vec!["UTF-8".into()] }),
        b"\x01[TTABLE ]\x01;UTF-8",
    );
    both_ways(Subnegotiation::Charset(Charset::Accepted("UTF-8".into())), b"\x02UTF-8");
    both_ways(Subnegotiation::Charset(Charset::Rejected), b"\x03");
    both_ways(Subnegotiation::Charset(Charset::TtableIs(Bytes::from_static(b"\x01;x"))), b"\x04\x01;x");
    both_ways(Subnegotiation::ComPort(ComPort::from_client(ComPortCommand::BaudRate(115_200))), b"\x01\0\x01\xC2\0");
    both_ways(Subnegotiation::ComPort(ComPort::from_server(ComPortCommand::Parity(Parity::EVEN))), b"\x67\x03");
    both_ways(Subnegotiation::ComPort(ComPort::from_client(ComPortCommand::Control(Control::BREAK_ON))), b"\x05\x05");
    both_ways(Subnegotiation::ComPort(ComPort::from_client(ComPortCommand::FlowSuspend)), b"\x08");
    both_ways(
        Subnegotiation::ComPort(ComPort::from_server(ComPortCommand::Signature(Bytes::from_static(b"towline")))),
        b"\x64towline",
    );
    both_ways(Subnegotiation::Linemode(Linemode::Mode(Mode::EDIT.with(Mode::ACK))), b"\x01\x05");
    both_ways(
        Subnegotiation::Linemode(Linemode::ForwardMask { verb: Verb::Do, mask: Bytes::from_static(&[1; 32]) }),
        &[&[253, 2][..], &[1; 32]].concat(),
    );
    both_ways(
        Subnegotiation::Linemode(Linemode::SpecialCharacters(vec![
            SpecialCharacter::new(Function::IP, Level::Value, 3),
            SpecialCharacter { function: Function(200), modifiers: 0xE2, key: 255 },
        ])),
        b"\x03\x03\x02\x03\xC8\xE2\xFF",
    );
    both_ways(
        Subnegotiation::Authentication(Authentication::Send(vec![Method { kind: 2, modifiers: 2 }, Method::NULL])),
        b"\x01\x02\x02\0\0",
    );
    both_ways(Subnegotiation::Authentication(Authentication::Name("ada".into())), b"\x03ada");
    both_ways(Subnegotiation::Encryption(Encryption::Support(Bytes::from_static(b"\x01\x02"))), b"\x01\x01\x02");
    both_ways(Subnegotiation::Encryption(Encryption::End), b"\x04");
    both_ways(
        Subnegotiation::Gmcp(Gmcp { name: "Char.Vitals".into(), json: Some("{\"hp\": 1}".into()) }),
        b"Char.Vitals {\"hp\": 1}",
    );
    both_ways(Subnegotiation::Gmcp(Gmcp { name: "Core.Ping".into(), json: None }), b"Core.Ping");
    both_ways(
        Subnegotiation::Msdp(Msdp {
            variables: vec![(
                "ROOM".into(),
                Value::Table(vec![
                    ("NAME".into(), Value::Text("Inn".into())),
                    ("EXITS".into(), Value::Array(vec![Value::Text("n".into()), Value::Text("s".into())])),
                ]),
            )],
        }),
        b"\x01ROOM\x02\x03\x01NAME\x02Inn\x01EXITS\x02\x05\x02n\x02s\x06\x04",
    );
    both_ways(
        Subnegotiation::Mssp(Mssp {
            variables: vec![("PLAYERS".into(), vec!["52".into()]), ("PORT".into(), vec!["23".into(), "4000".into()])],
        }),
        b"\x01PLAYERS\x0252\x01PORT\x0223\x024000",
    );
}

#[test]
fn what_has_another_shape_is_malformed() {
    let wrong: [(OptionCode, &[&[u8]]); 16] = [
        (OptionCode::STATUS, &[b"", b"\x01\x01", b"\0\xFB", b"\0x\x01", b"\0\xFA\x01a"]),
        (OptionCode::TERMINAL_TYPE, &[b"", b"\x01x", b"\0a\xFF", b"\0a\nb"]),
        (OptionCode::NAWS, &[b"", b"\0\0\0", b"\0\0\0\0\0"]),
        (OptionCode::TERMINAL_SPEED, &[b"", b"\x001", b"\x001,", b"\x00+1,2", b"\x001,99999999999", b"\x02"]),
        (OptionCode::TOGGLE_FLOW_CONTROL, &[b"", b"\0\0"]),
        (OptionCode::LINEMODE, &[b"", b"\x01", b"\x01\0\0", b"\x03\0", b"\xFB\x02x", b"\x07\x02"]),
        (OptionCode::X_DISPLAY_LOCATION, &[b"", b"\0\x7F"]),
        (OptionCode::OLD_ENVIRON, &[b"", b"\0x", b"\0\x02\0"]),
        (OptionCode::AUTHENTICATION, &[b"", b"\x01\0", b"\0\0", b"\x03\xFF"]),
        (OptionCode::ENCRYPTION, &[b"", b"\x04\0"]),
        (OptionCode::NEW_ENVIRON, &[b"", b"\0\x01A", b"\0\0A\x02", b"\x01\0A\x01b"]),
        (OptionCode::CHARSET, &[b"", b"\x03x", b"\x01[TTABLE]", b"\x01[TTABLE ]", b"\x01;\xFF"]),
        (OptionCode::COM_PORT, &[b"", b"\x01\0\0\0", b"\x02", b"\x08\0"]),
        (OptionCode::START_TLS, &[b"", b"\x02"]),
        (OptionCode::MSDP, &[b"x", b"\x01a", b"\x01a\x02\x03", b"\x01a\x02\x05\x01", b"\x01a\x02b\x04"]),
        (OptionCode::MSSP, &[b"x", b"\x01a"]),
    ];
    for (option, payloads) in wrong {
        for payload in payloads {
            assert!(
                matches!(decode(option, payload), Err(Error::Malformed { .. })),
                "{option} {payload:?}: {:?}",
                decode(option, payload)
            );
        }
    }
    assert!(matches!(decode(OptionCode::COM_PORT, b"\x20\0"), Err(Error::Unsupported { value: 0x20, .. })));
    assert!(matches!(decode(OptionCode::GMCP, b" {}"), Err(Error::Malformed { .. })));
}

#[test]
fn lists_and_nesting_are_bounded() {
    let limits = Limits::default();
    let too_many = limits.max_list_items + 1;
    let lists: [(OptionCode, Vec<u8>); 6] = [
        (OptionCode::STATUS, [&b"\0"[..], &b"\xFB\x01".repeat(too_many)].concat()),
        (OptionCode::NEW_ENVIRON, [&b"\0"[..], &b"\0A".repeat(too_many)].concat()),
        (OptionCode::CHARSET, [&b"\x01"[..], &b";A".repeat(too_many)].concat()),
        (OptionCode::LINEMODE, [&b"\x03"[..], &b"\x01\x01\x01".repeat(too_many)].concat()),
        (OptionCode::MSSP, [&b"\x01A"[..], &b"\x02b".repeat(too_many)].concat()),
        (OptionCode::MSDP, b"\x01A\x02b".repeat(too_many)),
    ];
    for (option, payload) in lists {
        let error = Subnegotiation::decode(option, &payload, &limits);
        assert!(matches!(error, Err(Error::LimitExceeded { what: "max_list_items", .. })), "{option}: {error:?}");
    }
    let deep = [&b"\x01A"[..], &b"\x02\x05".repeat(60_000)].concat();
    assert!(matches!(
        decode(OptionCode::MSDP, &deep),
        Err(Error::LimitExceeded { what: "max_nesting", got: 17, max: 16 })
    ));
}

#[test]
fn the_older_environ_is_read_whichever_way_its_codes_are_numbered() {
    // RFC 1571: BSD has VAR and VALUE the other way round.
    let expected = vec![variable(Kind::WellKnown, "USER", Some("ada")), variable(Kind::User, "X", Some("y"))];
    let expected = Ok(Subnegotiation::OldEnvironment(Environment::Is(expected)));
    assert_eq!(decode(OptionCode::OLD_ENVIRON, b"\0\0USER\x01ada\x03X\x01y"), expected);
    assert_eq!(decode(OptionCode::OLD_ENVIRON, b"\0\x01USER\0ada\x03X\0y"), expected);
}

#[test]
fn names_cycle_with_the_last_one_twice() {
    let mut cycle = Cycle::new(vec!["a".into(), "b".into()]);
    let names: Vec<String> = (0..7).map(|_| cycle.advance().into()).collect();
    assert_eq!(names, ["a", "b", "b", "a", "b", "b", "a"]);
    assert_eq!(Cycle::new(Vec::new()).advance(), "UNKNOWN");
}

#[test]
fn a_name_that_comes_again_ends_the_list_wherever_it_stood() {
    // Whoever cycles without telling the last one twice would be asked up to the limit.
    let (mut collector, limits) = (Collector::default(), Limits::default());
    let has_more: Vec<bool> = ["a", "b", "c", "b", "c"].iter().map(|name| collector.add(name, &limits)).collect();
    assert_eq!(has_more, [true, true, true, false, false]);
    assert_eq!(collector.names(), ["a", "b", "c"]);
}

#[test]
fn two_tables_of_keys_fall_silent_whatever_they_are_made_of() {
    let levels = [Level::NoSupport, Level::CannotChange, Level::Value, Level::Default];
    let all = levels.iter().flat_map(|level| [1, 2, 255].map(|key| SpecialCharacter::new(Function::IP, *level, key)));
    let pairs = all.clone().flat_map(|near| all.clone().map(move |far| (near, far)));
    for (near, far) in pairs {
        for wish in all.clone() {
            let (mut here, mut there) = (Table::new(&[near]), Table::new(&[far]));
            let (mut forth, mut back) = ([here.supported(), vec![wish]].concat(), there.supported());
            let mut rounds = 0;
            while !forth.is_empty() || !back.is_empty() {
                (forth, back) = (here.receive(&back), there.receive(&forth));
                rounds += 1;
                assert!(rounds < 10, "{near:?} {far:?} {wish:?}");
            }
        }
    }
}

#[test]
fn a_translate_table_is_refused_politely() {
    assert_eq!(Charset::TtableIs(Bytes::new()).answer(&[]), Some(Charset::TtableRejected));
    let request = Charset::Request { ttable_version: Some(1), names: vec!["EBCDIC".into()] };
    assert_eq!(request.answer(&["UTF-8".into()]), Some(Charset::Rejected));
    // RFC 2066 writes the word in two ways.
    let request = Charset::Request { ttable_version: Some(1), names: vec!["EBCDIC".into(), "UTF-8".into()] };
    for word in ["[TTABLE ]", "[TTABLE]"] {
        let payload = [b"\x01", word.as_bytes(), b"\x01;EBCDIC;UTF-8"].concat();
        assert_eq!(Charset::decode(&payload, &Limits::default()), Ok(request.clone()), "{word}");
    }
    assert_eq!(request.answer(&["UTF-8".into()]), Some(Charset::Accepted("UTF-8".into())));
}

#[test]
fn a_table_of_keys_takes_what_it_can_and_acknowledges_it() {
    let mut table = Table::new(&[SpecialCharacter::new(Function::IP, Level::Value, 3)]);
    let theirs = SpecialCharacter::new(Function::IP, Level::Value, 127);
    let answer = table.receive(&[theirs]);
    assert_eq!(answer, [SpecialCharacter { modifiers: theirs.modifiers | SpecialCharacter::ACK, ..theirs }]);
    assert_eq!(table.key(Function::IP), Some(127));
    assert_eq!(table.receive(&[theirs]), [], "that is how it is");
    assert_eq!(table.receive(&answer), [], "an acknowledgement is not answered");
    let unknown = SpecialCharacter::new(Function::EW, Level::Value, 23);
    assert_eq!(table.receive(&[unknown]), [SpecialCharacter::new(Function::EW, Level::NoSupport, 0)]);
    // "Your defaults, please."
    let answer = table.receive(&[SpecialCharacter::new(Function::ALL, Level::Default, 0)]);
    assert_eq!(answer, [SpecialCharacter::new(Function::IP, Level::Value, 3)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_read_can_be_written_and_reads_the_same(option: u8, payload in proptest::collection::vec(any::<u8>(), 0..40)) {
        let option = OptionCode(option);
        if let Ok(value) = decode(option, &payload) {
            let mut encoded = BytesMut::new();
            value.encode_payload(&mut encoded);
            prop_assert_eq!(decode(option, &encoded), Ok(value));
        }
    }

    #[test]
    fn a_payload_of_few_values_can_be_written_and_reads_the_same(
        option in prop_oneof![Just(5u8), Just(24), Just(31), Just(32), Just(34), Just(36), Just(37), Just(39), Just(42), Just(44), Just(69), Just(70)],
        payload in proptest::collection::vec(prop_oneof![0u8..8, 250u8..=255, Just(59), Just(65), Just(240)], 0..24),
    ) {
        let option = OptionCode(option);
        if let Ok(value) = decode(option, &payload) {
            let mut encoded = BytesMut::new();
            value.encode_payload(&mut encoded);
            prop_assert_eq!(decode(option, &encoded), Ok(value));
        }
    }
}

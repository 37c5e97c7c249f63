//! Bugs that other implementations have had, one test each.

use bytes::Bytes;
use towline_telnet::{
    Config, Connection, Error, Event, Limits, OptionCode, Side, Subnegotiation, Verb,
    option::{
        encryption::Encryption,
        linemode::{Function, Level, Linemode, SpecialCharacter},
        naws::WindowSize,
        new_environ::{Environment, Kind, Variable},
    },
};

use crate::pair::{answer, client, client_config, data, receive, server, transmit, turn_on, wire};

#[test]
fn nothing_is_lost_after_a_literal_0xff() {
    // libmudtelnet 2.0.2, libtelnet-rs 2.0.0.
    assert_eq!(data(&receive(&mut client(), b"ab\xFF\xFFcd")), b"ab\xFFcd");
}

#[test]
fn nothing_is_doubled_at_the_border_of_a_read() {
    // nectar 0.4.0: `ab`, `cd\r\n` became `ababcd`.
    let mut connection = client();
    let mut got = data(&receive(&mut connection, b"ab"));
    got.extend(data(&receive(&mut connection, b"cd\r\n")));
    assert_eq!(got, b"abcd\r\n");
}

#[test]
fn a_command_does_not_swallow_the_byte_after_it() {
    // libmudtelnet 2.0.2: AYT, AO, IP, BRK, DM, EC, EL.
    for command in 236..=249u8 {
        assert_eq!(data(&receive(&mut client(), &[255, command, b'x'])), b"x", "{command}");
    }
}

#[test]
fn the_shortest_subnegotiations_are_no_reason_to_panic() {
    // nectar 0.4.0 on FF FA 18, telnet-codec 0.1.0 on FF FA FF F0, in every state.
    let mccp = OptionCode::MCCP1.0..=OptionCode::MCCP3.0;
    for option in (0..=255u8).filter(|option| !mccp.contains(option)) {
        let mut connection = client();
        turn_on(&mut connection, Side::Local, OptionCode(option.wrapping_add(u8::from(option == 6))));
        for payload_bytes in 0..4 {
            for filler in [0, 1, 2, 3, 255] {
                let mut input = vec![255, 250, option];
                for _ in 0..payload_bytes {
                    input.push(filler);
                    input.extend((filler == 255).then_some(255));
                }
                receive(&mut connection, &input);
                receive(&mut connection, &[255, 240]);
            }
        }
        receive(&mut connection, &[255, 250, 255, 240]);
        // After START-TLS comes TLS.
        let follows = if OptionCode(option) == OptionCode::START_TLS { &b""[..] } else { b"x" };
        assert_eq!(data(&receive(&mut connection, b"x")), follows, "{option}");
    }
}

#[test]
fn a_payload_of_any_length_of_any_option_is_an_event_or_a_fault_and_the_text_after_it_stays() {
    let follows =
        [OptionCode::START_TLS, OptionCode::MCCP1, OptionCode::MCCP2, OptionCode::MCCP3, OptionCode::TIMING_MARK];
    for option in (0..=255u8).map(OptionCode).filter(|option| !follows.contains(option)) {
        let mut connection = client();
        turn_on(&mut connection, Side::Local, option);
        for length in [4, 5, 8, 31, 32, 33, 63, 64, 65, 107, 108, 109, 255, 256, 1000] {
            for filler in [0, 1, 2, 3, 5, 240, 255] {
                let payload = Bytes::from(vec![filler; length]);
                let input = [wire(&Subnegotiation::Other { option, payload }), b"x".to_vec()].concat();
                let events = receive(&mut connection, &input);
                assert!(
                    matches!(events[..], [Event::Subnegotiation(_) | Event::Faulty { .. }, _]),
                    "{option} {events:?}"
                );
                assert_eq!(data(&events), b"x");
                transmit(&mut connection);
            }
        }
    }
}

#[test]
fn every_two_byte_command_may_be_the_first_thing_heard() {
    // CVE-2022-39028: IAC EC and IAC EL as the first bytes. And after whatever else was begun.
    for before in [
        &b""[..],
        b"a\r",
        b"\xFF",
        b"\xFF\xFB",
        b"\xFF\xFA",
        b"\xFF\xFA\xFF",
        b"\xFF\xFA\x18\0a",
        b"\xFF\xFA\x18\0a\xFF",
    ] {
        for byte in 0..=255u8 {
            for mut connection in [client(), server()] {
                receive(&mut connection, before);
                receive(&mut connection, &[255, byte]);
                receive(&mut connection, b"x\xFF\xF0\xFF\xF0");
                assert_eq!(data(&receive(&mut connection, b"still here")), b"still here", "{before:?} {byte}");
            }
        }
    }
}

#[test]
fn a_long_subnegotiation_does_not_appear_on_the_screen() {
    // libtelnet 0.21: after 16 KiB the rest came out as data. nuttx PR#18590.
    let mut connection = client();
    turn_on(&mut connection, Side::Remote, OptionCode::GMCP);
    let mut input = b"\xFF\xFA\xC9".to_vec();
    input.resize(300_000, b'a');
    input.extend(b"\xFF\xF0after");
    let events = receive(&mut connection, &input);
    assert_eq!(data(&events), b"after");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Faulty { .. })).count(), 1);
}

#[test]
fn a_key_id_may_have_any_length() {
    // CVE-2011-4862: the key id of ENCRYPT was longer than the array.
    for length in [0, 1, 63, 64, 65, 1000, 65_000] {
        let mut connection = client();
        turn_on(&mut connection, Side::Local, OptionCode::ENCRYPTION);
        let sent = Subnegotiation::Encryption(Encryption::EncryptionKeyId(Bytes::from(vec![255; length])));
        assert_eq!(receive(&mut connection, &wire(&sent)), [Event::Subnegotiation(sent)]);
    }
}

#[test]
fn authentication_and_encryption_are_refused() {
    let said = answer(&mut client(), b"\xFF\xFD\x25\xFF\xFB\x25\xFF\xFD\x26\xFF\xFB\x26");
    assert_eq!(said, b"\xFF\xFC\x25\xFF\xFE\x25\xFF\xFC\x26\xFF\xFE\x26");
}

#[test]
fn a_user_who_is_an_option_to_login_is_not_acceptable() {
    // CVE-2026-24061: USER="-f root"; CVE-2026-28372: CREDENTIALS_DIRECTORY.
    let variable = |name: &'static str, value: &'static str| Variable {
        kind: Kind::WellKnown,
        name: name.into(),
        value: Some(value.into()),
    };
    let told = Environment::Is(vec![
        variable("USER", "-f root"),
        variable("USER", "a\0b"),
        variable("USER", "a\nb"),
        variable("CREDENTIALS_DIRECTORY", "/tmp"),
        variable("LD_PRELOAD", "x.so"),
        variable("USER", "ada"),
    ]);
    assert_eq!(told.acceptable(&["USER"]).collect::<Vec<_>>(), [("USER", "ada")]);
}

#[test]
fn a_client_tells_none_of_its_own_environment() {
    // CVE-2026-32772: the client told variables that were not exported.
    let mut config = client_config();
    config.policy.local.insert(OptionCode::NEW_ENVIRON);
    let mut connection = Connection::new(config, Limits::default());
    answer(&mut connection, b"\xFF\xFD\x27");
    let said = answer(&mut connection, b"\xFF\xFA\x27\x01\xFF\xF0");
    assert_eq!(said, b"\xFF\xFA\x27\0\xFF\xF0", "everything, which is nothing");
    let said = answer(&mut connection, b"\xFF\xFA\x27\x01\0HOME\x03PATH\xFF\xF0");
    assert_eq!(said, b"\xFF\xFA\x27\0\0HOME\x03PATH\xFF\xF0", "there is no such variable");
}

#[test]
fn of_many_names_each_is_told_once_in_the_order_in_which_it_was_asked_for() {
    let mut config = client_config();
    config.policy.local.insert(OptionCode::NEW_ENVIRON);
    config.environment = vec![Variable { kind: Kind::User, name: "100".into(), value: Some("here".into()) }];
    let mut connection = Connection::new(config, Limits::default());
    answer(&mut connection, b"\xFF\xFD\x27");
    let names = |range: core::ops::Range<u32>| range.rev().map(|name| format!("\x03{name}")).collect::<String>();
    let asked = names(0..200) + &names(0..250);
    let said = answer(&mut connection, &[b"\xFF\xFA\x27\x01", asked.as_bytes(), b"\xFF\xF0"].concat());
    let told = "\x03100\x01here".to_owned() + &names(101..200) + &names(0..100) + &names(200..250);
    assert_eq!(said, [b"\xFF\xFA\x27\0", told.as_bytes(), b"\xFF\xF0"].concat());
}

#[test]
fn an_answer_to_ten_thousand_special_characters_has_thirty() {
    // CVE-2026-32746: the reply was appended to 108 bytes.
    let mut config = client_config();
    config.policy.local.insert(OptionCode::LINEMODE);
    let mut limits = Limits::default();
    limits.max_list_items = 20_000;
    let mut connection = Connection::new(config, limits);
    turn_on(&mut connection, Side::Local, OptionCode::LINEMODE);
    let many: Vec<SpecialCharacter> =
        (0..10_000u32).map(|at| SpecialCharacter::new(Function(at as u8), Level::Value, 255)).collect();
    let said = answer(&mut connection, &wire(&Subnegotiation::Linemode(Linemode::SpecialCharacters(many))));
    assert!(said.len() <= 6 + 30 * 4, "{}", said.len());
    // Not made of triplets.
    let events = receive(&mut connection, b"\xFF\xFA\x22\x03\x01\x02\xFF\xF0");
    assert!(matches!(events[..], [Event::Faulty { error: Error::Malformed { .. }, .. }]));
}

#[test]
fn keys_that_neither_side_can_change_are_not_discussed_for_ever() {
    let table = |key| {
        let mut config = client_config();
        config.policy.local.insert(OptionCode::LINEMODE);
        config.policy.remote.insert(OptionCode::LINEMODE);
        config.special_characters = vec![SpecialCharacter::new(Function::IP, Level::CannotChange, key)];
        Connection::new(config, Limits::default())
    };
    let (mut near, mut far) = (table(1), table(2));
    near.enable(Side::Local, OptionCode::LINEMODE);
    near.enable(Side::Remote, OptionCode::LINEMODE);
    let (_, _, carried) = crate::pair::settle(&mut near, &mut far);
    assert!(carried < 200);
}

#[test]
fn sizes_with_a_255_survive_both_ways() {
    // telnetjs#1, xania#306, QMud#18.
    for columns in [0, 1, 254, 255, 256, 65_280, 65_535] {
        let mut connection = server();
        turn_on(&mut connection, Side::Remote, OptionCode::NAWS);
        let size = WindowSize { columns, rows: columns };
        receive(&mut connection, &wire(&Subnegotiation::WindowSize(size)));
        assert_eq!(connection.peer_window(), Some(size));
        let avoided = size.without_255();
        assert!(!wire(&Subnegotiation::WindowSize(avoided))[3..7].contains(&255));
    }
}

#[test]
fn no_size_is_told_before_it_is_asked_for() {
    // Netcatty#2011: junk typed on the console.
    let mut connection = client();
    connection.resize(WindowSize { columns: 100, rows: 40 });
    assert_eq!(transmit(&mut connection), b"");
    let size = Subnegotiation::WindowSize(WindowSize { columns: 1, rows: 1 });
    assert!(matches!(connection.subnegotiate(&size), Err(Error::Misuse(_))));
    assert_eq!(answer(&mut connection, b"\xFF\xFD\x1F"), b"\xFF\xFB\x1F\xFF\xFA\x1F\0\x64\0\x28\xFF\xF0");
}

#[test]
fn a_subnegotiation_of_an_option_that_is_off_is_no_data_and_gets_no_answer() {
    let mut connection = client();
    let events = receive(&mut connection, b"\xFF\xFA\x18\x01\xFF\xF0x");
    assert!(matches!(events[..], [Event::Faulty { option: Some(OptionCode::TERMINAL_TYPE), .. }, Event::Data(_)]));
    assert_eq!(transmit(&mut connection), b"");
}

#[test]
fn what_was_on_its_way_when_an_option_was_turned_off_is_no_fault_of_the_peer() {
    let mut connection = server();
    turn_on(&mut connection, Side::Remote, OptionCode::NAWS);
    connection.disable(Side::Remote, OptionCode::NAWS);
    let size = b"\xFF\xFA\x1F\0\x50\0\x18\xFF\xF0";
    assert!(matches!(receive(&mut connection, size)[..], [Event::Subnegotiation(Subnegotiation::WindowSize(_))]));
    receive(&mut connection, b"\xFF\xFC\x1F");
    assert!(matches!(receive(&mut connection, size)[..], [Event::Faulty { option: Some(OptionCode::NAWS), .. }]));
}

#[test]
fn a_will_after_a_do_is_answered_on_its_own() {
    // libmudtelnet 2.0.2: DO set the remote state too, so that a later WILL got no answer.
    assert_eq!(answer(&mut client(), b"\xFF\xFD\x03\xFF\xFB\x03"), b"\xFF\xFB\x03\xFF\xFD\x03");
}

#[test]
fn a_server_that_offers_no_go_ahead_is_taken_at_its_word() {
    // Guacamole answers WILL SGA with DONT SGA.
    assert_eq!(answer(&mut client(), b"\xFF\xFB\x03"), b"\xFF\xFD\x03");
    // And DO ECHO, the probe of daemons, gets WONT.
    assert_eq!(answer(&mut client(), b"\xFF\xFD\x01"), b"\xFF\xFC\x01");
}

#[test]
fn the_first_flights_of_known_daemons_are_answered_once() {
    // xania#301, QMud#134, x84#131, fuzzball PR#781: ping-pong.
    let inetutils = b"\xFF\xFB\x25\xFF\xFB\x26\xFF\xFD\x18\xFF\xFD\x20\xFF\xFD\x23\xFF\xFD\x27\xFF\xFD\x24";
    assert_eq!(
        answer(&mut client(), inetutils),
        b"\xFF\xFE\x25\xFF\xFE\x26\xFF\xFB\x18\xFF\xFC\x20\xFF\xFC\x23\xFF\xFC\x27\xFF\xFC\x24",
    );
    let busybox = b"\xFF\xFD\x01\xFF\xFD\x1F\xFF\xFB\x01\xFF\xFB\x03";
    let mut connection = client();
    let said = answer(&mut connection, busybox);
    assert_eq!(said, b"\xFF\xFC\x01\xFF\xFB\x1F\xFF\xFD\x01\xFF\xFD\x03\xFF\xFA\x1F\0\x50\0\x18\xFF\xF0");
    assert_eq!(answer(&mut connection, b"\xFF\xFB\x01\xFF\xFB\x03\xFF\xFD\x1F"), b"", "they are on already");
}

#[test]
fn an_adversary_that_answers_everything_gets_a_finite_number_of_bytes() {
    // It turns each of our words round, and always says yes after no.
    for mut connection in [client(), server()] {
        let mut heard = transmit(&mut connection);
        heard.extend(answer(&mut connection, b"\xFF\xFB\xC8\xFF\xFD\x01\xFF\xFD\x03"));
        let mut total = 0;
        while !heard.is_empty() {
            total += heard.len();
            assert!(total < 100_000, "it never ends");
            let mut says = Vec::new();
            for word in heard.chunks(3) {
                let reply = match Verb::from_byte(word[1]) {
                    Some(Verb::Will) => Verb::Dont,
                    Some(Verb::Wont) => Verb::Do,
                    Some(Verb::Do) => Verb::Wont,
                    _ => Verb::Will,
                };
                says.extend([255, reply.byte(), word.get(2).copied().unwrap_or(0)]);
            }
            heard = answer(&mut connection, &says);
        }
    }
}

#[test]
fn what_is_asked_again_and_again_is_answered_once() {
    // The output is bounded by the input: a question of six bytes has an answer of hundreds.
    let mut config = client_config();
    config.policy.local.insert(OptionCode::STATUS);
    config.policy.local.insert(OptionCode::NEW_ENVIRON);
    let long = Bytes::from(vec![b'x'; 1000]);
    config.environment = vec![Variable { kind: Kind::User, name: "LONG".into(), value: Some(long) }];
    let mut connection = Connection::new(config, Limits::default());
    answer(&mut connection, b"\xFF\xFD\x05\xFF\xFD\x27");
    let questions = b"\xFF\xFA\x05\x01\xFF\xF0\xFF\xFA\x27\x01\xFF\xF0".repeat(1000);
    assert!(answer(&mut connection, &questions).len() < 1100);
}

#[test]
fn a_connection_may_end_in_any_state() {
    // CVE-2021-38387: an endless loop on quit.
    let input = b"a\r\xFF\xF1\xFF\xFB\x18\xFF\xFA\x18\x01\xFF\xFF\xFF\xF0\xFF\xFFb";
    for end in 0..input.len() {
        let mut connection = Connection::new(Config::client("x"), Limits::default());
        receive(&mut connection, &input[..end]);
        transmit(&mut connection);
        assert_eq!(connection.poll_event(), Ok(None));
        assert_eq!(connection.poll_transmit(), None);
    }
}

#[test]
fn a_byte_out_of_a_big_read_does_not_keep_all_of_it() {
    let mut connection = client();
    let mut input = b"\xFF\xF1".repeat(8192);
    input.push(b'x');
    connection.handle_input(Bytes::from(input));
    let events = crate::pair::events(&mut connection);
    let Some(Event::Data(data)) = events.into_iter().last() else { panic!("no data") };
    drop(connection);
    assert!(data.try_into_mut().is_ok_and(|data| data.capacity() <= 1024));
}

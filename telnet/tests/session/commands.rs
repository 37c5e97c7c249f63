//! Signals, Synch, timing marks, both ways; back-pressure.

use bytes::Bytes;
use towline_telnet::{
    Command, Config, Connection, Error, Event, Limits, OptionCode, Side, Subnegotiation, newline::Incoming,
    option::start_tls::StartTls,
};

use crate::pair::{answer, client, data, events, receive, server, settle, transmit, turn_on};

#[test]
fn each_signal_is_an_event_and_can_be_sent() {
    for command in [Command::IP, Command::AO, Command::AYT, Command::BRK, Command::EC, Command::EL, Command::NOP] {
        let mut connection = client();
        assert_eq!(receive(&mut connection, &[255, command.0]), [Event::Command(command)]);
        assert_eq!(transmit(&mut connection), b"", "the application answers, not the machine");
        connection.command(command).unwrap();
        assert_eq!(transmit(&mut connection), [255, command.0]);
    }
}

#[test]
fn what_is_framing_cannot_be_sent_as_a_signal() {
    let mut connection = client();
    for byte in [240, 242, 250, 251, 255, 7] {
        assert!(matches!(connection.command(Command(byte)), Err(Error::Misuse(_))), "{byte}");
    }
    assert!(matches!(connection.command(Command::EOR), Err(Error::Misuse(_))));
    turn_on(&mut connection, Side::Local, OptionCode::END_OF_RECORD);
    connection.command(Command::EOR).unwrap();
    assert_eq!(transmit(&mut connection), b"\xFF\xEF");
}

#[test]
fn a_synch_throws_data_away_and_keeps_commands() {
    let mut connection = client();
    connection.handle_urgent();
    let events = receive(&mut connection, b"lost\xFF\xF4lost\xFF\xFB\x01\xFF\xF2kept");
    assert_eq!(data(&events), b"kept");
    assert!(events.contains(&Event::Command(Command::IP)));
    assert!(events.contains(&Event::DataMark));
    assert!(connection.is_on(Side::Remote, OptionCode::ECHO));
}

#[test]
fn a_newline_is_not_made_of_what_a_synch_has_parted() {
    for (mode, expected) in [(Incoming::Screen, "a\r\nb"), (Incoming::Keys, "a\r\nb"), (Incoming::Lines, "a\r\nb")] {
        let mut config = Config::client("x");
        config.incoming = mode;
        let mut connection = Connection::new(config, Limits::default());
        let mut got = data(&receive(&mut connection, b"a\r"));
        connection.handle_urgent();
        got.extend(data(&receive(&mut connection, b"lost\xFF\xF2\nb")));
        assert_eq!(got, expected.as_bytes(), "{mode:?}");
    }
}

#[test]
fn a_data_mark_without_urgent_data_loses_nothing() {
    let events = receive(&mut client(), b"a\xFF\xF2b");
    assert_eq!(data(&events), b"ab");
}

#[test]
fn an_interrupt_is_ip_and_a_mark_whose_last_byte_is_urgent() {
    let mut connection = client();
    connection.interrupt();
    assert!(!connection.next_is_urgent());
    assert_eq!(connection.poll_transmit().unwrap(), &b"\xFF\xF4"[..]);
    assert!(connection.next_is_urgent());
    assert_eq!(connection.poll_transmit().unwrap(), &b"\xFF\xF2"[..]);
    assert_eq!(connection.poll_transmit(), None);
}

#[test]
fn a_timing_mark_is_answered_where_it_stands_and_one_of_ours_is_reported_once() {
    // inetutils telnetd takes WILL from a client for an offer to edit lines.
    assert_eq!(answer(&mut client(), b"\xFF\xFD\x06"), b"\xFF\xFC\x06");
    let mut connection = server();
    transmit(&mut connection);
    assert_eq!(receive(&mut connection, b"\xFF\xFD\x06"), [Event::TimingMarkAsked]);
    assert_eq!(transmit(&mut connection), b"\xFF\xFB\x06");
    connection.timing_mark();
    assert_eq!(transmit(&mut connection), b"\xFF\xFD\x06");
    assert_eq!(receive(&mut connection, b"\xFF\xFB\x06"), [Event::TimingMarkReached { done: true }]);
    // Nobody asked.
    assert_eq!(receive(&mut connection, b"\xFF\xFB\x06\xFF\xFC\x06"), []);
    connection.timing_mark();
    transmit(&mut connection);
    assert_eq!(receive(&mut connection, b"\xFF\xFC\x06"), [Event::TimingMarkReached { done: false }]);
    assert_eq!(transmit(&mut connection), b"");
}

#[test]
fn output_that_is_aborted_at_any_byte_leaves_whole_sequences() {
    // CVE-2020-10188: the look-ahead over a flushed buffer ran past its end.
    let text = b"ab\xFFcd\r\xFF\xFFef";
    for before in 0..=text.len() {
        let mut connection = client();
        connection.send(&mut Bytes::copy_from_slice(&text[..before]));
        receive(&mut connection, b"\xFF\xFB\x01\xFF\xFD\x03");
        connection.send(&mut Bytes::copy_from_slice(&text[before..]));
        connection.abort_output();
        // What was agreed on is said all the same; the data is gone.
        assert_eq!(transmit(&mut connection), b"\xFF\xFD\x01\xFF\xFB\x03\xFF\xF2");
        connection.send(&mut Bytes::from_static(b"x"));
        assert_eq!(transmit(&mut connection), b"x");
    }
}

#[test]
fn a_mark_asked_for_again_and_again_is_one() {
    let mut connection = client();
    for _ in 0..1000 {
        connection.abort_output();
    }
    assert_eq!(transmit(&mut connection), b"\xFF\xF2");
}

#[test]
fn data_that_does_not_fit_is_left_with_the_caller() {
    let mut limits = Limits::default();
    limits.max_unsent_bytes = 10;
    let mut connection = Connection::new(Config::client("x"), limits);
    let mut data = Bytes::from_static(b"0123456789abcdef");
    assert_eq!(connection.send(&mut data), 10);
    assert_eq!(connection.send(&mut data), 0);
    assert_eq!(transmit(&mut connection), b"0123456789");
    assert_eq!(connection.send(&mut data), 6);
    assert_eq!(transmit(&mut connection), b"abcdef");
}

#[test]
fn a_peer_that_does_not_read_is_read_no_further_and_no_answer_is_lost() {
    // CVE-2021-40523: replies were dropped when the buffer was full.
    let mut limits = Limits::default();
    limits.max_unsent_answer_bytes = 100;
    limits.max_answers_in_a_row = 1_000_000;
    let mut connection = Connection::new(Config::client("x"), limits.clone());
    let questions = b"\xFF\xFD\x2A".repeat(10_000);
    connection.handle_input(Bytes::from(questions));
    let mut answers = Vec::new();
    loop {
        events(&mut connection);
        let said = transmit(&mut connection);
        assert!(said.len() <= limits.max_unsent_answer_bytes + 3);
        if said.is_empty() {
            break;
        }
        answers.extend(said);
    }
    assert_eq!(answers, b"\xFF\xFC\x2A".repeat(10_000));
    assert!(connection.wants_input());
}

#[test]
fn a_driver_that_feeds_on_regardless_is_stopped() {
    let mut limits = Limits::default();
    limits.max_waiting_input_bytes = 1000;
    let mut connection = Connection::new(Config::client("x"), limits);
    for _ in 0..100 {
        connection.handle_input(Bytes::from(vec![b'x'; 100]));
    }
    let error = connection.poll_event().unwrap_err();
    assert_eq!(error, Error::LimitExceeded { what: "max_waiting_input_bytes", got: 1100, max: 1000 });
    assert_eq!(connection.poll_event(), Err(error));
    assert!(!connection.wants_input());
}

#[test]
fn a_flood_of_are_you_there_makes_nothing_grow() {
    // CVE-2001-0554: the replies overflowed.
    let mut connection = server();
    transmit(&mut connection);
    let said = answer(&mut connection, &b"\xFF\xF6".repeat(100_000));
    assert_eq!(said, b"");
}

#[test]
fn a_client_that_waits_says_nothing_until_it_is_spoken_to() {
    // Netcatty #2011: some consoles take an offer for typed text.
    let mut connection = client();
    assert_eq!(transmit(&mut connection), b"");
    receive(&mut connection, b"login: ");
    assert_eq!(transmit(&mut connection), b"");
}

#[test]
fn modes_follow_from_what_is_on() {
    let (mut near, mut far) = (client(), server());
    assert!(near.wants_local_echo() && !near.is_character_mode());
    settle(&mut near, &mut far);
    assert!(!near.wants_local_echo() && near.is_character_mode());
    far.disable(Side::Local, OptionCode::ECHO);
    settle(&mut near, &mut far);
    assert!(near.wants_local_echo());
}

#[test]
fn what_follows_start_tls_is_left_for_tls() {
    let mut connection = client();
    turn_on(&mut connection, Side::Local, OptionCode::START_TLS);
    connection.handle_input(Bytes::from_static(b"a\xFF\xFA\x2E\x01\xFF\xF0\x16\x03\xFF\xF4"));
    while let Some(event) = connection.poll_event().unwrap() {
        if event == Event::Subnegotiation(Subnegotiation::StartTls(StartTls::Follows)) {
            break;
        }
    }
    // However often it is asked, and whatever still comes: nothing of it is read as Telnet.
    assert_eq!(connection.poll_event(), Ok(None));
    assert!(!connection.wants_input());
    assert_eq!(receive(&mut connection, b"\xFF\xF6"), []);
    assert_eq!(connection.take_unread(), &b"\x16\x03\xFF\xF4\xFF\xF6"[..]);
    assert_eq!(connection.poll_event(), Ok(None));
}

//! MCCP2 and MCCP3: streams that begin, end and begin again, in any pieces; bombs and damage.

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use towline_telnet::{Config, Connection, Error, Event, Limits, OptionCode, Side};

use crate::pair::{answer, client_config, data, events, receive, settle, transmit};

const START: &[u8] = b"\xFF\xFA\x56\xFF\xF0";

/// A client that agrees to what the server compresses, and to compress itself.
fn client() -> Connection {
    let mut config = client_config();
    config.policy.remote.insert(OptionCode::MCCP2);
    config.policy.remote.insert(OptionCode::MCCP3);
    Connection::new(config, Limits::default())
}

fn server() -> Connection {
    let mut config = Config::server();
    for option in [OptionCode::MCCP2, OptionCode::MCCP3] {
        config.policy.local.insert(option);
        config.offer.insert(option);
    }
    Connection::new(config, Limits::default())
}

/// A client whose server has said that it compresses.
fn compressed_client() -> Connection {
    let mut connection = client();
    assert_eq!(answer(&mut connection, b"\xFF\xFB\x56"), b"\xFF\xFD\x56");
    connection
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[at % 2] & 0x3F | 0x20).collect()
}

#[test]
fn compression_is_refused_unless_it_was_agreed_to_and_its_first_version_always() {
    for option in [OptionCode::MCCP1, OptionCode::MCCP2] {
        let mut connection = Connection::new(client_config(), Limits::default());
        assert_eq!(answer(&mut connection, &[255, 251, option.0]), [255, 254, option.0]);
    }
    let mut config = client_config();
    config.policy.remote.insert(OptionCode::MCCP1);
    let mut connection = Connection::new(config, Limits::default());
    assert_eq!(answer(&mut connection, b"\xFF\xFB\x55"), b"\xFF\xFE\x55");
    connection.enable(Side::Remote, OptionCode::MCCP1);
    assert_eq!(transmit(&mut connection), b"");
    // A start that nobody agreed on starts nothing.
    let events = receive(&mut client(), &[START, b"text"].concat());
    assert!(matches!(events[..], [Event::Faulty { .. }, Event::Data(_)]));
}

#[test]
fn both_directions_are_compressed_and_hold_nothing_back() {
    let (mut near, mut far) = (client(), server());
    settle(&mut near, &mut far);
    assert!(near.is_on(Side::Remote, OptionCode::MCCP2) && near.is_on(Side::Remote, OptionCode::MCCP3));
    // Each way each time, without more being sent: a prompt must not wait for the next line.
    for part in 0..20 {
        let text = format!("a line that is much like the line before it, {part}\n").repeat(1 + part);
        for is_forth in [true, false] {
            let (from, to) = if is_forth { (&mut near, &mut far) } else { (&mut far, &mut near) };
            from.send(&mut Bytes::from(text.clone()));
            let wire = transmit(from);
            assert!(part < 3 || wire.len() * 4 < text.len(), "{part}: {} of {}", wire.len(), text.len());
            let got = data(&receive(to, &wire));
            assert_eq!(String::from_utf8_lossy(&got).replace("\r\n", "\n").replace('\r', "\n"), text);
        }
    }
}

#[test]
fn a_stream_begins_and_ends_wherever_the_reads_are_cut() {
    // Mudlet PR#8749, PR#9441: a start that is split over reads, bytes after the end; Blightmud#139.
    let packed = compress_to_vec_zlib(b"within\xFF\xFF\xFF\xF1 and", 6);
    let again = compress_to_vec_zlib(b" once more", 1);
    let input = [b"before ", START, &packed[..], b" after", START, &again[..], b" end\xFF\xF6"].concat();
    for cut in 0..=input.len() {
        let mut connection = compressed_client();
        let mut events = receive(&mut connection, &input[..cut]);
        events.extend(receive(&mut connection, &input[cut..]));
        assert_eq!(data(&events), b"before within\xFF and after once more end", "cut at {cut}");
        assert_eq!(events.iter().filter(|event| **event == Event::CompressionEnded).count(), 2);
        assert!(matches!(events.last(), Some(Event::Command(_))));
    }
    let mut connection = compressed_client();
    let mut got = Vec::new();
    for byte in &input {
        got.extend(data(&receive(&mut connection, &[*byte])));
    }
    assert_eq!(got, b"before within\xFF and after once more end");
}

#[test]
fn what_a_peer_no_longer_wants_compressed_ends_in_order_and_may_begin_again() {
    let (mut near, mut far) = (client(), server());
    settle(&mut near, &mut far);
    let mut events = Vec::new();
    for (part, is_on) in [false, true, false, true].into_iter().enumerate() {
        match is_on {
            true => near.enable(Side::Remote, OptionCode::MCCP2),
            false => near.disable(Side::Remote, OptionCode::MCCP2),
        }
        far.send(&mut Bytes::from(format!("{part}")));
        events.extend(settle(&mut near, &mut far).0);
        far.send(&mut Bytes::from_static(b"."));
        let wire = transmit(&mut far);
        assert_eq!(wire == b".", !is_on);
        events.extend(receive(&mut near, &wire));
    }
    assert_eq!(data(&events), b"0.1.2.3.");
    assert_eq!(events.iter().filter(|event| **event == Event::CompressionEnded).count(), 2);
}

#[test]
fn a_bomb_makes_one_piece_at_a_time_and_is_ended_by_its_ratio() {
    // Mudlet#10659.
    let mut limits = Limits::default();
    limits.max_inflation_ratio = 100;
    let mut config = client_config();
    config.policy.remote.insert(OptionCode::MCCP2);
    let mut connection = Connection::new(config, limits);
    receive(&mut connection, &[b"\xFF\xFB\x56", START].concat());
    let bomb = compress_to_vec_zlib(&vec![b'x'; 100_000_000], 9);
    let room = u64::try_from(bomb.len()).unwrap() * 100;
    connection.handle_input(Bytes::from(bomb));
    let mut made = 0;
    let error = loop {
        match connection.poll_event() {
            Ok(Some(Event::Data(data))) => {
                assert!(data.len() <= 16 * 1024);
                made += u64::try_from(data.len()).unwrap();
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::LimitExceeded { what: "max_inflation_ratio", max: 100, .. }), "{error}");
    assert!(made <= room, "{made}");
    assert_eq!(connection.poll_event(), Err(error));
    assert!(!connection.wants_input());
}

#[test]
fn streams_that_begin_again_and_again_have_one_ratio() {
    let mut connection = compressed_client();
    let packed = compress_to_vec_zlib(&[b'x'; 65_536], 9);
    let stream = [START, &packed[..]].concat();
    let (mut heard, mut made) = (0, 0);
    let error = 'streams: loop {
        heard += stream.len();
        assert!(heard < 100_000, "it never ends: {heard} bytes have made {made}");
        connection.handle_input(Bytes::from(stream.clone()));
        loop {
            match connection.poll_event() {
                Ok(Some(Event::Data(data))) => made += data.len(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => break 'streams error,
            }
        }
    };
    assert!(error.to_string().starts_with("max_inflation_ratio"), "{error}");
    assert!(made < 65_536 + heard * 256, "{heard} bytes have made {made}");
}

#[test]
fn text_of_a_few_bytes_that_repeats_is_no_bomb() {
    let mut connection = compressed_client();
    receive(&mut connection, START);
    let packed = compress_to_vec_zlib(&[b'\n'; 60_000], 9);
    assert_eq!(data(&receive(&mut connection, &packed)).len(), 60_000);
}

#[test]
fn a_damaged_stream_is_an_error_for_good() {
    let text = text(10_000);
    let packed = compress_to_vec_zlib(&text, 6);
    for at in [0, 1, 2, 20, packed.len() / 2, packed.len() - 1] {
        let mut connection = compressed_client();
        receive(&mut connection, START);
        let mut damaged = packed.clone();
        damaged[at] ^= 0x55;
        connection.handle_input(Bytes::from(damaged));
        let mut got = Vec::new();
        let error = loop {
            match connection.poll_event() {
                Ok(Some(Event::Data(data))) => got.extend_from_slice(&data),
                Ok(None) => break None,
                Ok(other) => panic!("{other:?}"),
                Err(error) => break Some(error),
            }
        };
        // Damage may be such that the stream asks for more: what follows is refused then.
        let error = error.or_else(|| {
            connection.handle_input(Bytes::from(packed.clone()));
            loop {
                match connection.poll_event() {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            }
        });
        assert!(matches!(error, Some(Error::Malformed { what: "MCCP", .. })), "{at}: {error:?}");
    }
}

#[test]
fn no_answer_waits_in_a_stream_that_has_not_begun() {
    // What is said before the start goes before it, what is said after goes into it.
    let mut far = server();
    transmit(&mut far);
    far.send(&mut Bytes::from_static(b"before"));
    receive(&mut far, b"\xFF\xFD\x56");
    far.send(&mut Bytes::from_static(b"within"));
    let wire = transmit(&mut far);
    let at = wire.windows(START.len()).position(|window| window == START).unwrap();
    assert_eq!(&wire[..at], b"before");
    let packed = &wire[at + START.len()..];
    let mut near = compressed_client();
    assert_eq!(data(&receive(&mut near, &[START, packed].concat())), b"within");
    assert_eq!(events(&mut near), []);
}

#[test]
fn a_stream_that_begins_while_we_ask_for_none_is_a_stream_all_the_same() {
    // Found by the oracle of two connections: its bytes came out as text.
    let mut connection = compressed_client();
    connection.disable(Side::Remote, OptionCode::MCCP2);
    assert_eq!(transmit(&mut connection), b"\xFF\xFE\x56");
    let packed = compress_to_vec_zlib(b"text", 6);
    let events = receive(&mut connection, &[START, &packed, b"\xFF\xFC\x56"].concat());
    assert_eq!(data(&events), b"text");
    // The peer has agreed: from here on a start is a mistake.
    assert!(matches!(receive(&mut connection, START)[..], [Event::Faulty { .. }]));
}

#[test]
fn a_mark_within_a_stream_is_not_urgent_and_arrives() {
    let (mut near, mut far) = (client(), server());
    settle(&mut near, &mut far);
    near.interrupt();
    assert!(!near.next_is_urgent());
    let wire = transmit(&mut near);
    assert!(matches!(receive(&mut far, &wire)[..], [Event::Command(_), Event::DataMark]));
}

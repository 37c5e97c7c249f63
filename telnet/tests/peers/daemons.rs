//! Our client at real daemons.

use std::time::{Duration, Instant};

use bytes::Bytes;
use towline_telnet::{
    Event, OptionCode, Side, Subnegotiation,
    newline::Incoming,
    option::{linemode::Mode, naws::WindowSize, status::Status},
};

use crate::{
    LOGIN, PATIENCE,
    end::{End, terminal},
    position, script,
};

/// Gives back every byte.
const MIRROR: &str = "printf 'ready '\nread -r go\nstty raw -echo\nprintf 'mirror '\nexec cat\n";

/// The way through a login, a shell, two sizes and an interrupt.
fn a_session(mut end: End) {
    end.shows("peer login: ");
    end.types("ada\r");
    end.shows("hello ada");
    end.until("a key at a time", |end| end.connection.is_character_mode() && !end.connection.wants_local_echo());
    end.types("stty size\r");
    end.shows("24 80");
    for (columns, rows, shown) in [(132, 43, "43 132"), (255, 50, "50 254"), (80, 255, "254 80")] {
        end.connection.resize(WindowSize { columns, rows });
        // The daemon sets the size when it has read it: ask until it has.
        let start = Instant::now();
        while position(&end.screen, shown.as_bytes()).is_none() {
            assert!(start.elapsed() < PATIENCE, "{shown}: {}", end.screen.escape_ascii());
            end.types("stty size\r");
            let pause = Instant::now();
            while pause.elapsed() < Duration::from_millis(50) {
                end.turn();
            }
        }
        end.shows(shown);
    }
    // Nothing but what was typed has been typed.
    end.types("sh -c 'echo to-the-\"end\"; exec sleep 1000'\r");
    end.shows("to-the-end");
    end.types("\x03");
    end.types("echo still-\"alive\"\r");
    end.shows("still-alive");
    end.types("exit\r");
    end.until("the end", |end| end.is_over);
    assert!(!end.events.iter().any(|event| matches!(event, Event::Faulty { .. })));
}

#[test]
fn a_session_with_inetutils_telnetd() {
    a_session(End::inetutils(&[], &script("login-inetutils", LOGIN), terminal()));
}

#[test]
fn a_session_with_inetutils_telnetd_when_we_speak_first() {
    let mut config = terminal();
    config.speak_first = true;
    a_session(End::inetutils(&[], &script("login-inetutils-first", LOGIN), config));
}

#[test]
fn inetutils_telnetd_reads_our_status_and_we_read_its_own() {
    let mut config = terminal();
    config.policy.remote.insert(OptionCode::STATUS);
    let mut end = End::inetutils(&[], &script("login-status", LOGIN), config);
    end.shows("peer login: ");
    end.connection.enable(Side::Remote, OptionCode::STATUS);
    end.until("STATUS", |end| end.connection.is_on(Side::Remote, OptionCode::STATUS));
    end.connection.subnegotiate(&Subnegotiation::Status(Status::Send)).unwrap();
    end.until("the status", |end| {
        end.events.iter().any(|event| matches!(event, Event::Subnegotiation(Subnegotiation::Status(Status::Is(_)))))
    });
    end.connection.timing_mark();
    end.until("the mark", |end| end.events.iter().any(|event| matches!(event, Event::TimingMarkReached { .. })));
}

#[test]
fn an_interrupt_at_inetutils_telnetd_is_answered_by_a_synch_of_which_nothing_is_shown() {
    let mut end = End::inetutils(&[], &script("login-synch", LOGIN), terminal());
    end.shows("peer login: ");
    end.types("ada\r");
    end.shows("hello ada");
    for (is_a_key, name) in [(true, "one"), (false, "two")] {
        end.types("sh -c 'echo to-the-\"end\"; exec sleep 1000'\r");
        end.shows("to-the-end");
        end.events.clear();
        if is_a_key {
            end.types("\x03");
        } else {
            end.connection.interrupt();
        }
        end.until("a mark", |end| end.events.contains(&Event::DataMark));
        end.types(&format!("echo \"still\"-{name}\r"));
        end.until("a shell", |end| position(&end.screen, format!("still-{name}").as_bytes()).is_some());
        // The mark's code, which is all that is left of it where urgent bytes are taken out of the stream.
        assert!(!end.screen.contains(&0xF2), "{}", end.screen.escape_ascii());
    }
    assert!(end.synchs > 0, "no urgent data was seen");
}

#[test]
fn linemode_with_inetutils_telnetd() {
    let mut config = terminal();
    config.policy.local.insert(OptionCode::LINEMODE);
    let mut end = End::inetutils(&["-l"], &script("login-linemode", LOGIN), config);
    end.shows("peer login: ");
    end.until("a mode", |end| end.connection.linemode().is_some_and(|mode| mode.contains(Mode::EDIT)));
    assert!(!end.connection.is_character_mode());
    end.types("ada\n");
    end.shows("hello ada");
    end.types("sh -c 'echo to-the-\"end\"; exec sleep 1000'\n");
    end.shows("to-the-end");
    // The key does not reach the daemon in this mode: the signal does.
    end.connection.interrupt();
    end.types("echo still-\"alive\"\n");
    end.shows("still-alive");
}

/// Sends `bytes` through a mirror while reading; they come back as they were.
fn a_mirror(mut end: End, sent: &[u8]) {
    // Only now: a daemon changes its terminal's modes when an option changes.
    end.types("go\n");
    end.shows("mirror ");
    end.unsent = Bytes::copy_from_slice(sent);
    end.until("all of it", |end| end.screen.len() >= sent.len());
    let difference = end.screen.iter().zip(sent).position(|(got, sent)| got != sent);
    assert_eq!((end.screen.len(), difference), (sent.len(), None));
}

/// So many bytes, one of `one_in` of them 0xFF.
pub(crate) fn many_bytes(count: u32, one_in: u32, is_allowed: impl Fn(u8) -> bool) -> Vec<u8> {
    let numbers = (0..count).map(|at| at.wrapping_mul(2_654_435_761).rotate_left(7) ^ at);
    let bytes = numbers.map(|number| if (number >> 8) % one_in == 0 { 0xFF } else { number.to_le_bytes()[0] });
    bytes.map(|byte| if is_allowed(byte) { byte } else { b'.' }).collect()
}

#[test]
fn ten_megabytes_of_any_bytes_pass_inetutils_telnetd_in_binary() {
    let mut config = terminal();
    config.incoming = Incoming::Raw;
    let mut end = End::inetutils(&[], &script("mirror-inetutils", MIRROR), config);
    end.shows("ready ");
    end.connection.enable(Side::Local, OptionCode::BINARY);
    end.connection.enable(Side::Remote, OptionCode::BINARY);
    end.until("BINARY", |end| Side::ALL.iter().all(|side| end.connection.is_on(*side, OptionCode::BINARY)));
    a_mirror(end, &many_bytes(10_000_000, 4, |_| true));
}

#[test]
fn a_session_with_telnetlib3s_server() {
    let login = script("login-telnetlib3", LOGIN);
    let arguments = |port: &str| ["127.0.0.1", port, "--pty-exec", login.to_str().unwrap()].map(String::from).to_vec();
    a_session(End::listener("telnetlib3-server", arguments, terminal()));
}

#[cfg(feature = "mccp")]
#[test]
fn a_session_with_telnetlib3s_server_that_compresses() {
    let login = script("login-telnetlib3-compressed", LOGIN);
    let arguments = |port: &str| {
        ["127.0.0.1", port, "--compression", "--pty-exec", login.to_str().unwrap()].map(String::from).to_vec()
    };
    // Not MCCP3: what follows the start of a stream in the same read it takes for text.
    let mut config = terminal();
    config.policy.remote.insert(OptionCode::MCCP2);
    let mut end = End::listener("telnetlib3-server", arguments, config);
    end.until("compression", |end| end.connection.is_on(Side::Remote, OptionCode::MCCP2));
    a_session(end);
}

//! Real clients at our server: each on a terminal of its own, our server with a shell on another.

use std::{
    io::Read,
    net::TcpListener,
    process::{Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use towline_telnet::{
    Command, Config, Event, OptionCode, OptionSet, Side, Subnegotiation,
    newline::Outgoing,
    option::{
        linemode::{Function, Linemode, Mode},
        naws::WindowSize,
    },
};

use crate::{
    LOGIN, PATIENCE, Running,
    daemons::many_bytes,
    end::End,
    found,
    pty::Pty,
    screens::{Mouse, SHIFT_JIS, UTF8, WIDE, mc_takes_the_mouse, text_comes_back, vim_takes_the_mouse},
    script,
};

/// What a server on a terminal is like: the terminal has the newlines right already.
fn on_a_terminal() -> Config {
    let mut config = Config::server();
    config.outgoing = Outgoing::CrNul;
    config
}

/// Serves one visitor a shell on a terminal, until either of them ends it.
fn serve(listener: &TcpListener, login: &str, config: Config) -> End {
    let mut end = End::new(listener.accept().unwrap().0, config, None);
    end.until("the size", |end| end.connection.peer_window().is_some());
    let mut size = end.connection.peer_window().unwrap();
    let mut shell = Pty::start(login, size);
    let mut is_alive = true;
    while is_alive && !end.is_over {
        if end.unsent.len() < 64 * 1024 {
            is_alive = shell.read();
            end.unsent = [&end.unsent[..], &std::mem::take(&mut shell.shown)].concat().into();
        }
        end.turn();
        let written = shell.write(&end.screen);
        end.screen.drain(..written);
        for event in std::mem::take(&mut end.events) {
            match event {
                Event::Command(Command::IP | Command::BRK) => drop(shell.write(b"\x03")),
                Event::Command(Command::EOF) => drop(shell.write(b"\x04")),
                Event::Command(Command::AYT) => end.types("\r\n[yes]\r\n"),
                Event::Command(Command::AO) => end.connection.abort_output(),
                Event::Faulty { option, error } => panic!("{option:?} {error}"),
                _ => {}
            }
        }
        let told = end.connection.peer_window().unwrap();
        if told != size {
            size = told;
            shell.resize(size);
        }
    }
    drop(end.stream.shutdown(std::net::Shutdown::Both));
    end
}

/// A login, a resize, an interrupt, vim, mc, and text, by way of a client that `command` starts.
fn a_session(name: &str, command: &str, tells_resizes: bool, mouse: Mouse, encodings: &[&[u8]]) {
    a_session_with(on_a_terminal(), name, command, tells_resizes, mouse, encodings);
}

fn a_session_with(
    config: Config,
    name: &str,
    command: &str,
    tells_resizes: bool,
    mouse: Mouse,
    encodings: &[&[u8]],
) -> End {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let login = script(&format!("login-{name}"), LOGIN);
    let server = thread::spawn(move || serve(&listener, login.to_str().unwrap(), config));
    let command = command.replace("PORT", &port.to_string());
    let narrow = WindowSize { columns: 100, rows: 30 };
    let mut client = Pty::start(&command, if tells_resizes { narrow } else { WIDE });
    client.shows(b"peer login: ");
    client.types(b"ada\r");
    client.shows(b"hello ada");
    if tells_resizes {
        client.types(b"stty size\r");
        client.shows(b"30 100");
        client.resize(WIDE);
    }
    client.types_until(b"stty size\r", b"30 230");
    client.types(b"echo to-the-\"end\"; sleep 1000\r");
    client.shows(b"to-the-end");
    thread::sleep(Duration::from_millis(200));
    client.types(b"\x03");
    client.types_until(b"echo still-\"alive\"\r", b"still-alive");
    for text in encodings {
        text_comes_back(&mut client, text);
    }
    vim_takes_the_mouse(&mut client, &format!("vim-{name}"), mouse);
    mc_takes_the_mouse(&mut client, mouse);
    client.types(b"exit\r");
    let start = Instant::now();
    while client.read() {
        assert!(start.elapsed() < PATIENCE, "the client does not end");
        client.wait(Duration::from_millis(20));
    }
    server.join().unwrap()
}

#[test]
fn a_session_of_debians_telnet() {
    let command = format!("exec {} 127.0.0.1 PORT", found("telnet").display());
    a_session("telnet", &command, true, Mouse::Bytes, &[UTF8, SHIFT_JIS]);
}

#[test]
fn debians_telnet_edits_lines_and_turns_keys_into_signals_for_our_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = Pty::start(&format!("exec {} 127.0.0.1 {port}", found("telnet").display()), WIDE);
    let mut config = Config::server();
    config.offer = OptionSet::new();
    config.ask.insert(OptionCode::LINEMODE);
    config.policy.remote.insert(OptionCode::LINEMODE);
    let mut end = End::new(listener.accept().unwrap().0, config, None);
    end.until("LINEMODE", |end| end.connection.is_on(Side::Remote, OptionCode::LINEMODE));
    let mode = Mode::EDIT.with(Mode::TRAP_SIGNALS);
    end.connection.subnegotiate(&Subnegotiation::Linemode(Linemode::Mode(mode))).unwrap();
    end.until("the mode", |end| end.connection.linemode() == Some(mode));
    end.until("its keys", |end| end.connection.special_characters().key(Function::IP) == Some(0x03));

    client.types(b"lx\x7Fs gone\x17-l\r");
    end.shows("ls -l\r");
    client.types(b"half of a line\x03");
    end.until("an interrupt", |end| end.events.contains(&Event::Command(Command::IP)));
    client.types(b"whole\r");
    end.shows("whole\r");
    assert!(!end.events.iter().any(|event| matches!(event, Event::Faulty { .. })), "{:?}", end.events);
}

#[test]
fn a_session_of_busyboxs_telnet() {
    // It tells its size once, when it starts.
    let command = format!("exec {} telnet 127.0.0.1 PORT", found("busybox").display());
    a_session("busybox", &command, false, Mouse::Bytes, &[UTF8, SHIFT_JIS]);
}

#[test]
fn a_session_of_puttys_plink() {
    let command = format!("exec {} -telnet -P PORT 127.0.0.1", found("plink").display());
    a_session("plink", &command, true, Mouse::Bytes, &[UTF8, SHIFT_JIS]);
}

#[test]
fn a_session_of_telnetlib3s_client() {
    // It decodes what it carries, so that a mouse of bytes and another encoding are not for it.
    let command = format!("exec {} 127.0.0.1 PORT", found("telnetlib3-client").display());
    a_session("telnetlib3", &command, true, Mouse::Sgr, &[UTF8]);
}

#[cfg(feature = "mccp")]
#[test]
fn a_session_of_telnetlib3s_client_for_which_we_compress() {
    // Not MCCP3: after the start of its stream it still sends its answers as they are.
    let mut config = on_a_terminal();
    config.policy.local.insert(OptionCode::MCCP2);
    config.offer.insert(OptionCode::MCCP2);
    let command = format!("exec {} --compression 127.0.0.1 PORT", found("telnetlib3-client").display());
    let end = a_session_with(config, "telnetlib3-compressed", &command, true, Mouse::Sgr, &[UTF8]);
    assert!(end.connection.is_on(Side::Local, OptionCode::MCCP2));
}

#[test]
fn ten_megabytes_with_every_byte_pass_plink() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let sent = many_bytes(10_000_000, 4, |_| true);
    let mut child = Process::new(found("plink"))
        .args(["-telnet", "-P", &port, "127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let got = thread::spawn(move || {
        let mut got = Vec::new();
        output.read_to_end(&mut got).unwrap();
        got
    });
    let mut end = End::new(listener.accept().unwrap().0, on_a_terminal(), Some(Running(child)));
    end.unsent = Bytes::from(sent.clone());
    end.until("all of it sent", |end| end.unsent.is_empty());
    end.turn();
    end.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let got = got.join().unwrap();
    let difference = got.iter().zip(&sent).position(|(got, sent)| got != sent);
    assert_eq!((got.len(), difference), (sent.len(), None));
}

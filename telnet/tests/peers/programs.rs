//! The examples, as their users have them: at real peers, on terminals of their own.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use towline_telnet::option::naws::WindowSize;

use crate::{LOGIN, PATIENCE, Running, file, found, position, pty::Pty, script};

const SIZE: WindowSize = WindowSize { columns: 91, rows: 17 };

/// Cargo builds the examples for the tests, beside them.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo test` without `--test`, or `cargo build --examples`", path.display());
    path
}

/// inetutils' telnetd for one visitor; its port.
fn telnetd(name: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let login = script(name, LOGIN);
    thread::spawn(move || {
        let socket = OwnedFd::from(listener.accept().unwrap().0);
        let mut command = Process::new(found("telnetd"));
        command.arg("-h").arg("-E").arg(login).stderr(Stdio::null());
        command.stdin(socket.try_clone().unwrap()).stdout(socket);
        Running(command.spawn().unwrap()).0.wait().unwrap();
    });
    port
}

/// Waits until `text` is shown; everything up to its end.
fn until(pty: &mut Pty, text: &[u8]) -> Vec<u8> {
    let start = Instant::now();
    loop {
        if let Some(at) = position(&pty.shown, text) {
            return pty.shown.drain(..at + text.len()).collect();
        }
        pty.wait(Duration::from_millis(20));
        assert!(start.elapsed() < PATIENCE, "{}: {}", text.escape_ascii(), pty.shown.escape_ascii());
    }
}

#[test]
fn telnet_client_shows_what_the_daemon_says_and_leaves_the_terminal_as_it_was() {
    let port = telnetd("login-client");
    let (client, [before, after]) = (example("telnet-client"), ["before", "after"].map(|name| file(name, b"")));
    let (client, before, after) = (client.display(), before.display(), after.display());
    let line = format!(
        "stty -g >{before}; {client} 127.0.0.1 {port}; code=$?; stty -g >{after}; cmp {before} {after} && echo same-$code"
    );
    let mut pty = Pty::start(&line, SIZE);
    pty.shows(b"Ctrl+] ends it");
    pty.shows(b"peer login: ");
    pty.types(b"ada\r");
    pty.shows(b"hello ada");
    pty.types(b"stty size\r");
    pty.shows(b"17 91");
    pty.resize(WindowSize { columns: 132, rows: 43 });
    pty.types_until(b"stty size\r", b"43 132");
    // The daemon answers an interrupt with a Synch, whose mark is none of the screen's business.
    pty.types(b"echo a\"sle\"ep; sleep 1000\r");
    pty.shows(b"asleep\r\n");
    thread::sleep(Duration::from_millis(200));
    pty.types(b"\x03");
    pty.types(b"echo a\"wa\"ke\r");
    let shown = until(&mut pty, b"awake\r\n");
    assert!(!shown.contains(&0xF2), "{}", shown.escape_ascii());
    pty.types(b"\x1D");
    pty.shows(b"The connection was ended.");
    pty.shows(b"same-0");
}

#[test]
fn telnet_client_says_what_is_wrong() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for (arguments, expected) in [
        (&[][..], "usage: telnet-client HOST PORT"),
        (&["127.0.0.1", &closed], "Connection refused"),
        (&["127.0.0.1", "telnet"], "telnet is not the number of a port"),
    ] {
        let output = Process::new(example("telnet-client")).args(arguments).stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn telnet_server_is_a_shell_for_debians_telnet_and_takes_its_synch() {
    let mut server = Process::new(example("telnet-server")).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Running(server);
    let address = said.next().unwrap().unwrap();
    let port = address.rsplit_once(':').unwrap().1;
    let mut pty = Pty::start(&format!("exec {} 127.0.0.1 {port}", found("telnet").display()), SIZE);
    pty.shows(b"towline> ");
    pty.types(b"size\r");
    pty.shows(b"91 columns, 17 rows");
    pty.resize(WindowSize { columns: 132, rows: 43 });
    pty.types_until(b"size\r", b"132 columns, 43 rows");
    pty.types(b"terminal\r");
    pty.shows(b"XTERM");
    for signal in ["synch", "ip", "ao", "ayt"] {
        pty.types(b"\x1D");
        pty.shows(b"telnet> ");
        pty.types(format!("send {signal}\r").as_bytes());
        pty.shows(format!("send {signal}\r\n").as_bytes());
        // The client's own prompt is of lines, and what it was typed then is not sent as keys.
        thread::sleep(Duration::from_millis(200));
        if signal == "ayt" {
            pty.shows(b"[yes]");
        }
        // The key after the mark is not half of a command.
        pty.types("echo é日本語x\x7F.\r".as_bytes());
        pty.shows("\r\né日本語.\r\n".as_bytes());
    }
    pty.types(b"exit\r");
    pty.shows(b"Bye.");
}

#[test]
fn telnet_log_writes_a_line_for_each_token() {
    let captured = b"login: \xFF\xFB\x01\xFF\xFD\x18\xFF\xFA\x1F\0\xFF\xFF\0\x18\xFF\xF0\xFF\xF2\x1B[1mhi\xFF\xFA\xC9";
    let expected = [
        "\"login: \"",
        "IAC WILL ECHO",
        "IAC DO TERMINAL_TYPE",
        "IAC SB NAWS WindowSize(WindowSize { columns: 255, rows: 24 })",
        "IAC DM",
        "\"\\x1b[1mhi\"",
        "(it ends within a sequence)",
    ];
    let mut log = Process::new(example("telnet-log")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    log.stdin.take().unwrap().write_all(captured).unwrap();
    let output = log.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);

    let path = file("captured", captured);
    let output = Process::new(example("telnet-log")).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, lines) = text.split_once('\n').unwrap();
    assert_eq!(head, format!("== {}", path.display()));
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);

    let output = Process::new(example("telnet-log")).arg("/no/such/file").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("/no/such/file"), "{error}");
}

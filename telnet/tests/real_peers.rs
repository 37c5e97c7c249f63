//! Real daemons and clients on loopback. What is missing here is a failure: `.ci/install` has it all.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use towline_telnet::{
    Config, Connection, Event, Limits, OptionCode, Side, Subnegotiation,
    newline::Incoming,
    option::{linemode::Mode, naws::WindowSize, status::Status},
};

/// A test that waits for longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the daemon runs instead of login: asks for a name, then is a shell without a prompt.
const LOGIN: &str = "printf 'peer login: '\nread -r name\nprintf 'hello %s\\n' \"$name\"\nPS1= exec /bin/sh\n";
/// Gives back every byte.
const MIRROR: &str = "printf 'ready '\nread -r go\nstty raw -echo\nprintf 'mirror '\nexec cat\n";

/// A program that lives as long as the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A script in the test's own folder.
fn script(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn found(program: &str) -> PathBuf {
    let folders = ["/usr/local/bin", "/usr/sbin", "/usr/bin", "/bin"];
    let path = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{program} is missing: run .ci/install"))
}

/// One end of a conversation over TCP: the machine, its socket, and what it has heard.
struct End {
    stream: TcpStream,
    connection: Connection,
    screen: Vec<u8>,
    events: Vec<Event>,
    /// Data that did not fit yet.
    unsent: Bytes,
    is_over: bool,
    _peer: Option<Running>,
}

impl End {
    fn new(stream: TcpStream, config: Config, peer: Option<Running>) -> Self {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let connection = Connection::new(config, Limits::default());
        let (screen, events) = (Vec::new(), Vec::new());
        Self { stream, connection, screen, events, unsent: Bytes::new(), is_over: false, _peer: peer }
    }

    /// A client of a daemon that is started as inetd does: with the connection as its standard input and output.
    fn daemon(program: &str, arguments: &[&str], config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = OwnedFd::from(listener.accept().unwrap().0);
        let child = Process::new(found(program))
            .args(arguments)
            .stdin(Stdio::from(socket.try_clone().unwrap()))
            .stdout(Stdio::from(socket))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self::new(stream, config, Some(Running(child)))
    }

    fn inetutils(arguments: &[&str], login: &Path, config: Config) -> Self {
        let arguments = [&["-h"], arguments, &["-E", login.to_str().unwrap()]].concat();
        Self::daemon("telnetd", &arguments, config)
    }

    /// Reads and writes whatever can be, once.
    fn turn(&mut self) {
        let mut is_idle = true;
        self.connection.send(&mut self.unsent);
        while let Some(piece) = self.connection.poll_transmit() {
            is_idle = false;
            let mut rest = &piece[..];
            while !rest.is_empty() {
                match self.stream.write(rest) {
                    Ok(written) => rest = &rest[written..],
                    // Both ends may be full: what comes in has to be taken.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.listen(),
                    Err(error) => panic!("the peer is gone: {error}"),
                }
            }
        }
        let heard = self.screen.len() + self.events.len();
        self.listen();
        if is_idle && heard == self.screen.len() + self.events.len() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_over = true,
            Ok(length) => self.connection.handle_input(Bytes::copy_from_slice(&buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.is_over = true,
        }
        while let Some(event) = self.connection.poll_event().unwrap() {
            match event {
                Event::Data(data) => self.screen.extend_from_slice(&data),
                other => self.events.push(other),
            }
        }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            let shown = self.screen.len().saturating_sub(500);
            let screen = self.screen[shown..].escape_ascii();
            assert!(
                start.elapsed() < PATIENCE,
                "waited for {what} with {} bytes; the screen ends: {screen} {:?} {:?}",
                self.screen.len(),
                self.events,
                self.connection.linemode()
            );
            assert!(
                !self.is_over || self.unsent.is_empty(),
                "the peer closed before {what}; the screen ends: {screen}"
            );
            self.turn();
        }
    }

    /// Waits until the screen shows `text`, and forgets everything up to there.
    fn shows(&mut self, text: &str) {
        self.until(text, |end| position(&end.screen, text.as_bytes()).is_some());
        let at = position(&self.screen, text.as_bytes()).unwrap();
        self.screen.drain(..at + text.len());
    }

    fn types(&mut self, keys: &str) {
        self.unsent = [&self.unsent[..], keys.as_bytes()].concat().into();
        self.turn();
    }
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn terminal() -> Config {
    let mut config = Config::client("xterm");
    config.window = Some(WindowSize { columns: 80, rows: 24 });
    config
}

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
    end.types("echo to-the-\"end\"; sleep 1000\r");
    end.shows("to-the-end");
    thread::sleep(Duration::from_millis(100));
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
fn linemode_with_inetutils_telnetd() {
    let mut config = terminal();
    config.policy.local.insert(OptionCode::LINEMODE);
    let mut end = End::inetutils(&["-l"], &script("login-linemode", LOGIN), config);
    end.shows("peer login: ");
    end.until("a mode", |end| end.connection.linemode().is_some_and(|mode| mode.contains(Mode::EDIT)));
    assert!(!end.connection.is_character_mode());
    end.types("ada\n");
    end.shows("hello ada");
    end.types("echo to-the-\"end\"; sleep 1000\n");
    end.shows("to-the-end");
    thread::sleep(Duration::from_millis(100));
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
fn many_bytes(count: u32, one_in: u32, is_allowed: impl Fn(u8) -> bool) -> Vec<u8> {
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

/// Our server against a client on a terminal of 100 by 30: `script` makes the terminal.
fn a_client(command: &str) {
    found("script");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let line = format!("stty rows 30 cols 100; exec {command} 127.0.0.1 {port}");
    let mut child = Process::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut keys, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let child = Running(child);
    let screen = thread::spawn(move || {
        let mut screen = Vec::new();
        drop(shown.read_to_end(&mut screen));
        screen
    });
    let mut end = End::new(listener.accept().unwrap().0, Config::server(), Some(child));
    end.types("name? ");
    end.until("the size", |end| end.connection.peer_window() == Some(WindowSize { columns: 100, rows: 30 }));
    end.until("the type", |end| {
        end.connection.peer_terminal_types().first().is_some_and(|name| name.eq_ignore_ascii_case("xterm"))
    });
    end.until("echo", |end| end.connection.is_on(Side::Local, OptionCode::ECHO));
    // The terminal goes to a key at a time after the client has agreed.
    thread::sleep(Duration::from_millis(200));
    for byte in b"ada\xC3\xA9\xFF\x03" {
        keys.write_all(&[*byte]).unwrap();
    }
    end.until("the keys", |end| end.screen == b"ada\xC3\xA9\xFF\x03");
    end.screen.clear();
    keys.write_all(b"\r").unwrap();
    end.until("Enter", |end| end.screen == b"\r");
    end.types("hello \u{e9} ");
    end.unsent = [&end.unsent[..], b"\xFF!\n"].concat().into();
    end.turn();
    while !end.unsent.is_empty() {
        end.turn();
    }
    assert!(!end.events.iter().any(|event| matches!(event, Event::Faulty { .. })));
    end.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let screen = screen.join().unwrap();
    for text in [&b"name? "[..], b"hello \xC3\xA9 \xFF!\r\n"] {
        assert!(position(&screen, text).is_some(), "{}", screen.escape_ascii());
    }
}

#[test]
fn debians_telnet_client_works_with_our_server() {
    a_client(found("telnet").to_str().unwrap());
}

#[test]
fn busyboxs_telnet_client_works_with_our_server() {
    a_client(&format!("{} telnet", found("busybox").display()));
}

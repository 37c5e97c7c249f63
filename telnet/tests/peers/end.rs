//! One end of a conversation over TCP: the machine under test, and what it hears.

use std::{
    io::{self, Read},
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    process::{Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SendFlags, send, sockopt::set_socket_oobinline},
};
use towline_telnet::{Config, Connection, Event, Limits, option::naws::WindowSize};

use crate::{PATIENCE, Running, found, position};

/// The machine, its socket, and what it has heard.
pub(crate) struct End {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
    pub(crate) screen: Vec<u8>,
    pub(crate) events: Vec<Event>,
    /// Data that did not fit yet.
    pub(crate) unsent: Bytes,
    pub(crate) is_over: bool,
    /// How often the peer's urgent data was seen.
    pub(crate) synchs: usize,
    _peer: Option<Running>,
}

impl End {
    pub(crate) fn new(stream: TcpStream, config: Config, peer: Option<Running>) -> Self {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        // Else the mark of a Synch is not in the stream.
        set_socket_oobinline(&stream, true).unwrap();
        let connection = Connection::new(config, Limits::default());
        let (screen, events) = (Vec::new(), Vec::new());
        Self { stream, connection, screen, events, unsent: Bytes::new(), is_over: false, synchs: 0, _peer: peer }
    }

    /// A client of a daemon that is started as inetd does: with the connection as its standard input and output.
    pub(crate) fn daemon(program: &str, arguments: &[&str], config: Config) -> Self {
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

    pub(crate) fn inetutils(arguments: &[&str], login: &Path, config: Config) -> Self {
        let arguments = [&["-h"], arguments, &["-E", login.to_str().unwrap()]].concat();
        Self::daemon("telnetd", &arguments, config)
    }

    /// A client of a program that listens; `arguments` of its port.
    pub(crate) fn listener(program: &str, arguments: impl Fn(&str) -> Vec<String>, config: Config) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Process::new(found(program))
            .args(arguments(&port.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Running(child);
        let start = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => return Self::new(stream, config, Some(child)),
                Err(error) => assert!(start.elapsed() < PATIENCE, "{program} does not listen: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads and writes whatever can be, once.
    pub(crate) fn turn(&mut self) {
        let mut is_idle = true;
        self.connection.send(&mut self.unsent);
        loop {
            let flags = if self.connection.next_is_urgent() { SendFlags::OOB } else { SendFlags::empty() };
            let Some(piece) = self.connection.poll_transmit() else { break };
            is_idle = false;
            let mut rest = &piece[..];
            while !rest.is_empty() {
                match send(&self.stream, rest, flags | SendFlags::NOSIGNAL) {
                    Ok(sent) => rest = &rest[sent..],
                    // Both ends may be full: what comes in has to be taken.
                    Err(Errno::AGAIN) => self.listen(),
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
        let mut ready = [PollFd::new(&self.stream, PollFlags::PRI)];
        poll(&mut ready, Some(&Timespec::default())).unwrap();
        if ready[0].revents().contains(PollFlags::PRI) {
            self.connection.handle_urgent();
            self.synchs += 1;
        }
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

    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
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
    pub(crate) fn shows(&mut self, text: &str) {
        self.shows_bytes(text.as_bytes());
    }

    pub(crate) fn shows_bytes(&mut self, text: &[u8]) {
        self.until(&text.escape_ascii().to_string(), |end| position(&end.screen, text).is_some());
        let at = position(&self.screen, text).unwrap();
        self.screen.drain(..at + text.len());
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.types_bytes(keys.as_bytes());
    }

    pub(crate) fn types_bytes(&mut self, keys: &[u8]) {
        self.unsent = [&self.unsent[..], keys].concat().into();
        self.turn();
    }
}

pub(crate) fn terminal() -> Config {
    terminal_of(WindowSize { columns: 80, rows: 24 })
}

pub(crate) fn terminal_of(size: WindowSize) -> Config {
    let mut config = Config::client("xterm");
    config.window = Some(size);
    config
}

//! `telnet-client HOST PORT`: a terminal on a Telnet server. Ctrl+] ends it.
//!
//! One thread waits for the terminal and for the server at once; the terminal is raw while the server echoes, and as it was
//! while it does not.

use std::{
    env, io,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr},
};
use towline_telnet::{Config, Connection, Event, Limits, option::naws::WindowSize};

const ESCAPE: u8 = 0x1D;

type Failure = Box<dyn std::error::Error>;

/// The user's terminal, which is left as it was found.
struct Terminal {
    found: Option<Termios>,
}

impl Terminal {
    fn new() -> Result<Self, Failure> {
        let stdin = io::stdin();
        Ok(Self { found: if isatty(&stdin) { Some(tcgetattr(&stdin)?) } else { None } })
    }

    fn set_raw(&self, is_raw: bool) -> Result<(), Failure> {
        if let Some(found) = &self.found {
            let mut modes = found.clone();
            if is_raw {
                modes.make_raw();
            }
            tcsetattr(io::stdin(), OptionalActions::Drain, &modes)?;
        }
        Ok(())
    }

    fn size() -> Option<WindowSize> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(WindowSize { columns: size.ws_col, rows: size.ws_row })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.set_raw(false));
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [host, port] = &arguments[..] else { return Err("usage: telnet-client HOST PORT".into()) };
    let mut stream = TcpStream::connect((host.as_str(), port.parse()?))?;
    stream.set_nodelay(true)?;
    // Neither side waits for the other: when both have much to say, what comes is taken while what goes is stuck.
    stream.set_nonblocking(true)?;
    eprintln!("Connected to {host}. Ctrl+] ends it. Nothing of this is encrypted.");

    let terminal = Terminal::new()?;
    let mut config = Config::client(&env::var("TERM").unwrap_or_else(|_| "unknown".into()));
    config.window = Some(Terminal::size().unwrap_or(WindowSize { columns: 80, rows: 24 }));
    config.speak_first = port == "23";
    let mut connection = Connection::new(config, Limits::default());

    let mut typed = Bytes::new();
    let mut to_send = Bytes::new();
    let mut is_raw = false;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(size) = Terminal::size() {
            connection.resize(size);
        }
        connection.send(&mut typed);
        send(&mut connection, &mut stream, &mut to_send)?;

        let stdin = io::stdin();
        let mut interest = if connection.wants_input() { PollFlags::IN } else { PollFlags::empty() };
        if !to_send.is_empty() {
            interest |= PollFlags::OUT;
        }
        let keys = if typed.is_empty() { PollFlags::IN } else { PollFlags::empty() };
        let mut ready = [PollFd::new(&stream, interest), PollFd::new(&stdin, keys)];
        // A window changes its size without a word: looked at four times a second.
        poll(&mut ready, Some(&Timespec::try_from(Duration::from_millis(250))?))?;
        let (has_heard, has_typed) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());

        if has_typed {
            let length = rustix::io::read(&stdin, &mut buffer)?;
            let keys = &buffer[..length];
            if keys.is_empty() || keys.contains(&ESCAPE) {
                return Ok(());
            }
            typed = Bytes::copy_from_slice(keys);
        }
        if has_heard && connection.wants_input() {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => connection.handle_input(Bytes::copy_from_slice(&buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut screen = io::stdout().lock();
        while let Some(event) = connection.poll_event()? {
            if let Event::Data(data) = event {
                screen.write_all(&data)?;
            }
        }
        screen.flush()?;
        if is_raw == connection.wants_local_echo() {
            is_raw = !is_raw;
            terminal.set_raw(is_raw)?;
        }
    }
}

/// Writes what can be written.
fn send(connection: &mut Connection, stream: &mut TcpStream, to_send: &mut Bytes) -> io::Result<()> {
    loop {
        if to_send.is_empty() {
            let Some(piece) = connection.poll_transmit() else { return Ok(()) };
            *to_send = piece;
        }
        match stream.write(to_send) {
            Ok(written) => drop(to_send.split_to(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

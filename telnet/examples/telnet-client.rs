//! `telnet-client HOST PORT`: a terminal on a Telnet server. Ctrl+] ends it.
//!
//! One thread waits for the terminal and for the server at once. The terminal is raw: what a server does not echo, and
//! lines where it wants lines, are the keyboard's.

use std::{
    collections::VecDeque,
    env, io,
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SendFlags, sockopt::set_socket_oobinline},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr},
};
use towline_telnet::{
    Config, Connection, Event, Keyboard, Limits,
    keyboard::{Keys, Stroke},
    option::naws::WindowSize,
};

const ESCAPE: u8 = 0x1D;

type Failure = Box<dyn std::error::Error>;

/// The user's terminal, which is left as it was found.
struct Terminal {
    found: Option<Termios>,
}

impl Terminal {
    fn new() -> Result<Self, Failure> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(Self { found: None });
        }
        let found = tcgetattr(&stdin)?;
        let mut modes = found.clone();
        modes.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &modes)?;
        Ok(Self { found: Some(found) })
    }

    fn size() -> Option<WindowSize> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(WindowSize { columns: size.ws_col, rows: size.ws_row })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(found) = &self.found {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, found);
        }
    }
}

/// A piece that has not left yet.
#[derive(Default)]
struct ToSend {
    bytes: Bytes,
    /// Its last byte is the mark of a Synch.
    is_urgent: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [host, port] => connect(host, port).and_then(|stream| talk(stream, port)),
        _ => Err("usage: telnet-client HOST PORT".into()),
    };
    // The terminal is what it was again.
    match outcome {
        Ok(end) => eprintln!("{end}"),
        Err(error) => {
            eprintln!("telnet-client: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn connect(host: &str, port: &str) -> Result<TcpStream, Failure> {
    let number: u16 = port.parse().map_err(|_| format!("{port} is not the number of a port"))?;
    let stream = TcpStream::connect((host, number)).map_err(|error| format!("{host} port {number}: {error}"))?;
    stream.set_nodelay(true)?;
    // Neither side waits for the other: when both have much to say, what comes is taken while what goes is stuck.
    stream.set_nonblocking(true)?;
    // The system would take the mark of a Synch out of the stream, and leave half of a command.
    set_socket_oobinline(&stream, true)?;
    eprintln!("Connected to {host}. Ctrl+] ends it. Nothing of this is encrypted.");
    Ok(stream)
}

/// Runs until somebody ends it, and says who.
fn talk(mut stream: TcpStream, port: &str) -> Result<&'static str, Failure> {
    let _terminal = Terminal::new()?;
    let mut config = Config::client(&env::var("TERM").unwrap_or_else(|_| "unknown".into()));
    config.window = Some(Terminal::size().unwrap_or(WindowSize { columns: 80, rows: 24 }));
    config.speak_first = port == "23";
    let mut connection = Connection::new(config, Limits::default());

    let mut keyboard = Keyboard::new(Keys::default(), &Limits::default());
    let mut strokes = VecDeque::new();
    let mut to_send = ToSend::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(size) = Terminal::size() {
            connection.resize(size);
        }
        press(&mut connection, &mut strokes)?;
        send(&mut connection, &stream, &mut to_send)?;

        let stdin = io::stdin();
        let mut interest = if connection.wants_input() { PollFlags::IN | PollFlags::PRI } else { PollFlags::empty() };
        if !to_send.bytes.is_empty() {
            interest |= PollFlags::OUT;
        }
        let keys = if strokes.is_empty() { PollFlags::IN } else { PollFlags::empty() };
        let mut ready = [PollFd::new(&stream, interest), PollFd::new(&stdin, keys)];
        // A window changes its size without a word: looked at four times a second.
        poll(&mut ready, Some(&Timespec::try_from(Duration::from_millis(250))?))?;
        let (has_heard, has_typed) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
        if ready[0].revents().contains(PollFlags::PRI) {
            connection.handle_urgent();
        }

        let mut screen = io::stdout().lock();
        if has_typed {
            let length = rustix::io::read(&stdin, &mut buffer)?;
            let keys = &buffer[..length];
            if keys.is_empty() || keys.contains(&ESCAPE) {
                return Ok("\nThe connection was ended.");
            }
            let pressed = keyboard.press(keys, &connection);
            screen.write_all(&pressed.shown)?;
            strokes.extend(pressed.strokes);
        }
        if has_heard && connection.wants_input() {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok("\nThe server ended the connection."),
                Ok(length) => connection.handle_input(Bytes::copy_from_slice(&buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(event) = connection.poll_event()? {
            if let Event::Data(data) = event {
                screen.write_all(&data)?;
            }
        }
        screen.flush()?;
    }
}

/// Does what keys ask for, until there is no room.
fn press(connection: &mut Connection, strokes: &mut VecDeque<Stroke>) -> Result<(), Failure> {
    while let Some(stroke) = strokes.pop_front() {
        match stroke {
            Stroke::Send(mut data) => {
                connection.send(&mut data);
                if !data.is_empty() {
                    strokes.push_front(Stroke::Send(data));
                    break;
                }
            }
            Stroke::Command(command) => connection.command(command)?,
            Stroke::Interrupt => connection.interrupt(),
        }
    }
    Ok(())
}

/// Writes what can be written.
fn send(connection: &mut Connection, stream: &TcpStream, to_send: &mut ToSend) -> io::Result<()> {
    loop {
        if to_send.bytes.is_empty() {
            to_send.is_urgent = connection.next_is_urgent();
            let Some(piece) = connection.poll_transmit() else { return Ok(()) };
            to_send.bytes = piece;
        }
        let flags = if to_send.is_urgent { SendFlags::OOB } else { SendFlags::empty() };
        match rustix::net::send(stream, &to_send.bytes, flags | SendFlags::NOSIGNAL) {
            Ok(sent) => drop(to_send.bytes.split_to(sent)),
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

//! `telnet-server [ADDRESS:PORT]`: a small shell over Telnet, a thread for each visitor, on loopback unless told otherwise.

use std::{
    env, io,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{SendFlags, sockopt::set_socket_oobinline},
};
use towline_telnet::{Command, Config, Connection, Event, Limits, OptionCode, Side};

const PROMPT: &str = "towline> ";
const MAX_LINE_CHARACTERS: usize = 1000;

fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2323".into());
    let outcome = match address.starts_with('-') {
        true => Err("usage: telnet-server [ADDRESS:PORT]".into()),
        false => TcpListener::bind(&address).and_then(listen).map_err(|error| format!("{address}: {error}")),
    };
    if let Err(error) = outcome {
        eprintln!("telnet-server: {error}");
    }
    ExitCode::FAILURE
}

fn listen(listener: TcpListener) -> io::Result<()> {
    println!("telnet {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            // A visitor who is gone already, or too many of them, is no reason to turn others away.
            Err(error) => {
                eprintln!("telnet-server: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

struct Shell {
    connection: Connection,
    stream: TcpStream,
    line: String,
    /// The start of a character whose end has not come.
    partial: Vec<u8>,
    is_over: bool,
}

type Failure = Box<dyn std::error::Error>;

fn serve(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    // The system would take the mark of a Synch out of the stream, and leave half of a command.
    set_socket_oobinline(&stream, true)?;
    let connection = Connection::new(Config::server(), Limits::default());
    let mut shell = Shell { connection, stream, line: String::new(), partial: Vec::new(), is_over: false };
    shell.say("Welcome. `help` tells what there is.\n")?;
    shell.say(PROMPT)?;
    let mut buffer = [0; 4096];
    while !shell.is_over {
        let mut ready = [PollFd::new(&shell.stream, PollFlags::IN | PollFlags::PRI)];
        poll(&mut ready, None)?;
        if ready[0].revents().contains(PollFlags::PRI) {
            shell.connection.handle_urgent();
        }
        let length = shell.stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        shell.connection.handle_input(Bytes::copy_from_slice(&buffer[..length]));
        // What a full output held back comes once it was written.
        loop {
            while let Some(event) = shell.connection.poll_event()? {
                shell.handle(event)?;
            }
            shell.flush()?;
            if shell.connection.wants_input() {
                break;
            }
        }
    }
    Ok(())
}

impl Shell {
    fn say(&mut self, text: &str) -> io::Result<()> {
        let mut text = Bytes::copy_from_slice(text.as_bytes());
        while !text.is_empty() {
            self.connection.send(&mut text);
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            let is_urgent = self.connection.next_is_urgent();
            let Some(piece) = self.connection.poll_transmit() else { return Ok(()) };
            if is_urgent {
                // The mark of a Synch: two bytes, the second of them urgent.
                rustix::net::send(&self.stream, &piece, SendFlags::OOB | SendFlags::NOSIGNAL)?;
            } else {
                self.stream.write_all(&piece)?;
            }
        }
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Data(data) => self.keys(&data),
            Event::Command(Command::IP | Command::BRK) => self.interrupt(),
            Event::Command(Command::AO) => {
                self.connection.abort_output();
                self.flush()
            }
            Event::Command(Command::AYT) => self.say("\n[yes]\n"),
            _ => Ok(()),
        }
    }

    fn keys(&mut self, data: &[u8]) -> io::Result<()> {
        self.partial.extend_from_slice(data);
        let bytes = std::mem::take(&mut self.partial);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for key in chunk.valid().chars() {
                self.key(key)?;
            }
            let invalid = chunk.invalid();
            // A character that is cut by the end of a read waits for the rest of it.
            if chunks.peek().is_none() && invalid.len() < 4 && !invalid.is_empty() && invalid[0] >= 0xC2 {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.key(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }

    fn key(&mut self, key: char) -> io::Result<()> {
        // A client that edits lines by itself shows them by itself.
        let echoes = self.connection.is_on(Side::Local, OptionCode::ECHO);
        match key {
            '\r' | '\n' => {
                if echoes {
                    self.say("\n")?;
                }
                let line = std::mem::take(&mut self.line);
                self.run(&line)
            }
            '\x03' => self.interrupt(),
            '\x04' if self.line.is_empty() => self.run("exit"),
            '\x08' | '\x7F' => match self.line.pop() {
                Some(_) if echoes => self.say("\x08 \x08"),
                _ => Ok(()),
            },
            key if key.is_control() || self.line.len() >= MAX_LINE_CHARACTERS => Ok(()),
            key => {
                self.line.push(key);
                if echoes { self.say(key.encode_utf8(&mut [0; 4])) } else { Ok(()) }
            }
        }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.line.clear();
        self.say("^C\n")?;
        self.say(PROMPT)
    }

    fn run(&mut self, line: &str) -> io::Result<()> {
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let answer = match command {
            "" => String::new(),
            "help" => "echo TEXT, size, terminal, options, exit\n".into(),
            "echo" => format!("{rest}\n"),
            "size" => match self.connection.peer_window() {
                Some(size) => format!("{} columns, {} rows\n", size.columns, size.rows),
                None => "not told\n".into(),
            },
            "terminal" => format!("{}\n", self.connection.peer_terminal_types().join(", ")),
            "options" => {
                let on = self.connection.negotiator().all_on();
                on.map(|(side, option)| format!("{side:?} {option}\n")).collect()
            }
            "exit" => {
                self.is_over = true;
                return self.say("Bye.\n");
            }
            other => format!("there is no {other}; try help\n"),
        };
        self.say(&answer)?;
        self.say(PROMPT)
    }
}

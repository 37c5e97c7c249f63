//! `telnet-server [ADDRESS:PORT]`: a small shell over Telnet, a thread for each visitor, on loopback unless told otherwise.

use std::{
    env, io,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use bytes::Bytes;
use towline_telnet::{Command, Config, Connection, Event, Limits, OptionCode, Side};

const PROMPT: &str = "towline> ";
const MAX_LINE_CHARACTERS: usize = 1000;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2323".into());
    let listener = TcpListener::bind(address)?;
    println!("telnet {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
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
    let connection = Connection::new(Config::server(), Limits::default());
    let mut shell = Shell { connection, stream, line: String::new(), partial: Vec::new(), is_over: false };
    shell.say("Welcome. `help` tells what there is.\n")?;
    shell.say(PROMPT)?;
    let mut buffer = [0; 4096];
    while !shell.is_over {
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
        while let Some(piece) = self.connection.poll_transmit() {
            self.stream.write_all(&piece)?;
        }
        Ok(())
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
            '\r' => {
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

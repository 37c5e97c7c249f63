//! Telnet as a person has it: see [`Console`].

mod charset;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use towline_cloud_api::{TelnetBackspace, TelnetInterrupt, TelnetNewline, TelnetOptions, TelnetWhen, TerminalCommand};
use towline_telnet::{
    Command, Config, Connection, Event, Limits,
    keyboard::{Backspace, Interrupt, Keyboard, Keys, Stroke, When},
    newline::Outgoing,
    option::naws::WindowSize,
};

use self::charset::Charset;
pub use self::charset::is_charset;

/// A person's terminal on a Telnet target, without I/O: keys go in, what is to be shown comes out, and Telnet is spoken on the
/// other side. The cloud runs it for a page, the CLI for the terminal it was started in.
///
/// ```text
///   keys, size ──► press, resize ──► Keyboard ──► character set ──► Connection ──► poll_transmit
///   person                                                                                        target
///   screen ◄────── poll_screen ◄──────────────── character set ◄── Connection ◄── handle_input
/// ```
pub struct Console {
    connection: Connection,
    keyboard: Keyboard,
    charset: Charset,
    /// What keys asked for, and there was no room for yet.
    strokes: VecDeque<Stroke>,
    screen: BytesMut,
}

impl Console {
    /// A console at the beginning of a connection. A character set that nobody knows passes bytes as they are.
    pub fn new(options: &TelnetOptions, terminal_type: &str, size: WindowSize) -> Self {
        let limits = Limits::default();
        Self {
            connection: Connection::new(config(options, terminal_type, size), limits.clone()),
            keyboard: Keyboard::new(keys(options), &limits),
            charset: Charset::new(&options.charset),
            strokes: VecDeque::new(),
            screen: BytesMut::new(),
        }
    }

    /// Keys of the person, in UTF-8, as a terminal sends them (Enter is CR).
    pub fn press(&mut self, keys: &[u8]) {
        let pressed = self.keyboard.press(keys, &self.connection);
        self.screen.extend_from_slice(&pressed.shown);
        for stroke in pressed.strokes {
            let stroke = match stroke {
                Stroke::Send(data) => Stroke::Send(self.charset.encode(data)),
                stroke => stroke,
            };
            self.strokes.push_back(stroke);
        }
    }

    /// A key that only Telnet has.
    pub fn command(&mut self, command: TerminalCommand) {
        self.strokes.push_back(match command {
            TerminalCommand::Break => Stroke::Command(Command::BRK),
            TerminalCommand::Interrupt => Stroke::Interrupt,
            TerminalCommand::AreYouThere => Stroke::Command(Command::AYT),
            TerminalCommand::AbortOutput => Stroke::Command(Command::AO),
        });
    }

    /// The window has this size now.
    pub fn resize(&mut self, size: WindowSize) {
        self.connection.resize(size);
    }

    /// Bytes of the target, in whatever pieces.
    pub fn handle_input(&mut self, input: Bytes) {
        self.connection.handle_input(input);
    }

    /// What is to be shown next, in UTF-8; `None` when there is nothing now.
    ///
    /// # Errors
    ///
    /// As [`Connection::poll_event`]: input was handed in against [`Console::wants_input`].
    pub fn poll_screen(&mut self) -> Result<Option<Bytes>, towline_telnet::Error> {
        while let Some(event) = self.connection.poll_event()? {
            if let Event::Data(data) = event {
                self.charset.decode(&data, &mut self.screen);
            }
        }
        Ok((!self.screen.is_empty()).then(|| self.screen.split().freeze()))
    }

    /// The next bytes for the target; `None` when there is nothing now.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.strike();
        self.connection.poll_transmit()
    }

    /// Whether it is time to read from the target, once what it said was shown.
    pub fn wants_input(&self) -> bool {
        self.connection.wants_input()
    }

    /// Whether there is room for what the next keys ask for.
    pub fn wants_keys(&self) -> bool {
        self.strokes.is_empty()
    }

    /// Does what keys asked for, as far as there is room.
    fn strike(&mut self) {
        while let Some(stroke) = self.strokes.pop_front() {
            match stroke {
                Stroke::Send(mut data) => {
                    self.connection.send(&mut data);
                    if !data.is_empty() {
                        self.strokes.push_front(Stroke::Send(data));
                        return;
                    }
                }
                Stroke::Command(command) => {
                    if let Err(error) = self.connection.command(command) {
                        tracing::debug!(%error, "a Telnet command was not sent");
                    }
                }
                Stroke::Interrupt => self.connection.interrupt(),
            }
        }
    }
}

fn config(options: &TelnetOptions, terminal_type: &str, size: WindowSize) -> Config {
    let mut config = Config::client(terminal_type);
    config.window = Some(size);
    config.speak_first = options.speak_first;
    config.outgoing = match options.newline {
        TelnetNewline::CrNul => Outgoing::CrNul,
        TelnetNewline::CrLf => Outgoing::CrLf,
        TelnetNewline::Lf => Outgoing::Lf,
        TelnetNewline::Raw => Outgoing::Raw,
    };
    config
}

fn keys(options: &TelnetOptions) -> Keys {
    let when = |when| match when {
        TelnetWhen::Negotiated => When::Negotiated,
        TelnetWhen::Always => When::Always,
        TelnetWhen::Never => When::Never,
    };
    let mut keys = Keys::default();
    keys.backspace = match options.backspace {
        TelnetBackspace::AsIs => Backspace::AsIs,
        TelnetBackspace::Delete => Backspace::Delete,
        TelnetBackspace::ControlH => Backspace::ControlH,
    };
    keys.interrupt = match options.interrupt {
        TelnetInterrupt::Byte => Interrupt::Byte,
        TelnetInterrupt::Process => Interrupt::Process,
        TelnetInterrupt::Break => Interrupt::Break,
    };
    keys.local_echo = when(options.local_echo);
    keys.local_editing = when(options.local_editing);
    keys
}

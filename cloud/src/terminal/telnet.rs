//! A shell over Telnet. The cloud negotiates; what the target means by its bytes is in its own character set.

mod charset;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use towline_cloud_api::{
    ErrorCode, TelnetBackspace, TelnetInterrupt, TelnetNewline, TelnetOptions, TelnetWhen, TerminalCommand,
};
use towline_telnet::{
    Command, Config, Connection, Event, Limits,
    keyboard::{Backspace, Interrupt, Keyboard, Keys, Stroke, When},
    newline::Outgoing,
    option::naws::WindowSize,
};
use towline_tunnel_proto::driver::{Channel, Ended, ReceiveHalf, SendHalf};

use self::charset::Charset;
pub(crate) use self::charset::is_charset;
use super::{Heard, Said, ShellEnd, Size};
use crate::{api::Failure, connect::channel_gone};

const SERVER: &str = "the Telnet server";
const TERMINAL: &str = "xterm-256color";

/// Runs the session until it or its [`Shell`](super::Shell) ends.
pub(super) async fn run(options: TelnetOptions, channel: Channel, size: Size, end: ShellEnd) {
    let ShellEnd { said, heard } = end;
    let (from_target, to_target) = channel.split();
    let (to_writer, queue) = mpsc::channel(1);
    let session = Session {
        connection: Connection::new(config(&options, size), Limits::default()),
        keyboard: Keyboard::new(keys(&options), &Limits::default()),
        charset: Charset::new(&options.charset),
        strokes: VecDeque::new(),
        to_target: Bytes::new(),
        to_page: BytesMut::new(),
    };
    let talk = async {
        if said.send(Ok(Said::Ready { host_key: None, keep: false })).await.is_ok() {
            session.run(from_target, to_writer, &said, heard).await
        } else {
            Ok(())
        }
    };
    let ended = tokio::select! {
        ended = talk => ended,
        ended = write(queue, to_target) => Err(ended),
    };
    if let Err(ended) = ended {
        let problem = channel_gone(Some(&ended), SERVER).problem;
        drop(said.send(Err(Failure::new(problem.code, problem.detail))).await);
    }
}

fn config(options: &TelnetOptions, size: Size) -> Config {
    let mut config = Config::client(TERMINAL);
    config.window = Some(window(size));
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

fn window(size: Size) -> WindowSize {
    WindowSize { columns: size.columns, rows: size.rows }
}

async fn write(mut queue: mpsc::Receiver<Bytes>, mut target: SendHalf) -> Ended {
    while let Some(bytes) = queue.recv().await {
        if let Err(ended) = target.send(bytes).await {
            return ended;
        }
    }
    // The session is over, and says how.
    std::future::pending().await
}

struct Session {
    connection: Connection,
    keyboard: Keyboard,
    charset: Charset,
    /// What keys asked for, and there was no room for yet.
    strokes: VecDeque<Stroke>,
    to_target: Bytes,
    to_page: BytesMut,
}

impl Session {
    async fn run(
        mut self,
        mut from_target: ReceiveHalf,
        to_writer: mpsc::Sender<Bytes>,
        said: &mpsc::Sender<Result<Said, Failure>>,
        mut heard: mpsc::Receiver<Heard>,
    ) -> Result<(), Ended> {
        loop {
            self.strike();
            if self.to_target.is_empty() {
                self.to_target = self.connection.poll_transmit().unwrap_or_default();
            }
            tokio::select! {
                permit = to_writer.reserve(), if !self.to_target.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.to_target)),
                    Err(_) => return Ok(()),
                },
                permit = said.reserve(), if !self.to_page.is_empty() => match permit {
                    Ok(permit) => permit.send(Ok(Said::Output(self.to_page.split().freeze()))),
                    Err(_) => return Ok(()),
                },
                // A page that does not read stops the target.
                received = from_target.recv(), if self.to_page.is_empty() && self.connection.wants_input() => match received? {
                    Some(bytes) => self.connection.handle_input(bytes),
                    None => return Ok(()),
                },
                heard = heard.recv(), if self.strokes.is_empty() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return Ok(()),
                },
            }
            if let Err(error) = self.drain() {
                let failure = Failure::new(ErrorCode::TargetProtocol, format!("the Telnet server: {error}"));
                drop(said.send(Err(failure)).await);
                return Ok(());
            }
        }
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
                Stroke::Command(command) => self.command(command),
                Stroke::Interrupt => self.connection.interrupt(),
            }
        }
    }

    fn command(&mut self, command: Command) {
        if let Err(error) = self.connection.command(command) {
            tracing::debug!(%error, "a Telnet command was not sent");
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Input(keys) => {
                let pressed = self.keyboard.press(&keys, &self.connection);
                self.to_page.extend_from_slice(&pressed.shown);
                for stroke in pressed.strokes {
                    let stroke = match stroke {
                        Stroke::Send(data) => Stroke::Send(self.charset.encode(data)),
                        stroke => stroke,
                    };
                    self.strokes.push_back(stroke);
                }
            }
            Heard::Resize(size) => self.connection.resize(window(size)),
            Heard::Command(TerminalCommand::Break) => self.command(Command::BRK),
            Heard::Command(TerminalCommand::Interrupt) => self.connection.interrupt(),
            Heard::Command(TerminalCommand::AreYouThere) => self.command(Command::AYT),
            Heard::Command(TerminalCommand::AbortOutput) => self.command(Command::AO),
            Heard::Answer(_) => {}
        }
    }

    /// Takes what the target has said.
    fn drain(&mut self) -> Result<(), towline_telnet::Error> {
        while let Some(event) = self.connection.poll_event()? {
            if let Event::Data(data) = event {
                self.charset.decode(&data, &mut self.to_page);
            }
        }
        Ok(())
    }
}

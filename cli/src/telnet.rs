//! `towline connect telnet`: this terminal on a Telnet target, through the tunnel.

use std::{io, ops::ControlFlow, pin::pin};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, stdin, stdout},
    sync::mpsc,
};
use towline_agent::single_line;
use towline_cloud::Console;
use towline_cloud_api::{ErrorCode, Problem, Settings, TelnetOptions, TerminalCommand};
use towline_tunnel_proto::{
    Urgency,
    driver::{Channel, Ended, ReceiveHalf, SendHalf},
};

use crate::{
    access::Access,
    args::{Global, Telnet},
    output::note,
    progress::waiting,
    reference::{self, Purpose},
    signal::{hung_up, interrupted},
    terminal::{RawTerminal, Resizes},
    tunnel::{Tunnel, ended_problem},
};

/// Ctrl+]: what follows is for this program.
const ESCAPE: u8 = 0x1D;
const HELP: &str = "\r\n[q: end, b: BREAK, i: interrupt, a: are you there, o: abort output, Ctrl+]: sends itself]\r";
const READ_BYTES: usize = 4096;

/// Connects this terminal until the target, or the person, ends it.
pub(crate) async fn run(global: &Global, command: &Telnet) -> Result<(), Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &command.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, command.endpoint.as_deref(), Purpose::Telnet).await?;
    // The cloud cannot tell Telnet from anything else that passes a PASSTHROUGH endpoint.
    let settings: Settings = api.get(&["settings"], &[]).await?;
    if !settings.allow_telnet {
        return Err(Problem::new(ErrorCode::ProtocolForbidden, "Telnet is switched off"));
    }
    let options = command.modes.over(endpoint.telnet.clone().unwrap_or_default());
    let name = single_line(&device.name);
    let tunnel = Tunnel::new(access);
    let connected = async {
        let mut channel = tunnel.open(&device.id, &endpoint.id, Urgency::INTERACTIVE).await?;
        let accepted = waiting(|| format!("connecting through device {name}"), channel.accepted()).await;
        accepted.map_err(|ended| ended_problem(&ended))?;
        note(&format!("Connected to {} of {name}. Ctrl+] q ends it.", single_line(&endpoint.name)));
        talk(channel, &options).await
    };
    let outcome = connected.await;
    tunnel.close().await;
    outcome
}

async fn talk(channel: Channel, options: &TelnetOptions) -> Result<(), Problem> {
    let (from_target, to_target) = channel.split();
    let (to_writer, sending) = mpsc::channel(1);
    let (to_screen, showing) = mpsc::channel(1);
    let shown = tokio::spawn(show(showing));
    // Why it ends is what the other half hears too.
    let sent = tokio::spawn(async { drop(send(sending, to_target).await) });
    let ended = {
        let terminal = RawTerminal::new().map_err(|error| local(&error))?;
        let terminal_type = std::env::var("TERM").unwrap_or_else(|_| "unknown".into());
        let console = Console::new(options, &terminal_type, terminal.size());
        let mut session = Session { console, terminal, is_escaped: false };
        let ended = session.run(from_target, to_writer, to_screen).await;
        // What the target said last is shown before the terminal is what it was.
        drop(shown.await);
        ended
    };
    sent.abort();
    note(ended?);
    Ok(())
}

fn local(error: &io::Error) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("standard input or output: {error}"))
}

async fn send(mut queue: mpsc::Receiver<Bytes>, mut target: SendHalf) -> Result<(), Ended> {
    while let Some(bytes) = queue.recv().await {
        target.send(bytes).await?;
    }
    Ok(())
}

async fn show(mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    let mut screen = stdout();
    while let Some(bytes) = queue.recv().await {
        screen.write_all(&bytes).await?;
        screen.flush().await?;
    }
    Ok(())
}

struct Session {
    console: Console,
    terminal: RawTerminal,
    /// The escape key was the last one.
    is_escaped: bool,
}

impl Session {
    /// Runs until somebody ends it, and says who.
    async fn run(
        &mut self,
        mut from_target: ReceiveHalf,
        to_writer: mpsc::Sender<Bytes>,
        to_screen: mpsc::Sender<Bytes>,
    ) -> Result<&'static str, Problem> {
        const BY_PERSON: &str = "The connection was ended.";
        let mut end = pin!(async {
            tokio::select! { () = hung_up() => {}, () = interrupted() => {} }
        });
        let mut resizes = Resizes::new().map_err(|error| local(&error))?;
        let (mut keys, mut typed, mut is_typing) = (stdin(), BytesMut::new(), true);
        let (mut to_target, mut shown) = (Bytes::new(), Bytes::new());
        loop {
            if shown.is_empty() {
                let polled = self.console.poll_screen();
                let polled = polled.map_err(|error| Problem::new(ErrorCode::TargetProtocol, error.to_string()))?;
                shown = polled.unwrap_or_default();
            }
            if to_target.is_empty() {
                to_target = self.console.poll_transmit().unwrap_or_default();
            }
            typed.reserve(READ_BYTES);
            tokio::select! {
                permit = to_writer.reserve(), if !to_target.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut to_target)),
                    // A target that reads no more may still have something to say.
                    Err(_) => to_target.clear(),
                },
                permit = to_screen.reserve(), if !shown.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut shown)),
                    Err(_) => return Ok(BY_PERSON),
                },
                // A terminal that shows nothing stops the target.
                received = from_target.recv(), if shown.is_empty() && self.console.wants_input() => {
                    match received.map_err(|ended| ended_problem(&ended))? {
                        Some(bytes) => self.console.handle_input(bytes),
                        None => return Ok("The target ended the connection."),
                    }
                }
                read = keys.read_buf(&mut typed), if is_typing && self.console.wants_keys() => {
                    is_typing = read.map_err(|error| local(&error))? > 0;
                    if self.press(&typed.split()).is_break() {
                        return Ok(BY_PERSON);
                    }
                }
                () = resizes.next() => self.console.resize(self.terminal.size()),
                () = &mut end => return Ok(BY_PERSON),
            }
        }
    }

    /// Passes keys on, except for those that are for this program. Breaks when one of them ends the connection.
    fn press(&mut self, mut keys: &[u8]) -> ControlFlow<()> {
        if !self.terminal.is_one() {
            self.console.press(keys);
            return ControlFlow::Continue(());
        }
        while let Some((first, rest)) = keys.split_first() {
            if std::mem::take(&mut self.is_escaped) {
                keys = rest;
                match first {
                    b'q' => return ControlFlow::Break(()),
                    b'b' => self.console.command(TerminalCommand::Break),
                    b'i' => self.console.command(TerminalCommand::Interrupt),
                    b'a' => self.console.command(TerminalCommand::AreYouThere),
                    b'o' => self.console.command(TerminalCommand::AbortOutput),
                    &ESCAPE => self.console.press(&[ESCAPE]),
                    _ => {}
                }
            } else {
                let end = keys.iter().position(|key| *key == ESCAPE);
                let (before, after) = keys.split_at(end.unwrap_or(keys.len()));
                self.console.press(before);
                keys = after.get(1..).unwrap_or_default();
                if end.is_some() {
                    self.is_escaped = true;
                    note(HELP);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

//! A terminal: a shell on a target, and the page that has it. The shell outlives its page for a while, so that a reload comes
//! back to it.
//!
//! ```text
//!   device ── channel ── ssh or telnet ══ Shell ══► scrollback ══► page        said: output, questions, exit
//!                                               ◄══════════════           heard: keys, size, answers
//! ```
//!
//! What the shell says is taken only as far as the page has drawn (or as it may draw when it is back), so that a page that
//! stalls stops the shell and no memory here. Keys go their own way.

mod installation;
mod kept;
mod scrollback;
mod session;
mod sign_in;
mod ssh;
mod telnet;

use bytes::Bytes;
use tokio::sync::mpsc;
use towline_cloud_api::{Answer, Endpoint, ErrorCode, HostKey, Protocol, Question, Settings, TerminalCommand};

pub(crate) use self::{
    installation::{Installed, install},
    kept::Terminals,
    session::Session,
    sign_in::{Terminal, hello, try_ssh},
    ssh::{host_key, key_limits},
};
use crate::{api::Failure, app::App, attempt::Reached, vault::Secrets};

const QUEUE: usize = 2;

/// A window's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// What a shell says.
#[derive(Debug)]
enum Said {
    Output(Bytes),
    Notice(String),
    /// Answered by [`Heard::Answer`].
    Question(Question),
    /// The key of a server that is not the one that is kept, before anything is asked about it.
    HostKey(HostKey),
    /// The program runs.
    Ready {
        /// The server's key, if the protocol has one.
        host_key: Option<HostKey>,
        /// It was accepted so as to be kept.
        keep: bool,
    },
    Exit {
        status: Option<u32>,
        signal: Option<String>,
    },
}

/// What a shell hears.
#[derive(Debug)]
enum Heard {
    Input(Bytes),
    Resize(Size),
    Command(TerminalCommand),
    Answer(Answer),
}

/// A program on a target, in whatever protocol. It ends when this is dropped.
struct Shell {
    said: mpsc::Receiver<Result<Said, Failure>>,
    heard: mpsc::Sender<Heard>,
}

/// The other end of a [`Shell`].
struct ShellEnd {
    said: mpsc::Sender<Result<Said, Failure>>,
    heard: mpsc::Receiver<Heard>,
}

impl Shell {
    fn new() -> (Self, ShellEnd) {
        let (to_said, said) = mpsc::channel(QUEUE);
        let (heard, from_heard) = mpsc::channel(QUEUE);
        (Self { said, heard }, ShellEnd { said: to_said, heard: from_heard })
    }
}

/// Refuses what the tenant has switched off.
pub(crate) fn check_allowed(protocol: Protocol, settings: &Settings) -> Result<(), Failure> {
    if protocol == Protocol::Telnet && !settings.allow_telnet {
        return Err(Failure::new(ErrorCode::ProtocolForbidden, "Telnet is switched off"));
    }
    Ok(())
}

/// Opens a shell on a target.
fn open(
    app: &App,
    endpoint: &Endpoint,
    secrets: Secrets,
    settings: &Settings,
    reached: Reached,
    size: Size,
) -> Result<Shell, Failure> {
    let (shell, end) = Shell::new();
    match endpoint.protocol {
        Protocol::Ssh => {
            let wish = ssh::Wish::new(endpoint, secrets, settings.save_host_keys, size)?;
            app.tasks.spawn(ssh::run(wish, reached.channel, end));
        }
        Protocol::Telnet => {
            let options = endpoint.telnet.clone().unwrap_or_default();
            app.tasks.spawn(telnet::run(options, reached.channel, size, end));
        }
        Protocol::Passthrough | Protocol::Vnc => {
            return Err(Failure::new(ErrorCode::BadRequest, "the endpoint has no terminal"));
        }
    }
    Ok(shell)
}

fn gone() -> Failure {
    Failure::new(ErrorCode::SessionEnded, "the operator went away during the sign-in")
}

fn over() -> Failure {
    Failure::new(ErrorCode::TargetClosed, "the target ended the connection")
}

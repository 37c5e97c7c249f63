//! A terminal over SSH: the client's side over any stream.

mod algorithms;
mod client;
mod config;
mod error;
mod flow;
mod identification;
mod question;
mod session;
mod sign_in;
mod text;

use std::{borrow::Cow, fmt, future::poll_fn, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};

pub use self::{
    config::{Config, Credential, KeepAlive, Limits, Program, Terminal, WindowSize},
    error::{AlgorithmKind, Error, KeyOwner},
    question::{HostKeyQuestion, PassphraseQuestion, PasswordQuestion, Prompt, PromptsQuestion, Verdict},
};
use self::{
    flow::Flow,
    session::{Commands, Input},
};
use crate::keys::PublicKey;

/// Pieces of input that wait here for the target.
const WAITING_INPUTS: usize = 4;
/// Bytes of one such piece.
const INPUT_BYTES: usize = 16 * 1024;
const WAITING_SIGNALS: usize = 8;

/// The way in to one session: input, size, signals. Cheap to clone; all clones are the same session.
///
/// The session lives as long as its [`Events`] do, not as long as this.
#[derive(Clone)]
pub struct Bridge {
    input: mpsc::Sender<Input>,
    signals: mpsc::Sender<Signal>,
    size: Arc<watch::Sender<WindowSize>>,
    flow: Arc<Flow>,
}

impl Bridge {
    /// Begins a session over `stream`: a TCP connection, a channel of a tunnel, anything. Everything that happens comes
    /// out of [`Events`], failures included.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, since it spawns the session's task.
    pub fn connect<S>(stream: S, config: Config) -> (Self, Events)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let flow = Arc::new(Flow::new(config.limits.max_unread_bytes));
        let (input, inputs) = mpsc::channel(WAITING_INPUTS);
        let (signals, signals_out) = mpsc::channel(WAITING_SIGNALS);
        let (size, sizes) = watch::channel(config.terminal.clone().unwrap_or_default().size);
        let commands = Commands { input: inputs, signals: signals_out, size: sizes };
        tokio::spawn(session::run(stream, config, commands, flow.clone()));
        (Self { input, signals, size: Arc::new(size), flow: flow.clone() }, Events { flow })
    }

    /// Sends input to the program, byte for byte: what is typed, control characters included. What is taken is taken
    /// off the front of `input`. Waits while the program does not read; how much output waits does not matter.
    ///
    /// # Errors
    ///
    /// [`Ended`] if the session is over; the reason comes out of [`Events`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: `input` keeps what has not been taken.
    pub async fn send(&self, input: &mut Bytes) -> Result<(), Ended> {
        while !input.is_empty() {
            let permit = self.input.reserve().await.map_err(|_| Ended)?;
            permit.send(Input::Data(input.split_to(input.len().min(INPUT_BYTES))));
        }
        Ok(())
    }

    /// Ends the input: the program reads an end of file after all that was sent. Output goes on.
    ///
    /// # Errors
    ///
    /// [`Ended`] if the session is over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing has happened.
    pub async fn finish(&self) -> Result<(), Ended> {
        self.input.send(Input::End).await.map_err(|_| Ended)
    }

    /// Tells the terminal's new size. Never waits: of sizes that follow one another quickly, the last one counts.
    pub fn resize(&self, size: WindowSize) {
        self.size.send_if_modified(|current| std::mem::replace(current, size) != size);
    }

    /// Sends a signal to the program. Servers may ignore it; OpenSSH obeys since 8.1.
    ///
    /// # Errors
    ///
    /// [`Ended`] if the session is over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing has happened.
    pub async fn signal(&self, signal: Signal) -> Result<(), Ended> {
        self.signals.send(signal).await.map_err(|_| Ended)
    }

    /// Ends the session now. [`Events::next`] gives `None`; output that waits there is thrown away.
    pub fn disconnect(&self) {
        self.flow.close();
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("size", &*self.size.borrow()).finish_non_exhaustive()
    }
}

/// What comes out of one session. Dropping it ends the session.
#[derive(Debug)]
pub struct Events {
    flow: Arc<Flow>,
}

impl Events {
    /// The next event; `None` when the session has ended well. Whoever does not call this stops the program's output on
    /// the target, not in memory here.
    ///
    /// # Errors
    ///
    /// Why the session failed. It is final, and comes again when asked again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|context| self.flow.poll_next(context)).await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.flow.close();
    }
}

/// Something that happened, or that has to be answered. A question that is dropped is answered no.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The host key is not one of those that are known.
    HostKey(HostKeyQuestion),
    /// The password is needed.
    Password(PasswordQuestion),
    /// The server has questions of its own.
    Prompts(PromptsQuestion),
    /// A private key's passphrase is needed.
    Passphrase(PassphraseQuestion),
    /// Words of the server's for the person, before the sign-in is complete. Control characters are taken out.
    Banner(String),
    /// Somebody is signed in and the program runs.
    Ready(Ready),
    /// Output of the program, byte for byte: a character may be split between two of these.
    Output(Bytes),
    /// What the program wrote to standard error, when there is no terminal.
    ErrorOutput(Bytes),
    /// The program has ended, and all its output has come out. Nothing follows but the end.
    Exit(Exit),
}

/// What is known once the program runs; for the record, and for the store of host keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ready {
    /// The server's identification, such as `SSH-2.0-OpenSSH_9.2p1`.
    pub server_version: String,
    /// The server's key.
    pub host_key: PublicKey,
    /// How it compared with those that were known. Anything but [`Verdict::Known`] was accepted by the caller, who may
    /// store it now.
    pub verdict: Verdict,
    /// The methods of the sign-in, in order: more than one if the server wanted more.
    pub signed_in_with: Vec<String>,
    /// The key exchange that was agreed on.
    pub key_exchange: String,
    /// The cipher that was agreed on.
    pub cipher: String,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// By itself, with this status.
    Status(u32),
    /// By a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// It left a core dump.
        core_dumped: bool,
        /// More about it, in the server's words without control characters.
        message: String,
    },
}

/// A signal by its name without `SIG` (RFC 4254 §6.10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signal(Cow<'static, str>);

#[allow(missing_docs, reason = "the names say it")]
impl Signal {
    pub const ABRT: Self = Self(Cow::Borrowed("ABRT"));
    pub const ALRM: Self = Self(Cow::Borrowed("ALRM"));
    pub const FPE: Self = Self(Cow::Borrowed("FPE"));
    pub const HUP: Self = Self(Cow::Borrowed("HUP"));
    pub const ILL: Self = Self(Cow::Borrowed("ILL"));
    pub const INT: Self = Self(Cow::Borrowed("INT"));
    pub const KILL: Self = Self(Cow::Borrowed("KILL"));
    pub const PIPE: Self = Self(Cow::Borrowed("PIPE"));
    pub const QUIT: Self = Self(Cow::Borrowed("QUIT"));
    pub const SEGV: Self = Self(Cow::Borrowed("SEGV"));
    pub const TERM: Self = Self(Cow::Borrowed("TERM"));
    pub const USR1: Self = Self(Cow::Borrowed("USR1"));
}

impl Signal {
    /// Any other signal.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The session is over. Why comes out of [`Events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Ended;

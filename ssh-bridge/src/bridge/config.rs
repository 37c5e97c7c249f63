//! What a session is to be.

use std::time::Duration;

use crate::{
    keys::{PrivateKey, PublicKey},
    secret::Secret,
};

/// A session: who signs in with what, what is known of the server, what is to be started.
///
/// ```
/// use towline_ssh_bridge::{Config, Credential, Program};
///
/// let mut config = Config::new("root");
/// config.credentials = vec![Credential::Password("secret".into())];
/// config.program = Program::Command("uptime".into());
/// config.terminal = None;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The user's name on the target.
    pub user: String,
    /// Tried in this order, each when the server takes its method. When all are used up, the person is asked.
    pub credentials: Vec<Credential>,
    /// The host keys that the caller's store has for this target. The server is asked for keys of these types first.
    pub host_keys: Vec<PublicKey>,
    /// What to start.
    pub program: Program,
    /// The pseudo-terminal it runs on; `None` for bytes as they are, with standard error apart.
    pub terminal: Option<Terminal>,
    /// Variables to set, such as `LANG`. Servers take those that they are configured to take and the rest is no error.
    pub environment: Vec<(String, String)>,
    /// Takes what is not safe any more: SHA-1, CBC, 3DES, DSA, RSA below 2048 bits. For devices that know nothing else.
    pub legacy_algorithms: bool,
    /// How a silent server is found out, once somebody is signed in.
    pub keep_alive: KeepAlive,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A shell on a terminal of type `xterm-256color`, 80 by 24, for `user`, who is asked for everything.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            credentials: Vec::new(),
            host_keys: Vec::new(),
            program: Program::Shell,
            terminal: Some(Terminal::default()),
            environment: Vec::new(),
            legacy_algorithms: false,
            keep_alive: KeepAlive::default(),
            limits: Limits::default(),
        }
    }
}

/// Something to sign in with.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there are one or two in a session")]
pub enum Credential {
    /// A password. It also answers the one hidden question for a password that some servers ask instead
    /// (keyboard-interactive), once.
    Password(Secret),
    /// A key that is open already.
    Key(Box<PrivateKey>),
    /// The text of a private key. The person is asked for its passphrase if it has one.
    KeyText(Secret),
}

/// What to start on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// The user's shell.
    Shell,
    /// A command, which the user's shell reads.
    Command(String),
}

/// A pseudo-terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its type: `TERM` on the target.
    pub kind: String,
    /// Its size at the beginning.
    pub size: WindowSize,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { kind: "xterm-256color".into(), size: WindowSize { columns: 80, rows: 24 } }
    }
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowSize {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// A server from which nothing comes is asked for a sign of life every `interval`, and given up after `max_unanswered` times.
/// Time in which this side reads nothing, because the caller takes nothing, does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before a question.
    pub interval: Duration,
    /// Questions without any answer.
    pub max_unanswered: u32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), max_unanswered: 3 }
    }
}

/// Bounds on what a server, or a caller who takes nothing, can make this side hold or do. Every default is finite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Output that waits here for the caller, in bytes. When there is more, nothing is read from the stream until half
    /// of it has been taken, so that the program on the target has to wait. Input goes on meanwhile.
    pub max_unread_bytes: usize,
    /// What the server may send ahead on the channel, in bytes. After Ctrl+C all of it still has to come over the link before
    /// the prompt does; on long ways it bounds the throughput (window ÷ round trip).
    pub channel_window_bytes: u32,
    /// Attempts to sign in, whoever they come from.
    pub max_sign_in_attempts: u32,
    /// Rounds of questions within one attempt.
    pub max_prompt_rounds: u32,
    /// Questions in one round.
    pub max_prompts: usize,
    /// Text of a banner, a question or a reason that is passed on, in bytes. The rest is left out.
    pub max_text_bytes: usize,
    /// Banners that are passed on. The rest is left out.
    pub max_banners: u32,
    /// Time for each step of the server's before the program has started. A person's time does not count.
    pub max_step: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_unread_bytes: 64 * 1024,
            channel_window_bytes: 128 * 1024,
            max_sign_in_attempts: 10,
            max_prompt_rounds: 16,
            max_prompts: 16,
            max_text_bytes: 4096,
            max_banners: 4,
            max_step: Duration::from_secs(20),
        }
    }
}

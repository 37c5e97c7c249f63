//! `towline.terminal.v1`: what a page and the cloud say to each other about a terminal. Binary messages are the terminal's
//! bytes, text messages are these as JSON, beside [`ToViewer`](crate::ToViewer) and [`FromViewer`](crate::FromViewer).
//!
//! ```text
//!   page  ── hello ──────────────────────────► cloud
//!         ◄── phase, questions ── answers ──►
//!         ◄── attached (offset) ─────────────
//!         ◄═════════ bytes ═════════►
//!         ── ack, resize, command ──────────►
//!         ◄── exit, end ─────────────────────
//! ```
//!
//! The page acknowledges what it has drawn; the cloud sends no more than a bounded amount beyond that. A page that goes
//! without [`FromTerminal::Close`] may come back for a minute, with a ticket for the same session.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// The WebSocket subprotocol of a terminal, version 1.
pub const SUBPROTOCOL_TERMINAL: &str = "towline.terminal.v1";

/// How long a terminal waits for a page that went without closing it, in seconds.
pub const TERMINAL_KEPT_SECONDS: u64 = 60;

/// How far the cloud sends ahead of what a page has drawn, in bytes.
pub const TERMINAL_WINDOW_BYTES: u64 = 128 * 1024;

/// A text message of the page about its terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromTerminal {
    /// The first message.
    Hello {
        /// The window's width, in characters.
        columns: u16,
        /// The window's height, in characters.
        rows: u16,
        /// How far the page has drawn a terminal that it comes back to; without it, all that is kept is sent again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        received: Option<u64>,
    },
    /// The window has another size.
    Resize {
        /// Width, in characters.
        columns: u16,
        /// Height, in characters.
        rows: u16,
    },
    /// The page has drawn this much, counted from the terminal's first byte.
    Ack {
        /// Bytes.
        bytes: u64,
    },
    /// The answer to a [`ToTerminal::Question`].
    Answer {
        /// Which question.
        id: u32,
        /// What the person says.
        #[serde(flatten)]
        answer: Answer,
    },
    /// A key that only Telnet has.
    Command {
        /// Which.
        command: TerminalCommand,
    },
    /// The person has closed the terminal: do not keep it.
    Close,
}

/// What a person says to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To a host key.
    HostKey {
        /// Go on.
        accept: bool,
        /// And keep the key with the endpoint; takes `remote-access-admin`.
        #[serde(default)]
        save: bool,
    },
    /// To everything that is typed, one text a prompt.
    Texts {
        /// What was typed.
        texts: Vec<Secret>,
    },
    /// No answer: the connection ends.
    Cancel {
        /// Always true.
        cancel: bool,
    },
}

/// A key that only Telnet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TerminalCommand {
    /// BRK.
    Break,
    /// IP and a Synch.
    Interrupt,
    /// AYT.
    AreYouThere,
    /// AO.
    AbortOutput,
}

/// A text message of the cloud about a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToTerminal {
    /// Something that only a person knows.
    Question {
        /// The question's number.
        id: u32,
        /// What about.
        #[serde(flatten)]
        question: Question,
    },
    /// The page has the terminal from here on.
    Attached {
        /// The session, for a ticket to come back with.
        session_id: String,
        /// Where the bytes that follow stand, counted from the terminal's first byte.
        offset: u64,
        /// Whether it lived before this page.
        resumed: bool,
    },
    /// Text for the person, which the program on the target has not said: a banner, a warning.
    Notice {
        /// The text. Control characters are taken out.
        text: String,
    },
    /// The program on the target has ended by itself.
    Exit {
        /// Its exit status, unless a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u32>,
        /// The signal's name without `SIG`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
    },
}

/// Something that only a person knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum Question {
    /// Whether this is the right server: its key is not known.
    HostKey {
        /// `host:port`.
        target: String,
        /// The key's algorithm.
        algorithm: String,
        /// `SHA256:…`
        fingerprint: String,
        /// Whether the person may have the key kept with the endpoint.
        may_save: bool,
    },
    /// The user's password on the target.
    Password {
        /// The user.
        user: String,
        /// An earlier answer was wrong.
        wrong_before: bool,
    },
    /// Whatever the target asks.
    Prompts {
        /// The target's headline.
        name: String,
        /// The target's instructions.
        instructions: String,
        /// What to answer, in order.
        prompts: Vec<Prompt>,
        /// An earlier answer was wrong.
        wrong_before: bool,
    },
    /// The passphrase of the endpoint's private key.
    Passphrase {
        /// An earlier answer was wrong.
        wrong_before: bool,
    },
}

/// One thing that a target asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The target's words.
    pub text: String,
    /// Whether the answer may be shown.
    pub echo: bool,
}

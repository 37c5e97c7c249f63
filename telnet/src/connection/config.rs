//! What this side is like.

use alloc::{string::String, vec::Vec};

use crate::{
    OptionCode, OptionSet, Policy,
    newline::{Incoming, Outgoing},
    option::{
        linemode::{SpecialCharacter, UNIX_KEYS},
        naws::WindowSize,
        new_environ::Variable,
    },
};

/// What this side is like: what it agrees to, what it says first, and what it answers.
///
/// ```
/// use towline_telnet::{Config, option::naws::WindowSize};
///
/// let mut config = Config::client("xterm-256color");
/// config.window = Some(WindowSize { columns: 80, rows: 24 });
/// config.speak_first = true;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What the peer may have us do, and what it may do. A timing mark is answered with WILL if it is in `local`, else
    /// with WONT: inetutils telnetd takes WILL for "I edit lines myself", and leaves the client alone with it.
    pub policy: Policy,
    /// Offer and ask at once. Some consoles take what comes unasked for typed text.
    pub speak_first: bool,
    /// What to offer, if this side speaks first.
    pub offer: OptionSet,
    /// What to ask of the peer, if this side speaks first.
    pub ask: OptionSet,
    /// What is made of the peer's newlines.
    pub incoming: Incoming,
    /// What becomes of this side's newlines.
    pub outgoing: Outgoing,
    /// The names of this side's terminal, the most specific one first.
    pub terminal_types: Vec<String>,
    /// The size of this side's window; while it is not known the option is not agreed to.
    pub window: Option<WindowSize>,
    /// Send 254 for each byte of 255 in a size: busybox telnetd takes a doubled one for typed text.
    pub avoid_255: bool,
    /// The speeds of this side's terminal, out and in, in bits per second.
    pub terminal_speed: (u32, u32),
    /// This side's X display.
    pub x_display: Option<String>,
    /// The variables the peer may be told. Nothing else is ever told: this crate does not look at the process's own.
    pub environment: Vec<Variable>,
    /// The character sets this side can use.
    pub charsets: Vec<String>,
    /// The keys of LINEMODE; by default those of a Unix terminal.
    pub special_characters: Vec<SpecialCharacter>,
    /// Ask the peer for its terminal types, speed, display and variables as soon as their option is on.
    pub ask_details: bool,
}

impl Config {
    /// A terminal that lets the server decide: it waits, agrees to echo, no go-ahead, binary and status, tells
    /// its type and its size when asked, and nothing about the user. With a [`Keyboard`](crate::Keyboard) it is all that a
    /// terminal in a browser needs.
    pub fn client(terminal_type: &str) -> Self {
        Self {
            policy: Policy {
                local: OptionSet::from([
                    OptionCode::BINARY,
                    OptionCode::SGA,
                    OptionCode::STATUS,
                    OptionCode::TERMINAL_TYPE,
                    OptionCode::NAWS,
                ]),
                remote: OptionSet::from([
                    OptionCode::BINARY,
                    OptionCode::ECHO,
                    OptionCode::SGA,
                    OptionCode::END_OF_RECORD,
                ]),
            },
            speak_first: false,
            offer: OptionSet::from([OptionCode::SGA, OptionCode::TERMINAL_TYPE, OptionCode::NAWS]),
            ask: OptionSet::from([OptionCode::SGA]),
            incoming: Incoming::Screen,
            outgoing: Outgoing::CrNul,
            terminal_types: Vec::from([terminal_type.into()]),
            window: None,
            avoid_255: true,
            terminal_speed: (38_400, 38_400),
            x_display: None,
            environment: Vec::new(),
            charsets: Vec::new(),
            special_characters: UNIX_KEYS.to_vec(),
            ask_details: false,
        }
    }

    /// A server that works a character at a time: it speaks first, echoes, and asks for the terminal's type and size.
    pub fn server() -> Self {
        let remote = OptionSet::from([OptionCode::SGA, OptionCode::TERMINAL_TYPE, OptionCode::NAWS]);
        let mut agreed = remote;
        agreed.insert(OptionCode::BINARY);
        Self {
            policy: Policy {
                local: OptionSet::from([
                    OptionCode::BINARY,
                    OptionCode::ECHO,
                    OptionCode::SGA,
                    OptionCode::STATUS,
                    OptionCode::TIMING_MARK,
                ]),
                remote: agreed,
            },
            speak_first: true,
            offer: OptionSet::from([OptionCode::ECHO, OptionCode::SGA]),
            ask: remote,
            incoming: Incoming::Keys,
            outgoing: Outgoing::Lines,
            ask_details: true,
            terminal_types: Vec::new(),
            ..Self::client("")
        }
    }
}

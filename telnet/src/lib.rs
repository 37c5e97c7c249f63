//! Telnet without I/O: exact on every byte, bounded in memory, linear in time.
//!
//! * [`Parser`] cuts bytes into [`Token`]s, whatever the pieces they come in; tokens are slices of the input.
//! * [`Negotiator`] is RFC 1143 in full, for both sides of all options, without a byte.
//! * [`option`] has what the options say as values, both ways.
//! * [`Connection`] joins them: escaping, newlines, BINARY, Synch, and answers to what a [`Config`] can answer.
//! * [`Keyboard`] stands between a user's terminal and a [`Connection`]: Ctrl+C, Backspace, echo and lines on this side.
//!
//! The crate is `no_std`, has no clock, log, socket or runtime, and never looks at the process's environment. Feature `codec`
//! adds `codec::Codec` for tokio-util, feature `mccp` compressed streams. What a peer can make this side hold or say is bounded
//! by [`Limits`]. Character sets are outside: bytes pass as they are.
//!
//! # The loop
//!
//! After each call that changes something: drain [`Connection::poll_event`], then [`Connection::poll_transmit`]; once more
//! if input is left ([`Connection::wants_input`]).
//!
//! ```
//! use bytes::Bytes;
//! use towline_telnet::{Config, Connection, Event, Limits, OptionCode, Side, option::naws::WindowSize};
//!
//! let mut config = Config::client("xterm");
//! config.window = Some(WindowSize { columns: 132, rows: 43 });
//! let mut client = Connection::new(config, Limits::default());
//! let mut server = Connection::new(Config::server(), Limits::default());
//!
//! server.send(&mut Bytes::from_static(b"login: "));
//! let mut screen = Vec::new();
//! loop {
//!     // The network: what one side transmits, the other gets as input, in whatever pieces.
//!     let (forth, back) = (client.poll_transmit(), server.poll_transmit());
//!     if forth.is_none() && back.is_none() {
//!         break;
//!     }
//!     server.handle_input(forth.unwrap_or_default());
//!     client.handle_input(back.unwrap_or_default());
//!
//!     while let Some(event) = client.poll_event()? {
//!         if let Event::Data(data) = event {
//!             screen.extend_from_slice(&data);
//!         }
//!     }
//!     while server.poll_event()?.is_some() {}
//! }
//! assert_eq!(screen, b"login: ");
//! assert!(client.is_on(Side::Remote, OptionCode::ECHO));
//! assert_eq!(server.peer_window(), Some(WindowSize { columns: 132, rows: 43 }));
//! assert_eq!(server.peer_terminal_types(), ["xterm"]);
//! # Ok::<(), towline_telnet::Error>(())
//! ```
//!
//! # Over TCP
//!
//! The mark of a Synch has TCP's urgent byte, which a system takes out of the stream unless it is told not to: what is left is
//! half of a command. So set `SO_OOBINLINE`, also where nothing else is done about it: inetutils telnetd sends a Synch for each
//! Ctrl+C. Whoever wants Synch to overtake data calls [`Connection::handle_urgent`] when the socket has urgent data
//! (`POLLPRI`), and sends what comes while [`Connection::next_is_urgent`] with `MSG_OOB`. The examples do all three.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "codec")]
extern crate std;

#[cfg(feature = "codec")]
pub mod codec;
mod command;
mod connection;
mod error;
pub mod keyboard;
mod limits;
mod near;
mod negotiator;
pub mod newline;
pub mod option;
mod parser;
mod reader;

pub use command::{Command, IAC, Verb};
pub use connection::{Config, Connection, Event};
pub use error::Error;
pub use keyboard::Keyboard;
pub use limits::Limits;
pub use negotiator::{Change, Negotiator, Outcome, Policy, QState, Side};
pub use option::{OptionCode, OptionSet, Subnegotiation};
pub use parser::{Parser, Token, escape};

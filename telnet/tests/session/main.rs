//! Telnet through the public API: the parser, the negotiator, one connection against a hostile peer, two against each other.

#[cfg(feature = "codec")]
mod codec;
mod commands;
#[cfg(feature = "mccp")]
mod compression;
mod history;
mod keyboard;
mod negotiator;
mod newlines;
mod options;
mod pair;
mod parser;
mod two_ends;

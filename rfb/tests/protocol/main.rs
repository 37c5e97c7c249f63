//! The protocol through the public API, without a network.

mod encodings;
mod handshake;
mod hostile;
mod messages;
mod picture;
mod proxy;
mod session;

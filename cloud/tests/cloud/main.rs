//! The cloud through its public API: a real one on a free port, a small HTTP client, and devices made for the test.

mod assets;
mod audit;
mod browser;
mod events;
mod harness;
mod identity;
mod installation;
mod keys;
mod login;
mod matrix;
mod memory;
mod page;
mod people;
mod permissions;
mod port;
mod revocation;
mod screen;
mod sessions;
mod telnetd;
mod terminal;
mod upgrade;

// The real SSH servers of the bridge's own tests, and what those need.
#[path = "../../../ssh-bridge/tests/bridge/operator.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod operator;
#[path = "../../../ssh-bridge/tests/bridge/server.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod server;

//! The bridge against real servers: OpenSSH's sshd and dropbear.

mod failures;
mod flood;
mod host_keys;
mod operator;
mod server;
mod sign_in;
mod terminal;

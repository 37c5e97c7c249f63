//! The whole path: the real `towline` program as cloud, agent and operator, and a real OpenSSH server behind it.
#![forbid(unsafe_code)]

mod bytes;
mod completions;
mod cuts;
mod demo;
mod doctor;
mod failures;
mod installation;
mod keys;
mod lifecycle;
mod logins;
mod over_ssh;
mod people;
mod records;
mod revocation;
mod run;
mod ssh;
mod ssh_config;
mod sshd;
mod targets;
mod telnet;
mod unix;
mod urgency;
// The real SSH servers of the bridge's own tests, with passwords, and what those need.
#[path = "../../../ssh-bridge/tests/bridge/operator.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod operator;
#[path = "../../../ssh-bridge/tests/bridge/server.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod server;
#[path = "../../../rfb/tests/real_servers/viewer.rs"]
#[allow(dead_code, reason = "it sees more than is asked here")]
mod viewer;
mod world;

//! The whole path: the real `towline` program as cloud, agent and operator, and a real OpenSSH server behind it.
#![forbid(unsafe_code)]

mod bytes;
mod completions;
mod demo;
mod doctor;
mod failures;
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
mod unix;
#[path = "../../../rfb/tests/real_servers/viewer.rs"]
#[allow(dead_code, reason = "it sees more than is asked here")]
mod viewer;
mod world;

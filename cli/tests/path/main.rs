//! The whole path: the real `towline` program as cloud, agent and operator, and a real OpenSSH server behind it.
#![forbid(unsafe_code)]

mod bytes;
mod completions;
mod doctor;
mod failures;
mod keys;
mod lifecycle;
mod logins;
mod people;
mod records;
mod revocation;
mod run;
mod ssh;
mod ssh_config;
mod sshd;
mod targets;
mod unix;
mod world;

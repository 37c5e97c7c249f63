//! The whole path: the real `towline` program as cloud, agent and operator, and a real OpenSSH server behind it.
#![forbid(unsafe_code)]

mod bytes;
mod failures;
mod lifecycle;
mod ssh;
mod sshd;
mod targets;
mod world;

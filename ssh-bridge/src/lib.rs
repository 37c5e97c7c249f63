//! SSH beyond the protocol: [`keys`] reads, writes and makes keys in every container that people have, and knows hosts.

#![forbid(unsafe_code)]

pub mod keys;

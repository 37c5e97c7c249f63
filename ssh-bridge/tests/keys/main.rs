//! Keys against the tools that people make them with: ssh-keygen, puttygen, openssl, dropbearkey, dropbearconvert, sshd.

mod authorized_keys;
mod cells;
mod certificates;
#[cfg(feature = "russh")]
mod differential;
mod known_hosts;
mod pasted;
mod reading;
mod refused;
mod tools;
mod writing;

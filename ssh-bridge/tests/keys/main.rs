//! Keys against the tools that people make them with: ssh-keygen, puttygen, openssl, dropbearkey, dropbearconvert, sshd.

mod reading;
mod tools;
mod writing;

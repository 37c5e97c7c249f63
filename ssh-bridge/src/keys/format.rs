//! The containers by name.

use std::fmt;

/// A container of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// OpenSSH's own, `OPENSSH PRIVATE KEY`.
    OpensshKeyV1,
    /// What OpenSSL made of RSA keys, `RSA PRIVATE KEY`.
    Pkcs1,
    /// What OpenSSL made of elliptic curve keys, `EC PRIVATE KEY`.
    Sec1,
    /// What OpenSSL made of DSA keys, `DSA PRIVATE KEY`.
    PemDsa,
    /// `PRIVATE KEY` or, encrypted, `ENCRYPTED PRIVATE KEY`.
    Pkcs8,
    /// PuTTY's, version 2.
    Ppk2,
    /// PuTTY's, version 3.
    Ppk3,
    /// ssh.com's private keys, `SSH2 ENCRYPTED PRIVATE KEY`.
    SshCom,
    /// The private key of SSH version 1.
    Ssh1,
    /// dropbear's.
    Dropbear,
    /// A line as in `.pub` and authorized_keys files.
    OneLine,
    /// A certificate in a line.
    Certificate,
    /// `SSH2 PUBLIC KEY`.
    Rfc4716,
    /// `PUBLIC KEY`.
    Spki,
    /// `RSA PUBLIC KEY`.
    Pkcs1Public,
    /// A public key of SSH version 1: decimal numbers in a line.
    Ssh1Public,
}

impl Format {
    /// A short name without blanks.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpensshKeyV1 => "openssh-key-v1",
            Self::Pkcs1 => "pkcs1",
            Self::Sec1 => "sec1",
            Self::PemDsa => "pem-dsa",
            Self::Pkcs8 => "pkcs8",
            Self::Ppk2 => "ppk-v2",
            Self::Ppk3 => "ppk-v3",
            Self::SshCom => "ssh.com",
            Self::Ssh1 => "ssh1",
            Self::Dropbear => "dropbear",
            Self::OneLine => "one-line",
            Self::Certificate => "certificate",
            Self::Rfc4716 => "rfc4716",
            Self::Spki => "spki",
            Self::Pkcs1Public => "pkcs1-public",
            Self::Ssh1Public => "ssh1-public",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

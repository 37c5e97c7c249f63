//! The command line of `towline keys`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// Keys are read from any container that people have: OpenSSH's, PEM, PKCS#8, PuTTY's, ssh.com's, RFC 4716, SSH version
/// 1's, dropbear's, one line, certificates. Nothing leaves this machine.
#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Say what a file is: container, algorithm, bits, fingerprint, comment, whether it is private and encrypted.
    ///
    /// Of known_hosts, and of any file with several keys, one a line, every line is listed; in JSON that is one array, whose
    /// objects have `line`, and `error` where a line is not understood. The exit code is 0 if all of the file was read, and
    /// 2 if any line was not, once all are listed; then the first of them is named.
    Inspect(KeyFile),
    /// Print a key's SHA-256 fingerprint, as OpenSSH has it.
    ///
    /// Of a file with several keys, each has a line of its own; in JSON that is one array.
    Fingerprint(KeyFile),
    /// Write a key in another container, with another passphrase, or its public half alone.
    Convert(Convert),
    /// Make a key, and write it and its public half (FILE.pub).
    Generate(Generate),
}

#[derive(clap::Args)]
pub(crate) struct KeyFile {
    /// The file with the key; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A file with the passphrase that the key is encrypted with.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Convert {
    #[command(flatten)]
    pub(crate) from: KeyFile,
    /// The container to write. The public ones write the public half alone.
    #[arg(long, value_enum)]
    pub(crate) to: Container,
    #[command(flatten)]
    pub(crate) written: Written,
    /// Another comment.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Generate {
    /// What kind of key.
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value_t = Kind::Ed25519)]
    pub(crate) kind: Kind,
    /// The size of an RSA key: 2048 to 4096.
    #[arg(long, value_name = "BITS", default_value_t = 3072)]
    pub(crate) bits: u32,
    /// The container to write.
    #[arg(long, value_enum, default_value_t = Container::Openssh)]
    pub(crate) to: Container,
    #[command(flatten)]
    pub(crate) written: Written,
    /// What to call the key.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
}

#[derive(clap::Args)]
pub(crate) struct Written {
    /// The file to write; it must not exist yet. `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A file with the passphrase that the key is to be encrypted with [default: not encrypted].
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Container {
    /// OpenSSH's own.
    Openssh,
    /// What OpenSSL had before PKCS#8; its encryption is weak.
    Pem,
    /// PKCS#8.
    Pkcs8,
    /// PuTTY's, version 3.
    Ppk,
    /// The public half in a line, as in authorized_keys.
    OneLine,
    /// The public half as RFC 4716 has it.
    Rfc4716,
    /// The public half as OpenSSL has it.
    Spki,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// RSA.
    Rsa,
}

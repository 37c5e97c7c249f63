//! Why a session failed, in words for whoever wanted it.

use std::fmt;

use super::question::Verdict;
use crate::keys::{self, Fingerprint};

/// The end of a session that did not end well. Texts that come from the target are escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something else than an SSH server answers.
    #[error("the target does not speak SSH: it said \"{said}\" — correct the endpoint's port or protocol")]
    NotSsh {
        /// Its first bytes, escaped.
        said: String,
    },
    /// A server of the protocol's first version, which is broken and not spoken here.
    #[error("the target speaks SSH version 1 only (\"{version}\"), which is not safe — update its SSH server")]
    OnlySsh1 {
        /// How it introduced itself.
        version: String,
    },
    /// The two sides have no algorithm of one kind in common.
    #[error(
        "no {kind} in common: the target offers {}{}",
        offered.join(", "),
        if *legacy_would_help { " — legacy algorithms have to be allowed for this endpoint" } else { "" }
    )]
    NoCommonAlgorithm {
        /// What for.
        kind: AlgorithmKind,
        /// What the target offers.
        offered: Vec<String>,
        /// There would be one in common with [`Config::legacy_algorithms`](crate::Config::legacy_algorithms).
        legacy_would_help: bool,
    },
    /// The host key was not accepted.
    #[error("{}", host_key_text(*verdict, offered, known))]
    HostKey {
        /// How the key compares with those that were known.
        verdict: Verdict,
        /// The key that the target has.
        offered: Fingerprint,
        /// The keys that were known.
        known: Vec<Fingerprint>,
    },
    /// A key is too short to prove anything.
    #[error(
        "the {whose} key has only {bits} bits (RSA needs 2048) — replace it, or allow legacy algorithms for this endpoint"
    )]
    WeakKey {
        /// Whose key.
        whose: KeyOwner,
        /// Its size.
        bits: u64,
    },
    /// The private key could not be used.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// The server let nobody in with what it was given.
    #[error("{}", refused_text(methods, *partial))]
    AuthenticationRefused {
        /// The methods by which the server would still go on, in its words.
        methods: Vec<String>,
        /// Some of what was given was right, and more is needed.
        partial: bool,
    },
    /// The server refused a session channel.
    #[error("the target refused to open a session: {reason}")]
    SessionRefused {
        /// Why, as far as it said.
        reason: String,
    },
    /// The server gave no pseudo-terminal.
    #[error("the target gave no terminal — its configuration or this key's options forbid it")]
    TerminalRefused,
    /// The server did not start the shell or the command.
    #[error("the target did not start the {program}")]
    ProgramRefused {
        /// `shell` or `command`.
        program: &'static str,
    },
    /// The server ended the connection and said so.
    #[error("the target ended the connection: {reason} (code {code})")]
    Disconnected {
        /// RFC 4253 §11.1.
        code: u32,
        /// Why, in its words.
        reason: String,
    },
    /// The stream underneath ended or broke.
    #[error("the connection to the target is gone: {reason}")]
    ConnectionLost {
        /// What was seen of it.
        reason: String,
    },
    /// The server answered nothing any more.
    #[error("the target has not answered for {seconds} s")]
    KeepAliveLost {
        /// For how long.
        seconds: u64,
    },
    /// The server took too long before the session had begun.
    #[error("the target took more than {seconds} s for {step}")]
    TimedOut {
        /// What was waited for.
        step: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The server broke the protocol, or somebody between tried to.
    #[error("the target broke the protocol: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The caller asked for what cannot be.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// What an algorithm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlgorithmKind {
    /// Key exchange.
    KeyExchange,
    /// The host key's type and signature.
    HostKey,
    /// Encryption.
    Cipher,
    /// Integrity.
    Mac,
    /// Compression.
    Compression,
}

impl fmt::Display for AlgorithmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyExchange => "key exchange",
            Self::HostKey => "host key algorithm",
            Self::Cipher => "cipher",
            Self::Mac => "MAC",
            Self::Compression => "compression",
        })
    }
}

/// Whose key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// The server's.
    Host,
    /// The one for signing in.
    User,
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::User => "user",
        })
    }
}

fn host_key_text(verdict: Verdict, offered: &Fingerprint, known: &[Fingerprint]) -> String {
    let known = known.iter().map(Fingerprint::to_string).collect::<Vec<_>>().join(", ");
    match verdict {
        Verdict::Known => format!("the host key {offered} was refused"),
        Verdict::Unknown => {
            format!("the host key is not known yet: {offered} — compare it with the device's and accept it")
        }
        Verdict::Changed => format!(
            "the host key has changed: it was {known} and is now {offered} — somebody may be in between; accept it only if \
             the device was set up anew"
        ),
        Verdict::OtherTypeKnown => format!(
            "the target shows a host key of another type than the one known: known is {known}, shown is {offered} — somebody \
             may be in between"
        ),
    }
}

fn refused_text(methods: &[String], partial: bool) -> String {
    let methods = if methods.is_empty() { "nothing else".to_owned() } else { methods.join(", ") };
    if partial {
        format!("the target accepted a part of the sign-in and wants more: {methods}")
    } else {
        format!("the target refused the sign-in; it takes {methods} — correct user, password or key")
    }
}

//! What can be wrong with a file, so that whoever gave it knows what to do next.

/// Why a key, a certificate or a list of keys cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing in the file looks like a key.
    #[error("this is no key: {0}")]
    NotAKey(&'static str),
    /// The key is encrypted and no passphrase was given: ask for it.
    #[error("the key is encrypted: its passphrase is needed")]
    NeedsPassphrase,
    /// The key does not open with this passphrase: ask again. A damaged file of an old container looks the same.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A whole and good key perhaps, but of a kind that is not read.
    #[error("unsupported {what}: {value}")]
    Unsupported {
        /// The part of the file.
        what: &'static str,
        /// What it says there, or the reason for the refusal.
        value: String,
    },
    /// The file is damaged, or somebody made it up.
    #[error("corrupt {what}: {reason}")]
    Corrupt {
        /// Where: the container or the part of it.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A private key is wanted and this is only the public half: give the other file.
    #[error("this is only the public half: the private key is needed")]
    IsPublic,
    /// Reading it would take more memory or time than [`Limits`](crate::keys::Limits) allows. Nothing was begun.
    #[error("too costly: {what} of {got} exceeds the limit of {max}")]
    TooCostly {
        /// The limit's name.
        what: &'static str,
        /// What the file asks for.
        got: u64,
        /// What is allowed.
        max: u64,
    },
}

impl Error {
    pub(crate) fn unsupported(what: &'static str, value: impl AsRef<[u8]>) -> Self {
        const SHOWN_BYTES: usize = 80;
        let value = value.as_ref();
        let shown = value.get(..SHOWN_BYTES).unwrap_or(value);
        let shown = String::from_utf8_lossy(shown);
        let value = shown.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
        Self::Unsupported { what, value }
    }
}

/// A shorthand for the commonest failure.
pub(crate) fn corrupt(what: &'static str, reason: &'static str) -> Error {
    Error::Corrupt { what, reason }
}

//! What can go wrong, by whose fault it is.

use alloc::string::String;

/// A failure of a handshake, of a session, or of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. Close the connection.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The part of the protocol.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The peer asked for more than [`Limits`](crate::Limits) allows. Close the connection.
    #[error("{what} of {got} exceeds the limit of {max}")]
    LimitExceeded {
        /// The limit's name.
        what: &'static str,
        /// What the peer asked for.
        got: u64,
        /// What is allowed.
        max: u64,
    },
    /// Correct, but not something this version implements. Close the connection.
    #[error("unsupported {what} {value}")]
    Unsupported {
        /// The part of the protocol.
        what: &'static str,
        /// The value on the wire.
        value: i64,
    },
    /// Somebody said no, as the protocol provides for. Close the connection.
    #[error("refused by {by}: {reason}")]
    Refused {
        /// Who said it.
        by: &'static str,
        /// Why, for a person; what a peer gave as its reason is passed on as it is.
        reason: String,
    },
    /// The caller used the API in the wrong order: a bug on this side.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

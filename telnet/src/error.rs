//! What can go wrong, by whose fault it is.

/// A failure of a connection, of one subnegotiation, or of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The part of the protocol.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The peer asked for more than [`Limits`](crate::Limits) allows.
    #[error("{what} of {got} exceeds the limit of {max}")]
    LimitExceeded {
        /// The limit's name.
        what: &'static str,
        /// What the peer asked for.
        got: u64,
        /// What is allowed.
        max: u64,
    },
    /// Correct, but not something this version knows.
    #[error("unsupported {what} {value}")]
    Unsupported {
        /// The part of the protocol.
        what: &'static str,
        /// The value on the wire.
        value: i64,
    },
    /// Correct, but against the policy of one side.
    #[error("refused by {by}: {reason}")]
    Refused {
        /// Whose policy it is.
        by: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The caller used the API in the wrong order: a bug on this side.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// Shorthand for the decoders of option payloads.
pub(crate) fn malformed<T>(what: &'static str, reason: &'static str) -> Result<T, Error> {
    Err(Error::Malformed { what, reason })
}

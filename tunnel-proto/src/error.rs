//! What can go wrong, by whose fault it is.

use crate::Code;

/// A failure of a session, or of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. Close the carrier.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The part of the protocol.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The peer asked for more than [`Limits`](crate::Limits) or its credit allows. Close the carrier.
    #[error("{what} of {got} exceeds the limit of {max}")]
    LimitExceeded {
        /// The limit's name.
        what: &'static str,
        /// What the peer asked for.
        got: u64,
        /// What is allowed.
        max: u64,
    },
    /// Correct, but not something this version implements. Close the carrier.
    #[error("unsupported {what} {value}")]
    Unsupported {
        /// The part of the protocol.
        what: &'static str,
        /// The value on the wire.
        value: i64,
    },
    /// Nothing was heard from the peer. The carrier is lost.
    #[error("silent: nothing was heard for {millis} ms")]
    Silent {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// A wish to resume that cannot be granted. Whatever it was for is as it was before.
    #[error("the session is not resumed: {reason}")]
    ResumeRefused {
        /// Why.
        reason: &'static str,
    },
    /// The carrier was lost and no other came in time.
    #[error("the session was not resumed within {millis} ms")]
    ResumeExpired {
        /// How long it has waited, in milliseconds.
        millis: u64,
    },
    /// There is no room for another channel now: try again when one has ended.
    #[error("refused by {by}: {reason}")]
    Refused {
        /// Whose limit it is.
        by: &'static str,
        /// Which one.
        reason: &'static str,
    },
    /// The caller used the API in the wrong order, or for a channel that is gone: a bug on this side.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

impl Error {
    /// The code that tells the peer about this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::PROTOCOL,
            Self::LimitExceeded { what: "credit", .. } => Code::FLOW_CONTROL,
            Self::Refused { by: "this side", .. } => Code::BUDGET,
            Self::LimitExceeded { .. } | Self::Refused { .. } => Code::LIMIT,
            Self::Unsupported { what: "version", .. } => Code::VERSION,
            Self::Unsupported { .. } => Code::PROTOCOL,
            Self::Silent { .. } => Code::SILENT,
            Self::ResumeRefused { .. } => Code::RESUME_REFUSED,
            Self::ResumeExpired { .. } => Code::RESUME_EXPIRED,
            Self::Misuse(_) => Code::INTERNAL,
        }
    }
}
